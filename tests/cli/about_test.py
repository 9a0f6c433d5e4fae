"""What the program says of itself and of the machine: version, info, doctor, and where the time of a start goes."""

import os
import re
import subprocess
import time
import unittest

from sandbox_case import SANDBOX, SandboxCase, has_range

LADDERS = ["user namespaces", "identities", "root file system", "processes", "private network", "resource limits",
           "runtime directory"]
CLIENT_STAGES = ["places", "range of ids", "image", "layers", "user", "seccomp filter", "plan", "volumes",
                 "container on disk", "spawning the supervisor", "until the start", "until the end"]
SUPERVISOR_STAGES = ["filter and streams", "cgroup", "spawning the network", "namespaces and mounts",
                     "waiting for the network", "control socket", "exec", "state"]
if not has_range():
    SUPERVISOR_STAGES[3:3] = ["spawning the owner helper"]
    SUPERVISOR_STAGES[-2:-2] = ["waiting for the owner helper"]


class Timings(SandboxCase):
    def stages(self, *words):
        """{(who, stage): milliseconds} as a command tells them."""
        found = {}
        for line in self.sandbox(*words).stderr.splitlines():
            told = re.fullmatch(r"(client|supervisor) +(\S.*\S) +(\d+\.\d\d) ms", line)
            self.assertTrue(told, line)
            self.assertNotIn(told.groups()[:2], found, "a stage is told twice")
            found[told.groups()[:2]] = float(told.group(3))
        return found

    @staticmethod
    def of(who, stages):
        return [name for by, name in stages if by == who]

    def test_every_stage_of_a_start_is_told_once_and_they_add_up(self):
        self.ok("run", "--rm", "busybox", "true")
        begin = time.monotonic()
        stages = self.stages("run", "--timings", "--rm", "busybox", "sleep", "0.3")
        wall = (time.monotonic() - begin) * 1000
        self.assertEqual(self.of("client", stages), CLIENT_STAGES)
        self.assertEqual(self.of("supervisor", stages), SUPERVISOR_STAGES)
        total = sum(time for (who, _), time in stages.items() if who == "client")
        self.assertLess(total, wall)
        self.assertGreater(total, wall / 2, "most of the time is told")
        self.assertGreater(stages["client", "until the end"], 250, "the program's own time")
        supervisor = sum(time for (who, _), time in stages.items() if who == "supervisor")
        own = {name: time for (who, name), time in stages.items() if who == "client"}
        self.assertLess(supervisor, own["spawning the supervisor"] + own["until the start"] + 1)

    def test_a_command_that_starts_nothing_tells_its_own_stages(self):
        planned = self.stages("run", "--timings", "--print-plan", "busybox")
        self.assertEqual(self.of("client", planned), CLIENT_STAGES[:6])
        self.assertEqual(self.of("client", self.stages("create", "--timings", "busybox")), CLIENT_STAGES[:9])


