"""./dev bench: how long it takes until a VM is back, measured on the lab.

Times come from one clock: the hosts share this machine's, and the journal stamps each of pvcd's decisions with it. What is done
to a host and the guest's first count are seen from outside. A reference is
measured in the same run where there is one; these machines are shared, so compare ratios rather than seconds.

Each part adds to `results` what it has measured as soon as it has it, and returns what failed.
"""
import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from .bus import vm_path
from .ceph_alone import CephAlone, Driver
from .commit import commit_of
from .hang_cases import CASES
from .hangs import Hangs
from .hangs import lab as hang_lab
from .lab.cluster import Cluster
from .lab.process import TOP, LabError, wait_for
from .lab.spec import POOL
from .rbd_lab import CephAndCables, Client
from .rbd_lab import Driver as LockDriver
from .sabotage import lab
from .shared_files import define as define_with_shared_file
from .shared_files import shared_directory
from .stage import CONFIG, lab_stage
from .stage import UNITS as PVCD_UNITS
from .story import IMAGE, PATIENCE, PROBLEMS, require
from .trials import Trials
from .watchdog_trials import watchdog_lab

RUNS = 10
HANGS_MAX = 3               # each takes a minute
HANG_S = 20
FAILURES_MAX = 5            # then a part ends with what it has
DEMO_LIMIT_S = 900
# Of pvcd and of Ceph's monitor, as of a user who has set none; the servers of the store stay the lab's.
DEFAULT_TIMINGS = {"store": {"session_timeout_ms": None}, "timings": None}
UNITS = ("pvcd", "pvcd-keepalive", "pvcd-election", "pvcd-libvirt", "pvcd-rbd-locks", "pvcd-ipmi", "pvcd-ceph-osd")
# What the ceph-osd plugin asks in one cycle of Debian's Ceph.
OSD_COMMANDS = ("osd dump", "osd tree", "health", "df", "osd df", "osd perf", "osd pool stats", "osd status", "pg ls")


class Bench(Trials):
    def __init__(self, cluster):
        super().__init__(cluster)
        self.samples: dict[str, list[float]] = {}
        self.weights: dict[str, list[float]] = {}       # MiB of each unit, on every host after every run

    def add(self, name: str, seconds: float) -> None:
        self.samples.setdefault(name, []).append(round(seconds, 3))

    def said(self, since: float, *words: str) -> float | None:
        """When the first decision since then that has all the words was journalled, on whatever host."""
        stamps = [int(entry["__REALTIME_TIMESTAMP"]) / 1e6
                  for host in self.cluster.hosts if host.is_up() for entry in host.journal(unit="pvcd.service")
                  if all(word in entry.get("MESSAGE", "") for word in words)]
        return min((stamp for stamp in stamps if stamp >= since), default=None)

    def when(self, since: float, *words: str) -> float:
        stamp = self.said(since, *words)
        if stamp is None:
            raise LabError(f"no journal has a decision with {words}")
        return stamp

    def qemu_killed(self) -> None:
        self.prepare()
        owner = self.owner()
        old = self.qemu(owner)
        begin = time.time()
        self.cluster.host(owner).kill_qemu("web1")
        wait_for("the VM to run again", lambda: self.said(begin, "record web1 running"), PATIENCE, 0.2)
        assert self.qemu(owner).pid != old.pid
        self.add("qemu_killed_to_running", self.said(begin, "record web1 running") - begin)

    def virsh_start(self) -> None:
        """The reference: the same guest started by hand, on an image of its own."""
        self.prepare()
        host = self.cluster.host("n3")
        if "virsh_start" not in self.samples:
            self.cluster.ceph.create_image("plain")
        begin = time.time()
        self.cluster.guests.start(host, "plain", "00000000-0000-4000-8000-000000000001", "plain")
        self.add("virsh_start", time.time() - begin)
        host.run("virsh", "-q", "destroy", "plain")

    def power_cut(self, suffix: str = "", primary: bool = False, leader: bool = False) -> None:
        self.prepare()
        victim = self.owner()
        self.give_roles(victim, primary, leader)
        count = self.cluster.guests.disk_state(IMAGE)
        begin = time.time()
        self.cluster.host(victim).power_cut()

        def counted():
            state = self.cluster.guests.disk_state(IMAGE)
            return time.time() if state.run != count.run else None
        first_count = wait_for("the guest's first new count", counted, PATIENCE, 0.05)
        marks = {"detection": ("switch", "off"), "bmc": ("take", "for off"), "assignment": ("assign web1",),
                 "flush": ("create web1 paused",), "start": ("record web1 running",)}
        before = begin
        for name, words in marks.items():
            stamp = self.when(begin, *words)
            self.add(f"split_{name}{suffix}", stamp - before)
            before = stamp
        created = self.when(begin, "create web1 paused")
        self.add(f"power_cut_to_start{suffix}", created - begin)
        self.add(f"overhead{suffix}", created - self.when(begin, *marks["bmc"]))    # beyond detection and BMC
        self.add(f"power_cut_to_first_count{suffix}", first_count - begin)

    def power_cut_with_bmc(self) -> None:
        """Nobody can say that the host is off: it is shut out of its disks."""
        self.prepare()
        victim = self.owner()
        self.give_roles(victim, primary=False, leader=False)
        begin = time.time()
        self.cluster.bmc(victim).dead()
        self.cluster.host(victim).power_cut()
        self.wait_running_elsewhere(victim)
        self.add("bmc_dead_power_cut_to_start", self.when(begin, "create web1 paused") - begin)

    def primary_killed(self) -> None:
        """The host of the primary loses its power, so that nobody can give the role back."""
        self.prepare()
        primary = self.leader()["node"]
        begin = time.time()
        self.cluster.host(primary).power_cut()
        wait_for("the next primary", lambda: self.said(begin, "this node is primary"), PATIENCE, 0.2)
        self.add("primary_killed_to_next", self.said(begin, "this node is primary") - begin)

    def run(self) -> None:
        self.qemu_killed()
        self.virsh_start()
        self.power_cut()
        self.power_cut("_worst_victim", primary=True, leader=True)
        self.power_cut_with_bmc()
        self.primary_killed()
        self.weigh()

    def power_cuts_with_default_timings(self) -> None:
        self.power_cut("_default_timings")
        self.power_cut("_default_timings_primary", primary=True)
        self.power_cut("_default_timings_leader", leader=True)
        self.power_cut("_default_timings_worst_victim", primary=True, leader=True)

    def weigh(self, units: tuple[str, ...] = UNITS) -> None:
        self.prepare()
        for unit in units:
            for host in self.cluster.hosts:
                pid = host.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout.strip()
                resident = int(host.run("awk", "/^VmRSS/{print $2}", f"/proc/{pid}/status").stdout) / 1024
                self.weights.setdefault(unit, []).append(resident)


