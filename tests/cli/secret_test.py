"""Secrets: kept for the user alone, given to containers as files or variables, as with Podman."""

import json
import os
import stat
import unittest

from sandbox_case import SandboxCase, has_range

QUIET = ("--network", "none")
WORDS = "top secret\n"


class Secrets(SandboxCase):
    def setUp(self):
        super().setUp()
        self.id = self.ok("secret", "create", "--label", "a=b", "pass", "-", stdin=WORDS).strip()

    def inside(self, *words, script):
        return self.ok("run", "--rm", *QUIET, *words, "busybox", "sh", "-c", script)

    def refused(self, message, *words, **more):
        done = self.sandbox(*words, **more)
        self.assertNotEqual(done.returncode, 0, words)
        self.assertIn(message, done.stderr)

    def test_the_life_of_a_secret(self):
        self.assertRegex(self.id, r"\A[0-9a-f]{25}\Z")
        self.assertEqual(stat.S_IMODE(os.stat(self.data + "/secrets").st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(self.data + "/secrets/pass.json").st_mode), 0o600)
        path = self.home + "/file"
        with open(path, "wb") as file:
            file.write(bytes(range(256)))
        self.ok("secret", "create", "bytes", path)
        self.assertEqual(self.ok("secret", "ls", "--format", "{{.Name}} {{.Driver}}"), "bytes file\npass file\n")
        self.assertEqual(self.ok("secret", "ls", "-q", "--filter", "name=pa"), self.id + "\n")
        self.assertTrue(self.ok("secret", "ls").startswith("ID                          NAME      DRIVER    CREATED"))
        document, = json.loads(self.ok("secret", "inspect", "pass"))
        spec = document["Spec"]
        self.assertEqual((document["ID"], spec["Name"], spec["Labels"]), (self.id, "pass", {"a": "b"}))
        self.assertNotIn("top secret", self.ok("secret", "inspect", "pass"))
        told = self.ok("secret", "inspect", "--showsecret", "-f", "{{.SecretData}}", self.id[:6])
        self.assertEqual(told, WORDS + "\n")
        self.refused("pass: secret name in use", "secret", "create", "pass", "-", stdin="x")
        self.ok("secret", "create", "--replace", "pass", "-", stdin="other")
        self.assertEqual(self.inside("--secret", "pass", script="cat /run/secrets/pass"), "other")
        self.assertEqual(self.sandbox("secret", "exists", "pass").returncode, 0)
        self.ok("secret", "rm", "pass")
        self.assertEqual(self.sandbox("secret", "exists", "pass").returncode, 1)
        self.refused('no secret with name or id "pass"', "secret", "rm", "pass")
        self.ok("secret", "rm", "--ignore", "pass")
        self.ok("secret", "rm", "--all")
        self.assertEqual(self.ok("secret", "ls", "-q"), "")

    def test_a_file_in_memory_that_outlives_its_secret(self):
        script = "cat /run/secrets/pass; stat -c %a /run/secrets/pass; stat -f -c %T /run/secrets"
        self.ok("create", "--name", "box", *QUIET, "--secret", "pass", "busybox", "sh", "-c", script)
        self.ok("secret", "rm", "pass")
        for _ in range(2):
            self.assertEqual(self.ok("start", "-a", "box"), WORDS + "444\ntmpfs\n")
        self.assertNotIn("top secret", self.ok("inspect", "box"))
        self.ok("commit", "box", "made")
        self.assertEqual(self.ok("run", "--rm", *QUIET, "made", "find", "/", "-xdev", "-name", "pass"), "")

    def test_targets_modes_and_owners(self):
        told = self.inside("--secret", "pass,target=/etc/key,mode=0400", "--secret", "pass,target=sub/other",
                           script="cat /etc/key /run/secrets/sub/other; stat -c '%a %u:%g' /etc/key")
        self.assertEqual(told, WORDS + WORDS + "400 0:0\n")
        self.assertEqual(self.inside("--secret", "pass", "--tmpfs", "/run", script="cat /run/secrets/pass"), WORDS)
        self.assertEqual(self.inside("--secret", "pass", "--tmpfs", "/run/secrets", script="cat /run/secrets/*"), WORDS)
        if has_range():
            told = self.inside("--secret", "pass,uid=12,gid=13,mode=440", script="stat -c '%a %u:%g' /run/secrets/pass")
            self.assertEqual(told, "440 12:13\n")
        else:
            self.refused("can't be of user 12:13", "run", *QUIET, "--secret", "pass,uid=12,gid=13", "busybox", "true")
            self.assertEqual(self.ok("ps", "-aq"), "")

    def test_a_variable_that_inspect_does_not_show(self):
        self.ok("run", "-d", "--name", "box", *QUIET, "--secret", "pass,type=env,target=KEY", "busybox", "sh", "-c",
                'printf "%s" "$KEY"; sleep 1000')
        self.assertEqual(self.ok("inspect", "-f", "{{.Config.Env}}", "box").count("KEY"), 0)
        self.assertEqual(self.ok("exec", "box", "sh", "-c", "echo \"$KEY\""), WORDS + "\n")
        self.assertEqual(self.ok("exec", "-e", "KEY=own", "box", "sh", "-c", "echo \"$KEY\""), "own\n")
        self.ok("secret", "create", "bytes", "-", stdin="a\0b")
        self.refused("can't hold a zero byte", "run", *QUIET, "--secret", "bytes,type=env", "busybox", "true")
        self.env["OWN"] = "from the environment"
        self.ok("secret", "create", "--env", "mine", "OWN")
        self.assertEqual(self.inside("--secret", "mine,type=env", script="echo $mine"), "from the environment\n")

    def test_wrong_words(self):
        for words, message in (("none", 'no secret with name or id "none"'), ("pass,type=file", "type file is invalid"),
                               ("pass,mode=8", "mode '8' is no number"), ("pass,target=../x", "is no plain path"),
                               ("pass,type=env,mode=0400", "a variable has no mode"),
                               ("pass,colour=red", "option colour"),
                               ("type=env", "a secret's name comes first")):
            self.refused(message, "run", *QUIET, "--secret", words, "busybox", "true")
        self.refused("secret name \"../x\" is invalid", "secret", "create", "../x", "-", stdin="x")
        self.refused("must be larger than 0", "secret", "create", "empty", "-")
        self.refused("larger than 512000 bytes", "secret", "create", "large", "-", stdin="x" * 512001)
        self.assertEqual(self.ok("ps", "-aq"), "")


if __name__ == "__main__":
    unittest.main()
