"""Every fuzz target for a while: 20 seconds in the small form, 10 minutes in the long one. A finding fails the proof; its
input is left in build/fuzz/findings/, and belongs into tests/fuzz/corpus/TARGET/ with the repair."""
import concurrent.futures
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "artemis"), str(ROOT / "scripts/lib")]
from proof import Proof  # noqa: E402
from run_tests import plain_address_space  # noqa: E402

WORK = ROOT / "build/fuzz"
TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c"))
LIMITS = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]
COLUMNS = ["target", "seconds", "executions", "executions per second", "edges reached", "inputs kept", "findings"]


def build():
    for command in (["cmake", "--preset", "fuzz"], ["cmake", "--build", "--preset", "fuzz", "-j", str(os.cpu_count() or 1)]):
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"{' '.join(command)}:\n{run.stdout[-4000:]}{run.stderr[-2000:]}")


def sources():
    """What the result depends on, beside the library: part of a series' key."""
    digest = hashlib.sha256()
    for path in sorted([*HERE.glob("*.*"), *(HERE / "corpus").rglob("*"), *(HERE.parent / "engine").glob("*.[ch]")]):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def last_number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def fuzz(target, seconds):
    kept, findings, seeds = WORK / "kept" / target, WORK / "findings", WORK / "seeds" / target
    for directory in (kept, findings):
        directory.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, HERE / "seeds.py", target, seeds], check=True, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    run = subprocess.run([*plain_address_space(), WORK / f"tests/fuzz/fuzz_{target}", f"-max_total_time={seconds}", *LIMITS,
                          f"-artifact_prefix={findings}/{target}-", kept, seeds,
                          *(path for path in [HERE / "corpus" / target] if path.is_dir())],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    text = run.stdout + run.stderr
    (WORK / f"{target}.log").write_text(text)
    return {"seconds": round(time.monotonic() - began), "failed": run.returncode != 0,
            "executions": last_number(r"stat::number_of_executed_units: (\d+)", text),
            "per_second": last_number(r"stat::average_exec_per_sec: +(\d+)", text),
            "edges": last_number(r" cov: (\d+)", text), "kept": last_number(r" corp: (\d+)/", text),
            "said": "\n".join(line for line in text.splitlines() if re.search(r"wrong:|ERROR|SUMMARY|Test unit", line))}


def main():
    proof = Proof("fuzz", "Fuzzing", COLUMNS)
    build()
    seconds = proof.pick(20, 600)
    key = f"{seconds}-{sources()}"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        runs = [pool.submit(proof.series, f"{target}-{key}", lambda target=target: fuzz(target, seconds)) for target in TARGETS]
    for target, run in zip(TARGETS, runs):
        r = run.result()
        proof.check(not r["failed"] and r["executions"] > 0, f"{target}: {r['said'] or 'it does not run'}")
        proof.row(target, r["seconds"], r["executions"], r["per_second"], r["edges"], r["kept"], int(r["failed"]))
    proof.note("libFuzzer with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer; `recovery` plays a whole storm "
               "of cuts in each execution and checks what is stored against what was reported.")
    return proof.finish()


if __name__ == "__main__":
    sys.exit(main())
