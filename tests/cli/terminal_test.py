"""Terminals and streams as a user has them: sizes, keys, job control, detaching, slow readers, closed descriptors."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
import unittest

from image_archive import around_host_python, docker_archive
from sandbox_case import SANDBOX, SandboxCase, eventually

QUICK = ("--network", "none")


class Terminal:
    """A pseudo-terminal whose foreground process is one command of ours."""

    def __init__(self, case, *words, rows=24, columns=80):
        self.case = case
        self.master, self.slave = os.openpty()
        self.resize(rows, columns)
        self.mode = termios.tcgetattr(self.slave)
        self.output = b""
        self.process = subprocess.Popen([SANDBOX, *words], env=case.env, stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        case.clients.append(self.process)
        case.addCleanup(self.close)

    def close(self):
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def expect(self, pattern, seconds=15):
        """Waits until the output matches; what came up to there is used up."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern.encode(), self.output)
            if found:
                self.output = self.output[found.end():]
                return found
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                self.case.fail(f"no {pattern!r} in {self.output!r}")
            self.output += os.read(self.master, 65536)

    def ends(self, status):
        self.case.assertTrue(eventually(lambda: self.process.poll() is not None), self.output)
        self.case.assertEqual(self.process.returncode, status)
        self.case.assertEqual(termios.tcgetattr(self.slave), self.mode, "the terminal's mode is not as before")


class Keys(SandboxCase):
    def test_the_container_has_the_terminal_s_size_and_follows_it(self):
        terminal = Terminal(self, "run", "--rm", "-it", *QUICK, "busybox", "sh", "-c",
                            "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done", rows=33, columns=97)
        terminal.expect("33 97\r\n")
        terminal.resize(40, 120)
        terminal.expect("40 120\r\n")
        terminal.type("\x03")
        terminal.ends(130)

    def test_the_interrupt_key_reaches_the_program(self):
        terminal = Terminal(self, "run", "--rm", "-it", *QUICK, "busybox", "sh", "-c",
                            "trap 'exit 7' INT; echo ready; while :; do sleep 0.05; done")
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.ends(7)

    def test_a_shell_inside_has_job_control(self):
        terminal = Terminal(self, "run", "--rm", "-it", *QUICK, "busybox", "sh")
        terminal.expect("# ")
        terminal.type("sleep 1000\r")
        terminal.expect("sleep 1000\r\n")
        time.sleep(0.3)
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.type("jobs; echo end of jobs\r")
        terminal.expect("sleep 1000(.|\n)*end of jobs\r\n")
        terminal.type("fg\r")
        terminal.expect("sleep 1000")
        time.sleep(0.3)  # the shell names the job before it has the terminal
        terminal.type("\x03")
        terminal.expect("# ")  # an interrupt also throws away what was typed ahead (termios(3), NOFLSH)
        terminal.type("exit 5\r")
        terminal.ends(5)

    def test_the_detach_keys_leave_the_container_running(self):
        terminal = Terminal(self, "run", "--name", "box", "-it", *QUICK, "busybox", "sh")
        terminal.expect("# ")
        terminal.type("\x10x\r")  # a lone ctrl-p goes through
        terminal.expect("not found")
        terminal.type("\x10\x11")
        terminal.expect("read escape sequence\r\n")
        terminal.ends(0)
        self.assertIn("Up", self.ok("ps"))
        self.assertEqual(self.ok("exec", "box", "echo", "alive"), "alive\n")

    def test_a_started_container_is_left_by_keys_of_ones_own(self):
        self.ok("create", "--name", "box", "-it", *QUICK, "busybox", "cat")
        terminal = Terminal(self, "start", "-ai", "--detach-keys", "x,ctrl-y", "box")
        terminal.type("hello\r")
        terminal.expect("hello\r\nhello")
        terminal.type("x\x19")
        terminal.ends(0)
        self.env["DOCKER_CONFIG"] = self.home + "/docker"
        os.mkdir(self.home + "/docker")
        with open(self.home + "/docker/config.json", "w", encoding="utf-8") as config:
            config.write('{"detachKeys": "ctrl-e,e"}')
        terminal = Terminal(self, "attach", "box")
        terminal.type("again\r")
        terminal.expect("again\r\nagain")
        terminal.type("\x05e")
        terminal.ends(0)
        self.assertIn("Up", self.ok("ps"))

    def test_exec_has_a_terminal_of_its_own(self):
        self.ok("run", "-d", "--name", "box", *QUICK, "busybox", "sleep", "1000")
        terminal = Terminal(self, "exec", "-it", "box", "sh", "-c",
                            "trap 'stty size' WINCH; tty; stty size; while :; do sleep 0.05; done", rows=21, columns=43)
        terminal.expect("/dev/pts/0\r\n21 43\r\n")
        terminal.resize(22, 44)
        terminal.expect("22 44\r\n")
        terminal.type("\x03")
        terminal.ends(130)
        self.assertIn("Up", self.ok("ps"))

    def test_the_mode_is_restored_after_a_failed_start_a_kill_and_a_signal(self):
        terminal = Terminal(self, "run", "--rm", "-it", *QUICK, "busybox", "nonesuch")
        terminal.expect("not found")
        terminal.ends(127)
        terminal = Terminal(self, "run", "--name", "box", "-it", *QUICK, "busybox", "sh")
        terminal.expect("# ")
        self.ok("kill", "box")
        terminal.ends(137)
        self.ok("rm", "box")
        terminal = Terminal(self, "run", "--name", "box", "-it", *QUICK, "busybox", "sh")
        terminal.expect("# ")
        terminal.process.terminate()
        terminal.ends(143)
        self.assertIn("Up", self.ok("ps"))

    def test_nothing_can_be_typed_from_inside(self):
        """TIOCSTI and TIOCLINUX push characters into a terminal's input (CVE-2017-5226)."""
        archive = self.home + "/image.tar"
        docker_archive(archive, "localhost/python", around_host_python())
        self.ok("load", "-i", archive)
        code = ("import fcntl\nfor request, data in ((0x5412, b'x'), (0x541c, b'\\2'), (0x100005412, b'x')):\n"
                "  try: fcntl.ioctl(0, request & 0xffffffff, data); print('DONE')\n"
                "  except OSError as error: print('errno', error.errno)\nprint('end')")
        terminal = Terminal(self, "run", "--rm", "-it", *QUICK, "-v", "/usr:/usr:ro", "localhost/python",
                            "/usr/bin/python3", "-c", code)
        self.assertEqual(terminal.expect("(.|\n)*end\r\n").group(), b"errno 1\r\n" * 3 + b"end\r\n")  # EPERM
        terminal.ends(0)


