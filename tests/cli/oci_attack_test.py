"""`sandbox oci`: containers that attack those who enter them, and a runtime that is killed before any of its changes."""

import json
import os
import pty
import signal
import subprocess
import time
import unittest

from oci_case import OciCase
from sandbox_case import eventually, has_range

# As pid 1: stops whoever comes in, and looks whether it can be traced while it still is the runtime. A process is looked
# at first and named afterwards, since it becomes its program in between.
TRACER = """
mount -t tmpfs none /run
while :; do
  kill -STOP -1
  for process in /proc/[0-9]*; do
    [ $process = /proc/1 ] && continue
    open=no
    [ -d $process/root/bin ] && open=yes
    read name <$process/comm || continue
    echo $name $open >>/run/seen
  done
  kill -CONT -1
done 2>/dev/null
"""


class Entering(OciCase):
    """`exec` into a container whose processes wait for it."""

    def start(self, *words, capabilities=(), **process):
        self.program(*words)
        with self.config() as config:
            for names in config["process"]["capabilities"].values():
                names += capabilities
            config["process"].update(process)
            config["root"]["readonly"] = False
            config["linux"]["maskedPaths"] = config["linux"]["readonlyPaths"] = []
        os.makedirs(self.rootfs + "/run", exist_ok=True)
        self.done("run", "--detach", "c")

    def test_nobody_inside_can_trace_a_process_that_comes_in(self):
        """Until it is its program it has the runtime's memory and descriptors (CVE-2016-9962)."""
        self.start("sh", "-c", TRACER, capabilities=["CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_KILL"])
        end = time.monotonic() + 4
        for number in range(100):
            if number >= 10 and time.monotonic() > end:
                break
            self.oci("exec", "--detach", "c", "true")  # may be refused: it has been stopped
        pid = json.loads(self.done("state", "c"))["pid"]
        with open(f"/proc/{pid}/root/run/seen", encoding="utf-8") as file:
            seen = {line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in sorted(file.read().splitlines())}
        ours = {name: open for name, open in seen.items() if name not in ("true", "sh", "busybox")}
        self.assertTrue(ours, "none was ever seen: this test shows nothing")
        self.assertNotIn("yes", ours.values(), ours)

    def test_what_a_container_puts_over_proc_misleads_nobody(self):
        self.start("sh", "-c", "mount -t tmpfs none /proc && mkdir -p /proc/self/fd /proc/self/attr /proc/self/ns && "
                   "ln -s /etc/passwd /proc/self/oom_score_adj && ln -s / /proc/self/exe; exec sleep 1000",
                   capabilities=["CAP_SYS_ADMIN"], oomScoreAdj=500)
        self.assertTrue(eventually(lambda: self.oci("exec", "c", "test", "-d", "/proc/self/attr").returncode == 0))
        pid = json.loads(self.done("state", "c"))["pid"]
        self.done("exec", "--detach", "--pid-file", self.home + "/pid", "c", "sleep", "1001")
        with open(self.home + "/pid", encoding="ascii") as file:
            joined = int(file.read())
        for process in (pid, joined):
            with open(f"/proc/{process}/oom_score_adj", encoding="ascii") as file:
                self.assertEqual(file.read(), "500\n")
        self.assertEqual(self.oci("exec", "-t", "c", "test", "-t", "0").returncode, 0)
        os.kill(joined, signal.SIGKILL)
        os.waitpid(joined, 0)

    def test_accounts_that_block_or_never_end_hold_nobody_up(self):
        self.start("sleep", "1000")
        for spoil in ("mkfifo", "ln -s /dev/zero", "ln -s /proc/self/fd/0", "mkdir"):
            subprocess.run(f"rm -rf {self.rootfs}/etc/passwd; {spoil} {self.rootfs}/etc/passwd", shell=True, check=True)
            self.assertEqual(self.done("exec", "c", "sh", "-c", "echo $HOME"), "/\n", spoil)
        subprocess.run(["truncate", "-s", "1G", self.rootfs + "/passwd"], check=True)
        os.rmdir(self.rootfs + "/etc/passwd")
        os.rename(self.rootfs + "/passwd", self.rootfs + "/etc/passwd")
        self.assertEqual(self.done("exec", "c", "sh", "-c", "echo $HOME"), "/\n")

    def test_working_directories_below_descriptors_are_refused(self):
        self.start("sleep", "1000")
        for number in range(3, 16):
            done = self.oci("exec", "--cwd", f"/proc/self/fd/{number}/../..", "c", "true")
            self.assertEqual(done.returncode, 255, number)

    def test_the_user_is_who_was_asked_for(self):
        """crun took some for root (CVE-2026-30892)."""
        with self.config() as config:
            del config["linux"]["uidMappings"], config["linux"]["gidMappings"]
        with open(self.rootfs + "/etc/passwd", "w", encoding="ascii") as file:
            file.write("root:x:0:0::/:\n1:x:0:0::/:\n33:x:0:0::/:\n")
        self.start("sleep", "1000")
        for user in ("1", "33", "33:34"):
            if has_range():
                self.assertEqual(self.done("exec", "-u", user, "c", "sh", "-c", "id -u; grep CapEff /proc/self/status"),
                                 user.split(":", maxsplit=1)[0] + "\nCapEff:\t0000000000000000\n")
            else:
                self.assertEqual(self.oci("exec", "-u", user, "c", "true").returncode, 255)


