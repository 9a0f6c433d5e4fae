"""Containers on user-defined networks: how they reach each other and what they don't; as the ordinary user who calls it."""

import json
import os
import signal
import socket
import subprocess
import unittest

from ports_test import fetch
from sandbox_case import SandboxCase, eventually

SERVER = ["busybox", "sh", "-c", "hostname >/tmp/index.html; trap 'exit 0' TERM; httpd -p 80 -h /tmp; sleep 1000 & wait"]
FETCH = "i=0; until wget -qO- http://{0}/ || [ $i = 50 ]; do i=$((i+1)); sleep 0.1; done"


def outer_address():
    """Of this machine, as others reach it; one of nobody where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
            return probe.getsockname()[0]
        except OSError:
            return "192.0.2.1"


class Members(SandboxCase):
    def setUp(self):
        super().setUp()
        self.ok("network", "create", "net", "--subnet", "172.50.0.0/16")

    def tearDown(self):
        self.remove_containers()
        self.ok("network", "prune", "-f")
        self.assertTrue(eventually(lambda: not self.helpers("sbx:network")))
        if os.path.exists(self.runtime + "/networks"):
            self.assertEqual(os.listdir(self.runtime + "/networks"), [".lock"])
        super().tearDown()

    def serve(self, name, *options, network="net"):
        return self.ok("run", "-d", "--name", name, "--hostname", name, "--network", network, *options, *SERVER).strip()

    def on(self, network, script, *options):
        return self.ok("run", "--rm", "--network", network, *options, "busybox", "sh", "-c", script)

    def fetched(self, name, *options, network="net"):
        return self.on(network, FETCH.format(name), *options)

    def addresses(self, name, *options, network="net"):
        """What a name means to another container there, as nslookup says."""
        text = self.on(network, f"nslookup {name} 2>&1 || true", *options)
        return sorted(line.split()[-1] for line in text.partition("Name:")[2].splitlines() if line.startswith("Address"))

    def networks_of(self, name):
        return json.loads(self.ok("inspect", "-f", "{{json .NetworkSettings.Networks}}", name))

    def fails(self, *words, code=125):
        done = self.sandbox(*words)
        self.assertEqual(done.returncode, code, done)
        return done.stderr

    def test_names(self):
        web = self.serve("web", "--network-alias", "front", "--network-alias", "site.example")
        self.serve("other", "--network-alias", "front")
        for name in ("web", "WEB", "site.example", web[:12], "web.net", "front.net"):
            self.assertIn(self.fetched(name), ("web\n", "other\n"), name)
        self.assertEqual(self.addresses("web"), ["172.50.0.2"])
        self.assertEqual(self.addresses("front"), ["172.50.0.2", "172.50.0.3"])
        self.assertEqual(self.on("net", "nslookup 172.50.0.2 | grep -o 'name = .*'"), "name = web.net\n")
        self.assertEqual(self.addresses("web", "--dns", "192.0.2.1"), ["172.50.0.2"])
        self.ok("rm", "-f", "web")
        self.assertEqual(self.addresses("front"), ["172.50.0.3"])
        self.assertEqual(self.addresses("web.net"), [])

    def test_files_and_interface(self):
        script = "cat /etc/hosts /etc/resolv.conf; ip -4 addr show eth0; ip route; cat /sys/class/net/eth0/address"
        text = self.on("net", script, "--hostname", "box", "--add-host", "up:host-gateway")
        for part in ("172.50.0.2\tbox\n", "172.50.0.1\tup\n", "nameserver 172.50.255.254\n", "inet 172.50.0.2/16",
                     "default via 172.50.0.1 ", "02:42:ac:32:00:02"):
            self.assertIn(part, text)
        self.assertEqual(self.on("net", "cat /sys/class/net/eth0/address", "--mac-address", "02:42:ac:11:00:09"),
                         "02:42:ac:11:00:09\n")

    def test_an_address_of_ones_own(self):
        self.serve("web", "--ip", "172.50.7.7")
        self.assertEqual(self.addresses("web"), ["172.50.7.7"])
        for address, text in (("172.50.7.7", "address 172.50.7.7 is already in use"),
                              ("10.1.1.1", "no configured subnet contains IP address 10.1.1.1"),
                              ("x", "invalid IPv4 address: x"),
                              ("172.50.0.1", "address 172.50.0.1 is not one for a container")):
            self.assertIn(text, self.fails("run", "--rm", "--network", "net", "--ip", address, "busybox", "true"))
        self.assertEqual(self.networks_of("web")["net"]["IPAMConfig"], {"IPv4Address": "172.50.7.7"})

    def test_a_container_that_starts_again_keeps_its_address(self):
        self.serve("web")
        self.serve("other")
        self.ok("restart", "-t", "1", "web")
        self.assertEqual(self.networks_of("web")["net"]["IPAddress"], "172.50.0.2")
        self.assertEqual(self.fetched("web"), "web\n")
        self.assertEqual(self.ok("exec", "web", "grep", "web", "/etc/hosts"), "172.50.0.2\tweb\n")

    def test_a_link_is_for_who_has_it(self):
        self.serve("web")
        for alias in ("site", "Shop"):
            self.assertEqual(self.fetched(alias, "--link", f"web:{alias}"), "web\n")
        self.assertEqual(self.addresses("site.net"), [])
        self.ok("network", "create", "far")
        self.assertIn("No such container: nobody",
                      self.fails("run", "--network", "net", "--link", "nobody", "busybox", "true"))
        self.assertIn("cannot link to web, as it does not belong to the network far",
                      self.fails("run", "--network", "far", "--link", "web", "busybox", "true"))

    def test_several_networks(self):
        self.ok("network", "create", "back", "--internal", "--subnet", "172.51.0.0/16")
        self.serve("db", network="back")
        self.serve("web")
        script = f"{FETCH.format('db')}; {FETCH.format('web')}; ip -4 -o addr; ip route"
        text = self.on("back", script, "--network", "name=net,alias=both", "--name", "both")
        for part in ("db\n", "web\n", "inet 172.51.", "inet 172.50.", "default via 172.50.0.1 "):
            self.assertIn(part, text)
        self.assertEqual(self.addresses("web.net", network="back"), [])  # none of theirs
        self.ok("create", "--name", "idle", "--network", "net", "--network", "back", "busybox")
        self.assertEqual(list(self.networks_of("idle")), ["net", "back"])
        self.assertEqual(self.ok("ps", "-a", "--filter", "name=idle", "--format", "{{.Networks}}"), "net,back\n")

    def test_an_internal_network_leads_nowhere(self):
        self.ok("network", "create", "back", "--internal")
        with socket.socket() as listener:
            listener.bind(("0.0.0.0", 0))
            listener.listen()
            listener.settimeout(0.2)
            port = listener.getsockname()[1]
            host = outer_address()
            text = self.on("back", f"ip route; wget -qO- http://{host}:{port}/ || echo no way; "
                                   "nslookup example.com || echo no answer")
            self.assertNotIn("default", text)
            self.assertIn("no way\n", text)
            self.assertIn("no answer\n", text)
            with self.assertRaises(TimeoutError):
                listener.accept()
        self.assertIn("network back is internal: ports can't be published from it",
                      self.fails("run", "--rm", "--network", "back", "-p", "127.0.0.1::80", "busybox", "true"))

    def test_published_ports(self):
        self.serve("one", "-p", "127.0.0.1::80")
        self.serve("two", "-p", "127.0.0.1::80")
        for name in ("one", "two"):
            port = int(self.ok("port", name, "80").rsplit(":", 1)[1])
            self.assertEqual(fetch("127.0.0.1", port), name.encode() + b"\n")
        taken = self.ok("port", "one", "80").strip()
        self.assertIn("address already in use",
                      self.fails("run", "--rm", "--network", "net", "-p", f"{taken}:80", "busybox", "true"))
        self.ok("rm", "-f", "one")
        self.ok("run", "--rm", "--network", "net", "-p", f"{taken}:80", "busybox", "true")

    def test_the_hosts_loopback_is_closed(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.settimeout(0.2)
            port = listener.getsockname()[1]
            self.on("net", f"for i in 172.50.0.1 172.50.255.254 127.0.0.1; do nc -w 1 $i {port} </dev/null; done; true")
            with self.assertRaises(TimeoutError):
                listener.accept()

    def test_a_network_lives_as_long_as_it_is_used(self):
        self.serve("web")
        self.assertRegex(self.fails("network", "rm", "net", code=1), 'network net has active endpoints .*"web"')
        self.ok("stop", "-t", "1", "web")
        self.ok("network", "rm", "net")
        self.assertIn("network net not found", self.fails("start", "web", code=1))
        self.ok("network", "create", "net", "--subnet", "172.50.0.0/16")
        self.assertIn("network net not found", self.fails("start", "web", code=1))  # another one

    def test_events(self):
        self.on("net", "true", "--name", "box")
        text = self.ok("events", "--since", "1h", "--until", "0s", "--filter", "type=network", "--format",
                       "{{.Action}} {{.Actor.Attributes.name}}")
        self.assertEqual(text.splitlines(), ["create net", "connect net", "disconnect net"])

    def test_a_supervisor_that_is_killed_takes_its_container_off_the_network(self):
        self.serve("web", "--ip", "172.50.7.7")
        self.serve("other")
        supervisor, = [pid for pid in self.helpers("sbx:supervisor") if "web" in self.name_of(pid)]
        os.kill(supervisor, signal.SIGKILL)
        self.assertEqual(self.fetched("other"), "other\n")
        self.ok("ps")
        self.assertEqual(self.addresses("web.net"), [])
        self.ok("start", "web")
        self.assertEqual(self.addresses("web"), ["172.50.7.7"])

    def name_of(self, supervisor):
        """Of the container that it watches over."""
        identifier, = [word for word in self.family()[supervisor].split() if len(word) == 64]
        return self.ok("inspect", "-f", "{{.Name}}", identifier)

    def test_a_network_whose_helper_is_killed_has_another_one_when_somebody_comes(self):
        self.serve("web")
        helper, = self.helpers("sbx:network")
        os.kill(helper, signal.SIGKILL)
        self.assertTrue(eventually(lambda: helper not in self.helpers("sbx:network")))
        self.serve("other")
        for name in ("other", "web"):
            self.assertEqual(self.fetched(name), name + "\n")
        addresses = {self.networks_of(name)["net"]["IPAddress"] for name in ("web", "other")}
        self.assertEqual(len(addresses), 2)
        self.assertIn("the helper of network net has died", self.sandbox("logs", "web").stderr)

    def test_connected_while_it_runs(self):
        self.serve("web")
        self.ok("run", "-d", "--name", "app", *SERVER)
        inside = lambda script: self.ok("exec", "app", "sh", "-c", script)
        self.ok("network", "connect", "--alias", "tool", "net", "app")
        self.assertEqual(inside(FETCH.format("web")), "web\n")
        self.assertRegex(self.fetched("tool"), r"\A[0-9a-f]{12}\n\Z")
        self.assertEqual(self.networks_of("app")["net"]["IPAddress"], "172.50.0.3")
        self.assertIn("172.50.0.3\t", inside("cat /etc/hosts"))
        self.assertIn("eth1", inside("ls /sys/class/net"))
        self.assertIn("already exists in network net", self.fails("network", "connect", "net", "app", code=1))
        self.ok("network", "disconnect", "net", "app")
        self.assertNotIn("eth1", inside("ls /sys/class/net"))
        self.assertNotIn("172.50.", inside("cat /etc/hosts /etc/resolv.conf"))
        self.assertEqual(self.addresses("tool.net"), [])
        self.assertIn("is not connected to network net", self.fails("network", "disconnect", "net", "app", code=1))
        self.ok("network", "connect", "--ip", "172.50.9.9", "net", "app")
        self.ok("restart", "-t", "1", "app")
        self.assertEqual(self.addresses("app"), ["172.50.9.9"])

    def test_what_can_not_be_connected_changes_nothing(self):
        self.serve("web", "--ip", "172.50.9.9")
        self.ok("network", "create", "far")
        self.serve("app", network="far")
        before = self.networks_of("app")
        self.assertIn("address 172.50.9.9 is already in use",
                      self.fails("network", "connect", "--ip", "172.50.9.9", "net", "app", code=1))
        self.assertIn("the network of its own can't be changed", self.fails("network", "connect", "bridge", "app", code=1))
        self.assertEqual(self.networks_of("app"), before)
        self.assertEqual(self.fetched("app", network="far"), "app\n")

    def test_connecting_at_the_same_time_as_others_do(self):
        self.ok("network", "create", "far")
        self.serve("web", "--ip", "172.50.9.9")
        self.ok("create", "--name", "app", *SERVER)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for _ in range(5):
            starting = self.client("start", "app", **quiet)
            connecting = self.client("network", "connect", "far", "app")
            taken = self.client("network", "connect", "--ip", "172.50.9.9", "net", "app", **quiet)
            started, connected, got = [client.wait(timeout=60) for client in (starting, connecting, taken)]
            self.assertEqual(connected, 0)
            self.assertTrue(started == 0 or got == 0)  # it can't start with an address that another one has
            self.sandbox("network", "disconnect", "net", "app")
            if started != 0:
                self.ok("start", "app")
            names = lambda: self.ok("exec", "app", "ls", "/sys/class/net").split()
            self.assertTrue(eventually(lambda: len(names()) == 3), names())
            self.assertEqual(list(self.networks_of("app")), ["bridge", "far"])
            self.ok("network", "disconnect", "far", "app")
            self.ok("stop", "-t", "1", "app")

    def test_the_way_out_moves_with_the_networks(self):
        self.ok("network", "create", "back", "--internal")
        self.ok("network", "create", "far", "--subnet", "172.52.0.0/16")
        self.serve("app", network="back")
        route = lambda: self.ok("exec", "app", "sh", "-c", "ip route | grep default || echo none").strip()
        self.assertEqual(route(), "none")
        self.ok("network", "connect", "net", "app")
        self.assertTrue(route().startswith("default via 172.50.0.1 "))
        self.ok("network", "connect", "far", "app")
        self.ok("network", "disconnect", "net", "app")
        self.assertTrue(route().startswith("default via 172.52.0.1 "))
        self.assertEqual(self.fetched("app", network="far"), "app\n")
        self.assertEqual(self.fetched("app", network="back"), "app\n")
        self.ok("network", "disconnect", "far", "app")
        self.assertEqual(route(), "none")

    def test_ports_are_published_on_the_network_that_is_left(self):
        self.ok("network", "create", "far")
        self.serve("app", "-p", "127.0.0.1::80", "--network", "far")
        self.ok("network", "disconnect", "net", "app")
        port = int(self.ok("port", "app", "80").rsplit(":", 1)[1])
        self.assertEqual(fetch("127.0.0.1", port), b"app\n")

    def test_words_that_contradict_each_other(self):
        for words, text in (
                (["--network", "net", "--network", "host"], "cannot attach both user-defined and non-user-defined"),
                (["--network", "nosuch"], "network nosuch not found"),
                (["--network", "net", "--network", "net"], 'network "net" is specified multiple times'),
                (["--network", "name=net,ip=172.50.0.9", "--ip", "172.50.0.9"], "cannot specify both --ip and per-network"),
                (["--network", "name=net,colour=red"], "invalid field key colour"),
                (["--network", "alias=x"], "network name/id is not specified"),
                (["--network", "net", "--network-alias", "a b"], 'invalid network alias "a b"'),
                (["--ip", "172.50.0.9"], "user specified IP address is supported on user defined networks only"),
                (["--network-alias", "x"], "only supported for containers in user-defined networks"),
                (["--link", "x"], "links are supported on user-defined networks only"),
                (["--network", "host", "--link", "x"], "host networking can't be used with links")):
            with self.subTest(words=words):
                self.assertIn(text, self.fails("create", *words, "busybox", "true", code=1))
        self.assertEqual(self.ok("ps", "-aq"), "")


if __name__ == "__main__":
    unittest.main()
