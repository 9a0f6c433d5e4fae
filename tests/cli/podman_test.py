"""Podman with this program as its OCI runtime and as the program that mounts its layers: two rooms below an engine that
others wrote. Podman itself refuses `pause` and limits where the machine has cgroup v1; in the test machine they bite."""

import os
import unittest

import image_archive
from cgroup_facts import CONTROLLERS, DELEGATED
from podman_case import Podman
from sandbox_case import SandboxCase, eventually, has_range

APPLETS = ("dd", "echo", "sleep", "true", "rm", "grep", "test", "mkdir", "ps")


class Engine(SandboxCase):
    def setUp(self):
        super().setUp()
        self.engine = Podman(self)
        self.podman, self.does = self.engine.run, self.engine.does
        self.env = self.engine.env
        with open(self.home + "/root.tar", "wb") as file:
            file.write(image_archive.tar(image_archive.tools(*APPLETS) + [image_archive.directory("tmp", 0o1777)]))
        self.does("import", self.home + "/root.tar", "base")

    def tearDown(self):
        self.engine.close()
        super().tearDown()

    def run_in(self, image, *words, options=()):
        return self.does("run", "--rm", "--network", "none", *options, image, *words)

    def test_run(self):
        self.assertEqual(self.run_in("base", "sh", "-c", "grep -o ' / fuse.sandbox' /proc/mounts; echo $A; id -u",
                                     options=["-e", "A=b", "--user", "7" if has_range() else "0"]),
                         f" / fuse.sandbox\nb\n{7 if has_range() else 0}\n")
        self.assertEqual(self.podman("run", "--rm", "--network", "none", "base", "sh", "-c", "exit 7").returncode, 7)
        missing = self.podman("run", "--rm", "--network", "none", "base", "nothing")
        self.assertEqual(missing.returncode, 127, missing.stderr)

    def test_a_container_lives_on_and_is_entered_watched_and_stopped(self):
        self.does("run", "-d", "--name", "box", "--network", "none", "base", "sh", "-c", "trap 'echo end; exit 3' TERM; "
                  "echo begin; while :; do sleep 0.1; done")
        self.assertEqual(self.does("inspect", "--format", "{{.State.Status}}", "box"), "running\n")
        self.assertEqual(self.does("exec", "box", "sh", "-c", "echo inside; test $$ != 1"), "inside\n")
        self.assertEqual(self.podman("exec", "box", "sh", "-c", "exit 9").returncode, 9)
        self.assertIn("sleep 0.1", self.does("top", "box", "args"))
        self.assertTrue(eventually(lambda: "begin" in self.does("logs", "box")))
        self.does("stop", "-t", "20", "box")
        self.assertEqual(self.does("wait", "box"), "3\n")
        self.assertEqual(self.does("logs", "box"), "begin\nend\n")

    def test_pause(self):
        self.does("run", "-d", "--name", "box", "--network", "none", "base", "sleep", "1000")
        status = lambda: self.does("inspect", "--format", "{{.State.Status}}", "box")
        if DELEGATED and os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            self.does("pause", "box")
            self.assertEqual(status(), "paused\n")
            self.assertNotEqual(self.podman("exec", "box", "true").returncode, 0)
            self.does("unpause", "box")
        else:  # Podman itself says so, of cgroup v1 and of one that it can't have
            refused = self.podman("pause", "box")
            self.assertEqual(refused.returncode, 125)
            self.assertRegex(refused.stderr, "cgroup")
        self.assertEqual(status(), "running\n")
        self.does("exec", "box", "true")

    def test_limits(self):
        memory = f"{50 << 20}"
        words = ("run", "--name", "box", "--network", "none", "--memory", memory, "--memory-swap", memory, "base", "sh", "-c",
                 "cat /sys/fs/cgroup/memory.max; dd if=/dev/zero of=/dev/null bs=200M count=1")
        done = self.podman(*words)
        if DELEGATED and "memory" in CONTROLLERS:
            self.assertEqual((done.returncode, done.stdout), (137, memory + "\n"), done.stderr)
        else:  # Podman itself does without, and says so, on cgroup v1; elsewhere the runtime refuses
            self.assertRegex(done.stderr, "ignored on cgroups V1|memory.limit can't be applied")

    def test_changes_are_seen_and_become_an_image(self):
        self.does("run", "--name", "box", "--network", "none", "base", "sh", "-c", "echo y >/tmp/new; rm /bin/ps; mkdir /d")
        changes = set(self.does("diff", "box").splitlines())
        self.assertLessEqual({"A /d", "A /tmp/new", "C /bin", "D /bin/ps"}, changes)
        self.does("commit", "-q", "box", "changed")
        self.assertEqual(self.run_in("changed", "sh", "-c", "cat /tmp/new; ls -d /d /bin/ps 2>/dev/null || echo gone"),
                         "y\n/d\ngone\n")

    def test_build(self):
        with open(self.home + "/Dockerfile", "w", encoding="utf-8") as file:
            file.write("FROM base\nRUN echo built >/made && rm /bin/ps\nRUN test ! -e /bin/ps && echo more >>/made\n"
                       'CMD ["cat", "/made"]\n')
        self.does("build", "--isolation", "oci", "--network", "none", "-t", "made", "-f", self.home + "/Dockerfile", self.home + "/run")
        self.assertEqual(self.run_in("made"), "built\nmore\n")

    def test_archives_go_both_ways(self):
        for kind in ("docker-archive", "oci-archive"):
            self.does("save", "-q", "--format", kind, "-o", f"{self.home}/{kind}.tar", "localhost/base:latest")
            self.assertEqual(self.ok("load", "-i", f"{self.home}/{kind}.tar"), "Loaded image: localhost/base:latest\n")
            self.assertEqual(self.ok("run", "--rm", "--network", "none", "localhost/base", "echo", "ours"), "ours\n")
            self.ok("tag", "localhost/base", f"localhost/{kind}:1")
            self.ok("save", "-o", self.home + "/saved.tar", f"localhost/{kind}:1")
            self.assertIn(f"localhost/{kind}:1", self.does("load", "-i", self.home + "/saved.tar"))
            self.assertEqual(self.run_in(f"localhost/{kind}:1", "echo", "theirs"), "theirs\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
