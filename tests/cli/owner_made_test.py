"""With one id: what processes make that believe to be others is recorded as theirs, and shown so where that is asked
for (--id-emulation=full)."""

import glob
import os
import tarfile
import unittest

from owner_case import ATTRIBUTE, OwnerCase
from sandbox_case import eventually

AS_WWW = "setpriv --reuid 33 --regid 34 --groups 50 "
POSTGRES = sorted(glob.glob("/usr/lib/postgresql/*/bin/"))[-1]

MAKING = r"""
import ctypes, os, stat
os.chdir("/srv/w"), os.umask(0o027)
libc = ctypes.CDLL(None, use_errno=True)
os.mkdir("dir"), os.symlink("nowhere", "link"), os.mkfifo("pipe"), os.mknod("node")
open("/srv/w/dir/file", "w").close(), os.close(libc.creat(b"/srv/w/made", 0o666))
fd = os.open("exclusive", os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
assert not os.get_inheritable(fd) and os.write(fd, b"12") == 2 and os.pread(fd, 2, 0) == b"12"
plain = libc.open(b"inherited", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o640)
assert os.get_inheritable(plain)
how = (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_WRONLY, 0o640, 0)
assert libc.syscall(437, -100, b"how", how, 24) >= 0
fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o644)
assert libc.linkat(-100, b"/proc/self/fd/%d" % fd, -100, b"unnamed", 0x400) == 0
for path in ("exclusive", "link", "dir"):
    try:
        os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        raise AssertionError(path)
    except FileExistsError:
        pass
open("root's", "a").close(), os.rename("made", "moved"), open("group/x", "w").close()
try:
    os.mkdir("/srv/nowhere/x")
except FileNotFoundError:
    print("done")
"""


class Made(OwnerCase):
    def owners_in_archive(self):
        """What a layer or an archive of the container says: "33:34" by path."""
        self.ok("export", "-o", self.home + "/tree.tar", "box")
        with tarfile.open(self.home + "/tree.tar") as archive:
            return {member.name: f"{member.uid}:{member.gid}" for member in archive}

    def test_what_another_user_makes_is_its_own(self):
        script = ("mkdir /srv/w /srv/w/group; chgrp 60 /srv/w/group; chmod 2777 /srv/w/group /srv/w; chmod g-s /srv/w; "
                  "touch \"/srv/w/root's\"; " + AS_WWW + "python3 /shared/making.py")
        with open(self.shared + "/making.py", "w", encoding="ascii") as file:
            file.write(MAKING)
        for options in self.on_each_driver():
            self.assertEqual(self.ok_debian("sh", "-ec", script, options=options), "done\n")
            owners = self.owners_in_archive()
            mine = ("dir", "dir/file", "link", "pipe", "node", "moved", "exclusive", "inherited", "how", "unnamed")
            self.assertEqual({name: owners["srv/w/" + name] for name in mine}, dict.fromkeys(mine, "33:34"))
            self.assertEqual((owners["srv/w/root's"], owners["srv/w"], owners["srv/w/group/x"]),
                             ("0:0", "0:0", "33:60"))
            self.assertEqual(os.stat(self.upper() + "/srv/w/dir").st_mode & 0o7777, 0o750)
            self.assertEqual(os.stat(self.upper() + "/srv/w/inherited").st_mode & 0o7777, 0o640)

    def test_a_user_without_roots_rights_makes_only_what_it_may(self):
        for options in self.on_each_driver():
            self.ok_debian("sh", "-ec", "mkdir -m 777 /srv/open; mkdir -m 555 /srv/closed; sleep 1000",
                           options=options + ["-d"])
            done = self.sandbox("exec", "-u", "games", "box", "sh", "-c",
                                "until [ -d /srv/closed ]; do :; done; touch /srv/open/x; touch /srv/closed/x")
            self.assertIn("Permission denied", done.stderr)
            self.assertEqual(self.record("srv/open/x"), "5:60")
            self.assertFalse(os.path.exists(self.upper() + "/srv/closed/x"))

    def test_what_the_one_user_of_a_container_makes_is_its_own(self):
        for options in self.on_each_driver():
            script = "mkdir /srv/new; echo x > /srv/new/x; echo x >> /etc/passwd; echo x >> /srv/log"
            self.ok_debian("sh", "-ec", script, options=options + ["-u", "33:60"])
            expected = {"srv/new": "33:60", "srv/new/x": "33:60", "etc/passwd": "0:0", "srv/log": "33:34",
                        "opt": "0:0"}
            owners = self.owners_in_archive()
            self.assertEqual({name: owners[name] for name in expected}, expected)
            self.ok("commit", "box", "made:test")
            self.remove_containers()
            self.ok("create", "--name", "box", "made:test", "true")
            owners = self.owners_in_archive()
            self.assertEqual({name: owners[name] for name in expected}, expected)

    def test_a_host_directory_gets_no_records(self):
        self.ok_debian("sh", "-c", AS_WWW + "touch /shared/f")
        self.assertEqual(os.listxattr(self.shared + "/f"), [])


