"""--preserve-fds: descriptors of the caller that a container's process gets, as with Podman."""

import os
import subprocess
import unittest

from sandbox_case import SANDBOX, SandboxCase, eventually

QUIET = ("--network", "none")
SHOW = "ls /proc/$$/fd; true"


class Descriptors(SandboxCase):
    def passing(self, redirections, *words):
        """With descriptors that a shell has opened."""
        return subprocess.run(["sh", "-c", f'exec "$@" {redirections}', "sh", SANDBOX, *words], env=self.env,
                              text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)

    def test_a_process_gets_so_many_and_no_others(self):
        inner, outer = self.home + "/in", self.home + "/out"
        with open(inner, "w", encoding="utf-8") as file:
            file.write("from outside\n")
        self.ok("run", "-d", "--name", "box", *QUIET, "busybox", "sleep", "1000")
        for words in (("run", "--rm", *QUIET), ("run", "--rm", "--init", *QUIET), ("exec",)):
            with self.subTest(words=words):
                place = "box" if words == ("exec",) else "busybox"
                done = self.passing(f"3<{inner} 4>{outer} 5<{inner}", *words, "--preserve-fds", "2", place, "sh", "-c",
                                    "cat <&3; echo from inside >&4; " + SHOW)
                self.assertEqual((done.stdout, done.stderr), ("from outside\n0\n1\n2\n3\n4\n", ""))
                with open(outer, encoding="utf-8") as file:
                    self.assertEqual(file.read(), "from inside\n")
                done = self.passing(f"3<{inner}", *words, place, "sh", "-c", SHOW)
                self.assertEqual(done.stdout, "0\n1\n2\n", done.stderr)

    def test_nobody_keeps_them_open(self):
        fifo = self.home + "/fifo"
        os.mkfifo(fifo)
        script = "echo told >&3; exec 3>&-; sleep 1000"
        self.ok("run", "-d", "--name", "box", *QUIET, "busybox", "sleep", "1000")
        for words in (("run", "-d", *QUIET, "--preserve-fds", "1", "busybox"),
                      ("exec", "-d", "--preserve-fds", "1", "box")):
            with self.subTest(words=words):
                reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    done = self.passing(f"3>{fifo}", *words, "sh", "-c", script)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    told = []

                    def ended(reader=reader, told=told):
                        try:
                            told.append(os.read(reader, 100))
                        except BlockingIOError:
                            return False
                        return told[-1] == b""
                    self.assertTrue(eventually(ended), told)
                    self.assertEqual(b"".join(told), b"told\n")
                finally:
                    os.close(reader)

    def test_who_is_started_again_has_none(self):
        done = self.passing("3</dev/null", "run", "-d", "--name", "box", *QUIET, "--restart", "on-failure:1",
                            "--preserve-fds", "1", "busybox", "sh", "-c", SHOW + "; exit 3")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(eventually(lambda: self.ok("logs", "box") == "0\n1\n2\n3\n0\n1\n2\n"), self.ok("logs", "box"))

    def test_what_is_not_there_or_no_number(self):
        self.ok("run", "-d", "--name", "box", *QUIET, "busybox", "sleep", "1000")
        for words, place in ((("run", "--rm", *QUIET), "busybox"), (("exec",), "box")):
            done = self.passing("3</dev/null", *words, "--preserve-fds", "2", place, "true")
            self.assertIn("please check that preserved-fd 1 (of 2) is present", done.stderr)
            for number in ("x", "-1", "17", "1.5"):
                done = self.passing("3</dev/null", *words, f"--preserve-fds={number}", place, "true")
                self.assertIn(f'invalid argument "{number}" for "--preserve-fds" flag', done.stderr)
        done = self.passing("3</dev/null", "create", "--preserve-fds", "1", "busybox", "true")
        self.assertIn("--preserve-fds is not possible", done.stderr)
        self.assertEqual(self.ok("ps", "-aq").count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
