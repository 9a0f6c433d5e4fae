#!/usr/bin/env python3
"""A registry on loopback that lies in one chosen way. Prints its port, then serves until killed.

hostile_registry.py MODE [--log FILE] [--realm URL] [--other URL] [--algorithm sha512] [--until FILE]

A repository named second has another image with the same layer. Every request is logged as "<path> <Authorization or ->
<Range or ->". Modes: ok, wrong-digest, wrong-manifest, short, truncated, cut (after 100,000 bytes of each answer;
understands Range), oversized, huge (a layer of 2^63 - 1 bytes, as its descriptor says), endless, endless-manifest,
headers, long-header, packed (a manifest that is to be inflated), many-layers, deep (a manifest, of brackets), redirect
(blobs go to --other), basic-redirect (the same, and all here needs a password), redirect-loop, not-found, no-blob,
search (Docker Hub's), endless-list (each page of the catalogue and of tags has a next one), token, token-elsewhere
(realm is --realm), token-loop (no token is good enough), token-redirect (the token server sends to itself), endless-
token, basic, both, bad-type, nested-index, slow, token-login (the token server wants "user" and "secret", or "refresh
me"), flaky (every request fails twice with 503), artifact, inject (a token with a line break), wrong-diff-id (in the
config).
"""
import argparse
import gzip
import hashlib
import http.server
import io
import json
import os
import random
import tarfile
import time

OCI = "application/vnd.oci.image."
parser = argparse.ArgumentParser()
parser.add_argument("mode")
parser.add_argument("--log")
parser.add_argument("--realm")
parser.add_argument("--other")
parser.add_argument("--until")  # layers are sent when this file exists
parser.add_argument("--algorithm", default="sha256")  # of all its digests
args = parser.parse_args()


def digest(data):
    return f"{args.algorithm}:{hashlib.new(args.algorithm, data).hexdigest()}"


def descriptor(data, kind):
    return {"mediaType": kind, "digest": digest(data), "size": len(data)}


def make_image():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("hello")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
        if args.mode == "cut":
            info = tarfile.TarInfo("noise")
            info.size = 700000
            tar.addfile(info, io.BytesIO(random.Random(1).randbytes(info.size)))
    layer = gzip.compress(buffer.getvalue(), mtime=0)
    plain = digest(b"something else" if args.mode == "wrong-diff-id" else buffer.getvalue())
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": [plain]}}).encode()
    config_type = "application/vnd.helm.config.v1+json" if args.mode == "artifact" else OCI + "config.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": descriptor(config, config_type),
                "layers": [descriptor(layer, OCI + "layer.v1.tar+gzip")]}
    if args.mode == "both":
        manifest["manifests"] = []
    if args.mode == "many-layers":
        manifest["layers"] *= 10_000
    if args.mode == "huge":
        manifest["layers"][0]["size"] = 2**63 - 1
    if args.mode == "deep":
        return layer, config, b"[" * 1_000_000
    return layer, config, json.dumps(manifest).encode()


LAYER, CONFIG, MANIFEST = make_image()
INDEX = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
    dict(descriptor(MANIFEST, OCI + "manifest.v1+json"), platform={"os": "linux", "architecture": "amd64"})]}).encode()
OUTER = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
    dict(descriptor(INDEX, OCI + "manifest.v1+json"), platform={"os": "linux", "architecture": "amd64"})]}).encode()
