"""An image pulled from a registry looks, file by file, like what skopeo and umoci unpack.

With a range of ids both unpack the true owners, and the merged trees are compared inside a namespace with that range.
With one id umoci would be no judge of owners: there owners.json is compared with what the archives say.
"""

import json
import os
import pathlib
import subprocess
import tarfile
import unittest

import registry_server
from image_archive import docker_archive, entry
from sandbox_case import SandboxCase, has_range

# Prints what a tree is made of; hard links as groups of names.
LIST = r"""
import hashlib, json, os, stat, sys
root, found, links = sys.argv[1].encode(), {}, {}
for directory, folders, files in os.walk(root):
    for name in [b"."] + folders + files:
        path = os.path.join(directory, name)
        s = os.lstat(path)
        key = os.path.relpath(path, root).decode("utf-8", "surrogateescape")
        kind = stat.S_IFMT(s.st_mode)
        entry = [oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns]
        if kind == stat.S_IFREG:
            with open(path, "rb") as file:
                entry.append(hashlib.sha256(file.read()).hexdigest())
            links.setdefault((s.st_dev, s.st_ino), []).append(key)
        if kind == stat.S_IFLNK:
            entry.append(os.readlink(path).decode("utf-8", "surrogateescape"))
        else:
            entry.append({n: os.getxattr(path, n).hex() for n in os.listxattr(path, follow_symlinks=False)
                          if n.startswith(("user.", "security.cap"))
                          and not n.startswith(("user.overlay.", "user.rootlesscontainers", "user.containers."))})
        found[key] = entry
found["hard links"] = sorted(sorted(names) for names in links.values() if len(names) > 1)
json.dump(found, sys.stdout)
"""


def made(name, kind=tarfile.REGTYPE, content=b"", mode=0o644, owner=(0, 0), mtime=1_000_000_000.5, link="", xattrs=()):
    return entry(name, content, type=kind, mode=mode, uid=owner[0], gid=owner[1], mtime=mtime, linkname=link,
                 pax_headers={"SCHILY.xattr." + key: value for key, value in xattrs})


DIR, LINK, HARD, FIFO = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE
BOTTOM = [
    made("etc", DIR, mode=0o755), made("etc/shadow", content=b"secret", mode=0o640, owner=(0, 42)),
    made("etc/gone", content=b"x"), made("etc/replaced", content=b"old"),
    made("bin", DIR, mode=0o755), made("bin/su", content=b"#!", mode=0o4755), made("bin/wall", content=b"w", mode=0o2755, owner=(0, 5)),
    made("bin/ping", content=b"p", mode=0o755, xattrs=[("security.capability", "\1\0\0\2\0\x20" + "\0" * 14)]),
    made("bin/su2", HARD, link="bin/su"), made("bin/up", LINK, link="../etc/shadow", owner=(7, 8), mtime=900_000_000),
    made("home", DIR, mode=0o755), made("home/ann", DIR, mode=0o700, owner=(1000, 1000), mtime=800_000_000.25),
    made("home/ann/note", content=b"hi", mode=0o600, owner=(1000, 1000), xattrs=[("user.tag", "value")]),
    made("tmp", DIR, mode=0o1777), made("run", DIR, mode=0o755), made("run/pipe", FIFO, mode=0o620, owner=(0, 5)),
    made("opaque", DIR, mode=0o755), made("opaque/below", content=b"b"), made("srv", DIR, mode=0o2775, owner=(33, 33)),
    made("big", content=b"z" * 3_000_000), made("name with \u00e4 and space", content=b"n"),
]
TOP = [
    made("etc/.wh.gone"), made("etc/replaced", content=b"new", mode=0o600, owner=(65533, 65533)),
    made("opaque", DIR, mode=0o711, owner=(3, 4)), made("opaque/.wh..wh..opq"), made("opaque/above", content=b"a"),
    made("usr", DIR, mode=0o755), made("usr/deep", DIR, mode=0o555), made("usr/deep/er", content=b"", mode=0o444),
]


