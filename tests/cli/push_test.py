"""Images on their way to registries: the same bytes, only what is missing, and on from where a connection was cut."""

import hashlib
import json
import os
import pathlib
import pty
import random
import socket
import socketserver
import subprocess
import sys
import threading
import unittest
import urllib.request

import registry_server
from image_archive import docker_archive, entry, tools
from registry_case import SUPPORT, RegistryCase


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def fetch(url, accept="application/vnd.oci.image.manifest.v1+json"):
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=20) as answer:
        return answer.read()


class CuttingProxy(socketserver.ThreadingTCPServer):
    """Leads to the port `target`; the first connection that sends more than `first` bytes is cut there."""

    daemon_threads = True

    def __init__(self, target, first):
        self.target, self.first, self.cut = target, first, threading.Event()
        super().__init__(("127.0.0.1", 0), ProxiedConnection)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class ProxiedConnection(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(("127.0.0.1", self.server.target)) as registry:
            back = threading.Thread(target=self.forward, args=(registry, self.request))
            back.start()
            self.forward(self.request, registry, self.server.first)
            back.join()

    def forward(self, source, target, limit=None):
        sent = 0
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
                sent += len(data)
                if limit is not None and sent > limit and not self.server.cut.is_set():
                    self.server.cut.set()
                    break
            for end in (source, target):
                end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other direction was first


class PushCase(RegistryCase):
    def load(self, name, *layers):
        docker_archive(self.home + "/image.tar", name, *layers)
        self.ok("load", "-i", self.home + "/image.tar")

    def digest_of(self, name):
        return json.loads(self.ok("inspect", name))[0]["Descriptor"]["digest"]

    def uploads(self, mode, *options):
        return self.mock(mode, *options, server="upload_registry.py")


class RealRegistry(PushCase):
    def setUp(self):
        super().setUp()
        self.port = registry_server.start(self)
        self.registry = f"127.0.0.1:{self.port}"

    def test_what_was_pulled_is_pushed_with_the_same_digest(self):
        subprocess.run([sys.executable, SUPPORT / "make_oci_layout.py", self.home + "/oci"], check=True)
        for name in ("gzip", "zstd"):
            subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false",
                            f"oci:{self.home}/oci:{name}", f"docker://{self.registry}/a/{name}:1"], check=True)
            pulled = self.ok("pull", f"{self.registry}/a/{name}:1")
            self.ok("tag", f"{self.registry}/a/{name}:1", f"{self.registry}/b/{name}:2")
            pushed = self.ok("push", f"{self.registry}/b/{name}:2")
            digest = self.digest_of(f"{self.registry}/b/{name}:2")
            self.assertIn(f"Digest: {digest}\n", pulled)
            self.assertRegex(pushed, rf"(?s)The push refers to repository \[{self.registry}/b/{name}\]\n.*: Mounted from "
                                     rf"{self.registry}/a/{name}\n2: digest: {digest} size: \d+\n$")
            self.assertEqual(fetch(f"http://{self.registry}/v2/b/{name}/manifests/2"),
                             fetch(f"http://{self.registry}/v2/a/{name}/manifests/1"))
            self.assertIn(": Layer already exists\n", self.ok("push", f"{self.registry}/b/{name}:2"))

    def test_docker_s_types_of_media_stay(self):
        subprocess.run([sys.executable, SUPPORT / "make_oci_layout.py", self.home + "/oci"], check=True)
        subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--format", "v2s2",
                        f"oci:{self.home}/oci:gzip", f"docker://{self.registry}/a:1"], check=True)
        self.ok("pull", f"{self.registry}/a:1")
        digest = self.digest_of(f"{self.registry}/a:1")
        self.ok("tag", f"{self.registry}/a:1", f"{self.registry}/c:1")
        self.assertIn(digest, self.ok("push", f"{self.registry}/c:1"))
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = json.loads(fetch(f"http://{self.registry}/v2/c/manifests/1", kind))
        self.assertEqual(manifest["mediaType"], kind)

    def test_others_pull_what_was_pushed(self):
        name = f"{self.registry}/tools:v1"
        self.load(name, tools(), [entry("etc/a", "1")], [entry("etc/a", "2"), entry("noise", noise(3_000_000))])
        shown = self.ok("push", name)
        self.assertEqual(shown.count(": Pushed\n"), 3)
        subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false", "docker://" + name,
                        f"dir:{self.home}/copy"], check=True)
        manifest = pathlib.Path(self.home + "/copy/manifest.json").read_bytes()
        self.assertEqual("sha256:" + hashlib.sha256(manifest).hexdigest(), self.digest_of(name))
        self.ok("rmi", name)
        self.assertEqual(self.ok("run", "--rm", name, "cat", "/etc/a"), "2")

    def test_a_connection_that_is_cut_costs_only_what_was_under_way(self):
        with CuttingProxy(self.port, 3_000_000) as proxy:
            name = f"127.0.0.1:{proxy.server_address[1]}/x:1"
            self.load(name, [entry("noise", noise(8_000_000))])
            self.ok("push", name)
            proxy.shutdown()
        self.assertTrue(proxy.cut.is_set())
        manifest = fetch(f"http://{self.registry}/v2/x/manifests/1")
        self.assertEqual("sha256:" + hashlib.sha256(manifest).hexdigest(), self.digest_of(name))

    def test_all_tags_and_no_others(self):
        self.load(f"{self.registry}/x:1", [entry("a")])
        self.load(f"{self.registry}/x:2", [entry("b")])
        self.load(f"{self.registry}/y:3", [entry("c")])
        shown = self.ok("push", "-a", f"{self.registry}/x")
        self.assertIn("\n1: digest: sha256:", shown)
        self.assertIn("\n2: digest: sha256:", shown)
        tags = json.loads(fetch(f"http://{self.registry}/v2/x/tags/list"))["tags"]
        self.assertEqual(sorted(tags), ["1", "2"])
        self.assertEqual(json.loads(fetch(f"http://{self.registry}/v2/_catalog"))["repositories"], ["x"])
        self.assertEqual(self.ok("push", "-q", f"{self.registry}/y:3"), f"{self.registry}/y:3\n")

    def test_a_terminal_shows_each_layer_in_its_row(self):
        name = f"{self.registry}/x:1"
        self.load(name, [entry("a", noise(200_000))], [entry("b")])
        terminal, end = pty.openpty()
        with os.fdopen(terminal, "rb", buffering=0) as screen:
            pushing = self.client("push", name, stdout=end)
            os.close(end)
            shown = b""
            try:
                while data := screen.read(1 << 16):
                    shown += data
            except OSError:
                pass  # the other end has closed
        self.assertEqual(pushing.wait(timeout=20), 0)
        self.assertEqual(shown.count(b": Preparing\r\n"), 2)
        self.assertRegex(shown, rb"\x1b\[\dA\r\x1b\[2K[0-9a-f]{12}: Pushed\r\x1b\[\dB")

    def test_words_that_name_nothing_to_push(self):
        for words, reason in ((("nonesuch:1",), "an image does not exist locally with the tag: nonesuch:1"),
                              (("-a", "nonesuch"), "an image does not exist locally with the name: nonesuch"),
                              (("-a", "x:1"), "tag can't be used with --all-tags/-a"),
                              (("x@sha256:" + "0" * 64,), "cannot push a digest reference")):
            done = self.sandbox("push", *words)
            self.assertEqual(done.returncode, 1)
            self.assertIn(reason, done.stderr)

    def test_a_layer_that_is_damaged_here_is_not_pushed(self):
        name = f"{self.registry}/x:1"
        self.load(name, [entry("a", noise(100_000))])
        layer = max(pathlib.Path(self.data + "/images/blobs/sha256").iterdir(), key=lambda file: file.stat().st_size)
        data = bytearray(layer.read_bytes())
        layer.chmod(0o600)
        layer.write_bytes(data[:-1])
        self.assertIn("bytes, not the", self.sandbox("push", name).stderr)
        data[50_000] ^= 1
        layer.write_bytes(data)
        done = self.sandbox("push", name)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("digest invalid", done.stderr)
        self.assertEqual(json.loads(fetch(f"http://{self.registry}/v2/_catalog"))["repositories"] or [], [])


