"""What each listing prints, whole, cell by cell; what differs from run to run (ids, ages, sizes) has a word for it.

How wide the columns are is looked at in tests/unit/format/listing_test.cc."""

import re
import unittest

from sandbox_case import SandboxCase

WORDS = ((r"sha256:[0-9a-f]{64}", "DIGEST"), (r"\b[0-9a-f]{64}\b", "ID"), (r"\b[0-9a-f]{12}\b", "id"),
         (r"(Less than a second|About an? \w+|\d+ (second|minute|hour|day|week|month|year)s?)( ago)?", r"AGE\3"),
         (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"), (r"\b[\d.]+ ?[kMG]?i?B\b", "SIZE"), (r"\b\d+\.\d\d%", "PERCENT"),
         (r" \(\d+%\)", ""), (r"execDuration=\d+", "execDuration=N"), (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"))


def cells(text):
    """A list of cells for each line; they are at least two spaces apart."""
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text)
    return [re.split(r" {2,}", line.rstrip()) for line in text.splitlines()]


class Golden(SandboxCase):
    def setUp(self):
        super().setUp()
        self.ok("create", "--name", "first", "--network", "none", "-v", "data:/data", "busybox", "true")
        self.sandbox("run", "--name", "second", "--network", "none", "busybox", "sh", "-c", "echo a line that is long; exit 3")
        self.ok("run", "-d", "--name", "third", "-p", "127.0.0.1::80", "busybox", "sleep", "1000")

    def shows(self, words, *expected):
        self.assertEqual(cells(self.ok(*words.split())), [line.split(" | ") for line in expected], words)

    def test_containers(self):
        self.shows("ps", "CONTAINER ID | IMAGE | COMMAND | CREATED | STATUS | PORTS | NAMES",
                   'id | busybox | "sleep 1000" | AGE ago | Up AGE | 127.0.0.1:PORT->80/tcp | third')
        self.shows("ps -a", "CONTAINER ID | IMAGE | COMMAND | CREATED | STATUS | PORTS | NAMES",
                   'id | busybox | "sleep 1000" | AGE ago | Up AGE | 127.0.0.1:PORT->80/tcp | third',
                   'id | busybox | "sh -c \'echo a line …" | AGE ago | Exited (3) AGE ago | second',
                   'id | busybox | "true" | AGE ago | Created | first')
        self.shows("ps -a -s --no-trunc --filter name=second",
                   "CONTAINER ID | IMAGE | COMMAND | CREATED | STATUS | PORTS | NAMES | SIZE",
                   'ID | busybox | "sh -c \'echo a line that is long; exit 3\'" | AGE ago | Exited (3) AGE ago | second | '
                   "SIZE (virtual SIZE)")
        self.shows("ps -aq", "id", "id", "id")
        self.shows("ps -a --filter name=nobody", "CONTAINER ID | IMAGE | COMMAND | CREATED | STATUS | PORTS | NAMES")
        self.shows("port third", "80/tcp -> 127.0.0.1:PORT")
        self.shows("port third 80", "127.0.0.1:PORT")
        self.shows("logs second", "a line that is long")
        self.shows("logs -t second", "TIME a line that is long")

    def test_what_they_do_and_use(self):
        self.ok("exec", "third", "sh", "-c", "mkdir /made; echo x >/made/file; rm /etc/group; echo x >>/etc/passwd")
        self.shows("diff third", "C /etc", "D /etc/group", "C /etc/passwd", "A /made", "A /made/file")
        self.shows("diff --format table third", "CHANGE TYPE | PATH", "C | /etc", "D | /etc/group", "C | /etc/passwd",
                   "A | /made", "A | /made/file")
        self.assertRegex(self.ok("top", "third", "-o", "pid,comm"), r"\A +PID COMMAND\n *\d+ sleep\n\Z")
        self.shows("stats --no-stream -a first", "CONTAINER ID | NAME | CPU % | MEM USAGE / LIMIT | MEM % | NET I/O | BLOCK I/O | PIDS",
                   "id | first | PERCENT | SIZE / SIZE | PERCENT | SIZE / SIZE | SIZE / SIZE | 0")

    def test_images_and_volumes(self):
        self.ok("commit", "-m", "by hand", "first", "mine/tool:1")
        self.shows("images", "REPOSITORY | TAG | IMAGE ID | CREATED | SIZE", "mine/tool | 1 | id | AGE ago | SIZE",
                   "busybox | latest | id | AGE ago | SIZE")
        self.shows("images --digests busybox", "REPOSITORY | TAG | DIGEST | IMAGE ID | CREATED | SIZE",
                   "busybox | latest | DIGEST | id | AGE ago | SIZE")
        self.shows("images --no-trunc -q busybox", "DIGEST")
        head, first, *rest = cells(self.ok("history", "mine/tool:1"))
        self.assertEqual(head, ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"])
        self.assertEqual((first[:2], first[-1]), (["id", "AGE ago"], "by hand"))
        self.assertTrue(rest and all(row[0] == "<missing>" for row in rest), rest)
        self.shows("volume ls", "DRIVER | VOLUME NAME", "local | data")
        self.shows("volume ls -q", "data")

    def test_networks(self):
        self.ok("network", "create", "--label", "a=b", "mynetwork")
        self.shows("network ls", "NETWORK ID | NAME | DRIVER | SCOPE", "id | bridge | bridge | local",
                   "id | host | host | local", "id | mynetwork | bridge | local", "id | none | null | local")
        self.shows("network ls --no-trunc -q", "ID", "ID", "ID", "ID")
        self.shows("network ls --filter label=a --format {{.Name}}:{{.Labels}}", "mynetwork:a=b")
        self.shows("network rm mynetwork", "mynetwork")

    def test_the_store(self):
        self.shows("system df", "TYPE | TOTAL | ACTIVE | SIZE | RECLAIMABLE", "Images | 1 | 1 | SIZE | SIZE",
                   "Containers | 3 | 1 | SIZE | SIZE", "Local Volumes | 1 | 1 | SIZE | SIZE",
                   "Build Cache | 0 | 0 | SIZE | SIZE")
        self.shows("system df -v", "Images space usage:", "",
                   "REPOSITORY | TAG | IMAGE ID | CREATED | SIZE | SHARED SIZE | UNIQUE SIZE | CONTAINERS",
                   "busybox | latest | id | AGE ago | SIZE | SIZE | SIZE | 3", "", "Containers space usage:", "",
                   "CONTAINER ID | IMAGE | COMMAND | LOCAL VOLUMES | SIZE | CREATED | STATUS | NAMES",
                   'id | busybox | "sleep 1000" | 0 | SIZE | AGE ago | Up AGE | third',
                   'id | busybox | "sh -c \'echo a line …" | 0 | SIZE | AGE ago | Exited (3) AGE ago | second',
                   'id | busybox | "true" | 1 | SIZE | AGE ago | Created | first', "", "Local Volumes space usage:", "",
                   "VOLUME NAME | LINKS | SIZE", "data | 1 | SIZE", "", "Build cache usage: SIZE", "",
                   "CACHE ID | CACHE TYPE | SIZE | CREATED | LAST USED | USAGE | SHARED")
        self.shows("events --since 1h --until 0s --filter container=second",
                   *[f"TIME container {what} ID ({more}image=busybox, name=second)" for what, more in (
                       ("create", ""), ("start", ""), ("die", "execDuration=N, exitCode=3, "))])
        self.shows("profile ls --format {{.Name}}", "build", "default", "dev", "hpc", "strict")


if __name__ == "__main__":
    unittest.main(verbosity=2)
