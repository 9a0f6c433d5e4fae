"""Runs in the test machine of power.sh as an ordinary user. Steps are numbered: each one loads an image and commits a
container of it. First all steps up to DONE are checked, then more are made until the power goes.

    power_test.py SANDBOX STORE DONE WRITE
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from image_archive import docker_archive, entry, tools  # pylint: disable=wrong-import-position

SANDBOX, STORE, DONE, WRITE = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1"
ENV = dict(os.environ, SANDBOX_STORE_DIR=STORE, SANDBOX_RUNTIME_DIR=os.environ["XDG_RUNTIME_DIR"] + "/power")
LOCAL = ("--network", "none", "--pull", "never")


def sandbox(*words):
    done = subprocess.run([SANDBOX, *words], env=ENV, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        sys.exit(f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def content(step, number):
    return f"{step}.{number} " * 500


def make(step):
    archive = f"/tmp/{step}.tar"
    docker_archive(archive, f"loaded:{step}", tools(), [entry(f"file{n}", content(step, n)) for n in range(20)])
    sandbox("load", "-i", archive)
    os.unlink(archive)
    script = f"cat /file1 > /copy; echo {step} > /step"
    sandbox("run", "--name", f"box{step}", *LOCAL, f"loaded:{step}", "sh", "-c", script)
    sandbox("commit", f"box{step}", f"made:{step}")
    sandbox("rm", f"box{step}")


def check(step):
    """From inside; fsck has compared all files with their archives."""
    seen = sandbox("run", "--rm", *LOCAL, f"made:{step}", "cat", "/file19", "/copy", "/step")
    if seen != content(step, 19) + content(step, 1) + f"{step}\n":
        sys.exit(f"step {step}: files have changed")


os.makedirs(ENV["SANDBOX_RUNTIME_DIR"], mode=0o700, exist_ok=True)
print(sandbox("system", "fsck", "--full"), end="")
for done in range(1, DONE + 1):
    check(done)
print("CHECKED", flush=True)
step = DONE
while WRITE:
    step += 1
    # What a step has left that was cut short.
    subprocess.run([SANDBOX, "rm", "-f", f"box{step}"], env=ENV, capture_output=True, check=False)
    make(step)
    print(f"DONE {step}", flush=True)
