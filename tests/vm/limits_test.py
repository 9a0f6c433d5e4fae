"""Resource limits that bite, through the real executable; as an ordinary user of the test machine (see run.sh).

BED_RUNG says how this user gets cgroups here: "scope" (from the user's systemd) or "delegated" (a subtree is ours)."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from bed import CGROUPS, RUNG, SANDBOX, eventually

BOMB = "bomb() { bomb & bomb & sleep 1000; }; (sleep 1; bomb) 2>/dev/null & exec sleep 1000"


class Limits(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="limits-", dir=os.environ["HOME"])
        self.env = dict(os.environ, SANDBOX_STORE_DIR=self.home + "/data", SANDBOX_RUNTIME_DIR=self.home + "/run")
        os.mkdir(self.home + "/run", 0o700)

    def tearDown(self):
        for container in self.sandbox("ps", "-aq").stdout.split():
            self.sandbox("rm", "-f", container)
        self.assertTrue(eventually(lambda: not self.cgroups()), self.cgroups())
        shutil.rmtree(self.home)

    def sandbox(self, *words, env=None):
        return subprocess.run([SANDBOX, *words], env=env or self.env, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=120)

    def start_box(self, name, *words):
        started = self.sandbox("run", "-d", "--name", name, "--network", "none", *words)
        self.assertEqual(started.returncode, 0, started.stderr)

    def run_box(self, *words):
        return self.sandbox("run", "--rm", "--network", "none", *words)

    def cgroups(self):
        """Directories of containers' cgroups that are there."""
        return [path for path in CGROUPS.rglob("sandbox-*") if re.fullmatch("sandbox-[0-9a-f]{64}", path.name)]

    def inspect(self, name):
        return json.loads(self.sandbox("inspect", name).stdout)[0]

    def test_a_memory_hog_is_killed_with_137_and_the_oom_is_noted(self):
        hog = ("busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
        self.assertEqual(self.run_box(*hog).returncode, 0)
        killed = self.sandbox("run", "--name", "hog", "--network", "none", "-m", "50m", *hog)
        self.assertEqual(killed.returncode, 137, killed.stderr)
        found = self.inspect("hog")
        self.assertTrue(found["State"]["OOMKilled"])
        self.assertEqual(found["HostConfig"]["Memory"], 50 << 20)

    def test_a_container_sees_its_own_cgroup_as_the_root_and_cannot_write_there(self):
        seen = self.run_box("-m", "50m", "--pids-limit", "20", "busybox", "sh", "-c",
                            "cat /proc/self/cgroup; cd /sys/fs/cgroup; cat memory.max pids.max; "
                            "(echo max > memory.max) 2>/dev/null || echo refused")
        self.assertEqual(seen.stdout, "0::/\n52428800\n20\nrefused\n", seen.stderr)

    @unittest.skipUnless(RUNG == "delegated", "systemd gives its users no disks")
    def test_a_disk_takes_no_more_than_it_may(self):
        begin = time.monotonic()
        # In a directory of the host: a container's own layer need not reach the disk, not even with fsync(2).
        done = self.run_box("--device-write-bps", "/dev/ubda:2mb", "-v", self.home + ":/mnt", "busybox", "sh", "-c",
                            "dd if=/dev/zero of=/mnt/file bs=1M count=6 conv=fsync; cat /sys/fs/cgroup/io.max")
        self.assertEqual(done.stdout, "98:0 rbps=max wbps=2097152 riops=max wiops=max\n", done.stderr)
        self.assertGreater(time.monotonic() - begin, 2)

    def test_half_a_processor_is_throttled(self):
        # The shell counts for three seconds, then tells what the kernel has let it use.
        seen = self.run_box("--cpus", "0.5", "busybox", "sh", "-c",
                            "timeout 3 sh -c 'while :; do :; done'; cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu.stat")
        lines = seen.stdout.splitlines()
        self.assertEqual(lines[0], "50000 100000", seen.stderr)
        stat = dict(line.split() for line in lines[1:])
        self.assertGreater(int(stat["nr_throttled"]), 5, stat)
        # Of each period of 100 ms at most half; a slow machine stretches the three seconds.
        self.assertLess(int(stat["usage_usec"]), (int(stat["nr_periods"]) + 1) * 55_000, stat)

    def test_a_fork_bomb_stays_inside(self):
        self.start_box("bomb", "--pids-limit", "20", "busybox", "sh", "-c", BOMB)
        directory = self.cgroups()[0]

        def refused_forks():
            return int((directory / "pids.events").read_text().split()[1])

        self.assertTrue(eventually(lambda: refused_forks() > 0))
        for _ in range(20):
            self.assertLessEqual(int((directory / "pids.current").read_text()), 20)
            time.sleep(0.05)
        self.assertEqual(self.run_box("busybox", "echo", "usable").stdout, "usable\n")
        self.assertEqual(self.sandbox("rm", "-f", "bomb").returncode, 0)
        self.assertFalse(directory.exists())

    def test_an_executed_process_joins_the_containers_cgroup(self):
        self.start_box("box", "--pids-limit", "50", "busybox", "sleep", "1000")
        inside = self.sandbox("exec", "box", "cat", "/proc/self/cgroup", "/proc/1/cgroup")
        self.assertEqual(inside.stdout, "0::/\n0::/\n", inside.stderr)

    def test_a_paused_container_stands_still_and_can_still_be_stopped(self):
        self.start_box("box", "--pids-limit", "50", "busybox", "sh", "-c", "while :; do echo tick; sleep 0.1; done")
        self.assertEqual(self.sandbox("pause", "box").returncode, 0)
        self.assertIn("(Paused)", self.sandbox("ps").stdout)
        self.assertEqual(self.inspect("box")["State"]["Status"], "paused")
        ticks = self.sandbox("logs", "box").stdout
        time.sleep(0.5)
        self.assertEqual(self.sandbox("logs", "box").stdout, ticks)
        self.assertIn("is paused, unpause", self.sandbox("exec", "box", "true").stderr)
        self.assertIn("already paused", self.sandbox("pause", "box").stderr)
        self.assertEqual(self.sandbox("unpause", "box").returncode, 0)
        self.assertTrue(eventually(lambda: len(self.sandbox("logs", "box").stdout) > len(ticks)))
        self.assertEqual(self.sandbox("pause", "box").returncode, 0)
        self.assertEqual(self.sandbox("stop", "-t", "2", "box").returncode, 0)
        self.assertIn("Exited", self.sandbox("ps", "-a").stdout)

    def test_a_container_goes_on_when_a_commit_is_killed_that_has_paused_it(self):
        self.start_box("box", "--pids-limit", "50", "busybox", "sh", "-c",
                       "head -c 50000000 /dev/urandom >/file; while :; do echo tick; sleep 0.1; done")
        self.assertTrue(eventually(lambda: "tick" in self.sandbox("logs", "box").stdout))
        commit = subprocess.Popen([SANDBOX, "commit", "box", "made:1"], env=self.env, stdout=subprocess.DEVNULL)
        self.assertTrue(eventually(lambda: self.inspect("box")["State"]["Status"] == "paused"))
        commit.kill()
        self.assertEqual(commit.wait(), -signal.SIGKILL)
        self.assertTrue(eventually(lambda: self.inspect("box")["State"]["Status"] == "running"))
        ticks = self.sandbox("logs", "box").stdout
        self.assertTrue(eventually(lambda: len(self.sandbox("logs", "box").stdout) > len(ticks)))

    def test_after_kill_9_of_the_supervisor_no_cgroup_is_left(self):
        self.start_box("box", "--pids-limit", "50", "busybox", "sleep", "1000")
        state = next(pathlib.Path(self.home).glob("data/containers/*/state.json"))
        os.kill(json.loads(state.read_text())["supervisor_pid"], signal.SIGKILL)
        self.assertTrue(eventually(lambda: "Exited (137)" in self.sandbox("ps", "-a").stdout))
        self.assertEqual(self.cgroups(), [])

    def test_a_controller_that_is_not_delegated_is_refused_by_name_or_with_best_effort_left_out(self):
        refused = self.run_box("--cpuset-cpus", "0", "busybox", "true")
        self.assertEqual(refused.returncode, 125)
        self.assertIn("controllers: cpuset", refused.stderr)
        warned = self.run_box("--limits", "best-effort", "--cpuset-cpus", "0", "--pids-limit", "9", "busybox", "cat",
                              "/sys/fs/cgroup/pids.max")
        self.assertEqual(warned.stdout, "9\n", warned.stderr)
        self.assertIn("WARNING: the limit --cpuset-cpus", warned.stderr)

    def test_a_batch_jobs_cgroup_is_not_left(self):
        env = dict(self.env, SLURM_JOB_ID="4711")
        done = self.sandbox("run", "--rm", "--network", "none", "--pids-limit", "9", "busybox", "true", env=env)
        if RUNG == "delegated":
            self.assertEqual(done.returncode, 0, done.stderr)
        else:
            self.assertEqual(done.returncode, 125)
            self.assertIn("batch job 4711", done.stderr)

    def test_without_limits_a_delegated_subtree_still_gives_a_cgroup_of_its_own(self):
        self.start_box("box", "busybox", "sleep", "1000")
        self.assertEqual(len(self.cgroups()), 1 if RUNG == "delegated" else 0)

    def test_the_doctor_finds_limits_to_work(self):
        told = self.sandbox("doctor").stdout
        self.assertRegex(told, r"\[ok\] +resource limits: .*\(.*memory.*\)")
        self.assertIn("scope" if RUNG == "scope" else "delegated", told)


if __name__ == "__main__":
    unittest.main(verbosity=2)
