"""Images and containers that attack: what they try stays inside, or is refused with a reason.

Every test has a canary, a tree of the running user's that no attack may change or read: the user could, so nothing
hides behind EPERM.
"""

import hashlib
import os
import re
import resource
import stat
import subprocess
import tarfile
import time
import unittest

from image_archive import around_host_python, directory, docker_archive, entry, link, script, tools
from sandbox_case import SANDBOX, SandboxCase

QUICK = ("--rm", "--network", "none", "--pull", "never")


def fingerprint(tree):
    """Everything about a tree that an attack could change."""
    seen = []
    for path, directories, files in os.walk(tree):
        for name in [""] + directories + files:
            full = os.path.join(path, name)
            status = os.lstat(full)
            content = b""
            if stat.S_ISREG(status.st_mode):
                with open(full, "rb") as file:
                    content = file.read()
            seen.append((full, status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns, content))
    return hashlib.sha256(repr(sorted(seen)).encode()).hexdigest()


def own_digest():
    with open(SANDBOX, "rb") as program:
        return hashlib.sha256(program.read()).hexdigest()


class HostileCase(SandboxCase):
    def setUp(self):
        super().setUp()
        self.canary = self.home + "/canary"
        os.makedirs(self.canary + "/sub")
        for name, content in (("secret", "root:canary\n"), ("hosts", "canary\n"), ("sub/file", "x"),
                              ("passwd", "stranger:x:0:0::/:/bin/sh\n")):
            with open(f"{self.canary}/{name}", "w", encoding="ascii") as file:
                file.write(content)
        self.before = fingerprint(self.canary)

    def tearDown(self):
        try:
            self.assertEqual(fingerprint(self.canary), self.before, "the canary was touched")
        finally:
            super().tearDown()

    def image(self, *entries, name="localhost/attack", applets=(), **config):
        archive = self.home + "/image.tar"
        docker_archive(archive, name, tools(*applets), list(entries), **config)
        self.ok("load", "-i", archive)
        return name

    def assert_refused(self, done, *words, code=125):
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        for word in words:
            self.assertIn(word, done.stderr)


class CallersThings(HostileCase):
    def test_the_session_keyring_of_the_caller_stays_outside(self):
        archive = self.home + "/image.tar"
        docker_archive(archive, "localhost/python", around_host_python())
        self.ok("load", "-i", archive)
        # keyctl(2): KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING; the default filter would refuse it.
        program = ("/usr/bin/python3", "-c", "import ctypes; print(ctypes.CDLL(None).syscall(250, 0, -3, 0))")
        outside = subprocess.run(program, text=True, capture_output=True, check=True).stdout
        inside = self.ok("run", *QUICK, "--security-opt", "seccomp=unconfined", "-v", "/usr:/usr:ro", "localhost/python",
                         *program)
        self.assertGreater(int(inside), 0)
        self.assertNotEqual(inside, outside)


