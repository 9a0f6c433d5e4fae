"""Registries as processes of a test, and a home directory of its own with the credentials for them."""

import base64
import json
import pathlib
import subprocess
import sys

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
