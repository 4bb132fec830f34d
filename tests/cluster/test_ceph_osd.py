"""Figures of the Ceph cluster: those of the plugin beside those of Ceph's own command line, joined by id; with daemons that
hang, are killed or were never there; and what hosts show of them on their buses.
"""
import json
import math
import os
import time

import pytest

from tests.cluster.bus import ROOT, Bus
from tests.cluster.ceph_alone import DRIVER, CephAlone, Driver
from tests.cluster.lab.cluster import Cluster
from tests.cluster.lab.process import wait_for
from tests.cluster.lab.spec import POOL
from tests.cluster.sabotage import lab_stage
from tests.cluster.trials import Trials

PREFIX = "pvlosd"
OSDS = 3
BOUNDED_S = 3.9                         # connected or not: one command runs into the limit of 2 s, not a second one
INTERVAL_MS = 1000
STORAGE = f"{ROOT}/storage"
NOT_KNOWN = 2**64 - 1
KIB = 1024

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")


@pytest.fixture(scope="module")
def lab():
    assert DRIVER.exists(), f"{DRIVER} is missing: ./dev build"
    with CephAlone(prefix=PREFIX, hosts=1, osds=OSDS, manager=True, cephx=True) as lab:
        yield lab


@pytest.fixture
def driver(lab):
    driver = Driver(lab)
    wait_for("a survey without a gap", lambda: driver.observe()["note"] == "", 40, 0.5)
    yield driver
    driver.kill()


def settled(ask_ours, ask_theirs, equal, limit_s=60):
    """Figures move: ours and theirs are read until they were the same on both sides of ours."""
    def same():
        before, ours, after = ask_theirs(), ask_ours(), ask_theirs()
        return ours if before == after and equal(ours, before) else None
    return wait_for("the same figures", same, limit_s, 0.2)


def test_every_figure_is_that_of_the_command_line(lab, driver):
    ceph = lab.ceph

    def theirs():
        dump, tree = ceph.cli("osd", "dump"), ceph.cli("osd", "tree")
        hosts = {child: node["name"] for node in tree["nodes"] if node["type"] == "host" for child in node["children"]}
        places = {node["id"]: node for node in tree["nodes"] if node["type"] == "osd"}
        usage = {node["id"]: node for node in ceph.cli("osd", "df")["nodes"]}
        pools = {pool["id"]: (pool["name"], pool["stats"]["objects"], pool["stats"]["stored"]) for pool in ceph.cli("df")["pools"]}
        health = ceph.cli("health")
        return health["status"], set(health["checks"]), pools, {osd["osd"]: {
            "uuid": osd["uuid"], "up": bool(osd["up"]), "in": bool(osd["in"]), "state": ",".join(osd["state"]),
            "reweight": osd["weight"], "primary_affinity": osd["primary_affinity"], "node": hosts[osd["osd"]],
            "device_class": places[osd["osd"]]["device_class"], "crush_weight": places[osd["osd"]]["crush_weight"],
            "pgs": usage[osd["osd"]]["pgs"], "utilization": usage[osd["osd"]]["utilization"] / 100,
            "variance": usage[osd["osd"]]["var"], "size_bytes": usage[osd["osd"]]["kb"] * KIB,
            "used_bytes": usage[osd["osd"]]["kb_used"] * KIB, "available_bytes": usage[osd["osd"]]["kb_avail"] * KIB,
        } for osd in dump["osds"]}

    def equal(survey, wanted):
        status, checks, pools, osds = wanted
        if (survey["health"]["status"], {check["name"] for check in survey["health"]["checks"]}) != (status, checks):
            return False
        found = {osd["id"]: osd for osd in survey["osds"]}
        if {pool["id"]: (pool["name"], pool["objects"], pool["stored_bytes"]) for pool in survey["pools"]} != pools:
            return False
        return found.keys() == osds.keys() and all(found[number][key] == pytest.approx(value) if isinstance(value, float)
                                                   else found[number][key] == value
                                                   for number, figures in osds.items() for key, value in figures.items())
    lab.ceph.create_image("some", 64)
    survey = settled(driver.observe, theirs, equal)
    assert len(survey["osds"]) == OSDS and driver.seconds < BOUNDED_S
    assert POOL in [pool["name"] for pool in survey["pools"]]


def test_what_clients_write_is_told_for_pools_and_osds(lab, driver):
    lab.ceph.create_image("bench", 64)
    writer = lab.ceph.bench(POOL, "bench", seconds=60)
    try:
        def busy():
            survey = driver.observe()
            pool = next(pool for pool in survey["pools"] if pool["name"] == POOL)
            rates = [osd["write_bytes"] for osd in survey["osds"]]
            return None not in rates and sum(rates) > 0 and (pool["write_ops"] or 0) > 0
        wait_for("rates of a pool and of OSDs", busy, 60, 1)
    finally:
        writer.kill()
        writer.wait()


