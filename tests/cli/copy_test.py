"""cp: files between containers and the machine, whatever is in the way; as the ordinary user who calls it."""

import io
import os
import socket
import subprocess
import tarfile
import unittest

from hostile_image_test import HostileCase
from image_archive import around_host_python, directory, docker_archive, entry, link, script, tar
from sandbox_case import SANDBOX, SandboxCase, eventually, has_range

WORDS = ("--network", "none", "--pull", "never")


class Copy(SandboxCase):
    def setUp(self):
        super().setUp()
        self.here = self.home + "/here"
        os.makedirs(self.here + "/tree/sub")
        self.write("file", "one\n")
        self.write("tree/sub/leaf", "two\n")
        os.symlink("leaf", self.here + "/tree/sub/link")
        os.chmod(self.here + "/tree/sub/leaf", 0o640)
        os.utime(self.here + "/tree/sub/leaf", (1000000000, 1000000000))

    def write(self, name, content):
        with open(f"{self.here}/{name}", "w", encoding="ascii") as file:
            file.write(content)

    def read(self, name):
        with open(f"{self.here}/{name}", encoding="ascii") as file:
            return file.read()

    def cp(self, *words, **more):
        return self.ok("cp", *words, cwd=self.here, **more)

    def fails(self, *words, **more):
        done = self.sandbox("cp", *words, cwd=self.here, **more)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        return done.stderr

    def stream(self, *words, data=None):
        done = subprocess.run([SANDBOX, "cp", *words], env=self.env, input=data, capture_output=True, cwd=self.here,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def create(self, *words, driver="overlay", image="busybox", command=("sleep", "1000")):
        self.ok("create", "--name", "box", "--storage-driver", driver, *WORDS, *words, image, *command)

    def see(self, script_text):
        """What a shell in the container prints; it runs only for that."""
        running = self.ok("ps", "-q") != ""
        if not running:
            self.ok("start", "box")
        seen = self.ok("exec", "box", "sh", "-c", script_text)
        if not running:
            self.ok("stop", "-t", "0", "box")
        return seen

    def test_sources_and_destinations_go_by_dockers_table(self):
        for driver, running in (("overlay", False), ("fuse", False), ("overlay", True), ("fuse", True)):
            with self.subTest(driver=driver, running=running):
                self.create(driver=driver)
                if running:
                    self.ok("start", "box")
                self.cp("file", "box:/new")
                self.cp("file", "box:/tmp")
                self.cp("file", "box:tmp/")
                self.cp("file", "box:/tmp/other")
                self.cp("tree", "box:/tmp")
                self.cp("tree", "box:/made")
                self.cp("tree", "box:/made")
                self.cp("tree/.", "box:/tmp")
                self.assertEqual(self.see("cd /; cat new tmp/file tmp/other; find made tmp | sort"),
                                 "one\n" * 3 + "\n".join(sorted(
                                     "made made/sub made/sub/leaf made/sub/link made/tree made/tree/sub "
                                     "made/tree/sub/leaf made/tree/sub/link tmp tmp/file tmp/other tmp/sub tmp/sub/leaf "
                                     "tmp/sub/link tmp/tree tmp/tree/sub tmp/tree/sub/leaf tmp/tree/sub/link"
                                     .split())) + "\n")
                self.assertEqual(self.see("cd /made/sub; stat -c '%a %Y %u:%g' leaf; readlink link"),
                                 "640 1000000000 0:0\nleaf\n")
                self.cp("box:/made", "out")
                self.cp("box:/made/sub/leaf", "out")
                self.cp("box:/made/sub/.", "flat")
                self.cp("box:/made/sub/leaf", "out/copy")
                self.assertEqual(sorted(os.listdir(self.here + "/out")), ["copy", "leaf", "sub", "tree"])
                self.assertEqual(sorted(os.listdir(self.here + "/flat")), ["leaf", "link"])
                self.assertEqual(self.read("out/copy"), "two\n")
                status = os.stat(self.here + "/flat/leaf")
                self.assertEqual((status.st_uid, status.st_mode & 0o7777, status.st_mtime), (os.getuid(), 0o640, 1e9))
                self.ok("rm", "-f", "box")
                subprocess.run(["rm", "-r", self.here + "/out", self.here + "/flat"], check=True)

    def test_errors_are_dockers(self):
        self.create("--tmpfs", "/scratch")
        for words, message in (
                (("file", "box:/absent/"), "no such directory"),
                (("file", "box:/absent/file"), "Could not find the file /absent/file in container box"),
                (("tree", "box:/etc/passwd"), "cannot copy directory"),
                (("file/", "box:/tmp"), "not a directory"),
                (("nothing", "box:/tmp"), "lstat nothing: no such file or directory"),
                (("box:/nothing", "."), "Could not find the file /nothing in container box"),
                (("box:/etc/passwd/", "."), "not a directory"),
                (("box:/etc", "file"), "cannot copy directory"),
                (("box:/etc/passwd", "absent/"), "no such directory"),
                (("box:/etc/passwd", "absent/file"), 'invalid output path: directory "absent" does not exist'),
                (("file", "file"), "must specify at least one container source"),
                (("box:/a", "box:/b"), "copying between containers is not supported"),
                (("box:", "."), "source can not be empty"),
                (("file", "box:"), "destination can not be empty"),
                (("file", "nobody:/"), "No such container: nobody"),
                (("-", "box:/etc/passwd"), 'destination "box:/etc/passwd" must be a directory'),
                (("-", "box:/absent"), "Could not find the file /absent in container box")):
            with self.subTest(words=words):
                self.assertEqual(self.fails(*words).splitlines()[0], "sandbox: " + message)
        self.assertEqual(self.sandbox("cp", "file").returncode, 1)

    def test_a_directory_and_another_thing_never_replace_each_other(self):
        self.create()
        self.cp("tree", "box:/made")
        os.makedirs(self.here + "/changed/sub/leaf")
        self.assertIn('cannot overwrite non-directory "sub/leaf" with directory "sub/leaf"',
                      self.fails("changed/.", "box:/made"))
        self.write("changed/made", "")
        os.makedirs(self.here + "/other")
        self.write("other/sub", "")
        self.assertIn('cannot overwrite directory "sub" with non-directory "sub"', self.fails("other/.", "box:/made"))

    def test_links_at_either_end_lead_where_docker_follows_them(self):
        self.create(command=("sh", "-c", "cd /; ln -s /etc/group to; ln -s /nowhere dangling; mkdir d; ln -s d dirlink;"
                             "ln -s loop loop; exec sleep 1000"))
        self.ok("start", "box")
        self.assertTrue(eventually(lambda: self.sandbox("exec", "box", "test", "-L", "/loop").returncode == 0))
        self.cp("box:/to", "copied")
        self.assertEqual(os.readlink(self.here + "/copied"), "/etc/group")
        self.cp("-L", "box:/to", "followed")
        self.assertIn("root", self.read("followed"))
        self.cp("file", "box:/dangling")
        self.cp("file", "box:/dirlink")
        self.cp("box:/dirlink/", "directory")
        self.assertEqual(self.see("cat /nowhere /d/file; readlink /dangling"), "one\none\n/nowhere\n")
        self.assertEqual(os.listdir(self.here + "/directory"), ["file"])
        self.assertIn("symbolic links", self.fails("file", "box:/loop"))
        os.symlink("file", self.here + "/link")
        self.cp("link", "box:/aslink")
        self.cp("-L", "link", "box:/asfile")
        self.assertEqual(self.see("readlink /aslink; cat /asfile"), "file\none\n")
        self.cp("box:/etc/hostname", "link")  # through the caller's own link
        self.assertNotEqual(self.read("file"), "one\n")

    def test_streams_are_archives(self):
        self.create()
        names = lambda data: sorted(tarfile.open(fileobj=io.BytesIO(data)).getnames())
        archive = tar([directory("d"), entry("d/x", "three\n", uid=7, gid=8)])
        self.stream("-", "box:/tmp", data=archive)
        packed = subprocess.run(["gzip"], input=archive, capture_output=True, check=True).stdout
        self.stream("-", "box:/etc", data=packed)
        self.assertEqual(names(self.stream("box:/tmp/d", "-")), ["d", "d/x"])
        self.assertEqual(names(self.stream("box:/etc/d/.", "-")), ["x"])
        self.assertEqual(names(self.stream("box:/etc/passwd", "-")), ["passwd"])
        whole = names(self.stream("box:/", "-"))
        self.assertIn("etc/passwd", whole)
        self.assertEqual([name for name in whole if name.startswith(("proc/", "sys/", "dev/"))], [])
        self.assertIn("the archive is not readable", self.fails("-", "box:/tmp", stdin="no archive at all" * 100))
        self.assertIn("not readable", subprocess.run([SANDBOX, "cp", "-", "box:/tmp"], env=self.env, input=archive[:600],
                                                     capture_output=True, check=False).stderr.decode())

    def test_owners_are_those_of_the_archive_or_root(self):
        self.create()
        self.ok("start", "box")
        owned = tar([entry("x", "three\n", uid=7, gid=8, mode=0o4755), link("l", "x")])
        self.stream("-", "box:/tmp", data=owned)
        self.cp("file", "box:/plain")
        self.cp("-a", "file", "box:/mine")
        found = {}
        for path in ("/tmp/x", "/plain", "/mine"):
            member, = tarfile.open(fileobj=io.BytesIO(self.stream("box:" + path, "-"))).getmembers()
            found[path] = (member.uid, member.gid, member.mode)
        self.assertEqual(found, {"/tmp/x": (7, 8, 0o4755), "/plain": (0, 0, 0o644),
                                 "/mine": (os.getuid(), os.getgid(), 0o644)})
        self.assertEqual(self.see("stat -c %u:%g /tmp/x /mine"),
                         f"7:8\n{os.getuid()}:{os.getgid()}\n" if has_range() else "0:0\n0:0\n")
        # A program with another's rights is not what a container may leave with the caller.
        self.cp("box:/tmp/x", "mine")
        self.assertEqual(os.stat(self.here + "/mine").st_mode & 0o7777, 0o755)

    def test_an_owner_that_can_not_be_is_an_error(self):
        far = tar([entry("x", uid=3_000_000)])
        if has_range():
            self.create()
            done = self.sandbox("cp", "-", "box:/tmp", stdin=far.decode())
            self.assertIn("giving 'x' its owner 3000000:0: the container's range of ids has no such one", done.stderr)
        else:
            self.create("-u", "1000")
            self.assertIn("one id, which everything in it belongs to", self.fails("-a", "file", "box:/tmp"))
            self.cp("file", "box:/tmp")

    def test_mounts_take_part_and_keep_their_rights(self):
        host = self.home + "/volume"
        os.mkdir(host)
        self.create("-v", host + ":/open", "-v", host + ":/closed:ro", "--tmpfs", "/scratch")
        for running in (False, True):
            if running:
                self.ok("start", "box")
            self.cp("file", f"box:/open/{running}")
            self.assertTrue(os.path.exists(f"{host}/{running}"))
            self.assertIn("mounted volume is marked read-only", self.fails("file", "box:/closed/x"))
            self.cp(f"box:/closed/{running}", "back")
            self.assertEqual(self.read("back"), "one\n")
        self.cp("file", "box:/scratch/x")
        self.assertEqual(self.see("cat /scratch/x"), "one\n")
        self.ok("rm", "-f", "box")
        self.create("--read-only")
        self.assertIn("container rootfs is marked read-only", self.fails("file", "box:/tmp"))

    def test_what_has_no_form_in_an_archive_is_named(self):
        host = self.home + "/volume"
        os.mkdir(host)
        os.mkfifo(host + "/fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(host + "/socket")
        self.create("-v", host + ":/s")
        done = self.sandbox("cp", "box:/s", "s", cwd=self.here)
        self.assertEqual((done.returncode, done.stderr),
                         (0, "sandbox: WARNING: 'socket' is a device or a socket and is left out\n"))
        self.assertEqual(os.listdir(self.here + "/s"), ["fifo"])

    def test_a_full_disk_is_told(self):
        self.create("--tmpfs", "/small:size=64k")
        self.ok("start", "box")
        self.write("large", "x" * 200000)
        self.assertIn("No space left on device", self.fails("large", "box:/small"))

    def test_a_copy_that_is_killed_leaves_the_container_as_good_as_before(self):
        self.create()
        big = tar([entry("big", b"x" * (64 << 20))])
        reader, writer = os.pipe()
        client = self.client("cp", "-", "box:/tmp", stdin=reader)
        os.close(reader)
        os.write(writer, big[:60000])
        upper = self.only_container() + "/upper/tmp"
        self.assertTrue(eventually(lambda: os.path.isdir(upper) and "big" in os.listdir(upper)))
        client.kill()
        client.wait()
        os.close(writer)
        self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())
        self.cp("file", "box:/tmp/big")
        self.assertEqual(self.see("cat /tmp/big"), "one\n")


# Exchanges /d and /e, a directory and a link to where the canary is on the host, as fast as it can.
FLIP = """
import ctypes, os, sys
renameat2 = ctypes.CDLL(None).renameat2
os.mkdir("/d")
with open("/d/secret", "w") as file:
    file.write("inside\\n")
os.symlink(sys.argv[1], "/e")
while renameat2(-100, b"/d", -100, b"/e", 2) == 0:
    pass
sys.exit("renameat2 failed")
"""


class Attack(HostileCase):
    def start(self, *words, image="busybox", command=("sleep", "1000")):
        self.ok("run", "-d", "--name", "box", *WORDS, *words, image, *command)

    def test_a_directory_that_turns_into_a_link_leads_nowhere(self):
        """CVE-2018-15664, CVE-2026-41568"""
        archive = self.home + "/flip.tar"
        docker_archive(archive, "localhost/flip", around_host_python())
        self.ok("load", "-i", archive)
        volume = self.home + "/volume"
        os.mkdir(volume)
        self.start("-v", "/usr:/usr:ro", "-v", volume + ":/v", image="localhost/flip",
                   command=("/usr/bin/python3", "-c", FLIP, self.canary))
        with open(self.home + "/planted", "w", encoding="ascii") as file:
            file.write("planted\n")
        seen = set()
        for step in range(150):
            done = self.sandbox("cp", self.home + "/planted", "box:/d/planted")
            seen.add(done.stderr)
            target = f"{self.home}/out{step}"
            done = self.sandbox("cp", "box:/d/secret", target)
            if done.returncode == 0:
                with open(target, encoding="ascii") as file:
                    self.assertEqual(file.read(), "inside\n")
            seen.add(done.stderr)
            self.sandbox("cp", "box:/d", f"{self.home}/tree{step}")
        self.assertGreater(len(seen), 1, "the race never took place")
        self.assertEqual(self.ok("ps", "-q").count("\n"), 1, self.sandbox("logs", "box"))
        self.ok("rm", "-f", "box")

    def test_links_of_the_container_lead_to_its_own_files(self):
        self.start(command=("sh", "-c", f"ln -s {self.canary} /out; ln -s /proc/1/root/etc /magic; ln -s ../../../../etc/passwd "
                            "/up; exec sleep 1000"))
        self.assertTrue(eventually(lambda: self.sandbox("exec", "box", "test", "-L", "/up").returncode == 0))
        self.assertIn("Could not find", self.sandbox("cp", "-L", "box:/out/secret", self.home + "/x").stderr)
        self.assertIn("Could not find", self.sandbox("cp", self.canary + "/hosts", "box:/out/planted").stderr)
        self.assertNotEqual(self.sandbox("cp", "box:/magic/passwd", self.home + "/x").returncode, 0)
        self.ok("cp", "-L", "box:/up", self.home + "/passwd")
        with open(self.home + "/passwd", encoding="ascii") as copied, open("/etc/passwd", encoding="utf-8") as hosts:
            self.assertNotEqual(copied.read(), hosts.read())

    def test_archives_reach_nothing_outside_of_their_destination(self):
        """CVE-2026-17106 and older ones"""
        self.start()
        for entries in ([entry("../x", "1")], [entry("a/../../x", "1")], [link("a", self.canary), entry("a/x", "1")],
                        [link("a", "/etc"), entry("a/passwd", "1")],
                        [entry("h", type=tarfile.LNKTYPE, linkname="../../etc/passwd")],
                        [link("a", "."), entry("a/a/x", "1")]):
            done = subprocess.run([SANDBOX, "cp", "-", "box:/tmp"], env=self.env, input=tar(entries), capture_output=True,
                                  check=False, timeout=60)
            self.assertEqual(done.returncode, 1, entries)
        self.assertEqual(self.ok("exec", "box", "sh", "-c", "ls / | grep '^x'; cat /etc/passwd | grep -c root"), "1\n")
        subprocess.run([SANDBOX, "cp", "-", "box:/tmp"], env=self.env, input=tar([entry("/etc/abs", "1")]), check=True,
                       timeout=60)
        self.assertEqual(self.ok("exec", "box", "cat", "/tmp/etc/abs"), "1")

    def test_nothing_of_the_container_is_loaded_or_executed(self):
        """CVE-2019-14271, CVE-2026-41567"""
        trojan = script("usr/bin/xz", "#!/bin/sh\ntouch /executed\n")
        libraries = [entry(f"{place}/{name}", "no library", mode=0o755)
                     for place in ("lib/x86_64-linux-gnu", "lib64", "usr/lib/x86_64-linux-gnu")
                     for name in ("libnss_files.so.2", "libc.so.6", "liblzma.so.5", "libarchive.so.13")]
        self.image(trojan, *libraries, entry("etc/ld.so.preload", "/lib64/libc.so.6\n"), applets=("sleep",))
        for running in (True, False):
            self.ok("run" if running else "create", *(["-d"] if running else []), "--name", "box", *WORDS,
                    "localhost/attack", "/bin/sleep", "1000")
            packed = subprocess.run(["xz"], input=tar([entry("x", "inside\n")]), capture_output=True, check=True).stdout
            trace = self.home + "/trace"
            words = ["strace", "-f", "-e", "trace=openat,openat2,execve,setns", "-o", trace, SANDBOX, "cp"]
            subprocess.run([*words, "-", "box:/"], env=self.env, input=packed, check=True, timeout=60, capture_output=True)
            with open(trace, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
            inside = {line.split()[0] for line in lines if " setns(" in line and "CLONE_NEWUSER" in line}
            self.assertTrue(inside)
            for number, line in enumerate(lines):
                pid = line.split()[0]
                joined = pid in inside and any(other.startswith(pid) and " setns(" in other for other in lines[:number])
                self.assertFalse(joined and (".so" in line or "gconv" in line or "execve" in line), line)
            self.ok("start", "box")
            self.assertEqual(self.ok("exec", "box", "/bin/ls", "/").count("executed"), 0)
            self.ok("rm", "-f", "box")


if __name__ == "__main__":
    unittest.main()
