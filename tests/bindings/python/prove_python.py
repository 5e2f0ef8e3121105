"""The proof of the command, driven by Python programs with listeners attached: streams and bursts through a network that
keeps breaking."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "tests/artemis"), str(ROOT / "tests/cli")]
import prove_cli  # noqa: E402
import without_barrier  # noqa: E402
from proof import Proof  # noqa: E402

PLACE = ROOT / "build/bindings/prove"
PACKAGE = ["CMakeLists.txt", "LICENSE", "abi", "bindings", "cmake", "pkgconfig", "src"]  # what it is built from


def program(place, tree):
    """A command that runs end.py with the package as it is in this tree now."""
    python = place / "venv/bin/python"
    for command in ([] if python.exists() else [[sys.executable, "-m", "venv", place / "venv"]]) + \
            [[python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", tree / "bindings/python"]]:
        subprocess.run(command, check=True)
    path = place / "end"
    path.write_text(f'#!/bin/sh\nexec "{python}" "{HERE / "end.py"}" "$@"\n')
    path.chmod(0o755)
    return str(path)


def without():
    place = PLACE / "without_barrier"
    return Programs(program(place, without_barrier.patched_tree(place / "tree", *PACKAGE)))


class Programs(prove_cli.Commands):
    """Each sender has refused sends among its own, on the same session; what its listeners heard is compared by itself."""
    columns = [*prove_cli.COLUMNS, "unanswered at a cut"]
    flow_count = 300000
    slow_count = 50000

    def senders(self, queues, count, refused, port):
        return [self.start("send", queue, "--count", count, "--size", 100, "--durable", "--refuse-every",
                           prove_cli.REFUSED_EVERY if refused else 0, port=port, **prove_cli.LIMITED) for queue in queues]

    def judge_senders(self, proof, key, results, count, refused):
        for i, r in enumerate(results):
            prove_cli.judge(proof, f"{key}: sender {i}", r, 0, confirmed=count,
                            rejected=count // (prove_cli.REFUSED_EVERY - 1) if refused else 0)
            proof.check(r["stderr"] == "", f"{key}: sender {i}: {r['stderr']}")

    def cells(self, results):
        return [max(r["summary"].get("unanswered", 0) for r in results)]

    def judge_burst(self, proof, key, results, refused):
        [unanswered] = self.cells(results)
        proof.check(proof.small or refused or unanswered >= 1000, f"{key}: at most {unanswered} sends were unanswered at a cut")


def main():
    proof = Proof("python", "Python programs through a network that keeps breaking", Programs.columns)
    proof.fingerprint = prove_cli.fingerprint(proof, HERE / "end.py", *sorted((ROOT / "bindings/swig").glob("*.i")),
                                              *sorted((ROOT / "bindings/python/reattach").glob("*.py")))
    # in the small form that of the command has to do: the package would have to be built twice
    prove_cli.everything(proof, Programs(program(PLACE, ROOT)), proof.pick(None, without))
    proof.note("Each sender (`send_many`) and each receiver (`receive_many`) is a process with listeners attached, which have to "
               "hear of every re-attachment that the library counts. Where sends are rejected, it is one in fifty, in the middle "
               "of the others and on the same session. A Java client then looks into the queues: empty after a stream; "
               "after a burst each number once and in order.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
