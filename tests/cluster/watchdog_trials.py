"""Trials of hosts that fence themselves: the watchdog of the lab cuts them for real. Proof by storage is switched off, so that
nothing but the watchdog can prove anything of a host whose BMC is dead.
"""
import time

from .lab.cluster import Cluster
from .lab.process import wait_for
from .lab.spec import WATCHDOG
from .stage import lab_stage
from .story import IMAGE, PATIENCE, require
from .trials import Trials

SESSION_MS, TIMEOUT_MS = 8000, 10000    # these machines are shared: what stands still for 5 s is cut
PROOF_LIMIT = SESSION_MS * 2 / 3 / 1000
LONGEST = (PROOF_LIMIT + TIMEOUT_MS / 1000) * 1.1

_PVCD = {"store": {"session_timeout_ms": SESSION_MS}, "timings": {"suspect_after_ms": 2500},
         "fencing": {"storage_fencer": "fake"}}     # which does not run here
_SELF_FENCE = {"self_fence": {"mode": "watchdog", "device": WATCHDOG, "timeout_ms": TIMEOUT_MS}}


def watchdog_lab(watchdogs: bool) -> Cluster:
    pvcd = _PVCD | (_SELF_FENCE if watchdogs else {})
    return Cluster(stage=str(lab_stage()), pvcd=True, config={"pvcd": pvcd}, watchdogs=watchdogs)


