"""Archives of images: the same bytes each time, read by others, and loaded with the digests that the images had."""

import bz2
import functools
import hashlib
import http.server
import json
import lzma
import os
import pathlib
import pty
import subprocess
import sys
import tarfile
import threading
import unittest

import registry_server
from image_archive import docker_archive, entry, tar, tools
from registry_case import SUPPORT, RegistryCase
from sandbox_case import SANDBOX


class SaveCase(RegistryCase):
    def setUp(self):
        super().setUp()
        self.file = self.home + "/saved.tar"

    def make(self, name, *layers, **config):
        docker_archive(self.home + "/image.tar", name, *layers, **config)
        self.ok("load", "-i", self.home + "/image.tar")

    def layout(self):
        """OCI images, gzip, zstd and an index of two, in a directory."""
        subprocess.run([sys.executable, SUPPORT / "make_oci_layout.py", self.home + "/oci"], check=True)
        return self.home + "/oci"

    def digest_of(self, name):
        return json.loads(self.ok("inspect", name))[0]["Descriptor"]["digest"]

    def index(self):
        """What index.json of the store says, by name."""
        with open(self.data + "/images/index.json", encoding="utf-8") as file:
            entries = json.load(file)["manifests"]
        return {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries}

    def top(self, name):
        for found in json.loads(pathlib.Path(self.home + "/oci/index.json").read_text())["manifests"]:
            if found["annotations"]["org.opencontainers.image.ref.name"] == name:
                return found["digest"]
        return None

    def forget(self, *names):
        self.ok("rmi", "-f", *names)


class Saved(SaveCase):
    def test_what_is_loaded_has_the_digests_that_were_saved(self):
        loaded = self.ok("load", "-i", self.layout())
        self.assertEqual(loaded, "".join(f"Loaded image: {name}:latest\n" for name in ("gzip", "zstd", "multi")))
        before = self.index()
        self.assertEqual(before["docker.io/library/multi:latest"], self.top("multi"))
        self.ok("save", "-o", self.file, "gzip", "zstd:latest", "multi")
        self.forget("gzip", "zstd", "multi")
        self.assertEqual(self.ok("load", "-i", self.file), loaded)
        self.assertEqual(self.index(), before)
        self.assertEqual(self.ok("system", "fsck"), "")

    def test_an_archive_may_be_compressed(self):
        self.make("a:1", [entry("x", "1" * 100_000)])
        before = self.index()
        for word, magic in (("gzip", b"\x1f\x8b"), ("zstd", b"\x28\xb5\x2f\xfd"), ("none", b"blobs/")):
            self.ok("save", "--compression", word, "-o", self.file, "a:1")
            self.assertTrue(pathlib.Path(self.file).read_bytes().startswith(magic))
            self.forget("a:1")
            self.ok("load", "-i", self.file)
            self.assertEqual(self.index(), before)

    def test_the_same_images_give_the_same_bytes(self):
        self.make("a:1", [entry("x", "1")])
        self.make("a:2", [entry("x", "1")], [entry("y", "2")])
        files = [f"{self.home}/{i}.tar" for i in range(3)]
        self.ok("save", "-o", files[0], "a:1", "a:2")
        with open(files[1], "wb") as out:
            subprocess.run([SANDBOX, "save", "a"], env=self.env, stdout=out, check=True)
        self.forget("a:1", "a:2")
        self.ok("load", "-i", files[1])
        self.ok("save", "-o", files[2], "a:1", "a:2")
        contents = {pathlib.Path(file).read_bytes() for file in files}
        self.assertEqual(len(contents), 1)
        with tarfile.open(files[0]) as archive:
            names = archive.getnames()
            self.assertEqual(len(names), len(set(names)))
            self.assertEqual(names[:2] + names[-4:], ["blobs", "blobs/sha256", "index.json", "manifest.json", "oci-layout",
                                                      "repositories"])
            self.assertTrue(all(member.mtime == 0 and member.uid == 0 for member in archive))
            documents = {name: json.load(archive.extractfile(name)) for name in names[-4:]}
            for found in documents["manifest.json"]:
                for name in (found["Config"], *found["Layers"]):
                    self.assertEqual(hashlib.sha256(archive.extractfile(name).read()).hexdigest(), name.split("/")[-1])
        self.assertEqual([found["RepoTags"] for found in documents["manifest.json"]], [["a:1"], ["a:2"]])
        self.assertEqual(documents["index.json"]["manifests"][0]["annotations"],
                         {"io.containerd.image.name": "docker.io/library/a:1", "org.opencontainers.image.ref.name": "1"})

    def test_a_push_of_what_was_loaded_has_the_same_digest(self):
        registry = f"127.0.0.1:{registry_server.start(self)}"
        for kind in ("oci", "v2s2"):
            name = f"{registry}/{kind}:1"
            layout = self.layout() if kind == "oci" else self.home + "/oci"
            subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--format", kind,
                            f"oci:{layout}:gzip", "docker://" + name], check=True)
            self.ok("pull", name)
            digest = self.digest_of(name)
            self.ok("save", "-o", self.file, name)
            self.forget(name)
            self.assertEqual(self.ok("load", "-q", "-i", self.file), "")
            self.ok("tag", name, f"{registry}/again/{kind}:1")
            self.assertIn(f"1: digest: {digest} ", self.ok("push", f"{registry}/again/{kind}:1"))

    def test_an_image_without_a_name_is_saved_by_its_id(self):
        self.make("a:1", [entry("x", "1")])
        identity = json.loads(self.ok("inspect", "a:1"))[0]["Id"]
        self.ok("save", "-o", self.file, identity[7:19])
        self.forget("a:1")
        self.assertEqual(self.ok("load", "-i", self.file), f"Loaded image ID: {identity}\n")

    def test_what_can_not_be_saved_leaves_no_file(self):
        self.make("a:1", [entry("x", "1")])
        for words, reason in ((("nonesuch",), "No such image: nonesuch:latest"), (("a:1", "b"), "No such image: b:latest"),
                              (("--compression", "xz", "a:1"), "invalid compression 'xz'")):
            done = self.sandbox("save", "-o", self.file, *words)
            self.assertEqual(done.returncode, 1)
            self.assertIn(reason, done.stderr)
        layer = max(pathlib.Path(self.data + "/images/blobs/sha256").iterdir(), key=lambda file: file.stat().st_size)
        layer.unlink()
        self.assertIn(f"blob sha256:{layer.name} is missing", self.sandbox("save", "-o", self.file, "a:1").stderr)
        self.assertEqual([name for name in os.listdir(self.home) if name.startswith("saved.tar")], [])
        self.assertIn("No such file or directory", self.sandbox("save", "-o", self.home + "/no/dir", "a:1").stderr)
        self.assertIn("No space left", self.sandbox("save", "-o", "/dev/full", "busybox").stderr)

    def test_a_terminal_gets_no_archive(self):
        self.make("a:1", [entry("x", "1")])
        terminal, end = pty.openpty()
        client = self.client("save", "a:1", stdout=end, stderr=subprocess.PIPE, text=True)
        _, errors = client.communicate(timeout=20)
        os.close(end)
        os.close(terminal)
        self.assertIn("cowardly refusing to save to a terminal", errors)
        self.assertEqual(client.returncode, 1)


