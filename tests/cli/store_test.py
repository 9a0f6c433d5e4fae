"""The store looks after itself: prune, df, fsck, and many commands at once; as the ordinary user who calls it."""

import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import threading
import unittest

from image_archive import docker_archive, entry, tools
from sandbox_case import SandboxCase


class Store(SandboxCase):
    def setUp(self):
        super().setUp()
        self.blobs, self.layers = self.data + "/images/blobs/sha256", self.data + "/layers"

    def load(self, name, *layers, **config):
        archive = f"{self.home}/{name.replace('/', '-')}.tar"
        docker_archive(archive, name, tools("sleep", "true"), *layers, **config)
        self.ok("load", "-i", archive)

    def image_id(self, name):
        return json.loads(self.ok("inspect", name))[0]["Id"]

    def index(self):
        with open(self.data + "/images/index.json", encoding="utf-8") as index:
            return json.load(index)["manifests"]


class Prune(Store):
    def test_images_without_a_name_go_unless_a_container_needs_them(self):
        self.load("one", [entry("file", "1")])
        self.load("two", [entry("file", "2" * 5000)])
        self.ok("create", "--name", "box", "--network", "none", "two", "true")
        old = self.image_id("two")
        self.load("two", [entry("file", "3")])  # takes the name away
        self.ok("tag", "one", "gone")
        self.load("gone", [entry("file", "4")])
        self.assertIn("Total reclaimed space: 0B", self.ok("image", "prune", "-f"))
        self.assertEqual(len(self.index()), 4)
        self.ok("rm", "box")
        asked = self.sandbox("image", "prune", stdin="n\n")
        self.assertIn("Are you sure", asked.stdout)
        self.assertEqual((asked.returncode, asked.stderr), (1, "sandbox: image prune has been cancelled\n"))
        self.assertEqual(len(self.index()), 4)
        told = self.ok("image", "prune", stdin="y\n")
        self.assertIn("Deleted Images:\ndeleted: " + old + "\n", told)
        self.assertRegex(told, r"Total reclaimed space: [1-9][0-9.]*kB\n")
        self.assertEqual(len(self.index()), 3)

    def test_with_all_everything_goes_that_no_container_is_of(self):
        self.load("kept", [entry("file", "1")])
        self.load("gone", [entry("file", "2")])
        self.ok("run", "-d", "--name", "box", "--network", "none", "kept", "sleep", "1000")
        told = self.ok("image", "prune", "-a", "-f")
        self.assertIn("untagged: gone:latest\ndeleted: sha256:", told)
        self.assertEqual([image["annotations"]["org.opencontainers.image.ref.name"] for image in self.index()],
                         ["docker.io/library/kept:latest"])
        self.assertEqual(self.ok("exec", "box", "cat", "/file"), "1")
        self.assertNotIn("Deleted Containers", self.ok("system", "prune", "-f"))
        self.ok("kill", "box")
        self.ok("wait", "box")
        told = self.ok("system", "prune", "-a", "-f")
        self.assertIn("Deleted Containers:\n", told)
        self.assertEqual((os.listdir(self.blobs), os.listdir(self.layers), self.index()), ([], [], []))

    def test_what_no_index_reaches_goes_at_once_unless_somebody_is_at_work(self):
        self.load("one", [entry("file", "1")])
        before = sorted(os.listdir(self.blobs))
        stray = "0" * 64
        with open(f"{self.blobs}/{stray}", "w", encoding="utf-8") as file:
            file.write("x" * 3000)
        reader, writer = os.pipe()
        client = self.client("load", stdin=reader)  # waits for its archive
        os.close(reader)
        while not os.listdir(self.data + "/tmp"):
            self.assertIsNone(client.poll())
        self.assertIn("space: 0B", self.ok("image", "prune", "-f"))
        self.assertIn(stray, os.listdir(self.blobs))
        os.close(writer)
        client.wait()
        self.assertIn("space: 3kB", self.ok("image", "prune", "-f"))
        self.assertEqual(sorted(os.listdir(self.blobs)), before)

    def test_one_damaged_image_does_not_keep_the_others(self):
        self.load("whole", [entry("file", "1")])
        self.load("damaged", [entry("file", "2")])
        manifest = next(image["digest"] for image in self.index() if "damaged" in str(image)).split(":")[1]
        with open(f"{self.blobs}/{manifest}", "w", encoding="utf-8") as file:
            file.write("{")
        self.ok("rmi", "whole")
        self.ok("image", "prune", "-a", "-f")
        self.assertEqual(len(self.index()), 1)  # fsck sees to it

    def test_a_container_of_a_newer_version_keeps_its_layers(self):
        self.load("one", [entry("file", "1")])
        self.ok("create", "--name", "box", "--network", "none", "one", "true")
        path = self.only_container() + "/container.json"
        with open(path, encoding="utf-8") as file:
            document = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(r'"version":\d+', '"version":999', document))
        layers = sorted(os.listdir(self.layers))
        self.ok("image", "prune", "-a", "-f")
        self.assertEqual(sorted(os.listdir(self.layers)), layers)
        with open(path, "w", encoding="utf-8") as file:
            file.write(document)
        self.ok("start", "-a", "box")

    def test_many_commands_at_once_lose_nothing(self):
        for number in range(3):
            self.load(f"image{number}", [entry("file", str(number))])
        unexpected = []
        local = ("--network", "none", "--pull", "never")
        expected = "[Nn]o such (image|container)|removed meanwhile|is missing|conflict:|not found|in use|nable to find"

        def work(seed):
            choice = random.Random(seed)
            for step in range(12):
                name = f"image{choice.randrange(3)}"
                words = choice.choice([
                    ("load", "-i", f"{self.home}/{name}.tar"), ("run", "--rm", *local, name, "cat", "/file"),
                    ("run", "--name", f"box{seed}-{step}", *local, name, "sh", "-c", f"echo {step} > /new"),
                    ("commit", f"box{seed}-{step - 1}", f"made{seed}"), ("rmi", "-f", name), ("image", "prune", "-f"),
                    ("image", "prune", "-a", "-f"), ("container", "prune", "-f"), ("system", "df"),
                    ("tag", name, f"tag{seed}")])
                done = self.sandbox(*words)
                if done.returncode != 0 and not re.search(expected, done.stderr):
                    unexpected.append((words, done.returncode, done.stderr))

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(unexpected, [])
        self.assertEqual(self.ok("system", "fsck"), "")


