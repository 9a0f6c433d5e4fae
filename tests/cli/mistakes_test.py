"""What each command on containers says of what it can't do, with Docker's words and exit status.

One container of each state; a line of the table is what somebody types, the status, and what stands on standard error.
"""

import unittest

from sandbox_case import SandboxCase

NOWHERE = "No such container: nowhere"
STOPPED = "is not running"

MISTAKES = (
    # life cycle
    ("run", 1, "'sandbox run' requires at least 1 argument"),
    ("run --pull never nothing", 125, "No such image: nothing:latest"),
    ("run --name made --network none busybox", 125, "the container name 'made' is already in use by container"),
    ("run --network none busybox nonesuch", 127, 'exec: "nonesuch": executable file not found in $PATH'),
    ("run --network none busybox /etc", 126, 'exec: "/etc": permission denied'),
    ("run --network none -w /etc/passwd busybox true", 125, "Cannot mkdir: /etc/passwd is not a directory"),
    ("create", 1, "'sandbox create' requires at least 1 argument"),
    ("create --pull never nothing", 1, "No such image: nothing:latest"),
    ("create --name made busybox", 1, "the container name 'made' is already in use by container"),
    ("create --name -x busybox", 1, "invalid container name (-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
    ("start", 1, "'sandbox start' requires at least 1 argument"),
    ("start nowhere", 1, NOWHERE),
    ("start -a ended made", 1, "you cannot start and attach multiple containers at once"),
    ("start --all made", 1, "either start all containers, or those that are named"),
    ("stop", 1, "'sandbox stop' requires at least 1 argument"),
    ("stop nowhere", 1, NOWHERE),
    ("stop -s NOTHING runs", 1, "invalid signal: NOTHING"),
    ("kill nowhere", 1, NOWHERE),
    ("kill ended", 1, "cannot kill container: ended: container "),
    ("kill -s NOTHING runs", 1, "invalid signal: NOTHING"),
    ("kill -s 0 runs", 1, "invalid signal: 0"),
    ("restart nowhere", 1, NOWHERE),
    ("pause nowhere", 1, NOWHERE),
    ("pause ended", 1, STOPPED),
    ("unpause nowhere", 1, NOWHERE),
    ("unpause runs", 1, "is not paused"),
    ("rm", 1, "'sandbox rm' requires at least 1 argument"),
    ("rm nowhere", 1, NOWHERE),
    ("rm --link made", 125, "--link is not possible"),
    ("start --checkpoint one ended", 125, "--checkpoint is not possible"),
    ("update --kernel-memory 1g made", 125, "--kernel-memory is not possible"),
    ("build --builder other .", 125, "--builder is not possible"),
    ("rm -f nowhere", 0, NOWHERE),
    ("rm runs", 1, 'cannot remove container "runs": container is running: stop the container before removing or force'),
    ("rename made", 1, "'sandbox rename' requires 2 arguments"),
    ("rename nowhere other", 1, NOWHERE),
    ("rename made made", 1, "renaming a container with the same name as its current name"),
    ("rename made ended", 1, "the container name 'ended' is already in use by container"),
    ("rename made a/b", 1, "invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
    ("update made", 1, "you must provide one or more flags when using this command"),
    ("update --restart no nowhere", 1, NOWHERE),
    ("update --restart often made", 1, "invalid restart policy: unknown policy 'often'"),
    ("wait nowhere", 1, NOWHERE),
    # looking at them
    ("ps made", 1, "'sandbox ps' accepts no arguments"),
    ("ps --filter colour=red", 1, "invalid filter 'colour'"),
    ("ps --filter colour", 125, 'invalid argument "colour" for "-f, --filter" flag'),
    ("ps --filter status=tired", 1, "invalid filter 'status=tired'"),
    ("ps --filter health=fine", 1, "invalid filter 'health=fine'"),
    ("ps --filter exited=much", 1, "invalid filter 'exited=much'"),
    ("ps --filter before=nowhere", 1, NOWHERE),
    ("ps --last many", 125, 'invalid argument "many" for "-n, --last" flag: strconv.ParseInt: parsing "many"'),
    ("ps -a --format {{.Names", 1, "template parsing error: template: :1: unclosed action"),
    ("logs", 1, "'sandbox logs' requires 1 argument"),
    ("logs nowhere", 1, NOWHERE),
    ("logs --tail many ended", 1, "invalid value for --tail: many"),
    ("logs --since soon ended", 1, 'invalid value for "since": failed to parse value as time or duration: "soon"'),
    ("top nowhere", 1, NOWHERE),
    ("top ended", 1, STOPPED),
    ("stats --no-stream nowhere", 1, NOWHERE),
    ("stats --no-stream --format {{.Nothing}}", 1, "template parsing error"),
    ("diff nowhere", 1, NOWHERE),
    ("inspect", 1, "'sandbox inspect' requires at least 1 argument"),
    ("inspect nowhere", 1, "no such object: nowhere"),
    ("container inspect busybox", 1, "No such container: busybox"),
    ("events extra", 1, "'sandbox events' accepts no arguments"),
    ("events --filter colour=red", 1, "invalid filter 'colour'"),
    ("events --since soon", 1, 'failed to parse value as time or duration: "soon"'),
    ("port nowhere", 1, NOWHERE),
    ("port runs 80", 1, "no public port '80/tcp' published for runs"),
    # working with them
    ("attach nowhere", 1, NOWHERE),
    ("attach ended", 1, "you cannot attach to a stopped container, start it first"),
    ("exec runs", 1, "'sandbox exec' requires at least 2 arguments"),
    ("exec nowhere true", 1, NOWHERE),
    ("exec ended true", 1, STOPPED),
    ("exec runs nonesuch", 127, 'exec: "nonesuch": executable file not found in $PATH'),
    ("exec runs /etc", 126, 'exec: "/etc": permission denied'),
    ("exec -w /nothing runs true", 127, 'chdir to cwd ("/nothing") failed: no such file or directory'),
    ("exec -w /etc/passwd runs true", 127, 'chdir to cwd ("/etc/passwd") failed: not a directory'),
    ("exec -w /proc/self/cwd runs true", 126, 'chdir to cwd ("/proc/self/cwd") failed: too many levels of symbolic links'),
    ("exec -u nobody-there runs true", 1, "unable to find user nobody-there: no matching entries in passwd file"),
    ("exec -it runs true", 1, "the input device is not a TTY"),
    ("exec -e =a runs true", 1, "invalid environment variable: =a"),
    ("cp made:/etc", 1, "'sandbox cp' requires 2 arguments"),
    ("cp nowhere:/etc .", 1, NOWHERE),
    ("cp made:/nothing .", 1, "Could not find the file /nothing in container made"),
    ("cp made:/etc ended:/", 1, "copying between containers is not supported"),
    ("cp here there", 1, "must specify at least one container source"),
    ("export nowhere", 1, NOWHERE),
    ("export made -o /nowhere/at/all", 1, "'/nowhere/at/all': No such file or directory"),
    ("commit nowhere", 1, NOWHERE),
    ("commit made Not:a:name", 1, "invalid reference format"),
    ("commit -c RUN made", 1, "RUN is not a valid change command"),
    # all of them
    ("container prune extra", 1, "'sandbox container prune' accepts no arguments"),
    ("container prune -f --filter colour=red", 1, "invalid filter 'colour'"),
    ("container prune", 1, "container prune has been cancelled"),
    ("system prune --filter colour=red -f", 1, "invalid filter 'colour'"),
    ("system df extra", 1, "'sandbox system df' accepts no arguments"),
    ("info extra", 1, "'sandbox info' accepts no arguments"),
)


class Mistakes(SandboxCase):
    def setUp(self):
        super().setUp()
        self.ok("create", "--name", "made", "--network", "none", "busybox", "true")
        self.ok("run", "--name", "ended", "--network", "none", "busybox", "true")
        self.ok("run", "-d", "--name", "runs", "--network", "none", "busybox", "sleep", "1000")

    def test_each_says_what_is_wrong(self):
        before = self.ok("ps", "-a", "--format", "{{.Names}} {{.State}}")
        for words, status, message in MISTAKES:
            with self.subTest(words=words):
                done = self.sandbox(*words.split())
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertTrue(done.stderr.startswith("sandbox: ") or done.stdout.startswith("WARNING! "), done.stderr)
                self.assertIn(message, done.stderr)
        left = [line for line in self.ok("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines(keepends=True)
                if line.split()[0] in ("made", "ended", "runs")]
        self.assertEqual("".join(left), before)

    def test_one_of_several_does_not_stop_the_others(self):
        for words in (("stop", "-t", "0"), ("start",), ("restart", "-t", "0"), ("kill",), ("rm", "-f")):
            done = self.sandbox(*words, "nowhere", "runs")
            self.assertEqual((done.returncode, done.stdout), (0 if words[-1] == "-f" else 1, "runs\n"), (words, done.stderr))
            self.assertEqual(done.stderr, f"sandbox: {NOWHERE}\n")
        self.assertEqual(self.sandbox("wait", "nowhere", "ended").stdout, "0\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
