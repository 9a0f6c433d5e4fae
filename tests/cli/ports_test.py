"""Published ports and names through the real executable, as the ordinary user who calls it."""

import json
import os
import socket
import subprocess
import threading
import time
import unittest

from image_archive import directory, docker_archive, tools
from sandbox_case import SANDBOX, SandboxCase

SERVER = ["sh", "-c", "echo page > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"]


def free_ports(count=1):
    """The first of `count` neighbouring TCP ports that nobody listens on."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        listeners = []
        try:
            for port in range(first, first + count):
                listeners.append(socket.socket())
                listeners[-1].bind(("0.0.0.0", port))
            return first
        except OSError:
            continue
        finally:
            for listener in listeners:
                listener.close()


def listening(port):
    """The local addresses of TCP listeners and UDP sockets on `port`, as /proc/net writes them."""
    found = set()
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        with open("/proc/net/" + table) as lines:
            for line in list(lines)[1:]:
                address, number = line.split()[1].rsplit(":", 1)
                if int(number, 16) == port and line.split()[3] == state:
                    found.add(table + " " + address)
    return found


def fetch(address, port):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            with socket.create_connection((address, port), 2) as peer:
                peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: peer.recv(4096), b""))
            if answer:
                return answer.rsplit(b"\r\n", 1)[-1]
        except OSError:
            pass
        time.sleep(0.05)
    return b""


class Ports(SandboxCase):
    def started(self, *options, image="busybox", command=SERVER):
        return self.ok("run", "-d", *options, image, *command).strip()

    def test_a_port_on_the_loopback_is_there_and_nowhere_else(self):
        port = free_ports()
        self.started("-p", f"127.0.0.1:{port}:8080", "-p", f"127.0.0.1:{port}:8080/udp")
        self.assertEqual(fetch("127.0.0.1", port), b"page\n")
        self.assertEqual(listening(port), {"tcp 0100007F", "udp 0100007F"})

    def test_a_port_without_an_address_is_on_all_of_them(self):
        port = free_ports()
        self.started("-p", f"{port}:8080")
        self.assertEqual(fetch("127.0.0.1", port), b"page\n")
        self.assertEqual(listening(port), {"tcp 00000000"})

    def test_a_port_of_the_hosts_choice_is_shown_and_serves(self):
        container = self.started("-p", "0:8080", "-p", "127.0.0.1::8080/udp")
        ports = json.loads(self.sandbox("inspect", container).stdout)[0]["NetworkSettings"]["Ports"]
        tcp, udp = ports["8080/tcp"][0], ports["8080/udp"][0]
        self.assertEqual((tcp["HostIp"], udp["HostIp"]), ("0.0.0.0", "127.0.0.1"))
        self.assertIn(f"0.0.0.0:{tcp['HostPort']}->8080/tcp, 127.0.0.1:{udp['HostPort']}->8080/udp",
                      self.sandbox("ps").stdout)
        self.assertEqual(fetch("127.0.0.1", int(tcp["HostPort"])), b"page\n")
        self.assertEqual(listening(int(udp["HostPort"])), {"udp 0100007F"})

    def test_in_the_hosts_network_ports_are_open_already(self):
        done = self.sandbox("run", "-d", "--name", "box", "--network", "host", "-p", "80:80", "busybox", "sleep", "1000")
        self.assertEqual((done.returncode, done.stderr),
                         (0, "WARNING: Published ports are discarded when using host network mode\n"))
        self.assertEqual(self.ok("port", "box"), "")

    def test_a_hardware_address_of_ones_own_serves(self):
        port = free_ports()
        self.started("--name", "box", "--mac-address", "92-D0-C6-0a-29-33", "-p", f"127.0.0.1:{port}:8080")
        self.assertEqual(self.ok("exec", "box", "cat", "/sys/class/net/eth0/address"), "92:d0:c6:0a:29:33\n")
        self.assertEqual(fetch("127.0.0.1", port), b"page\n")
        self.assertEqual(self.ok("inspect", "-f", "{{.NetworkSettings.Networks.bridge.MacAddress}}", "box"), "92:d0:c6:0a:29:33\n")
        wrong = self.sandbox("run", "--rm", "--mac-address", "01:00:5e:00:00:01", "busybox", "true")
        self.assertEqual(wrong.returncode, 125)
        self.assertIn('invalid argument "01:00:5e:00:00:01" for "--mac-address" flag', wrong.stderr)

    def test_a_range_is_published_whole(self):
        first = free_ports(3)
        self.started("-p", f"127.0.0.1:{first}-{first + 2}:8079-8081")
        self.assertEqual(fetch("127.0.0.1", first + 1), b"page\n")
        shown = ", ".join(f"127.0.0.1:{first + number}->{8079 + number}/tcp" for number in range(3))
        self.assertIn(shown, self.sandbox("ps").stdout)

    def test_all_exposed_ports_are_published_on_request(self):
        archive = self.home + "/exposing.tar"
        docker_archive(archive, "localhost/exposing:latest", tools("httpd") + [directory("tmp")],
                       ExposedPorts={"8080/tcp": {}, "5353/udp": {}})
        self.ok("load", "-i", archive)
        container = self.started("-P", image="localhost/exposing:latest")
        ports = json.loads(self.sandbox("inspect", container).stdout)[0]["NetworkSettings"]["Ports"]
        self.assertEqual(set(ports), {"8080/tcp", "5353/udp"})
        self.assertEqual(fetch("127.0.0.1", int(ports["8080/tcp"][0]["HostPort"])), b"page\n")

    def test_exposed_ports_are_shown_whether_published_or_not(self):
        archive = self.home + "/exposing.tar"
        docker_archive(archive, "localhost/exposing:latest", tools("httpd", "sleep") + [directory("tmp")],
                       ExposedPorts={"8080/tcp": {}, "5353/udp": {}, "nonsense": {}})
        self.ok("load", "-i", archive)
        self.started("--name", "box", "--expose", "8081-8082", "-p", "127.0.0.1::8080", image="localhost/exposing")
        box, = json.loads(self.ok("inspect", "box"))
        self.assertEqual({"5353/udp", "8080/tcp", "8081/tcp", "8082/tcp"} - set(box["Config"]["ExposedPorts"]), set())
        ports = box["NetworkSettings"]["Ports"]
        port = ports.pop("8080/tcp")[0]["HostPort"]
        self.assertEqual(ports, {"5353/udp": None, "8081/tcp": None, "8082/tcp": None})
        self.assertEqual(list(box["HostConfig"]["PortBindings"]), ["8080/tcp"])
        self.assertEqual(self.ok("ps", "--format", "{{.Ports}}"), f"5353/udp, 8081-8082/tcp, 127.0.0.1:{port}->8080/tcp\n")
        self.assertEqual(self.ok("port", "box"), f"8080/tcp -> 127.0.0.1:{port}\n")
        self.assertEqual(self.ok("ps", "--format", "{{.Names}}", "--filter", "expose=8082"), "box\n")
        self.ok("commit", "box", "localhost/more")
        config, = json.loads(self.ok("image", "inspect", "localhost/more"))
        self.assertIn("8081/tcp", config["Config"]["ExposedPorts"])
        self.ok("rm", "-f", "box")
        self.started("--name", "box", "--network", "none", image="localhost/exposing", command=["sleep", "1000"])
        self.assertEqual(self.ok("inspect", "-f", "{{.NetworkSettings.Ports}}", "box"), "map[]\n")

    def test_a_port_on_an_address_of_ipv6_is_there_alone_and_moves_any_amount_both_ways(self):
        port = free_ports()
        echo = ["nc", "-ll", "-p", "8080", "-e", "cat"]
        self.started("-p", f"[::1]:{port}:8080", command=echo)
        self.assertEqual(listening(port), {"tcp6 " + "0" * 24 + "01000000"})
        self.assertIn(f"[::1]:{port}->8080/tcp", self.ok("ps"))
        data = os.urandom(3_000_000)
        for _ in range(3):
            self.assertEqual(self.echoed(port, data), data)
        refused = self.sandbox("run", "--rm", "-p", f"[::1]:{port}:80", "busybox", "true")
        self.assertEqual(refused.returncode, 125)
        self.assertIn(f"port [::1]:{port}/tcp: address already in use", refused.stderr)
        refused = self.sandbox("run", "--rm", "-p", f"[::1]:{port}:80/udp", "busybox", "true")
        self.assertEqual(refused.returncode, 125)
        self.assertIn("UDP can be published on IPv4 addresses only", refused.stderr)

    @staticmethod
    def echoed(port, data):
        """What comes back of `data`, of which all is sent before the end is told."""
        with socket.create_connection(("::1", port), 10) as peer:
            sender = threading.Thread(target=lambda: (peer.sendall(data), peer.shutdown(socket.SHUT_WR)))
            sender.start()
            answer = b"".join(iter(lambda: peer.recv(1 << 16), b""))
            sender.join()
        return answer

    def test_a_port_in_use_is_named_with_its_address(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            refused = self.sandbox("run", "--rm", "-p", f"127.0.0.1:{port}:80", "busybox", "true")
        self.assertEqual(refused.returncode, 125)
        self.assertIn(f"port 127.0.0.1:{port}/tcp: address already in use", refused.stderr)
        self.assertEqual(self.sandbox("ps", "-aq").stdout, "")

    def test_a_low_port_is_refused_with_the_name_of_the_sysctl(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
            low = int(file.read()) - 1
        self.assertGreater(low, 0, "every port is free for users here, so nothing can be shown")
        refused = self.sandbox("run", "--rm", "-p", f"127.0.0.1:{low}:80", "busybox", "true")
        self.assertEqual(refused.returncode, 125)
        self.assertIn(f"port 127.0.0.1:{low}/tcp: Permission denied", refused.stderr)
        self.assertIn("net.ipv4.ip_unprivileged_port_start", refused.stderr)

    def test_no_listener_survives_the_death_of_its_container(self):
        port = free_ports()
        for end in (["kill"], ["rm", "-f"]) * 10:
            container = self.started("-p", f"127.0.0.1:{port}:8080", "-p", f"127.0.0.1:{port}:8080/udp",
                                     command=["sleep", "1000"])
            self.assertEqual(len(listening(port)), 2)
            self.assertEqual(self.sandbox(*end, container).returncode, 0)
            if end == ["kill"]:
                self.sandbox("wait", container)
            self.assertEqual(listening(port), set())

    def test_name_servers_search_domains_and_options_reach_the_container(self):
        shown = self.sandbox("run", "--rm", "--dns", "192.0.2.1", "--dns", "192.0.2.2", "--dns-search", "a.example",
                             "--dns-option", "ndots:2", "busybox", "cat", "/etc/resolv.conf")
        self.assertEqual(shown.stdout, "search a.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n"
                                       "options ndots:2\n", shown.stderr)
        refused = self.sandbox("run", "--rm", "--dns", "one.one", "busybox", "true")
        self.assertEqual(refused.returncode, 125)

    def test_without_the_tun_device_a_veth_pair_serves_and_doctor_says_why(self):
        port = free_ports()
        script = (f'mount -t tmpfs none /dev/net && {SANDBOX} doctor && {SANDBOX} run -d --name web '
                  f'-p 127.0.0.1:{port}:8080 busybox sh -c "{SERVER[2]}"')
        done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script], env=self.env,
                              text=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("[low]  private network: veth pair\n"
                      "         not tap: opening '/dev/net/tun': No such file or directory\n"
                      "         fix: the tun device is missing here: as root, modprobe tun\n", done.stdout)
        self.assertEqual(fetch("127.0.0.1", port), b"page\n")
        inside = self.sandbox("exec", "web", "ip", "link")
        self.assertIn("eth0", inside.stdout, inside.stderr)
        self.assertNotIn("outer0", inside.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
