"""Containers that share namespaces: --network, --pid, --ipc, --uts, --cgroupns and --userns container:NAME."""

import json
import os
import signal
import subprocess
import unittest

from sandbox_case import SandboxCase, eventually, has_range

QUIET = ("--network", "none")


class SharingCase(SandboxCase):
    def start(self, name, *words, command=("sleep", "1000")):
        """A container that runs in the background; its ID."""
        return self.ok("run", "-d", "--name", name, *words, "busybox", *command).strip()

    def beside(self, *words):
        """What a container that is removed says."""
        return self.ok("run", "--rm", *words)

    def refused(self, message, *words, code=125):
        done = self.sandbox(*words)
        self.assertIn(message, done.stderr, words)
        self.assertEqual(done.returncode, code, (words, done.stderr))

    def document(self, name):
        return json.loads(self.ok("inspect", name))[0]

    def space(self, name, kind):
        return self.ok("exec", name, "readlink", f"/proc/self/ns/{kind}")


class Network(SharingCase):
    def test_a_client_finds_the_server_on_its_own_loopback(self):
        other = self.start("web", "--hostname", "site", command=("httpd", "-f", "-p", "8080", "-h", "/etc"))
        share = ("--network", "container:web")
        fetch = lambda: self.sandbox("run", "--rm", *share, "busybox", "wget", "-qO-", "127.0.0.1:8080/hostname").stdout
        self.assertTrue(eventually(lambda: fetch() == "site\n", 60))
        self.start("client", *share)
        self.assertEqual(self.space("client", "net"), self.space("web", "net"))
        self.assertNotEqual(self.space("client", "pid"), self.space("web", "pid"))
        self.assertEqual(self.ok("exec", "client", "hostname"), "site\n")
        for name in ("hosts", "hostname", "resolv.conf"):
            self.assertEqual(self.ok("exec", "client", "cat", f"/etc/{name}"), self.ok("exec", "web", "cat", f"/etc/{name}"))
        self.assertIn("eth0", self.ok("exec", "client", "ls", "/sys/class/net"))
        shown = self.document("client")
        self.assertEqual(shown["HostConfig"]["NetworkMode"], "container:" + other)
        self.assertEqual(shown["NetworkSettings"]["Networks"], {})
        self.assertEqual(shown["HostsPath"], self.document("web")["HostsPath"])
        self.assertEqual(shown["Mounts"], [])
        self.assertEqual(self.ok("port", "client"), "")
        self.assertEqual(self.ok("ps", "--filter", "network=container:web", "--format", "{{.Names}}{{.Networks}}"), "client\n")
        self.assertEqual(self.ok("ps", "-q", "--filter", "network=container:client"), "")
        self.assertIn("client", self.ok("stats", "--no-stream", "client"))

    def test_a_third_one_joins_the_second(self):
        self.start("first", *QUIET)
        self.start("second", "--network", "container:first")
        self.start("third", "--network", "container:second", "--pid", "container:first")
        self.assertEqual(self.space("third", "net"), self.space("first", "net"))
        self.assertEqual(self.ok("exec", "third", "cat", "/etc/hostname"), self.ok("exec", "first", "hostname"))
        self.assertIn("sleep 1000", self.beside("--pid", "container:third", *QUIET, "busybox", "ps"))

    def test_the_network_of_the_host_is_shared_with_who_has_it(self):
        self.start("first", "--network", "host", "--pid", "host")
        self.assertEqual(self.beside("--network", "container:first", "busybox", "readlink", "/proc/self/ns/net").strip(),
                         os.readlink("/proc/self/ns/net"))

    def test_a_restart_of_the_other_leaves_the_old_network(self):
        self.start("first", *QUIET)
        self.start("second", "--network", "container:first")
        before = self.space("second", "net")
        self.ok("restart", "-t", "0", "first")
        self.assertNotEqual(self.space("first", "net"), before)
        self.assertEqual(self.space("second", "net"), before)
        self.refused("is of another user namespace", "run", "--network", "container:first", "--pid", "container:second", "busybox")
        self.ok("restart", "-t", "0", "second")
        self.assertEqual(self.space("second", "net"), self.space("first", "net"))

    def test_who_goes_on_without_the_other(self):
        self.start("first", *QUIET)
        self.start("second", "--network", "container:first")
        self.ok("rm", "-f", "first")
        self.assertEqual(self.ok("exec", "second", "echo", "here"), "here\n")
        self.ok("stop", "-t", "0", "second")
        self.refused("No such container: ", "start", "second", code=1)

    def test_the_profile_for_strangers(self):
        self.start("first", *QUIET)
        self.assertIn("lo", self.beside("--profile", "strict", "--network", "container:first", "busybox", "ls", "/sys/class/net"))

    def test_what_can_not_be_said_besides(self):
        self.start("first", *QUIET)
        for words, message in ((("--hostname", "x"), "hostname and the network mode"),
                               (("--dns", "1.1.1.1"), "dns and the network mode"),
                               (("--dns-search", "x"), "dns and the network mode"),
                               (("--add-host", "a:1.1.1.1"), "custom host-to-IP mapping and the network mode"),
                               (("--mac-address", "02:42:ac:11:00:02"), "mac-address and the network mode"),
                               (("-p", "8080:80"), "port publishing and the container type network mode"),
                               (("-P",), "port publishing and the container type network mode"),
                               (("--expose", "80"), "port exposing and the container type network mode"),
                               (("--ipc", "container:first", "--shm-size", "1m"), "shm-size and the IPC mode"),
                               (("--uts", "container:first", "--domainname", "x"), "domainname and the UTS mode"),
                               (("--pid", "container:first", "--systemd", "always"), "--systemd=always")):
            self.refused(f"conflicting options: {message}", "run", "--network", "container:first", *words, "busybox")
        self.refused("invalid container format container:<name|id>", "run", "--network", "container:", "busybox")
        for word in ("container:", "container"):
            self.refused(f"--pid: invalid mode: {word}", "run", "--pid", word, "busybox")
        self.refused("container type network can't be used with links", "run", "--network", "container:first", "--link",
                     "first:x", "busybox")
        self.refused("namespace that is not the container's own", "run", "--network", "container:first", "--sysctl", "net.ipv4.ip_forward=1", "busybox")


