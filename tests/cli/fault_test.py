"""Processes killed or stopped at any moment, and full disks: the next commands work, and nothing is left behind."""

import datetime
import fcntl
import json
import os
import signal
import subprocess
import time
import unittest

from image_archive import docker_archive, entry, tools
from sandbox_case import SANDBOX, SandboxCase, eventually

DELAYS = [milliseconds / 1000 for milliseconds in (0, 2, 4, 6, 8, 11, 14, 18, 23, 30, 40, 60, 90, 140, 200)]


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class FaultCase(SandboxCase):
    def setUp(self):
        super().setUp()
        self.ok("run", "--rm", "busybox", "true")  # the store exists

    def tearDown(self):
        for client in self.clients:
            kill(client.pid, signal.SIGCONT)
        super().tearDown()

    def start(self, *words):
        return self.client(*words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def reap(self, client):
        client.wait(timeout=20)
        self.clients.remove(client)

    def assert_recovers(self, what):
        """ps, rm -f and run with the same name work; then nothing is left."""
        self.ok("ps", "-a")
        self.ok("rm", "-f", "box")
        self.assertEqual(self.ok("run", "--rm", "--name", "box", "busybox", "echo", "again"), "again\n", what)
        self.assertEqual(self.ok("ps", "-aq"), "", what)
        self.assertTrue(eventually(lambda: not self.descendants()), (what, self.descendants()))
        self.assertEqual(self.leftovers(), [], what)


class KillAtAnyMoment(FaultCase):
    """The victim is looked for at each delay after the command's start, so that every stage is met."""

    def sweep(self, words, victim, before=None):
        for delay in DELAYS:
            if before:
                self.ok(*before)
            client = self.start(*words)
            time.sleep(delay)
            if victim == "client":
                client.kill()
            else:
                for pid in self.helpers(victim):
                    kill(pid)
            if victim != "client" and "-d" not in words and "--rm" not in words:
                client.kill()
            try:
                client.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.fail((words, victim, delay, "the client hangs"))
            self.clients.remove(client)
            self.assert_recovers((words, victim, delay))

    RUN = ("run", "--rm", "--name", "box", "busybox", "sleep", "0.1")
    DETACHED = ("run", "-d", "--name", "box", "busybox", "sleep", "1000")

    def test_client_of_run(self):
        self.sweep(self.RUN, "client")

    def test_client_of_a_detached_run(self):
        self.sweep(self.DETACHED, "client")

    def test_supervisor_of_run(self):
        self.sweep(self.RUN, "sbx:supervisor")

    def test_supervisor_of_a_detached_run(self):
        self.sweep(self.DETACHED, "sbx:supervisor")

    def test_network_helper(self):
        self.sweep(self.DETACHED, "sbx:netstack")

    def test_everything_at_once(self):
        self.sweep(self.DETACHED, "")

    def test_client_of_stop(self):
        self.sweep(("stop", "-t", "1", "box"), "client", before=self.DETACHED)

    def test_client_of_forced_rm(self):
        self.sweep(("rm", "-f", "box"), "client", before=self.DETACHED)

    def test_supervisor_during_rm(self):
        self.sweep(("rm", "-f", "box"), "sbx:supervisor", before=self.DETACHED)


class Leftovers(FaultCase):
    def test_a_removal_that_was_cut_short_is_completed_by_the_next(self):
        self.ok("run", "--name", "box", "busybox", "true")
        container = self.only_container()
        os.rename(container, os.path.join(os.path.dirname(container), ".old-" + os.path.basename(container)))
        os.makedirs(self.data + "/containers/.new-" + "0" * 64 + "/upper")
        self.assert_recovers("half-removed")

    def test_a_container_that_disowns_its_supervisor_does_not_outlive_it_for_long(self):
        """A change of user clears the death signal, and a program can clear it itself; rm sees to both."""
        for user in ("0", "1"):
            started = self.sandbox("run", "-d", "--name", "box", "-u", user, "busybox", "sleep", "1000")
            if user == "1" and "subordinate" in started.stderr + self.ok("doctor"):
                continue
            state = self.state()
            kill(state["supervisor_pid"])
            self.assertTrue(eventually(lambda: not self.descendants()), (user, self.descendants()))
            self.assert_recovers(user)

    def test_a_container_without_its_supervisor_ended_when_that_was_last_seen(self):
        begin = int(time.time())
        self.ok("run", "-d", "--name", "box", "busybox", "sleep", "1000")
        kill(self.state()["supervisor_pid"])
        self.assertTrue(eventually(lambda: not self.descendants()))
        status, code, end = self.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.FinishedAt}}", "box").split()
        self.assertEqual((status, code), ("exited", "137"))
        self.assertTrue(begin <= datetime.datetime.fromisoformat(end[:19] + "+00:00").timestamp() <= time.time(), end)

    def test_a_container_removed_on_exit_goes_with_the_next_command_when_its_supervisor_was_killed(self):
        self.ok("run", "-d", "--rm", "--name", "box", "busybox", "sleep", "1000")
        kill(self.state()["supervisor_pid"])
        self.assertTrue(eventually(lambda: not self.descendants()))
        self.assertEqual(self.ok("run", "--rm", "--name", "box", "busybox", "echo", "again"), "again\n")
        self.assertEqual(self.ok("ps", "-aq"), "")

    def test_a_container_that_nobody_can_read_is_named_with_what_removes_it(self):
        self.ok("create", "--name", "box", "busybox", "true")
        directory = self.only_container()
        with open(directory + "/container.json", "w", encoding="utf-8") as file:
            file.write("{")
        identifier = os.path.basename(directory)
        for name in (identifier, identifier[:12]):
            self.assertEqual(self.sandbox("rm", name).returncode, 1)
        listed = self.sandbox("ps", "-a")
        self.assertIn(f"to remove it: sandbox rm -f {identifier[:12]}", listed.stderr)
        self.ok("rm", "-f", identifier[:12])
        self.assertEqual(self.containers_on_disk(), [])

    def test_a_container_removed_on_exit_is_swept_by_ps_when_its_supervisor_was_killed(self):
        self.ok("run", "-d", "--rm", "busybox", "sleep", "1000")
        kill(self.state()["supervisor_pid"])
        self.assertTrue(eventually(lambda: not self.descendants()))
        self.assertEqual(self.ok("ps", "-aq"), "")
        self.assertEqual(self.containers_on_disk(), [])

    def test_its_anonymous_volumes_go_with_it(self):
        for next_command in (("ps", "-aq"), ("run", "--rm", "-v", "/other", "busybox", "true"), ("rm", "kept")):
            self.ok("create", "--name", "kept", "-v", "named:/n", "busybox", "true")
            self.ok("run", "-d", "--rm", "--name", "box", "-v", "/anonymous", "-v", "named:/n", "busybox", "sleep", "1000")
            box, = [name for name in os.listdir(self.data + "/containers")
                    if name.startswith(self.ok("ps", "-q").strip())]
            with open(f"{self.data}/containers/{box}/state.json", encoding="utf-8") as state:
                kill(json.load(state)["supervisor_pid"])
            self.assertTrue(eventually(lambda: not self.descendants()))
            self.ok(*next_command)
            self.assertEqual(self.ok("volume", "ls", "-q"), "named\n", next_command)
            self.ok("rm", "-f", "kept")

    def test_ps_waits_for_no_other_command(self):
        self.ok("run", "-d", "--rm", "busybox", "sleep", "1000")
        kill(self.state()["supervisor_pid"])
        self.assertTrue(eventually(lambda: not self.descendants()))
        with open(self.data + "/containers/.lock", "rb+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)  # conflicts with our OFD locks, fcntl(2)
            self.assertIn("Exited (137)", self.ok("ps", "-a", timeout=10))
        self.assertEqual(self.ok("ps", "-aq"), "")

    def test_unfinished_images_are_swept_by_the_next_command_that_writes_images(self):
        archive = self.home + "/big.tar"
        docker_archive(archive, "localhost/big", tools() + [entry("noise", os.urandom(24 << 20))])
        for delay in DELAYS:
            client = self.start("load", "-i", archive)
            time.sleep(delay)
            client.kill()
            self.reap(client)
        self.ok("load", "-i", archive)
        self.assertEqual(self.leftovers(), [])
        for delay in DELAYS:
            client = self.start("run", "--rm", "--network", "none", "localhost/big", "ls")
            time.sleep(delay / 2)
            client.kill()
            self.reap(client)
            self.assertTrue(eventually(lambda: not self.descendants()))
        self.assertIn("noise", self.ok("run", "--rm", "localhost/big", "ls"))
        self.ok("load", "-i", archive)  # the one before has perhaps found all layers there, and written nothing
        self.assertEqual(self.leftovers(), [])


class Signals(FaultCase):
    def test_an_interrupt_at_any_moment_ends_the_container_with_its_command(self):
        trap = "trap 'exit 7' INT; while :; do sleep 0.01; done"
        for delay in DELAYS:
            client = self.start("run", "--rm", "--name", "box", "busybox", "sh", "-c", trap)
            time.sleep(delay)
            client.send_signal(signal.SIGINT)
            if not eventually(lambda: client.poll() is not None, 2):
                client.send_signal(signal.SIGINT)  # the first came before the program had its handler, as pid 1 may
            self.reap(client)
            self.assertTrue(eventually(lambda: not self.descendants()), (delay, self.descendants()))
            self.assertEqual(self.ok("ps", "-aq"), "", delay)

    def test_a_stopped_client_holds_nobody_up(self):
        client = self.start("run", "--name", "box", "busybox", "sh", "-c", "echo start; sleep 0.5; echo end")
        self.assertTrue(eventually(lambda: self.sandbox("logs", "box").stdout == "start\n"))
        client.send_signal(signal.SIGSTOP)
        self.assertTrue(eventually(lambda: "Exited (0)" in self.ok("ps", "-a")))
        self.assertTrue(eventually(lambda: not self.helpers("sbx:")), self.descendants())
        self.assertEqual(self.ok("logs", "box"), "start\nend\n")
        client.send_signal(signal.SIGCONT)
        self.assertEqual(client.wait(timeout=10), 0)

    def test_a_stopped_supervisor_is_killed_by_rm_force(self):
        self.ok("run", "-d", "--name", "box", "busybox", "sleep", "1000")
        kill(self.state()["supervisor_pid"], signal.SIGSTOP)
        self.ok("ps")
        begin = time.monotonic()
        self.ok("rm", "-f", "box")
        self.assertLess(time.monotonic() - begin, 6, "it was waited for, though it can't answer")
        self.assert_recovers("stopped supervisor")

    def test_a_dead_network_helper_leaves_the_container_running(self):
        self.ok("run", "-d", "--name", "box", "busybox", "sleep", "1000")
        for pid in self.helpers("sbx:netstack"):
            kill(pid)
        self.assertIn("Up", self.ok("ps"))
        self.assertEqual(self.ok("exec", "box", "echo", "alive"), "alive\n")


class FullDisk(SandboxCase):
    """The store on a small tmpfs in user and mount namespaces of the test's own."""

    SIZE = 12 << 20

    def setUp(self):
        super().setUp()
        os.mkdir(self.data)
        mount = f'mount -t tmpfs -o mode=700,size={self.SIZE} none "$0" && echo ready && exec sleep 1000'
        self.holder = subprocess.Popen(["unshare", "-Urm", "sh", "-c", mount, self.data], stdout=subprocess.PIPE, text=True)
        self.clients.append(self.holder)
        self.assertEqual(self.holder.stdout.readline(), "ready\n")
        self.store = f"/proc/{self.holder.pid}/root{self.data}"

    def tearDown(self):
        self.assertEqual(self.leftovers(), [])
        self.holder.stdout.close()
        super().tearDown()

    def remove_containers(self):
        pass  # the store is seen from inside only, and goes with its namespace

    def look_for_leftovers(self):
        outside, self.data = self.data, self.store
        try:
            return super().look_for_leftovers() if self.holder.poll() is None else []
        finally:
            self.data = outside

    def sandbox(self, *words, stdin="", timeout=60, **more):
        inside = ["nsenter", "--preserve-credentials", "-U", "-m", "-t", str(self.holder.pid)]
        return subprocess.run([*inside, SANDBOX, *words], env=self.env, input=stdin, text=True, capture_output=True,
                              timeout=timeout, check=False, **more)

    def fill(self, leave=0):
        with open(self.store + "/filler", "wb") as filler:
            status = os.statvfs(self.store)
            filler.write(b"x" * (status.f_bavail * status.f_frsize - leave))

    def free(self):
        os.unlink(self.store + "/filler")

    def test_a_step_that_fills_the_disk_leaves_what_was_there(self):
        context = self.home + "/context"
        os.mkdir(context)
        with open(context + "/Dockerfile", "w", encoding="ascii") as file:
            file.write("FROM busybox\nRUN echo 1 > /1\nRUN head -c 100m /dev/urandom > /big\n")
        failed = self.sandbox("build", "-t", "made", context)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("did not complete successfully: exit code: 1\n", failed.stderr)
        self.assertEqual(self.leftovers(), [])
        self.assertNotIn("made", self.sandbox("images").stdout)
        self.assertEqual(self.sandbox("system", "fsck").stdout, "")
        with open(context + "/Dockerfile", "w", encoding="ascii") as file:
            file.write("FROM busybox\nRUN echo 1 > /1\n")
        done = self.sandbox("build", "-t", "made", context)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("CACHED", done.stderr.split("RUN echo", 1)[1], "the step before it is not done again")


    def archive(self, size):
        path = self.home + "/image.tar"
        docker_archive(path, "localhost/noise", tools() + [entry("noise", os.urandom(size))])
        return path

    def assert_full(self, done, code):
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        self.assertIn("No space left on device", done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def test_a_load_that_does_not_fit_leaves_nothing(self):
        before = os.statvfs(self.store).f_bavail if os.path.isdir(self.store + "/images") else None
        self.assert_full(self.sandbox("load", "-i", self.archive(16 << 20)), 1)
        self.assertEqual(self.leftovers(), [])
        self.assertEqual(self.ok("images", "-q", "--no-trunc").count("sha256"), 1, "only the shipped image")
        self.assertGreater(os.statvfs(self.store).f_bavail * 4096, self.SIZE - (64 << 10), before)

    def test_an_unpacking_that_does_not_fit_leaves_nothing(self):
        self.ok("load", "-i", self.archive(6 << 20))
        free = os.statvfs(self.store).f_bavail
        done = self.sandbox("run", "--rm", "--network", "none", "localhost/noise", "ls")
        self.assert_full(done, 125)
        self.assertEqual(self.ok("ps", "-aq"), "")
        self.assertLess(free - os.statvfs(self.store).f_bavail, 16)

    def test_a_full_disk_can_be_emptied(self):
        self.ok("load", "-i", self.archive(2 << 20))
        self.ok("run", "--name", "box", "--network", "none", "localhost/noise", "ls")
        self.fill()
        for words, code in ((("run", "--rm", "--network", "none", "busybox", "true"), 125), (("tag", "busybox", "x"), 1)):
            self.assertEqual(self.sandbox(*words).returncode, code, words)
        self.assertIn("box", self.ok("ps", "-a"))
        self.assertIn("noise", self.ok("images"))
        self.ok("rm", "box")
        self.fill()
        self.ok("rmi", "localhost/noise")
        self.free()
        self.assertEqual(os.listdir(self.store + "/layers"), [])
        self.assertEqual(self.ok("run", "--rm", "--network", "none", "busybox", "echo", "fine"), "fine\n")

    def test_a_container_on_a_full_disk_is_told_so_and_ends(self):
        done = self.sandbox("run", "--name", "box", "--network", "none", "busybox", "sh", "-c",
                            "dd if=/dev/zero of=/big bs=1M count=100; echo status $?; rm /big; yes | head -c 9999; exit 3")
        self.assertEqual(done.returncode, 3)
        self.assertIn("No space left", done.stderr)
        self.assertIn("status 1", done.stdout)
        self.assertIn("Exited (3)", self.ok("ps", "-a"))
        self.ok("rm", "box")

    def test_output_that_the_log_has_no_room_for_still_arrives(self):
        done = self.sandbox("run", "--name", "box", "--network", "none", "busybox", "sh", "-c",
                            "dd if=/dev/zero of=/big bs=1M 2>/dev/null; yes | head -c 300000; rm /big; exit 4")
        self.assertEqual(len(done.stdout), 300000)
        self.assertEqual(done.returncode, 4)
        self.ok("rm", "box")


if __name__ == "__main__":
    unittest.main(verbosity=2)
