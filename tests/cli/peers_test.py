"""Images go from us to podman, buildah, umoci and the image specification's own tool, and come back as they were."""

import json
import os
import subprocess
import unittest

import podman_test
from circle_test import CircleCase, packed
from image_archive import entry, tools
from sandbox_case import has_range

NAME = "localhost/image:1"


class Peers(CircleCase):
    def setUp(self):
        super().setUp()
        self.peer = dict(os.environ, HOME=self.home + "/peer", XDG_RUNTIME_DIR=self.runtime, TMPDIR=self.home,
                         STORAGE_DRIVER="vfs")
        os.mkdir(self.home + "/peer")
        self.digest = self.make(packed(tools("stat")), packed([entry("word", "here")]))
        self.ok("pull", f"oci:{self.layout}:image")
        self.ok("tag", "image", NAME)
        self.id = self.id_of(NAME)

    def tearDown(self):
        if has_range():  # some of theirs is closed to us
            self.run_ok("buildah", "unshare", "rm", "-rf", self.home + "/peer/.local")
        podman_test.Podman.stop_pause_process(self)
        super().tearDown()

    def id_of(self, name):
        return json.loads(self.ok("inspect", name))[0]["Id"]

    def run_ok(self, *words):
        done = subprocess.run(words, env=self.peer, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False, cwd=self.home)
        self.assertEqual(done.returncode, 0, (words, done.stdout, done.stderr))
        return done.stdout.strip()

    def comes_back(self, *words, name=NAME):
        """Loaded or pulled by these words, it has the same id, which is the digest of its config, and runs."""
        self.ok("image", "prune", "-af")
        self.ok(*words)
        self.assertEqual(self.id_of(name), self.id, words)
        self.assertEqual(self.ok("run", "--rm", name, "cat", "/word"), "here")

    @unittest.skipUnless(has_range(), "podman needs subordinate ids")
    def test_podman(self):
        podman = ("podman", "--events-backend", "none", "--cgroup-manager", "cgroupfs")
        self.ok("tag", NAME, self.server + "/x:1")
        self.ok("push", "-q", self.server + "/x:1")
        self.ok("save", "-o", self.home + "/ours.tar", NAME)
        self.run_ok(*podman, "load", "-q", "-i", self.home + "/ours.tar")
        self.assertEqual("sha256:" + self.run_ok(*podman, "image", "inspect", "-f", "{{.Id}}", NAME), self.id)
        for kind in ("oci-archive", "docker-archive"):
            file = f"{self.home}/{kind}.tar"
            self.run_ok(*podman, "save", "-q", "--format", kind, "-o", file, NAME)
            if kind == "oci-archive":  # the other has a config of Docker's type, and with it the same id
                self.comes_back("load", "-i", file)
            else:
                self.ok("load", "-i", file)
        self.run_ok(*podman, "pull", "-q", "--tls-verify=false", self.server + "/x:1")
        self.assertEqual(self.in_registry(self.server + "/x:1"), self.digest)
        self.assertIn(f"{self.server}/x@{self.digest}",
                      self.run_ok(*podman, "image", "inspect", "-f", "{{.RepoDigests}}", self.server + "/x:1"))
        self.run_ok(*podman, "push", "-q", "--tls-verify=false", self.server + "/x:1", self.server + "/y:1")
        self.comes_back("pull", self.server + "/y:1", name=self.server + "/y:1")

    @unittest.skipUnless(has_range(), "buildah needs subordinate ids")
    def test_buildah(self):
        self.ok("save", "-o", self.home + "/ours.tar", NAME)
        found = self.run_ok("buildah", "pull", "-q", f"oci-archive:{self.home}/ours.tar")
        self.assertEqual("sha256:" + found, self.id)
        self.run_ok("buildah", "push", "-q", found, f"oci:{self.home}/theirs:{NAME}")
        self.comes_back("pull", f"oci:{self.home}/theirs")

    def test_umoci(self):
        ours, bundle = self.home + "/ours", self.home + "/bundle"
        self.ok("push", NAME, f"oci:{ours}:first")
        self.run_ok("umoci", "unpack", "--rootless", "--image", ours + ":first", bundle)
        with open(bundle + "/rootfs/word", "a", encoding="ascii") as file:
            file.write(" and there")
        self.run_ok("umoci", "repack", "--image", ours + ":second", bundle)
        self.comes_back("pull", f"oci:{ours}:first", name="first")
        self.ok("pull", f"oci:{ours}:second")
        self.assertEqual(self.ok("run", "--rm", "second", "cat", "/word"), "here and there")

    def test_the_image_specification_s_tool(self):
        ours, unpacked = self.home + "/ours", self.home + "/unpacked"
        self.ok("push", NAME, f"oci:{ours}:first")
        self.run_ok("oci-image-tool", "validate", "--type", "image", "--ref", "name=first", ours)
        os.mkdir(unpacked)
        self.run_ok("oci-image-tool", "unpack", "--ref", "name=first", ours, unpacked)
        with open(unpacked + "/word", encoding="ascii") as file:
            self.assertEqual(file.read(), "here")


if __name__ == "__main__":
    unittest.main(verbosity=2)
