"""Credentials: tried before they are kept, kept where the others look for them, and sent nowhere else."""

import base64
import json
import os
import pathlib
import pty
import signal
import subprocess
import termios
import unittest

from registry_case import BASIC, RegistryCase, TlsRegistryCase
from sandbox_case import eventually


class LoginCase(RegistryCase):
    def setUp(self):
        super().setUp()
        self.env.update(XDG_RUNTIME_DIR=self.home + "/session")
        os.mkdir(self.home + "/session", 0o700)
        self.auth_file = pathlib.Path(self.home + "/session/containers/auth.json")

    def stored(self):
        return json.loads(self.auth_file.read_text())["auths"] if self.auth_file.exists() else {}

    def log_in_with(self, server, user="user", password="secret"):
        return self.sandbox("login", "-u", user, "--password-stdin", server, stdin=password + "\n")


class RealRegistry(LoginCase, TlsRegistryCase):
    def setUp(self):
        super().setUp()
        self.server = f"localhost:{self.port}"
        self.env["SSL_CERT_FILE"] = self.home + "/ca.crt"

    def test_credentials_are_tried_kept_used_and_forgotten(self):
        self.auth_file.parent.mkdir()
        self.auth_file.write_text(json.dumps({"auths": {"other": {"auth": "YTpi"}}, "credHelpers": {"elsewhere": "x"}}))
        done = self.log_in_with(f"https://{self.server}/v2/")
        self.assertEqual((done.returncode, done.stdout), (0, "Login Succeeded\n"), done.stderr)
        self.assertIn("stored unencrypted in", done.stderr)
        self.assertEqual(self.auth_file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(json.loads(self.auth_file.read_text()),
                         {"auths": {"other": {"auth": "YTpi"}, self.server: {"auth": BASIC}}, "credHelpers": {"elsewhere": "x"}})
        self.ok("pull", self.name)
        self.ok("tag", self.name, f"{self.server}/other:1")
        self.assertIn("1: digest: ", self.ok("push", f"{self.server}/other:1"))
        again = self.ok("login", self.server)
        self.assertEqual(again, "Authenticating with existing credentials... [Username: user]\nLogin Succeeded\n")
        self.assertEqual(self.ok("logout", self.server), f"Removing login credentials for {self.server}\n")
        self.assertEqual(self.stored(), {"other": {"auth": "YTpi"}})
        self.assertEqual(self.ok("logout", self.server), f"Not logged in to {self.server}\n")
        self.refused(self.name, reason="may require 'sandbox login'")

    def test_a_wrong_password_is_not_kept(self):
        done = self.log_in_with(self.server, password="wrong")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"login attempt to https://{self.server}/v2/ failed with status: 401 Unauthorized", done.stderr)
        self.assertFalse(self.auth_file.exists())

    def test_a_password_is_not_sent_to_a_server_that_is_not_trusted(self):
        del self.env["SSL_CERT_FILE"]
        self.assertIn("TLS failed", self.log_in_with(self.server).stderr)
        self.assertFalse(self.auth_file.exists())

    def test_skopeo_and_we_use_each_other_s_credentials(self):
        skopeo = lambda *words: subprocess.run(["skopeo", *words], env=self.env, check=True, capture_output=True)
        self.log_in_with(self.server)
        skopeo("inspect", "docker://" + self.name)
        self.ok("logout", "--all")
        skopeo("login", "-u", "user", "-p", "secret", self.server)
        self.ok("pull", self.name)
        self.assertIn(self.server, self.ok("logout", self.server))
        self.assertEqual(self.stored(), {})

    def test_a_terminal_does_not_show_the_password(self):
        terminal, end = pty.openpty()
        login = self.client("login", self.server, stdin=end, stdout=end, stderr=end)
        shown = self.answer(terminal, b"Username: ", b"user\n")
        shown += self.answer(terminal, b"Password: ", b"secret\n")
        self.assertEqual(login.wait(timeout=20), 0, shown)
        self.assertTrue(termios.tcgetattr(end)[3] & termios.ECHO)
        os.close(end)
        self.assertNotIn(b"secret", shown + self.rest(terminal))
        self.assertEqual(self.stored(), {self.server: {"auth": BASIC}})

    def test_a_login_that_is_interrupted_leaves_the_terminal_as_it_was(self):
        terminal, end = pty.openpty()
        login = self.client("login", "-u", "user", self.server, stdin=end, stdout=end, stderr=end)
        self.answer(terminal, b"Password: ", b"")
        self.assertTrue(eventually(lambda: not termios.tcgetattr(end)[3] & termios.ECHO))
        login.send_signal(signal.SIGINT)
        self.assertEqual(login.wait(timeout=20), -signal.SIGINT)
        self.assertTrue(termios.tcgetattr(end)[3] & termios.ECHO)
        os.close(end)
        os.close(terminal)
        self.assertFalse(self.auth_file.exists())

    def answer(self, terminal, question, words):
        shown = b""
        while question not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, words)
        return shown

    def rest(self, terminal):
        with os.fdopen(terminal, "rb", buffering=0) as screen:
            try:
                return screen.read(1 << 16)
            except OSError:
                return b""


