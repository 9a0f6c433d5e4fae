"""commit, diff, export, history: containers become images, whoever merges their layers; as the ordinary user who calls
it. Other programs (skopeo, umoci, GNU tar) read what comes out."""

import json
import os
import random
import re
import signal
import subprocess
import tarfile
import unittest

from image_archive import directory, docker_archive, entry, tools
from sandbox_case import SANDBOX, SandboxCase, eventually, has_range

DRIVERS = ("overlay", "fuse")

# The whole tree, each object with what a layer carries of it; from within, so that owners are the container's.
SURVEY = r"""
cd /; find . -mindepth 1 \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc \) -prune \
  -o -exec stat -c '%n %F %a %u:%g %Y %N' {} + | sort
find . \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc \) -prune -o -type f -exec md5sum {} + | sort
"""


def random_operations(seed):
    """A script of changes to files and directories; what it can't do it leaves."""
    choice = random.Random(seed)
    names = [f"/{top}/{name}" for top in ("a", "b", "b/sub", "c", "new") for name in ("x", "y", "z")]
    # With one id the disk keeps the user's access, and no set-ID bit: what is more is on record, and not shown.
    modes = ["600", "755", "4711", "0"] if has_range() else ["755", "711"]
    lines = ["cd /; exec 2> /dev/null; mkdir /fifos"]
    for step in range(120):
        one, other = choice.choice(names), choice.choice(names)
        parent = os.path.dirname(one)
        lines.append(choice.choice([
            f"echo {step} > {one}", f"echo {step} >> {one}", f"rm -rf {one}", f"mkdir -p {one}", f"mv {one} {other}",
            f"ln {one} {other}", f"ln -s {other} {one}", f"chmod {choice.choice(modes)} {one}", f"rm -rf {parent}",
            f"mkdir -p {parent}", f"mkfifo /fifos/{step}", f"touch -d @{step} {one}", f"mv {parent} /moved{step}",
            f"chown {choice.choice(['0', '7:8', '65000'])} {one}", f"cp -r {parent} /copy{step}",
            f"truncate -s 300000 {one}"]))
    return "\n".join(lines) + "\n"