class TwoAtOnce(Bench):
    """Two of five hosts, neither primary nor leader of ZooKeeper: as many as leave it a quorum."""

    def __init__(self, cluster):
        super().__init__(cluster)
        self._numbers = itertools.count()

    def run(self) -> None:
        self.cut(1, "one_of_five_power_cut_to_start")
        self.cut(2, "two_of_five_power_cut_to_start")

    def cut(self, count: int, name: str) -> None:
        self.heal()
        self.wait_cluster_ready()
        spared = (self.leader()["node"], self.cluster.zookeeper.leader())
        victims = [host for host in self.cluster.hosts if host.name not in spared][:count]
        vms = {f"vm{next(self._numbers)}": host for host in victims}
        uuids = {vm: self.define_small(vm, host.name) for vm, host in vms.items()}
        try:
            self._cut(vms, uuids, name)
        finally:
            for uuid in uuids.values():
                self.any_bus().wait_job(self.any_bus().job(vm_path(uuid), "Vm", "Stop"), PATIENCE)

    def _limit(self, uuid: str, *names: str) -> None:
        self.any_bus().call(vm_path(uuid), "Vm", "Configure", "a{sv}", "1", "node_limit", "as", str(len(names)), *names)

    def _cut(self, vms: dict, uuids: dict[str, str], name: str) -> None:
        for vm, uuid in uuids.items():
            self._limit(uuid, vms[vm].name)
            # A host that was cut in the run before counts as flapping for a minute.
            wait_for(f"the start of {vm} on {vms[vm].name}", lambda: self.any_bus().start(uuid, PATIENCE)[0] in ("done", "skipped"), 2 * PATIENCE)
            self._limit(uuid)
        begin = time.time()
        for host in vms.values():
            host.power_cut()
        wait_for("the VMs to run elsewhere", lambda: all(self.said(begin, f"record {vm} running") for vm in vms), PATIENCE, 0.2)
        self.add(name, max(self.when(begin, f"create {vm} paused") for vm in vms) - begin)


def default_lab(hosts: int = 3) -> Cluster:
    config = CONFIG | {"pvcd": CONFIG["pvcd"] | DEFAULT_TIMINGS}
    return Cluster(stage=str(lab_stage(switched=False)), hosts=hosts, pvcd=True, pvcd_units=PVCD_UNITS, config=config,
                   paxos_propose_interval=1.0)


