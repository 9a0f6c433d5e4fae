"""Owners and ids in a container of one id: Debian's own tools change them, believe it, and the record is kept."""

import hashlib
import io
import os
import pathlib
import tarfile
import unittest

from image_archive import directory, entry, link
from owner_case import ATTRIBUTE, CONTROL, OwnerCase, deb
from sandbox_case import has_range

GAME = [directory("./opt"), entry("./opt/score", "0\n", mode=0o664, gid=60),
        entry("./opt/play", "#!", mode=0o2755, gid=60),
        entry("./opt/daemon.conf", "x", uid=1, gid=1, mode=0o600), entry("./opt/plain", "x")]


class Owners(OwnerCase):
    def test_a_package_is_installed_with_its_owners(self):
        made = entry("./opt/link", type=tarfile.SYMTYPE, linkname="score", uid=33, gid=33)
        deb(self.shared + "/game.deb", "game", GAME + [made],
            postinst="#!/bin/sh -e\nmkdir /var/lib/game\nchown -R games:games /var/lib/game\nchmod 2770 /var/lib/game\n"
                     "chown www-data /opt/link --no-dereference\n")
        for options in self.on_each_driver():
            self.ok_debian("dpkg", "-i", "/shared/game.deb", options=options)
            records = {name: self.record("opt/" + name) for name in ("score", "play", "daemon.conf", "plain", "link")}
            self.assertEqual(records, {"score": "0:60", "play": "0:60", "daemon.conf": "1:1", "plain": None,
                                       "link": "33:33"})
            self.assertEqual(self.record("var/lib/game"), "5:60")
            self.assertEqual(os.stat(self.upper() + "/opt/play").st_mode & 0o7777, 0o2755)

    def test_apt_drops_its_privileges_and_installs(self):
        deb(self.shared + "/game.deb", "game", GAME)
        package = pathlib.Path(self.shared, "game.deb").read_bytes()
        with open(self.shared + "/Packages", "w", encoding="ascii") as index:
            index.write(CONTROL.format("game") + f"Filename: ./game.deb\nSize: {len(package)}\n"
                        f"SHA256: {hashlib.sha256(package).hexdigest()}\n")
        script = ("set -e; echo 'deb [trusted=yes] copy:/shared ./' > /etc/apt/sources.list; apt-get update; "
                  "apt-get install -y game; apt-config dump APT::Sandbox::User; ls -l /opt/score")
        for options in self.on_each_driver():
            done = self.run_debian("sh", "-c", script, options=options)
            self.assertEqual(done.returncode, 0, (done.stdout, done.stderr))
            self.assertIn('APT::Sandbox::User "_apt"', done.stdout)
            self.assertNotIn("W:", done.stderr)
            self.assertEqual(self.record("opt/score"), "0:60")

    def test_an_archive_is_unpacked_with_its_owners(self):
        with tarfile.open(self.shared + "/tree.tar", "w") as archive:
            for info, data in (directory("tree"), entry("tree/a", "a", uid=1000, gid=1001),
                               entry("tree/b", "b", uid=4_000_000_000), link("tree/l", "a")):
                info.uid, info.gid = (info.uid, info.gid) if info.isfile() else (7, 8)
                archive.addfile(info, io.BytesIO(data))
        for options in self.on_each_driver():
            self.ok_debian("tar", "-C", "/srv", "--numeric-owner", "-xf", "/shared/tree.tar", options=options)
            records = [self.record("srv/" + name) for name in ("tree", "tree/a", "tree/b", "tree/l")]
            self.assertEqual(records, ["7:8", "1000:1001", "4000000000:0", "7:8"])

    def test_accounts_are_made_and_used(self):
        script = """set -e
            useradd -m -u 1234 ann; su ann -c 'id -u; id -g; id -un'
            setpriv --reuid www-data --regid www-data --init-groups sh -c 'id; sh -c "id -u"; (sleep 0.1; id -u) & wait'
            id; chown -R 33:33 /home; install -d -o games -g staff /srv/games; chgrp tty /srv/games
            chown :staff /etc/passwd"""
        for options in self.on_each_driver():
            lines = self.ok_debian("sh", "-c", script, options=options).splitlines()
            self.assertEqual(lines, ["1234", "1234", "ann", "uid=33(www-data) gid=33(www-data) groups=33(www-data)",
                                     "33", "33", "uid=0(root) gid=0(root) groups=0(root)"])
            self.assertEqual([self.record(name) for name in ("home", "home/ann/.profile", "srv/games", "etc/passwd")],
                             ["33:33", "33:33", "5:5", "0:50"])

    def test_what_the_image_says_of_an_owner_stays(self):
        script = "chgrp games /srv/site; mv /srv/site /srv/moved; echo more >> /srv/log; chown games /srv/dir"
        for options in self.on_each_driver():
            self.ok_debian("sh", "-ec", script, options=options)
            self.assertEqual([self.record("srv/" + name) for name in ("moved", "log", "dir")], ["33:60", "33:34", "5:34"])

    def test_devices_become_files_with_a_record(self):
        script = ("umask 027; mknod /srv/null c 1 3; mknod -m 660 /srv/disk b 8 1; mkfifo /srv/pipe; "
                  "chown 1:5 /srv/disk /srv/pipe")
        for options in self.on_each_driver():
            self.ok_debian("sh", "-ec", script, options=options)
            self.assertEqual([self.record("srv/" + name) for name in ("null", "disk", "pipe")],
                             ["0:0 char-1-3", "1:5 block-8-1", "1:5"])
            self.assertEqual(os.stat(self.upper() + "/srv/null").st_mode, 0o100640)

    def test_a_volume_of_the_hosts_is_left_alone_and_one_of_ours_is_not(self):
        host = self.home + "/host"
        os.mkdir(host)
        for options in self.on_each_driver():
            self.ok_debian("sh", "-ec", "touch /host/f /named/f; chown 33:33 /host /host/f /named/f",
                           options=options + ["-v", host + ":/host", "-v", "data:/named"])
            self.assertEqual(os.listxattr(host) + os.listxattr(host + "/f"), [])
            self.assertTrue(os.getxattr(self.data + "/volumes/data/_data/f", ATTRIBUTE).startswith(b"33:33:"))
            self.assertEqual(os.stat(host + "/f").st_uid, os.getuid())

    def test_without_it_the_kernel_says_what_it_can(self):
        done = self.run_debian("chown", "33", "/srv", options=["--id-emulation", "off"])
        self.assertIn("Invalid argument", done.stderr)
        self.remove_containers()
        done = self.run_debian("chown", "33", "/srv", options=["--cap-drop", "CHOWN"])
        self.assertEqual(done.returncode, 1)
        self.remove_containers()
        for words, why in ((["--id-emulation", "some"], "id-emulation"),
                           (["--id-emulation", "record", "-u", "33"], "root")):
            done = self.run_debian("true", options=words)
            self.assertEqual(done.returncode, 125)
            self.assertIn(why, done.stderr)

    def test_a_process_that_joins_has_it_too(self):
        self.ok_debian("sleep", "1000", options=["-d"])
        self.ok("exec", "box", "chown", "33:34", "/srv")
        self.assertEqual(self.record("srv"), "33:34")
        self.assertEqual(self.ok("exec", "box", "setpriv", "--reuid", "7", "--clear-groups", "id", "-u"), "7\n")
        # Another user of the image's, who is none to the kernel.
        self.assertEqual(self.ok("exec", "-u", "games", "box", "id"), "uid=5(games) gid=60(games) groups=60(games)\n")
        self.assertEqual(self.sandbox("exec", "-u", "games", "box", "chown", "5", "/srv").returncode, 1)

    def test_a_killed_helper_ends_its_container_and_is_named(self):
        self.ok_debian("sleep", "1000", options=["-d"])
        helper, = self.helpers("sbx:owner")
        os.kill(helper, 9)
        self.assertTrue(self.sandbox("wait", "box", timeout=10).stdout)
        self.assertIn("was killed by signal 9", self.sandbox("logs", "box").stderr)

    def test_nothing_is_played_where_ids_are_real(self):
        if not has_range():
            return  # the other of the two users that run this test has one
        self.env["PATH"] = os.environ["PATH"]
        self.ok_debian("chown", "33:33", "/srv")
        self.assertNotIn(ATTRIBUTE, os.listxattr(self.upper() + "/srv"))
        self.remove_containers()
        done = self.run_debian("true", options=["--id-emulation", "record"])
        self.assertEqual(done.returncode, 125)
        self.assertIn("range", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
