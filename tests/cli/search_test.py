"""Searching: Docker Hub's way, and the catalogue of a registry that has no search."""

import json
import unittest

import registry_server
from image_archive import docker_archive, entry
from registry_case import RegistryCase


class Search(RegistryCase):
    def test_a_search_s_results_are_a_table(self):
        port, log = self.mock("search")
        server = f"127.0.0.1:{port}"
        rows = [line.split() for line in self.ok("search", f"{server}/box").splitlines()]
        self.assertEqual(rows[0], ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"])
        self.assertEqual(rows[1], [f"{server}/busybox", "Busybox", "base", "image.", "3000", "[OK]"])
        self.assertEqual(rows[2][0], f"{server}/someone/box")
        self.assertEqual(rows[2][-2:], ["wo…", "2"])
        self.assertIn("/v1/search?q=box&n=25", log.read_text())
        self.assertEqual(len(self.ok("search", "--filter", "stars=3", f"{server}/box").splitlines()), 2)
        self.assertEqual(len(self.ok("search", "-f", "is-official=false", f"{server}/box").splitlines()), 2)
        self.assertEqual(len(self.ok("search", "--limit", "1", f"{server}/box").splitlines()), 2)
        self.assertIn("words words words words words words words words", self.ok("search", "--no-trunc", f"{server}/box"))

    def test_a_registry_without_search_lists_what_it_has(self):
        server = f"127.0.0.1:{registry_server.start(self)}"
        docker_archive(self.home + "/image.tar", "x", [entry("a")])
        self.ok("load", "-i", self.home + "/image.tar")
        for name in ("web", "group/webserver", "other"):
            self.ok("tag", "x", f"{server}/{name}")
            self.ok("push", "-q", f"{server}/{name}")
        shown = self.ok("search", f"{server}/web").splitlines()[1:]
        self.assertEqual([line.split()[0] for line in shown], [f"{server}/group/webserver", f"{server}/web"])
        self.assertEqual(len(self.ok("search", f"{server}/").splitlines()), 4)

    def test_a_catalogue_without_end_is_given_up(self):
        port, log = self.mock("endless-list")
        self.assertEqual(len(self.ok("search", f"127.0.0.1:{port}/nothing").splitlines()), 1)
        self.assertLessEqual(log.read_text().count("_catalog"), 201)

    def test_nonsense_is_refused(self):
        port, _ = self.mock("ok")
        for words, reason in ((("--limit", "0", "x"), "limit 0 is outside the range of [1, 100]"),
                              (("--limit", "x", "x"), 'invalid argument "x" for "--limit" flag'),
                              (("--filter", "color=red", "x"), "invalid filter 'color=red'"),
                              ((f"127.0.0.1:{port}/x",), "the registry's list"), (("127.0.0.1:1/x",), "connection refused")):
            done = self.sandbox("search", *words)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(reason, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
