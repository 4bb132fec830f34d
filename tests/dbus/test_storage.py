"""Figures of the storage cluster: from the plugin through the store to every bus, with their age."""
import json
import signal
import time

import pytest

from .client import PROPERTIES, ROOT
from .processes import wait_for
from .store_client import store_of

STORAGE = f"{ROOT}/storage"
NOT_KNOWN = 2**64 - 1
INTERVAL_US = 1_000_000                 # of node.py
FRESH_US = 2 * INTERVAL_US


def osd_path(number):
    return f"{ROOT}/osd/{number}"


def get(node, name):
    return node.client.get(STORAGE, "Storage", name)


def wait_for_osds(node, count):
    wait_for(f"{count} OSDs", lambda: get(node, "Osds") == count)


def wait_for_fresh(node):
    wait_for("fresh figures", lambda: get(node, "Age") < FRESH_US)


@pytest.fixture(autouse=True)
def answers_again(node):
    yield
    node.answer("observe")


def test_osds_pools_and_health_are_shown(node):
    node.answer("observe", osds=3, down=1, used_bytes=4096, health="HEALTH_WARN")
    wait_for_osds(node, 3)
    wait_for("the OSD that is down", lambda: get(node, "OsdsUp") == 2)
    assert get(node, "OsdsIn") == 3
    wait_for("the summary, which is written after the OSDs", lambda: get(node, "Health") == "HEALTH_WARN")
    assert [tuple(check) for check in get(node, "Checks")] == [("OSD_DOWN", "HEALTH_WARN", "1 osds down")]
    values = node.client.call(osd_path(1), PROPERTIES, "GetAll", "s", "org.pvcd1.Osd")
    assert (values["Id"], values["Up"], values["In"], values["State"], values["Node"]) == (1, False, True, "exists", "n2")
    assert (values["Pgs"], values["UsedBytes"]) == (2, 4096)
    assert node.client.get(osd_path(2), "Osd", "Up")


def test_what_was_not_said_is_not_zero(node):
    node.answer("observe", osds=1)
    wait_for_osds(node, 1)
    values = node.client.call(osd_path(0), PROPERTIES, "GetAll", "s", "org.pvcd1.Osd")
    assert values["Utilization"] != values["Utilization"]               # NaN
    assert values["SizeBytes"] == values["ReadOps"] == NOT_KNOWN
    pool = get(node, "Pools")[0]
    assert (pool[0], pool[1], pool[2]) == (1, "vms", NOT_KNOWN)


def test_osds_come_and_go_with_signals(node):
    node.answer("observe", osds=70)                                     # two pages
    wait_for_osds(node, 70)
    node.client.receive()
    node.client.signals.clear()
    node.answer("observe", osds=64)
    wait_for_osds(node, 64)
    node.client.wait_for_signal("InterfacesRemoved", lambda path, name, arguments:
                                name.endswith(".InterfacesRemoved") and arguments[0] == osd_path(69))
    assert node.client.peek(osd_path(64), "Osd", "Id") is None and node.client.peek(osd_path(63), "Osd", "Id") == 63
    with store_of(node) as store:
        assert sorted(store.get_children("/storage")) == ["osds-0", "summary"]
    node.client.signals.clear()
    node.answer("observe", osds=64, used_bytes=9)
    node.client.wait_for_signal("PropertiesChanged", lambda path, name, arguments: path == osd_path(5)
                                and name == f"{PROPERTIES}.PropertiesChanged" and arguments[1].get("UsedBytes") == 9)
    assert not any("Age" in arguments[1] for path, name, arguments in node.client.signals
                   if name == f"{PROPERTIES}.PropertiesChanged")


def test_no_osds_is_an_answer(node):
    node.answer("observe", osds=0)
    wait_for_osds(node, 0)
    wait_for_fresh(node)
    assert get(node, "Note") == "" and get(node, "Health") == "HEALTH_OK"


def test_old_figures_stay_and_grow_old(node):
    node.answer("observe", osds=2, used_bytes=7)
    wait_for_osds(node, 2)
    wait_for_fresh(node)
    node.answer("observe", outcome="unknown", note="Ceph is away")
    wait_for("the note", lambda: get(node, "Note") == "Ceph is away")
    silent_at = time.monotonic()
    wait_for("their age to grow", lambda: get(node, "Age") > 3 * INTERVAL_US)
    assert get(node, "Osds") == 2 and node.client.get(osd_path(1), "Osd", "UsedBytes") == 7
    at_least_us = (time.monotonic() - silent_at) * 1e6      # what is shown is an upper bound, and may be corrected down to this
    assert node.client.get(osd_path(1), "Osd", "Age") >= at_least_us
    with store_of(node) as store:
        wait_for("their age on record", lambda: json.loads(store.get("/storage/summary")[0])["age"] >= 2 * INTERVAL_US)
    node.answer("observe", osds=2)
    wait_for_fresh(node)
    assert get(node, "Note") == ""


def test_half_an_answer_is_stated(node):
    node.answer("observe", osds=2, note="osd df: no answer from Ceph in time")
    wait_for("the note", lambda: get(node, "Note") == "osd df: no answer from Ceph in time")
    wait_for_fresh(node)
    assert get(node, "Osds") == 2


