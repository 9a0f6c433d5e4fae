"""The OCI runtime's cgroups with every usual controller, through the real executable; as an ordinary user of the test
machine (see run.sh). BED_RUNG says who makes the cgroup: "scope" (the user's systemd) or "delegated" (the runtime itself,
in a subtree that is ours)."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest

from bed import CGROUPS, RUNG, SANDBOX, RuntimeCase, eventually

KIB, MIB = 1 << 10, 1 << 20


class OciLimits(RuntimeCase):
    def setUp(self):
        self.make_bundle(os.environ["HOME"], ("sh", "cat", "dd", "sleep", "true", "echo", "chown", "chmod", "mkdir"))
        self.done("spec", "--rootless")
        path = {"cgroupsPath": ":sbx:box"} if RUNG == "scope" else {}
        self.configure(["sleep", "1000"], **path)

    def tearDown(self):
        for name in ("c", "d"):
            self.done("delete", "--force", name)
        self.assertTrue(eventually(lambda: not self.cgroups()), self.cgroups())
        shutil.rmtree(self.home)

    def configure(self, args, **linux):
        file = pathlib.Path(self.bundle + "/config.json")
        config = json.loads(file.read_text())
        config["process"].update(args=args, terminal=False)
        config["linux"].update(linux)
        file.write_text(json.dumps(config))

    def cgroups(self):
        """Directories of our containers' cgroups and scopes."""
        return [path for path in CGROUPS.rglob("*") if path.is_dir() and
                (path.name in ("c", "d", "container") or path.name.startswith("sbx-") or path.name.endswith(".making"))]

    def directory(self):
        pid = json.loads(self.done("state", "c"))["pid"]
        line, = [line for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines() if line.startswith("0::")]
        return pathlib.Path(str(CGROUPS) + line[3:])

    def values(self, *files):
        directory = self.directory()
        return [(directory / file).read_text().strip() for file in files]

    def test_where_the_cgroup_is(self):
        self.done("create", "c")
        directory = self.directory()
        if RUNG == "scope":
            self.assertTrue(str(directory).endswith("/user.slice/sbx-box.scope/container"), directory)
        else:
            self.assertEqual(directory.name, "c")
        self.assertEqual([path for path in self.cgroups() if path.name.endswith(".making")], [])
        self.done("delete", "c")
        self.assertFalse(directory.exists())

    def test_every_limit_of_the_configuration_is_written(self):
        self.configure(["sleep", "1000"], resources={
            "memory": {"limit": 64 * MIB, "reservation": 16 * MIB}, "pids": {"limit": 20},
            "cpu": {"shares": 2048, "quota": 20000, "period": 50000}, "unified": {"memory.high": str(48 * MIB)}})
        self.done("run", "--detach", "c")
        self.assertEqual(self.values("memory.max", "memory.low", "memory.high", "pids.max", "cpu.max"),
                         [str(64 * MIB), str(16 * MIB), str(48 * MIB), "20", "20000 50000"])
        self.assertGreater(int(self.values("cpu.weight")[0]), 100)

    def test_a_memory_hog_is_killed_and_the_event_says_why(self):
        hog = ["sh", "-c", "sleep 2; dd if=/dev/zero of=/dev/null bs=200M count=1; sleep 1000"]
        self.configure(hog, resources={"memory": {"limit": 50 * MIB}})
        self.done("run", "--detach", "c")
        events = subprocess.Popen([SANDBOX, "oci", "--root", self.home + "/state", "events", "--interval", "100ms", "c"],
                                  stdout=subprocess.PIPE, text=True)
        kinds = set()
        while "oom" not in kinds:
            kinds.add(json.loads(events.stdout.readline())["type"])
        events.kill()
        events.wait()
        events.stdout.close()
        self.assertEqual(kinds, {"stats", "oom"})
        self.configure(["dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"], cgroupsPath=":sbx:hog" if RUNG == "scope" else "")
        self.assertEqual(self.oci("run", "d").returncode, 137)

    def test_the_runtime_is_not_charged_where_memory_is_only_for_the_program(self):
        self.configure(["sh", "-c", "cat /proc/self/cgroup /sys/fs/cgroup/memory.max"], resources={"memory": {"limit": 512 * KIB}})
        self.assertEqual(self.done("run", "c"), f"0::/\n{512 * KIB}\n")
        self.configure(["sleep", "1000"])
        self.done("create", "c")
        self.assertEqual(self.values("memory.max"), [str(512 * KIB)])
        self.done("start", "c")
        directory = self.directory()
        self.assertEqual(self.done("exec", "c", "cat", "/proc/self/cgroup"), "0::/\n")
        self.assertEqual(re.findall(r"^oom_kill (\d+)$", (directory / "memory.events").read_text(), re.M), ["0"])

    def test_forks_beyond_the_limit_fail(self):
        self.configure(["sh", "-c", "sleep 100 & sleep 100 & sleep 100 & sleep 100 & echo more"], resources={"pids": {"limit": 3}})
        done = self.oci("run", "c")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("can't fork", done.stdout)

    def test_a_limited_processor_is_throttled(self):
        self.configure(["sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; cat /sys/fs/cgroup/cpu.stat"],
                       resources={"cpu": {"quota": 20000}})
        stat = dict(line.split() for line in self.done("run", "c").splitlines())
        self.assertGreater(int(stat["nr_throttled"]), 0, stat)

    def test_update_changes_what_is_named(self):
        self.done("run", "--detach", "c")
        self.done("update", "--memory", "64m", "--pids-limit", "20", "--cpu-quota", "30000", "c")
        self.assertEqual(self.values("memory.max", "pids.max", "cpu.max"), [str(64 * MIB), "20", "30000 100000"])
        self.done("update", "--cpu-period", "60000", "c")
        self.done("update", "--memory", "-1", "c")
        self.assertEqual(self.values("memory.max", "pids.max", "cpu.max"), ["max", "20", "30000 60000"])
        file = self.home + "/resources"
        pathlib.Path(file).write_text(json.dumps({"memory": {"limit": 4096, "checkBeforeUpdate": True}}))
        refused = self.oci("update", "-r", file, "c")
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stdout, r"linux.resources.memory.limit 4096 is below the \d+ bytes that are used")
        self.assertEqual(self.values("memory.max"), ["max"])

    def test_a_controller_that_is_not_delegated_is_refused_by_name(self):
        self.configure(["true"], resources={"cpu": {"cpus": "0"}})
        refused = self.oci("run", "c")
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stdout, "linux.resources.cpu.cpus can't be applied: the cgroup '.*' has not got the controller 'cpuset'")

    def test_figures(self):
        self.configure(["sh", "-c", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; exec sleep 1000"],
                       resources={"memory": {"limit": 64 * MIB}, "pids": {"limit": 9}})
        self.done("run", "--detach", "c")
        data = json.loads(self.done("stats", "c"))["data"]
        self.assertEqual((data["memory"]["usage"]["limit"], data["pids"]["limit"]), (64 * MIB, 9))
        self.assertGreater(data["memory"]["usage"]["usage"], 4096)
        self.assertGreater(data["cpu"]["usage"]["total"], 0)
        self.assertIn("anon", data["memory"]["raw"])

    def test_paused_it_stands_still_and_dies_all_the_same(self):
        self.done("run", "--detach", "c")
        self.done("pause", "c")
        self.assertEqual(json.loads(self.done("state", "c"))["status"], "paused")
        self.assertIn("frozen 1", self.values("cgroup.events")[0])
        self.done("kill", "c", "KILL")
        self.assertTrue(eventually(lambda: json.loads(self.done("state", "c"))["status"] == "stopped"))

    def test_what_its_root_gives_away_comes_back(self):
        """Delegated files given to another id of the range neither free it from the runtime nor outlive it."""
        if os.environ["USER"] != "range":
            return self.assertEqual(os.environ["USER"], "one")  # who has no other id to give to
        self.configure(["sh", "-c", "cd /sys/fs/cgroup; mkdir -p a/b; chown 33 a a/b cgroup.procs .; chmod 0 a cgroup.procs .; sleep 1000"])
        file = pathlib.Path(self.bundle + "/config.json")
        config = json.loads(file.read_text())
        del config["linux"]["uidMappings"], config["linux"]["gidMappings"]  # all ids of the range
        for names in config["process"]["capabilities"].values():
            names += ["CAP_CHOWN", "CAP_FOWNER"]
        mount, = [mount for mount in config["mounts"] if mount["destination"] == "/sys/fs/cgroup"]
        mount.update(type="cgroup", source="cgroup", options=["rw", "nosuid", "noexec", "nodev"])
        file.write_text(json.dumps(config))
        self.done("run", "--detach", "--pid-file", self.home + "/pid", "c")
        line, = [line for line in pathlib.Path(f"/proc/{pathlib.Path(self.home + '/pid').read_text()}/cgroup").read_text().splitlines()
                 if line.startswith("0::")]
        directory = pathlib.Path(str(CGROUPS) + line[3:])
        self.assertTrue(eventually(lambda: directory.stat().st_mode & 0o777 == 0))
        self.assertEqual(json.loads(self.done("state", "c"))["status"], "running")
        self.assertNotEqual(directory.stat().st_uid, os.getuid(), "a question has taken it back")
        self.assertEqual(self.done("exec", "c", "cat", "/proc/self/cgroup"), "0::/\n")
        self.assertEqual(directory.stat().st_uid, os.getuid())
        self.done("pause", "c")
        self.done("delete", "--force", "c")
        self.assertFalse(directory.exists())

    def test_a_runtime_that_is_killed_leaves_what_delete_removes(self):
        self.configure(["sleep", "1000"], resources={"memory": {"limit": 512 * KIB}})
        for delay in (0.02, 0.1, 0.2, 0.4):
            manager = ["--systemd-cgroup"] if RUNG == "scope" else []
            create = subprocess.Popen([SANDBOX, "oci", "--root", self.home + "/state", *manager, "create", "c"], cwd=self.bundle,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            create.send_signal(signal.SIGKILL)
            create.wait()
            self.done("delete", "--force", "c")
            self.assertTrue(eventually(lambda: not self.cgroups()), (delay, self.cgroups()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