class Terminals(OciCase):
    def test_the_callers_terminal_is_nobodys_inside(self):
        """TIOCSTI types into the terminal that controls a process (CVE-2017-5226): there is none."""
        ask = ("sh", "-c", "read line </proc/self/stat; echo \"($line)\"")
        self.program("sleep", "1000")
        self.done("run", "--detach", "box")
        self.program(*ask)
        for words in (["run", "c"], ["exec", "box", *ask]):
            pid, master = pty.fork()
            if pid == 0:
                os.chdir(self.bundle)
                os.execve(self.command(*words)[0], self.command(*words), self.env)
            text = b""
            while b"\n" not in text:
                text += os.read(master, 4096)
            os.waitpid(pid, 0)
            os.close(master)
            fields = text.decode().rsplit(")", 2)[-2].split()
            own, session, terminal = text.decode().split("(", 1)[1].split()[0], fields[3], fields[4]
            self.assertEqual((session, terminal), (own, "0"), text)


class KilledRuntime(OciCase):
    """The runtime is killed before each of its changes in turn; `delete --force` leaves no trace of the container."""

    def setUp(self):
        super().setUp()
        self.program("sleep", "1000")

    def survives(self, call, number, *words):
        """Whether the command, killed before its system call of this name and number, ends before it comes to that."""
        done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                               f"inject={call}:signal=KILL:when={number}", *self.command(*words)],
                              cwd=self.bundle, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=60, check=False)
        self.assertIn(done.returncode, (0, -signal.SIGKILL), words)
        return done.returncode == 0

    def sweep(self, calls, *words, before=()):
        for call in calls:
            number, survived = 1, False
            while not survived:
                for command in before:
                    self.done(*command)
                survived = self.survives(call, number, *words)
                with self.subTest(command=words[0], call=call, number=number):
                    self.done("delete", "--force", "c")
                    self.assertEqual(os.listdir(self.root) if os.path.isdir(self.root) else [], [])
                    self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())
                number += 1
            self.assertGreater(number, 2, (words, call))

    def test_start(self):
        self.sweep(("sendmsg", "recvmsg"), "start", "c", before=[["create", "c"]])

    def test_run(self):
        self.sweep(("mkdirat", "renameat", "bind", "clone3", "sendmsg"), "run", "--detach", "c")

    def test_exec(self):
        self.sweep(("clone3", "sendmsg", "recvmsg"), "exec", "--detach", "c", "sleep", "1001",
                   before=[["run", "--detach", "c"]])

    def test_exec_before_start(self):
        self.sweep(("clone3", "sendmsg"), "exec", "--detach", "c", "sleep", "1001", before=[["create", "c"]])


class Words(OciCase):
    """What a stranger's names and amounts do to the runtime's output and time."""

    def test_control_characters_reach_no_terminal(self):
        bundle = self.home + "/\033[31mred"
        os.rename(self.bundle, bundle)
        self.bundle, self.rootfs = bundle, bundle + "/rootfs"
        self.program("sleep", "1000")
        self.done("run", "--detach", "c")
        self.assertNotIn("\033", self.done("list"))
        for words in (["state", "\033[31m"], ["run", "--config", "\033[2J", "d"], ["exec", "c", "\033[31mx"]):
            done = self.oci(*words)
            self.assertNotEqual(done.returncode, 0)
            self.assertNotIn("\033", done.stderr)

    def test_ten_thousand_mounts(self):
        self.program("sh", "-c", "grep -c ' /m/' /proc/self/mountinfo")
        with self.config() as config:
            config["root"]["readonly"] = False
            config["mounts"] += [{"destination": f"/m/{number}", "type": "tmpfs"} for number in range(10_000)]
        self.assertEqual(self.done("run", "c"), "10000\n")

    def test_arguments_that_no_program_takes(self):
        for change in ({"args": ["true", "x" * (2 << 20)]}, {"env": ["PATH=/bin", "X=" + "x" * (2 << 20)]}):
            self.program("true")
            with self.config() as config:
                config["process"].update(change)
            done = self.oci("run", "c")
            self.assertEqual(done.returncode, 1)
            self.assertIn("rgument list too long", done.stderr)
            self.assertEqual(os.listdir(self.root), [])

    def test_paths_that_no_kernel_takes(self):
        self.program("true")
        with open(self.bundle + "/config.json", encoding="utf-8") as file:
            good = file.read()
        for change in (lambda config, path: config["mounts"].append({"destination": path, "type": "tmpfs"}),
                       lambda config, path: config["process"].update(cwd=path),
                       lambda config, path: config["linux"]["maskedPaths"].append(path),
                       lambda config, path: config["linux"].update(devices=[
                           {"type": "c", "path": path, "major": 1, "minor": 3}])):
            for path in ("/" + "x" * 256, "/x" * 2048):
                with self.config() as config:
                    config["root"]["readonly"] = False
                    change(config, path)
                done = self.oci("run", "c")
                self.assertEqual(done.returncode, 1, path[:4])
                self.assertIn("ile name too long", done.stderr)
                self.assertLess(len(done.stderr), 16384)
                self.assertEqual(os.listdir(self.root), [])
                with open(self.bundle + "/config.json", "w", encoding="utf-8") as file:
                    file.write(good)
        subprocess.run(["rm", "-rf", self.rootfs + "/x"], check=True)  # deeper than Python would remove


if __name__ == "__main__":
    unittest.main(verbosity=2)
