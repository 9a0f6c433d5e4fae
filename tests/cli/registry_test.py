"""Registries as they are met: TLS with an authority of one's own, passwords, credential helpers, cut connections."""

import base64
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import unittest

import registry_server
from registry_case import BASIC, RegistryCase, TlsRegistryCase
from sandbox_case import eventually, free_port


class RealRegistry(TlsRegistryCase):
    def test_an_unknown_authority_is_refused_and_a_known_one_trusted(self):
        self.log_in({"auths": {f"localhost:{self.port}": {"auth": BASIC}}})
        message = self.refused(self.name, reason="TLS failed")
        self.assertIn(f"certs.d/localhost:{self.port}/ca.crt", message)
        authority = pathlib.Path("ca.crt").read_text()
        directories = (self.user_home / ".config/containers/certs.d", self.user_home / ".config/docker/certs.d")
        for directory in directories:
            place = directory / f"localhost:{self.port}"
            place.mkdir(parents=True)
            (place / "ca.crt").write_text(authority)
            self.assertIn("Status: ", self.ok("pull", self.name))
            (place / "ca.crt").rename(place / "ca.txt")
            self.refused(self.name, reason="TLS failed")
            (place / "ca.txt").unlink()
            place.rmdir()
        self.env["SSL_CERT_FILE"] = self.home + "/ca.crt"
        self.assertIn("Status: ", self.ok("pull", self.name))

    def test_with_a_password_and_a_certificate_it_goes_there_and_back(self):
        self.env["SSL_CERT_FILE"] = self.home + "/ca.crt"
        pushed = f"localhost:{self.port}/other/y:1"
        skopeo = lambda name: subprocess.run(
            ["skopeo", "inspect", "--raw", "--tls-verify=false", "--creds", "user:secret", "docker://" + name],
            check=True, capture_output=True).stdout
        self.log_in({"auths": {f"localhost:{self.port}": {"auth": BASIC}}})
        self.ok("pull", self.name)
        self.ok("tag", self.name, pushed)
        self.ok("push", pushed)
        self.assertEqual(skopeo(pushed), skopeo(self.name))
        self.log_in({})
        self.assertIn("sandbox login", self.sandbox("push", pushed).stderr)

    def test_a_password_is_needed_and_a_wrong_one_refused(self):
        self.env["SSL_CERT_FILE"] = self.home + "/ca.crt"
        self.refused(self.name, reason="may require 'sandbox login'")
        self.log_in({"auths": {f"localhost:{self.port}": {"auth": base64.b64encode(b"user:wrong").decode()}}})
        self.refused(self.name, reason="may require 'sandbox login'")
        self.log_in({"auths": {f"localhost:{self.port}": {"auth": BASIC}}})
        self.assertIn("Status: ", self.ok("pull", self.name))

    def test_a_certificate_of_another_name_is_refused(self):
        self.env["SSL_CERT_FILE"] = self.home + "/ca.crt"
        self.refused(f"127.0.0.2:{self.port}/group/x:gzip", reason="connection refused")
        self.refused(f"ip6-localhost:{self.port}/group/x:gzip", reason="registry 'ip6-localhost")


class LyingRegistry(RegistryCase):
    def test_a_password_stays_with_the_registry_that_it_is_for(self):
        storage, storage_log = self.mock("basic")
        registry, registry_log = self.mock("basic-redirect", "--other", f"http://127.0.0.1:{storage}")
        self.log_in({"auths": {f"127.0.0.1:{registry}": {"auth": BASIC}, "127.0.0.1": {"auth": BASIC}}})
        self.refused(f"127.0.0.1:{registry}/x", reason="pull access denied for 127.0.0.1:")
        self.assertIn("Basic " + BASIC, registry_log.read_text())
        self.assertIn("/blobs/", storage_log.read_text())
        self.assertNotIn("Basic", storage_log.read_text())

    def test_plain_http_is_for_loopback_only(self):
        log = self.home + "/requests"
        port = free_port()
        code = ("import http.server\nclass H(http.server.BaseHTTPRequestHandler):\n  def do_GET(self):\n"
                f"    open({log!r}, 'a').write(self.path)\n    self.send_response(200); self.end_headers()\n"
                f"http.server.HTTPServer(('0.0.0.0', {port}), H).serve_forever()")
        self.serve(sys.executable, "-c", code)
        self.assertTrue(eventually(lambda: registry_server.listens(port)))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # sends nothing; tells this machine's address
                address = probe.getsockname()[0]
            except OSError:
                address = socket.gethostbyname(socket.gethostname())
        self.refused(f"{address}:{port}/x", reason="server gave HTTP response to HTTPS client")
        self.assertFalse(os.path.exists(log))

    def test_a_download_that_is_cut_goes_on_where_it_stopped(self):
        port, log = self.mock("cut")
        self.assertIn("Status: Downloaded", self.ok("pull", f"127.0.0.1:{port}/x"))
        ranges = [line.split()[-1] for line in log.read_text().splitlines() if "/blobs/" in line]
        self.assertEqual(ranges[:4], ["-", "-", "bytes=100000-", "bytes=200000-"])
        self.assertIn("localhost", self.ok("images").replace("127.0.0.1", "localhost"))

    def test_a_registry_that_sends_a_byte_at_a_time_is_given_up(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            client = self.client("pull", f"127.0.0.1:{listener.getsockname()[1]}/x", stderr=subprocess.PIPE, text=True)
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                end = time.monotonic() + 60
                while client.poll() is None and time.monotonic() < end:
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        break
                    time.sleep(0.2)
            _, errors = client.communicate(timeout=20)
        self.assertEqual(client.returncode, 1)
        self.assertIn("too slow", errors)


class CredentialHelpers(RegistryCase):
    def helper(self, text):
        tools = pathlib.Path(self.home + "/tools")
        tools.mkdir(exist_ok=True)
        program = tools / "docker-credential-test"
        program.write_text("#!/bin/sh\n" + text)
        program.chmod(0o755)
        self.env["PATH"] = f"{tools}:{os.environ['PATH']}"

    def test_a_helper_of_one_server_or_of_all_is_asked(self):
        port, log = self.mock("basic")
        server = f"127.0.0.1:{port}"
        self.helper(f'read server; test "$server" = {server} && test "$1" = get || exit 1\n'
                    'echo \'{"ServerURL":"x","Username":"user","Secret":"secret"}\'\n')
        for document in ({"credHelpers": {server: "test"}}, {"credsStore": "test", "auths": {server: {}}}):
            log.write_text("")
            self.log_in(document)
            self.assertIn("Status: ", self.ok("pull", f"{server}/x"))
            self.assertIn("Basic " + BASIC, log.read_text())

    def test_trouble_with_a_helper_is_told(self):
        port, _ = self.mock("basic")
        name = f"127.0.0.1:{port}/x"
        self.log_in({"credsStore": "nonesuch"})
        self.refused(name, reason="running 'docker-credential-nonesuch'")
        self.log_in({"credsStore": "../../bin/sh"})
        self.refused(name, reason="no name of a credential helper")
        self.log_in({"credsStore": "test"})
        for text, reason in (("echo credentials not found in native keychain; exit 1", "may require 'sandbox login'"),
                             ("echo broken; exit 1", "'docker-credential-test' failed: broken"),
                             ("echo nonsense", "docker-credential-test"),
                             ("yes", "answers without end"), ("exec sleep 1000", "did not answer in time")):
            self.helper(text + "\n")
            self.refused(name, reason=reason)


if __name__ == "__main__":
    unittest.main(verbosity=2)
