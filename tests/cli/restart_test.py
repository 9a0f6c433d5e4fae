"""Restart policies and stop times; as the ordinary user who calls it."""

import json
import os
import signal
import time
import unittest

from sandbox_case import SandboxCase, eventually

WORDS = ("--network", "none", "--pull", "never")


class Restart(SandboxCase):
    def start(self, *words, script, image="busybox"):
        self.ok("run", "-d", "--name", "box", *WORDS, *words, image, "sh", "-c", script)

    def look(self):
        return json.loads(self.ok("inspect", "box"))[0]

    def status(self):
        return self.look()["State"]["Status"]

    def runs(self):
        return self.ok("logs", "box").count("run\n")

    def test_a_container_that_fails_is_started_so_many_times(self):
        for driver in ("overlay", "fuse"):
            with self.subTest(driver=driver):
                self.start("--restart", "on-failure:2", "--storage-driver", driver,
                           script="echo run; echo x >>/count; exit $(wc -l </count)")
                self.assertTrue(eventually(lambda: self.status() == "exited"), self.look())
                state = self.look()
                self.assertEqual((state["RestartCount"], state["State"]["ExitCode"]), (2, 3))
                self.assertEqual(self.runs(), 3)
                self.ok("rm", "box")

    def test_success_is_the_end_of_on_failure(self):
        self.start("--restart", "on-failure", script="echo run; test -e /been || { touch /been; exit 1; }")
        self.assertTrue(eventually(lambda: self.status() == "exited"))
        self.assertEqual((self.runs(), self.look()["RestartCount"]), (2, 1))

    def test_always_goes_on_until_somebody_stops_it(self):
        for words in (("stop", "-t", "1"), ("kill",), ("rm", "-f")):
            self.start("--restart", "always", script="echo run; exit 0")
            self.assertTrue(eventually(lambda: self.runs() >= 3))
            self.assertIn("box", self.ok("ps"))
            self.ok(*words, "box")
            if words[0] == "rm":
                break
            self.assertTrue(eventually(lambda: self.status() == "exited"))
            before = self.runs()
            time.sleep(0.5)  # what would come back comes within this
            self.assertEqual((self.status(), self.runs()), ("exited", before))
            self.ok("start", "box")
            self.assertTrue(eventually(lambda: self.runs() > before))
            self.assertEqual(self.look()["HostConfig"]["RestartPolicy"], {"Name": "always", "MaximumRetryCount": 0})
            self.ok("rm", "-f", "box")

    def test_one_that_runs_is_stopped_for_good(self):
        self.start("--restart", "unless-stopped", script="echo run; trap 'exit 3' TERM; while :; do sleep 0.1; done")
        self.assertTrue(eventually(lambda: self.runs() == 1))
        self.ok("stop", "box")
        self.assertEqual((self.status(), self.look()["State"]["ExitCode"], self.runs()), ("exited", 3, 1))

    def test_between_two_runs(self):
        self.start("--restart", "always", script="echo run; exit 5")
        self.assertTrue(eventually(lambda: self.runs() >= 5))  # pauses of more than a second from here on
        self.assertTrue(eventually(lambda: self.status() == "restarting"))
        self.assertRegex(self.ok("ps"), r"Restarting \(5\) .* ago")
        self.assertIn("is restarting, wait until the container is running", self.sandbox("exec", "box", "true").stderr)
        self.assertIn("cannot attach to a restarting container", self.sandbox("attach", "box").stderr)
        self.assertIn('cannot remove container "box": container is restarting: stop', self.sandbox("rm", "box").stderr)
        self.assertEqual(self.ok("wait", "box"), "5\n")
        self.ok("stop", "box")
        self.assertEqual(self.status(), "exited")

    def test_everything_of_a_run_is_there_again(self):
        self.start("--restart", "on-failure:1", "--network", "private", "-p", "127.0.0.1::80", "-i", "-t",
                   script="ip addr show eth0 | grep -c 'inet '; test -t 1; echo run; exit 1")
        self.assertTrue(eventually(lambda: self.status() == "exited"))
        self.assertEqual(self.ok("logs", "box").split(), ["1", "run", "1", "run"])

    def test_a_client_in_the_foreground_ends_with_the_first_run(self):
        done = self.sandbox("run", "--name", "box", *WORDS, "--restart", "always", "busybox", "sh", "-c", "echo once; exit 4")
        self.assertEqual((done.returncode, done.stdout), (4, "once\n"))
        self.ok("rm", "-f", "box")

    def test_a_killed_supervisor_leaves_a_container_that_can_be_removed(self):
        self.start("--restart", "always", script="echo run; exit 1")
        self.assertTrue(eventually(lambda: self.runs() >= 4))
        for pid in self.helpers("sbx:supervisor"):
            os.kill(pid, signal.SIGKILL)
        self.assertTrue(eventually(lambda: self.status() == "exited"))
        self.ok("rm", "box")

    def test_after_a_restart_of_the_machine_nothing_runs_and_nobody_is_taken_for_its_processes(self):
        self.start("--restart", "always", script="echo run; sleep 1000")
        path = self.only_container() + "/state.json"
        with open(path, encoding="utf-8") as file:
            state = json.load(file)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(dict(state, boot="another"), file)
        self.assertEqual((self.status(), self.look()["State"]["ExitCode"]), ("exited", 137))
        os.kill(state["pid"], 0)  # who has its number now is none of ours
        with open(path, "w", encoding="utf-8") as file:
            json.dump(state, file)

    def test_after_a_restart_of_the_machine_those_are_started_that_should_be(self):
        policies = {"always": "always", "stopped-always": "always", "unless": "unless-stopped",
                    "stopped-unless": "unless-stopped", "failure": "on-failure", "none": "no"}
        for name, policy in policies.items():
            self.ok("run", "-d", "--name", name, *WORDS, "--restart", policy, "busybox", "sleep", "1000")
        self.ok("create", "--name", "new", "--restart", "always", "busybox", "sleep", "1000")
        self.ok("stop", "-t", "0", "stopped-always", "stopped-unless")
        for pid in self.helpers("sbx:supervisor"):
            os.kill(pid, signal.SIGKILL)
        self.assertTrue(eventually(lambda: not self.descendants()))
        for name in os.listdir(self.data + "/containers"):
            path = f"{self.data}/containers/{name}/state.json"
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    state = json.load(file)
                with open(path, "w", encoding="utf-8") as file:
                    json.dump(dict(state, boot="another"), file)
        self.assertEqual(self.ok("ps", "-q"), "")
        started = self.ok("start", "--all", "--filter", "should-start-on-boot=true").split()
        self.assertEqual(sorted(started), ["always", "stopped-always", "unless"])
        self.assertEqual(sorted(self.ok("ps", "--format", "{{.Names}}").split()), sorted(started))
        self.assertEqual(self.ok("start", "--all", "--filter", "should-start-on-boot=true"), "")
        self.assertEqual(self.ok("start", "--all", "--filter", "restart-policy=on-failure"), "failure\n")
        for words, message in ((("--all", "box"), "either start all"), (("--filter", "id=1"), "--filter needs --all"),
                               (("--all", "-a"), "in the background"), ((), "requires at least 1 argument"),
                               (("--all", "--filter", "should-start-on-boot=x"), "invalid filter")):
            self.assertIn(message, self.sandbox("start", *words).stderr)

    def test_one_that_a_signal_to_its_supervisor_has_ended_is_started_again(self):
        """A machine that goes down in order has all processes end; that is nobody's wish about this container."""
        self.start("--restart", "unless-stopped", script="trap 'exit 0' TERM; echo run; while :; do sleep 0.1; done")
        self.assertTrue(eventually(lambda: self.runs() == 1))
        for pid in self.helpers("sbx:supervisor"):
            os.kill(pid, signal.SIGTERM)
        self.assertTrue(eventually(lambda: self.status() == "exited"))
        self.assertEqual(self.ok("start", "--all", "--filter", "should-start-on-boot=true"), "box\n")

    def test_one_that_is_stopped_while_its_supervisor_hangs_stays_ended(self):
        self.start("--restart", "unless-stopped", script="echo run; sleep 1000")
        self.assertTrue(eventually(lambda: self.runs() == 1))
        os.kill(self.state()["supervisor_pid"], signal.SIGSTOP)
        self.ok("stop", "-t", "0", "box")
        self.assertEqual(self.status(), "exited")
        self.assertEqual(self.ok("start", "--all", "--filter", "should-start-on-boot=true"), "")
        self.ok("start", "box")
        self.assertEqual(self.status(), "running")

    def test_words(self):
        for words, message in ((("--restart", "often"), "invalid restart policy: unknown policy 'often'"),
                               (("--restart", "always:3"), "maximum retry count can only be used with 'on-failure'"),
                               (("--restart", "on-failure:x"), "maximum retry count must be an integer"),
                               (("--restart", "on-failure:-1"), "maximum retry count cannot be negative"),
                               (("--restart", "always", "--rm"), "cannot specify both --restart and --rm"),
                               (("--stop-timeout", "x"), 'invalid argument "x" for "--stop-timeout" flag')):
            self.assertIn(message, self.sandbox("run", *WORDS, *words, "busybox", "true").stderr)
        self.assertEqual(self.ok("ps", "-aq"), "")

    def test_a_container_has_a_stop_time_of_its_own(self):
        self.start("--stop-timeout", "0", script="trap '' TERM; echo run; while :; do sleep 1; done")
        self.assertTrue(eventually(lambda: self.runs() == 1))
        before = time.monotonic()
        self.ok("stop", "box")
        self.assertLess(time.monotonic() - before, 8)  # the default is 10
        self.assertEqual(self.look()["State"]["ExitCode"], 137)


if __name__ == "__main__":
    unittest.main()
