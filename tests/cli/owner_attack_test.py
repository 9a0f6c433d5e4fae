"""What a container's processes try on the helper that answers for owners: nothing outside the container's own files
gets a record, the helper lives on, and mistakes are told as the kernel tells them."""

import os
import pathlib
import signal
import unittest

from owner_case import ATTRIBUTE, OwnerCase
from sandbox_case import eventually

PRELUDE = r"""
import ctypes, errno, mmap, os, resource, signal, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, EXCHANGE = -100, 2

def error(call, *arguments):
    ctypes.set_errno(0)
    return errno.errorcode[ctypes.get_errno()] if libc.syscall(call, *arguments) < 0 else "done"

def fork(act):
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return pid
"""

# A directory and a link to the host's volume change places while a path through them is followed.
RACE = PRELUDE + r"""
os.makedirs("/srv/x"), open("/srv/x/f", "w").close(), os.symlink("/shared", "/srv/y")
flipper = fork(lambda: [libc.renameat2(AT_FDCWD, b"/srv/x", AT_FDCWD, b"/srv/y", EXCHANGE) for _ in iter(int, 1)])
for i in range(2000):
    try:
        os.chown("/srv/x/f", 33, i)
        os.chown("/srv/x/../shared/f", 33, i)
    except FileNotFoundError:
        pass
os.kill(flipper, signal.SIGKILL)
"""

# One that is killed at any moment of its call, so that its id may be another's.
KILLED = PRELUDE + r"""
open("/srv/f", "w").close()
for i in range(150):
    pids = [fork(lambda: [os.chown("/srv/f", i, j) for j in iter(int, 1)]) for _ in range(4)]
    time.sleep(0.002 * (i % 4))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
os.chown("/srv/f", 7, 8)
"""

# The path's bytes change while the call is made.
FLICKER = PRELUDE + r"""
open("/srv/aaaa", "w").close(), os.symlink("/shared/f", "/srv/bbbb")
path = ctypes.create_string_buffer(b"/srv/aaaa")
stop = []
def flicker():
    while not stop:
        path.value = b"/srv/bbbb"
        path.value = b"/srv/aaaa"
thread = threading.Thread(target=flicker); thread.start()
for i in range(1000):
    libc.chown(path, 33, i)
stop.append(1); thread.join()
"""

PATHS = PRELUDE + r"""
os.makedirs("/srv/d"), open("/srv/d/f", "w").close(), os.symlink("../../../../../../srv/d/f", "/srv/up")
os.chown("/srv/up", 1, 1); print(1)
fd = os.open("/srv/d/f", os.O_RDONLY)
for number, path in enumerate((f"/proc/self/fd/{fd}", f"/dev/fd/{fd}", f"/proc/thread-self/fd/{fd}",
                               f"/proc/{os.getpid()}/fd/{fd}", "/proc/self/root/srv/d/f",
                               "/proc/self/cwd/srv/d/f", "/proc/1/root/srv/up"), 2):
    os.chown(path, number, number); print(number)
os.chdir("/srv/d"); os.chown("f", 20, 20); os.chown("../d/f", 21, 21)
directory = os.open("/srv", os.O_PATH)
os.chown("d/f", 22, 22, dir_fd=directory); os.chown("up", 3, 3, dir_fd=directory, follow_symlinks=False)
os.fchown(fd, 23, 23)
os.chown("/dev/stdout", 1, 1)
os.mkdir("/srv/root"), os.mkdir("/srv/root/srv"), open("/srv/root/srv/g", "w").close()
os.symlink("/srv/g", "/srv/root/link")
pid = fork(lambda: (os.chroot("/srv/root"), os.chown("/link", 24, 24), os.chown("/../../srv/g", 24, 25)))
print(os.waitpid(pid, 0)[1])
"""

