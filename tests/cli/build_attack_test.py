"""build: contexts, stages and steps that mean harm, secrets that must not stay, and builds that are killed."""

import base64
import contextlib
import gzip
import hashlib
import json
import os
import pathlib
import resource
import secrets
import signal
import stat
import subprocess
import unittest

from build_case import BuildCase
from image_archive import entry, link, tar
from sandbox_case import SANDBOX, eventually

CANARY = "abracadabra"
LEAST = "FROM busybox\nCOPY . /all\n"


class Links(BuildCase):
    """Nothing of the host is read or written through links that a stranger has made."""

    def setUp(self):
        super().setUp()
        self.outside = pathlib.Path(self.home, "outside")
        self.outside.mkdir()
        (self.outside / "file").write_text(CANARY)

    def tearDown(self):
        self.assertEqual([path.name for path in self.outside.iterdir()], ["file"])
        self.assertEqual((self.outside / "file").read_text(), CANARY)
        super().tearDown()

    def ways_out(self, name="file"):
        """Targets of links that lead to what is outside, if anything does."""
        return f"{self.outside}/{name}", f"{'../' * 40}{self.outside}/{name}", f"/proc/self/root{self.outside}/{name}"

    def build_archive(self, *entries):
        done = subprocess.run([SANDBOX, "build", "-t", "made", "-"], input=tar(entries), env=self.env, timeout=60,
                              capture_output=True, check=False)
        self.assertNotIn(CANARY.encode(), done.stdout + done.stderr)
        return done

    def test_of_an_archive(self):
        for target, rules in zip(self.ways_out(), self.ways_out("rules")):
            done = self.build_archive(link("Dockerfile", target))
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"Dockerfile", done.stderr)
            self.assertEqual(self.build_archive(entry("Dockerfile", "FROM busybox\nCOPY l /l\n"),
                                                link("l", target)).returncode, 1)
            # Rules from there would leave this file out.
            (self.outside / "rules").write_text("kept")
            done = self.build_archive(entry("Dockerfile", LEAST), entry("kept"), link(".dockerignore", rules))
            (self.outside / "rules").unlink()
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("all/kept", self.layers_of("made"))
        self.build_archive(entry("Dockerfile", LEAST), entry(f"{'../' * 40}{self.outside}/new"))
        self.build_archive(entry("Dockerfile", LEAST), link("l", str(self.outside)), entry("l/new"))

    def test_of_a_stage(self):
        links = " && ".join(f"ln -s {target} /out{i}" for i, target in enumerate(self.ways_out()))
        self.build_ok(f"FROM busybox\nRUN {links} && ln -s /etc/passwd /own && ln -s / /root.d\n")
        self.ok("tag", "made", "links")
        for i in range(len(self.ways_out())):
            failed = self.build(f"FROM links AS from\nFROM scratch\nCOPY --from=from /out{i} /x\n")
            self.assertEqual(failed.returncode, 1, failed.stderr)
            self.assertIn("not found", failed.stderr)
            failed = self.build("FROM links AS from\nFROM busybox\n"
                                f"RUN --mount=from=from,source=/out{i},target=/m cat /m\n")
            self.assertNotIn(CANARY, failed.stdout + failed.stderr)
            self.assertEqual(failed.returncode, 1, failed.stderr)
            self.build(f"FROM links\nWORKDIR /out{i}/new\nRUN pwd\n")
            self.build(f"FROM links\nCOPY <<EOF /out{i}/new\nx\nEOF\n")
        self.build_ok("FROM links AS from\nFROM busybox\nCOPY --from=from /own /root.d/etc/group /\n"
                      "CMD cmp /own /etc/passwd && cmp /group /etc/group && echo the image\\'s\n")
        self.assertEqual(self.run_made(), "the image's\n")

    def test_of_a_cache_that_another_step_changes(self):
        cache = "RUN --mount=type=cache,target=/c"
        flip = (f"{cache} mkdir -p /c/d; until [ -e /c/stop ]; do rm -rf /c/d; ln -s {self.outside} /c/d; rm /c/d; "
                "mkdir /c/d; done; true\n")
        use = f"{cache} --mount=type=tmpfs,target=/c/d touch /c/d/new; true\n" * 3
        for _ in range(3):
            self.build(f"FROM busybox AS flip\n{flip}FROM busybox AS use\n{use}{cache} touch /c/stop\n"
                       f"FROM scratch\nCOPY --from=flip /etc/passwd /a\nCOPY --from=use /etc/passwd /b\n",
                       "--no-cache", "--parallel", "2", timeout=100)
            self.ok("builder", "prune", "-a", "-f")


