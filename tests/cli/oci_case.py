"""What the tests of the OCI runtime share: a bundle with busybox, the runtime with a state directory of its own, and a
tearDown that fails when a process, a mount or a container's directory is left.
"""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import array

from sandbox_case import SANDBOX, SandboxCase, eventually, finished

APPLETS = ("sh", "cat", "ls", "id", "echo", "env", "sleep", "stat", "hostname", "true", "grep", "head", "touch", "mount",
           "readlink", "stty", "ps", "kill", "nslookup", "wc", "tty", "mkdir", "rm", "ln", "test", "tr")


class OciCase(SandboxCase):
    def setUp(self):
        super().setUp()
        self.root = self.home + "/state"
        self.bundle = self.home + "/bundle"
        self.rootfs = self.bundle + "/rootfs"
        for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
            os.makedirs(f"{self.rootfs}/{name}")
        shutil.copy("/bin/busybox", self.rootfs + "/bin/busybox")
        for name in APPLETS:
            os.symlink("busybox", f"{self.rootfs}/bin/{name}")
        self.assertEqual(self.oci("spec", "--rootless", "--bundle", self.bundle).returncode, 0)

    def tearDown(self):
        if os.path.isdir(self.root):
            for name in os.listdir(self.root):
                self.done("delete", "--force", name)
            self.assertEqual(os.listdir(self.root), [])
        super().tearDown()

    def command(self, *words):
        return [SANDBOX, "oci", "--root", self.root, *words]

    def oci(self, *words, stdin=subprocess.DEVNULL, cwd=None, **more):
        return finished(self.command(*words), self.home, env=self.env, stdin=stdin, timeout=60, cwd=cwd or self.bundle, **more)

    def done(self, *words, **more):
        """Standard output of a command that has to succeed."""
        done = self.oci(*words, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""), (words, done.stdout))
        return done.stdout

    def refused(self, message, *words, status=1, **more):
        """A command that fails with these words in runc's form."""
        done = self.oci(*words, **more)
        self.assertEqual(done.returncode, status, (words, done.stdout, done.stderr))
        self.assertRegex(done.stderr, r'^time="[0-9T:.-]+Z" level=error msg="')
        said = json.loads(done.stderr.split(" msg=", 1)[1])
        if hasattr(message, "search"):
            self.assertRegex(said, message)
        else:
            self.assertEqual(said, message)

    @contextlib.contextmanager
    def config(self):
        """The bundle's configuration, to be changed: `with self.config() as config: config["hostname"] = "x"`."""
        path = pathlib.Path(self.bundle + "/config.json")
        config = json.loads(path.read_text(encoding="utf-8"))
        yield config
        path.write_text(json.dumps(config), encoding="utf-8")

    def program(self, *words, terminal=False):
        with self.config() as config:
            config["process"]["args"] = list(words)
            config["process"]["terminal"] = terminal

    def status(self, name):
        return json.loads(self.done("state", name))["status"]

    def becomes(self, name, status):
        self.assertTrue(eventually(lambda: self.status(name) == status), self.status(name))

    def output_of(self, *words):
        """What the program prints when the container runs in the foreground."""
        self.program(*words)
        return self.done("run", "once")


class ConsoleSocket:
    """Receives a terminal, as conmon does."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()

    def receive(self):
        connection, _ = self.listener.accept()
        with connection:
            name, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
        fds = array.array("i")
        fds.frombytes(control[0][2])
        return name.decode(), fds[0]

    def close(self):
        self.listener.close()
