"""`sandbox oci`: namespaces, new ones and others' by path; as the ordinary user who calls it."""

import json
import os
import re
import subprocess
import unittest

from oci_case import OciCase

KINDS = {"user": "user", "pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "mount": "mnt", "time": "time"}


class TimeNamespace(OciCase):
    def namespaces(self, *spaces, offsets=None):
        with self.config() as config:
            types = {space["type"] for space in spaces}
            config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] not in types] + list(spaces)
            config["linux"]["timeOffsets"] = offsets

    def test_the_clocks_of_a_container(self):
        def uptime():
            with open("/proc/uptime", encoding="ascii") as file:
                return float(file.read().split()[0])
        self.program("cat", "/proc/uptime", "/proc/self/timens_offsets")
        self.namespaces({"type": "time"}, offsets={"monotonic": {"secs": 77, "nanosecs": 5}, "boottime": {"secs": 1000000}})
        begin = uptime()
        seen = self.done("run", "c").split()
        self.assertTrue(1000000 + begin <= float(seen[0]) + 0.01 <= 1000000 + uptime() + 0.02, (begin, seen))
        self.assertEqual(seen[2:], ["monotonic", "77", "5", "boottime", "1000000", "0"])

    def test_whoever_joins_has_the_same_clocks(self):
        self.program("sleep", "1000")
        self.namespaces({"type": "time"}, offsets={"boottime": {"secs": 1000000}})
        self.done("create", "c")
        read = ("exec", "c", "sh", "-c", "cat /proc/uptime; readlink /proc/self/ns/time; readlink /proc/self/ns/time_for_children")
        before = self.done(*read).split()
        self.done("start", "c")
        after = self.done(*read).split()
        self.assertTrue(float(before[0]) > 1000000)
        self.assertEqual((before[2:], len(set(before[2:]))), (after[2:], 1))
        self.assertNotEqual(before[2], os.readlink("/proc/self/ns/time"))

    def test_clocks_that_can_not_be(self):
        self.program("true")
        self.namespaces({"type": "time"}, offsets={"boottime": {"secs": -1 << 40}})
        self.refused(re.compile("setting the offset of the boottime clock: Numerical result out of range"), "run", "c")
        self.namespaces({"type": "time"}, offsets={"realtime": {"secs": 1}})
        self.refused(re.compile("linux.timeOffsets.realtime is no clock"), "run", "c")
        self.assertEqual(os.listdir(self.root), [])


class ByPath(OciCase):
    def test_others_of_every_kind_in_any_order(self):
        self.program("sleep", "1000")
        with self.config() as config:
            config["linux"]["namespaces"] = [{"type": kind} for kind in KINDS]
        self.done("run", "--detach", "host")
        pid = json.loads(self.done("state", "host"))["pid"]
        kinds = [kind for kind in KINDS if kind != "mount"]
        expected = [os.readlink(f"/proc/{pid}/ns/{KINDS[kind]}") for kind in kinds]
        self.program("sh", "-c", "".join(f"readlink /proc/self/ns/{KINDS[kind]};" for kind in kinds))
        for turn in range(len(kinds)):
            paths = [{"type": kind, "path": f"/proc/{pid}/ns/{KINDS[kind]}"} for kind in kinds]
            paths = paths[turn:] + [{"type": "mount"}] + paths[:turn]
            with self.config() as config:
                config["linux"]["namespaces"] = paths
                config["linux"].pop("uidMappings", None)
                config["linux"].pop("gidMappings", None)
                config.pop("hostname", None)
            with self.subTest(first=paths[0]["type"]):
                self.assertEqual(self.done("run", "guest").split(), expected)

    def test_new_clocks_in_a_user_namespace_of_others(self):
        self.program("sleep", "1000")
        self.done("run", "--detach", "host")
        pid = json.loads(self.done("state", "host"))["pid"]
        self.program("sh", "-c", "readlink /proc/self/ns/user; readlink /proc/self/ns/time")
        with self.config() as config:
            config["linux"]["namespaces"] = [{"type": kind} for kind in KINDS if kind != "user"]
            config["linux"]["namespaces"].append({"type": "user", "path": f"/proc/{pid}/ns/user"})
            for key in ("uidMappings", "gidMappings"):
                config["linux"].pop(key, None)
            config.pop("hostname", None)
        users, clocks = self.done("run", "guest").split()
        self.assertEqual(users, os.readlink(f"/proc/{pid}/ns/user"))
        self.assertNotEqual(clocks, os.readlink(f"/proc/{pid}/ns/time"))
        with self.config() as config:
            config["linux"]["timeOffsets"] = {"boottime": {"secs": 1}}
        self.refused(re.compile("can't be set safely in a user namespace of others"), "run", "guest")

    def test_a_mount_namespace_of_others_is_refused(self):
        self.program("true")
        with self.config() as config:
            config["linux"]["namespaces"] = [{"type": "mount", "path": "/proc/self/ns/mnt"}]
        self.refused(re.compile("a mount namespace of others can't be joined"), "run", "c")


class NetworkDevices(OciCase):
    """Below an ordinary user's own user and network namespace, of which the runtime is root."""

    def in_namespaces(self, script):
        with self.config() as config:
            for key in ("uidMappings", "gidMappings"):
                config["linux"].pop(key, None)
            config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "user"]
        return subprocess.run(["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", script], cwd=self.bundle,
                              env=self.env, capture_output=True, text=True, check=False, timeout=60)

    def devices(self, devices):
        with self.config() as config:
            spaces = config["linux"]["namespaces"]
            config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "network"] + [{"type": "network"}]
            config["linux"]["netDevices"] = devices

    def test_devices_go_into_the_container_with_their_addresses(self):
        self.program("busybox", "ip", "addr")
        self.devices({"outer0": {"name": "eth7"}, "outer1": {"name": "net%d"}})
        done = self.in_namespaces(
            "ip link add outer0 type veth peer name outer1 && ip addr add 10.9.8.7/24 dev outer0 && ip link set outer0 up && "
            "ip -6 addr add fd00::9/64 dev outer0 nodad && " + " ".join(self.command("run", "c")) + " && ip -o link | wc -l")
        self.assertEqual(done.stderr, "")
        seen = done.stdout.split("\n")
        self.assertEqual(seen[-2], "1")
        self.assertRegex(done.stdout, r"eth7(@\w+)?: <[A-Z,]*\bUP\b")
        self.assertRegex(done.stdout, r"net0(@\w+)?: <[A-Z,]*\bUP\b")
        self.assertIn("inet 10.9.8.7/24", done.stdout)
        self.assertIn("inet6 fd00::9/64", done.stdout)

    def test_a_name_that_is_taken(self):
        self.program("true")
        self.devices({"outer0": {"name": "lo"}})
        done = self.in_namespaces("ip link add outer0 type veth peer name outer1; " + " ".join(self.command("run", "c")) +
                                  "; ip -o link | wc -l")
        self.assertIn("moving interface 'outer0' into the container's network as 'lo': File exists", done.stderr)

    def test_devices_that_are_not_ours_to_move(self):
        self.program("true")
        self.devices({"lo": {"name": "lo7"}})
        self.refused(re.compile("moving interface 'lo' into the container's network: Operation not permitted"), "run", "c")
        self.devices({"nosuch": {}})
        self.refused(re.compile("network device 'nosuch': No such device"), "run", "c")
        self.assertEqual(os.listdir(self.root), [])


if __name__ == "__main__":
    unittest.main()
