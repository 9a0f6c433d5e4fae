#!/usr/bin/env python3
"""The daily commands on containers beside podman, as ratios of one run.

    containers.py SANDBOX [--rounds N] [--without-podman]

A bar that is missed, or that could not be measured, makes the exit status 1.
"""

import argparse
import functools
import os
import resource
import subprocess
import sys
import time

import measuring
import start

MANY = 1000  # containers that `ps -a` lists
AT_ONCE = 100
LOG_BYTES = 400_000_000
LOG_TURNS = 10
IMAGE_BYTES = 200 << 20


def podman_base(place):
    """`podman` with its storage, and an image localhost/bench of busybox; throws where it can't run."""
    command = start.podman_command(place.home, place.root_directory())
    return command[:command.index("run")]


def bench_exec(place, env, podman, rounds, report):
    place.run("run", "-d", "--name", "bench-exec", "--network", "none", "busybox", "sleep", "10000")
    commands = {"exec": [place.sandbox, "exec", "bench-exec", "true"]}
    if podman:
        subprocess.run([*podman, "run", "-d", "--name", "bench-exec", "--network", "none", "localhost/bench", "sleep",
                        "10000"], env=env, check=True, stdout=subprocess.DEVNULL)
        commands["podman exec"] = [*podman, "exec", "bench-exec", "true"]
    works = {name: functools.partial(measuring.run, command, env) for name, command in commands.items()}
    median = {name: values[1] for name, values in measuring.take_turns(works, rounds).items()}
    if podman:
        report.bar("exec / podman exec", median["exec"] / median["podman exec"], 1 / 6)
        subprocess.run([*podman, "rm", "-f", "-t", "0", "bench-exec"], env=env, check=True, stdout=subprocess.DEVNULL)
    place.run("rm", "-f", "bench-exec")


def all_at_once(env, command):
    """Seconds until so many of `command` have ended, started at the same time; throws when one fails."""
    begin = time.monotonic()
    clients = [subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
               for _ in range(AT_ONCE)]
    statuses = [client.wait(timeout=600) for client in clients]
    if any(statuses):
        raise RuntimeError(f"'{' '.join(command)}' failed {sum(map(bool, statuses))} times of {AT_ONCE}")
    return time.monotonic() - begin


def bench_parallel(place, env, podman, report):
    ours = all_at_once(env, [place.sandbox, "run", "--rm", "--network", "none", "busybox", "true"])
    print(f"{AT_ONCE} times run at once: {ours:.2f} s")
    if not podman:
        return
    theirs = all_at_once(env, [*podman, "run", "--rm", "--network", "none", "localhost/bench", "true"])
    print(f"{AT_ONCE} times podman run at once: {theirs:.2f} s")
    report.bar(f"{AT_ONCE} times run at once / podman", ours / theirs, 1 / 6)


def bench_log(place, env, report):
    """What a container writes as fast as it can, into the log of a detached one."""
    line = "one line of a log as programs write them, about eighty bytes wide, in plain words\n"
    lines, times = LOG_BYTES // LOG_TURNS // len(line), LOG_TURNS
    with open(place.home + "/lines", "w", encoding="ascii") as file:
        file.write(line * lines)
    program = f"i=0; while [ $i -lt {times} ]; do cat /lines; i=$((i + 1)); done"
    begin = time.monotonic()
    place.run("run", "-d", "--name", "bench-log", "--network", "none", "-v", f"{place.home}/lines:/lines:ro", "busybox",
              "sh", "-c", program)
    place.run("wait", "bench-log")
    seconds = time.monotonic() - begin
    written = lines * len(line) * times
    begin = time.monotonic()
    logged = subprocess.run(f"'{place.sandbox}' logs bench-log | wc -c", shell=True, env=env, check=True, text=True,
                            capture_output=True).stdout
    print(f"logs reads {written / (time.monotonic() - begin) / 1e6:.0f} MB/s")
    report.bar("log: bytes that are lost", written - int(logged), 0)
    rate = written / seconds / 1e6
    report.bar(f"log: seconds for 200 MB, at {rate:.0f} MB/s", 200 / rate, 1.0, " s")
    place.run("rm", "bench-log")


def bench_commit(place, env, report):
    """What a commit of ten small changes in a large image writes to the disk."""
    place.run("run", "--name", "bench-big", "--network", "none", "busybox", "dd", "if=/dev/urandom", "of=/big", "bs=1M",
              f"count={IMAGE_BYTES >> 20}")
    place.run("commit", "bench-big", "bench-big:1")
    place.run("rm", "bench-big")
    place.run("run", "--name", "bench-small", "--network", "none", "bench-big:1", "sh", "-c",
              "for i in 0 1 2 3 4 5 6 7 8 9; do echo $i >/changed-$i; done")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = measuring.duration(functools.partial(place.run, "commit", "bench-small", "bench-small:1"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    written = (after.ru_oublock - before.ru_oublock) * 512
    what = f"commit of ten files in {IMAGE_BYTES >> 20} MiB: bytes written, in {seconds * 1000:.0f} ms"
    report.bar(what, written / 1e6, 1.0, " MB")
    place.run("rm", "bench-small")
    place.run("rmi", "bench-small:1", "bench-big:1")


def bench_ps(place, env, report):
    for _ in range(MANY):
        place.run("create", "--network", "none", "busybox", "true")
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        measuring.run([place.sandbox, "ps", "-a"], env)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    report.bar(f"ps -a of {MANY} containers: processor time", sorted(spent)[2] * 1000, 60, " ms")
    place.run("container", "prune", "-f")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sandbox")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--without-podman", action="store_true")
    options = parser.parse_args()
    report = measuring.Report()
    place = start.Workplace(options.sandbox)
    try:
        podman = None
        if not options.without_podman:
            try:
                podman = podman_base(place)
            except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                report.unknown("podman", str(error))
        env = {**place.env, **{name: value for name, value in os.environ.items() if name == "CONTAINERS_STORAGE_CONF"}}
        bench_exec(place, env, podman, options.rounds, report)
        bench_parallel(place, env, podman, report)
        bench_log(place, env, report)
        bench_commit(place, env, report)
        bench_ps(place, env, report)
    finally:
        place.close()
    sys.exit(1 if report.missed else 0)


if __name__ == "__main__":
    main()