WRONG = {"no JSON": b"\xff{", "another form": b"[]", "an OSD of another page": b'{"osds": [{"id": 64}]}',
         "an OSD twice": b'{"osds": [{"id": 3}, {"id": 3}]}', "a wrong type": b'{"osds": [{"id": 3, "pgs": "many"}]}',
         "deep nesting": b"[" * 100_000}


@pytest.mark.parametrize("case", WRONG)
def test_a_page_that_nobody_should_have_written_is_named_and_written_anew(node, case):
    node.answer("observe", osds=2, note=case)
    wait_for("an answer that is none of an earlier test", lambda: get(node, "Note") == case)
    wait_for_osds(node, 2)
    node.answer("observe", outcome="unknown", note="away")              # so that it stays for a while
    wait_for("the note", lambda: "away" in get(node, "Note"))
    with store_of(node) as store:
        store.set("/storage/osds-0", WRONG[case])
        wait_for("the problem to be shown", lambda: "store entry /storage/osds-0: " in get(node, "Note"))
    assert get(node, "Osds") == 0
    node.answer("observe", osds=2)
    wait_for_osds(node, 2)
    wait_for("all to be well", lambda: get(node, "Note") == "")


def test_an_entry_that_is_none_of_ours_is_named_and_left_alone(node):
    node.answer("observe", osds=1)
    wait_for_osds(node, 1)
    with store_of(node) as store:
        for name in ("osds-x", "osds-01", "notes"):
            store.create(f"/storage/{name}", b"{}")
        wait_for("it to be named", lambda: "/storage/notes: nothing of ours" in get(node, "Note"))
        node.answer("observe", osds=2)
        wait_for_osds(node, 2)
        assert store.exists("/storage/osds-x") and store.exists("/storage/osds-01")
        for name in ("osds-x", "osds-01", "notes"):
            store.delete(f"/storage/{name}")
    wait_for("all to be well", lambda: get(node, "Note") == "")


def test_a_summary_that_nobody_should_have_written_does_not_look_fresh(node):
    node.answer("observe", osds=1)
    wait_for_osds(node, 1)
    node.answer("observe", outcome="unknown", note="away")
    wait_for("the note", lambda: "away" in get(node, "Note"))
    with store_of(node) as store:
        store.set("/storage/summary", b"no JSON")
        wait_for("the problem to be shown", lambda: "store entry /storage/summary: " in get(node, "Note"))
        assert get(node, "Age") == NOT_KNOWN
    node.answer("observe", osds=1)
    wait_for("all to be well", lambda: get(node, "Note") == "")
    wait_for_fresh(node)


def test_figures_do_not_look_fresh_after_a_restart_of_the_core(make_node):
    node = make_node()
    node.answer("observe", osds=1)
    node.start_all()
    wait_for_osds(node, 1)
    wait_for_fresh(node)
    node.answer("observe", outcome="unknown", note="away")
    wait_for("the note", lambda: get(node, "Note") == "away")
    node.running["core"].kill()
    node.start("core")
    wait_for("the figures", lambda: node.client.peek(osd_path(0), "Osd", "Id") == 0)
    assert get(node, "Age") == NOT_KNOWN
    node.wait_until_ready()
    calls = len(node.calls("observe"))
    wait_for("two more questions", lambda: len(node.calls("observe")) > calls + 2)
    assert get(node, "Age") == NOT_KNOWN
    node.answer("observe", osds=1)
    wait_for_fresh(node)


def test_a_plugin_that_hangs_or_is_not_there_is_said_once(make_node):
    node = make_node()
    toml = (node.folder / "etc/pvcd.toml").read_text()
    node.write("etc/pvcd.toml", toml.replace('[storage]\nplugin = "fake"', '[storage]\nplugin = "ceph-osd"'))
    node.start_all()
    wait_for("the note", lambda: "plugin ceph-osd: " in get(node, "Note"))
    assert get(node, "Age") == NOT_KNOWN and get(node, "Osds") == 0
    with store_of(node) as store:
        version = store.get("/storage/summary")[1].version
        with pytest.raises(AssertionError):
            wait_for("another write", lambda: store.get("/storage/summary")[1].version != version, 4)
    assert node.running["core"].output().count("storage figures: plugin ceph-osd") == 1


def test_a_plugin_that_is_stopped_is_named_and_its_figures_come_back(make_node):
    node = make_node()
    node.answer("observe", osds=1)
    node.start_all()
    wait_for_fresh(node)
    node.answer("observe", osds=1, delay_ms=3000)
    wait_for("old figures", lambda: get(node, "Age") > 2 * FRESH_US)
    node.running["fake"].send(signal.SIGSTOP)
    node.running["fake"].kill()
    wait_for("the note", lambda: "plugin fake: " in get(node, "Note"), 40)
    assert get(node, "Osds") == 1
    node.answer("observe", osds=1)
    node.start("fake")
    wait_for_fresh(node)
    wait_for("all to be well", lambda: get(node, "Note") == "")
