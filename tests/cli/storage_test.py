"""Who merges a container's layers: kernel overlayfs or our FUSE server, chosen or found; as the ordinary user who calls it."""

import json
import os
import re
import signal
import unittest

from sandbox_case import SandboxCase, eventually

ROOT_TYPE = ["sh", "-c", "while read -r source place type rest; do test $place != / || echo $type; done < /proc/mounts"]


class StorageDriver(SandboxCase):
    def setUp(self):
        super().setUp()
        self.env.pop("SANDBOX_STORAGE_DRIVER", None)

    def run_in(self, *words):
        return self.sandbox("run", "--rm", "--network", "none", *words)

    def test_each_driver_can_be_asked_for(self):
        self.assertEqual(self.run_in("--storage-driver", "fuse", "busybox", *ROOT_TYPE).stdout, "fuse.sandbox\n")
        self.assertEqual(self.run_in("--storage-driver", "overlay", "busybox", *ROOT_TYPE).stdout, "overlay\n")
        plan = json.loads(self.ok("run", "--print-plan", "--storage-driver", "fuse", "busybox"))
        self.assertEqual(plan["root"]["driver"], "fuse")
        self.env["SANDBOX_STORAGE_DRIVER"] = "fuse"
        self.assertEqual(self.run_in("busybox", *ROOT_TYPE).stdout, "fuse.sandbox\n")

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
        self.ok("run", "-d", "--name", "box", "--network", "none", "--storage-driver", "fuse", "busybox", "sleep", "1000")
        server, = self.helpers("sbx:overlay")
        os.kill(server, signal.SIGKILL)
        # 135: the program got SIGBUS from a page of its own file before the supervisor's SIGKILL.
        self.assertTrue(eventually(lambda: re.search(r"Exited \(13[57]\)", self.sandbox("ps", "-a").stdout)))
        self.assertIn("server was killed by signal 9", self.sandbox("logs", "box").stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
