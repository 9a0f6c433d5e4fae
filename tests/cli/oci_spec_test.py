"""`sandbox oci`: what configurations ask for, of mounts above all, and what hostile ones get; as the ordinary user who
calls it."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

from oci_case import OciCase
from sandbox_case import eventually


class Mounts(OciCase):
    def test_a_tmpfs_that_begins_with_what_it_covers(self):
        self.program("sh", "-c", "cat /data/a/file; readlink /data/link; stat -c '%a %Y' /data/a/file; ls /data; touch /data/new")
        os.makedirs(self.rootfs + "/data/a")
        with open(self.rootfs + "/data/a/file", "w", encoding="utf-8") as file:
            file.write("content\n")
        os.chmod(self.rootfs + "/data/a/file", 0o751)
        os.utime(self.rootfs + "/data/a/file", (5, 7))
        os.symlink("/etc", self.rootfs + "/data/link")
        os.mkfifo(self.rootfs + "/data/fifo")
        with self.config() as config:
            config["mounts"].append({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]})
        self.assertEqual(self.done("run", "c"), "content\n/etc\n751 7\na\nlink\n")
        self.assertEqual(sorted(os.listdir(self.rootfs + "/data")), ["a", "fifo", "link"])

    def test_a_mount_has_the_source_that_was_given(self):
        self.program("sh", "-c", "grep ' /data ' /proc/mounts; touch /data/x")
        with self.config() as config:
            config["mounts"].append({"destination": "/data", "type": "tmpfs", "source": "named", "options": ["ro", "mode=755"]})
        done = self.oci("run", "c")
        self.assertRegex(done.stdout, "^named /data tmpfs ro,")
        self.assertIn("Read-only file system", done.stderr)

    def test_a_dev_that_is_read_only_has_its_devices_and_its_console(self):
        self.program("sh", "-c", "echo x >/dev/null; tty </dev/console; echo 2>&1 >/dev/new", terminal=True)
        with self.config() as config:
            next(mount for mount in config["mounts"] if mount["destination"] == "/dev")["options"].append("ro")
            config["linux"]["devices"] = [{"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2}]  # has its place already
        self.assertRegex(self.oci("run", "c").stdout, "^/dev/(pts/0|console)\n.*Read-only file system")

    def test_devices_of_the_host_are_no_way_to_more_rights(self):
        self.program("grep", " /dev/null ", "/proc/self/mountinfo")
        self.assertRegex(self.done("run", "c"), " /dev/null rw,nosuid,noexec")

    def test_paths_are_masked_once(self):
        self.program("sh", "-c", "grep -c ' /tmp/[ab] ' /proc/self/mountinfo; stat -c %d /tmp/a /tmp/b | uniq | wc -l; touch /tmp/b/x")
        os.makedirs(self.rootfs + "/tmp/a")
        os.makedirs(self.rootfs + "/tmp/b")
        with self.config() as config:
            config["linux"]["maskedPaths"] = ["/tmp/a", "/tmp/b", "/tmp/a"]
        done = self.oci("run", "c")
        self.assertEqual(done.stdout, "2\n1\n")
        self.assertIn("Read-only file system", done.stderr)

    def test_options_of_a_cgroup_mount_are_the_kernels(self):
        self.program("true")
        with self.config() as config:
            mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuch"]}
            config["mounts"] = [other for other in config["mounts"] if other["destination"] != "/sys/fs/cgroup"] + [mount]
            config["linux"]["namespaces"] = [space for space in config["linux"]["namespaces"] if space["type"] != "cgroup"]
            config["linux"]["namespaces"].append({"type": "cgroup"})
        self.refused("run failed: mount option 'nosuch' for '/sys/fs/cgroup': Invalid argument", "run", "c")

    def test_propagation_as_the_container_sees_it(self):
        self.program("grep", "-E", " (/|/one|/two|/three) ", "/proc/self/mountinfo")
        with self.config() as config:
            config["linux"]["rootfsPropagation"] = "shared"
            for name, option in (("one", "rshared"), ("two", "rprivate"), ("three", "runbindable")):
                config["mounts"].append({"destination": "/" + name, "source": "/tmp", "options": ["rbind", option]})
        lines = {line.split()[4]: " ".join(line.split(" - ")[0].split()[6:]) for line in self.done("run", "c").splitlines()}
        self.assertRegex(lines["/"], "shared:")
        self.assertRegex(lines["/one"], "shared:")
        self.assertEqual(lines["/two"], "")
        self.assertEqual(lines["/three"], "unbindable")
        with self.config() as config:
            config["linux"]["rootfsPropagation"] = "moon"
        self.refused("run failed: rootfsPropagation 'moon' does not exist", "run", "c")

    def test_what_is_mounted_on_the_host_later_arrives_at_a_slave(self):
        """In a mount namespace of our own in place of the host's."""
        for option, seen in (("rslave", "there"), ("rprivate", "")):
            self.program("sh", "-c", "echo ready; read go; ls /shared/below")
            with self.config() as config:
                config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/shared"]
                config["mounts"].append({"destination": "/shared", "source": self.home + "/shared", "options": ["rbind", option]})
            os.makedirs(self.home + "/shared/below", exist_ok=True)
            script = f"""mount -t tmpfs x {self.home}/shared && mount --make-shared {self.home}/shared && mkdir {self.home}/shared/below &&
                mkfifo {self.home}/go-{option} && exec 3<>{self.home}/go-{option} &&
                {{ {" ".join(self.command("run", "c"))} <&3 & }} && sleep 1.5 &&
                mount -t tmpfs x {self.home}/shared/below && touch {self.home}/shared/below/there && echo go >&3 && wait"""
            with self.config() as config:
                config["linux"].pop("uidMappings", None)
                config["linux"].pop("gidMappings", None)
                config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "user"]
            done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script], cwd=self.bundle, env=self.env,
                                  capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual((done.stdout, done.stderr), ("ready\n" + (seen + "\n" if seen else ""), ""), option)


