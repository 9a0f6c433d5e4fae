"""`sandbox oci` as root of a user namespace that somebody else has made, as below a rootless engine: containers without a
user namespace of their own. An ordinary user runs it; it makes the namespace for itself."""

import json
import os
import re
import sys
import unittest

if os.geteuid() != 0:
    os.execvp("unshare", ["unshare", "--user", "--map-root-user", sys.executable, "-B", *sys.argv])

from oci_case import OciCase


class MappedRoot(OciCase):
    def setUp(self):
        super().setUp()
        with self.config() as config:
            linux = config["linux"]
            linux["namespaces"] = [space for space in linux["namespaces"] if space["type"] != "user"]
            del linux["uidMappings"], linux["gidMappings"]
            config["root"]["readonly"] = False

    def test_it_shares_the_callers_user_namespace_and_no_other(self):
        kinds = ("user", "pid", "uts", "ipc", "mnt", "cgroup")
        out = self.output_of("sh", "-c", "for kind in " + " ".join(kinds) + "; do readlink /proc/self/ns/$kind; done").split()
        self.assertEqual([space == os.readlink(f"/proc/self/ns/{kind}") for kind, space in zip(kinds, out)], [True] + [False] * 5)

    def test_devices_are_the_hosts_where_nodes_can_t_be_made(self):
        with self.config() as config:
            config["linux"]["devices"] = [{"path": "/dev/zero", "type": "c", "major": 1, "minor": 5}]
            config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
            for names in config["process"]["capabilities"].values():
                names.append("CAP_MKNOD")
        out = self.output_of("sh", "-c", "head -c 3 /dev/zero | wc -c; echo x >/dev/null && echo null; mknod /tmp/z c 1 5 2>&1; true")
        self.assertEqual(out, "3\nnull\nmknod: /tmp/z: Operation not permitted\n")

    def test_a_created_one_is_started_joined_and_killed(self):
        self.program("sleep", "1000")
        self.done("create", "c")
        self.assertEqual(self.done("exec", "c", "cat", "/proc/self/uid_map").split()[0], "0")
        self.done("start", "c")
        self.assertEqual(self.done("exec", "c", "sh", "-c", "id -u; hostname"), "0\nsandbox\n")
        self.refused(re.compile("cannot set any additional groups|not mapped|setting"), "exec", "--user", "5", "c", "true", status=255)
        self.done("kill", "c", "KILL")
        self.becomes("c", "stopped")

    def test_sysctls_and_names(self):
        with self.config() as config:
            config["hostname"] = "mapped"
            config["linux"]["namespaces"].append({"type": "network"})
            config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
        self.assertEqual(self.output_of("sh", "-c", "hostname; cat /proc/sys/net/ipv4/ip_forward"), "mapped\n1\n")


if __name__ == "__main__":
    unittest.main()
