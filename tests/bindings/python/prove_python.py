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
from proof import Proof  # noqa: E402
from storm import Broker  # noqa: E402

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


def main():
    proof = Proof("python", "Python programs through a network that keeps breaking", prove_cli.COLUMNS)
    prove_cli.REATTACH = program()
    proof.fingerprint = fingerprint(proof)
    with Broker("--big") as broker:
        prove_cli.flows(proof, broker)
        prove_cli.bursts(proof, broker)
    if not proof.small:
        with Broker("--big", "--slow-disk", "300") as broker:
            prove_cli.burst(proof, broker, "slow", "rst", [*prove_cli.BY_TIME, "--how", "rst"], 1, 1000, 100000)
    proof.note("Each sender (`send_many`) and each receiver (`receive_many`) is a process with listeners attached, which have to "
               "hear of every re-attachment that the library counts. Otherwise as for the command.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
