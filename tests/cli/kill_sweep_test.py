"""A process of ours dies, or stops, at any of its calls that change something: the commands that come next work, none
of them waits, and nothing is left behind.

Between two such calls nothing changes, so that dying at each of them is dying anywhere. Which calls there are is seen
in a first run (strace(1)); then the Nth `rename` and so on of every process is its last one. The suite takes a sample
of these points; SANDBOX_SWEEP=all takes all of them, and SANDBOX_SWEEP=NUMBER another sample.
"""

import collections
import json
import os
import random
import re
import signal
import subprocess
import unittest

from sandbox_case import SANDBOX, SandboxCase, eventually

CHANGING = ("openat creat mkdir mkdirat rename renameat renameat2 unlink unlinkat rmdir link linkat symlink symlinkat "
            "mknodat write pwrite64 writev sendfile copy_file_range ftruncate fallocate fsync fdatasync syncfs "
            "fchmod fchmodat fchown fchownat setxattr fsetxattr fremovexattr utimensat ioctl fcntl "
            "clone clone3 vfork execve execveat exit_group wait4 waitid kill pidfd_send_signal prctl setsid seccomp "
            "unshare setns mount umount2 fsopen fsconfig fsmount open_tree move_mount mount_setattr pivot_root fchdir "
            "socketpair bind listen connect accept4 sendto sendmsg recvmsg").split()
# Of calls that also have harmless uses: what their line in a trace says where they have not.
TELLING = {"openat": "O_CREAT", "fcntl": "F_(OFD_)?SETLK", "prctl": "PR_SET_(PDEATHSIG|DUMPABLE|NAME)"}
SAMPLE = 6  # points of each command
LIMIT = 30  # seconds for a command that ought to need a fraction of one

Point = collections.namedtuple("Point", "call number")


def points_of(trace):
    """Every (call, number) that some process of a trace has reached."""
    counts, points = collections.Counter(), set()
    for line in trace.splitlines():
        found = re.match(r"(\d+) +(\w+)\((.*)", line)
        if not found:
            continue
        pid, call, rest = found.groups()
        counts[pid, call] += 1
        if re.search(TELLING.get(call, ""), rest):
            points.add(Point(call, counts[pid, call]))
    return sorted(points)


def chosen(points, test):
    wish = os.environ.get("SANDBOX_SWEEP", "1")
    if wish == "all":
        return points
    return random.Random(f"{wish} {test}").sample(points, min(SAMPLE, len(points)))


