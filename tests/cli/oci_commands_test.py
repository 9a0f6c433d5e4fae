"""`sandbox oci`: commands and options of the two reference runtimes that are not about the making of a container; as the
ordinary user who calls it."""

import json
import os
import pathlib
import re
import subprocess
import unittest

from oci_case import OciCase


class Commands(OciCase):
    def setUp(self):
        super().setUp()
        self.program("sleep", "1000")

    def with_globals(self, *words):
        """Global options stand before the command."""
        command = self.command()
        return subprocess.run([*command[:2], *words[:-1], *command[2:], *words[-1]], env=self.env, cwd=self.bundle, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)

    def mounts(self, *mounts):
        pathlib.Path(self.home + "/mounts").write_text(json.dumps(mounts))
        return self.home + "/mounts"

    def test_kill_and_delete_of_every_container_that_matches(self):
        for name in ("web-1", "web-2", "db"):
            self.done("run", "--detach", name)
        self.done("kill", "--regex", "^web-[0-9]$", "KILL")
        for name in ("web-1", "web-2"):
            self.becomes(name, "stopped")
        self.assertEqual(self.status("db"), "running")
        self.done("delete", "-r", "web")
        self.assertEqual(os.listdir(self.root), ["db"])
        self.refused("invalid regular expression '['", "kill", "-r", "[", "KILL")

    def test_mounts_come_into_a_running_container_and_go_again(self):
        source = self.home + "/source"
        os.makedirs(source + "/deep")
        pathlib.Path(source + "/file").write_text("from outside\n")
        os.symlink("/../../../../etc", self.rootfs + "/tmp/out")
        with self.config() as config:
            config["root"]["readonly"] = False
        self.done("create", "c")
        file = self.mounts({"destination": "/tmp/a/b", "type": "bind", "source": source, "options": ["rbind", "ro"]},
                           {"destination": "/tmp/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k"]},
                           {"destination": "/tmp/out/inside", "type": "bind", "source": source + "/file"})
        self.refused("container not running: created", "mounts", "add", "c", file)
        self.done("start", "c")
        before = self.done("exec", "c", "cat", "/proc/self/mountinfo")
        self.done("mounts", "add", "c", file)
        look = ("exec", "c", "sh", "-c", "cat /tmp/a/b/file; touch /tmp/a/b/x; touch /tmp/t/x; ls /tmp/t; cat /etc/inside")
        seen = self.oci(*look)
        self.assertEqual(seen.stdout, "from outside\nx\nfrom outside\n")
        self.assertIn("Read-only file system", seen.stderr)
        self.done("mounts", "remove", "c", file)
        self.assertEqual(self.done("exec", "c", "cat", "/proc/self/mountinfo"), before)
        self.assertFalse(os.path.exists("/etc/inside"))

    def test_mounts_that_can_t_be_added(self):
        self.done("run", "--detach", "c")
        for mount, message in (
                ({"destination": "/tmp/x", "type": "proc"}, "mount on '/tmp/x': into a running container only binds and tmpfs can be mounted"),
                ({"destination": "/proc/sys", "type": "tmpfs"}, "'/proc/sys' is inside the container's /proc"),
                ({"destination": "/tmp", "type": "bind", "source": self.home + "/nope"}, re.compile("nope': No such file")),
                ({"destination": "/", "type": "tmpfs"}, "mount destination '/' is the root itself"),
                ({"type": "tmpfs"}, re.compile(r"\[0\] has no 'destination'"))):
            self.refused(message, "mounts", "add", "c", self.mounts(mount))
        self.refused(re.compile("unmounting '/tmp': "), "mounts", "remove", "c", self.mounts({"destination": "/tmp", "type": "tmpfs"}))
        self.refused("unknown command mounts list", "mounts", "list", "c", self.mounts())
        self.refused('"mounts" requires exactly 3 argument(s)', "mounts", "add", "c")

    def test_rules_for_devices_of_an_ordinary_user_hold_without_enforcement(self):
        """In its user namespace nobody makes a node that means anything; so `update` takes them as `create` does."""
        self.done("run", "--detach", "c")
        file = self.home + "/resources"
        for devices in ([{"allow": False, "access": "rwm"}], [{"allow": True}]):
            pathlib.Path(file).write_text(json.dumps({"devices": devices}))
            self.done("update", "-r", file, "c")
        pathlib.Path(file).write_text(json.dumps({"devices": [{"type": "x"}]}))
        self.refused(re.compile(r"linux.resources.devices\[0\].type is none of a, b, c"), "update", "-r", file, "c")

    def test_a_root_that_is_moved_and_not_pivoted(self):
        for name in ("once", "detached"):
            words = ("run", "--no-pivot", "--detach", name) if name == "detached" else ("run", "--no-pivot", name)
            self.program(*(("sleep", "1000") if name == "detached" else ("sh", "-c", "ls /; ls /..; wc -l </proc/self/mountinfo")))
            out = self.done(*words)
            if name == "once":
                listing = "bin\ndev\netc\nproc\nsys\ntmp\n"
                self.assertTrue(out.startswith(listing * 2), out)
                moved = out
        self.assertEqual(self.done("exec", "detached", "ls", "/"), listing)
        self.program("sh", "-c", "ls /; ls /..; wc -l </proc/self/mountinfo")
        self.assertEqual(self.done("run", "pivoted"), moved)

    def test_checkpoints_are_refused_with_the_reason(self):
        for words in (("checkpoint", "--image-path", "/tmp/x", "--leave-running", "c"), ("restore", "--bundle", "/x", "c")):
            self.refused(re.compile(f"^{words[0]} is not supported: .* rights over the whole machine$"), *words)

    def test_global_options_of_both(self):
        log = self.home + "/log"
        self.program("true")
        done = self.with_globals("--criu", "/usr/sbin/criu", "--rootless", "true", "--debug", "--log", "file:" + log, ["run", "c"])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with self.config() as config:
            config["process"]["capabilities"]["bounding"].append("CAP_NONSENSE")
        for level, warned in (("error", False), ("warning", True), ("debug", True)):
            open(log, "w", encoding="utf-8").close()
            self.assertEqual(self.with_globals("--log-level", level, "--log", log, ["run", "c"]).returncode, 0)
            self.assertEqual("CAP_NONSENSE" in pathlib.Path(log).read_text(), warned, level)
        for words, message in ((["--log-level", "loud"], "invalid log-level: loud"), (["--log", "journald:x"], "only files can be written")):
            done = self.with_globals(*words, ["run", "c"])
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