MISTAKES = PRELUDE + r"""
CHOWN, FCHOWN, FCHOWNAT, SETUID, SETGROUPS, GETGROUPS, GETRESUID, MKNOD = 92, 93, 260, 105, 116, 115, 118, 133
bad = ctypes.c_void_p(8)
print(error(CHOWN, bad, 1, 1), error(CHOWN, b"x" * 5000, 1, 1), error(CHOWN, b"", 1, 1),
      error(CHOWN, b"/nowhere", 1, 1),
      error(CHOWN, b"/etc/passwd/x", 1, 1), error(FCHOWN, 77, 1, 1), error(FCHOWN, -1, 1, 1),
      error(FCHOWNAT, 77, b"x", 1, 1, 0),
      error(FCHOWNAT, AT_FDCWD, b"/srv", 1, 1, 0x40000), error(FCHOWNAT, AT_FDCWD, b"", 1, 1, 0))
os.symlink("loop", "/srv/loop")
print(error(CHOWN, b"/srv/loop", 1, 1), error(CHOWN, b"/usr/bin/sh", 1, 1), error(CHOWN, b"/dev/null", 0, 0))
print(error(SETUID, -1), error(SETGROUPS, 70000, bad), error(SETGROUPS, 2, bad), error(GETRESUID, bad, bad, bad))
print(error(MKNOD, b"/srv/w", 0o20600, 0), error(MKNOD, b"/etc/passwd", 0o20600, 0x103),
      error(MKNOD, b"/srv/n/m", 0o60600, 1), error(MKNOD, b"/srv/.", 0o60600, 1),
      error(MKNOD, b"/shared/n", 0o20600, 0x103), error(MKNOD, b"/", 0o20600, 0x103), flush=True)
os.setgroups([4, 5]), os.setresgid(33, 33, 33), os.setresuid(33, 33, 33)
print(os.getgroups(), os.getresuid(), os.getresgid(), error(SETUID, 0), error(SETGROUPS, 0, 0),
      error(CHOWN, b"/srv", 33, 33), error(MKNOD, b"/srv/n", 0o20600, 0x103))
"""

# The calls of 32-bit systems, by int 0x80 of a 64-bit process.
NARROW = PRELUDE + r"""
code = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, 7)   # MAP_32BIT
# push rbx; mov eax,edi; mov ebx,esi; xchg ecx,edx; int 0x80; pop rbx; ret
code.write(bytes.fromhex("5389f889f387d1cd805bc3"))
code.seek(256); code.write(b"/srv/f\0")
base = ctypes.addressof(ctypes.c_char.from_buffer(code))
call = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_uint] * 4)(base)
open("/srv/f", "w").close()
print(call(182, base + 256, 33, 0xFFFF), os.getxattr("/srv/f", "%s").decode())     # chown
print(call(212, base + 256, 70000, 0xFFFFFFFF), os.getxattr("/srv/f", "%s").decode())   # chown32
print(call(213, 1000, 0, 0), call(199, 0, 0, 0), call(24, 0, 0, 0), os.getuid())     # setuid32, getuid32, getuid
""" % (ATTRIBUTE, ATTRIBUTE)

# Who it believes to be is a process's own affair.
FORGED = PRELUDE + r"""
resource_rttime = 15
hard = resource.getrlimit(resource_rttime)[1]
for number in (0, 1, 5, 70000, 2**32 - 1):
    resource.setrlimit(resource_rttime, (2**62 + number, hard))
    assert os.getuid() == 0, number
os.setuid(33)
assert resource.prlimit(0, resource_rttime, (1000, hard)) == (hard, hard)
resource.setrlimit(resource_rttime, (1000, hard))
print(os.getuid())
"""


