#!/usr/bin/env python3
"""Packs the statically linked busybox of the build machine as the image that ships with sandbox.

Runs at build time only. The result is a read-only additional store:

    <output>/images/                      OCI image layout with docker.io/library/busybox:latest
    <output>/layers/<chain id>/fs         the one layer, unpacked
    <output>/layers/<chain id>/meta.json  what the layer store keeps beside an unpacked layer

Invariants: the same busybox gives the same digests (no clock, no host names, sorted entries); the tree is
complete or absent, because it is built beside its place and renamed.
"""

import argparse
import hashlib
import io
import json
import os
import pathlib
import platform
import shutil
import stat
import subprocess
import sys
import tarfile
import time

NAME = "docker.io/library/busybox:latest"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
sync:x:4:100:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""

GROUP = """\
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
tty:x:5:
disk:x:6:
mail:x:8:
www-data:x:33:
operator:x:37:
users:x:100:
nogroup:x:65534:
"""

DIRECTORIES = {
    "bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "proc": 0o755, "root": 0o700, "sbin": 0o755,
    "sys": 0o755, "tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755, "var": 0o755,
    "var/www": 0o755,
}


class Entry:
    """One entry of the layer: a directory, a file with content, or a symbolic link with a target."""

    def __init__(self, kind, mode, content=b"", target=""):
        self.kind, self.mode, self.content, self.target = kind, mode, content, target


def applets(busybox):
    """Paths of all applets as busybox itself would install them, without the leading slash."""
    listed = subprocess.run([busybox, "--list-full"], check=True, capture_output=True, text=True).stdout.split("\n")
    return sorted({line.strip().lstrip("/") for line in listed if line.strip()} - {"bin/busybox"})


def is_static(program):
    """True when the ELF file names no interpreter: only then it runs in a root without libraries."""
    data = program.read_bytes()
    if data[:4] != b"\x7fELF" or data[4] != 2:
        return False
    offset = int.from_bytes(data[32:40], "little")
    size = int.from_bytes(data[54:56], "little")
    count = int.from_bytes(data[56:58], "little")
    interpreter = 3  # PT_INTERP of elf(5)
    return all(int.from_bytes(data[offset + i * size:offset + i * size + 4], "little") != interpreter
               for i in range(count))


def layer_entries(busybox):
    """The whole content of the layer, by path."""
    entries = {path: Entry(tarfile.DIRTYPE, mode) for path, mode in DIRECTORIES.items()}
    entries["bin/busybox"] = Entry(tarfile.REGTYPE, 0o755, busybox.read_bytes())
    entries["etc/passwd"] = Entry(tarfile.REGTYPE, 0o644, PASSWD.encode())
    entries["etc/group"] = Entry(tarfile.REGTYPE, 0o644, GROUP.encode())
    for applet in applets(busybox):
        parent = os.path.dirname(applet)
        while parent and parent not in entries:
            entries[parent] = Entry(tarfile.DIRTYPE, 0o755)
            parent = os.path.dirname(parent)
        target = os.path.relpath("bin/busybox", os.path.dirname(applet) or ".")
        entries.setdefault(applet, Entry(tarfile.SYMTYPE, 0o777, target=target))
    return dict(sorted(entries.items()))


def layer_tar(entries):
    """The entries as an uncompressed tar whose bytes depend on nothing but the entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in entries.items():
            info = tarfile.TarInfo(path)
            info.type, info.mode, info.linkname, info.size = entry.kind, entry.mode, entry.target, len(entry.content)
            info.uid = info.gid = info.mtime = 0
            archive.addfile(info, io.BytesIO(entry.content))
    return buffer.getvalue()


def write_file(path, content, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def unpack(entries, root):
    """The layer as a directory. Directory modes come last, so that none is in the way of its own content."""
    root.mkdir(parents=True)
    for path, entry in entries.items():
        if entry.kind == tarfile.DIRTYPE:
            (root / path).mkdir(exist_ok=True)
        elif entry.kind == tarfile.SYMTYPE:
            (root / path).symlink_to(entry.target)
        else:
            write_file(root / path, entry.content, entry.mode)
    everything = [root / path for path in entries] + [root]
    for path in reversed(everything):
        os.utime(path, (0, 0), follow_symlinks=False)
    for path, entry in reversed(entries.items()):
        if entry.kind == tarfile.DIRTYPE:
            (root / path).chmod(entry.mode)


class Layout:
    """Writes an OCI image layout (image-spec image-layout.md)."""

    def __init__(self, directory):
        self.directory = directory
        write_file(directory / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')

    def blob(self, media_type, content):
        digest = hashlib.sha256(content).hexdigest()
        write_file(self.directory / "blobs" / "sha256" / digest, content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def document(self, media_type, value):
        return self.blob(media_type, compact(value))

    def index(self, manifest, name):
        manifest = dict(manifest, annotations={"org.opencontainers.image.ref.name": name})
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
        write_file(self.directory / "index.json", compact(index))


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def pack(busybox, output):
    entries = layer_entries(busybox)
    layer = layer_tar(entries)
    layout = Layout(output / "images")
    layer_descriptor = layout.blob("application/vnd.oci.image.layer.v1.tar", layer)
    diff_id = layer_descriptor["digest"]
    # The package's date, not today's: the same busybox makes the same image.
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(busybox.stat().st_mtime))
    config = layout.document("application/vnd.oci.image.config.v1+json", {
        "created": created,
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Env": [f"PATH={PATH}"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": created, "created_by": "pack_busybox.py", "comment": "statically linked busybox"}],
    })
    manifest = layout.document("application/vnd.oci.image.manifest.v1+json", {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer_descriptor],
    })
    layout.index(manifest, NAME)

    # The chain id of a single layer is its diff id (image-spec config.md).
    home = output / "layers" / diff_id.removeprefix("sha256:")
    unpack(entries, home / "fs")
    write_file(home / "meta.json", compact({
        "version": 1, "diff_id": diff_id, "bytes": sum(len(entry.content) for entry in entries.values()),
        "entries": len(entries), "own_ids": False,
    }))


def remove_tree(path):
    """Removes a tree of ours; a directory may have lost its write bit meanwhile."""
    for directory, _, _ in os.walk(path):
        os.chmod(directory, stat.S_IRWXU)
    shutil.rmtree(path, ignore_errors=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("busybox", type=pathlib.Path, help="a statically linked busybox")
    parser.add_argument("output", type=pathlib.Path, help="the store to write; replaced when it exists")
    arguments = parser.parse_args()
    if not is_static(arguments.busybox):
        sys.exit(f"{arguments.busybox} is not a statically linked ELF64 program; install busybox-static")
    os.umask(0o022)
    staging = arguments.output.with_name(arguments.output.name + ".new")
    for stale in (staging, arguments.output):
        if stale.exists():
            remove_tree(stale)
    pack(arguments.busybox, staging)
    staging.rename(arguments.output)


if __name__ == "__main__":
    main()
