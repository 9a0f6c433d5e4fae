"""The store's directory is somewhere that other things are, or that others may write to: nothing of theirs is lost."""

import os
import pathlib
import shutil
import subprocess
import unittest

from image_archive import docker_archive, tools
from sandbox_case import SANDBOX, SandboxCase


class StrangersInTheStore(SandboxCase):
    def setUp(self):
        super().setUp()
        self.archive = self.home + "/box.tar"
        docker_archive(self.archive, "box:latest", tools(), Cmd=["/bin/id"])

    def put(self, *names):
        path = pathlib.Path(self.data, *names)
        path.mkdir(parents=True)
        (path / "data.csv").write_text("years of work", encoding="utf-8")
        return path / "data.csv"

    def test_load_leaves_a_directory_tmp_that_was_there(self):
        file = self.put("tmp", "results")
        self.sandbox("load", "-i", self.archive)
        self.assertTrue(file.exists(), "SANDBOX_STORE_DIR=/scratch/$USER: /scratch/$USER/tmp was emptied")
        os.rename(file.parent.parent, self.home + "/kept")

    def test_rmi_leaves_a_directory_layers_that_was_there(self):
        file = self.put("layers", "drawing")
        self.sandbox("load", "-i", self.archive)
        self.sandbox("rmi", "box")
        self.assertTrue(file.exists(), "'layers' of another program was emptied")
        os.rename(file.parent.parent, self.home + "/kept")

    def test_a_link_in_the_place_of_tmp_is_not_followed(self):
        home = pathlib.Path(self.home, "documents", "thesis")
        home.mkdir(parents=True)
        os.mkdir(self.data, 0o700)
        os.symlink(home.parent, self.data + "/tmp")
        self.sandbox("load", "-i", self.archive)
        self.assertTrue(home.exists(), "removed through a symbolic link in the store")
        os.unlink(self.data + "/tmp")

    def test_a_store_that_others_may_write_to_is_refused(self):
        os.mkdir(self.data, 0o700)
        os.chmod(self.data, 0o777)
        done = self.sandbox("run", "--rm", "busybox", "true")
        os.chmod(self.data, 0o700)
        self.assertNotEqual(done.returncode, 0)

    def test_a_shipped_store_that_others_may_write_to_is_not_searched(self):
        program = pathlib.Path(self.home, "bin", "sandbox")
        shipped = pathlib.Path(self.home, "share", "sandbox", "store")
        program.parent.mkdir()
        shutil.copy2(SANDBOX, program)
        shutil.copytree(pathlib.Path(SANDBOX).parent.parent / "share/sandbox/store", shipped, symlinks=True)
        words = [program, "inspect", "busybox"]
        self.assertEqual(subprocess.run(words, env=self.env, capture_output=True).returncode, 0)
        shipped.chmod(0o777)
        self.assertNotEqual(subprocess.run(words, env=self.env, capture_output=True).returncode, 0)


class ControlCharacters(SandboxCase):
    def test_ps_and_inspect_print_no_controls_of_an_image(self):
        archive = self.home + "/box.tar"
        docker_archive(archive, "box:latest", tools(), Entrypoint=["/bin/\u009b31mred\x7f\u202etxt"],
                       Labels={"k\u009b2J": "v\u009b2J"})
        self.ok("load", "-i", archive)
        self.ok("create", "--name", "box", "box")
        for words in (("ps", "-a", "--no-trunc"), ("inspect", "box")):
            shown = self.ok(*words)
            for character in ("\u009b", "\x7f", "\u202e"):
                self.assertNotIn(character, shown, words)


if __name__ == "__main__":
    unittest.main(verbosity=2)