class Commit(SandboxCase):
    def setUp(self):
        super().setUp()
        self.shipped = self.ok("images", "-q", "--no-trunc").split()
        archive = self.home + "/base.tar"
        applets = "find sort stat md5sum mkdir rm mv ln chmod mkfifo touch chown cp truncate sleep true".split()
        below = [directory("a"), directory("b"), directory("b/sub"), directory("etc"), entry("a/x", "1"),
                 entry("a/y", type=tarfile.LNKTYPE, linkname="a/x"), entry("b/z", "3" * 70000), entry("b/sub/x", "4"),
                 entry("etc/x", "5")]
        docker_archive(archive, "base", tools(*applets), below, Entrypoint=["/bin/sh"], Env=["ONE=1"],
                       WorkingDir="/etc")
        self.ok("load", "-i", archive)

    def tearDown(self):
        self.remove_containers()
        images = self.ok("images", "-q", "--no-trunc").split()
        own = [image for image in set(images) if image not in self.shipped]
        self.ok("rmi", "-f", *own)  # layers may have files of other ids, which only the program can remove
        super().tearDown()

    def run_in(self, image, script, *words, driver="overlay", name=None):
        keep = ["--name", name] if name else ["--rm"]
        return self.ok("run", *keep, "--network", "none", "--storage-driver", driver, *words,
                       "--entrypoint", "/bin/sh", image, "-c", script)

    def index(self):
        with open(self.data + "/images/index.json", encoding="utf-8") as index:
            return json.load(index)["manifests"]

    def config(self, image):
        return json.loads(self.ok("inspect", image))[0]["Config"]

    def test_random_changes_are_the_same_in_the_image_with_either_driver(self):
        for seed in range(4):
            driver, other = DRIVERS[seed % 2], DRIVERS[1 - seed % 2]
            with self.subTest(seed=seed, driver=driver):
                name = f"seed{seed}"
                before = self.run_in("base", random_operations(seed) + SURVEY, driver=driver, name=name)
                self.assertIn("/moved", before, "the seed does too little")
                self.ok("commit", name, f"made:{seed}")
                self.assertEqual(self.run_in(f"made:{seed}", SURVEY, driver=other), before)
                # The same changes on top of that image, committed by the way of the other driver.
                more = random_operations(seed + 100) + SURVEY
                again = self.run_in(f"made:{seed}", more, driver=other, name=name + "b")
                self.ok("commit", name + "b", f"made:{seed}b")
                self.assertEqual(self.run_in(f"made:{seed}b", SURVEY, driver=driver), again)

    def test_other_programs_see_the_same_tree(self):
        for seed, driver in enumerate(DRIVERS):
            self.run_in("base", "umask 22\n" + random_operations(seed + 10), driver=driver, name="box")
            self.ok("commit", "box", "made:1")
            export = self.home + "/export.tar"
            self.ok("export", "-o", export, "box")
            copy = f"{self.home}/copy{driver}"
            store, unpacked = f"oci:{self.data}/images:docker.io/library/made:1", f"{self.home}/unpacked{driver}"
            for words in (["skopeo", "copy", "-q", "--insecure-policy", store, f"oci:{copy}:made"],
                          ["umoci", "unpack", "--rootless", "--image", f"{copy}:made", unpacked]):
                subprocess.run(words, check=True, timeout=60, capture_output=True)
            exported, unpacked = self.tree_of_archive(export), self.tree_of_directory(unpacked + "/rootfs")
            self.ok("rm", "box")
            for mount_point in ("dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf"):
                del exported[mount_point]
            self.assertEqual(sorted(exported), sorted(unpacked))
            self.assertEqual([name for name in exported if exported[name] != unpacked[name]], [])

    @staticmethod
    def tree_of_archive(path):
        """{name: (type, content or target)}"""
        tree = {}
        with tarfile.open(path) as archive:
            for item in archive:
                if item.isdir():
                    tree[item.name] = ("directory", None)
                elif item.issym():
                    tree[item.name] = ("link", item.linkname)
                elif item.isfifo():
                    tree[item.name] = ("fifo", None)
                else:
                    tree[item.name] = ("file", archive.extractfile(item).read())
        return tree

    @staticmethod
    def tree_of_directory(root):
        tree = {}
        subprocess.run(["chmod", "-R", "u+rwX", root], check=True)
        for base, directories, files in os.walk(root):
            for name in directories + files:
                path = os.path.join(base, name)
                key = os.path.relpath(path, root)
                if os.path.islink(path):
                    tree[key] = ("link", os.readlink(path))
                elif os.path.isdir(path):
                    tree[key] = ("directory", None)
                elif os.path.isfile(path):
                    with open(path, "rb") as file:
                        tree[key] = ("file", file.read())
                else:
                    tree[key] = ("fifo", None)
        return tree

    def test_an_image_made_step_by_step_shows_its_steps(self):
        self.run_in("base", "echo updated > /etc/packages", name="one")
        first = self.ok("commit", "-m", "packages updated", "-a", "Ann <ann@example.org>", "one", "my/server:1").strip()
        self.assertRegex(first, "^sha256:[0-9a-f]{64}$")
        self.run_in("my/server:1", "echo serve > /bin/server; chmod 755 /bin/server", name="two")
        self.ok("commit", "-m", "server installed", "-c", 'ENTRYPOINT ["/bin/cat"]', "-c", "CMD /etc/packages", "-c",
                "ENV TWO=$ONE' and a half' THREE=3", "-c", "LABEL who=ann", "-c", "EXPOSE 80 53/udp", "-c",
                "WORKDIR sub",
                "-c", "USER 0", "-c", 'VOLUME ["/data"]', "two", "my/server:2")
        rows = self.ok("history", "my/server:2").splitlines()
        self.assertEqual(rows[0].split(), ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"])
        self.assertIn("server installed", rows[1])
        self.assertIn("/bin/sh -c echo serve > /bin/server", rows[1])
        self.assertIn("packages updated", rows[2])
        self.assertIn("<missing>", rows[2])
        config = self.config("my/server:2")
        self.assertEqual(config["Entrypoint"], ["/bin/cat"])
        self.assertEqual(config["Cmd"], ["/bin/sh", "-c", "/etc/packages"])
        self.assertEqual(config["Env"], ["ONE=1", "TWO=1 and a half", "THREE=3"])
        self.assertEqual(config["Labels"], {"who": "ann"})
        self.assertEqual(config["ExposedPorts"], {"80/tcp": {}, "53/udp": {}})
        self.assertEqual((config["WorkingDir"], config["User"], config["Volumes"]), ("/etc/sub", "0", {"/data": {}}))
        # What the user said at run is the new image's, what the image said stays.
        self.ok("run", "--name", "three", "--network", "none", "-e", "FOUR=4", "-w", "/b", "my/server:1", "-c", "cat z")
        self.ok("commit", "three", "my/server:3")
        config = self.config("my/server:3")
        self.assertEqual(config["Entrypoint"], ["/bin/sh"])
        self.assertEqual(config["Cmd"], ["-c", "cat z"])
        self.assertEqual((config["Env"], config["WorkingDir"]), (["ONE=1", "FOUR=4"], "/b"))
        self.assertEqual(self.ok("run", "--rm", "--network", "none", "my/server:3"), "3" * 70000)
        # Without changes there is a step, and no layer.
        layers = json.loads(self.ok("inspect", "my/server:3"))[0]["RootFS"]["Layers"]
        self.assertEqual(layers, json.loads(self.ok("inspect", "my/server:1"))[0]["RootFS"]["Layers"])
        self.assertEqual(len(self.ok("history", "-q", "my/server:3").split()), 4)  # two of the base say nothing

    def test_a_bad_change_is_refused_before_anything_is_written(self):
        self.run_in("base", "true", name="box")
        before = sorted(os.listdir(self.data + "/images/blobs/sha256"))
        for change in ("RUN true", "ENV", "EXPOSE nothing", "LABEL =x", "STOPSIGNAL NONE"):
            refused = self.sandbox("commit", "-c", change, "box")
            self.assertNotEqual(refused.returncode, 0, change)
        self.assertIn("RUN is not a valid change command", self.sandbox("commit", "-c", "RUN true", "box").stderr)
        self.assertEqual(sorted(os.listdir(self.data + "/images/blobs/sha256")), before)
        self.assertIn("No such container", self.sandbox("commit", "nonesuch").stderr)

    def test_a_running_container_is_committed_and_goes_on(self):
        for driver in DRIVERS:
            self.ok("run", "-d", "--name", driver, "--network", "none", "--storage-driver", driver, "base", "-c",
                    "n=0; while :; do echo $n > /a/new; mv /a/new /a/count; n=$((n+1)); sleep 0.01; done")
            self.assertTrue(eventually(lambda: "/a/count" in self.ok("diff", driver)))
            self.ok("commit", driver, "made:" + driver)
            self.assertRegex(self.run_in("made:" + driver, "cat /a/count"), "^[0-9]+\n$")
            count = lambda: self.ok("exec", driver, "cat", "/a/count")
            before = count()
            self.assertTrue(eventually(lambda: count() != before))
            self.ok("rm", "-f", driver)

    def test_owners_are_those_that_the_container_sees(self):
        self.run_in("base", "echo x > /a/mine; chown 7:8 /a/mine; chown 9 /b/z; ln -s x /a/link; chown -h 5 /a/link", name="box")
        self.ok("commit", "box", "made:1")
        manifest = next(i["digest"] for i in self.index() if "made" in str(i)).split(":")[1]
        with open(f"{self.data}/images/blobs/sha256/{manifest}", encoding="utf-8") as file:
            layer = json.load(file)["layers"][-1]["digest"].split(":")[1]
        with tarfile.open(f"{self.data}/images/blobs/sha256/{layer}") as archive:
            owners = {item.name: (item.uid, item.gid) for item in archive}
        self.assertEqual(owners, {"a": (0, 0), "a/mine": (7, 8), "a/link": (5, 0), "b": (0, 0), "b/z": (9, 0)})
        seen = "7:8\n9:0\n0:0\n" if has_range() else "0:0\n" * 3
        self.assertEqual(self.run_in("made:1", "stat -c %u:%g /a/mine /b/z /a/x"), seen)

    def test_a_commit_reads_only_what_has_changed(self):
        archive = self.home + "/large.tar"
        docker_archive(archive, "large", tools(), [entry(f"many/{i}", os.urandom(16) * 12800) for i in range(1000)])
        self.ok("load", "-i", archive)
        self.run_in("large", "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i > /many/$i; done", name="box")
        trace = self.home + "/trace"
        traced = ["strace", "-f", "-o", trace, "-e", "trace=open,openat,openat2", SANDBOX, "commit", "box", "made:1"]
        done = subprocess.run(traced, env=self.env, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(trace, encoding="utf-8") as calls:
            opened = [line for line in calls if " = -1 " not in line and "O_PATH" not in line]
        numbers = [line for line in opened if any(f'"{i}"' in line for i in range(1000))]
        self.assertEqual(len(numbers), 10, numbers)
        self.assertLess(len(opened), 250)

    def test_what_is_reported_is_on_the_disk(self):
        """Each blob is synced before it has its name, the directory of blobs before the index names them; a layer is
        synced once, as a whole, before it has its name."""
        self.run_in("base", "echo x > /a/new", name="box")
        trace = self.home + "/trace"
        for words, syncs, layers in ((("commit", "box", "made:1"), 6, 0),
                                     (("run", "--rm", "--network", "none", "made:1", "-c", "true"), 1, 1)):
            traced = ["strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,syncfs,rename,renameat,renameat2", SANDBOX]
            subprocess.run([*traced, *words], env=self.env, capture_output=True, timeout=120, check=True)
            with open(trace, encoding="utf-8") as file:
                calls = [line.split(maxsplit=1)[1] for line in file if " = 0" in line and self.data in line]
            synced, names = set(), []
            for call in calls:
                paths = [path for pair in re.findall(r'"([^"]+)"|<([^>]+)>', call) for path in pair if path]
                if not call.startswith("rename"):
                    synced.add(paths[0])
                    continue
                source, target = [path for path in paths if path.startswith(self.data)]
                if "/blobs/" in target:
                    self.assertIn(source, synced, call)
                if target.endswith("/index.json"):
                    self.assertIn(source, synced, call)
                    self.assertIn(self.data + "/images/blobs/sha256", synced)
                if "/layers/" in target:
                    self.assertIn(source + "/fs", synced)
                names.append(target)
            self.assertEqual(sum(call.startswith("fsync") for call in calls), syncs, calls)
            self.assertEqual(sum(call.startswith("syncfs") for call in calls), layers, calls)
            self.assertTrue(any("/layers/" in name for name in names) if layers else names[-1].endswith("index.json"))

    def test_a_mount_point_is_no_change(self):
        os.mkdir(self.home + "/host")
        self.run_in("base", "echo x > /srv/data/x", "-v", self.home + "/host:/srv/data", name="box")
        self.assertEqual(self.ok("diff", "box"), "")
        self.ok("commit", "box", "made:1")
        self.assertEqual(self.run_in("made:1", "test -e /srv || echo none"), "none\n")

    def test_a_container_without_an_image_says_so(self):
        os.makedirs(self.home + "/root")
        self.sandbox("create", "--name", "box", "--rootfs", self.home + "/root:O", "true")
        self.assertIn("has no image", self.sandbox("commit", "box").stderr)

    def test_an_exported_tree_can_be_imported(self):
        before = self.run_in("base", "echo x > /a/new; rm /b/z; rm -r /a/y;" + SURVEY, name="box")
        file = self.home + "/tree.tar"
        self.ok("export", "--output", file, "box")
        self.ok("import", file, "flat")
        self.assertEqual(self.run_in("flat", SURVEY), before)
        with open(file, "rb") as content:
            piped = subprocess.run([SANDBOX, "export", "box"], env=self.env, capture_output=True, check=True, timeout=60)
            self.assertEqual(piped.stdout, content.read())
        with subprocess.Popen([SANDBOX, "export", "box"], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as unread:
            unread.stdout.close()
            self.assertEqual((unread.stderr.read(), unread.wait(60)), (b"", -signal.SIGPIPE))


if __name__ == "__main__":
    unittest.main(verbosity=2)
