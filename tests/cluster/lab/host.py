"""One host: power, commands, files, journal, guests, all as seen from outside.

A host is a systemd that was really booted, by systemd-nspawn under a supervisor (supervisor.py). Both are in the host's
control group, and so is everything they start; "powered on" means that this group has a process.
"""
import fcntl
import json
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from .cgroup import Cgroup
from .disk import Disk, File, write
from .net import Network
from .process import LabError, LabTimeout, python_module, run, spawn, tail, wait_for
from .spec import Spec

READY = "/run/lab-ready"                # touched by the last unit of the boot; one stat from outside tells "up"

_ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TERM=dumb"]
_TIMED_OUT = 124                        # exit status of timeout(1)
_SIGPWROFF = signal.SIGRTMIN + 4        # systemd's "power off in good order"


class Qemu(NamedTuple):
    pid: int
    name: str
    uuid: str


class Host:
    def __init__(self, spec: Spec, name: str, net: Network):
        self.name = name
        self.address = spec.address(name)
        self.system_uuid = spec.uuids[name]
        self.spec = spec
        self._net = net
        self._dir = spec.host_dir(name)
        self._cgroup = Cgroup(f"{spec.prefix}/{name}")

    # Power

    def is_on(self) -> bool:
        return self._cgroup.populated()

    def power_cycle(self) -> int:
        """Another number each time it is switched on; 0: it is off."""
        return self._cgroup.number() if self.is_on() else 0

    def is_up(self) -> bool:
        """Booted, and all the lab's units started."""
        leader = self._leader()
        return leader is not None and Path(f"/proc/{leader}/root{READY}").exists()

    def is_frozen(self) -> bool:
        return self._cgroup.frozen()

    def power_cut(self) -> None:
        """As if the cord was pulled. The cable first, so that no FIN of a dying socket tells the others."""
        with self._power_switch():
            self._net.unplug(self.name)
            self._cgroup.kill()
            self._net.disconnect(self.name)
            self._cgroup.remove()

    def power_on(self, wait: bool = True) -> None:
        with self._power_switch():
            if not self.is_on():
                self._start_supervisor()
        if wait:
            self.wait_up()

    def power_off(self, wait: bool = True, timeout: float = 60) -> None:
        """Shut down in good order, as the power button does."""
        if leader := self._leader():
            os.kill(leader, _SIGPWROFF)
        if wait:
            self.wait_off(timeout)

    def wait_up(self, timeout: float = 60) -> None:
        wait_for(f"{self.name} up or off", lambda: self.is_up() or not self.is_on(), timeout)
        if not self.is_up():
            raise LabError(f"{self.name} went off instead of coming up: {tail(self._dir / 'console.log')}")

    def wait_off(self, timeout: float = 60) -> None:
        wait_for(f"{self.name} off", lambda: not self.is_on(), timeout)

    def freeze(self) -> None:
        """A hung host: nothing runs in it, but its kernel still answers to ping and keeps its connections."""
        self._cgroup.freeze(True)

    def thaw(self) -> None:
        self._cgroup.freeze(False)

    # Commands, files, logs

    def run(self, *command, timeout: float = 30, check: bool = True, user: str | None = None, inside: bool = False,
            input: str | None = None) -> subprocess.CompletedProcess:
        """Run a command in the host. With `inside` it is frozen and killed with the host, otherwise it only sees it.

        The time is bounded from within, because killing nsenter would not reach its child in the other pid namespace.
        """
        begin = time.monotonic()
        done = run(self.command_line(command, timeout, user, inside), timeout=timeout + 3, check=False, input=input)
        text = " ".join(map(str, command))
        if done.returncode == _TIMED_OUT and time.monotonic() - begin >= timeout:
            raise LabTimeout(f"{self.name}: no end within {timeout} s: {text}")
        if check and done.returncode:
            raise LabError(f"{self.name}: exit {done.returncode}: {text}: {(done.stderr or done.stdout).strip()[-600:]}")
        return done

    def start(self, *command, timeout: float = 600) -> subprocess.Popen:
        """Start a command in the host and go on; it ends by itself at the latest after the timeout."""
        return subprocess.Popen(self.command_line(command, timeout), stdin=subprocess.DEVNULL)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Replace a file, whether the host is on or off."""
        write(self._root(), path, File(text, mode))

    def read(self, path: str) -> str:
        try:
            return (self._root() / path.lstrip("/")).read_text(errors="replace")
        except OSError as error:
            raise LabError(f"{self.name}: {path}: {error.strerror}") from None

    def boot_id(self) -> str:
        """"" unless the host is up."""
        try:
            return self.read("/proc/sys/kernel/random/boot_id").strip() if self.is_up() else ""
        except LabError:
            return ""                   # it went down between the two

    def journal(self, unit: str | None = None, since_boot: bool = True, since_s: float | None = None) -> list[dict]:
        """Entries with all their fields; also of a host which is off or frozen, read from its disk."""
        argv = ["journalctl", "--directory", self._disk() / "var/log/journal", "--output=json", "--quiet", "--no-pager"]
        argv += [f"--unit={unit}"] if unit else []
        argv += ["--boot"] if since_boot else []
        argv += [f"--since=@{since_s:.3f}"] if since_s else []
        return [json.loads(line) for line in run(argv).stdout.splitlines()]

    def console(self) -> str:
        return (self._dir / "console.log").read_text(errors="replace")

    # Processes and guests, without asking anybody in the host

    def processes(self, program: str, *arguments: str) -> list[int]:
        """Those whose command line begins so: `processes("pvcd-host", "libvirt")`."""
        return [pid for pid in self._cgroup.pids() if _begins(pid, program, arguments)]

    def signal(self, number: int, program: str, *arguments: str) -> list[int]:
        """Whom it reached; one may have ended since it was found."""
        reached = []
        for pid in self.processes(program, *arguments):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
                reached.append(pid)
        return reached

    def qemu_pids(self) -> list[Qemu]:
        return [found for pid in self._cgroup.pids() if (found := _qemu(pid))]

    def kill_qemu(self, name: str) -> None:
        victims = [qemu.pid for qemu in self.qemu_pids() if qemu.name == name]
        if not victims:
            raise LabError(f"no QEMU of {name} on {self.name}")
        for pid in victims:
            os.kill(pid, signal.SIGKILL)

    def _start_supervisor(self) -> None:
        supervisor = spawn(python_module("supervisor", self.spec.state, self.name), self._cgroup.create(),
                           self._dir / "console.log")
        wait_for(f"{self.name} switched on", lambda: self.is_on() or supervisor.poll() is not None, 10, 0.002)

    def command_line(self, command, timeout: float = 0, user: str | None = None, inside: bool = False) -> list[str]:
        """What to execute on this machine to execute a command in the host."""
        cgroup = Cgroup(f"{self.spec.prefix}/{self.name}/exec" if inside else f"{self.spec.prefix}/exec").create()
        leader = self._leader()
        if leader is None:
            raise LabError(f"{self.name} is not running")
        home = f"/home/{user}" if user else "/root"
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"] if user else []
        return cgroup.entering(["nsenter", "--target", str(leader), "--all", "--", "env", "-i", *_ENVIRONMENT,
                                f"HOME={home}", "timeout", "--kill-after=1", str(timeout), *become, *map(str, command)])

    def _leader(self) -> int | None:
        """The host's PID 1, once it stands on the host's disk; before that, its root would still be this machine's."""
        for pid in self._cgroup.pids():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                if re.search(r"^NSpid:\t\d+\t1$", status, re.MULTILINE):
                    return pid if os.path.samefile(f"/proc/{pid}/root", self._disk()) else None
            except OSError:
                continue                # it has just ended
        return None

    def _disk(self) -> Path:
        return Disk(self.spec, self.name).root

    def _root(self) -> Path:
        """A running host also has what is only in its memory: /run, /tmp, /proc."""
        leader = self._leader()
        return Path(f"/proc/{leader}/root") if leader else self._disk()

    @contextmanager
    def _power_switch(self):
        """One at a time: the driver and the BMC both have a finger on it."""
        with (self._dir / "power.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _words(pid: int) -> list[str]:
    """Of its command line; [""] of a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return [""]


def _begins(pid: int, program: str, arguments: tuple[str, ...]) -> bool:
    words = _words(pid)
    return os.path.basename(words[0]) == program and tuple(words[1:1 + len(arguments)]) == arguments


def _qemu(pid: int) -> Qemu | None:
    words = _words(pid)
    if not os.path.basename(words[0]).startswith("qemu-system") or "-uuid" not in words:
        return None                     # libvirtd also starts QEMU to ask what it can do
    name = next((found[1] for word in words if (found := re.match(r"guest=([^,]*)", word))), "")
    return Qemu(pid, name, words[words.index("-uuid") + 1])