class Others(SharingCase):
    """Others that don't run, or are not there."""

    def test_one_that_does_not_exist(self):
        for flag in ("--network", "--pid", "--ipc", "--uts", "--cgroupns", "--userns"):
            self.refused("No such container: nobody", "run", flag, "container:nobody", "busybox")

    def test_one_that_does_not_run(self):
        other = self.ok("create", "--name", "first", *QUIET, "busybox", "sleep", "1000").strip()
        self.refused(f"cannot join network of a non running container: {other}", "run", "--network", "container:first", "busybox")
        for flag, title in (("--pid", "PID"), ("--ipc", "IPC"), ("--uts", "UTS")):
            self.refused(f"failed to join {title} namespace: container {other} is not running", "run", "--rm", *QUIET,
                         flag, "container:first", "busybox")
        self.ok("create", "--name", "second", *QUIET, "--pid", "container:first", "busybox", "ps")
        self.refused("is not running", "start", "second", code=1)
        self.ok("start", "first")
        self.assertIn("sleep 1000", self.ok("start", "-a", "second"))
        self.ok("kill", "first")
        self.refused("is not running", "start", "second", code=1)

    def test_two_that_have_nothing_in_common(self):
        self.start("first", *QUIET)
        self.start("other", *QUIET)
        self.refused("each has a user namespace", "run", "--network", "container:first", "--pid", "container:other", "busybox")

    def test_a_name_is_resolved_once(self):
        first = self.start("first", *QUIET)
        self.ok("create", "--name", "second", "--pid", "container:" + first[:12], *QUIET, "busybox", "ps")
        self.ok("rename", "first", "old")
        self.start("first", *QUIET, command=("sleep", "4000"))
        self.assertEqual(self.document("second")["HostConfig"]["PidMode"], "container:" + first)
        self.assertIn("sleep 1000", self.ok("start", "-a", "second"))


