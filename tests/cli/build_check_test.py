"""build --check: what is dubious about a Dockerfile, in Docker's words."""

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
        self.assertEqual(document["sources"][0]["data"], DUBIOUS)
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


if __name__ == "__main__":
    unittest.main()
