"""Named profiles: strict by what attacks come to in it, dev and hpc by what a user has in them, and one's own."""

import json
import os
import sys
import unittest

from sandbox_case import SandboxCase

# Runs in the container, whose root is the host's: "name errno" of each call, 0 where it succeeded.
CALLS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
place = ctypes.c_ulong()
calls = {
    "unshare": (272, 0x10000000), "setns": (308, 0, 0), "chroot": (161, b"/"),
    "ptrace": (101, 16, 999999, 0, 0), "personality": (135, 0), "modify_ldt": (154, 0, 0, 0),
    "io_setup": (206, 1, ctypes.byref(place)), "shmget": (29, 0, 4096, 0o600), "msgget": (68, 0, 0o600),
    "semget": (64, 0, 1, 0o600), "mq_open": (240, b"q", 0o102, 0o600, 0), "vmsplice": (278, 1, 0, 0, 0),
    "adjtimex": (159, bytes(512)), "mount": (165, 0, 0, 0, 0, 0), "bpf": (321, 0, 0, 0), "keyctl": (250, 0, 0, 0, 0),
    "userfaultfd": (323, 0), "io_uring_setup": (425, 1, bytes(512)), "clone3": (435, 0, 0),
    "clone": (56, 0x10000011, 0, 0, 0, 0),
}
for name, words in calls.items():
    ctypes.set_errno(0)
    result = libc.syscall(*words)
    if name == "clone" and result == 0: os._exit(0)
    print(name, ctypes.get_errno() if result < 0 else 0)
"""
EPERM, ESRCH, EROFS, ENOSYS, ENETUNREACH = 1, 3, 30, 38, 101


class ProfileCase(SandboxCase):
    def setUp(self):
        super().setUp()
        self.user_home = self.home + "/me"
        self.work = self.user_home + "/work"
        self.own = self.home + "/config/sandbox/profiles"
        os.makedirs(self.work)
        os.makedirs(self.own)
        self.env.update(HOME=self.user_home, XDG_CONFIG_HOME=self.home + "/config")
        with open(self.user_home + "/secret", "w", encoding="utf-8") as file:
            file.write("of the user\n")

    def profile(self, name, options, **more):
        with open(f"{self.own}/{name}.json", "w", encoding="utf-8") as file:
            json.dump({"description": name, "options": options, **more}, file)

    def run_in(self, profile, script, *words):
        return self.ok("run", "--rm", "--pull", "never", "--profile", profile, *words, "busybox", "sh", "-c", script,
                       cwd=self.work)

    def refusal(self, *words):
        done = self.sandbox(*words)
        self.assertNotEqual(done.returncode, 0, words)
        return done.stderr


class Strict(ProfileCase):
    def python(self, profile, script):
        """A Python program in a throw-away view of the host."""
        return self.ok("run", "--rm", "--profile", profile, "--rootfs", "/:O", sys.executable, "-c", script)

    def calls_in(self, profile):
        return {name: int(error) for name, error in map(str.split, self.python(profile, CALLS).splitlines())}

    @unittest.skipUnless(os.uname().machine == "x86_64", "the calls' numbers are those of x86-64")
    def test_fewer_calls_than_by_default(self):
        default, strict = self.calls_in("default"), self.calls_in("strict")
        for name in ("personality", "modify_ldt", "io_setup", "shmget", "msgget", "semget", "adjtimex", "chroot"):
            self.assertEqual(default[name], 0, f"{name} by default")
        self.assertEqual(default["ptrace"], ESRCH)
        for name, error in strict.items():
            self.assertEqual(error, ENOSYS if name == "clone3" else EPERM, name)

    def test_no_network_and_nothing_to_write_but_tmp(self):
        told = self.python("strict", """
import errno, os, socket
print("eth0" in (name for number, name in socket.if_nameindex()))
try:
    socket.create_connection(("198.51.100.1", 80))
except OSError as error:
    print(error.errno)
for path in "/x", "/etc/x", "/var/x":
    try:
        open(path, "w")
    except OSError as error:
        print(error.errno)
