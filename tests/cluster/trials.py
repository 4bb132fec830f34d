"""What the story leaves out because it takes longer or lies to the cluster: BMCs that lie, hosts that freeze and thaw, a
primary that dies at the worst moment, a wrong configuration, writes that come late. Each trial begins with web1 running.
"""
import json
import signal
import time

from .bus import BusError, node_path, vm_path
from .hang_watch import program_of
from .lab.process import wait_for
from .lab.pvcd import SHUTDOWN_TIMEOUT_S, pvcd_config
from .story import IMAGE, PATIENCE, STORE, Story, require

SWITCHES = "/etc/pvcd/test-switches"
EMULATOR = "/usr/bin/qemu-system-x86_64"        # that the guests' XML names
# When a frozen host is thawed, and what has to come of it where that is certain: after seconds (suspicion comes after 1.2, the
# session's end after 3 to 6), when the others have begun to fence it, or never.
AS_FENCED = "as it is being fenced"
THAWED = {0.5: "went on", 2.0: "", 3.5: "", AS_FENCED: "", "never": "fenced"}


class Trials(Story):
    sabotage: tuple[str, ...] = ()
    _misconfigured = ""                 # whose BMC has a wrong address on all hosts
    _without_emulator = ""              # whose libvirt can start no QEMU

    def prepare(self) -> None:
        """A healthy cluster with web1 running, its owner not the primary."""
        self.heal()
        self.wait_cluster_ready()
        if not self.uuid:
            self.define("web1", home="n1")
        wait_for("web1 to be started", self._started, 2 * PATIENCE)
        self.cluster.guests.wait_count(IMAGE, 1, PATIENCE)
        if self.leader()["node"] == self.owner():
            self.make_primary(self.another(self.owner()))

    def heal(self) -> None:
        self.cluster.net.heal()
        for bmc, host in zip(self.cluster.bmcs, self.cluster.hosts):
            bmc.lie(False)
            bmc.alive()
            if host.is_frozen():
                host.thaw()
            if not host.is_on():
                # An off that was sent twice must not meet the next boot (the quiet period of the design).
                wait_for("no fence to be open", lambda: not self.sees_cluster() or not self.fences(), PATIENCE)
                host.power_on()
        for host in self.cluster.hosts:         # by hand: its next VM would do it, which may be long in coming
            if self.is_shut_out(host.name):
                self.cluster.ceph.command("osd blocklist", blocklistop="rm", addr=f"{self.cluster.spec.address(host.name)}:0/0")
        if self._without_emulator:
            self.repair_emulator()
        if self._misconfigured:
            self.configure_bmc(self._misconfigured, self.cluster.spec.bmc_address(self._misconfigured))

    # ------------------------------------------------------------------------------------------------------- the trials

    def a_bmc_that_accepts_and_stays_on_proves_nothing(self) -> None:
        victim = self.give_roles_to_owner()
        boot = self.cluster.host(victim).boot_id()
        before, offs = self.cluster.guests.disk_state(IMAGE), len(self.offs(victim))
        self.cluster.bmc(victim).lie(True)
        self.event(f"{victim}, primary and ZooKeeper's leader, is cut off from the other hosts, writes on, and its BMC lies")
        self.cluster.net.cut(victim, "hosts")
        wait_for(f"an off that {victim}'s BMC accepts", lambda: len(self.offs(victim)) > offs, PATIENCE)

        def judged() -> bool:
            where, evidence = self.where(), self.evidence_kind(boot)        # in this order: a QEMU comes after its evidence
            require(evidence or where == [victim], f"web1 has a QEMU on {where}, though nothing proves the first gone")
            return len(self.offs(victim)) >= offs + 3 or evidence != ""
        wait_for("three offs, or evidence", judged, PATIENCE)
        shut_out = self.evidence_kind(boot)
        require(shut_out in ("", "storage"), f"{victim} is on, and taken for dead: the evidence is {shut_out}")
        if not shut_out:
            self.cluster.guests.wait_count(IMAGE, self.cluster.guests.disk_state(IMAGE).count + 2, PATIENCE)
            require(self.evidence_kind(boot) or self.cluster.guests.disk_state(IMAGE).run == before.run, "another QEMU writes beside the first")
        self.note("its disks were taken away instead" if shut_out else "three offs were accepted, and none is proof")
        self.event(f"the BMC of {victim} tells the truth again")
        self.cluster.bmc(victim).lie(False)
        self.wait_running_elsewhere(victim)
        require(self.evidence_kind(boot) == "storage" or not self.cluster.host(victim).is_on(), f"web1 moved while {victim} is on")
        self.wait_new_run(before)
        self.require_nobody_wrote_beside()
        self.event(f"{victim} is reached again")
        self.cluster.net.heal()
        wait_for(f"the old QEMU of web1 on {victim} to end", lambda: victim not in self.where(), PATIENCE)
        self.require_single_writer()
        if self.cluster.host(victim).is_on():           # shut out in this boot: only in the next one may it join
            self.cluster.host(victim).power_cut()
            self.cluster.host(victim).power_on()

    def a_frozen_host_is_fenced_or_goes_on(self, thawed, leads: bool) -> None:
        """Primary and ZooKeeper's leader as in the third step of the story, or neither: then it is fenced sooner."""
        victim = self.owner()
        self.give_roles(victim, primary=leads, leader=leads)
        before = self.cluster.guests.disk_state(IMAGE)
        offs, beaten = len(self.offs(victim)), self.beats(victim)
        self.event(f"{victim} is frozen; thawed: {thawed}")
        if thawed == AS_FENCED:         # the BMC does not obey before the host is thawed: it would be faster
            self.cluster.bmc(victim).lie(True)
        self.cluster.host(victim).freeze()
        if isinstance(thawed, float):
            time.sleep(thawed)          # the moment is the subject of the trial
        elif thawed == AS_FENCED:
            wait_for("a fence that has been acted upon", lambda: self.fences().get(victim, {}).get("phase") == "acting", PATIENCE, 0.05)
            require(self.cluster.host(victim).is_on(), f"{victim} was off before it could be thawed")
        if thawed != "never" and self.cluster.host(victim).is_on():
            self.cluster.host(victim).thaw()
        self.cluster.bmc(victim).lie(False)

        def decided() -> str:
            if not self.cluster.host(victim).is_on():
                return "fenced" if set(self.where()) - {victim} and self.vm("State") == "running" else ""
            incarnation, counter = self.beats(victim)
            lives = (incarnation, counter) > (beaten[0], beaten[1] + 1) and self.newest_life(victim).get("daemon_state") == "run"
            settled = not self.fences() and self.where() == [victim] and self.vm("State") == "running"
            return "went on" if lives and settled else ""
        outcome = wait_for(f"{victim} to be fenced or to go on", decided, 2 * PATIENCE)
        self.note("it went on" if outcome == "went on" else "it was fenced")
        require(THAWED[thawed] in ("", outcome), f"thawed {thawed}, and {outcome}")
        require((outcome == "fenced") == (len(self.offs(victim)) > offs), f"{outcome}, but {len(self.offs(victim)) - offs} offs were carried out")
        self.cluster.guests.wait_count(IMAGE, self.cluster.guests.disk_state(IMAGE).count + 2, PATIENCE)
        after = self.cluster.guests.disk_state(IMAGE)
        require((after.run != before.run) == (outcome == "fenced"), f"{outcome}, but the guest's run went from {before.run} to {after.run}")
        self.require_single_writer()

    def a_primary_that_dies_between_fence_and_start_is_carried_on(self) -> None:
        """With it goes the second of five hosts: three are a quorum."""
        killed = self.kill_the_next_primary(lambda host: host.power_cut())
        wait_for("another primary", lambda: self.leader()["epoch"] > killed["epoch"] and self.leader()["node"] not in ("", killed["node"]), PATIENCE)

    def a_core_that_dies_between_fence_and_start_is_carried_on(self) -> None:
        """That of the primary, which keeps its role when it comes back in time."""
        def kill(host) -> None:
            for unit in ("core", "election"):
                require(host.signal(signal.SIGKILL, *program_of(unit)), f"no {unit} runs on {host.name}")
        self.kill_the_next_primary(kill)

    def kill_the_next_primary(self, kill) -> dict:
        """Between fence and start; what the store said of its role."""
        victim = self.give_roles_to_owner()
        before = self.cluster.guests.disk_state(IMAGE)
        stale = self.cluster.ceph.lockers(IMAGE)
        require(stale, "the guest holds no lock: nothing would be proven")
        boot = self.cluster.host(victim).boot_id()
        self.event(f"power cut of {victim}, primary and ZooKeeper's leader, while Ceph's monitor hangs: no lock can be flushed, "
                   "so nothing starts before the next primary is killed")
        self.cluster.ceph.freeze("mon.a")
        try:
            self.cluster.host(victim).power_cut()
            wait_for("the evidence", lambda: self.evidence_kind(boot) == "power", PATIENCE, 0.05)
            wait_for("the next primary", lambda: self.leader()["node"] not in ("", victim), PATIENCE, 0.05)
            killed = self.leader()
            kill(self.cluster.host(killed["node"]))
            self.note(f"{killed['node']}, primary at epoch {killed['epoch']}, is killed")
            require(not self.where(), f"web1 runs on {self.where()} before the primary was killed: nothing would be proven")
        finally:
            self.cluster.ceph.thaw("mon.a")
        self.note(f"web1 runs on {self.wait_running_elsewhere(victim)}")
        self.wait_new_run(before)
        self.require_flushed(stale)
        self.require_single_writer()
        return killed

    def the_bmc_of_another_host_is_refused(self) -> None:
        victim = self.give_roles_to_owner()
        wrong = self.another(victim)
        boot = self.cluster.host(victim).boot_id()
        before = self.cluster.guests.disk_state(IMAGE)
        self.event(f"the BMC of {wrong} is configured for {victim}")
        self.configure_bmc(victim, self.cluster.spec.bmc_address(wrong))
        result, message = self.any_bus().wait_job(self.any_bus().job(node_path(victim), "Node", "VerifyFence"), PATIENCE)
        self.note(f"{result}: {message}")
        require(result == "failed" and "GUID" in message, f"VerifyFence ended {result}: {message}")
        wait_for(f"{victim} to be on record as not ready for fencing", lambda: not self.store("readiness")[victim]["fence_ready"], PATIENCE)
        wait_for("the bus to say so", lambda: self.node(wrong, victim, "FenceReady") is False, PATIENCE)
        warned = wait_for("a journal to warn", lambda: [
            entry for host in self.cluster.hosts for entry in host.journal(unit="pvcd.service")
            if f"warn that {victim} cannot be fenced" in entry.get("MESSAGE", "")], PATIENCE)
        require(all(entry["PRIORITY"] == "4" for entry in warned), f"no journal warns: {warned}")
        self.give_roles_to_owner()
        self.event(f"power cut of {victim}")
        acts = len(self.cluster.bmc(wrong).acts())
        self.cluster.host(victim).power_cut()
        self.wait_running_elsewhere(victim)
        self.wait_new_run(before)
        require(len(self.cluster.bmc(wrong).acts()) == acts, f"the power of {wrong} was touched")
        require(self.evidence_kind(boot) == "storage", f"the evidence about {victim} is {self.evidence_kind(boot)}")
        self.note("nothing was switched: its disks were taken away instead")
        self.event("the configuration is corrected")
        self.configure_bmc(victim, self.cluster.spec.bmc_address(victim))
        self.require_single_writer()

    def a_host_without_power_and_bmc_is_shut_out(self) -> None:
        victim = self.owner()
        boot = self.cluster.host(victim).boot_id()
        before = self.cluster.guests.disk_state(IMAGE)
        self.event(f"{victim} loses its power, and its BMC with it")
        self.cluster.bmc(victim).dead()
        self.cluster.host(victim).power_cut()
        self.note(f"web1 runs on {self.wait_running_elsewhere(victim)}")
        self.wait_new_run(before)
        require(self.evidence_kind(boot) == "storage", f"the evidence about {victim} is {self.evidence_kind(boot)}")
        require(self.is_shut_out(victim), f"the address of {victim} is not in Ceph's blocklist")
        self.require_single_writer()
        self.event(f"{victim} and its BMC get power again, and web1 moves back to it")
        self.cluster.bmc(victim).alive()
        self.cluster.host(victim).power_on()
        self.wait_cluster_ready()
        require(self.is_shut_out(victim), "its entry is gone before it was to open an image")
        before = self.cluster.guests.disk_state(IMAGE)
        result, message = self.any_bus().wait_job(self.any_bus().job(vm_path(self.uuid), "Vm", "Move", "sa{sv}", victim, "0"), PATIENCE)
        require(result == "done", f"Move ended {result}: {message}")
        self.require_runs_where_it_belongs(victim)
        self.wait_new_run(before)
        require(not self.is_shut_out(victim), f"{victim} has not lifted the entry about its earlier boot")
        self.note(f"web1 runs on {victim}, which has let itself in")
        self.require_single_writer()

    def a_host_that_is_cut_off_with_its_bmc_writes_nothing_any_more(self) -> None:
        victim = self.owner()
        boot = self.cluster.host(victim).boot_id()
        before = self.cluster.guests.disk_state(IMAGE)
        self.event(f"{victim} is cut off from the other hosts, its BMC is silent, and its guest writes on")
        self.cluster.bmc(victim).dead()
        self.cluster.net.cut(victim, "hosts")
        self.wait_running_elsewhere(victim)
        self.wait_new_run(before)
        require(self.cluster.host(victim).is_on(), f"{victim} is off: nobody is left who could write")
        require(self.evidence_kind(boot) == "storage", f"the evidence about {victim} is {self.evidence_kind(boot)}")
        self.require_nobody_wrote_beside()
        self.event("it is reached again: it gives up what is no longer its own, and asks for a reboot")
        self.cluster.bmc(victim).alive()
        self.cluster.net.heal()
        wait_for(f"the old QEMU of web1 on {victim} to end", lambda: victim not in self.where(), PATIENCE)
        self.require_single_writer()

    def a_host_whose_power_button_is_pressed_says_that_it_goes(self) -> None:
        victim = self.owner()
        boot = self.cluster.host(victim).boot_id()
        before = self.cluster.guests.disk_state(IMAGE)
        began_ms = time.time() * 1000
        self.event(f"the power button of {victim} is pressed")
        self.cluster.bmc(victim).ipmi("chassis", "power", "soft")
        target = self.wait_running_elsewhere(victim)
        said = {json.loads(change.data)["daemon_state"] for change in self.written(f"live/{victim}.", began_ms)}
        self.note(f"{victim} said {', '.join(sorted(said))}; web1 runs on {target}")
        require(said & {"shutdown", "stop", "left"}, f"{victim} did not say that it goes: {said}")
        require(not self.cluster.host(victim).is_on(), f"web1 moved while {victim} is on")
        require(self.evidence_kind(boot) == "power", f"the evidence about {victim} is {self.evidence_kind(boot)}")
        self.wait_new_run(before)
        self.require_single_writer()

    def a_host_that_cannot_create_it_gives_it_back(self) -> None:
        broken = self.owner()
        before = self.cluster.guests.disk_state(IMAGE)
        generation, offs = self.generation(), len(self.offs(broken))
        stale = self.cluster.ceph.lockers(IMAGE)
        require(stale, "the guest holds no lock: nothing would be proven")
        self.event(f"QEMU cannot be executed any more on {broken}, and the one of web1 is killed")
        self.break_emulator(broken)
        self.cluster.host(broken).kill_qemu("web1")
        target = self.wait_running_elsewhere(broken)
        self.note(f"web1 runs on {target}")
        self.wait_new_run(before)
        require(self.generation() > generation, "web1 moved within a generation")
        self.require_runs_where_it_belongs(target)
        require(self.cluster.host(broken).is_on() and len(self.offs(broken)) == offs, f"{broken} was switched off for it")
        self.require_flushed(stale)
        given_back = [one for one in self.store("decisions").values()
                      if one["what"] == "give web1 back" and one["node"] == broken]
        require(given_back, f"no decision says that {broken} has given web1 back")
        self.note(f"{broken} says why: {given_back[-1]['because']}")
        self.require_single_writer()
        before = self.cluster.guests.disk_state(IMAGE)
        self.event(f"the twin: {broken} is repaired, and web1 is moved back to it")
        self.repair_emulator()
        result, message = self.any_bus().wait_job(self.any_bus().job(vm_path(self.uuid), "Vm", "Move", "sa{sv}", broken, "0"), 2 * PATIENCE)
        require(result == "done", f"Move ended {result}: {message}")
        self.require_runs_where_it_belongs(broken)
        self.wait_new_run(before)
        self.require_single_writer()

    def a_vm_goes_where_there_is_room(self) -> None:
        """Each host has the memory of this machine: two VMs that do not fit side by side, and use next to none of it."""
        victim, full, roomy = (host.name for host in self.cluster.hosts)
        total_mib = self.store("nodes")[full]["memory_total"] // 2**20
        vms = {"big": self.define_small("big", full, total_mib * 55 // 100), "wide": self.define_small("wide", victim, total_mib // 2)}
        for name, uuid in vms.items():
            result, message = self.any_bus().start(uuid, PATIENCE)
            require(result == "done", f"Start of {name} ended {result}: {message}")
        require((self.where("big"), self.where("wide")) == ([full], [victim]), f"they run on {self.where('big')} and {self.where('wide')}")
        self.event(f"power cut of {victim}, where wide runs; {full} has no room for it beside big")
        self.cluster.host(victim).power_cut()
        wait_for("wide to run elsewhere", lambda: self.where("wide"), PATIENCE)
        require(self.where("wide") == [roomy], f"wide runs on {self.where('wide')}")
        assigned = [one for one in self.store("decisions").values() if one["what"].startswith(f"assign wide to {roomy}")]
        said = [no for one in assigned for no in one["rejected"] if no.startswith(full) and "wide needs" in no]
        require(said, f"nobody says why not on {full}: {assigned}")
        self.note(said[-1])
        for uuid in vms.values():
            result, message = self.any_bus().wait_job(self.any_bus().job(vm_path(uuid), "Vm", "Stop"), PATIENCE)
            require(result == "done", f"Stop ended {result}: {message}")

    def break_emulator(self, name: str) -> None:
        """For whoever executes it on this host from now on; a reboot of the host undoes it, too."""
        self._without_emulator = name
        self.cluster.host(name).run("mount", "--bind", "/bin/false", EMULATOR)

    def repair_emulator(self) -> None:
        self.cluster.host(self._without_emulator).run("umount", EMULATOR, check=False)
        self._without_emulator = ""

    def is_shut_out(self, name: str) -> bool:
        return f"{self.cluster.spec.address(name)}:0/0" in [entry["address"] for entry in self.cluster.ceph.blocklist()]

    def a_keepalive_that_starts_without_a_bus_proves_its_host_alive(self) -> None:
        name = self.another(self.owner())
        host = self.cluster.host(name)
        offs = len(self.offs(name))
        self.event(f"{name} has no D-Bus any more, and its keepalive is killed")
        host.run("systemctl", "stop", "dbus.socket", "dbus.service")
        try:
            [old] = host.processes(*program_of("keepalive"))
            host.signal(signal.SIGKILL, *program_of("keepalive"))
            wait_for("another keepalive", lambda: host.processes(*program_of("keepalive")) not in ([], [old]), PATIENCE)
            counter = self.newest_life(name)["counter"]
            wait_for("its heartbeats", lambda: self.newest_life(name)["counter"] > counter + 10, PATIENCE)
            require(host.run("systemctl", "is-active", "dbus.service", check=False).stdout.strip() != "active", "there was a bus all the same")
            self.note("it goes on writing heartbeats")
            require(len(self.offs(name)) == offs, f"{name} was switched off")
        finally:                                # systemd has stopped whatever requires a bus
            host.power_cut()
            host.power_on()
        self.wait_cluster_ready()

    def a_guest_is_asked_to_shut_down_and_has_its_time(self) -> None:
        home, before = self.owner(), self.cluster.guests.disk_state(IMAGE)
        deaf = self.define_small("deaf", home)
        result, message = self.any_bus().start(deaf, PATIENCE)
        require(result == "done" and self.where("deaf") == [home], f"Start of deaf ended {result}: {message}")
        console = self.cluster.guests.console(self.cluster.host(home), "web1").count("GUEST-POWEROFF")
        self.event("web1 is asked to shut down: its guest listens")
        result, message = self.shut_down(self.uuid)
        require(result == "done" and not self.where(), f"Shutdown ended {result}: {message}; web1 has a QEMU on {self.where()}")
        require(self.cluster.guests.console(self.cluster.host(home), "web1").count("GUEST-POWEROFF") == console + 1, "the guest was not asked")
        self.event("so is deaf, whose guest does not listen")
        began = time.monotonic()
        result, message = self.shut_down(deaf)
        seconds = time.monotonic() - began
        require(result == "done" and not self.where("deaf"), f"Shutdown ended {result}: {message}; deaf has a QEMU on {self.where('deaf')}")
        require(seconds >= SHUTDOWN_TIMEOUT_S, f"it was switched off after {seconds:.1f} s, its time is {SHUTDOWN_TIMEOUT_S} s")
        self.note("it was switched off when its time was over")
        require(not self.cluster.ceph.lockers(IMAGE) and not self.cluster.ceph.lockers("deaf"), "a lock was left behind")
        result, message = self.any_bus().start(self.uuid, PATIENCE)
        require(result == "done", f"Start ended {result}: {message}")
        self.wait_new_run(before)
        self.require_single_writer()

    def shut_down(self, uuid: str) -> tuple[str, str]:
        bus = self.any_bus()
        return bus.wait_job(bus.job(vm_path(uuid), "Vm", "Shutdown"), PATIENCE)

    def a_vm_of_the_cluster_is_not_started_by_hand(self) -> None:
        owner = self.owner()
        other = self.another(owner)
        host = self.cluster.host(other)
        before, lockers = self.cluster.guests.disk_state(IMAGE), self.cluster.ceph.lockers(IMAGE)
        require(lockers, "the guest holds no lock: nothing would be proven")
        self.event(f"a person starts web1 on {other} by libvirt, while it runs on {owner}")
        host.write("/run/web1.xml", self.cluster.guests.xml("web1", self.uuid, IMAGE))
        self.require_refused_by_hook(other, "create", "/run/web1.xml")
        host.run("virsh", "-q", "define", "/run/web1.xml")
        self.require_refused_by_hook(other, "start", "web1")
        self.event(f"the same while pvcd is stopped on {other}, as at a boot before it has started")
        host.run("systemctl", "stop", "pvcd.target", timeout=PATIENCE)
        self.require_refused_by_hook(other, "start", "web1")
        host.run("virsh", "-q", "undefine", "web1")
        self.event(f"the twin: a domain that is not the cluster's, on {other}")
        self.cluster.ceph.create_image("by-hand")
        self.cluster.guests.start(host, "by-hand", "00000000-0000-4000-8000-000000000002", "by-hand")
        require(self.qemu(other, "by-hand"), "a domain that is not the cluster's was not started")
        host.run("virsh", "-q", "destroy", "by-hand")
        host.run("systemctl", "start", "pvcd.target", timeout=PATIENCE)
        require(self.cluster.ceph.lockers(IMAGE) == lockers, "a lock was touched")
        after = self.cluster.guests.wait_count(IMAGE, before.count + 1, PATIENCE)
        require(after.run == before.run, "the guest was disturbed")
        self.event("web1 is stopped, a person starts it on its own node, then pvcd is asked")
        result, message = self.any_bus().wait_job(self.any_bus().job(vm_path(self.uuid), "Vm", "Stop"), PATIENCE)
        require(result == "done", f"Stop ended {result}: {message}")
        self.cluster.host(owner).write("/run/web1.xml", self.cluster.guests.xml("web1", self.uuid, IMAGE))
        self.require_refused_by_hook(owner, "create", "/run/web1.xml")
        result, message = self.any_bus().start(self.uuid, PATIENCE)
        require(result == "done", f"Start ended {result}: {message}")
        self.wait_new_run(before)
        self.require_single_writer()
        for one in self.cluster.hosts:
            said = [entry["MESSAGE"] for entry in one.journal(unit="pvcd-libvirt.service")]
            require(not any("does not ask pvcd's hook" in text for text in said), f"libvirtd of {one.name} starts without the hook")

    def require_refused_by_hook(self, name: str, *command: str) -> None:
        done = self.cluster.host(name).run("virsh", "-q", *command, check=False)
        require(done.returncode != 0, f"virsh {command[0]} on {name} was let pass")
        require("only pvcd starts it" in done.stderr and self.uuid in done.stderr, f"virsh {command[0]} failed otherwise: {done.stderr}")
        require(not self.qemu(name), f"a QEMU of web1 runs on {name}")
        self.note(f"virsh {command[0]}: {done.stderr.strip()}")

    def a_write_decided_under_an_old_epoch_is_refused(self) -> None:
        """Needs the switched core: it stops itself before it writes the next step of a job."""
        first = self.leader()["node"]
        result, message = self.any_bus().wait_job(self.any_bus().job(vm_path(self.uuid), "Vm", "Stop"), PATIENCE)
        require(result == "done", f"Stop ended {result}: {message}")
        self.event(f"{first} takes up a job, its write comes late, and it is primary no more by then")
        others = [host.name for host in self.cluster.hosts if host.name != first]
        try:
            for host in self.cluster.hosts:
                host.run("systemctl", "service-watchdogs", "no")
            self.switch("late-job-writes", *self.sabotage, hosts=[first])
            epoch = self.leader()["epoch"]
            job = self.bus(others[0]).job(vm_path(self.uuid), "Vm", "Start")
            wait_for("the decision", lambda: self.stands_still(first), PATIENCE)
            # Nobody else may carry the job on meanwhile, and nobody become primary: the late write alone makes the difference.
            self.signal("STOP", "pvcd-election", [first, *others])
            self.signal("STOP", "pvcd", others)
            self.cluster.zookeeper.change({f"{STORE}/leader": {"epoch": epoch + 1, "node": "", "incarnation": 0}})
            require(self.job(job)["state"] == "queued", "the write came before the new epoch")
            self.switch(*self.sabotage, hosts=[first])
            self.signal("CONT", "pvcd", [first])
            # The store answers a client in the order of its requests: who sees the new epoch has had the answer to its write.
            wait_for(f"{first} to see that it is primary no more", lambda: self.bus(first).primary() == "", PATIENCE)
            require(self.leader()["epoch"] == epoch + 1, "somebody became primary")
            require(self.job(job)["state"] == "queued", f"a write of epoch {epoch} was taken at epoch {epoch + 1}: {self.job(job)}")
            self.note("the store refused it")
        finally:
            self.switch(*self.sabotage, hosts=[first])
            for unit in ("pvcd", "pvcd-election"):
                self.signal("CONT", unit, [first, *others])
            for host in self.cluster.hosts:
                host.run("systemctl", "service-watchdogs", "yes")

    def a_host_that_may_be_suspended_is_not_ready_for_fencing(self) -> None:
        victim, asked = self.another(self.owner()), self.owner()
        host = self.cluster.host(victim)
        self.event(f"the kernel of {victim} offers to sleep")       # that of a container has no such file: /sys is a tmpfs
        host.run("sh", "-c", "mount -o remount,rw /sys && mkdir /sys/power && echo freeze mem disk >/sys/power/state")
        try:
            note = wait_for(f"{victim} to be shown as not ready", lambda: self.node(asked, victim, "FenceReady") is False
                            and "may be suspended" in (said := self.node(asked, victim, "FenceNote") or "") and said, PATIENCE)
            self.note(note)
            require("freeze mem disk" in note and "systemctl mask sleep.target" in note, f"it does not say why, or what to do: {note}")
            self.event(f"sleep.target is masked on {victim}")
            host.run("systemctl", "mask", "sleep.target")
            wait_for(f"{victim} to be ready", lambda: self.node(asked, victim, "FenceReady") and not self.node(asked, victim, "FenceNote"), PATIENCE)
            self.note(f"{victim} is ready for fencing")
        finally:
            host.run("sh", "-c", "rm -r /sys/power; mount -o remount,ro /sys; systemctl unmask sleep.target")

    def a_wrong_configuration_does_not_end_what_runs(self) -> None:
        home, before, began = self.owner(), self.cluster.guests.disk_state(IMAGE), time.time()
        host = self.cluster.host(home)
        for unit, file in (("pvcd", "/etc/pvcd/pvcd.toml"), ("pvcd-ipmi", "/etc/pvcd/plugins.d/ipmi.toml"),
                           ("pvcd-keepalive", "/etc/pvcd/pvcd.toml")):
            right, old = host.read(file), self.main_pids(home)
            wrong = right + "colour = 1\n"
            self.event(f"{unit} of {home} is reloaded with an unknown key in {file}")
            host.write(file, wrong)
            done = host.run("systemctl", "reload", unit, check=False, timeout=PATIENCE)
            require(done.returncode != 0, f"the reload of {unit} did not fail")
            place = f"{file}:{len(wrong.splitlines())}: "
            said = [entry["MESSAGE"] for entry in host.journal(unit=f"{unit}.service", since_s=began)]
            require(any(place in text and "colour" in text for text in said), f"the journal does not name {place}: {said[-5:]}")
            self.require_goes_on(home, old)
            self.event("the key is taken away, and it is reloaded again")
            host.write(file, right)
            host.run("systemctl", "reload", unit, timeout=PATIENCE)
            new = self.main_pids(home)
            require({each for each in new if new[each] != old[each]} == {f"{unit}.service"}, f"before: {old}, after: {new}")
            require("0" not in new.values(), f"not all of {new} run")
        self.event(f"all units of {home} are reloaded, first with an unknown key in pvcd.toml")
        right, old = host.read("/etc/pvcd/pvcd.toml"), self.main_pids(home)
        host.write("/etc/pvcd/pvcd.toml", right + "colour = 1\n")
        done = host.run("systemctl", "reload", "pvcd*.service", check=False, timeout=PATIENCE)
        require(done.returncode != 0, "the reload of all units did not fail")
        self.require_goes_on(home, old)
        host.write("/etc/pvcd/pvcd.toml", right)
        host.run("systemctl", "reload", "pvcd*.service", timeout=PATIENCE)
        new = self.main_pids(home)
        require(all(new[unit] not in ("0", old[unit]) for unit in old), f"before: {old}, after: {new}")
        failed = [entry["MESSAGE"] for entry in host.journal(since_s=began) if "Failed with result" in entry.get("MESSAGE", "")]
        require(not failed, f"a unit failed: {failed}")
        self.wait_cluster_ready()
        require(self.where() == [home] == [self.owner()], f"web1 has a QEMU on {self.where()}, its owner is {self.owner()}, not {home}")
        require(self.cluster.guests.disk_state(IMAGE).run == before.run, "the guest was disturbed")

    # --------------------------------------------------------------------------------------------------------- the parts

    def main_pids(self, name: str) -> dict[str, str]:
        """Of pvcd's units that run there."""
        host = self.cluster.host(name)
        listed = host.run("systemctl", "list-units", "--plain", "--no-legend", "--state=active,activating,deactivating", "pvcd*.service").stdout
        return {unit: host.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout.strip()
                for unit in (line.split()[0] for line in listed.splitlines())}

    def require_goes_on(self, name: str, old: dict[str, str]) -> None:
        require(self.main_pids(name) == old, f"before: {old}, after: {self.main_pids(name)}")
        incarnation, counter = self.beats(name)
        wait_for(f"heartbeats of {name}", lambda: self.beats(name) >= (incarnation, counter + 3), PATIENCE)
        require(self.beats(name)[0] == incarnation, f"{name} has joined anew")

    def another(self, name: str) -> str:
        return next(host.name for host in self.cluster.hosts if host.name != name)

    def beats(self, name: str) -> tuple[int, int]:
        """How far its newest life has come; one heartbeat more may have been on its way."""
        life = self.newest_life(name)
        return (life["incarnation"], life["counter"]) if life else (0, 0)

    def give_roles_to_owner(self) -> str:
        """As in the third step of the story; who owns web1."""
        victim = self.owner()
        self.give_roles(victim, primary=True, leader=True)
        return victim

    def offs(self, name: str) -> list:
        return [act for act in self.cluster.bmc(name).acts() if act.command == "off"]

    def fences(self) -> dict[str, dict]:
        return self.store("fences")

    def stands_still(self, name: str) -> bool:
        """Its core has been stopped by a signal."""
        host = self.cluster.host(name)
        pid = host.run("systemctl", "show", "--property=MainPID", "--value", "pvcd.service").stdout.strip()
        return "State:\tT" in host.run("cat", f"/proc/{pid}/status", check=False).stdout

    def signal(self, signal: str, unit: str, names: list[str]) -> None:
        for name in names:
            self.cluster.host(name).run("systemctl", "kill", f"--signal={signal}", f"{unit}.service")

    def job(self, path: str) -> dict:
        return self.store("jobs")[f"j{int(path.rsplit('/', 1)[1]):010d}"]

    def switch(self, *names: str, hosts: list[str] | None = None) -> None:
        for host in self.cluster.hosts:
            if hosts is None or host.name in hosts:
                host.write(SWITCHES, "".join(f"{name}\n" for name in names))

    def configure_bmc(self, victim: str, address: str) -> None:
        self._misconfigured = victim if address != self.cluster.spec.bmc_address(victim) else ""
        hosts = [host for host in self.cluster.hosts if host.is_on()]
        for host in hosts:
            files = pvcd_config(self.cluster.spec, host.name, ipmi={"bmc": {victim: {"address": address}}})
            host.write("/etc/pvcd/plugins.d/ipmi.toml", files["/etc/pvcd/plugins.d/ipmi.toml"].text)
            host.run("systemctl", "restart", "pvcd-ipmi.service")
        # Until then the primary's may still count as stopped, and what is asked of it be refused.
        beats = {host.name: self.newest_life(host.name)["counter"] for host in hosts}
        for name, counter in beats.items():
            wait_for(f"{name} to report its ipmi again", lambda: (life := self.newest_life(name))["counter"] > counter + 2
                     and life["units"]["ipmi"]["state"] == "running", PATIENCE)

    def _started(self) -> bool:
        if self.vm("State") == "running" and self.where():
            return True
        try:
            return self.any_bus().start(self.uuid, PATIENCE)[0] in ("done", "skipped")
        except BusError:
            return False
