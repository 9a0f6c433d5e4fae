"""Containers of one id with Debian's own tools: their files are the host's /usr, what they change lies in the image."""

import gzip
import os
import pathlib
import tarfile

from image_archive import directory, docker_archive, entry, link, tar
from sandbox_case import SandboxCase

ATTRIBUTE = "user.containers.override_stat"
DRIVERS = ("overlay", "fuse")
CONTROL = "Package: {}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: a test\n"

ACCOUNTS = {"root": (0, 0), "daemon": (1, 1), "games": (5, 60), "www-data": (33, 33), "_apt": (42, 65534)}
GROUPS = {"root": 0, "daemon": 1, "tty": 5, "shadow": 42, "games": 60, "www-data": 33, "staff": 50, "nogroup": 65534}


def passwd():
    return "".join(f"{name}:x:{uid}:{gid}::/:/bin/sh\n" for name, (uid, gid) in ACCOUNTS.items())


def group():
    return "".join(f"{name}:x:{gid}:\n" for name, gid in GROUPS.items())


def copies(*paths):
    """The host's own configuration of the tools."""
    for path in paths:
        if os.path.islink(path):
            yield link(path[1:], os.readlink(path))
        elif os.path.isdir(path):
            yield directory(path[1:])
            for name in sorted(os.listdir(path)):
                yield from copies(f"{path}/{name}")
        elif os.path.isfile(path) and os.access(path, os.R_OK):
            yield entry(path[1:], pathlib.Path(path).read_bytes())


def debian():
    """Entries of a root directory whose /usr is mounted."""
    folders = ["etc", "etc/apt", "etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/dpkg", "etc/default", "etc/skel",
               "root", "home", "srv", "opt", "var", "var/lib",
               "var/lib/dpkg", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/apt", "var/lib/apt/lists",
               "var/lib/apt/lists/partial", "var/cache", "var/cache/apt", "var/cache/apt/archives",
               "var/cache/apt/archives/partial", "var/log", "var/log/apt", "var/tmp", "usr"]
    files = {"etc/passwd": passwd(), "etc/group": group(), "etc/shadow": "root:*:1::::::\n", "etc/gshadow": "",
             "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\n", "var/lib/dpkg/status": "",
             "var/lib/dpkg/available": "", "etc/skel/.profile": "# skeleton\n"}
    return ([directory(name) for name in folders] + [directory("tmp", 0o1777)] +
            [link(name, "usr/" + name) for name in ("bin", "sbin", "lib", "lib64")] +
            [entry(name, text) for name, text in files.items()] +
            [entry("srv/site", "x", uid=33, gid=34), entry("srv/log", "x\n", uid=33, gid=34)] +
            [entry("srv/dir", type=tarfile.DIRTYPE, mode=0o755, uid=33, gid=34)] +
            list(copies("/etc/ld.so.cache", "/etc/login.defs", "/etc/pam.d", "/etc/security", "/etc/default/useradd",
                        "/etc/alternatives")))


def deb(path, name, entries, **scripts):
    """A package as dpkg-deb(1) would build it, whose entries may have any owner."""
    control = CONTROL.format(name)
    scripts = [entry("./" + key, text, mode=0o755) for key, text in scripts.items()]
    members = {"debian-binary": b"2.0\n", "control.tar.gz": gzip.compress(tar([entry("./control", control)] + scripts)),
               "data.tar.gz": gzip.compress(tar(entries))}
    with open(path, "wb") as archive:
        archive.write(b"!<arch>\n")
        for key, data in members.items():
            archive.write(f"{key:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
            archive.write(data + b"\n" * (len(data) % 2))


class OwnerCase(SandboxCase):
    def setUp(self):
        super().setUp()
        self.env["PATH"] = "/nowhere"  # no newuidmap: one id, also where the user has a range
        docker_archive(self.home + "/debian.tar", "debian:test", debian())
        self.ok("load", "-i", self.home + "/debian.tar")
        self.shared = self.home + "/shared"
        os.mkdir(self.shared)

    def run_debian(self, *words, options=(), **more):
        """Runs to the end; the container stays."""
        return self.sandbox("run", "--network", "none", "--name", "box", "-v", "/usr:/usr:ro",
                            "-v", f"{self.shared}:/shared", *options, "debian:test", *words, **more)

    def ok_debian(self, *words, **more):
        done = self.run_debian(*words, **more)
        self.assertEqual(done.returncode, 0, (words, done.stdout, done.stderr))
        return done.stdout

    def on_each_driver(self):
        """Options of run, for a loop whose container is gone at the next turn."""
        for driver in DRIVERS:
            self.remove_containers()
            yield ["--storage-driver", driver]

    def upper(self):
        return self.only_container() + "/upper"

    def record(self, path):
        """"33:34", or with a device "0:0 char-1-3"; None when there is none."""
        whole = f"{self.upper()}/{path}"
        status = os.lstat(whole)
        try:
            text = os.getxattr(whole, ATTRIBUTE, follow_symlinks=False).decode()
        except OSError:
            text = self.line_of(status.st_ino)
        if text is None:
            return None
        uid, gid, _, kind = text.split(":")
        return f"{uid}:{gid}" + (f" {kind}" if "-" in kind else "")

    def line_of(self, inode):
        found = None
        with open(self.only_container() + "/owners", encoding="ascii") as owners:
            for line in owners:
                number, _, record = line.split()
                if int(number) == inode:
                    found = record
        return found