# The calls that make and show objects, with arguments that are none.
CALLS = PRELUDE + r"""
OPEN, STAT, FSTAT, OPENAT, MKDIRAT, SYMLINKAT = 2, 4, 5, 257, 258, 266
NEWFSTATAT, STATX, OPENAT2, MKDIR = 262, 332, 437, 83
bad, room = ctypes.c_void_p(8), ctypes.create_string_buffer(512)
os.mkdir("/srv/d"), os.chmod("/srv/d", 0o777), open("/srv/d/f", "w").close(), os.chown("/srv/d/f", 33, 33)
print(error(STAT, bad, room), error(STAT, b"/srv/d/f", bad), error(STAT, b"/srv/d/f/", room), error(FSTAT, 77, room),
      error(NEWFSTATAT, AT_FDCWD, b"/srv/d/f", room, 0x10), error(STATX, AT_FDCWD, b"/srv/d/f", 0x6000, 0xfff, room),
      error(STATX, AT_FDCWD, b"/srv/d/f", 0, 0x80000000, room), error(STAT, b"/srv/d/f", room))
os.setresgid(33, 33, 33), os.setresuid(33, 33, 33)
print(error(OPEN, bad, os.O_CREAT, 0), error(OPEN, b"x" * 5000, os.O_CREAT, 0), error(OPEN, b"", os.O_CREAT, 0),
      error(OPEN, b"/etc/passwd/x", os.O_CREAT, 0), error(OPEN, b"/srv/d", os.O_CREAT, 0),
      error(OPEN, b"/srv/d/x/", os.O_CREAT, 0), error(OPENAT, 77, b"x", os.O_CREAT, 0),
      error(OPENAT2, AT_FDCWD, b"/srv/d/x", bad, 24), error(OPENAT2, AT_FDCWD, b"/srv/d/x", room, 7))
print(error(MKDIR, bad, 0), error(MKDIR, b"/", 0), error(MKDIR, b"/srv/d/.", 0), error(MKDIR, b"/usr/x", 0),
      error(MKDIRAT, 77, b"x", 0), error(SYMLINKAT, bad, AT_FDCWD, b"/srv/d/l"),
      error(SYMLINKAT, b"", AT_FDCWD, b"/srv/l"), error(SYMLINKAT, b"x" * 5000, AT_FDCWD, b"/srv/d/l"))
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
print(error(OPEN, b"/srv/d/many", os.O_CREAT | os.O_WRONLY, 0o600))
"""

# Many processes at once, each with other ids, half of which are killed at some moment.
STORM = PRELUDE + r"""
os.mkdir("/srv/d"), os.chmod("/srv/d", 0o777)
def act(number):
    os.setgroups(range(number)), os.setresgid(number, number, number), os.setresuid(number, number, number)
    for turn in range(20):
        os.close(os.open(f"/srv/d/{number}.{turn}", os.O_CREAT | os.O_EXCL))
        assert os.stat(f"/srv/d/{number}.{turn}").st_uid == os.getuid() == number
        threading.Thread(target=lambda: [os.getgid() for _ in range(10)]).start()
pids = [fork(lambda: act(number)) for number in range(1, 201)]
for pid in pids[::2]:
    os.kill(pid, signal.SIGKILL)
print([os.waitpid(pid, 0)[1] for pid in pids][1::2].count(0), os.getuid())
wrong = [name for name in os.listdir("/srv/d") if os.stat("/srv/d/" + name).st_uid not in (0, int(name.split(".")[0]))]
print(wrong)
"""

# The name changes while the file is made: it is another's either way.
MADE = PRELUDE + r"""
os.mkdir("/srv/d"), os.chmod("/srv/d", 0o777), os.symlink("/shared/f", "/srv/d/f2")
os.setresuid(33, 33, 33)
path = ctypes.create_string_buffer(b"/srv/d/f1")
stop = []
def flicker():
    while not stop:
        path.value = b"/srv/d/f2"
        path.value = b"/srv/d/f1"
thread = threading.Thread(target=flicker); thread.start()
for i in range(1000):
    fd = libc.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    if fd >= 0:
        assert os.fstat(fd).st_size == 0
        os.close(fd), os.unlink("/srv/d/f1")
stop.append(1); thread.join()
"""

# Memory of the helper: each combination of ids is kept.
GROUPS = PRELUDE + r"""
try:
    for turn in range(100):
        os.setgroups(range(turn, turn + 60000))
except BlockingIOError:
    print(turn)
os.chown("/srv/site", 33, 33), os.setgroups([])
"""

# Calls that nobody answers any more.
ORPHANED = PRELUDE + r"""
def calls(said):
    while (why := error(102)) == "done":  # getuid
        pass
    print(why, file=said, flush=True)
threads = [threading.Thread(target=calls, args=[open(f"/shared/{number}", "w")]) for number in range(4)]
for thread in threads: thread.start()
open("/shared/started", "w").close()
for thread in threads: thread.join()
time.sleep(1000)
"""


