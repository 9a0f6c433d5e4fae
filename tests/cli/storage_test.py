"""Who merges a container's layers: kernel overlayfs or our FUSE server, chosen or found; as the ordinary user who calls it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SANDBOX = os.path.abspath(sys.argv.pop(1))
ROOT_TYPE = ["sh", "-c", "while read -r source place type rest; do test $place != / || echo $type; done < /proc/mounts"]


def eventually(condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def child_named(parent, name):
    """The pid of a process's child, by the first word of its command line."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stat, open(f"/proc/{pid}/cmdline", "rb") as command:
                if stat.read().rsplit(")", 1)[1].split()[1] == str(parent) and command.read().startswith(name):
                    return int(pid)
        except OSError:
            pass  # it ended meanwhile
    return None


class StorageDriver(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="sbx-storage-", dir="/var/tmp")
        self.env = dict(os.environ, SANDBOX_STORE_DIR=self.home + "/data", SANDBOX_RUNTIME_DIR=self.home + "/run")
        self.env.pop("SANDBOX_STORAGE_DRIVER", None)
        os.mkdir(self.home + "/run", 0o700)

    def tearDown(self):
        for container in self.sandbox("ps", "-aq").stdout.split():
            self.sandbox("rm", "-f", container)
        shutil.rmtree(self.home)

    def sandbox(self, *words, **env):
        return subprocess.run([SANDBOX, *words], env=dict(self.env, **env), text=True, capture_output=True, timeout=60,
                              check=False, stdin=subprocess.DEVNULL)

    def run_in(self, *words, **env):
        return self.sandbox("run", "--rm", "--network", "none", *words, **env)

    def test_each_driver_can_be_asked_for(self):
        self.assertEqual(self.run_in("--storage-driver", "fuse", "busybox", *ROOT_TYPE).stdout, "fuse.sandbox\n")
        self.assertEqual(self.run_in("--storage-driver", "overlay", "busybox", *ROOT_TYPE).stdout, "overlay\n")
        self.assertEqual(self.run_in("busybox", *ROOT_TYPE, SANDBOX_STORAGE_DRIVER="fuse").stdout, "fuse.sandbox\n")
        plan = json.loads(self.sandbox("run", "--print-plan", "--storage-driver", "fuse", "busybox").stdout)
        self.assertEqual(plan["root"]["driver"], "fuse")

    def test_an_unknown_driver_is_refused(self):
        refused = self.run_in("--storage-driver", "vfs", "busybox", "true")
        self.assertEqual(refused.returncode, 125)
        self.assertIn("vfs", refused.stderr)

    def test_a_view_of_the_hosts_own_tree_shows_its_mounts_and_keeps_all_writes(self):
        file = self.home + "/seen"
        with open(file, "w", encoding="utf-8") as seen:
            seen.write("host\n")
        script = f"cat {file}; echo changed > {file}; rm -r {self.home}/run; touch /etc/sandbox-was-here && echo done; cat {file}"
        done = self.run_in("--rootfs", "/:O", "sh", "-c", script)
        self.assertEqual(done.stdout, "host\ndone\nchanged\n", done.stderr)
        with open(file, encoding="utf-8") as seen:
            self.assertEqual(seen.read(), "host\n")
        self.assertTrue(os.path.isdir(self.home + "/run"))
        self.assertFalse(os.path.exists("/etc/sandbox-was-here"))
        # What the host keeps from this user stays kept.
        self.assertIn("denied", self.run_in("--rootfs", "/:O", "cat", "/etc/shadow").stderr)

    def test_a_killed_server_ends_its_container_and_is_named(self):
        self.sandbox("run", "-d", "--name", "box", "--network", "none", "--storage-driver", "fuse", "busybox", "sleep", "1000")
        identifier = self.sandbox("ps", "-aq", "--no-trunc").stdout.strip()
        with open(f"{self.home}/data/containers/{identifier}/state.json", encoding="utf-8") as file:
            supervisor = json.load(file)["supervisor_pid"]
        os.kill(child_named(supervisor, b"sbx:overlay"), signal.SIGKILL)
        self.assertTrue(eventually(lambda: "Exited (137)" in self.sandbox("ps", "-a").stdout))
        self.assertIn("server was killed by signal 9", self.sandbox("logs", "box").stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