def result(name: str, samples: list[float], unit: str = "s", reference=None, command=None) -> dict:
    median = statistics.median(samples)
    return {"name": name, "median": round(median, 3), "worst": round(max(samples), 3), "unit": unit, "n": len(samples),
            "samples": samples, "reference": reference, "reference_command": command,
            "ratio": round(median / reference, 2) if reference else None}


def results_of(samples: dict[str, list[float]]) -> list[dict]:
    starts = samples.pop("virsh_start", [])
    reference = statistics.median(starts) if starts else None
    return [result(name, values, reference=reference if name == "qemu_killed_to_running" else None,
                   command="virsh create" if name == "qemu_killed_to_running" else None)
            for name, values in samples.items()]


def osd_cycle(runs: int, results: list[dict]) -> list[str]:
    """One survey of the ceph-osd plugin, and the command line asking for the same."""
    cycles, references = [], []
    with CephAlone(hosts=1, osds=3, manager=True) as lab:
        driver = Driver(lab)
        wait_for("a survey without a gap", lambda: driver.observe()["note"] == "", PATIENCE, 0.5)
        for _ in range(runs):
            driver.observe()
            cycles.append(round(driver.seconds, 3))
            begin = time.monotonic()
            for command in OSD_COMMANDS:
                lab.ceph.cli(*command.split())
            references.append(time.monotonic() - begin)
        driver.kill()
    results.append(result("osd_cycle", cycles, reference=round(statistics.median(references), 3),
                          command=f"ceph --format json ({', '.join(OSD_COMMANDS)})"))
    return []


def flush_ten_images(runs: int, results: list[dict]) -> list[str]:
    """The locks that ten disks of a dead VM of this host have left, and what an administrator would do about them."""
    flushes, references = [], []
    images = [f"{POOL}/ten{number}" for number in range(10)]
    with CephAndCables(hosts=2) as lab:
        lab.configure("mon.a", "paxos_propose_interval", 1)     # Ceph's default
        driver = LockDriver(lab)
        for name in images:
            lab.ceph.create_image(name.removeprefix(f"{POOL}/"), 8)
        for _ in range(runs):
            dead = leave_locks(lab, images)
            begin = time.monotonic()
            answer = driver.start(*images, own_dead=[each.instance for each in dead])
            flushes.append(round(time.monotonic() - begin, 3))
            if answer["verdict"] != "proceed":
                raise LabError(f"the locks of ten images were not flushed: {answer}")
            leave_locks(lab, images)
            begin = time.monotonic()
            for name in images:
                for lock in json.loads(lab.rbd("lock", "ls", name, "--format", "json")):
                    lab.rbd("lock", "rm", name, lock["id"], lock["locker"])
            references.append(time.monotonic() - begin)
        driver.kill()
    results.append(result("flush_10_images", flushes, reference=round(statistics.median(references), 3),
                          command="rbd lock ls, rbd lock rm (of each image)"))
    return []


def leave_locks(lab, images: list[str]) -> list[Client]:
    clients = [Client(lab, "n1", name) for name in images]
    for client in clients:
        client.kill()
    return clients


def heartbeat_jitter(runs: int, results: list[dict]) -> list[str]:
    """How late heartbeats came while every unit but the keepalive hung on a host; the reference is when nothing did."""
    case = next(case for case in CASES if case.name == "all units but the keepalive stopped")
    with hang_lab() as cluster:
        jitters = []
        with closing(Hangs(cluster)) as hangs:
            for _ in range(min(runs, HANGS_MAX)):
                hangs.prepare()
                played = hangs.play(case, HANG_S)
                if not played["ok"]:
                    raise LabError("; ".join(played["problems"]))
                jitters.append(played["jitter_ms"])
            normal = hangs.normal_ms
    results.append(result("heartbeat_jitter_all_hung", jitters, "ms", round(max(normal, 1), 1), "the same with nothing hung"))
    return []


def weights_of(bench: Bench) -> list[dict]:
    return [result(f"rss_{unit}", samples, "MiB") for unit, samples in bench.weights.items()]


def hosts_that_fence_themselves(runs: int, results: list[dict]) -> list[str]:
    """Memory of the helper, of another process in each run."""
    with watchdog_lab(True) as cluster:
        bench = Bench(cluster)
        problems = repeat(runs, lambda: weigh_and_kill(bench, "pvcd-watchdog"))
        results += weights_of(bench)
        return problems


