#!/usr/bin/env python3
"""Builds beside buildah's: cold with independent stages, fully cached, of an application that npm installs, and of a
large context of which one file changed.

    build.py SANDBOX [--rounds N] [--files N]

A bar that is missed, or that could not be measured, makes the exit status 1.
"""

import argparse
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile

import measuring

STAGES = 5
WORK = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done; sleep 1"


def dockerfile():
    """Stages that need each other's results at the end only: each computes, and waits as for a server."""
    text = "".join(f"FROM localhost/busybox AS s{n}\nCOPY a /a\nRUN {WORK}; echo {n} > /{n}\n" for n in range(STAGES))
    return text + "FROM localhost/busybox\n" + "".join(f"COPY --from=s{n} /{n} /{n}\n" for n in range(STAGES))


class Workplace:
    def __init__(self, sandbox):
        self.home = tempfile.mkdtemp(prefix="sbx-bench-build-", dir="/var/tmp")
        self.sandbox = os.path.abspath(sandbox)
        os.makedirs(self.home + "/run", 0o700)
        for name in ("run", "tmp"):
            os.makedirs(f"{self.home}/peer/{name}", 0o700)
        self.env = dict(os.environ, SANDBOX_STORE_DIR=self.home + "/data", SANDBOX_RUNTIME_DIR=self.home + "/run")
        # Its cache mounts are in one directory of TMPDIR, whoever calls.
        self.peer_env = dict(os.environ, HOME=self.home + "/peer", XDG_RUNTIME_DIR=self.home + "/peer/run",
                             TMPDIR=self.home + "/peer/tmp", STORAGE_DRIVER="overlay",
                             STORAGE_OPTS="overlay.mount_program=/usr/bin/fuse-overlayfs")
        self.run("tag", "busybox", "localhost/busybox")
        self.run("save", "-o", self.home + "/busybox.tar", "localhost/busybox")
        name = self.peer("pull", "-q", f"docker-archive:{self.home}/busybox.tar").strip()
        self.peer("tag", name, "localhost/busybox")

    def run(self, *words):
        return subprocess.run([self.sandbox, *words], env=self.env, check=True, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=600).stdout

    def peer(self, *words):
        return subprocess.run(["buildah", *words], env=self.peer_env, check=True, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=600).stdout

    def context(self, name, text, **files):
        place = pathlib.Path(self.home, name)
        place.mkdir()
        (place / "Dockerfile").write_text(text, encoding="ascii")
        for file, content in files.items():
            (place / file).write_text(content, encoding="ascii")
        return place

    def close(self):
        subprocess.run(["buildah", "rmi", "-a", "-f"], env=self.peer_env, capture_output=True, check=False)
        subprocess.run(["buildah", "unshare", "rm", "-rf", self.home + "/peer"], env=self.peer_env, capture_output=True,
                       check=False)
        subprocess.run([self.sandbox, "builder", "prune", "-a", "-f"], env=self.env, capture_output=True, check=False)
        shutil.rmtree(self.home, ignore_errors=True)


def cpu_seconds(work):
    """Of the processes that a call of `work` waits for."""
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before = used()
    work()
    return used() - before


def measure_stages(place, report, rounds):
    context = place.context("stages", dockerfile(), a="1")
    ours = lambda *words: place.run("build", "-q", "-t", "made", *words, str(context))
    theirs = lambda *words: place.peer("bud", "-q", "--layers", "-t", "made", *words, str(context))
    cold = measuring.take_turns({"cold build": lambda: ours("--no-cache"),
                                 "cold build, buildah": lambda: theirs("--no-cache")}, rounds)
    report.bar("cold build of five stages / buildah's", cold["cold build"][1] / cold["cold build, buildah"][1], 1 / 2.5)
    cached = measuring.take_turns({"cached build": ours, "cached build, buildah": theirs}, rounds)
    report.bar("cached build / buildah's", cached["cached build"][1] / cached["cached build, buildah"][1], 1 / 15)
    report.bar("processor time of a cached build", min(cpu_seconds(ours) for _ in range(5)), 0.1, " s")


