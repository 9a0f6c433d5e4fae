"""containerd, its shim and its client with this program as the OCI runtime. An ordinary user has all of them in a user
namespace, as rootless engines do (with the user's range, or with one id alone); in the test machine root has them, too."""

import os
import pathlib
import pty
import re
import signal
import subprocess
import unittest

import image_archive
from cgroup_facts import CONTROLLERS, DELEGATED, OWN
from sandbox_case import SANDBOX, SandboxCase, eventually, has_range

ROOT = os.getuid() == 0
IMAGE = "example.com/box:1"
MIB = 1 << 20
CAP_MKNOD = 27  # capabilities(7), linux/capability.h
LIMITS = DELEGATED and {"memory", "pids", "cpu"} <= set(CONTROLLERS)

# Its own directories; no part of it that wants Kubernetes, other kinds of disks, or /opt.
CONFIG = """version = 2
root = "{home}/containerd"
state = "{run}/state"
disabled_plugins = [{disabled}]
[grpc]
address = "{run}/sock"
[ttrpc]
address = "{run}/ttrpc"
"""
DISABLED = ("grpc.v1.cri", "snapshotter.v1.btrfs", "snapshotter.v1.zfs", "snapshotter.v1.devmapper", "snapshotter.v1.aufs", "internal.v1.opt")


