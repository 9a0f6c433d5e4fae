"""Where containers' output is kept, and that nobody who reads it can hold them up; as the ordinary user who calls it."""

import glob
import json
import os
import signal
import subprocess
import unittest

from sandbox_case import SandboxCase, eventually

QUIET = ("--network", "none", "--pull", "never")


class Log(SandboxCase):
    def look(self):
        return json.loads(self.ok("inspect", "box"))[0]

    def log_files(self):
        return sorted(os.path.basename(path) for path in glob.glob(self.only_container() + "/log*"))

    def count_to(self, number, *words):
        self.ok("run", "--name", "box", *QUIET, *words, "busybox", "seq", str(number))

    def test_files_are_put_aside_and_read_as_one(self):
        self.count_to(2000, "--log-opt", "max-size=40k", "--log-opt", "max-file=4")
        self.assertEqual(self.log_files(), ["log", "log.1", "log.2", "log.3"])
        for name in self.log_files():
            self.assertLessEqual(os.stat(self.only_container() + "/" + name).st_size, 40 << 10)
        numbers = [int(line) for line in self.ok("logs", "box").split()]
        self.assertEqual(numbers, list(range(numbers[0], 2001)), "the newest, without a gap")
        self.assertGreater(len(numbers), 1000)
        self.assertEqual(self.ok("logs", "-n", "900", "box").split(), [str(i) for i in range(1101, 2001)])
        self.assertEqual(self.look()["HostConfig"]["LogConfig"],
                         {"Type": "json-file", "Config": {"max-file": "4", "max-size": "40k"}})

    def test_following_goes_on_from_file_to_file(self):
        self.ok("run", "-d", "-i", "--name", "box", *QUIET, "--log-opt", "max-size=10k", "--log-opt", "max-file=3",
                "busybox", "sh", "-c", "read go; seq 1 500; read go")
        follower = self.client("logs", "-f", "box", stdout=subprocess.PIPE, text=True)
        attached = self.client("attach", "box", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        attached.stdin.write("go\n")
        attached.stdin.flush()
        self.assertTrue(eventually(lambda: len(self.log_files()) == 3))
        attached.stdin.write("go\n")
        attached.stdin.close()
        self.assertEqual(attached.wait(20), 0)
        attached.stdout.close()
        told = follower.stdout.read().split()
        follower.stdout.close()
        self.assertEqual(follower.wait(20), 0)
        # A follower may be overtaken, as files go; what it tells is in order and ends with the last line.
        self.assertEqual((told, told[-1]), (sorted(told, key=int), "500"))

    def test_none_keeps_nothing(self):
        self.count_to(3, "--log-driver", "none")
        self.assertEqual(self.log_files(), [])
        self.assertIn("configured logging driver does not support reading", self.sandbox("logs", "box").stderr)
        self.assertEqual(self.look()["LogPath"], "")

    def test_details_are_a_field_of_their_own(self):
        self.count_to(2)
        self.assertEqual(self.ok("logs", "--details", "box"), " 1\n 2\n")
        self.assertRegex(self.ok("logs", "--details", "-t", "-n", "1", "box"), r"\A\d{4}-\S+Z  2\n\Z")

    def test_local_is_a_file_with_bounds(self):
        self.count_to(3, "--log-driver", "local")
        self.assertEqual(self.ok("logs", "box"), "1\n2\n3\n")
        self.assertEqual(self.look()["HostConfig"]["LogConfig"]["Type"], "local")

    def test_a_reader_that_stops_reading_holds_nobody_up(self):
        self.ok("run", "-d", "-i", "--name", "box", *QUIET, "busybox", "sh", "-c", "read go; seq 1 400000; exit 6")
        reader = self.client("logs", "-f", "box", stdout=subprocess.PIPE)
        watcher = self.client("attach", "--no-stdin", "box", stdout=subprocess.PIPE)
        reader.send_signal(signal.SIGSTOP)
        watcher.send_signal(signal.SIGSTOP)
        starter = self.client("attach", "box", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        starter.communicate(b"go\n", timeout=60)
        self.assertEqual(self.ok("wait", "box"), "6\n")
        self.assertEqual(self.ok("logs", "-n", "1", "box"), "400000\n")
        for client in (reader, watcher):
            client.kill()
            client.stdout.close()

    def test_words(self):
        for words, message in ((("--log-driver", "fluentd"), "no log driver named 'fluentd' is registered"),
                               (("--log-opt", "max-size"), "invalid logging opt: max-size"),
                               (("--log-opt", "max-size=big"), "big"),
                               (("--log-opt", "max-file=0"), "invalid value for max-file: '0'"),
                               (("--log-opt", "colour=red"), "unknown log opt 'colour' for json-file log driver")):
            self.assertIn(message, self.sandbox("run", *QUIET, *words, "busybox", "true").stderr)
        if not os.path.exists("/run/systemd/journal/socket"):
            refused = self.sandbox("run", *QUIET, "--log-driver", "journald", "busybox", "true")
            self.assertEqual(refused.returncode, 125)
            self.assertIn("the log driver 'journald' needs systemd's journal", refused.stderr)
        self.assertEqual(self.ok("ps", "-aq"), "")


if __name__ == "__main__":
    unittest.main()