def test_a_manager_that_hangs_costs_its_figures_only(lab, driver):
    lab.ceph.freeze("mgr.x")
    try:
        survey = driver.observe()
        assert driver.seconds < BOUNDED_S
    finally:
        lab.ceph.thaw("mgr.x")
    assert survey["outcome"] == "done" and "osd df: no answer from Ceph in time" in survey["note"]
    assert all(osd["up"] and osd["utilization"] is None for osd in survey["osds"]) and len(survey["osds"]) == OSDS
    assert all(pool["stored_bytes"] is None for pool in survey["pools"]) and survey["health"]["status"]
    wait_for("it to answer again", lambda: driver.observe()["note"] == "", 20, 0.5)


def test_a_monitor_that_hangs_is_unknown(lab, driver):
    lab.ceph.freeze("mon.a")
    try:
        survey = driver.observe()
        assert driver.seconds < BOUNDED_S
    finally:
        lab.ceph.thaw("mon.a")
    assert survey["outcome"] == "unknown" and "no answer from Ceph in time" in survey["note"]
    wait_for("it to answer again", lambda: driver.observe()["note"] == "", 20, 0.5)


@pytest.mark.parametrize("caps, outcome, words", [
    (("mon", "allow r", "mgr", "allow r"), "done", ""),
    (("mon", "profile rbd", "mgr", "allow r", "osd", f"profile rbd pool={POOL}"), "done", ""),
    (("mon", "allow r"), "done", "the Ceph user may not; it needs the capabilities mon 'allow r' and mgr 'allow r'"),
    (("osd", "allow r"), "unknown", "connecting as client."),
])
def test_what_the_user_may_not_is_named(lab, driver, caps, outcome, words):
    user = lab.add_user(f"u{abs(hash(caps))}", *caps)
    other = Driver(lab, user)

    def named() -> bool:
        survey = other.observe()
        return survey["outcome"] == outcome and (words in survey["note"] if words else survey["note"] == "")
    wait_for(f"{outcome}, {words or 'without a note'}", named, 20)
    other.kill()


def test_a_wrong_key_or_no_file_is_named(lab, driver):
    with (lab.spec.dir / "ceph/keyring").open("a") as keyring:
        keyring.write("[client.wrong]\n\tkey = AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==\n")
    for client, conf in (("wrong", None), ("nobody", None), ("admin", "/nowhere/ceph.conf")):
        other = Driver(lab, client, conf)
        survey = other.observe()
        assert other.seconds < BOUNDED_S
        other.kill()
        assert survey["outcome"] == "unknown" and (conf or f"client.{client}") in survey["note"]


def test_an_osd_that_was_killed_is_down_and_still_listed(lab, driver):
    lab.ceph.kill("osd.2")
    wait_for("it to be seen down", lambda: [osd["up"] for osd in driver.observe()["osds"]] == [True, True, False], 30, 0.5)
    survey = driver.observe()
    assert survey["osds"][2]["state"] == "exists"
    assert any(check["name"] == "OSD_DOWN" for check in survey["health"]["checks"])


def test_without_a_manager_and_without_osds():
    with CephAlone(prefix=PREFIX + "z", net="10.214.0", hosts=1, osds=0) as lab:
        driver = Driver(lab)
        survey = driver.observe()
        assert driver.seconds < BOUNDED_S
        driver.kill()
    assert survey["outcome"] == "done" and survey["osds"] == [] and "osd df: no answer from Ceph in time" in survey["note"]


# ------------------------------------------------------------------------------------------------------- on every host's bus

@pytest.fixture(scope="module")
def trials():
    config = {"pvcd": {"storage": {"interval_ms": INTERVAL_MS}}}
    with Cluster(stage=str(lab_stage()), pvcd=True, config=config, osds=OSDS, manager=True) as cluster:
        trials = Trials(cluster)
        trials.prepare()
        yield trials


def storage(host, name):
    return Bus(host).peek(STORAGE, "Storage", name)


def is_fresh(host) -> bool:
    age = storage(host, "Age")
    return age is not None and age < 4 * INTERVAL_MS * 1000 and storage(host, "Note") == ""


def wait_fresh(trials) -> None:
    for host in trials.cluster.hosts:
        wait_for(f"fresh figures on {host.name}", lambda: is_fresh(host), 60, 0.3)


def test_every_host_shows_the_figures(trials):
    wait_fresh(trials)
    theirs = {osd["osd"]: osd for osd in trials.cluster.ceph.command("osd dump")["osds"]}
    for host in trials.cluster.hosts:
        assert storage(host, "Osds") == storage(host, "OsdsUp") == storage(host, "OsdsIn") == OSDS
        assert POOL in [pool[1] for pool in storage(host, "Pools")]
        for number, osd in theirs.items():
            path = f"{ROOT}/osd/{number}"
            assert Bus(host).get(path, "Osd", "Uuid") == osd["uuid"]
            assert 0 <= Bus(host).get(path, "Osd", "Utilization") < 1
    never_primary = [host for host in trials.cluster.hosts if not any("this node is primary" in entry.get("MESSAGE", "")
                                                                      for entry in host.journal(unit="pvcd.service"))]
    assert never_primary
    for host in never_primary:          # only the primary loads Ceph
        facts = host.run("busctl", "--json=short", "get-property", "org.pvcd1.plugin.ceph_osd", "/org/pvcd1/plugin", "org.pvcd1.Plugin", "Facts")
        assert json.loads(facts.stdout)["data"] == {}


