#!/usr/bin/env python3
"""Fails when a source file includes a room that is not below its own.

    check_includes.py [ROOT]

Invariants it keeps: a room includes its own headers and those of lower floors; rooms of one floor never
include each other; every C++ file belongs to a room of the table. The table is in HACKING.md, too.
"""

import pathlib
import re
import sys

# From the ground up; the rooms of one floor are folders (or one file) relative to the root.
FLOORS = [
    ["sandbox/base"],
    ["userns", "profiles", "fuse-overlay", "netstack", "sandbox/cgroup", "sandbox/oci"],
    ["sandbox/runtime", "sandbox/image", "sandbox/ownership"],
    ["sandbox/container"],
    ["sandbox/build"],
    ["sandbox/engine"],
    ["sandbox/compose", "sandbox/api"],
    ["sandbox/cli"],
    ["sandbox/helpers"],
    ["sandbox/main.cc"],
]
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
SOURCES = {".cc", ".h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def room_of(path):
    """The room of a path relative to the root, or None."""
    for room in FLOOR_OF:
        if path == room or path.startswith(room + "/"):
            return room
    return None


def violations_of(root, file):
    """What is wrong with one file, as 'path:line: message' lines."""
    name = file.relative_to(root).as_posix()
    room = room_of(name)
    if room is None:
        return [f"{name}:1: belongs to no room of tests/check_includes.py"]
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        match = INCLUDE.match(line)
        if not match:
            continue
        included = match.group(1)
        other = room_of(included)
        if other is None:
            found.append(f"{name}:{number}: \"{included}\" is not a path from the root into a room")
        elif other != room and FLOOR_OF[other] >= FLOOR_OF[room]:
            relation = "the same floor as" if FLOOR_OF[other] == FLOOR_OF[room] else "a floor above"
            found.append(f"{name}:{number}: \"{included}\" is on {relation} {room}")
    return found


def check(root):
    """All violations below the product's folders of `root`."""
    tops = sorted({room.split("/")[0] for room in FLOOR_OF})
    files = sorted(file for top in tops for file in (root / top).rglob("*") if file.suffix in SOURCES)
    return [violation for file in files for violation in violations_of(root, file)]


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    violations = check(root)
    for violation in violations:
        print(violation)
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
