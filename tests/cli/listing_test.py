"""What listings print: formats, filters and headers, as scripts for Docker read them."""

import json
import os
import unittest

from sandbox_case import SandboxCase


class Containers(SandboxCase):
    def setUp(self):
        super().setUp()
        self.ok("create", "--name", "first", "--label", "tier=front", "--network", "none", "busybox", "true")
        self.ok("run", "--name", "second", "--label", "tier=back", "--network", "none", "busybox", "sh", "-c", "exit 0")
        self.ok("run", "-d", "--name", "third", "-v", self.home + ":/mnt", "--network", "none", "busybox", "sleep", "1000")

    def names(self, *words):
        return self.ok("ps", "--format", "{{.Names}}", *words).split()

    def test_templates_tables_and_json(self):
        self.assertEqual(self.ok("ps", "--format", "{{.Names}}: {{.State}}"), "third: running\n")
        self.assertEqual(self.ok("ps", "-a", "--format", r"table {{.Names}}\t{{upper .State}}"),
                         "NAMES     STATE\nthird     RUNNING\nsecond    EXITED\nfirst     CREATED\n")
        rows = [json.loads(line) for line in self.ok("ps", "-a", "--format", "json").splitlines()]
        self.assertEqual([row["Names"] for row in rows], ["third", "second", "first"])
        self.assertEqual((rows[1]["Labels"], rows[1]["Status"][:10]), ("tier=back", "Exited (0)"))
        self.assertEqual(list(rows[0]), sorted(rows[0]))
        self.assertEqual(self.ok("ps", "--format", '{{.Label "tier"}}.{{.Mounts}}'), "." + self.home[:14] + "…\n")
        self.assertEqual(len(self.ok("ps", "-aq").split()), 3)
        self.assertEqual(len(self.ok("ps", "-q", "--no-trunc").strip()), 64)
        header = self.ok("ps", "-s", "--filter", "name=nobody")
        self.assertEqual(header.split("  ")[0], "CONTAINER ID")
        self.assertTrue(header.endswith("NAMES     SIZE\n"), header)
        counted = r"\A\d.*B \(virtual \d.*B\)\Z"
        for words in (("-s", "--format", "{{.Size}}"), ("--format", "{{.Size}}"), ("-s", "--format", "{{json .Size}}")):
            self.assertRegex(self.ok("ps", *words).strip('"\n'), counted)
        for words in (("-s", "--format", "json"), ("--format", "{{json .}}")):
            self.assertRegex(json.loads(self.ok("ps", *words))["Size"], counted)
        self.assertEqual(rows[0]["Size"], "0B")  # every file would have to be looked at, for a field that few want
        self.assertEqual(self.ok("ps", "--size=false", "--format", "{{.Size}}"), "0B\n")

    def test_filters(self):
        self.assertEqual(self.names(), ["third"])
        self.assertEqual(self.names("-a", "--filter", "label=tier"), ["second", "first"])
        self.assertEqual(self.names("--filter", "status=exited", "--filter", "status=created"), ["second", "first"])
        self.assertEqual(self.names("-a", "--filter", "exited=0"), ["second"])
        self.assertEqual(self.names("-a", "--filter", "before=second"), ["first"])
        self.assertEqual(self.names("-a", "--filter", "since=second"), ["third"])
        self.assertEqual(self.names("-a", "--filter", "ancestor=busybox", "--filter", "name=^s"), ["second"])
        self.assertEqual(self.names("--filter", "volume=/mnt"), ["third"])
        self.assertEqual(self.names("-l"), ["third"])
        self.assertEqual(self.names("-n", "2"), ["third", "second"])

    def test_errors_are_dockers(self):
        done = self.sandbox("ps", "--format", "{{.Nope}}")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, 'sandbox: template parsing error: template: :1:2: executing "" at <.Nope>: '
                                      "can't evaluate field Nope in type *formatter.ContainerContext\n")
        done = self.sandbox("ps", "--format", "{{.Names")
        self.assertEqual(done.stderr, "sandbox: template parsing error: template: :1: unclosed action\n")
        self.assertIn("invalid filter 'colour'", self.sandbox("ps", "--filter", "colour=red").stderr)
        self.assertEqual(self.sandbox("ps", "--filter", "colour").returncode, 125)
        done = self.sandbox("ps", "-n", "many")
        self.assertEqual(done.returncode, 125)
        self.assertIn('invalid argument "many" for "-n, --last" flag', done.stderr)

    def test_formats_of_the_configuration_file(self):
        os.mkdir(self.home + "/docker")
        self.env["DOCKER_CONFIG"] = self.home + "/docker"
        with open(self.home + "/docker/config.json", "w", encoding="utf-8") as config:
            json.dump({"psFormat": r"table {{.Names}}\t{{.State}}", "imagesFormat": "{{.Repository}}"}, config)
        self.assertEqual(self.ok("ps"), "NAMES     STATE\nthird     running\n")
        self.assertEqual(self.ok("images"), "busybox\n")
        self.assertEqual(self.ok("ps", "--format", "{{.Names}}"), "third\n")
        self.assertEqual(len(self.ok("ps", "-q").strip()), 12)

    def test_diff_and_disk_usage(self):
        self.ok("exec", "third", "sh", "-c", "echo x >/made")
        self.assertEqual(self.ok("diff", "third"), "A /made\n")
        self.assertEqual(self.ok("diff", "--format", "{{.Path}} {{lower .Type}}", "third"), "/made a\n")
        self.assertEqual(self.ok("diff", "--format", "table", "third"), "CHANGE TYPE   PATH\nA             /made\n")
        rows = self.ok("system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}").splitlines()
        self.assertEqual(rows[1:], ["Containers|3|1", "Local Volumes|0|0", "Build Cache|0|0"])
        self.assertEqual(self.ok("system", "df").split("\n", maxsplit=1)[0].split(),
                         ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"])
        verbose = self.ok("system", "df", "-v")
        self.assertIn("CONTAINER ID   IMAGE     COMMAND", verbose)
        self.assertIn("VOLUME NAME   LINKS     SIZE\n", verbose)


class Images(SandboxCase):
    def test_images_and_their_filters(self):
        self.ok("create", "--name", "box", "busybox", "true")
        self.ok("commit", "-c", "LABEL who=me", "box", "mine/tool:1")
        self.ok("commit", "box")
        form = "{{.Repository}}:{{.Tag}}"
        listed = lambda *words: self.ok("images", "--format", form, *words).split()
        self.assertEqual(sorted(listed()), ["<none>:<none>", "busybox:latest", "mine/tool:1"])
        self.assertEqual(listed("--filter", "dangling=true"), ["<none>:<none>"])
        self.assertEqual(sorted(listed("--filter", "dangling=false")), ["busybox:latest", "mine/tool:1"])
        self.assertEqual(listed("--filter", "label=who=me"), ["mine/tool:1"])
        self.assertEqual(listed("--filter", "reference=mine/*"), ["mine/tool:1"])
        self.assertEqual(listed("--filter", "reference=*:latest"), ["busybox:latest"])
        self.assertEqual(listed("--filter", "before=mine/tool:1"), ["busybox:latest"])
        self.assertEqual(listed("mine/tool"), ["mine/tool:1"])
        self.assertEqual(listed("busybox:latest"), ["busybox:latest"])
        self.assertEqual(listed()[-1], "busybox:latest", "the oldest comes last")
        self.assertRegex(self.ok("images", "--digests", "busybox").splitlines()[1], r"^busybox +latest +sha256:[0-9a-f]{64} ")
        self.assertRegex(self.ok("images", "--format", "{{.Digest}}", "busybox"), r"\Asha256:[0-9a-f]{64}\n\Z")
        self.assertEqual(json.loads(self.ok("images", "--format", "json", "busybox"))["Tag"], "latest")
        self.assertEqual(self.ok("images", "nothing"), "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n")

    def test_history(self):
        self.ok("create", "--name", "box", "busybox", "true")
        self.ok("commit", "-m", "by hand", "box", "mine")
        self.assertEqual(self.ok("history", "--format", "{{.ID}} {{.Comment}}", "mine").splitlines()[0].split(" ", 1)[1],
                         "by hand")
        self.assertIn("<missing>", self.ok("history", "-q", "mine"))
        self.assertEqual(self.ok("history", "mine").split("\n", maxsplit=1)[0].split("  ")[0], "IMAGE")
        self.assertRegex(self.ok("history", "--human=false", "--format", "{{.Size}}", "busybox"), r"\A\d+\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