class Documents(OciCase):
    def test_a_starter_configuration_is_never_overwritten(self):
        self.refused("File config.json exists. Remove it first", "spec")

    def test_features_and_the_log_as_json(self):
        features = json.loads(self.done("features"))
        self.assertEqual(features["ociVersionMax"], "1.3.0")
        self.assertIn("rbind", features["mountOptions"])
        log = self.home + "/log"
        done = self.oci("--log", log, "--log-format", "json", "state", "nope")
        self.assertEqual(done.returncode, 1)
        self.assertIn("container does not exist", done.stderr)
        with open(log, encoding="utf-8") as lines:
            line = json.loads(lines.read())
        self.assertEqual((line["level"], line["msg"]), ("error", "container does not exist"))

    def test_the_plan_is_printed_and_nothing_is_done(self):
        self.program("nosuch")
        with self.config() as config:
            config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]}
            config["hooks"] = {"poststop": [{"path": "/bin/sh", "timeout": 5}]}
        printed = self.done("run", "--print-plan", "c")
        plan = json.loads(printed)
        self.assertEqual(plan["process"]["argv"], ["nosuch"])
        self.assertEqual(plan["root"]["directory"], self.rootfs)
        self.assertEqual(plan["hooks"]["poststop"], [{"path": "/bin/sh", "args": [], "env": None, "timeout": 5}])
        self.assertRegex(plan["process"]["seccomp"]["digest"], "^sha256:[0-9a-f]{64}$")
        self.assertGreater(plan["process"]["seccomp"]["instructions"], 4)
        self.assertEqual((plan["cgroup"]["settings"], plan["warnings"]), ([], []))
        self.assertEqual(self.done("create", "--print-plan", "c"), printed)
        self.assertFalse(os.path.exists(self.root))

    def test_usage(self):
        self.refused("unknown command nosuch", "nosuch")
        self.refused('"create" requires exactly 1 argument(s)', "create")
        self.refused('"kill" requires a minimum of 1 argument(s)', "kill")
        self.refused("unknown flag: --nosuch", "run", "--nosuch", "c")
        self.refused(re.compile("^run failed: bundle '/nonexistent': No such file"), "run", "-b", "/nonexistent", "c")
        os.unlink(self.bundle + "/config.json")
        self.refused("run failed: JSON specification file config.json not found", "run", "c")


