"""build: results of steps that travel (--cache-to, --cache-from), and what is known of a context's files."""

import encodings
import hashlib
import json
import os
import pathlib
import re
import shutil
import unittest

import registry_server
from build_case import BuildCase

DOCKERFILE = """
FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
COPY file /file
RUN cat /file > /copy
COPY --from=tools /tool /tool
WORKDIR /copy.d
CMD ["cat", "/copy"]
"""


class Travelling(BuildCase):
    def setUp(self):
        super().setUp()
        self.put("file", "content\n")
        self.cache = self.home + "/cache"

    def forget(self):
        """As on another machine."""
        self.ok("rmi", "-f", "made")
        self.ok("builder", "prune", "-a", "-f")

    def again(self, *words):
        """What has become of each step of a build that has forgotten everything."""
        self.forget()
        told = self.build_ok(DOCKERFILE, *words)
        self.assertEqual(self.run_made(), "content\n")
        self.assertEqual(self.run_made("cat", "/tool"), "tool\n")
        return self.steps(told), told

    def all_cached(self, *words):
        before = self.manifest("made")["digest"]
        steps, told = self.again(*words)
        self.assertEqual(set(steps.values()), {"CACHED"}, told)
        self.assertEqual(self.manifest("made")["digest"], before)

    def test_what_builds_keep_is_shown(self):
        dockerfile = ("FROM busybox\nRUN echo 1 > /one\n"
                      "RUN --mount=type=cache,target=/c echo x > /c/x; cp /c/x /two\n")

        def kept():
            told = self.ok("system", "df", "-v").split("\nBuild cache usage: ")[1]
            size, nothing, head, *rows = told.splitlines()
            self.assertRegex(size, r"^\d.*B$")
            self.assertEqual((nothing, re.split(" {2,}", head)), ("", ["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED",
                                                                       "USAGE", "SHARED"]))
            rows = [re.split(" {2,}", row) for row in rows]
            self.assertTrue(all(row[3].endswith(" ago") and row[4].endswith(" ago") for row in rows), rows)
            return sorted((row[1], row[5], row[6]) for row in rows)
        self.build_ok(dockerfile)
        self.assertEqual(kept(), [("exec.cachemount", "1", "false"), ("regular", "0", "true"), ("regular", "0", "true")])
        self.build_ok(dockerfile)
        self.ok("rmi", "-f", "made")
        self.assertEqual(kept(), [("exec.cachemount", "1", "false"), ("regular", "1", "false"), ("regular", "1", "false")])
        self.assertRegex(self.ok("system", "df"), r"\nBuild Cache +3 +0 +\d[\d.]*k?B +\d[\d.]*k?B\n\Z")
        self.ok("builder", "prune", "-a", "-f")
        self.assertEqual(kept(), [])

    def test_a_directory_brings_all_steps_to_another_store(self):
        place = f"type=local,dest={self.cache},mode=max"
        self.build_ok(DOCKERFILE, "--cache-to", place)
        self.all_cached("--cache-from", f"type=local,src={self.cache}")
        index = json.loads(pathlib.Path(self.cache, "index.json").read_text(encoding="utf-8"))
        [entry] = index["manifests"]
        self.assertEqual(entry["annotations"]["org.opencontainers.image.ref.name"], "latest")
        manifest = json.loads(self.cached_blob(entry["digest"]).read_text(encoding="utf-8"))
        self.assertEqual(manifest["config"]["mediaType"], "application/vnd.buildkit.cacheconfig.v0")
        self.all_cached("--cache-from", f"type=local,src={self.cache},digest={entry['digest']}")
        # One step changes: what does not come after it is found.
        self.put("file", "other\n")
        self.forget()
        steps = self.steps(self.build_ok(DOCKERFILE, "--cache-from", f"type=local,src={self.cache}"))
        self.assertEqual(steps["[tools 2/2] RUN echo tool > /tool"], "CACHED")
        self.assertEqual(steps["[stage-1 3/5] RUN cat /file > /copy"], "DONE")

    def test_the_smaller_cache_is_of_the_image_alone(self):
        self.build_ok(DOCKERFILE, "--cache-to", f"type=local,dest={self.cache}")
        steps, _ = self.again("--cache-from", f"type=local,src={self.cache}")
        self.assertEqual(steps["[tools 2/2] RUN echo tool > /tool"], "DONE")
        self.assertEqual(steps["[stage-1 3/5] RUN cat /file > /copy"], "CACHED")

    def test_a_registry_keeps_caches_beside_images_and_in_them(self):
        port = registry_server.start(self)
        cache, image = f"localhost:{port}/group/cache:x", f"localhost:{port}/group/image"
        self.build_ok(DOCKERFILE, "--cache-to", f"type=registry,ref={cache},mode=max")
        self.all_cached("--cache-from", cache)
        self.build_ok(DOCKERFILE, "--cache-to", "type=inline")
        self.ok("tag", "made", image)
        self.ok("push", image)
        self.ok("rmi", "-f", image)
        steps, told = self.again("--cache-from", f"type=registry,ref={image}")
        self.assertEqual(steps["[stage-1 3/5] RUN cat /file > /copy"], "CACHED", told)
        self.assertIn("WARNING: the build cache", self.again("--cache-from", f"localhost:{port}/none")[1])

    def test_a_cache_with_wrong_layers_is_of_no_use(self):
        self.build_ok(DOCKERFILE, "--cache-to", f"type=local,dest={self.cache},mode=max")
        whole = self.home + "/whole"
        shutil.copytree(self.cache, whole)
        [entry] = json.loads(pathlib.Path(self.cache, "index.json").read_text(encoding="utf-8"))["manifests"]
        manifest = json.loads(self.cached_blob(entry["digest"]).read_text(encoding="utf-8"))
        for layer in manifest["layers"]:
            blob = self.cached_blob(layer["digest"])
            content = bytearray(blob.read_bytes())
            content[len(content) // 2] ^= 1
            os.chmod(blob, 0o600)
            blob.write_bytes(content)
        steps, told = self.again("--cache-from", f"type=local,src={self.cache}")
        self.assertNotIn("CACHED", set(steps.values()) - {steps.get("FROM busybox")}, told)
        self.assertIn("is of no use", told)
        # A layer of another content than its record says.
        config = json.loads(self.blob_of(whole, manifest["config"]["digest"]).read_text(encoding="utf-8"))
        for layer in config["layers"]:
            layer["annotations"]["diffID"] = "sha256:" + "0" * 64
        self.replace_config(whole, manifest, config)
        steps, told = self.again("--cache-from", f"type=local,src={whole}")
        self.assertIn("is of no use", told)

    def cached_blob(self, digest):
        return self.blob_of(self.cache, digest)

    @staticmethod
    def blob_of(layout, digest):
        return pathlib.Path(layout, "blobs/sha256", digest[7:])

    def replace_config(self, layout, manifest, config):
        def put(document):
            text = json.dumps(document).encode()
            digest = "sha256:" + hashlib.sha256(text).hexdigest()
            self.blob_of(layout, digest).write_bytes(text)
            return {"digest": digest, "size": len(text)}
        manifest["config"].update(put(config))
        entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", **put(manifest),
                 "annotations": {"org.opencontainers.image.ref.name": "latest"}}
        pathlib.Path(layout, "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}),
                                                      encoding="utf-8")

    def test_wrong_words_are_refused(self):
        for flag, words, reason in (("--cache-from", "type=gha", "cache type gha is not available"),
                                    ("--cache-from", "type=inline", "type=registry,ref=IMAGE"),
                                    ("--cache-from", "type=local", "src is required"),
                                    ("--cache-to", "type=local", "dest is required"),
                                    ("--cache-to", "type=registry", "ref is required"),
                                    ("--cache-to", "type=inline,mode=max", "no mode=max"),
                                    ("--cache-to", "type=local,dest=x,compression=zstd", "is not supported"),
                                    ("--cache-to", "dest=x", "type required")):
            with self.subTest(flag=flag, words=words):
                done = self.build("FROM busybox\n", flag, words)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(reason, done.stderr)