class Fsck(Store):
    """Everything that can be wrong is made wrong, one after the other."""

    def setUp(self):
        super().setUp()
        self.load("one", [entry("file", "1" * 1000), entry("other", "x", uid=7, gid=8)])
        self.load("two", [entry("file", "2")])
        self.ok("run", "--name", "box", "--network", "none", "one", "sh", "-c", "echo x > /new")
        self.assertEqual(self.ok("system", "fsck", "--full"), "")

    def tearDown(self):
        self.remove_containers()
        self.ok("image", "prune", "-a", "-f")  # layers may have files of other ids
        super().tearDown()

    def blob(self, name, kind):
        """The path of the last blob of that kind: manifest, config or layers."""
        manifest = f"{self.blobs}/" + next(i["digest"] for i in self.index() if name in str(i)).split(":")[1]
        if kind == "manifest":
            return manifest
        with open(manifest, encoding="utf-8") as file:
            part = json.load(file)[kind]
        return f"{self.blobs}/" + (part[-1] if kind == "layers" else part)["digest"].split(":")[1]

    @staticmethod
    def damage(path, at=0):
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 1]))

    def layer_with(self, name):
        layers = [f"{self.layers}/{one}/fs" for one in os.listdir(self.layers)]
        layer, = [layer for layer in layers if os.path.exists(f"{layer}/{name}")]
        return layer

    def finds(self, *words, full=False):
        """fsck finds something with these words, and changes nothing."""
        done = self.sandbox("system", "fsck", *(["--full"] if full else []))
        self.assertEqual(done.returncode, 1, done.stdout)
        for word in words:
            self.assertIn(word, done.stdout)
        self.assertEqual(self.sandbox("system", "fsck", *(["--full"] if full else [])).stdout, done.stdout)

    def repairs(self, *words, full=False):
        done = self.sandbox("system", "fsck", "--repair", *(["--full"] if full else []))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stdout)
        self.assertEqual(self.ok("system", "fsck", "--full"), "")

    def test_a_damaged_layer_blob_costs_its_image_alone(self):
        self.damage(self.blob("two", "layers"), 600)
        self.finds("has the digest", "image docker.io/library/two:latest: lacks the blob")
        self.repairs("quarantine", "its name is removed")
        self.assertIn("no such image", self.sandbox("inspect", "two").stderr.replace("object", "image"))
        self.assertEqual(self.ok("start", "-a", "box"), "")
        self.load("two", [entry("file", "2")])
        self.assertEqual(self.ok("run", "--rm", "--network", "none", "two", "cat", "/file"), "2")

    def test_damaged_manifests_and_configs_cost_their_images_alone(self):
        self.damage(self.blob("two", "manifest"))
        self.finds("image docker.io/library/two:latest: manifest")
        self.repairs("its name is removed")
        self.damage(self.blob("one", "config"))
        self.finds("image docker.io/library/one:latest: image config")
        self.repairs("its name is removed")
        self.assertEqual(self.ok("start", "-a", "box"), "")

    def test_an_additional_store_has_the_blob_once_more(self):
        copy = self.home + "/site"
        os.makedirs(copy)
        shutil.copytree(self.data + "/images", copy + "/images")
        self.env["SANDBOX_ADDITIONAL_STORES"] = copy
        self.damage(self.blob("one", "layers"), 600)
        os.unlink(self.blob("two", "layers"))
        self.repairs("copied from an additional store")
        self.assertEqual(self.ok("run", "--rm", "--network", "none", "two", "cat", "/file"), "2")

    def test_a_store_of_somebody_else_is_read_and_never_written_and_can_do_no_harm(self):
        site = self.home + "/site"
        shutil.copytree(self.data + "/images", site + "/images")
        self.ok("rmi", "two")
        config = pathlib.Path(self.home + "/config/sandbox")
        config.mkdir(parents=True)
        (config / "additional-stores").write_text(f"# those of this site\n{site}\n/nowhere\n")
        self.env["XDG_CONFIG_HOME"] = str(config.parent)
        before = {path: path.lstat().st_mtime_ns for path in pathlib.Path(site).rglob("*")}
        listed = lambda: self.ok("images", "--filter", "readonly=true", "--format", "{{.Repository}} {{.ReadOnly}}").split("\n")
        self.assertIn("two true", listed())
        self.assertEqual(self.ok("run", "--rm", "--network", "none", "two", "cat", "/file"), "2")
        self.assertIn("read-only store", self.sandbox("rmi", "two").stderr)
        self.assertEqual({path: path.lstat().st_mtime_ns for path in pathlib.Path(site).rglob("*")}, before)
        for file in pathlib.Path(site).glob("images/blobs/sha256/*"):
            file.unlink()
            os.mkfifo(file)
        self.assertNotIn("two true", listed())
        self.assertEqual(self.ok("start", "-a", "box"), "")
        index = pathlib.Path(site + "/images/index.json")
        for make in (lambda: os.mkfifo(index), lambda: index.mkdir(), lambda: index.write_text('{"manifests": [')):
            index.rmdir() if index.is_dir() else index.unlink()
            make()
            self.assertNotIn("two true", listed())
            self.assertEqual(self.ok("start", "-a", "box"), "")

    def test_an_index_that_is_none_is_made_again(self):
        with open(self.data + "/images/index.json", "w", encoding="utf-8") as index:
            index.write('{"manifests": [')
        self.finds("index.json")
        self.repairs("2 images were found again")
        self.assertEqual(self.ok("images").count("<none>"), 4)
        self.assertEqual(self.ok("start", "-a", "box"), "")

    def test_a_damaged_layer_is_unpacked_again(self):
        for change in ("unlink", "truncate", "extra", "chmod"):
            layer = self.layer_with("file")
            if change == "unlink":
                os.unlink(layer + "/file")
            elif change == "truncate":
                with open(layer + "/file", "w", encoding="utf-8"):
                    pass
            elif change == "extra":
                with open(layer + "/more", "w", encoding="utf-8"):
                    pass
            else:
                os.chmod(layer + "/file", 0o600)
            self.finds("layer ", "files are missing")
            self.repairs("unpacked again")
            self.assertEqual(self.ok("start", "-a", "box"), "")

    def test_damage_within_a_file_is_found_by_the_full_check(self):
        layer = self.layer_with("file")
        times = os.stat(layer + "/file")
        self.damage(layer + "/file", 500)
        os.utime(layer + "/file", ns=(times.st_atime_ns, times.st_mtime_ns))
        self.assertEqual(self.ok("system", "fsck"), "")
        self.finds("files hold something else", full=True)
        self.repairs("unpacked again", full=True)

    def test_lost_layers_and_descriptions_of_layers_are_made_again(self):
        names = sorted(os.listdir(self.layers))
        with open(f"{self.layers}/{names[0]}/meta.json", "w", encoding="utf-8") as meta:
            meta.write("{}")
        os.rename(f"{self.layers}/{names[1]}", self.home + "/lost")
        self.finds("meta.json", "is missing")
        self.repairs("unpacked again")
        self.assertEqual(self.ok("start", "-a", "box"), "")
        os.rename(self.home + "/lost", f"{self.layers}/unknown")
        self.finds("layers/unknown: is no layer's name")
        self.repairs("quarantine")
        self.ok("rm", "box")
        self.ok("rmi", "-f", "one", "two")

    def test_an_unreadable_container_is_set_aside_with_its_files(self):
        directory = self.only_container()
        with open(directory + "/state.json", "w", encoding="utf-8") as state:
            state.write("{")
        self.ok("create", "--name", "other", "--network", "none", "two", "true")
        self.finds("container " + os.path.basename(directory)[:12])
        self.repairs("its changed files are in upper/")
        aside, = os.listdir(self.data + "/quarantine")
        with open(f"{self.data}/quarantine/{aside}/upper/new", encoding="utf-8") as new:
            self.assertEqual(new.read(), "x\n")
        # Overlayfs' own directory in work/ is closed to all.
        subprocess.run(["chmod", "-R", "u+rwx", self.data + "/quarantine"], check=True)
        self.ok("start", "-a", "other")

    def test_what_nobody_knows_is_found(self):
        for path in (self.data + "/images/notes", self.blobs + "/notes"):
            with open(path, "w", encoding="utf-8"):
                pass
        self.finds("images/notes", "blob notes")
        self.repairs("quarantine")


