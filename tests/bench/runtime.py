#!/usr/bin/env python3
"""The OCI runtime beside crun and runc, as ratios of one run: the same bundle for all, from config.json to the end.

    runtime.py SANDBOX [--rounds N]

As an ordinary user the containers get a user namespace with the user's range of ids, where it has one; as root they
get none. The cgroups are made beside the caller's own, where cgroup v2 is mounted alone and lets it; nowhere otherwise.
A bar that is missed makes the exit status 1.
"""

import argparse
import ctypes
import functools
import json
import os
import pathlib
import pwd
import resource
import shutil
import subprocess
import sys
import tempfile

import measuring

HERE = pathlib.Path(__file__).resolve().parent
CGROUPS = pathlib.Path("/sys/fs/cgroup")
PR_SET_CHILD_SUBREAPER = 36
BARS = {"create, start, delete": {"crun": 0.6, "runc": 0.35}, "exec": {"crun": 0.6}, "run": {},
        "peak memory of run": {"crun": 1.0}, "peak memory of exec": {"crun": 1.0}}

CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
                "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT"]
MOUNTS = [
    ("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
    ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    ("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"]),
]
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def seccomp():
    """The rules of our default profile that hold for every container, in the form of config.json."""
    profile = json.loads((HERE / "../../profiles/seccomp/default.json").read_text(encoding="utf-8"))
    rules = [rule for rule in profile["syscalls"] if "caps" not in rule.get("includes", {})]
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile["defaultErrnoRet"],
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"] if os.uname().machine == "x86_64" else [],
            "syscalls": [{"names": rule["names"], "action": rule["action"], "args": [argument] if argument else [],
                          **({"errnoRet": rule["errnoRet"]} if "errnoRet" in rule else {})}
                         for rule in rules for argument in rule.get("args", [None])]}


def id_map(file, own):
    """Root inside is the caller; what follows is its range in `file`, if there is one."""
    lines = [{"containerID": 0, "hostID": own, "size": 1}]
    user = pwd.getpwuid(os.getuid()).pw_name
    for line in pathlib.Path(file).read_text(encoding="utf-8").splitlines():
        name, first, count = line.split(":")
        if name == user:
            return lines + [{"containerID": 1, "hostID": int(first), "size": int(count)}]
    return lines


def cgroup_parent():
    """The cgroup above our own as the mount shows it, where we may make others; None elsewhere."""
    for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        hierarchy, _, path = line.split(":", 2)
        parent = os.path.dirname(path)
        if hierarchy == "0" and (CGROUPS / "cgroup.controllers").exists() and os.access(f"{CGROUPS}{parent}", os.W_OK):
            return parent
    return None


def configuration(name, root, args):
    linux = {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
             "maskedPaths": MASKED, "readonlyPaths": READ_ONLY, "seccomp": seccomp(),
             "resources": {"devices": [{"allow": False, "access": "rwm"}]}}
    mounts = [{"destination": place, "type": kind, "source": source, "options": list(options)}
              for place, kind, source, options in MOUNTS]
    if os.geteuid() != 0:
        linux["namespaces"].append({"type": "user"})
        linux["uidMappings"] = id_map("/etc/subuid", os.getuid())
        linux["gidMappings"] = id_map("/etc/subgid", os.getgid())
    parent = cgroup_parent()
    if parent is not None:
        linux["cgroupsPath"] = os.path.join(parent, name)
    return {"ociVersion": "1.0.2", "hostname": "bench", "root": {"path": root, "readonly": True}, "mounts": mounts,
            "linux": linux,
            "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/",
                        "env": ["PATH=/bin", "TERM=xterm"], "noNewPrivileges": True,
                        "capabilities": {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")},
                        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]}}


