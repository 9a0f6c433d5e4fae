#!/usr/bin/env python3
"""The FUSE overlay beside fuse-overlayfs, kernel overlayfs and a native directory, as ratios of one run.

    overlay.py SANDBOX [--rounds N] [--only WORK] [--rungs NAME,NAME] [--directory PATH] [--requests]

Every measurement has a mount and an upper layer of its own, made by the calling ordinary user in a user namespace
that maps this user alone. The rungs take turns, so that a busy moment of the machine meets all of them. A bar that is
missed makes the exit status 1.

"least" is a server that has the tree in memory and never looks at a disk (least_server.c): what it takes is the kernel's
and the program's own time, and below that no server can be. A real one has the files' work to do, too, which is what
"native" takes.

Layers are in memory, for a disk is the same below all rungs, and may be most of what is measured: ext4 without a
journal looks at each inode that was removed in the last minutes before it makes a new one.
"""

import argparse
import ctypes
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 0x4000, 0x40000
LIBC = ctypes.CDLL(None, use_errno=True)

RUNGS = ("native", "overlay", "fuse-overlayfs", "sandbox", "least")
MIB = 1 << 20
BIG = 256 * MIB
FILES, DIRECTORIES, LINKS = 7600, 500, 300


def system_call(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source, target, kind, flags=0, data=None):
    words = [None if word is None else word.encode() for word in (source, target, kind, data)]
    system_call(LIBC.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), f"mounting {kind}")


def make_tree(path):
    """A tree of the size and shape of a small distribution's root; the same one each time."""
    numbers = random.Random(4)
    directories = [path]
    os.makedirs(path)
    for i in range(DIRECTORIES):
        parent = numbers.choice(directories[-60:])
        directories.append(os.path.join(parent, f"directory-{i}"))
        os.mkdir(directories[-1])
    block = numbers.randbytes(MIB)
    for i in range(FILES):
        size = min(int(numbers.lognormvariate(8.0, 1.6)), MIB)
        with open(os.path.join(numbers.choice(directories), f"file-{i}.data"), "wb") as file:
            file.write(block[:size])
    for i in range(LINKS):
        os.symlink(f"file-{i}.data", os.path.join(numbers.choice(directories), f"link-{i}"))