class DiskUsage(Store):
    def test_sizes_are_those_of_blobs_layers_and_changes(self):
        self.load("one", [entry("file", "1" * 100000)])
        self.load("two", [entry("file", "2" * 300000)])
        table = [re.split(r"  +", line) for line in self.ok("system", "df").splitlines()]
        self.assertEqual(table[0], ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"])
        self.assertEqual([row[0] for row in table[1:]], ["Images", "Containers", "Local Volumes", "Build Cache"])
        self.assertEqual(table[2][1:], ["0", "0", "0B", "0B"])
        script = "i=0; while [ $i -lt 1000 ]; do echo 1234567; i=$((i+1)); done > /new"
        self.ok("run", "--name", "box", "--network", "none", "two", "sh", "-c", script)
        table = {row[0]: row for row in (re.split(r"  +", line) for line in self.ok("system", "df").splitlines())}
        self.assertEqual(table["Containers"][1:], ["1", "0", "8kB", "8kB (100%)"])
        self.assertEqual(table["Images"][2], "1")
        detailed = self.ok("system", "df", "-v")
        row = next(re.split(r"  +", line) for line in detailed.splitlines() if line.startswith("two "))
        self.assertEqual(row[7], "1")
        shared, unique = row[5], row[6]
        self.assertRegex(shared, r"MB$")  # busybox, as a blob
        self.assertRegex(unique, r"^60\dkB$")  # its own layer, as a blob and unpacked
        self.assertIn("Containers space usage:", detailed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
