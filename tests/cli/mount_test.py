"""Mounts of parts of volumes, of images, and over what stays as it is; as the ordinary user who calls it."""

import json
import os
import unittest

from image_archive import directory, docker_archive, entry, link, tools
from sandbox_case import SandboxCase, has_range

WORDS = ("--network", "none", "--pull", "never")


class Mounts(SandboxCase):
    def sh(self, script, *words):
        return self.ok("run", "--rm", *WORDS, *words, "busybox", "sh", "-c", script)

    def refused(self, message, *words):
        done = self.sandbox("run", "--rm", *WORDS, *words, "busybox", "true")
        self.assertNotEqual(done.returncode, 0, words)
        self.assertIn(message, done.stderr)
        self.assertEqual(self.ok("ps", "-aq"), "")

    def test_a_part_of_a_volume(self):
        os.mkdir(self.home + "/host")
        script = ("mkdir -p /v/a/b; echo deep >/v/a/b/file; ln -s a/b /v/way; ln -s /etc /v/out; ln -s ../../.. /v/up; "
                  f"ln -s {self.home}/host /v/host; ln -s ../../../../../../../../..{self.home}/host /v/climb")
        self.sh(script, "-v", "vol:/v")
        part = "type=volume,src=vol,dst=/p,volume-subpath="
        self.assertEqual(self.sh("cat /p/file; echo more >>/p/file", "--mount", part + "a/b"), "deep\n")
        self.assertEqual(self.sh("cat /p/file", "--mount", "type=volume,src=vol,dst=/p,subpath=way"), "deep\nmore\n")
        self.assertEqual(self.sh("cat /p", "--mount", part + "a/b/file"), "deep\nmore\n")
        told = self.sh("touch /p/own; chown 7:8 /p/own; stat -c %u:%g /p/own", "--mount", part + "a")
        if has_range():
            self.assertEqual(told, "7:8\n")
        else:
            record = os.getxattr(self.data + "/volumes/vol/_data/a/own", "user.containers.override_stat")
            self.assertEqual(record[:4], b"7:8:", "owners are recorded as in the whole volume")
        shown = self.sh("ls /p", "--mount", part + "up")
        self.assertEqual(shown, "a\nclimb\nhost\nout\nup\nway\n", "the links of a volume stay in it")
        for name in ("out", "host", "climb"):
            self.refused(f"cannot access path '{name}' of the volume", "--mount", part + name)
        self.refused("cannot access path 'a/none' of the volume", "--mount", part + "a/none")
        self.refused("subpath must be a relative path within the volume", "--mount", part + "a/../..")
        self.refused("only a volume with a name or an image has a subpath", "--mount", "type=tmpfs,dst=/p,subpath=a")
        self.refused("only whole volumes and directories can change their owner", "--mount", part + "a,chown=true")
        self.ok("create", "--name", "box", *WORDS, "--mount", part + "a", "busybox", "true")
        self.assertIn("volume is in use", self.sandbox("volume", "rm", "vol").stderr)
        mount, = json.loads(self.ok("inspect", "box"))[0]["Mounts"]
        told = ("volume", "vol", self.data + "/volumes/vol/_data")
        self.assertEqual((mount["Type"], mount["Name"], mount["Source"]), told)
        self.assertEqual(self.sh("cat /p/b/file", "--volumes-from", "box"), "deep\nmore\n")
        self.ok("rm", "box")
        self.ok("volume", "rm", "vol")

    def test_what_is_written_over_a_directory_goes_with_the_run(self):
        host = self.home + "/host"
        os.mkdir(host)
        with open(host + "/file", "w", encoding="utf-8") as file:
            file.write("of the host\n")
        script = "cat /m/file; ls /m; echo changed >/m/file; echo new >/m/new; cat /m/file"
        self.ok("create", "--name", "box", *WORDS, "-v", host + ":/m:O", "busybox", "sh", "-c", script)
        for _ in range(2):
            self.assertEqual(self.ok("start", "-a", "box"), "of the host\nfile\nchanged\n")
        self.assertEqual(os.listdir(host), ["file"])
        self.ok("cp", "box:/m/file", self.home + "/copy")
        with open(self.home + "/copy", encoding="utf-8") as file:
            self.assertEqual(file.read(), "changed\n", "what the last run wrote is there until the next one")
        self.assertEqual(self.ok("start", "-a", "box"), "of the host\nfile\nchanged\n")
        self.assertEqual(self.sh("cat /m/file; echo >/m/file", "--volumes-from", "box"), "of the host\n")
        self.sh("echo kept >/v/file", "-v", "vol:/v")
        self.assertEqual(self.sh("rm /v/file; ls /v", "-v", "vol:/v:O"), "")
        self.assertEqual(self.sh("cat /v/file", "-v", "vol:/v"), "kept\n")
        if has_range():
            self.assertEqual(self.sh("chown 7:8 /v/file; stat -c %u:%g /v/file", "-v", "vol:/v:O"), "7:8\n")
        self.ok("rm", "box")
        self.ok("volume", "rm", "vol")
        self.assertEqual(self.sh("echo new >/m/new; ls /m", "-v", f"{self.home}/made:/m:O"), "new\n")
        self.assertEqual(os.listdir(self.home + "/made"), [])
        self.refused("only whole volumes and directories can change their owner", "-v", host + ":/m:O,U")
        self.refused("Not a directory", "-v", host + "/file:/m:O")

    def test_the_files_of_an_image(self):
        archive = self.home + "/data.tar"
        below = [directory("data"), entry("data/kept", "below\n"), entry("data/gone", "below\n")]
        os.mkdir(self.home + "/host")
        above = [entry("data/.wh.gone"), entry("data/kept", "above\n"), link("way", "data"), link("out", "/../../etc"),
                 link("host", self.home + "/host"), link("climb", "../" * 20 + self.home + "/host")]
        docker_archive(archive, "localhost/data", tools(), below, above)
        self.ok("load", "-i", archive)
        mount = "type=image,src=localhost/data,dst=/m"
        script = "ls /m/data; cat /m/data/kept; touch /m/x 2>/dev/null || echo refused"
        self.assertEqual(self.sh(script, "--mount", mount), "kept\nabove\nrefused\n")
        self.assertEqual(self.sh("cat /m/kept", "--mount", mount + ",subpath=way"), "above\n")
        self.assertEqual(self.sh("echo own >/m/data/kept; cat /m/data/kept", "--mount", mount + ",rw"), "own\n")
        self.assertEqual(self.sh("cat /m/data/kept", "--mount", mount), "above\n")
        for name in ("out", "host", "climb"):
            self.refused(f"'{name}' of what is mounted on '/m'", "--mount", f"{mount},subpath={name}")
        self.refused("only whole volumes and directories can change their owner", "--mount", mount + ",rw,chown=true")
        twice = [*("--mount", mount + ",rw"), *("--mount", mount.replace("/m", "/n")),
                 *("--mount", mount.replace("/m", "/o") + ",subpath=data"), *("--mount", mount.replace("/m", "/p"))]
        self.assertEqual(self.sh("echo own >/m/data/kept; cat /n/data/kept /o/kept /p/data/kept", *twice), "above\n" * 3)
        self.refused("No such image: localhost/none:latest", "--mount", "type=image,src=localhost/none,dst=/m")
        self.ok("create", "--name", "box", *WORDS, "--mount", mount, "busybox", "cat", "/m/data/kept")
        self.assertEqual(json.loads(self.ok("inspect", "box"))[0]["Mounts"][0]["Type"], "image")
        self.ok("rmi", "-f", "localhost/data")
        self.ok("image", "prune", "-f")
        self.assertEqual(self.ok("start", "-a", "box"), "above\n", "its layers are the container's")
        self.ok("rm", "box")
        self.ok("image", "prune", "-f")

    def test_further_options(self):
        self.sh("true", "--mount", "type=volume,src=vol,dst=/v,volume-label=a=b,volume-driver=local")
        self.assertEqual(self.ok("volume", "ls", "-q", "--filter", "label=a=b"), "vol\n")
        self.assertEqual(self.sh("head -c 1 /dev/other | wc -c", "-v", "/dev/zero:/dev/other:dev"), "1\n")
        self.ok("volume", "rm", "vol")


if __name__ == "__main__":
    unittest.main()
