"""`sandbox oci`: what the process of a container is to the kernel, and what it finds; as the ordinary user who calls it."""

import os
import re
import resource
import subprocess
import unittest

from oci_case import OciCase
from sandbox_case import has_range


class Process(OciCase):
    def config_of(self, part, members):
        with self.config() as config:
            config[part].update(members)

    def seen(self, *words):
        return self.output_of("/bin/busybox", *words)

    def test_scheduling_policy_and_niceness(self):
        self.config_of("process", {"scheduler": {"policy": "SCHED_BATCH", "nice": 7}})
        stat = self.seen("cat", "/proc/self/stat").rsplit(")", 1)[1].split()
        self.assertEqual((stat[16], stat[38]), ("7", "3"))  # nice and policy (proc_pid_stat(5), less the first two fields)

    def test_what_takes_more_rights_is_refused_by_name(self):
        self.program("true")
        self.config_of("process", {"scheduler": {"policy": "SCHED_FIFO", "priority": 1}})
        self.refused(re.compile("setting the scheduling policy: Operation not permitted"), "run", "c")
        self.config_of("process", {"scheduler": None, "ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": 0}})
        self.refused(re.compile("setting the I/O priority: Operation not permitted"), "run", "c")
        self.assertEqual(os.listdir(self.root), [])

    def test_limits_up_to_the_callers_own(self):
        self.program("sh", "-c", "ulimit -Sn; ulimit -Hn")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        for limit in (hard, hard - 1):
            self.config_of("process", {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": limit, "hard": limit}]})
            self.assertEqual(self.done("run", "c"), f"{limit}\n{limit}\n")
        self.config_of("process", {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 7, "hard": hard + 1}]})
        self.refused(f"run failed: setting resource limit {resource.RLIMIT_NOFILE} to 7, at most {hard + 1}: Operation not permitted "
                     "(only the host's root may raise a hard limit)", "run", "c")

    def test_io_priority(self):
        self.config_of("process", {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6}})
        self.assertEqual(self.seen("ionice").strip(), "best-effort: prio 6")

    def test_personality(self):
        self.config_of("linux", {"personality": {"domain": "LINUX32"}})
        self.assertEqual(self.seen("cat", "/proc/self/personality"), "00000008\n")

    def test_memory_policy(self):
        self.config_of("linux", {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"}})
        self.assertIn(" bind:0 ", self.seen("cat", "/proc/self/numa_maps"))
        self.config_of("linux", {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "1023"}})
        self.refused(re.compile("setting the memory policy: Invalid argument"), "run", "c")

    def test_cpus_of_a_process_that_joins(self):
        self.program("sleep", "1000")
        self.config_of("process", {"execCPUAffinity": {"initial": "0", "final": "0"}})
        self.done("run", "--detach", "c")
        self.assertEqual(self.done("exec", "c", "grep", "Cpus_allowed_list", "/proc/self/status").split(), ["Cpus_allowed_list:", "0"])

    def test_a_working_directory_that_is_missing_below_a_root_that_becomes_read_only(self):
        self.config_of("root", {"readonly": True})
        self.config_of("process", {"cwd": "/made/for/it"})
        self.assertEqual(self.seen("pwd"), "/made/for/it\n")


class Environment(OciCase):
    def home_inside(self):
        return self.output_of("sh", "-c", "echo $HOME").strip()

    def accounts(self, text):
        with open(self.rootfs + "/etc/passwd", "w", encoding="utf-8") as file:
            file.write(text)

    def test_a_home_comes_from_the_containers_own_accounts(self):
        self.assertEqual(self.home_inside(), "/")
        self.accounts("other:x:7:7::/other:\nroot:x:0:0::/of/root:/bin/sh\nagain:x:0:0::/no:\n")
        self.assertEqual(self.home_inside(), "/of/root")
        with self.config() as config:
            config["process"]["env"].append("HOME=/given")
        self.assertEqual(self.home_inside(), "/given")
        with self.config() as config:
            config["process"]["env"].append("HOME=")
        self.assertEqual(self.home_inside(), "/of/root")

    def test_accounts_that_are_hostile_give_no_home(self):
        for text in ("root:x:0:0::relative:\n", ":" * (2 << 20), "root:x:0:0\n\0\n" * 9):
            self.accounts(text)
            self.assertEqual(self.home_inside(), "/")
        os.unlink(self.rootfs + "/etc/passwd")
        os.mkfifo(self.rootfs + "/etc/passwd")
        self.assertEqual(self.home_inside(), "/")
        os.unlink(self.rootfs + "/etc/passwd")
        os.symlink("/proc/self/fd/0", self.rootfs + "/etc/passwd")
        self.assertEqual(self.home_inside(), "/")

    def test_what_exec_is_given_replaces_what_the_container_has(self):
        self.program("sleep", "1000")
        with self.config() as config:
            config["process"]["env"] += ["A=container's", "B=container's"]
        self.done("run", "--detach", "c")
        entries = self.done("exec", "-e", "A=1", "-e", "A=2", "c", "env").splitlines()
        self.assertEqual([entry for entry in entries if entry[0] in "AB"], ["A=2", "B=container's"])

    def test_what_it_was_given_as_its_output_it_may_open_again_by_name(self):
        user = 5 if has_range() else 0
        self.program("sh", "-c", "echo opened >/proc/self/fd/1; stat -L -c %u:%g /proc/self/fd/1")
        with self.config() as config:
            config["process"]["user"] = {"uid": user, "gid": user}
            for ids in ("uidMappings", "gidMappings"):  # without them the caller's range is mapped
                config["linux"].pop(ids, None)
        done = subprocess.run(self.command("run", "c"), env=self.env, cwd=self.bundle, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.stdout, done.stderr), (f"opened\n{user}:{user}\n", ""))

    def test_hooks_without_an_environment_have_the_runtimes_but_those_of_the_container_its_own(self):
        self.program("true")
        with self.config() as config:
            config["root"]["readonly"] = False
            config["process"]["env"].append("ONE=two")
            config["hooks"] = {
                "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"echo \"$SECRET\" >{self.home_path('runtime')}"]}],
                "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo \"$SECRET $ONE $HOME\" >/inside"]}]}
        self.env["SECRET"] = "word"
        self.done("run", "c")
        with open(self.home_path("runtime"), encoding="utf-8") as outside, open(self.rootfs + "/inside", encoding="utf-8") as inside:
            self.assertEqual((outside.read(), inside.read()), ("word\n", " two /\n"))

    def test_a_seccomp_filter_does_not_stand_in_the_way_of_its_own_start(self):
        calls = ["openat2", "faccessat", "faccessat2", "close_range", "mount_setattr", "move_mount", "open_tree", "fsopen"]
        for no_new_privileges in (True, False):
            with self.config() as config:
                config["process"]["noNewPrivileges"] = no_new_privileges
                config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                    {"names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
            self.assertEqual(self.output_of("echo", "started"), "started\n")
            self.program("nosuch")
            self.refused('run failed: unable to start container process: exec: "nosuch": executable file not found in $PATH', "run", "c")

    def home_path(self, name):
        return os.path.join(os.path.dirname(self.bundle), name)


if __name__ == "__main__":
    unittest.main()
