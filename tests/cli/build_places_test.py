"""build: where files come from and where results go: outputs, named and fetched contexts, ADD of what is elsewhere."""

import hashlib
import http.server
import io
import json
import os
import pathlib
import subprocess
import tarfile
import threading
import unittest

from build_case import BuildCase
from debian_base import programs, which
from image_archive import directory, docker_archive, entry, link, tar, tools
from sandbox_case import SANDBOX, eventually, free_port


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path[6:])
            self.send_header("Content-Length", "0")
            return self.end_headers()
        return super().do_GET()


class Served(BuildCase):
    """Files of self.site at self.url."""

    def setUp(self):
        super().setUp()
        self.site = pathlib.Path(self.home, "site")
        self.site.mkdir()
        handler = lambda *words: Quiet(*words, directory=str(self.site))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.asked = []
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        super().tearDown()


class Outputs(BuildCase):
    DOCKERFILE = ("FROM busybox AS base\nRUN mkdir /x && echo 1 > /x/kept && echo 2 > /gone && ln -s kept /x/link\n"
                  "FROM scratch\nCOPY --from=base --chmod=750 /x/kept /d/kept\nCOPY --from=base /x /\n")

    def test_files_go_into_a_directory_or_an_archive(self):
        out = pathlib.Path(self.home, "out")
        self.put("Dockerfile", self.DOCKERFILE)
        self.ok("build", "-o", str(out), self.context)
        self.assertEqual(sorted(os.listdir(out)), ["d", "kept", "link"])
        self.assertEqual(((out / "d/kept").read_text(), os.readlink(out / "link")), ("1\n", "kept"))
        self.assertEqual((out / "d/kept").stat().st_mode & 0o7777, 0o750)
        self.assertEqual((out / "d/kept").stat().st_uid, os.getuid())
        self.assertEqual(set(self.ok("images", "-q", "--no-trunc").split()), set(self.shipped), "no image is made")
        (out / "mine").write_text("stays")
        self.ok("build", "--output", f"type=local,dest={out}", self.context)
        self.assertTrue((out / "mine").exists())
        for words in ("-", "type=tar"):
            done = subprocess.run([SANDBOX, "build", "-o", words, self.context], env=self.env, check=True, timeout=60,
                                  capture_output=True)
            with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
                self.assertEqual(sorted(name for name in archive.getnames() if name != "."), ["d", "d/kept", "kept", "link"])
        self.ok("build", "-o", f"type=tar,dest={self.home}/x.tar", self.context)
        self.assertTrue(tarfile.is_tarfile(self.home + "/x.tar"))

    def test_a_strangers_layers_stay_inside_of_the_directory(self):
        self.put("Dockerfile", f"FROM busybox\nRUN ln -s {self.home}/outside /etc/evil; ln -s /etc/evil /over\n"
                               "RUN rm /over && mkdir /over && echo x > /over/file && chmod 4755 /over/file\n")
        os.mkdir(self.home + "/outside")
        out = self.home + "/out"
        os.mkdir(out)
        os.symlink(self.home + "/outside", out + "/over")
        refused = self.sandbox("build", "-o", out, self.context)
        self.assertIn("cannot overwrite non-directory", refused.stderr)
        self.assertEqual(os.listdir(self.home + "/outside"), [])
        os.remove(out + "/over")
        self.ok("build", "-o", out, self.context)
        self.assertEqual(os.lstat(out + "/over/file").st_mode & 0o7000, 0, "no set-user-ID program of a stranger's")

    def test_images_go_into_archives_that_others_read(self):
        self.put("Dockerfile", self.DOCKERFILE)
        for kind in ("oci", "docker"):
            path = f"{self.home}/{kind}.tar"
            self.ok("build", "-t", "made:1", "-o", f"type={kind},dest={path}", self.context)
            self.assertNotIn("made", self.ok("images"))
            form = {"oci": "oci-archive", "docker": "docker-archive"}[kind]
            seen = json.loads(subprocess.run(["skopeo", "inspect", "--config", f"{form}:{path}"], check=True,
                                             timeout=60, capture_output=True).stdout)
            self.assertEqual(len(seen["rootfs"]["diff_ids"]), 2)
            self.assertIn("made:1", self.ok("load", "-i", path))
            self.ok("rmi", "made:1")
        self.ok("build", "-t", "made", "-o", "type=docker", self.context)
        self.ok("build", "-o", "type=image,name=other", "--load", self.context)
        self.assertEqual(self.inspect("other")["Id"], self.inspect("made")["Id"])

    def test_what_is_written_about_a_build(self):
        self.put("Dockerfile", "FROM busybox\nRUN ulimit -n > /files; grep extra /etc/hosts > /hosts\n")
        self.ok("build", "-t", "made", "--metadata-file", self.home + "/about", "--iidfile", self.home + "/id",
                "--annotation", "org.example.a=1", "--annotation", "manifest:b=2", "--ulimit", "nofile=77:99",
                "--add-host", "extra:10.1.2.3", self.context)
        about = json.loads(pathlib.Path(self.home, "about").read_text(encoding="utf-8"))
        manifest = self.manifest("made")["digest"]
        self.assertEqual((about["containerimage.config.digest"], about["containerimage.digest"], about["image.name"]),
                         (pathlib.Path(self.home, "id").read_text(encoding="ascii"), manifest,
                          "docker.io/library/made:latest"))
        self.assertEqual(self.blob(manifest)["annotations"], {"org.example.a": "1", "b": "2"})
        self.assertEqual(self.run_made("sh", "-c", "cat /files; cut -f1 /hosts"), "77\n10.1.2.3\n")

    def test_wrong_words_are_refused(self):
        for words, message in ((("-o", "type=lokal,dest=x"), "unknown output type"), (("-o", "dest=x"), "type is required"),
                               (("-o", "type=local"), "dest is required"), (("--push",), "tag is needed"),
                               (("--build-context", "x"), "expected name=path"), (("--annotation", "x"), "expected key=value"),
                               (("--ssh", "x=/none"), "No such file")):
            self.put("Dockerfile", "FROM busybox\n")
            done = self.sandbox("build", *words, self.context)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(message, done.stderr)


