"""Several processes pull at the same time: what one of them fetches, the others wait for."""

import os
import pathlib
import signal
import subprocess
import unittest

from registry_case import RegistryCase
from sandbox_case import eventually


class Together(RegistryCase):
    def setUp(self):
        super().setUp()
        self.sign = pathlib.Path(self.home + "/go")
        port, self.log = self.mock("ok", "--until", self.sign)
        self.server = f"127.0.0.1:{port}"

    def asked(self):
        """Paths of the blobs that were asked for."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split()[0] for line in lines if "/blobs/" in line]

    def start(self, name):
        return self.client("pull", f"{self.server}/{name}", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def first(self):
        """A pull whose layer is on its way, until self.sign exists."""
        before = len(self.asked())
        puller = self.start("first")
        self.assertTrue(eventually(lambda: len(self.asked()) == before + 2), self.asked())  # config, layer
        return puller

    def waits(self, puller):
        """Reads its output up to the word."""
        text = ""
        for line in puller.stdout:
            text += line
            if line.endswith(": Waiting\n"):
                return
        self.fail((text, puller.stderr.read()))

    def finish(self, puller):
        output, errors = puller.communicate(timeout=60)
        self.assertEqual(puller.returncode, 0, (output, errors))
        return output

    def test_one_image_is_fetched_once(self):
        one = self.first()
        others = [self.start("first") for _ in range(3)]
        for other in others:
            self.waits(other)
        self.sign.touch()
        self.assertIn("Status: Downloaded newer image", self.finish(one))
        for other in others:
            output = self.finish(other)
            self.assertIn(": Already exists\n", output)
            self.assertIn("Status: Image is up to date", output)
        self.assertEqual(len(self.asked()), 2)
        self.assertEqual(len(os.listdir(self.data + "/layers")), 1)
        self.assertEqual(self.ok("system", "fsck", "--full"), "")

    def test_images_share_a_layer(self):
        one, two = self.first(), self.start("second")
        self.waits(two)
        self.sign.touch()
        self.finish(one)
        self.assertIn("Status: Downloaded newer image", self.finish(two))
        self.assertEqual(len(self.asked()), 2)
        self.assertEqual(self.ok("system", "fsck", "--full"), "")

    def test_who_waits_goes_on_when_the_other_is_killed(self):
        for name in ("first", "second"):
            one, two = self.first(), self.start(name)
            self.waits(two)
            one.send_signal(signal.SIGKILL)
            one.communicate()
            self.sign.touch()
            self.assertIn("Status: Downloaded newer image", self.finish(two))
            self.assertEqual(self.ok("system", "fsck", "--full"), "")
            self.ok("image", "prune", "-af")
            self.sign.unlink()
        self.assertEqual(self.leftovers(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
