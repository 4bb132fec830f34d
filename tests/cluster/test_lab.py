"""The lab itself: what the cluster tests rely on."""
import os
import signal
import subprocess
import time
import uuid

import pytest

from tests.cluster.lab.cluster import Cluster, labs
from tests.cluster.lab.guest import parse_disk
from tests.cluster.lab.process import LabError, LabTimeout, python_module, wait_for
from tests.cluster.lab.pvcd import pvcd_config
from tests.cluster.lab.spec import Spec

PREFIX = "pvltst"                      # beside whatever lab somebody works with

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")


@pytest.fixture(scope="module")
def cluster():
    with Cluster(prefix=PREFIX) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def healed(request):
    """A test that fails within a partition fails alone."""
    yield
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster").net.heal()


def sector(text: str) -> bytes:
    return text.encode().ljust(511) + b"\n"


def test_disk_of_a_well_behaved_guest():
    state = parse_disk(sector("COUNT run=b n=9") + sector("RUN run=b first=5 last=9 foreign=0")
                       + sector("RUN run=a first=1 last=4 foreign=0") + bytes(512))
    assert (state.count, state.run, [run.run for run in state.runs]) == (9, "b", ["a", "b"])
    assert (state.foreign, state.overlap) == (0, False)


def test_disk_of_two_writers():
    state = parse_disk(sector("COUNT run=b n=9") + sector("RUN run=b first=4 last=9 foreign=0")
                       + sector("RUN run=a first=1 last=6 foreign=b:4"))
    assert (state.foreign, state.overlap) == (1, True)


def test_pvcd_config_merges_overrides():
    files = pvcd_config(Spec(), "n2", pvcd={"store": {"session_timeout_ms": 5000}}, ipmi={"bmc": {"n1": {"address": "x"}}})
    assert 'name = "n2"' in files["/etc/pvcd/pvcd.toml"].text
    assert "session_timeout_ms = 5000\nserver_tick_ms = 200" in files["/etc/pvcd/pvcd.toml"].text
    assert '[bmc.n1]\naddress = "x"\nusername = "pvcd"' in files["/etc/pvcd/plugins.d/ipmi.toml"].text
    assert files["/etc/pvcd/bmc.secret"].mode == 0o600


@needs_root
def test_hosts_are_whole_systems(cluster):
    for host in cluster.hosts:
        assert host.run("systemctl", "is-system-running", "--wait").stdout == "running\n"
        assert host.run("virsh", "-q", "list").returncode == 0
        assert host.run("rbd", "ls", "vms").returncode == 0
    assert cluster.zookeeper.leader() in cluster.spec.names
    assert "/zookeeper" in cluster.zookeeper.dump_store()


@needs_root
def test_polkit_refuses_an_ordinary_user(cluster):
    refused = cluster.host("n1").run("systemctl", "stop", "zookeeper", user="alice", check=False)
    assert refused.returncode != 0 and "authentication required" in refused.stderr


@needs_root
def test_commands_are_bounded(cluster):
    begin = time.monotonic()
    with pytest.raises(LabTimeout, match="n1: no end within 0.5 s: sleep 60"):
        cluster.host("n1").run("sleep", "60", timeout=0.5)
    assert time.monotonic() - begin < 3


@needs_root
def test_bmc_cuts_the_power_and_the_disk_stays(cluster):
    host, bmc = cluster.host("n2"), cluster.bmc("n2")
    host.write("/etc/kept", "kept")
    host.write("/run/lost", "lost")
    boot_id, machine_id = host.boot_id(), host.read("/etc/machine-id")
    begin = time.time()

    bmc.ipmi("chassis", "power", "off", source="n1")
    assert not host.is_on() and not bmc.power()
    act, = bmc.acts()
    assert (act.command, act.outcome) == ("off", "done") and begin < act.begin < act.end < time.time()
    host.write("/etc/written-while-off", "yes")

    bmc.ipmi("chassis", "power", "on", source="n1")
    host.wait_up()
    assert bmc.power()
    assert host.boot_id() != boot_id and host.read("/etc/machine-id") == machine_id
    assert host.read("/etc/kept") + host.read("/etc/written-while-off") == "keptyes"
    with pytest.raises(LabError):
        host.read("/run/lost")
    cluster.zookeeper.wait_serving()


@needs_root
def test_reboot_from_within(cluster):
    host = cluster.host("n3")
    before = host.boot_id()
    host.run("systemctl", "--no-block", "reboot")
    wait_for("n3 rebooted", lambda: host.boot_id() not in ("", before), 30)
    assert host.is_on()


@needs_root
def test_bmc_that_lies_and_bmc_that_is_dead(cluster):
    host, bmc = cluster.host("n3"), cluster.bmc("n3")
    bmc.lie(True)
    bmc.ipmi("chassis", "power", "off")
    bmc.lie(False)
    assert host.is_on() and bmc.power() and bmc.acts()[-1].outcome == "ignored"

    bmc.dead()
    with pytest.raises(LabError):
        bmc.power()
    bmc.alive()
    assert bmc.power() and len(bmc.acts()) == 1


