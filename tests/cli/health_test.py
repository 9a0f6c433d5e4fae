"""Checks of a container's health, by its supervisor; as the ordinary user who calls it."""

import json
import unittest

from image_archive import docker_archive, tools
from sandbox_case import SandboxCase, eventually

QUIET = ("--network", "none", "--pull", "never")
OFTEN = ("--health-interval", "50ms", "--health-retries", "2")


class Health(SandboxCase):
    def start(self, *words, image="busybox", script="while :; do sleep 1; done"):
        self.ok("run", "-d", "--name", "box", *QUIET, *words, image, "sh", "-c", script)

    def look(self):
        return json.loads(self.ok("inspect", "box"))[0]

    def health(self):
        return self.look()["State"]["Health"]

    def becomes(self, word):
        self.assertTrue(eventually(lambda: self.health()["Status"] == word), self.look()["State"])

    def told(self):
        return self.ok("events", "--since", "1h", "--until", "0s", "-f", "event=health_status", "--format",
                       "{{.Action}}").splitlines()

    def test_healthy_unhealthy_and_healthy_again(self):
        self.start(*OFTEN, "--health-cmd", "echo looked; cat /ok", script="echo > /ok; while :; do sleep 1; done")
        self.becomes("healthy")
        self.assertIn("(healthy)", self.ok("ps"))
        self.ok("exec", "box", "rm", "/ok")
        self.becomes("unhealthy")
        self.assertIn("(unhealthy)", self.ok("ps", "--filter", "health=unhealthy"))
        health = self.health()
        self.assertGreaterEqual(health["FailingStreak"], 2)
        self.assertLessEqual(len(health["Log"]), 5)
        self.assertEqual(health["Log"][-1]["ExitCode"], 1)
        self.assertIn("looked\n", health["Log"][-1]["Output"])
        self.assertIn("No such file", health["Log"][-1]["Output"])
        self.ok("exec", "box", "touch", "/ok")
        self.becomes("healthy")
        self.ok("stop", "-t", "0", "box")
        self.assertEqual(self.told(), ["health_status: healthy", "health_status: unhealthy", "health_status: healthy"])

    def test_a_check_that_takes_too_long_is_ended(self):
        self.start("--health-interval", "50ms", "--health-retries", "1", "--health-timeout", "100ms", "--health-cmd",
                   "sleep 1000")
        self.becomes("unhealthy")
        last = self.health()["Log"][0]
        self.assertEqual((last["ExitCode"], last["Output"]), (-1, "Health check exceeded timeout (0.1s)"))

    def test_in_its_first_time_failures_do_not_count(self):
        self.start("--health-start-period", "1h", "--health-start-interval", "20ms", "--health-retries", "1",
                   "--health-cmd", "test -e /ok")
        self.assertTrue(eventually(lambda: len(self.health()["Log"]) == 5))
        self.assertEqual((self.health()["Status"], self.health()["FailingStreak"]), ("starting", 0))
        self.assertIn("(health: starting)", self.ok("ps"))
        self.ok("exec", "box", "touch", "/ok")
        self.becomes("healthy")

    def test_the_images_own_check_and_none(self):
        path = self.home + "/image.tar"
        docker_archive(path, "localhost/checked", tools("sleep", "test"), Healthcheck={
            "Test": ["CMD", "/bin/test", "-e", "/ok"], "Interval": 50_000_000, "Retries": 1})
        self.ok("load", "-i", path)
        self.start(image="localhost/checked")
        self.becomes("unhealthy")
        self.assertEqual(self.look()["Config"]["Healthcheck"],
                         {"Test": ["CMD", "/bin/test", "-e", "/ok"], "Interval": 50_000_000, "Retries": 1})
        self.ok("rm", "-f", "box")
        self.start("--health-retries", "1000", image="localhost/checked")
        self.assertTrue(eventually(lambda: self.health()["FailingStreak"] >= 2))
        self.assertEqual(self.health()["Status"], "starting")
        self.ok("rm", "-f", "box")
        self.start("--no-healthcheck", image="localhost/checked")
        self.assertNotIn("Health", self.look()["State"])
        self.assertEqual(self.look()["Config"]["Healthcheck"], {"Test": ["NONE"]})

    def test_a_command_that_is_not_there_fails(self):
        path = self.home + "/image.tar"
        docker_archive(path, "localhost/checked", tools("sleep"), Healthcheck={
            "Test": ["CMD", "/nothing-here"], "Interval": 50_000_000, "Retries": 1})
        self.ok("load", "-i", path)
        self.start(image="localhost/checked")
        self.becomes("unhealthy")
        self.assertIn("nothing-here", self.health()["Log"][0]["Output"])

    def test_words(self):
        for words, message in ((("--no-healthcheck", "--health-cmd", "x"), "conflicts with --health-* options"),
                               (("--health-interval", "soon"), 'invalid duration "soon"'),
                               (("--health-interval", "-1s"), "--health-interval cannot be negative"),
                               (("--health-timeout", "1us"), "Timeout in Healthcheck cannot be less than 1ms"),
                               (("--health-retries", "-1"), "--health-retries cannot be negative")):
            self.assertIn(message, self.sandbox("run", *QUIET, *words, "busybox", "true").stderr)
        self.assertEqual(self.ok("ps", "-aq"), "")


if __name__ == "__main__":
    unittest.main()