class Contents(BuildCase):
    def test_what_is_known_of_files_is_kept_and_pruned(self):
        """A directory whose files nobody has changed just now."""
        context = os.path.dirname(encodings.__file__)
        caches = pathlib.Path(self.data, "build-cache/contents")
        dockerfile = "FROM busybox\nCOPY --from=py aliases.py ascii.py utf_8.py latin_1.py c*.py /py/\n"
        words = ("--build-context", f"py={context}")
        self.build_ok(dockerfile, *words)
        [kept] = caches.iterdir()
        self.assertEqual(self.steps(self.build_ok(dockerfile, *words))["[2/2] COPY --from=py aliases.py ascii.py "
                                                                       "utf_8.py latin_1.py c*.py /py/"], "CACHED")
        kept.write_bytes(b"nonsense")
        self.build_ok(dockerfile, "--no-cache", *words)
        source = pathlib.Path(context, "ascii.py").read_text(encoding="utf-8")
        self.assertEqual(self.run_made("cat", "/py/ascii.py"), source)
        self.ok("builder", "prune", "-f")
        self.assertFalse(caches.exists())

    def test_a_change_that_hides_itself_is_seen(self):
        """Of the same size, at the same time, at once."""
        dockerfile = "FROM busybox\nCOPY file many /\n"
        self.put("many", "x" * (1 << 20))
        for text in ("one", "two", "six"):
            self.put("file", text)
            os.utime(self.context + "/file", (1_000_000_000, 1_000_000_000))
            self.build_ok(dockerfile)
            self.assertEqual(self.run_made("cat", "/file"), text)
        os.rename(self.context + "/file", self.context + "/before")
        self.put("file", "ten")
        os.utime(self.context + "/file", (1_000_000_000, 1_000_000_000))
        self.build_ok(dockerfile)
        self.assertEqual(self.run_made("cat", "/file"), "ten")


if __name__ == "__main__":
    unittest.main()
