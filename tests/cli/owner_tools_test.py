"""With one id: the tools that care for owners do their work, and what they say of it is kept."""

import os
import unittest

from owner_case import OwnerCase

SPEC = """Name: game
Version: 1
Release: 1
Summary: a test
License: none
BuildArch: noarch
%description
A test.
%install
mkdir -p %{buildroot}/opt/game; echo 0 > %{buildroot}/opt/game/score; ln -s score %{buildroot}/opt/game/link
%files
%attr(2755, root, games) %dir /opt/game
%attr(664, games, tty) /opt/game/score
%attr(-, www-data, www-data) /opt/game/link
%post
chown daemon:daemon /opt/game/score.top 2>/dev/null || touch /opt/game/score.top && chown daemon /opt/game/score.top
"""
TREE = "mkdir t; touch t/a t/b; chown 1000:1001 t/a; chown -h 7:8 t; ln -s a t/l; chown -h 9:9 t/l; ln t/a t/h; "
OWNERS = {"": "7:8", "/a": "1000:1001", "/b": None, "/l": "9:9", "/h": "1000:1001"}


class Tools(OwnerCase):
    def records(self, directory):
        return {name: self.record(directory + name) for name in OWNERS}

    def test_a_package_of_rpm_is_installed_with_its_owners(self):
        with open(self.shared + "/game.spec", "w", encoding="ascii") as spec:
            spec.write(SPEC)
        script = ("cd /tmp; mkdir /var/lib/rpm; rpmbuild --quiet -bb --define '_topdir /tmp/b' /shared/game.spec; "
                  "rpm -i --nodeps b/RPMS/noarch/game-1-1.noarch.rpm; rpm -V --nodeps --nouser --nogroup game; "
                  "rpm -q game")
        for options in self.on_each_driver():
            self.assertIn("game-1-1", self.ok_debian("sh", "-ec", script, options=options))
            records = [self.record("opt/game" + name) for name in ("", "/score", "/link", "/score.top")]
            self.assertEqual(records, ["0:60", "5:5", "33:33", "1:0"])

    def test_copies_have_the_owners_of_what_they_were_copied_from(self):
        # tar, cp and rsync read owners with stat(2): they are shown only when asked for.
        script = ("cd /srv; " + TREE + "cp -a t cp; rsync -aH t/ rsync; mkdir tar; tar -C t -cf - . | "
                  "tar -C tar --same-owner --numeric-owner -xf -; install -o games -g tty -m 640 t/b installed")
        for options in self.on_each_driver():
            self.ok_debian("sh", "-ec", script, options=options + ["--id-emulation", "full"])
            for copy in ("t", "cp", "rsync", "tar"):
                self.assertEqual(self.records("srv/" + copy), OWNERS, copy)
            self.assertEqual(self.record("srv/installed"), "5:5")
            self.assertEqual(os.stat(self.upper() + "/srv/installed").st_mode & 0o7777, 0o640)

    def test_groups_and_users_are_made(self):
        script = ("set -e; groupadd -g 777 crew; useradd -m -u 1234 -g crew -G staff ann; usermod -aG games ann; "
                  "id ann; su ann -c 'cd; id -u; id -Gn; touch mine'; "
                  "gosu ann id -un; gosu ann sh -c 'echo x > ~/gosu'; "
                  "chgrp crew /srv/log; userdel -r ann; groupdel crew")
        for options in self.on_each_driver():
            lines = self.ok_debian("sh", "-c", script.split("; userdel")[0], options=options).splitlines()
            self.assertEqual(lines, ["uid=1234(ann) gid=777(crew) groups=777(crew),60(games),50(staff)", "1234",
                                     "crew games staff", "ann"])
            self.assertEqual([self.record("home/ann" + name) for name in ("", "/mine", "/gosu", "/.profile")],
                             ["1234:777"] * 4)
            self.assertEqual(self.record("srv/log"), "33:777")
            self.remove_containers()
            self.ok_debian("sh", "-c", script, options=options + ["--id-emulation", "full"])
            self.assertFalse(os.path.exists(self.upper() + "/home/ann"))

    def test_an_entry_point_takes_its_directory_and_steps_down(self):
        # As those of many server images: root prepares, then becomes the server's user for good.
        script = ("set -e; mkdir -p /var/lib/app; find /var/lib/app \\! -user www-data -exec chown www-data '{}' +; "
                  "exec gosu www-data sh -c 'id -un; stat -c %U /var/lib/app; echo 1 > /var/lib/app/pid; "
                  "chown root /var/lib/app/pid 2>/dev/null || echo refused'")
        for options in self.on_each_driver():
            lines = self.ok_debian("sh", "-c", script, options=options + ["--id-emulation", "full"]).splitlines()
            self.assertEqual(lines, ["www-data", "www-data", "refused"])
            self.assertEqual([self.record("var/lib/app" + name) for name in ("", "/pid")], ["33:0", "33:33"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
