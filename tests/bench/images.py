#!/usr/bin/env python3
"""Pulling, pushing, loading and saving beside podman, skopeo and umoci, as ratios of one run: the same image, whose layers
are directories of this machine, and the same registry on loopback.

    images.py SANDBOX [--rounds N] [--directories DIR...]

"Pull" is from the registry to a root file system that a container can use: `pull` and `create` of ours, `podman pull`,
`skopeo copy` and `umoci unpack`. A bar that is missed makes the exit status 1.
"""

import argparse
import gzip
import hashlib
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
import zlib

import measuring

DIRECTORIES = ["/usr/bin", "/usr/lib/python3", "/usr/share/perl", "/usr/share/doc"]
BARS = {"pull": {"podman": 0.4, "skopeo and umoci": 0.5}, "load": {"podman": 0.5}, "save": {"podman": 0.5},
        "push": {"podman": 0.67}}
OCI = "application/vnd.oci.image."


def layer_of(directory, path):
    """Packs what everybody may read of `directory` as a gzip layer; its diff id."""
    def plain(info):
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        readable = info.isdir() or info.issym() or info.islnk() or (info.isreg() and info.mode & 0o004)
        return info if readable else None
    raw = hashlib.sha256()

    class Hashing:
        def __init__(self, target):
            self.target = target

        def write(self, data):
            raw.update(data)
            return self.target.write(data)

    with gzip.GzipFile(path, "wb", compresslevel=6, mtime=0) as packed:
        with tarfile.open(fileobj=Hashing(packed), mode="w|", format=tarfile.PAX_FORMAT) as archive:
            archive.add(directory, directory.lstrip("/"), filter=plain)
    return "sha256:" + raw.hexdigest()


