#!/usr/bin/env python3
"""Start-up time and memory beside Debian's peers, as ratios of one run: machines differ, ratios less so.

    start.py SANDBOX [--rounds N] [--without-podman]
    start.py SANDBOX --memory-of USER       (root: also reads what belongs to processes that hide from their owner)

A bar that is missed, or that could not be measured, makes the exit status 1.
"""

import argparse
import functools
import glob
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time

import measuring

MIB = 1 << 20
MEMORY_BAR = 12 * MIB


class Workplace:
    """A store and a runtime directory of our own, as `user` or as whoever runs this."""

    def __init__(self, sandbox, user=None):
        self.sandbox = os.path.abspath(sandbox)
        self.home = tempfile.mkdtemp(prefix="sbx-bench-", dir="/var/tmp")
        os.mkdir(self.home + "/run", 0o700)
        self.env = dict(os.environ, SANDBOX_STORE_DIR=self.home + "/data", SANDBOX_RUNTIME_DIR=self.home + "/run")
        self.prefix = []
        if user is not None:
            entry = pwd.getpwnam(user)
            for path in (self.home, self.home + "/run"):
                os.chown(path, entry.pw_uid, entry.pw_gid)
            self.env["HOME"] = entry.pw_dir
            self.prefix = ["runuser", "-u", user, "--"]

    def run(self, *words):
        return subprocess.run([*self.prefix, self.sandbox, *words], env=self.env, check=True, text=True,
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=120).stdout.strip()

    def root_directory(self):
        """The unpacked busybox image: what bubblewrap gets as its root."""
        self.run("run", "--rm", "--network", "none", "busybox", "true")
        shipped = os.path.join(os.path.dirname(self.sandbox), "../share/sandbox/store/layers/*/fs")
        found = glob.glob(self.home + "/data/layers/*/fs") + glob.glob(shipped)
        return os.path.abspath(found[0])

    def close(self):
        for container in self.run("ps", "-aq").split():
            self.run("rm", "-f", container)
        shutil.rmtree(self.home, ignore_errors=True)


def podman_command(home, root):
    """`podman run --rm` with crun, slirp4netns and fuse-overlayfs on an image of the same files."""
    storage = home + "/storage.conf"
    with open(storage, "w", encoding="utf-8") as file:
        file.write('[storage]\ndriver = "overlay"\n'
                   f'graphroot = "{home}/podman"\nrunroot = "{home}/podman-run"\n'
                   '[storage.options.overlay]\nmount_program = "/usr/bin/fuse-overlayfs"\n')
    os.environ["CONTAINERS_STORAGE_CONF"] = storage
    podman = ["podman", "--cgroup-manager", "cgroupfs", "--runtime", "crun"]
    archive = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
    subprocess.run([*podman, "import", "-q", "-", "localhost/bench"], stdin=archive.stdout, check=True,
                   stdout=subprocess.DEVNULL)
    archive.wait()
    return [*podman, "run", "--rm", "--network", "slirp4netns", "localhost/bench", "true"]


def bench_times(place, rounds, with_podman, report):
    root = place.root_directory()
    sandbox = place.sandbox
    commands = {
        "bwrap": ["bwrap", "--unshare-all", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"],
        "run without network": [sandbox, "run", "--rm", "--network", "none", "busybox", "true"],
        "run": [sandbox, "run", "--rm", "busybox", "true"],
        "version": [sandbox, "version"],
        "bwrap --version": ["bwrap", "--version"],
    }
    reason = "--without-podman"
    if with_podman:
        try:
            commands["podman run"] = podman_command(place.home, root)
            measuring.run(commands["podman run"], {**place.env, **os.environ})
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            commands.pop("podman run", None)
            reason = str(error)
    env = {**os.environ, **place.env}
    works = {name: functools.partial(measuring.run, command, env) for name, command in commands.items()}
    results = measuring.take_turns(works, rounds)
    median = {name: values[1] for name, values in results.items()}
    report.bar("run without network / bwrap", median["run without network"] / median["bwrap"], 2.0)
    report.bar("run / bwrap", median["run"] / median["bwrap"], 3.0)
    report.bar("version / bwrap --version", median["version"] / median["bwrap --version"], 1.3)
    if "podman run" in median:
        report.bar("run / podman run", median["run"] / median["podman run"], 0.125)
    else:
        report.unknown("run / podman run", reason)


def processes_below(pid):
    """`pid` and its descendants."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8") as stat:
                parent = int(stat.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for process in found:
        found += children.get(process, [])
    return found


def memory_of(pid):
    """(bytes, exact): proportional size, or the resident one where the process hides its map from us."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as lines:
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), True
    except PermissionError:
        with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), False


def bench_memory(place, report):
    container = place.run("run", "-d", "busybox", "sleep", "1000")
    time.sleep(1)
    with open(f"{place.home}/data/containers/{container}/state.json", encoding="utf-8") as file:
        state = json.load(file)
    total, exact = 0, True
    for pid in processes_below(state["supervisor_pid"]):
        if pid == state["pid"]:
            continue  # the container's own program
        size, proportional = memory_of(pid)
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as words:
            print(f"{words.read().split(chr(0))[0]:20} {size / MIB:8.1f} MiB {'PSS' if proportional else 'resident'}")
        total, exact = total + size, exact and proportional
    text = "memory of one idle container's helpers"
    if exact or total <= MEMORY_BAR:
        report.bar(text + ("" if exact else " (upper bound)"), total / MIB, MEMORY_BAR / MIB, " MiB")
    else:
        # The helpers can't be traced by their own user; a resident size counts what they share as well.
        print(f"      {text}: at most {total / MIB:.1f} MiB; only root can read the proportional size")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sandbox")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--without-podman", action="store_true")
    parser.add_argument("--memory-of", metavar="USER")
    options = parser.parse_args()
    report = measuring.Report()
    place = Workplace(options.sandbox, options.memory_of)
    try:
        if options.memory_of is None:
            bench_times(place, options.rounds, not options.without_podman, report)
        bench_memory(place, report)
    finally:
        place.close()
    sys.exit(1 if report.missed else 0)


if __name__ == "__main__":
    main()
