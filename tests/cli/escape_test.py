"""What a hostile container does to the processes that serve it: executing the host's program, stopping those who join
it, outliving its supervisor, directories too deep to remove, more sockets than the machine has."""

import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time
import unittest

from image_archive import directory, docker_archive, link, script, tools
from oci_case import OciCase
from raw_programs import CLEAR_DEATH_SIGNAL, ASK_FOR_SEAL, FLIPPER, STOP_OTHERS, elf
from sandbox_case import SANDBOX, SandboxCase, eventually


class HostileContainer(SandboxCase):
    def load(self, name, entries, **config):
        path = f"{self.home}/{name}.tar"
        docker_archive(path, f"{name}:latest", entries, **config)
        self.ok("load", "-i", path)
        os.unlink(path)

    def alive(self, pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def kill_supervisor(self):
        """Also waits until it is gone; returns what is recorded about the container."""
        state = self.state()
        os.kill(state["supervisor_pid"], signal.SIGKILL)
        self.assertTrue(eventually(lambda: not self.alive(state["supervisor_pid"])))
        return state


class HostsProgram(HostileContainer):
    def test_no_container_gets_at_the_hosts_own_program(self):
        # The image's loader runs with /proc/self/exe of whatever dynamic program is executed: ours, when the name is
        # exchanged for a magic link between the look at it and execve(2) (CVE-2019-5736). It ends with 42 when that is
        # a file, which it could write to once nobody executes it, and with 43 when it is sealed.
        self.load("race", tools("true") + [
            directory("lib64"), script("lib64/ld-linux-x86-64.so.2", elf(ASK_FOR_SEAL)), script("flip", elf(FLIPPER)),
            directory("race", 0o777), link("race/x", "/bin/true"), link("race/y", "/proc/self/exe")], Cmd=["/flip"])
        program = self.home + "/bin/sandbox"  # the user's own, and so root's of the container
        os.mkdir(self.home + "/bin")
        shutil.copy(SANDBOX, program)
        run = lambda *words: subprocess.run([program, *words], env=self.env, capture_output=True, timeout=60, check=False)
        self.assertEqual(run("run", "-d", "--name", "race", "race").returncode, 0)
        statuses = [run("exec", "race", "/race/x").returncode for _ in range(200)]
        self.assertNotIn(42, statuses, f"a container had the host's program {statuses.count(42)} times")


class RuntimesProgram(OciCase):
    """The same attack below an engine."""

    def setUp(self):
        self.own = None
        super().setUp()
        self.own = self.home + "/sandbox"
        shutil.copy(SANDBOX, self.own)
        os.mkdir(self.rootfs + "/race", 0o777)
        os.symlink("/bin/true", self.rootfs + "/race/x")
        os.symlink("/proc/self/exe", self.rootfs + "/race/y")
        os.mkdir(self.rootfs + "/lib64")
        for name, code in (("flip", FLIPPER), ("lib64/ld-linux-x86-64.so.2", ASK_FOR_SEAL)):
            pathlib.Path(f"{self.rootfs}/{name}").write_bytes(elf(code))
            os.chmod(f"{self.rootfs}/{name}", 0o755)

    def command(self, *words):
        return [self.own or SANDBOX, *super().command(*words)[1:]]

    def test_no_container_gets_at_it(self):
        self.program("/flip")
        with self.config() as config:
            config["root"]["readonly"] = False
        self.done("run", "--detach", "c")
        statuses = [self.oci("exec", "c", "/race/x").returncode for _ in range(200)]
        self.assertNotIn(42, statuses, f"a container had the host's program {statuses.count(42)} times")
        self.assertIn(127, statuses, "busybox, which has no applet x, was never executed")


class StoppedJoiner(HostileContainer):
    """The first process stops every other one for ever, also those that `exec` is just bringing in."""

    def setUp(self):
        super().setUp()
        self.load("stopper", tools("true") + [script("stopper", elf(STOP_OTHERS))], Cmd=["/stopper"])
        self.ok("run", "-d", "--name", "box", "stopper")
        self.client("exec", "box", "/bin/true", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL)
        time.sleep(1)

    def test_kill_still_reaches_the_container(self):
        self.ok("kill", "box")
        self.assertTrue(eventually(lambda: self.state()["status"] == "exited", 5), "'kill' said it was done")

    def test_stop_does_not_need_the_last_resort(self):
        begin = time.monotonic()
        self.ok("stop", "-t", "0", "box")
        self.assertLess(time.monotonic() - begin, 5)
        self.assertNotEqual(self.state()["finished"], 0, "the supervisor was killed before it could write the end")


class Orphan(HostileContainer):
    """A container whose first process has no death signal; every program that changes its user has none (prctl(2))."""

    def setUp(self):
        super().setUp()
        self.load("orphan", tools("sleep") + [script("clear", elf(CLEAR_DEATH_SIGNAL))], Cmd=["/clear"])
        self.ok("run", "-d", "--name", "box", "orphan")
        self.assertTrue(eventually(lambda: "1234" in pathlib.Path(f"/proc/{self.state()['pid']}/cmdline").read_text(encoding="utf-8")))

    def test_stop_ends_it_when_its_supervisor_is_stuck(self):
        state = self.state()
        os.kill(state["supervisor_pid"], signal.SIGSTOP)  # a container can do the same: see StoppedJoiner
        self.ok("stop", "-t", "1", "box")
        self.assertTrue(eventually(lambda: not self.alive(state["pid"]), 3), "'stop' said it was done")

    def test_start_after_a_killed_supervisor_leaves_one_container(self):
        first = self.kill_supervisor()
        self.ok("start", "box")
        self.assertTrue(eventually(lambda: not self.alive(first["pid"]), 3), "two containers run in one directory")

    def tearDown(self):
        for pid in self.helpers("/bin/sleep"):
            os.kill(pid, signal.SIGKILL)
        super().tearDown()


class DeepTree(HostileContainer):
    def test_directories_deeper_than_our_descriptors_are_removed(self):
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        deep = "i=0; while [ $i -lt 300 ]; do mkdir d && cd d || exit 1; i=$((i + 1)); done; echo made"
        done = self.sandbox("run", "--rm", "busybox", "sh", "-c", deep, preexec_fn=few)
        self.assertEqual(done.stdout, "made\n", done.stderr)
        self.sandbox("run", "--rm", "busybox", "true", preexec_fn=few)
        self.assertEqual(self.containers_on_disk(), [])


class ManySockets(HostileContainer):
    def test_one_container_leaves_the_machine_its_ports(self):
        # libslirp makes a socket of the host, and takes a port of ip_local_port_range, for every source port of a
        # container's datagrams, and 250 KiB of buffers for a connection whose other end does not read.
        self.ok("run", "-d", "--name", "box", "busybox", "sleep", "1234")
        helper, = self.helpers("sbx:netstack")
        with open(f"/proc/{helper}/limits", encoding="utf-8") as limits:
            most = next(int(line.split()[3]) for line in limits if line.startswith("Max open files"))
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="utf-8") as ports:
            first, last = map(int, ports.read().split())
        self.assertLess(most, (last - first) // 4, "one network helper may take most of the machine's ports")


if __name__ == "__main__":
    unittest.main(verbosity=2)
