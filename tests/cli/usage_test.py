"""`stats` and `update`; as the ordinary user who calls it. Limits that bite are looked at in tests/vm."""

import json
import mmap
import signal
import subprocess
import unittest

from sandbox_case import SANDBOX, SandboxCase, eventually

QUIET = ("--network", "none", "--pull", "never")


def memory(pid):
    """Bytes: of a process alone, and of files, its program among them (a sealed copy is one in shared memory)."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        size = {line.split()[0]: int(line.split()[1]) << 10 for line in status if line.startswith("Rss")}
    return size["RssAnon:"], size["RssFile:"] + size["RssShmem:"]


class Usage(SandboxCase):
    def start(self, name, *words, script="while :; do sleep 1; done"):
        self.ok("run", "-d", "--name", name, *QUIET, *words, "busybox", "sh", "-c", script)

    def stats(self, *words):
        lines = self.ok("stats", "--no-stream", "--format", "json", *words).splitlines()
        return {line["Name"]: line for line in map(json.loads, lines)}

    def test_what_is_used_now(self):
        self.start("idle")
        self.start("busy", script="while :; do :; done")
        self.ok("create", "--name", "created", *QUIET, "busybox", "true")
        stats = self.stats()
        self.assertEqual(set(stats), {"idle", "busy"})
        self.assertGreater(float(stats["busy"]["CPUPerc"].rstrip("%")), 0)
        self.assertGreaterEqual(int(stats["idle"]["PIDs"]), 2)
        self.assertRegex(stats["idle"]["MemUsage"], r"^[\d.]+[KM]iB / [\d.]+[GM]iB$")
        self.assertRegex(stats["idle"]["MemPerc"], r"^\d+\.\d\d%$")
        self.assertEqual(stats["idle"]["NetIO"], "0B / 0B")
        self.assertEqual(stats["idle"]["ID"], stats["idle"]["Container"])
        self.assertEqual(set(self.stats("-a")), {"idle", "busy", "created"})
        self.assertEqual(self.stats("created")["created"]["PIDs"], "0")
        self.assertEqual(set(self.stats("idle")), {"idle"})

    def test_an_idle_container_costs_little_memory(self):
        with open(SANDBOX, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as program:
            if any(program.find(name) >= 0 for name in (b"__asan_init", b"__tsan_init")):
                self.skipTest("sanitizers need memory of their own")
        for driver in ("auto", "fuse"):
            self.ok("run", "-d", "--name", driver, "--storage-driver", driver, "busybox", "sleep", "1000")
            self.ok("exec", driver, "true")
            mine = [memory(pid) for pid in self.helpers("sbx:")]
            self.assertGreaterEqual(len(mine), 2)
            # The helpers hide their maps, and so their proportional sizes, from their user: what each has alone, and what
            # the largest has of the files that they share.
            total = sum(own for own, _ in mine) + max(shared for _, shared in mine)
            self.assertLessEqual(total, 12 << 20, mine)
            self.ok("rm", "-f", driver)

    def test_the_table_and_wrong_words(self):
        self.start("box")
        head, row = self.ok("stats", "--no-stream").splitlines()
        self.assertEqual(head.split("  ")[0], "CONTAINER ID")
        for title in ("NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"):
            self.assertIn(title, head)
        self.assertIn("box", row)
        self.assertIn("No such container: nobody", self.sandbox("stats", "--no-stream", "nobody").stderr)
        self.assertIn("template parsing error", self.sandbox("stats", "--format", "{{.Nothing}}").stderr)

    def test_again_and_again_until_somebody_interrupts(self):
        client = self.client("stats", "--format", "{{len .Name}}", stdout=subprocess.PIPE, text=True)
        self.start("box")
        self.assertEqual([client.stdout.readline() for _ in range(2)], ["3\n", "3\n"])
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(10), -signal.SIGINT)
        client.stdout.close()

    def look(self, name):
        return json.loads(self.ok("inspect", name))[0]

    def test_a_restart_policy_is_updated_while_it_runs(self):
        self.start("box", "-i", script="echo run; read go; exit 3")
        self.assertEqual(self.ok("update", "--restart", "on-failure:1", "box"), "box\n")
        self.assertEqual(self.look("box")["HostConfig"]["RestartPolicy"],
                         {"Name": "on-failure", "MaximumRetryCount": 1})
        self.sandbox("attach", "box", stdin="go\n")
        self.assertTrue(eventually(lambda: (self.state()["status"], self.state()["restart_count"]) == ("running", 1)))
        self.sandbox("attach", "box", stdin="go\n")
        self.assertTrue(eventually(lambda: self.state()["status"] == "exited"))
        self.assertEqual((self.look("box")["RestartCount"], self.ok("logs", "box")), (1, "run\nrun\n"))

    def test_limits_of_what_does_not_run_are_kept_or_refused(self):
        self.ok("create", "--name", "box", *QUIET, "busybox", "true")
        done = self.sandbox("update", "--memory", "64m", "--memory-swap", "128m", "box")
        if done.returncode == 0:
            self.assertEqual(self.look("box")["HostConfig"]["Memory"], 64 << 20)
        else:
            self.assertIn("the limit --memory can't be applied", done.stderr)
            self.assertEqual(self.look("box")["HostConfig"]["Memory"], 0)

    def test_words(self):
        self.ok("create", "--name", "box", *QUIET, "busybox", "true")
        self.ok("create", "--name", "gone", "--rm", *QUIET, "busybox", "true")
        for words, message in (((), "you must provide one or more flags"),
                               (("--memory", "1k"), "minimum memory limit allowed is 6MB"),
                               (("--memory-swap", "100m"), "you should always set the memory limit"),
                               (("--restart", "often"), "unknown policy 'often'")):
            self.assertIn(message, self.sandbox("update", *words, "box").stderr)
        self.assertIn("AutoRemove is enabled", self.sandbox("update", "--restart", "always", "gone").stderr)
        self.assertIn("No such container: nobody", self.sandbox("update", "--restart", "no", "nobody").stderr)
        self.ok("rm", "gone")


if __name__ == "__main__":
    unittest.main()
