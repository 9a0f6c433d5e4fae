"""build: Dockerfiles to images, as the ordinary user who calls it, on the busybox that comes with the program."""

import base64
import json
import os
import signal
import subprocess
import unittest

from build_case import BuildCase
from sandbox_case import eventually, has_range


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

    def test_what_scripts_say_for_other_builders_is_accepted_where_nothing_is_lost(self):
        dockerfile = "FROM busybox\nRUN true\n"
        self.build_ok(dockerfile, "--provenance=false", "--sbom", "false", "--attest", "type=sbom,disabled=true", "--compress",
                      "--allow", "network.host")
        for words in (("--provenance=mode=max",), ("--sbom=true",), ("--attest", "type=provenance")):
            self.assertIn("is not possible: no attestations are made", self.build(dockerfile, *words).stderr)
        self.assertIn("--allow security.insecure is not possible", self.build(dockerfile, "--allow", "security.insecure").stderr)
        self.ok("buildx", "build", "-t", "other", self.context)
        self.ok("rmi", "--no-prune", "other")

    def test_triggers_of_the_base_image(self):
        self.put("src", "source")
        self.build_ok("FROM busybox\nONBUILD COPY src /src\nONBUILD RUN cat /src > /built\n")
        self.ok("tag", "made", "base")
        self.build_ok("FROM base\nCMD cat /built\n")
        self.assertEqual(self.run_made(), "source")
        self.assertNotIn("OnBuild", self.inspect()["Config"])


if __name__ == "__main__":
    unittest.main()
