"""Slurm with this program as the runtime of its jobs' containers: one node whose daemons, munge's too, are the user's own,
and the oci.conf that is installed as an example. In the test machine root has them, whose jobs have cgroups."""

import os
import pathlib
import pwd
import re
import signal
import subprocess
import unittest

from oci_case import OciCase
from sandbox_case import SANDBOX, eventually, free_port

EXAMPLE = pathlib.Path(__file__).parents[2] / "man/examples/oci.conf"
MIB = 1 << 20

ROOT = os.getuid() == 0

CONFIG = """ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={home}/munge
CredType=cred/munge
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={home}/controller
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MailProg=/bin/true
KillWait=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
NodeName=localhost CPUs=1 RealMemory=500 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES State=UP
"""
# An ordinary user's Slurm has no cgroups: it counts the job's processes, and watches their memory itself.
WITHOUT_CGROUPS = """ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
"""
WITH_CGROUPS = """ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
"""
CGROUPS = """CgroupPlugin=cgroup/v2
ConstrainRAMSpace=yes
"""


class Slurm(OciCase):
    form = None  # which of the two in the example

    def setUp(self):
        super().setUp()
        os.mkdir(self.home + "/bin")
        os.symlink(SANDBOX, self.home + "/bin/sandbox-runtime")
        for name in ("controller", "spool"):
            os.mkdir(f"{self.home}/{name}")
        # munge wants every directory above its socket to be passable.
        os.chmod(self.home, 0o755)
        self.env.update(PATH=f"{self.home}/bin:/usr/bin:/bin:/usr/sbin:/sbin", SLURM_CONF=self.home + "/slurm.conf")
        self.write("slurm.conf", CONFIG.format(home=self.home, user=pwd.getpwuid(os.getuid()).pw_name,
                                               controller_port=free_port(), node_port=free_port()) +
                   (WITH_CGROUPS if ROOT else WITHOUT_CGROUPS))
        if ROOT:
            self.write("cgroup.conf", CGROUPS)
        text = EXAMPLE.read_text(encoding="utf-8")
        self.assertEqual(len(re.findall("^RunTimeRun=|^#RunTimeCreate=|^#RunTimeStart=", text, re.M)), 3)
        if self.form == "create":
            text = text.replace("\n#RunTime", "\nRunTime").replace("\nRunTimeRun=", "\n#RunTimeRun=")
        self.write("oci.conf", text)
        self.start_daemons()

    def tearDown(self):
        try:
            # Slurm deletes containers and ends steps when srun has ended already.
            eventually(lambda: not self.containers() and not self.helpers("slurmstepd: "))
            for daemon in reversed(self.daemons):
                daemon.kill()  # a slurmd that is asked to end first waits up to two minutes for what it is doing
                daemon.wait()
            for pid in self.helpers("/usr/sbin/slurmstepd infinity"):
                os.kill(pid, signal.SIGKILL)  # which keeps Slurm's cgroup
            self.assertEqual(self.containers(), [])
            super().tearDown()
        finally:
            for pid in self.descendants():
                os.kill(pid, signal.SIGKILL)

    def write(self, name, text):
        pathlib.Path(self.home, name).write_text(text, encoding="utf-8")

    def start_daemons(self):
        key = self.home + "/munge.key"
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(128))
        self.daemons = []
        self.daemon("munged", "--foreground", "--force", "--key-file=" + key, f"--socket={self.home}/munge",
                    f"--log-file={self.home}/munged.log", f"--pid-file={self.home}/munged.pid", f"--seed-file={self.home}/munged.seed")
        self.assertTrue(eventually(lambda: os.path.exists(self.home + "/munge")))
        self.daemon("slurmctld", "-D")
        self.daemon("slurmd", "-D", "-N", "localhost")
        idle = lambda: self.slurm("sinfo", "-h", "-o", "%T").stdout == "idle\n"
        dead = lambda: any(daemon.poll() is not None for daemon in self.daemons)
        self.assertTrue(eventually(lambda: idle() or dead(), 30) and not dead(), self.logs())

    def daemon(self, *words):
        with open(self.home + "/daemons.out", "a", encoding="utf-8") as out:
            daemon = subprocess.Popen(words, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.home)
        self.addCleanup(daemon.kill)  # tearDown is not called when setUp fails
        self.daemons.append(daemon)
        self.clients.append(daemon)

    def logs(self):
        return "\n".join(pathlib.Path(self.home, name).read_text(encoding="utf-8") for name in ("daemons.out", "slurmctld.log", "slurmd.log")
                         if os.path.exists(f"{self.home}/{name}"))

    def slurm(self, *words):
        return subprocess.run(words, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
                              cwd=self.home)

    def words(self, *words, options=()):
        return ["srun", "--quiet", "--container=" + self.bundle, *options, *words]

    def srun(self, *words, options=()):
        return self.slurm(*self.words(*words, options=options))

    def job(self, *words):
        """One that goes on: srun, after a first line of output."""
        job = subprocess.Popen(self.words(*words), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.clients.append(job)
        self.addCleanup(job.stdout.close)
        self.addCleanup(job.stderr.close)
        self.assertEqual(job.stdout.readline(), "ready\n", self.logs()[-1500:])
        return job

    def containers(self):
        """Their state is where the daemon's environment says."""
        state = self.runtime + "/oci"
        return [name for name in os.listdir(state) if name[0] != "."] if os.path.isdir(state) else []


class RunForm(Slurm):
    form = "run"

    def test_output_environment_and_exit_code(self):
        self.env["EXPORTED"] = "from the caller"
        done = self.srun("sh", "-c", "echo $EXPORTED $SLURM_JOB_ID.$SLURM_STEP_ID; hostname; echo err >&2; exit 7")
        self.assertEqual((done.returncode, done.stdout), (7, "from the caller 1.0\nsandbox\n"), done.stderr)
        self.assertIn("err\n", done.stderr)

    def test_what_can_not_be_run(self):
        done = self.srun("/bin/nothing")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(r'run failed: unable to start container process: exec: \"/bin/nothing\": stat /bin/nothing: no such file', done.stderr)
        self.bundle = "bundle"  # Slurm wants the whole path: it looks from where srun is, the runtime from its copy of config.json
        done = self.srun("true")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "run failed: opening root '.*/bundle/rootfs': No such file or directory")

    def test_a_signal_arrives(self):
        job = self.job("sh", "-c", "trap 'echo got it; exit 3' USR1; echo ready; while :; do sleep 0.05; done")
        self.slurm("scancel", "--signal=USR1", "1.0")
        out, err = job.communicate(timeout=30)
        self.assertEqual((job.returncode, out), (3, "got it\n"), err)

    def test_a_job_is_cancelled(self):
        job = self.job("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
        self.slurm("scancel", "1")
        _, err = job.communicate(timeout=30)
        self.assertIn("CANCELLED", err)
        self.assertTrue(eventually(lambda: not self.containers(), 20), self.containers())

    def test_it_stays_with_the_job(self):
        job = self.job("sh", "-c", "echo ready; exec sleep 1234")
        sleeping = lambda: [pid for pid, command in self.descendants().items() if command == "sleep 1234"]
        self.assertTrue(eventually(sleeping))
        pid, = sleeping()
        listed = {int(line.split()[0]): line.split()[3] for line in self.slurm("scontrol", "listpids", "1").stdout.splitlines()[1:]}
        task, = [other for other, task in listed.items() if task == "0"]
        self.assertIn(pid, listed)
        for mine, jobs in zip(self.cgroups(pid), self.cgroups(task), strict=True):
            self.assertTrue((mine + "/").startswith(jobs), (mine, jobs))
        self.slurm("scancel", "1")
        job.communicate(timeout=30)

    @staticmethod
    def cgroups(pid):
        return pathlib.Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()

    def test_memory_beyond_the_limit(self):
        """The kernel kills one process, Slurm all of them."""
        done = self.srun("sh", "-c", "echo begin; dd if=/dev/zero of=/dev/null bs=200M; echo end", options=["--mem=50"])
        if ROOT:
            self.assertEqual((done.returncode, done.stdout), (1, "begin\nend\n"), done.stderr)
            return self.assertIn("Detected 1 oom-kill event(s) in StepId=1.0", done.stderr)
        self.assertEqual((done.returncode, done.stdout), (128 + signal.SIGKILL, "begin\n"), done.stderr)
        self.assertRegex(done.stderr, rf"exceeded memory limit \(\d+ > {50 * MIB}\), being killed")


class CreateForm(Slurm):
    """Slurm 22.05 takes the exit status of `start` for the job's, and sends no signal to what is no child of its own."""

    form = "create"

    def test_output(self):
        done = self.srun("sh", "-c", "echo $SLURM_JOB_ID.$SLURM_STEP_ID; echo err >&2; exit 7")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "1.0\n", "err\n"))

    def test_what_can_not_be_run(self):
        done = self.srun("/bin/nothing")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("create failed: unable to start container process", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