class Foreign(OwnerCase):
    """Owners in the attributes that umoci and PRoot, and containers/storage, give the files of an ordinary user."""
    ATTRIBUTES = {"user.rootlesscontainers": "\x08\x21\x10\x22", ATTRIBUTE: "7:8:0640:file"}

    def test_an_imported_archive_has_them(self):
        with tarfile.open(self.home + "/tree.tar", "w") as archive:
            for number, (name, value) in enumerate(self.ATTRIBUTES.items()):
                info = tarfile.TarInfo(f"file{number}")
                info.uid = info.gid = 1000
                info.pax_headers = {"SCHILY.xattr." + name: value}
                archive.addfile(info)
        self.ok("import", self.home + "/tree.tar", "tree:test")
        self.ok("create", "--name", "box", "tree:test", "true")
        self.ok("export", "-o", self.home + "/out.tar", "box")
        with tarfile.open(self.home + "/out.tar") as archive:
            owners = [(file.uid, file.gid, file.pax_headers) for file in archive if file.name.startswith("file")]
        self.assertEqual([owner[:2] for owner in owners], [(33, 34), (7, 8)])
        self.assertNotIn("rootlesscontainers", str(owners))

    def test_a_root_directory_has_them(self):
        os.makedirs(self.home + "/root/usr")
        for name in ("bin", "lib", "lib64"):
            os.symlink("usr/" + name, f"{self.home}/root/{name}")
        for number, (name, value) in enumerate(self.ATTRIBUTES.items()):
            path = f"{self.home}/root/file{number}"
            open(path, "w", encoding="ascii").close()
            os.setxattr(path, name, value.encode())
        shown = self.ok("run", "--rm", "--network", "none", "-v", "/usr:/usr:ro", "--id-emulation", "full", "--rootfs",
                        self.home + "/root", "sh", "-c",
                        "stat -c %u:%g /file0 /file1; chown :9 /file0; stat -c %u:%g /file0")
        self.assertEqual(shown.split(), ["33:34", "7:8", "33:9"])


class Shown(OwnerCase):
    def run_full(self, *words, options=(), **more):
        return self.ok_debian(*words, options=[*options, "--id-emulation", "full"], **more)

    def test_owners_are_shown(self):
        script = """cd /srv; touch f; chown 33:34 f; ln -s f l; chown -h 1:2 l; mknod null c 1 3; mkfifo p; chown 3:4 p
            stat -c '%n %u:%g %F' f l null p site dir /etc/passwd; stat -Lc '%U' l
            find . -user 33 | sort | tr '\\n' ' '
            ls -lLnd f | cut -d' ' -f3,4; test -O f || echo 'not mine'
            """ + AS_WWW + """sh -c 'touch n; stat -c %u:%g n; test -O n && test -O f && echo mine'
            python3 -c 'import os; f = os.open("/srv/f", 0); print(os.fstat(f).st_uid)'
            cp -a f copied; tar -cf - f dir | tar -C /opt -xf -; stat -c '%u:%g' copied /opt/f /opt/dir"""
        for options in self.on_each_driver():
            lines = self.run_full("sh", "-ec", script, options=options).splitlines()
            self.assertEqual(lines, [
                "f 33:34 regular empty file", "l 1:2 symbolic link", "null 0:0 character special file", "p 3:4 fifo",
                "site 33:34 regular file", "dir 33:34 directory", "/etc/passwd 0:0 regular file", "www-data",
                "./dir ./f ./log ./site 33 34", "not mine", "33:34", "mine", "33", "33:34", "33:34", "33:34"])

    def test_a_database_server_finds_its_directory_its_own_and_knows_who_asks(self):
        script = f"""set -e; mkdir -p /data /run/db; chown 42:65534 /data /run/db; chmod 700 /data
            exec setpriv --reuid 42 --regid 65534 --clear-groups sh -ec '
              {POSTGRES}initdb -D /data --locale=C -N -A peer >/dev/null
              exec {POSTGRES}postgres -D /data -k /run/db -h ""'"""
        query = [POSTGRES + "psql", "-h", "/run/db", "-d", "postgres", "-Atc", "select current_user"]
        for options in self.on_each_driver():
            self.run_full("sh", "-c", script, options=[*options, "-d"])
            answered = eventually(lambda: self.sandbox("exec", "-u", "_apt", "box", *query).stdout == "_apt\n", 60)
            self.assertTrue(answered, self.sandbox("logs", "box").stderr)
            self.assertIn("Peer authentication failed", self.sandbox("exec", "box", *query, "-U", "_apt").stderr)
            self.assertEqual(self.record("data/PG_VERSION"), "42:65534")
            self.remove_containers()
            done = self.run_debian("sh", "-c", script, options=options)
            self.assertIn("wrong ownership", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
