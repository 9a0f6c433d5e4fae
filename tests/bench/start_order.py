#!/usr/bin/env python3
"""Which functions a start of a container executes, for the linker to put them side by side: sandbox/cli/start_order.txt.

    start_order.py SANDBOX > sandbox/cli/start_order.txt

SANDBOX: a release build, with its symbols. What one page holds besides what is needed is read and mapped all the same,
64 KiB around each first access, so that 150 KB of functions that lie everywhere cost 1.6 MiB of resident memory.
Needs no privilege, only a cgroup of one's own as for ./bench, a user without subordinate ids (a traced newuidmap(1) has
no privilege either), and some minutes of a machine that does nothing else: every instruction is a stop.
"""

import argparse
import bisect
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import measuring
import runtime
import start


def functions_of(program):
    """Addresses in order, and the names at each."""
    lines = subprocess.run(["nm", "--defined-only", "--numeric-sort", program], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    names = {}
    for address, kind, name in (line.split(" ", 2) for line in lines):
        if kind in "tTwW":
            names.setdefault(int(address, 16), []).append(name)
    return sorted(names), names


def text_bias(program):
    """What to add to a place in the file for its address."""
    lines = subprocess.run(["readelf", "-lW", program], check=True, text=True, stdout=subprocess.PIPE).stdout
    offset, address = next(line.split()[1:3] for line in lines.splitlines() if " R E " in line)
    return int(address, 16) - int(offset, 16)


def executed(tracer, program, command, env):
    """Places in the file, in the order of first execution. Among the lines is what the command itself prints."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:  # a container that stays would hold a pipe open
        subprocess.run([tracer, program, *command], check=True, stdout=output, stdin=subprocess.DEVNULL, env=env)
        output.seek(0)
        return [int(line, 16) for line in output if re.fullmatch("[0-9a-f]{1,8}\n", line)]


def shorten(bundle):
    """A filter of two rules: to read hundreds takes no other functions, but minutes."""
    path = pathlib.Path(bundle, "config.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    profile = document["linux"]["seccomp"]
    del profile["defaultErrnoRet"]
    profile["defaultAction"] = "SCMP_ACT_ALLOW"
    profile["syscalls"] = [
        {"names": ["swapon", "swapoff"], "action": "SCMP_ACT_ERRNO", "args": [], "errnoRet": 1},
        {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]
    path.write_text(json.dumps(document), encoding="utf-8")


def commands_of_engines(place):
    mine = place.runtimes[0]
    mine.prepare()
    shorten(mine.once)
    measuring.run(mine.run_words())  # which keeps the filter
    yield mine.exec_words()
    yield mine.run_words()
    create = [*mine.words, "create", "--bundle", mine.once]
    yield [*create, "traced"]  # what it leaves does not outlive its tracer
    subprocess.run([*mine.words, "delete", "--force", "traced"], check=True)
    measuring.run([*create, "plain"])
    yield [*mine.words, "start", "plain"]
    yield [*mine.words, "delete", "--force", "plain"]


def commands_of_users(place):
    place.run("run", "-d", "--network", "none", "--name", "lasting", "busybox", "sleep", "1000")
    for words in (["run", "--rm", "busybox", "true"], ["exec", "lasting", "true"]):
        place.run(*words)  # which fills caches
        yield [place.sandbox, *words]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sandbox")
    program = os.path.abspath(parser.parse_args().sandbox)
    addresses, names = functions_of(program)
    bias = text_bias(program)
    ordered = {}

    def take(tracer, command, env):
        print(" ".join(command), file=sys.stderr)
        for place in executed(tracer, program, command, env):
            address = addresses[bisect.bisect_right(addresses, place + bias) - 1]
            ordered.update(dict.fromkeys(names[address]))

    engines, users = runtime.Workplace(program), start.Workplace(program)
    try:
        engines.compile("executed", engines.home + "/executed")
        for command in commands_of_engines(engines):
            take(engines.home + "/executed", command, os.environ)
        for command in commands_of_users(users):
            take(engines.home + "/executed", command, users.env)
    finally:
        users.close()
        engines.close()
    # Cold parts of functions are not in the functions' own sections.
    print("\n".join(name for name in ordered if not name.endswith(".cold")))


if __name__ == "__main__":
    main()
