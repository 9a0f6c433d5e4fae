"""Registries as processes of a test, and a home directory of its own with the credentials for them."""

import base64
import json
import os
import pathlib
import subprocess
import sys

import registry_server
from sandbox_case import SandboxCase

SUPPORT = pathlib.Path(__file__).resolve().parent.parent / "support"
# htpasswd -B: bcrypt of "secret"
HTPASSWD = "user:$2b$05$I3bS38HJ8uCUBpXOICILdeNLAv28UQHDrx1tz2tXM9avCHkuwpM.W\n"
BASIC = base64.b64encode(b"user:secret").decode()


class RegistryCase(SandboxCase):
    def setUp(self):
        super().setUp()
        self.user_home = pathlib.Path(self.home + "/user")
        self.user_home.mkdir()
        self.env.update(HOME=str(self.user_home))
        for name in ("DOCKER_CONFIG", "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"):
            self.env.pop(name, None)

    def serve(self, *words, **more):
        server = subprocess.Popen(words, stderr=subprocess.DEVNULL, text=True, **more)
        self.clients.append(server)
        return server

    def mock(self, mode, *options, server="hostile_registry.py"):
        """A lying registry's port, and the file of its requests."""
        log = f"{self.home}/{mode}.log"
        server = self.serve(sys.executable, SUPPORT / server, mode, "--log", log, *options,
                            stdout=subprocess.PIPE)
        with server.stdout:
            return int(server.stdout.readline()), pathlib.Path(log)

    def log_in(self, document):
        (self.user_home / ".docker").mkdir(exist_ok=True)
        (self.user_home / ".docker/config.json").write_text(json.dumps(document))

    def refused(self, *words, reason):
        done = self.sandbox("pull", *words)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(reason, done.stderr)
        self.assertEqual(self.leftovers(), [])
        return done.stderr


class TlsRegistryCase(RegistryCase):
    """docker-registry with TLS and a password, both of the test's own making."""

    hosts = "DNS:localhost,IP:127.0.0.1"  # that its certificate is for

    def setUp(self):
        super().setUp()
        os.chdir(self.home)
        for command in (
                "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test-authority",
                "openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=localhost",
                "openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out tls.crt -extfile names"):
            pathlib.Path("names").write_text(f"subjectAltName={self.hosts}\n")
            subprocess.run(command.split(), check=True, capture_output=True)
        pathlib.Path("htpasswd").write_text(HTPASSWD)
        self.port = registry_server.start(self, tls={"certificate": self.home + "/tls.crt", "key": self.home + "/tls.key"},
                                          auth={"htpasswd": {"realm": "test", "path": self.home + "/htpasswd"}})
        self.name = f"localhost:{self.port}/group/x:gzip"
        subprocess.run([sys.executable, SUPPORT / "make_oci_layout.py", "oci"], check=True)
        subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--dest-creds", "user:secret",
                        "oci:oci:gzip", "docker://" + self.name], check=True)

    def tearDown(self):
        os.chdir("/")
        super().tearDown()