class Attacks(OwnerCase):
    def setUp(self):
        super().setUp()
        with open(self.shared + "/f", "w", encoding="utf-8") as file:
            file.write("the host's")
        os.chmod(self.shared + "/f", 0o4755)
        self.before = os.stat(self.shared + "/f")

    def tearDown(self):
        for path in (self.shared, self.shared + "/f"):
            self.assertEqual(os.listxattr(path), [])
        after = os.stat(self.shared + "/f")
        self.assertEqual((after.st_uid, after.st_gid), (self.before.st_uid, self.before.st_gid))
        self.assertEqual(os.listdir(self.shared), ["f"])
        super().tearDown()

    def python(self, text, options):
        return self.ok_debian("python3", "-c", text, options=options)

    def test_calls_that_make_and_show_objects_tell_mistakes_as_the_kernel_does(self):
        for options in self.on_each_driver():
            self.assertEqual(self.python(CALLS, options + ["--id-emulation", "full"]).splitlines(), [
                "EFAULT EFAULT ENOTDIR EBADF EINVAL EINVAL EINVAL done",
                "EFAULT ENAMETOOLONG ENOENT ENOTDIR EISDIR EISDIR EBADF EFAULT EINVAL",
                "EFAULT EEXIST EEXIST EROFS EBADF EFAULT ENOENT ENAMETOOLONG", "EMFILE"])

    def test_a_storm_of_processes_is_answered(self):
        for options in self.on_each_driver():
            self.assertEqual(self.python(STORM, options + ["--id-emulation", "full"]), "100 0\n[]\n")

    def test_a_name_that_changes_while_a_file_is_made_leads_nowhere_else(self):
        for options in self.on_each_driver():
            self.python(MADE, options)

    def test_groups_without_end_are_refused(self):
        self.assertEqual(self.python(GROUPS, []), "17\n")
        self.assertEqual(self.record("srv/site"), "33:33")

    def test_calls_fail_when_the_helper_has_been_killed(self):
        self.ok_debian("python3", "-c", ORPHANED, options=["-d"])
        shared = pathlib.Path(self.shared)
        self.assertTrue(eventually(lambda: (shared / "started").exists(), 60))
        helper, = self.helpers("sbx:owner")
        supervisor = self.state()["supervisor_pid"]
        os.kill(supervisor, signal.SIGSTOP)  # it would end the container at once
        try:
            os.kill(helper, signal.SIGKILL)
            said = [shared / str(number) for number in range(4)]
            self.assertTrue(eventually(lambda: all(path.stat().st_size > 0 for path in said), 60))
        finally:
            os.kill(supervisor, signal.SIGCONT)
        self.assertTrue(self.sandbox("wait", "box", timeout=30).stdout)
        self.assertEqual({path.read_text(encoding="ascii") for path in said}, {"ENOSYS\n"})
        for path in [*said, shared / "started"]:
            path.unlink()

    def test_a_race_between_a_directory_and_a_link_leads_nowhere(self):
        for options in self.on_each_driver():
            self.python(RACE, options)

    def test_a_killed_process_harms_nobody(self):
        for options in self.on_each_driver():
            self.python(KILLED, options)
            self.assertEqual(self.record("srv/f"), "7:8")

    def test_a_path_that_changes_under_the_call_is_one_or_the_other(self):
        for options in self.on_each_driver():
            self.python(FLICKER, options)

    def test_paths_mean_what_they_mean_to_the_process(self):
        for options in self.on_each_driver():
            self.assertEqual(self.python(PATHS, options).splitlines(), [*map(str, range(1, 9)), "0"])
            records = [self.record(name) for name in ("srv/d/f", "srv/up", "srv/root/srv/g")]
            self.assertEqual(records, ["23:23", "3:3", "24:25"])

    def test_mistakes_are_told_as_the_kernel_tells_them(self):
        for options in self.on_each_driver():
            self.assertEqual(self.python(MISTAKES, options).splitlines(), [
                "EFAULT ENAMETOOLONG ENOENT ENOENT ENOTDIR EBADF EBADF EBADF EINVAL ENOENT",
                "ELOOP EROFS EPERM",
                "EINVAL EINVAL EFAULT EFAULT",
                "EPERM EEXIST ENOENT EEXIST EPERM EEXIST",
                "[4, 5] (33, 33, 33) (33, 33, 33) EPERM EPERM EPERM EPERM"])

    def test_calls_of_32_bit_systems_are_answered_too(self):
        self.assertEqual(self.python(NARROW, []).splitlines(),
                         ["0 33:0:0644:file", "0 70000:0:0644:file", "0 1000 1000 1000"])

    def test_a_forged_number_makes_nobody_another(self):
        self.assertEqual(self.python(FORGED, []), "33\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
