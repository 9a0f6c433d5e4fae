"""Tests of sandbox/shipped/pack_busybox.py with the busybox of this machine."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest

PACKER = pathlib.Path(__file__).resolve().parents[3] / "sandbox/shipped/pack_busybox.py"
BUSYBOX = pathlib.Path("/bin/busybox")


class PackBusybox(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.store = pathlib.Path(self.temporary.name) / "store"

    def pack(self, output, program=BUSYBOX):
        return subprocess.run([sys.executable, PACKER, program, output], capture_output=True, text=True)

    def blob(self, descriptor):
        content = (self.store / "images/blobs/sha256" / descriptor["digest"].removeprefix("sha256:")).read_bytes()
        self.assertEqual(descriptor["digest"], "sha256:" + hashlib.sha256(content).hexdigest())
        self.assertEqual(descriptor["size"], len(content))
        return content

    def test_the_same_busybox_gives_the_same_image(self):
        other = self.store.with_name("other")
        self.assertEqual(0, self.pack(self.store).returncode)
        self.assertEqual(0, self.pack(other).returncode)
        self.assertEqual((self.store / "images/index.json").read_bytes(), (other / "images/index.json").read_bytes())

    def test_packing_again_replaces_the_store(self):
        self.assertEqual(0, self.pack(self.store).returncode)
        (self.store / "stale").write_text("")
        self.assertEqual(0, self.pack(self.store).returncode)
        self.assertEqual(["images", "layers"], sorted(os.listdir(self.store)))

    def test_blobs_match_their_descriptors_and_the_unpacked_layer_matches_the_tar(self):
        self.assertEqual(0, self.pack(self.store).returncode)
        index = json.loads((self.store / "images/index.json").read_bytes())
        manifest = json.loads(self.blob(index["manifests"][0]))
        config = json.loads(self.blob(manifest["config"]))
        layer = manifest["layers"][0]
        self.blob(layer)
        self.assertEqual([layer["digest"]], config["rootfs"]["diff_ids"])
        self.assertEqual("docker.io/library/busybox:latest",
                         index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"])

        hexadecimal = layer["digest"].removeprefix("sha256:")
        root = self.store / "layers" / hexadecimal / "fs"
        with tarfile.open(self.store / "images/blobs/sha256" / hexadecimal) as archive:
            members = archive.getmembers()
        unpacked = {path.relative_to(root).as_posix() for path in root.rglob("*")}
        self.assertEqual({member.name for member in members}, unpacked)
        for member in members:
            status = (root / member.name).lstat()
            self.assertEqual((member.mode if not member.issym() else 0o777), status.st_mode & 0o7777, member.name)
            self.assertEqual(0, int(status.st_mtime), member.name)

    def test_the_shell_is_a_link_to_busybox(self):
        self.assertEqual(0, self.pack(self.store).returncode)
        shell = next((self.store / "layers").glob("*/fs/bin/sh"))
        self.assertEqual("busybox", os.readlink(shell))

    def test_a_dynamically_linked_program_is_refused(self):
        result = self.pack(self.store, pathlib.Path(sys.executable).resolve())
        self.assertEqual(1, result.returncode)
        self.assertIn("not a statically linked", result.stderr)
        self.assertFalse(self.store.exists())


if __name__ == "__main__":
    unittest.main()
