"""What moves with the role of primary: taken over when its hook says so, given up whatever it says."""
import json
import signal
import time

import pytest

from .client import node_path
from .node import NAME
from .processes import wait_for
from .store_client import store_of


@pytest.fixture
def node(make_node):
    """Its role hook does not want to."""
    made = make_node()
    file = made.folder / "etc/pvcd.toml"
    # A busy machine must not make it lose its proof: what a test counts would be told twice.
    file.write_text(file.read_text().replace("[hooks]", '[hooks]\nrole = ["fake"]').replace("session_timeout_ms = 3000", "session_timeout_ms = 9000"))
    made.answer("role_change", outcome="refused", note="the address is still in use")
    made.start_all()
    return made


def state(node):
    return node.client.peek(node_path(NAME), "Node", "CoordinatorState")


def test_a_takeover_ends_when_its_hook_acknowledges(node):
    wait_for("the hook to be asked again", lambda: len(node.calls("role_change")) >= 3, 60)
    assert state(node) == "takeover"
    assert node.running["core"].output().count("did not acknowledge takeover: the address is still in use") == 1
    node.answer("role_change")
    wait_for("the takeover to end", lambda: state(node) == "primary", 60)
    assert set(node.calls("role_change")) == {"takeover epoch=1"}


def test_a_takeover_waits_for_a_hook_that_hangs_or_is_not_there(node):
    node.running["fake"].kill()
    wait_for("the takeover to begin", lambda: state(node) == "takeover", 60)
    node.answer("role_change")
    node.start("fake")
    wait_for("the takeover to end", lambda: state(node) == "primary", 60)


def test_a_hook_that_does_not_let_go_cannot_keep_a_core_from_leaving(node):
    wait_for("the takeover to begin", lambda: state(node) == "takeover", 60)
    core = node.running.pop("core")
    core.send(signal.SIGTERM)
    wait_for("the core to leave", lambda: core.status() is not None, 60)
    assert core.status() == 0, core.output()
    assert node.calls("role_change")[-1] == "relinquish epoch=1"


# ------------------------------------------------------------------------------------------------------- the role is lost

@pytest.fixture
def primary(node):
    """It has taken over."""
    node.answer("role_change")
    wait_for("the takeover to end", lambda: state(node) == "primary", 60)
    return node


def give_role_to(node, name, incarnation):
    """As a claim does: the epoch moves."""
    with store_of(node) as store:
        leader = json.loads(store.get("/leader")[0])
        leader |= {"epoch": leader["epoch"] + 1, "node": name, "incarnation": incarnation}
        store.set("/leader", json.dumps(leader).encode())


def test_a_hook_lets_go_when_another_node_has_claimed_the_role(primary):
    give_role_to(primary, "n2", 1)
    wait_for("the hook to be told", lambda: "relinquish epoch=1" in primary.calls("role_change"), 60)
    # n2 does not live, so this node claims the role again.
    wait_for("the next takeover", lambda: primary.calls("role_change")[-1] == "takeover epoch=3", 60)
    wait_for("the takeover to end", lambda: state(primary) == "primary", 60)
    assert primary.calls("role_change") == ["takeover epoch=1"] * primary.calls("role_change").count("takeover epoch=1") + [
        "relinquish epoch=1", "takeover epoch=3"]


def test_a_hook_lets_go_of_a_core_that_cannot_prove_any_more_that_it_may_act(primary):
    primary.running["keepalive"].send(signal.SIGSTOP)
    wait_for("the hook to be told", lambda: primary.calls("role_change")[-1] == "relinquish epoch=1", 60)
    wait_for("the core to say so", lambda: state(primary) == "secondary", 60)
    primary.running["keepalive"].send(signal.SIGCONT)
    wait_for("the next takeover", lambda: primary.calls("role_change")[-1].startswith("takeover"), 60)
    wait_for("the takeover to end", lambda: state(primary) == "primary", 60)


def test_a_lost_role_is_relinquished_until_its_hook_acknowledges(primary):
    primary.answer("role_change", outcome="refused", note="the address does not go")
    primary.running["keepalive"].send(signal.SIGSTOP)
    wait_for("the hook to be asked again", lambda: primary.calls("role_change")[-2:] == ["relinquish epoch=1"] * 2, 60)
    assert state(primary) == "relinquish"
    primary.answer("role_change")
    wait_for("the core to say that it is done", lambda: state(primary) == "secondary", 60)
    primary.running["keepalive"].send(signal.SIGCONT)


def test_a_core_that_does_not_see_the_store_any_more_lets_go(primary):
    primary.zookeeper.send(signal.SIGSTOP)
    try:
        wait_for("the hook to be told", lambda: primary.calls("role_change")[-1] == "relinquish epoch=1", 60)
    finally:
        primary.zookeeper.send(signal.SIGCONT)
    wait_for("the next takeover", lambda: primary.calls("role_change")[-1].startswith("takeover"), 60)


def proof_age_s(node):
    return time.time() - (node.folder / "run" / "proof").stat().st_mtime


def test_a_core_without_a_right_that_died_as_primary_lets_go_when_it_is_back(primary):
    primary.running["keepalive"].send(signal.SIGSTOP)
    primary.running.pop("core").kill()
    before = len(primary.calls("role_change"))
    wait_for("its proof to be too old", lambda: proof_age_s(primary) > 7, 60)
    primary.start("core")
    wait_for("the hook to be told", lambda: len(primary.calls("role_change")) > before, 60)
    assert primary.calls("role_change")[before].startswith("relinquish")
    primary.running["keepalive"].send(signal.SIGCONT)


def test_a_core_that_died_as_primary_lets_go_when_it_is_back(primary):
    primary.running.pop("core").kill()
    before = len(primary.calls("role_change"))
    give_role_to(primary, "n2", 1)
    primary.start("core")
    wait_for("the hook to be told", lambda: len(primary.calls("role_change")) > before, 60)
    assert primary.calls("role_change")[before] == "relinquish epoch=2"     # up to what others have claimed
    wait_for("the next takeover", lambda: primary.calls("role_change")[-1] == "takeover epoch=3", 60)


def test_a_role_that_comes_back_between_two_looks_is_taken_over_again(primary):
    with store_of(primary) as store:
        incarnation = json.loads(store.get("/leader")[0])["incarnation"]
    give_role_to(primary, NAME, incarnation)
    wait_for("the takeover of the new epoch", lambda: primary.calls("role_change")[-1] == "takeover epoch=2", 60)
    wait_for("the takeover to end", lambda: state(primary) == "primary", 60)
