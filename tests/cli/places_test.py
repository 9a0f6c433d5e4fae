"""Where images may come from and where they really are: registries.conf, policy.json, proxies."""

import contextlib
import json
import select
import socket
import socketserver
import threading
import unittest

import registry_server
from image_archive import docker_archive, entry, tools
from registry_case import BASIC, RegistryCase, TlsRegistryCase


class PlacesCase(RegistryCase):
    def configure(self, text, name="registries.conf"):
        file = self.user_home / ".config/containers" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def fill(self, server, name, text="1"):
        docker_archive(self.home + "/image.tar", f"{server}/{name}", tools(), [entry("a", text)])
        self.ok("load", "-i", self.home + "/image.tar")
        self.ok("push", "-q", f"{server}/{name}")
        self.ok("rmi", f"{server}/{name}")


class Registries(PlacesCase):
    def setUp(self):
        super().setUp()
        self.server = f"127.0.0.1:{registry_server.start(self)}"

    def test_a_mirror_is_asked_first_and_the_name_stays(self):
        self.fill(self.server, "cache/group/x:1")
        self.configure(f'[[registry]]\nprefix = "r.invalid"\n[[registry.mirror]]\nlocation = "127.0.0.1:1"\n'
                       f'[[registry.mirror]]\nlocation = "{self.server}/cache"\n')
        shown = self.ok("pull", "r.invalid/group/x:1")
        self.assertIn("WARNING: mirror 127.0.0.1:1: ", shown)
        self.assertTrue(shown.endswith("\nr.invalid/group/x:1\n"))
        self.assertEqual(self.ok("run", "--rm", "r.invalid/group/x:1", "cat", "/a"), "1")
        self.assertIn("registry 'r.invalid'", self.sandbox("pull", "r.invalid/group/y:1").stderr)

    def test_another_location(self):
        self.fill(self.server, "moved/x:1")
        self.configure(f'[[registry]]\nprefix = "r.invalid/old"\nlocation = "{self.server}/moved"\n')
        self.ok("pull", "r.invalid/old/x:1")
        self.ok("tag", "r.invalid/old/x:1", "r.invalid/old/y:2")
        self.ok("push", "r.invalid/old/y:2")
        self.assertIn(f"{self.server}/moved/y", self.ok("search", f"{self.server}/y"))

    def test_a_registry_that_is_blocked(self):
        self.configure(f'[[registry]]\nlocation = "{self.server}"\nblocked = true\n')
        for words in (("pull", f"{self.server}/x"), ("search", f"{self.server}/x"),
                      ("login", "-u", "a", "--password-stdin", self.server)):
            self.assertIn(f"registry '{self.server}' is blocked", self.sandbox(*words, stdin="b").stderr, words)

    def test_short_names(self):
        self.fill(self.server, "tools:1", "found")
        self.configure(f'unqualified-search-registries = ["127.0.0.1:1", "{self.server}"]\n'
                       f'[aliases]\n"alias" = "{self.server}/tools"\n')
        self.assertIn(f"{self.server}/tools:1\n", self.ok("pull", "tools:1"))
        self.assertEqual(self.ok("run", "--rm", "--pull=never", "tools:1", "cat", "/a"), "found")
        self.ok("rmi", f"{self.server}/tools:1")
        self.assertEqual(self.ok("run", "--rm", "alias:1", "cat", "/a"), "found")
        self.configure(f'unqualified-search-registries = ["127.0.0.1:1", "{self.server}"]\nshort-name-mode = "enforcing"\n')
        self.assertIn("may stand for images of 2 registries", self.sandbox("pull", "nonesuch").stderr)
        self.assertIn("no such object: nonesuch", self.sandbox("inspect", "nonesuch").stderr)

    @contextlib.contextmanager
    def elsewhere(self, port):
        """The server of that port of loopback, at this machine's other address."""
        address = "127.0.0.1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # sends nothing; tells this machine's address
                address = probe.getsockname()[0]
            except OSError:
                pass
        if address.startswith("127."):
            self.skipTest("this machine has no address but loopback")
        with socketserver.ThreadingTCPServer((address, 0), Tunnel) as front:
            front.target, front.daemon_threads = port, True
            threading.Thread(target=front.serve_forever, daemon=True).start()
            yield f"{address}:{front.server_address[1]}"
            front.shutdown()

    def test_plain_http_elsewhere_is_for_insecure_registries(self):
        with self.elsewhere(int(self.server.split(":")[1])) as server:
            self.fill(self.server, "x:1")
            refused = self.sandbox("pull", f"{server}/x:1").stderr
            self.assertIn("server gave HTTP response to HTTPS client", refused)
            self.assertIn("insecure = true", refused)
            self.configure(f'[[registry]]\nlocation = "{server}"\ninsecure = true\n')
            self.ok("pull", f"{server}/x:1")

    def test_a_registry_elsewhere_leads_to_nothing_on_loopback(self):
        storage, log = self.mock("ok")
        port, _ = self.mock("redirect", "--other", f"http://127.0.0.1:{storage}")
        self.ok("pull", f"127.0.0.1:{port}/x")
        log.unlink()
        with self.elsewhere(port) as server:
            self.configure(f'[[registry]]\nlocation = "{server}"\ninsecure = true\n')
            self.ok("rmi", f"127.0.0.1:{port}/x")
            self.refused(f"{server}/x", reason="the target of a redirect is on this machine's loopback")
        self.assertFalse(log.exists())

    def test_a_file_that_is_none_is_told(self):
        self.configure("[[registry]\n")
        self.assertIn("registries.conf: line 1: ", self.sandbox("pull", f"{self.server}/x").stderr)


