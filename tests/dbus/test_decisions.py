"""Every decision that is kept is told, once, by the node that made it."""
import json
import signal
from collections import Counter

import pytest

from .client import NO_OPTIONS, ROOT
from .domains import domain, fresh_uuid
from .node import NAME
from .processes import wait_for
from .store_client import store_of

SIGNAL = "org.pvcd1.Manager.Decision"


@pytest.fixture
def node(make_node):
    """Its client listens from the beginning."""
    made = make_node()
    made.start_all()
    return made


def told(node):
    """(number, what was decided) of each signal so far, in order."""
    node.client.receive()
    return [(int(arguments[0]), json.loads(arguments[1])["what"]) for _, name, arguments in node.client.signals if name == SIGNAL]


def kept(node):
    """What was decided, by number, as the store has it; it has not been trimmed yet."""
    with store_of(node) as store:
        records = {int(name[1:]): json.loads(store.get(f"/decisions/{name}")[0]) for name in store.get_children("/decisions")}
    assert {record["node"] for record in records.values()} == {NAME}
    return {number: record["what"] for number, record in records.items()}


def wait_until_all_is_told(node):
    before = kept(node)
    wait_for("all that is kept to be told", lambda: {number for number, _ in told(node)} >= set(before), 30)
    now = told(node)
    assert set(Counter(number for number, _ in now).values()) == {1}, now
    assert before.items() <= dict(now).items() <= kept(node).items()        # more may be decided at any time
    return [what for _, what in now]


def test_joins_claims_and_requests_of_people_are_told_and_each_once(node):
    uuid = fresh_uuid()
    node.client.define(domain("told", uuid))
    for wanted in (True, False):
        node.client.manager("SetMaintenance", "ba{sv}", wanted, NO_OPTIONS)
        wait_for("maintenance", lambda: node.client.get(ROOT, "Manager", "Maintenance") == wanted)
    assert node.client.finish(node.client.vm(uuid, "Start"))[0] == "done"
    node.client.wait_for_vm(uuid, "running")
    what = wait_until_all_is_told(node)
    assert sum(f"{NAME} joins as incarnation 1" in one for one in what) == 1
    assert f"{NAME} takes the role of primary at epoch 1" in what
    assert {"define told", "begin maintenance", "end maintenance", "take on vm-start"} <= set(what)


def test_a_core_that_is_restarted_tells_of_its_vacancy_and_its_claim_and_not_again_of_its_join(node):
    wait_until_all_is_told(node)
    core = node.running.pop("core")
    core.send(signal.SIGTERM)
    wait_for("the core to leave", lambda: core.status() is not None, 60)
    assert core.status() == 0, core.output()
    node.start("core")
    node.wait_until_ready()
    what = wait_until_all_is_told(node)
    assert what.index(f"{NAME} gives up the role of primary") < what.index(f"{NAME} takes the role of primary at epoch 2")
    assert sum("joins as incarnation" in one for one in what) == 1


def test_a_join_while_the_core_runs_is_told(node):
    node.running.pop("keepalive").kill()
    (node.folder / "run" / "keepalive.session").unlink()    # as after its session has ended: a new life in the same boot
    node.start("keepalive")
    wait_for("the next join", lambda: any("joins as incarnation 2" in what for _, what in told(node)), 60)
    wait_until_all_is_told(node)
