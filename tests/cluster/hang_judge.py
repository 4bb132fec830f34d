"""Whether a cluster bore a hang: what was seen in, what was wrong out. Pure, so that a wrong judgement can be tested.

A heartbeat's jitter is its longest gap less the interval at which it is sent. What is normal is measured while nothing hangs. These machines
are shared: for as long as a process that only wanted to wake up was kept from it within that gap, nobody could have been on time.
"""
from dataclasses import dataclass, field

JITTER_MS_MAX = 50                      # above what is normal, where it is measured
FRESH_S = 3.0                           # units report every second
QUEUE_MAX = 16                          # of a plugin (pvcd-core/host/worker.hpp),
QUEUES_MAX = {"ipmi": 16 + 64}          # and of one with lanes (pvcd-core/host/lanes.hpp)
EXTRA_THREADS_MAX = 8                   # of all units of a host: lanes and libraries' pools, which stay once they are there
EXTRA_FILES_MAX = 24


@dataclass(frozen=True)
class Expected:
    """What a case may do to the cluster, beyond nothing at all."""
    names: str = ""                     # what the bus must name while it hangs
    names_after_s: float = 0            # a shorter hang need not be named
    restarts: tuple[str, ...] = ()      # units that the watchdog replaces
    restarts_after_s: float = 0
    shaken: str = ""                    # whose heartbeat goes through what hangs: "", victim, all
    fenced: bool = False                # the victim shows no life for longer than T: it is switched off, its VMs move
    fenced_after_s: float = 0
    kills_vms: bool = False             # the victim's VMs are started again where they were


@dataclass
class Load:
    """What pvcd has open on a host."""
    processes: int = 0
    threads: int = 0
    files: int = 0


@dataclass
class Observed:
    victim: str
    hold_s: float
    begin_ms: float                     # since 1970, as all times here
    end_ms: float                       # everything had recovered
    interval_ms: float
    beats: dict[str, list[float]]       # by host
    normal_ms: float                    # jitter while nothing hangs
    late: list[tuple[float, float]]     # (when, ms) that the machine was late
    jitter_ms_max: float                # above what is normal
    vms_before: dict[str, tuple]        # (host, process, start) by VM
    vms_after: dict[str, tuple]
    writers: dict[str, str] = field(default_factory=dict)       # VMs whose disk tells of two writers
    offs: list[str] = field(default_factory=list)       # hosts whose BMC did an off
    evidence: list[str] = field(default_factory=list)
    fences: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)      # what the bus said was not well
    replaced: list[str] = field(default_factory=list)   # units with a new main process
    lives_before: dict[str, str] = field(default_factory=dict)  # incarnation by host
    lives_after: dict[str, str] = field(default_factory=dict)
    load_before: dict[str, Load] = field(default_factory=dict)
    load_after: dict[str, Load] = field(default_factory=dict)
    queues: dict[str, int] = field(default_factory=dict)        # the longest of each plugin
    still_wrong: str = ""               # what did not recover in time
    settled_s: float = 0                # of the recovery, what the judge itself waited


def longest_gap(beats: list[float], begin_ms: float, end_ms: float) -> tuple[float, float]:
    """(length, when it ended) of the longest time without a heartbeat that touches the window."""
    times = [at for at in beats if at <= end_ms]
    before = [at for at in times if at < begin_ms][-1:] or [begin_ms]
    times = [*before, *(at for at in times if at >= begin_ms), end_ms]
    return max(((later - earlier, later) for earlier, later in zip(times, times[1:])), default=(0, end_ms))


def late_within(late: list[tuple[float, float]], gap_ms: float, until_ms: float) -> float:
    return sum(length for at, length in late if until_ms - gap_ms <= at <= until_ms)


def jitters(seen: Observed) -> dict[str, tuple[float, float]]:
    """(jitter, how much of it the machine was late for) by host."""
    result = {}
    for host, beats in seen.beats.items():
        gap, until = longest_gap(beats, seen.begin_ms, seen.end_ms)
        result[host] = (max(gap - seen.interval_ms, 0), late_within(seen.late, gap, until))
    return result


