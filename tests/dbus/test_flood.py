"""Ten thousand changes as fast as the store takes them, with a client of the bus that does not read what it is told."""
import array
import fcntl
import json
import termios
import time

import dbus.bus
import pytest

from .client import PROPERTIES, ROOT, node_path
from .domains import domain, fresh_uuid
from .node import NAME
from .processes import wait_for
from .store_client import store_of

CHANGES = 10_000
FILLING = "x" * 1000            # so that a few hundred signals are more than a socket holds


@pytest.fixture
def node(make_node):
    made = make_node()
    file = made.folder / "etc/pvcd.toml"
    # A busy machine must not make it lose its session: that would not be for the flood.
    file.write_text(file.read_text().replace("session_timeout_ms = 3000", "session_timeout_ms = 9000"))
    made.start_all()
    return made


@pytest.fixture
def deaf(node):
    """It has asked for every signal and reads none."""
    connection = dbus.bus.BusConnection(node.bus.address)
    connection.add_match_string("type='signal'")
    yield connection
    connection.close()


def unread(connection):
    count = array.array("i", [0])
    fcntl.ioctl(connection.get_unix_fd(), termios.FIONREAD, count)
    return count[0]


def told(node, path):
    node.client.receive()
    return [arguments[1]["Profile"] for at, signal, arguments in node.client.signals
            if at == path and signal == f"{PROPERTIES}.PropertiesChanged" and "Profile" in arguments[1]]


def change(store, uuid, numbers):
    record = json.loads(store.get(f"/vms/{uuid}")[0])
    return [store.set_async(f"/vms/{uuid}", json.dumps({**record, "profile": f"{FILLING}{number}"}).encode()) for number in numbers]


def test_neither_a_flood_nor_a_client_that_does_not_read_holds_anybody_up(node, deaf):
    uuid = fresh_uuid()
    path = node.client.define(domain("changing", uuid))
    life = [node.client.get(node_path(NAME), "Node", "Incarnation"), node.client.get(ROOT, "Manager", "Epoch")]
    with store_of(node) as store:
        written = change(store, uuid, range(CHANGES))
        slowest = 0
        while not written[-1].ready():
            began = time.monotonic()
            assert node.client.get(path, "Vm", "Name") == "changing"
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 10             # it does not stand still; these machines may
        wait_for("the last value to be told", lambda: told(node, path)[-1:] == [f"{FILLING}{CHANGES - 1}"], 120)
        assert len(told(node, path)) < CHANGES / 2          # what changed again before it was told is told once

        # It holds no more, and the others are told as before.
        def is_full():
            before = unread(deaf)
            for answer in change(store, uuid, range(100)):
                answer.get(timeout=20)
            wait_for("the others to be told", lambda: told(node, path)[-1:] == [f"{FILLING}99"])
            return unread(deaf) == before > len(FILLING)
        wait_for("the client to be full", is_full, 60)
    assert node.client.finish(node.client.vm(uuid, "Start"))[0] == "done"
    assert life == [node.client.get(node_path(NAME), "Node", "Incarnation"), node.client.get(ROOT, "Manager", "Epoch")]