class Processes(SharingCase):
    def processes(self, name="first"):
        return self.ok("exec", name, "ps", "-o", "args")

    def test_each_sees_the_others(self):
        self.start("first", *QUIET)
        self.start("second", *QUIET, "--pid", "container:first", command=("sleep", "2000"))
        for name in ("first", "second"):
            self.assertIn("sleep 1000", self.processes(name))
            self.assertIn("sleep 2000", self.processes(name))
        self.assertEqual(self.ok("exec", "second", "cat", "/proc/1/cmdline"), "sleep\0" + "1000\0")
        self.assertIn("sleep 2000", self.ok("top", "second"))
        self.assertNotIn("sleep 1000", self.ok("top", "second"))
        # /proc/1/root is the other's.
        self.ok("exec", "first", "touch", "/mark")
        self.ok("exec", "second", "ls", "/proc/1/root/mark")
        self.ok("exec", "second", "kill", "-9", self.ok("exec", "first", "pidof", "sleep").split()[0])
        self.assertEqual(self.ok("wait", "second"), "137\n")

    def test_what_it_has_started_ends_with_it(self):
        self.start("first", *QUIET)
        share = ("--pid", "container:first", *QUIET)
        self.beside(*share, "busybox", "sh", "-c", "sleep 3001 & exit 0")
        self.start("second", *share, command=("sh", "-c", "sleep 3002 & (sleep 3003 &) ; exec sleep 3004"))
        self.ok("exec", "-d", "second", "sleep", "3005")
        self.assertTrue(eventually(lambda: all(f"sleep 300{n}" in self.processes() for n in (2, 3, 4, 5))))
        self.ok("rm", "-f", "second")
        self.assertNotIn("sleep 300", self.processes())
        self.start("third", *share, command=("sh", "-c", "sleep 3006 & sleep 3007"))
        self.assertTrue(eventually(lambda: "sleep 3007" in self.processes()))
        self.ok("stop", "third")
        self.assertEqual(self.document("third")["State"]["ExitCode"], 143)
        self.assertNotIn("sleep 300", self.processes())

    def test_the_end_of_the_other_is_its_end(self):
        self.start("first", *QUIET)
        self.start("second", *QUIET, "--pid", "container:first", command=("sh", "-c", "trap '' TERM; while :; do sleep 1; done"))
        self.ok("rm", "-f", "first")
        self.assertEqual(self.ok("wait", "second"), "137\n")
        self.refused("No such container", "start", "second", code=1)

    def test_the_other_ends_while_they_start(self):
        self.start("first", *QUIET)
        share = [word for flag in ("--network", "--pid", "--ipc") for word in (flag, "container:first")]
        crowd = [self.client("run", "--rm", *share, "busybox", "sleep", "1000", stderr=subprocess.PIPE, text=True) for _ in range(6)]
        self.assertTrue(eventually(lambda: "sleep" in self.ok("ps", "--no-trunc", "--filter", "network=container:first"), 60))
        self.ok("rm", "-f", "first")
        for client in crowd:
            said = client.communicate(timeout=60)[1]
            missing = ("is not running", "non running container", "No such container")
            self.assertTrue(client.returncode == 137 or any(word in said for word in missing), (client.returncode, said))

    def test_with_the_little_init_of_ours(self):
        self.start("first", *QUIET)
        self.start("second", *QUIET, "--init", "--pid", "container:first", command=("sh", "-c", "(sleep 5000 &); exec sleep 5001"))
        self.assertTrue(eventually(lambda: "sleep 5000" in self.processes()))
        self.ok("kill", "second")
        self.assertEqual(self.ok("wait", "second"), "137\n")
        self.assertNotIn("sleep 500", self.processes())

    def test_no_descriptor_comes_along(self):
        self.start("first", *QUIET)
        listed = self.beside("--network", "container:first", "--pid", "container:first", "--ipc", "container:first", "busybox",
                             "ls", "/proc/self/fd")
        self.assertEqual(listed.split(), ["0", "1", "2", "3"])  # the last is that of ls

    def test_nobody_sees_one_that_comes_before_it_is_in_its_root(self):
        with open(self.home + "/mark", "w", encoding="ascii") as file:
            file.write("seen\n")
        script = f"while :; do cat /proc/[0-9]*/root{self.home}/mark 2>/dev/null; done"
        self.start("first", *QUIET, "--privileged", command=("sh", "-c", script))
        for _ in range(5):
            self.beside(*QUIET, "--pid", "container:first", "--ipc", "container:first", "busybox", "true")
        self.assertEqual(self.ok("logs", "first"), "")

    def test_what_it_has_started_ends_with_its_supervisor(self):
        self.start("first", *QUIET)
        for mode in ("container:first", "host"):
            script = "sleep 4001 & (setsid sleep 4002 &) ; exec sleep 4003"
            second = self.start("second", *QUIET, "--pid", mode, command=("sh", "-c", script))
            left = lambda: {command for command in self.descendants().values() if command.startswith("sleep 400")}
            self.assertTrue(eventually(lambda: len(left()) == 3), left())
            with open(f"{self.data}/containers/{second}/state.json", encoding="utf-8") as state:
                os.kill(json.load(state)["supervisor_pid"], signal.SIGKILL)
            self.assertTrue(eventually(lambda: not left()), left())
            self.assertEqual(self.document("second")["State"]["ExitCode"], 137)
            self.ok("rm", "second")
        self.assertIn("sleep 1000", self.processes())

    def test_of_the_hosts_processes_none_is_left(self):
        self.beside("--pid", "host", *QUIET, "busybox", "sh", "-c", "sleep 6000 & exit 0")
        self.assertFalse([command for command in self.descendants().values() if "6000" in command])


