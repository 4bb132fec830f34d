"""Control groups: who belongs to the lab, who runs in which host, and how all of it is frozen or killed at once.

The tree is PREFIX/NAME at the top of the version 2 hierarchy, with one NAME for each host, BMC and Ceph daemon. That is also
the memory of the lab: a host is powered on exactly while its group has a process, and `down` finds everything that a killed
driver left behind. On machines where version 1 and 2 are mixed, systemd-nspawn also wants to find itself in the named
systemd hierarchy, so processes join the group of the same name there.
"""
import os
from pathlib import Path

from .process import LabError, wait_for

_MIXED = Path("/sys/fs/cgroup/unified")
_NAMED = Path("/sys/fs/cgroup/systemd")
_V2 = _MIXED if _MIXED.is_dir() else Path("/sys/fs/cgroup")
_HIERARCHIES = [_V2] + ([_NAMED] if _MIXED.is_dir() and _NAMED.is_dir() else [])

_ENTER = 'for group in $1; do echo $$ >"$group/cgroup.procs" || exit 125; done; shift; exec "$@"'


class Cgroup:
    def __init__(self, name: str):
        self.name = name
        self.paths = [hierarchy / name for hierarchy in _HIERARCHIES]
        self.path = self.paths[0]

    def create(self) -> "Cgroup":
        for path in self.paths:
            path.mkdir(parents=True, exist_ok=True)
        return self

    def exists(self) -> bool:
        return any(path.is_dir() for path in self.paths)

    def entering(self, argv) -> list[str]:
        """The command line, made to join the group first; it must exist."""
        return ["/bin/sh", "-c", _ENTER, "sh", " ".join(map(str, self.paths)), *argv]

    def populated(self) -> bool:
        """Whether any process is alive in the group or below; zombies do not count."""
        return self._event("populated")

    def number(self) -> int:
        """Of this group; one of the same name that is made later has another. 0: there is none."""
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            return 0

    def frozen(self) -> bool:
        return self._event("frozen")

    def pids(self) -> list[int]:
        found = []
        for directory, _, _ in os.walk(self.path):
            try:
                found += map(int, (Path(directory) / "cgroup.procs").read_text().split())
            except OSError:
                continue        # the group, or the process asked about, has just gone
        return found

    def freeze(self, frozen: bool) -> None:
        self._write("cgroup.freeze", "1" if frozen else "0")
        wait_for(f"{self.name} {'frozen' if frozen else 'thawed'}", lambda: self.frozen() == frozen, 5, 0.01)

    def kill(self, timeout: float = 15) -> None:
        """SIGKILL to everybody at once, frozen or not, until nobody is left."""
        if not self.path.is_dir():
            return

        def emptied():
            self._write("cgroup.kill", "1")     # again and again: a process may have been on its way in
            return not self.populated()
        wait_for(f"the processes of {self.name} dead", emptied, timeout, 0.01)

    def remove(self, timeout: float = 5) -> None:
        """Remove the emptied group; the kernel lets go of it a moment after its last process."""
        def removed():
            for path in self.paths:
                for directory, _, _ in os.walk(path, topdown=False):
                    try:
                        os.rmdir(directory)
                    except OSError:
                        pass
            return not self.exists()
        wait_for(f"control group {self.name} removed", removed, timeout, 0.01)

    def _event(self, key: str) -> bool:
        try:
            return f"{key} 1" in (self.path / "cgroup.events").read_text()
        except OSError:
            return False

    def _write(self, file: str, text: str) -> None:
        try:
            (self.path / file).write_text(text)
        except OSError as error:
            raise LabError(f"{self.path / file}: {error.strerror}") from None


def leave_lab(name: str) -> None:
    """Step out of the lab's own group before everybody in it is killed: `down` may be typed in a shell which runs there."""
    if os.getpid() in Cgroup(name).pids():
        for hierarchy in _HIERARCHIES:
            (hierarchy / "cgroup.procs").write_text(str(os.getpid()))
