"""Images go round the circle of registries, archives, layouts and others' tools, and stay what they were: the same
blobs and the same digest, whatever is in their layers."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile
import unittest

import registry_server
from image_archive import directory, entry, link, tools
from registry_case import RegistryCase
from sandbox_case import has_range

OCI = "application/vnd.oci.image."
NOBODY = b"\xff\xff\xff\xff"  # the id of an entry that has none (acl(5), as the kernel stores it)
ACL = (b"\2\0\0\0\1\0\6\0" + NOBODY + b"\2\0\4\0\xe8\3\0\0\4\0\4\0" + NOBODY + b"\x10\0\4\0" + NOBODY +
       b"\x20\0\0\0" + NOBODY).decode("utf-8", "surrogateescape")
CAPABILITY = "\1\0\0\2\0\x20" + "\0" * 14
KINDS = tools("stat") + [
    directory("d"), entry("d/one", "1", mtime=1234567890, pax_headers={"mtime": "1234567890.123456789"}),
    entry("d/two", type=tarfile.LNKTYPE, linkname="d/one"), link("d/up", "../d/one"), link("d/nowhere", "/\u00e4"),
    entry("d/pipe", type=tarfile.FIFOTYPE, mode=0o620), entry("d/before-1970", "b", mtime=-86400),
    entry("d/after-2106", "a", mtime=2**33), entry("d/" + "n" * 255, "long"),
    entry("d/" + "\u00e4" * 127 + "x", "umlauts"),
    entry("d/\udcff\udcfe", "no UTF-8"), entry("d/other", "o", uid=2**31 + 7, gid=2**32 - 3),
    entry("d/tagged", "t", pax_headers={"SCHILY.xattr.user.tag": "a\nb"}),
    entry("d/listed", "l", pax_headers={"SCHILY.xattr.system.posix_acl_access": ACL}),
    entry("d/half", "h", pax_headers={"mtime": "-1.5"}),
    entry("d/kept", "k", uid=7, mode=0o640,
          pax_headers={"SCHILY.acl.access": "user::rw-,user:1000:r--,group::r--,mask::r--,other::---"}),
    entry("d/able", "c", pax_headers={"SCHILY.xattr.security.capability": CAPABILITY}),
]
GONE = [entry("d/.wh.listed"), directory("e"), entry("e/.wh..wh..opq")]


def packed(entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class CircleCase(RegistryCase):
    def setUp(self):
        super().setUp()
        self.server = f"127.0.0.1:{registry_server.start(self)}"
        self.layout = pathlib.Path(self.home + "/layout")
        (self.layout / "blobs/sha256").mkdir(parents=True)
        (self.layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data, kind):
        digest = hashlib.sha256(data).hexdigest()
        (self.layout / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": OCI + kind, "digest": "sha256:" + digest, "size": len(data)}

    def make(self, *layers):
        """An image of these archives, "image" of the layout; its digest. It has members that nobody knows."""
        diff_ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]}, "x-unknown": [1.5, None],
                  "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "annotations": {"of": "\u00e4"},
                    "config": self.blob(json.dumps(config, indent=3).encode(), "config.v1+json"),
                    "layers": [self.blob(gzip.compress(layer, mtime=0), "layer.v1.tar+gzip") for layer in layers]}
        top = self.blob(json.dumps(manifest, indent=1).encode(), "manifest.v1+json")
        named = {**top, "annotations": {"org.opencontainers.image.ref.name": "image"}}
        (self.layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
        return top["digest"]

    def skopeo(self, *words):
        done = subprocess.run(["skopeo", "--insecure-policy", *words], capture_output=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def in_registry(self, name):
        manifest = self.skopeo("inspect", "--raw", "--tls-verify=false", "docker://" + name)
        return "sha256:" + hashlib.sha256(manifest).hexdigest()

    def go_round(self, digest):
        first, second = f"{self.server}/first:1", f"{self.server}/second/x:2"
        archive = self.home + "/saved.tar"
        self.skopeo("copy", "-q", "--dest-tls-verify=false", f"oci:{self.layout}:image", "docker://" + first)
        self.ok("pull", "-q", first)
        self.ok("save", "-o", archive, first)
        self.ok("rmi", first)
        self.ok("load", "-q", "-i", archive)
        self.ok("tag", first, second)
        self.ok("push", "-q", second)
        self.assertEqual(self.in_registry(second), digest)
        self.ok("rmi", first, second)
        self.ok("pull", "-q", second)
        self.ok("push", second, f"oci:{self.home}/ours:image")
        self.skopeo("copy", "-q", f"oci:{self.home}/ours:image", f"oci-archive:{self.home}/theirs.tar:image")
        self.ok("rmi", second)
        self.assertEqual(self.ok("pull", f"oci-archive:{self.home}/theirs.tar"), "image:latest\n")
        self.ok("push", "-q", "image", f"docker://{self.server}/third:3")
        self.assertEqual(self.in_registry(f"{self.server}/third:3"), digest)
        self.skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{self.server}/third:3",
                    f"oci:{self.home}/back:image")
        blobs = lambda root: {file.name: file.read_bytes() for file in (pathlib.Path(root) / "blobs/sha256").iterdir()}
        self.assertEqual(blobs(self.home + "/back"), blobs(self.layout))
        self.assertEqual(self.ok("system", "fsck", "--full"), "")
        return "image:latest"


class Circle(CircleCase):
    def sparse_layer(self):
        """5 GiB of nothing and a word."""
        with open(self.home + "/hole", "wb") as file:
            file.seek(5 << 30)
            file.write(b"end")
        return subprocess.run(["tar", "-C", self.home, "--format=pax", "--owner=0", "--group=0", "-Sc", "hole"],
                              check=True, capture_output=True).stdout

    def test_every_kind_of_entry(self):
        image = self.go_round(self.make(packed(KINDS), packed(GONE), self.sparse_layer()))
        shown = self.ok("run", "--rm", image, "sh", "-c",
                        "cd d; stat -c '%Y %F %h' one two pipe before-1970 after-2106;"
                        "cat nnn* *x $(printf '\\377\\376'); echo; readlink nowhere; ls | grep -c listed;"
                        "stat -c %s /hole; tail -c 3 /hole; test $(du -k /hole | cut -f1) -lt 1000 && echo sparse")
        self.assertEqual(shown.splitlines(), [
            *["1234567890 regular file 2"] * 2, "0 fifo 1", "-86400 regular file 1", "8589934592 regular file 1",
            "longumlautsno UTF-8", "/\u00e4", "0", f"{(5 << 30) + 3}", "endsparse"])
        records = {}
        for file in pathlib.Path(self.data).glob("layers/*/owners.json"):
            records.update(json.loads(file.read_text()))
        self.assertEqual(records["d/other"][:2], [2**31 + 7, 2**32 - 3])
        half, = pathlib.Path(self.data).glob("layers/*/fs/d/half")
        self.assertEqual(half.stat().st_mtime_ns, -1_500_000_000)

    @unittest.skipUnless(has_range(), "with one id, lists would name other users of this machine")
    def test_access_lists_are_on_disk_and_stay_with_what_a_container_changes(self):
        self.make(packed(KINDS))
        self.assertEqual(self.ok("pull", f"oci:{self.layout}:image"), "image:latest\n")
        self.ok("run", "--name", "box", "image", "sh", "-c", "echo more >>/d/kept; echo more >>/d/listed")
        fs, = pathlib.Path(self.data).glob("layers/*/fs")
        self.assertEqual(os.listxattr(fs / "d/kept"), ["system.posix_acl_access"])
        self.assertEqual(len(os.getxattr(fs / "d/listed", "system.posix_acl_access")), len(ACL.encode("utf-8", "surrogateescape")))
        self.ok("commit", "box", "changed")
        self.ok("push", "changed", f"oci:{self.home}/changed:image")
        found = {}
        for blob in pathlib.Path(self.home + "/changed/blobs/sha256").iterdir():
            if blob.read_bytes()[:2] != b"\x1f\x8b":
                continue
            with tarfile.open(blob, errors="surrogateescape") as archive:
                found.update({info.name: info.pax_headers for info in archive if "posix_acl" in str(info.pax_headers)})
        key = "SCHILY.xattr.system.posix_acl_access"
        for name in ("d/kept", "d/listed"):
            self.assertEqual(found[name][key], ACL, name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
