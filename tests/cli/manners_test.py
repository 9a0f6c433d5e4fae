"""The command line's manners: help, groups, what may have been meant, other names, inspect and its templates."""

import json
import os
import subprocess
import unittest

from sandbox_case import SANDBOX, SandboxCase


class Words(SandboxCase):
    def refused(self, status, message, *words):
        done = self.sandbox(*words)
        self.assertEqual((done.returncode, done.stdout), (status, ""), (words, done.stderr))
        self.assertIn(message, done.stderr)

    def test_help_has_dockers_form(self):
        text = self.ok("ps", "--help")
        self.assertTrue(text.startswith("Usage:  sandbox ps [OPTIONS]\n\nList containers\n\nAliases:\n"
                                        "  sandbox container ls, sandbox container list, sandbox container ps, "
                                        "sandbox ps\n\nOptions:\n  -a, --all "), text)
        self.assertEqual(self.ok("help", "ps"), text)
        self.assertTrue(self.ok("container", "ls", "--help").startswith("Usage:  sandbox container ls [OPTIONS]\n"))
        self.assertEqual(self.ok("help", "container"), self.ok("container"))
        self.assertEqual(self.ok("container", "--help"), self.ok("container"))
        self.assertRegex(self.ok("image"), r"\AUsage:  sandbox image COMMAND\n\nManage images\n\nCommands:\n  build +Build")
        self.assertEqual(self.ok(), self.ok("--help"))

    def test_groups_are_other_names(self):
        self.ok("container", "create", "--name", "box", "--network", "none", "busybox", "true")
        for words in (("container", "ls"), ("container", "list"), ("container", "ps"), ("ps",)):
            self.assertEqual(self.ok(*words, "-a", "--format", "{{.Names}}"), "box\n")
        self.assertEqual(self.ok("image", "ls", "-q"), self.ok("images", "-q"))
        self.assertEqual(self.ok("container", "rm", "box"), "box\n")

    def test_mistakes_are_guessed_at(self):
        self.refused(1, "unknown command: sandbox rnu\n\nRun 'sandbox --help' for more information\nhint: did you mean 'run'?",
                     "rnu")
        self.refused(1, "unknown command: sandbox container lss\n\nRun 'sandbox container --help'", "container", "lss")
        self.refused(125, "unknown flag: --frmat\n\nUsage:  sandbox ps [OPTIONS]\n\nRun 'sandbox ps --help' for more "
                          "information\nhint: did you mean '--format'?", "ps", "--frmat", "json")
        self.refused(125, "unknown flag: --nothing-like-it", "run", "--nothing-like-it", "busybox")
        self.refused(125, "unknown shorthand flag: 'x' in -x", "container", "ls", "-x")
        self.refused(125, "unknown flag: --nope", "--nope")
        self.refused(1, "'sandbox container rm' requires at least 1 argument\n\nUsage:  sandbox container rm [OPTIONS] "
                        "CONTAINER", "container", "rm")

    def test_options_before_the_command(self):
        os.mkdir(self.home + "/config")
        with open(self.home + "/config/config.json", "w", encoding="utf-8") as config:
            config.write('{"imagesFormat": "{{.Repository}} of the file"}')
        for words in (("--config", self.home + "/config"), ("--config=" + self.home + "/config", "-D", "-l", "debug"),
                      ("--context", "default", "--log-level=warn", "--debug", "--config", self.home + "/config")):
            self.assertEqual(self.ok(*words, "images"), "busybox of the file\n")
        self.assertEqual(self.ok("--version"), self.ok("version"))
        self.assertEqual(self.ok("-v"), self.ok("version"))
        self.refused(125, "--host is not possible: there is no daemon to connect to", "--host", "tcp://there", "ps")
        self.refused(1, 'context "there": context not found', "--context", "there", "ps")
        self.refused(125, "unknown flag: --confg\n\nUsage:  sandbox COMMAND\n\nRun 'sandbox --help' for more information\n"
                          "hint: did you mean '--config'?", "--confg", "x", "ps")
        self.refused(125, "flag needs an argument: --config", "--config")

    def test_version_and_info_for_scripts(self):
        version = self.ok("version").split()[-1]
        self.assertEqual(self.ok("version", "--format", "{{.Server.Version}} {{.Client.Version}}"), f"{version} {version}\n")
        self.assertEqual(json.loads(self.ok("version", "-f", "json"))["Server"]["Version"], version)
        self.ok("create", "--network", "none", "busybox", "true")
        self.assertEqual(self.ok("info", "-f", "{{.Containers}} {{.ContainersStopped}} {{.DockerRootDir}} {{.OSType}}"),
                         f"1 1 {self.data} linux\n")
        self.refused(1, 'template parsing error: template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"',
                     "info", "-f", "{{.Nope}}")

    def test_under_dockers_name_it_calls_itself_so(self):
        docker = self.home + "/docker"
        os.symlink(SANDBOX, docker)
        ask = lambda *words: subprocess.run([docker, *words], env=self.env, text=True, capture_output=True, timeout=60, check=False)
        done = ask("run", "--rm", "--network", "none", "busybox", "echo", "hello")
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        done = ask("ps", "--nope")
        self.assertEqual((done.returncode, done.stderr), (125, "docker: unknown flag: --nope\n\nUsage:  docker ps [OPTIONS]\n\n"
                                                               "Run 'docker ps --help' for more information\n"))
        self.assertEqual(ask("create").stderr, "docker: 'docker create' requires at least 1 argument\n\nUsage:  docker create "
                                               "[OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'docker create --help' for more "
                                               "information\n")
        self.assertIn("Usage:  docker cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:",
                      ask("cp").stderr)


