"""Several plugins in one process, as for a machine that is a cluster of one."""
import signal
import socket

import pytest

from .client import ROOT, vm_path
from .domains import domain, fresh_uuid
from .node import HOST, NAME, PLUGINS
from .processes import wait_for


class ServiceManager:
    """What it is told. Of what nobody takes, its socket keeps a few: ask often."""

    def __init__(self, listening):
        self._socket, self._told = listening, []

    def told(self):
        """Everything until now."""
        try:
            while True:
                self._told.append(self._socket.recv(4096, socket.MSG_DONTWAIT).decode())
        except BlockingIOError:
            return self._told


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        yield ServiceManager(listening)


@pytest.fixture
def node(make_node):
    made = make_node()
    made.write("etc/plugins.d/fake.toml", f'script = "{made.script}"\ninterval_ms = 100\nstall_limit_ms = 2000\n')
    return made


@pytest.fixture
def together(node, systemd, monkeypatch):
    """The process of all plugins, beside a core of its own."""
    process = node.start_together(*PLUGINS)
    monkeypatch.delenv("NOTIFY_SOCKET")         # the core has nothing to tell here
    node.start("core")
    all_running = "STATUS=" + ", ".join(f"{name} running" for name in PLUGINS)
    wait_for("all to run", lambda: all_running in "\n".join(systemd.told()))
    node.wait_until_ready()
    return process


def test_a_vm_runs(node, together):
    vm = fresh_uuid()
    node.client.define(domain("together", vm))
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"
    assert node.client.get(vm_path(vm), "Vm", "State") == "running" and node.domain(vm)[0] == "running"
    for name in PLUGINS:
        state = node.client.call("/org/pvcd1/plugin", "org.freedesktop.DBus.Properties", "Get", "ss", "org.pvcd1.Plugin", "State",
                                 name=f"org.pvcd1.plugin.{name}")
        assert state == "running"
        wait_for("the keepalive to tell it", lambda: node.unit_state(name) == "running")


def test_it_is_ready_when_all_are(together, systemd):
    messages = systemd.told()
    ready = [number for number, message in enumerate(messages) if message.startswith("READY=1")]
    assert len(ready) == 1 and "keepalive running" in messages[ready[0]]      # it needs no bus: it is ready when it runs
    assert not any("STOPPING" in message for message in messages)


def test_one_that_hangs_is_named_and_the_others_go_on(node, together, systemd):
    vm = fresh_uuid()
    node.client.define(domain("hung", vm))
    node.answer("before_start", delay_ms=6000)
    node.client.vm(vm, "Start")
    wait_for("it to be seen", lambda: systemd.told() and node.unit_state("fake") == "stalled")
    assert node.unit_state("keepalive") == node.unit_state("election") == "running"
    assert node.client.get(ROOT, "Manager", "Primary") == NAME
    node.answer("before_start")
    wait_for("the end of the call", lambda: systemd.told() and node.unit_state("fake") == "running")
    messages = systemd.told()
    stalled = next(number for number, message in enumerate(messages) if "fake stalled" in message)
    recovered = next(number for number, message in enumerate(messages) if number > stalled and "fake running" in message)
    assert "WATCHDOG=1" in messages[:stalled] and "WATCHDOG=1" not in messages[stalled:recovered]
    wait_for("pings of the watchdog", lambda: "WATCHDOG=1" in systemd.told()[recovered:])


def test_they_stop_in_turn_and_the_keepalive_last(node, together, systemd):
    assert node.running["core"].stop() == 0
    node.answer("stop", delay_ms=6000)
    systemd.told()                      # that it stops is told only when there is room for it
    together.send(signal.SIGTERM)
    wait_for("the stop of the fake plugin", lambda: node.calls("stop"))
    proof = node.folder / "run" / "proof"
    before = proof.read_text()
    wait_for("another heartbeat", lambda: proof.read_text() != before)
    assert together.status() is None
    assert together.wait() == 0 and not proof.exists()


def test_nothing_starts_when_one_cannot(node):
    cases = {"one is missing": (["keepalive", "missing"], "missing"), "twice": (["fake", "fake"], "each plugin once"),
             "none": ([], "usage: pvcd-host PLUGIN...")}
    for name, (plugins, words) in cases.items():
        process = node.run(name, [HOST, *plugins])
        assert process.wait() == 1 and words in process.output(), name
        assert "joined" not in process.output(), name


def test_one_that_cannot_start_ends_all(node):
    node.write("etc/plugins.d/fake.toml", 'script = "/nowhere"\n')
    process = node.start_together(*PLUGINS)
    assert process.wait() == 1 and "cannot start: script: there is no folder /nowhere" in process.output()
    del node.running["plugins"]
