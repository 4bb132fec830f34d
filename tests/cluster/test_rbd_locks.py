"""The rbd-locks plugin against a real Ceph, seen from outside it: lock lists, watchers, blocklist, and who can still write."""
import os
import signal
import time

import pytest

from tests.cluster.lab.process import LabTimeout, wait_for
from tests.cluster.rbd_lab import (BOUNDED_S, POOL, TIMEOUT_MS, WAITED_MS, WATCH_TIMEOUT_MS, CephAndCables, Driver,
                                   assert_fenced_and_free, assert_untouched, blocked_for_s, client, driver, image, killed, lab,
                                   lockers, watchers)    # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")


def covered(lab, cover: str, *instances) -> list[dict]:
    return [{"node": "n2", "addresses": [lab.spec.address("n2")], "cover": cover, "instances": instances}]


def living(lab) -> dict:
    return {"n1": [lab.spec.address("n1")], "n2": [lab.spec.address("n2")]}


def test_the_connection_is_fine(driver):
    assert driver.facts == {"ceph": "ok"}


def test_a_free_image(driver, image):
    assert driver.start(image)["verdict"] == "proceed"


def test_a_vm_without_rbd_disks(driver):
    assert driver.start()["verdict"] == "proceed"


@pytest.mark.parametrize("missing", ["vms/nosuch", "nopool/a"])
def test_a_missing_image_or_pool(driver, image, missing):
    answer = driver.start(image, missing)
    assert answer["verdict"] == "refuse"
    assert answer["reason"].startswith(missing)


def test_own_recorded_lock_is_broken(lab, driver, client, image):
    dead = killed(client("n1"))
    answer = driver.start(image, own_dead=[dead.instance])
    assert answer["verdict"] == "proceed", answer
    assert dead.address in answer["reason"]
    assert_fenced_and_free(lab, dead)
    begin = time.monotonic()
    client("n1")
    assert time.monotonic() - begin < 15         # 30 s with a stale lock


def test_a_frozen_client_whose_lock_was_broken_never_writes_again(lab, driver, client, image):
    frozen = client("n1")
    frozen.signal(signal.SIGSTOP)
    assert driver.start(image, own_dead=[frozen.instance])["verdict"] == "proceed"
    frozen.signal(signal.SIGCONT)
    assert frozen.ask("write") == "error 108"
    assert lockers(lab, image) == []


def test_own_recorded_watcher_without_lock_is_blocklisted(lab, driver, client, image):
    dead = killed(client("n1", write=False))
    assert watchers(lab, image) == [dead.address]
    assert driver.start(image, own_dead=[dead.instance])["verdict"] == "proceed"
    assert_fenced_and_free(lab, dead)


def test_own_unrecorded_lock_is_waited_for_and_then_broken(lab, driver, client, image):
    dead = killed(client("n1"))
    answer = driver.start(image)
    assert (answer["verdict"], answer["wait_ms"], answer["wait_for"]) == ("wait", WAITED_MS, [dead.wait_for])
    assert_untouched(lab, dead)

    wait_for("the dead client's watch ran out", lambda: watchers(lab, image) == [], 4 * WATCH_TIMEOUT_MS / 1000)
    unwatched = f"{dead.wait_for} unwatched"
    answer = driver.start(image, first_seen=[[dead.wait_for, WAITED_MS]])
    assert (answer["verdict"], answer["wait_for"]) == ("wait", [dead.wait_for, unwatched])
    assert driver.start(image, first_seen=[[dead.wait_for, WAITED_MS - 1], [unwatched, WAITED_MS]])["verdict"] == "wait"
    assert_untouched(lab, dead)
    assert driver.start(image, first_seen=[[dead.wait_for, WAITED_MS], [unwatched, WAITED_MS]])["verdict"] == "proceed"
    assert_fenced_and_free(lab, dead)


@pytest.mark.parametrize("write", [True, False])
def test_own_unrecorded_client_that_lives_is_refused(lab, driver, client, image, write):
    alive = client("n1", write=write)
    answer = driver.start(image, first_seen=[[alive.wait_for, WAITED_MS]])
    assert answer["verdict"] == "refuse"
    assert alive.address in answer["reason"] and "alive" in answer["reason"]
    assert_untouched(lab, alive, locked=write)
    assert alive.ask("write") == "ok"


