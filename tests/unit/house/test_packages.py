"""What ./quickstart and ./check do about missing packages: apt-get through sudo, or a list for an administrator."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "support/packages.sh"


class Packages(unittest.TestCase):
    """On a machine whose whole PATH is made up; all packages are installed there but "absent-one" and "absent-two"."""

    def setUp(self):
        self.tools = pathlib.Path(tempfile.mkdtemp(prefix="sbx-packages-"))
        for name in ("bash", "sed", "env"):
            (self.tools / name).symlink_to(shutil.which(name))
        self.tool("dpkg-query", 'case "${@: -1}" in absent-*) exit 1 ;; *) echo "ii " ;; esac')
        self.list = self.tools / "list.txt"
        self.list.write_text("# a comment\nthere\n\nabsent-one  # and another\nabsent-two\n")

    def tearDown(self):
        shutil.rmtree(self.tools)

    def tool(self, name, script):
        path = self.tools / name
        path.write_text(f"#!{shutil.which('bash')}\n{script}\n")
        path.chmod(0o755)

    def install(self):
        command = f"set -euo pipefail; source {SCRIPT}; install_packages {self.list}"
        return subprocess.run([shutil.which("bash"), "-c", command], env={"PATH": str(self.tools)}, text=True,
                              capture_output=True, timeout=30, check=False)

    def test_nothing_is_done_when_all_are_there(self):
        self.list.write_text("there\nand-there\n")
        done = self.install()
        self.assertEqual((done.returncode, done.stdout), (0, "All 2 packages needed are installed.\n"), done.stderr)

    def test_without_sudo_the_administrators_command_is_printed(self):
        done = self.install()
        self.assertEqual(done.returncode, 1)
        self.assertIn("To be installed with apt-get: absent-one absent-two\n", done.stdout)
        self.assertIn("no sudo", done.stderr)
        self.assertIn("apt-get install --no-install-recommends absent-one absent-two\n", done.stderr)

    def test_sudo_runs_apt_get_and_nothing_else(self):
        calls = self.tools / "calls"
        self.tool("sudo", f'echo "sudo $*" >>{calls}; exec "$@"')
        self.tool("apt-get", f'echo "apt-get $*" >>{calls}')
        done = self.install()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line for line in calls.read_text().splitlines() if line.startswith("apt-get")],
                         ["apt-get update -q", "apt-get install -q -y --no-install-recommends absent-one absent-two"])
        for line in calls.read_text().splitlines():
            self.assertRegex(line, r"^(sudo env DEBIAN_FRONTEND=noninteractive )?apt-get (update|install) ")

    def test_a_failing_apt_get_is_reported_with_the_command_to_run(self):
        self.tool("sudo", 'exec "$@"')
        self.tool("apt-get", "exit 100")
        done = self.install()
        self.assertEqual(done.returncode, 1)
        self.assertIn("Installing failed. An administrator can run:\n"
                      "  apt-get install --no-install-recommends absent-one absent-two\n", done.stderr)

    def test_another_system_is_told_what_it_needs(self):
        (self.tools / "dpkg-query").unlink()
        done = self.install()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("  there\n  absent-one\n  absent-two\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
