"""What `events` tells; as the ordinary user who calls it."""

import json
import select
import signal
import subprocess
import time
import unittest

from sandbox_case import SandboxCase

QUIET = ("--network", "none", "--pull", "never")


class Events(SandboxCase):
    def past(self, *words):
        """All events so far, as Docker's API has them."""
        lines = self.ok("events", "--since", "1h", "--until", "0s", "--format", "json", *words).splitlines()
        return [json.loads(line) for line in lines]

    def actions(self, *words):
        return [event["Action"] for event in self.past(*words)]

    def test_the_life_of_a_container(self):
        done = self.sandbox("run", "--name", "box", "--label", "tier=a", *QUIET, "busybox", "sh", "-c", "exit 3")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.ok("rename", "box", "crate")
        self.ok("rm", "crate")
        events = self.past()
        self.assertEqual([event["Action"] for event in events], ["create", "start", "die", "rename", "destroy"])
        create, _, die, rename, _ = events
        self.assertEqual((create["Type"], create["scope"], create["from"]), ("container", "local", "busybox"))
        self.assertEqual(create["id"], create["Actor"]["ID"])
        self.assertEqual(create["Actor"]["Attributes"], {"image": "busybox", "name": "box", "tier": "a"})
        self.assertEqual(die["Actor"]["Attributes"]["exitCode"], "3")
        self.assertEqual(rename["Actor"]["Attributes"]["oldName"], "box")
        self.assertEqual(create["time"], create["timeNano"] // 10**9)

    def test_signals_and_further_commands(self):
        self.ok("run", "-d", "--rm", "--name", "box", *QUIET, "busybox", "sh", "-c",
                "trap 'exit 0' TERM; while :; do sleep 0.1; done")
        self.ok("exec", "box", "true")
        self.ok("stop", "box")
        self.assertEqual(self.containers_on_disk(), [])
        self.assertEqual(self.actions("-f", "container=box", "-f", "event=exec_create", "-f", "event=exec_die"),
                         ["exec_create: true", "exec_die"])
        actions = self.actions()
        for action in ("kill", "die", "stop", "destroy"):
            self.assertIn(action, actions)
        kill, = [event for event in self.past() if event["Action"] == "kill"]
        self.assertEqual(kill["Actor"]["Attributes"]["signal"], "15")

    def test_images_and_volumes(self):
        self.ok("tag", "busybox", "mine:1")
        self.ok("volume", "create", "vol")
        self.ok("volume", "rm", "vol")
        self.ok("rmi", "mine:1")
        self.assertEqual([(event["Type"], event["Action"]) for event in self.past()],
                         [("image", "tag"), ("volume", "create"), ("volume", "destroy"), ("image", "untag"),
                          ("image", "delete")])
        self.assertEqual(self.actions("-f", "type=volume"), ["create", "destroy"])
        self.assertEqual(self.actions("-f", "image=mine"), ["tag"])

    def test_they_are_told_as_they_happen_until_somebody_interrupts(self):
        self.ok("create", "--name", "before", *QUIET, "busybox", "true")
        client = self.client("events", "--filter", "label=tier", stdout=subprocess.PIPE, text=True)
        # Whoever asks for what comes from now on has opened the journal when its next events are seen.
        seen = []
        for number in range(100):
            self.ok("create", "--name", f"n{number}", "--label", "tier", *QUIET, "busybox", "true")
            if self.readable(client.stdout):
                seen.append(client.stdout.readline())
                break
        self.assertRegex(seen[0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) container create "
                                  r"[0-9a-f]{64} \(image=busybox, name=n\d+, tier=\)\n$")
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(10), -signal.SIGINT)
        client.stdout.close()

    @staticmethod
    def readable(stream):
        return bool(select.select([stream], [], [], 0.3)[0])

    def test_until_a_time_to_come(self):
        before = time.monotonic()
        self.assertEqual(self.ok("events", "--until", str(time.time() + 1)), "")
        self.assertGreater(time.monotonic() - before, 0.9)

    def test_formats_and_wrong_words(self):
        self.ok("create", "--name", "box", *QUIET, "busybox", "true")
        told = self.ok("events", "--since", "1h", "--until", "0s", "--format",
                       "{{.Type}} {{.Action}} {{.Status}} {{.From}} {{.Actor.Attributes.name}} {{.Scope}}")
        self.assertEqual(told, "container create create busybox box local\n")
        for words, message in ((("--format", "{{.Nothing}}"), "template parsing error"),
                               (("--since", "soon"), "soon"),
                               (("--filter", "colour=red"), "invalid filter 'colour'"),
                               (("--filter", "x"), "invalid filter format")):
            self.assertIn(message, self.sandbox("events", *words).stderr)

    def test_what_containers_say_does_not_command_the_terminal(self):
        self.ok("create", "--name", "box", "--label", "evil=\x1b[2J\nx", *QUIET, "busybox", "true")
        told = self.ok("events", "--since", "1h", "--until", "0s")
        self.assertNotIn("\x1b", told)
        self.assertEqual(told.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
