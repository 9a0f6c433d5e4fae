#!/usr/bin/env python3
"""make_oci_layout.py DIR: an OCI layout with the images "gzip", "zstd" and the index "multi" (amd64, arm64)."""
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

OCI = "application/vnd.oci.image."
root = sys.argv[1]
os.makedirs(root + "/blobs/sha256")


def blob(data, kind, **more):
    name = hashlib.sha256(data).hexdigest()
    with open(f"{root}/blobs/sha256/{name}", "wb") as file:
        file.write(data)
    return {"mediaType": OCI + kind, "digest": "sha256:" + name, "size": len(data), **more}


def image(architecture, compression, **more):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("architecture")
        info.size = len(architecture)
        tar.addfile(info, io.BytesIO(architecture.encode()))
        noise = tarfile.TarInfo("noise")
        noise.size = 3 << 20
        tar.addfile(noise, io.BytesIO(os.urandom(noise.size)))
    data = buffer.getvalue()
    packed = (gzip.compress(data) if compression == "gzip"
              else subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout)
    config = {"architecture": architecture, "os": "linux", "config": {"Cmd": ["/hello"]},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(data).hexdigest()]}}
    manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "config.v1+json"),
                "layers": [blob(packed, "layer.v1.tar+" + compression)]}
    return blob(json.dumps(manifest).encode(), "manifest.v1+json", **more)


def named(entry, name):
    return {**entry, "annotations": {"org.opencontainers.image.ref.name": name}}


def platform(architecture):
    return {"os": "linux", "architecture": architecture}


index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json",
         "manifests": [image(a, "gzip", platform=platform(a)) for a in ("amd64", "arm64")]}
top = {"schemaVersion": 2, "manifests": [named(image("amd64", "gzip"), "gzip"), named(image("amd64", "zstd"), "zstd"),
                                         named(blob(json.dumps(index).encode(), "index.v1+json"), "multi")]}
with open(root + "/index.json", "w", encoding="ascii") as file:
    json.dump(top, file)
with open(root + "/oci-layout", "w", encoding="ascii") as file:
    file.write('{"imageLayoutVersion": "1.0.0"}')
