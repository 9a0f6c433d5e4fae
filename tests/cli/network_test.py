"""User-defined networks: made, listed, shown, removed; as the ordinary user who calls it."""

import contextlib
import fcntl
import ipaddress
import json
import os
import re
import signal
import subprocess
import unittest

from sandbox_case import SandboxCase, eventually

ID = r"\A[0-9a-f]{64}\n\Z"
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
POOLS = [ipaddress.ip_network(text) for text in ("172.16.0.0/12", "192.168.0.0/16")]


class Networks(SandboxCase):
    def tearDown(self):
        self.remove_containers()
        self.ok("network", "prune", "-f")
        if os.path.exists(self.data + "/networks"):
            self.assertEqual(os.listdir(self.data + "/networks"), [".lock"])
        super().tearDown()

    def create(self, *words):
        made = self.ok("network", "create", *words)
        self.assertRegex(made, ID)
        return made.strip()

    def inspect(self, name, kind="network"):
        return json.loads(self.ok(kind, "inspect", name) if kind else self.ok("inspect", name))[0]

    def names(self, *words):
        return self.ok("network", "ls", "--format", "{{.Name}}", *words).split()

    def name_server(self, name):
        return str(ipaddress.ip_network(self.inspect(name)["IPAM"]["Config"][0]["Subnet"])[-2])

    def networks_of(self, name):
        return self.ok("ps", "-a", "--filter", f"name=^{name}$", "--format", "{{.Networks}}").strip()

    def addresses_in(self, name):
        """What a container tells whose command is "ip -4 -o addr"."""
        words = [line.split() for line in self.ok("start", "-a", name).splitlines()]
        return [f"{word[1]} {word[3]}" for word in words if word[1] != "lo"]

    def fails(self, *words, code=1):
        done = self.sandbox(*words)
        self.assertEqual(done.returncode, code, done)
        return done.stderr

    def test_the_life_of_a_network(self):
        made = self.create("mynetwork", "--subnet", "172.50.0.0/16", "--label", "a=b")
        self.assertEqual(self.names(), ["bridge", "host", "mynetwork", "none"])
        head, *rows = self.ok("network", "ls").splitlines()
        self.assertEqual(re.split(" {2,}", head.strip()), ["NETWORK ID", "NAME", "DRIVER", "SCOPE"])
        self.assertEqual([row.split()[1:] for row in rows],
                         [["bridge", "bridge", "local"], ["host", "host", "local"], ["mynetwork", "bridge", "local"],
                          ["none", "null", "local"]])
        for word in ("mynetwork", made, made[:12]):
            self.assertEqual(self.inspect(word)["Id"], made)
        self.assertEqual(self.inspect("mynetwork", kind="")["Name"], "mynetwork")
        self.assertEqual(self.ok("inspect", "--type", "network", "-f", "{{.Driver}} {{.Labels.a}}", "mynetwork"),
                         "bridge b\n")
        self.assertEqual(self.ok("network", "rm", "mynetwork"), "mynetwork\n")
        self.assertEqual(self.names("-f", "type=custom"), [])

    def test_the_document_is_dockers(self):
        made = self.create("--subnet", "172.50.0.0/16", "--gateway", "172.50.0.9", "--ip-range", "172.50.5.0/24",
                           "--aux-address", "router=172.50.0.1", "--internal", "--attachable", "--label", "a=b",
                           "-o", "com.docker.network.driver.mtu=1400", "mynetwork")
        document = self.inspect("mynetwork")
        self.assertRegex(document.pop("Created"), r"\A20\d\d-\d\d-\d\dT[\d:]+Z\Z")
        self.assertEqual(document, {
            "Name": "mynetwork", "Id": made, "Scope": "local", "Driver": "bridge", "EnableIPv4": True,
            "EnableIPv6": False, "IPAM": {"Driver": "default", "Options": None, "Config": [
                {"Subnet": "172.50.0.0/16", "IPRange": "172.50.5.0/24", "Gateway": "172.50.0.9",
                 "AuxiliaryAddresses": {"router": "172.50.0.1"}}]},
            "Internal": True, "Attachable": True, "Ingress": False, "ConfigFrom": {"Network": ""}, "ConfigOnly": False,
            "Containers": {}, "Options": {"com.docker.network.driver.mtu": "1400"}, "Labels": {"a": "b"}})
        self.assertEqual(self.ok("network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}",
                                 "mynetwork", "bridge"), "172.50.0.0/16 172.50.0.9\n10.0.2.0/24 10.0.2.2\n")
        self.assertEqual(self.ok("network", "inspect", "-f", "{{len .Containers}} {{.Options}}", "none"), "0 map[]\n")

    def test_what_is_there_anyway(self):
        ids = self.ok("network", "ls", "--no-trunc", "-q").split()
        self.assertEqual(len(set(ids)), 3)
        for name in ("bridge", "host", "none"):
            self.assertIn(self.inspect(name)["Id"], ids)
            self.assertEqual(self.fails("network", "rm", name),
                             f"sandbox: {name} is a pre-defined network and cannot be removed\n")
            self.assertEqual(self.fails("network", "create", name),
                             f"sandbox: operation is not permitted on predefined {name} network\n")
        self.assertEqual(self.inspect(ids[0][:9])["Name"], "bridge")
        self.ok("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
        container, = self.inspect("none")["Containers"].values()
        self.assertEqual((container["Name"], container["IPv4Address"]), ("box", ""))
        self.assertRegex(container["EndpointID"], "^[0-9a-f]{64}$")
        self.assertEqual(self.inspect("host")["Containers"], {})

    def test_subnets_are_free_ones(self):
        subnets = []
        for name in ("one", "two", "three"):
            self.create(name)
            config, = self.inspect(name)["IPAM"]["Config"]
            subnets.append(ipaddress.ip_network(config["Subnet"]))
            self.assertEqual(config["Gateway"], str(subnets[-1][1]))
        own = [ipaddress.ip_address(text) for text in subprocess.run(["hostname", "-I"], text=True, capture_output=True,
               check=False).stdout.split() if ":" not in text]
        for subnet in subnets:
            self.assertTrue(any(subnet.subnet_of(pool) for pool in POOLS), subnet)
            self.assertEqual([other for other in subnets if other.overlaps(subnet)], [subnet])
            self.assertEqual([address for address in own if address in subnet], [])
        self.assertIn("invalid pool request: Pool overlaps with other one on this address space",
                      self.fails("network", "create", "--subnet", str(subnets[0]), "four"))

    def test_twenty_at_once_get_twenty_subnets(self):
        clients = [self.client("network", "create", f"net{n}", **PIPES) for n in range(20)]
        for client in clients:
            out, error = client.communicate(timeout=60)
            self.assertEqual(client.returncode, 0, error)
            self.assertRegex(out, ID)
        made = self.names("-f", "type=custom")
        self.assertEqual(len(made), 20)
        subnets = [ipaddress.ip_network(self.inspect(name)["IPAM"]["Config"][0]["Subnet"]) for name in made]
        for one in subnets:
            self.assertEqual([other for other in subnets if one.overlaps(other)], [one])

    def test_of_one_name_only_one_is_made(self):
        clients = [self.client("network", "create", "same", **PIPES) for _ in range(8)]
        done = [(client.communicate(timeout=60), client.returncode) for client in clients]
        self.assertEqual(sorted(status for _, status in done), [0] + [1] * 7)
        for (_, error), status in done:
            if status:
                self.assertEqual(error, "sandbox: network with name same already exists\n")

    def test_errors_are_dockers(self):
        self.assertEqual(self.fails("network", "inspect", "no"), "sandbox: network no not found\n")
        self.assertEqual(self.fails("network", "rm", "no"), "sandbox: network no not found\n")
        self.ok("network", "rm", "-f", "no")
        self.assertEqual(self.fails("inspect", "No"), "sandbox: no such object: No\n")
        create = ("network", "create")
        for words, message in (
                (("a/b",), 'network name "a/b" is invalid'),
                (("--subnet", "172.50.3.1/16", "x"), "invalid subnet 172.50.3.1/16: it should be 172.50.0.0/16"),
                (("--subnet", "172.50.0.0", "x"), "invalid subnet 172.50.0.0: invalid CIDR block notation"),
                (("--subnet", "172.50.0.0/30", "x"), "its prefix is not within 8 to 29"),
                (("--subnet", "172.50.0.0/16", "--gateway", "10.0.0.1", "x"),
                 "no matching subnet for gateway 10.0.0.1"),
                (("--subnet", "172.50.0.0/16", "--ip-range", "10.0.0.0/24", "x"),
                 "no matching subnet for range 10.0.0.0/24"),
                (("--gateway", "10.0.0.1", "x"), "every ip-range or gateway must have a corresponding subnet"),
                (("--subnet", "172.50.0.0/16", "--subnet", "172.51.0.0/16", "x"), "more than one --subnet"),
                (("--subnet", "fd00::/64", "x"), "has IPv4 only"),
                (("--ipv6", "x"), "--ipv6 is not possible, because the network in user space has IPv4 only"),
                (("-d", "macvlan", "x"), "network driver 'macvlan' is not possible without root, because"),
                (("-d", "host", "x"), 'only one instance of "host" network is allowed'),
                (("-o", "com.docker.network.bridge.name=br0", "x"), "there is no bridge on the host"),
                (("-o", "com.docker.network.driver.mtu=much", "x"), 'invalid MTU "much"'),
                (("-o", "com.docker.network.driver.mtu=10", "x"), "invalid MTU 10: it is not within 68 to 65520"),
                (("--aux-address", "172.50.0.1", "--subnet", "172.50.0.0/16", "x"), "it is no NAME=ADDRESS"),
                (("--scope", "swarm", "x"), "there are no swarms here"),
                (("--ipam-driver", "dhcp", "x"), "IPAM driver 'dhcp' is not there")):
            self.assertIn(message, self.fails(*create, *words), words)
        self.assertIn("there are no swarms here", self.fails(*create, "--config-only", "x", code=125))
        self.assertIn("invalid filter 'size'", self.fails("network", "ls", "-f", "size=1"))
        self.assertEqual(self.names("-f", "type=custom"), [])

    def test_filters_and_formats(self):
        one = self.create("one", "--label", "a=b", "-o", "com.docker.network.bridge.enable_icc=true")
        self.create("two", "--internal")
        for words, expected in ((("name=o",), ["host", "none", "one", "two"]), (("name=^one$",), ["one"]),
                                (("id=" + one[:8],), ["one"]), (("label=a",), ["one"]), (("label=a=c",), []),
                                (("driver=host", "driver=null"), ["host", "none"]), (("scope=global",), []),
                                (("type=builtin",), ["bridge", "host", "none"]), (("dangling=true",), ["one", "two"]),
                                (("dangling=0",), ["bridge", "host", "none"])):
            self.assertEqual(self.names(*(f"--filter={word}" for word in words)), expected, words)
        self.assertEqual(self.ok("network", "ls", "-q", "-f", "name=^one$"), one[:12] + "\n")
        fields = '{{.ID}} {{.IPv4}} {{.IPv6}} {{.Internal}} {{.Labels}} {{.Label "a"}}'
        self.assertEqual(self.ok("network", "ls", "-f", "label=a", "--no-trunc", "--format", fields),
                         one + " true false false a=b b\n")
        fields = json.loads(self.ok("network", "ls", "-f", "name=two", "--format", "json"))
        self.assertEqual(sorted(fields), sorted("ID Name Driver Scope IPv4 IPv6 Internal Labels CreatedAt".split()))
        self.assertEqual(fields["Internal"], "true")

    def test_prune(self):
        self.create("one", "--label", "keep")
        self.create("two")
        asked = self.sandbox("network", "prune", stdin="n\n")
        self.assertEqual((asked.returncode, asked.stderr), (1, "sandbox: network prune has been cancelled\n"))
        self.assertEqual(asked.stdout,
                         "WARNING! This will remove all custom networks not used by at least one container.\n"
                         "Are you sure you want to continue? [y/N] ")
        self.assertEqual(self.ok("network", "prune", "-f", "--filter", "until=1h"), "")
        self.assertEqual(self.ok("network", "prune", "-f", "--filter", "label!=keep"), "Deleted Networks:\ntwo\n\n")
        self.assertIn("Deleted Networks:\none\n\n", self.ok("system", "prune", "-f"))
        self.assertEqual(self.ok("network", "prune", "-f"), "")

    def test_a_container_that_does_not_run_is_connected_and_disconnected(self):
        made = self.create("mynetwork", "--subnet", "172.50.0.0/16")
        self.create("other")
        self.ok("create", "--name", "web", "--network", "mynetwork", "busybox", "true")
        box = self.ok("create", "--name", "box", "busybox", "ip", "-4", "-o", "addr").strip()
        self.ok("network", "connect", "--ip", "172.50.0.9", "--alias", "db", "--alias", "cache", "--link", "web:front",
                "mynetwork", "box")
        networks = self.inspect("box", "container")["NetworkSettings"]["Networks"]
        self.assertEqual(list(networks), ["bridge", "mynetwork"])
        end = networks["mynetwork"]
        self.assertEqual((end["NetworkID"], end["IPAMConfig"], end["Aliases"], end["Links"], end["DNSNames"]),
                         (made, {"IPv4Address": "172.50.0.9"}, ["db", "cache"], ["web:front"],
                          ["box", "db", "cache", box[:12]]))
        self.assertEqual((end["IPAddress"], end["EndpointID"]), ("", ""))
        for word in ("mynetwork", made[:12], "bridge"):
            self.assertIn(box, self.ok("ps", "-aq", "--no-trunc", "--filter", f"network={word}").split(), word)
        self.assertEqual(self.ok("ps", "-aq", "--filter", "network=other"), "")
        self.assertEqual(self.networks_of("box"), "bridge,mynetwork")
        self.assertEqual(self.addresses_in("box"), ["eth0 10.0.2.100/24", "eth1 172.50.0.9/16"])
        self.assertEqual(self.inspect("mynetwork")["Containers"], {})
        self.assertEqual(self.ok("network", "prune", "-f"), "Deleted Networks:\nother\n\n")
        self.assertEqual(self.fails("network", "connect", "mynetwork", "box"),
                         "sandbox: endpoint with name box already exists in network mynetwork\n")
        self.ok("network", "disconnect", "bridge", "box")
        self.assertEqual(self.networks_of("box"), "mynetwork")
        self.assertEqual(self.addresses_in("box"), ["eth0 172.50.0.9/16"])
        self.ok("network", "disconnect", "mynetwork", "box")
        self.assertEqual(self.networks_of("box"), "none")
        self.assertEqual(self.addresses_in("box"), [])
        self.ok("network", "connect", "bridge", "box")
        self.assertEqual(self.networks_of("box"), "bridge")
        self.assertEqual(self.addresses_in("box"), ["eth0 10.0.2.100/24"])

    def test_names_of_several_networks(self):
        self.create("front")
        self.create("back", "--internal")
        for network in ("front", "back"):
            self.ok("run", "-d", "--name", f"on-{network}", "--network", network, "busybox", "sleep", "1000")
        look = "ping -c 1 on-front >/dev/null && ping -c 1 on-back >/dev/null && cat /etc/resolv.conf"
        for first, second in (("front", "back"), ("back", "front")):
            self.ok("create", "--name", "both", "--network", first, "--network", second, "busybox", "sh", "-c", look)
            servers = re.findall(r"nameserver (\S+)", self.ok("start", "-a", "both"))
            self.assertEqual(servers, [self.name_server("back"), self.name_server("front")])
            self.ok("rm", "both")
        self.ok("create", "--name", "own", "busybox", "sh", "-c", look)
        for network in ("back", "front"):
            self.ok("network", "connect", network, "own")
        self.assertEqual(re.findall(r"nameserver (\S+)", self.ok("start", "-a", "own")),
                         [self.name_server("back"), self.name_server("front"), "10.0.2.3"])

    def test_either_the_network_goes_or_a_container_joins_it(self):
        for _ in range(8):
            self.create("race")
            start = self.client("run", "-d", "--name", "box", "--network", "race", "busybox", "sleep", "1000", **PIPES)
            end = self.client("network", "rm", "race", **PIPES)
            started, ended = start.communicate(timeout=60)[1], end.communicate(timeout=60)[1]
            if end.returncode == 0:
                self.assertIn("network race not found", started)
            else:
                self.assertIn('has active endpoints (name:"box"', ended)
                self.assertEqual((start.returncode, started), (0, ""))
                self.assertEqual(self.ok("exec", "box", "hostname", "-i").count("."), 3)
            self.ok("rm", "-f", "box")
            self.ok("network", "rm", "-f", "race")

    def test_a_network_goes_though_containers_that_do_not_run_name_it(self):
        self.create("mynetwork")
        self.ok("create", "--name", "box", "--network", "none", "busybox", "true")
        self.ok("network", "connect", "mynetwork", "box")
        self.ok("network", "rm", "mynetwork")
        self.create("mynetwork")
        self.assertIn("is not connected to network mynetwork", self.fails("network", "disconnect", "mynetwork", "box"))
        self.ok("network", "rm", "mynetwork")
        self.ok("network", "disconnect", "mynetwork", "box")
        self.assertEqual(self.networks_of("box"), "none")

    def test_name_servers_are_those_of_the_networks_that_it_is_on(self):
        self.create("mynetwork")
        of_network, of_its_own = self.name_server("mynetwork"), "10.0.2.3"
        look = ("sh", "-c", "cat /etc/resolv.conf /etc/hosts")
        self.ok("create", "--name", "box", "--network", "mynetwork", "--add-host", "there:10.1.2.3", "busybox", *look)

        def servers():
            told = self.ok("start", "-a", "box")
            self.assertIn("10.1.2.3\tthere\n", told)
            return re.findall(r"nameserver (\S+)", told)

        self.assertEqual(servers(), [of_network])
        self.ok("network", "connect", "bridge", "box")
        self.assertEqual(servers(), [of_network, of_its_own])
        self.ok("network", "disconnect", "mynetwork", "box")
        self.assertEqual(servers(), [of_its_own])
        self.ok("network", "disconnect", "bridge", "box")
        self.assertEqual(servers(), [])
        self.ok("network", "connect", "mynetwork", "box")
        self.assertEqual(servers(), [of_network])

    def test_the_subnet_of_containers_own_networks_is_not_to_be_had(self):
        self.assertIn("Pool overlaps with other one on this address space",
                      self.fails("network", "create", "--subnet", "10.0.0.0/8", "wide"))

    def test_errors_of_connecting(self):
        self.create("mynetwork", "--subnet", "172.50.0.0/16")
        self.ok("create", "--name", "box", "busybox", "true")
        self.ok("create", "--name", "hosted", "--network", "host", "busybox", "true")
        self.ok("run", "-d", "--name", "busy", "--network", "none", "busybox", "sleep", "1000")
        for words, message in (
                (("no", "box"), "network no not found"), (("mynetwork", "no"), "No such container: no"),
                (("host", "box"), "containers can't be connected to network host"),
                (("mynetwork", "hosted"), "container sharing network namespace with another container or host"),
                (("bridge", "busy"), "container busy is running: the network of its own can't be changed"),
                (("bridge", "box"), "endpoint with name box already exists in network bridge"),
                (("--ip", "10.0.0.1", "mynetwork", "box"), "no configured subnet contains IP address 10.0.0.1"),
                (("--ip", "172.50.0.1", "mynetwork", "box"), "address 172.50.0.1 is not one for a container"),
                (("--ip", "here", "mynetwork", "box"), "invalid IPv4 address: here"),
                (("--alias", "a b", "mynetwork", "box"), 'invalid network alias "a b"'),
                (("--link", ":x", "mynetwork", "box"), "bad format for links: :x"),
                (("--link", "hosted", "mynetwork", "box"), "cannot link to hosted, as it does not belong to the"),
                (("--alias", "x", "bridge", "box"), "are for user-defined networks")):
            self.assertIn(message, self.fails("network", "connect", *words), words)
        self.assertIn("has IPv4 only", self.sandbox("network", "connect", "--ip6", "::1", "mynetwork", "box").stderr)
        self.assertIn("is not connected to network mynetwork", self.fails("network", "disconnect", "mynetwork", "box"))
        self.assertIn("is not connected to network bridge", self.fails("network", "disconnect", "bridge", "hosted"))
        self.ok("network", "disconnect", "-f", "mynetwork", "no")
        self.assertEqual(self.networks_of("box"), "bridge")

    def test_events(self):
        made = self.create("mynetwork")
        self.ok("network", "rm", "mynetwork")
        self.create("other")
        told = self.ok("events", "--since", "1h", "--until", "0s", "--filter", "network=mynetwork")
        self.assertEqual([line.split(" ", 1)[1] for line in told.splitlines()],
                         [f"network {what} {made} (name=mynetwork, type=bridge)" for what in ("create", "destroy")])
        told = json.loads(self.ok("events", "--since", "1h", "--until", "0s", "--filter", f"network={made[:12]}",
                                  "--filter", "event=destroy", "--format", "json"))
        self.assertEqual((told["Type"], told["Action"], told["Actor"]["ID"]), ("network", "destroy", made))
        self.assertNotIn("status", told)

    def test_who_is_killed_leaves_a_whole_network_or_none(self):
        for moment in range(1, 20):
            client = self.client("network", "create", "box", **PIPES)
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(moment / 1000)
            client.send_signal(signal.SIGKILL)
            client.communicate()
            if "box" in self.names():
                self.assertEqual(self.inspect("box")["Name"], "box")
                self.ok("network", "rm", "box")
            self.create("box")
            self.ok("network", "rm", "box")
            self.assertEqual(os.listdir(self.data + "/networks"), [".lock"])

    def test_a_damaged_one_is_in_nobodys_way(self):
        self.create("good")
        path = self.data + "/networks/bad.json"
        with open(path, "w", encoding="ascii") as file:
            file.write('{"version": 1}')
        listed = self.sandbox("network", "ls", "--format", "{{.Name}}")
        self.assertEqual(listed.stdout.split(), ["bridge", "good", "host", "none"])
        self.assertIn("warning: leaving out network bad", listed.stderr)
        for words in (("system", "fsck"), ("system", "fsck", "--repair")):  # of a newer version, it may be
            done = self.sandbox(*words)
            self.assertEqual(done.returncode, 1)
            self.assertIn("network bad: network description: field 'id' is missing", done.stdout)
        self.assertIn("already exists", self.fails("network", "create", "bad"))
        self.assertIn("network description", self.fails("network", "rm", "bad"))
        self.assertEqual(self.ok("network", "rm", "-f", "bad"), "bad\n")
        self.assertFalse(os.path.exists(path))
        with open(path, "w", encoding="ascii") as file:
            file.write("{")
        self.assertIn("network bad: ", self.sandbox("system", "fsck").stdout)
        repaired = self.ok("system", "fsck", "--repair")
        self.assertRegex(repaired, r"network bad: .* \(moved to '.*/quarantine/bad.json.*'\)")
        self.assertEqual(self.ok("system", "fsck"), "")
        self.create("bad")

    def test_one_that_is_made_anew_while_fsck_waits_stays(self):
        self.create("one")
        path, lock = (f"{self.data}/networks/{name}" for name in ("one.json", ".lock"))
        with open(path, encoding="ascii") as file:
            good = file.read()
        with open(path, "w", encoding="ascii") as file:
            file.write("{")
        with open(lock, "r+", encoding="ascii") as held:
            fcntl.lockf(held, fcntl.LOCK_EX)
            repair = self.client("system", "fsck", "--repair", stdout=subprocess.PIPE, text=True)
            waits = re.compile(rf"-> OFDLCK .*:{os.stat(lock).st_ino} ")  # proc_locks(5)

            def is_waiting():
                with open("/proc/locks", encoding="ascii") as locks:
                    return waits.search(locks.read())
            self.assertTrue(eventually(is_waiting))
            with open(path, "w", encoding="ascii") as file:
                file.write(good)
        self.assertNotIn("moved", repair.communicate(timeout=60)[0])
        self.assertEqual(self.ok("system", "fsck"), "")
        self.ok("network", "inspect", "one")


if __name__ == "__main__":
    unittest.main()
