"""build: Dockerfiles to images, as the ordinary user who calls it, on the busybox that comes with the program."""

import base64
import io
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tarfile
import unittest

from build_case import BuildCase
from image_archive import directory, entry, tar
from sandbox_case import SANDBOX, eventually, has_range


# Makes the first name a directory and a link to the second's target by turns (renameat2(2), RENAME_EXCHANGE).
SWAP = """
import ctypes, sys
libc = ctypes.CDLL(None)
a, b = (name.encode() for name in sys.argv[1:])
while True:
    libc.renameat2(-100, a, -100, b, 2)
"""


class Build(BuildCase):
    def test_the_dockerfiles_of_the_course(self):
        self.put("make.sh", "mkdir -p $HOME/.cache && echo made > /app/result")
        self.build_ok('FROM busybox\nLABEL author="Ann"   \nCOPY . /app\nRUN sh /app/make.sh\n'
                      "RUN rm -r $HOME/.cache\nCMD cat /app/result\n")
        self.assertEqual(self.run_made(), "made\n")
        self.assertEqual(self.run_made("sh", "-c", "ls -a /root $HOME | grep cache || echo none"), "none\n")
        config = self.inspect()["Config"]
        self.assertEqual(config["Labels"]["author"], "Ann")
        self.assertEqual(config["Cmd"], ["/bin/sh", "-c", "cat /app/result"])
        lines = self.history()[-5:]
        self.assertEqual([line["created_by"].split()[0] for line in lines], ["LABEL", "COPY", "RUN", "RUN", "CMD"])
        self.assertEqual([line.get("empty_layer", False) for line in lines], [True, False, False, False, True])

    def test_metadata_is_as_the_instructions_say_and_makes_no_layer(self):
        base = len(self.inspect("busybox")["RootFS"]["Layers"])
        told = self.build_ok('FROM busybox\nARG V=1\nENV A=$V B="two words"\nEXPOSE 80 443/udp\nUSER 7:8\n'
                             'VOLUME /data\nSTOPSIGNAL SIGINT\nENTRYPOINT ["echo", "$A"]\nCMD ["x"]\n'
                             "HEALTHCHECK --interval=5s CMD true\nSHELL [\"/bin/sh\", \"-ec\"]\n", "--build-arg", "V=2",
                             "--label", "extra=1", "--build-arg", "UNKNOWN=1")
        self.assertIn("build-args [UNKNOWN] were not consumed", told)
        made = self.inspect()
        config = made["Config"]
        self.assertEqual(len(made["RootFS"]["Layers"]), base)
        self.assertIn("A=2", config["Env"])
        self.assertIn("B=two words", config["Env"])
        self.assertEqual(sorted(config["ExposedPorts"]), ["443/udp", "80/tcp"])
        self.assertEqual((config["User"], config["StopSignal"], config["Volumes"]), ("7:8", "SIGINT", {"/data": {}}))
        self.assertEqual((config["Entrypoint"], config["Cmd"]), (["echo", "$A"], ["x"]))
        self.assertEqual(config["Labels"]["extra"], "1")

    def test_stages_run_when_the_target_needs_them(self):
        dockerfile = ("FROM busybox AS tool\nWORKDIR /w\nRUN echo tool > t && chown 7:8 t\n"
                      "FROM busybox AS never\nRUN false\n"
                      "FROM busybox AS other\nCOPY --from=tool /w/t /plain\n"
                      "COPY --from=0 --chown=1 --chmod=u=rwX,go= /w/t /own/\n"
                      "RUN stat -c '%a %u:%g' /plain /own /own/t > /seen; id -u >> /seen\nCMD [\"cat\", \"/seen\"]\n")
        told = self.build_ok(dockerfile)
        self.assertNotIn("false", told)
        if has_range():  # with one id the owner is recorded, and shown to programs of the image's users alone
            self.assertEqual(self.run_made(), "644 7:8\n755 1:1\n600 1:1\n0\n")
        failed = self.build(dockerfile, "--target", "nevr")
        self.assertEqual(failed.returncode, 1)
        self.assertIn("did you mean never?", failed.stderr)

    def test_recorded_owners_reach_the_layer_of_a_copy(self):
        self.write(a="1", b="2")
        self.build_ok("FROM busybox AS one\nCOPY --chown=7:8 a /a\nRUN touch /c; chown 9 /c\n"
                      "FROM scratch\nCOPY --from=one /a /c /\nCOPY --chmod=4755 b /\n")
        self.assertEqual({name: (item.uid, item.gid, item.mode) for name, item in self.layers_of("made").items()},
                         {"a": (7, 8, 0o644), "c": (9, 0, 0o644), "b": (0, 0, 0o4755)})

    def test_what_has_not_changed_is_not_done_again(self):
        self.write(one="1", two="2")
        dockerfile = "FROM busybox\nCOPY one /\nRUN cat one > /copy\nCOPY two /\nRUN cat two >> /copy\n"
        self.build_ok(dockerfile)
        first = self.inspect()["Id"]
        os.utime(self.context + "/one", (1, 1))
        self.assertEqual(set(self.steps(self.build_ok(dockerfile)).values()), {"CACHED"})
        self.assertEqual(self.inspect()["Id"], first)
        self.put("two", "3")
        done = self.steps(self.build_ok(dockerfile))
        steps = [done[title] for title in sorted(done) if title.startswith("[")]
        self.assertEqual(steps, ["CACHED"] * 2 + ["DONE"] * 2)
        self.assertEqual(self.run_made("cat", "/copy"), "13")
        done = self.steps(self.build_ok(dockerfile, "--no-cache"))
        self.assertEqual([done[title] for title in sorted(done) if title.startswith("[")], ["DONE"] * 4)
        os.chmod(self.context + "/one", 0o755)
        self.assertIn("DONE", self.steps(self.build_ok(dockerfile)).values())
        self.ok("rmi", "made")
        self.assertEqual(set(self.steps(self.build_ok(dockerfile)).values()), {"CACHED"})
        self.assertRegex(self.ok("system", "df"), r"Build Cache +[1-9]")
        self.ok("builder", "prune", "-f")
        self.assertIn("DONE", self.steps(self.build_ok(dockerfile)).values())
        self.assertEqual(self.ok("system", "fsck"), "")

    def test_a_build_explains_what_it_does_and_how_long_it_took(self):
        self.write(a__one="1", a__two="2")
        dockerfile = "FROM busybox\nARG V=1\nCOPY a /a\nRUN echo $V > /v\nRUN cat /v > /w\n"
        told = self.build_ok(dockerfile, "--explain")
        self.assertEqual(told.count("done: no earlier build has done this step"), 3)
        told = self.build_ok(dockerfile, "--explain", "--timings")
        self.assertEqual(told.count("cached: instruction, layers below and files are the same"), 3)
        self.assertRegex(told, r"    cached  \[3/4\] RUN echo \$V > /v\n")
        self.put("a/one", "changed")
        os.remove(self.context + "/a/two")
        told = self.build_ok(dockerfile, "--explain", "--timings")
        self.assertRegex(told, r"COPY a /a\n    changed: a/one: sha256:[0-9a-f]{12} → sha256:[0-9a-f]{12}\n")
        self.assertRegex(told, r"    changed: a/two: sha256:[0-9a-f]{12} → none\n")
        self.assertRegex(told, r"RUN echo \$V > /v\n    changed: layer 2 below: sha256:[0-9a-f]{12} → ")
        self.assertRegex(told, r" [0-9.]+ s  \[2/4\] COPY a /a\n")
        told = self.build_ok(dockerfile, "--explain", "--build-arg", "V=2")
        self.assertIn('changed: variable V: "1" → "2"', told)
        self.assertIn("nothing of earlier builds is to be used", self.build_ok(dockerfile, "--explain", "--no-cache"))

    def test_progress_comes_as_documents_and_as_a_picture(self):
        dockerfile = "FROM busybox\nRUN echo one; echo two >&2\n"
        documents = [json.loads(line) for line in self.build_ok(dockerfile, "--progress", "rawjson").splitlines()]
        steps = [one for document in documents for one in document.get("vertexes", [])]
        self.assertEqual([step["name"] for step in steps if "completed" in step], ["FROM busybox", "[2/2] RUN echo one; echo two >&2"])
        text = b"".join(base64.b64decode(one["data"]) for document in documents for one in document.get("logs", []))
        self.assertEqual(sorted(text.split()), [b"one", b"two"])
        leader, follower = os.openpty()
        client = self.client("build", "--no-cache", "-t", "made", self.context, stderr=follower)
        os.close(follower)
        shown = b""
        with open(leader, "rb", buffering=0) as screen:
            try:
                while part := screen.read(4096):
                    shown += part
            except OSError:
                pass  # EIO: the other end is closed
        self.assertEqual(client.wait(60), 0)
        self.assertIn(b"[+] Building", shown)
        self.assertRegex(shown, rb"=> \[2/2\] RUN echo one; echo two >&2 +[0-9.]+s")
        failed = self.build(dockerfile, "--progress", "tty")
        self.assertIn("is no terminal", failed.stderr)

    def test_a_failing_step_shows_its_output_its_line_and_its_status(self):
        self.put("x", "1")
        dockerfile = "FROM busybox\nCOPY x /\nRUN echo telling && \\\n  exit 3\n"
        failed = self.build(dockerfile)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("telling\n", failed.stderr)
        self.assertIn("did not complete successfully: exit code: 3\n"
                      "   3 | RUN echo telling && \\\n   4 |   exit 3", failed.stderr)
        self.assertEqual(self.steps(self.build(dockerfile).stderr)["[2/3] COPY x /"], "CACHED")
        quiet = self.build(dockerfile, "-q")
        self.assertEqual((quiet.returncode, quiet.stdout), (1, ""))
        self.assertIn("telling", quiet.stderr)
        self.assertEqual(self.ok("ps", "-aq"), "")
        wrong = self.build("FROM busybox\nRUN /none\nRUNN x\n")
        self.assertIn("Dockerfile:3:1: unknown instruction: RUNN\n   3 | RUNN x\n     | ^", wrong.stderr)
        self.assertIn("hint: did you mean RUN?", wrong.stderr)

    def test_a_signal_ends_a_build_at_once_and_leaves_nothing(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)):
            with self.subTest(number=number):
                self.put("Dockerfile", "FROM busybox\nRUN echo up; sleep 1000\n")
                client = self.client("build", self.context, stderr=subprocess.PIPE, text=True)
                while client.stderr.readline().split(" ")[-1] != "up\n":
                    pass
                self.assertEqual(len(self.helpers("sbx:supervisor")), 1)
                self.assertEqual(self.ok("ps", "-aq"), "", "a step's container is nobody's business")
                client.send_signal(number)
                self.assertEqual(client.wait(20), status)
                client.stderr.close()
                if number == signal.SIGKILL:
                    self.assertTrue(eventually(lambda: not self.descendants()), self.descendants())
                    self.ok("ps")  # the next command sweeps
                    self.ok("images")
                    self.build_ok("FROM busybox\nRUN true\n")
                self.assert_nothing_left()
                self.assertEqual(self.containers_on_disk(), [])

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

    def test_merged_layers_of_a_stage_are_mounted(self):
        done = self.build("FROM busybox AS one\nRUN mkdir /d && echo 1 > /d/1\nRUN echo 2 > /d/2\nFROM busybox\n"
                          "RUN --mount=from=one,source=/d,target=/m cat /m/1 /m/2; ls /m | wc -l\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"(?s) 1\n.* 2\n.* 2\n")

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

    def test_two_builds_with_one_date_give_the_same_image(self):
        self.write(a__b="1")
        dockerfile = "FROM scratch\nWORKDIR /w\nCOPY a d/\nCOPY <<x /y\ntext\nx\n"
        ids = set()
        for moment in (1, 2):
            os.utime(self.context + "/a/b", (5, 5))
            os.utime(self.context + "/a", (5, 5))
            self.build_ok(dockerfile, "--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1000000000")
            ids.add(self.inspect()["Id"])
        self.assertEqual(len(ids), 1)

    def test_independent_stages_run_beside_each_other(self):
        meet = "while [ ! -e /c/{} ]; do sleep 0.1; done"
        cache = "RUN --mount=type=cache,target=/c "
        self.build_ok(f"FROM busybox AS a\n{cache} touch /c/a; {meet.format('b')}; touch /a\n"
                      f"FROM busybox AS b\n{cache} touch /c/b; {meet.format('a')}; touch /b\n"
                      "FROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n", "--parallel", "2", timeout=100)
        self.assertEqual(sorted(self.layers_of("made")), ["a", "b"])

    def test_triggers_of_the_base_image(self):
        self.put("src", "source")
        self.build_ok("FROM busybox\nONBUILD COPY src /src\nONBUILD RUN cat /src > /built\n")
        self.ok("tag", "made", "base")
        self.build_ok("FROM base\nCMD cat /built\n")
        self.assertEqual(self.run_made(), "source")
        self.assertNotIn("OnBuild", self.inspect()["Config"])


# What both make of it has to be the same. Each is a whole Dockerfile but for its first line.
SAME = [
    "COPY a b/\n",
    "COPY a /b\nCOPY a/one /b/two\n",
    "COPY a a/one /d/\n",
    "COPY a/* /d/\nCOPY a/on? /e\n",
    "COPY links /d/\n",
    "COPY links/file /d\n",
    "COPY --chown=7:8 a /d/\n",
    "COPY --chmod=640 a/one /d/e/f\n",
    "WORKDIR /w/x\nCOPY a .\nWORKDIR ../y\nCOPY a/one z\n",
    "ADD archive.tar.gz /d/\n",
    "ADD archive.tar.gz /d\nCOPY archive.tar.gz /e\n",
    "COPY . /all/\n",
    "ENV D=/from/env\nCOPY a $D/\n",
    "RUN mkdir -p /d/e && echo 1 > /d/e/f && ln -s f /d/e/g && ln /d/e/f /d/h && chmod 700 /d/e\n"
    "RUN rm /d/h; mv /d/e /e\n",
    "RUN chown 7:8 /etc/passwd; touch /new; chown 9 /new\nRUN rm -r /etc; mkdir /etc; echo x > /etc/x\n",
    "COPY a /d\nRUN rm -r /d/deep; echo more >> /d/one\nCOPY a /d\n",
]


@unittest.skipUnless(has_range(), "buildah needs subordinate ids for other owners")
class Peer(BuildCase):
    """The same Dockerfiles built by buildah."""

    def setUp(self):
        super().setUp()
        self.peer = dict(os.environ, HOME=self.home + "/peer", XDG_RUNTIME_DIR=self.home + "/peer/run",
                         STORAGE_DRIVER="vfs")
        os.makedirs(self.home + "/peer/run", 0o700)
        self.ok("save", "-o", self.home + "/busybox.tar", "busybox")
        name = self.buildah("pull", "-q", f"docker-archive:{self.home}/busybox.tar").strip()
        self.buildah("tag", name, "localhost/busybox")

    def tearDown(self):
        self.buildah("rmi", "-a", "-f")
        self.buildah("unshare", "rm", "-rf", self.home + "/peer/.local")
        super().tearDown()

    def buildah(self, *words):
        done = subprocess.run(["buildah", *words], env=self.peer, capture_output=True, text=True, timeout=100,
                              check=False)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done.stdout

    @staticmethod
    def tree(layers):
        """{path: what it is}, of archives from the bottom up."""
        tree, content = {}, {}
        for path in layers:
            with tarfile.open(path) as archive:
                for item in archive:
                    name, base = os.path.normpath(item.name), os.path.basename(item.name)
                    gone = os.path.normpath(os.path.join(os.path.dirname(name), base[4:]))
                    if base == ".wh..wh..opq":
                        gone = os.path.dirname(name)
                    if base.startswith(".wh."):
                        keep = gone if base == ".wh..wh..opq" else None
                        for known in [known for known in tree if known == gone or known.startswith(gone + "/")]:
                            if known != keep:
                                del tree[known]
                        continue
                    if item.isfile():
                        content[name] = archive.extractfile(item).read()
                    if item.islnk():
                        content[name] = content[os.path.normpath(item.linkname)]
                    kind = b"0" if item.isfile() or item.islnk() else item.type
                    mode = None if item.issym() else item.mode & 0o7777
                    tree[name] = (kind, mode, item.uid, item.gid, item.linkname if item.issym() else content.get(name))
        tree.pop(".", None)
        return tree

    def layers(self, layout, manifest):
        blobs = f"{layout}/blobs/sha256/"
        document = json.loads(pathlib.Path(blobs + manifest["digest"][7:]).read_text(encoding="utf-8"))
        return [blobs + layer["digest"][7:] for layer in document["layers"]]

    def test_the_trees_are_the_same(self):
        self.write(a__one="1", a__deep__two="2", links__file="3")
        os.symlink("file", self.context + "/links/link")
        os.symlink("/etc/passwd", self.context + "/links/absolute")
        os.chmod(self.context + "/a/one", 0o750)
        os.chmod(self.context + "/a/deep", 0o700)
        with tarfile.open(self.context + "/archive.tar.gz", "w:gz") as archive:
            for info, data in [directory("in", 0o711), entry("in/x", "1", uid=7, gid=8, mode=0o604)]:
                archive.addfile(info, io.BytesIO(data))
        for number, dockerfile in enumerate(SAME):
            with self.subTest(dockerfile=dockerfile):
                self.build_ok("FROM busybox\n" + dockerfile)
                ours = self.tree(self.layers(self.data + "/images", self.manifest("made")))
                self.put("Dockerfile", "FROM localhost/busybox\n" + dockerfile)
                self.buildah("bud", "-q", "--layers", "--isolation", "chroot", "-t", "made", self.context)
                self.put("Dockerfile", "FROM busybox\n" + dockerfile)
                layout = f"{self.home}/peer/{number}"
                self.buildah("push", "-q", "made", f"oci:{layout}:made")
                with open(layout + "/index.json", encoding="utf-8") as index:
                    theirs = self.tree(self.layers(layout, json.load(index)["manifests"][0]))
                for name in ("all/Dockerfile", "etc/hostname", "etc/hosts", "etc/resolv.conf", "run"):
                    ours.pop(name, None)  # another Dockerfile; what buildah leaves of its mounts
                    theirs.pop(name, None)
                differing = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
                self.assertEqual({name: ours.get(name) for name in differing},
                                 {name: theirs.get(name) for name in differing})


if __name__ == "__main__":
    unittest.main()