class Hostile(OciCase):
    """Configurations, roots and state directories of strangers."""

    def refuses(self, change, message):
        with open(self.bundle + "/config.json", encoding="utf-8") as file:
            good = file.read()
        with self.config() as config:
            change(config)
        try:
            self.refused(re.compile("^run failed: .*" + re.escape(message)), "run", "c")
            self.assertEqual(os.listdir(self.root) if os.path.exists(self.root) else [], [])
        finally:
            with open(self.bundle + "/config.json", "w", encoding="utf-8") as file:
                file.write(good)

    def test_documents_that_are_none(self):
        self.program("true")
        for text, message in (("", "not valid JSON"), ("{", "not valid JSON"), ("null", "is not an object"), ("[]", "is not an object"),
                              ("{}", "has no 'ociVersion'"), ("[" * 100000, "nested deeper"), ("{\"a\":" * 100, "nested deeper"),
                              ('{"ociVersion": "' + "x" * (5 << 20) + '"}', "larger than")):
            with open(self.bundle + "/config.json", "w", encoding="utf-8") as file:
                file.write(text)
            begin = time.monotonic()
            self.refused(re.compile(message), "run", "c")
            self.assertLess(time.monotonic() - begin, 20)

    def test_a_configuration_that_is_a_fifo_does_not_block(self):
        os.unlink(self.bundle + "/config.json")
        os.mkfifo(self.bundle + "/config.json")
        self.refused(re.compile("not valid JSON"), "run", "c")

    def test_members_of_the_wrong_type_or_range(self):
        self.program("true")
        with self.config() as config:
            del config["hostname"]
        def put(*path, value):
            def change(config):
                for key in path[:-1]:
                    config = config[key]
                config[path[-1]] = value
            return change
        for path, value, message in (
                (("ociVersion",), "2.0.0", "1 is understood"), (("ociVersion",), "x", "not a version"), (("ociVersion",), 1, "not a string"),
                (("process", "args"), "sh", "not a list"), (("process", "args"), [], "args must not be empty"),
                (("process", "args"), ["a\0b"], "NUL byte"), (("process", "cwd"), "tmp", "not an absolute path"),
                (("process", "user", "uid"), -1, "out of range"), (("process", "user", "uid"), 1 << 32, "out of range"),
                (("process", "user", "uid"), 5, "not mapped"), (("process", "user", "additionalGids"), [7], "additional groups"),
                (("process", "rlimits"), [{"type": "RLIMIT_X", "soft": 1, "hard": 1}], "wrong rlimit value"),
                (("process", "rlimits"), [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2, "second one of type"),
                (("process", "terminal"), "yes", "not true or false"), (("process", "env"), [1], "process.env[0] is not a string"),
                (("root",), None, "has no 'root'"), (("root", "path"), "", "is empty"), (("root", "path"), "nosuch", "No such file"),
                (("mounts",), [{"destination": "/", "type": "tmpfs"}], "is the root itself"),
                (("mounts",), [{"destination": "/../..", "type": "tmpfs"}], "is the root itself"),
                (("mounts",), [{"destination": "/x", "type": "nosuchfs"}], "No such device"),
                (("mounts",), [{"destination": "/x", "options": ["bind"]}], "has no source"),
                (("mounts",), [{"destination": "/x", "type": "tmpfs", "options": ["nosuch=1"]}], "nosuch=1"),
                (("mounts",), {"a": 1}, "not a list"),
                (("linux", "namespaces"), [{"type": "mount"}, {"type": "pid"}, {"type": "pid"}], "second pid namespace"),
                (("linux", "namespaces"), [{"type": "moon"}], 'namespace "moon" does not exist'),
                (("linux", "namespaces"), [{"type": "mount"}, {"type": "network", "path": "/dev/null"}], "not a network namespace"),
                (("linux", "namespaces"), [{"type": "mount"}, {"type": "network", "path": "ns"}], "not an absolute path"),
                (("linux", "namespaces"), [], "mount namespace of its own"),
                (("linux", "uidMappings"), [{"containerID": 0, "hostID": 1, "size": 0}], "is 0"),
                (("linux", "sysctl"), {"kernel.core_pattern": "|/x"}, "is not in a separate kernel namespace"),
                (("linux", "sysctl"), {"net.ipv4.ip_forward": "1"}, "not allowed in the host's network namespace"),
                (("linux", "sysctl"), {"fs.mqueue../../x": "1"}, "not a name of the kernel"),
                (("linux", "seccomp"), {"defaultAction": "SCMP_ACT_MAYBE"}, "unknown action"),
                (("linux", "seccomp"), [], "not an object"),
                (("linux", "devices"), [{"type": "c", "path": "/dev/x", "major": 1 << 40, "minor": 0}], "no device has the number"),
                (("linux", "devices"), [{"type": "x", "path": "/dev/x", "major": 1, "minor": 3}], "unknown type"),
                (("linux", "devices"), [{"type": "c", "path": "dev/x", "major": 1, "minor": 3}], "not an absolute path"),
                (("hooks",), {"prestart": [{"path": "relative"}]}, "not an absolute path"),
                (("hooks",), {"prestart": [{"path": "/x", "timeout": 0}]}, "not greater than zero")):
            with self.subTest(path=path, value=str(value)[:60]):
                self.refuses(put(*path, value=value), message)

    def test_links_in_the_root_lead_nowhere_outside(self):
        canary = self.home + "/canary"
        os.mkdir(canary)
        for name, mount in (("dev", None), ("proc", None), ("sys", None), ("etc", {"destination": "/etc/new/deep", "type": "tmpfs"}),
                            ("tmp", {"destination": "/tmp/file", "source": "/bin/busybox", "options": ["bind"]})):
            for target in (canary, "../" * 10 + canary[1:]):
                with self.subTest(name=name, target=target):
                    self.program("true")
                    with open(self.bundle + "/config.json", encoding="utf-8") as file:
                        good = file.read()
                    with self.config() as config:
                        config["root"]["readonly"] = False
                        config["process"]["cwd"] = "/etc/new/work"
                        if mount:
                            config["mounts"].append(mount)
                    os.rename(f"{self.rootfs}/{name}", self.home + "/away")
                    os.symlink(target, f"{self.rootfs}/{name}")
                    self.oci("run", "c")  # fails, or stays inside
                    self.assertEqual(os.listdir(canary), [])
                    os.unlink(f"{self.rootfs}/{name}")
                    os.rename(self.home + "/away", f"{self.rootfs}/{name}")
                    with open(self.bundle + "/config.json", "w", encoding="utf-8") as file:
                        file.write(good)

    def test_masks_never_use_the_roots_own_null_device(self):
        """CVE-2025-31133: the target of a link in the image would become reachable, and writable."""
        self.program("sh", "-c", "cat /proc/keys | wc -c")
        with self.config() as config:
            config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/dev")]
        os.symlink("/proc/sys/kernel/core_pattern", self.rootfs + "/dev/null")
        self.refused(re.compile("in the way of a device"), "run", "c")

    def test_mounts_on_proc_are_refused(self):
        for target in ("/proc/self", "/proc/sys/kernel", "/proc/1/attr"):
            self.refuses(lambda config, target=target: config["mounts"].append({"destination": target, "type": "tmpfs"}),
                         "inside the container's /proc")

    def test_the_descriptor_of_nothing_is_a_working_directory(self):
        self.program("true")
        for number in range(3, 12):
            with self.config() as config:
                config["process"]["cwd"] = f"/proc/self/fd/{number}"
            self.refused(re.compile("^run failed: "), "run", "c")

    def test_only_the_standard_descriptors_are_open(self):
        self.program("sh", "-c", "echo /proc/self/fd/*")
        files = [tempfile.TemporaryFile() for _ in range(20)]
        done = self.oci("run", "c", pass_fds=[file.fileno() for file in files])
        for file in files:
            file.close()
        self.assertEqual(done.stdout, "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n")  # 3: the glob's

    def test_the_runtime_itself_is_not_executed_inside(self):
        self.program("/proc/self/exe", "version")
        self.refused(re.compile("^run failed: .*exec: \"/proc/self/exe\""), "run", "c")

    def test_state_directories_of_others_are_not_used(self):
        self.program("true")
        os.mkdir(self.root)
        os.chmod(self.root, 0o777)
        self.refused(re.compile("can be written by other users"), "run", "c")
        os.chmod(self.root, 0o700)
        self.refused(re.compile("belongs to another user"), "--root", "/", "run", "c")

    def test_records_that_are_damaged(self):
        self.program("sleep", "1000")
        self.done("create", "good")
        for name, text in (("empty", ""), ("half", '{"id": "half"'), ("other", None), ("none", "-")):
            os.mkdir(f"{self.root}/{name}")
            if text is None:
                with open(self.root + "/good/state.json", encoding="utf-8") as file:
                    text = file.read()
            if text != "-":
                with open(f"{self.root}/{name}/state.json", "w", encoding="utf-8") as file:
                    file.write(text)
        done = self.oci("list", "-q")
        self.assertEqual((done.returncode, done.stdout), (0, "good\n"))
        self.assertEqual(len(done.stderr.splitlines()), 4)
        for name in ("empty", "half", "other"):
            self.refused(re.compile("state.json"), "state", name)
            self.refused(re.compile("state.json"), "delete", name)
            self.done("delete", "--force", name)
        self.done("delete", "--force", "none")
        self.assertEqual(self.status("good"), "created")

    def test_a_stranger_with_the_recorded_pid_is_not_signalled(self):
        stranger = subprocess.Popen(["sleep", "1000"])
        self.clients.append(stranger)
        time.sleep(0.05)  # a number that comes again belongs to a process of another clock tick
        self.program("sleep", "1000")
        self.done("create", "c")
        path = self.root + "/c/state.json"
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        for change in ({"pid": stranger.pid}, {"pid": 1}, {"pid": -1}, {"pid": os.getpid()}):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(dict(record, **change), file)
            self.assertEqual(self.status("c"), "stopped")
            self.refused("container not running", "kill", "c", "KILL")
        self.assertIsNone(stranger.poll())
        with open(path, "w", encoding="utf-8") as file:
            json.dump(record, file)
        self.done("delete", "c")

    def deleted_without_a_trace(self, name):
        self.oci("start", name)
        self.oci("state", name)
        self.done("delete", "--force", name)
        self.assertEqual(os.listdir(self.root) if os.path.exists(self.root) else [], [])
        self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())

    def test_a_runtime_that_is_killed_at_any_moment_leaves_what_delete_removes(self):
        self.program("sleep", "1000")
        for delay in range(0, 40, 2):
            create = subprocess.Popen(self.command("create", "c"), cwd=self.bundle, env=self.env, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay / 1000)
            create.kill()
            create.wait()
            with self.subTest(milliseconds=delay):
                self.deleted_without_a_trace("c")

    def survives(self, call, number, *words):
        """Whether the runtime, killed before its system call of this name and number, ends before it comes to that."""
        done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                               f"inject={call}:signal=KILL:when={number}", *self.command(*words)],
                              cwd=self.bundle, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=60, check=False)
        self.assertIn(done.returncode, (0, -signal.SIGKILL))
        return done.returncode == 0

    def test_a_runtime_that_is_killed_before_any_change_of_create(self):
        self.program("sleep", "1000")
        for call in ("mkdirat", "write", "renameat", "bind", "clone3", "sendmsg"):
            number = 1
            while not self.survives(call, number, "create", "c"):
                with self.subTest(call=call, number=number):
                    self.deleted_without_a_trace("c")
                number += 1
            self.assertGreater(number, 1, call)
            self.done("delete", "--force", "c")

    def test_a_runtime_that_is_killed_before_any_change_of_delete(self):
        self.program("sleep", "1000")
        for call in ("pidfd_send_signal", "renameat", "unlinkat"):
            number = 1
            self.done("create", "c")
            while not self.survives(call, number, "delete", "--force", "c"):
                with self.subTest(call=call, number=number):
                    if self.done("list", "-q"):  # a caller that asks before it deletes gets an answer
                        self.done("state", "c")
                    again = self.oci("delete", "--force", "c")  # warns of hooks that it cannot know any more
                    self.assertEqual((again.returncode, os.listdir(self.root)), (0, []), again.stderr)
                    self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())
                self.done("create", "c")
                number += 1
            self.assertGreater(number, 1, call)


if __name__ == "__main__":
    unittest.main()
