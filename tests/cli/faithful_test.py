"""An image pulled from a registry looks, file by file, like what skopeo and umoci unpack.

With a range of ids both unpack the true owners, and the merged trees are compared inside a namespace with that range.
With one id umoci would be no judge of owners: there owners.json is compared with what the archives say.
"""

import hashlib
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
import urllib.request

SANDBOX = os.path.abspath(sys.argv.pop(1))
OCI = "application/vnd.oci.image."

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
                          if n.startswith(("user.", "security.cap")) and not n.startswith(("user.overlay.", "user.rootlesscontainers"))})
        found[key] = entry
found["hard links"] = sorted(sorted(names) for names in links.values() if len(names) > 1)
json.dump(found, sys.stdout)
"""


def has_range():
    done = subprocess.run(["unshare", "--map-auto", "--map-root-user", "true"], capture_output=True)
    return done.returncode == 0


def entry(name, kind=tarfile.REGTYPE, content=b"", mode=0o644, owner=(0, 0), mtime=1_000_000_000.5, link="", xattrs=()):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, link, len(content)
    info.uid, info.gid = owner
    info.mtime = mtime
    info.pax_headers = {"SCHILY.xattr." + key: value for key, value in xattrs}
    return info, content


DIR, LINK, HARD, FIFO = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE
BOTTOM = [
    entry("etc", DIR, mode=0o755), entry("etc/shadow", content=b"secret", mode=0o640, owner=(0, 42)),
    entry("etc/gone", content=b"x"), entry("etc/replaced", content=b"old"),
    entry("bin", DIR, mode=0o755), entry("bin/su", content=b"#!", mode=0o4755), entry("bin/wall", content=b"w", mode=0o2755, owner=(0, 5)),
    entry("bin/ping", content=b"p", mode=0o755, xattrs=[("security.capability", "\1\0\0\2\0\x20" + "\0" * 14)]),
    entry("bin/su2", HARD, link="bin/su"), entry("bin/up", LINK, link="../etc/shadow", owner=(7, 8), mtime=900_000_000),
    entry("home", DIR, mode=0o755), entry("home/ann", DIR, mode=0o700, owner=(1000, 1000), mtime=800_000_000.25),
    entry("home/ann/note", content=b"hi", mode=0o600, owner=(1000, 1000), xattrs=[("user.tag", "value")]),
    entry("tmp", DIR, mode=0o1777), entry("run", DIR, mode=0o755), entry("run/pipe", FIFO, mode=0o620, owner=(0, 5)),
    entry("opaque", DIR, mode=0o755), entry("opaque/below", content=b"b"), entry("srv", DIR, mode=0o2775, owner=(33, 33)),
    entry("big", content=b"z" * 3_000_000), entry("name with \u00e4 and space", content=b"n"),
]
TOP = [
    entry("etc/.wh.gone"), entry("etc/replaced", content=b"new", mode=0o600, owner=(65533, 65533)),
    entry("opaque", DIR, mode=0o711, owner=(3, 4)), entry("opaque/.wh..wh..opq"), entry("opaque/above", content=b"a"),
    entry("usr", DIR, mode=0o755), entry("usr/deep", DIR, mode=0o555), entry("usr/deep/er", content=b"", mode=0o444),
]


def tar_of(entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Layout:
    """An OCI layout with the image "x" of these layers."""

    def __init__(self, path, layers):
        self.path = path
        os.makedirs(path + "/blobs/sha256")
        packed = [subprocess.run(["gzip", "-n"], input=layers[0], stdout=subprocess.PIPE, check=True).stdout,
                  subprocess.run(["gzip", "-n"], input=layers[1], stdout=subprocess.PIPE, check=True).stdout]
        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/su"]},
                  "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers]}}
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                    "config": self.blob(json.dumps(config).encode(), "config.v1+json"),
                    "layers": [self.blob(data, "layer.v1.tar+gzip") for data in packed]}
        named = {**self.blob(json.dumps(manifest).encode(), "manifest.v1+json"),
                 "annotations": {"org.opencontainers.image.ref.name": "x"}}
        pathlib.Path(path, "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
        pathlib.Path(path, "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data, kind):
        name = hashlib.sha256(data).hexdigest()
        pathlib.Path(self.path, "blobs/sha256", name).write_bytes(data)
        return {"mediaType": OCI + kind, "digest": "sha256:" + name, "size": len(data)}


class Registry:
    def __init__(self, directory):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = "127.0.0.1:%d" % probe.getsockname()[1]
        config = pathlib.Path(directory, "registry.yml")
        config.write_text(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {directory}/registry}}}}\n"
                          f"http: {{addr: '{self.host}'}}\n")
        self.process = subprocess.Popen(["docker-registry", "serve", str(config)], stderr=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL)
        for _ in range(500):
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{self.host}/v2/", timeout=5).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("docker-registry did not start")

    def close(self):
        self.process.kill()
        self.process.wait()


class Faithful(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="sbx-faithful-")
        self.env = dict(os.environ, SANDBOX_STORE_DIR=self.work + "/data", SANDBOX_RUNTIME_DIR=self.work + "/run")
        os.mkdir(self.work + "/run", 0o700)
        self.layers = [tar_of(BOTTOM), tar_of(TOP)]
        Layout(self.work + "/oci", self.layers)
        self.registry = Registry(self.work)
        self.image = self.registry.host + "/some/image:tag"
        self.run_ok("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", f"oci:{self.work}/oci:x", "docker://" + self.image)
        self.run_ok(SANDBOX, "pull", self.image)
        self.lower = json.loads(self.run_ok(SANDBOX, "run", "--print-plan", self.image))["root"]["lower"]

    def tearDown(self):
        self.registry.close()
        self.run_ok(SANDBOX, "rmi", "-f", self.image)
        self.assertEqual(os.listdir(self.work + "/data/layers"), [])
        subprocess.run(["unshare", "--map-auto", "--map-root-user", "rm", "-rf", self.work + "/bundle"], capture_output=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def run_ok(self, *words):
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done.stdout

    def merged(self, in_namespace):
        """What a mount of our layers shows, from inside a new namespace."""
        os.mkdir(self.work + "/merged")
        script = 'mount -t overlay -o "userxattr,lowerdir=$1" overlay "$2" && exec python3 -c "$3" "$2"'
        return json.loads(self.run_ok("unshare", *in_namespace, "-m", "sh", "-c", script, "sh", ":".join(self.lower),
                                      self.work + "/merged", LIST))

    def test_the_tree_is_that_of_skopeo_and_umoci(self):
        namespace = ["--map-auto", "--map-root-user"] if has_range() else ["--map-root-user"]
        self.run_ok("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "docker://" + self.image, f"oci:{self.work}/copy:x")
        rootless = [] if has_range() else ["--rootless"]
        self.run_ok("unshare", *namespace, "umoci", "unpack", *rootless, "--image", self.work + "/copy:x", self.work + "/bundle")
        theirs = json.loads(self.run_ok("unshare", *namespace, "python3", "-c", LIST, self.work + "/bundle/rootfs"))
        ours = self.merged(namespace)
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
        for layer, data in zip(reversed(self.lower), self.layers):
            records = json.loads(pathlib.Path(layer).parent.joinpath("owners.json").read_text())
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for info in tar:
                    if ".wh." in info.name or info.islnk():
                        continue
                    path = os.path.join(layer, info.name)
                    known = records.get(info.name, [0, 0, os.lstat(path).st_mode & 0o7777])
                    mode = known[2] if not info.issym() else info.mode
                    self.assertEqual((known[0], known[1], mode), (info.uid, info.gid, info.mode), info.name)
                    if info.name == "bin/ping":
                        self.assertEqual(known[3], {"capability": "0100000200200000" + "00" * 12})

    def test_skopeo_reads_the_store_in_place(self):
        shown = json.loads(self.run_ok("skopeo", "inspect", f"oci:{self.work}/data/images:{self.image}"))
        self.assertEqual(len(shown["Layers"]), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
