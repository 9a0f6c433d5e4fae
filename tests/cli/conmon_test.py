"""conmon, the monitor of Podman and CRI-O, with this program as its OCI runtime: what an engine tells conmon, and what of
it comes back through pipes, files and sockets."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import unittest

from oci_case import OciCase
from sandbox_case import SANDBOX, eventually

STDOUT, STDERR = 2, 3  # the first byte of what the attach socket sends: whose output the rest is


class Conmon(OciCase):
    def setUp(self):
        super().setUp()
        self.runtime_program = self.home + "/sandbox-runtime"
        os.symlink(SANDBOX, self.runtime_program)
        self.exits = self.home + "/exits"
        os.mkdir(self.exits)
        self.files = {name: f"{self.home}/{name}" for name in ("pid", "conmon.pid", "log", "ended", "exec.pid", "exec.log")}

    def conmon(self, name, *more, prefix="", pipes=None):
        """What conmon says on its pipe: a line of JSON at once, another when an attached program of `exec` has ended."""
        sync, their_sync = os.pipe()
        theirs = {"_OCI_SYNCPIPE": their_sync, **(pipes or {})}
        words = ["conmon", "--api-version", "1", "--runtime", self.runtime_program, "--runtime-arg", "--root", "--runtime-arg",
                 self.root, "-b", self.bundle, "-c", name, "-u", name + "-unit", "-n", name, "-p", self.files[prefix + "pid"],
                 "-l", "k8s-file:" + self.files[prefix + "log"], "--exit-dir", self.exits, "--full-attach", "--log-level", "error",
                 "-P", self.files["conmon.pid"], *more]
        with open(self.home + "/conmon.err", "w+", encoding="utf-8") as err:
            done = subprocess.run(words, env={**self.env, **{word: str(fd) for word, fd in theirs.items()}}, pass_fds=theirs.values(),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, timeout=60, check=False, cwd=self.home)
        for fd in theirs.values():
            os.close(fd)
        return done.returncode, os.fdopen(sync, encoding="utf-8")

    def creates(self, name, *more):
        status, said = self.conmon(name, *more)
        with said:
            pid = json.loads(said.readline())["data"]
        self.assertEqual((status, str(pid)), (0, pathlib.Path(self.files["pid"]).read_text(encoding="ascii")))
        return pid

    def exit_code(self, name):
        """conmon writes it when the container's first process and all that have its output open are gone."""
        file = pathlib.Path(self.exits, name)
        self.assertTrue(eventually(file.exists), "no exit file of " + name)
        return int(file.read_text(encoding="ascii"))

    def log(self, prefix=""):
        """[(stream, text)] of the log; its lines tell time, stream, and F of a full line."""
        lines = pathlib.Path(self.files[prefix + "log"]).read_text(encoding="utf-8").splitlines()
        return [tuple(re.fullmatch(r"\d{4}-\S+ (stdout|stderr) [FP] (.*)", line).groups()) for line in lines]

    def attached(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(connection.close)
        connection.settimeout(20)
        connection.connect(self.bundle + "/attach")
        return connection

    def hears(self, connection, expected):
        heard = ""
        while expected not in heard:
            message = connection.recv(8193)
            self.assertTrue(message, heard)
            self.assertEqual(message[0], STDOUT)
            heard += message[1:].decode()
        return heard

    def spec_of(self, *words, **process):
        """A file with the process that `exec` is to run."""
        path = self.home + "/process.json"
        document = {"args": list(words), "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin", "E=from file"], **process}
        pathlib.Path(path).write_text(json.dumps(document), encoding="utf-8")
        return path

    def test_output_exit_code_and_the_command_at_the_end(self):
        self.program("sh", "-c", "echo out; echo err >&2; exit 7")
        pid = self.creates("c", "--exit-command", "/bin/sh", "--exit-command-arg", "-c", "--exit-command-arg",
                           f"{self.runtime_program} --root {self.root} state c >{self.files['ended']}")
        state = json.loads(self.done("state", "c"))
        self.assertEqual((state["status"], state["pid"]), ("created", pid))
        self.assertEqual(self.log(), [])
        self.done("start", "c")
        self.assertEqual(self.exit_code("c"), 7)
        self.assertEqual(sorted(self.log()), [("stderr", "err"), ("stdout", "out")])
        ended = pathlib.Path(self.files["ended"])
        self.assertTrue(eventually(lambda: ended.exists() and "stopped" in ended.read_text(encoding="utf-8")))
        self.done("delete", "c")

    def test_a_signal_ends_it(self):
        self.program("sleep", "1000")
        self.creates("c")
        self.done("start", "c")
        self.done("kill", "c", "TERM")  # of no effect on the first process of a namespace that has no handler
        self.done("kill", "c", "KILL")
        self.assertEqual(self.exit_code("c"), 128 + signal.SIGKILL)
        self.becomes("c", "stopped")

    def test_a_trapped_signal_arrives(self):
        self.program("sh", "-c", "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done")
        self.creates("c")
        self.done("start", "c")
        self.assertTrue(eventually(lambda: ("stdout", "ready") in self.log()))
        self.done("kill", "c", "TERM")
        self.assertEqual(self.exit_code("c"), 3)
        self.assertEqual(self.log(), [("stdout", "ready"), ("stdout", "caught")])

    def test_too_long_a_time(self):
        self.program("sleep", "1000")
        self.creates("c", "--timeout", "1")
        self.done("start", "c")
        self.assertEqual(self.exit_code("c"), -1)  # conmon's word for that; it has sent SIGKILL
        self.becomes("c", "stopped")

    def test_one_that_can_not_be_made_is_reported(self):
        self.program("/bin/nothing")
        _, said = self.conmon("c")
        with said:
            answer = json.loads(said.readline())
        self.assertEqual(answer["data"], -1)
        # conmon takes what the runtime has written to standard error as the message.
        self.assertEqual(json.loads(answer["message"].split(" msg=", 1)[1]), "create failed: unable to start container process: "
                         'exec: "/bin/nothing": stat /bin/nothing: no such file or directory')
        self.assertEqual(os.listdir(self.root), [])

    def test_standard_input_through_the_attach_socket(self):
        self.program("sh", "-c", "read line; echo got $line")
        self.creates("c", "--stdin")
        connection = self.attached()
        self.done("start", "c")
        connection.send(b"a word\n")
        self.hears(connection, "got a word\n")
        self.assertEqual(self.exit_code("c"), 0)

    def test_a_terminal(self):
        self.program("sh", "-c", "tty; while read word; do stty size; echo $word; done", terminal=True)
        self.creates("c", "--terminal", "--stdin")
        connection = self.attached()
        self.done("start", "c")
        self.hears(connection, "/dev/pts/0\r\n")
        with open(self.bundle + "/ctl", "w", encoding="ascii") as control:
            control.write("1 33 101\n")  # a new size: rows, columns
        self.assertTrue(eventually(lambda: self.hears_size(connection)))

    def hears_size(self, connection):
        connection.send(b"typed\n")
        return "33 101\r\ntyped\r\n" in self.hears(connection, "\r\ntyped\r\n")

    def test_exec(self):
        self.program("sleep", "1000")
        self.creates("c")
        self.done("start", "c")
        spec = self.spec_of("sh", "-c", "echo $E; id -u; test $$ != 1; exit 9")
        status, said = self.conmon("c", "--exec", "--exec-process-spec", spec, prefix="exec.")
        with said:
            pid, end = (json.loads(line)["data"] for line in said)
        self.assertEqual((status, str(pid), end), (0, pathlib.Path(self.files["exec.pid"]).read_text(encoding="ascii"), 9))
        self.assertEqual(self.log("exec."), [("stdout", "from file"), ("stdout", "0")])
        self.assertEqual(self.status("c"), "running")

    def test_exec_that_is_attached_at_a_terminal(self):
        self.program("sleep", "1000")
        self.creates("c")
        self.done("start", "c")
        self.bundle = self.home + "/session"  # Podman gives each session a directory of its own
        os.mkdir(self.bundle)
        spec = self.spec_of("sh", "-c", "tty; read word; echo $word; exit 4", terminal=True)
        ready, their_ready = os.pipe()
        their_start, start = os.pipe()
        os.write(start, b"\0")  # "you are in the cgroup where you belong"
        status, said = self.conmon("c", "--exec", "--exec-attach", "--terminal", "--stdin", "--exec-process-spec", spec, prefix="exec.",
                                   pipes={"_OCI_ATTACHPIPE": their_ready, "_OCI_STARTPIPE": their_start})
        self.assertEqual(status, 0)
        with said, os.fdopen(ready, encoding="utf-8") as ready, os.fdopen(start, "wb", buffering=0) as start:
            self.assertEqual(json.loads(ready.readline())["data"], 0)
            connection = self.attached()
            start.write(b"\0")  # "I listen"
            self.assertGreater(json.loads(said.readline())["data"], 1)
            self.hears(connection, "/dev/pts/0\r\n")
            connection.send(b"typed\n")
            self.hears(connection, "typed\r\ntyped\r\n")
            self.assertEqual(json.loads(said.readline())["data"], 4)

    def test_exec_that_can_not_be(self):
        self.program("sleep", "1000")
        self.creates("c")
        self.done("start", "c")
        _, said = self.conmon("c", "--exec", "--exec-process-spec", self.spec_of("/bin/nothing"), prefix="exec.")
        with said:
            answer = json.loads(said.readline())
        self.assertEqual(answer["data"], -1)
        self.assertIn("exec failed: unable to start container process: exec: ", answer["message"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