class Faithful(SandboxCase):
    def setUp(self):
        super().setUp()
        self.namespace = ["--map-auto", "--map-root-user"] if has_range() else ["--map-root-user"]
        self.image = f"127.0.0.1:{registry_server.start(self)}/some/image:tag"
        archive = self.home + "/image.tar"
        docker_archive(archive, "localhost/some/image:tag", BOTTOM, TOP, Cmd=["/bin/su"])
        self.run_ok("skopeo", "--insecure-policy", "copy", "--format", "oci", "--dest-tls-verify=false",
                    "docker-archive:" + archive, "docker://" + self.image)
        self.ok("pull", self.image)
        self.lower = json.loads(self.ok("run", "--print-plan", self.image))["root"]["lower"]

    def tearDown(self):
        self.ok("rmi", "-f", self.image)
        self.assertEqual(os.listdir(self.data + "/layers"), [])
        self.run_ok("unshare", *self.namespace, "rm", "-rf", self.home + "/bundle")  # of other owners, or closed to us
        super().tearDown()

    def run_ok(self, *words):
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done.stdout

    def merged(self):
        """What a mount of our layers shows, from inside a new namespace."""
        os.mkdir(self.home + "/merged")
        script = 'mount -t overlay -o "userxattr,lowerdir=$1" overlay "$2" && exec python3 -c "$3" "$2"'
        return json.loads(self.run_ok("unshare", *self.namespace, "-m", "sh", "-c", script, "sh", ":".join(self.lower),
                                      self.home + "/merged", LIST))

    def test_the_tree_is_that_of_skopeo_and_umoci(self):
        self.run_ok("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "docker://" + self.image, f"oci:{self.home}/copy:x")
        rootless = [] if has_range() else ["--rootless"]
        self.run_ok("unshare", *self.namespace, "umoci", "unpack", *rootless, "--image", self.home + "/copy:x", self.home + "/bundle")
        theirs = json.loads(self.run_ok("unshare", *self.namespace, "python3", "-c", LIST, self.home + "/bundle/rootfs"))
        ours = self.merged()
        for tree in (ours, theirs):
            del tree["."]  # no archive names the root directory
        if not has_range():
            # On disk the user's own: set-ID bits and capabilities are recorded (see below), and nothing is closed to
            # their owner.
            for tree in (ours, theirs):
                for name, value in tree.items():
                    if name != "hard links":
                        value[0] = oct(int(value[0], 8) & ~0o6000 | 0o600)
                        if isinstance(value[-1], dict):
                            value[-1].pop("security.capability", None)
        self.assertEqual(sorted(ours), sorted(theirs))
        for name in theirs:
            self.assertEqual(ours[name], theirs[name], name)
        self.assertEqual(ours["hard links"], [["bin/su", "bin/su2"]])

    def test_with_one_id_every_owner_and_mode_is_on_record(self):
        if has_range():
            self.assertTrue(self.lower[0].endswith(".ids/fs"))
            return
        for layer, entries in zip(reversed(self.lower), (BOTTOM, TOP)):
            records = json.loads(pathlib.Path(layer).parent.joinpath("owners.json").read_text())
            for info, _ in entries:
                if ".wh." in info.name or info.islnk():
                    continue
                path = os.path.join(layer, info.name)
                known = records.get(info.name, [0, 0, os.lstat(path).st_mode & 0o7777])
                mode = known[2] if not info.issym() else info.mode
                self.assertEqual((known[0], known[1], mode), (info.uid, info.gid, info.mode), info.name)
                if info.name == "bin/ping":
                    self.assertEqual(known[3], {"capability": "0100000200200000" + "00" * 12})

    def test_skopeo_reads_the_store_in_place(self):
        shown = json.loads(self.run_ok("skopeo", "inspect", f"oci:{self.home}/data/images:{self.image}"))
        self.assertEqual(len(shown["Layers"]), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
