"""build: the same Dockerfiles built by buildah make the same files: path, owner, mode, content. That is the front end's
collection of cases (tests/unit/build/cases), whose programs are stand-ins that note how they were called, and
Dockerfiles about what only a built tree shows. Where a difference is meant, a table says why."""

import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import unittest

from build_case import BuildCase
from image_archive import directory, docker_archive, entry, link, script, tools
from sandbox_case import has_range

CASES = pathlib.Path(__file__).parent.parent / "unit/build/cases"

# Programs that the cases call: each tells its words, place, user and variables, and leaves what later steps take.
STAND_INS = "apk dir exec g++ make more npm one python3 three two x"
STAND_IN = """#!/bin/sh
name=${0##*/}
{ echo "$name in $(pwd) by $(id -u):$(id -g)"
  for word; do echo "  '$word'"; done
  env | grep -vE '^(HOME|HOSTNAME|OLDPWD|PWD|SHLVL|TERM|container|_)=' | sort; } >>"/ran/$name"
case $name in
  g++) echo compiled >tool ;;
  make) if [ "$(id -u)" = 0 ]; then mkdir -p "$HOME/.cache"; fi ;;
  x) echo x >/x ;;
esac
"""
USERS = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n"
GROUPS = "root:x:0:\nnogroup:x:65534:\nann:x:1000:\ntwo words:x:77:\n"
APPLETS = "chmod chown cp cut echo env false grep ln mkdir mv rm sort stat touch true wc".split()
CONTEXT = ("a", "a b", "app.py", "b", "c", "file", "ignored/file", "include/x.h", "index.js", "kept", "local", "main.cc",
           "package.json", "src/a/one.txt", "src/a/two.txt", "x")

# What the golden tests take for the config of a base image that has no base.json.
PLAIN = {"Env": ["PATH=/bin"], "Cmd": ["sh"]}

# Cases that nobody builds here.
ELSEWHERE = {
    "add_remote": "its server is an example; build_places_test fetches",
    "copy_forms": "its server is an example; build_copy_test has its other flags",
    "lint": "it copies what .dockerignore leaves out",
}
# Cases that buildah of Debian 12 does not take.
OURS_ALONE = {
    "commands": "no --start-interval",
    "heredocs": "no here-documents",
    "lint_undefined": "no here-documents",
    "mounts": "no RUN --network",
    "multi_stage": "stages are not found by another case",
    "onbuild_given": "no here-documents",
    "target": "stages are not found by another case",
}
# Mistakes that it overlooks.
OVERLOOKED = {
    "error_dest": "several sources make a directory of a destination without a slash",
    "error_port": "any word is a port",
}
# Paths that differ, by case.
MEANT = {
    "continued": dict.fromkeys(("ran/exec", "ran/three"), "of two escape characters the last one continues no line"),
    "onbuild": {"w": "a working directory that the base lacks is root's"},
}

# Further Dockerfiles, but for their first line.
SAME = [
    "COPY a b/\n",
    "COPY a /b\nCOPY a/one /b/two\n",
    "COPY a a/one /d/\n",
    "COPY a/* /d/\nCOPY a/on? /e\n",
    "COPY links /d/\n",
    "COPY links/file /d\n",
    "COPY --chown=7:8 a /d/\n",
    "COPY --chmod=640 a/one /d/e/f\n",
    "WORKDIR /w/x\nCOPY a .\nWORKDIR ../y\nCOPY a/one z\n",
    "ADD archive.tar.gz /d/\n",
    "ADD archive.tar.gz /d\nCOPY archive.tar.gz /e\n",
    "COPY . /all/\n",
    "ENV D=/from/env\nCOPY a $D/\n",
    "RUN mkdir -p /d/e && echo 1 > /d/e/f && ln -s f /d/e/g && ln /d/e/f /d/h && chmod 700 /d/e\n"
    "RUN rm /d/h; mv /d/e /e\n",
    "RUN chown 7:8 /etc/passwd; touch /new; chown 9 /new\nRUN rm -r /etc; mkdir /etc; echo x > /etc/x\n",
    "COPY a /d\nRUN rm -r /d/deep; echo more >> /d/one\nCOPY a /d\n",
]



