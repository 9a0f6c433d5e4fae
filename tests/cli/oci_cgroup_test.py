"""`sandbox oci`: the container's cgroup. Where the caller's own cgroup v2 is delegated to it (cgroups(7)) the container has
one below; elsewhere it has none, and what needs one is refused in words that these tests know, too."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

from cgroup_facts import CONTROLLERS, DELEGATED, HYBRID, OWN
from oci_case import OciCase
from sandbox_case import eventually

NOT_DELEGATED = re.compile(r"can't be (applied|made): the cgroup '.*' is not delegated to this user|no cgroup v2|cgroup v1 only")


class CgroupCase(OciCase):
    def setUp(self):
        super().setUp()
        self.program("sleep", "1000")
        self.before = self.cgroups()

    def tearDown(self):
        super().tearDown()
        self.assertEqual(self.cgroups(), self.before)

    def cgroups(self):
        """All cgroups below our own, but for the leaf that the runtime has put us into to make room for limits."""
        if not DELEGATED:
            return []
        return sorted(str(path) for path in OWN.rglob("*") if path.is_dir() and path.name != "sandbox-supervisor")

    def resources(self, **resources):
        with self.config() as config:
            config["linux"]["resources"] = resources

    def cgroups_path(self, path):
        with self.config() as config:
            config["linux"]["cgroupsPath"] = path

    def pid(self, name="c"):
        return json.loads(self.done("state", name))["pid"]

    def cgroup_of(self, pid):
        line, = [line for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines() if line.startswith("0::")]
        return line[3:]

    def relative(self, directory):
        """The path of a directory below ours, as /proc tells it."""
        return os.path.normpath(self.cgroup_of("self").removesuffix("/sandbox-supervisor") + "/" + directory)


class Control(CgroupCase):
    """pause, resume, update, events, stats."""

    def test_a_paused_container_stands_still_until_it_is_resumed(self):
        self.program("sh", "-c", "while :; do echo tick; sleep 0.02; done")
        with open(self.home + "/log", "w", encoding="utf-8") as log:
            subprocess.run(self.command("run", "--detach", "c"), cwd=self.bundle, env=self.env, stdin=subprocess.DEVNULL,
                           stdout=log, check=True)
        size = lambda: os.path.getsize(self.home + "/log")
        self.refused("container not paused", "resume", "c")
        if not DELEGATED:
            return self.refused(re.compile("container 'c' can't be paused: it has no cgroup of its own"), "pause", "c")
        self.done("pause", "c")
        self.assertEqual(self.status("c"), "paused")
        before = size()
        time.sleep(0.2)
        self.assertEqual(size(), before)
        self.refused("container not running or created: paused", "pause", "c")
        self.refused("exec failed: cannot exec in a paused container (use --ignore-paused to override)", "exec", "c", "true", status=255)
        self.refused("cannot delete container c that is not stopped: paused", "delete", "c")
        self.done("resume", "c")
        self.assertTrue(eventually(lambda: size() > before))
        self.assertEqual(self.status("c"), "running")

    def test_a_paused_container_can_be_killed_and_deleted(self):
        if not DELEGATED:
            self.done("create", "c")
            return self.refused(re.compile("has no cgroup of its own"), "pause", "c")
        for words in (("kill", "c", "KILL"), ("kill", "--all", "c", "KILL"), ("delete", "--force", "c")):
            self.done("run", "--detach", "c")
            self.done("pause", "c")
            self.done(*words)
            if words[0] == "kill":
                self.becomes("c", "stopped")
                self.refused("container not running or created: stopped", "pause", "c")
                self.done("delete", "c")
        self.done("create", "c")
        self.done("pause", "c")
        self.assertEqual(self.status("c"), "paused")
        self.done("resume", "c")
        self.assertEqual(self.status("c"), "created")

    def test_limits_are_changed_only_where_they_are_named(self):
        if "hugetlb" in CONTROLLERS and DELEGATED:
            self.resources(hugepageLimits=[{"pageSize": "2MB", "limit": 4 << 20}])
        self.done("run", "--detach", "c")
        self.refused(re.compile("linux.resources.memory.swap needs a 'limit' beside it|has no cgroup|can't be applied"),
                     "update", "--memory-swap", "64m", "c")
        self.refused("linux.resources.cpu.realtimePeriod can't be applied: cgroup v2 has nothing like it", "update", "--cpu-rt-period", "5", "c")
        self.refused("--l3-cache-schema: Intel RDT is not supported", "update", "--l3-cache-schema", "x", "c")
        self.refused("--resources can't be combined with single limits", "update", "-r", "x", "--pids-limit", "5", "c")
        self.refused("container does not exist", "update", "--pids-limit", "5", "nope")
        file = self.home + "/resources"
        pathlib.Path(file).write_text(json.dumps({"unified": {"hugetlb.2MB.rsvd.max": str(8 << 20)}}))
        if not DELEGATED:
            return self.refused(re.compile("container 'c' can't be limited: it has no cgroup of its own"), "update", "-r", file, "c")
        if "pids" not in CONTROLLERS:
            self.refused(re.compile("linux.resources.pids.limit can't be applied"), "update", "--pids-limit", "5", "c")
        if "hugetlb" not in CONTROLLERS:
            return self.refused(re.compile("linux.resources.unified can't be applied"), "update", "-r", file, "c")
        self.done("update", "--resources", file, "c")
        with open(file, encoding="utf-8") as stdin:
            self.done("update", "-r", "-", "c", stdin=stdin)
        self.assertEqual([(OWN / "c" / f"hugetlb.2MB.{name}").read_text() for name in ("max", "rsvd.max")],
                         [f"{4 << 20}\n", f"{8 << 20}\n"])

    def test_figures(self):
        self.program("sh", "-c", "i=0; while test $i -lt 20000; do i=$((i+1)); done; exec sleep 1000")
        self.done("run", "--detach", "c")
        self.refused("invalid duration '5'", "events", "--interval", "5", "c")
        self.refused("duration interval must be greater than 0", "events", "--interval", "0s", "c")
        if not DELEGATED:
            return self.refused(re.compile("container 'c' has no figures: it has no cgroup of its own"), "events", "--stats", "c")
        for words in (("events", "--stats", "c"), ("stats", "c")):
            event = json.loads(self.done(*words))
            self.assertEqual((event["type"], event["id"]), ("stats", "c"))
            self.assertGreater(event["data"]["cpu"]["usage"]["total"], 1_000_000)
        events = subprocess.Popen(self.command("events", "--interval", "20ms", "c"), env=self.env, stdout=subprocess.PIPE)
        self.clients.append(events)
        for _ in range(3):
            self.assertEqual(json.loads(events.stdout.readline())["type"], "stats")
        self.done("kill", "c", "KILL")
        self.assertEqual(events.wait(20), 0)
        events.stdout.close()
        self.becomes("c", "stopped")
        self.refused("container not running", "stats", "c")


class Place(CgroupCase):
    def test_without_a_word_there_is_a_cgroup_where_one_can_be_had(self):
        self.done("create", "c")
        self.assertEqual(self.cgroup_of(self.pid()), self.relative("c") if DELEGATED else self.cgroup_of("self"))
        self.assertEqual(self.cgroups(), self.before + [str(OWN / "c")] if DELEGATED else [])
        self.done("start", "c")
        self.done("delete", "--force", "c")
        self.assertEqual(self.cgroups(), self.before)

    def test_it_is_the_root_of_the_cgroup_namespace(self):
        self.assertIn("0::/\n", self.output_of("cat", "/proc/self/cgroup"))

    def test_the_path_of_the_configuration(self):
        self.cgroups_path("pod/box")
        if not DELEGATED:
            return self.refused(NOT_DELEGATED, "create", "c")
        self.done("create", "c")
        self.assertEqual(self.cgroup_of(self.pid()), self.relative("pod/box"))
        self.done("delete", "c")
        self.assertFalse((OWN / "pod/box").exists())
        (OWN / "pod").rmdir()  # of the engine, which may have more in it
        self.cgroups_path(self.relative("absolute"))
        self.done("create", "c")
        self.assertTrue((OWN / "absolute").exists())

    def test_paths_that_lead_elsewhere_or_belong_to_others(self):
        for path in ("/", "/..", "../x", "/a/../.."):
            self.cgroups_path(path)
            self.refused(f"create failed: linux.cgroupsPath '{path}' does not name a cgroup below the root", "create", "c")
        self.cgroups_path("/sandbox-not-ours/x")
        self.refused(re.compile("creating cgroup '/.*sandbox-not-ours.*': (Permission denied|Read-only file system)|no cgroup v2"), "create", "c")
        if DELEGATED:
            self.cgroups_path(self.cgroup_of("self"))
            self.refused(re.compile("container's cgroup is not empty: .* process"), "create", "c")
            frozen = OWN / "frozen"
            frozen.mkdir()
            (frozen / "cgroup.freeze").write_text("1")
            for below in ("frozen", "frozen/below"):
                self.cgroups_path(self.relative(below))
                self.refused(re.compile("container's cgroup unexpectedly frozen: '/.*frozen"), "create", "c")
            frozen.rmdir()
        self.assertEqual(os.listdir(self.root), [])

    def test_managers(self):
        self.cgroups_path("any/path")
        command = self.command("create", "c")
        done = subprocess.run([*command[:2], "--cgroup-manager", "disabled", *command[2:]], env=self.env, cwd=self.bundle,
                              stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.cgroup_of(self.pid()), self.cgroup_of("self"))
        self.done("delete", "c")
        for words, message in ((["--cgroup-manager", "magic"], "unknown cgroup manager 'magic'"),
                               (["--systemd-cgroup"], 'expected cgroupsPath to be of format \\"slice:prefix:name\\"')):
            done = subprocess.run([*command[:2], *words, *command[2:]], env=self.env, cwd=self.bundle, text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr.replace("\\\\", "\\"))
        if HYBRID:
            self.cgroups_path("a.slice:b:c")
            done = subprocess.run([*command[:2], "--systemd-cgroup", *command[2:]], env=self.env, cwd=self.bundle, text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False)
            self.assertIn("systemd can't be asked for a cgroup: this machine has its controllers in cgroup v1", done.stderr)


class Limits(CgroupCase):
    def test_what_is_no_limit_needs_no_cgroup(self):
        self.resources(memory={"limit": -1, "swap": -1}, pids={"limit": -1}, cpu={"quota": -1, "shares": 0},
                       devices=[{"allow": False, "access": "rwm"}])
        self.program("echo", "ran")
        self.assertEqual(self.done("run", "c"), "ran\n")

    def test_a_limit_holds_or_is_refused_by_name(self):
        self.resources(pids={"limit": 7})
        if not DELEGATED:
            return self.refused(NOT_DELEGATED, "create", "c")
        if "pids" not in CONTROLLERS:
            return self.refused(re.compile("create failed: linux.resources.pids.limit can't be applied: this machine has the controller 'pids' "
                                           "in cgroup v1, if at all" if HYBRID else "has not got the controller 'pids'"), "create", "c")
        self.done("create", "c")
        self.assertEqual(pathlib.Path(f"{OWN}/c/pids.max").read_text(), "7\n")

    def test_huge_pages_which_a_hybrid_machine_may_have_in_cgroup_v2(self):
        self.resources(hugepageLimits=[{"pageSize": "2MB", "limit": 4 << 20}], unified={"hugetlb.2MB.rsvd.max": str(6 << 20)})
        if not DELEGATED:
            return self.refused(NOT_DELEGATED, "create", "c")
        if "hugetlb" not in CONTROLLERS:
            return self.refused(re.compile("linux.resources.hugepageLimits can't be applied"), "create", "c")
        self.done("create", "c")
        directory = OWN / "c"
        self.assertEqual([(directory / f"hugetlb.2MB.{name}").read_text() for name in ("max", "rsvd.max")],
                         [f"{4 << 20}\n", f"{6 << 20}\n"])
        self.resources(unified={"hugetlb.2MB.max": "nonsense"})
        self.refused(re.compile("linux.resources.unified: writing 'nonsense' to 'hugetlb.2MB.max' of the cgroup: Invalid argument"), "create", "d")
        self.assertFalse((OWN / "d").exists())

    def test_hostile_members(self):
        for resources, message in (({"unified": {"../x/memory.max": "1"}}, "is not for a file of a cgroup controller"),
                                   ({"unified": {"cgroup.procs": "1"}}, "is not for a file of a cgroup controller"),
                                   ({"memory": {"limit": "1"}}, "linux.resources.memory.limit is not an integer"),
                                   ({"memory": {"swappiness": 0}}, "linux.resources.memory.swappiness can't be applied")):
            self.resources(**resources)
            self.refused(re.compile(message), "create", "c")


class Processes(CgroupCase):
    def test_a_further_process_is_in_the_containers_cgroup(self):
        self.done("create", "c")
        for _ in range(2):
            self.done("exec", "--detach", "--pid-file", "pid", "c", "sleep", "1001")
            other = int(pathlib.Path(self.bundle + "/pid").read_text())
            self.assertEqual(self.cgroup_of(other), self.cgroup_of(self.pid()))
            if DELEGATED:
                self.assertIn(other, json.loads(self.done("ps", "-f", "json", "c")))
            os.kill(other, signal.SIGKILL)
            os.waitpid(other, 0)
            self.oci("start", "c")

    def test_cgroups_that_the_container_has_made_go_with_it(self):
        if not DELEGATED:
            self.done("create", "c")
            return self.assertEqual(self.cgroups(), [])
        self.done("run", "--detach", "c")
        for name in ("nested", "nested/deeper", "other"):
            (OWN / "c" / name).mkdir()
        (OWN / "c/nested/deeper/cgroup.procs").write_text(str(self.pid()))
        self.done("delete", "--force", "c")
        self.assertEqual(self.cgroups(), self.before)

    def test_processes_without_a_pid_namespace_are_listed_and_end_with_it(self):
        with self.config() as config:
            config["linux"]["namespaces"] = [space for space in config["linux"]["namespaces"] if space["type"] != "pid"]
            config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/proc"]
        self.program("sh", "-c", "sleep 1001 & sleep 1002 & exec sleep 1003")
        self.done("run", "--detach", "c")
        self.assertTrue(eventually(lambda: len(json.loads(self.done("ps", "-f", "json", "c"))) == 3))
        if not DELEGATED:  # nothing but its first process could be found again
            for pid in json.loads(self.done("ps", "-f", "json", "c")):
                os.kill(pid, signal.SIGKILL)
            return
        self.done("kill", "--all", "c", "KILL")
        self.becomes("c", "stopped")
        self.assertTrue(eventually(lambda: not (OWN / "c/cgroup.procs").read_text()))
        self.done("delete", "c")
        for first_has_ended in (False, True):
            self.done("run", "--detach", "c")
            self.assertTrue(eventually(lambda: len((OWN / "c/cgroup.procs").read_text().split()) == 3))
            if first_has_ended:
                os.kill(self.pid(), signal.SIGKILL)
                self.becomes("c", "stopped")
            self.done("kill", "c", "KILL")
            self.assertTrue(eventually(lambda: not (OWN / "c/cgroup.procs").read_text()))
            self.becomes("c", "stopped")
            self.refused("container not running", "kill", "c", "KILL")
            self.done("delete", "c")

    def test_a_runtime_that_is_killed_leaves_no_cgroup(self):
        for call in ("mkdirat", "clone3", "sendmsg", "renameat"):
            for number in range(1, 30):
                done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                                       f"inject={call}:signal=KILL:when={number}", *self.command("create", "c")],
                                      cwd=self.bundle, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, timeout=60, check=False)
                with self.subTest(call=call, number=number):
                    self.done("delete", "--force", "c")
                    self.assertEqual(self.cgroups(), self.before)
                if done.returncode == 0:
                    break
            self.assertLess(number, 29, call)

    def test_a_first_process_that_waits_for_the_reaping_of_another_counts_as_gone(self):
        """Pid 1 of a namespace ends after all others in there have been reaped; of those that came by `exec` the parent
        is outside, and may be slow."""
        self.done("run", "--detach", "c")
        self.done("exec", "--detach", "--pid-file", "pid", "c", "sleep", "1001")
        other = int(pathlib.Path(self.bundle + "/pid").read_text())
        begin = time.monotonic()
        self.done("delete", "--force", "c")
        self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual(os.waitpid(other, 0)[1], signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
