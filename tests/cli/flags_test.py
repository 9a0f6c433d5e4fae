"""Every flag of Docker's `run`: what it does, or why it can't be had; as the ordinary user who calls it."""

import json
import os
import socket
import stat
import textwrap
import unittest

from sandbox_case import SandboxCase, has_range

QUIET = ("--rm", "--network", "none", "--pull", "never")

# docker/cli cli/command/container/opts.go and run.go, but for what is Windows' alone. With a value: it works.
FLAGS = {
    "add-host": "a:1.2.3.4", "blkio-weight": None, "blkio-weight-device": None, "cap-add": "CHOWN",
    "attach": "stdout", "cpu-count": False, "cpu-percent": False, "io-maxbandwidth": False, "io-maxiops": False,
    "isolation": False, "use-api-socket": False, "cap-drop": "CHOWN", "cgroup-parent": False, "cgroupns": "private", "cidfile": None, "cpu-period": "50000",
    "cpu-quota": None, "cpu-rt-period": False, "cpu-rt-runtime": False, "cpu-shares": None, "cpus": None,
    "cpuset-cpus": None, "cpuset-mems": None, "detach-keys": "ctrl-a", "device": "/dev/zero",
    "device-cgroup-rule": False, "device-read-bps": None, "device-read-iops": None, "device-write-bps": None,
    "device-write-iops": None, "dns": "1.2.3.4", "dns-option": "ndots:1", "dns-opt": "ndots:1", "dns-search": "example.org",
    "domainname": "nis", "entrypoint": None, "env": "A=b", "env-file": None, "expose": "80", "group-add": None,
    "health-cmd": "true", "health-interval": "1s", "health-retries": "1", "health-start-interval": "1s",
    "health-start-period": "1s", "health-timeout": "1s", "hostname": "box", "init": "", "interactive": "", "ip": None,
    "ip6": False, "ipc": "private", "kernel-memory": False, "label": "a=b", "label-file": None, "link": None,
    "link-local-ip": False, "log-driver": "json-file", "log-opt": "max-size=1m", "mac-address": None, "memory": None,
    "memory-reservation": None, "memory-swap": None, "memory-swappiness": False, "mount": "type=tmpfs,dst=/t",
    "name": "box", "network-alias": None, "net-alias": None, "no-healthcheck": "", "oom-kill-disable": False, "oom-score-adj": "1000",
    "pid": "private", "pids-limit": None, "platform": None, "privileged": "", "publish": None, "publish-all": None,
    "quiet": "", "read-only": "", "restart": "no", "runtime": False, "security-opt": "no-new-privileges",
    "shm-size": "1m", "sig-proxy": "", "stop-signal": "INT", "stop-timeout": "1", "storage-opt": None,
    "sysctl": "kernel.msgmax=1000", "tmpfs": "/t", "tty": None, "ulimit": "nofile=100", "umask": "027", "user": "0",
    "userns": "host", "uts": "private", "volume": None, "volume-driver": False, "volumes-from": None, "workdir": "/",
    "annotation": "a=b",
    "gpus": None,
    # Podman's
    "passwd": "",
    "env-host": "", "replace": None, "tz": "Asia/Tokyo",
    "secret": None,
    "preserve-fds": None,
}


def closed_device():
    """A device of the host's that its user may not open; None: there is no such."""
    for one in os.scandir("/dev"):
        mode = one.stat(follow_symlinks=False).st_mode
        is_device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
        if is_device and one.name != "console" and not os.access(one, os.R_OK | os.W_OK):
            return one.path
    return None


