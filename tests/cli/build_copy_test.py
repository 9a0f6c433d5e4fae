"""build: contexts, what COPY and ADD take from them, and where they put it."""

import io
import os
import pathlib
import socket
import subprocess
import tarfile
import unittest

from build_case import BuildCase
from image_archive import directory, entry, tar
from sandbox_case import SANDBOX


class Copies(BuildCase):
    def test_a_context_may_hold_anything(self):
        self.put("empty", "")
        self.put("deep/" * 60 + "file", "x")
        self.put("name\nwith\tcontrols\x1b[31m", "x")
        with open(os.fsencode(self.context) + b"/not-utf8-\xff", "wb"):
            pass
        told = self.build_ok("FROM scratch\nCOPY . /\n")
        self.assertNotIn("\x1b[31m", told)
        self.assertEqual(self.layers_of("made")["empty"].size, 0)
        self.put("Dockerfile", "")
        self.assertIn("file with no instructions", self.sandbox("build", self.context).stderr)
        os.remove(self.context + "/Dockerfile")
        os.mkfifo(self.context + "/Dockerfile")
        self.assertEqual(self.sandbox("build", self.context, timeout=20).returncode, 1)

    def test_hostile_contexts(self):
        self.write(sub__real="inside")
        place = pathlib.Path(self.context)
        (place / "absolute").symlink_to("/etc/passwd")
        (place / "climbing").symlink_to("../../../../../../etc/passwd")
        (place / "good").symlink_to("sub/real")
        (place / "sub/dangling").symlink_to("/etc/passwd")
        os.mkfifo(place / "sub/fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place / "sub/socket"))
            for name in ("absolute", "climbing", "../../../etc/passwd", "/etc/passwd", "none*"):
                failed = self.build(f"FROM scratch\nCOPY {name} /x\n")
                self.assertEqual(failed.returncode, 1, name)
                self.assertIn("not found", failed.stderr)
            told = self.build_ok("FROM scratch\nCOPY sub good /to/\n")
        self.assertIn("socket' has no form in an image", told)
        found = self.layers_of("made")
        self.assertEqual(found["to/dangling"].linkname, "/etc/passwd")
        self.assertTrue(found["to/fifo"].isfifo())
        self.assertTrue(found["to/good"].isfile())
        self.assertNotIn("to/socket", found)

    def test_a_destination_is_resolved_inside_the_image(self):
        self.write(x="1")
        self.build_ok("FROM busybox AS b\n"
                      "RUN ln -s /real /link && ln -s ../../../../real /up && mkdir /real && ln -s /etc/passwd /file\n"
                      "FROM b\nCOPY x /link/\nCOPY x /up/y\nCOPY x /file\nCOPY x /link/new/deep/\n")
        look = "cd /real; ls; cat x y /file new/deep/x; test -L /file || echo replaced"
        self.assertEqual(self.run_made("sh", "-c", look), "new\nx\ny\n1111replaced\n")
        self.assertIn("cannot copy to non-directory", self.build("FROM busybox\nCOPY x /etc/passwd/\n").stderr)

    def test_what_a_copy_selects(self):
        self.write(a__one="1", a__two_md="2", a__deep__three="3", b__one="4", skip__x="5", skip__keep="6")
        self.put(".dockerignore", "skip\n!skip/keep\n**/.hidden\n")
        self.put("a/.hidden", "7")
        for words, expected in {". /": "Dockerfile a a/deep a/deep/three a/one a/two_md b b/one skip skip/keep "
                                       ".dockerignore",
                                "a /d": "d d/deep d/deep/three d/one d/two_md",
                                "a/* /d/": "d d/one d/three d/two_md",
                                "*/one /": "one",
                                "--exclude=*_md a /": "deep deep/three one",
                                "--parents */one /": "a a/one b b/one",
                                "--parents a/./deep/three /d/": "d d/deep d/deep/three",
                                '["a/one", "b/one", "/x/"]': "x x/one"}.items():
            with self.subTest(words=words):
                self.build_ok(f"FROM scratch\nCOPY {words}\n")
                self.assertEqual(sorted(self.layers_of("made")), sorted(expected.split()))
        self.assertIn("destination must be a directory", self.build("FROM scratch\nCOPY */one /x\n").stderr)

    def test_archives_are_unpacked_by_add(self):
        members = tar([directory("d"), entry("d/x", "1", uid=7, gid=8, mode=0o640)])
        for form in ("", "gz", "xz", "bz2"):
            with self.subTest(form=form):
                packed = io.BytesIO()
                with tarfile.open(fileobj=packed, mode="w:" + form) as archive:
                    plain = tarfile.open(fileobj=io.BytesIO(members))
                    for item in plain:
                        archive.addfile(item, plain.extractfile(item) if item.isfile() else None)
                pathlib.Path(self.context, "archive").write_bytes(packed.getvalue())
                self.build_ok("FROM scratch\nADD archive /to/\n")
                found = self.layers_of("made")
                self.assertEqual((found["to/d/x"].uid, found["to/d/x"].gid, found["to/d/x"].mode), (7, 8, 0o640))
        self.build_ok("FROM scratch\nADD --unpack=false archive /to/\nCOPY archive /\n")
        self.assertEqual(sorted(self.layers_of("made")), ["archive", "to", "to/archive"])
        pathlib.Path(self.context, "archive").write_bytes(b"\x1f\x8b no archive")
        self.build_ok("FROM scratch\nADD archive /\n")
        self.assertEqual(sorted(self.layers_of("made")), ["archive"])

    def test_dockerfiles_and_contexts_from_standard_input(self):
        self.ok("build", "-t", "made", "-", stdin="FROM busybox\nRUN echo in > /x\n")
        self.assertEqual(self.run_made("cat", "/x"), "in\n")
        self.put("x", "context")
        self.ok("build", "-t", "made", "-f", "-", self.context, stdin="FROM busybox\nCOPY x /x\n")
        self.assertEqual(self.run_made("cat", "/x"), "context")
        archive = tar([entry("Dockerfile", "FROM busybox\nCOPY y /x\n"), entry("y", "archive")])
        done = subprocess.run([SANDBOX, "build", "-q", "-t", "made", "-"], input=archive, env=self.env, check=True,
                              capture_output=True, timeout=60)
        self.assertRegex(done.stdout.decode(), r"^sha256:[0-9a-f]{64}\n$")
        self.assertEqual(self.run_made("cat", "/x"), "archive")
        self.put("other/File", "FROM busybox\nRUN echo other > /x\n")
        self.ok("image", "build", "--iidfile", self.home + "/id", "-t", "made", "-t", "also",
                "-f", self.context + "/other/File", self.context)
        self.assertEqual(pathlib.Path(self.home, "id").read_text(encoding="ascii"), self.inspect("also")["Id"])
        for words, message in ((("/none",), "not found"), ((self.context,), "failed to read dockerfile")):
            failed = self.sandbox("build", *words)
            self.assertEqual(failed.returncode, 1)
            self.assertIn(message, failed.stderr)


if __name__ == "__main__":
    unittest.main()