def hosts_with_shared_files(runs: int, results: list[dict]) -> list[str]:
    """Memory of the plugin, of another process in each run; on one host it has checked the start of a VM."""
    with lab() as cluster:
        bench = Bench(cluster)

        def run() -> None:
            wait_for("the start of the VM", lambda: bench.any_bus().start(uuid, PATIENCE)[0] == "done", PATIENCE)
            weigh_and_kill(bench, "pvcd-shared-files")
            result, message = bench.any_bus().wait_job(bench.any_bus().job(vm_path(uuid), "Vm", "Stop"), PATIENCE)
            require(result == "done", f"Stop ended {result}: {message}")
        with shared_directory(bench):
            uuid = define_with_shared_file(bench, "n1", "n2")
            problems = repeat(runs, run)
        results += weights_of(bench)
        return problems


def weigh_and_kill(bench: Bench, unit: str) -> None:
    bench.weigh((unit,))
    for host in bench.cluster.hosts:
        host.run("systemctl", "kill", "--signal=KILL", unit)


def demo(runs: int, results: list[dict]) -> list[str]:
    """As a user calls it, with everything installed and compiled."""
    seconds = []

    def run() -> None:
        began = time.monotonic()
        try:
            subprocess.run(["./dev", "demo"], stdout=subprocess.PIPE, check=True, timeout=DEMO_LIMIT_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print((error.stdout or b"").decode(errors="replace"), flush=True)
            raise LabError(f"./dev demo: {error}") from error
        seconds.append(round(time.monotonic() - began, 1))
    problems = repeat(runs, run)
    results += [result("demo", seconds)] if seconds else []
    return problems


def repeat(runs: int, run) -> list[str]:
    """So many good runs. What failed is said, what was measured before is kept, and another one is made for it."""
    problems, good = [], 0
    while good < runs and len(problems) < FAILURES_MAX:
        print(f"run {good + 1} of {runs}", flush=True)
        try:
            run()
            good += 1
        except PROBLEMS as problem:
            print(f"run {good + 1} FAILED: {problem}", flush=True)
            problems.append(str(problem))
    return problems


def with_lab_timings(runs: int, results: list[dict]) -> list[str]:
    with lab() as cluster:
        bench = Bench(cluster)
        problems = repeat(runs, bench.run)
        results += results_of(bench.samples)
        results += weights_of(bench)
        return problems


def with_default_timings(runs: int, results: list[dict]) -> list[str]:
    with default_lab() as cluster:
        bench = Bench(cluster)
        problems = repeat(runs, bench.power_cuts_with_default_timings)
        results += [result(name, values) for name, values in bench.samples.items()]
        return problems


def two_of_five_hosts(runs: int, results: list[dict]) -> list[str]:
    with default_lab(hosts=5) as cluster:
        bench = TwoAtOnce(cluster)
        problems = repeat(runs, bench.run)
        ones = bench.samples.pop("one_of_five_power_cut_to_start", [])
        for name, values in bench.samples.items():
            results.append(result(name, values, reference=round(statistics.median(ones), 3), command="the same with one host"))
        return problems


def show(results: list[dict]) -> None:
    for one in results:
        ratio = f"  {one['ratio']} x {one['reference_command']}" if one["ratio"] is not None else ""
        print(f"{one['name']:45} median {one['median']:8.3f} {one['unit']}  worst {one['worst']:8.3f}  n {one['n']}{ratio}", flush=True)


PARTS = {"lab-timings": with_lab_timings, "default-timings": with_default_timings, "two-of-five": two_of_five_hosts,
         "watchdog": hosts_that_fence_themselves, "shared-files": hosts_with_shared_files, "osd-cycle": osd_cycle,
         "flush": flush_ten_images, "jitter": heartbeat_jitter, "demo": demo}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("parts", metavar="PART", nargs="*", help=f"of {', '.join(PARTS)}; without: all")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    results, failed = [], []
    for name in options.parts or PARTS:
        measured = []
        try:
            problems = PARTS[name](options.runs, measured)
        except PROBLEMS as problem:
            print(f"{name} FAILED: {problem}", flush=True)
            problems = [str(problem)]
        failed += [f"{name}: {problem}" for problem in problems]
        show(measured)
        results += measured
        if options.json:                # what is known is kept, whatever comes
            document = {"commit": commit_of(TOP), "date": time.strftime("%Y-%m-%d"), "results": results, "problems": failed}
            Path(options.json).write_text(json.dumps(document, indent=2) + "\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
