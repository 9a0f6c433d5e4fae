"""What the Tab key offers: from the table of commands, and the names of what there is."""

import os
import shutil
import subprocess
import unittest

from sandbox_case import SANDBOX, SandboxCase

# Fills in what bash gives a completion function, from the line before the cursor.
ASK = r"""
PATH=$1:$PATH
source <(sandbox completion bash) || exit 1
shopt -s expand_aliases
COMP_LINE=$2 COMP_POINT=${#2}
read -ra COMP_WORDS <<<"$2"
[[ $2 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_sandbox 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"""


class Completion(SandboxCase):
    def setUp(self):
        super().setUp()
        self.ok("create", "--name", "front", "--network", "none", "busybox", "true")
        self.ok("run", "-d", "--name", "full", "--network", "none", "busybox", "sleep", "1000")

    def offered(self, *words):
        """What the program tells a shell; the last word is being typed."""
        return sorted(line.split("\t")[0] for line in self.ok("__complete", *words).splitlines())

    def in_bash(self, line):
        os.makedirs(self.home + "/bin", exist_ok=True)
        if not os.path.exists(self.home + "/bin/sandbox"):
            os.symlink(SANDBOX, self.home + "/bin/sandbox")
        done = subprocess.run(["bash", "--norc", "-c", ASK, "ask", self.home + "/bin", line], env=self.env, cwd=self.home,
                              text=True, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return sorted(done.stdout.split())

    def test_commands_groups_and_flags(self):
        self.assertEqual(self.offered("re"), ["rename", "restart"])
        self.assertEqual(self.offered("cont"), ["container"])
        self.assertEqual(self.offered("container", "p"), ["pause", "port", "prune"])
        self.assertEqual(self.offered("system", ""), ["df", "events", "fsck", "info", "prune"])
        self.assertEqual(self.offered("ps", "--no"), ["--no-trunc"])
        self.assertEqual(self.offered("container", "ls", "--fo"), ["--format"])
        self.assertEqual(self.offered("run", "--network", ""), ["host", "none", "private"])
        self.assertIn("label=", self.offered("ps", "--filter", ""))
        self.assertEqual(self.offered("completion", ""), ["bash", "fish", "zsh"])
        self.assertIn("run\tCreate and run a new container from an image\n", self.ok("__complete", "run"))

    def test_names_of_what_there_is(self):
        self.assertEqual(self.offered("rm", "f"), ["front", "full"])
        self.assertEqual(self.offered("rm", "front", ""), ["full"], "what is named already is not offered again")
        self.assertEqual(self.offered("stop", ""), ["full"], "only what runs can be stopped")
        self.assertEqual(self.offered("exec", "-it", ""), ["full"])
        self.ok("network", "create", "mynetwork")
        self.assertEqual(self.offered("network", "rm", ""), ["mynetwork"])
        self.assertEqual(self.offered("run", "--network", "m"), ["mynetwork"])
        self.assertEqual(self.offered("exec", "full", "/bi"), [":files"])
        self.assertEqual(self.offered("run", "--rm", "--name", "x", "b"), ["busybox", "busybox:latest"])
        self.assertEqual(self.offered("inspect", "busybox:"), ["busybox:latest"])
        self.assertEqual(self.offered("cp", "fr"), [":files", "front:"])
        self.assertEqual(self.offered("load", "-i", ""), [":files"])
        self.assertEqual(self.offered("rename", "front", ""), [":files"])
        self.assertEqual(self.offered("logs", "front", ""), [])

    def test_bash_asks_and_keeps_its_own_words_apart(self):
        self.assertEqual(self.in_bash("sandbox ren"), ["rename"])
        self.assertEqual(self.in_bash("sandbox container sto"), ["stop"])
        self.assertEqual(self.in_bash("sandbox rm f"), ["front", "full"])
        self.assertEqual(self.in_bash("sandbox run busybox:l"), ["latest"])
        self.assertEqual(self.in_bash("sandbox ps --filter lab"), ["label="])
        with open(self.home + "/archive.tar", "w", encoding="utf-8"):
            pass
        self.assertEqual(self.in_bash("sandbox load -i arch"), ["archive.tar"])

    def test_scripts_are_valid_where_the_shells_are(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.ok("completion", shell)
            self.assertNotIn("PROGRAM", script)
            if shutil.which(shell):
                done = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, timeout=30, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""), shell)
        done = self.sandbox("completion", "csh")
        self.assertEqual(done.returncode, 1)
        self.assertIn("unknown shell: csh", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
