"""Many clients on few containers at once: nobody waits for ever, nobody is told nonsense, and the end is clean.

SANDBOX_CROWD=SECONDS has it last longer than the moment that the suite has for it."""

import collections
import os
import random
import signal
import subprocess
import threading
import time
import unittest

from sandbox_case import SandboxCase, eventually

CLIENTS = 50
NAMES = [f"box{number}" for number in range(20)]
SECONDS = float(os.environ.get("SANDBOX_CROWD", "6"))
LIMIT = 120  # for a command, when fifty of them share two processors

# What a command may be told when others work on the same container.
EXPECTED = ("no such container", "no such object", "is already in use by container", "is not running", "is running", "already running",
            "has ended", "has just ended", "is being removed", "container ended")


class Crowd(SandboxCase):
    def setUp(self):
        super().setUp()
        self.ok("run", "--rm", "busybox", "true")
        self.ok("network", "create", "crowd")
        self.counts, self.wrong = collections.Counter(), []

    def commands(self, name, dice):
        program = dice.choice((("true",), ("sleep", "1000"), ("sh", "-c", "echo line; exit 3")))
        network = dice.choice(("none", "none", "crowd"))
        return dice.choice((
            ("create", "--name", name, "--network", network, "busybox", *program),
            ("start", name),
            ("exec", name, "true"),
            ("stop", "-t", "0", name),
            ("rm", name),
            ("rm", "-f", name),
            ("run", "-d", "--rm", "--name", name, "--network", network, "busybox", *program),
            ("ps", "-a"),
            ("inspect", name),
            ("logs", name)))

    def loop(self, number, end):
        dice = random.Random(number)
        while time.monotonic() < end and len(self.wrong) < 10:
            words = self.commands(dice.choice(NAMES), dice)
            try:
                done = self.sandbox(*words, timeout=LIMIT)
            except subprocess.TimeoutExpired:
                self.wrong.append((words, "hangs"))
                return
            self.counts[words[0], done.returncode] += 1
            killed = words[0] == "exec" and done.returncode == 128 + signal.SIGKILL  # with its container
            if done.returncode != 0 and not killed and not any(text in done.stderr.lower() for text in EXPECTED):
                self.wrong.append((words, done.returncode, done.stderr))

    def test_nobody_is_lost(self):
        end = time.monotonic() + SECONDS
        clients = [threading.Thread(target=self.loop, args=(number, end)) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        if "SANDBOX_CROWD" in os.environ:
            print(sorted(self.counts.items()), sum(self.counts.values()))
        self.assertEqual(self.wrong, [])
        for line in self.ok("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines():
            name, status = line.split()
            self.assertIn(status, ("created", "running", "exited"))
            if status == "running":
                self.assertIn(self.sandbox("exec", name, "true").returncode, (0, 1))
            self.ok("rm", "-f", name)
        self.ok("network", "rm", "crowd")
        self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())
        self.assertEqual(self.ok("system", "fsck"), "")

    def test_a_hundred_at_once(self):
        script = ("busybox", "sh", "-c", "echo out; echo err >&2; exit 5")
        clients = [self.client("run", "--rm", "--network", "none", *script, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True) for _ in range(100)]
        for client in clients:
            self.assertEqual((client.communicate(timeout=LIMIT), client.returncode), (("out\n", "err\n"), 5))
        self.assertEqual(self.ok("ps", "-aq"), "")
        self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())
        self.assertEqual(self.containers_on_disk(), [])
        self.assertEqual(self.ok("system", "fsck"), "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
