"""What is looked at while something hangs: the bus, how late the machine itself is, and what pvcd has open."""
import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from .bus import ROOT
from .hang_judge import FRESH_S, Load
from .lab.cgroup import Cgroup
from .lab.process import PYTHON, TOP, LabError

UNITS = ("core", "keepalive", "election", "libvirt", "rbd-locks", "ipmi", "ceph-osd")
_PLUGINS = [name.replace("-", "_") for name in UNITS[1:]]
_QUEUES = ("for name in " + " ".join(_PLUGINS) + "; do printf '%s %s\\n' $name \"$(busctl --timeout=1 get-property "
           "org.pvcd1.plugin.$name /org/pvcd1/plugin org.pvcd1.Plugin QueueLength 2>&1)\"; done")
_PAUSE_S = 1.0                          # between two looks


def program_of(unit: str) -> tuple[str, ...]:
    """As Host.processes() wants it."""
    return ("pvcd-core",) if unit == "core" else ("pvcd-host", unit)


def service_of(unit: str) -> str:
    return "pvcd.service" if unit == "core" else f"pvcd-{unit}.service"


def ask(host, *words: str):
    """busctl's answer, or None: whoever hangs must not hang the test."""
    with suppress(LabError, ValueError):
        done = host.run("busctl", "--json=short", "--timeout=3", *words, timeout=6, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout)["data"]
    return None


def plugins(host) -> list | None:
    return ask(host, "get-property", "org.pvcd1", ROOT, "org.pvcd1.Manager", "Plugins")


def not_well(lines: list) -> list[str]:
    """What the bus says that is not well among the units of its host."""
    return [f"{name} {state}, {age / 1e6:.0f} s old" + f" ({note})" * bool(note)
            for name, _, state, age, note in lines if state != "running" or age > FRESH_S * 1e6 or note]


def load_of(host) -> Load:
    """Of all of pvcd's units there."""
    total = Load()
    for directory, _, _ in os.walk(Cgroup(f"{host.spec.prefix}/{host.name}").path):
        if os.path.basename(directory).startswith("pvcd") and directory.endswith(".service"):
            for pid in _numbers(Path(directory) / "cgroup.procs"):
                with suppress(OSError):
                    total.threads += len(os.listdir(f"/proc/{pid}/task"))
                    total.files += len(os.listdir(f"/proc/{pid}/fd"))
                    total.processes += 1
    return total


def main_processes(host) -> dict[str, list[int]]:
    return {unit: host.processes(*program_of(unit)) for unit in UNITS}


def _numbers(path: Path) -> list[int]:
    try:
        return [int(word) for word in path.read_text().split()]
    except OSError:
        return []


class Lateness:
    def __init__(self, spec):
        self._file = spec.dir / "lateness"
        self._file.touch()
        argv = [PYTHON, "-m", "tests.cluster.lateness", str(self._file)]
        self._process = subprocess.Popen(Cgroup(f"{spec.prefix}/exec").create().entering(argv), cwd=TOP)

    def since(self, begin_ms: float) -> list[tuple[float, float]]:
        lines = (line.split() for line in self._file.read_text().splitlines())
        return [(float(at), float(late)) for at, late in lines if float(at) >= begin_ms]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Watch:
    """Asks the victim's bus, and that of a witness about the victim, again and again: one must not wait for the other."""

    def __init__(self, victim, witness):
        self._victim, self._witness = victim, witness
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=[look]) for look in (self._look, self._ask_witness, self._look_at_queues)]
        self.named: list[str] = []          # in the order in which it was first said
        self.queues: dict[str, int] = {}    # the longest of each plugin

    def __enter__(self) -> "Watch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, look) -> None:
        while not self._ended.is_set():
            begin = time.monotonic()
            look()
            self._ended.wait(max(0, begin + _PAUSE_S - time.monotonic()))

    def _look(self) -> None:
        self._name(not_well(plugins(self._victim) or []))

    def _ask_witness(self) -> None:
        said = ask(self._witness, "call", "org.pvcd1", ROOT, "org.pvcd1.Manager", "Explain", "s", f"node/{self._victim.name}")
        self._name([line.strip() for line in (said or [""])[0].splitlines() if line.startswith("Its unit")])
        note = ask(self._witness, "get-property", "org.pvcd1", f"{ROOT}/storage", "org.pvcd1.Storage", "Note")
        self._name([f"storage: {note}"] if note else [])

    def _look_at_queues(self) -> None:
        with suppress(LabError):
            for line in self._victim.run("sh", "-c", _QUEUES, timeout=10, check=False).stdout.splitlines():
                name, *answer = line.split()
                if len(answer) == 2:
                    self.queues[name] = max(self.queues.get(name, 0), int(answer[1]))

    def _name(self, texts: list[str]) -> None:
        self.named += [text for text in texts if text not in self.named]