class Inspect(SandboxCase):
    def formatted(self, template, *names):
        return self.ok("inspect", "-f", template, *names)

    def test_a_container_has_dockers_members(self):
        box = self.ok("create", "--name", "box", "--label", "tier=front", "-e", "A=1", "--cap-add", "SYS_ADMIN", "-p", "80",
                      "-v", self.home + ":/mnt:ro", "busybox", "echo", "hello").strip()
        document, = json.loads(self.ok("inspect", "box"))
        self.assertEqual(list(document)[:7], ["Id", "Created", "Path", "Args", "State", "Image", "ResolvConfPath"])
        self.assertEqual((document["Id"], document["Name"], document["Path"], document["Args"]),
                         (box, "/box", "echo", ["hello"]))
        self.assertRegex(document["Created"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z\Z")
        self.assertEqual(document["State"]["Status"], "created")
        self.assertEqual(document["Config"]["Cmd"], ["echo", "hello"])
        self.assertEqual(document["Config"]["ExposedPorts"], {"80/tcp": {}})
        self.assertEqual(document["HostConfig"]["CapAdd"], ["CAP_SYS_ADMIN"])
        self.assertEqual(document["HostConfig"]["Binds"], [self.home + ":/mnt:ro"])
        self.assertEqual(document["Mounts"], [{"Type": "bind", "Source": self.home, "Destination": "/mnt", "Mode": "ro",
                                               "RW": False, "Propagation": "rprivate"}])
        self.assertEqual(document["GraphDriver"]["Name"], "overlay2")
        self.assertEqual(list(document["NetworkSettings"]["Networks"]), ["bridge"])
        self.assertEqual(document["HostConfig"]["NetworkMode"], "bridge")
        self.assertNotIn("SizeRw", document)
        sized, = json.loads(self.ok("inspect", "--size", "box"))
        self.assertGreater(sized["SizeRootFs"], sized["SizeRw"])

    def test_what_was_asked_for_is_shown_and_nothing_is_missing(self):
        self.ok("create", "--name", "box", "--network", "none", "--tmpfs", "/t:size=1m", "--ulimit", "nofile=5:9",
                "--ulimit", "core=-1", "--sysctl", "kernel.msgmax=1000", "--device", "/dev/zero", "--security-opt",
                "seccomp=unconfined", "--dns", "192.0.2.1", "--dns-search", "example.org", "--dns-option", "ndots:2",
                "--add-host", "db:192.0.2.2", "busybox", "true")
        config = json.loads(self.ok("inspect", "-f", "{{json .HostConfig}}", "box"))
        self.assertEqual(config["Ulimits"], [{"Name": "nofile", "Hard": 9, "Soft": 5}, {"Name": "core", "Hard": -1, "Soft": -1}])
        self.assertEqual((config["Sysctls"], config["Tmpfs"]), ({"kernel.msgmax": "1000"}, {"/t": "size=1m"}))
        self.assertEqual(config["Devices"], [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zero",
                                              "CgroupPermissions": "rwm"}])
        self.assertEqual(config["SecurityOpt"], ["seccomp=unconfined"])
        self.assertEqual([config[key] for key in ("Dns", "DnsSearch", "DnsOptions", "ExtraHosts", "GroupAdd")],
                         [["192.0.2.1"], ["example.org"], ["ndots:2"], ["db:192.0.2.2"], None])
        self.ok("create", "--name", "plain", "busybox", "true")
        plain = json.loads(self.ok("inspect", "-f", "{{json .HostConfig}}", "plain"))
        self.assertEqual({key: plain[key] for key in ("Tmpfs", "Ulimits", "SecurityOpt", "CpuQuota", "Links", "BlkioWeight",
                                                      "ConsoleSize", "Isolation", "Dns", "ExtraHosts")},
                         {"Tmpfs": None, "Ulimits": [], "SecurityOpt": None, "CpuQuota": 0, "Links": None, "BlkioWeight": 0,
                          "ConsoleSize": [0, 0], "Isolation": "", "Dns": [], "ExtraHosts": None})

    def test_templates_as_scripts_write_them(self):
        self.ok("run", "-d", "--name", "box", "--label", "tier=front", "-p", "127.0.0.1::80", "busybox", "sleep", "1000")
        self.assertEqual(self.formatted("{{.State.Status}} {{.State.Running}} {{.State.ExitCode}}", "box"), "running true 0\n")
        self.assertEqual(self.formatted('{{index .Config.Labels "tier"}}|{{index .Config.Labels "none"}}|', "box"), "front||\n")
        self.assertEqual(self.formatted("{{json .Config.Labels}}", "box"), '{"tier":"front"}\n')
        self.assertEqual(self.formatted("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "box"), "10.0.2.100\n")
        port = self.formatted('{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "box").strip()
        self.assertEqual(self.ok("port", "box", "80"), f"127.0.0.1:{port}\n")
        self.assertEqual(self.formatted("{{range $p, $c := .NetworkSettings.Ports}}{{$p}}={{(index $c 0).HostIp}}{{end}}", "box"),
                         "80/tcp=127.0.0.1\n")
        self.assertEqual(self.formatted('{{join .Config.Cmd " "}} {{.Name}} {{len .Id}} {{slice .Id 0 0}}', "box"),
                         "sleep 1000 /box 64 \n")
        self.assertEqual(self.formatted("{{.HostConfig.CapAdd}} {{.HostConfig.PidsLimit}}", "box"), "[] <nil>\n")
        self.assertEqual(self.formatted("{{.Id}}", "busybox").strip(), self.ok("images", "-q", "--no-trunc").strip())
        self.assertEqual(self.ok("inspect", "--format", "json", "busybox").count("\n"), 1)

    def test_several_names_and_their_errors(self):
        self.ok("create", "--name", "box", "busybox", "true")
        done = self.sandbox("inspect", "box", "nobody", "busybox")
        self.assertEqual(done.returncode, 1)
        self.assertEqual([one["Id"][:6] for one in json.loads(done.stdout)][1], "sha256")
        self.assertEqual(done.stderr, "sandbox: no such object: nobody\n")
        done = self.sandbox("inspect", "nobody")
        self.assertEqual((done.returncode, done.stdout), (1, "[]\n"))
        self.assertIn("No such container: busybox", self.sandbox("container", "inspect", "busybox").stderr)
        self.assertIn("No such image: box:latest", self.sandbox("inspect", "--type", "image", "box").stderr)
        self.assertIn('"pet" is not a valid value for --type', self.sandbox("inspect", "--type", "pet", "box").stderr)

    def test_errors_of_templates_are_dockers(self):
        self.ok("create", "--name", "box", "busybox", "true")
        done = self.sandbox("inspect", "-f", "{{.Nope}}", "box")
        self.assertEqual((done.returncode, done.stdout), (1, "\n"))
        self.assertEqual(done.stderr, 'sandbox: template parsing error: template: :1:2: executing "" at <.Nope>: map has no '
                                      'entry for key "Nope"\n')
        done = self.sandbox("inspect", "-f", "{{.Id", "box")
        self.assertEqual((done.returncode, done.stdout), (64, ""))
        self.assertEqual(done.stderr, "sandbox: template parsing error: template: :1: unclosed action\n")

    def test_an_image_has_dockers_members(self):
        document, = json.loads(self.ok("image", "inspect", "busybox"))
        self.assertEqual(document["RepoTags"], ["busybox:latest"])
        self.assertRegex(document["RepoDigests"][0], r"\Abusybox@sha256:[0-9a-f]{64}\Z")
        self.assertEqual(document["RootFS"]["Type"], "layers")
        self.assertEqual(document["Os"], "linux")
        self.assertEqual(list(document)[:4], ["Id", "RepoTags", "RepoDigests", "Parent"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
