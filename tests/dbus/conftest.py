import contextlib
import itertools
import os
import tempfile

import pytest

from .domains import domain, fresh_uuid
from .node import Node
from .processes import ZooKeeper

# Each worker counts for itself; nodes of one name in clusters of one name would hear each other.
_clusters = (f"bus-{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}-{number}" for number in itertools.count(1))


@pytest.fixture(scope="session")
def zookeeper():
    with tempfile.TemporaryDirectory(prefix="pvcd-dbus-") as folder:
        server = ZooKeeper(folder)
        yield server
        server.kill()


@pytest.fixture
def make_node(zookeeper):
    """Nodes of clusters of their own, closed after the test."""
    with contextlib.ExitStack() as made:
        def make():
            node = Node(tempfile.mkdtemp(prefix="pvcd-dbus-"), next(_clusters), zookeeper)
            made.callback(node.close)
            return node
        yield make


@pytest.fixture(scope="module")
def shared_node(zookeeper):
    made = Node(tempfile.mkdtemp(prefix="pvcd-dbus-"), next(_clusters), zookeeper)
    try:
        made.start_all()
        yield made
    finally:
        made.close()


@pytest.fixture
def node(shared_node):
    """A node that works; the tests of a file share it, and each makes VMs of its own."""
    shared_node.client.receive()
    shared_node.client.signals.clear()
    for process in shared_node.running.values():
        assert process.status() is None, f"{process.name} ended before this test:\n{process.output()}"
    return shared_node


@pytest.fixture
def vm(node, request):
    """The UUID of a VM that was defined and is stopped."""
    uuid = fresh_uuid()
    node.client.define(domain(f"vm-{uuid[:8]}", uuid))
    return uuid


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """What the daemons said is part of a failure."""
    report = (yield).get_result()
    if report.failed and report.when != "teardown":      # the folder is gone then; close() has said what was wrong
        for name in ("node", "shared_node"):
            used = item.funcargs.get(name)
            if used is not None:
                report.sections.extend((f"{process}.log", text[-4000:]) for process, text in used.logs().items())
                break
