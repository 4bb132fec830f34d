"""The trial of a disk that a person plugs into a running VM, past pvcd (safety rule 17)."""
from .lab.process import wait_for
from .lab.spec import POOL
from .story import AT_ONCE_S, IMAGE, PATIENCE, require
from .trials import Trials

PLUGGED = "plugged1"
DISK = f"""<disk type='network' device='disk'><driver name='qemu' type='raw' cache='none'/>
<source protocol='rbd' name='{POOL}/{PLUGGED}'><config file='/etc/ceph/ceph.conf'/></source><target dev='vdb' bus='virtio'/></disk>"""


def a_disk_that_is_plugged_in_by_hand_is_on_record(trials: Trials) -> None:
    home, ceph = trials.owner(), trials.cluster.ceph
    host = trials.cluster.host(home)
    ceph.create_image(PLUGGED)
    host.write("/run/plugged.xml", DISK)
    trials.event(f"virsh attach-device on {home}: web1 has a second disk, that pvcd was not asked about")
    host.run("virsh", "-q", "attach-device", "--live", "web1", "/run/plugged.xml")
    [client] = ceph.watchers(PLUGGED)
    instance = {"image": f"{POOL}/{PLUGGED}", "address": client["address"]}
    wait_for(f"{instance} to be on record", lambda: instance in recorded(trials), PATIENCE)
    trials.note(f"its client of Ceph, {client['address']}, is on record")
    before, old = ceph.watchers(IMAGE), trials.qemu(home).pid
    require({each["address"] for each in recorded(trials)} == {each["address"] for each in [client, *before]},
            f"on record are {recorded(trials)}, and the images are watched by {client} and {before}")
    trials.event("kill -9 of the QEMU of web1: it is started as it was defined, without that disk")
    count = trials.cluster.guests.disk_state(IMAGE)
    host.kill_qemu("web1")
    wait_for(f"a new QEMU of web1 on {home}", lambda: (new := trials.qemu(home)) and new.pid != old, AT_ONCE_S)
    trials.wait_new_run(count)
    trials.require_flushed([client, *before])
    trials.note("what the dead QEMU could have written to either disk was cut off before")
    wait_for("the new QEMU alone to be on record", lambda: [each["image"] for each in recorded(trials)] == [f"{POOL}/{IMAGE}"], PATIENCE)
    trials.require_single_writer()
    ceph.remove_image(PLUGGED)


def recorded(trials: Trials) -> list[dict]:
    return trials.store("runs")[trials.uuid]["instances"]
