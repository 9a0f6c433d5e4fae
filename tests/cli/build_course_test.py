"""build: the Dockerfiles of an introductory course, word for word where that can be, on bases of Debian's programs."""

import os
import unittest

from build_case import BuildCase
from debian_base import base, compiler, distinct, files, programs, repository, which
from image_archive import directory, docker_archive, entry, script
from sandbox_case import eventually, free_port, has_range

MAKEFILE = "/app/app: /app/app.sh\n\tmkdir -p $(HOME)/.cache && cp $< $@ && chmod +x $@ && cp $@ $(HOME)/.cache/\n"

# The application as the course has it; express and npm are stand-ins that need no registry.
INDEX = """
const express = require('express');
const app = express();
app.get('/', (request, response) => response.send('How are you doing?'));
app.listen(3000, () => console.log('Listening on port 3000'));
"""
EXPRESS = """
const http = require('http');
module.exports = () => {
  const handlers = {};
  return {
    get: (path, handler) => { handlers[path] = handler; },
    listen: (port, then) => http.createServer((request, response) => {
      response.send = (text) => response.end(text);
      (handlers[request.url] || ((_, answer) => { answer.statusCode = 404; answer.end(); }))(request, response);
    }).listen(port, then),
  };
};
"""
NPM = """#!/bin/sh
# npm install: each dependency of package.json from the cache, or else from /registry.
set -e
mkdir -p node_modules "$HOME/.npm"
for name in $(node -p 'Object.keys(require("./package.json").dependencies).join(" ")'); do
  if [ -e "$HOME/.npm/$name.js" ]; then echo "$name: cached"; else echo "$name: fetched"; cp "/registry/$name.js" "$HOME/.npm/"; fi
  mkdir -p "node_modules/$name"; cp "$HOME/.npm/$name.js" "node_modules/$name/index.js"
done
"""
PACKAGE = '{"dependencies": {"express": "*"}, "scripts": {"start": "node index.js"}}'

WORDS = """
#include <iostream>
#include <map>
#include <string>
int main() {
  std::map<std::string, int> counts;
  for (std::string word; std::cin >> word;) ++counts[word];
  for (const auto& [word, count] : counts) std::cout << word << ' ' << count << '\\n';
}
"""


