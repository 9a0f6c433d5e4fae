"""What the end-to-end tests share: a store and a runtime directory of their own, the real executable, and a tearDown
that fails when anything is left behind.

The test process is a subreaper (prctl(2)): whatever a killed client or supervisor leaves becomes our child, so that
"no process is left" is a walk over our own descendants, whose environment nobody needs to read.
"""

import ctypes
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PR_SET_CHILD_SUBREAPER = 36

SANDBOX = os.path.abspath(sys.argv.pop(1))


def eventually(condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def has_range():
    """This user has subordinate ids; `./check` requires them of one of its two users."""
    user = pwd.getpwuid(os.getuid()).pw_name
    return all(any(line.startswith(user + ":") for line in pathlib.Path(path).read_text().splitlines())
               for path in ("/etc/subuid", "/etc/subgid"))


def process_table():
    """{pid: (parent, state, command line)} of every process."""
    table = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                state, parent = stat.read().rsplit(")", 1)[1].split()[:2]
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as cmdline:
                table[int(pid)] = (int(parent), state, cmdline.read().replace("\0", " ").strip())
        except OSError:
            pass  # it ended meanwhile
    return table


def finished(command, directory, **more):
    """The finished process. Its output goes to files in `directory`: who stays behind it may hold them open."""
    with open(directory + "/out", "w+", encoding="utf-8") as out, open(directory + "/err", "w+", encoding="utf-8") as err:
        done = subprocess.run(command, stdout=out, stderr=err, check=False, **more)
        out.seek(0)
        err.seek(0)
        done.stdout, done.stderr = out.read(), err.read()
    return done


class SandboxCase(unittest.TestCase):
    def setUp(self):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.home = tempfile.mkdtemp(prefix="sbx-cli-")
        self.data = self.home + "/data"
        self.runtime = self.home + "/run"
        os.mkdir(self.runtime, 0o700)
        self.env = dict(os.environ, SANDBOX_STORE_DIR=self.data, SANDBOX_RUNTIME_DIR=self.runtime)
        self.clients = []

    def tearDown(self):
        for client in self.clients:
            client.kill()
            client.wait()
        self.remove_containers()
        self.assert_nothing_left()
        for pid, command in self.family().items():
            if self.keeps_ids(command):
                os.kill(pid, signal.SIGKILL)  # it would notice within a minute that its record is gone
        shutil.rmtree(self.home)

    def sandbox(self, *words, stdin="", timeout=60, **more):
        return subprocess.run([SANDBOX, *words], env=self.env, input=stdin, text=True, capture_output=True,
                              timeout=timeout, check=False, **more)

    def ok(self, *words, **more):
        """Standard output of a command that has to succeed."""
        done = self.sandbox(*words, **more)
        self.assertEqual(done.returncode, 0, (words, done.stdout, done.stderr))
        return done.stdout

    def client(self, *words, **more):
        """A command that runs beside the test; ended with it."""
        client = subprocess.Popen([SANDBOX, *words], env=self.env, **more)
        self.clients.append(client)
        return client

    def remove_containers(self):
        names = self.ok("ps", "-aq", "--no-trunc").split()
        if names:
            self.ok("rm", "-f", *names)

    def only_container(self):
        """The directory of the one container that there is."""
        name, = [name for name in os.listdir(self.data + "/containers") if len(name) == 64]
        return self.data + "/containers/" + name

    def state(self):
        with open(self.only_container() + "/state.json", encoding="utf-8") as state:
            return json.load(state)

    def helpers(self, name):
        """Our processes whose first word is `name`: "sbx:supervisor", or anything of ours with ""."""
        return [pid for pid, command in self.descendants().items() if command.startswith(name)]

    @staticmethod
    def keeps_ids(command):
        """Of the process that keeps the user's namespace of ids on purpose."""
        return command.startswith("sbx:userns helper park ")

    def descendants(self):
        """Living descendants of the test that should be gone when its containers are, as {pid: command line}."""
        return {pid: command for pid, command in self.family().items() if not self.keeps_ids(command)}

    def family(self):
        """Living descendants of the test; dead ones that nobody waits for are reaped."""
        waited_for = {client.pid for client in self.clients}
        table = process_table()
        mine, found = {os.getpid()}, {}
        grown = True
        while grown:
            grown = False
            for pid, (parent, _, _) in table.items():
                if parent in mine and pid not in mine:
                    mine.add(pid)
                    grown = True
        for pid in mine - {os.getpid()} - waited_for:
            parent, state, command = table[pid]
            if state != "Z":
                found[pid] = command
            elif parent == os.getpid():
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass
        return found

    def containers_on_disk(self):
        """What is in the containers' directory once the little that `--rm` leaves for a moment has gone."""
        look = lambda: [name for name in os.listdir(self.data + "/containers") if name != ".lock"]
        eventually(lambda: not look())
        return look()

    def leftovers(self):
        """What look_for_leftovers() still finds after the moment that a supervisor may take."""
        eventually(lambda: not self.look_for_leftovers())
        return self.look_for_leftovers()

    def look_for_leftovers(self):
        """Files of unfinished or half-removed work, and sockets of containers that have ended."""
        left = []
        for directory, _, files in os.walk(self.data):
            left += [os.path.join(directory, name) for name in files if name.endswith(".tmp")]
        for place in ("containers", "tmp", "layers"):
            path = os.path.join(self.data, place)
            if os.path.isdir(path):
                hidden = lambda name: place == "tmp" or (name.startswith(".") and name != ".lock")
                left += [os.path.join(path, name) for name in os.listdir(path) if hidden(name)]
        return left + [name for name in os.listdir(self.runtime) if name.endswith(".sock")]

    def assert_nothing_left(self):
        self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())
        self.assertEqual(self.leftovers(), [])
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            self.assertNotIn(self.home, mounts.read())