def is_shaken(expected: Expected, seen: Observed, host: str) -> bool:
    return expected.shaken == "all" or (expected.shaken == "victim" or expected.fenced) and host == seen.victim


def problems(expected: Expected, seen: Observed) -> list[str]:
    """Empty: it bore it."""
    return [*_of_hearts(expected, seen), *_of_vms(expected, seen), *_of_fences(expected, seen), *not_shown(expected, seen),
            *_of_load(seen), *([f"not recovered: {seen.still_wrong}"] if seen.still_wrong else [])]


def not_shown(expected: Expected, seen: Observed) -> list[str]:
    """What the hang should have made the cluster do, as long as it lasts."""
    return [*_of_names(expected, seen), *_of_restarts(expected, seen)]


def _is_fenced(expected: Expected, seen: Observed) -> bool:
    return expected.fenced and seen.hold_s > expected.fenced_after_s


def _of_hearts(expected: Expected, seen: Observed):
    for host, (jitter, late) in jitters(seen).items():
        if not is_shaken(expected, seen, host) and jitter - late > seen.normal_ms + seen.jitter_ms_max:
            yield f"the heartbeat of {host} came {jitter:.0f} ms late, the machine {late:.0f} ms; normal are {seen.normal_ms:.0f} ms"
    for host, life in seen.lives_before.items():
        if seen.lives_after.get(host) != life and not (_is_fenced(expected, seen) and host == seen.victim):
            yield f"{host} lost its session: incarnation {life}, then {seen.lives_after.get(host)}"


def _of_vms(expected: Expected, seen: Observed):
    for vm, before in seen.vms_before.items():
        after, on_victim = seen.vms_after.get(vm), before[0] == seen.victim
        if after is None:
            yield f"{vm} does not run any more"
        elif _is_fenced(expected, seen) and on_victim:
            if after[0] == seen.victim:
                yield f"{vm} was not started elsewhere"
        elif expected.kills_vms and on_victim:
            if after[0] != seen.victim or after == before:
                yield f"{vm} was not started again on {seen.victim}: {before}, then {after}"
        elif after != before:
            yield f"{vm} was disturbed: {before}, then {after}"
    for vm, what in seen.writers.items():
        yield f"{vm} has two writers: {what}"


def _of_fences(expected: Expected, seen: Observed):
    rightful = [seen.victim] if _is_fenced(expected, seen) else []
    for host in sorted(set(seen.offs)):
        if host not in rightful:
            yield f"{host} was switched off, though it was healthy"
    for host in rightful:
        if host not in seen.offs:
            yield f"{host} showed no life for longer than T and was not switched off"
    for host in sorted(set(seen.fences)):
        if host not in rightful:
            yield f"a fence of {host} was recorded"
    if seen.evidence and not rightful:
        yield f"evidence was written: {', '.join(seen.evidence)}"


def _of_names(expected: Expected, seen: Observed):
    if expected.names and seen.hold_s >= expected.names_after_s and not any(expected.names in text for text in seen.named):
        yield f"the bus did not name {expected.names}; it said: {'; '.join(seen.named) or 'nothing'}"


def _of_restarts(expected: Expected, seen: Observed):
    for unit in expected.restarts:
        if seen.hold_s >= expected.restarts_after_s and unit not in seen.replaced:
            yield f"the watchdog did not replace {unit}"


def _of_load(seen: Observed):
    for host, before in seen.load_before.items():
        after = seen.load_after.get(host, Load())
        if after.processes > before.processes:
            yield f"{host} has {after.processes} processes of pvcd, {before.processes} before"
        if after.threads > before.threads + EXTRA_THREADS_MAX:
            yield f"{host} has {after.threads} threads of pvcd, {before.threads} before"
        if after.files > before.files + EXTRA_FILES_MAX:
            yield f"{host} has {after.files} open files of pvcd, {before.files} before"
    for plugin, length in seen.queues.items():
        if length > QUEUES_MAX.get(plugin, QUEUE_MAX):
            yield f"{plugin} had {length} requests waiting"