class About(SandboxCase):
    def ladders(self, text):
        """{facility: (mark, rung, [(better rung, reason, fix)])}"""
        line = re.compile(r"\[(ok|low|no|FAIL)\] +([a-z ]+): (.+)\n((?:         not .+\n         fix: .+\n)*)")
        found = {}
        end = 0
        for told in line.finditer(text):
            self.assertEqual(told.start(), end, text)
            better = re.findall(r"not (.+?): (.+)\n +fix: (.+)\n", told.group(4))
            found[told.group(2)] = (told.group(1), told.group(3), better)
            end = told.end()
        self.assertEqual(end, len(text), text)
        return found

    def test_the_version_is_one_line_and_touches_nothing(self):
        self.assertRegex(self.ok("version"), r"\Asandbox version \d+\.\d+\.\d+\n\Z")
        self.assertEqual(self.ok("--version"), self.ok("version"))
        self.assertFalse(os.path.exists(self.data))

    def test_info_tells_places_and_numbers(self):
        self.ok("run", "-d", "--network", "none", "busybox", "sleep", "1000")
        self.ok("create", "busybox")
        told = dict(re.findall(r"^ ?([^:]+): (.*)$", self.ok("info"), re.MULTILINE))
        self.assertEqual((told["Containers"], told["Running"], told["Stopped"], told["Images"]), ("2", "1", "1", "1"))
        self.assertEqual((told["Store"], told["Runtime"]), (self.data, self.runtime))
        self.assertEqual(told["User"], f"{os.getuid()}:{os.getgid()}")
        self.assertEqual(told["Kernel Version"], os.uname().release)
        store = told["Additional store"]
        owner = os.stat(store + "/layers").st_uid
        if owner != os.getuid():
            self.assertEqual(told["Its unpacked layers"],
                             f"not used, but unpacked into your store (they belong to user {owner}, not to you)")
        else:
            self.assertNotIn("Its unpacked layers", told)

    def test_doctor_names_the_rung_of_every_ladder(self):
        told = self.ladders(self.ok("doctor"))
        self.assertEqual(list(told), LADDERS)
        self.assertEqual(told["user namespaces"], ("ok", "one's own", []))
        self.assertEqual(told["root file system"][:2], ("ok", "kernel overlayfs"))
        self.assertEqual(told["private network"][:2], ("ok", "tap"))
        self.assertEqual(told["runtime directory"], ("ok", self.runtime, []))
        mark, rung, better = told["identities"]
        if has_range():
            self.assertEqual((mark, rung), ("ok", "a range of 65537 ids"))
        else:
            self.assertEqual((mark, rung, better[0][0]), ("low", "one id, the caller's; owners are recorded", "a range of ids"))
            self.assertRegex(better[0][2], r"^as root: usermod --add-subuids (\d+-\d+) --add-subgids \1 \S+$")
        self.assertFalse(os.listdir(self.data + "/tmp"))

    def test_the_session_s_directory_is_preferred(self):
        del self.env["SANDBOX_RUNTIME_DIR"]
        session = self.home + "/session"
        os.mkdir(session, 0o700)
        self.env["XDG_RUNTIME_DIR"] = session
        self.assertEqual(self.ladders(self.ok("doctor"))["runtime directory"], ("ok", session + "/sandbox", []))
        os.chmod(session, 0o755)
        mark, rung, better = self.ladders(self.ok("doctor"))["runtime directory"]
        self.assertEqual((mark, rung), ("low", f"/tmp/sandbox-{os.getuid()}"))
        self.assertIn("is not a private directory of yours", better[0][1])
        self.env["SANDBOX_RUNTIME_DIR"] = self.runtime

    def with_root(self, script):
        """`doctor` after a script that changes the machine, in user and mount namespaces of the test's own."""
        return subprocess.run(["unshare", "-Urm", "sh", "-c", f'{script} && exec "$0" doctor', SANDBOX], env=self.env,
                              text=True, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL)

    def test_without_user_namespaces_doctor_fails_and_says_what_to_do(self):
        done = self.with_root("echo 0 >/proc/sys/user/max_user_namespaces")
        self.assertEqual(done.returncode, 1, done.stderr)
        told = self.ladders(done.stdout)
        self.assertEqual(told["user namespaces"],
                         ("FAIL", "none; no container can run",
                          [("one's own", "making a user namespace: No space left on device",
                            "as root: sysctl -w user.max_user_namespaces=15000")]))
        self.assertEqual(told["private network"][0], "FAIL")

    def test_where_a_rung_is_missing_the_next_is_taken_and_the_fix_is_told(self):
        """No tun device, and a store on an overlay, which takes no other as its upper layer."""
        for name in ("lower", "upper", "work"):
            os.mkdir(f"{self.home}/{name}")
        os.mkdir(self.data)
        without = (f"mount -t tmpfs none /dev/net && mount -t overlay -o userxattr,lowerdir={self.home}/lower,"
                   f"upperdir={self.home}/upper,workdir={self.home}/work none {self.data}")
        done = self.with_root(without)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = self.ladders(done.stdout)
        mark, rung, better = told["private network"]
        self.assertEqual((mark, rung, better[0][:2]),
                         ("low", "veth pair", ("tap", "opening '/dev/net/tun': No such file or directory")))
        self.assertIn("as root, modprobe tun", better[0][2])
        mark, rung, better = told["root file system"]
        self.assertEqual((mark, rung, better[0][0]), ("low", "FUSE", "kernel overlayfs"))
        self.assertIn("SANDBOX_STORE_DIR", better[0][2])
        done = self.with_root(without + " && mount --bind /dev/null /dev/fuse")
        self.assertEqual(done.returncode, 1, done.stderr)
        mark, rung, better = self.ladders(done.stdout)["root file system"]
        self.assertEqual((mark, rung), ("FAIL", "none; no image can run"))
        self.assertEqual([name for name, _, _ in better], ["kernel overlayfs", "FUSE"])
        # What overlayfs keeps for itself, and closed to its owner.
        subprocess.run(["unshare", "-Ur", "rm", "-rf", self.home + "/work"], check=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