NODE = ("FROM localhost/node\nWORKDIR /usr/app\nCOPY package.json .\nRUN npm install\nCOPY index.js .\n"
        "CMD [\"node\", \"index.js\"]\n")
EXPRESS = '{"dependencies": {"express": "^4"}}'


def node_image(path):
    """Node and npm of this machine, which reaches the registry as npm does here."""
    sys.argv = [sys.argv[0], ""]  # the modules of tests expect a program there
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
    from debian_base import distinct, files, output, programs, which
    from image_archive import docker_archive, entry
    from owner_case import debian

    setting = lambda name: output("npm", "config", "get", name).strip()
    library = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(which("npm")))))
    trusted = [setting("cafile")] if os.path.exists(setting("cafile")) else []
    words = "".join(f"{name}={setting(name)}\n" for name in ("registry", "cafile") if setting(name) not in ("", "null"))
    docker_archive(path, "localhost/node", distinct(
        debian() + programs(*map(which, ("sh", "env", "node"))) + files([which("npm"), library, *trusted]) +
        [entry("root/.npmrc", words)]), history=[{"created_by": "bench"}], Env=["PATH=/usr/bin", "HOME=/root"])


def npm_alone(place):
    """npm install, without any container, into a new directory from an empty cache."""
    with tempfile.TemporaryDirectory(dir=place.home) as work:
        pathlib.Path(work, "package.json").write_text(EXPRESS, encoding="ascii")
        subprocess.run(["npm", "install", "--cache", work + "/cache"], cwd=work, check=True, timeout=600,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure_node(place, report, rounds):
    what = "cold build with npm install / buildah's"
    if shutil.which("npm") is None or subprocess.run(["npm", "ping"], capture_output=True, check=False).returncode != 0:
        return report.unknown(what, "npm or its registry is not there")
    node_image(place.home + "/node.tar")
    place.run("load", "-i", place.home + "/node.tar")
    place.peer("tag", place.peer("pull", "-q", f"docker-archive:{place.home}/node.tar").strip(), "localhost/node")
    context = place.context("node", NODE, **{"package.json": EXPRESS, "index.js": "require('express')\n"})
    cached = place.context("node-cached", NODE.replace("RUN npm", "RUN --mount=type=cache,target=/root/.npm npm"),
                           **{"package.json": EXPRESS, "index.js": ""})
    times = measuring.take_turns({
        "npm install alone": lambda: npm_alone(place),
        "build with npm install": lambda: place.run("build", "-q", "--no-cache", str(context)),
        "the same, buildah": lambda: place.peer("bud", "-q", "--no-cache", "--layers", str(context)),
        "with npm's cache in a mount": lambda: place.run("build", "-q", "--no-cache", str(cached)),
        "the same cache, buildah": lambda: place.peer("bud", "-q", "--no-cache", "--layers", str(cached)),
    }, min(rounds, 3))  # most of it is npm's
    report.bar(what, times["build with npm install"][1] / times["the same, buildah"][1], 1 / 1.5)


def measure_context(place, report, files, rounds):
    context = place.context("large", "FROM scratch\nCOPY . /files\n")
    for number in range(files):
        file = context / f"d{number % 50}" / f"f{number}"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{number}\n", encoding="ascii")
    build = lambda: place.run("build", "-q", str(context))

    def change_and_build():
        with open(context / "d0/f0", "a", encoding="ascii") as file:
            file.write("more\n")
        build()

    build()
    times = measuring.take_turns({f"context of {files} files, one changed": change_and_build}, rounds)
    report.bar(f"context of {files} files, one changed", next(iter(times.values()))[1], 1, " s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sandbox")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=50_000)
    options = parser.parse_args()
    report = measuring.Report()
    place = Workplace(options.sandbox)
    try:
        measure_stages(place, report, options.rounds)
        measure_node(place, report, options.rounds)
        measure_context(place, report, options.files, options.rounds)
    finally:
        place.close()
    return report.missed


if __name__ == "__main__":
    sys.exit(main())
