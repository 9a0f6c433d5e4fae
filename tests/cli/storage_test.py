"""Who merges a container's layers: kernel overlayfs or our FUSE server, chosen or found; as the ordinary user who calls it."""

import json
import os
import re
import signal
import subprocess
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

    def test_a_container_writes_no_more_than_its_limit_also_after_a_restart(self):
        script = ("dd if=/dev/zero of=/big bs=64k count=800 2>&1 | grep -o 'No space.*'; rm -f /small; echo x >/small && echo one more;"
                  " df -k / | awk 'NR==2 {print $2, $4 < 300}'")
        self.ok("create", "--name", "box", "--network", "none", "--storage-opt", "size=20m", "busybox", "sh", "-c", script)
        for _ in range(2):
            out = self.sandbox("start", "-a", "box").stdout
            self.assertTrue(out.startswith("No space left on device\n"), out)
            self.assertTrue(out.endswith("20480 1\n"), out)
            used = subprocess.run(["du", "-sk", self.only_container() + "/upper"], capture_output=True, text=True, check=True).stdout
            self.assertGreater(int(used.split()[0]), 19 * 1024)
            self.assertLessEqual(int(used.split()[0]), 20 * 1024 + 64)
        self.assertEqual(json.loads(self.ok("inspect", "box"))[0]["HostConfig"]["StorageOpt"], {"size": str(20 << 20)})

    def test_what_is_removed_makes_room_and_files_are_counted(self):
        script = ("for i in 1 2 3 4 5; do head -c 12m /dev/zero >/big || exit 1; rm /big; done; echo bytes;"
                  " for i in $(seq 200); do : >/f$i || break; done 2>&1 | tail -n 1; rm /f*; : >/again && echo again;"
                  " df -i / | awk 'NR==2 {print $2}'")
        done = self.run_in("--storage-opt", "size=20m", "--storage-opt", "inodes=100", "busybox", "sh", "-c", script)
        lines = done.stdout.splitlines()
        self.assertEqual((lines[0], lines[-2:]), ("bytes", ["again", "100"]), done.stdout + done.stderr)
        self.assertIn("No space left on device", done.stdout + done.stderr)

    def test_a_limit_chooses_the_driver_that_keeps_it(self):
        self.assertEqual(self.run_in("--storage-opt", "size=1g", "busybox", *ROOT_TYPE).stdout, "fuse.sandbox\n")
        for words, message in ((["--storage-driver", "overlay", "--storage-opt", "size=1g"], "no limit that an ordinary user could set"),
                               (["--storage-opt", "colour=red"], "unknown option colour"),
                               (["--storage-opt", "size"], "not KEY=VALUE"),
                               (["--storage-opt", "inodes=many"], "not a number"),
                               (["--rootfs", "/", "--storage-opt", "size=1g"], "--rootfs /:O")):
            refused = self.run_in(*words, "busybox", "true")
            self.assertEqual(refused.returncode, 125)
            self.assertIn(message, refused.stderr)

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


class MountedImage(SandboxCase):
    """`image mount`: files of an image in the host's tree, through fusermount3(1)."""

    def mount(self, *words):
        done = self.sandbox("image", "mount", *words)
        if "mount failed: Operation not permitted" in done.stderr:
            self.skipTest("fusermount3 may not mount here")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.rstrip("\n")

    def test_an_image_is_read_where_it_is_mounted_and_stays_while_it_is(self):
        self.ok("tag", "busybox", "mine")
        place = self.mount("mine")
        self.addCleanup(subprocess.run, ["fusermount3", "-quz", place], check=False, stderr=subprocess.DEVNULL)
        self.assertEqual(self.mount("mine"), place)
        self.assertIn("busybox", os.listdir(place + "/bin"))
        done = subprocess.run([place + "/bin/busybox", "echo", "hi"], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "hi\n")
        self.assertEqual({os.stat(f"{place}/{name}").st_uid for name in os.listdir(place)}, {os.getuid()})
        with self.assertRaises(OSError):
            os.mkdir(place + "/new")
        self.assertIn(place, self.ok("image", "mount"))
        refused = self.sandbox("rmi", "mine")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("image is mounted at", refused.stderr)
        self.ok("image", "unmount", "mine")
        self.assertEqual(self.ok("image", "mount"), "")
        self.assertIn("is not mounted", self.sandbox("image", "unmount", "mine").stderr)
        self.ok("rmi", "mine")

    def test_a_mount_whose_server_was_killed_is_made_anew(self):
        place = self.mount("busybox")
        self.addCleanup(subprocess.run, ["fusermount3", "-quz", place], check=False, stderr=subprocess.DEVNULL)
        server, = self.helpers("sbx:overlay")
        os.kill(server, signal.SIGKILL)
        self.assertTrue(eventually(lambda: not self.helpers("sbx:overlay")))
        self.assertEqual(self.mount("busybox"), place)
        self.assertIn("bin", os.listdir(place))
        self.ok("image", "unmount", "--all")
        self.assertTrue(eventually(lambda: not self.helpers("sbx:overlay")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
