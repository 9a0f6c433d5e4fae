"""Indexes of images for several platforms: made, changed, sent, and read by others; all tags at once."""

import hashlib
import json
import pathlib
import subprocess
import sys
import unittest
import urllib.request

import registry_server
from image_archive import docker_archive, entry, tools
from registry_case import SUPPORT, RegistryCase

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class ManifestCase(RegistryCase):
    def setUp(self):
        super().setUp()
        self.server = f"127.0.0.1:{registry_server.start(self)}"
        subprocess.run([sys.executable, SUPPORT / "make_oci_layout.py", self.home + "/oci"], check=True)

    def skopeo(self, *words):
        command = ["skopeo", "--insecure-policy", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def fetch(self, name, tag, kind=INDEX):
        request = urllib.request.Request(f"http://{self.server}/v2/{name}/manifests/{tag}", headers={"Accept": kind})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def make(self, name, *layers):
        docker_archive(self.home + "/image.tar", name, *layers)
        self.ok("load", "-q", "-i", self.home + "/image.tar")


class Lists(ManifestCase):
    def test_a_list_is_made_annotated_sent_and_pulled(self):
        self.make("one:1", tools(), [entry("a", "1")])
        self.make("two:1", [entry("a", "2")])
        self.assertEqual(self.ok("manifest", "create", f"{self.server}/both:1", "one:1", "two:1"),
                         f"Created manifest list {self.server}/both:1\n")
        self.ok("manifest", "annotate", "--arch", "arm64", "--variant", "v8", f"{self.server}/both:1", "two:1")
        entries = json.loads(self.ok("manifest", "inspect", f"{self.server}/both:1"))["manifests"]
        self.assertEqual([found["platform"] for found in entries],
                         [{"architecture": "amd64", "os": "linux"},
                          {"architecture": "arm64", "os": "linux", "variant": "v8"}])
        digest = self.ok("manifest", "push", f"{self.server}/both:1").strip()
        body = self.fetch("both", "1")
        self.assertEqual("sha256:" + hashlib.sha256(body).hexdigest(), digest)
        self.assertEqual(json.loads(body)["mediaType"], INDEX)
        self.ok("manifest", "rm", f"{self.server}/both:1")
        self.assertIn("no such manifest list", self.sandbox("manifest", "rm", f"{self.server}/both:1").stderr)
        self.assertIn("is no index of images", self.sandbox("manifest", "rm", "one:1").stderr)
        self.assertEqual(json.loads(self.ok("manifest", "inspect", f"{self.server}/both:1"))["manifests"], entries)
        found = json.loads(self.skopeo("inspect", "--config", "--tls-verify=false", "--override-arch", "arm64",
                                       f"docker://{self.server}/both:1"))
        self.assertEqual(len(found["rootfs"]["diff_ids"]), 1)
        self.ok("rmi", "one:1", "two:1")
        self.assertEqual(self.ok("run", "--rm", f"{self.server}/both:1", "cat", "/a"), "1")

    def test_a_list_is_amended_only_when_that_is_said(self):
        self.make("one:1", [entry("a", "1")])
        self.make("two:1", [entry("a", "2")])
        self.ok("manifest", "create", "list", "one:1")
        self.assertIn("refusing to amend", self.sandbox("manifest", "create", "list", "two:1").stderr)
        self.ok("manifest", "create", "--amend", "list", "two:1", "one:1")
        self.assertEqual(len(json.loads(self.ok("manifest", "inspect", "list"))["manifests"]), 2)
        annotate = lambda *words: self.sandbox("manifest", "annotate", "--os", "linux", *words).stderr
        self.assertIn("is not in the index", annotate("list", "sha256:" + "0" * 64))
        self.assertIn("is no index of images", annotate("one:1", "two:1"))
        self.assertIn("connection refused", self.sandbox("manifest", "create", "new", "127.0.0.1:1/x").stderr)
        self.ok("rmi", "one:1", "two:1")
        self.assertEqual(self.ok("system", "fsck"), "")

    def test_an_index_goes_through_the_store_unchanged(self):
        self.ok("load", "-q", "-i", self.home + "/oci")
        self.ok("tag", "multi", "multi:2")
        self.ok("push", "multi:latest", f"{self.server}/multi:1")
        before = json.loads(self.skopeo("inspect", "--raw", f"oci:{self.home}/oci:multi"))
        self.assertEqual(json.loads(self.fetch("multi", "1")), before)
        self.ok("manifest", "create", "wide", "multi", "gzip")
        self.assertEqual(len(json.loads(self.ok("manifest", "inspect", "wide"))["manifests"]), 3)

    def test_all_tags_are_pulled(self):
        for tag in ("1", "2"):
            self.make(f"{self.server}/x:{tag}", [entry("a", tag)])
        self.ok("push", "-q", "-a", f"{self.server}/x")
        self.ok("rmi", f"{self.server}/x:1", f"{self.server}/x:2")
        shown = self.ok("pull", "-a", f"{self.server}/x")
        self.assertTrue(shown.endswith(f"\n{self.server}/x\n"), shown)
        self.assertEqual(len(self.ok("images", "-q", f"{self.server}/x").split()), 2)
        self.assertIn("tag can't be used with --all-tags/-a", self.sandbox("pull", "-a", f"{self.server}/x:1").stderr)
        self.assertEqual(self.sandbox("pull", "-a", f"{self.server}/nonesuch").returncode, 1)

    def test_a_list_of_tags_without_end_is_given_up(self):
        port, log = self.mock("endless-list")
        self.assertIn("Downloaded newer image", self.ok("pull", "-a", f"127.0.0.1:{port}/x"))
        paths = [line.split()[0] for line in log.read_text().splitlines()]
        self.assertLessEqual(sum("/tags/list" in path for path in paths), 200)
        self.assertEqual(paths.count("/v2/x/manifests/x"), 1)


class Places(ManifestCase):
    def test_images_go_to_places_and_come_back(self):
        self.make("one:1", tools(), [entry("a", "1")])
        digest = json.loads(self.ok("inspect", "one:1"))[0]["Descriptor"]["digest"]
        for place, back in ((f"oci:{self.home}/new:tag", "tag"), (f"oci-archive:{self.home}/a.tar:x/y:1", "x/y:1"),
                            (f"docker-archive:{self.home}/b.tar:x/z:2", "x/z:2"),
                            (f"docker://{self.server}/other:3", f"{self.server}/other:3")):
            self.ok("push", "one:1", place)
            if not place.startswith("docker://"):
                self.skopeo("inspect", place if place.startswith("oci:") else place.rsplit(":", 2)[0])
            shown = self.ok("pull", place).splitlines()[-1]
            self.assertIn(shown, (back, back + ":latest"), place)
            self.assertEqual(json.loads(self.ok("inspect", back))[0]["Descriptor"]["digest"], digest, place)
        self.assertIn("is for registries only", self.sandbox("pull", "-a", f"oci:{self.home}/new").stderr)

    def test_directories_as_skopeo_has_them(self):
        self.make("one:1", tools(), [entry("a", "1")])
        image = json.loads(self.ok("inspect", "one:1"))[0]
        for _ in range(2):
            self.ok("push", "one:1", f"dir:{self.home}/ours")
        self.skopeo("copy", "-q", f"dir:{self.home}/ours", f"dir:{self.home}/theirs")
        self.ok("rmi", "one:1")
        for place in ("ours", "theirs"):
            self.assertEqual(self.ok("pull", f"dir:{self.home}/{place}"), image["Id"] + "\n")
            self.assertEqual(json.loads(self.ok("inspect", image["Id"]))[0]["Descriptor"], image["Descriptor"])
        self.assertIn("is not empty and holds no image", self.sandbox("push", image["Id"], f"dir:{self.home}").stderr)

    def test_a_layout_keeps_what_it_holds(self):
        self.make("one:1", [entry("a", "1")])
        self.skopeo("copy", "-q", f"oci:{self.home}/oci:gzip", f"oci:{self.home}/mixed:theirs")
        for _ in range(2):
            self.ok("push", "one:1", f"oci:{self.home}/mixed:ours")
        with open(self.home + "/mixed/index.json", encoding="utf-8") as file:
            entries = json.load(file)["manifests"]
        names = [found["annotations"]["org.opencontainers.image.ref.name"] for found in entries]
        self.assertEqual(sorted(names), ["ours", "theirs"])
        self.assertIn("ours", subprocess.run(["umoci", "ls", "--layout", self.home + "/mixed"], check=True,
                                             capture_output=True, text=True).stdout)
        self.assertIn("holds no image 'nonesuch'", self.sandbox("pull", f"oci:{self.home}/mixed:nonesuch").stderr)
        self.assertIn("No such file", self.sandbox("pull", f"oci:{self.home}/nowhere").stderr)
        self.assertIn("names no path", self.sandbox("pull", "oci:").stderr)


class Artifacts(ManifestCase):
    """What is no container image: a signature of one, that nobody here knows the type of."""

    def blob(self, data):
        place = pathlib.Path(self.home + "/layout/blobs/sha256")
        place.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(data).hexdigest()
        (place / digest).write_bytes(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    def make_artifact(self, subject):
        """A layout with the artifact "sig" and another entry that has lost its blobs; the digest of "sig"."""
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/x-signature",
                    "config": {"mediaType": "application/vnd.oci.empty.v1+json", **self.blob(b"{}")},
                    "layers": [{"mediaType": "text/plain", **self.blob(b"signed")}],
                    "subject": subject, "annotations": {"by": "us"}}
        entries = [{"mediaType": MANIFEST, **self.blob(json.dumps(manifest, indent=2).encode()),
                    "annotations": {"org.opencontainers.image.ref.name": "sig"}},
                   {"mediaType": MANIFEST, "digest": "sha256:" + "0" * 64, "size": 2,
                    "annotations": {"org.opencontainers.image.ref.name": "lost"}}]
        layout = pathlib.Path(self.home + "/layout")
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
        return entries[0]["digest"]

    def referrers(self, *words):
        return json.loads(self.ok("manifest", "inspect", "--referrers", *words, f"{self.server}/x:1"))["manifests"]

    def test_an_artifact_goes_round_and_is_found_by_what_it_refers_to(self):
        self.make("x", [entry("a", "1")])
        self.ok("push", "-q", "x", f"{self.server}/x:1")
        body = self.fetch("x", "1", MANIFEST)
        subject = {"mediaType": MANIFEST, "digest": "sha256:" + hashlib.sha256(body).hexdigest(), "size": len(body)}
        digest = self.make_artifact(subject)
        self.assertEqual(self.sandbox("pull", f"oci:{self.home}/layout:lost").returncode, 1)
        self.assertEqual(self.ok("pull", f"oci:{self.home}/layout:sig"), "sig:latest\n")
        self.assertIn(digest, self.ok("images", "--no-trunc"))
        refused = self.sandbox("run", "--rm", "sig")
        self.assertEqual(refused.returncode, 125)
        self.assertIn("an artifact of the type application/x-signature", refused.stderr)
        self.assertEqual(self.referrers(), [])
        for _ in range(2):
            self.ok("push", "-q", "sig", f"{self.server}/x:sig")
        self.assertEqual(self.referrers(), [{"mediaType": MANIFEST, "digest": digest, "size": self.size_of(digest),
                                             "artifactType": "application/x-signature", "annotations": {"by": "us"}}])
        self.assertEqual(len(self.referrers("--artifact-type", "application/x-signature")), 1)
        self.assertEqual(self.referrers("--artifact-type", "application/x-other"), [])
        self.assertEqual(self.ok("system", "fsck", "--full"), "")
        self.ok("rmi", "sig")
        self.ok("pull", "-q", f"{self.server}/x:sig")
        self.ok("save", "-o", self.home + "/saved.tar", f"{self.server}/x:sig")
        self.ok("rmi", f"{self.server}/x:sig")
        self.ok("load", "-q", "-i", self.home + "/saved.tar")
        self.ok("push", f"{self.server}/x:sig", f"oci:{self.home}/back:sig")
        blobs = lambda root: {file.name: file.read_bytes() for file in pathlib.Path(root).glob("blobs/sha256/*")}
        self.assertEqual(blobs(self.home + "/back"), blobs(self.home + "/layout"))
        self.ok("rmi", f"{self.server}/x:sig", "x")
        self.assertEqual(blobs(self.data + "/images"), {})

    def size_of(self, digest):
        return pathlib.Path(self.home, "layout/blobs/sha256", digest[7:]).stat().st_size

    def test_annotations_are_kept_and_added(self):
        self.make("one:1", [entry("a", "1")])
        self.ok("manifest", "create", "both", "one:1")
        self.ok("manifest", "annotate", "--annotation", "a=b=c", "--annotation", "d=", "both", "one:1")
        self.ok("manifest", "annotate", "--index", "--annotation", "of=all", "both")
        self.ok("manifest", "create", "--amend", "both", "one:1")
        shown = json.loads(self.ok("manifest", "inspect", "both"))
        self.assertEqual(shown["annotations"], {"of": "all"})
        self.ok("manifest", "annotate", "--annotation", "a=b=c", "--annotation", "d=", "both", "one:1")
        shown = json.loads(self.ok("manifest", "inspect", "both"))
        self.assertEqual(shown["manifests"][0]["annotations"], {"a": "b=c", "d": ""})
        for words in (("both",), ("--index", "both", "one:1"), ("--annotation", "=x", "both", "one:1"),
                      ("--index", "--arch", "arm64", "both")):
            self.assertEqual(self.sandbox("manifest", "annotate", *words).returncode, 1, words)


if __name__ == "__main__":
    unittest.main(verbosity=2)