@pytest.mark.parametrize("write", [True, False])
def test_foreign_client_of_a_living_node_is_refused(lab, driver, client, image, write):
    alive = client("n2", write=write)
    answer = driver.start(image, living=living(lab))
    assert (answer["verdict"], answer["ask"]) == ("refuse", "n2")
    assert image in answer["reason"] and alive.address in answer["reason"]
    assert_untouched(lab, alive, locked=write)
    assert alive.ask("write") == "ok"


def test_foreign_dead_client_without_evidence_is_refused(lab, driver, client, image):
    dead = killed(client("n2"))
    answer = driver.start(image)
    assert (answer["verdict"], answer["ask"]) == ("refuse", "")
    for cover in ("none", "release", "later-boot"):
        assert driver.start(image, covered=covered(lab, cover))["verdict"] == "refuse"
    assert_untouched(lab, dead)


@pytest.mark.parametrize("cover", ["power", "operator"])
def test_foreign_unrecorded_client_of_an_ended_host_is_broken(lab, driver, client, image, cover):
    dead = killed(client("n2"))
    assert driver.start(image, covered=covered(lab, cover))["verdict"] == "proceed"
    assert_fenced_and_free(lab, dead)


def test_foreign_recorded_client_of_an_older_boot_is_broken(lab, driver, client, image):
    dead = killed(client("n2"))
    evidence = covered(lab, "later-boot", dead.instance)
    assert driver.start(image, covered=evidence, living=living(lab))["verdict"] == "proceed"
    assert_fenced_and_free(lab, dead)


def test_foreign_recorded_client_of_a_writer_that_released_contradicts_the_release(lab, driver, client, image):
    dead = killed(client("n2"))
    answer = driver.start(image, covered=covered(lab, "release", dead.instance), living=living(lab))
    assert (answer["verdict"], answer["ask"]) == ("refuse", "n2")
    assert_untouched(lab, dead)


def test_a_lock_added_by_hand(lab, driver, client, image):
    person = client("n2", write=False)
    assert person.ask("lock maintenance") == "ok"
    person.kill()
    answer = driver.start(image, living=living(lab))
    assert answer["verdict"] == "refuse"
    assert "rbd lock rm" in answer["reason"] and person.address in answer["reason"]
    assert_untouched(lab, person)
    assert driver.start(image, covered=covered(lab, "power"))["verdict"] == "proceed"
    assert_fenced_and_free(lab, person)


def test_nothing_is_touched_unless_every_image_may_start(lab, driver, client, image):
    dead = killed(client("n1"))
    assert driver.start(image, "vms/nosuch", own_dead=[dead.instance])["verdict"] == "refuse"
    assert_untouched(lab, dead)
    assert driver.start(image, own_dead=[dead.instance])["verdict"] == "proceed"


@pytest.mark.parametrize("ended", [{"permit_ms": 0}, {"newest_epoch": 2}], ids=["in time", "by a newer primary"])
def test_no_act_after_the_permit_ended(lab, driver, client, image, ended):
    dead = killed(client("n1"))
    assert driver.start(image, own_dead=[dead.instance], **ended)["verdict"] == "unknown"
    assert driver.call("after_stop", image, own_dead=[dead.instance], **ended)["outcome"] == "unknown"
    assert_untouched(lab, dead)
    assert driver.call("after_stop", image, own_dead=[dead.instance])["outcome"] == "done"
    assert_fenced_and_free(lab, dead)


def test_ten_images_take_one_round_of_the_monitors(lab, driver, client):
    images = [f"{POOL}/ten{number}" for number in range(10)]
    for name in images:
        lab.ceph.create_image(name.removeprefix(f"{POOL}/"), 8)
    dead = [killed(client("n1", image=name)) for name in images]
    lab.configure("mon.a", "paxos_propose_interval", 1)         # Ceph's default
    try:
        begin = time.monotonic()
        assert driver.start(*images, own_dead=[each.instance for each in dead])["verdict"] == "proceed"
        assert time.monotonic() - begin < 9         # one after the other: ten rounds, of a second each
    finally:
        lab.configure("mon.a", "paxos_propose_interval", lab.spec.paxos_propose_interval)
    for each in dead:
        assert_fenced_and_free(lab, each)