class Streams(SandboxCase):
    def test_input_from_a_pipe_ends(self):
        self.assertEqual(self.ok("run", "--rm", "-i", *QUICK, "busybox", "wc", "-c", stdin="x" * 3_000_000), "3000000\n")
        self.ok("run", "-d", "--name", "box", *QUICK, "busybox", "sleep", "1000")
        self.assertEqual(self.ok("exec", "-i", "box", "wc", "-c", stdin="x" * 3_000_000), "3000000\n")

    def test_closed_standard_streams_are_no_trouble(self):
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            for words in ("run --rm -i --network none busybox echo out", "ps", "images"):
                done = subprocess.run(["sh", "-c", f'exec "$0" {words} {closed}', SANDBOX], env=self.env, timeout=30,
                                      capture_output=True, check=False)
                self.assertEqual(done.returncode, 0, (closed, words, done.stderr))
                if words.startswith("run") and ">&-" not in closed.replace("2>&-", ""):
                    self.assertEqual(done.stdout, b"out\n", closed)
        self.assertEqual(self.ok("ps", "-aq"), "")

    def test_a_reader_that_goes_away_ends_the_command(self):
        client = self.client("run", "--name", "box", *QUICK, "busybox", "yes", stdout=subprocess.PIPE)
        self.assertEqual(client.stdout.read(4), b"y\ny\n")
        client.stdout.close()
        self.assertNotEqual(client.wait(timeout=10), 0)
        self.ok("rm", "-f", "box")

    def test_a_slow_reader_holds_the_program_up_and_loses_nothing(self):
        size = 30_000_000
        client = self.client("run", "--name", "box", *QUICK, "busybox", "sh", "-c", f"yes | head -c {size}; exit 9",
                             stdout=subprocess.PIPE)
        self.assertEqual(client.stdout.read(2), b"y\n")
        time.sleep(1)
        self.assertIn("Up", self.ok("ps"))
        self.assertLess(self.memory("sbx:supervisor"), 32 << 10)
        self.assertEqual(len(client.stdout.read()), size - 2)
        client.stdout.close()
        self.assertEqual(client.wait(timeout=10), 9)

    def test_a_line_without_end_costs_no_memory(self):
        size = 120 << 20
        self.ok("run", "-d", "--name", "box", *QUICK, "busybox", "sh", "-c",
                f"head -c {size} /dev/zero | tr '\\0' x; printf '\\0\\377\\n'; sleep 1000")
        log = self.data + "/containers/" + self.ok("ps", "-q", "--no-trunc").strip() + "/log"
        self.assertTrue(eventually(lambda: os.stat(log).st_size > size, 60))
        self.assertLess(self.memory("sbx:supervisor"), 32 << 10)
        with subprocess.Popen([SANDBOX, "logs", "box"], env=self.env, stdout=subprocess.PIPE) as reader:
            total = peak = 0
            while part := reader.stdout.read(1 << 20):
                total += len(part)
                peak = self.peak(reader.pid) or peak
        self.assertEqual(total, size + len("\0\N{REPLACEMENT CHARACTER}\n".encode()))
        self.assertLess(peak, 64 << 10)

    def memory(self, name):
        pid, = self.helpers(name)
        return self.peak(pid)

    @staticmethod
    def peak(pid):
        """Peak resident memory in KiB; None when it has ended."""
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                found = re.search(r"VmHWM:\s+(\d+) kB", status.read())
        except OSError:
            return None
        return int(found.group(1)) if found else None


if __name__ == "__main__":
    unittest.main(verbosity=2)
