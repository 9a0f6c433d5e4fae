"""`sandbox oci`: namespaces, new ones and others' by path; as the ordinary user who calls it."""

import os
import re
import unittest

from oci_case import OciCase
from sandbox_case import eventually

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


if __name__ == "__main__":
    unittest.main()