def test_identify_finds_the_new_instance(driver, client, image):
    before = client("n1", write=False)
    begin = time.monotonic()
    answer = driver.call("identify", image, present=[before.instance])
    assert answer["outcome"] == "unknown" and image in answer["note"]
    assert time.monotonic() - begin < 10

    new = client("n1", write=False)
    answer = driver.call("identify", image, present=[before.instance])
    assert (answer["outcome"], answer["instances"]) == ("done", [new.instance])
    assert driver.call("identify", image)["outcome"] == "unknown"       # which of the two?


def test_identify_names_nobody_while_a_stranger_watches(driver, client, image):
    client("n1", write=False)
    stranger = client("n2", write=False)
    answer = driver.call("identify", image)
    assert answer["outcome"] == "unknown" and stranger.address in answer["note"]


@pytest.mark.parametrize("write", [True, False])
def test_after_stop_leaves_nothing_behind(lab, driver, client, image, write):
    dead = killed(client("n1", write=write))
    answer = driver.call("after_stop", image, own_dead=[dead.instance])
    assert answer["outcome"] == "done", answer
    assert_fenced_and_free(lab, dead)


def test_after_stop_reaches_a_disk_that_was_unplugged(lab, driver, client, image):
    dead = killed(client("n1"))
    assert driver.call("after_stop", own_dead=[dead.instance])["outcome"] == "done"
    assert_fenced_and_free(lab, dead)


def test_after_stop_leaves_others_alone(lab, driver, client, image):
    dead = killed(client("n1", write=False))
    other = client("n2")
    assert driver.call("after_stop", image, own_dead=[dead.instance])["outcome"] == "done"
    assert blocked_for_s(lab, dead.address) > 0
    assert_untouched(lab, other)
    assert other.ask("write") == "ok"


@pytest.mark.parametrize("daemon", ["mon.a", "osd.0"])
def test_a_hung_ceph_is_unknown_in_bounded_time(lab, driver, client, image, daemon):
    dead = killed(client("n1"))
    request = {"own_dead": [dead.instance]}
    assert driver.start(image)["verdict"] == "wait"                     # connected
    lab.ceph.freeze(daemon)
    try:
        for call, key in [("before_start", "verdict"), ("after_stop", "outcome"), ("before_start", "verdict")]:
            begin = time.monotonic()
            assert driver.call(call, image, **request)[key] == "unknown"
            assert time.monotonic() - begin < BOUNDED_S
        begin = time.monotonic()
        stranger = Driver(lab)                                          # connects to a cluster that hangs
        try:
            assert stranger.start(image, **request)["verdict"] == "unknown"
            assert time.monotonic() - begin < 2 * BOUNDED_S
        finally:
            stranger.kill()
    finally:
        lab.ceph.thaw(daemon)

    answers = []

    def proceeds():
        answers.append(driver.start(image, **request))
        return answers[-1]["verdict"] == "proceed"
    try:
        wait_for("the plugin recovers with Ceph", proceeds, 240)
    except LabTimeout as error:
        pytest.fail(f"{error}: {answers[-1]}")
    assert_fenced_and_free(lab, dead)
    assert driver.call("tick") == {"ceph": "ok"}


def test_a_ceph_that_hangs_while_nobody_asks_is_told(lab, driver):
    lab.ceph.freeze("mon.a")
    try:
        wait_for("the fact to say so", lambda: driver.call("tick")["ceph"] != "ok", 60)
    finally:
        lab.ceph.thaw("mon.a")
    wait_for("the fact to be ok again", lambda: driver.call("tick")["ceph"] == "ok", 90)


def test_an_osd_that_was_restarted_while_nobody_asked_costs_no_time():
    with CephAndCables(prefix="pvlosd", hosts=1, store="bluestore") as lab:
        def up_since() -> int:
            osd, = lab.ceph.command("osd dump")["osds"]
            return osd["up_from"] if osd["up"] else 0
        lab.ceph.create_image("a", 8)
        driver, before = Driver(lab), up_since()
        try:
            assert driver.start(f"{POOL}/a")["verdict"] == "proceed"
            lab.ceph.kill("osd.0")
            lab.ceph.start("osd.0")
            wait_for("the OSD to be up again", lambda: up_since() > before, 60)
            lab.rbd("info", f"{POOL}/a")        # another client's: it waits until the OSD has found out what it holds
            begin = time.monotonic()
            answer = driver.start(f"{POOL}/a")
            assert answer["verdict"] == "proceed", answer
            assert time.monotonic() - begin < TIMEOUT_MS / 1000
        finally:
            driver.kill()
