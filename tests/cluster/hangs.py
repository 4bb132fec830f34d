"""The hang matrix: every case of hang_cases.py on one running cluster, in one frame.

What was there before is noted; something hangs for some seconds while the bus is asked; it is undone, and the cluster has to recover by
itself; then hang_judge.py says whether it bore it. Heartbeats, fences and evidence are taken from what the servers of the
store wrote down, power from the BMCs' record, VMs from /proc and their disks.
"""
import time
from contextlib import suppress
from dataclasses import asdict

from .bus import node_path, vm_path
from .hang_cases import Case
from .hang_judge import JITTER_MS_MAX, Load, Observed, is_shaken, jitters, not_shown, problems
from .hang_watch import Lateness, Watch, load_of, main_processes, not_well, plugins
from .lab.cluster import Cluster
from .lab.process import LabError, LabTimeout, wait_for
from .stage import BUILD
from .story import PATIENCE, STORE
from .trials import Trials

RECOVERY_S = 120            # these machines are shared
SETTLE_S = 10               # what is closed needs a moment
NORMAL_S = 20               # of heartbeats, for what is normal
QUIET_MS = 1000             # of heartbeats before the case begins
GUEST_HEARTBEAT_S = 1.0


def lab() -> Cluster:
    """Bluestore, because an OSD in memory does not survive its end; a manager, for the figures that have to be fresh again."""
    return Cluster(stage=str(BUILD / "stage"), pvcd=True, store="bluestore", manager=True, heartbeat_s=GUEST_HEARTBEAT_S)


