"""Transfers that are killed, that find no room, or that meet a registry which lies about numbers: the store is whole
afterwards and the next try goes through."""

import gzip
import hashlib
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tarfile
import unittest

import registry_server
from image_archive import docker_archive, entry
from registry_case import RegistryCase
from sandbox_case import SANDBOX


class FaultCase(RegistryCase):
    def setUp(self):
        super().setUp()
        self.server = f"127.0.0.1:{registry_server.start(self)}"
        self.name = f"{self.server}/x:1"
        random_bytes = random.Random(7).randbytes
        layers = ([entry(f"f{i}", random_bytes(400_000))] for i in range(4))
        docker_archive(self.home + "/image.tar", self.name, *layers)

    def assert_whole(self, what):
        self.assertEqual(self.ok("system", "fsck"), "", what)
        self.assertEqual(self.leftovers(), [], what)


class Killed(FaultCase):
    """The victim dies at the Nth of its calls of one kind, for several kinds and N (strace(1), "Tampering")."""

    WRITING = [(call, n) for call in ("fsync", "renameat2") for n in (1, 2, 4, 6)] + [("write", n) for n in (1, 3, 9)]

    def kill_at(self, call, number, *words):
        """True when the command died of it."""
        done = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                               f"inject={call}:signal=KILL:when={number}", SANDBOX, *words],
                              env=self.env, capture_output=True, timeout=120, check=False)
        return done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)

    def sweep(self, words, prepare, points):
        died = 0
        for call, number in points:
            prepare()
            died += self.kill_at(call, number, *words)
            self.ok("images")
            self.ok(*words)
            self.assert_whole((words, call, number))
        self.assertGreater(died, len(points) // 2, "the commands ended before they were to die")

    def forget(self):
        self.sandbox("rmi", "-f", self.name)

    def test_load(self):
        points = self.WRITING + [("linkat", 1), ("linkat", 3)]
        self.sweep(("load", "-q", "-i", self.home + "/image.tar"), self.forget, points)

    def test_pull(self):
        self.ok("load", "-q", "-i", self.home + "/image.tar")
        self.ok("push", "-q", self.name)
        self.sweep(("pull", "-q", self.name), self.forget, self.WRITING + [("sendto", n) for n in (1, 2, 3)])

    def test_push(self):
        self.ok("load", "-q", "-i", self.home + "/image.tar")
        died = 0
        for number in range(1, 9):
            target = f"{self.server}/y{number}:1"
            self.ok("tag", self.name, target)
            died += self.kill_at("sendto", number, "push", "-q", target)
            self.ok("push", "-q", target)
            self.assert_whole(number)
        self.assertGreater(died, 4)


class NoRoom(FaultCase):
    def limited(self, limit, *words, **more):
        """No file may grow beyond the limit: writes fail as on a full disk, but with EFBIG (setrlimit(2))."""
        def before():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return subprocess.run([SANDBOX, *words], env=self.env, capture_output=True, text=True, timeout=60, check=False,
                              preexec_fn=before, **more)

    def test_what_finds_no_room_leaves_nothing(self):
        self.ok("load", "-q", "-i", self.home + "/image.tar")
        self.ok("push", "-q", self.name)
        for words in (("pull", self.name), ("load", "-i", self.home + "/image.tar")):
            self.ok("rmi", "-f", self.name)
            for limit in (1000, 100_000, 300_000):
                done = self.limited(limit, *words)
                self.assertEqual(done.returncode, 1, (words, limit))
                self.assertIn("File too large", done.stderr)
                self.assert_whole((words, limit))
            self.ok(*words)
        done = self.limited(100_000, "save", "-o", self.home + "/saved.tar", self.name)
        self.assertIn("File too large", done.stderr)
        self.assertFalse([name for name in os.listdir(self.home) if name.startswith("saved.tar")])


class Numbers(FaultCase):
    """Documents that are true to their digests, and ask for more than anybody needs."""

    def serve_layout(self, manifest, blobs=()):
        """A layout with this manifest, for `pull oci:`."""
        layout = pathlib.Path(self.home + "/layout")
        (layout / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        for blob in (manifest, *blobs):
            (layout / "blobs/sha256" / hashlib.sha256(blob).hexdigest()).write_bytes(blob)
        index = {"schemaVersion": 2, "manifests": [self.descriptor(manifest, "manifest.v1+json")]}
        (layout / "index.json").write_text(json.dumps(index))
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return str(layout)

    @staticmethod
    def descriptor(blob, kind):
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        return {"mediaType": "application/vnd.oci.image." + kind, "digest": digest, "size": len(blob)}

    def image(self, layer, count=1, packing="+gzip", diff_id=None):
        plain = diff_id or "sha256:" + hashlib.sha256(gzip.decompress(layer)).hexdigest()
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                             "rootfs": {"type": "layers", "diff_ids": [plain] * count}}).encode()
        manifest = json.dumps({"schemaVersion": 2, "config": self.descriptor(config, "config.v1+json"),
                               "layers": [self.descriptor(layer, "layer.v1.tar" + packing)] * count}).encode()
        return manifest, (config, layer)

    def measured(self, *words):
        """The command's result, and the most memory that it had, in bytes."""
        file = self.home + "/usage"
        code = ("import json, resource, subprocess, sys\n"
                "d = subprocess.run(sys.argv[2:], capture_output=True, text=True)\n"
                "json.dump([d.returncode, d.stdout, d.stderr, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss], "
                "open(sys.argv[1], 'w'))\n")
        subprocess.run([sys.executable, "-c", code, file, SANDBOX, *words], env=self.env, check=True, timeout=120)
        with open(file, encoding="utf-8") as text:
            status, out, errors, kilobytes = json.load(text)
        return status, out + errors, kilobytes << 10

    def test_a_bomb_needs_time_but_no_memory(self):
        inner = gzip.compress(bytes(200 << 20), 9)
        layout = self.serve_layout(*self.image(inner, diff_id="sha256:" + "0" * 64))
        status, text, memory = self.measured("load", "-i", layout)
        self.assertEqual(status, 1, text)
        self.assertIn("diff id", text)
        self.assertLess(memory, 80 << 20)
        self.assert_whole("bomb")

    def test_documents_beyond_any_use_are_refused(self):
        deep = b"[" * 100_000 + b"]" * 100_000
        layers = json.dumps({"schemaVersion": 2, "layers": [self.descriptor(b"x", "layer.v1.tar")] * 30_000}).encode()
        for manifest in (deep, layers, b'{"a": ' * 70 + b"1" + b"}" * 70, b" " * (5 << 20)):
            status, text, memory = self.measured("load", "-i", self.serve_layout(manifest))
            self.assertEqual(status, 1, text)
            self.assertLess(memory, 120 << 20)
            self.assert_whole(manifest[:20])

    def test_127_layers_go_round(self):
        with open(self.home + "/layer", "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("empty"))
        layer = gzip.compress(pathlib.Path(self.home + "/layer").read_bytes(), mtime=0)
        layout = self.serve_layout(*self.image(layer, 127))
        identity = self.ok("load", "-i", layout).split()[-1]
        self.ok("tag", identity[7:], f"{self.server}/many:1")
        self.ok("push", f"{self.server}/many:1")
        self.ok("rmi", "-f", identity[7:])
        self.ok("pull", f"{self.server}/many:1")
        self.assertEqual(json.loads(self.ok("inspect", f"{self.server}/many:1"))[0]["Id"], identity)


if __name__ == "__main__":
    unittest.main(verbosity=2)
