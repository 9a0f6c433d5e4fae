"""A container's later life: restart, rename, port, attach, top, pause; as the ordinary user who calls it."""

import json
import os
import pty
import re
import signal
import subprocess
import time
import unittest

from sandbox_case import SANDBOX, SandboxCase, eventually


class Life(SandboxCase):
    def state(self, name):
        return json.loads(self.ok("inspect", name))[0]["State"]

    def start(self, *words):
        return self.ok("run", "-d", "--network", "none", *words).strip()

    def test_a_restarted_container_keeps_its_files_and_its_name(self):
        self.start("--name", "box", "busybox", "sh", "-c", "echo start >>/count; cat /count; exec sleep 1000")
        self.assertTrue(eventually(lambda: self.ok("logs", "box") == "start\n"))
        before = self.state("box")
        self.assertEqual(self.ok("restart", "-t", "0", "box"), "box\n")
        after = self.state("box")
        self.assertEqual(after["Status"], "running")
        self.assertNotEqual(before["Pid"], after["Pid"])
        self.assertTrue(eventually(lambda: self.ok("logs", "box") == "start\nstart\nstart\n"))

    def test_restart_starts_what_has_ended(self):
        self.ok("run", "--name", "box", "--network", "none", "busybox", "echo", "once")
        self.ok("restart", "box")
        self.assertTrue(eventually(lambda: self.ok("logs", "box") == "once\nonce\n"))

    def test_a_renamed_container_runs_on_under_its_new_name(self):
        self.start("--name", "old", "busybox", "sleep", "1000")
        self.ok("rename", "old", "new")
        self.assertEqual(self.ok("exec", "new", "echo", "here"), "here\n")
        self.assertIn("No such container: old", self.sandbox("exec", "old", "true").stderr)
        self.ok("rm", "-f", "new")

    def test_a_name_in_use_or_malformed_is_refused(self):
        self.ok("create", "--name", "one", "busybox")
        self.ok("create", "--name", "two", "busybox")
        taken = self.sandbox("rename", "one", "two")
        self.assertEqual(taken.returncode, 1)
        self.assertIn("already in use", taken.stderr)
        self.assertIn("invalid container name", self.sandbox("rename", "one", "a/b").stderr)
        self.assertEqual(len(self.ok("ps", "-aq").split()), 2)

    def test_a_detached_process_runs_on_and_nobody_needs_to_read_it(self):
        self.start("--name", "box", "busybox", "sleep", "1000")
        done = self.sandbox("exec", "-d", "box", "sh", "-c", "yes | head -c 9000000; touch /done; exec sleep 1000")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertTrue(eventually(lambda: self.sandbox("exec", "box", "test", "-e", "/done").returncode == 0))
        self.assertEqual(self.ok("logs", "box"), "")
        self.assertEqual(self.sandbox("exec", "-d", "box", "no-such-program").returncode, 127)

    def test_a_privileged_process_has_what_its_container_does_not(self):
        self.start("--name", "box", "busybox", "sleep", "1000")
        mount = ("sh", "-c", "mount -t tmpfs none /tmp && grep -c ' /tmp tmpfs ' /proc/mounts")
        refused = self.sandbox("exec", "box", *mount)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("ermission denied", refused.stderr)
        self.assertEqual(self.ok("exec", "--privileged", "box", *mount), "1\n")
        with open("/proc/sys/kernel/cap_last_cap", encoding="utf-8") as last:
            everything = f"{(1 << (int(last.read()) + 1)) - 1:016x}"
        self.assertIn(f"CapEff:\t{everything}\n", self.ok("exec", "--privileged", "box", "cat", "/proc/self/status"))
        self.assertNotIn(everything, self.ok("exec", "box", "cat", "/proc/self/status"))

    def test_logs_of_both_streams_come_in_the_order_of_their_writing(self):
        self.ok("run", "--name", "box", "--network", "none", "busybox", "sh", "-c",
                "for i in 1 3 5; do echo $i; sleep 0.1; echo $((i + 1)) >&2; sleep 0.1; done")
        done = subprocess.run([SANDBOX, "logs", "box"], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=True)
        self.assertEqual(done.stdout, "1\n2\n3\n4\n5\n6\n")

    def test_logs_of_a_span_of_time(self):
        self.start("--name", "box", "busybox", "sh", "-c", "echo one; until test -e /go; do sleep 0.05; done; echo two; sleep 1000")
        self.assertTrue(eventually(lambda: self.ok("logs", "box") == "one\n"))
        moment = self.ok("logs", "-t", "box").split()[0]
        self.ok("exec", "box", "touch", "/go")
        self.assertTrue(eventually(lambda: self.ok("logs", "box") == "one\ntwo\n"))
        self.assertEqual(self.ok("logs", "--until", moment, "box"), "one\n")
        self.assertEqual(self.ok("logs", "--since", moment, "--tail", "1", "box"), "two\n")
        self.assertEqual(self.ok("logs", "--since", "1h", "box"), "one\ntwo\n")
        self.assertEqual(self.ok("logs", "--until", "1h", "box"), "")
        self.assertEqual(self.ok("logs", "-f", "--until", "0", "box"), "one\ntwo\n")  # does not wait
        done = self.sandbox("logs", "--since", "yesterday", "box")
        self.assertEqual((done.returncode, done.stderr), (
            1, 'sandbox: invalid value for "since": failed to parse value as time or duration: "yesterday"\n'))

    def test_a_clock_that_has_been_set_back_is_no_trouble(self):
        """What was written before shows times to come. Waiting goes by clocks that nobody sets."""
        self.start("--name", "box", "-i", "busybox", "sh", "-c", "echo before; read go; echo after; exec sleep 1000")
        self.assertTrue(eventually(lambda: self.ok("logs", "box") == "before\n"))
        place = self.only_container()
        tomorrow = int(time.time()) + 86400
        for name, key in (("container.json", "created"), ("state.json", "started")):
            with open(f"{place}/{name}", encoding="utf-8") as file:
                text = file.read()
            with open(f"{place}/{name}", "w", encoding="utf-8") as file:
                file.write(re.sub(rf'"{key}":\d+', f'"{key}":{tomorrow}', text))
        with open(place + "/log", "r+", encoding="utf-8") as log:
            record = json.loads(log.read())
            record["time"] = time.strftime("%Y-%m-%d", time.gmtime(tomorrow)) + record["time"][10:]
            log.seek(0)
            log.write(json.dumps(record, separators=(",", ":")) + "\n")
        self.assertEqual(self.ok("ps", "--format", "{{.RunningFor}}, {{.Status}}"), "Less than a second ago, Up Less than a second\n")
        follower = self.client("logs", "-f", "box", stdout=subprocess.PIPE, text=True)
        with self.client("attach", "--sig-proxy=false", "box", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as attached:
            attached.stdin.write(b"go\n")
            attached.stdin.flush()
            self.assertEqual([follower.stdout.readline() for _ in range(2)], ["before\n", "after\n"])
            attached.kill()
        follower.stdout.close()
        self.assertEqual(self.ok("logs", "--since", "2000-01-01", "box"), "before\nafter\n")
        self.assertEqual(self.ok("logs", "--until", "0s", "box"), "after\n")
        self.ok("stop", "-t", "1", "box")
        self.assertEqual(self.ok("wait", "box"), "137\n")
        self.ok("start", "box")
        self.assertRegex(self.ok("ps", "--format", "{{.Status}}"), r"\AUp [\w ]+\n\Z")

    def test_port_shows_where_ports_are_published(self):
        self.ok("run", "-d", "--name", "web", "-p", "127.0.0.1::80", "-p", "127.0.0.1::53/udp", "busybox", "sleep", "1000")
        lines = self.ok("port", "web").splitlines()
        self.assertRegex(lines[0], r"^80/tcp -> 127\.0\.0\.1:[1-9]\d+$")
        self.assertRegex(lines[1], r"^53/udp -> 127\.0\.0\.1:[1-9]\d+$")
        self.assertEqual(self.ok("port", "web", "80"), lines[0].split(" -> ")[1] + "\n")
        self.assertEqual(self.ok("port", "web", "53/udp"), lines[1].split(" -> ")[1] + "\n")
        self.assertIn("no public port '81/tcp' published for web", self.sandbox("port", "web", "81").stderr)

    def test_attach_shows_what_comes_and_takes_input(self):
        self.start("-i", "--name", "box", "busybox", "cat")
        done = self.sandbox("attach", "box", stdin="typed\n")
        self.assertEqual((done.returncode, done.stdout), (0, "typed\n"), done.stderr)
        self.assertTrue(eventually(lambda: self.state("box")["Status"] == "exited"))
        self.assertIn("cannot attach to a stopped container", self.sandbox("attach", "box").stderr)

    def test_attach_leaves_a_terminal_by_keys_of_ones_own(self):
        self.start("-it", "--name", "box", "busybox", "cat")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(SANDBOX, ["sandbox", "attach", "--detach-keys", "x,ctrl-y", "box"],
                      dict(self.env, TERM="dumb"))
        os.write(terminal, b"hello\n")
        seen = b""
        while b"hello\r\nhello" not in seen:
            seen += os.read(terminal, 4096)
        os.write(terminal, b"x\x19")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        os.close(terminal)
        self.assertEqual(self.state("box")["Status"], "running")

    def test_a_killed_container_can_be_removed_at_once(self):
        for _ in range(5):
            self.start("--name", "box", "busybox", "sleep", "1000")
            self.ok("kill", "box")
            self.ok("rm", "box")

    def test_signals_of_an_attached_client_reach_the_container_unless_told_otherwise(self):
        self.start("--name", "box", "busybox", "sh", "-c", "trap 'echo got' USR1; while :; do sleep 0.05; done")
        for words, count in ((["--sig-proxy=false"], 0), ([], 1)):
            client = self.client("attach", *words, "box")
            eventually(lambda: False, 0.3)
            client.send_signal(signal.SIGUSR1)
            if count == 0:
                self.assertEqual(client.wait(10), -signal.SIGUSR1)
            self.assertTrue(eventually(lambda: self.ok("logs", "box").count("got") == count))

    def test_top_shows_the_containers_processes_and_no_others(self):
        self.start("--name", "box", "busybox", "sh", "-c", "sleep 1234 & exec sleep 4321")
        self.assertTrue(eventually(lambda: len(self.ok("top", "box").splitlines()) == 3), self.ok("top", "box"))
        lines = self.ok("top", "box").splitlines()
        self.assertIn("sleep 4321", lines[1] + lines[2])
        self.assertEqual(self.ok("top", "box", "-o", "pid,args").splitlines()[0].split(), ["PID", "COMMAND"])
        self.assertIn("no column PID", self.sandbox("top", "box", "-o", "args").stderr)

    def test_diff_shows_what_the_container_did_and_nothing_of_ours(self):
        script = "echo x >/etc/new; rm /etc/passwd; mkdir -m 700 /root/private; touch /root/private/file"
        self.ok("run", "--name", "box", "--network", "none", "busybox", "sh", "-c", script)
        self.assertEqual(self.ok("diff", "box").splitlines(),
                         ["C /etc", "A /etc/new", "D /etc/passwd", "C /root", "A /root/private", "A /root/private/file"])
        self.ok("run", "--name", "clean", "busybox", "true")
        self.assertEqual(self.ok("diff", "clean"), "")

    def test_pause_works_or_says_what_it_lacks(self):
        self.start("--name", "box", "busybox", "sleep", "1000")
        done = self.sandbox("pause", "box")
        if done.returncode == 0:
            self.assertTrue(self.state("box")["Paused"])
            self.ok("unpause", "box")
        else:
            self.assertIn("no cgroup of its own", done.stderr)
        self.assertIn("is not paused", self.sandbox("unpause", "box").stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