class HostileRoots(HostileCase):
    """Places of ours in the image's root that are links or files."""

    def test_a_device_directory_that_is_a_link_stays_inside(self):
        for target in (self.canary, "../../.." + self.canary, "/etc", "dev"):
            done = self.sandbox("run", *QUICK, self.image(link("dev", target)), "ls", "/dev/null")
            self.assert_refused(done, "'/dev'")

    def test_proc_and_sys_that_are_links_are_refused(self):
        for place in ("proc", "sys"):
            for target in (self.canary, "/bin", "."):
                done = self.sandbox("run", *QUICK, self.image(link(place, target)), "ls", "/")
                self.assert_refused(done, f"'/{place}'")

    def test_a_container_s_user_file_is_looked_for_inside_only(self):
        """What exec -u reads: links are followed in the container, and nothing but a regular file is opened."""
        self.ok("run", "-d", "--name", "box", *QUICK[1:], "busybox", "sleep", "1000")
        for spoil in (f"ln -s {self.canary}/passwd", f"ln -s ../../../../../..{self.canary}/passwd", "mkfifo",
                      "ln -s /proc/1/root/etc/passwd", "ln -s /dev/zero", "mkdir"):
            self.ok("exec", "box", "sh", "-c", f"rm -rf /etc/passwd; {spoil} /etc/passwd")
            begin = time.monotonic()
            done = self.sandbox("exec", "-u", "stranger", "box", "id")
            self.assert_refused(done, "unable to find user stranger", code=1)
            self.assertLess(time.monotonic() - begin, 5, spoil)
        self.ok("exec", "box", "sh", "-c", "rm -r /etc/passwd; truncate -s 1G /etc/passwd")
        done = self.sandbox("exec", "-u", "stranger", "box", "id")
        self.assert_refused(done, "'etc/passwd' of the container is larger than 1048576 bytes", code=1)

    def test_places_of_ours_that_are_files_are_refused(self):
        for place in ("dev", "proc", "sys", "etc"):
            done = self.sandbox("run", *QUICK, self.image(entry(place, "a file")), "ls", "/")
            self.assert_refused(done, f"'/{place}")

    def test_links_at_our_files_are_followed_inside_only(self):
        for target in (self.canary + "/{}", "../../.." + self.canary + "/{}", "../run/deep/{}", "/new-{}", "{}.real"):
            links = [link("etc/" + name, target.format(name)) for name in ("hosts", "resolv.conf", "hostname")]
            image = self.image(directory("etc"), *links)
            out = self.ok("run", *QUICK, "--hostname", "guest", image, "cat", "/etc/hostname", "/etc/hosts")
            self.assertTrue(out.startswith("guest\n"), out)
            self.assertNotIn("canary", out)
            self.assertIn("localhost", out)

    def test_links_in_circles_at_our_files_are_refused(self):
        done = self.sandbox("run", *QUICK, self.image(directory("etc"), link("etc/hosts", "hosts")), "ls", "/")
        self.assert_refused(done, "'/etc/hosts'")

    def test_an_image_s_own_null_device_is_never_a_mask(self):
        image = self.image(directory("dev"), link("dev/null", "/proc/sys/kernel/core_pattern"))
        out = self.ok("run", *QUICK, image, "sh", "-c",
                      "echo junk > /dev/null; cat /proc/kcore /proc/keys; ls -l /dev/null; "
                      "(echo pwned > /proc/sys/kernel/core_pattern) 2>/dev/null; cat /proc/sys/kernel/core_pattern")
        self.assertTrue(out.startswith("crw"), out)
        self.assertNotIn("pwned", out)

    def test_a_working_directory_through_a_link_is_made_inside(self):
        image = self.image(link("w", self.canary), link("up", "../../.." + self.canary), WorkingDir="/w/new")
        # The link leads to a path that the image does not have: made inside, or refused, but never on the host.
        self.sandbox("run", *QUICK, image, "ls", "/")
        self.sandbox("run", *QUICK, "-w", "/up/new", image, "ls", "/")

    def test_a_working_directory_below_descriptors_is_refused(self):
        image = self.image(WorkingDir="/proc/self/fd/8")
        self.assert_refused(self.sandbox("run", *QUICK, image, "ls"), "/proc/self/fd/8")
        self.ok("run", "-d", "--name", "box", *QUICK[1:], "busybox", "sleep", "1000")
        for number in (0, 3, 5, 7, 9, 11, 20):
            path = f"/proc/self/fd/{number}"
            self.assert_refused(self.sandbox("run", *QUICK, "-w", path, "busybox", "true"), path)
            done = self.sandbox("exec", "-w", path + "/../..", "box", "pwd")
            self.assertNotEqual(done.returncode, 0, done.stdout)

    def test_mounts_on_proc_are_refused(self):
        image = self.image(link("p", "/proc"), link("s", "/proc/self"))
        for target in ("/proc", "//proc/", "/proc/self", "/proc/self/attr", "/x/../proc/sys", "/p/self", "/s"):
            for words in (("-v", f"{self.canary}:{target}"), ("--tmpfs", target)):
                self.assert_refused(self.sandbox("run", *QUICK, *words, image, "ls", "/"), "proc")