class Flags(SandboxCase):
    def run_with(self, *words, script="true"):
        return self.ok("run", *QUIET, *words, "busybox", "sh", "-c", script)

    def test_each_works_or_says_why_not(self):
        for name, value in FLAGS.items():
            with self.subTest(flag=name):
                if value is False:
                    done = self.sandbox("run", *QUIET, f"--{name}", "1", "busybox", "true")
                    self.assertEqual(done.returncode, 125)
                    self.assertIn(f"--{name} is not possible: ", done.stderr)
                elif value is not None:
                    self.run_with(f"--{name}" if value == "" else f"--{name}={value}")
        known = self.ok("run", "--help")
        for name, value in FLAGS.items():
            self.assertEqual(f"--{name} " in known, value is not False, name)

    def test_what_the_process_is_like(self):
        self.assertEqual(self.run_with("--umask", "027", script="umask"), "0027\n")
        self.assertEqual(self.run_with("--oom-score-adj", "1000", script="cat /proc/self/oom_score_adj"), "1000\n")
        self.assertEqual(self.run_with("--domainname", "nis", script="cat /proc/sys/kernel/domainname"), "nis\n")
        self.assertEqual(self.run_with("--sysctl", "kernel.msgmax=1234", script="cat /proc/sys/kernel/msgmax"), "1234\n")
        self.assertEqual(self.run_with("--device", "/dev/zero", script="head -c 1 /dev/zero | wc -c"), "1\n")

    def test_no_memory_to_share(self):
        self.assertEqual(self.run_with("--ipc", "none", script="grep -c ' /dev/shm ' /proc/mounts || true"), "0\n")
        self.assertEqual(self.run_with(script="grep -c ' /dev/shm ' /proc/mounts"), "1\n")

    def test_names_of_the_host(self):
        self.assertEqual(self.run_with("--uts", "host", script="hostname; cat /etc/hostname; echo $HOSTNAME"),
                         (socket.gethostname() + "\n") * 3)
        self.ok("create", "--name", "box", "--uts", "host", "--network", "none", "busybox", "true")
        self.assertEqual(self.ok("inspect", "-f", "{{.Config.Hostname}}", "box"), socket.gethostname() + "\n")

    def test_what_confines_no_container_here_may_be_switched_off(self):
        self.run_with("--security-opt", "apparmor=unconfined", "--security-opt", "label=disable",
                      "--security-opt", "label:disable")

    def test_environment_zone_and_annotations(self):
        self.env["ONLY_HERE"] = "seen"
        self.assertEqual(self.run_with("--env-host", "-e", "A=b", script="echo $ONLY_HERE $A"), "seen b\n")
        self.assertEqual(self.run_with("--env-host", "-e", "ONLY_HERE=other", script="echo $ONLY_HERE"), "other\n")
        self.assertEqual(self.run_with(script="echo $ONLY_HERE"), "\n")
        self.assertEqual(self.run_with("--tz", "Asia/Tokyo", script="date +%z"), "+0900\n")
        self.ok("create", "--name", "box", "--annotation", "a=b=c", "--annotation", "d", "busybox", "true")
        self.assertEqual(json.loads(self.ok("inspect", "box"))[0]["HostConfig"]["Annotations"], {"a": "b=c", "d": ""})

    def test_attached_streams(self):
        script = ("busybox", "sh", "-c", "echo out; echo err >&2; cat; exit 3")
        for words, shown in ((("-a", "stdout"), ("out\n", "")), (("-a", "STDERR"), ("", "err\n")),
                             (("-a", "stdout", "-a", "stdin", "-i"), ("out\nin", "")),
                             (("-a", "stdout", "-a", "stderr"), ("out\n", "err\n"))):
            done = self.sandbox("run", *QUIET, *words, *script, stdin="in" if "stdin" in words else "")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (3, *shown), words)
        done = self.sandbox("run", *QUIET, "-i", "-a", "stdin", *script, stdin="in")
        self.assertRegex(done.stdout, r"\A[0-9a-f]{64}\n\Z")
        self.assertEqual((done.returncode, done.stderr), (3, ""))

    def test_a_container_in_the_place_of_another(self):
        words = ("run", "-d", "--network", "none", "--name", "box")
        first = self.ok(*words, "busybox", "sleep", "1000").strip()
        second = self.ok(*words, "--replace", "busybox", "sleep", "1000").strip()
        self.assertNotEqual(first, second)
        self.assertEqual(self.ok("ps", "-aq", "--no-trunc"), second + "\n")
        self.ok("create", "--network", "none", "--name", second[:12], "--replace", "busybox", "true")
        self.assertEqual(self.ok("ps", "-q", "--no-trunc"), second + "\n", "a name is no beginning of an id")

    def test_devices_by_their_vendors_names(self):
        self.env["XDG_CONFIG_HOME"] = self.home + "/config"
        cdi = self.home + "/config/sandbox/cdi"
        os.makedirs(cdi)

        def describe(file="test.json", **members):
            with open(f"{cdi}/{file}", "w", encoding="utf-8") as out:
                json.dump({"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", **members}, out)

        def refused(message, *words):
            done = self.sandbox("run", *QUIET, *(words or ("--gpus", "all")), "busybox", "true")
            self.assertEqual(done.returncode, 125, words)
            self.assertIn(message, done.stderr)

        def device(**edits):
            return [{"name": "all", "containerEdits": edits}]
        with open(self.home + "/library", "w", encoding="utf-8") as file:
            file.write("of the vendor\n")
        library = {"hostPath": self.home + "/library", "containerPath": "/lib/own", "options": ["ro", "nosuid", "bind"]}
        describe(devices=device(deviceNodes=[{"path": "/dev/full"}]),
                 containerEdits={"env": ["GPU=yes"], "mounts": [library]})
        script = "echo $GPU; cat /lib/own; echo x >/dev/full || echo full; echo x 2>/dev/null >>/lib/own || echo closed"
        for words in (("--gpus", "all"), ("--device", "nvidia.com/gpu=all")):
            self.assertEqual(self.run_with(*words, script=script), "yes\nof the vendor\nfull\nclosed\n")
        self.assertEqual(self.run_with("--gpus", "all", "-e", "GPU=no", script="echo $GPU"), "no\n")
        refused("unresolvable CDI device nvidia.com/gpu=7", "--device", "nvidia.com/gpu=7")
        refused("nvidia-ctk cdi generate", "--gpus", "device=7")
        refused("'all' or 'device=NAME,...'", "--gpus", "2")
        describe("other.json", devices=device())
        refused("is in both")
        os.unlink(cdi + "/other.json")
        for edits, message in (({"deviceNodes": [{"path": "/dev/nowhere"}]}, "device '/dev/nowhere'"),
                               ({"deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/full"}]}, "it keeps the path"),
                               ({"mounts": [dict(library, containerPath="/proc/x")]}, "nothing can be mounted there"),
                               ({"mounts": [dict(library, options=["sync"])]}, "unknown mode 'sync'"),
                               ({"mounts": [dict(library, type="tmpfs")]}, "it wants mount of type tmpfs"),
                               ({"intelRdt": {"closID": "a"}}, "it wants intelRdt"),
                               ({"surprise": 1}, "has the unknown member 'surprise'")):
            describe(devices=device(**edits))
            refused(message)
        closed = closed_device()
        if closed is not None:
            describe(devices=device(deviceNodes=[{"path": closed}]))
            refused(f"device '{closed}' can't be opened by you")
            describe(devices=device(deviceNodes=[{"path": "/dev/full"}, {"path": closed}]))
            done = self.sandbox("run", "--rm", *QUIET, "--gpus", "all", "busybox", "ls", "/dev/full", closed)
            self.assertEqual(done.stdout, "/dev/full\n", "not all of them need to be open to the user")
            self.assertIn(f"WARNING: device '{closed}' can't be opened by you", done.stderr)
        describe(cdiVersion="9.0.0", devices=device())
        refused("is of version 9.0.0, which is newer than is known here")
        describe(devices=device(hooks=[{"hookName": "createContainer", "path": "/bin/vendor"}]))
        self.assertIn("WARNING: '/bin/vendor', which a device's description asks for, is not run",
                      self.sandbox("run", *QUIET, "--gpus", "all", "busybox", "true").stderr)

    def test_descriptions_of_devices_may_be_yaml(self):
        self.env["XDG_CONFIG_HOME"] = self.home + "/config"
        os.makedirs(self.home + "/config/sandbox/cdi")
        path = self.home + "/config/sandbox/cdi/nvidia.yaml"
        text = textwrap.dedent("""\
            ---
            cdiVersion: 0.5.0
            kind: nvidia.com/gpu
            devices:
            - name: 0
              containerEdits:
                deviceNodes:
                - path: /dev/full
                  major: 1
                  fileMode: 438
            containerEdits:
              env:
              - GPU=yes
            """)
        script = "echo $GPU; test -c /dev/full && echo there"
        for more, answer in (("", "yes\nthere\n"), ("surprise: 1\n", "has the unknown member 'surprise'"),
                             ("<<: *anchor\n", f"{path}: not valid YAML: line 14: an alias"), ("kind: a.b/c\n", "two members 'kind'"),
                             ("\tx", "not valid YAML")):
            with open(path, "w", encoding="utf-8") as out:
                out.write(text + more)
            done = self.sandbox("run", "--rm", *QUIET, "--gpus", "device=0", "busybox", "sh", "-c", script)
            self.assertIn(answer, done.stderr if more else done.stdout, done)

    def test_groups(self):
        if has_range():
            told = self.run_with("--group-add", "7", "--group-add", "daemon", script="id -G")
            self.assertEqual(set(told.split()), {"0", "1", "7"})
        else:
            self.assertIn("--group-add is not possible with one user id",
                          self.sandbox("run", *QUIET, "--group-add", "7", "busybox", "true").stderr)
        self.run_with("--group-add", "keep-groups")

    def test_privileged_is_all_that_the_user_has(self):
        self.ok("run", "-d", "--name", "box", "--privileged", "--network", "none", "busybox", "sleep", "1000")
        status = self.ok("exec", "box", "cat", "/proc/self/status")
        with open("/proc/sys/kernel/cap_last_cap", encoding="utf-8") as last:
            everything = f"{(1 << (int(last.read()) + 1)) - 1:016x}"
        self.assertIn(f"CapBnd:\t{everything}\n", status)
        self.assertTrue(json.loads(self.ok("inspect", "box"))[0]["HostConfig"]["Privileged"])

    def test_labels_of_a_file(self):
        path = self.home + "/labels"
        with open(path, "w", encoding="utf-8") as file:
            file.write("# comment\na=1\nb\n\n")
        self.ok("create", "--name", "box", "--label-file", path, "--label", "a=2", "busybox", "true")
        self.assertEqual(json.loads(self.ok("inspect", "box"))[0]["Config"]["Labels"], {"a": "2", "b": ""})

    def test_wrong_words(self):
        for words, message in ((("--umask", "999"), "invalid umask '999'"),
                               (("--oom-score-adj", "1001"), "range for oom score adj is [-1000, 1000]"),
                               (("--sysctl", "kernel.panic=1"), "sysctl 'kernel.panic' is not allowed"),
                               (("--sysctl", "net.ipv4.ip_forward=1", "--network", "host"), "network namespace that is not the container's own"),
                               (("--device", "/dev/nothing"), "device '/dev/nothing': No such file"),
                               (("--device", "/etc/passwd"), "'/etc/passwd' is not a device"),
                               (("--device", "/dev/zero:/dev/other"), "keeps the path"),
                               (("--cpus", "1", "--cpu-quota", "50000"), "cannot both be set"),
                               (("--detach-keys", "ctrl-"), "invalid detach keys"),
                               (("--attach", "stdall"), "valid streams are STDIN, STDOUT and STDERR"),
                               (("--attach", "stdout", "-d"), "cannot specify both --attach and --detach"),
                               (("--annotation", "=a"), "invalid annotation '=a': empty name"),
                               (("--replace",), "cannot replace container without --name being set"),
                               (("--tz", "Nowhere/City"), "unknown time zone Nowhere/City"),
                               (("--tz", "../../etc/passwd"), "unknown time zone ../../etc/passwd"),
                               (("--label-file", "/nowhere"), "/nowhere"),
                               (("--device-read-bps", "/dev/zero:1mb"), "'/dev/zero' is not a block device"),
                               (("--device-read-bps", "/dev/nothing:1mb"), "device '/dev/nothing': No such file"),
                               (("--blkio-weight", "5"), "range of blkio weight is from 10 to 1000"),
                               (("--mac-address", "02:42:ac:11:00:02"), "mac-address and the network mode"),
                               (("--publish", "80:80"), "published ports need the private network, not 'none'"),
                               (("--uts", "host", "--hostname", "box"), "hostname and the UTS mode"),
                               (("--uts", "host", "--domainname", "nis"), "domainname and the UTS mode"),
                               (("--expose", "much"), "invalid range format for --expose: much"),
                               (("--expose", "80:81"), "invalid port format for --expose: 80:81"),
                               (("--expose", "0"), "invalid range format for --expose: 0"),
                               (("--security-opt", "apparmor=mine"), 'invalid --security-opt: "apparmor=mine"')):
            done = self.sandbox("run", *QUIET, *words, "busybox", "true")
            self.assertEqual(done.returncode, 125, words)
            self.assertIn(message, done.stderr)
        if os.getuid() != 0 and not os.access("/dev/kmsg", os.W_OK):
            self.assertIn("device '/dev/kmsg' can't be opened by you",
                          self.sandbox("run", *QUIET, "--device", "/dev/kmsg", "busybox", "true").stderr)


if __name__ == "__main__":
    unittest.main()
