"""Digests by sha512: what others have named so is pulled, kept, checked and given back as it is."""

import hashlib
import json
import os
import pathlib
import unittest

from circle_test import CircleCase, packed
from image_archive import entry, tools

OCI = "application/vnd.oci.image."


class Digests(CircleCase):
    """Manifest, config, layers and diff ids all have sha512, and so has an index around them."""

    def setUp(self):
        super().setUp()
        self.algorithm = "sha512"
        (self.layout / "blobs/sha512").mkdir()

    def blob(self, data, kind):
        digest = hashlib.new(self.algorithm, data).hexdigest()
        (self.layout / "blobs" / self.algorithm / digest).write_bytes(data)
        return {"mediaType": OCI + kind, "digest": f"{self.algorithm}:{digest}", "size": len(data)}

    def make_layers(self):
        layers = packed(tools("stat")), packed([entry("word", "sha512")])
        diff_ids = [f"{self.algorithm}:{hashlib.new(self.algorithm, layer).hexdigest()}" for layer in layers]
        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["cat", "/word"]},
                  "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        return {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                "config": self.blob(json.dumps(config).encode(), "config.v1+json"),
                "layers": [self.blob(layer, "layer.v1.tar") for layer in layers]}

    def name(self, top):
        named = {**top, "annotations": {"org.opencontainers.image.ref.name": "image"}}
        (self.layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
        return top["digest"]

    def make_image(self):
        manifest = self.blob(json.dumps(self.make_layers()).encode(), "manifest.v1+json")
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json",
                 "manifests": [{**manifest, "platform": {"os": "linux", "architecture": "amd64"}}]}
        self.name(self.blob(json.dumps(index).encode(), "index.v1+json"))
        return manifest["digest"]

    def files(self, root):
        return {file.name: file.read_bytes() for file in pathlib.Path(root).glob("blobs/sha512/*")}

    def test_from_place_to_place_with_the_same_digests(self):
        digest = self.make_image()
        self.assertEqual(self.ok("pull", f"oci:{self.layout}:image"), "image:latest\n")
        self.assertEqual(self.ok("run", "--rm", "image"), "sha512")
        shown, = json.loads(self.ok("inspect", "image"))
        self.assertEqual(self.ok("images", "-q", "image"), shown["Id"][7:19] + "\n")
        self.assertTrue(shown["Id"].startswith("sha512:"), shown["Id"])
        self.assertEqual(self.ok("inspect", "-f", "{{.Id}}", shown["Id"]).strip(), shown["Id"])
        self.assertEqual(self.ok("system", "fsck", "--full"), "")
        self.ok("save", "-o", self.home + "/image.tar", "image")
        self.ok("rmi", "image")
        self.assertEqual(self.files(self.data + "/images"), {})
        self.assertEqual(os.listdir(self.data + "/layers"), [])
        self.ok("load", "-q", "-i", self.home + "/image.tar")
        self.ok("push", "image", f"oci:{self.home}/ours:image")
        self.assertEqual(self.files(self.home + "/ours"), self.files(self.layout))
        self.ok("push", "image", f"dir:{self.home}/directory")
        self.assertIn("Loaded image", self.ok("load", "-i", self.home + "/directory"))
        self.assertEqual(self.ok("run", "--rm", "image"), "sha512")
        port, _ = self.mock("ok", server="upload_registry.py")
        name = f"127.0.0.1:{port}/x"
        self.ok("pull", f"oci:{self.layout}:image")
        self.ok("tag", "image", name + ":1")
        self.ok("push", name + ":1")
        self.ok("rmi", "-f", "image", name + ":1")
        self.ok("image", "prune", "-af")
        self.assertEqual(self.files(self.data + "/images"), {})
        self.ok("pull", f"{name}@{digest}")
        self.assertEqual(self.ok("run", "--rm", f"{name}@{digest}"), "sha512")
        self.assertIn(digest, self.ok("images", "--digests", "--format", "{{.Digest}}").split())
        self.assertEqual(self.ok("system", "fsck", "--full"), "")

    def test_a_registry_that_knows_manifests_by_sha256_alone(self):
        layers = self.make_layers()
        self.algorithm = "sha256"
        digest = self.name(self.blob(json.dumps(layers).encode(), "manifest.v1+json"))
        name = self.server + "/x:1"
        self.ok("pull", f"oci:{self.layout}:image")
        self.ok("tag", "image", name)
        self.assertIn(f"1: digest: {digest} ", self.ok("push", name))
        self.ok("rmi", "-f", "image", name)
        self.ok("pull", name)
        self.assertEqual(self.ok("run", "--rm", name), "sha512")
        self.assertEqual(self.in_registry(name), digest)

    def test_a_lie_is_refused(self):
        for mode, reason in (("wrong-digest", "blob sha512:"), ("short", "bytes, not the"),
                             ("wrong-diff-id", "instead of sha512:")):
            port, log = self.mock(mode, "--algorithm", "sha512")
            self.refused(f"127.0.0.1:{port}/x", reason=reason)
            self.assertIn("/blobs/sha512:", log.read_text())
        port, _ = self.mock("ok", "--algorithm", "sha512")
        self.ok("pull", f"127.0.0.1:{port}/x")
        wrong = "sha512:" + "0" * 128
        self.refused(f"127.0.0.1:{port}/x@{wrong}", reason=f"manifest {wrong} has the digest sha512:")

    def test_damage_is_found(self):
        self.make_image()
        self.ok("pull", f"oci:{self.layout}:image")
        blob = max(pathlib.Path(self.data + "/images/blobs/sha512").iterdir(), key=lambda file: file.stat().st_size)
        blob.write_bytes(b"damaged")
        self.assertIn(f"blob {blob.name}: has the digest sha512:", self.sandbox("system", "fsck").stdout)
        self.sandbox("system", "fsck", "--repair")
        self.assertEqual(self.ok("system", "fsck"), "")
        self.assertEqual(self.ok("images", "-q", "image"), "")
        file = pathlib.Path(max((self.layout / "blobs/sha512").iterdir(), key=lambda file: file.stat().st_size))
        file.write_bytes(b"damaged")
        self.assertIn("has digest sha512:", self.sandbox("pull", f"oci:{self.layout}:image").stderr)

    def test_another_algorithm_is_named(self):
        self.name({"mediaType": OCI + "manifest.v1+json", "digest": "sha384:" + "a" * 96, "size": 5})
        for words in (("pull", f"oci:{self.layout}:image"), ("pull", f"{self.server}/x@sha384:{'a' * 96}")):
            self.assertIn("has an unknown algorithm: sha256 and sha512 are known", self.sandbox(*words).stderr, words)


if __name__ == "__main__":
    unittest.main(verbosity=2)