def test_a_manager_that_hangs_is_said_on_the_bus(trials):
    host = trials.cluster.hosts[0]
    trials.cluster.ceph.freeze("mgr.x")
    try:
        wait_for("the note", lambda: "osd df: no answer" in (storage(host, "Note") or ""), 20, 0.2)
        value = Bus(host).get(f"{ROOT}/osd/0", "Osd", "Utilization")
        assert value is None or math.isnan(value)       # as busctl's JSON has it
        assert Bus(host).get(f"{ROOT}/osd/0", "Osd", "Up")
    finally:
        trials.cluster.ceph.thaw("mgr.x")
    wait_fresh(trials)


def test_figures_of_a_hung_monitor_grow_old_and_come_back(trials):
    host = trials.cluster.hosts[0]
    trials.cluster.ceph.freeze("mon.a")
    try:
        wait_for("old figures", lambda: 10e6 < storage(host, "Age") < NOT_KNOWN, 30, 0.2)
        assert storage(host, "Osds") == OSDS and "no answer from Ceph in time" in storage(host, "Note")
    finally:
        trials.cluster.ceph.thaw("mon.a")
    wait_fresh(trials)


def test_the_next_primary_goes_on_and_nothing_looks_younger_than_it_is(trials):
    trials.cluster.ceph.freeze("mon.a")
    frozen_at = time.monotonic()
    try:
        host = trials.cluster.host(trials.another(trials.leader()["node"]))
        wait_for("old figures", lambda: 8e6 < storage(host, "Age") < NOT_KNOWN, 30, 0.2)
        trials.make_primary(host.name)
        at_least_s = time.monotonic() - frozen_at       # what is shown is an upper bound, and may be corrected down to this
        assert storage(host, "Age") / 1e6 >= at_least_s
    finally:
        trials.cluster.ceph.thaw("mon.a")
    wait_fresh(trials)


def test_a_stopped_plugin_is_named_restarted_and_harms_nobody(trials):
    trials.prepare()
    wait_fresh(trials)
    primary = trials.cluster.host(trials.leader()["node"])
    before = trials.generation()
    pid = int(primary.run("systemctl", "show", "--property=MainPID", "--value", "pvcd-ceph-osd").stdout)
    began = time.monotonic()
    primary.run("kill", "-STOP", str(pid))
    named, worst_heartbeat = False, 0
    while time.monotonic() - began < 30:
        lines = {line[0]: line for line in Bus(primary).get(ROOT, "Manager", "Plugins")}
        named = named or lines["ceph-osd"][3] > 5e6
        worst_heartbeat = max(worst_heartbeat, Bus(primary).get(f"{ROOT}/node/{primary.name}", "Node", "KeepaliveAge"))
        time.sleep(0.5)
    assert named, "no bus said that the plugin is silent"
    assert worst_heartbeat < 3e6
    wait_for("another process", lambda: primary.run("systemctl", "show", "--property=MainPID", "--value", "pvcd-ceph-osd").stdout.strip()
             not in ("0", str(pid)), 30, 0.5)
    wait_fresh(trials)
    assert trials.where() and trials.generation() == before
    assert trials.leader()["node"] == primary.name


def test_a_plugin_that_is_not_there_costs_one_line(trials):
    primary = trials.cluster.host(trials.leader()["node"])
    primary.run("systemctl", "stop", "pvcd-ceph-osd")
    wait_for("the note", lambda: "plugin ceph-osd: " in (storage(primary, "Note") or ""), 30, 0.3)
    age = storage(primary, "Age")
    assert storage(primary, "Osds") == OSDS
    primary.run("systemctl", "start", "pvcd-ceph-osd")
    wait_fresh(trials)
    said = [entry["MESSAGE"] for entry in primary.journal(unit="pvcd.service") if "storage figures: plugin ceph-osd" in entry.get("MESSAGE", "")]
    assert len(said) <= 1 and age < NOT_KNOWN


def test_an_osd_that_was_killed_is_down_on_every_bus(trials):
    trials.cluster.ceph.kill("osd.2")
    for host in trials.cluster.hosts:
        wait_for("it to be down", lambda: Bus(host).peek(f"{ROOT}/osd/2", "Osd", "Up") is False, 40, 0.3)
        assert storage(host, "Osds") == OSDS and storage(host, "OsdsUp") == OSDS - 1
        wait_for("the check", lambda: any(check[0] == "OSD_DOWN" for check in storage(host, "Checks")), 20, 0.3)