class TroubledRegistry(PushCase):
    def push(self, mode, size=3_500_000):
        port, log = self.uploads(mode)
        name = f"127.0.0.1:{port}/x:1"
        self.load(name, [entry("noise", noise(size))])
        return name, self.sandbox("push", name), log.read_text().splitlines()

    def pushed(self, mode, size=3_500_000):
        name, done, log = self.push(mode, size)
        self.assertEqual(done.returncode, 0, done.stderr)
        digest = self.digest_of(name)
        self.assertIn(f"1: digest: {digest} size: ", done.stdout)
        self.ok("rmi", name)
        self.ok("pull", name)
        self.assertEqual(self.digest_of(name), digest)
        return log

    def refused(self, mode, *reasons):
        _, done, log = self.push(mode, 1000)
        self.assertEqual(done.returncode, 1, done.stdout)
        for reason in reasons:
            self.assertIn(reason, done.stderr)
        return log

    def test_a_whole_blob_takes_three_requests(self):
        log = self.pushed("ok")
        self.assertEqual(sorted(line.split()[0] for line in log if "/blobs/" in line), ["HEAD"] * 2 + ["POST"] * 2 + ["PUT"] * 2)

    def test_an_upload_that_is_cut_goes_on_where_it_stopped(self):
        log = self.pushed("cut")
        ranges = [line.split()[2] for line in log if line.startswith("PATCH")]
        begins = [int(place.split("-")[0]) for place in ranges]
        self.assertEqual(begins, sorted(set(begins)))
        self.assertGreaterEqual(begins[0], 1_000_000)
        self.assertEqual(len(begins), 3)

    def test_a_session_that_is_forgotten_begins_anew(self):
        log = self.pushed("forget")
        self.assertEqual(len([line for line in log if line.startswith("POST")]), 3)

    def test_an_answer_that_is_lost_is_looked_for(self):
        log = self.pushed("twice")
        self.assertEqual(len([line for line in log if line.startswith("POST")]), 2)

    def test_a_part_at_the_wrong_place_is_sent_again(self):
        self.pushed("wrong-range")

    def test_parts_where_the_registry_takes_no_more_at_once(self):
        log = self.pushed("small", 40_000_000)
        ranges = [line.split()[2] for line in log if line.startswith("PATCH")]
        self.assertEqual([int(place.split("-")[0]) >> 20 for place in ranges], [0, 16, 32])

    def test_a_busy_registry_is_waited_for(self):
        self.pushed("busy", 1000)

    def test_a_token_opens_what_a_push_needs(self):
        log = self.pushed("token", 1000)
        tokens = [line for line in log if "/token?" in line]
        self.assertEqual(len(tokens), 1, tokens)
        self.assertIn("scope=repository%3ax%3apull%2cpush", tokens[0].lower())

    def test_a_token_that_expires_is_renewed(self):
        self.pushed("expiring", 1000)

    def test_a_repository_that_can_not_be_mounted_from_is_no_obstacle(self):
        port, log = self.uploads("no-mount")
        self.load(f"127.0.0.1:{port}/y:1", [entry("a")])
        self.ok("push", f"127.0.0.1:{port}/y:1")
        self.ok("tag", f"127.0.0.1:{port}/y:1", f"127.0.0.1:{port}/x:1")
        log.write_text("")
        self.ok("push", f"127.0.0.1:{port}/x:1")

    def test_refusals_in_the_registry_s_words(self):
        self.refused("denied", "push access denied for 127.0.0.1:", "may require 'sandbox login'",
                     "denied: requested access to the resource is denied")
        self.refused("unauthorized", "unauthorized: authentication required")
        self.refused("full", "no space left on device")
        self.refused("rename", "as something else")

    def test_nothing_is_sent_to_where_plain_http_must_not_go(self):
        self.refused("stray", "'192.0.2.1' is not https")

    def test_a_registry_that_does_not_listen_is_named(self):
        self.load("127.0.0.1:1/x:1", [entry("a")])
        self.assertIn("registry '127.0.0.1:1': connection refused", self.sandbox("push", "127.0.0.1:1/x:1").stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
