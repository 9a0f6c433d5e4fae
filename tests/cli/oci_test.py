"""The OCI runtime as engines call it: states, outputs, exit statuses and error texts are runc's."""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from oci_case import ConsoleSocket, OciCase
from sandbox_case import SANDBOX, eventually, has_range


class Lifecycle(OciCase):
    def test_a_container_is_created_started_killed_and_deleted(self):
        self.program("sleep", "1000")
        self.assertEqual(self.done("create", "--pid-file", "pid", "c"), "")
        state = json.loads(self.done("state", "c"))
        with open(self.bundle + "/pid", encoding="utf-8") as pid:
            self.assertEqual(state["pid"], int(pid.read()))
        self.assertEqual([state[key] for key in ("ociVersion", "id", "status", "bundle", "rootfs")],
                         ["1.3.0", "c", "created", self.bundle, self.rootfs])
        self.assertRegex(state["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
        with open(f"/proc/{state['pid']}/cmdline", encoding="utf-8") as cmdline:
            self.assertNotIn("sleep", cmdline.read())
        self.done("start", "c")
        self.assertEqual(self.status("c"), "running")
        self.refused("cannot delete container c that is not stopped: running", "delete", "c")
        self.refused("cannot start an already running container", "start", "c")
        self.refused('unknown signal "NOSUCH"', "kill", "c", "NOSUCH")
        self.done("kill", "c", "KILL")
        self.becomes("c", "stopped")
        self.assertEqual(json.loads(self.done("state", "c"))["pid"], 0)
        self.refused("container not running", "kill", "c")
        self.done("kill", "--all", "c")
        self.refused("cannot start a container that has stopped", "start", "c")
        self.done("delete", "c")
        self.refused("container does not exist", "state", "c")

    def test_options_may_follow_but_for_those_of_other_programs(self):
        self.program("sleep", "1000")
        self.done("create", "c", "--bundle", self.bundle, "--pid-file", self.home + "/pid", cwd="/tmp")  # as Slurm's manual has it
        self.done("start", "c")
        self.assertEqual(self.done("exec", "c", "echo", "--env", "-d"), "--env -d\n")
        self.assertIn("PPID", self.done("ps", "c", "-l"))
        self.done("delete", "c", "--force")
        self.refused("unknown flag: --nope", "state", "c", "--nope")

    def test_what_does_not_exist(self):
        for command in ("state", "kill", "delete", "start"):
            self.refused("container does not exist", command, "nope")
        self.assertEqual(self.done("delete", "--force", "nope"), "")

    def test_a_second_container_of_the_same_name_is_refused_and_the_first_stays(self):
        self.program("sleep", "1000")
        self.done("create", "c")
        self.refused("create failed: container with given ID already exists", "create", "c")
        self.assertEqual(self.status("c"), "created")
        self.done("delete", "c")

    def test_names_that_lead_elsewhere(self):
        for name in ("../x", ".", "..", "a/b", "", "a b", "x" * 300):
            self.refused(re.compile("container id cannot be empty|invalid container ID format"), "run", name)
            self.refused(re.compile("container id cannot be empty|invalid container ID format"), "delete", "--force", name)
        self.assertEqual(self.done("list", "-q") if os.path.isdir(self.root) else "", "")

    def test_list(self):
        self.refused(re.compile("No such file or directory"), "list")
        self.program("sleep", "1000")
        self.done("create", "one")
        self.done("run", "--detach", "another-one-with-a-long-name")
        self.assertEqual(self.done("list", "-q"), "another-one-with-a-long-name\none\n")
        lines = self.done("list").splitlines()
        self.assertEqual(lines[0].split(), ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"])
        self.assertEqual(lines[2].split()[0:3:2], ["one", "created"])
        self.assertEqual(lines[2].index("created"), lines[0].index("STATUS"))
        states = json.loads(self.done("list", "-f", "json"))
        self.assertEqual([(state["id"], state["status"]) for state in states],
                         [("another-one-with-a-long-name", "running"), ("one", "created")])
        self.refused("invalid format option", "list", "-f", "xml")
        self.done("delete", "--force", "another-one-with-a-long-name")

    def test_an_expression_deletes_what_it_matches(self):
        self.program("sleep", "1000")
        for name in ("pod-1", "pod-2", "other"):
            self.done("create", name)
        self.done("run", "--detach", "pod-3")
        done = self.oci("delete", "--regex", "^pod-[0-9]$")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot delete container pod-3 that is not stopped: running", done.stderr)
        self.assertEqual(self.done("list", "-q"), "other\npod-3\n")
        self.done("delete", "-r", "-f", "^pod|^o")
        self.assertEqual(self.done("list", "-q"), "")
        self.refused("invalid regular expression '('", "delete", "--regex", "(")

    def test_the_configuration_at_create_counts(self):
        self.program("sh", "-c", "echo old > /proc/1/fd/1")
        log = self.home + "/log"
        with open(log, "w", encoding="utf-8") as output:
            subprocess.run(self.command("create", "c"), cwd=self.bundle, env=self.env, stdout=output, check=True)
        self.program("echo", "new")
        self.done("start", "c")
        self.becomes("c", "stopped")
        with open(log, encoding="utf-8") as text:
            self.assertEqual(text.read(), "old\n")

    def test_annotations_are_part_of_the_state(self):
        self.program("true")
        with self.config() as config:
            config["annotations"] = {"a.b": "ü"}
        self.done("create", "c")
        self.assertEqual(json.loads(self.done("state", "c"))["annotations"], {"a.b": "ü"})

    def test_two_starts_at_once_start_it_once(self):
        self.program("sleep", "1000")
        self.done("create", "c")
        starts = [subprocess.Popen(self.command("start", "c"), env=self.env, stderr=subprocess.DEVNULL) for _ in range(4)]
        self.assertEqual(sorted(start.wait(30) for start in starts), [0, 1, 1, 1])

    def test_signals_by_number_and_name_reach_the_first_process(self):
        for word, status in (("9", 137), ("TERM", 143), ("SIGUSR1", 138), ("hup", 129), ("RTMIN+3", 128 + 37)):
            self.program("sh", "-c", "trap 'exit 143' TERM; trap 'exit 138' USR1; trap 'exit 129' HUP; trap 'exit 165' 37;"
                         "echo ready > /tmp/ready; while :; do sleep 0.02; done")
            with self.config() as config:
                config["root"]["readonly"] = False
            ready = self.rootfs + "/tmp/ready"
            if os.path.exists(ready):
                os.unlink(ready)
            client = subprocess.Popen(self.command("run", "c"), cwd=self.bundle, env=self.env, stdin=subprocess.DEVNULL)
            self.clients.append(client)
            self.assertTrue(eventually(lambda: os.path.exists(ready)))
            self.done("kill", "c", word)
            self.assertEqual(client.wait(20), status, word)


class Run(OciCase):
    def test_output_and_exit_status_arrive_and_nothing_is_left(self):
        self.program("sh", "-c", "echo out; echo err >&2; exit 9")
        done = self.oci("run", "c")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (9, "out\n", "err\n"))
        self.assertEqual(os.listdir(self.root), [])

    def test_keep_leaves_a_stopped_container(self):
        self.program("true")
        self.done("run", "--keep", "c")
        self.assertEqual(self.status("c"), "stopped")
        self.done("delete", "c")

    def test_signals_to_the_runtime_reach_the_program(self):
        self.program("sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.02; done")
        client = subprocess.Popen(self.command("run", "c"), cwd=self.bundle, env=self.env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE)
        self.clients.append(client)
        self.assertEqual(client.stdout.readline(), b"ready\n")
        client.send_signal(signal.SIGTERM)
        self.assertEqual(client.wait(20), 5)
        client.stdout.close()

    def test_programs_that_are_not_there(self):
        os.mkdir(self.rootfs + "/bin/dir")
        os.mknod(self.rootfs + "/bin/plain", 0o644)
        for word, message in (("nosuch", 'exec: "nosuch": executable file not found in $PATH'),
                              ("/bin/nosuch", 'exec: "/bin/nosuch": stat /bin/nosuch: no such file or directory'),
                              ("/bin/dir", 'exec: "/bin/dir": permission denied'),
                              ("/bin/plain", 'exec: "/bin/plain": permission denied')):
            self.program(word)
            for command in ("create", "run"):
                self.refused(f"{command} failed: unable to start container process: {message}", command, "c")
                self.assertEqual(os.listdir(self.root), [])

    def test_the_process_is_what_the_configuration_says(self):
        self.program("sh", "-c", "id -u; umask; hostname; echo $FOO; pwd; cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn;"
                     "grep -E 'Cap|NoNewPrivs' /proc/self/status")
        with self.config() as config:
            config["hostname"] = "box"
            process = config["process"]
            process.update(cwd="/tmp", oomScoreAdj=500, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}])
            process["env"].append("FOO=bar")
            process["user"]["umask"] = 0o27
            process["capabilities"] = {"bounding": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_CHOWN", "CAP_KILL"],
                                       "effective": ["CAP_CHOWN"], "inheritable": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN"]}
        self.assertEqual(self.done("run", "c").split("\n"), [
            "0", "0027", "box", "bar", "/tmp", "500", "100", "200",
            "CapInh:\t0000000000000001", "CapPrm:\t0000000000000021", "CapEff:\t0000000000000021",  # execve(2) of root
            "CapBnd:\t0000000000000021", "CapAmb:\t0000000000000001", "NoNewPrivs:\t1", ""])

    def test_mounts_in_all_their_kinds(self):
        os.mkdir(self.home + "/source")
        with open(self.home + "/source/file", "w", encoding="utf-8") as file:
            file.write("content")
        self.program("sh", "-c", "cat /data/file; touch /data/x 2>/dev/null || echo read-only; cat /etc/one; echo;"
                     "stat -c %a /scratch; grep -c ' /scratch tmpfs .*noexec' /proc/mounts; ls /dev/pts /dev/shm | wc -l")
        with self.config() as config:
            config["mounts"] += [
                {"destination": "/data", "type": "bind", "source": "../source", "options": ["bind", "ro"]},
                {"destination": "etc/one", "source": self.home + "/source/file", "options": ["rbind", "rro"]},
                {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["noexec", "mode=711"]}]
        self.assertEqual(self.done("run", "c"), "contentread-only\ncontent\n711\n1\n4\n")

    def test_devices_masks_and_read_only_paths(self):
        self.program("sh", "-c", "ls /dev | tr '\\n' ' '; echo x > /dev/null; cat /proc/keys | wc -c;"
                     "(echo 1 > /proc/sys/kernel/domainname) 2>/dev/null || echo read-only; readlink /dev/ptmx")
        self.assertEqual(self.done("run", "c"), "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom "
                         "zero 0\nread-only\npts/ptmx\n")

    def test_seccomp_denies_what_the_configuration_denies(self):
        self.program("sh", "-c", "mkdir /tmp/x 2>&1; grep Seccomp: /proc/self/status")
        with self.config() as config:
            config["root"]["readonly"] = False
            config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                                          "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
        self.assertEqual(self.done("run", "c"), "mkdir: can't create directory '/tmp/x': No space left on device\nSeccomp:\t2\n")

    def test_seccomp_rules_that_say_two_things(self):
        """Engines allow calls and deny some of them again; the denial stands."""
        self.program("mkdir", "/tmp/x")
        rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
                 {"names": ["mkdir", "mkdirat", "read"], "action": "SCMP_ACT_ALLOW"}]
        for order in (rules, rules[::-1]):
            with self.config() as config:
                config["root"]["readonly"] = False
                config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": order}
            done = self.oci("run", "c")
            self.assertEqual((done.returncode, done.stderr), (1, "mkdir: can't create directory '/tmp/x': No space left on device\n"))

    def test_preserved_descriptors(self):
        self.program("sh", "-c", "cat <&3; cat <&4")
        with tempfile.TemporaryFile() as one, tempfile.TemporaryFile() as two:
            for file, text in ((one, b"one"), (two, b"two")):
                file.write(text)
                file.flush()
                file.seek(0)
            def place():
                os.dup2(os.dup(one.fileno()), 203)
                os.dup2(os.dup(two.fileno()), 204)
                os.dup2(203, 3)
                os.dup2(204, 4)
            done = self.oci("run", "--preserve-fds", "2", "c", preexec_fn=place, pass_fds=(3, 4))
            self.assertEqual((done.returncode, done.stdout), (0, "onetwo"))
        for words in ((), ("--log", self.home + "/log")):  # whose own descriptor is none to pass on
            done = self.oci(*words, "run", "--preserve-fds", "1", "c")
            self.assertEqual(done.returncode, 1)
            self.assertIn("run failed: please check that preserved-fd 0 (of 1) is present", done.stderr)

    def test_by_the_name_of_the_executable(self):
        link = self.home + "/sandbox-runtime"
        os.symlink(SANDBOX, link)
        self.program("echo", "hello")
        done = subprocess.run([link, "--root", self.root, "run", "-b", self.bundle, "c"], env=self.env, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hello\n", ""))
        self.assertIn("spec: 1.3.0\n", subprocess.run([link, "--version"], check=True, capture_output=True, text=True).stdout)

    def test_a_range_of_ids(self):
        if not has_range():
            self.program("id", "-u")
            with self.config() as config:
                config["process"]["user"] = {"uid": 33, "gid": 33}
            self.refused("run failed: user 33 of the process is not mapped in its user namespace", "run", "c")
            return
        self.program("sh", "-c", "id; touch /tmp/mine; stat -c %u /tmp/mine")
        with self.config() as config:
            config["root"]["readonly"] = False
            config["process"]["user"] = {"uid": 33, "gid": 34, "additionalGids": [35]}
            del config["linux"]["uidMappings"], config["linux"]["gidMappings"]
        os.chmod(self.rootfs + "/tmp", 0o777)
        self.assertEqual(self.done("run", "c"), "uid=33 gid=34 groups=35\n33\n")
        # The file belongs to a subordinate id, so a container has to remove it.
        self.program("rm", "/tmp/mine")
        self.done("run", "c")


class Terminals(OciCase):
    def test_the_console_socket_gets_the_terminal(self):
        self.program("sh", "-c", "tty; stty size; read line; echo got $line", terminal=True)
        with self.config() as config:
            config["process"]["consoleSize"] = {"height": 33, "width": 77}
        console = ConsoleSocket(self.home + "/console")
        self.addCleanup(console.close)
        self.done("create", "--console-socket", console.path, "c")
        _, master = console.receive()
        self.addCleanup(os.close, master)
        self.done("start", "c")
        text = b""
        os.write(master, b"word\n")
        while b"got word" not in text:
            text += os.read(master, 4096)
        self.assertIn(b"/dev/pts/0\r\n", text)
        self.assertIn(b"\r\n33 77\r\n", text)

    def test_a_terminal_needs_somebody_to_take_it(self):
        self.program("true", terminal=True)
        message = "cannot allocate tty if the runtime will detach without setting console socket"
        self.refused("create failed: " + message, "create", "c")
        self.refused("run failed: " + message, "run", "-d", "c")
        self.program("true")
        self.refused("run failed: cannot use console socket if the runtime will not detach or allocate tty", "run",
                     "--console-socket", "x", "c")

    def test_in_the_foreground_the_terminal_is_relayed(self):
        self.program("sh", "-c", "tty; exit 3", terminal=True)
        done = self.oci("run", "c")
        self.assertEqual((done.returncode, done.stdout), (3, "/dev/pts/0\n"))
        self.assertNotIn(b"\r", pathlib.Path(self.home + "/out").read_bytes())


if __name__ == "__main__":
    unittest.main()
