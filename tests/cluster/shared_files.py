"""The trial of a VM whose disk is a file that all hosts share, as over NFS (safety rule 12)."""
import re
import uuid as uuids
from contextlib import contextmanager

from .bus import Bus, vm_path
from .lab.guest import parse_disk
from .lab.process import wait_for
from .lab.pvcd import pvcd_config
from .lab.supervisor import SHARED
from .story import PATIENCE, require
from .trials import Trials

NAME = "files1"
FILE = f"{NAME}.raw"


def a_copy_of_shared_files_is_not_started_from(trials: Trials) -> None:
    victim, heir = (host.name for host in trials.cluster.hosts[:2])
    with shared_directory(trials):
        uuid = define(trials, victim, heir)
        host = trials.cluster.host(heir)
        result, message = trials.any_bus().start(uuid, PATIENCE)
        require(result == "done" and trials.where(NAME) == [victim], f"Start ended {result}: {message}, on {trials.where(NAME)}")
        before = wait_count(trials, 2)
        trials.event(f"{heir} mounts a copy of {SHARED} of now, with all its files, at the same path")
        host.run("sh", "-c", f"mkdir /tmp/copy && mount -t tmpfs copy /tmp/copy && cp -a {SHARED}/. /tmp/copy && mount --bind /tmp/copy {SHARED}")
        after_the_copy = wait_count(trials, before.count + 2)
        trials.event(f"power cut of {victim}, where {NAME} runs, which may run on {heir} only")
        trials.cluster.host(victim).power_cut()
        at_the_end = wait_count(trials, after_the_copy.count)      # it may have counted until then
        reason = wait_for(f"{heir} to say why it does not start {NAME}", lambda: refusal(trials.bus(heir), uuid), 2 * PATIENCE)
        trials.note(reason)
        require(not trials.where(NAME), f"{NAME} runs on {trials.where(NAME)}, from a copy")
        trials.event(f"{heir} has the file system again that {NAME} ran on")
        host.run("umount", SHARED)
        wait_for(f"{NAME} to run on {heir}", lambda: trials.where(NAME) == [heir] and trials.bus(heir).vm(uuid, "State") == "running", 2 * PATIENCE)
        done = wait_count(trials, at_the_end.count + 1)
        require(done.run != before.run and not done.overlap and not done.foreign, f"the guest does not go on from what was on its disk: {done}")
        trials.note(f"it goes on from {at_the_end.count}")
        trials.heal()
        trials.wait_cluster_ready()
        for method in ("Stop", "Undefine"):
            result, message = trials.any_bus().wait_job(trials.any_bus().job(vm_path(uuid), "Vm", method), PATIENCE)
            require(result == "done", f"{method} ended {result}: {message}")


@contextmanager
def shared_directory(trials: Trials):
    """Configured on all hosts, and not any more afterwards."""
    configure(trials, {"hooks": {"vm_pre_start": ["shared-files", "rbd-locks"]}, "storage": {"shared_directories": [SHARED]}}, "enable")
    try:
        yield
    finally:
        trials.heal()
        configure(trials, {}, "disable")


def configure(trials: Trials, pvcd: dict, enable: str) -> None:
    for host in trials.cluster.hosts:
        file = "/etc/pvcd/pvcd.toml"
        host.write(file, pvcd_config(trials.cluster.spec, host.name, pvcd=pvcd)[file].text)
        host.run("systemctl", enable, "--now", "pvcd-shared-files.service")
        host.run("systemctl", "reload", "pvcd.service", timeout=PATIENCE)
    trials.wait_cluster_ready()


def define(trials: Trials, home: str, other: str) -> str:
    """A guest that counts into a file in the shared directory."""
    uuid = str(uuids.uuid4())
    with open(trials.cluster.spec.shared_dir / FILE, "wb") as disk:
        disk.truncate(64 * 2**20)
    file = f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{SHARED}/{FILE}'/><target dev='vda' bus='virtio'/></disk>"
    xml = re.sub(r"<disk .*</disk>", file, trials.cluster.guests.xml(NAME, uuid), flags=re.DOTALL)
    trials.any_bus().define(xml, home_node=home)
    require(trials.any_bus().vm(uuid, "Disks") == [["vda", "shared", f"{SHARED}/{FILE}"]], f"its disks: {trials.any_bus().vm(uuid, 'Disks')}")
    trials.any_bus().call(vm_path(uuid), "Vm", "Configure", "a{sv}", "1", "node_limit", "as", "2", home, other)
    return uuid


def refusal(bus: Bus, uuid: str) -> str:
    said = bus.vm(uuid, "FailedReason") or ""
    return said if f"is not what {SHARED}/{FILE} last ran on" in said else ""


def wait_count(trials: Trials, count: int):
    def reached():
        state = parse_disk((trials.cluster.spec.shared_dir / FILE).read_bytes())
        return state if state.count >= count else None
    return wait_for(f"{NAME} counted to {count}", reached, PATIENCE)