def make_layout(root, directories):
    """An OCI layout with one image, "image"; the compressed bytes of its layers."""
    blobs = root / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(data, kind):
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"mediaType": OCI + kind, "digest": "sha256:" + name, "size": len(data)}

    layers, diff_ids = [], []
    for directory in directories:
        diff_ids.append(layer_of(directory, root / "layer"))
        layers.append(blob((root / "layer").read_bytes(), "layer.v1.tar+gzip"))
        (root / "layer").unlink()
    config = blob(json.dumps({"architecture": "amd64" if os.uname().machine == "x86_64" else "arm64", "os": "linux",
                              "config": {"Cmd": ["/usr/bin/true"]},
                              "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode(), "config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config,
                                "layers": layers}).encode(), "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "image"}
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return [blobs / layer["digest"][7:] for layer in layers]


class Registry:
    """An empty one in a directory of its own."""

    def __init__(self, home):
        home = pathlib.Path(tempfile.mkdtemp(prefix="registry-", dir=home))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = home / "registry.yml"
        config.write_text(json.dumps({"version": 0.1, "log": {"level": "error"}, "http": {"addr": f"127.0.0.1:{self.port}"},
                                      "storage": {"filesystem": {"rootdirectory": str(home / "registry")}}}))
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("docker-registry did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Bench:
    """Where each tool keeps its images: `fresh` gives them empty stores. Nothing is deleted before the end, because ext4
    is slow to make files where many have just been deleted."""

    def __init__(self, sandbox, home, registry):
        self.sandbox, self.home, self.number = sandbox, home, 0
        self.image = f"127.0.0.1:{registry.port}/image:1"
        self.env = dict(os.environ, SANDBOX_RUNTIME_DIR=str(home / "run"))
        (home / "run").mkdir(mode=0o700)
        self.fresh()

    def fresh(self):
        self.number += 1
        self.place = self.home / f"{self.number}"
        self.place.mkdir()
        self.env["SANDBOX_STORE_DIR"] = str(self.place / "store")
        self.ours("images")  # and so the first is not the one that prepares a store
        self.podman("images")

    def ours(self, *words):
        measuring.run([self.sandbox, *words], self.env)

    def podman(self, *words):
        measuring.run(["podman", "--root", str(self.place / "podman"), "--runroot", str(self.home / "podman-run"),
                       *words])

    def pull_ours(self):
        self.ours("pull", "-q", self.image)
        self.ours("create", self.image)

    def pull_podman(self):
        self.podman("pull", "-q", "--tls-verify=false", self.image)

    def pull_skopeo(self):
        measuring.run(["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", f"docker://{self.image}",
                       f"oci:{self.place}/oci:image"])
        measuring.run(["umoci", "unpack", "--rootless", "--image", f"{self.place}/oci:image", f"{self.place}/bundle"])


def peak_memory(command, env):
    """The most memory of the command and its children, in bytes."""
    code = "import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n" \
           "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    return int(subprocess.run([sys.executable, "-c", code, *command], env=env, check=True, capture_output=True).stdout) << 10


def medians_of(samples):
    medians = {name: sorted(values)[len(values) // 2] for name, values in samples.items()}
    for name, seconds in medians.items():
        print(f"{name:36} {seconds * 1000:8.0f} ms", flush=True)
    return medians


def rounds_of(count, works, before):
    """Medians in seconds by name; `before` runs ahead of each work and is not counted."""
    samples = {name: [] for name in works}
    for _ in range(count):
        for name, work in works.items():
            before()
            samples[name].append(measuring.duration(work))
    return medians_of(samples)


def compare(report, what, medians):
    for peer, bar in BARS[what].items():
        report.bar(f"{what}: ours / {peer}", medians[f"{what}, ours"] / medians[f"{what}, {peer}"], bar)


def measure(bench, layers, options, report):
    compare(report, "pull", rounds_of(options.rounds, {"pull, ours": bench.pull_ours, "pull, podman": bench.pull_podman,
                                                       "pull, skopeo and umoci": bench.pull_skopeo}, bench.fresh))
    inflate = measuring.duration(lambda: [zlib.decompressobj(31).decompress(layer.read_bytes()) for layer in layers])
    print(f"{'(zlib alone, in one thread)':36} {inflate * 1000:8.0f} ms", flush=True)
    bench.fresh()
    memory = peak_memory([bench.sandbox, "pull", "-q", bench.image], bench.env)
    report.bar("peak memory of a pull", memory / (1 << 20), 80, " MiB")
    bench.pull_podman()
    again = min(measuring.duration(lambda: bench.ours("pull", "-q", bench.image)) for _ in range(10))
    report.bar("pull of an image that is there", again * 1000, 30, " ms")

    files = {"ours": str(bench.home / "ours.tar"), "podman": str(bench.home / "podman.tar")}
    nothing = lambda: [pathlib.Path(file).unlink(missing_ok=True) for file in files.values()]
    compare(report, "save", rounds_of(options.rounds, {
        "save, ours": lambda: bench.ours("save", "-o", files["ours"], bench.image),
        "save, podman": lambda: bench.podman("save", "-q", "--format", "oci-archive", "-o", files["podman"], bench.image),
    }, nothing))
    bench.ours("save", "-o", files["ours"], bench.image)
    compare(report, "load", rounds_of(options.rounds, {
        "load, ours": lambda: bench.ours("load", "-q", "-i", files["ours"]),
        "load, podman": lambda: bench.podman("load", "-q", "-i", files["podman"])}, bench.fresh))
    bench.ours("load", "-q", "-i", files["ours"])
    bench.podman("load", "-q", "-i", files["podman"])

    # Each to a registry that has nothing, so that all layers are sent.
    pushes = {"push, ours": [], "push, podman": []}
    for _ in range(options.rounds):
        for name, push in (("push, ours", lambda to: bench.ours("push", "-q", bench.image, to)),
                           ("push, podman", lambda to: bench.podman("push", "-q", "--tls-verify=false", bench.image, to))):
            empty = Registry(bench.home)
            try:
                pushes[name].append(measuring.duration(lambda: push(f"127.0.0.1:{empty.port}/image:1")))
            finally:
                empty.stop()
    compare(report, "push", medians_of(pushes))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sandbox")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directories", nargs="+", default=DIRECTORIES)
    options = parser.parse_args()
    report = measuring.Report()
    home = pathlib.Path(tempfile.mkdtemp(prefix="sbx-bench-", dir="/var/tmp"))
    registry = Registry(home)
    try:
        layers = make_layout(home / "layout", options.directories)
        print(f"the image: {len(layers)} layers, {sum(layer.stat().st_size for layer in layers) >> 20} MiB packed", flush=True)
        bench = Bench(os.path.abspath(options.sandbox), home, registry)
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", f"oci:{home}/layout:image",
                        f"docker://{bench.image}"], check=True)
        measure(bench, layers, options, report)
    finally:
        registry.stop()
        subprocess.run(["podman", "unshare", "rm", "-rf", str(home)], check=False)
        shutil.rmtree(home, ignore_errors=True)
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
