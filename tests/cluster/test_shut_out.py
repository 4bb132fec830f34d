"""A host whose BMC gives no answer is shut out of Ceph by the rbd-locks plugin of another: what it may still write, and who else
is harmed."""
import os
import signal

import pytest

from tests.cluster.lab.process import run, wait_for
from tests.cluster.rbd_lab import PREFIX, POOL, CephAndCables, blocked_for_s, client, driver, image, lockers    # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")

STALLED_WRITERS = int(os.environ.get("PVCD_STALLED_WRITERS", "20"))


@pytest.fixture(scope="module")
def lab():
    with CephAndCables(prefix=PREFIX, hosts=2, osds=5) as lab:
        yield lab


@pytest.fixture(autouse=True)
def everybody_is_let_in(lab):
    yield
    for entry in lab.ceph.blocklist():
        if entry["address"].endswith(":0/0"):
            lab.ceph.command("osd blocklist", blocklistop="rm", addr=entry["address"])


def shut_out(driver, lab, *images, instances=(), addresses=None, **request) -> dict:
    return driver.call("fence_storage", *images, victim="n2", instances=list(instances),
                       addresses=addresses or [lab.spec.address("n2")], **request)


def test_a_host_is_shut_out_and_every_placement_group_says_so(lab, driver, client, image):
    writer = client("n2")
    answer = shut_out(driver, lab, image, instances=[writer.instance])
    assert answer["outcome"] == "done", answer
    assert answer["images"] == [image]
    assert f"{lab.spec.address('n2')}:0/0" in answer["facts"][0]
    assert f"placement groups of pool {POOL} answered" in answer["facts"][1]
    assert writer.ask("write") == "error 108"
    for address in (f"{lab.spec.address('n2')}:0/0", writer.address):
        assert blocked_for_s(lab, address) > 9 * 365 * 24 * 3600, address
    with pytest.raises(AssertionError):
        client("n2", write=False)                # what opens the image anew from there is shut out, too


def test_a_stalled_writer_that_goes_on_later_writes_nothing(lab, driver, client, image):
    """Each is stopped in the middle of its writes, shut out, replaced, and goes on."""
    for run in range(STALLED_WRITERS):
        stalled = client("n2")
        stalled.signal(signal.SIGSTOP)
        stalled.send("write")                    # waits for it where it stands
        answer = shut_out(driver, lab, image, instances=[stalled.instance])
        assert answer["outcome"] == "done", answer
        cover = [{"node": "n2", "addresses": [lab.spec.address("n2")], "cover": "storage", "instances": [stalled.instance]}]
        assert driver.start(image, covered=cover)["verdict"] == "proceed"
        successor = client("n1")
        name = image.removeprefix(f"{POOL}/")
        mark = f"generation {run + 2}".encode()
        assert successor.ask(f"put {mark.hex()}") == "ok"
        stalled.signal(signal.SIGCONT)
        word = stalled.answer()                  # librbd's cache may take a write that no OSD has taken
        assert stalled.ask("write") == "error 108", word
        assert lab.ceph.read(name, 0, len(mark)) == mark, word
        assert lockers(lab, image) == [successor.address]
        for each in (stalled, successor):
            each.kill()
        lab.ceph.command("osd blocklist", blocklistop="rm", addr=f"{lab.spec.address('n2')}:0/0")
        assert driver.start(image, own_dead=[successor.instance])["verdict"] == "proceed"


def pool_of_many_groups(lab, name: str) -> None:
    """On every OSD there are some of its placement groups."""
    lab.ceph.command("osd pool create", pool=name, pg_num=64, pool_type="replicated")
    lab.ceph.command("osd pool set", pool=name, var="size", val="1", yes_i_really_mean_it=True)
    rbd(lab, "pool", "init", name)


def rbd(lab, *words: str) -> None:
    command = ["rbd", "--conf", lab.conf, "--keyring", lab.spec.dir / "ceph/keyring", *words]
    run(lab.net.in_host("n1", [str(word) for word in command]), timeout=60)


