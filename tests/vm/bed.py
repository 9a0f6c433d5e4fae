"""What the tests that run inside of the test machine share."""

import os
import pathlib
import sys
import time

SANDBOX = sys.argv.pop(1)
RUNG = os.environ["BED_RUNG"]
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def eventually(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False
