"""Podman in a place of the test's own, with this program as its OCI runtime and as what mounts its layers."""

import os
import signal
import subprocess

from sandbox_case import SANDBOX, eventually, finished


class Podman:
    """Of a SandboxCase, which calls close() while its own place is still there."""

    def __init__(self, case):
        self.case, self.home, self.runtime = case, case.home, case.runtime
        for name in ("sandbox-runtime", "sandbox-overlay"):
            os.symlink(SANDBOX, f"{self.home}/{name}")
        self.env = dict(case.env, XDG_RUNTIME_DIR=self.runtime, HOME=self.home, TMPDIR=self.home)

    def close(self):
        self.does("rm", "-a", "-f", "-t", "0")
        self.case.assertTrue(eventually(lambda: not self.case.helpers("sbx:overlay")), self.case.helpers("sbx:overlay"))
        self.stop_pause_process()
        # What belongs to subordinate ids can be removed by nobody else. Podman has storage/overlay mounted on itself.
        remove = ["unshare", "sh", "-c", 'rm -rf "$1"/*/*', "sh", self.home + "/storage"]
        subprocess.run(["podman", *self.places(), *remove], env=self.env, stderr=subprocess.DEVNULL, check=True)
        self.stop_pause_process()

    def stop_pause_process(self):
        """Podman keeps its user namespace by a process that it leaves behind."""
        file = self.runtime + "/libpod/tmp/pause.pid"
        if os.path.exists(file):
            with open(file, encoding="ascii") as text:
                os.kill(int(text.read()), signal.SIGKILL)
            os.remove(file)

    def places(self):
        return ["--root", self.home + "/storage", "--runroot", self.runtime + "/storage", "--storage-driver", "overlay",
                "--storage-opt", f"overlay.mount_program={self.home}/sandbox-overlay", "--cgroup-manager", "cgroupfs",
                "--runtime", self.home + "/sandbox-runtime", "--events-backend", "none"]

    def run(self, *words, stdin=None):
        """The finished process."""
        feed = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return finished(["podman", *self.places(), *words], self.home, env=self.env, text=True, timeout=120, cwd=self.home,
                        **feed)

    def does(self, *words, **more):
        """Standard output of what has to succeed."""
        done = self.run(*words, **more)
        self.case.assertEqual(done.returncode, 0, (words, done.stdout, done.stderr))
        return done.stdout