class Traced(SandboxCase):
    """Commands below strace, whose tracer is a process of its own (-D): the command stays our child."""

    def setUp(self):
        super().setUp()
        # The store is there, and with it the namespace of ids: below a tracer no newuidmap would get its rights.
        self.ok("run", "--rm", "busybox", "true")
        self.trace = self.home + "/trace"

    def traced(self, words, *options):
        tracer = ["strace", "-D", "-qq", "-o", self.trace, "-e", "trace=" + ",".join(CHANGING), *options]
        return subprocess.Popen([*tracer, SANDBOX, *words], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def read_trace(self):
        with open(self.trace, encoding="utf-8", errors="replace") as trace:
            return trace.read()

    def no_tracer(self):
        return not any(command.startswith("strace ") for command in self.descendants().values())

    def look(self, what):
        """What any user may ask at any time, without waiting for anybody. The state of "box"; None: there is none."""
        self.ok("ps", "-a", timeout=LIMIT)
        self.ok("images", timeout=LIMIT)
        done = self.sandbox("inspect", "--type", "container", "box", timeout=LIMIT)
        if done.returncode != 0:
            self.assertIn("no such container", done.stderr.lower(), what)
            return None
        return json.loads(done.stdout)[0]["State"]["Status"]


class Killed(Traced):
    def recover(self, what):
        state = self.look(what)
        self.assertIn(state, (None, "created", "running", "exited"), what)
        self.assertEqual(self.ok("system", "fsck", timeout=LIMIT), "", what)
        started = self.sandbox("start", "box", timeout=LIMIT)
        if state is None:
            self.assertIn("no such container", started.stderr.lower(), what)
        else:
            self.assertEqual(started.returncode, 0, (what, started.stderr))
        self.ok("rm", "-f", "-v", "box", timeout=LIMIT)
        self.assertEqual(self.ok("ps", "-aq"), "", what)

    def nothing_left(self, what):
        self.assertTrue(eventually(lambda: not self.descendants()), (what, self.descendants()))
        self.assertEqual(self.leftovers(), [], what)
        self.assertEqual(self.ok("volume", "ls", "-q"), "", what)
        self.assertEqual(self.ok("system", "fsck"), "", what)

    def once(self, words, before, after, inject=()):
        """The traced command's status; without `inject` all has to go well."""
        for command in before:
            self.ok(*command)
        client = self.traced(words, "-f", *inject)
        try:
            status = client.wait(timeout=LIMIT)
        finally:
            client.kill()
        for command in after:
            done = self.sandbox(*command, timeout=LIMIT)
            if not inject:
                self.assertEqual(done.returncode, 0, (command, done.stderr))
        if not inject:
            self.assertEqual(status, 0, words)
        return status

    def sweep(self, words, before=(), after=(), check=lambda: None):
        for _ in range(2):  # what is seen the second time is what happens each time
            self.once(words, before, after)
            check()
            self.ok("rm", "-f", "-v", "box")
            self.assertTrue(eventually(self.no_tracer))
        points = chosen(points_of(self.read_trace()), self.id())
        died = 0
        for point in points:
            what = (words, point)
            self.once(words, before, after, ("-e", f"inject={point.call}:signal=KILL:when={point.number}"))
            self.recover(what)
            for command in (*before, words):
                self.ok(*command, timeout=LIMIT)
            check()
            self.ok("rm", "-f", "-v", "box", timeout=LIMIT)
            self.nothing_left(what)
            died += "killed by SIGKILL" in self.read_trace()
        self.assertGreater(died, len(points) // 4, "most commands have ended before they were to die")
        if os.environ.get("SANDBOX_SWEEP"):
            print(f"{' '.join(words)}: {len(points)} points, died at {died}", flush=True)

    ON = ("--name", "box", "--network", "none")
    DETACHED = ("run", "-d", *ON, "busybox", "sleep", "1000")
    CHANGED = ("run", *ON, "busybox", "sh", "-c", "echo changed >/changed; mkdir /d; echo more >/d/f")

    def test_create(self):
        self.sweep(("create", *self.ON, "-v", "/anonymous", "busybox", "true"))

    def test_run(self):
        self.sweep(("run", "--name", "box", "-v", "/anonymous", "busybox", "echo", "hello"))

    def test_run_rm(self):
        self.sweep(("run", "--rm", *self.ON, "-v", "/anonymous", "busybox", "echo", "hello"))

    def test_run_with_a_secret_and_over_a_directory(self):
        host = self.home + "/host"
        os.mkdir(host)
        self.ok("secret", "create", "pass", "-", stdin="words")
        mounts = ("--secret", "pass", "-v", host + ":/m:O")
        self.sweep(("run", *self.ON, *mounts, "busybox", "cp", "/run/secrets/pass", "/m"),
                   check=lambda: self.assertEqual(os.listdir(host), []))

    def test_start_and_all_that_its_supervisor_does_later(self):
        self.sweep(("start", "box"), [("create", *self.ON, "busybox", "sleep", "1000")],
                   [("exec", "box", "true"), ("stop", "-t", "1", "box")])

    def test_exec(self):
        self.sweep(("exec", "box", "echo", "hello"), [self.DETACHED])

    def test_commit(self):
        def check():
            told = self.ok("run", "--rm", "--network", "none", "made", "cat", "/changed", "/d/f")
            self.assertEqual(told, "changed\nmore\n")
            self.ok("rmi", "made")
        self.sweep(("commit", "box", "made"), [self.CHANGED], check=check)

    def copied(self):
        path = self.home + "/file"
        with open(path, "wb") as file:
            file.write(random.Random(1).randbytes(300_000))
        return path

    def test_cp_into_a_running_container(self):
        def check():
            self.assertEqual(self.ok("exec", "box", "wc", "-c", "/tmp/file"), "300000 /tmp/file\n")
        self.sweep(("cp", self.copied(), "box:/tmp/file"), [self.DETACHED], check=check)

    def test_cp_into_a_stopped_container(self):
        self.sweep(("cp", self.copied(), "box:/tmp/file"), [("create", *self.ON, "busybox", "wc", "-c", "/tmp/file")],
                   check=lambda: self.assertEqual(self.ok("start", "-a", "box"), "300000 /tmp/file\n"))

    def test_cp_out(self):
        def check():
            with open(self.home + "/copy", encoding="ascii") as copy:
                self.assertEqual(copy.read(), "changed\n")
        self.sweep(("cp", "box:/changed", self.home + "/copy"), [self.CHANGED], check=check)

    def test_rm(self):
        self.sweep(("rm", "-v", "box"), [("create", *self.ON, "-v", "/anonymous", "busybox", "true")])

    def test_rm_force(self):
        self.sweep(("rm", "-f", "-v", "box"), [("run", "-d", *self.ON, "-v", "/anonymous", "busybox", "sleep", "1000")])

    def test_run_on_a_network(self):
        self.ok("network", "create", "net")
        self.sweep(("run", "--name", "box", "--network", "net", "busybox", "echo", "hello"))
        self.ok("network", "rm", "net")

    def networks_are(self, *files):
        return lambda: self.assertEqual(sorted(os.listdir(self.data + "/networks")), [".lock", *files])

    def test_network_create(self):
        self.sweep(("network", "create", "net"), [("network", "rm", "-f", "net")], check=self.networks_are("net.json"))

    def test_network_rm(self):
        self.sweep(("network", "rm", "net"), [("network", "rm", "-f", "net"), ("network", "create", "net")],
                   check=self.networks_are())


class Stopped(Traced):
    """A command that stands still, whatever it holds, keeps nobody from looking."""

    def sweep(self, words, before=()):
        def prepare():
            self.sandbox("rm", "-f", "-v", "box")
            for command in before:
                self.ok(*command)
        for _ in range(2):
            prepare()
            self.assertEqual(self.traced(words).wait(timeout=LIMIT), 0)
            self.assertTrue(eventually(self.no_tracer))
        trace = "".join("1 " + line for line in self.read_trace().splitlines(True))  # as with the option -f
        points = chosen([point for point in points_of(trace) if point.call != "exit_group"], self.id())
        stood = 0
        for point in points:
            prepare()
            os.unlink(self.trace)
            client = self.traced(words, "-e", f"inject={point.call}:signal=STOP:when={point.number}")
            stands = lambda: os.path.exists(self.trace) and "--- stopped by SIGSTOP ---" in self.read_trace()
            try:
                self.assertTrue(eventually(lambda: stands() or client.poll() is not None, LIMIT))
                stood += stands()
                self.look((words, point))
                client.send_signal(signal.SIGCONT)
                self.assertEqual(client.wait(timeout=LIMIT), 0, (words, point))
            finally:
                client.kill()
                client.wait()
            self.assertTrue(eventually(self.no_tracer))
        self.assertGreater(stood, len(points) // 4)
        if os.environ.get("SANDBOX_SWEEP"):
            print(f"{' '.join(words)}: {len(points)} points, stood at {stood}", flush=True)

    def test_create(self):
        self.sweep(("create", "--name", "box", "-v", "/anonymous", "busybox", "true"))

    def test_commit(self):
        self.sweep(("commit", "box", "made"), [Killed.CHANGED])

    def test_rm_force(self):
        started = ("run", "-d", *Killed.ON, "-v", "/anonymous", "busybox", "sleep", "1000")
        self.sweep(("rm", "-f", "-v", "box"), [started])


if __name__ == "__main__":
    unittest.main(verbosity=2)
