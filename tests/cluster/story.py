"""The story that `./dev demo` tells and the tests assert: three hosts, one VM, and everything that happens to them.

Each step is a function that raises StepFailed when the cluster did something else. Assertions are made from outside pvcd: guest
console and disk, /proc, the BMCs' record of what they did, lock lists, a dump and the log of the store. The bus is asked for what
people read there, and to wait.
"""
import json
import re
import time
import traceback
import uuid as uuids
from contextlib import suppress
from dataclasses import dataclass, field

from .bus import ROOT, Bus, BusError, node_path, vm_path
from .lab.cluster import Cluster
from .lab.guest import BARE_MIB
from .lab.process import LabError, wait_for
from .stage import SCRIPT

PATIENCE = 60           # seconds; these machines are shared
AT_ONCE_S = 30          # a client that nobody has recorded is looked at twice, 35 s apart
ELECTIONS_MAX = 5       # until ZooKeeper's leader and the primary are who they are to be
PLUGINS = ("ceph-osd", "election", "ipmi", "keepalive", "libvirt", "rbd-locks")
A_YEAR_S = 365 * 86400
SILENT_S = 3            # the session timeout of the lab: a host whose heartbeat is older has lost its session
STORE = "/pvcd/lab"
POLKIT_RULE = """polkit.addRule(function(action, subject) {
  if (action.id == "org.pvcd1.vm-control" && subject.user == "alice") return polkit.Result.YES;
});
"""
IMAGE = "web1"            # in the pool of the lab
HISTORY = "/root/history.json"
ROUNDS = "/var/lib/pvcd/decisions"
WITHOUT_ROUND = re.compile(r"joins as incarnation|gives up the role|^uid \d+ asked")     # nobody's round decides these
CLAIM = "takes the role of primary"


class StepFailed(Exception):
    pass


PROBLEMS = (LabError, BusError, StepFailed)     # what playing on a real cluster may end with


def require(condition, what: str) -> None:
    if not condition:
        raise StepFailed(what)


@dataclass
class Step:
    name: str
    ok: bool = True
    seconds: float = 0
    evidence: list[str] = field(default_factory=list)