class Contexts(Served):
    def test_named_contexts_are_directories_and_images(self):
        other = pathlib.Path(self.home, "other")
        (other / "deep").mkdir(parents=True)
        (other / "deep/file").write_text("from other")
        (other / "secret").write_text("ignored")
        (other / ".dockerignore").write_text("secret\n")
        dockerfile = ("FROM base\nCOPY --from=files deep /d\nRUN --mount=from=files,target=/m cat /m/deep/file > /seen; "
                      "ls /m > /list\n")
        words = ("--build-context", f"files={other}", "--build-context", "base=docker-image://busybox")
        self.build_ok(dockerfile, *words)
        self.assertEqual(self.run_made("sh", "-c", "cat /d/file /seen /list"), "from otherfrom otherdeep\n")
        self.assertEqual(set(self.steps(self.build_ok(dockerfile, *words)).values()), {"CACHED"})
        (other / "deep/file").write_text("changed")
        self.build_ok(dockerfile, *words)
        self.assertEqual(self.run_made("cat", "/d/file"), "changed")
        self.assertIn("not found", self.build("FROM busybox\nCOPY --from=files secret /\n", *words).stderr)
        self.assertIn("is a directory: FROM takes an image", self.build("FROM files\n", *words).stderr)

    def test_add_fetches_files(self):
        (self.site / "tool").write_text("tool 1")
        digest = hashlib.sha256(b"tool 1").hexdigest()
        plain = f"FROM scratch\nADD {self.url}/moved/tool /bin/\nADD --chmod=755 {self.url}/tool /other\n"
        self.build_ok(plain)
        found = self.layers_of("made")
        self.assertEqual((found["bin/tool"].mode, found["other"].mode, found["bin/tool"].uid), (0o600, 0o755, 0))
        self.assertEqual(found["bin/tool"].mtime, int((self.site / "tool").stat().st_mtime))
        self.assertNotIn("DONE", [state for title, state in self.steps(self.build_ok(plain)).items() if "ADD" in title])
        (self.site / "tool").write_text("tool 2")
        self.assertIn("DONE", [state for title, state in self.steps(self.build_ok(plain)).items() if "ADD" in title])
        pinned = f"FROM scratch\nADD --checksum=sha256:{digest} {self.url}/tool /\n"
        self.assertIn("digest mismatch", self.build(pinned).stderr)
        (self.site / "tool").write_text("tool 1")
        self.build_ok(pinned)
        self.server.asked.clear()
        self.build_ok(pinned)
        self.assertEqual(self.server.asked, [], "what is known by its checksum is not asked for")
        self.assertIn("status 404", self.build(f"FROM scratch\nADD {self.url}/none /\n").stderr)
        self.assertIn("cannot determine filename", self.build(f"FROM scratch\nADD {self.url}/ /d/\n").stderr)
        (self.site / "a.tar").write_bytes(tar([entry("x", "1")]))
        self.build_ok(f"FROM scratch\nADD {self.url}/a.tar /kept/\nADD --unpack=true {self.url}/a.tar /open/\n")
        self.assertLessEqual({"kept/a.tar", "open/x"}, set(self.layers_of("made")))

    def test_a_context_is_fetched(self):
        (self.site / "context.tar").write_bytes(tar([entry("Dockerfile", "FROM scratch\nCOPY x /\n"), entry("x", "1")]))
        (self.site / "Dockerfile").write_text("FROM busybox\nRUN echo fetched > /x\n")
        self.ok("build", "-t", "made", self.url + "/context.tar")
        self.assertEqual(sorted(self.layers_of("made")), ["x"])
        self.ok("build", "-t", "made", self.url + "/Dockerfile")
        self.assertEqual(self.run_made("cat", "/x"), "fetched\n")

    def test_a_fetched_context_has_its_own_ignore_files(self):
        files = [entry("d/File", "FROM scratch\nCOPY . /\n"), entry("x"), entry("y"), entry("z"),
                 entry(".dockerignore", "x\n"), entry("d/File.dockerignore", "y\nd\n.dockerignore\n")]
        (self.site / "context.tar").write_bytes(tar(files))
        self.ok("build", "-t", "made", "-f", "d/File", self.url + "/context.tar")
        self.assertEqual(sorted(self.layers_of("made")), ["x", "z"])


