"""The runs that count: the same small thing a thousand times, each time measured from outside.

A result is {"seconds": {figure: seconds}, "problem": text or ""}.
"""
import json
import os
import re
import signal
import time
from typing import Iterator

from .hang_watch import program_of
from .hangs import GUEST_HEARTBEAT_S, Hangs
from .lab.cluster import Cluster
from .lab.process import LabTimeout, wait_for
from .stage import BUILD
from .story import PATIENCE, STORE, StepFailed

SETTLED_S = 62              # a VM that crashes within a minute of its start is started later each time
VMS = 30
BATCH = 10                  # kills that are looked up at once
LATE_S = 30                 # a VM that is away for longer is a problem
AFTER_S = 0.3               # what a keepalive had under way when it was killed comes within that; a new one takes longer
_KEEPALIVE = program_of("keepalive")
_BUSY = "while :; do :; done"           # the load: one on each host


class KeepaliveRestarts(Hangs):
    """Kills the keepalives of all hosts at once, while guests write and every host is busy."""

    def results(self) -> Iterator[dict]:
        self.prepare()
        for host in self.cluster.hosts:
            host.start("sh", "-c", _BUSY, timeout=2 * 3600)         # it ends with the lab
        before = self.lives()
        while True:
            yield from self._round(before)

    def _round(self, before: dict[str, str]) -> Iterator[dict]:
        begin_ms = time.time() * 1000
        mains = {host.name: host.processes(*_KEEPALIVE) for host in self.cluster.hosts}
        killed_ms = {}
        for host in self.cluster.hosts:
            killed_ms[host.name] = time.time() * 1000
            host.signal(signal.SIGKILL, *_KEEPALIVE)

        def back(name: str) -> list[float]:
            return [at for at in self.beats(begin_ms)[name] if at > killed_ms[name] + AFTER_S * 1000]
        late = {}
        for host in self.cluster.hosts:
            try:
                wait_for(f"a heartbeat of {host.name}", lambda: back(host.name), LATE_S, 0.05)
            except LabTimeout as problem:
                late[host.name] = str(problem)
        lives = self.lives()
        for host in self.cluster.hosts:
            problem = late.get(host.name) or self._lost(host, before[host.name], lives.get(host.name), mains[host.name])
            yield {"seconds": {"until its next heartbeat": (back(host.name)[0] - killed_ms[host.name]) / 1000 if host.name not in late else None},
                   "problem": problem}

    def _lost(self, host, before: str, now: str | None, mains: list[int]) -> str:
        if host.processes(*_KEEPALIVE) == mains:
            return f"the keepalive of {host.name} was not restarted"
        return "" if now == before else f"{host.name} lost its session: {before}, then {now}"


def many_vms() -> Cluster:
    return Cluster(stage=str(BUILD / "stage"), pvcd=True, store="bluestore", heartbeat_s=GUEST_HEARTBEAT_S)


class QemuKills(Hangs):
    """Small guests that write a block each second, so that each holds the lock on its image when it is killed."""

    def results(self) -> Iterator[dict]:
        self.wait_cluster_ready()
        for number in range(VMS):
            name = f"vm{number}"
            self.vms[name] = self.define_small(name, self.cluster.hosts[number % len(self.cluster.hosts)].name)
        for name, uuid in self.vms.items():
            result, message = self.any_bus().start(uuid, PATIENCE)
            if result != "done":
                raise StepFailed(f"Start of {name} ended {result}: {message}")
        started = time.monotonic()
        while True:
            batch = []
            for name in list(self.vms)[:BATCH]:
                wait = started + SETTLED_S - time.monotonic()
                time.sleep(max(wait, 0))        # the subject is a crash that is the first
                batch.append(self._kill(name))
                time.sleep(SETTLED_S / len(self.vms))
            self.vms = dict([*list(self.vms.items())[BATCH:], *list(self.vms.items())[:BATCH]])
            yield from self._look_up(batch)

    def _kill(self, name: str) -> tuple[str, str, int, float]:
        host, pid = next((host, qemu.pid) for host in self.cluster.hosts for qemu in host.qemu_pids() if qemu.name == name)
        at_ms = time.time() * 1000
        os.kill(pid, signal.SIGKILL)
        return name, host.name, pid, at_ms

    def _look_up(self, batch) -> Iterator[dict]:
        ran = {name: self._ran_again(self.vms[name], at_ms) for name, _, _, at_ms in batch}
        looked = self._looked(min(at_ms for _, _, _, at_ms in batch))
        for name, host, pid, at_ms in batch:
            noticed = [when - at_ms for vm, when in looked if vm == name and when >= at_ms]
            where = self.where_vms_run().get(name)
            problem = "" if ran[name] else f"{name} was not back within {LATE_S} s"
            if where is None or where[0] != host or where[1] == pid:
                problem = problem or f"{name} ran on {host} as {pid}, now {where}"
            yield {"seconds": {"until its end was noticed": noticed[0] / 1000 if noticed else None,
                               "until it ran again": (ran[name] - at_ms) / 1000 if ran[name] else None}, "problem": problem}

    def _looked(self, since_ms: float) -> list[tuple[str, float]]:
        """When which VM's end was taken up, by the journals: pvcd looks for its processes then."""
        entries = (entry for host in self.cluster.hosts for entry in host.journal(unit="pvcd.service", since_s=since_ms / 1000 - 1))
        return [(found[1], int(entry["__REALTIME_TIMESTAMP"]) / 1000) for entry in entries
                if (found := re.match(r"look for processes of (\S+):", entry["MESSAGE"]))]

    def _ran_again(self, uuid: str, at_ms: float) -> float | None:
        """By the record that its CPUs run, as the store took it."""
        def recorded() -> list[int]:
            return [change.at_ms for change in self.cluster.zookeeper.history(int(at_ms)) if change.path == f"{STORE}/runs/{uuid}"
                    and change.kind == "set" and json.loads(change.data)["state"] == "running"]
        try:
            return wait_for("the record", recorded, LATE_S, 0.5)[0]
        except LabTimeout:
            return None