def test_an_osd_that_does_not_answer_is_unknown(lab, driver):
    """Whichever it is: some have the header of the image, the others only placement groups that nobody has used."""
    pool_of_many_groups(lab, "wide")
    rbd(lab, "create", "--size", "8", "wide/web1")
    notes = []
    for osd in range(lab.spec.osds):
        lab.ceph.freeze(f"osd.{osd}")
        try:
            answer = shut_out(driver, lab, "wide/web1")
        finally:
            lab.ceph.thaw(f"osd.{osd}")
        assert answer["outcome"] == "unknown", answer
        assert answer["images"] == []
        notes.append(answer["note"])
        wait_for("the OSD to answer again", lambda: shut_out(driver, lab, "wide/web1")["outcome"] == "done", 60)
    assert any("placement groups do not say that they know" in note for note in notes), notes


def test_the_pool_of_the_data_is_asked_too(lab, driver):
    pool_of_many_groups(lab, "data")
    rbd(lab, "create", "--size", "8", "--data-pool", "data", f"{POOL}/split")
    answer = shut_out(driver, lab, f"{POOL}/split")
    assert answer["outcome"] == "done", answer
    assert any("placement groups of pool data answered" in fact for fact in answer["facts"]), answer


def test_osds_on_the_same_address_go_on_unharmed(lab, driver, client, image):
    """A hyperconverged host: its address is shut out, and what its OSDs hold is read and written as before."""
    ceph = lab.spec.ceph_address
    assert shut_out(driver, lab, image, addresses=[ceph])["outcome"] == "done"
    assert f"{ceph}:0/0" in [entry["address"] for entry in lab.ceph.blocklist()]
    client("n1")
    assert all(osd["up"] for osd in lab.ceph.command("osd dump")["osds"])


def test_an_image_or_a_pool_that_does_not_exist_is_written_to_by_nobody(lab, driver, image):
    answer = shut_out(driver, lab, image, "vms/nosuch", "nopool/a")
    assert answer["outcome"] == "done", answer
    assert answer["images"] == [image, "vms/nosuch", "nopool/a"]


@pytest.mark.parametrize("address", ["n2", "10.0.0", "", "10.0.0.1:0/0"])
def test_an_address_that_is_none_is_refused_before_anything_is_done(lab, driver, image, address):
    before = lab.ceph.blocklist()
    answer = shut_out(driver, lab, image, addresses=[lab.spec.address("n2"), address])
    assert answer["outcome"] == "refused"
    assert f"storage address {address} of n2" in answer["note"]
    assert lab.ceph.blocklist() == before


def test_nobody_shuts_himself_out(lab, driver, image):
    answer = shut_out(driver, lab, image, addresses=[lab.spec.address("n1")])
    assert answer["outcome"] == "refused"
    assert "of this host, too" in answer["note"]
    assert driver.start(image)["verdict"] == "proceed"


def test_too_late_nothing_is_done(lab, driver, image):
    before = lab.ceph.blocklist()
    answer = shut_out(driver, lab, image, permit_ms=0)
    assert answer["outcome"] == "unknown"
    assert "the right to act ended" in answer["note"]
    assert lab.ceph.blocklist() == before


def test_a_monitor_that_does_not_answer_is_unknown(lab, driver, image):
    lab.ceph.freeze("mon.a")
    try:
        assert shut_out(driver, lab, image)["outcome"] == "unknown"
    finally:
        lab.ceph.thaw("mon.a")
    assert shut_out(driver, lab, image)["outcome"] == "done"


def test_a_host_that_was_shut_out_lets_itself_in_before_it_opens_an_image(lab, driver, client, image):
    own = f"{lab.spec.address('n1')}:0/0"
    assert driver.start(image)["verdict"] == "proceed"
    lab.ceph.command("osd blocklist", blocklistop="add", addr=own, expire=3600.0)
    # It had been let in before, and is told otherwise when the OSDs know it.
    wait_for("the plugin to notice", lambda: "this host's address is blocklisted" in driver.start(image)["reason"], 30)
    assert driver.start(image, permit_ms=0)["verdict"] == "unknown"
    assert blocked_for_s(lab, own) > 0
    assert driver.start(image)["verdict"] == "proceed"
    assert blocked_for_s(lab, own) == 0
    client("n1")
