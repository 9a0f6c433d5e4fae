"""The OCI runtime as the host's own root runs it below a rootful engine, with containers that have no user namespace; in
the test machine (see run.sh), whose root has every right. BED_RUNG says who makes the cgroup: "scope" (the machine's
systemd) or "delegated" (the runtime itself)."""

import json
import os
import pathlib
import shutil
import stat
import subprocess
import unittest

from bed import CGROUPS, RUNG, RuntimeCase, eventually

APPLETS = ("sh", "cat", "dd", "sleep", "echo", "ls", "mknod", "stat", "id", "chmod", "hostname", "grep", "mkdir",
           "readlink", "rm", "test", "true")
MIB = 1 << 20


class Rootful(RuntimeCase):
    def setUp(self):
        self.make_bundle("/var/tmp", APPLETS)  # not where a mount forbids devices
        os.chmod(self.home, 0o755)
        self.done("spec")
        self.config = json.loads(pathlib.Path(self.bundle + "/config.json").read_text())
        self.config["root"]["readonly"] = False
        self.config["process"].update(terminal=False, args=["sleep", "1000"])
        self.config["linux"]["cgroupsPath"] = "system.slice:sbx:box" if RUNG == "scope" else "/sbx/box"
        self.grant("CAP_MKNOD", "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID")

    def tearDown(self):
        self.done("delete", "--force", "c")
        self.assertTrue(eventually(lambda: not [*CGROUPS.glob("sbx/*/"), *CGROUPS.glob("system.slice/sbx-*")]))
        shutil.rmtree(self.home)

    def oci(self, *words, before=()):
        if words[0] != "spec":
            pathlib.Path(self.bundle + "/config.json").write_text(json.dumps(self.config))
        return super().oci(*words, before=before)

    def grant(self, *names):
        for names_of_set in self.config["process"]["capabilities"].values():
            names_of_set.extend(name for name in names if name not in names_of_set)

    def output_of(self, script):
        self.config["process"]["args"] = ["sh", "-c", script]
        return self.done("run", "c")

    def directory(self):
        pid = json.loads(self.done("state", "c"))["pid"]
        line, = [line for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines() if line.startswith("0::")]
        return pathlib.Path(str(CGROUPS) + line[3:])

    def test_it_is_root_of_the_host_in_namespaces_of_its_own(self):
        spaces = " ".join(f"/proc/self/ns/{name}" for name in ("user", "pid", "net", "uts", "ipc", "mnt", "cgroup"))
        inside = self.output_of(f"for space in {spaces}; do readlink $space; done").split()
        outside = [os.readlink(space) for space in spaces.split()]
        self.assertEqual([a == b for a, b in zip(inside, outside)], [True] + [False] * 6)
        self.assertEqual(self.output_of("cat /proc/self/uid_map").split(), ["0", "0", str(2 ** 32 - 1)])
        self.config["hostname"] = "rootful"
        self.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmax": "12345678"}
        self.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 2 ** 20}]
        self.assertEqual(self.output_of("hostname; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax; ulimit -n; ulimit -Hn"),
                         f"rootful\n1\n12345678\n77\n{2 ** 20}\n")

    def test_its_devices_are_nodes_of_its_own(self):
        before = os.stat("/dev/null").st_mode
        self.config["linux"]["devices"] = [
            {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 33, "gid": 44},
            {"path": "/dev/pipe", "type": "p", "fileMode": 0o600},
            {"path": "/opt/zero", "type": "c", "major": 1, "minor": 5}]
        out = self.output_of("stat -c '%F %a %u %g %t:%T' /dev/fuse /dev/pipe /dev/null; chmod 600 /dev/null; echo x >/dev/null; "
                             "dd if=/opt/zero of=/dev/null bs=1 count=1 2>/dev/null && echo zero; readlink /dev/ptmx; ls /dev/pts")
        self.assertEqual(out.splitlines(), ["character special file 640 33 44 a:e5", "fifo 600 0 0 0:0",
                                            "character special file 666 0 0 1:3", "zero", "pts/ptmx", "ptmx"])
        self.assertEqual(os.stat("/dev/null").st_mode, before)
        # Nor is the host's null device, of which masks are made, for the container to change.
        self.config["linux"]["maskedPaths"] = ["/proc/kcore"]
        self.output_of("chmod 600 /proc/kcore; true")
        self.assertEqual(os.stat("/dev/null").st_mode, before)

    def test_an_apparmor_profile_confines(self):
        profile = "profile sbx-test flags=(attach_disconnected) { file, capability, network, deny /tmp/closed w, }"
        load = lambda action: subprocess.run(["apparmor_parser", "--skip-cache", action], input=profile, text=True, check=True)
        load("--replace")
        self.addCleanup(load, "--remove")
        self.config["process"]["apparmorProfile"] = "sbx-test"
        tell = "cat /proc/self/attr/apparmor/current; for name in open closed; do (echo >/tmp/$name) 2>/dev/null && echo $name; done; true"
        self.assertEqual(self.output_of(tell), "sbx-test (enforce)\nopen\n")
        self.config["process"]["args"] = ["sleep", "1000"]
        self.done("run", "--detach", "c")
        self.assertEqual(self.done("exec", "c", "cat", "/proc/self/attr/apparmor/current"), "sbx-test (enforce)\n")
        self.assertEqual(self.done("exec", "--apparmor", "unconfined", "c", "cat", "/proc/self/attr/apparmor/current"), "unconfined\n")
        self.done("delete", "--force", "c")
        self.config["process"]["apparmorProfile"] = "sbx-no-such"
        self.assertIn("applying the AppArmor profile 'sbx-no-such': No such file or directory", self.oci("run", "c").stdout)

    def test_rules_for_devices_hold(self):
        self.config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"},
                                                         {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"}]}
        use = ("cd /tmp; mknod mem c 1 1; mknod fuse c 10 229; mknod zero c 1 5; mknod disk b 98 0; "
               "for node in mem fuse zero disk; do (exec 3<$node) 2>/dev/null && echo $node r; (exec 3>$node) 2>/dev/null && echo $node w; done; true")
        self.assertEqual(self.output_of(use), "fuse r\nzero r\nzero w\n")
        self.config["linux"]["resources"]["devices"] = []  # what is usual, then
        self.assertEqual(self.output_of("cd /tmp; rm -f *; " + use), "zero r\nzero w\n")
        self.config["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
        self.assertIn("disk r\n", self.output_of("cd /tmp; rm -f *; " + use))

    def test_update_replaces_the_rules(self):
        self.config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
        self.done("run", "--detach", "c")
        can_read = lambda: self.oci("exec", "c", "sh", "-c", "test -e /tmp/m || mknod /tmp/m c 10 229; exec 3</tmp/m").returncode == 0
        self.assertFalse(can_read())
        file = self.home + "/resources"
        for rules, allowed in (([{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}], True),
                               ([{"allow": False, "access": "rwm"}], False), ([{"allow": True}], True)):
            pathlib.Path(file).write_text(json.dumps({"devices": rules}))
            self.done("update", "-r", file, "c")
            self.assertEqual(can_read(), allowed, rules)

    def test_the_cgroup_belongs_to_the_processs_user(self):
        files = pathlib.Path("/sys/kernel/cgroup/delegate").read_text().split()
        self.config["process"]["user"] = {"uid": 33, "gid": 33}
        mount, = [mount for mount in self.config["mounts"] if mount["destination"] == "/sys/fs/cgroup"]
        for options, owner in (["rw", "nosuid"], 33), (["ro", "nosuid"], 0):
            mount["options"] = options
            self.done("create", "c")
            directory = self.directory()
            self.assertEqual([os.stat(directory / name).st_uid for name in (".", "cgroup.procs", "cgroup.subtree_control")], [owner] * 3)
            for path in directory.iterdir():
                self.assertEqual(path.stat().st_uid, owner if path.name in files else 0, path)
            self.assertEqual(directory.parent.stat().st_uid, 0)
            if owner:
                self.done("start", "c")
                self.done("exec", "c", "mkdir", "/sys/fs/cgroup/below")
                self.assertEqual((directory / "below").stat().st_uid, 33)
                self.done("exec", "--cgroup", "below", "--detach", "c", "sleep", "1000")
                self.assertNotEqual((directory / "below/cgroup.procs").read_text(), "")
                self.assertIn("does not exist in that of the container", self.oci("exec", "--cgroup", "/nope", "c", "true").stdout)
            self.done("delete", "--force", "c")

    def test_with_a_user_namespace_its_root_owns_the_cgroup(self):
        self.config["linux"]["namespaces"].append({"type": "user"})
        for key in ("uidMappings", "gidMappings"):
            self.config["linux"][key] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        mount, = [mount for mount in self.config["mounts"] if mount["destination"] == "/sys/fs/cgroup"]
        mount["options"] = ["rw", "nosuid"]
        for path in [self.bundle + "/rootfs", *pathlib.Path(self.bundle + "/rootfs").rglob("*")]:
            os.chown(path, 100000, 100000, follow_symlinks=False)
        self.done("run", "--detach", "c")
        self.assertEqual(self.directory().stat().st_uid, 100000)
        self.assertEqual(self.done("exec", "c", "sh", "-c", "id -u; grep ^0:: /proc/self/cgroup; mkdir /sys/fs/cgroup/x && echo made"),
                         "0\n0::/\nmade\n")

    def test_limits_and_figures(self):
        self.config["linux"]["resources"] = {"memory": {"limit": 64 * MIB}, "pids": {"limit": 20}}
        self.done("run", "--detach", "c")
        directory = self.directory()
        slice_of = "/system.slice/sbx-box.scope/container" if RUNG == "scope" else "/sbx/box"
        self.assertEqual(str(directory), str(CGROUPS) + slice_of)
        self.done("update", "--memory", "128m", "c")
        self.assertEqual([(directory / name).read_text() for name in ("memory.max", "pids.max")], [f"{128 * MIB}\n", "20\n"])
        self.assertEqual(json.loads(self.done("events", "--stats", "c"))["data"]["pids"]["limit"], 20)
        self.done("pause", "c")
        self.assertIn("paused", self.oci("exec", "c", "true").stdout)
        self.done("resume", "c")
        self.assertEqual(self.done("exec", "--user", "7:8", "c", "id", "-u"), "7\n")
        self.done("kill", "c", "KILL")
        self.assertTrue(eventually(lambda: json.loads(self.done("state", "c"))["status"] == "stopped"))

    def test_capabilities_are_those_of_the_configuration(self):
        self.config["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted", "inheritable", "ambient"),
                                                               ["CAP_SYS_ADMIN", "CAP_NET_BIND_SERVICE"])
        bits = 1 << 21 | 1 << 10
        out = self.output_of("grep Cap /proc/self/status")
        self.assertEqual({line.split()[1] for line in out.splitlines()}, {f"{bits:016x}"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
