"""`sandbox oci` in a root file system that another process changes meanwhile: directories become symbolic links and back
between any two of the runtime's steps (CVE-2021-30465, CVE-2024-45310, CVE-2025-31133, CVE-2025-52565, CVE-2026-41579).

The links lead to a canary, a tree of the running user's: nothing hides behind EPERM. A container may fail to start, but
what is outside of its root is neither changed, nor mounted, nor read.
"""

import json
import os
import subprocess
import sys
import time
import unittest

from oci_case import OciCase

SECRET = "nobody inside may read this"

# Exchanges two names in a loop (renameat2(2), RENAME_EXCHANGE) and says when it has begun.
FLIPPER = """
import ctypes, os, sys
renameat2 = ctypes.CDLL(None).renameat2
one, other = (os.fsencode(path) for path in sys.argv[1:])
print(flush=True)
while renameat2(-100, one, -100, other, 2) == 0:
    pass
sys.exit("renameat2 failed")
"""

# A createContainer hook that tells of mounts on the canary (proc_pid_mountinfo(5)): of those that are there, and of those
# that come until the host's tree disappears from its mount namespace. It leaves a child that looks again and again, and
# may miss one that is there for a moment; in one of many rounds it won't.
WATCHER = """
import os, sys, time
canary, told = (os.fsencode(path) for path in sys.argv[1:])
mounts = os.open("/proc/self/mountinfo", os.O_RDONLY)
def look():
    text = b""
    os.lseek(mounts, 0, 0)
    while part := os.read(mounts, 1 << 16):
        text += part
    for line in text.splitlines():
        if line.split(b" ")[4].startswith(canary):
            with open(told, "ab") as file:
                file.write(line + b"\\n")
look()
ready, begun = os.pipe()
if os.fork():
    os.read(ready, 1)
    os._exit(0)
null = os.open("/dev/null", os.O_RDWR)
for fd in range(3):
    os.dup2(null, fd)
end = time.monotonic() + 5
os.write(begun, b".")
while os.path.exists(canary) and time.monotonic() < end:
    look()
"""

# What the container looks at: where its mounts come from, and whether the secret is anywhere in its tree. A file may have
# become a device without end meanwhile, or a link of /proc, which may be anywhere now, to the very pipe.
LOOK = ("cat /proc/self/mountinfo; for file in /*/* /*/*/* /*/*/*/*; do "
        "case $file in /proc/*|/sys/*|/bin/*) continue; esac;"
        "[ -f $file ] && ! [ -L $file ] && busybox timeout 1 head -c 999 $file | grep -q '" + SECRET + "' && echo FOUND $file; done; echo looked")