class Containerd(SandboxCase):
    def setUp(self):
        super().setUp()
        self.env["XDG_RUNTIME_DIR"] = self.runtime
        os.symlink(SANDBOX, self.home + "/sandbox-runtime")
        self.write("config.toml", CONFIG.format(home=self.home, run=self.runtime,
                                                disabled=", ".join(f'"io.containerd.{name}"' for name in DISABLED)))
        self.start_daemon()
        image_archive.docker_archive(self.home + "/image.tar", IMAGE,
                                     image_archive.tools("echo", "sleep", "env", "mount", "stat", "touch", "stty", "tty", "dd", "grep", "tr"),
                                     Env=["PATH=/bin", "FROM=image"], WorkingDir="/bin")
        self.ctr("image", "import", self.home + "/image.tar")

    def tearDown(self):
        for name in self.ctr("task", "ls", "-q").split():
            self.ctr("task", "delete", "--force", name, check=False)
        for name in self.ctr("container", "ls", "-q").split():
            self.ctr("container", "delete", name)
        shims = lambda: self.helpers("/usr/bin/containerd-shim-runc-v2")
        self.assertTrue(eventually(lambda: not shims()), shims())
        self.daemon.terminate()
        self.daemon.wait(20)
        self.clients.remove(self.daemon)
        # What belongs to subordinate ids can be removed by nobody else.
        subprocess.run([*self.namespace(), "rm", "-rf", self.home + "/containerd"], check=True)
        super().tearDown()

    def write(self, name, text):
        pathlib.Path(self.home, name).write_text(text, encoding="utf-8")

    @staticmethod
    def namespace():
        """Makes its process root of the tree that containerd works in."""
        user = [] if ROOT else ["--user", "--map-root-user", *(["--map-auto"] if has_range() else [])]
        return ["unshare", "--mount", *user]

    def start_daemon(self):
        """Its shims have their sockets below /run."""
        start = 'mount -t tmpfs run /run && exec containerd --config "$1"'
        with open(self.home + "/daemon.log", "w", encoding="utf-8") as log:
            self.daemon = subprocess.Popen([*self.namespace(), "sh", "-c", start, "sh", self.home + "/config.toml"],
                                           env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(self.daemon.kill)  # tearDown is not called when setUp fails
        self.clients.append(self.daemon)
        self.assertTrue(eventually(lambda: "successfully booted" in self.said()), self.said())

    def said(self):
        return pathlib.Path(self.home, "daemon.log").read_text(encoding="utf-8")

    def client_words(self, *words):
        """containerd's own client, in the namespaces of the daemon."""
        enter = ["--mount", *([] if ROOT else ["--user", "--preserve-credentials"])]
        return ["nsenter", "--target", str(self.daemon.pid), *enter, "ctr", "--address", self.runtime + "/sock", *words]

    def call(self, *words, text=""):
        return subprocess.run(self.client_words(*words), env=self.env, input=text, text=True, capture_output=True, timeout=60,
                              check=False, cwd=self.home)

    def ctr(self, *words, check=True):
        done = self.call(*words)
        if check:
            self.assertEqual(done.returncode, 0, (words, done.stdout, done.stderr))
        return done.stdout

    def run_words(self, *words, options=(), cgroup=""):
        """`words`: the container's name and its program."""
        return ["run", "--runc-binary", self.home + "/sandbox-runtime", "--cgroup", cgroup, *options, IMAGE, *words]

    def run_once(self, *words, options=(), cgroup="", text=""):
        return self.call(*self.run_words("once", *words, options=["--rm", *options], cgroup=cgroup), text=text)

    def detached(self, *words, options=(), cgroup=""):
        self.ctr(*self.run_words("box", *words, options=["--detach", *options], cgroup=cgroup))

    def task(self):
        """(pid, status) of the one that there is."""
        return re.search(r"^box\s+(\d+)\s+(\w+)", self.ctr("task", "ls"), re.M).groups()

    def test_output_exit_code_and_what_the_image_says(self):
        done = self.run_once("sh", "-c", "pwd; echo $FROM $MORE; id -u; read word; echo $word; echo err >&2; exit 7", options=["--env", "MORE=words"], text="typed\n")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, "/bin\nimage words\n0\ntyped\n", "err\n"))
        self.assertEqual(self.ctr("container", "ls", "-q"), "")

    def test_what_can_not_be_run(self):
        done = self.run_once("/bin/nothing")
        self.assertEqual(done.returncode, 1)
        self.assertIn('OCI runtime create failed: create failed: unable to start container process: exec: "/bin/nothing": stat '
                      "/bin/nothing: no such file or directory", done.stderr)
        self.assertEqual(self.ctr("container", "ls", "-q"), "")

    def test_options_that_become_configuration(self):
        self.write("file", "from outside\n")
        program = "cat /mnt; touch /new; grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/self/status | tr '\\t\\n' '  '"
        done = self.run_once("sh", "-c", program, options=[
            "--read-only", "--seccomp", "--cap-drop", "CAP_MKNOD", "--mount", f"type=bind,src={self.home}/file,dst=/mnt,options=rbind:ro"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "touch: /new: Read-only file system\n")
        usual = 0xa80425fb
        self.assertEqual(done.stdout, f"from outside\nCapEff: {usual & ~(1 << CAP_MKNOD):016x} NoNewPrivs: 1 Seccomp: 2 ")

    def test_a_terminal(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        subprocess.run(["stty", "rows", "33", "cols", "101"], stdin=slave, check=True)
        program = "tty; until stty size 2>/dev/null | grep '33 101'; do sleep 0.05; done; exit 4"  # the size comes when it has started
        client = subprocess.Popen(self.client_words(*self.run_words("once", "sh", "-c", program, options=["--rm", "--tty"])),
                                  env=self.env, stdin=slave, stdout=slave, stderr=slave)
        self.clients.append(client)
        os.close(slave)
        self.assertEqual((self.all_of(master).replace("\r", ""), client.wait(30)), ("/dev/pts/0\n33 101\n", 4))

    @staticmethod
    def all_of(terminal):
        """What is written there until nobody has it open any more (EIO)."""
        text = b""
        while True:
            try:
                text += os.read(terminal, 4096)
            except OSError:
                return text.decode()

    def test_a_life(self):
        self.detached("sh", "-c", "trap 'exit 3' TERM; echo >/ready; while :; do sleep 0.05; done")
        pid, status = self.task()
        self.assertEqual(status, "RUNNING")
        self.assertIn("sleep 0.05", self.family_commands())
        done = self.call("task", "exec", "--exec-id", "one", "--cwd", "/", "box", "sh", "-c", "pwd; read word; echo $word; test $$ != 1; exit 9", text="typed\n")
        self.assertEqual((done.returncode, done.stdout), (9, "/\ntyped\n"), done.stderr)
        self.assertIn(pid, self.ctr("task", "ps", "box"))
        self.assertTrue(eventually(lambda: self.call("task", "exec", "--exec-id", "two", "box", "cat", "/ready").returncode == 0))
        self.ctr("task", "kill", "--signal", "TERM", "box")
        self.assertTrue(eventually(lambda: self.task() == (pid, "STOPPED")), self.task())
        self.assertIn("non-zero exit code 3", self.call("task", "delete", "box").stderr)

    def family_commands(self):
        return "\n".join(self.family().values())

    def test_pause(self):
        """With a cgroup of its own; elsewhere the reason is told."""
        path = self.cgroup_path()
        self.detached("sh", "-c", "while :; do echo >>/ticks; sleep 0.05; done", cgroup=path)
        if not path:
            done = self.call("task", "pause", "box")
            self.assertEqual(done.returncode, 1)
            return self.assertIn("container 'box' can't be paused: it has no cgroup of its own", done.stderr)
        self.ctr("task", "pause", "box")
        self.assertEqual(self.task()[1], "PAUSED")
        self.assertIn("frozen 1", (OWN / "box/cgroup.events").read_text())
        self.ctr("task", "resume", "box")
        self.assertEqual(self.task()[1], "RUNNING")

    @staticmethod
    def cgroup_path():
        """cgroupsPath counts from the root of the hierarchy. "" is containerd's word for no cgroup."""
        return "/" + str((OWN / "box").relative_to("/sys/fs/cgroup")) if DELEGATED else ""

    @unittest.skipIf(ROOT, "root may make cgroups anywhere")
    def test_a_cgroup_that_can_not_be_made_is_refused(self):
        for path, reason in (("/..", "does not name a cgroup below the root"),
                             ("/sandbox-not-ours/x", "creating cgroup '.*not-ours.*': (Permission denied|Read-only file system)|no cgroup v2")):
            done = self.run_once("echo", "ran", cgroup=path)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, "OCI runtime create failed: create failed: .*" + reason)

    def test_limits(self):
        limits = ["--memory-limit", str(50 * MIB), "--cpus", "0.5", "--mount", "type=cgroup,src=cgroup,dst=/sys/fs/cgroup,options=ro"]
        if not LIMITS:
            done = self.run_once("echo", "ran", options=limits)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            return self.assertRegex(done.stderr, "linux.resources.(memory.limit|cpu.quota) can't be applied: ")
        # ctr loses what is said by a container that ends before ctr has opened its pipes.
        program = f"sleep 1; cat {OWN}/box/memory.max {OWN}/box/cpu.max; dd if=/dev/zero of=/dev/null bs=200M count=1; exit $?"
        done = self.run_once("sh", "-c", program, options=limits, cgroup=self.cgroup_path())
        self.assertEqual((done.returncode, done.stdout), (137, f"{50 * MIB}\n50000 100000\n"), done.stderr)
        self.detached("sleep", "1000", options=limits, cgroup=self.cgroup_path())
        figures = dict(line.split() for line in self.ctr("task", "metrics", "box").splitlines() if len(line.split()) == 2)
        self.assertEqual(int(figures["memory.usage_limit"]), 50 * MIB)
        self.assertGreater(int(figures["memory.usage"]), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