@needs_root
def test_partition(cluster):
    def reaches(name, address, port):
        return connects(name, address, port, 10)

    def misses(name, address, port):
        return not connects(name, address, port, 0.5)

    def connects(name, address, port, limit_s):
        script = f"exec 3<>/dev/tcp/{address}/{port}"
        return cluster.host(name).run("timeout", str(limit_s), "bash", "-c", script, check=False).returncode == 0
    n2, ceph = (cluster.host("n2").address, 2181), (cluster.spec.ceph_address, 6789)
    cluster.zookeeper.wait_serving()
    assert reaches("n1", *n2) and reaches("n1", *ceph)
    cluster.net.cut("n1", "n2")
    assert misses("n1", *n2) and reaches("n3", *n2) and reaches("n1", *ceph)
    cluster.net.cut("n1", "ceph")
    assert misses("n1", *ceph) and reaches("n3", *ceph)
    cluster.net.heal()
    assert reaches("n1", *n2) and reaches("n1", *ceph)

    cluster.net.cut("n1")
    wait_for("the cut off server stops serving", lambda: cluster.zookeeper.mode("n1") == "not serving", 10)
    cluster.zookeeper.wait_serving(2)       # n1 may have been the leader: the others elect first
    cluster.net.heal("n1")
    cluster.zookeeper.wait_serving()


@needs_root
def test_frozen_host_hangs_and_goes_on(cluster):
    host = cluster.host("n3")
    boot_id = host.boot_id()
    host.freeze()
    assert host.is_on() and cluster.zookeeper.mode("n3") == "no answer"
    host.thaw()
    assert host.boot_id() == boot_id
    cluster.zookeeper.wait_serving()


@needs_root
def test_guest_counts_and_goes_on_elsewhere(cluster):
    first, second = cluster.host("n1"), cluster.host("n2")
    vm = str(uuid.uuid4())
    cluster.ceph.create_image("vm1")
    cluster.guests.start(first, "vm1", vm)
    count = cluster.guests.wait_count("vm1", 3).count
    assert [(qemu.name, qemu.uuid) for qemu in first.qemu_pids()] == [("vm1", vm)]
    locker, = cluster.ceph.lockers("vm1")
    assert locker["address"].startswith(f"{first.address}:") and cluster.ceph.watchers("vm1")

    first.power_cut()
    cluster.ceph.command("osd blocklist", blocklistop="add", addr=first.address)
    assert any(entry["address"].startswith(first.address) for entry in cluster.ceph.blocklist())
    second.run("rbd", "lock", "rm", "vms/vm1", locker["cookie"], locker["client"])
    cluster.guests.start(second, "vm1", vm)
    state = cluster.guests.wait_count("vm1", count + 2)
    assert len(state.runs) == 2 and state.foreign == 0 and not state.overlap

    second.kill_qemu("vm1")
    wait_for("QEMU gone", lambda: not second.qemu_pids(), 5)


@needs_root
def test_double_start_shows_on_the_disk(cluster):
    """Two live writers pass the image's lock to and fro; nothing but the disk's own record tells."""
    first, second = cluster.host("n2"), cluster.host("n3")
    cluster.ceph.create_image("twice")
    for host in (first, second):
        cluster.guests.start(host, "twice", str(uuid.uuid4()))
    wait_for("a double start seen", lambda: cluster.guests.disk_state("twice").foreign, 30, 0.2)
    assert cluster.guests.disk_state("twice").overlap


@needs_root
@pytest.mark.parametrize("moment", [0, 0.3, 0.9])
def test_down_finds_what_a_killed_driver_left(moment):
    driver = subprocess.Popen(python_module("__main__", "--prefix", "pvlkill", "up"), stdout=subprocess.DEVNULL)
    lab = Cluster(prefix="pvlkill")
    wait_for("the driver has begun", lab.leftovers, 30, 0.05)
    time.sleep(moment)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert lab.leftovers()
    if moment == 0.3:                   # the next run takes it away before it begins
        lab.up()
        assert all(host.is_up() for host in lab.hosts)
    lab.down()
    assert not lab.leftovers()


@needs_root
def test_down_takes_other_labs_along_unless_a_run_uses_them():
    driver = subprocess.Popen(python_module("__main__", "--prefix", "pvlkill", "up"), stdout=subprocess.DEVNULL)
    wait_for("the driver has begun", lambda: "pvlkill" in labs(), 30, 0.05)
    down = python_module("__main__", "--prefix", "pvlnone", "down", "pvlk?ll")
    refused = subprocess.run(down, stderr=subprocess.PIPE, text=True)
    assert refused.returncode == 1 and "lab pvlkill: another run uses this lab" in refused.stderr
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    subprocess.run(down, check=True)
    assert not Cluster(prefix="pvlkill").leftovers()


@needs_root
def test_stage_and_configuration(tmp_path):
    """With the unit below /lib, where systemd's pkg-config file wants it, and the rest below /usr."""
    units, users = tmp_path / "lib/systemd/system", tmp_path / "usr/lib/sysusers.d"
    units.mkdir(parents=True)
    users.mkdir(parents=True)
    (units / "pvcd.target").write_text("[Unit]\nWants=pvcd.service\n")
    (units / "pvcd.service").write_text("[Service]\nUser=pvcd\nExecStart=/bin/sleep infinity\n")
    (users / "pvcd.conf").write_text("u pvcd -\n")
    overrides = {"pvcd": {"cluster": {"name": "other"}}}
    with Cluster(prefix="pvlkill", hosts=1, stage=str(tmp_path), pvcd=True, config=overrides) as lab:
        host = lab.host("n1")
        assert host.run("systemctl", "is-active", "pvcd.target", "pvcd.service").stdout == "active\nactive\n"
        assert 'name = "other"' in host.read("/etc/pvcd/pvcd.toml")
        assert host.run("stat", "-c", "%a %U", "/etc/pvcd/store.secret").stdout == "600 root\n"


@needs_root
def test_failed_up_cleans_up(monkeypatch):
    def fail():
        raise LabError("no kernel")
    lab = Cluster(prefix="pvlkill")
    monkeypatch.setattr(lab.guests, "build", fail)
    with pytest.raises(LabError, match="no kernel"):
        lab.up()
    assert not lab.leftovers()