class Place:
    """The lower layer, an archive of the same tree, and a new upper layer for every measurement."""

    def __init__(self, directory):
        self.path = tempfile.mkdtemp(prefix="sbx-bench-fs-", dir=directory)
        self.lower = self.path + "/lower"
        make_tree(self.lower + "/tree")
        with open(self.lower + "/big", "wb") as file:
            block = random.Random(5).randbytes(MIB)
            for _ in range(BIG // MIB):
                file.write(block)
        self.least_server = self.path + "/least_server"
        subprocess.run(["cc", "-O2", "-o", self.least_server, pathlib.Path(__file__).with_name("least_server.c")], check=True)
        self.archive = self.path + "/tree.tar"
        subprocess.run(["tar", "-C", self.lower, "--owner=0", "--group=0", "-cf", self.archive, "tree"], check=True)

    def layers(self, rung, needs):
        """Directories of one measurement: (base, lower, merged, upper, work); a native one holds a copy of `needs`."""
        base = tempfile.mkdtemp(prefix="round-", dir=self.path)
        names = [f"{base}/{name}" for name in ("merged", "upper", "work", "empty")]
        for name in names:
            os.mkdir(name)
        if rung == "native" and needs:
            subprocess.run(["cp", "-a", f"{self.lower}/{needs}", names[0]], check=True)
        return base, (self.lower if needs else names[3]), names[0], names[1], names[2]

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Server:
    """`sandbox helper overlay`, started outside of the namespace that it serves."""

    def __init__(self, program, lower, upper, work, device, namespace):
        document = json.dumps({"lower": [lower], "upper": upper, "work": work, "lower_may_change": False, "whiteout_files": False,
                               "most_bytes": 0, "most_objects": 0, "on_host": False, "uids": [], "gids": [],
                               "squash": [0, 0]})
        config = os.memfd_create("config")
        os.write(config, document.encode())
        os.lseek(config, 0, os.SEEK_SET)
        ready, ready_writer = os.pipe()
        lifetime, self.lifetime = os.pipe()
        inherited = (config, ready_writer, lifetime, device, namespace)
        self.process = subprocess.Popen([program, "helper", "overlay", *map(str, inherited)], pass_fds=inherited,
                                        stderr=subprocess.PIPE)
        for fd in inherited:
            os.close(fd)
        answer = os.read(ready, 4096)
        os.close(ready)
        if answer != b"R":
            raise RuntimeError(f"the server did not start: {answer.decode()}")

    def requests(self):
        """Counts by kind, as a line of text."""
        self.process.send_signal(signal.SIGUSR1)
        return self.process.stderr.readline().decode().strip()

    def close(self):
        os.close(self.lifetime)
        self.process.wait()
        self.process.stderr.close()


class LeastServer:
    """Answers from memory."""

    def __init__(self, program, lower, device, namespace):
        os.close(namespace)
        self.process = subprocess.Popen([program, str(device), lower], pass_fds=[device])
        os.close(device)

    def requests(self):
        return ""

    def close(self):
        self.process.wait()


def enter_namespaces():
    uid, gid = os.getuid(), os.getgid()
    system_call(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    os.umask(0o022)


def mount_rung(rung, channel, layers):
    _, lower, merged, upper, work = layers
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    if rung == "overlay":
        mount("overlay", merged, "overlay", MS_NOSUID | MS_NODEV, options + ",userxattr")
    elif rung == "fuse-overlayfs":
        subprocess.run(["fuse-overlayfs", "-o", options, merged], check=True, stderr=subprocess.DEVNULL)
    elif rung in ("sandbox", "least"):
        device = os.open("/dev/fuse", os.O_RDWR)
        mount("sandbox", merged, "fuse", MS_NOSUID | MS_NODEV,
              f"fd={device},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other")
        namespace = os.open("/proc/self/ns/user", os.O_RDONLY)
        socket.send_fds(channel, [b"o"], [device, namespace])
        os.close(device)  # a mount ends with the last descriptor of its device
        channel.recv(1)


def inside(rung, work, channel, layers):
    """In the child: the answer is the seconds that the measured part took."""
    enter_namespaces()
    mount_rung(rung, channel, layers)
    os.chdir(layers[2])
    with open("opened", "w+", encoding="ascii"):  # in a container, its program has been opened already
        os.unlink("opened")
    work.prepare()
    os.sync()
    channel.send(b"begin")
    channel.recv(1)
    begin = time.monotonic()
    work.measured()
    seconds = time.monotonic() - begin
    os.chdir("/")
    if rung == "fuse-overlayfs":
        LIBC.umount2(layers[2].encode(), 2)
    return seconds


def measure(program, place, rung, work):
    layers = place.layers(rung, work.needs)
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        here.close()
        try:
            answer = {"seconds": inside(rung, work, there, layers)}
        except BaseException as error:  # a child must not return into its parent's program
            answer = {"error": f"{type(error).__name__}: {error}"}
        there.send(json.dumps(answer).encode())
        os._exit(0)
    there.close()
    server = None
    before = after = ""
    while True:
        message, fds, _, _ = socket.recv_fds(here, 65536, 2)
        if fds:
            server = (LeastServer(place.least_server, layers[1], *fds) if rung == "least" else
                      Server(program, layers[1], layers[3], layers[4], *fds))
        elif message == b"begin":
            before = server.requests() if server else ""
        else:
            break
        here.send(b"r")
    if server:
        after = server.requests()
        server.close()
    os.waitpid(child, 0)
    here.close()
    shutil.rmtree(layers[0], ignore_errors=True)
    answer = json.loads(message)
    if "error" in answer:
        raise RuntimeError(f"{work.name} on {rung}: {answer['error']}")
    return answer["seconds"], increase(before, after)


def least_request(place, processes):
    """Microseconds from one answer to the next, with so many processes that ask what no kernel remembers."""
    count = 20000

    def ask(_):
        for _ in range(count):
            os.statvfs(".")

    seconds, _ = measure(None, place, "least", Work("", lambda: in_processes(processes, ask), needs=""))
    return seconds * 1e6 / count / processes


def increase(before, after):
    """What the second of two lines of counts has more, by kind."""
    first, second = ({name: int(count) for name, count in (item.rsplit(" ", 1) for item in line.split(", ") if item)}
                     for line in (before, after))
    return {name: count - first.get(name, 0) for name, count in second.items() if count > first.get(name, 0)}


class Work:
    """One kind of work; `bars` are the largest allowed ratios to other rungs."""

    def __init__(self, name, measured, prepare=lambda: None, needs="tree", bars=None):
        self.name, self.measured, self.prepare = name, measured, prepare
        self.needs, self.bars = needs, bars or {}


def shell(text):
    return lambda: subprocess.run(["sh", "-ec", text], check=True, stdout=subprocess.DEVNULL)


def create_files(first, last):
    data = b"x" * 1024
    for i in range(first, last):
        if i % 100 == 0:
            os.mkdir(f"new-{i // 100}")
        fd = os.open(f"new-{i // 100}/file-{i}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, data)
        os.close(fd)


def in_processes(count, body):
    """Runs body(0) … body(count - 1) at the same time."""
    children = []
    for i in range(count):
        pid = os.fork()
        if pid == 0:
            try:
                body(i)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    if any(os.waitpid(pid, 0)[1] != 0 for pid in children):
        raise RuntimeError("a process failed")


def read_at_random(seed):
    numbers = random.Random(seed)
    fd = os.open("big", os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    for _ in range(5000):
        os.pread(fd, 4096, numbers.randrange(BIG // 4096) * 4096)
    os.close(fd)


def append(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"x")
    os.close(fd)


def works(place):
    untar = shell(f"tar -xf {place.archive}")
    find = shell("find tree -ls")
    cat = shell("find tree -type f -print0 | xargs -0 cat")
    remove = shell("rm -rf tree")
    peer = "fuse-overlayfs"
    half = {peer: 0.5}
    return [
        Work("create 10,000 files", lambda: create_files(0, 10000), needs="", bars=half),
        Work("create 10,000 files, 4 processes",
             lambda: in_processes(4, lambda i: create_files(i * 2500, i * 2500 + 2500)), needs="", bars=half),
        Work("find -ls, cold", find, bars=half),
        Work("find -ls, again", find, find, bars={"overlay": 1.1}),
        Work("read every file, cold", cat, bars={peer: 0.67}),
        Work("read every file, again", cat, cat, bars={"overlay": 1.1}),
        *(Work(f"read every file, {n} at a time", shell(f"find tree -type f -print0 | xargs -0 -P{n} -n{2000 // n} cat"),
               bars=half) for n in (4, 16)),
        Work("read 256 MiB, cold", shell("dd if=big of=/dev/null bs=1M status=none"), needs="big", bars={peer: 0.8}),
        *(Work(f"read 4 KiB at random, {n} processes", lambda n=n: in_processes(n, read_at_random), needs="big", bars=half)
          for n in (4, 16)),
        Work("write 256 MiB by 1 MiB", shell("dd if=/dev/zero of=out bs=1M count=256 status=none"), needs="",
             bars={peer: 1.0}),
        Work("write 64 MiB by 4 KiB", shell("dd if=/dev/zero of=out bs=4k count=16384 status=none"), needs="",
             bars={peer: 1.0}),
        Work("untar", untar, needs="", bars=half),
        Work("rm -rf of what was untarred", remove, untar, needs="", bars=half),
        Work("rm -rf of a lower tree", remove, bars=half),
        Work("chmod of a lower tree", shell("chmod -R g+w tree"), bars={**half, "overlay": 1.0}),
        Work("copy-up of 256 MiB", lambda: append("big"), needs="big", bars={peer: 1.0}),
    ]


def report(work, seconds):
    """Prints one line; True when a bar is missed."""
    median = {rung: statistics.median(values) for rung, values in seconds.items() if values}
    cells = [f"{median[rung] * 1000:.0f}" if rung in median else "-" for rung in RUNGS]
    line = f"{work.name:34}" + "".join(f"{cell:>15}" for cell in cells)
    missed = False
    for rung, bar in work.bars.items():
        if rung in median and "sandbox" in median:
            ratio = median["sandbox"] / median[rung]
            missed = missed or ratio > bar
            line += f"   {'ok  ' if ratio <= bar else 'MISS'} {ratio:.2f} of {rung} (bar {bar})"
    print(line, flush=True)
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sandbox")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="works whose name contains this")
    parser.add_argument("--rungs", default=",".join(RUNGS))
    parser.add_argument("--directory", default="/dev/shm", help="where the layers are, and 2 GiB are free")
    parser.add_argument("--requests", action="store_true", help="also what the kernel asked our server, by kind")
    options = parser.parse_args()
    rungs = options.rungs.split(",")
    program = os.path.abspath(options.sandbox)
    place = Place(options.directory)
    missed = False
    try:
        least = {processes: min(least_request(place, processes) for _ in range(3)) for processes in (1, 4)}
        print("the least request: " + ", ".join(f"{us:.1f} µs with {n} asking" for n, us in least.items()))
        print(f"{'median milliseconds':34}" + "".join(f"{rung:>15}" for rung in RUNGS))
        for work in works(place):
            if options.only not in work.name:
                continue
            seconds = {rung: [] for rung in rungs}
            requests = {}
            for _ in range(options.rounds):
                for rung in rungs:
                    time_taken, counts = measure(program, place, rung, work)
                    seconds[rung].append(time_taken)
                    requests = counts or requests
            missed = report(work, seconds) or missed
            if options.requests:
                print("    " + ", ".join(f"{name} {count}" for name, count in requests.items()), flush=True)
    finally:
        place.close()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
