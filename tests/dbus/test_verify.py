"""pvcd-verify on what a real core has left behind: the history in the store, and the rounds that it has kept."""
import json
import re
import subprocess

import pytest
from kazoo.client import KazooClient

from .node import BUILD
from .processes import wait_for

VERIFY = BUILD / "pvcd-core" / "verify" / "pvcd-verify"
LINKS_KEPT = 32
# Who joins, claims and asks decides without a round.
WITHOUT_ROUND = re.compile(r"joins as incarnation|the role of primary|^uid \d+ asked")


def verify(node, *arguments):
    return subprocess.run([VERIFY, *arguments], env=node.environment(), capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def store(node):
    client = KazooClient(f"127.0.0.1:{node.zookeeper.port}", auth_data=[("digest", "pvcd:secret")])
    client.start(timeout=20)
    client.chroot = f"/pvcd/{node.cluster}"
    yield client
    client.stop()
    client.close()


@pytest.fixture
def started_twice(node, vm):
    for method in ("Start", "Stop", "Start"):
        assert node.client.finish(node.client.vm(vm, method))[0] == "done"
    return vm


def exported(node):
    done = verify(node, "--export")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def check(node, history):
    file = node.folder / "history.json"
    file.write_text(history if isinstance(history, str) else json.dumps(history))
    return verify(node, file)


def links_of(history, uuid):
    return next(vm["links"] for vm in history["vms"] if vm["uuid"] == uuid)


def test_the_history_of_a_vm_is_exported_and_proves_its_starts(node, started_twice):
    history = exported(node)
    links = links_of(history, started_twice)
    assert [(link["number"], link["link"]["kind"]) for link in links] == list(enumerate(["assigned", "started", "released", "assigned", "started"]))
    done = check(node, history)
    assert done.returncode == 0 and re.search(r"^\d+ starts of \d+ VMs checked, 0 broken$", done.stdout)


def test_a_release_that_is_missing_is_told(node, started_twice):
    history = exported(node)
    links = links_of(history, started_twice)
    released = links.pop(2)["link"]
    for number, link in enumerate(links):
        link["number"] = number
    done = check(node, history)
    assert done.returncode == 1
    broken, summary = done.stdout.splitlines()
    assert "the release of generation 1" in broken and released["life"]["boot"] in broken
    assert summary.endswith("1 broken")


def test_a_link_that_cannot_be_read_is_told(node, store, started_twice):
    link = f"/owners/{started_twice}/l0000000003"
    right = store.get(link)[0]
    store.set(link, b"\xff no record")
    done = check(node, exported(node))
    assert done.returncode == 1 and "link 3 of its history cannot be read" in done.stdout
    assert node.client.finish(node.client.vm(started_twice, "Stop"))[0] == "done"      # nothing is decided from it
    store.set(link, right)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pvcd_history": 2}', '{"pvcd_history": 1, "vms": [{}]}', "no JSON"])
def test_a_file_that_is_no_history_is_refused(node, text):
    done = check(node, text)
    assert (done.returncode, done.stdout) == (2, "") and str(node.folder / "history.json") in done.stderr


def test_a_wrong_call_says_how_it_is_used(node):
    for arguments in ((), ("--colour",), ("--replay",), ("one", "two")):
        done = verify(node, *arguments)
        assert done.returncode == 2 and "usage: pvcd-verify" in done.stderr
    assert verify(node, "/nowhere").returncode == 2


def test_a_store_that_denies_access_is_named(make_node, node):
    other = make_node()
    right = (node.folder / "etc/pvcd.toml").read_text()
    other.write("etc/pvcd.toml", right.replace(str(node.folder), str(other.folder)))
    other.write("etc/store.secret", "pvcd:wrong\n", 0o600)
    done = verify(other, "--export")
    assert done.returncode == 2 and "denies access" in done.stderr


def test_the_history_of_a_vm_is_bounded(node, store, started_twice):
    path = f"/owners/{started_twice}"
    for _ in range(LINKS_KEPT):
        store.create(f"{path}/l", b"{}", sequence=True)
    for method in ("Stop", "Start"):
        assert node.client.finish(node.client.vm(started_twice, method))[0] == "done"
    wait_for("the oldest links to be removed", lambda: len(store.get_children(path)) <= LINKS_KEPT)
    assert sorted(store.get_children(path))[-1] == f"l{5 + LINKS_KEPT + 2:010}"
    for name in sorted(store.get_children(path))[:-3]:
        store.delete(f"{path}/{name}")                      # what this test has made up
    done = check(node, exported(node))
    assert done.returncode == 0, done.stdout


def test_every_decision_in_the_store_is_decided_again_as_it_was(node, store, started_twice):
    stored = [json.loads(store.get(f"/decisions/{name}")[0]) for name in store.get_children("/decisions")]
    rounds = sorted((node.folder / "state" / "decisions").glob("*.json"))       # kept before they are carried out
    records = [record for file in rounds for record in json.loads(file.read_text())["records"]]
    of_rounds = [record for record in stored if not WITHOUT_ROUND.search(record["what"]) and not WITHOUT_ROUND.search(record["because"])]
    assert any(record["object"] == f"vm/{started_twice}" for record in of_rounds)
    assert [record for record in of_rounds if record not in records] == []
    done = verify(node, "--replay", *rounds)
    assert (done.returncode, done.stdout) == (0, f"{len(rounds)} rounds decided again, 0 differ\n")


def test_a_round_that_was_changed_is_told(node, started_twice):
    file = max((node.folder / "state" / "decisions").glob("*.json"))
    kept = json.loads(file.read_text())
    kept["records"][0]["because"] = "because"
    changed = node.folder / "changed.json"
    changed.write_text(json.dumps(kept))
    done = verify(node, "--replay", file, changed)
    assert done.returncode == 1 and f"{changed}: /records/0/because was" in done.stdout
    changed.write_text("{}")
    assert verify(node, "--replay", changed).returncode == 2
