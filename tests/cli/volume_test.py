"""Volumes: made, filled, shared, removed; as the ordinary user who calls it."""

import contextlib
import json
import os
import signal
import subprocess
import unittest

from image_archive import directory, docker_archive, entry, link, tools
from sandbox_case import SandboxCase, eventually, has_range

WORDS = ("--network", "none", "--pull", "never")


class Volumes(SandboxCase):
    def setUp(self):
        super().setUp()
        archive = self.home + "/data.tar"
        below = [directory("data", 0o1750), directory("data/sub"),
                 entry("data/sub/x", "of the image\n", uid=7, gid=8, mode=0o640), link("data/l", "sub/x"), link("way", "data"), directory("logs"), directory("etc"),
                 entry("etc/passwd", "root:x:0:0::/:/bin/sh\n")]
        applets = tools("sleep", "touch", "mkdir", "stat", "rm", "ln", "readlink", "find", "chown")
        docker_archive(archive, "localhost/data", applets, below, Volumes={"/data": {}, "/logs": {}})
        self.ok("load", "-i", archive)

    def tearDown(self):
        self.remove_containers()
        self.ok("volume", "prune", "-af")
        self.assertEqual(os.listdir(self.data + "/volumes"), [".lock"])
        self.ok("rmi", "-f", "localhost/data")
        super().tearDown()

    def names(self, *words):
        return self.ok("volume", "ls", "-q", *words).split()

    def sh(self, script, *words, image="busybox"):
        return self.ok("run", "--rm", *WORDS, *words, image, "/bin/sh", "-c", script)

    def fails(self, *words, code=1):
        done = self.sandbox(*words)
        self.assertEqual(done.returncode, code, done)
        return done.stderr

    def test_a_volume_is_made_listed_shown_and_removed(self):
        self.assertEqual(self.ok("volume", "create", "--label", "a=b", "cache"), "cache\n")
        self.assertEqual(self.ok("volume", "create", "cache"), "cache\n")
        self.assertEqual(self.ok("volume", "ls"), "DRIVER    VOLUME NAME\nlocal     cache\n")
        shown, = json.loads(self.ok("volume", "inspect", "cache"))
        self.assertEqual((shown["Name"], shown["Driver"], shown["Scope"], shown["Labels"], shown["Options"]),
                         ("cache", "local", "local", {"a": "b"}, None))
        self.assertEqual(shown["Mountpoint"], self.data + "/volumes/cache/_data")
        self.assertEqual(self.names("-f", "label=a=b"), ["cache"])
        self.assertEqual(self.names("-f", "label=a=c"), [])
        self.assertEqual(self.ok("volume", "rm", "cache"), "cache\n")
        self.assertEqual(self.names(), [])
        name = self.ok("volume", "create").strip()
        self.assertRegex(name, "^[0-9a-f]{64}$")
        self.assertEqual(self.names(), [name])

    def test_errors_are_dockers(self):
        self.assertEqual(self.fails("volume", "inspect", "no"), "sandbox: get no: no such volume\n")
        self.assertEqual(self.fails("volume", "rm", "no"), "sandbox: get no: no such volume\n")
        self.assertEqual(self.sandbox("volume", "rm", "-f", "no").returncode, 0)
        self.assertIn("includes invalid characters for a local volume name", self.fails("volume", "create", "a/b"))
        self.assertIn('plugin "nfs" not found', self.fails("volume", "create", "-d", "nfs", "x"))
        self.assertIn("not possible without root, because", self.fails("volume", "create", "-o", "type=nfs", "x"))
        self.assertIn("invalid filter 'size'", self.fails("volume", "ls", "-f", "size=1"))
        for mount, reason in (("type=volume,src=a/b,dst=/x", "includes invalid characters"),
                              ("type=bind,src=/nothing,dst=/x", "bind source path does not exist: /nothing"),
                              ("type=bind,src=/tmp,dst=/x,bind-propagation=shared", "not possible without root"),
                              ("type=tmpfs,src=/x,dst=/x", "a tmpfs has no source"),
                              ("type=cluster,src=x,dst=/x", "unknown type 'cluster'")):
            self.assertIn(reason, self.fails("create", *WORDS, "--mount", mount, "busybox", code=1))
        self.assertIn("unknown mode 'loud'", self.fails("create", *WORDS, "-v", "xx:/x:loud", "busybox"))
        self.assertIn("No such container: no", self.fails("create", *WORDS, "--volumes-from", "no", "busybox"))
        self.assertEqual(self.names(), [])

    def test_a_relative_path_of_the_host_is_made_by_v_and_must_be_there_for_mount(self):
        os.mkdir(self.home + "/work")
        for path in ("./made", ".hidden", "../beside/deep/"):
            self.ok("run", "--rm", *WORDS, "-v", path + ":/x", "busybox", "/bin/sh", "-c", "echo in >/x/file", cwd=self.home + "/work")
        for path in ("work/made", "work/.hidden", "beside/deep"):
            with open(f"{self.home}/{path}/file", encoding="ascii") as file:
                self.assertEqual(file.read(), "in\n")
            self.assertEqual(os.stat(f"{self.home}/{path}").st_uid, os.getuid())
        self.assertIn("bind source path does not exist: ./other",
                      self.fails("create", *WORDS, "--mount", "type=bind,src=./other,dst=/x", "busybox", code=1))
        self.assertIn("bind source path does not exist: a/b", self.fails("create", *WORDS, "-v", "a/b:/x", "busybox", code=1))

    def test_a_named_volume_is_made_on_use_and_shared(self):
        self.ok("run", "-d", "--name", "one", *WORDS, "-v", "shared:/a", "busybox", "sleep", "1000")
        self.ok("run", "-d", "--name", "two", *WORDS, "--mount", "type=volume,src=shared,dst=/b,readonly", "busybox",
                "sleep", "1000")
        self.ok("exec", "one", "sh", "-c", "echo from one >/a/x")
        self.assertEqual(self.ok("exec", "two", "cat", "/b/x"), "from one\n")
        self.assertIn("Read-only file system", self.fails("exec", "two", "touch", "/b/y"))
        ids = self.ok("ps", "-q", "--no-trunc").split()
        self.assertEqual(self.fails("volume", "rm", "shared"),
                         f"sandbox: remove shared: volume is in use - [{', '.join(ids)}]\n")
        self.assertEqual(self.names("-f", "dangling=true"), [])
        self.ok("rm", "-fv", "one", "two")
        self.assertEqual(self.names("-f", "dangling=true"), ["shared"])
        self.assertEqual(self.sh("cat /c/x", "-v", "shared:/c"), "from one\n")

    def test_an_empty_volume_begins_with_what_the_image_has(self):
        for driver in ("overlay", "fuse"):
            with self.subTest(driver=driver):
                look = ("stat -c '%a %u:%g' /data /data/sub/x; readlink /data/l; cat /data/l")
                words = ("--storage-driver", driver, "-v", f"filled{driver}:/data")
                owner = "7:8" if has_range() else "0:0"
                mode = "640"
                self.assertEqual(self.sh(look, *words, image="localhost/data"),
                                 f"1750 0:0\n{mode} {owner}\nsub/x\nof the image\n")
                self.sh("rm -r /data/sub", *words, image="localhost/data")
                self.assertEqual(self.sh("find /data", *words, image="localhost/data"), "/data\n/data/l\n")
        self.assertEqual(self.sh("find /way/", "-v", "link:/way", image="localhost/data").splitlines()[0], "/way/")
        self.assertEqual(self.sh("find /data", "-v", "bare:/data:nocopy", image="localhost/data"), "/data\n")
        self.assertEqual(self.sh("find /data", "--mount", "type=volume,src=bare2,dst=/data,volume-nocopy",
                                 image="localhost/data"), "/data\n")
        # One that was made before is empty, too.
        self.ok("volume", "create", "made")
        self.assertEqual(self.sh("cat /data/l", "-v", "made:/data", image="localhost/data"), "of the image\n")

    def test_a_container_that_is_killed_while_its_volume_is_filled_leaves_none_or_all_of_it(self):
        for moment in range(1, 60, 4):
            client = self.client("run", "--rm", *WORDS, "-v", "vol:/data", "localhost/data", "/bin/sh", "-c", "true")
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(moment / 1000)
            client.send_signal(signal.SIGKILL)
            client.wait()
            self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())
            place = self.data + "/volumes/vol/_data"
            if os.path.isdir(place) and os.access(place, os.R_OK) and os.listdir(place):
                self.assertEqual(sorted(os.listdir(place)), ["l", "sub"])
            self.assertEqual(self.sh("cat /data/l", "-v", "vol:/data", image="localhost/data"), "of the image\n")
            self.ok("volume", "rm", "vol")

    def test_a_removal_that_is_refused_takes_no_volume_along_later(self):
        self.ok("run", "-d", "--name", "box", *WORDS, "-v", "/mine", "busybox", "sleep", "1000")
        anonymous = self.names()
        self.assertIn("cannot remove container", self.fails("rm", "-v", "box"))
        self.ok("rm", "-f", "box")
        self.ok("volume", "create", "other")  # whoever has the volumes' lock tidies up
        self.assertEqual(self.names(), sorted([*anonymous, "other"]))

    def test_volumes_of_the_image_are_anonymous_and_go_with_the_container(self):
        self.ok("create", "--name", "box", *WORDS, "-v", "/mine", "localhost/data", "/bin/sleep", "1000")
        anonymous = self.names()
        self.assertEqual(len(anonymous), 3)
        mounts = {mount["Destination"]: mount for mount in json.loads(self.ok("inspect", "box"))[0]["Mounts"]
                  if mount["Type"] == "volume"}
        self.assertEqual(sorted(mounts), ["/data", "/logs", "/mine"])
        self.assertEqual(sorted(mount["Name"] for mount in mounts.values()), anonymous)
        self.ok("rm", "box")
        self.assertEqual(self.names(), anonymous)  # as Docker: only with -v
        self.assertEqual(self.ok("volume", "prune", "-f").splitlines()[0], "Deleted Volumes:")
        self.assertEqual(self.names(), [])
        self.ok("create", "--name", "box", *WORDS, "-v", "named:/data", "localhost/data", "/bin/sleep", "1000")
        self.ok("rm", "-v", "box")
        self.assertEqual(self.names(), ["named"])
        self.assertEqual(self.sh("cat /data/l", image="localhost/data"), "of the image\n")
        self.assertEqual(self.names(), ["named"])  # --rm removes anonymous ones
        self.ok("create", *WORDS, "localhost/data", "/bin/sh")
        self.ok("system", "prune", "-f", "--volumes")
        self.assertEqual(self.names(), ["named"])

    def test_volumes_of_another_container(self):
        host = self.home + "/host"
        os.mkdir(host)
        self.ok("run", "--name", "first", *WORDS, "-v", "vol:/v", "-v", "/anonymous", "-v", host + ":/host:ro",
                "busybox", "sh", "-c", "echo 1 >/v/x; echo 2 >/anonymous/x")
        self.assertEqual(self.sh("cat /v/x /anonymous/x", "--volumes-from", "first"), "1\n2\n")
        self.assertEqual(self.sh("touch /v/y 2>/dev/null || touch /host/y 2>/dev/null || echo closed", "--volumes-from",
                                 "first:ro"), "closed\n")
        self.assertEqual(self.sh("ls /v", "--volumes-from", "first", "-v", "other:/v"), "")
        self.assertIn("invalid mode specification",
                      self.fails("create", *WORDS, "--volumes-from", "first:x", "busybox"))
        self.assertEqual(len(self.names()), 3)  # --rm left the first one's alone
        self.ok("rm", "-v", "first")
        self.assertEqual(self.names(), ["other", "vol"])

    def test_a_volume_may_be_given_to_the_container_s_user(self):
        host = self.home + "/host"
        os.makedirs(host + "/sub")
        seen = self.sh("stat -c %u /h /h/sub; touch /h/sub/x && echo wrote", "-u", "7", "-v", host + ":/h:U")
        self.assertEqual(seen, "7\n7\nwrote\n")
        self.sh("chown -R 0:0 /h", "-v", host + ":/h")

    def test_the_host_s_mount_options(self):
        self.assertEqual(self.sh("touch /v/x && echo wrote", "-v", "vol:/v:z,rslave,cached"), "wrote\n")
        self.assertIn("not possible without root", self.fails("create", *WORDS, "-v", "/tmp:/t:rshared", "busybox"))

    def test_a_directory_of_the_host_is_made_with_the_modes_of_the_users_umask(self):
        umask = os.umask(0)
        os.umask(umask)
        self.ok("create", *WORDS, "-v", self.home + "/new/below:/x", "busybox")
        for name in ("new", "new/below"):
            self.assertEqual(os.stat(f"{self.home}/{name}").st_mode & 0o777, 0o777 & ~umask)

    def test_disk_usage_counts_volumes(self):
        self.sh("mkdir -m 0 /v/closed; head -c 100000 /dev/zero >/v/x; chown 7:7 /v/x", "-v", "vol:/v")
        lines = self.ok("system", "df", "-v").splitlines()
        self.assertTrue(any(line.split() == ["vol", "0", "100kB"] for line in lines), lines)


if __name__ == "__main__":
    unittest.main()