open("/tmp/x", "w").write("fine")
print(open("/tmp/x").read())
""")
        self.assertEqual(told.split(), ["False", str(ENETUNREACH)] + [str(EROFS)] * 3 + ["fine"])

    def test_root_in_it_has_no_capability_and_gains_none(self):
        status = self.run_in("strict", "cat /proc/self/status")
        for line in ("CapBnd:\t" + "0" * 16, "CapEff:\t" + "0" * 16, "NoNewPrivs:\t1", "Seccomp:\t2"):
            self.assertIn(line + "\n", status)
        self.assertNotEqual(self.sandbox("run", "--rm", "--profile", "strict", "busybox", "unshare", "-U", "true").returncode, 0)

    def test_options_that_are_given_count(self):
        self.assertEqual(self.run_in("strict", "touch /x && echo made", "--read-only=false"), "made\n")
        status = self.run_in("strict", "cat /proc/self/status", "--cap-add", "CHOWN")
        self.assertIn("CapBnd:\t" + "0" * 15 + "1\n", status)
        filters = lambda *words: int(self.run_in("strict", "sed -n 's/Seccomp_filters:.//p' /proc/self/status", *words))
        self.assertEqual(filters("--security-opt", "seccomp=unconfined"), filters() - 1)


class Dev(ProfileCase):
    def test_the_current_folder_is_there_as_the_user_and_the_home_is_not(self):
        told = self.run_in("dev", "pwd; id -u; id -g; echo $HOME; ls -A $HOME; echo mine >made; echo x >$HOME/cache; "
                                  "mkdir $HOME/.config")
        self.assertEqual(told.split("\n"), [self.work, str(os.getuid()), str(os.getgid()), self.user_home, "work", ""])
        self.assertEqual(os.stat(self.work + "/made").st_uid, os.getuid())
        self.assertEqual(sorted(os.listdir(self.user_home)), ["secret", "work"])

    def test_in_the_home_itself_nothing_would_be_hidden(self):
        done = self.sandbox("run", "--rm", "--profile", "dev", "busybox", "true", cwd=self.user_home)
        self.assertEqual(done.returncode, 125)
        self.assertIn(f"duplicate mount point: {self.user_home}", done.stderr)


class Hpc(ProfileCase):
    def test_a_job_has_the_hosts_namespaces_its_environment_and_its_files(self):
        scratch = self.home + "/scratch"
        os.mkdir(scratch)
        self.env.update(SCRATCH=scratch, SLURM_JOB_ID="7", PMI_RANK="3", PMIX_RANK="3", OMP_NUM_THREADS="2", SECRET="no")
        self.env.pop("TMPDIR", None)
        told = self.run_in("hpc", "id -u; pwd; readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; cat $HOME/secret; "
                                  "echo done >$SCRATCH/result; echo $SLURM_JOB_ID $PMI_RANK $PMIX_RANK $OMP_NUM_THREADS $SECRET")
        namespaces = [os.readlink(f"/proc/self/ns/{name}") for name in ("net", "ipc")]
        self.assertEqual(told.splitlines(), [str(os.getuid()), self.work, *namespaces, "of the user", "7 3 3 2"])
        with open(scratch + "/result", encoding="utf-8") as result:
            self.assertEqual(result.read(), "done\n")

    def test_it_stays_in_the_jobs_cgroup(self):
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            mine = file.read().splitlines()
        inside = self.run_in("hpc", "cat /proc/self/cgroup").splitlines()
        self.assertEqual(len(inside), len(mine))
        for own, outer in zip(inside, mine):
            self.assertTrue(own.startswith(outer), (own, outer))

    def test_without_scratch_it_starts_all_the_same(self):
        for name in ("SCRATCH", "WORK", "TMPDIR"):
            self.env.pop(name, None)
        self.assertEqual(self.run_in("hpc", "echo fine"), "fine\n")


class Own(ProfileCase):
    def test_a_profile_of_the_users_own_extends_another_and_goes_before_a_shipped_one(self):
        self.profile("lab", {"hostname": "lab", "tmpfs": ["/var/lab"], "env": ["LAB=1"]}, extends="strict")
        self.profile("dev", {"env": ["MINE=1"]}, extends="dev")
        self.assertEqual(self.run_in("lab", "hostname; echo $LAB; touch /var/lab/x; touch /x 2>&1 | grep -o Read-only; ls /sys/class/net"),
                         "lab\n1\nRead-only\nlo\n")
        self.assertEqual(self.run_in("dev", "echo $MINE; pwd"), f"1\n{self.work}\n")
        listed = self.ok("profile", "ls", "--format", "{{.Name}} {{.File}}").splitlines()
        self.assertEqual(listed, ["build (shipped)", "default (shipped)", f"dev {self.own}/dev.json", "hpc (shipped)",
                                  f"lab {self.own}/lab.json", "strict (shipped)"])

    def test_inspect_names_it(self):
        for words, name in ((("--profile", "strict"), "strict"), ((), "")):
            self.ok("create", "--name", "box", *words, "busybox", "true")
            self.assertEqual(self.ok("inspect", "-f", "{{.HostConfig.Profile}}", "box"), name + "\n")
            self.ok("rm", "box")

    def test_a_profile_of_a_file(self):
        self.profile("ci", {"security-opt": ["seccomp=${profile}/calls.json"]})
        with open(self.own + "/calls.json", "w", encoding="utf-8") as file:
            json.dump({"defaultAction": "SCMP_ACT_ALLOW",
                       "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO"}, {"names": ["getcwd"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]}, file)
        self.assertIn("Input/output error", self.run_in(self.own + "/ci.json", "/bin/busybox pwd 2>&1; true"))

    def test_devices_by_pattern_are_those_that_open(self):
        self.profile("dev-nodes", {"device": ["/dev/ful*", "/dev/none*", "/dev/fuse*"]})
        expected = ["/dev/full"] + (["/dev/fuse"] if os.access("/dev/fuse", os.R_OK | os.W_OK) else [])
        document, = json.loads(self.ok("profile", "inspect", "dev-nodes"))
        self.assertEqual(document["Options"]["device"], expected)
        for path in expected:
            self.run_in("dev-nodes", f"test -c {path}")

    def test_what_is_wrong_is_named_with_its_file_and_key(self):
        title = lambda name: f"profile '{name}' ({self.own}/{name}.json)"
        self.profile("one", {"red-only": True})
        self.profile("two", {"read-only": "yes"})
        self.profile("three", {}, network="none")
        self.profile("four", {"user": "${root}"})
        self.profile("circle", {}, extends="other")
        self.profile("other", {}, extends="circle")
        self.profile("orphan", {}, extends="nobody")
        self.profile("call", {"security-opt": ["deny-calls=no_such_call"]})
        for name, message in (("one", f"{title('one')}: 'options.red-only' is no option of 'run'"),
                              ("two", f"{title('two')}: 'options.read-only' is true or false"),
                              ("three", f"{title('three')}: 'network' is not a member of a profile"),
                              ("four", f"{title('four')}: 'options.user' has the unknown placeholder '${{root}}'"),
                              ("circle", "'extends' goes on for more than 8 profiles"),
                              ("orphan", f"{title('orphan')} extends it: no such profile: nobody"),
                              ("call", "unknown system call 'no_such_call'"), ("none", "no such profile: none")):
            done = self.sandbox("run", "--rm", "--profile", name, "busybox", "true")
            self.assertEqual(done.returncode, 125, name)
            self.assertIn(message, done.stderr)
        listed = self.sandbox("profile", "ls", "-q")
        self.assertEqual(listed.returncode, 1)
        self.assertIn("strict\n", listed.stdout)
        self.assertIn(title("three"), listed.stderr)


class Commands(ProfileCase):
    def test_explain_answers_from_what_a_container_would_be_started_with(self):
        told = lambda *words: self.ok("profile", "explain", *words, cwd=self.work)
        denied = "denied: Operation not permitted (EPERM)"
        self.assertEqual(told("strict", "ptrace"), f"ptrace: {denied}\n")
        self.assertEqual(told("default", "ptrace"), "ptrace: allowed\n")
        self.assertEqual(told("strict", "clone"), f"clone: by its arguments: {denied}, or allowed\n")
        self.assertEqual(told("strict", "CAP_CHOWN"), "CAP_CHOWN: not held\n")
        self.assertIn("held by root", told("default", "CHOWN"))
        self.assertEqual(told("strict", "/etc"), "/etc: read-only: the image's\n")
        self.assertEqual(told("dev", self.work + "/x"), f"{self.work}/x: writable: the host's {self.work}/x\n")
        self.assertIn("in memory", told("dev", self.user_home + "/secret"))
        self.assertEqual(told("default", "/proc/kcore"), "/proc/kcore: hidden\n")
        self.assertEqual(told("default", "/etc/hosts"), "/etc/hosts: writable: made for the container\n")
        self.assertIn("no system call", self.refusal("profile", "explain", "default", "open_sesame"))
        self.assertIn("no such profile", self.refusal("profile", "explain", "none", "read"))

    def test_inspect_shows_what_it_comes_to_here(self):
        document, = json.loads(self.ok("profile", "inspect", "dev", cwd=self.work))
        self.assertEqual(document["Options"]["volume"], [f"{self.work}:{self.work}"])
        self.assertEqual(document["Options"]["user"], f"{os.getuid()}:{os.getgid()}")
        self.assertIs(json.loads(self.ok("profile", "inspect", "strict"))[0]["Options"]["read-only"], True)
        self.assertEqual(self.ok("profile", "inspect", "-f", "{{.Name}} {{len .Capabilities}}", "default"), "default 14\n")

    def test_a_build_takes_the_options_that_it_has(self):
        with open(self.work + "/Dockerfile", "w", encoding="utf-8") as file:
            file.write("FROM busybox\nRUN test $(ulimit -c) = 0 && df -m /dev/shm | grep -q 1024\n")
        self.ok("build", "-q", "--profile", "build", self.work)
        self.assertIn("'options.cap-drop' is no option of 'build'", self.refusal("build", "--profile", "strict", self.work))


if __name__ == "__main__":
    unittest.main()
