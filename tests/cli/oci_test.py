"""The OCI runtime as engines call it: states, outputs, exit statuses and error texts are runc's."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
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


class Exec(OciCase):
    """A further process in a container that runs, or waits for its start."""

    def setUp(self):
        super().setUp()
        self.program("sleep", "1000")

    def end(self, pid):
        """What a monitor of detached processes does: until they are reaped the container's first one can't end."""
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def test_the_process_is_that_of_the_container_but_for_what_was_said(self):
        with self.config() as config:
            config["process"]["env"].append("FOO=bar")
            config["hostname"] = "box"
        self.done("run", "--detach", "c")
        self.assertEqual(self.done("exec", "c", "sh", "-c", "hostname; pwd; echo $FOO; id -u; grep CapEff /proc/self/status"),
                         "box\n/\nbar\n0\nCapEff:\t0000000020000420\n")
        self.assertEqual(self.done("exec", "--cwd", "/tmp", "--env", "FOO=new", "-e", "BAR=2", "--cap", "CAP_CHOWN", "--user", "0:0", "c",
                                   "sh", "-c", "pwd; echo $FOO $BAR; grep CapEff /proc/self/status"),
                         "/tmp\nnew 2\nCapEff:\t0000000020000421\n")

    def test_exit_statuses_and_failures(self):
        self.done("run", "--detach", "c")
        self.assertEqual(self.oci("exec", "c", "sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(self.oci("exec", "c", "sh", "-c", "kill -9 $$").returncode, 137)
        self.refused('exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH', "exec", "c",
                     "nosuch", status=255)
        self.refused("exec failed: process args cannot be empty", "exec", "c", status=255)
        self.refused("exec failed: container does not exist", "exec", "nope", "true", status=255)
        self.refused("exec failed: user 77 of the process is not mapped in its user namespace", "exec", "-u", "77", "c", "true", status=255)
        for word in ("x", "1:", "-1", "1:2:3", ""):
            done = self.oci("exec", f"--user={word}", "c", "true")
            self.assertEqual(done.returncode, 255 if word else 0, word)
        self.done("kill", "c", "KILL")
        self.becomes("c", "stopped")
        self.refused("exec failed: cannot exec in a stopped container", "exec", "c", "true", status=255)
        self.refused("container not running", "ps", "c")

    def test_the_whole_process_as_a_file(self):
        self.done("run", "--detach", "c")
        process = self.home + "/process.json"
        with open(process, "w", encoding="utf-8") as file:
            json.dump({"cwd": "/etc", "args": ["sh", "-c", "pwd; env; umask"], "env": ["A=b", "PATH=/bin"],
                       "user": {"uid": 0, "gid": 0, "umask": 0o77}}, file)
        self.assertEqual(sorted(self.done("exec", "--process", process, "c").split()),
                         ["/etc", "0077", "A=b", "PATH=/bin", "PWD=/etc", "SHLVL=1"])
        for text, message in (("{", "not valid JSON"), ("[]", "is not an object"), ('{"cwd": "x"}', "is not an absolute path"),
                              ('{"cwd": "/"}', "args must not be empty")):
            with open(process, "w", encoding="utf-8") as file:
                file.write(text)
            self.refused(re.compile("^exec failed: .*" + message), "exec", "-p", process, "c", status=255)

    def test_into_a_container_that_waits_for_its_start(self):
        with self.config() as config:
            config["hostname"] = "box"
        self.done("create", "c")
        self.assertEqual(self.done("exec", "c", "sh", "-c", "hostname; readlink /proc/self/ns/user"),
                         "box\n" + self.done("exec", "c", "readlink", "/proc/self/ns/user"))
        self.assertEqual(self.status("c"), "created")
        spaces = "for n in /proc/self/ns/*; do readlink $n; done"
        waiting = self.done("exec", "c", "sh", "-c", spaces)
        self.done("start", "c")
        self.assertEqual(self.done("exec", "c", "sh", "-c", spaces), waiting)

    def test_detached_with_a_pid_file(self):
        self.done("run", "--detach", "c")
        self.done("exec", "--detach", "--pid-file", "pid", "c", "sleep", "1001")
        with open(self.bundle + "/pid", encoding="utf-8") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as cmdline:
            self.assertEqual(cmdline.read(), "sleep\x001001\x00")
        self.assertEqual(len(json.loads(self.done("ps", "-f", "json", "c"))), 2)
        self.assertIn(pid, json.loads(self.done("ps", "--format", "json", "c")))
        self.end(pid)

    def test_ps(self):
        self.done("create", "c")
        pid = json.loads(self.done("state", "c"))["pid"]
        self.assertEqual(json.loads(self.done("ps", "-f", "json", "c")), [pid])
        self.done("start", "c")
        lines = self.done("ps", "c").splitlines()
        self.assertEqual((lines[0].split()[:2], len(lines)), (["UID", "PID"], 2))
        self.assertIn(f" {pid} ", lines[1])
        self.assertTrue(lines[1].endswith("sleep 1000"))
        self.assertEqual(self.done("ps", "c", "-eo", "pid,comm").split(), ["PID", "COMMAND", str(pid), "sleep"])
        self.refused("invalid format option", "ps", "-f", "xml", "c")

    def test_a_terminal_through_the_console_socket(self):
        self.done("run", "--detach", "c")
        console = ConsoleSocket(self.home + "/console")
        self.addCleanup(console.close)
        self.refused("exec failed: cannot allocate tty if the runtime will detach without setting console socket", "exec", "-d", "-t", "c",
                     "true", status=255)
        self.done("exec", "--detach", "--tty", "--console-socket", console.path, "--pid-file", "pid", "c", "sh", "-c", "tty; read line; echo got $line")
        _, master = console.receive()
        self.addCleanup(os.close, master)
        os.write(master, b"word\n")
        text = b""
        while b"got word" not in text:
            text += os.read(master, 4096)
        self.assertIn(b"/dev/pts/0\r\n", text)
        with open(self.bundle + "/pid", encoding="utf-8") as file:
            self.end(int(file.read()))

    def test_a_terminal_in_the_foreground(self):
        self.done("run", "--detach", "c")
        done = self.oci("exec", "-t", "c", "sh", "-c", "tty; exit 4")
        self.assertEqual((done.returncode, done.stdout), (4, "/dev/pts/0\n"))

    def test_preserved_descriptors_and_no_others(self):
        self.done("run", "--detach", "c")
        with tempfile.TemporaryFile() as file:
            file.write(b"three")
            file.flush()
            file.seek(0)
            def place():
                os.dup2(os.dup(file.fileno()), 3)
            done = self.oci("exec", "--preserve-fds", "1", "c", "cat", "/dev/fd/3", preexec_fn=place, pass_fds=(3,))
            self.assertEqual((done.returncode, done.stdout), (0, "three"))
        files = [tempfile.TemporaryFile() for _ in range(20)]
        done = self.oci("exec", "c", "sh", "-c", "echo /proc/self/fd/*", pass_fds=[file.fileno() for file in files])
        for file in files:
            file.close()
        self.assertEqual(done.stdout, "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n")  # 3: the glob's

    def test_signals_to_the_runtime_reach_the_process(self):
        self.done("run", "--detach", "c")
        client = subprocess.Popen(self.command("exec", "c", "sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.02; done"),
                                  env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.clients.append(client)
        self.assertEqual(client.stdout.readline(), b"ready\n")
        client.send_signal(signal.SIGTERM)
        self.assertEqual(client.wait(20), 5)
        client.stdout.close()


class Hooks(OciCase):
    """Programs that run at points of the container's life."""

    def hook(self, kind, script, **more):
        """Appends a hook; it notes its kind and state in a file of its own."""
        with self.config() as config:
            hooks = config.setdefault("hooks", {}).setdefault(kind, [])
            hooks.append({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"], **more})

    def notes(self):
        if not os.path.exists(self.home + "/notes"):
            return []
        with open(self.home + "/notes", encoding="utf-8") as file:
            return file.read().split("\n")[:-1]

    def note(self, word):
        return f"echo {word} $(cat) >>{self.home}/notes"

    def test_all_kinds_run_in_order_and_know_the_state(self):
        self.program("sleep", "1000")
        with self.config() as config:
            config["root"]["readonly"] = False
            config["annotations"] = {"a": "b"}
        for kind in ("poststop", "poststart", "createContainer", "createRuntime", "prestart"):
            self.hook(kind, self.note(kind))
        self.hook("prestart", self.note("second"))
        self.hook("startContainer", "cat >/tmp/started; hostname >>/tmp/started; echo no output of the container")
        self.done("create", "c")
        self.assertEqual([note.split()[0] for note in self.notes()], ["prestart", "second", "createRuntime", "createContainer"])
        pid = json.loads(self.done("state", "c"))["pid"]
        states = [json.loads(note.split(" ", 1)[1]) for note in self.notes()]
        self.assertEqual([state["pid"] for state in states], [pid, pid, pid, 1])
        self.assertEqual(states[0], {"ociVersion": "1.3.0", "id": "c", "pid": pid, "status": "creating", "bundle": self.bundle,
                                     "annotations": {"a": "b"}})
        self.assertFalse(os.path.exists(self.rootfs + "/tmp/started"))
        self.done("start", "c")
        with open(self.rootfs + "/tmp/started", encoding="utf-8") as file:
            self.assertIn('"status":"created"', file.read())
        self.assertEqual(json.loads(self.notes()[4].split(" ", 1)[1])["status"], "running")
        self.done("delete", "--force", "c")
        state = json.loads(self.notes()[5].split(" ", 1)[1])
        self.assertEqual((self.notes()[5].split()[0], state["status"], state["id"]), ("poststop", "stopped", "c"))

    def test_where_they_run(self):
        self.program("true")
        spaces = "readlink /proc/self/ns/pid /proc/self/ns/mnt"
        for kind in ("createRuntime", "createContainer", "poststart", "poststop"):
            self.hook(kind, f"(echo {kind}; {spaces}) >>{self.home}/notes")
        self.done("run", "c")
        own = [os.readlink("/proc/self/ns/" + name) for name in ("pid", "mnt")]
        notes = self.notes()
        for kind, inside in (("createRuntime", False), ("createContainer", True), ("poststart", False), ("poststop", False)):
            at = notes.index(kind)
            self.assertEqual([note != mine for note, mine in zip(notes[at + 1:at + 3], own)], [inside, inside], kind)

    def test_a_start_container_hook_has_no_more_rights_than_the_program(self):
        self.program("grep", "-E", "Cap|NoNewPrivs|Seccomp:", "/proc/self/status")
        with self.config() as config:
            config["root"]["readonly"] = False
            config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]}
        self.hook("startContainer", "grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status >/tmp/rights")
        rights = self.done("run", "c")
        self.assertIn("Seccomp:\t2\n", rights)
        with open(self.rootfs + "/tmp/rights", encoding="utf-8") as file:
            self.assertEqual(file.read(), rights)

    def test_failures_stop_the_container(self):
        self.program("echo", "ran")
        self.hook("poststop", self.note("poststop"))
        with open(self.bundle + "/config.json", encoding="utf-8") as file:
            good = file.read()
        for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart"):
            for script, words in (("echo why >&2; exit 3", "exit status 3, output: why"), ("kill -9 $$", "signal: Killed")):
                self.hook(kind, script)
                self.refused(re.compile(f"^run failed: error running {kind} hook #0: {words}"), "run", "c")
                self.assertEqual(os.listdir(self.root), [], kind)
                with open(self.bundle + "/config.json", "w", encoding="utf-8") as file:
                    file.write(good)
        self.assertEqual([note.split()[0] for note in self.notes()], ["poststop"] * 10)

    def test_one_that_takes_too_long_is_killed(self):
        self.program("true")
        self.hook("createRuntime", "exec sleep 1000", timeout=1)
        begin = time.monotonic()
        self.refused("run failed: error running createRuntime hook #0: hook ran past specified timeout of 1 seconds", "run", "c")
        self.assertLess(time.monotonic() - begin, 20)

    def test_one_that_is_not_there(self):
        self.program("true")
        for kind in ("prestart", "createContainer", "startContainer"):
            with self.config() as config:
                config["hooks"] = {kind: [{"path": "/nonexistent/hook"}]}
            self.refused(re.compile(f"^run failed: .*/nonexistent/hook.*"), "run", "c")

    def test_a_failing_poststop_hook_is_a_warning_and_the_next_one_runs(self):
        self.program("true")
        self.hook("poststop", "exit 1")
        self.hook("poststop", self.note("second"))
        done = self.oci("run", "c")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r'^time="[^"]+" level=warning msg="error running poststop hook #0: exit status 1"\n$')
        self.assertEqual(len(self.notes()), 1)
        self.assertEqual(os.listdir(self.root), [])


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
        plan = json.loads(self.done("run", "--print-plan", "c"))
        self.assertEqual(plan["process"]["argv"], ["nosuch"])
        self.assertEqual(plan["root"]["directory"], self.rootfs)
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
        self.program("sleep", "1000")
        self.done("create", "c")
        path = self.root + "/c/state.json"
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        with subprocess.Popen(["sleep", "1000"]) as stranger:
            for change in ({"pid": stranger.pid}, {"pid": 1}, {"pid": -1}, {"pid": os.getpid()}):
                with open(path, "w", encoding="utf-8") as file:
                    json.dump(dict(record, **change), file)
                self.assertEqual(self.status("c"), "stopped")
                self.refused("container not running", "kill", "c", "KILL")
            self.assertIsNone(stranger.poll())
            stranger.kill()
        with open(path, "w", encoding="utf-8") as file:
            json.dump(record, file)
        self.done("delete", "c")

    def test_a_runtime_that_is_killed_at_any_moment_leaves_what_delete_removes(self):
        self.program("sleep", "1000")
        for delay in range(0, 40, 2):
            name = f"c{delay}"
            create = subprocess.Popen(self.command("create", name), cwd=self.bundle, env=self.env, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay / 1000)
            create.kill()
            create.wait()
            self.oci("start", name)
            self.oci("state", name)
            self.done("delete", "--force", name)
            self.assertEqual(os.listdir(self.root) if os.path.exists(self.root) else [], [])
            self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())


if __name__ == "__main__":
    unittest.main()
