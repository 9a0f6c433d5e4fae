"""`sandbox oci`: further processes in a container, and hooks; as the ordinary user who calls it."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from oci_case import ConsoleSocket, OciCase
from sandbox_case import SANDBOX, eventually


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
        self.refused('exec failed: unable to start container process: chdir to cwd ("/no/such") failed: no such file or directory',
                     "exec", "--cwd", "/no/such", "c", "true", status=255)
        self.assertFalse(os.path.exists(self.rootfs + "/no"))

    def test_the_filter_is_the_one_that_was_compiled_for_the_container(self):
        with self.config() as config:
            config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
        self.done("run", "--detach", "c")
        look = ["exec", "--cap", "CAP_CHOWN", "c", "sh", "-c", "mkdir /tmp/x 2>&1; grep Seccomp: /proc/self/status"]
        expected = "mkdir: can't create directory '/tmp/x': No space left on device\nSeccomp:\t2\n"
        shutil.rmtree(self.root + "/.filters")
        self.assertEqual(self.done(*look), expected)
        self.assertFalse(os.path.exists(self.root + "/.filters"))
        # Containers that an earlier version has created have their configuration alone.
        os.unlink(self.root + "/c/exec.json")
        os.unlink(self.root + "/c/seccomp.bpf")
        self.assertEqual(self.done(*look), expected)
        self.assertTrue(os.path.exists(self.root + "/.filters"))
        shutil.rmtree(self.root + "/.filters")

    def test_a_filter_that_is_missing_or_damaged_is_an_error(self):
        with self.config() as config:
            config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
        self.done("run", "--detach", "c")
        shutil.rmtree(self.root + "/.filters")
        path = self.root + "/c/seccomp.bpf"
        for content in (b"", b"short"):
            with open(path, "wb") as file:
                file.write(content)
            self.refused(f"exec failed: '{path}' is no seccomp filter", "exec", "c", "true", status=255)
        os.unlink(path)
        self.refused(f"exec failed: opening '{path}': No such file or directory", "exec", "c", "true", status=255)

    def test_capabilities_that_may_be_handed_on_are(self):
        with self.config() as config:
            config["root"]["readonly"] = False
            config["process"]["capabilities"]["inheritable"] = ["CAP_CHOWN", "CAP_KILL"]
        self.done("run", "--detach", "c")
        self.assertEqual(self.done("exec", "--cap", "CAP_CHOWN", "--cap", "CAP_SYSLOG", "c", "grep", "-E", "Cap(Inh|Amb)", "/proc/self/status"),
                         "CapInh:\t0000000000000021\nCapAmb:\t0000000000000001\n")

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
        self.assertEqual(self.done("ps", "-f", "json", "c"), "[]\n")
        self.assertRegex(self.done("ps", "c"), r"^UID +PID .*\n$")

    def test_the_whole_process_as_a_file(self):
        self.done("run", "--detach", "c")
        process = self.home + "/process.json"
        with open(process, "w", encoding="utf-8") as file:
            json.dump({"cwd": "/etc", "args": ["sh", "-c", "pwd; env; umask"], "env": ["A=b", "PATH=/bin"],
                       "user": {"uid": 0, "gid": 0, "umask": 0o77}}, file)
        self.assertEqual(sorted(self.done("exec", "--process", process, "c").split()),
                         ["/etc", "0077", "A=b", "HOME=/", "PATH=/bin", "PWD=/etc", "SHLVL=1"])
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
        self.assertNotIn(b"\r", pathlib.Path(self.home + "/out").read_bytes())

    def test_who_starts_programs_is_no_file_that_they_could_write_to(self):
        """Each command is a process beside the test; its hook, or its program, keeps it there (CVE-2019-5736)."""
        def out_of_reach(path):
            mine = lambda: os.stat(path).st_uid == os.getuid() or os.access(path, os.W_OK)
            return path.startswith("/memfd:") or not mine()
        program = self.home + "/bin/sandbox"  # the user's own
        os.mkdir(self.home + "/bin")
        shutil.copy(SANDBOX, program)
        with self.config() as config:
            config["process"]["args"] = ["sleep", "1000"]
        for words in (["run", "c"], ["exec", "c", "sleep", "1000"]):
            client = subprocess.Popen([program, "oci", "--root", self.root, *words], cwd=self.bundle, env=self.env,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.clients.append(client)
            seen = lambda: os.readlink(f"/proc/{client.pid}/exe")
            self.assertTrue(eventually(lambda: seen() != os.path.realpath(sys.executable) and out_of_reach(seen())), (words, seen()))
            self.assertTrue(eventually(lambda: "running" in self.oci("state", "c").stdout))
        with self.config() as config:
            config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
                "sh", "-c", f"readlink /proc/$PPID/exe >{self.home}/creator"]}]}
        subprocess.run([program, "oci", "--root", self.root, "create", "d"], cwd=self.bundle, env=self.env, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        with open(self.home + "/creator", encoding="utf-8") as file:
            creator = file.read().strip()
        self.assertTrue(out_of_reach(creator), creator)

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

    def test_a_failure_at_start_destroys_the_container(self):
        self.program("sleep", "1000")
        for kind in ("poststart", "startContainer"):
            with self.config() as config:
                config.pop("hooks", None)
            self.hook(kind, "exit 3")
            self.hook("poststop", self.note("poststop"))
            self.done("create", "c")
            self.refused(re.compile(f"^error running {kind} hook #0: exit status 3"), "start", "c")
            self.assertEqual(os.listdir(self.root), [])
        self.assertEqual([note.split()[0] for note in self.notes()], ["poststop"] * 2)

    def test_a_program_that_can_t_be_executed_leaves_a_stopped_container(self):
        self.program("/tmp/gone")
        with self.config() as config:
            config["root"]["readonly"] = False
        shutil.copy("/bin/busybox", self.rootfs + "/tmp/gone")
        self.done("create", "c")
        os.unlink(self.rootfs + "/tmp/gone")
        self.refused(re.compile("unable to start container process: exec: .*no such file"), "start", "c")
        self.becomes("c", "stopped")

    def test_a_relative_path_is_refused(self):
        self.program("true")
        with self.config() as config:
            config["hooks"] = {"poststop": [{"path": "bin/sh"}]}
        self.refused("run failed: config.json: hooks.poststop[0].path is not an absolute path", "run", "c")

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


if __name__ == "__main__":
    unittest.main()
