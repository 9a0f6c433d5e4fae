"""The overlay by itself, in a namespace where an ordinary user may mount: as a command, as mount(8) and podman call it."""

import os
import subprocess
import unittest

from sandbox_case import SANDBOX, SandboxCase

UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


class Overlay(SandboxCase):
    def setUp(self):
        super().setUp()
        self.program = self.home + "/sandbox-overlay"
        os.symlink(SANDBOX, self.program)
        for name in ("low", "base", "upper", "work", "merged"):
            os.mkdir(f"{self.home}/{name}")
        self.write("low/both", "low\n")
        self.write("base/both", "base\n")
        self.write("base/only", "base\n")

    def write(self, name, text):
        with open(f"{self.home}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def shell(self, script):
        """Runs it with the program's two names in $1 and $2, where it may mount."""
        return subprocess.run([*UNSHARE, "sh", "-c", script, "sh", SANDBOX, self.program], cwd=self.home, env=self.env,
                              text=True, capture_output=True, timeout=60, check=False)

    def prints(self, script, expected):
        done = self.shell("set -e\n" + script)
        self.assertEqual((done.returncode, done.stdout), (0, expected), done.stderr)

    def refused(self, script, *words):
        done = self.shell(script)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_directories_are_merged_changed_and_unmounted(self):
        self.prints("""$1 overlay merged -o lowerdir=low:base -o upperdir=upper,workdir=work
                       cat merged/both merged/only; echo new >merged/only; rm merged/both; ls merged
                       umount merged; ls merged; cat upper/only base/only""", "low\nbase\nonly\nnew\nbase\n")

    def test_whiteouts_of_engines_hide_what_is_below(self):
        self.prints("""mkdir -p base/d/sub low/d base/kept low/kept; echo >base/d/old; echo >base/kept/old; echo >base/gone
                       echo >low/d/new; touch low/d/.wh..wh..opq low/.wh.gone low/kept/.wh.old low/.wh.both
                       $2 merged -o lowerdir=low:base,upperdir=upper,workdir=work
                       (cd merged; find . | sort; cat both gone .wh.gone d/old kept/old 2>/dev/null || echo again >gone; cat gone)
                       umount merged; $1 overlay merged -o lowerdir=low:base; ls -a merged/kept merged/d; umount merged""",
                    ".\n./both\n./d\n./d/new\n./kept\n./only\nlow\nagain\n"
                    "merged/d:\n.\n..\n.wh..wh..opq\nnew\nold\nsub\n\nmerged/kept:\n.\n..\n.wh.old\nold\n")

    def test_whiteouts_of_engines_hide_whole_layers_and_can_not_be_made(self):
        self.write("low/.wh..wh..opq", "")
        self.prints("""$2 merged -o lowerdir=low:base,upperdir=upper,workdir=work; ls -A merged; cat merged/both
                       for make in 'touch merged/.wh.x' 'mkdir merged/.wh.x' 'ln -s a merged/.wh.x' 'ln merged/both merged/.wh.x' \\
                         'python3 -c __import__("os").rename("merged/both","merged/.wh.x")'; do $make 2>&1 | grep -c 'Invalid argument'; done
                       umount merged; ls -A upper""", "both\nlow\n1\n1\n1\n1\n1\n")

    def test_what_was_written_is_there_in_the_next_mount(self):
        options = "lowerdir=base,upperdir=upper,workdir=work"
        self.prints(f"$1 overlay merged -o {options}; mkdir merged/d; mv merged/only merged/d/moved", "")
        self.prints(f"$1 overlay merged -o {options}; find merged | sort",
                    "merged\nmerged/both\nmerged/d\nmerged/d/moved\n")

    def test_a_server_ends_with_its_mount_whatever_other_mounts_there_are(self):
        self.prints("""serving() { grep -lx sbx:overlay /proc/[0-9]*/comm 2>/dev/null | while read f; do
                         [ "$(readlink ${f%comm}ns/user)" = "$(readlink /proc/self/ns/user)" ] && echo; done | wc -l; }
                       $1 overlay merged -o lowerdir=low
                       mkdir 'a b'; $1 overlay 'a b' -o lowerdir=merged:base
                       serving; cat 'a b/both'; umount -l merged; cat 'a b/both'; umount 'a b'
                       for i in $(seq 100); do [ $(serving) = 0 ] && break; sleep 0.1; done; serving""", "2\nlow\nlow\n0\n")

    def test_without_an_upper_directory_nothing_is_written(self):
        self.prints("$1 overlay merged -o lowerdir=low:base; cat merged/only; ! touch merged/x 2>/dev/null", "base\n")

    def test_under_its_own_name_it_takes_a_source_as_mount_gives_it(self):
        self.prints("$2 none merged -o rw,nosuid,lowerdir=low:base; cat merged/both; grep -c ' merged\\|/merged ' /proc/mounts",
                    "low\n1\n")

    def test_under_its_own_name_it_is_called_as_podman_calls_it(self):
        # Podman reads standard error to its end, and the server outlives that.
        self.prints("$2 -o lowerdir=low:base,upperdir=upper,workdir=work,volatile merged 2>&1 | cat; cat merged/both",
                    "low\n")

    def test_mount_options_hold(self):
        self.prints("""$1 overlay merged -o lowerdir=low,upperdir=upper,workdir=work,noexec
                       cp /bin/true merged/true; chmod +x merged/true; ! merged/true 2>/dev/null
                       grep -o 'noexec' /proc/mounts | tail -n 1""", "noexec\n")

    def test_names_with_separators_are_written_with_backslashes(self):
        for name in ("a:b", "c,d", "e\\f"):
            os.mkdir(f"{self.home}/{name}")
            self.write(f"{name}/file-{name}", "")
        self.prints("$1 overlay merged -o 'lowerdir=a\\:b:c\\,d:e\\\\f'; ls -1 merged",
                    "file-a:b\nfile-c,d\nfile-e\\f\n")

    def test_a_mount_point_may_be_a_symbolic_link(self):
        os.symlink("merged", self.home + "/link")
        self.prints("$1 overlay link -o lowerdir=low; cat merged/both", "low\n")

    def test_what_it_cannot_do_it_says(self):
        self.refused("$1 overlay merged -o lowerdir=low,metacopy=on", "unknown mount option: 'metacopy=on'")
        self.refused("$1 overlay merged", "mount option lowerdir is missing")
        self.refused("$1 overlay merged -o lowerdir=nowhere", "opening layer 'nowhere'", "No such file or directory")
        self.refused("$1 overlay nowhere -o lowerdir=low", "mounting at 'nowhere'", "No such file or directory")
        self.refused("$1 overlay low/both -o lowerdir=low", "mounting at 'low/both'", "Invalid argument")

    def test_who_may_not_mount_is_told_where_to(self):
        done = self.sandbox("overlay", self.home + "/merged", "-o", f"lowerdir={self.home}/low")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Operation not permitted\nhint: this shell may not mount; one that may: unshare", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
