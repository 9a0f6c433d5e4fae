"""What the tests that run inside of the test machine share."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

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


class RuntimeCase(unittest.TestCase):
    """A bundle with busybox, and the OCI runtime with a state directory beside it."""

    def make_bundle(self, parent, applets):
        self.home = tempfile.mkdtemp(prefix="oci-", dir=parent)
        self.bundle = self.home + "/bundle"
        for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
            os.makedirs(f"{self.bundle}/rootfs/{name}")
        shutil.copy("/bin/busybox", self.bundle + "/rootfs/bin/busybox")
        for name in applets:
            os.symlink("busybox", f"{self.bundle}/rootfs/bin/{name}")

    def oci(self, *words, before=()):
        manager = ["--systemd-cgroup"] if RUNG == "scope" else []
        with tempfile.TemporaryFile("w+") as output:  # a detached container may hold it open
            done = subprocess.run([*before, SANDBOX, "oci", "--root", self.home + "/state", *manager, *words], cwd=self.bundle,
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=120, check=False)
            output.seek(0)
            done.stdout = output.read()
        return done

    def done(self, *words):
        done = self.oci(*words)
        self.assertEqual(done.returncode, 0, (words, done.stdout))
        return done.stdout