class Tunnel(socketserver.BaseRequestHandler):
    """Leads to a port of loopback; with a CONNECT before it, as a proxy."""

    def handle(self):
        with socket.create_connection(("127.0.0.1", self.server.target)) as target:
            while True:
                for ready in select.select([self.request, target], [], [])[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    (target if ready is self.request else self.request).sendall(data)


class Proxy(Tunnel):
    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.request.recv(4096)
            if not data:
                return
            head += data
        self.server.asked.append(head.split(b"\r\n")[0].decode())
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        super().handle()


class Proxies(PlacesCase, TlsRegistryCase):
    hosts = "DNS:localhost,DNS:registry.invalid,IP:127.0.0.1"

    def test_a_proxy_of_the_environment_leads_to_the_registry(self):
        self.env["SSL_CERT_FILE"] = self.home + "/ca.crt"
        self.log_in({"auths": {"registry.invalid": {"auth": BASIC}}})
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as proxy:
            proxy.target, proxy.asked, proxy.daemon_threads = self.port, [], True
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            for name in ("HTTPS_PROXY", "https_proxy"):
                self.env[name] = f"http://127.0.0.1:{proxy.server_address[1]}"
                self.ok("pull", "registry.invalid/group/x:gzip")
                self.assertEqual(set(proxy.asked), {"CONNECT registry.invalid:443 HTTP/1.1"})
                del self.env[name], proxy.asked[:]
            self.env.update(HTTPS_PROXY=f"http://127.0.0.1:{proxy.server_address[1]}", NO_PROXY="registry.invalid")
            self.assertIn("no such host", self.sandbox("pull", "registry.invalid/group/x:gzip").stderr)
            self.assertEqual(proxy.asked, [])
            proxy.shutdown()


class Policies(PlacesCase):
    def policy(self, **document):
        self.configure(json.dumps(document), "policy.json")

    def test_what_the_policy_refuses_is_neither_pulled_nor_loaded(self):
        port, log = self.mock("ok")
        server = f"127.0.0.1:{port}"
        reject, accept = [{"type": "reject"}], [{"type": "insecureAcceptAnything"}]
        self.policy(default=reject, transports={"docker": {f"{server}/good": accept}})
        self.assertIn("is not accepted: it is rejected", self.refused(f"{server}/bad/x", reason="policy.json"))
        self.assertFalse(log.exists() and log.read_text())
        self.ok("pull", f"{server}/good/x")
        docker_archive(self.home + "/image.tar", "x", [entry("a")])
        self.assertIn("is not accepted", self.sandbox("load", "-i", self.home + "/image.tar").stderr)
        self.policy(default=[{"type": "signedBy"}], transports={"docker-archive": {"": accept}})
        self.ok("load", "-i", self.home + "/image.tar")
        self.refused(f"{server}/good/x", reason="has to be signed")
        self.policy(default=[{"type": "unheard-of"}])
        self.refused(f"{server}/good/x", reason="unknown type of requirement")


if __name__ == "__main__":
    unittest.main(verbosity=2)