class Races(OciCase):
    LEAST_ROUNDS, MOST_ROUNDS, SECONDS = 8, 100, 1.6

    def setUp(self):
        super().setUp()
        self.canary = self.home + "/canary"
        for name in ("sub", "pts"):
            os.makedirs(f"{self.canary}/{name}")
        for name in ("secret", "null", "console", "sub/file", "pts/0", "pts/ptmx"):
            with open(f"{self.canary}/{name}", "w", encoding="ascii") as file:
                file.write(SECRET)
        os.makedirs(self.rootfs + "/flip/x/sub")
        for name in ("data", "work"):
            os.mkdir(f"{self.rootfs}/{name}")
        self.told = self.home + "/told"
        with self.config() as config:
            config["root"]["readonly"] = False
            config["hooks"] = {"createContainer": [
                {"path": sys.executable, "args": ["python3", "-I", "-S", "-c", WATCHER, self.canary, self.told]}]}
        self.before = self.fingerprint()

    def fingerprint(self):
        seen = []
        for path, directories, files in os.walk(self.canary):
            for name in ["", *directories, *files]:
                status = os.lstat(os.path.join(path, name))
                seen.append((path, name, status.st_mode, status.st_uid, status.st_nlink, status.st_size, status.st_mtime_ns))
        return sorted(seen)

    def check(self, done):
        self.assertEqual(self.fingerprint(), self.before, "the canary was touched")
        self.assertNotIn("FOUND", done.stdout)
        for line in done.stdout.splitlines():
            fields = line.split()
            if len(fields) > 9 and "/canary" in fields[3]:
                self.assertIn("/rootfs/", fields[3], "a mount shows the host's tree")
        if os.path.exists(self.told):
            with open(self.told, encoding="utf-8") as file:
                self.fail("mounted outside of the root: " + file.read())

    def linger(self):
        """Lets the runtime be busy for a while between what may be mounted outside and the end of the host's tree, so that
        the watcher has the time to see it."""
        with self.config() as config:
            config["linux"]["readonlyPaths"] += ["/tmp"] * 500

    def race(self, place="/flip/x", directory=None, terminal=False, seconds=SECONDS):
        """Runs the container again and again while `place` in its root is now what it was, now a link to the canary."""
        self.program("sh", "-c", LOOK, terminal=terminal)
        one = (directory or self.rootfs) + place
        reached = 0
        for target in (self.canary, "../" * 12 + self.canary[1:]):
            if place.startswith("/dev/"):
                target += "/" + os.path.basename(place)
            other = f"{self.home}/other"
            os.symlink(target, other)
            flipper = subprocess.Popen([sys.executable, "-c", FLIPPER, one, other], stdout=subprocess.PIPE)
            try:
                flipper.stdout.readline()
                end = time.monotonic() + seconds / 2
                for number in range(self.MOST_ROUNDS):
                    if number >= self.LEAST_ROUNDS and time.monotonic() > end:
                        break
                    done = self.oci("run", "c")
                    self.check(done)
                    reached += "looked" in done.stdout
                self.assertIsNone(flipper.poll(), "nothing was exchanged")
            finally:
                flipper.kill()
                flipper.communicate()
            if os.path.islink(one):
                os.rename(other, self.home + "/real")
                os.unlink(one)
                os.rename(self.home + "/real", one)
            else:
                os.unlink(other)
        return reached

    def mount(self, **members):
        with self.config() as config:
            config["mounts"].append(members)

    def on_disk(self, *places):
        """Lets the places be those of the root on disk: nothing is mounted there."""
        with self.config() as config:
            config["mounts"] = [mount for mount in config["mounts"]
                                if not any(mount["destination"].startswith(place) for place in places)]

    def test_the_place_of_a_file_system(self):
        self.mount(destination="/flip/x/new/deep", type="tmpfs", source="tmpfs")
        self.assertGreater(self.race(), 0)

    def test_the_places_of_a_bound_directory_and_of_a_bound_file(self):
        os.mkdir(self.home + "/source")
        with open(self.home + "/plain", "w", encoding="ascii") as file:
            file.write("plain")
        self.mount(destination="/flip/x/new", type="bind", source=self.home + "/source", options=["rbind"])
        self.mount(destination="/flip/x/file", type="bind", source=self.home + "/plain", options=["bind", "ro"])
        self.assertGreater(self.race(), 0)

    def test_a_place_in_a_volume_that_others_have_too(self):
        os.makedirs(self.home + "/volume/x/sub")
        self.mount(destination="/data", type="bind", source=self.home + "/volume", options=["rbind"])
        self.mount(destination="/data/x/new", type="tmpfs", source="tmpfs")
        self.assertGreater(self.race("/x", directory=self.home + "/volume"), 0)

    def test_what_a_tmpfs_begins_with(self):
        self.mount(destination="/flip/x", type="tmpfs", source="tmpfs", options=["tmpcopyup"])
        self.race()
        self.mount(destination="/flip", type="tmpfs", source="tmpfs", options=["tmpcopyup"])
        self.race()

    def test_masked_and_read_only_paths(self):
        with self.config() as config:
            config["linux"]["maskedPaths"] += ["/flip/x/sub", "/flip/x/secret"]
            config["linux"]["readonlyPaths"] += ["/flip/x"]
        self.linger()
        self.assertGreater(self.race(), 0)

    def test_the_working_directory(self):
        with self.config() as config:
            config["process"]["cwd"] = "/flip/x/new/work"
        self.assertGreater(self.race(), 0)

    def test_the_place_of_a_device(self):
        with self.config() as config:
            config["linux"]["devices"] = [{"type": "c", "path": "/flip/x/new/zero", "major": 1, "minor": 5},
                                          {"type": "p", "path": "/flip/x/pipe"}]
        self.race()

    def test_the_directory_of_devices(self):
        self.on_disk("/dev")
        self.race("/dev")

    def test_the_null_device(self):
        self.on_disk("/dev")
        with open(self.rootfs + "/dev/null", "w", encoding="ascii"):
            pass
        self.race("/dev/null")

    def test_the_console(self):
        self.on_disk("/dev/mqueue", "/dev/shm")
        with self.config() as config:
            config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/dev"]
        with open(self.rootfs + "/dev/console", "w", encoding="ascii"):
            pass
        self.linger()
        self.race("/dev/console", terminal=True)

    def test_the_directory_of_terminals(self):
        self.on_disk("/dev/mqueue", "/dev/shm")
        with self.config() as config:
            config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/dev"]
        os.mkdir(self.rootfs + "/dev/pts")
        self.race("/dev/pts", terminal=True, seconds=4 * self.SECONDS)

    def test_the_places_of_proc_and_sys(self):
        for place in ("/proc", "/sys"):
            with self.subTest(place=place):
                self.race(place)


class Volumes(OciCase):
    """What comes from the caller's tree in the place of the kernel's file systems (CVE-2019-16884, CVE-2023-27561)."""

    def test_the_hosts_sysfs_is_read_only_with_all_that_is_mounted_there(self):
        """A delegated cgroup is the user's own, and shows there (CVE-2023-25809)."""
        self.program("grep", " /sys", "/proc/self/mountinfo")
        with self.config() as config:
            config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] not in ("network", "cgroup")]
            config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/sys")]
            config["mounts"].append({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["rw"]})
            config["linux"]["maskedPaths"] = []
        lines = self.done("run", "c").splitlines()
        self.assertGreater(len(lines), 1)
        for line in lines:
            self.assertIn("ro", line.split()[5].split(","), line)

    def test_nothing_but_procfs_is_bound_at_proc(self):
        self.program("true")
        with open(self.bundle + "/config.json", encoding="utf-8") as file:
            good = json.load(file)
        for source in (self.home, "/sys", "/proc/self", "/proc/sys", "/dev/null"):
            for destination in ("/proc", "//proc/.", "/x/../proc"):
                with self.config() as config:
                    config.update(json.loads(json.dumps(good)))
                    config["mounts"].append({"destination": destination, "source": source, "options": ["rbind"]})
                done = self.oci("run", "c")
                self.assertEqual(done.returncode, 1, (source, destination))
                self.assertRegex(done.stderr, "is no procfs, and can't be the container's '/proc'")
        with self.config() as config:
            config.update(json.loads(json.dumps(good)))
            config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "pid"]
            config["mounts"] = [{"destination": "/proc", "source": "/proc", "options": ["rbind"]}]
        self.program("test", "-e", "/proc/self/stat")
        self.done("run", "c")


if __name__ == "__main__":
    unittest.main(verbosity=2)
