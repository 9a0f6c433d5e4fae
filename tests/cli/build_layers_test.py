"""build: layers made of a step's own files, several layers as one, and cache mounts that begin with a stage's files."""

import glob
import os
import pathlib
import tarfile
import unittest

from build_case import BuildCase


class Layers(BuildCase):
    def unpacked(self, path):
        """The file at `path` in an unpacked layer."""
        [found] = glob.glob(f"{self.data}/layers/*/fs/{path}")
        return found

    def test_the_files_of_a_step_become_its_layer_as_they_are(self):
        """The same inodes: nothing is written once more."""
        self.build_ok("FROM busybox\n"
                      "RUN mkdir -p /d/deep && echo content >/d/deep/file && ln /d/deep/file /d/link && chmod 444 /d/deep/file"
                      " && echo '#!/bin/sh' >/d/run && chmod 4711 /d/run && ls -i /d/deep/file >/inode\n"
                      "RUN cmp /d/deep/file /d/link && rm /d/deep/file\n")
        inode = int(pathlib.Path(self.unpacked("inode")).read_text(encoding="utf-8").split()[0])
        [first] = [path for path in glob.glob(f"{self.data}/layers/*/fs/d/deep/file") if os.path.isfile(path)]
        self.assertEqual(os.stat(first).st_ino, inode)
        self.assertEqual([name for name in os.listxattr(first) if name.startswith("user.overlay")], [])
        layers = self.layers_of("made")
        self.assertEqual((layers["d/run"].mode, layers["d/link"].mode), (0o4711, 0o444))
        self.assertEqual(self.run_made("cat", "/d/link"), "content\n")
        self.ok("system", "fsck")

    def test_new_layers_become_one(self):
        dockerfile = ("FROM busybox AS base\nRUN mkdir -p /old/kept && echo 1 >/old/a && echo 2 >/old/kept/b\n"
                      "FROM base AS more\nRUN echo new >/new && rm -r /old/a && echo gone >/tmp.file\n"
                      "RUN rm /tmp.file && rm -r /old/kept && mkdir /old/kept && echo 3 >/old/kept/c\n"
                      "COPY --chown=7:8 --chmod=604 file /file\nLABEL a=b\n")
        self.put("file", "copied\n")
        self.build_ok(dockerfile)
        look = ("sh", "-c", "find /old /new /file /tmp.file 2>/dev/null | sort; cat /old/kept/c /new /file")
        wanted = self.run_made(*look)
        self.assertIn("/old/kept/c\n", wanted)
        below = len(self.inspect("busybox")["RootFS"]["Layers"])
        self.build_ok(dockerfile, "--squash")
        self.assertEqual(self.run_made(*look), wanted)
        self.assertEqual(len(self.inspect()["RootFS"]["Layers"]), below + 1)
        member = self.layers_of("made")["file"]
        self.assertEqual((member.uid, member.gid, member.mode), (7, 8, 0o604))
        self.assertNotIn("tmp.file", self.layers_of("made"))
        history = self.history()
        self.assertEqual(history[-1]["comment"], "merge of 4 layers")
        self.assertEqual(sum(not line.get("empty_layer", False) for line in history), below + 1)
        # What hides something of the base.
        self.build_ok(dockerfile, "--target", "base", "-t", "below")
        self.build_ok(dockerfile.replace("FROM busybox AS base\n", "FROM below AS base\n").replace(
            "RUN mkdir -p /old/kept && echo 1 >/old/a && echo 2 >/old/kept/b\n", ""), "--squash")
        self.assertEqual(self.run_made(*look), wanted)
        names = self.names_of_last_layer()
        self.assertIn("old/.wh.a", names)
        self.assertIn("old/kept/.wh.b", names)

    def names_of_last_layer(self):
        layer = self.blob(self.manifest("made")["digest"])["layers"][-1]
        with tarfile.open(f"{self.data}/images/blobs/sha256/{layer['digest'][7:]}") as archive:
            return archive.getnames()

    def test_a_cache_mount_begins_with_files_of_a_stage(self):
        dockerfile = ("FROM busybox AS seed\nRUN mkdir -p /seed/in && echo first >/seed/in/file && echo x >/other\n"
                      "FROM busybox\n"
                      "RUN --mount=type=cache,target=/cache,from=seed,source=/seed cat /cache/in/file >/found &&"
                      " ls /cache >>/found && echo more >>/cache/in/file\n")
        self.build_ok(dockerfile)
        self.assertEqual(self.run_made("cat", "/found"), "first\nin\n")
        self.build_ok(dockerfile, "--no-cache")
        self.assertEqual(self.run_made("cat", "/found"), "first\nmore\nin\n", "it begins so once")
        done = self.build("FROM busybox\nRUN --mount=type=cache,target=/c,source=/x true\n")
        self.assertIn("nothing that it is from", done.stderr)
        done = self.build("FROM busybox AS seed\nFROM busybox\n"
                          "RUN --mount=type=cache,target=/other,id=other,from=seed,source=/none true\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn('"/none": not found', done.stderr)


if __name__ == "__main__":
    unittest.main()
