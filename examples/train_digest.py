#!/usr/bin/env python3
"""A stand-in for training whose result proves that no step was lost or done twice.

Each step hashes the state before it together with the step's number, so the digest after the last
step depends on every step in order. A checkpoint is a directory `step-<n>`, written under a
temporary name and renamed. SIGTERM makes it write a last checkpoint and exit with 143.

Environment (all optional): STEPS (100), STEP_MS (50), CHECKPOINT_EVERY (5), KEEP_CHECKPOINTS (3),
TANDEM_CHECKPOINT_DIR (./checkpoints), TANDEM_PROGRESS_FILE, TANDEM_OUTPUT_FILE.

Needs Python 3.8 or later and nothing else.
"""

import hashlib
import os
import shutil
import signal
import sys
import time

STEPS = int(os.environ.get("STEPS", "100"))
STEP_MS = int(os.environ.get("STEP_MS", "50"))
CHECKPOINT_EVERY = int(os.environ.get("CHECKPOINT_EVERY", "5"))
KEEP_CHECKPOINTS = int(os.environ.get("KEEP_CHECKPOINTS", "3"))
CHECKPOINT_DIR = os.environ.get("TANDEM_CHECKPOINT_DIR", "checkpoints")

stop_asked = False


def ask_stop(_signal, _frame):
    global stop_asked
    stop_asked = True


def finished_checkpoints():
    """Steps of the finished checkpoints, lowest first."""
    names = os.listdir(CHECKPOINT_DIR) if os.path.isdir(CHECKPOINT_DIR) else []
    steps = [name[len("step-"):] for name in names if name.startswith("step-")]
    return sorted(int(step) for step in steps if step.isdigit())


def write_file(path, text):
    """Writes a file that is never seen half-written."""
    with open(path + ".tmp", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".tmp", path)


def load():
    """The step and state to go on from."""
    steps = finished_checkpoints()
    if not steps:
        return 0, hashlib.sha256(b"tandem").hexdigest()
    step = steps[-1]
    with open(os.path.join(CHECKPOINT_DIR, f"step-{step}", "state")) as file:
        stored_step, state = file.read().split()
    if int(stored_step) != step:
        sys.exit(f"checkpoint step-{step} holds the state of step {stored_step}")
    return step, state


def save(step, state):
    """Writes a checkpoint completely before it is named, and forgets the oldest ones."""
    place = os.path.join(CHECKPOINT_DIR, f"step-{step}")
    if os.path.exists(place):
        return
    shutil.rmtree(place + ".tmp", ignore_errors=True)
    os.makedirs(place + ".tmp")
    write_file(os.path.join(place + ".tmp", "state"), f"{step} {state}\n")
    os.rename(place + ".tmp", place)
    for old in finished_checkpoints()[:-KEEP_CHECKPOINTS]:
        shutil.rmtree(os.path.join(CHECKPOINT_DIR, f"step-{old}"), ignore_errors=True)


def main():
    signal.signal(signal.SIGTERM, ask_stop)
    os.makedirs(CHECKPOINT_DIR, exist_ok=True)
    progress_file = os.environ.get("TANDEM_PROGRESS_FILE")
    step, state = load()
    print(f"start at step {step}", flush=True)
    while step < STEPS:
        if stop_asked:
            save(step, state)
            print(f"stopped at step {step}", flush=True)
            sys.exit(128 + signal.SIGTERM)
        time.sleep(STEP_MS / 1000)
        step += 1
        state = hashlib.sha256(f"{state}:{step}".encode()).hexdigest()
        print(f"step {step}/{STEPS}", flush=True)
        if progress_file:
            write_file(progress_file, f"{step} {STEPS}\n")
        if step % CHECKPOINT_EVERY == 0 or step == STEPS:
            save(step, state)
    print(f"digest {state}", flush=True)
    if os.environ.get("TANDEM_OUTPUT_FILE"):
        write_file(os.environ["TANDEM_OUTPUT_FILE"], state + "\n")


if __name__ == "__main__":
    main()
