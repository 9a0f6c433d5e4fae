"""`sandbox oci`: seccomp filters, and agents that decide about system calls; as the ordinary user who calls it."""

import json
import errno
import os
import re
import unittest

from oci_case import OciCase
from sandbox_case import eventually
from seccomp_agent import SeccompAgent

MKDIR, EXECVE = {"x86_64": (83, 59), "aarch64": (34, 221)}[os.uname().machine]


class Seccomp(OciCase):
    def agent(self, errors=None):
        agent = SeccompAgent(self.home + "/agent", errors)
        self.addCleanup(agent.close)
        return agent

    def filter(self, *names, no_new_privs=True, **more):
        with self.config() as config:
            config["process"]["noNewPrivileges"] = no_new_privs
            config["annotations"] = {"key": "value"}
            config["linux"]["seccomp"] = {
                "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": self.home + "/agent", "listenerMetadata": "words",
                "syscalls": [{"names": list(names), "action": "SCMP_ACT_NOTIFY"}], **more}

    def test_an_agent_answers_a_system_call(self):
        agent = self.agent({MKDIR: errno.ENOTUNIQ})
        self.program("sh", "-c", "mkdir /tmp/a; echo /proc/self/fd/*")
        for no_new_privs in (True, False):
            self.filter("mkdir", "mkdirat", no_new_privs=no_new_privs, flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])
            done = self.oci("run", "c")
            self.assertEqual((done.stdout, done.stderr), ("/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n",
                                                          "mkdir: can't create directory '/tmp/a': Name not unique on network\n"))
            described, fds = agent.described.pop()
            state = described.pop("state")
            self.assertEqual((described.pop("ociVersion"), described.pop("pid") > 1, described, fds),
                             ("1.3.0", True, {"fds": ["seccompFd"], "metadata": "words"}, 1))
            self.assertEqual((state["id"], state["status"], state["bundle"], state["annotations"]),
                             ("c", "created", self.bundle, {"key": "value"}))
        self.assertFalse(os.path.exists(self.rootfs + "/tmp/a"))

    def test_an_agent_that_decides_about_everything(self):
        """Nothing that the runtime itself does between the filter and the program has to be allowed without the agent."""
        agent = self.agent()
        self.program("true")
        for no_new_privs in (True, False):
            self.filter("mkdir", no_new_privs=no_new_privs, defaultAction="SCMP_ACT_NOTIFY",
                        syscalls=[{"names": ["exit_group"], "action": "SCMP_ACT_ALLOW"}])
            self.done("run", "c")
            self.assertEqual(EXECVE in agent.asked, True)
            agent.asked.clear()

    def test_created_started_and_joined(self):
        agent = self.agent({MKDIR: errno.ENOTUNIQ})
        self.program("sleep", "1000")
        self.filter("mkdir", "mkdirat")
        self.done("create", "c")
        joined_before = self.oci("exec", "c", "mkdir", "/tmp/a")
        self.assertIn("Name not unique", joined_before.stderr)
        self.assertEqual([each["state"]["status"] for each, _ in agent.described], ["created"])
        self.done("start", "c")
        self.assertTrue(eventually(lambda: len(agent.described) == 2))
        first = agent.described[1][0]
        pid = json.loads(self.done("state", "c"))["pid"]
        self.assertEqual((first["pid"], first["state"]["pid"], first["state"]["status"]), (pid, pid, "created"))
        joined = self.oci("exec", "c", "mkdir", "/tmp/a")
        self.assertEqual((joined.returncode, joined.stderr), (1, "mkdir: can't create directory '/tmp/a': Name not unique on network\n"))
        other = agent.described[2][0]
        self.assertEqual((other["state"]["pid"], other["state"]["status"], other["pid"] != pid), (pid, "running", True))

    def test_an_agent_that_is_not_there(self):
        self.program("sleep", "1000")
        self.filter("mkdir")
        self.refused(re.compile("connecting to the seccomp agent '.*/agent': No such file"), "run", "c")
        self.assertEqual([name for name in os.listdir(self.root) if not name.startswith(".")], [])
        self.done("create", "c")
        self.refused(re.compile("connecting to the seccomp agent"), "start", "c")
        self.assertEqual(self.status("c"), "created")
        self.agent()
        self.done("start", "c")

    def test_a_path_that_nothing_asks_for_is_ignored(self):
        self.program("true")
        self.filter("mkdir", syscalls=[], flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])
        self.done("run", "c")

    def test_hooks_of_the_containers_programs_have_no_agent(self):
        agent = self.agent()
        self.program("true")
        self.filter("mkdir", "mkdirat")
        with self.config() as config:
            config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "! mkdir /tmp/a"]}]}
        self.done("run", "c")
        self.assertEqual((len(agent.described), agent.asked), (1, []))

    def test_what_contradicts_itself_is_refused(self):
        self.program("true")
        for change, message in (({"listenerPath": ""}, "listenerMetadata is given without listenerPath"),
                                ({"listenerPath": "", "listenerMetadata": ""}, "has SCMP_ACT_NOTIFY, and no listenerPath"),
                                ({"listenerPath": "agent"}, "is not an absolute path"),
                                ({"flags": ["SECCOMP_FILTER_FLAG_X"]}, 'flags[0] is the unknown flag "SECCOMP_FILTER_FLAG_X"'),
                                ({"architectures": ["SCMP_ARCH_VAX"]}, 'is the unknown architecture "SCMP_ARCH_VAX"'),
                                ({"defaultErrnoRet": 1}, "'SCMP_ACT_ALLOW' has no error number")):
            self.filter("mkdir", **change)
            with self.subTest(change=change):
                self.refused(re.compile("^run failed: .*" + re.escape(message)), "run", "c")

    def test_annotations_of_crun(self):
        self.program("true")
        self.filter("mkdir", syscalls=[{"names": ["nosuchcall"], "action": "SCMP_ACT_ERRNO"}])
        self.done("run", "c")
        with self.config() as config:
            config["annotations"] = {"run.oci.seccomp_fail_unknown_syscall": "1"}
        self.refused(re.compile("unknown system call 'nosuchcall'"), "run", "c")
        with self.config() as config:
            config["annotations"] = {"run.oci.seccomp_bpf_data": "BgAAAAAA/38="}
        self.refused(re.compile("would replace the filter of linux.seccomp"), "run", "c")

    def test_features(self):
        seccomp = json.loads(self.done("features"))["linux"]["seccomp"]
        self.assertIn("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", seccomp["supportedFlags"])
        self.assertIn("SCMP_ARCH_X86_64", seccomp["archs"])
        self.assertIn("SCMP_ACT_NOTIFY", seccomp["actions"])


if __name__ == "__main__":
    unittest.main()
