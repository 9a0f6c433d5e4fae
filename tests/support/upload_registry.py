#!/usr/bin/env python3
"""A registry on loopback that takes uploads and makes trouble in one chosen way. Prints its port, then serves.

upload_registry.py MODE [--log FILE]

Every request is logged as "METHOD path Content-Range-or-<dash> bytes-of-body". Modes: ok; cut (each request's body is
dropped with its connection after 1 MB, and kept as far as it came); forget (the same, and the session is unknown after
it); twice (the first request's body is taken, but its answer is lost); wrong-range (the first PATCH is refused with 416);
small (bodies above 17 MB are refused with 413); busy (every request fails once with 429); denied, unauthorized, full,
rename (says it has stored another manifest); no-mount (mounting is an error); stray (uploads go to http://192.0.2.1);
token (needs a token with the right scopes), expiring (the same, each token is good for three requests);
subject (nothing is known of referrers).
"""
import argparse
import hashlib
import http.server
import json
import threading
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("mode")
parser.add_argument("--log")
args = parser.parse_args()

CUT = 1_000_000
MOST = 17_000_000
blobs, manifests, sessions = {}, {}, {}
seen, spent = set(), {}
lock = threading.Lock()


def error(code, message):
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def digest_like(example, data):
    algorithm = example.split(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self, limit=None):
        left = int(self.headers.get("Content-Length", 0))
        data = bytearray()
        while left and (limit is None or len(data) < limit):
            piece = self.rfile.read(min(left, 1 << 16))
            if not piece:
                break
            data += piece
            left -= len(piece)
        return bytes(data)

    def allowed(self):
        token = self.headers.get("Authorization", "")
        if args.mode == "expiring":
            spent[token] = spent.get(token, 0) + 1
        right = "push" if self.command in ("POST", "PUT", "PATCH") else "pull"
        if token.startswith("Bearer ") and right in token and spent.get(token, 0) <= 3:
            return True
        self.body()
        realm = f'Bearer realm="http://127.0.0.1:{self.server.server_port}/token",service="mock",scope="repository:x:pull"'
        self.answer(401, error("UNAUTHORIZED", "authentication required"), WWW_Authenticate=realm)
        return False

    def handle_one(self):
        path = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(path.query)
        if args.log:
            with open(args.log, "a", encoding="ascii") as log:
                log.write(f"{self.command} {self.path} {self.headers.get('Content-Range', '-')} "
                          f"{self.headers.get('Content-Length', '0')}\n")
        if path.path == "/token":
            name = f"{len(seen)}-{'+'.join(query.get('scope', []))}".replace(":", "_").replace(",", "_")
            seen.add(name)
            return self.answer(200, json.dumps({"token": name}).encode())
        if args.mode in ("token", "expiring") and not self.allowed():
            return None
        if args.mode == "busy" and self.path != "/v2/" and (self.command, path.path) not in seen:
            seen.add((self.command, path.path))
            self.body()
            return self.answer(429, Retry_After="0")
        if "/blobs/uploads/" in path.path:
            return self.upload(path.path, query)
        self.body() if self.command != "PUT" else None
        if "/blobs/" in path.path:
            blob = blobs.get(path.path.rsplit("/", 1)[1])
            return self.answer(404) if blob is None else self.answer(200, blob)
        if "/manifests/" in path.path:
            return self.manifest(path.path)
        return self.answer(200, b"{}")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_one

    def manifest(self, path):
        if self.command != "PUT":
            body = manifests.get(path)
            return self.answer(404) if body is None else self.answer(200, body[1], Content_Type=body[0])
        body = self.body()
        repository, name = path.rsplit("/", 1)
        digest = digest_like(name if ":" in name else "sha256", body)
        if ":" in name and name != digest:
            return self.answer(400, error("DIGEST_INVALID", "provided digest did not match uploaded content"))
        kept = self.headers["Content-Type"], body
        for name in (path, f"{repository}/{digest}"):
            manifests[name] = kept
        return self.answer(201, Docker_Content_Digest="sha256:" + "0" * 64 if args.mode == "rename" else digest)

    def upload(self, path, query):
        refusals = {"denied": (403, "DENIED", "requested access to the resource is denied"),
                    "unauthorized": (401, "UNAUTHORIZED", "authentication required"),
                    "full": (507, "UNKNOWN", "no space left on device")}
        if args.mode in refusals:
            self.body()
            status, code, message = refusals[args.mode]
            return self.answer(status, error(code, message))
        if self.command == "POST":
            self.body()
            if "mount" in query and args.mode == "no-mount":
                return self.answer(405, error("UNSUPPORTED", "no"))
            if "mount" in query and query["mount"][0] in blobs:
                return self.answer(201)
            with lock:
                name = f"{path}{len(sessions) + 1}"
                sessions[name] = b""
            host = "http://192.0.2.1" if args.mode == "stray" else ""
            return self.answer(202, Location=f"{host}{name}?state=a%3Db", Range="0-0")
        if path not in sessions:
            self.body()
            return self.answer(404, error("BLOB_UPLOAD_UNKNOWN", "unknown"))
        if self.command == "GET":
            return self.answer(204, Location=path, Range=f"0-{max(0, len(sessions[path]) - 1)}")
        return self.take(path, query)

    def take(self, path, query):
        length = int(self.headers.get("Content-Length", 0))
        if args.mode == "small" and length > MOST:
            self.close_connection = True
            return self.answer(413)
        place = self.headers.get("Content-Range")
        if place and int(place.split("-")[0]) != len(sessions[path]) or args.mode == "wrong-range" and "416" not in seen:
            seen.add("416")
            self.body()
            return self.answer(416, Location=path, Range=f"0-{max(0, len(sessions[path]) - 1)}")
        if args.mode in ("cut", "forget") and length > CUT:
            sessions[path] += self.body(CUT)
            if args.mode == "forget" and "forgot" not in seen:
                seen.add("forgot")
                del sessions[path]
            self.close_connection = True
            return self.connection.shutdown(2)
        sessions[path] += self.body()
        if "digest" in query:
            digest = digest_like(query["digest"][0], sessions[path])
            if query["digest"][0] != digest:
                return self.answer(400, error("DIGEST_INVALID", "provided digest did not match uploaded content"))
            blobs[digest] = sessions.pop(path)
        if args.mode == "twice" and path not in seen:
            seen.add(path)
            self.close_connection = True
            return self.connection.shutdown(2)
        return self.answer(201 if "digest" in query else 202, Location=path)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
