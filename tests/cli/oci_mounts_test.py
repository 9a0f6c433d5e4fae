"""`sandbox oci`: what mounts are like inside, their ids and labels; as the ordinary user who calls it."""

import json
import os
import pathlib
import re
import resource
import subprocess
import unittest

from oci_case import OciCase
from sandbox_case import has_range


class Ids(OciCase):
    def mount(self, **members):
        with self.config() as config:
            config["mounts"] = [each for each in config["mounts"] if each["destination"] != "/t"]
            config["mounts"].append({"destination": "/t", **members})

    def maps(self, inside, outside_uid, outside_gid):
        return {"uidMappings": [{"containerID": inside, "hostID": outside_uid, "size": 1}],
                "gidMappings": [{"containerID": inside, "hostID": outside_gid, "size": 1}]}

    def test_a_tmpfs_with_other_ids(self):
        """Its own root, made by its id 0, belongs to nobody when that is not mapped."""
        self.program("sh", "-c", "stat -c '%u %g' /t")
        for inside, owner in ((0, "0 0"), (5, "65534 65534")):
            self.mount(type="tmpfs", source="x", options=["mode=1777"], **self.maps(inside, os.getuid(), os.getgid()))
            self.assertEqual(self.done("run", "c"), owner + "\n")

    def test_a_bind_mount_with_other_ids_of_a_file_system_that_the_runtime_has_mounted(self):
        self.program("sh", "-c", "stat -c '%u %g' /t /t/below")
        with self.config() as config:
            for key in ("uidMappings", "gidMappings"):
                config["linux"].pop(key, None)
            config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "user"]
        os.mkdir(self.home + "/src")
        script = (f"mount -t tmpfs x {self.home}/src && mkdir {self.home}/src/below && mount -t tmpfs x {self.home}/src/below && "
                  + " ".join(self.command("run", "c")))
        for option, seen in (("idmap", ["65534 65534", "0 0"]), ("ridmap", ["65534 65534", "65534 65534"])):
            self.mount(source=self.home + "/src", options=["rbind", option], **self.maps(5, 0, 0))
            done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script], cwd=self.bundle, env=self.env,
                                  capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual((done.stdout.splitlines(), done.stderr), (seen, ""), option)

    def test_what_the_caller_reaches_is_bound_where_the_containers_root_does_not(self):
        if not has_range():
            return  # the other of the two users that run this test has one
        os.chmod(self.home, 0o711)
        os.makedirs(self.home + "/closed/data", 0o777)
        pathlib.Path(self.home, "closed/data/file").write_text("seen\n", encoding="utf-8")
        os.chmod(self.home + "/closed", 0o700)
        os.mkdir(self.rootfs + "/t")
        self.program("cat", "/t/file")
        with self.config() as config:
            for key in ("uidMappings", "gidMappings"):
                config["linux"][key] = [{"containerID": 0, "hostID": 1000, "size": 10}]
        for option in ("bind", "rbind"):
            self.mount(source=self.home + "/closed/data", options=[option, "ro"])
            done = subprocess.run(["unshare", "--user", "--map-root-user", "--map-auto", "--mount", *self.command("run", "c")],
                                  cwd=self.bundle, env=self.env, capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual((done.stdout, done.stderr), ("seen\n", ""), option)

    def test_ids_that_are_not_ours_to_change(self):
        self.program("true")
        self.mount(source=self.home, options=["bind", "idmap"])
        self.refused(re.compile(f"id mapping of bind source '{self.home}': "), "run", "c")
        self.assertEqual(os.listdir(self.root), [])


class Places(OciCase):
    def test_the_root_is_where_its_path_leads(self):
        os.rename(self.rootfs, self.home + "/tree")
        os.symlink(self.home + "/tree", self.rootfs)
        self.program("ls", "/bin/busybox")
        for propagation in ("private", "rslave"):
            with self.config() as config:
                config["linux"]["rootfsPropagation"] = propagation
            self.assertEqual(self.done("run", "c"), "/bin/busybox\n")

    def test_links_that_lead_nowhere_get_what_they_name(self):
        """As with the other runtimes; an absolute one, and ".." at the top, mean the container's root."""
        for name, target in (("one", "/not/there"), ("two", "../../" + self.home[1:] + "/there"), ("three", "one/../more")):
            os.symlink(target, f"{self.rootfs}/{name}")
        os.mkdir(self.home + "/source")
        with self.config() as config:
            config["root"]["readonly"] = False
            config["process"]["cwd"] = "/two/work"
            config["mounts"] += [{"destination": "/one/a/b", "type": "tmpfs"},
                                 {"destination": "/three/c", "source": self.home + "/source", "options": ["bind"]},
                                 {"destination": "/two/file", "source": "/bin/busybox", "options": ["bind"]}]
        self.program("sh", "-c", "pwd; grep -o ' /not/[^ ]*' /proc/self/mountinfo; ls /two")
        self.assertEqual(self.done("run", "c"), f"{self.home}/there/work\n /not/there/a/b\n /not/more/c\nfile\nwork\n")
        self.assertFalse(os.path.exists(self.home + "/there"))

    def test_links_that_lead_to_themselves(self):
        os.symlink("loop/x", self.rootfs + "/loop")
        self.program("true")
        with self.config() as config:
            config["root"]["readonly"] = False
            config["mounts"].append({"destination": "/loop/a", "type": "tmpfs"})
        self.refused(re.compile("'/loop' in the container: Too many levels of symbolic links"), "run", "c")


class Attributes(OciCase):
    def test_words_for_a_mount_and_for_its_tree(self):
        self.program("grep", " /t", "/proc/self/mountinfo")
        for option, expected in ((["ro"], {"/t": "ro,relatime", "/t/below": "rw,relatime"}),
                                 (["rro", "rnosuid", "rnoexec"], {"/t": "ro,nosuid,noexec,relatime",
                                                                  "/t/below": "ro,nosuid,noexec,relatime"}),
                                 (["rro", "rw"], {"/t": "ro,relatime", "/t/below": "ro,relatime"}),
                                 (["rnoatime", "rnosymfollow"], {"/t": "rw,noatime,nosymfollow",
                                                                 "/t/below": "rw,noatime,nosymfollow"})):
            with self.config() as config:
                config["mounts"] = [each for each in config["mounts"] if not each["destination"].startswith(("/t/", "/t", "t/below"))
                                    or each["destination"] == "/tmp"]
                config["mounts"] += [{"destination": "/t", "type": "tmpfs"}, {"destination": "t/below", "type": "tmpfs"},
                                     {"destination": "/t", "options": ["remount", "bind", *option]}]
            lines = [line.split() for line in self.done("run", "c").splitlines()]
            self.assertEqual({line[4]: line[5] for line in lines if line[4] in ("/t", "/t/below")}, expected, option)

    def test_all_words_that_are_announced_are_understood(self):
        """Each alone, on a tmpfs or a bind mount: none is taken for one of the file system's own."""
        self.program("true")
        words = json.loads(self.done("features"))["mountOptions"]
        with self.config() as config:
            for index, word in enumerate(words):
                if word in ("remount", "idmap", "ridmap"):
                    continue
                bind = word in ("bind", "rbind")
                config["mounts"].append({"destination": f"/t/{index}", "type": "none" if bind else "tmpfs",
                                         "source": self.home if bind else "x", "options": [word]})
        self.done("run", "c")
        self.assertLessEqual({"rro", "idmap", "ridmap", "tmpcopyup", "runbindable", "nosymfollow", "lazytime"}, set(words))

    def test_ten_thousand_mounts(self):
        self.program("sh", "-c", "wc -l </proc/self/mountinfo")
        with self.config() as config:
            config["mounts"] += [{"destination": f"/t/{number}", "type": "tmpfs", "source": "x"} for number in range(10000)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(self.command("run", "c"), cwd=self.bundle, env=self.env, capture_output=True, text=True, check=False, timeout=250)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertGreater(int(done.stdout), 10000, done.stderr)
        self.assertLess(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, 20)  # seconds


class Labels(OciCase):
    def test_labels_where_nobody_would_heed_them(self):
        self.program("true")
        for part, member, module, place in (("process", "apparmorProfile", "AppArmor", "/sys/module/apparmor/parameters/enabled"),
                                            ("process", "selinuxLabel", "SELinux", "/sys/fs/selinux/enforce"),
                                            ("linux", "mountLabel", "SELinux", "/sys/fs/selinux/enforce")):
            with self.config() as config:
                config[part][member] = "no:such:label:s0"
            applied = os.path.exists(place)
            self.refused(re.compile("no:such:label:s0" if applied else f"{part}.{member} '.*' can't be applied: {module} is not on here"),
                         "run", "c")
            with self.config() as config:
                del config[part][member]
        with self.config() as config:
            config["process"]["apparmorProfile"] = "unconfined"
        self.done("run", "c")

    def test_cache_and_bandwidth_where_the_kernel_has_no_groups_for_them(self):
        self.program("true")
        with self.config() as config:
            config["linux"]["intelRdt"] = {"closID": "nosuch"}
        self.refused(re.compile("linux.intelRdt"), "run", "c")


if __name__ == "__main__":
    unittest.main()