class TokenServer(LoginCase):
    def test_a_token_server_tries_the_password(self):
        port, log = self.mock("token-login")
        server = f"127.0.0.1:{port}"
        done = self.log_in_with(server, password="wrong")
        self.assertIn("unauthorized: incorrect username or password", done.stderr)
        self.assertEqual(self.stored(), {})
        self.assertEqual(self.log_in_with(server).returncode, 0)
        log.write_text("")
        self.ok("pull", f"{server}/x")
        self.assertIn("/token?service=mock&scope=repository%3ax%3apull Basic " + BASIC, log.read_text())
        self.assertEqual(log.read_text().count("Basic"), 1)

    def test_an_identity_token_is_exchanged(self):
        port, log = self.mock("token-login")
        self.log_in({"auths": {f"127.0.0.1:{port}": {"identitytoken": "refresh me"}}})
        self.ok("pull", f"127.0.0.1:{port}/x")
        self.assertIn("POST grant_type=refresh_token&service=mock&client_id=sandbox&scope=repository%3Ax%3Apull"
                      "&refresh_token=refresh%20me", log.read_text())
        self.log_in({"auths": {f"127.0.0.1:{port}": {"identitytoken": "stale"}}})
        self.assertIn("unauthorized", self.refused(f"127.0.0.1:{port}/x", reason="unauthorized"))


class Keepers(LoginCase):
    def helper(self):
        """A credential helper that keeps what it is told in a file."""
        tools = pathlib.Path(self.home + "/tools")
        tools.mkdir()
        program = tools / "docker-credential-test"
        program.write_text(f"""#!/bin/sh
cd {self.home} || exit 1
case $1 in
store) cat >kept ;;
get) read server; grep -qs "$server" kept || {{ echo credentials not found; exit 1; }}; cat kept ;;
erase) rm kept ;;
esac
""")
        program.chmod(0o755)
        self.env["PATH"] = f"{tools}:{os.environ['PATH']}"

    def test_a_helper_keeps_what_it_is_named_for(self):
        port, _ = self.mock("basic")
        server = f"127.0.0.1:{port}"
        self.helper()
        for document in ({"credHelpers": {server: "test"}}, {"credsStore": "test"}):
            self.log_in(document)
            self.assertEqual(self.log_in_with(server).returncode, 0)
            self.assertEqual(json.loads(pathlib.Path(self.home + "/kept").read_text()),
                             {"ServerURL": server, "Username": "user", "Secret": "secret"})
            self.assertFalse(self.auth_file.exists())
            self.ok("pull", f"{server}/x")
            self.assertIn("Removing login", self.ok("logout", server))
            self.assertFalse(os.path.exists(self.home + "/kept"))

    def test_what_docker_has_written_is_used_but_not_changed(self):
        port, _ = self.mock("basic")
        server = f"127.0.0.1:{port}"
        self.log_in({"auths": {server: {"auth": BASIC}}})
        before = (self.user_home / ".docker/config.json").read_text()
        self.ok("pull", f"{server}/x")
        self.assertIn("which another program has written", self.sandbox("logout", server).stderr)
        self.assertEqual((self.user_home / ".docker/config.json").read_text(), before)

    def test_the_most_particular_credentials_are_used(self):
        port, log = self.mock("basic")
        server = f"127.0.0.1:{port}"
        self.assertEqual(self.log_in_with(f"{server}/group", password="particular").returncode, 0)
        self.assertEqual(self.log_in_with(server, password="general").returncode, 0)
        for repository, password in (("group/x", "particular"), ("x", "general"), ("groups/x", "general")):
            log.write_text("")
            self.sandbox("pull", f"{server}/{repository}")
            self.assertIn("Basic " + base64.b64encode(f"user:{password}".encode()).decode(), log.read_text(), repository)

    def test_words_that_make_no_login(self):
        for words, stdin, reason in (
                (("--password-stdin",), "x", "must provide --username with --password-stdin"),
                (("-u", "a", "-p", "b", "--password-stdin"), "x", "mutually exclusive"),
                (("-u", "a"), "", "cannot perform an interactive login from a non-TTY device"),
                (("-u", "a", "--password-stdin", "localhost:1"), "", "password is empty"),
                (("-u", "a:b", "--password-stdin", "localhost:1"), "x", "a username has no colon"),
                (("-u", "a", "--password-stdin", "Bad_Host/x"), "x", "invalid reference format")):
            done = self.sandbox("login", *words, stdin=stdin)
            self.assertEqual(done.returncode, 1)
            self.assertIn(reason, done.stderr)
        self.assertFalse(self.auth_file.exists())

    def test_files_that_are_none_are_told(self):
        port, _ = self.mock("basic")
        self.auth_file.parent.mkdir()
        for text, reason in (("{", "auth.json"), ('{"auths": 3}', "'auths' is not an object"), ("[]", "not an object"),
                             ('{"auths": {"127.0.0.1:%d": {"auth": "?"}}}' % port, "are not base64"),
                             ('{"auths": {"127.0.0.1:%d": {"auth": "YWJj"}}}' % port, "are not base64")):
            self.auth_file.write_text(text)
            self.refused(f"127.0.0.1:{port}/x", reason=reason)


if __name__ == "__main__":
    unittest.main(verbosity=2)