class Runtime:
    """One of the three, with its containers' bundles and state below `home`."""

    def __init__(self, name, words, home):
        self.name, self.home = name, home
        self.words = [*words, "--root", f"{home}/state-{name}"]
        self.pid_file = f"{home}/pid-{name}"

    def bundle(self, kind, args):
        """A bundle of the shared root with a configuration of its own."""
        path = f"{self.home}/{kind}-{self.name}"
        os.mkdir(path)
        text = json.dumps(configuration(f"{kind}-{self.name}", self.home + "/rootfs", args))
        pathlib.Path(path + "/config.json").write_text(text, encoding="utf-8")
        return path

    def prepare(self):
        self.once = self.bundle("once", ["/bin/payload"])
        self.lasting = self.bundle("lasting", ["/bin/payload", "wait"])
        self.create(self.lasting, "lasting-" + self.name)

    def create(self, bundle, container):
        """Creates and starts it; the answer is its process, which is our child, as it is an engine's monitor's."""
        measuring.run([*self.words, "create", "--bundle", bundle, "--pid-file", self.pid_file, container])
        pid = int(pathlib.Path(self.pid_file).read_text(encoding="utf-8"))
        measuring.run([*self.words, "start", container])
        return pid

    def create_start_delete(self):
        container = "once-" + self.name
        status = os.waitstatus_to_exitcode(os.waitpid(self.create(self.once, container), 0)[1])
        if status != 0:
            raise RuntimeError(f"the container of {self.name} ended with {status}")
        measuring.run([*self.words, "delete", container])

    def run_words(self):
        return [*self.words, "run", "--bundle", self.once, "run-" + self.name]

    def exec_words(self):
        return [*self.words, "exec", "lasting-" + self.name, "/bin/payload"]

    def close(self):
        for kind in ("once-", "lasting-"):
            command = [*self.words, "delete", "--force", kind + self.name]
            subprocess.run(command, check=False, stderr=subprocess.DEVNULL)


def may_lock_memory():
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return True
    except ValueError:
        return False


class Workplace:
    def __init__(self, sandbox):
        # What engines take for the state is on tmpfs, too.
        self.home = tempfile.mkdtemp(prefix="sbx-bench-", dir=os.environ.get("XDG_RUNTIME_DIR", "/dev/shm"))
        os.chmod(self.home, 0o755)
        os.makedirs(self.home + "/rootfs/bin")
        for place in ("proc", "dev", "sys"):
            os.mkdir(f"{self.home}/rootfs/{place}")
        self.compile("payload", self.home + "/rootfs/bin/payload")
        self.peak = self.home + "/peak"
        self.compile("peak", self.peak)
        os.symlink(os.path.abspath(sandbox), self.home + "/sandbox-runtime")
        words = {"sandbox": [self.home + "/sandbox-runtime"], "crun": ["crun"], "runc": ["runc"]}
        if os.geteuid() == 0 and not may_lock_memory():
            print("crun makes no cgroup: its filter of devices needs more locked memory than root gets here")
            words["crun"].append("--cgroup-manager=disabled")
        self.runtimes = [Runtime(name, start, self.home) for name, start in words.items()]

    @staticmethod
    def compile(name, program):
        subprocess.run(["cc", "-static", "-O2", "-o", program, HERE / f"{name}.c"], check=True)

    def peak_of(self, command):
        """Bytes."""
        done = subprocess.run([self.peak, *command], check=True, stdout=subprocess.PIPE)
        return int(done.stdout) * 1024

    def close(self):
        for runtime in self.runtimes:
            runtime.close()
        shutil.rmtree(self.home)


def judge(work, values, scale, unit, report):
    """Prints what was measured by runtime, and the ratios with their bars."""
    print(f"{work:24}" + "".join(f"{name:>10} {value * scale:.1f} {unit}" for name, value in values.items()))
    for peer in ("crun", "runc"):
        ratio = values["sandbox"] / values[peer]
        if peer in BARS[work]:
            report.bar(f"{work} / {peer}", ratio, BARS[work][peer])
        else:
            print(f"      {work} / {peer}: {ratio:.2f}")


def bench_times(place, rounds, report):
    works = {"create, start, delete": lambda runtime: runtime.create_start_delete,
             "run": lambda runtime: functools.partial(measuring.run, runtime.run_words()),
             "exec": lambda runtime: functools.partial(measuring.run, runtime.exec_words())}
    for work, of_runtime in works.items():
        turns = {f"{work}: {runtime.name}": of_runtime(runtime) for runtime in place.runtimes}
        quartiles = measuring.take_turns(turns, rounds).values()
        judge(work, {runtime.name: each[1] for runtime, each in zip(place.runtimes, quartiles)}, 1000, "ms", report)


def bench_memory(place, report):
    for work, words in (("run", Runtime.run_words), ("exec", Runtime.exec_words)):
        peaks = {runtime.name: max(place.peak_of(words(runtime)) for _ in range(3)) for runtime in place.runtimes}
        judge(f"peak memory of {work}", peaks, 1 / (1 << 20), "MiB", report)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sandbox")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    report = measuring.Report()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    place = Workplace(options.sandbox)
    try:
        for runtime in place.runtimes:
            runtime.prepare()
        bench_times(place, options.rounds, report)
        bench_memory(place, report)
    finally:
        place.close()
    sys.exit(1 if report.missed else 0)


if __name__ == "__main__":
    main()
