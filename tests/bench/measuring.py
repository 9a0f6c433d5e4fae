"""What the benchmarks share: commands that take turns, and bars that decide about the exit status."""

import os
import statistics
import time

WARMING = 2  # first rounds, which fill caches


class Report:
    def __init__(self):
        self.missed = False

    def bar(self, text, value, limit, unit=""):
        good = value <= limit
        self.missed = self.missed or not good
        print(f"{'ok  ' if good else 'MISS'}  {text}: {value:.2f}{unit} (bar {limit:.3g}{unit})", flush=True)

    def unknown(self, text, reason):
        self.missed = True
        print(f"MISS  {text}: not measured: {reason}", flush=True)


def run(command, env=None):
    """Runs `command`, whose output goes nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1)]
    pid = os.posix_spawnp(command[0], command, os.environ if env is None else env, file_actions=actions)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(null)
    if status != 0:
        raise RuntimeError(f"'{' '.join(command)}' ended with {status}")


def duration(work):
    """Seconds that a call of `work` takes."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def take_turns(works, rounds):
    """Quartiles in seconds by name. The works take turns (A B C A B C …), so that a busy moment of the machine meets
    all of them."""
    samples = {name: [] for name in works}
    for number in range(rounds + WARMING):
        for name, work in works.items():
            seconds = duration(work)
            if number >= WARMING:
                samples[name].append(seconds)
    results = {name: statistics.quantiles(values, n=4) for name, values in samples.items()}
    for name, (low, middle, high) in results.items():
        print(f"{name:36} {middle * 1000:8.1f} ms   quartiles {low * 1000:.1f} to {high * 1000:.1f}", flush=True)
    return results
