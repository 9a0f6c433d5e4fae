"""The introductory course on containers, as its pages have it: what a student types, and what is seen then.

Its Dockerfiles are in build_course_test.py, an image that is made step by step in commit_test.py."""

import json
import os
import re
import socket
import subprocess
import unittest

from sandbox_case import SandboxCase, eventually


class Course(SandboxCase):
    def sees(self, typed, printed):
        """`printed` word for word, but for how much stands between two columns."""
        shown = [re.split(r" {2,}", line.rstrip()) for line in self.ok(*typed).splitlines()]
        self.assertEqual(len(shown), len(printed), shown)
        for cells, pattern in zip(shown, printed):
            self.assertRegex("  ".join(cells), r"\A" + pattern + r"\Z")

    def test_ciao(self):
        self.assertEqual(self.ok("run", "busybox", "echo", "Ciao !"), "Ciao !\n")
        self.sees(("ps", "-a"), ("CONTAINER ID  IMAGE  COMMAND  CREATED  STATUS  PORTS  NAMES",
                                 "[0-9a-f]{12}  busybox  \"echo 'Ciao !'\"  [\\w ]+ ago  "
                                 r"Exited \(0\) [\w ]+ ago  [a-z]+_[a-z]+"))
        self.sees(("ps",), ("CONTAINER ID  IMAGE  COMMAND  CREATED  STATUS  PORTS  NAMES",))

    def test_coucou(self):
        identifier = self.ok("create", "busybox", "echo", "Coucou !")
        self.assertRegex(identifier, r"\A[0-9a-f]{64}\n\Z")
        self.assertRegex(self.ok("ps", "-a"), r"busybox +\"echo 'Coucou !'\" +.* ago +Created ")
        for _ in range(2):
            self.assertEqual(self.ok("start", "-a", identifier[:5]), "Coucou !\n")
        self.assertEqual(self.ok("logs", identifier[:5]), "Coucou !\nCoucou !\n")

    def test_a_life(self):
        self.ok("run", "-tid", "--name", "toto", "busybox", "sh")
        self.assertIn("Up ", self.ok("ps"))
        for words in (("stop", "-t", "0"), ("start",), ("restart", "-t", "0"), ("kill",), ("start",)):
            self.assertEqual(self.ok(*words, "toto"), "toto\n")
        paused = self.sandbox("pause", "toto")
        if paused.returncode == 0:
            self.assertIn("(Paused)", self.ok("ps"))
            self.assertEqual(self.ok("unpause", "toto"), "toto\n")
        self.assertIn("sh", self.ok("top", "toto"))
        self.assertEqual(json.loads(self.ok("inspect", "toto"))[0]["Name"], "/toto")
        self.assertIn("stop the container before removing or force remove", self.sandbox("rm", "toto").stderr)
        waiting = self.client("wait", "toto", stdout=subprocess.PIPE, text=True)
        self.assertEqual(self.ok("exec", "toto", "echo", "inside"), "inside\n")
        self.ok("kill", "toto")
        self.assertEqual(waiting.communicate(timeout=30)[0], "137\n")
        self.assertEqual(self.ok("rm", "-f", "toto"), "toto\n")
        self.sees(("ps", "-a"), ("CONTAINER ID  IMAGE  COMMAND  CREATED  STATUS  PORTS  NAMES",))

    def test_files(self):
        """A thin layer of its own for each, which goes with it; the image stays as it was."""
        for name in ("one", "two"):
            self.ok("run", "--name", name, "--network", "none", "busybox", "sh", "-c", f"echo {name} >/file")
            self.assertEqual(self.ok("diff", name), "A /file\n")
        self.ok("cp", "one:/file", self.home + "/file")
        with open(self.home + "/file", encoding="ascii") as file:
            self.assertEqual(file.read(), "one\n")
        self.ok("cp", self.home + "/file", "two:/copied")
        self.assertEqual(self.ok("diff", "two"), "A /copied\nA /file\n")
        self.ok("export", "-o", self.home + "/tree.tar", "two")
        self.ok("import", self.home + "/tree.tar", "tree")
        self.assertEqual(self.ok("run", "--rm", "--network", "none", "tree", "cat", "/copied", "/file"), "one\ntwo\n")
        self.assertEqual(self.ok("rm", "one", "two"), "one\ntwo\n")
        self.assertNotEqual(self.sandbox("run", "--rm", "--network", "none", "busybox", "cat", "/file").returncode, 0)

    def test_volumes(self):
        where = "/var/lib/mysql/data"
        os.mkdir(self.home + "/host")
        run = lambda volume, script: self.ok("run", "--network", "none", "-v", volume, "busybox", "sh", "-c", script)
        run(f"{self.home}/host:{where}", f"echo host >{where}/file")
        with open(self.home + "/host/file", encoding="ascii") as file:
            self.assertEqual(file.read(), "host\n")
        run(where, f"echo anonymous >{where}/file")
        self.assertRegex(self.ok("volume", "ls"), r"\ADRIVER    VOLUME NAME\nlocal     [0-9a-f]{64}\n\Z")
        run(f"name:{where}", f"echo named >{where}/file")
        self.assertEqual(run("name:/elsewhere", "cat /elsewhere/file"), "named\n", "two containers have it")
        self.assertIn("local     name\n", self.ok("volume", "ls"))

    def test_a_network(self):
        self.assertRegex(self.ok("network", "create", "mynetwork", "--subnet", "172.50.0.0/16"), r"\A[0-9a-f]{64}\n\Z")
        self.ok("run", "-tid", "--name", "toto", "--network", "mynetwork", "busybox", "sh")
        self.sees(("network", "ls"), ("NETWORK ID  NAME  DRIVER  SCOPE", "[0-9a-f]{12}  bridge  bridge  local",
                                      "[0-9a-f]{12}  host  host  local", "[0-9a-f]{12}  mynetwork  bridge  local",
                                      "[0-9a-f]{12}  none  null  local"))
        self.assertEqual(self.ok("inspect", "-f", "{{.NetworkSettings.Networks.mynetwork.IPAddress}}", "toto"), "172.50.0.2\n")
        self.assertIn("1 packets received", self.ok("run", "--rm", "--network", "mynetwork", "busybox", "ping", "-c", "1", "toto"))
        self.ok("rm", "-f", "toto")
        self.assertEqual(self.ok("network", "rm", "mynetwork"), "mynetwork\n")

    def test_a_server(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        serve = "echo page >/tmp/index.html; exec httpd -f -p 3000 -h /tmp"
        self.ok("run", "-d", "-p", f"{port}:3000", "--name", "web", "busybox", "sh", "-c", serve)
        page = lambda: subprocess.run(["python3", "-c", "import sys, urllib.request as u; "
                                       "sys.stdout.write(u.urlopen(sys.argv[1], timeout=5).read().decode())",
                                       f"http://127.0.0.1:{port}/"], text=True, capture_output=True, check=False).stdout
        self.assertTrue(eventually(lambda: page() == "page\n"))
        self.sees(("ps",), ("CONTAINER ID  IMAGE  COMMAND  CREATED  STATUS  PORTS  NAMES",
                            rf"[0-9a-f]{{12}}  busybox  \"sh -c 'echo page >/…\"  .* ago  Up .*  0\.0\.0\.0:{port}->3000/tcp  web"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
