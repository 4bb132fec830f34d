"""Running commands with a bound on the time, starting daemons, waiting for conditions.

Nothing here remembers a pid: every process of the lab is in a control group of its own (cgroup.py), which is what is asked,
frozen and killed. A pid can be reused, and the dead ones may stay zombies for minutes where PID 1 is not systemd.
"""
import os
import subprocess
import time
from pathlib import Path

PYTHON = "/usr/bin/python3"             # Debian's own: it is the one which has rados, rbd and kazoo
TOP = Path(__file__).resolve().parents[3]
AS_FROM_A_TERMINAL = ("env", "--default-signal=HUP,INT")   # who runs the tests may ignore them (nohup), and that is inherited


class LabError(Exception):
    """What was asked cannot be done; the text says why, in one line for the reader of a test report."""


class LabTimeout(LabError):
    pass


def run(argv, timeout=30, check=True, input=None, env=None) -> subprocess.CompletedProcess:
    argv = [str(word) for word in argv]
    stdin = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(argv, text=True, errors="replace", capture_output=True, timeout=timeout,
                              env={**os.environ, **env} if env else None, **stdin)
    except subprocess.TimeoutExpired:
        raise LabTimeout(f"no end within {timeout} s: {' '.join(argv)}") from None
    if check and done.returncode:
        raise LabError(f"exit {done.returncode}: {' '.join(argv)}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done


def python_module(name: str, *args) -> list[str]:
    """The command line which runs a module of this package in an interpreter of its own."""
    return ["/usr/bin/env", f"PYTHONPATH={TOP}", PYTHON, "-m", f"{__package__}.{name}", *map(str, args)]


def in_netns(netns: str, argv) -> list[str]:
    """nsenter instead of `ip netns exec`: the latter mounts another /sys, which hides the control groups."""
    return ["nsenter", f"--net=/run/netns/{netns}", "--", *argv]


def spawn(argv, cgroup, log: Path) -> subprocess.Popen:
    """Start a daemon which outlives the driver."""
    with log.open("ab") as output:
        return subprocess.Popen(cgroup.entering([str(word) for word in argv]), stdin=subprocess.DEVNULL, stdout=output,
                                stderr=output, start_new_session=True)


def wait_for(what: str, predicate, timeout: float, step: float = 0.03):
    """Poll until the predicate returns something true, which is returned."""
    deadline = time.monotonic() + timeout
    while True:
        if value := predicate():
            return value
        if time.monotonic() > deadline:
            raise LabTimeout(f"not within {timeout} s: {what}")
        time.sleep(step)


def tail(path: Path, size: int = 600) -> str:
    try:
        return path.read_text(errors="replace")[-size:].strip()
    except OSError:
        return "(no output)"