class Course(BuildCase):
    def load(self, name, entries, **config):
        docker_archive(self.home + "/base.tar", name, entries, **config)
        self.ok("load", "-i", self.home + "/base.tar")
        os.remove(self.home + "/base.tar")

    def test_make_as_the_course_has_it(self):
        self.load("ubuntu:18.04", base() + programs(which("make")))
        self.write(Makefile=MAKEFILE)
        self.put("app.sh", "#!/bin/sh\necho the app\n")
        self.build_ok('FROM ubuntu:18.04\nLABEL author="Ann"\n'
                      "COPY . /app\nRUN make -f /app/Makefile /app/app\nRUN rm -r $HOME/.cache\nCMD /app/app\n")
        self.assertEqual(self.run_made(), "the app\n")
        self.assertEqual(self.run_made("sh", "-c", "test -e $HOME/.cache || echo gone"), "gone\n")
        kinds = [(line["created_by"].split()[0], line.get("empty_layer", False)) for line in self.history()[-5:]]
        self.assertEqual(kinds, [("LABEL", True), ("COPY", False), ("RUN", False), ("RUN", False), ("CMD", True)])
        self.assertRegex(self.ok("history", "made"), r"(?s)CMD .*RUN /bin/sh -c rm -r .*COPY \. /app")

    def test_redis_and_bash_are_installed_by_the_package_manager(self):
        redis = programs(which("redis-server"), which("redis-cli"))
        without_bash = [item for item in base() if item[0].name != "usr/bin/bash"]
        archive = repository(self.home, redis=self.only_new(redis, without_bash), bash=files([which("bash")]))
        self.load("alpine", without_bash + archive)
        install = "RUN apt-get update && apt-get install -y redis\nRUN apt-get install -y bash\nCMD [\"redis-server\"]\n"
        self.build_ok("FROM alpine\n" + install, timeout=100)
        port = str(free_port())
        self.ok("run", "-d", "--name", "store", "-p", f"127.0.0.1:{port}:6379", "made", "redis-server",
                "--protected-mode", "no", "--save", "")
        ask = lambda *words: self.sandbox("exec", "store", "redis-cli", *words).stdout
        self.assertTrue(eventually(lambda: ask("ping") == "PONG\n", 30))
        self.assertEqual((ask("set", "key", "value"), ask("get", "key")), ("OK\n", "value\n"))
        self.assertRegex(self.ok("exec", "store", "bash", "-c", "echo $BASH_VERSION"), r"^5\.")
        self.ok("rm", "-f", "store")
        self.packages_are_kept_by_a_cache_mount()

    def only_new(self, entries, there):
        names = {info.name for info, _ in there}
        return [item for item in entries if item[0].name not in names]

    def packages_are_kept_by_a_cache_mount(self):
        """What apt has fetched once is there the next time, though the archive has lost it."""
        mounts = ("--mount=type=cache,target=/var/cache/apt,sharing=locked "
                  "--mount=type=cache,target=/var/lib/apt,sharing=locked ")
        self.build_ok(f"FROM alpine\nRUN {mounts} apt-get update && apt-get install -y redis\n", timeout=100)
        self.build_ok(f"FROM alpine\nRUN rm /repository/redis.deb\nRUN {mounts} apt-get install -y redis\n", timeout=100)
        self.assertRegex(self.run_made("redis-server", "--version"), "^Redis server v=")
        self.assertEqual(self.run_made("sh", "-c", "ls /var/cache/apt/archives/*.deb 2>/dev/null | wc -l"), "0\n")

    def test_node_answers_on_a_published_port(self):
        tools = [item for item in base() if not item[0].name.startswith("usr/lib/apt")]
        self.load("node:14.17-alpine", distinct(tools + programs(which("node")) + [
            script("usr/bin/npm", NPM), directory("registry"), entry("registry/express.js", EXPRESS)]))
        self.put("index.js", INDEX)
        self.put("package.json", PACKAGE)
        dockerfile = ("FROM node:14.17-alpine\nWORKDIR /usr/app\nCOPY package.json .\nRUN npm install\nCOPY index.js .\n"
                      "CMD [\"node\", \"index.js\"]\n")
        self.build_ok(dockerfile, timeout=100)
        port = free_port()
        self.ok("run", "-d", "--name", "web", "-p", f"127.0.0.1:{port}:3000", "made")
        self.assertTrue(eventually(lambda: self.answer(port) == "How are you doing?", 30), self.sandbox("logs", "web"))
        self.ok("rm", "-f", "web")
        # The sources are mounted, but not over what npm has installed.
        self.put("index.js", INDEX.replace("How are you doing?", "Changed"))
        self.ok("run", "-d", "--name", "web", "-p", f"127.0.0.1:{port}:3000", "-v", "/usr/app/node_modules",
                "-v", f"{self.context}:/usr/app", "made")
        self.assertTrue(eventually(lambda: self.answer(port) == "Changed", 30), self.sandbox("logs", "web"))
        self.ok("rm", "-f", "-v", "web")
        cached = dockerfile.replace("RUN npm", "RUN --mount=type=cache,target=/root/.npm npm")
        self.assertIn("express: fetched", self.build_ok(cached, timeout=100))
        self.put("package.json", PACKAGE + "\n")
        self.assertIn("express: cached", self.build_ok(cached, timeout=100))

    def test_a_program_is_compiled_in_one_stage_and_shipped_in_another(self):
        self.load("debian", base())
        self.load("gcc", distinct(base() + compiler(self.home, WORDS)))
        self.put("words.cc", WORDS)
        self.build_ok("FROM gcc AS build\nCOPY words.cc .\nRUN g++ -o /words words.cc\n"
                      "FROM debian\nCOPY --from=build /words /usr/local/bin/\nENTRYPOINT [\"words\"]\n", timeout=100)
        self.assertEqual(self.ok("run", "--rm", "-i", "--network", "none", "made", stdin="b a b"), "a 1\nb 2\n")
        self.assertEqual(len(self.inspect()["RootFS"]["Layers"]), 2, "the base, and the program")
        if has_range():
            with self.podman() as podman:
                told = podman.does("run", "--rm", "-i", "--network", "none", "made", stdin="b a b")
                self.assertEqual(told, "a 1\nb 2\n")


if __name__ == "__main__":
    unittest.main()