class Story:
    """`tell(seconds since the event, text)` is called as things become known."""
    stopping = "systemctl stop pvcd.target pvcd-fake.service"

    def __init__(self, cluster: Cluster, tell=lambda seconds, text: None):
        self.cluster = cluster
        self._tell = tell
        self._event = time.time()
        self._told: set[str] = set()
        self._events: list[tuple[float, str]] = []          # of this step
        self._notes: list[tuple[float, str, list[str]]] = []
        self.evidence: list[str] = []
        self.uuid = ""
        self.lie = ""           # what the history cannot prove, because step 4 has made it up

    # ------------------------------------------------------------------------------------------------------- the steps

    def a_vm_is_defined_on_n3_and_runs_on_n1(self) -> None:
        self.wait_cluster_ready()
        self.event("n3 is asked to define web1 and to start it on n1")
        self.define("web1", home="n1")
        self.require_journalled("n3", 0, "Manager.DefineVm", "allowed")
        result, message = self.bus("n3").start(self.uuid, PATIENCE)
        require(result == "done", f"Start ended {result}: {message}")
        self.require_runs_where_it_belongs("n1")
        self.wait_counting("n1", 3)
        self.require_single_writer()

    def its_qemu_is_killed_and_it_runs_again_on_n1(self) -> None:
        before = self.cluster.guests.disk_state(IMAGE)
        old = self.qemu("n1")
        stale = self.cluster.ceph.lockers(IMAGE)
        require(stale, "the guest holds no lock: nothing would be proven")
        self.event(f"kill -9 of the QEMU of web1 on n1 (pid {old.pid})")
        self.cluster.host("n1").kill_qemu("web1")
        wait_for("a new QEMU of web1 on n1", lambda: (new := self.qemu("n1")) and new.pid != old.pid, AT_ONCE_S)
        self.note("QEMU runs again on n1")
        self.wait_new_run(before)
        self.require_flushed(stale)
        require(self.generation() == 1, "ownership moved, though the host lived")
        self.require_single_writer()

    def its_host_loses_power_and_it_runs_elsewhere(self) -> None:
        self.give_roles("n1", primary=True, leader=True)
        before = self.cluster.guests.disk_state(IMAGE)
        stale = self.cluster.ceph.lockers(IMAGE)
        require(stale, "the guest holds no lock: nothing would be proven")
        boot, incarnation = self.cluster.host("n1").boot_id(), self.incarnation("n1")
        self.event("power cut of n1: it is the primary, leads ZooKeeper and runs web1")
        self.lose_power("n1")
        target = self.wait_running_elsewhere("n1")
        self.note(f"web1 runs on {target}, {self.leader()['node']} is primary")
        self.wait_new_run(before)
        require(self.leader()["node"] not in ("", "n1"), f"the primary is {self.leader()['node'] or 'nobody'}")
        require(self.evidence_kind(boot) == "power", f"the evidence about n1 is {self.evidence_kind(boot)}")
        self.require_off_was_sent("n1")
        self.require_flushed(stale)
        self.require_single_writer()
        generation, run, lockers = self.generation(), self.cluster.guests.disk_state(IMAGE).run, self.cluster.ceph.lockers(IMAGE)
        self.event("n1 gets power again")
        self.cluster.bmc("n1").ipmi("chassis", "power", "on")
        self.cluster.host("n1").wait_up()
        joined = {"boot": self.cluster.host("n1").boot_id(), "daemon_state": "run"}
        require(joined["boot"] != boot, "n1 goes on in the boot in which it lost its power")
        wait_for("n1 to join in a new boot", lambda: joined.items() <= self.newest_life("n1").items(), PATIENCE)
        require(self.incarnation("n1") > incarnation, f"n1 was incarnation {incarnation} and is {self.incarnation('n1')} now")
        self.note(f"n1 joined as incarnation {self.incarnation('n1')}, it was {incarnation}")
        self.require_runs_where_it_belongs(target)
        require(self.generation() == generation, "n1's return moved web1")
        wait_for("n1 to be ready for VMs", lambda: self.runs_plugins(self.cluster.host("n1")), PATIENCE)
        require(not self.cluster.host("n1").qemu_pids(), "n1 runs a QEMU that it does not own")
        require(self.cluster.ceph.lockers(IMAGE) == lockers, "n1's return touched a lock")
        self.cluster.guests.wait_count(IMAGE, self.cluster.guests.disk_state(IMAGE).count + 1, PATIENCE)
        require(self.cluster.guests.disk_state(IMAGE).run == run, "n1's return disturbed the guest")
        self.require_single_writer()

    def doctored_records_do_not_start_a_second_qemu(self) -> None:
        home = self.owner()
        other = next(name for name in ("n3", "n2") if name != home)
        lockers, before = self.cluster.ceph.lockers(IMAGE), self.cluster.guests.disk_state(IMAGE)
        require(lockers, "the guest holds no lock: nothing would be proven")
        self.event(f"the records are doctored: web1 stopped and released, while its QEMU lives on {home}; start on {other}")
        self.lie = f"the release of generation {self.generation()} by {home} "
        self.doctor_records_to_say_stopped()
        self.configure("node_limit", "as", "1", other)
        result, reason = self.any_bus().start(self.uuid, PATIENCE)
        self.note(f"{result}: {reason}")
        require(result == "refused", f"Start ended {result}: {reason}")
        address = lockers[0]["address"]
        for word in ("vms/web1", home, address, "watch"):
            require(word in reason, f"the reason does not name {word}: {reason}")
        require(self.cluster.ceph.lockers(IMAGE) == lockers, "a lock was touched")
        require(not self.qemu(other), f"a second QEMU runs on {other}")
        after = self.cluster.guests.wait_count(IMAGE, before.count + 1, PATIENCE)
        require(after.run == before.run, "the guest was disturbed")
        self.event(f"the twin: the QEMU on {home} is really gone")
        self.cluster.host(home).kill_qemu("web1")
        wait_for(f"web1 to run on {other}", lambda: self.where() == [other] and self.vm("State") == "running", 2 * PATIENCE)
        self.require_runs_where_it_belongs(other)
        self.note(f"web1 runs on {other}")
        self.wait_new_run(before)
        self.require_flushed(lockers)
        self.require_single_writer()
        self.configure("node_limit", "as", "0")

    def the_site_loses_power_and_every_vm_runs_once(self) -> None:
        running = {"web1": self.uuid, "app1": self.define_small("app1", "n1"), "app2": self.define_small("app2", "n2" if self.where() == ["n3"] else "n3")}
        stopped = {"spare": self.define_small("spare", "n2")}
        for name in ("app1", "app2"):
            result, message = self.any_bus().start(running[name], PATIENCE)
            require(result == "done", f"Start of {name} ended {result}: {message}")
        stale = [locker for name in running
                 for locker in wait_for(f"{name} to lock its disk", lambda: self.cluster.ceph.lockers(name), PATIENCE)]
        before = self.cluster.guests.disk_state(IMAGE)
        ran_on = {name: self.where(name) for name in running}
        require(sorted(sum(ran_on.values(), [])) == [host.name for host in self.cluster.hosts], f"not every host runs one: {ran_on}")
        self.event(f"power cut of all hosts at once, then power on: {', '.join(running)} ran, {', '.join(stopped)} did not")
        acts = [len(bmc.acts()) for bmc in self.cluster.bmcs]
        for host in self.cluster.hosts:
            host.power_cut()
        for bmc in self.cluster.bmcs:
            bmc.ipmi("chassis", "power", "on")
        for host in self.cluster.hosts:
            host.wait_up()
        self.note("all hosts booted")
        for name, uuid in running.items():
            wait_for(f"{name} to run", lambda: self.sees_cluster() and self.any_bus().vm(uuid, "State") == "running" and self.where(name),
                     2 * PATIENCE)
            self.note(f"{name} runs on {', '.join(self.where(name))}")
        self.wait_new_run(before)
        self.require_flushed(stale)
        owners = self.store("owners")
        for name, uuid in running.items():
            owner = owners[uuid]["owner"]["node"]
            require(self.where(name) == [owner], f"{name} has a QEMU on {self.where(name)}, its owner is {owner}")
            # The host that flushed is the one that started it: each those of its own earlier boot.
            require(ran_on[name] == [owner], f"{name} ran on {ran_on[name]} before the power cut, and is on {owner} now")
        for name in stopped:
            require(not self.where(name), f"{name} was not to run, and has a QEMU on {self.where(name)}")
        # That the hosts have booted proves the clients of their earlier boots dead: nobody has to be switched off for it.
        for bmc, known in zip(self.cluster.bmcs, acts):
            require([act.command for act in bmc.acts()[known:]] == ["on"], f"the power of {bmc.name} was touched: {bmc.acts()[known:]}")
        self.require_single_writer()

    def an_unprivileged_user_reads_but_does_not_start(self) -> None:
        name = "n3"
        self.wait_cluster_ready()
        alice, root = self.bus(name, "alice"), self.bus(name)
        before = self.cluster.guests.disk_state(IMAGE)
        self.event("alice, who has no rights, reads and tries to start")
        result, message = root.wait_job(root.job(vm_path(self.uuid), "Vm", "Stop"), PATIENCE)
        require(result == "done" and not self.where(), f"Stop ended {result}: {message}; web1 has a QEMU on {self.where()}")
        require(alice.vm(self.uuid, "State") == "stopped", "alice cannot read")
        self.require_journalled(name, 0, "Vm.Stop", "allowed")
        jobs = set(self.store("jobs"))
        try:
            alice.job(vm_path(self.uuid), "Vm", "Start")
        except BusError as denied:
            require("Access denied" in denied.text, f"not denied by polkit: {denied.text}")
            self.note(f"denied: {denied.text}")
        else:
            raise StepFailed("alice started a VM without any right")
        require(set(self.store("jobs")) <= jobs and self.store("vms")[self.uuid]["wanted"] == "stopped", "she was denied, and has changed the store")
        self.event("a polkit rule allows alice to control VMs")
        for host in self.cluster.hosts:
            host.write("/etc/polkit-1/rules.d/10-alice.rules", POLKIT_RULE)
        wait_for("the rule to count", lambda: self.alice_starts(alice), PATIENCE)
        self.wait_new_run(before)
        self.require_single_writer()
        self.require_journalled(name, 2001, "Vm.Start", "denied")
        self.note(f"the journal says who asked: {self.require_journalled(name, 2001, 'Vm.Start', 'allowed')}")

    def the_primary_leaves_in_order(self, hook_seconds: int = 15) -> None:
        self.wait_cluster_ready()
        name = self.leader()["node"]
        witness = next(host.name for host in self.cluster.hosts if host.name != name)
        acts = len(self.cluster.bmc(name).acts())
        host, epoch, home = self.cluster.host(name), self.leader()["epoch"], self.where()
        before = self.cluster.guests.disk_state(IMAGE)
        host.write(f"{SCRIPT}/role_change", f"delay_ms {hook_seconds * 1000}\n")
        self.event(f"systemctl stop pvcd.target on {name}, the primary, with a role hook that takes {hook_seconds} s")
        began_ms = time.time() * 1000
        host.run("sh", "-c", self.stopping, timeout=hook_seconds + PATIENCE)
        ended_ms = time.time() * 1000
        self.require_beats_to_the_end(name, began_ms, ended_ms)
        require(ended_ms - began_ms >= hook_seconds * 1000, f"it took {(ended_ms - began_ms) / 1000:.1f} s: nobody has waited for the hook")
        require(f"relinquish epoch={epoch}\n" in host.read(f"{SCRIPT}/calls.log"), "the hook was not asked")
        self.require_keepalive_stopped_last(host)
        roles = [json.loads(change.data)["state"] for change in self.written(f"roles/{name}", began_ms)]
        require("relinquish" in roles, f"its role was never relinquish, only {roles}")
        wait_for("another primary in the store", lambda: self.leader()["node"] not in ("", name), PATIENCE)
        self.note(f"{self.leader()['node']} is primary")
        require(self.node(witness, name, "DaemonState") in ("left", "stop"), "the bus does not say so")
        require(len(self.cluster.bmc(name).acts()) == acts, f"the power of {name} was touched")
        require(self.where() == home, f"web1 ran on {home}, and has a QEMU on {self.where()} now")
        self.cluster.guests.wait_count(IMAGE, before.count + hook_seconds // 2, PATIENCE)
        require(self.cluster.guests.disk_state(IMAGE).run == before.run, "the guest was disturbed")
        self.require_single_writer()
        (self.cluster.host(name)).write(f"{SCRIPT}/role_change", "delay_ms 0\n")
        self.event(f"pvcd starts again on {name}")
        host.run("systemctl", "start", "pvcd-fake.service", "pvcd.target", timeout=PATIENCE)
        wait_for(f"{name} to run", lambda: self.node(witness, name, "DaemonState") == "run", PATIENCE)
        self.note(f"{name} is back as incarnation {self.node(witness, name, 'Incarnation')}")
        self.require_single_writer()

    def the_history_proves_every_start_but_one(self) -> None:
        host = self.cluster.host("n1")
        self.event("the history of all VMs is exported and checked: nobody has released what step 4 says was released")
        host.write(HISTORY, host.run("pvcd-verify", "--export").stdout)
        checked = host.run("pvcd-verify", HISTORY, check=False)
        for line in checked.stdout.splitlines():
            self.note(line)
        *broken, _ = checked.stdout.splitlines() or [checked.stderr]
        require(checked.returncode == 1, f"pvcd-verify ended with {checked.returncode}: {checked.stderr}")
        require(len(broken) == 1 and self.lie in broken[0], f"not told, or not alone: {self.lie}")

    def every_decision_is_decided_again_as_it_was(self) -> None:
        self.event("the rounds that the hosts have kept are decided again")
        entries = self.cluster.zookeeper.dump_store(f"{STORE}/decisions", timeout=PATIENCE)     # a round is kept before it is carried out
        kept = []
        for host in self.cluster.hosts:
            done = host.run("sh", "-c", f"pvcd-verify --replay {ROUNDS}/*.json", check=False, timeout=PATIENCE)
            self.note(f"{host.name}: {done.stdout.strip() or done.stderr.strip()}")
            require(done.returncode == 0, f"{host.name} decides otherwise now: {done.stdout}{done.stderr}")
            kept += [json.loads(line)["records"] for line in host.run("sh", "-c", f"cat {ROUNDS}/*.json").stdout.splitlines()]
        replayed = [record for records in kept for record in records]
        stored = [json.loads(entry["data"]) for entry in entries.values() if entry.get("data")]
        decided = [one for one in stored if not WITHOUT_ROUND.search(one["what"]) and not WITHOUT_ROUND.search(one["because"])]
        # What a claim is recorded with is said by the plugin that makes it, in the moment in which it does.
        claims = {one["what"] for one in replayed if CLAIM in one["what"]}
        lost = [one["what"] for one in decided if one not in replayed and one["what"] not in claims]
        self.note(f"of {len(stored)} decisions in the store {len(decided)} were made by a round, {len(decided) - len(lost)} of them are kept")
        require(decided and not lost, f"no round is kept for: {lost}")

    # ---------------------------------------------------------------------------------------------------------- telling

    def event(self, text: str) -> None:
        """Something is done to the cluster: seconds are counted from here."""
        self._event = time.time()
        self._events.append((self._event, text))
        self._tell(None, text)

    def note(self, text: str) -> None:
        """Something is seen from outside."""
        self._notes.append((time.time(), f"seen: {text}", []))
        self._tell(time.time() - self._event, text)

    def take_evidence(self) -> list[str]:
        """What this step has come to: what was seen, and the decisions from the journals of all hosts, with the seconds since the event."""
        events, self._events = self._events, []
        told, self._notes = self._notes, []
        for host in self.cluster.hosts:
            if not host.is_up():
                continue
            for entry in host.journal(unit="pvcd.service"):
                cursor, text = entry.get("__CURSOR", ""), entry.get("MESSAGE", "")
                if "PVCD_DECISION" in entry and cursor not in self._told and entry.get("PRIORITY") in ("4", "5"):
                    self._told.add(cursor)
                    told.append((int(entry["__REALTIME_TIMESTAMP"]) / 1e6, f"{host.name}: {text}", json.loads(entry["PVCD_DECISION"])["evidence"]))
        lines, event = [], None
        for seconds, text, evidence in sorted(told + [(at, "", []) for at, _ in events]):
            if not text:
                event = seconds
                lines.append(next(what for at, what in events if at == seconds))
            elif event or not events:           # what came before the first event has only prepared the step
                lines.append(f"{seconds - (event or self._event):+.2f} s {text}")
                lines += [f"    evidence: {line}" for line in evidence]
        return lines

    # --------------------------------------------------------------------------------------------------------- the parts

    def bus(self, host: str, user: str | None = None) -> Bus:
        return Bus(self.cluster.host(host), user)

    def any_bus(self) -> Bus:
        """Of a host that sees the cluster; one that has just booted does not yet."""
        for host in self.cluster.hosts:
            if host.is_up() and not host.is_frozen() and Bus(host).peek(ROOT, "Manager", "Quorate"):
                return Bus(host)
        raise StepFailed("no host sees the cluster")

    def node(self, asked: str, name: str, prop: str):
        return self.bus(asked).peek(node_path(name), "Node", prop)

    def vm(self, prop: str):
        """None while no host sees the cluster."""
        try:
            return self.any_bus().vm(self.uuid, prop)
        except StepFailed:
            return None

    def configure(self, key: str, *value: str) -> None:
        self.any_bus().call(vm_path(self.uuid), "Vm", "Configure", "a{sv}", "1", key, *value)

    def doctor_records_to_say_stopped(self) -> None:
        self.cluster.zookeeper.change({f"{STORE}/owners/{self.uuid}": {"released": True},
                                       f"{STORE}/vms/{self.uuid}": {"wanted": "stopped"},
                                       f"{STORE}/runs/{self.uuid}": {"state": "stopped"}})

    def sees_cluster(self) -> bool:
        try:
            return bool(self.any_bus().primary())
        except StepFailed:
            return False

    def where(self, name: str = "web1") -> list[str]:
        return [host.name for host in self.cluster.hosts if host.is_up() and self.qemu(host.name, name)]

    def alice_starts(self, alice: Bus) -> bool:
        try:
            result, message = alice.start(self.uuid, PATIENCE)
        except BusError:
            return False
        require(result == "done", f"alice's Start ended {result}: {message}")
        return True

    def dump(self, directory: str) -> dict[str, dict]:
        """The entries at and below it; ZooKeeper may be electing."""
        def dumped() -> dict | None:
            with suppress(LabError):
                return self.cluster.zookeeper.dump_store(f"{STORE}/{directory}")
            return None
        return wait_for(f"ZooKeeper to give {directory}", dumped, PATIENCE)

    def store(self, directory: str) -> dict[str, dict]:
        """The records of one kind, without what is below them."""
        return {path.rsplit("/", 1)[1]: json.loads(entry["data"]) for path, entry in self.dump(directory).items()
                if path.rsplit("/", 1)[0] == f"{STORE}/{directory}"}

    def leader(self) -> dict:
        return json.loads(self.dump("leader")[f"{STORE}/leader"]["data"])

    def incarnation(self, name: str) -> int:
        return self.store("nodes")[name]["incarnation"]

    def evidence_kind(self, boot: str) -> str:
        return self.store("evidence").get(boot, {"kind": ""})["kind"]

    def newest_life(self, name: str) -> dict:
        """As the store has it; empty: none."""
        lives = [record for entry, record in self.store("live").items() if entry.rsplit(".", 1)[0] == name]
        return max(lives, key=lambda record: record["incarnation"], default={})

    def owner(self) -> str:
        """Of web1, as the store has it; of a VM that is stopped, the last one."""
        return self.store("owners")[self.uuid]["owner"]["node"]

    def generation(self) -> int:
        return self.store("owners")[self.uuid]["generation"]

    def qemu(self, host: str, name: str = "web1"):
        return next((qemu for qemu in self.cluster.host(host).qemu_pids() if qemu.name == name), None)

    def define(self, name: str, home: str) -> None:
        self.uuid = str(uuids.uuid4())
        self.cluster.ceph.create_image(name)
        self.bus("n3").define(self.cluster.guests.xml(name, self.uuid, name), home_node=home)

    def define_small(self, name: str, home: str, memory_mib: int = BARE_MIB) -> str:
        """A guest that is little load and locks its disk by writing to it each second."""
        uuid = str(uuids.uuid4())
        self.cluster.ceph.create_image(name, 1)
        self.cluster.guests.write_boot_sector(name)
        self.any_bus().define(self.cluster.guests.bare_xml(name, uuid, memory_mib), home_node=home)
        return uuid

    def wait_cluster_ready(self) -> None:
        def ready() -> bool:
            if not self.sees_cluster():
                return False
            bus = self.any_bus()
            return all(
                bus.peek(node_path(host.name), "Node", "DaemonState") == "run"
                and bus.peek(node_path(host.name), "Node", "FenceReady")
                and self.runs_plugins(host) for host in self.cluster.hosts)
        wait_for("a primary, and every host to run and to be ready for fencing", ready, PATIENCE)

    def runs_plugins(self, host) -> bool:
        """As its keepalive tells the cluster: before, no VM is placed there."""
        states = {str(line[0]): str(line[2]) for line in Bus(host).peek(ROOT, "Manager", "Plugins") or []}
        return all(states.get(plugin) == "running" for plugin in ("libvirt", "rbd-locks"))

    def wait_counting(self, host: str, count: int) -> None:
        self.cluster.guests.wait_count(IMAGE, count, PATIENCE)
        console = self.cluster.guests.console(self.cluster.host(host), "web1")
        require(re.search(r"n=\d+", console), f"nothing counts on the console of web1 on {host}")
        self.note(f"the guest counts, {self.cluster.guests.disk_state(IMAGE).count} on its disk")

    def wait_new_run(self, before) -> None:
        """A new guest run goes on from what was on the disk."""
        def newer():
            state = self.cluster.guests.disk_state(IMAGE)
            run = next((run for run in state.runs if run.run == state.run), None)       # written after the count
            return (state, run) if run and state.run != before.run and state.count > before.count else None
        state, run = wait_for("the guest to count on in a new run", newer, PATIENCE)
        self.note(f"the guest counts on: {before.count} before, {state.count} now")
        require(run.first > before.count, f"the new run began at {run.first}, but {before.count} was on the disk")

    def wait_running_elsewhere(self, victim: str) -> str:
        """Where; a QEMU that is shut out of Ceph may live on at the victim."""
        def target() -> str:
            there = [name for name in self.where() if name != victim]
            return there[0] if there and self.vm("State") == "running" else ""
        name = wait_for(f"web1 to run on another host than {victim}", target, PATIENCE)
        require(self.owner() == name, f"web1 has a QEMU on {name}, its owner is {self.owner()}")
        return name

    def require_runs_where_it_belongs(self, name: str) -> None:
        require(self.where() == [name] == [self.owner()], f"web1 has a QEMU on {self.where()}, its owner is {self.owner()}, not {name}")

    def require_nobody_wrote_beside(self) -> None:
        """The image says so. A QEMU that is shut out of Ceph may live on."""
        state = self.cluster.guests.disk_state(IMAGE)
        require(not state.foreign and not state.overlap, f"two writers on {IMAGE}: {state}")

    def require_single_writer(self) -> None:
        self.require_nobody_wrote_beside()
        require(len(self.where()) <= 1, f"web1 has a QEMU on {self.where()}")

    def require_flushed(self, lockers: list[dict]) -> None:
        """By pvcd, whose entries last for years. librbd also breaks the lock of a client that is dead, half a minute later, for an hour."""
        listed = {entry["address"]: entry["until"] for entry in self.cluster.ceph.blocklist()}
        for address in {locker["address"] for locker in lockers}:
            until = time.mktime(time.strptime(listed.get(address, "1970-01-01T00:00:00")[:19], "%Y-%m-%dT%H:%M:%S"))
            require(until > time.time() + A_YEAR_S, f"pvcd has not flushed the locks of {address}: {listed.get(address, 'not in the blocklist')}")

    def require_beats_to_the_end(self, name: str, began_ms: float, ended_ms: float) -> None:
        """As ZooKeeper's own log has them, from the beginning of the stop to its end."""
        def heard() -> list:
            return self.written(f"live/{name}.", began_ms)
        require(heard(), f"no heartbeat of {name} is in ZooKeeper's log while it stopped")
        last_words = ("left", "stop")           # the servers write to their logs a moment after they have answered
        wait_for(f"the last word of {name} in ZooKeeper's log", lambda: json.loads(heard()[-1].data)["daemon_state"] in last_words, PATIENCE)
        beats = heard()
        times = [began_ms, *(change.at_ms for change in beats), ended_ms]
        gap_s = max(late - early for early, late in zip(times, times[1:])) / 1000
        self.note(f"stopped; it wrote {len(beats)} heartbeats meanwhile, at most {gap_s:.1f} s apart")
        require(gap_s < SILENT_S, f"{name} was silent for {gap_s:.1f} s while it stopped")
        states = {json.loads(change.data)["daemon_state"] for change in beats}
        require("shutdown" in states, f"{name} did not say that it stops, only {states}")

    def written(self, path: str, since_ms: float) -> list:
        """What was written to entries whose path begins so, as ZooKeeper's own log has it."""
        return [change for change in self.cluster.zookeeper.history(int(since_ms))
                if change.kind == "set" and change.path.startswith(f"{STORE}/{path}")]

    def require_journalled(self, name: str, uid: int, method: str, answer: str) -> str:
        said = [entry["MESSAGE"] for entry in self.cluster.host(name).journal(unit="pvcd.service") if entry.get("PVCD_UID") == str(uid)]
        fitting = [text for text in said if method in text and answer in text]
        require(fitting, f"the journal of {name} does not say that uid {uid} asked for {method} and was {answer}: {said}")
        return fitting[-1]

    def require_keepalive_stopped_last(self, host) -> None:
        ends = {unit: int(host.run("systemctl", "show", "--property=InactiveEnterTimestampMonotonic", "--value", f"{unit}.service").stdout)
                for unit in ("pvcd", *(f"pvcd-{plugin}" for plugin in PLUGINS))}
        require(all(ends.values()) and max(ends, key=ends.get) == "pvcd-keepalive", f"the keepalive did not stop last: {ends}")

    def require_off_was_sent(self, victim: str) -> None:
        require(any(act.command == "off" and act.outcome == "done" for act in self.cluster.bmc(victim).acts()),
                f"the BMC of {victim} has carried out no off: reading off is not proof")

    def lose_power(self, name: str) -> None:
        self.cluster.host(name).power_cut()

    def make_primary(self, name: str) -> None:
        """Asked again while it is refused: one that has just come back may not be known to all as alive, or a server of the store
        has just died."""
        def asked() -> bool:
            try:
                bus = self.any_bus()
                return self.leader()["node"] == name or (
                    bus.wait_job(bus.job(node_path(name), "Node", "BecomePrimary"), PATIENCE)[0] in ("done", "skipped"))
            except (BusError, StepFailed):
                return False
        wait_for(f"BecomePrimary of {name} to be done", asked, PATIENCE, 0.5)
        wait_for(f"{name} to be primary", lambda: self.leader()["node"] == name, PATIENCE)

    def give_roles(self, victim: str, primary: bool, leader: bool) -> None:
        """Both at once: ZooKeeper has no leader for a while when another one is made, and the primary may be another one then."""
        other = next(host.name for host in self.cluster.hosts if host.name != victim)
        for _ in range(ELECTIONS_MAX):
            wait_for("a primary", self.sees_cluster, PATIENCE)
            if (self.cluster.zookeeper.leader() == victim) != leader:
                self.make_zookeeper_leader(victim if leader else other)
            if (self.leader()["node"] == victim) != primary:
                with suppress(BusError, LabError):      # nobody may be primary in this moment
                    self.make_primary(victim if primary else other)
            if (self.cluster.zookeeper.leader() == victim) == leader and (self.leader()["node"] == victim) == primary:
                return
        raise StepFailed(f"{victim} did not come into the roles that its loss is measured in")

    def make_zookeeper_leader(self, name: str) -> None:
        zookeeper = self.cluster.zookeeper
        if zookeeper.leader() != name:
            zookeeper.make_leader(name, [host for host in self.cluster.hosts if host.name != name], PATIENCE)
        require(zookeeper.leader() == name, f"{zookeeper.leader()} leads ZooKeeper, not {name}")


STEPS = [
    ("1 define on n3, start on n1", Story.a_vm_is_defined_on_n3_and_runs_on_n1),
    ("2 QEMU killed on n1", Story.its_qemu_is_killed_and_it_runs_again_on_n1),
    ("3 power cut of n1", Story.its_host_loses_power_and_it_runs_elsewhere),
    ("4 doctored records", Story.doctored_records_do_not_start_a_second_qemu),
    ("5 power cut of all hosts", Story.the_site_loses_power_and_every_vm_runs_once),
    ("6 an unprivileged user", Story.an_unprivileged_user_reads_but_does_not_start),
    ("7 the primary leaves", Story.the_primary_leaves_in_order),
    ("8 the history", Story.the_history_proves_every_start_but_one),
    ("9 the decisions", Story.every_decision_is_decided_again_as_it_was),
]


def play(story: Story, steps=None, begin=lambda name: None, end=lambda step: None) -> list[Step]:
    """Plays the steps until one fails; what it then raises is kept in its evidence."""
    played = []
    for name, action in steps or STEPS:
        begin(name)
        step = Step(name)
        started = time.monotonic()
        try:
            action(story)
        except PROBLEMS as problem:
            step.ok = False
            step.evidence.append(f"FAILED: {problem}")
        except Exception:                       # a bug of ours must not hide the steps that were played before it
            step.ok = False
            step.evidence.append(f"FAILED: {traceback.format_exc()}")
        step.seconds = round(time.monotonic() - started, 2)
        try:
            step.evidence += story.take_evidence()
        except PROBLEMS as problem:
            step.evidence.append(f"what was decided cannot be read: {problem}")
        played.append(step)
        end(step)
        if not step.ok:
            break
    return played
