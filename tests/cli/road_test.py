"""The straight road, through the real executable: run, look, stop, remove; as the ordinary user who calls it."""

import json
import os
import pty
import shutil
import signal
import socket
import unittest
import urllib.request

from image_archive import directory, docker_archive, entry, tools
from sandbox_case import SANDBOX, SandboxCase, eventually, free_port, has_range


class Road(SandboxCase):
    def test_a_program_of_the_shipped_image_runs_and_its_output_arrives(self):
        done = self.sandbox("run", "--rm", "busybox", "echo", "Ciao !")
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("Ciao !\n", "", 0))
        self.assertEqual(self.sandbox("ps", "-aq").stdout, "")

    def test_exit_codes_are_dockers(self):
        for words, code in ((["sh", "-c", "exit 42"], 42), (["nonesuch"], 127), (["/etc"], 126), (["sh", "-c", "kill -9 $$"], 137)):
            done = self.sandbox("run", "--rm", "--init", "busybox", *words)
            self.assertEqual(done.returncode, code, (words, done.stderr))
        self.assertEqual(self.sandbox("run", "--nonesuch", "busybox").returncode, 125)
        self.assertIn("unknown flag: --nonesuch", self.sandbox("run", "--nonesuch", "busybox").stderr)

    def test_a_user_with_a_range_gets_all_ids_and_one_without_his_own(self):
        script = "id -u; touch /tmp/x; chown 33:44 /tmp/x && stat -c %u:%g /tmp/x"
        out = self.sandbox("run", "--rm", "busybox", "sh", "-c", script).stdout.split()
        self.assertEqual(out, ["0", "33:44" if has_range() else "0:0"])  # with one id it is recorded, and shown as that
        done = self.sandbox("run", "--rm", "-u", "33:34", "busybox", "sh", "-c",
                            "id -u; id -g; touch /tmp/x && stat -c %u /tmp/x; grep -E 'Cap(Eff|Prm|Amb)' /proc/self/status")
        self.assertEqual(done.stdout.split()[:3], ["33", "34", "33"], done.stderr)
        self.assertEqual(set(done.stdout.split()[4::2]), {"0" * 16})

    def test_a_created_container_starts_ends_and_starts_again_with_what_it_wrote(self):
        script = "echo line >> /log; cat /log; exit 3"
        self.assertEqual(self.sandbox("create", "--name", "again", "busybox", "sh", "-c", script).returncode, 0)
        self.assertIn("Created", self.sandbox("ps", "-a").stdout)
        first = self.sandbox("start", "-a", "again")
        self.assertEqual((first.stdout, first.returncode), ("line\n", 3), first.stderr)
        self.assertEqual(self.sandbox("start", "again").stdout, "again\n")
        self.assertEqual(self.sandbox("wait", "again").stdout, "3\n")
        self.assertEqual(self.sandbox("logs", "again").stdout, "line\n" * 3)

    def test_files_of_other_ids_go_with_their_container(self):
        script = "mkdir -p /d/e; touch /d/e/f; chown -R 7 /d 2>/dev/null; chmod 700 /d /d/e"
        self.assertEqual(self.sandbox("run", "--name", "kept", "busybox", "sh", "-c", script).returncode, 0)
        self.assertEqual(self.sandbox("rm", "kept").returncode, 0)
        self.assertEqual(self.sandbox("run", "--rm", "busybox", "sh", "-c", script).returncode, 0)
        self.assertEqual(self.containers_on_disk(), [])

    def test_much_that_a_container_has_written_is_gone_when_run_returns(self):
        for script in ("dd if=/dev/zero of=/big bs=1M count=2 2>/dev/null", "i=0; while [ $i -lt 99 ]; do : >/$i; i=$((i + 1)); done",
                       "yes | head -c 2000000"):
            self.ok("run", "--rm", "busybox", "sh", "-c", script)
            self.assertEqual([name for name in os.listdir(self.data + "/containers") if name != ".lock"], [])
        self.ok("run", "--rm", "busybox", "sh", "-c", "mkdir /closed; chmod 0 /closed")
        self.assertEqual(self.containers_on_disk(), [])

    def test_containers_go_on_when_the_keeper_of_the_namespace_is_killed(self):
        if not has_range():
            self.assertFalse(os.path.exists(self.home + "/run/userns.json"))
            return
        self.sandbox("run", "-d", "--name", "first", "busybox", "sleep", "100")
        with open(self.home + "/run/userns.json") as record:
            os.kill(json.load(record)["pid"], signal.SIGKILL)
        self.assertEqual(self.sandbox("exec", "-u", "33", "first", "id", "-u").stdout, "33\n")
        self.assertEqual(self.sandbox("run", "--rm", "-u", "33", "busybox", "id", "-u").stdout, "33\n")
        self.assertEqual(self.sandbox("rm", "-f", "first").stderr, "")

    def test_keep_id_gives_the_callers_number_and_keeps_root_apart(self):
        words = ("run", "--rm", "--userns", "keep-id")
        self.assertEqual(self.sandbox(*words, "busybox", "id", "-u").stdout, f"{os.getuid()}\n")
        os.mkdir(self.home + "/shared")
        mount = ("-v", self.home + "/shared:/mnt")
        self.assertEqual(self.sandbox(*words, *mount, "busybox", "touch", "/mnt/f").returncode, 0)
        self.assertEqual(os.stat(self.home + "/shared/f").st_uid, os.getuid())
        self.assertEqual(self.sandbox("run", "--rm", "--userns", "nonesuch", "busybox", "true").returncode, 125)

    def test_keep_id_shows_owners_as_the_image_has_them(self):
        if not has_range():
            return
        run, own = ("run", "--userns", "keep-id", "--network", "none"), f"{os.getuid()}:{os.getgid()}"
        owners = ("stat", "-c", "%u:%g")
        self.assertEqual(self.ok(*run, "--name", "mine", "busybox", "sh", "-c",
                                 f"touch /tmp/f /f; {' '.join(owners)} /bin /tmp/f 2>&1"), f"0:0\n{own}\n")
        self.ok(*run, "--name", "roots", "-u", "0", "busybox", "sh", "-c", "touch /f; touch /g; chown 33:34 /g")
        self.ok("cp", "roots:/f", self.home + "/f")
        self.ok("cp", self.home + "/f", "mine:/tmp/copied")
        self.assertEqual(self.ok("start", "-a", "mine"), f"0:0\n{own}\n")
        for name in ("mine", "roots"):
            self.ok("commit", name, "made:" + name)
        self.assertEqual(self.ok("run", "--rm", "made:mine", *owners, "/tmp/f", "/tmp/copied"), f"{own}\n0:0\n")
        for words in (("run", "--rm"), (*run, "--rm")):
            self.assertEqual(self.ok(*words, "made:roots", *owners, "/f", "/g", "/bin"), "0:0\n33:34\n0:0\n")

    def test_standard_input_reaches_the_container_and_streams_stay_apart(self):
        done = self.sandbox("run", "--rm", "-i", "busybox", "sh", "-c", "cat; echo oops >&2", stdin="hello\n")
        self.assertEqual((done.stdout, done.stderr), ("hello\n", "oops\n"))

    def test_the_container_is_isolated_by_default(self):
        script = "id -u; echo $$; ls /proc/self/fd | wc -l; cat /proc/sys/kernel/core_pattern >/dev/null && " \
                 "(echo x > /proc/sys/kernel/core_pattern) 2>/dev/null || echo refused; " \
                 "grep -E 'NoNewPrivs|Seccomp:|CapInh' /proc/self/status"
        out = self.sandbox("run", "--rm", "busybox", "sh", "-c", script).stdout.split()
        self.assertEqual(out[:2], ["0", "1"])
        self.assertIn("refused", out)
        self.assertEqual(out[out.index("CapInh:") + 1], "0" * 16)
        self.assertEqual(out[out.index("NoNewPrivs:") + 1], "1")
        self.assertEqual(out[out.index("Seccomp:") + 1], "2")
        mount = self.sandbox("run", "--rm", "busybox", "mount", "-t", "tmpfs", "none", "/tmp")
        self.assertNotEqual(mount.returncode, 0)

    def test_limits_of_processes_are_set(self):
        out = self.ok("run", "--rm", "--network", "none", "--ulimit", "nofile=64:128", "--ulimit", "core=0", "busybox",
                      "sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c")
        self.assertEqual(out, "64\n128\n0\n")

    def test_a_user_has_the_groups_that_the_image_says_and_none_of_the_caller_s(self):
        archive = self.home + "/image.tar"
        files = [directory("etc"), entry("etc/passwd", "bob:x:5:6::/:/bin/sh\n"),
                 entry("etc/group", "six:x:6:\ncrew:x:7:ann,bob\nothers:x:8:ann\n")]
        docker_archive(archive, "localhost/users", tools(), files, User="bob")
        self.ok("load", "-i", archive)
        inside = ("run", "--rm", "--network", "none", "localhost/users", "sh", "-c", "id -u; id -g; id -G")
        user, group, groups = self.ok(*inside).splitlines()
        self.assertEqual((user, group), ("5", "6"))
        if has_range():
            self.assertEqual(groups, "6 7")
        else:  # setgroups(2) is denied where one id is mapped; the caller's further groups have no number inside
            self.assertLessEqual(set(groups.split()), {"6", "65534"})

    def test_a_detached_container_lives_is_listed_logged_entered_stopped_and_removed(self):
        started = self.sandbox("run", "-d", "--name", "box", "busybox", "sh", "-c", "echo up; exec sleep 1000")
        self.assertEqual(len(started.stdout.strip()), 64, started.stderr)
        self.assertIn("Up", self.sandbox("ps").stdout)
        self.assertTrue(eventually(lambda: self.sandbox("logs", "box").stdout == "up\n"))
        inside = self.sandbox("exec", "box", "sh", "-c", "echo in; exit 5")
        self.assertEqual((inside.stdout, inside.returncode), ("in\n", 5), inside.stderr)
        self.assertIn("in use", self.sandbox("run", "-d", "--name", "box", "busybox", "true").stderr)
        self.assertNotEqual(self.sandbox("rm", "box").returncode, 0)
        self.assertEqual(self.sandbox("kill", "box").stdout, "box\n")
        self.assertEqual(self.sandbox("wait", "box").stdout, "137\n")
        self.assertIn("Exited (137)", self.sandbox("ps", "-a").stdout)
        self.assertEqual(self.sandbox("rm", "box").stdout, "box\n")
        self.assertEqual(self.sandbox("ps", "-aq").stdout, "")

    def test_exec_finds_names_in_the_containers_own_files(self):
        for driver in ("overlay", "fuse"):
            self.ok("run", "-d", "--name", "box", "--network", "none", "--storage-driver", driver, "busybox", "sh", "-c",
                    "echo alias:x:0:0::/:/bin/sh >> /etc/passwd; echo crew:x:0:alias >> /etc/group; echo; sleep 1000")
            self.assertTrue(eventually(lambda: self.ok("logs", "box") == "\n"))
            self.assertEqual(self.ok("exec", "-u", "alias:crew", "box", "id", "-u"), "0\n", driver)
            unknown = self.sandbox("exec", "-u", "nobody-here", "box", "true")
            self.assertIn("unable to find user nobody-here", unknown.stderr)
            self.assertEqual(unknown.returncode, 1)
            self.ok("rm", "-f", "box")

    def test_a_page_is_served_on_a_published_port_and_ends_with_the_container(self):
        port = free_port()
        started = self.sandbox("run", "-d", "--name", "web", "-p", f"127.0.0.1:{port}:8080", "busybox", "sh", "-c",
                               "echo page > /tmp/index.html; exec httpd -f -p 8080 -h /tmp")
        self.assertEqual(started.returncode, 0, started.stderr)

        def fetch():
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).read()
            except OSError:
                return b""

        self.assertTrue(eventually(lambda: fetch() == b"page\n"))
        taken = self.sandbox("run", "--rm", "-p", f"127.0.0.1:{port}:80", "busybox", "true")
        self.assertEqual(taken.returncode, 125)
        self.assertIn("in use", taken.stderr)
        self.sandbox("rm", "-f", "web")
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", port), 2)

    def test_the_container_outlives_its_command(self):
        client = self.client("run", "--name", "on", "busybox", "sleep", "1000")
        self.assertTrue(eventually(lambda: "Up" in self.sandbox("ps").stdout))
        client.kill()
        client.wait()
        self.assertIn("Up", self.sandbox("ps").stdout)

    def test_after_kill_9_of_the_supervisor_nothing_is_left_and_rm_works(self):
        self.sandbox("run", "-d", "--name", "box", "busybox", "sleep", "1000")
        state = self.state()
        os.kill(state["supervisor_pid"], signal.SIGKILL)
        self.assertTrue(eventually(lambda: "Exited (137)" in self.sandbox("ps", "-a").stdout))

        def gone():
            try:
                with open(f"/proc/{state['pid']}/stat") as stat:
                    return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
            except OSError:
                return True

        self.assertTrue(eventually(gone))
        self.assertEqual(self.sandbox("rm", "box").returncode, 0)

    def test_a_terminal_is_a_terminal_inside(self):
        pid, master = pty.fork()
        if pid == 0:
            os.execve(SANDBOX, [SANDBOX, "run", "--rm", "-it", "busybox", "sh", "-c", "test -t 0 && tty; exit 3"], self.env)
        output = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:
                break
            if not part:
                break
            output += part
        status = os.waitpid(pid, 0)[1]
        self.assertIn(b"/dev/pts/0", output)
        self.assertEqual(os.waitstatus_to_exitcode(status), 3)

    def test_a_throw_away_view_of_a_directory(self):
        root = self.home + "/root"
        os.makedirs(root + "/bin")
        shutil.copy("/bin/busybox", root + "/bin/sh")
        done = self.sandbox("run", "--rm", "--rootfs", root + ":O", "--network", "none", "/bin/sh", "-c",
                            "echo x > /new && echo done")
        self.assertEqual(done.stdout, "done\n", done.stderr)
        self.assertEqual(os.listdir(root), ["bin"])

    def test_a_limit_that_cannot_be_applied_is_an_error(self):
        refused = self.sandbox("run", "--rm", "--cpuset-cpus", "4000", "busybox", "true")
        self.assertEqual(refused.returncode, 125)
        self.assertIn("cgroup", refused.stderr)

    def test_the_remedy_that_a_helper_knows_arrives(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as first:
            port = int(first.read()) - 1
        self.assertGreater(port, 0, "this machine lets users bind every port")
        refused = self.sandbox("run", "--rm", "-p", f"127.0.0.1:{port}:80", "busybox", "true")
        self.assertEqual(refused.returncode, 125)
        self.assertIn(f"hint: let users bind low ports: sysctl net.ipv4.ip_unprivileged_port_start={port}", refused.stderr)

    def test_images_of_containers_are_protected_as_docker_does(self):
        self.ok("tag", "busybox", "mine")
        image = self.ok("images", "-q", "mine").split()[0]
        self.ok("run", "--name", "box", *("--network", "none"), "mine", "true")
        container = self.ok("ps", "-aq").strip()
        refused = self.sandbox("rmi", "mine")
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f'conflict: unable to remove repository reference "mine" (must force) - container {container} is '
                      f"using its referenced image {image}", refused.stderr)
        self.assertIn(f"conflict: unable to delete {image} (must be forced) - image is being used by stopped container "
                      f"{container}", self.sandbox("rmi", image).stderr)
        self.ok("tag", "mine", "second")
        self.assertEqual(self.ok("rmi", "mine"), "Untagged: mine:latest\n")
        self.assertEqual(self.ok("rmi", "-f", "second"), "Untagged: second:latest\n")
        self.ok("rm", "box")
        self.assertIn("Deleted: ", self.ok("rmi", image))
        self.assertEqual(self.sandbox("rmi", "nonesuch").returncode, 1)
        told = self.sandbox("rmi", "-f", "nonesuch")
        self.assertEqual((told.returncode, told.stdout), (0, ""))
        self.assertIn("No such image", told.stderr)

    def test_layers_of_a_running_container_survive_the_removal_of_its_image(self):
        archive = self.home + "/image.tar"
        docker_archive(archive, "localhost/mine", tools("sleep"), [entry("precious", "here")])
        self.ok("load", "-i", archive)
        self.ok("run", "-d", "--name", "box", "--network", "none", "localhost/mine", "sleep", "1000")
        image = self.ok("images", "-q", "localhost/mine").strip()
        self.assertIn("(cannot be forced)", self.sandbox("rmi", "-f", image).stderr)
        self.ok("rmi", "-f", "localhost/mine")
        self.ok("tag", "busybox", "other")
        self.ok("rmi", "other")  # collects garbage
        self.assertEqual(self.ok("exec", "box", "cat", "/precious"), "here")
        self.ok("rm", "-f", "box")
        self.ok("rmi", image)
        self.assertEqual(os.listdir(self.data + "/layers"), [])

    def test_an_unknown_image_is_named(self):
        missing = self.sandbox("run", "--rm", "--pull", "never", "localhost:1/nonesuch", "true")
        self.assertEqual(missing.returncode, 125)
        self.assertIn("nonesuch", missing.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
