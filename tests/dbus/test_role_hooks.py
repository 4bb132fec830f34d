"""What moves with the role of primary: taken over when its hook says so, given up whatever it says."""
import signal

import pytest

from .client import node_path
from .node import NAME
from .processes import wait_for


@pytest.fixture
def node(make_node):
    """Its role hook does not want to."""
    made = make_node()
    file = made.folder / "etc/pvcd.toml"
    file.write_text(file.read_text().replace("[hooks]", '[hooks]\nrole = ["fake"]'))
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