class WatchdogTrials(Trials):
    def a_host_that_nobody_reaches_is_cut_by_its_watchdog(self) -> None:
        victim = self.owner()
        boot = self.cluster.host(victim).boot_id()
        before = self.cluster.guests.disk_state(IMAGE)
        require(self.self_fence_of(victim)["armed"], f"{victim} is not on record as armed: {self.self_fence_of(victim)}")
        self.cut_off_with_its_bmc(victim)
        cut_off_at = time.time()
        wait_for(f"the watchdog of {victim} to cut it", lambda: self.acts(victim)[-1] == "cut", PATIENCE)
        self.note(f"the watchdog of {victim} cuts it")
        wait_for(f"{victim} to be off", lambda: not self.cluster.host(victim).is_on(), PATIENCE)
        require(self.owner() == victim, "web1 was given away before its host was off")
        self.wait_running_elsewhere(victim)
        self.note("web1 runs elsewhere")
        waited = time.time() - cut_off_at
        self.wait_new_run(before)
        evidence = self.evidence_about(boot)
        require(evidence.get("kind") == "watchdog", f"the evidence about {victim} is {evidence}")
        require(waited > LONGEST - SESSION_MS / 6000, f"it was taken for cut after {waited:.1f} s of silence")
        require(not self.offs(victim), f"an off was carried out by the BMC of {victim}")
        self.require_single_writer()
        self.event(f"{victim} gets power again")
        self.heal()
        self.cluster.host(victim).wait_up()
        wait_for(f"{victim} to join in a new boot", lambda: self.self_fence_of(victim).get("armed")
                 and self.node(self.another(victim), victim, "BootId") != boot, PATIENCE)
        self.require_single_writer()

    def a_host_that_leaves_in_order_is_not_cut(self) -> None:
        victim = self.owner()
        before = self.cluster.guests.disk_state(IMAGE)
        self.event(f"pvcd is stopped on {victim}, with web1 running")
        self.stop_pvcd(victim)
        wait_for(f"the watchdog of {victim} to be disarmed", lambda: self.acts(victim)[-1] == "disarmed", PATIENCE)
        require(not self.self_fence_of(victim)["armed"], "it is on record as armed")
        self.cluster.bmc(victim).dead()
        time.sleep(2 * LONGEST)         # nothing is to happen: there is no condition to wait for
        require(self.where() == [victim] and self.owner() == victim, f"web1 runs on {self.where()}, {self.owner()} has it")
        self.cluster.guests.wait_count(IMAGE, before.count + 2, PATIENCE)
        require(self.cluster.guests.disk_state(IMAGE).run == before.run, "the guest was disturbed")
        self.event(f"pvcd is started again on {victim}")
        self.cluster.bmc(victim).alive()
        self.cluster.host(victim).run("systemctl", "start", "pvcd.target", timeout=PATIENCE)
        wait_for(f"{victim} to be armed again", lambda: self.self_fence_of(victim).get("armed"), PATIENCE)
        require(self.acts(victim)[-1] == "armed", f"the watchdog of {victim}: {self.acts(victim)}")

    def a_helper_that_is_killed_comes_back_in_time(self) -> None:
        victim = self.owner()
        before = self.cluster.guests.disk_state(IMAGE)
        pid = self.helper_of(victim)
        self.cluster.host(victim).run("systemctl", "reload", "pvcd-watchdog.service")
        require(self.helper_of(victim) == pid, "a reload, which only checks the configuration, has restarted it")
        self.event(f"kill -9 of the helper on {victim}")
        self.cluster.host(victim).run("systemctl", "kill", "--signal=KILL", "pvcd-watchdog.service")
        wait_for("another process of it", lambda: self.helper_of(victim) not in ("0", pid), PATIENCE)
        self.cluster.guests.wait_count(IMAGE, before.count + int(2 * LONGEST), 2 * PATIENCE)
        require(self.acts(victim)[-1] == "armed" and self.cluster.host(victim).is_on(), f"the watchdog of {victim}: {self.acts(victim)}")
        require(self.cluster.guests.disk_state(IMAGE).run == before.run, "the guest was disturbed")

    def a_host_without_a_device_says_so_and_takes_no_vm(self) -> None:
        victim = self.another(self.owner())
        host = self.cluster.host(victim)
        config = host.read("/etc/pvcd/pvcd.toml")
        self.event(f"{victim} is started with a device that is not there")
        self.stop_pvcd(victim)
        host.write("/etc/pvcd/pvcd.toml", config.replace(WATCHDOG, "/dev/no-such-watchdog"))
        host.run("systemctl", "start", "pvcd.target", timeout=PATIENCE)
        asked = self.owner()
        note = wait_for(f"{victim} to be shown as not ready", lambda: self.node(asked, victim, "FenceReady") is False
                        and "no-such-watchdog" in (said := self.node(asked, victim, "FenceNote") or "") and said, PATIENCE)
        self.note(note)
        self.event("its configuration is corrected")
        self.stop_pvcd(victim)
        host.write("/etc/pvcd/pvcd.toml", config)
        host.run("systemctl", "start", "pvcd.target", timeout=PATIENCE)
        wait_for(f"{victim} to be ready", lambda: self.node(asked, victim, "FenceReady") and not self.node(asked, victim, "FenceNote"), PATIENCE)

    def without_a_watchdog_silence_proves_nothing(self) -> None:
        victim = self.owner()
        boot = self.cluster.host(victim).boot_id()
        self.cut_off_with_its_bmc(victim)
        other = self.another(victim)
        wait_for("web1 to say what it waits for", lambda: "waiting for proof" in (self.reason_on(other) or ""), PATIENCE)
        time.sleep(2 * LONGEST)         # nothing is to happen: there is no condition to wait for
        self.note(self.reason_on(other))
        require("waiting for proof" in self.reason_on(other), f"web1 says {self.reason_on(other)!r}")
        require(self.where() == [victim], f"web1 has a QEMU on {self.where()}")
        require(not self.evidence_about(boot), f"there is evidence: {self.evidence_about(boot)}")

    # --------------------------------------------------------------------------------------------------------- the parts

    def stop_pvcd(self, name: str) -> None:
        """To the last unit: systemctl waits for the target alone."""
        self.cluster.host(name).run("systemctl", "stop", "pvcd.target", timeout=PATIENCE)
        wait_for(f"every unit of {name} to be stopped", lambda: not self.units_of(name), PATIENCE)

    def units_of(self, name: str) -> list[str]:
        states = "--state=active,activating,deactivating,reloading"
        listed = self.cluster.host(name).run("systemctl", "list-units", "--plain", "--no-legend", states, "pvcd*.service").stdout
        return [line.split()[0] for line in listed.splitlines()]

    def cut_off_with_its_bmc(self, victim: str) -> None:
        self.event(f"{victim} is cut off from the other hosts, and its BMC is silent")
        self.cluster.bmc(victim).dead()
        self.cluster.net.cut(victim, "hosts")

    def acts(self, name: str) -> list[str]:
        return [act.what for act in self.cluster.watchdog(name).acts()] or [""]

    def self_fence_of(self, name: str) -> dict:
        return self.newest_life(name).get("self_fence", {})

    def evidence_about(self, boot: str) -> dict:
        return self.store("evidence").get(boot, {})

    def helper_of(self, name: str) -> str:
        return self.cluster.host(name).run("systemctl", "show", "--property=MainPID", "--value", "pvcd-watchdog.service").stdout.strip()

    def reason_on(self, name: str) -> str | None:
        return self.bus(name).vm(self.uuid, "FailedReason")