class Repositories(Served):
    def git(self, *words):
        env = dict(os.environ, HOME=self.home, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b",
                   GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b")
        return subprocess.run(["git", *words], cwd=self.site / "x.git", env=env, check=True, capture_output=True, text=True,
                              timeout=60).stdout.strip()

    def setUp(self):
        super().setUp()
        repository = self.site / "x.git"
        repository.mkdir()
        self.git("init", "-q", "-b", "main")
        (repository / "inner").mkdir()
        (repository / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
        (repository / "inner/Dockerfile").write_text("FROM scratch\nCOPY text /inner\n")
        (repository / "inner/text").write_text("one")
        (repository / "out").symlink_to("/etc")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "one")
        self.first = self.git("rev-parse", "HEAD")
        self.git("tag", "v1")
        (repository / "inner/text").write_text("two")
        self.git("commit", "-q", "-a", "-m", "two")
        self.git("update-server-info")

    def daemon(self):
        """git:// at a port, as servers with shallow clones."""
        port = free_port()
        daemon = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip()
        server = subprocess.Popen([daemon + "/git-daemon", f"--base-path={self.site}", "--export-all", "--reuseaddr",
                                   "--listen=127.0.0.1", f"--port={port}"], stderr=subprocess.DEVNULL)
        self.clients.append(server)
        url = f"git://127.0.0.1:{port}/x.git"
        self.assertTrue(eventually(lambda: subprocess.run(["git", "ls-remote", url], capture_output=True, timeout=60,
                                                          check=False).returncode == 0))
        return url

    def test_repositories_are_contexts(self):
        for url in (self.url + "/x.git/.git", self.daemon()):
            with self.subTest(url=url):
                self.ok("build", "-t", "made", url)
                self.assertEqual(sorted(self.layers_of("made")),
                                 ["Dockerfile", "inner", "inner/Dockerfile", "inner/text", "out"])
                self.ok("build", "-t", "made", url + "#v1:inner")
                self.assertEqual(self.layers_of("made")["inner"].size, 3)
                self.ok("build", "-t", "made", f"{url}?ref={self.first}&subdir=inner")
                failed = self.sandbox("build", url + "#none")
                self.assertIn("failed to fetch the repository", failed.stderr)
                self.assertIn("of the repository", self.sandbox("build", url + "#main:out").stderr)
        self.assertEqual(self.sandbox("build", self.url + "/x.git/.git#--upload-pack=touch").returncode, 1)

    def test_add_takes_repositories(self):
        url = self.daemon()
        self.build_ok(f"FROM scratch\nADD {url}#v1:inner /src\nADD --keep-git-dir=true {url} /all\n")
        found = self.layers_of("made")
        self.assertLessEqual({"src/text", "all/inner/text", "all/.git/HEAD", "all/out"}, set(found))
        self.assertNotIn("src/.git", found)
        dockerfile = f"FROM scratch\nADD --checksum={self.first} {url}#v1 /src\n"
        self.build_ok(dockerfile)
        self.assertNotIn("DONE", [state for title, state in self.steps(self.build_ok(dockerfile)).items() if "ADD" in title])
        self.assertIn("expected checksum to match", self.build(dockerfile.replace("#v1", "#main")).stderr)


class Agents(BuildCase):
    def test_a_step_asks_the_agent(self):
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", self.home + "/agent"], stdout=subprocess.DEVNULL)
        self.clients.append(agent)
        self.assertTrue(eventually(lambda: os.path.exists(self.home + "/agent")))
        docker_archive(self.home + "/ssh.tar", "ssh", tools() + programs(which("ssh-add")) + [
            link("lib", "usr/lib"), link("lib64", "usr/lib64"), directory("tmp"), entry("etc/passwd", "root:x:0:0::/:/bin/sh\n")])
        self.ok("load", "-i", self.home + "/ssh.tar")
        dockerfile = "FROM ssh\nRUN --mount=type=ssh ssh-add -l; echo at $SSH_AUTH_SOCK\n"
        self.env["SSH_AUTH_SOCK"] = self.home + "/agent"
        told = self.build_ok(dockerfile, "--ssh", "default")
        self.assertIn("The agent has no identities.\n", told)
        self.assertIn("at /run/buildkit/ssh_agent.0\n", told)
        self.assertEqual([name for name in self.layers_of("made") if name.startswith("run")], [])
        self.assertIn("unset ssh forward key", self.build(dockerfile.replace("ssh ", "ssh,required ", 1), "--no-cache").stderr)


if __name__ == "__main__":
    unittest.main()
