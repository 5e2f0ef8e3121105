"""The proof of the command, driven by Python programs with listeners attached: streams and bursts through a network that
keeps breaking."""
import hashlib
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "tests/artemis"), str(ROOT / "tests/cli")]
import prove_cli  # noqa: E402
from kit import Command  # noqa: E402
from proof import Proof  # noqa: E402

PLACE = ROOT / "build/bindings/prove"


def program():
    """A command that runs end.py with the package as it is now."""
    python = PLACE / "venv/bin/python"
    for command in ([] if python.exists() else [[sys.executable, "-m", "venv", PLACE / "venv"]]) + \
            [[python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", ROOT / "bindings/python"]]:
        subprocess.run(command, check=True)
    path = PLACE / "end"
    path.write_text(f'#!/bin/sh\nexec "{python}" "{HERE / "end.py"}" "$@"\n')
    path.chmod(0o755)
    return str(path)


def fingerprint(proof):
    digest = hashlib.sha256(proof.fingerprint.encode())
    for path in [HERE / "end.py", pathlib.Path(prove_cli.__file__), *sorted((ROOT / "bindings/swig").glob("*.i")),
                 *sorted((ROOT / "bindings/python/reattach").glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Programs(prove_cli.Commands):
    """Each sender has refused sends among its own, on the same session; what its listeners heard is compared by itself."""
    own = {"unanswered at a cut": ("unanswered", max), "n2 > n1": ("count_advanced", sum), "answers lost": ("answers_lost", sum),
           "answers doubled": ("answers_doubled", sum), "barriers": ("barriers", sum), "skipped": ("barriers_skipped", sum)}
    columns = [*prove_cli.COLUMNS, *own]
    slow_count = 50000

    def senders(self, queues, count, refused, port):
        return [Command(prove_cli.REATTACH, "send", queue, "--count", count, "--size", 100, "--durable", "--refuse-every",
                        prove_cli.REFUSED_EVERY if refused else 0, port=port, **prove_cli.LIMITED) for queue in queues]

    def judge_senders(self, proof, key, results, count, refused):
        for i, r in enumerate(results):
            prove_cli.judge(proof, f"{key}: sender {i}", r, 0, confirmed=count,
                            rejected=count // (prove_cli.REFUSED_EVERY - 1) if refused else 0)
            proof.check(r["stderr"] == "", f"{key}: sender {i}: {r['stderr']}")

    def cells(self, results):
        return [join(r["summary"].get(member, 0) for r in results) for member, join in self.own.values()]

    def judge_burst(self, proof, key, results, refused):
        if proof.small:
            return
        unanswered, advanced, *_, skipped = self.cells(results)
        proof.check(refused or unanswered >= 1000, f"{key}: at most {unanswered} sends were unanswered at a cut")
        proof.check(advanced > 0 and skipped > 0, f"{key}: n2 > n1 {advanced} times, {skipped} barriers skipped: proves nothing")


def main():
    ends = Programs()
    proof = Proof("python", "Python programs through a network that keeps breaking", ends.columns)
    prove_cli.REATTACH = program()
    proof.fingerprint = fingerprint(proof)
    prove_cli.everything(proof, ends)
    proof.note("Each sender (`send_many`) and each receiver (`receive_many`) is a process with listeners attached, which have to "
               "hear of every re-attachment that the library counts. Where sends are rejected, it is one in fifty, in the middle "
               "of the others and on the same session. A Java client then looks into the queues: empty after a stream; "
               "after a burst each number once and in order.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
