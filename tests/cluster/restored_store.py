"""The trial of a store whose servers get the disks of an older day back (safety rule 15).

One host was off while the store lost what the others have seen, so it cannot know; and the others' clients have seen newer data than
the servers have, which keep them out until they begin anew.
"""
from .bus import ROOT, Bus
from .lab.process import LabError, wait_for
from .story import ELECTIONS_MAX, IMAGE, PATIENCE, require
from .trials import Trials

STILL_BEATS = 20            # heartbeats of a host in which nothing may be begun


def a_restored_store_is_not_acted_on(trials: Trials) -> None:
    hosts = trials.cluster.hosts
    older = copy_of_this_epoch(trials)
    owner, primary = trials.owner(), trials.leader()["node"]
    absent = next(host for host in hosts if host.name not in (owner, primary))
    others = [host for host in hosts if host is not absent]
    newer = what_only_the_others_see(trials, absent, owner)

    trials.event(f"the servers get the copy back, and {absent.name} gets power again")
    trials.cluster.zookeeper.put_copy_back(others)
    absent.power_on()
    for host in others:
        wait_for(f"{host.name} to say what is lost", lambda: host.name in witnesses(host), PATIENCE)
    lost = f"the store is at epoch {older}, this node has seen {newer}"
    wait_for(f"{absent.name} to be told", lambda: witnesses(absent) == {host.name: lost for host in others}, PATIENCE)
    trials.note(f"{absent.name} is told: {lost}")
    nothing_is_begun(trials, owner, older)

    before = trials.cluster.guests.disk_state(IMAGE)
    trials.event("an operator accepts the store as it is")
    Bus(absent).call(ROOT, "Manager", "AcceptStore", "a{sv}", "0")
    wait_for("web1 to run again", lambda: trials.vm("State") == "running" and trials.where(), PATIENCE)
    trials.wait_new_run(before)
    require(trials.leader()["epoch"] > newer, f"the epoch is {trials.leader()['epoch']}, {newer} was seen")
    trials.wait_cluster_ready()
    require(not witnesses(absent), f"still said: {witnesses(absent)}")
    trials.require_single_writer()


def copy_of_this_epoch(trials: Trials) -> int:
    """The role may move while the servers stand still: then the copy is of an epoch before."""
    for _ in range(ELECTIONS_MAX):
        trials.event("the disks of all servers are copied")
        epoch = trials.leader()["epoch"]
        trials.cluster.zookeeper.copy_disks(trials.cluster.hosts)
        trials.wait_cluster_ready()
        if trials.leader()["epoch"] == epoch:
            return epoch
    raise LabError(f"the role has moved {ELECTIONS_MAX} times while the servers stood still")


def what_only_the_others_see(trials: Trials, absent, owner: str) -> int:
    """The epoch at which another takes the role."""
    trials.event(f"power cut of {absent.name}, then {owner} becomes primary")
    absent.power_cut()
    trials.make_primary(owner)
    return trials.leader()["epoch"]


def witnesses(host) -> dict[str, str]:
    return Bus(host).peek(ROOT, "Manager", "Witnesses") or {} if host.is_up() else {}


def nothing_is_begun(trials: Trials, owner: str, epoch: int) -> None:
    offs = {host.name: len(trials.offs(host.name)) for host in trials.cluster.hosts}
    trials.event("web1's QEMU is killed")
    trials.cluster.host(owner).kill_qemu("web1")
    counters = {host.name: trials.newest_life(host.name)["counter"] for host in trials.cluster.hosts}
    for name, counter in counters.items():
        wait_for(f"heartbeats of {name}", lambda: trials.newest_life(name)["counter"] > counter + STILL_BEATS, PATIENCE)
        require(not trials.where(), f"web1 has a QEMU on {trials.where()}")
    require(trials.leader()["epoch"] == epoch, f"somebody claimed epoch {trials.leader()['epoch']}")
    require({host.name: len(trials.offs(host.name)) for host in trials.cluster.hosts} == offs, "somebody was switched off")
    require(not trials.fences(), f"there are fences: {trials.fences()}")
    trials.note(f"nothing was claimed, fenced or started in {STILL_BEATS} heartbeats")
