"""Containers inside a container: what works there, and what says why not; as the ordinary user who calls it."""

import json
import os
import re
import shutil
import subprocess
import unittest

from oci_case import APPLETS
from sandbox_case import SANDBOX, SandboxCase

ENVIRONMENT = "export SANDBOX_STORE_DIR=/tmp/store SANDBOX_RUNTIME_DIR=/tmp/run; mkdir -m 700 /tmp/store /tmp/run; cd /tmp; "
RUN = "/bin/sandbox run --rm --network none --rootfs /inner "
OPEN = ("--security-opt", "seccomp=unconfined")
WHOLE = (*OPEN, "--security-opt", "systempaths=unconfined")
MASKED = ("mounting on '/proc': Operation not permitted", "what this runs in, a container, shows only a part of its /proc: start that "
          "one with --security-opt systempaths=unconfined, or share its processes (--pid host)")
UNNAMED = "creating the container's namespaces: Function not implemented"


class Nested(SandboxCase):
    def setUp(self):
        super().setUp()
        self.tree = self.home + "/tree"
        for root in (self.tree, self.tree + "/inner"):
            for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
                os.makedirs(f"{root}/{name}")
            shutil.copy("/bin/busybox", root + "/bin/busybox")
            for name in (*APPLETS, "sed", "timeout"):
                os.symlink("busybox", f"{root}/bin/{name}")
        self.copy(SANDBOX, "/bin/sandbox")
        listed = subprocess.run(["ldd", SANDBOX], check=True, capture_output=True, text=True).stdout
        for path in re.findall(r"(/\S+) \(0x", listed):
            self.copy(path, path)

    def copy(self, path, place):
        os.makedirs(self.tree + os.path.dirname(place), exist_ok=True)
        shutil.copy(path, self.tree + place)

    def outer(self, script, *options):
        return self.sandbox("run", "--rm", "--network", "none", "--tmpfs", "/tmp", "--rootfs", self.tree, *options, "sh", "-c",
                            ENVIRONMENT + script)

    def refused(self, done, message, hint):
        self.assertIn(message, done.stderr)
        self.assertIn("hint: " + hint, done.stderr)

    def test_with_its_proc_whole_a_container_has_containers_of_its_own(self):
        done = self.outer(RUN + "sh -c 'echo $$; cat /proc/1/comm; id -u; ls /sys/kernel >/dev/null && echo seen; touch /sys/x'; "
                          "/bin/sandbox ps -aq; /bin/sandbox doctor | grep -E 'user namespaces|processes'", *WHOLE)
        self.assertEqual(done.stdout, "1\nsh\n0\nseen\n[ok]   user namespaces: one's own\n[ok]   processes: its own /proc\n", done.stderr)
        self.assertIn("touch: /sys/x: ", done.stderr)

    def test_with_its_proc_masked_they_share_its_processes(self):
        done = self.outer(RUN + "true; " + RUN + "--pid host sh -c 'test -e /proc/self/exe && echo shared; echo x >/proc/sys/kernel/hostname';"
                          "/bin/sandbox doctor", *OPEN)
        self.refused(done, *MASKED)
        self.assertIn("shared\n", done.stdout)
        self.assertIn("can't create /proc/sys/kernel/hostname: Read-only file system", done.stderr)
        self.assertIn("[FAIL] processes: none; use --pid host\n         not its own /proc: mounting on '/proc': Operation not permitted\n"
                      "         fix: what this runs in, a container, masks parts of its /proc: start that one with --security-opt "
                      "systempaths=unconfined\n", done.stdout)

    def test_the_filter_of_a_container_permits_none(self):
        done = self.outer(RUN + "true; echo $?; /bin/sandbox doctor | grep -A 2 'user namespaces: none'")
        self.refused(done, UNNAMED, "'sandbox doctor' tells why, and what to do")
        self.assertIn("125\n[FAIL] user namespaces: none; no container can run\n         not one's own: ", done.stdout)
        self.assertIn("         fix: have whatever this runs in (a service, or a container: --security-opt seccomp=unconfined) permit "
                      "unshare(CLONE_NEWUSER)\n", done.stdout)

    def oci_bundle(self, bundle, root, script, **linux):
        """One for a root directory as it will be seen, with the configuration of `sandbox oci spec`."""
        os.makedirs(bundle)
        subprocess.run([SANDBOX, "oci", "spec", "--rootless", "--bundle", bundle], check=True)
        with open(bundle + "/config.json", encoding="utf-8") as file:
            config = json.load(file)
        config["root"] = {"path": root, "readonly": False}
        config["process"].update(args=["sh", "-c", script], terminal=False)
        config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
        config["linux"].update(linux)
        for names in config["process"]["capabilities"].values():
            names.append("CAP_SETFCAP")  # to map the id of root (user_namespaces(7))
        with open(bundle + "/config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)

    def test_the_oci_runtime_inside_of_a_container(self):
        root_alone = [{"containerID": 0, "hostID": 0, "size": 1}]
        self.oci_bundle(self.tree + "/bundle", "/inner", "echo $$; cat /proc/1/comm; true", uidMappings=root_alone, gidMappings=root_alone)
        run = "/bin/sandbox oci --root /tmp/oci run --bundle /bundle c"
        done = self.outer(run, *WHOLE)
        self.assertEqual(done.stdout, "1\nsh\n", done.stderr)
        done = self.outer(run, *OPEN)
        self.assertEqual(done.stdout, "")
        self.assertIn(f"run failed: {MASKED[0]} (hint: {MASKED[1]})", done.stderr)

    def test_a_container_without_the_capability_to_map_root(self):
        done = self.outer(RUN + "true", *WHOLE, "--cap-drop", "SETFCAP")
        self.refused(done, "giving a container the id of root: Operation not permitted", "this takes CAP_SETFCAP (user_namespaces(7)): "
                     "let what this runs in, a container, have it")

    def test_a_container_inside_of_one_of_the_oci_runtime(self):
        for paths, expected in (({}, ""), ({"maskedPaths": [], "readonlyPaths": []}, "1\n")):
            bundle = f"{self.home}/bundle-{len(paths)}"
            self.oci_bundle(bundle, self.tree, ENVIRONMENT + RUN + "sh -c 'echo $$'", **paths)
            done = self.sandbox("oci", "--root", self.home + "/state", "run", "--bundle", bundle, "c")
            self.assertEqual(done.stdout, expected, done.stderr)
            if not expected:
                self.refused(done, *MASKED)


if __name__ == "__main__":
    unittest.main(verbosity=2)
