"""build --check and --call: what can be said of a Dockerfile without building it, in Docker's words."""

import base64
import json
import unittest

from build_case import BuildCase

DUBIOUS = "FROM busybox as Base\nENV A $B\nCMD told\n"


class Check(BuildCase):
    def check(self, dockerfile, *words):
        self.put("Dockerfile", dockerfile)
        done = self.sandbox("build", *(words or ("--check",)), self.context)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def test_what_is_found_is_told_with_its_lines(self):
        self.assertEqual(self.check("FROM busybox\n"), (0, "Check complete, no warnings found.\n"))
        status, told = self.check(DUBIOUS)
        self.assertEqual(status, 1)
        self.assertIn("Check complete, 5 warnings have been found!\n\n"
                      "WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/\n"
                      "'as' and 'FROM' keywords' casing do not match\n"
                      "Dockerfile:1\n"
                      "--------------------\n"
                      "   1 | >>> FROM busybox as Base\n"
                      "   2 |     ENV A $B\n", told)
        for rule in ("StageNameCasing", "LegacyKeyValueFormat", "UndefinedVar", "JSONArgsRecommended"):
            self.assertIn(f"WARNING: {rule} - ", told)
        self.assertEqual(set(self.ok("images", "-q", "--no-trunc").split()), set(self.shipped), "nothing was built")

    def test_the_same_as_a_document(self):
        status, told = self.check(DUBIOUS, "--call", "check,format=json")
        self.assertEqual(status, 1)
        document = json.loads(told)
        self.assertEqual(base64.b64decode(document["sources"][0]["data"]).decode(), DUBIOUS)
        self.assertEqual(self.check(DUBIOUS, "--call", "check,format=json,ignorestatus=true"), (0, told))
        self.assertIn("UndefinedVar", [warning["ruleName"] for warning in document["warnings"]])
        done = self.sandbox("build", "--call", "other", self.context)
        self.assertEqual(done.returncode, 1)
        self.assertIn('invalid argument "other" for "--call" flag', done.stderr)

    def test_of_a_base_that_is_not_here_nothing_is_assumed_or_pulled(self):
        self.assertEqual(self.check("FROM registry.invalid/none:1\nENV HOME=$SOMETHING\n"),
                         (0, "Check complete, no warnings found.\n"))

    def test_files_choose_their_rules(self):
        skipped = "# check=skip=FromAsCasing,StageNameCasing\n" + DUBIOUS
        self.assertIn("Check complete, 3 warnings have been found!", self.check(skipped)[1])
        self.assertEqual(self.check("# check=skip=all\n" + DUBIOUS)[0], 0)
        self.put(".dockerignore", "secret\n")
        self.assertIn("WARNING: CopyIgnoredFile - ", self.check("FROM busybox\nCOPY secret /\n")[1])
        done = self.build("# check=nonsense\nFROM busybox\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn('failed to parse check options: invalid check option "nonsense"', done.stderr)

    def test_ordinary_builds_tell_a_line_each_or_fail(self):
        told = self.build_ok(DUBIOUS)
        self.assertIn("WARNING: FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)\n", told)
        self.assertIn("WARNING: UndefinedVar: Usage of undefined variable '$B' (line 2)\n", told)
        done = self.build("# check=error=true\n" + DUBIOUS)
        self.assertEqual(done.returncode, 1)
        self.assertIn("lint violation found for rules: FromAsCasing, JSONArgsRecommended", done.stderr)
        self.build_ok("# check=error=true\n" + DUBIOUS, "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all")

    def test_targets_and_what_they_take_are_told_without_building(self):
        dockerfile = ("ARG VERSION=1\n# tools compiles\nFROM registry.invalid/gcc:$VERSION AS tools\n"
                      "# FLAGS go to the compiler\nARG FLAGS\nRUN --mount=type=secret,id=key,required true\n"
                      "FROM scratch\nCOPY --from=tools /a /a\n")
        self.assertEqual(self.check(dockerfile, "--call", "targets"),
                         (0, "TARGET      DESCRIPTION\ntools       compiles\n(default)   \n"))
        listed = json.loads(self.check(dockerfile, "--call=targets,format=json")[1])
        self.assertEqual([(one.get("name"), one["base"], one.get("default")) for one in listed["targets"]],
                         [("tools", "registry.invalid/gcc:$VERSION", None), (None, "scratch", True)])
        self.assertEqual(base64.b64decode(listed["sources"][0]).decode(), dockerfile)
        self.assertEqual(self.check(dockerfile, "--call=outline", "--target=tools", "--build-arg=FLAGS=-O3"),
                         (0, "TARGET:      tools\nDESCRIPTION: compiles\n\n"
                             "BUILD ARG   VALUE   DESCRIPTION\nVERSION     1       \n"
                             "FLAGS       -O3     go to the compiler\n\n"
                             "SECRET   REQUIRED\nkey      true\n\n"))
        outline = json.loads(self.check(dockerfile, "--call=outline,format=json")[1])
        self.assertEqual([(one["name"], one.get("value")) for one in outline["args"]],
                         [("VERSION", "1"), ("FLAGS", None)])
        self.assertEqual(outline["secrets"][0]["location"]["ranges"][0]["start"]["line"], 6)
        self.assertEqual(set(self.ok("images", "-q", "--no-trunc").split()), set(self.shipped), "nothing was built")
        wrong = self.sandbox("build", "--call=outline", "--target=tool", self.context)
        self.assertIn("did you mean tools?", wrong.stderr)


if __name__ == "__main__":
    unittest.main()
