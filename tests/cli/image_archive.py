"""Writes docker-archives for `sandbox load`, as hostile as a test wants them: layers are lists of tar entries."""

import hashlib
import io
import json
import tarfile

BUSYBOX = "/bin/busybox"


def entry(name, content=b"", **fields):
    """One tar entry; `fields` are TarInfo's: type, linkname, mode, uid, gid, pax_headers, …"""
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    data = content.encode() if isinstance(content, str) else content
    info.size = len(data)
    return info, data


def link(name, target):
    return entry(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)


def directory(name, mode=0o755):
    return entry(name, type=tarfile.DIRTYPE, mode=mode)


def script(name, text):
    return entry(name, text, mode=0o755)


def tools(*applets):
    """A static busybox with links: the least that runs."""
    with open(BUSYBOX, "rb") as busybox:
        entries = [directory("bin"), script("bin/busybox", busybox.read())]
    return entries + [link("bin/" + name, "busybox") for name in ("sh", "cat", "ls", "id", *applets)]


def around_host_python():
    """What the host's Python needs beside its /usr, which the test mounts."""
    return tools() + [link(name, "usr/" + name) for name in ("lib", "lib64")] + [directory("usr")]


def tar(entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def docker_archive(path, name, *layers, history=(), **config):
    """`config` is the image's: Env, Entrypoint, User, WorkingDir, Labels, … buildah wants a `history`."""
    packed = [tar(layer) for layer in layers]
    diff_ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in packed]
    document = json.dumps({"architecture": "amd64", "os": "linux", "config": config,
                           "rootfs": {"type": "layers", "diff_ids": diff_ids},
                           **({"history": list(history)} if history else {})})
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": [f"{i}.tar" for i in range(len(packed))]}]
    members = [entry("manifest.json", json.dumps(manifest)), entry("config.json", document)]
    members += [entry(f"{i}.tar", layer) for i, layer in enumerate(packed)]
    with open(path, "wb") as archive:
        archive.write(tar(members))
