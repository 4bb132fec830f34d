"""Everything that is hung, one case a line. A case says what it does, and what the cluster may do about it.

Beginning and ending are given the Hangs whose cluster it is; `site.victim` is the host that is meant.
"""
import signal
from dataclasses import dataclass, field
from typing import Callable

from .hang_judge import Expected
from .hang_watch import program_of, service_of

WATCHDOG_S = 15                 # WatchdogSec of all units, and the default of plugin_stall_limit_ms
NAMED_AFTER_S = 6               # a unit that has not reported for three seconds, and the looks until that is seen
WITHOUT_QUORUM = "ensemble without quorum"
KILL_HOLD_S = 3                 # who was killed is back by himself: there is nothing to wait for


@dataclass(frozen=True)
class Case:
    name: str
    begin: Callable
    undo: Callable
    expected: Expected = field(default_factory=Expected)
    on: str = "worker"          # the victim: a host that runs a VM and is not the primary; or primary, or leader of ZooKeeper
    hold_s: float | None = None         # None: as long as the run wants


def _stopped(name: str, *program: str, on: str = "worker", **expected) -> Case:
    return Case(f"{name} stopped", lambda site: site.victim.signal(signal.SIGSTOP, *program),
                lambda site: site.victim.signal(signal.SIGCONT, *program), Expected(**expected), on)


def _killed(name: str, *program: str, on: str = "worker", **expected) -> Case:
    return Case(f"{name} killed", lambda site: site.victim.signal(signal.SIGKILL, *program), _nothing, Expected(**expected), on, KILL_HOLD_S)


def _nothing(site) -> None:
    pass


def _unit_stopped(unit: str, on: str = "worker", **expected) -> Case:
    """Its watchdog kills it; nobody continues it before."""
    of = " of the primary" * (on == "primary")
    about = {"names": f"{unit} running", "names_after_s": NAMED_AFTER_S, "restarts": (unit,), "restarts_after_s": WATCHDOG_S + 3}
    return _stopped(service_of(unit) + of, *program_of(unit), on=on, **{**about, **expected})


def _units(*units: str) -> list[tuple[str, ...]]:
    return [program_of(unit) for unit in units]


def _signal_all(number: int, programs) -> Callable:
    def send(site) -> None:
        for program in programs:
            site.victim.signal(number, *program)
    return send


def _thaw(ceph, daemon: str) -> None:
    """With a single copy of each object, Ceph gives a placement group its lease back only when it peers again."""
    ceph.thaw(daemon)
    kind, number = daemon.split(".")
    if kind == "osd":
        ceph.command("osd down", ids=[number])


def _ceph(daemon: str, what: str, **expected) -> Case:
    if what == "stopped":
        return Case(f"{daemon} {what}", lambda site: site.cluster.ceph.freeze(daemon), lambda site: _thaw(site.cluster.ceph, daemon),
                    Expected(**expected))
    return Case(f"{daemon} {what}", lambda site: site.cluster.ceph.kill(daemon), lambda site: site.cluster.ceph.start(daemon), Expected(**expected))


def _cable(what: str, to: list[str], **cable) -> Case:
    shaken = "all" if "store" in to else ""     # what the servers say to each other is hit, too
    names = " and ".join({"ceph": "Ceph", "store": "ZooKeeper"}[one] for one in to)
    return Case(f"packets to {names} {what}", lambda site: site.cluster.net.spoil(site.victim.name, to=to, **cable),
                lambda site: site.cluster.net.mend(site.victim.name), Expected(shaken=shaken))


def _cables() -> list[Case]:
    kinds = {"delayed by 200 ms": {"delay_s": 0.2}, "throttled to 20 kB/s": {"rate_bytes": 20000}, "lost, 1 of 10": {"loss": 0.1}}
    return [_cable(what, to, **cable) for to in (["ceph"], ["store"], ["ceph", "store"]) for what, cable in kinds.items()]


def _stop_two_servers(site) -> None:
    for host in site.two_hosts():
        host.run("systemctl", "stop", "zookeeper.service")


def _start_two_servers(site) -> None:
    for host in site.two_hosts():
        host.run("systemctl", "start", "zookeeper.service")


_OTHERS = ("election", "libvirt", "rbd-locks", "ipmi", "ceph-osd")
_FENCED = {"fenced": True, "fenced_after_s": 4}

CASES = [
    _stopped("libvirtd", "libvirtd", names="libvirt has not listed", names_after_s=WATCHDOG_S + 4),
    _killed("libvirtd", "libvirtd"),
    _stopped("QEMU", "qemu-system-x86_64"),
    _killed("QEMU", "qemu-system-x86_64", kills_vms=True),
    _ceph("mon.a", "stopped", names="storage: ", names_after_s=15),
    _ceph("mon.a", "killed", names="storage: ", names_after_s=15),
    _ceph("osd.0", "stopped"),
    _ceph("osd.0", "killed"),
    # Shaken are all whose keepalive uses the server that is hit.
    _stopped("local ZooKeeper", "java", shaken="all"),
    _killed("local ZooKeeper", "java", shaken="all"),
    _stopped("leader of ZooKeeper", "java", on="leader", shaken="all"),
    _killed("leader of ZooKeeper", "java", on="leader", shaken="all"),
    _stopped("dbus-daemon", "dbus-daemon"),
    _killed("dbus-daemon", "dbus-daemon"),
    _stopped("polkitd", "polkitd"),
    _killed("polkitd", "polkitd"),
    _unit_stopped("core", names="unit core has not reported", names_after_s=WATCHDOG_S),
    _killed("pvcd.service", *program_of("core")),
    *[_unit_stopped(unit) for unit in _OTHERS],
    *[_killed(service_of(unit), *program_of(unit)) for unit in _OTHERS],
    _unit_stopped("core", on="primary", names="unit core has not reported", names_after_s=WATCHDOG_S),
    Case("all units but the keepalive stopped", _signal_all(signal.SIGSTOP, _units("core", *_OTHERS)),
         _signal_all(signal.SIGCONT, _units("core", *_OTHERS)),
         Expected(names="unit core has not reported", names_after_s=WATCHDOG_S, restarts=("core", *_OTHERS), restarts_after_s=WATCHDOG_S + 3)),
    Case("all units killed", _signal_all(signal.SIGKILL, _units("core", "keepalive", *_OTHERS)), _nothing, Expected(shaken="victim"),
         hold_s=KILL_HOLD_S),
    Case("pvcd-keepalive.service stopped for 1 s", lambda site: site.victim.signal(signal.SIGSTOP, *program_of("keepalive")),
         lambda site: site.victim.signal(signal.SIGCONT, *program_of("keepalive")), Expected(shaken="victim"), hold_s=1),
    _killed("pvcd-keepalive.service", *program_of("keepalive"), shaken="victim"),
    Case("host frozen for 1 s", lambda site: site.victim.freeze(), lambda site: site.victim.thaw(), Expected(shaken="all"), hold_s=1),
    _unit_stopped("keepalive", names="", restarts=(), **_FENCED),
    Case("host frozen", lambda site: site.victim.freeze(), _nothing, Expected(shaken="all", **_FENCED)),
    Case("/run full", lambda site: site.fill_run(), lambda site: site.empty_run(),
         Expected(names="core running", names_after_s=2 * NAMED_AFTER_S)),
    *_cables(),
    Case(WITHOUT_QUORUM, _stop_two_servers, _start_two_servers, Expected(shaken="all")),
]