class HostileImages(HostileCase):
    """Content and configuration of images."""

    def test_programs_that_cannot_start_have_dockers_exit_codes(self):
        image = self.image(entry("plain", "data"), directory("dir"), script("lost", "#!/nonesuch\n"), link("loop", "loop"),
                           script("noise", "\0\1\2"))
        for words, code, reason in (
                (["nonesuch"], 127, 'exec: "nonesuch": executable file not found in $PATH'),
                (["/nonesuch"], 127, 'exec: "/nonesuch": stat /nonesuch: no such file or directory'),
                (["/plain"], 126, "ermission denied"),
                (["/dir"], 126, '"/dir"'),
                (["/loop"], 126, "symbolic links"),
                (["/noise"], 126, '"/noise": Exec format error'),
                (["/lost"], 127, "interpreter '/nonesuch'"),
        ):
            for options in ((), ("--init",)):
                self.assert_refused(self.sandbox("run", *QUICK, *options, image, *words), reason, code=code)

    def test_a_script_that_names_its_own_starter_as_interpreter_is_not_run(self):
        # CVE-2019-5736: the kernel would resolve /proc/self/exe to our own executable on the host.
        own = own_digest()
        for interpreter in ("/proc/self/exe", "/proc/1/exe", "/proc/thread-self/exe", "/to-exe"):
            image = self.image(script("start", f"#!{interpreter} -x\n"), link("to-exe", "/proc/self/exe"))
            self.assert_refused(self.sandbox("run", *QUICK, image, "/start"), interpreter, code=126)
        self.assert_refused(self.sandbox("run", *QUICK, "busybox", "/proc/self/exe"), "/proc/self/exe", code=126)
        self.assertEqual(own_digest(), own)

    def test_our_executable_is_never_seen_by_a_container_that_is_entered(self):
        own = own_digest()
        hunt = "while :; do for p in /proc/[0-9]*; do readlink $p/exe; (: <>$p/exe) && echo OPENED; done; done 2>/dev/null"
        self.ok("run", "-d", "--name", "box", *QUICK[1:], "busybox", "sh", "-c", hunt)
        for _ in range(40):
            self.ok("exec", "box", "true")
        self.ok("kill", "box")
        self.ok("wait", "box")
        seen = set(self.ok("logs", "box").split("\n"))
        self.assertIn("/bin/busybox", seen)
        self.assertFalse([line for line in seen if "sandbox" in line or "OPENED" in line], seen)
        self.assertEqual(own_digest(), own)

    def test_no_descriptor_of_the_caller_or_of_ours_is_inside(self):
        extra = [os.open(self.canary, os.O_RDONLY) for _ in range(50)]
        for fd in extra:
            os.set_inheritable(fd, True)
        try:
            out = self.ok("run", *QUICK, "busybox", "ls", "/proc/self/fd", close_fds=False)
            self.ok("run", "-d", "--name", "box", *QUICK[1:], "busybox", "sleep", "1000", close_fds=False)
            inside = self.ok("exec", "box", "ls", "/proc/self/fd", "/proc/1/fd", close_fds=False)
        finally:
            for fd in extra:
                os.close(fd)
        self.assertEqual(out.split(), ["0", "1", "2", "3"])  # 3: the directory that ls reads
        self.assertEqual(inside.split(), ["/proc/1/fd:", "0", "1", "2", "/proc/self/fd:", "0", "1", "2", "3"])

    def test_accounts_files_that_are_no_files_are_not_read(self):
        for hostile in (entry("etc/passwd", type=tarfile.FIFOTYPE), link("etc/passwd", "/dev/zero"),
                        link("etc/passwd", "../../../.." + self.canary + "/secret"),
                        link("etc/passwd", self.canary + "/secret"), link("etc/passwd", "/proc/self/environ")):
            image = self.image(directory("etc"), hostile)
            started = time.monotonic()
            done = self.sandbox("run", *QUICK, "-u", "canary", image, "id")
            self.assertLess(time.monotonic() - started, 5)
            self.assert_refused(done, "canary")
            self.assertIn("bin", self.ok("run", *QUICK, image, "ls", "/"))

    def test_a_huge_accounts_file_costs_no_memory(self):
        image = self.image(directory("etc"), entry("etc/group", b"x:x:1:\n" * (10 << 20)))
        self.sandbox("run", *QUICK, image, "ls")  # unpacks
        bound = 48 << 20
        done = self.sandbox("run", *QUICK, image, "ls",
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (bound, bound)))
        self.assert_refused(done, "'etc/group' of the image is larger than")

    def test_a_number_is_a_uid_whatever_the_image_s_accounts_call_it(self):
        image = self.image(directory("etc"), entry("etc/passwd", "1000:x:0:0::/:/bin/sh\n1:x:0:0::/:/bin/sh\n"), User="1000", applets=("sleep",))
        for words in ((image,), ("--user", "1000", image), ("--user", "1", image)):
            done = self.sandbox("run", *QUICK, *words, "id", "-u")
            # Without subordinate ids there is no second user; then it has to be an error, never uid 0.
            self.assertNotEqual(done.stdout, "0\n", words)
            self.assertTrue(done.returncode in (0, 125), done.stderr)
        self.ok("run", "-d", "--name", "box", *QUICK[1:], "-u", "0", image, "sleep", "1000")
        self.assertNotEqual(self.sandbox("exec", "-u", "1", "box", "id", "-u").stdout, "0\n")

    def test_the_image_gets_nothing_from_the_caller_s_environment(self):
        self.env.update(SECRET="hunter2", HOME_SECRET="hunter2", TERM="hunter2")
        image = self.image(Env=["SECRET", "*", "HOME*", "=x", "", "GOOD=1"])
        out = self.ok("run", *QUICK, image, "sh", "-c", "cat /proc/1/environ")
        self.assertNotIn("hunter2", out)
        self.assertIn("GOOD=1", out)

    def test_labels_of_an_image_change_nothing(self):
        labels = {"run.oci.handler": "krun", "run.oci.hooks.stderr": "/x", "io.podman.annotations.privileged": "TRUE",
                  "io.containers.capabilities": "ALL", "cdi.k8s.io/x": "vendor.com/gpu=all", "org.criu.config": "/etc/x"}

        def plan(image):
            text = self.ok("run", "--print-plan", "--name", "same", "--hostname", "same", *QUICK, image, "true")
            return re.sub("[0-9a-f]{64}", "ID", text)

        self.assertEqual(plan(self.image(Labels=labels)), plan(self.image(name="localhost/plain")))

    def test_devices_owners_and_capabilities_of_a_layer_give_no_power(self):
        image = self.image(directory("x"), entry("x/disk", type=tarfile.BLKTYPE, devmajor=8, devminor=0, mode=0o666),
                           entry("x/mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1, mode=0o666),
                           entry("x/ghost", type=tarfile.CHRTYPE, devmajor=0, devminor=0),
                           entry("x/caps", "x", pax_headers={"SCHILY.xattr.security.capability": "\1\0\0\2\xff\xff"}),
                           entry("x/moved", "x", pax_headers={"SCHILY.xattr.user.overlay.redirect": "/bin"}))
        done = self.sandbox("run", *QUICK, image, "sh", "-c", "ls /x; for f in disk mem; do head -c1 /x/$f && echo READ; done")
        self.assertNotIn("READ", done.stdout)
        if done.returncode == 125:
            self.assertIn("/x/", done.stderr)

    def test_an_owner_beyond_every_map_is_named(self):
        archive = self.home + "/image.tar"
        docker_archive(archive, "localhost/owner", tools() + [entry("owned", "x", uid=4294967295, gid=4294967295)])
        self.sandbox("load", "-i", archive)
        done = self.sandbox("run", *QUICK, "localhost/owner", "ls", "-ln", "/owned")
        self.assert_refused(done, "owned", "4294967295")


class Powers(HostileCase):
    """What a container may do that runs with the defaults."""

    def test_no_process_inherits_capabilities(self):
        self.ok("run", "-d", "--name", "box", *QUICK[1:], "busybox", "sleep", "1000")
        for words in (("run", *QUICK, "busybox"), ("exec", "box"), ("run", "--init", *QUICK, "busybox")):
            out = self.ok(*words, "grep", "-E", "Cap(Inh|Amb)|NoNewPrivs", "/proc/self/status")
            self.assertEqual(out.split(), ["CapInh:", "0" * 16, "CapAmb:", "0" * 16,
                                           "NoNewPrivs:", "1"])

    def test_dangerous_places_are_masked_or_read_only(self):
        script_text = """
for f in kcore keys timer_list sched_debug interrupts; do
  if [ -e /proc/$f ] && [ -n "$(head -c1 /proc/$f 2>/dev/null)" ]; then echo READ $f; fi; done
for d in /proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap; do
  if [ -d $d ] && [ -n "$(ls $d)" ]; then echo LISTED $d; fi; done
for f in sys/kernel/core_pattern sys/vm/swappiness sysrq-trigger irq/default_smp_affinity; do
  if (echo 0 > /proc/$f) 2>/dev/null; then echo WROTE $f; fi; done
for d in /proc/sys/kernel /sys/kernel /sys/fs/cgroup; do mkdir $d/x 2>/dev/null && echo MADE $d; done
for t in "-t cgroup c" "-t proc p" "-t sysfs s" "-o bind /" "-o remount,rw /proc/sys"; do
  mount $t /tmp 2>/dev/null && echo MOUNTED $t; done
unshare -Ur true 2>/dev/null && echo NEW USER NAMESPACE
umount /proc/sys 2>/dev/null && echo UNMOUNTED
find / -name release_agent 2>/dev/null
mknod /tmp/disk b 8 0 2>/dev/null; if [ -b /tmp/disk ] || [ -s /tmp/disk ]; then echo DISK; fi
echo end
"""
        self.assertEqual(self.ok("run", *QUICK, "busybox", "sh", "-c", script_text), "end\n")

    def test_nothing_of_the_image_is_loaded_before_the_program(self):
        """After the root has changed, and before the program runs, no library or name service file is opened."""
        trace = self.home + "/trace"
        subprocess.run(["strace", "-f", "-e", "trace=open,openat,openat2,execve,pivot_root", "-o", trace, SANDBOX,
                        "run", *QUICK, "-u", "0", "busybox", "true"], env=self.env, check=True, timeout=60)
        entered, opened = None, []
        with open(trace, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                pid, call = line.split(None, 1)
                if "pivot_root(" in call and " = 0" in call:
                    entered = pid
                elif pid == entered and "execve(" in call:
                    break
                elif pid == entered:
                    opened.append(call)
        self.assertTrue(opened)
        self.assertFalse([call for call in opened if ".so" in call or "nss" in call or "/etc/" in call], opened)


class HostileNames(HostileCase):
    def test_names_that_are_paths_options_or_noise_are_refused(self):
        for name in ("../x", "a/b", "-x", ".", "..", "a\nb", "a\033[31m", "x" * 4096, "", " "):
            done = self.sandbox("run", *QUICK, f"--name={name}", "busybox", "true")
            if name == "":
                continue  # no name: one is made up
            self.assert_refused(done, "invalid container name")
            self.assertNotIn("\033", done.stderr)

    def test_escape_sequences_are_not_printed(self):
        self.ok("run", "-d", "--name", "box", "--label", "x=\033[31mred", *QUICK[1:], "busybox", "sh", "-c",
                "sleep 1000; echo '\033[31mred\033]0;title\007'")
        for words in (("ps", "-a", "--no-trunc"), ("inspect", "box"), ("images",)):
            self.assertNotIn("\033", self.ok(*words), words)
        missing = self.sandbox("run", *QUICK, "no\033[31msuch", "true")
        self.assertNotIn("\033", missing.stderr)

    def test_bad_references_of_an_archive_are_refused(self):
        for name in ("../../x", "x\033[31m", "UPPER/../x", "a" * 5000, "-x"):
            archive = self.home + "/image.tar"
            docker_archive(archive, name, tools())
            done = self.sandbox("load", "-i", archive)
            self.assertNotEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("\033", done.stderr)
        self.assertNotIn("x", self.ok("images", "-q"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