def world():
    """Entries of the image that all cases begin with."""
    return tools(*APPLETS) + [script("bin/stand-in", STAND_IN)] + [
        link("bin/" + name, "stand-in") for name in STAND_INS.split()] + [
        directory("usr"), link("usr/bin", "../bin"), directory("etc"), entry("etc/passwd", USERS),
        entry("etc/group", GROUPS), directory("ran", 0o1777), directory("root", 0o700), directory("tmp", 0o1777),
        directory("dev"), directory("proc"), directory("sys")]


def tree(layers):
    """{path: what it is}, of archives from the bottom up."""
    tree, content = {}, {}
    for path in layers:
        with tarfile.open(path) as archive:
            for item in archive:
                name, base = os.path.normpath(item.name), os.path.basename(item.name)
                gone = os.path.normpath(os.path.join(os.path.dirname(name), base[4:]))
                if base == ".wh..wh..opq":
                    gone = os.path.dirname(name)
                if base.startswith(".wh."):
                    keep = gone if base == ".wh..wh..opq" else None
                    for known in [known for known in tree if known == gone or known.startswith(gone + "/")]:
                        if known != keep:
                            del tree[known]
                    continue
                if item.isfile():
                    content[name] = archive.extractfile(item).read()
                if item.islnk():
                    content[name] = content[os.path.normpath(item.linkname)]
                kind = b"0" if item.isfile() or item.islnk() else item.type
                mode = None if item.issym() else item.mode & 0o7777
                tree[name] = (kind, mode, item.uid, item.gid, item.linkname if item.issym() else content.get(name))
    tree.pop(".", None)
    return tree


