"""The reference registry (Debian's docker-registry) on loopback, as a process of a SandboxCase."""

import json
import socket
import subprocess

from sandbox_case import eventually, free_port


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start(case, tls=None, auth=None):
    """Its port; `tls` and `auth` as its configuration has them. It ends with the test."""
    port = free_port()
    http = {"addr": f"127.0.0.1:{port}", **({"tls": tls} if tls else {})}
    config = {"version": 0.1, "log": {"level": "error"}, "http": http, **({"auth": auth} if auth else {}),
              "storage": {"filesystem": {"rootdirectory": case.home + "/registry"}}}
    with open(case.home + "/registry.yml", "w", encoding="utf-8") as file:
        json.dump(config, file)  # JSON is YAML
    case.clients.append(subprocess.Popen(["docker-registry", "serve", file.name], stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL))
    case.assertTrue(eventually(lambda: listens(port)), "docker-registry did not start")
    return port
