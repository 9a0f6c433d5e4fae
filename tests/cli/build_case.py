"""What the tests of `build` share: a context, the image that is made of it, and how to look at that."""

import contextlib
import http.client
import json
import os
import pathlib
import tarfile

from podman_case import Podman
from sandbox_case import SandboxCase


class BuildCase(SandboxCase):
    def setUp(self):
        super().setUp()
        self.context = self.home + "/context"
        os.mkdir(self.context)
        self.shipped = self.ok("images", "-q", "--no-trunc").split()

    def tearDown(self):
        self.remove_containers()
        images = set(self.ok("images", "-q", "--no-trunc").split()) - set(self.shipped)
        if images:
            self.ok("rmi", "-f", *images)
        self.ok("builder", "prune", "-a", "-f")  # layers may have files of other ids, which only the program can remove
        super().tearDown()

    @staticmethod
    def answer(port):
        """What is published on this port says to GET /; None: nothing yet."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def write(self, **files):
        for name, text in files.items():
            self.put(name.replace("__", "/"), text)

    def put(self, name, text):
        path = pathlib.Path(self.context, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def build(self, dockerfile, *words, **more):
        """The finished process of a build named "made"."""
        self.put("Dockerfile", dockerfile)
        return self.sandbox("build", "-t", "made", *words, self.context, **more)

    def build_ok(self, dockerfile, *words, **more):
        """What it has told."""
        done = self.build(dockerfile, *words, **more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stderr

    def run_made(self, *words):
        return self.ok("run", "--rm", "--network", "none", "made", *words)

    @contextlib.contextmanager
    def podman(self):
        """A Podman that has the image."""
        self.ok("save", "-o", self.home + "/made.tar", "made")
        podman = Podman(self)
        try:
            podman.does("load", "-q", "-i", self.home + "/made.tar")
            os.remove(self.home + "/made.tar")
            podman.does("tag", "docker.io/library/made:latest", "localhost/made")
            yield podman
        finally:
            podman.close()

    def inspect(self, image="made"):
        return json.loads(self.ok("inspect", image))[0]

    def history(self):
        """The lines of "made", oldest first, as its config has them."""
        return self.blob(self.blob(self.manifest("made")["digest"])["config"]["digest"])["history"]

    def manifest(self, name):
        """The descriptor of an image's manifest."""
        with open(self.data + "/images/index.json", encoding="utf-8") as index:
            return next(one for one in json.load(index)["manifests"]
                        if f"docker.io/library/{name}:latest" in one.get("annotations", {}).values())

    def blob(self, digest):
        return json.loads(pathlib.Path(self.data, "images/blobs/sha256", digest[7:]).read_text(encoding="utf-8"))

    def layers_of(self, name):
        """{path: tar member} of all layers."""
        found = {}
        for layer in self.blob(self.manifest(name)["digest"])["layers"]:
            with tarfile.open(f"{self.data}/images/blobs/sha256/{layer['digest'][7:]}") as archive:
                found.update({item.name: item for item in archive if item.name != "."})
        return found

    @staticmethod
    def steps(told):
        """{title: "CACHED" or "DONE"} of plain progress."""
        titles, result = {}, {}
        for line in told.splitlines():
            number, _, rest = line.partition(" ")
            if not number.startswith("#"):
                continue
            if rest.startswith(("CACHED", "DONE", "ERROR")):
                result[titles[number]] = rest.split()[0]
            else:
                titles.setdefault(number, rest)
        return result
