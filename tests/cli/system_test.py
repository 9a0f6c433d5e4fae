"""Containers that boot a system (--systemd), an init that does to its cgroup what systemd does: what they find, and what
is said where no cgroup can be delegated."""

import json
import os
import unittest

from cgroup_facts import DELEGATED
from image_archive import docker_archive, script, tools
from sandbox_case import SandboxCase, eventually

QUIET = ("--network", "none", "--pull", "never")
WARNING = "WARNING: /sbin/init gets no cgroup of its own to divide, as systemd needs it: "
# As systemd does: the first process leaves the cgroup for one below it, and gives away what it has.
INIT = """#!/bin/sh
trap 'echo halted; exit 0' 37
if mkdir /sys/fs/cgroup/init.scope 2>/dev/null; then echo 1 >/sys/fs/cgroup/init.scope/cgroup.procs; fi
echo up
while :; do sleep 0.1; done
"""


class System(SandboxCase):
    def setUp(self):
        super().setUp()
        path = self.home + "/image.tar"
        docker_archive(path, "localhost/system", tools("mkdir", "sleep", "env") +
                       [script("sbin/init", INIT)], Cmd=["/sbin/init"])
        self.ok("load", "-q", "-i", path)

    def boot(self, *words):
        done = self.sandbox("run", "-d", "--name", "box", *QUIET, *words, "localhost/system")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(eventually(lambda: self.ok("logs", "box") == "up\n"))
        return done.stderr

    def spec(self):
        with open(self.only_container() + "/container.json", encoding="utf-8") as file:
            return json.loads(file.read().splitlines()[1])

    @unittest.skipUnless(DELEGATED, "needs a cgroup that is delegated to this user")
    def test_an_init_divides_the_cgroup_of_its_own(self):
        self.assertEqual(self.boot(), "")
        inside = lambda *words: self.ok("exec", "box", *words)
        self.assertEqual(inside("cat", "/proc/1/cgroup").splitlines()[-1], "0::/init.scope")
        self.assertEqual(inside("cat", "/proc/self/cgroup").splitlines()[-1], "0::/init.scope", "beside the first process")
        mounts = {line.split()[1]: line.split() for line in inside("cat", "/proc/self/mounts").splitlines()}
        for place in ("/run", "/tmp"):
            self.assertEqual(mounts[place][2], "tmpfs")
        self.assertTrue(mounts["/sys/fs/cgroup"][3].startswith("rw,"), mounts)
        self.assertIn("container=oci\n", inside("env"))
        self.ok("stop", "-t", "20", "box")
        self.assertEqual(self.ok("logs", "box"), "up\nhalted\n")
        self.assertEqual(self.ok("inspect", "-f", "{{.State.ExitCode}}", "box"), "0\n")

    @unittest.skipUnless(DELEGATED, "needs a cgroup that is delegated to this user")
    def test_no_name_inside_leads_a_further_process_out_of_the_limits(self):
        self.boot()
        name = "sandbox-" + self.ok("inspect", "-f", "{{.Id}}", "box").strip()
        inner = f"/sys/fs/cgroup/{name}/x"
        self.ok("exec", "box", "sh", "-c", f"mkdir -p {inner}; echo 1 >{inner}/cgroup.procs")
        self.assertEqual(self.ok("exec", "box", "cat", "/proc/self/cgroup").splitlines()[-1], f"0::/{name}/x")

    @unittest.skipIf(DELEGATED, "a cgroup is delegated to this user")
    def test_without_a_cgroup_to_divide_it_is_refused_or_started_with_a_warning(self):
        done = self.sandbox("run", "--rm", *QUIET, "--systemd", "always", "busybox", "true")
        if done.returncode == 0:
            self.skipTest("the user's systemd gives a scope")
        self.assertEqual(done.returncode, 125)
        self.assertIn("sandbox: --systemd=always: ", done.stderr)
        self.assertIn(WARNING, self.boot())

    def test_another_program_or_a_wish_makes_none_of_it(self):
        self.assertEqual(self.boot("--systemd=false"), "")
        self.assertEqual(self.spec()["stop_signal"], 15)
        targets = [mount["target"] for mount in self.spec()["plan"]["mounts"]]
        self.assertNotIn("/run", targets)
        self.ok("rm", "-f", "box")
        self.assertNotIn("container=", self.ok("run", "--rm", *QUIET, "localhost/system", "env"))
        self.assertIn("auto, always or false", self.sandbox("run", "--rm", *QUIET, "--systemd", "x", "busybox", "true").stderr)


if __name__ == "__main__":
    unittest.main()