class Hangs(Trials):
    def __init__(self, cluster: Cluster, tell=lambda seconds, text: None, jitter_ms_max: float = JITTER_MS_MAX,
                 shown_s: float = 0):
        """shown_s: how much longer than told something may hang until it is named and replaced."""
        super().__init__(cluster, tell)
        self.jitter_ms_max = jitter_ms_max
        self.shown_s = shown_s
        self.vms: dict[str, str] = {}
        self.victim = cluster.hosts[0]
        self.interval_ms = 500.0        # T/6 of the lab's configuration
        self.normal_ms = 0.0
        self.lateness = Lateness(cluster.spec)
        self._run_size = {}

    def close(self) -> None:
        self.lateness.close()

    def prepare(self) -> None:
        """One VM at home on each host; what a case that failed has left is mended."""
        self.heal()
        if not self.vms:
            self.wait_cluster_ready()
            for host in self.cluster.hosts:
                self._start_vm(f"web{host.name[1:]}", host.name)
        wait_for("everything to be well", lambda: not self.what_is_wrong(), RECOVERY_S, 0.5)
        self.normal_ms = self.normal_ms or self.measure_normal()

    def measure_normal(self) -> float:
        begin_ms = time.time() * 1000
        time.sleep(NORMAL_S)            # what is to be measured is how it is when nothing happens
        beats = self.beats(begin_ms)
        gaps = [later - earlier for times in beats.values() for earlier, later in zip(times, times[1:])]
        return max(0.0, *(gap - self.interval_ms for gap in gaps))

    def heal(self) -> None:
        for host in self.cluster.hosts:
            self.cluster.net.mend(host.name)
        super().heal()

    def _start_vm(self, name: str, home: str) -> None:
        self.define(name, home)
        result, message = self.any_bus().start(self.uuid, PATIENCE)
        if result != "done":
            raise LabError(f"Start of {name} ended {result}: {message}")
        self.vms[name] = self.uuid

    # -------------------------------------------------------------------------------------------------------- the frame

    def play(self, case: Case, hold_s: float) -> dict:
        """The result, as it is kept."""
        hold_s = case.hold_s if case.hold_s is not None else hold_s
        self.choose_victim(case)
        wait_for("two quiet seconds", self.is_quiet, PATIENCE, 0.2)
        seen = self.look_before(hold_s)
        mains = main_processes(self.victim)
        witness = next(host for host in self.cluster.hosts if host is not self.victim)
        begin = time.monotonic()
        with Watch(self.victim, witness) as watch:
            case.begin(self)
            try:
                time.sleep(hold_s)      # the length of the hang is the subject of the case
                self.hold_until_shown(case, seen, watch, mains)
            finally:
                case.undo(self)
        self.heal()
        undone = time.monotonic()
        self.look_after(seen)
        seen.queues = watch.queues
        return self.result_of(case, seen, undone - begin, time.monotonic() - undone - seen.settled_s)

    def hold_until_shown(self, case: Case, seen: Observed, watch: Watch, mains: dict[str, list[int]]) -> None:
        def shown() -> bool:
            seen.named = list(watch.named)
            seen.replaced = [unit for unit, pids in main_processes(self.victim).items() if not set(pids) & set(mains[unit])]
            return not not_shown(case.expected, seen)
        with suppress(LabTimeout):
            wait_for("what hangs to be named and replaced", shown, self.shown_s, 0.5)

    def choose_victim(self, case: Case) -> None:
        primary, leader = self.leader()["node"], self.cluster.zookeeper.leader()
        if case.on in ("primary", "leader"):
            self.victim = self.cluster.host({"primary": primary, "leader": leader}[case.on])
            return
        busy = [host for host in self.cluster.hosts if host.qemu_pids()]
        if [host.name for host in busy] == [primary]:       # where hosts that were fenced have left them
            self.make_primary(self.another(primary))
            primary = self.another(primary)
        workers = [host for host in busy if host.name != primary]
        self.victim = next((host for host in workers if host.name != leader), workers[0])

    def is_quiet(self) -> bool:
        """Heartbeats come in time: what the last case has stirred up is not to be blamed on the next one."""
        now = time.time() * 1000
        beats = self.beats(now - 2000)
        return all(len(times) >= 3 for times in beats.values()) and not self.what_is_wrong()

    def look_before(self, hold_s: float) -> Observed:
        return Observed(
            victim=self.victim.name, hold_s=hold_s, begin_ms=time.time() * 1000, end_ms=0, interval_ms=self.interval_ms,
            normal_ms=self.normal_ms, beats={}, late=[], jitter_ms_max=self.jitter_ms_max,
            vms_before=self.where_vms_run(), vms_after={}, lives_before=self.lives(), load_before={host.name: load_of(host) for host in self.cluster.hosts})

    def look_after(self, seen: Observed) -> None:
        try:
            wait_for("the cluster to recover", lambda: not self.what_is_wrong(), RECOVERY_S, 0.5)
            counts = wait_for("Ceph to answer", self.counts, RECOVERY_S)
            wait_for("every guest to count on", lambda: _all_above(counts, self.counts()), PATIENCE, 0.2)
        except LabError as problem:
            seen.still_wrong = self.what_is_wrong() or str(problem)
        seen.end_ms = time.time() * 1000
        begin = time.monotonic()
        seen.load_after = self.settled_load(seen.load_before)
        seen.settled_s = time.monotonic() - begin
        seen.vms_after, seen.lives_after = self.where_vms_run(), self.lives()
        seen.writers = self.two_writers()
        seen.beats = self.beats(seen.begin_ms - QUIET_MS)
        seen.late = self.lateness.since(seen.begin_ms - QUIET_MS)
        seen.offs = [bmc.name for bmc in self.cluster.bmcs for act in bmc.acts() if act.command == "off" and act.end * 1000 >= seen.begin_ms]
        made = [change.path for change in self.cluster.zookeeper.history(int(seen.begin_ms)) if change.kind == "create"]
        seen.evidence = [path for path in made if path.startswith(f"{STORE}/evidence/")]
        seen.fences = [path.rsplit("/", 1)[1] for path in made if path.startswith(f"{STORE}/fences/")]

    def result_of(self, case: Case, seen: Observed, held_s: float, recovered_s: float) -> dict:
        wrong = problems(case.expected, seen)
        lateness = jitters(seen)
        beside = {host: pair for host, pair in lateness.items() if not is_shaken(case.expected, seen, host)}
        shaken = {host: pair for host, pair in lateness.items() if host not in beside}
        jitter, late = max(beside.values(), default=(None, None), key=lambda pair: pair[0] - pair[1])
        return {"case": case.name, "victim": case.on, "hold_s": seen.hold_s, "held_s": round(held_s, 1), "ok": not wrong, "problems": wrong,
                "normal_ms": _rounded(seen.normal_ms), "jitter_ms": _rounded(jitter), "late_ms": _rounded(late),
                "shaken_ms": _rounded(max((pair[0] for pair in shaken.values()), default=None)),
                "expected": asdict(case.expected), "named": seen.named, "replaced": seen.replaced, "offs": sorted(set(seen.offs)),
                "moved": [vm for vm, before in seen.vms_before.items() if seen.vms_after.get(vm) != before],
                "queues": seen.queues, "load_before": _sum(seen.load_before), "load_after": _sum(seen.load_after),
                "recovered_s": round(recovered_s, 1)}

    def unplayed(self, case: Case, hold_s: float, problem: str) -> dict:
        """The result of a case that could not be played to its end."""
        nothing = Observed(self.victim.name, hold_s, 0, 0, self.interval_ms, {}, self.normal_ms, [], self.jitter_ms_max, {}, {})
        return {**self.result_of(case, nothing, 0, 0), "ok": False, "problems": [problem]}

    # --------------------------------------------------------------------------------------------------------- the parts

    def beats(self, since_ms: float) -> dict[str, list[float]]:
        found = {host.name: [] for host in self.cluster.hosts}
        for change in self.cluster.zookeeper.history(int(since_ms)):
            if change.kind == "set" and change.path.startswith(f"{STORE}/live/"):
                found[change.path.rsplit("/", 1)[1].split(".")[0]].append(float(change.at_ms))
        return found

    def lives(self) -> dict[str, str]:
        """Incarnation and session of each host; the session's creation id does not change while it lives."""
        entries = self.cluster.zookeeper.dump_store(f"{STORE}/live")
        return {path.split("/")[4].split(".")[0]: f"{path.split('/')[4]} {entry['created_by']:x}"
                for path, entry in entries.items() if path.endswith("/session")}

    def where_vms_run(self) -> dict[str, tuple]:
        return {qemu.name: (host.name, qemu.pid, _started_at(qemu.pid)) for host in self.cluster.hosts for qemu in host.qemu_pids()}

    def two_writers(self) -> dict[str, str]:
        states = {name: self.cluster.guests.disk_state(name) for name in self.vms}
        return {name: str(state) for name, state in states.items() if state.foreign or state.overlap}

    def counts(self) -> dict[str, int]:
        """What each guest has counted to on its disk; nothing while Ceph does not answer."""
        with suppress(LabError):
            return {name: self.cluster.guests.disk_state(name).count for name in self.vms}
        return {}

    def settled_load(self, before: dict[str, Load]) -> dict[str, Load]:
        """Requests that were under way have their child or their file for a moment."""
        found: dict[str, Load] = {}

        def settled() -> bool:
            found.update({host.name: load_of(host) for host in self.cluster.hosts})
            return all(load.processes <= before[name].processes for name, load in found.items())
        with suppress(LabTimeout):
            wait_for("processes to end", settled, SETTLE_S, 0.2)
        return found

    def what_is_wrong(self) -> str:
        """The first thing that is not as it should be; "" when all is well."""
        for host in self.cluster.hosts:
            if not host.is_up():
                return f"{host.name} is not up"
            if self.cluster.zookeeper.mode(host.name) not in ("leader", "follower"):
                return f"ZooKeeper on {host.name} does not serve"
            lines = plugins(host)
            if lines is None:
                return f"the bus of {host.name} does not answer"
            if bad := not_well(lines):
                return f"on {host.name}: {'; '.join(bad)}"
        return self._what_the_bus_says()

    def _what_the_bus_says(self) -> str:
        if not self.sees_cluster():
            return "there is no primary"
        bus = self.any_bus()
        for host in self.cluster.hosts:
            if bus.peek(node_path(host.name), "Node", "DaemonState") != "run":
                return f"{host.name} does not run"
            if not bus.peek(node_path(host.name), "Node", "FenceReady"):
                return f"{host.name} cannot be fenced"
        for name, uuid in self.vms.items():
            if bus.peek(vm_path(uuid), "Vm", "State") != "running":
                return f"{name} does not run"
        if note := bus.peek("/org/pvcd1/storage", "Storage", "Note"):
            return f"storage: {note}"
        return "a fence is open" if self.fences() else ""

    def two_hosts(self) -> list:
        return self.cluster.hosts[:2]

    def fill_run(self) -> None:
        """Not by writing: it is memory, and other people's too."""
        size, used = self.victim.run("df", "--output=size,used", "/run").stdout.splitlines()[1].split()
        self._run_size[self.victim.name] = size
        self.victim.run("mount", "-o", f"remount,size={used}k", "/run")

    def empty_run(self) -> None:
        self.victim.run("mount", "-o", f"remount,size={self._run_size[self.victim.name]}k", "/run")


def _all_above(before: dict[str, int], now: dict[str, int]) -> bool:
    return bool(now) and all(count > before[name] for name, count in now.items())


def _started_at(pid: int) -> str:
    with suppress(OSError):
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[19]
    return ""


def _sum(loads: dict[str, Load]) -> dict[str, int]:
    return {key: sum(getattr(load, key) for load in loads.values()) for key in ("processes", "threads", "files")}


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
