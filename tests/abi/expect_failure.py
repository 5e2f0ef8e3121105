#!/usr/bin/env python3
"""expect_failure.py NAME TEXT... -- COMMAND...: passes when the command fails and says every TEXT."""
import subprocess
import sys

split = sys.argv.index("--")
name, texts, command = sys.argv[1], sys.argv[2:split], sys.argv[split + 1:]
run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
print("\n".join("| " + line for line in run.stdout.splitlines())) # marked, so that nobody counts it
if run.returncode == 0:
    sys.exit(f"{command[0]} was expected to fail, and did not")
missing = [text for text in texts if text not in run.stdout]
if missing:
    sys.exit(f"{command[0]} failed (status {run.returncode}) without saying: {missing}")
print(f"the {name} is caught (status {run.returncode})")