class Others(SaveCase):
    def skopeo(self, *words):
        return subprocess.run(["skopeo", "--insecure-policy", *words], env=self.env, check=True, capture_output=True, text=True).stdout

    def test_others_read_what_we_save(self):
        self.make("docker.io/group/tools:1", tools(), [entry("a", "1")])
        image = json.loads(self.ok("inspect", "group/tools:1"))[0]
        self.ok("save", "-o", self.file, "group/tools:1")
        for place in (f"docker-archive:{self.file}", f"oci-archive:{self.file}"):
            found = json.loads(self.skopeo("inspect", "--config", place))
            self.assertEqual(found["rootfs"]["diff_ids"], image["RootFS"]["Layers"])
        self.assertEqual(json.loads(self.skopeo("inspect", f"oci-archive:{self.file}"))["Digest"], image["Descriptor"]["digest"])
        os.mkdir(self.home + "/layout")
        subprocess.run(["tar", "-xf", self.file, "-C", self.home + "/layout"], check=True)
        self.assertIn("1", subprocess.run(["umoci", "ls", "--layout", self.home + "/layout"], check=True, capture_output=True,
                                          text=True).stdout.split())
        self.ok("load", "-i", self.home + "/layout")
        self.assertEqual(self.digest_of("group/tools:1"), image["Descriptor"]["digest"])

    def test_we_load_what_others_save(self):
        layout = self.layout()
        self.skopeo("copy", "-q", f"oci:{layout}:gzip", f"docker-archive:{self.home}/docker.tar:x/docker:1")
        self.skopeo("copy", "-q", f"oci:{layout}:gzip", f"oci-archive:{self.home}/oci.tar:x/oci:1")
        files = {"x/docker:1": self.home + "/docker.tar", "x/oci:1": self.home + "/oci.tar"}
        for name, file in files.items():
            data = pathlib.Path(file).read_bytes()
            for packed in (data, bz2.compress(data), lzma.compress(data)):
                pathlib.Path(self.file).write_bytes(packed)
                self.assertEqual(self.ok("load", "-i", self.file), f"Loaded image: {name}\n")
                self.forget(name)
            with open(file, "rb") as stream:
                done = subprocess.run([SANDBOX, "load"], env=self.env, stdin=stream, capture_output=True, check=True)
            self.assertIn(name.encode(), done.stdout)

    def test_we_load_what_docker_before_25_saves(self):
        """A layer in a folder of its own; one that the archive has already is a link to it."""
        layer = tar([entry("a", "1")])
        diff_id = "sha256:" + hashlib.sha256(layer).hexdigest()
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                             "rootfs": {"type": "layers", "diff_ids": [diff_id] * 2}})
        manifest = [{"Config": "config.json", "RepoTags": ["twice:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]
        pathlib.Path(self.file).write_bytes(tar([
            entry("2/layer.tar", type=tarfile.SYMTYPE, linkname="../1/layer.tar"), entry("1/layer.tar", layer),
            entry("config.json", config), entry("manifest.json", json.dumps(manifest))]))
        self.assertEqual(self.ok("load", "-i", self.file), "Loaded image: twice:1\n")
        self.assertEqual(json.loads(self.ok("inspect", "twice:1"))[0]["RootFS"]["Layers"], [diff_id] * 2)


class Imported(SaveCase):
    def root(self):
        pathlib.Path(self.file).write_bytes(tar(tools() + [entry("a", "1")]))
        return self.file

    def test_instructions_of_a_dockerfile_complete_what_is_imported(self):
        image = self.ok("import", "-c", 'CMD ["cat", "/a"]', "--change", "ENV PATH=/bin", "-m", "made by hand",
                        self.root(), "r:1")
        self.assertEqual(self.ok("run", "--rm", "r:1"), "1")
        shown = json.loads(self.ok("inspect", "r:1"))[0]
        self.assertEqual((shown["Id"], shown["Comment"]), (image.strip(), "made by hand"))
        self.ok("import", "--platform", "linux/arm64/v8", self.file, "r:2")
        shown = json.loads(self.ok("inspect", "r:2"))[0]
        self.assertEqual((shown["Architecture"], shown["Variant"], shown["Comment"]),
                         ("arm64", "v8", f"Imported from {self.file}"))
        for words, reason in ((("-c", "FROM x"), "FROM"), (("--platform", "windows/amd64"), "invalid platform")):
            self.assertIn(reason, self.sandbox("import", *words, self.file, "r:3").stderr)

    def test_an_archive_comes_from_a_server(self):
        self.root()
        serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=self.home)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            place = f"http://127.0.0.1:{server.server_address[1]}"
            self.ok("import", f"{place}/saved.tar", "r:1")
            self.assertIn("status 404", self.sandbox("import", f"{place}/nonesuch.tar").stderr)
            server.shutdown()
        self.assertEqual(self.ok("run", "--rm", "r:1", "cat", "/a"), "1")
        self.assertEqual(self.leftovers(), [])


class HostileLayouts(SaveCase):
    def refused(self, reason):
        done = self.sandbox("load", "-i", self.home + "/oci")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(reason, done.stderr)
        self.assertEqual(self.leftovers(), [])

    def test_a_layout_that_leads_elsewhere_is_none(self):
        layout = pathlib.Path(self.layout())
        (layout / "blobs").rename(self.home + "/elsewhere")
        (layout / "blobs").symlink_to(self.home + "/elsewhere")
        self.refused("No such file or directory")
        (layout / "blobs").unlink()
        pathlib.Path(self.home + "/elsewhere").rename(layout / "blobs")
        blob = layout / "blobs/sha256" / self.top("gzip")[7:]
        blob.rename(self.home + "/blob")
        blob.symlink_to(self.home + "/blob")
        self.refused("")
        blob.unlink()
        os.mkfifo(blob)
        self.refused("")
        blob.unlink()
        (layout / "index.json").rename(self.home + "/index.json")
        (layout / "index.json").symlink_to(self.home + "/index.json")
        self.refused("neither manifest.json")

    def test_a_blob_that_is_not_what_its_name_says_is_refused(self):
        layout = pathlib.Path(self.layout())
        blob = max((layout / "blobs/sha256").iterdir(), key=lambda file: file.stat().st_size)
        blob.write_bytes(blob.read_bytes()[:-1])
        self.refused("has digest")


if __name__ == "__main__":
    unittest.main(verbosity=2)
