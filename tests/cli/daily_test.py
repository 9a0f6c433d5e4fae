"""What users of every day stumble over: pipelines that end early, an interrupt that is not heard, what scripts look at."""

import json
import os
import pty
import pwd
import re
import signal
import subprocess
import unittest

from image_archive import entry, tar
from sandbox_case import SandboxCase, eventually

QUIET = ("--network", "none")


class Pipelines(SandboxCase):
    def first_line(self, *words):
        """As `… | head -1` has it; the client and how it ended."""
        client = self.client(*words, stdout=subprocess.PIPE)
        self.assertEqual(client.stdout.readline(), b"y\n")
        client.stdout.close()
        return client.wait(timeout=60)

    def test_a_container_that_removes_itself_ends_with_its_reader(self):
        self.assertEqual(self.first_line("run", "--rm", *QUIET, "busybox", "yes"), -signal.SIGPIPE)
        self.assertEqual(self.ok("ps", "-aq"), "")

    def test_so_does_one_that_does_not_care(self):
        script = "trap '' TERM PIPE; while :; do echo y 2>/dev/null; done"
        self.assertEqual(self.first_line("run", "--rm", *QUIET, "--stop-timeout", "1", "busybox", "sh", "-c", script),
                         -signal.SIGPIPE)
        self.assertEqual(self.ok("ps", "-aq"), "")

    def test_another_one_goes_on_for_its_log(self):
        script = "trap 'exit 0' TERM; while :; do echo y; sleep 0.1; done"
        self.assertEqual(self.first_line("run", "--name", "box", *QUIET, "busybox", "sh", "-c", script), -signal.SIGPIPE)
        self.assertEqual(self.ok("ps", "--format", "{{.Names}}"), "box\n")

    def test_what_exec_has_started_ends_alone(self):
        self.ok("run", "-d", "--name", "box", *QUIET, "busybox", "sleep", "1000")
        self.assertEqual(self.first_line("exec", "box", "yes"), -signal.SIGPIPE)
        self.assertTrue(eventually(lambda: "yes" not in self.ok("top", "box")))
        self.assertIn("sleep", self.ok("top", "box"))

    def test_who_interrupts_again_and_again_is_heard(self):
        self.ok("run", "-d", "--name", "box", *QUIET, "busybox", "sleep", "1000")
        for words, script in ((("run", "--rm", *QUIET, "busybox"), "echo ready; exec sleep 1000"),
                              (("exec", "box"), "trap '' INT; echo ready; while :; do sleep 1; done")):
            client = self.client(*words, "sh", "-c", script, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(client.stdout.readline(), b"ready\n")

            def interrupted():
                client.send_signal(signal.SIGINT)
                return client.poll() is not None
            self.assertTrue(eventually(interrupted, 60), words)
            self.assertIn(b"got 3 SIGTERM/SIGINTs, forcefully exiting", client.stderr.read())
            for stream in (client.stdout, client.stderr):
                stream.close()
            self.assertEqual(client.returncode, 137, words)
            self.assertEqual(self.ok("ps", "--format", "{{.Names}}"), "box\n")


class Names(SandboxCase):
    def inside(self, *words, script):
        return self.ok("run", "--rm", *QUIET, *words, "busybox", "sh", "-c", script)

    def test_a_user_by_number_has_a_name(self):
        told = self.inside("-u", "4321:4322", script="id -un; id -gn; tail -n 1 /etc/passwd; tail -n 1 /etc/group")
        self.assertEqual(told, "4321\n4322\n4321:*:4321:4322:container user:/:/bin/sh\n4322:x:4322:4321\n")
        self.assertEqual(self.inside("-u", "4321", "--passwd=false", script="grep -c 4321 /etc/passwd || true"), "0\n")
        self.assertEqual(self.inside(script="mount | grep -c /etc/passwd || true"), "0\n")

    def test_the_caller_keeps_the_name(self):
        own = pwd.getpwuid(os.getuid())
        told = self.inside("--userns", "keep-id", script="id -un; echo $HOME")
        self.assertEqual(told, f"{own.pw_name}\n/\n")
        home = f"{self.home}:{own.pw_dir}"
        self.ok("run", "--name", "box", "--userns", "keep-id", *QUIET, "-v", home, "busybox", "true")
        self.assertEqual(self.ok("inspect", "-f", '{{index .Config.Env 2}}', "box"), f"HOME={own.pw_dir}\n")
        self.assertNotIn("passwd", self.ok("diff", "box"))

    def test_a_device_that_is_mounted_has_a_hint(self):
        done = self.sandbox("run", "--rm", *QUIET, "-v", "/dev/zero:/dev/other", "busybox", "true")
        self.assertEqual((done.returncode, done.stderr),
                         (0, "WARNING: the device '/dev/zero' can't be opened as a volume; use --device /dev/zero\n"))


class Listings(SandboxCase):
    def test_another_platforms_image_is_not_the_one_that_is_meant(self):
        archive = self.home + "/root.tar"
        with open(archive, "wb") as file:
            file.write(tar([entry("file", "content")]))
        self.ok("import", "--platform", "linux/s390x", archive, "foreign")
        done = self.sandbox("run", "--rm", "--pull", "never", "--platform", "linux/amd64", "foreign", "/file")
        self.assertEqual(done.returncode, 125)
        self.assertIn("image 'foreign' was found but its platform (linux/s390x) does not match the specified platform "
                      "(linux/amd64)", done.stderr)
        self.ok("create", *QUIET, "--platform", "linux/s390x", "foreign", "/file")

    def test_sizes_agree(self):
        self.ok("run", "--rm", *QUIET, "busybox", "true")
        archive = self.home + "/root.tar"
        with open(archive, "wb") as file:
            file.write(tar([entry("file", "1" * 100000)]))
        self.ok("import", archive, "own")
        sizes = dict(line.split() for line in self.ok("images", "--format", "{{.Repository}} {{.Size}}").splitlines())
        rows = [re.split(r"  +", line) for line in self.ok("system", "df", "-v").splitlines()]
        self.assertEqual({row[0]: row[4] for row in rows if row[0] in sizes}, sizes)
        self.assertGreater(int(self.ok("inspect", "-f", "{{.Size}}", "own")), 0)

    def test_info_has_what_scripts_ask_docker_for(self):
        told = self.ok("info", "-f", "{{.OperatingSystem}}|{{.CgroupVersion}}|{{.CgroupDriver}}|{{.Architecture}}|"
                       "{{.KernelVersion}}|{{.NCPU}}|{{.MemTotal}}|{{.DriverStatus}}|{{.Swarm.LocalNodeState}}").split("|")
        self.assertEqual((told[3], told[4]), (os.uname().machine, os.uname().release))
        self.assertIn(told[1], "12")
        self.assertEqual(int(told[5]), os.sysconf("SC_NPROCESSORS_ONLN"))
        self.assertEqual(int(told[6]), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE"))
        self.assertRegex(told[7], r"\A\[\[Backing Filesystem \S+\] ")
        self.assertEqual(told[8], "inactive\n")
        names = {"x86_64": "amd64", "aarch64": "arm64"}
        self.assertEqual(self.ok("version", "-f", "{{.Server.Arch}}"), names[os.uname().machine] + "\n")

    def test_output_is_shown_before_complaints_of_the_same_moment(self):
        self.ok("run", "--name", "box", *QUIET, "busybox", "sh", "-c", "echo out; echo err >&2")
        done = self.sandbox("logs", "box")
        self.assertEqual((done.stdout, done.stderr), ("out\n", "err\n"))
        with open(self.only_container() + "/log", encoding="utf-8") as log:
            self.assertEqual([json.loads(line)["log"] for line in log], ["out\n", "err\n"])

    def test_fsck_says_that_all_is_well(self):
        done = self.sandbox("system", "fsck")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", f"the store is in order: {self.data}\n"))

    def test_a_build_on_a_terminal_ends_with_its_image(self):
        with open(self.home + "/Dockerfile", "w", encoding="utf-8") as file:
            file.write("FROM busybox\nLABEL a=b\n")
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        client = self.client("build", "-t", "own:1", self.home, stderr=slave)
        os.close(slave)
        shown = b""
        while True:
            try:
                shown += os.read(master, 65536)
            except OSError:  # EIO: nobody has it open any more
                break
        self.assertEqual(client.wait(timeout=60), 0, shown)
        image = self.ok("images", "-q", "--no-trunc", "own:1").strip()
        self.assertIn(f" => writing image {image}\r\n => naming to docker.io/library/own:1\r\n", shown.decode())


class Pruning(SandboxCase):
    def left(self, *words, form="{{.Names}}"):
        return self.ok(*words, "--format", form).split()

    def test_containers_by_label_and_age(self):
        for name, label in (("old", "keep=no"), ("kept", "keep=yes"), ("plain", "other")):
            self.ok("create", "--name", name, "--label", label, *QUIET, "busybox", "true")
        self.assertEqual(self.ok("container", "prune", "-f", "--filter", "until=1h"), "Total reclaimed space: 0B\n")
        told = self.ok("container", "prune", "-f", "--filter", "label=keep", "--filter", "label!=keep=yes")
        self.assertRegex(told, r"\ADeleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: ")
        self.assertEqual(sorted(self.left("ps", "-a")), ["kept", "plain"])
        self.ok("container", "prune", "-f", "--filter", "until=2100-01-01", "--filter", "label!=keep")
        self.assertEqual(self.left("ps", "-a"), ["kept"])

    def test_images_and_volumes(self):
        self.ok("create", "--name", "box", *QUIET, "busybox", "true")
        for name, label in (("one", "LABEL stage=test"), ("two", "LABEL other=x")):
            self.ok("commit", "-c", label, "box", name)
        self.ok("image", "prune", "-af", "--filter", "until=24h")
        self.ok("image", "prune", "-af", "--filter", "label=stage=other")
        self.assertEqual(sorted(self.left("images", form="{{.Repository}}")), ["busybox", "one", "two"])
        self.assertIn("untagged: one:latest\n", self.ok("image", "prune", "-af", "--filter", "label=stage"))
        self.assertEqual(sorted(self.left("images", form="{{.Repository}}")), ["busybox", "two"])
        self.ok("volume", "create", "--label", "keep", "first")
        self.ok("volume", "create", "second")
        self.assertEqual(self.ok("volume", "prune", "-f"), "Total reclaimed space: 0B\n")  # neither is anonymous
        told = self.ok("volume", "prune", "-f", "--filter", "all=true", "--filter", "label!=keep")
        self.assertEqual(told, "Deleted Volumes:\nsecond\n\nTotal reclaimed space: 0B\n")

    def test_all_of_the_system_is_asked_for_as_docker_does(self):
        self.ok("create", "--name", "box", "--label", "a", *QUIET, "busybox", "true")
        asked = self.sandbox("system", "prune", "-a", "--volumes", "--filter", "label=b", stdin="n\n")
        self.assertEqual((asked.returncode, asked.stderr), (1, "sandbox: system prune has been cancelled\n"))
        self.assertEqual(asked.stdout, "WARNING! This will remove:\n  - all stopped containers\n"
                         "  - all networks not used by at least one container\n"
                         "  - all anonymous volumes not used by at least one container\n"
                         "  - all images without at least one container associated to them\n  - unused build cache\n\n"
                         "  Items to be pruned will be filtered with:\n  - label=b\n\n"
                         "Are you sure you want to continue? [y/N] ")
        self.ok("system", "prune", "-af", "--volumes", "--filter", "label=b")
        self.assertEqual(self.left("ps", "-a"), ["box"])
        refused = self.sandbox("system", "prune", "-f", "--volumes", "--filter", "until=1h")
        self.assertIn('the "until" filter is not supported with "--volumes"', refused.stderr)
        self.assertIn("invalid filter 'name'", self.sandbox("container", "prune", "-f", "--filter", "name=x").stderr)
        self.assertIn("Deleted Containers:\n", self.ok("system", "prune", "-f", "--filter", "label=a"))


if __name__ == "__main__":
    unittest.main()