SECOND = json.dumps({**json.loads(MANIFEST), "annotations": {}}).encode() if args.mode != "deep" else b""
failures = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    def answer(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def challenge(self, text):
        self.answer(401, b"", [("WWW-Authenticate", text)])

    def do_GET(self):
        authorization = self.headers.get("Authorization", "-")
        if args.log:
            with open(args.log, "a", encoding="ascii") as log:
                log.write(f"{self.path} {authorization} {self.headers.get('Range', '-')}\n")
        if self.path.startswith("/token"):
            token = "a\r\nX-Injected: b" if args.mode == "inject" else "letmein"
            if args.mode == "endless-token":
                return self.endless()
            if args.mode == "token-redirect":
                return self.answer(307, b"", [("Location", self.path)])
            if args.mode == "token-login" and authorization != "Basic dXNlcjpzZWNyZXQ=":
                return self.answer(401)
            return self.answer(200, json.dumps({"token": token}).encode())
        if self.path == "/v2/" and args.mode not in ("basic", "token-login"):
            return self.answer(200)
        if args.mode == "flaky":
            failures[self.path] = failures.get(self.path, 0) + 1
            if failures[self.path] <= 2:
                return self.answer(503)
        realm = args.realm or f"http://127.0.0.1:{self.server.server_port}/token"
        wants_token = "token" in args.mode or args.mode == "inject"
        if wants_token and (authorization != "Bearer letmein" or args.mode == "token-loop"):
            return self.challenge(f'Bearer realm="{realm}",service="mock",scope="repository:x:pull"')
        if args.mode in ("basic", "basic-redirect") and not authorization.startswith("Basic "):
            return self.challenge('Basic realm="mock"')
        if self.path == "/v2/":
            return self.answer(200)
        if self.path.startswith("/v1/search"):
            return self.search()
        if self.path.startswith("/v2/_catalog") or "/tags/list" in self.path:
            return self.names()
        if "/manifests/" in self.path:
            return self.manifest()
        return self.blob()

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open(args.log, "a", encoding="ascii") as log:
            log.write(f"POST {form}\n")
        if "refresh_token=refresh%20me" not in form:
            return self.answer(401)
        return self.answer(200, json.dumps({"access_token": "letmein"}).encode())

    def search(self):
        results = [{"name": "busybox", "description": "Busybox\nbase image.", "star_count": 3000, "is_official": True},
                   {"name": "someone/box", "description": "words " * 20, "star_count": 2, "is_official": False}, 3, {}]
        return self.answer(*(200, json.dumps({"results": results}).encode()) if args.mode == "search" else (404,))

    def names(self):
        if args.mode != "endless-list":
            return self.answer(200, b"{}")
        failures["page"] = failures.get("page", 0) + 1
        link = f"<{self.path.split('?')[0]}?last={failures['page']}>; rel=\"next\""
        return self.answer(200, b'{"repositories": ["x"], "tags": ["x"]}', [("Link", link)])

    def manifest(self):
        kind = OCI + "manifest.v1+json"
        body = SECOND if "/second/" in self.path else MANIFEST
        if args.mode == "not-found":
            return self.answer(404)
        if args.mode == "wrong-manifest":
            body += b" "
        if args.mode == "nested-index":
            body, kind = (INDEX if f"{args.algorithm}:" in self.path else OUTER), OCI + "index.v1+json"
        if args.mode == "bad-type":
            kind = OCI + "index.v1+json"
        if args.mode == "endless-manifest":
            return self.endless()
        if args.mode == "headers":
            return self.answer(200, body, [("X-Filler", "x" * 8000)] * 20)
        if args.mode == "long-header":
            return self.answer(200, body, [("X-Filler", "x" * 1_000_000)])
        if args.mode == "packed":
            packed = gzip.compress(bytes(64 << 20), 9)
            return self.answer(200, packed, [("Content-Type", kind), ("Content-Encoding", "gzip")])
        return self.answer(200, body, [("Content-Type", kind), ("Docker-Content-Digest", digest(body))])

    def endless(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def cut(self, body):
        """Sends 100,000 bytes from where the request's Range begins, and drops the connection."""
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        headers = [("Connection", "close"), ("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")]
        self.close_connection = True
        self.answer(206 if start else 200, body[start:start + 100000], headers[:2 if start else 1], len(body) - start)

    def blob(self):
        wanted = self.path.rsplit("/", 1)[1]
        body = {digest(LAYER): LAYER, digest(CONFIG): CONFIG}.get(wanted)
        if body is None or args.mode == "no-blob":
            return self.answer(404)
        if args.mode in ("redirect", "basic-redirect"):
            return self.answer(307, b"", [("Location", args.other + self.path)])
        if args.mode == "redirect-loop":
            return self.answer(307, b"", [("Location", self.path)])
        if wanted == digest(CONFIG):
            return self.answer(200, body)
        while args.until and not os.path.exists(args.until):
            time.sleep(0.01)
        if args.mode == "wrong-digest":
            return self.answer(200, body[:-1] + bytes([body[-1] ^ 1]))
        if args.mode == "short":
            return self.answer(200, body[:-1])
        if args.mode == "cut":
            return self.cut(body)
        if args.mode == "truncated":
            self.close_connection = True
            return self.answer(200, body[:-1], [("Connection", "close")], len(body))
        if args.mode == "oversized":
            return self.answer(200, body + b"x")
        if args.mode == "endless":
            return self.endless()
        if args.mode == "slow":
            self.answer(200, body[:1], [], len(body))
            time.sleep(60)
            return None
        return self.answer(200, body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
