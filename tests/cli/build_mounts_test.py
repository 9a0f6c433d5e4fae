"""build: what RUN --mount shows a step, and what it can't."""

import os
import pathlib
import subprocess
import sys
import unittest

from build_case import BuildCase
from sandbox_case import has_range


# Makes the first name a directory and a link to the second's target by turns (renameat2(2), RENAME_EXCHANGE).
SWAP = """
import ctypes, sys
libc = ctypes.CDLL(None)
a, b = (name.encode() for name in sys.argv[1:])
while True:
    libc.renameat2(-100, a, -100, b, 2)
"""


class Mounts(BuildCase):
    def test_mounts_of_a_step(self):
        self.write(in__file="context")
        dockerfile = ("FROM busybox AS one\nRUN mkdir /d && echo 1 > /d/1\nRUN echo 2 > /d/2\n"
                      "FROM busybox\nWORKDIR /w\n"
                      "RUN --mount=type=cache,target=/c --mount=target=ctx,source=in --mount=type=tmpfs,target=/t \\\n"
                      "  --mount=from=one,source=/d/2,target=/two --mount=type=secret,id=key \\\n"
                      "  --mount=type=secret,id=key,env=KEY \\\n"
                      "  echo x >> /c/log; cat ctx/file /two /run/secrets/key > /t/k; echo $KEY >> /t/k; \\\n"
                      "  wc -c < /t/k; cat /c/log; touch /w/ctx/no 2>/dev/null && echo writable; true\n")
        self.put("secret.txt", "abracadabra")
        secret = ("--secret", f"id=key,src={self.context}/secret.txt")
        self.put(".dockerignore", "secret.txt")
        told = self.build_ok(dockerfile, *secret)
        self.assertIn(" 32\n", told)
        self.assertNotRegex(told, r"#\d+ [\d.]+ writable")
        self.assertNotIn("abracadabra", told)
        made_for_mounts = ("c", "t", "two", "w/ctx", "run/secrets", "run/secrets/key")
        left = [name for name in self.layers_of("made") if name in made_for_mounts]
        self.assertEqual(left, [], "what was made for mounts alone")
        again = self.build_ok(dockerfile.replace("true", "exit 0"), *secret)
        self.assertEqual(again.count(" x\n"), 2, "the cache has lasted")
        for place, _, files in os.walk(self.data):
            for name in files:
                path = pathlib.Path(place, name)
                if os.access(path, os.R_OK) and path.stat(follow_symlinks=False).st_size < 1 << 20:
                    self.assertNotIn(b"abracadabra", path.read_bytes(), path)
        missing = self.build(dockerfile.replace("id=key ", "id=key,required "), "--no-cache")
        self.assertIn("secret key: not found", missing.stderr)

    def test_a_secret_has_its_owner_and_mode_and_lies_in_what_the_step_mounts(self):
        self.put("secret.txt", "abracadabra")
        secret = ("--secret", f"id=key,src={self.context}/secret.txt")
        plain = self.build_ok("FROM busybox\nRUN --mount=type=secret,id=key --mount=type=tmpfs,target=/run \\\n"
                              "  stat -c 'it is %u:%g %a' /run/secrets/key; cat /run/secrets/key | wc -c\n", *secret)
        self.assertIn("it is 0:0 400\n", plain)
        self.assertIn(" 11\n", plain)
        given = self.build("FROM busybox\nRUN --mount=type=secret,id=key,target=/own,uid=3,gid=4,mode=0440 "
                           "stat -c 'it is %u:%g %a' /own\n", *secret)
        if has_range():
            self.assertIn("it is 3:4 440\n", given.stderr)
        else:
            self.assertIn("secret key can't be of user 3:4, which has no id here", given.stderr)

    def test_a_mounted_context_is_without_what_is_ignored(self):
        self.write(in__file="context", in__key="abracadabra", top="x")
        self.put(".dockerignore", "in/key\ntop\n")
        look = "cd {} && find . -type f ! -name Dockerfile ! -name .dockerignore | sort"
        for mount, place in (("target=/ctx", "/ctx"), ("target=/ctx,source=in", "/ctx")):
            told = self.build_ok(f"FROM busybox\nRUN --mount={mount} {look.format(place)}; echo read $(cat /ctx/file /ctx/in/file 2>/dev/null)\n")
            self.assertNotIn("/key\n", told)
            self.assertIn("read context\n", told)
            self.assertNotIn("/top\n", told)
        refused = self.build("FROM busybox\nRUN --mount=target=/k,source=in/key cat /k\n")
        self.assertIn(".dockerignore leaves it out", refused.stderr)
        self.assertNotIn("abracadabra", refused.stderr)

    def test_a_mounts_source_is_a_name_and_no_pattern(self):
        self.write(a="wrong")
        self.put("[ab]/file", "right")
        self.put("*/file", "star")
        for ignore in (None, "nothing\n"):
            if ignore:
                self.put(".dockerignore", ignore)
            told = self.build_ok("FROM busybox\nRUN --mount=target=/m,source=[ab] --mount=target=/n,source=* cat /m/file /n/file; "
                                 "echo; ls /n\n", "--no-cache")
            self.assertIn("rightstar\n", told)

    def test_a_mounts_source_that_becomes_a_link_shows_nothing_else(self):
        secret = pathlib.Path(self.home, "secret")
        secret.mkdir()
        (secret / "file").write_text("abracadabra")
        self.put("d/file", "plain")
        place = pathlib.Path(self.context)
        (place / "link").symlink_to(secret)
        self.put("Dockerfile", "FROM busybox\nRUN --mount=target=/m,source=d cat /m/file\n")
        swapper = subprocess.Popen([sys.executable, "-c", SWAP, str(place / "d"), str(place / "link")])
        self.clients.append(swapper)
        for _ in range(12):
            told = self.sandbox("build", "--no-cache", self.context)
            self.assertNotIn("abracadabra", told.stdout + told.stderr)
        self.assertIsNone(swapper.poll())

    def test_a_mounts_target_stays_in_the_container(self):
        store = pathlib.Path(self.home, "canary")
        store.write_text("alive")
        for target in ("/proc", "/proc/self", "/", "/x/../proc", "/sys", "/dev"):
            refused = self.build(f"FROM busybox\nRUN --mount=type=tmpfs,target={target} true\n")
            self.assertIn("invalid mount target", refused.stderr, target)
        self.build_ok(f"FROM busybox\nRUN ln -s /proc/self /p; ln -s ../../../../..{self.home} /s; ln -s /etc /e\n")
        self.ok("tag", "made", "links")
        self.build(f"FROM links\nRUN --mount=type=cache,target=/s/mount --mount=type=tmpfs,target=/e/t true\n")
        refused = self.build("FROM links\nRUN --mount=type=tmpfs,target=/p/attr true\n")
        self.assertEqual(refused.returncode, 1)
        self.assertEqual(store.read_text(), "alive")
        self.assertFalse(os.path.exists(self.home + "/mount"))

    def test_merged_layers_of_a_stage_are_mounted(self):
        done = self.build("FROM busybox AS one\nRUN mkdir /d && echo 1 > /d/1\nRUN echo 2 > /d/2\nFROM busybox\n"
                          "RUN --mount=from=one,source=/d,target=/m cat /m/1 /m/2; ls /m | wc -l\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"(?s) 1\n.* 2\n.* 2\n")


if __name__ == "__main__":
    unittest.main()