class Odd(BuildCase):
    def test_files_that_would_block(self):
        os.mkfifo(self.context + "/.dockerignore")
        os.mkfifo(self.context + "/fifo")
        self.build_ok("FROM scratch\nCOPY . /\n", timeout=20)
        self.assertTrue(self.layers_of("made")["fifo"].isfifo())
        self.build_ok("FROM busybox\nRUN --mount=target=/ctx test -p /ctx/fifo\n", timeout=20)

    def test_200000_files(self):
        """By links to a few: making them is not what this is about."""
        for number in range(200):
            place = pathlib.Path(self.context, f"d{number}")
            place.mkdir()
            (place / "0").write_text(f"{number}\n")
            for copy in range(1, 1000):
                os.link(place / "0", place / f"{copy}")
        dockerfile = "FROM scratch\nCOPY . /files/\n"
        self.build_ok(dockerfile, timeout=200)
        self.assertEqual(set(self.steps(self.build_ok(dockerfile, timeout=200)).values()), {"CACHED"})
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, 400 << 10, "KiB of the largest process")
        [layer] = self.blob(self.manifest("made")["digest"])["layers"]
        listed = subprocess.run(["tar", "-tzf", f"{self.data}/images/blobs/sha256/{layer['digest'][7:]}"], check=True,
                                capture_output=True, timeout=100).stdout.splitlines()
        self.assertEqual(sum(not name.endswith(b"/") for name in listed), 200_001)


class Secrets(BuildCase):
    def setUp(self):
        super().setUp()
        self.secret = secrets.token_hex(24)
        self.put(".dockerignore", "secret\n")
        self.put("secret", self.secret)

    def forms(self):
        text = self.secret.encode()
        return text, base64.b64encode(text), hashlib.sha256(text).hexdigest().encode()

    def assert_nowhere(self, *places):
        """In no file of the store, packed or not, though the program itself can't read those of other ids."""
        seen = 0
        directories = (found for place in places for found in os.walk(place))
        for path in (pathlib.Path(directory, name) for directory, _, names in directories for name in names):
            try:
                if not stat.S_ISREG(path.lstat().st_mode) or not os.access(path, os.R_OK):
                    continue
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # of a container that is just being removed
            if content.startswith(b"\x1f\x8b"):
                content += gzip.decompress(content)
            for form in self.forms():
                self.assertNotIn(form, content, path)
            seen += 1
        self.assertGreater(seen, 5)

    def test_are_in_no_layer_history_key_or_log(self):
        dockerfile = ("FROM busybox\nRUN --mount=type=secret,id=key --mount=type=secret,id=key,env=KEY,target=/k \\\n"
                      '  [ "$(cat /run/secrets/key)" = "$KEY" ] && cmp /k /run/secrets/key && echo used > /used\n')
        cache = self.home + "/cache"
        words = ("--secret", f"id=key,src={self.context}/secret", "--explain", "--metadata-file", self.home + "/about",
                 "--cache-to", f"type=local,dest={cache},mode=max")
        told = [self.build_ok(dockerfile, *words),
                self.build_ok(dockerfile, "--no-cache", "--progress=rawjson", *words)]
        told += [json.dumps(self.history()), self.ok("history", "--no-trunc", "made"), self.ok("inspect", "made"),
                 self.ok("events", "--since", "1h", "--until", "0s"), pathlib.Path(self.home, "about").read_text()]
        for form in self.forms():
            self.assertNotIn(form.decode(), "".join(told))
        self.assertEqual(self.run_made("cat", "/used"), "used\n")
        self.assert_nowhere(self.data, self.runtime, cache)
        self.put("secret", "another")
        self.assertEqual(set(self.steps(self.build_ok(dockerfile, *words)).values()), {"CACHED"})

    def test_of_a_build_that_is_killed_are_swept(self):
        self.put("Dockerfile", "FROM busybox\n"
                               "RUN --mount=type=secret,id=key wc -c /run/secrets/key; echo up; sleep 1000\n")
        client = self.client("build", "--secret", f"id=key,src={self.context}/secret", self.context,
                             stderr=subprocess.PIPE, text=True)
        while client.stderr.readline().split(" ")[-1] != "up\n":
            pass
        for pid, command in self.descendants().items():
            self.assertNotIn(self.secret, command)
            with contextlib.suppress(PermissionError):  # nobody can look at those
                self.assertNotIn(self.secret.encode(), pathlib.Path(f"/proc/{pid}/environ").read_bytes())
        client.send_signal(signal.SIGKILL)
        client.wait(20)
        client.stderr.close()
        self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())
        self.ok("ps")
        self.ok("images")
        self.assert_nowhere(self.data, self.runtime)


class Killed(BuildCase):
    def test_at_its_own_calls_it_leaves_a_whole_store(self):
        """strace(1), "Tampering". Each process counts for itself: now the client dies, now a step."""
        self.put("file", "content\n")
        self.put("Dockerfile", "FROM busybox\nCOPY file /a\nRUN echo 1 > /b\n")
        self.ok("images")
        died = 0
        points = [("renameat", n) for n in range(1, 9)] + [("fsync", 1)]
        for call, number in points:
            dying = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                     "-e", f"inject={call}:signal=KILL:when={number}", SANDBOX]
            done = subprocess.run([*dying, "build", "-t", "made", self.context], env=self.env, capture_output=True,
                                  timeout=120, check=False)
            died += done.returncode != 0
            self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())
            self.ok("ps")
            self.ok("build", "-t", "made", self.context)
            self.assertEqual(self.run_made("cat", "/a", "/b"), "content\n1\n")
            self.assertEqual(self.ok("system", "fsck"), "", (call, number))
            self.assert_nothing_left()
            self.ok("rmi", "made")
            self.ok("builder", "prune", "-a", "-f")
        self.assertGreater(died, len(points) // 2, "the builds ended before they were to die")


if __name__ == "__main__":
    unittest.main()
