"""The trial of BMCs without a GUID, which their hosts mark with the id of their boot (safety rule 16).

The hosts are containers and have no /dev/ipmi0: an ipmitool of the lab's in each turns in-band into LAN (lab/install.py).
"""
from .bus import node_path
from .lab.cluster import Cluster
from .lab.process import wait_for
from .stage import lab_stage
from .story import IMAGE, PATIENCE, require
from .trials import Trials


def mark_lab() -> Cluster:
    return Cluster(stage=str(lab_stage()), pvcd=True, guids=False)


def a_host_is_fenced_by_a_bmc_that_only_its_mark_tells(trials: Trials) -> None:
    boots = {host.name: host.boot_id() for host in trials.cluster.hosts}        # all are ready for fencing
    marks = {bmc.name: bmc.mark() for bmc in trials.cluster.bmcs}
    require(marks == boots and all(boots.values()), f"the marks are {marks}, the boots {boots}")
    victim = trials.owner()
    wrong = trials.another(victim)
    another_hosts_bmc_is_refused(trials, victim, wrong, boots)
    its_own_bmc_proves_it_off(trials, victim, boots[victim])
    the_mark_of_an_older_boot_is_refused(trials, victim, boots[victim])
    trials.require_single_writer()


def another_hosts_bmc_is_refused(trials: Trials, victim: str, wrong: str, boots: dict[str, str]) -> None:
    trials.event(f"the BMC of {wrong} is configured for {victim}")
    trials.configure_bmc(victim, trials.cluster.spec.bmc_address(wrong))
    require_refused(trials, victim, shown=boots[wrong], expected=boots[victim])
    trials.event("the configuration is corrected")
    trials.configure_bmc(victim, trials.cluster.spec.bmc_address(victim))
    wait_ready(trials, victim)


def its_own_bmc_proves_it_off(trials: Trials, victim: str, boot: str) -> None:
    before = trials.cluster.guests.disk_state(IMAGE)
    trials.cluster.host(victim).run("systemctl", "mask", "pvcd-ipmi.service")   # of the next boot
    trials.event(f"power cut of {victim}, which will not mark its BMC when it is back")
    trials.cluster.host(victim).power_cut()
    trials.note(f"web1 runs on {trials.wait_running_elsewhere(victim)}")
    trials.wait_new_run(before)
    require(trials.evidence_kind(boot) == "power", f"the evidence about {victim} is {trials.evidence_kind(boot)}")
    trials.require_off_was_sent(victim)


def the_mark_of_an_older_boot_is_refused(trials: Trials, victim: str, older: str) -> None:
    trials.event(f"{victim} gets power again")
    host = trials.cluster.host(victim)
    host.power_on()
    boot = wait_for(f"{victim} to join in its new boot", lambda: (new := host.boot_id()) != older
                    and trials.node(trials.another(victim), victim, "BootId") == new and new, PATIENCE)
    require(trials.cluster.bmc(victim).mark() == older, f"its BMC carries {trials.cluster.bmc(victim).mark()}")
    require_refused(trials, victim, shown=older, expected=boot)
    trials.event(f"{victim} may mark its BMC")
    host.run("systemctl", "unmask", "pvcd-ipmi.service")
    host.run("systemctl", "start", "pvcd-ipmi.service")
    wait_ready(trials, victim)
    require(trials.cluster.bmc(victim).mark() == boot, f"its BMC carries {trials.cluster.bmc(victim).mark()}, not {boot}")


def require_refused(trials: Trials, victim: str, shown: str, expected: str) -> None:
    result, message = trials.any_bus().wait_job(trials.any_bus().job(node_path(victim), "Node", "VerifyFence"), PATIENCE)
    trials.note(f"{result}: {message}")
    said = f"carries the mark of boot {shown}, not of {victim}'s boot {expected}"
    require(result == "failed" and said in message, f"VerifyFence ended {result}: {message}")
    asked = trials.another(victim)
    wait_for(f"{victim} to be shown as not ready", lambda: trials.node(asked, victim, "FenceReady") is False, PATIENCE)


def wait_ready(trials: Trials, victim: str) -> None:
    asked = trials.another(victim)
    wait_for(f"{victim} to be ready for fencing", lambda: trials.node(asked, victim, "FenceReady"), PATIENCE)
    trials.note(f"{victim} is ready for fencing")
