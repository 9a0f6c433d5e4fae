"""A container that boots a whole system, of this machine's own files; as an ordinary user of the test machine (see
run.sh)."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from bed import CGROUPS, SANDBOX, eventually


def make_root(root):
    """What an ordinary user can make a system of: /usr is mounted later, /var is made at boot (tmpfiles.d(5)), and of
    /etc what may be read. What this machine has switched on besides (systemctl enable) is left out."""
    for name in ("bin", "sbin", "lib", "lib64"):
        os.symlink("usr/" + name, root / name)
    for name in ("dev", "proc", "sys", "run", "tmp", "var", "usr", "root"):
        os.mkdir(root / name)

    def left_out(directory, names):
        if directory == "/etc/systemd/system":
            return names
        return [name for name in names if not os.access(os.path.join(directory, name), os.R_OK)]

    shutil.copytree("/etc", root / "etc", symlinks=True, ignore=left_out)
    (root / "etc/machine-id").write_text("")


class System(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="system-", dir=os.environ["HOME"])
        self.env = dict(os.environ, SANDBOX_STORE_DIR=self.home + "/data", SANDBOX_RUNTIME_DIR=self.home + "/run")
        os.mkdir(self.home + "/run", 0o700)
        self.root = pathlib.Path(self.home, "root")
        self.root.mkdir(0o755)
        make_root(self.root)

    def tearDown(self):
        self.sandbox("rm", "-f", "box")
        self.assertTrue(eventually(lambda: not list(CGROUPS.rglob("sandbox-" + "[0-9a-f]" * 64))))
        shutil.rmtree(self.home)

    def sandbox(self, *words):
        return subprocess.run([SANDBOX, *words], env=self.env, stdin=subprocess.DEVNULL, text=True, capture_output=True,
                              timeout=240, check=False)

    def ok(self, *words):
        done = self.sandbox(*words)
        self.assertEqual(done.returncode, 0, (words, done.stdout, done.stderr))
        return done.stdout

    def inside(self, *words):
        return self.sandbox("exec", "box", *words).stdout.strip()

    def test_systemd_boots_to_running_and_halts_when_it_is_stopped(self):
        self.ok("run", "-d", "--name", "box", "--network", "none", "--systemd", "always", "--rootfs", f"{self.root}:O",
                "-v", "/usr:/usr:ro", "/sbin/init")
        settled = ("running", "degraded", "maintenance")
        self.assertTrue(eventually(lambda: self.inside("systemctl", "is-system-running") in settled, 180),
                        self.sandbox("logs", "box").stdout)
        trouble = self.inside("systemctl", "--failed", "--no-legend", "--plain") + self.inside("journalctl", "-b", "-p", "err")
        self.assertEqual(self.inside("systemctl", "is-system-running"), "running", trouble)
        identifier = self.ok("inspect", "-f", "{{.Id}}", "box").strip()
        self.assertEqual(self.inside("cat", "/proc/1/cgroup"), "0::/init.scope")
        self.assertEqual(self.inside("stat", "-f", "-c", "%T", "/run", "/tmp").split(), ["tmpfs", "tmpfs"])
        uuid = self.inside("sh", "-c", "tr '\\0' '\\n' </proc/1/environ | grep uuid | tr -d -")
        self.assertEqual(uuid, f"container_uuid={identifier[:32]}")
        self.inside("logger", "said from inside")
        self.assertTrue(eventually(lambda: "said from inside" in self.inside("journalctl", "-b", "-o", "cat")))
        self.assertEqual(self.inside("systemd-run", "--wait", "--pipe", "-q", "echo", "a unit"), "a unit")
        self.ok("stop", "-t", "60", "box")
        self.assertEqual(self.ok("inspect", "-f", "{{.State.ExitCode}}", "box"), "0\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