class Memory(SharingCase):
    def test_shared_memory_and_the_namespace(self):
        self.start("first", *QUIET, "--ipc", "shareable", "--shm-size", "8m")
        self.ok("exec", "first", "sh", "-c", "echo word >/dev/shm/file")
        self.start("second", *QUIET, "--ipc", "container:first")
        self.assertEqual(self.ok("exec", "second", "cat", "/dev/shm/file"), "word\n")
        self.ok("exec", "second", "sh", "-c", "echo answer >/dev/shm/file")
        self.assertEqual(self.ok("exec", "first", "cat", "/dev/shm/file"), "answer\n")
        self.assertEqual(self.space("second", "ipc"), self.space("first", "ipc"))
        self.assertEqual(self.document("second")["HostConfig"]["IpcMode"], "container:" + self.document("first")["Id"])
        line, = [line for line in self.ok("exec", "second", "cat", "/proc/mounts").splitlines() if " /dev/shm " in line]
        for word in ("nosuid", "nodev", "noexec", "size=8192k"):
            self.assertIn(word, line)

    def test_where_there_is_none_to_share(self):
        self.start("first", *QUIET, "--ipc", "none")
        self.refused("non-shareable IPC", "run", *QUIET, "--ipc", "container:first", "busybox")

    def test_that_of_the_host(self):
        self.start("first", *QUIET, "--ipc", "host")
        self.assertEqual(self.beside(*QUIET, "--ipc", "container:first", "busybox", "readlink", "/proc/self/ns/ipc").strip(),
                         os.readlink("/proc/self/ns/ipc"))

    def test_what_else_can_be_shared(self):
        self.start("first", *QUIET, "--hostname", "site")
        self.start("second", *QUIET, "--uts", "container:first", "--cgroupns", "container:first", "--userns", "container:first")
        for kind in ("uts", "cgroup", "user"):
            self.assertEqual(self.space("second", kind), self.space("first", kind), kind)
        self.assertEqual(self.ok("exec", "second", "sh", "-c", "hostname; echo $HOSTNAME"), "site\nsite\n")


class Users(SharingCase):
    SHARE = ("--pid", "container:first", *QUIET)

    def test_owners_are_changed_as_ever(self):
        self.start("first", *QUIET)
        self.start("second", *self.SHARE)
        for name in ("first", "second"):
            self.ok("exec", name, "sh", "-c", "echo x >/file && chown 5:6 /file && chmod 600 /file")
        self.ok("exec", "-u", "33", "second", "id")
        self.assertEqual(self.ok("run", "--rm", "-u", "33:34", *self.SHARE, "busybox", "sh", "-c", "id -u; id -g; cat /etc/hostname"
                                 ).split()[:2], ["33", "34"])

    def test_root_beside_another_user(self):
        self.start("first", *QUIET, "-u", "33:34")
        if has_range():
            self.assertEqual(self.beside(*self.SHARE, "busybox", "id", "-u"), "0\n")
            return
        self.refused("user 0:0 has no id in the user namespace of container first", "run", *self.SHARE, "busybox")
        self.assertEqual(self.beside("-u", "33:34", *self.SHARE, "busybox", "id", "-u"), "33\n")

    def test_ids_of_the_caller(self):
        self.start("first", *QUIET, "--userns", "keep-id")
        self.assertEqual(self.beside(*self.SHARE, "busybox", "id", "-u"), f"{os.getuid()}\n")
        self.assertEqual(self.beside(*self.SHARE, "--userns", "keep-id", "busybox", "id", "-u"), f"{os.getuid()}\n")
        # Where the root of that namespace does not come.
        self.assertIn("data", self.beside(*self.SHARE, "-v", self.home + ":/here", "busybox", "ls", "/here"))
        self.refused("conflicting options: --userns=host", "run", *self.SHARE, "--userns", "host", "busybox")
        self.start("other", *QUIET)
        self.refused("conflicting options: --userns=keep-id", "run", "--pid", "container:other", "--userns", "keep-id", "busybox")

    def test_files_of_one_that_does_not_run(self):
        self.start("first", *QUIET)
        self.ok("create", "--name", "second", "--network", "container:first", "--pid", "container:first", "--ipc",
                "container:first", "busybox", "cat", "/word")
        with open(self.home + "/word", "w", encoding="ascii") as file:
            file.write("copied\n")
        self.ok("kill", "first")
        self.ok("cp", self.home + "/word", "second:/word")
        self.ok("start", "first")
        self.assertEqual(self.ok("start", "-a", "second"), "copied\n")
        self.start("third", "--network", "container:first", "--pid", "container:first")
        self.ok("cp", self.home + "/word", "third:/word")
        self.assertEqual(self.ok("exec", "third", "cat", "/word"), "copied\n")


if __name__ == "__main__":
    unittest.main()