@unittest.skipUnless(has_range(), "buildah needs subordinate ids for other owners")
class Peer(BuildCase):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.peer = dict(os.environ, HOME=self.home + "/peer", XDG_RUNTIME_DIR=self.home + "/peer/run",
                         STORAGE_DRIVER="vfs")
        os.makedirs(self.home + "/peer/run", 0o700)
        self.file = self.home + "/Dockerfile"
        self.loaded, self.named, self.world = None, set(), ""

    def tearDown(self):
        self.buildah("rmi", "-a", "-f")
        self.buildah("unshare", "rm", "-rf", self.home + "/peer/.local")
        super().tearDown()

    def try_buildah(self, *words):
        return subprocess.run(["buildah", *words], env=self.peer, capture_output=True, text=True, timeout=100,
                              check=False)

    def buildah(self, *words):
        done = self.try_buildah(*words)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done.stdout

    def load(self, names, config):
        """The world as images of these names, for both."""
        if config != self.loaded:
            archive = self.home + "/world.tar"
            docker_archive(archive, "world", world(), history=[{"created_by": "a test"}], **config)
            self.ok("load", "-i", archive)
            self.world = self.buildah("pull", "-q", f"docker-archive:{archive}").strip()
            os.remove(archive)
            self.loaded, self.named = config, set()
        for name in set(names) - self.named:
            self.ok("tag", "world", name)
            self.buildah("tag", self.world, "localhost/" + name)
        self.named |= set(names)

    def fill_context(self):
        for name in CONTEXT:
            self.put(name, f"content of {name}\n")
        os.chmod(self.context + "/file", 0o640)
        self.put_archive()

    def put_archive(self):
        with tarfile.open(self.context + "/archive.tar.gz", "w:gz") as archive:
            for info, data in [directory("in", 0o711), entry("in/x", "1", uid=7, gid=8, mode=0o604)]:
                archive.addfile(info, io.BytesIO(data))

    def build_both(self, *words):
        """The finished processes: ours, theirs."""
        common = ["-t", "made", "-f", self.file, *words, self.context]
        theirs = [word.replace("docker-image://", "docker-image://localhost/") for word in common]
        return (self.sandbox("build", *common),
                self.try_buildah("bud", "-q", "--pull-never", "--isolation", "chroot", *theirs))

    def assert_same_trees(self, meant=()):
        ours = tree(self.layers(self.data + "/images", self.manifest("made")))
        layout = self.home + "/layout"
        self.buildah("push", "-q", "--disable-compression", "made", f"oci:{layout}:made")
        with open(layout + "/index.json", encoding="utf-8") as index:
            theirs = tree(self.layers(layout, json.load(index)["manifests"][0]))
        shutil.rmtree(layout)
        for name in ("etc/hostname", "etc/hosts", "etc/resolv.conf", "run"):  # what buildah leaves of its mounts
            ours.pop(name, None)
            theirs.pop(name, None)
        differing = {name for name in ours | theirs if ours.get(name) != theirs.get(name)}
        self.assertEqual({name: ours.get(name) for name in differing - set(meant)},
                         {name: theirs.get(name) for name in differing - set(meant)})
        self.assertEqual(set(meant) - differing, set(), "these are the same now")

    @staticmethod
    def layers(layout, manifest):
        blobs = f"{layout}/blobs/sha256/"
        document = json.loads(pathlib.Path(blobs + manifest["digest"][7:]).read_text(encoding="utf-8"))
        return [blobs + layer["digest"][7:] for layer in document["layers"]]

    def prepare(self, case):
        """Words for the case."""
        text = (case / "Dockerfile").read_text(encoding="utf-8")
        pathlib.Path(self.file).write_text(text, encoding="utf-8")
        ignore = pathlib.Path(self.context, ".dockerignore")
        ignore.unlink(missing_ok=True)
        if (case / "ignore").exists():
            shutil.copy(case / "ignore", ignore)
        base = case / "base.json"
        config = json.loads(base.read_text(encoding="utf-8"))["config"] if base.exists() else PLAIN
        names = set(re.findall(r'"reference":"([^"]+)"', (case / "expected").read_text(encoding="utf-8")))
        self.load(names | {"a"}, config)
        return self.words(case / "args")

    def words(self, args):
        words = ["--secret", f"id=key,src={self.home}/key"]
        for line in args.read_text(encoding="utf-8").splitlines() if args.exists() else ():
            if line.startswith("--context "):
                name, _, image = line.removeprefix("--context ").partition("=")
                words += ["--build-context", f"{name}=docker-image://{image}" if image else f"{name}={self.context}"]
            elif line.startswith("--target "):
                words += line.split()
            else:
                words += ["--build-arg", line]
        return words

    def test_the_cases_of_the_front_end(self):
        self.fill_context()
        pathlib.Path(self.home, "key").write_text("abracadabra", encoding="ascii")
        names = {case.name for case in CASES.iterdir()}
        self.assertLessEqual({*ELSEWHERE, *OURS_ALONE, *OVERLOOKED, *MEANT}, names, "a table names what is gone")
        for name in sorted(names - set(ELSEWHERE)):
            with self.subTest(case=name):
                ours, theirs = self.build_both(*self.prepare(CASES / name))
                is_wrong = "== error" in (CASES / name / "expected").read_text(encoding="utf-8")
                self.assertEqual(ours.returncode, 1 if is_wrong else 0, ours.stderr)
                takes = theirs.returncode == 0
                self.assertEqual(takes, (name in OVERLOOKED) if is_wrong else name not in OURS_ALONE, theirs.stderr)
                if takes and not is_wrong:
                    self.assert_same_trees(MEANT.get(name, ()))

    def test_the_trees_are_the_same(self):
        self.write(a__one="1", a__deep__two="2", links__file="3")
        os.symlink("file", self.context + "/links/link")
        os.symlink("/etc/passwd", self.context + "/links/absolute")
        os.chmod(self.context + "/a/one", 0o750)
        os.chmod(self.context + "/a/deep", 0o700)
        self.put_archive()
        self.load(["base"], PLAIN)
        for dockerfile in SAME:
            with self.subTest(dockerfile=dockerfile):
                pathlib.Path(self.file).write_text("FROM base\n" + dockerfile, encoding="utf-8")
                for done in self.build_both():
                    self.assertEqual(done.returncode, 0, done.stderr)
                self.assert_same_trees()


if __name__ == "__main__":
    unittest.main()
