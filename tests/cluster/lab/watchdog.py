"""The simulated watchdog of one host, as its driver sees it; the device itself is watchdog_device.py."""
from pathlib import Path
from typing import NamedTuple

from .cgroup import Cgroup
from .process import python_module, spawn, wait_for
from .spec import WATCHDOG, Spec


class Act(NamedTuple):
    time: float                         # seconds since 1970, as time.time()
    what: str                           # armed, disarmed, cut


class Watchdog:
    def __init__(self, spec: Spec, name: str):
        self.name = name
        self._spec = spec

    def up(self) -> None:
        folder = self._spec.watchdog_dir(self.name)
        folder.mkdir(parents=True)
        spawn(python_module("watchdog_device", self._spec.state, self.name),
              Cgroup(f"{self._spec.prefix}/watchdog-{self.name}").create(), folder.parent / f"{self.name}.log")
        wait_for(f"the watchdog of {self.name}", lambda: (folder / Path(WATCHDOG).name).exists(), 10)

    def acts(self) -> list[Act]:
        """What it did so far, in its order."""
        try:
            lines = acts_file(self._spec, self.name).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Act(float(time), what) for time, what in map(str.split, lines)]

    def is_armed(self) -> bool:
        return [act.what for act in self.acts()][-1:] == ["armed"]


def acts_file(spec: Spec, name: str) -> Path:
    return spec.dir / "watchdog" / f"{name}.acts"
