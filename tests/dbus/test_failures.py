"""What is asked for while something is missing: refused with a reason, nothing changed, and done once it is back."""
import json
import os
import pathlib
import signal
import socket
import time

import dbus
import pytest

from .client import NAME as NAME_ON_BUS
from .client import NO_OPTIONS, ROOT, Refused, node_path, vm_path
from .domains import domain, fresh_uuid
from .node import NAME
from .processes import wait_for
from .store_client import content_of, store_of


@pytest.fixture
def node(make_node):
    made = make_node()
    made.start_all()
    return made


def refused_kind(call, *arguments):
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value.name.rpartition(".")[2]


# ---------------------------------------------------------------------------------------------------------- the store

@pytest.fixture
def silent_store(node):
    """A store that says nothing, as behind a cut network."""
    node.zookeeper.send(signal.SIGSTOP)
    yield
    node.zookeeper.send(signal.SIGCONT)


def test_nothing_is_taken_on_without_the_store(node, vm, silent_store):
    client = node.client
    node.zookeeper.send(signal.SIGCONT)
    job = client.vm(vm, "Stop")
    assert client.finish(job)[0] == "skipped"
    with store_of(node) as store:
        before = content_of(store)
    node.zookeeper.send(signal.SIGSTOP)
    wait_for("the node to notice", lambda: not client.get(ROOT, "Manager", "Quorate"), 30)
    client.receive()
    signals = len(client.signals)
    manager = [("GetVm", "s", "never"), ("GetNode", "s", "n9"), ("Explain", "s", f"vm/{vm}"), ("Explain", "s", "decision/1"),
               ("DryRun", "sa{sv}", f"fail node {NAME}", NO_OPTIONS), ("DefineVm", "sa{sv}", domain("never"), NO_OPTIONS),
               ("SetMaintenance", "ba{sv}", True, NO_OPTIONS), ("AcceptStore", "a{sv}", NO_OPTIONS)]
    for call in manager:
        assert refused_kind(client.manager, *call) == "Unavailable", call
    for method in ("Start", "Shutdown", "Stop", "Restart", "Disable", "Undefine", "Configure"):
        assert refused_kind(client.vm, vm, method) == "Unavailable", method
    assert refused_kind(client.vm, vm, "Move", "sa{sv}", NAME, NO_OPTIONS) == "Unavailable"
    assert refused_kind(client.vm, vm, "Explain", "") == "Unavailable"
    for method in ("Fence", "VerifyFence", "BecomePrimary", "StepDown"):
        assert refused_kind(client.node, NAME, method) == "Unavailable", method
    boot = client.get(node_path(NAME), "Node", "BootId")
    assert refused_kind(client.node, NAME, "ConfirmOff", dbus.Dictionary({"boot_id": boot}, signature="sv")) == "Unavailable"
    assert refused_kind(client.call, job, "org.pvcd1.Job", "Cancel", "a{sv}", NO_OPTIONS) == "Unavailable"
    client.receive()
    assert not [name for _, name, _ in client.signals[signals:] if name == "org.pvcd1.Manager.JobNew"]
    assert client.get(vm_path(vm), "Vm", "WantedState") == "stopped"         # what was seen last stays readable
    assert client.manager("GetVm", "s", vm) == vm_path(vm) and client.manager("GetNode", "s", NAME) == node_path(NAME)

    node.zookeeper.send(signal.SIGCONT)
    node.wait_until_ready()
    with store_of(node) as store:
        assert of_people(content_of(store)) == of_people(before)
    assert client.peek(vm_path(vm), "Vm", "WantedState") == "stopped"
    assert refused_kind(client.manager, "GetVm", "s", "never") == "NotFound"
    assert client.finish(client.vm(vm, "Start"))[0] == "done"


def of_people(content):
    """Without what a session that was lost meanwhile has changed: who is primary, and which incarnation the node is."""
    return {path: text for path, text in content.items() if not path.startswith(("/leader", "/roles/", "/nodes/"))}


def test_what_the_store_does_not_answer_may_have_happened(node, vm, silent_store):
    """Asked before the node notices that the store is silent: nobody can know, and nothing else has happened."""
    client = node.client
    assert client.get(ROOT, "Manager", "Quorate")
    with pytest.raises(Refused) as caught:
        client.vm(vm, "Configure", "a{sv}", dbus.Dictionary({"priority": dbus.Int32(7)}, signature="sv"))
    assert caught.value.name == "org.pvcd1.Error.Timeout" and "may have happened" in caught.value.text
    node.zookeeper.send(signal.SIGCONT)
    node.wait_until_ready()
    assert client.get(vm_path(vm), "Vm", "Priority") in (0, 7)
    assert client.get(vm_path(vm), "Vm", "WantedState") == "stopped"


def test_without_proof_nothing_is_started(node, vm, silent_store):
    """Crashed while the store is silent: it is started again only when the node has proof again (S5)."""
    node.zookeeper.send(signal.SIGCONT)
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"
    node.zookeeper.send(signal.SIGSTOP)
    wait_for("the node to lose its proof", lambda: "it does not act" in node.running["core"].output(), 30)
    created = len(node.calls("create"))
    (node.script / f"domain.{vm}").unlink()
    time.sleep(2)                       # several rounds; there is no condition for something that must not come
    assert len(node.calls("create")) == created
    node.zookeeper.send(signal.SIGCONT)
    wait_for("it to run again", lambda: node.domain(vm) and node.domain(vm)[0] == "running", 60)


# -------------------------------------------------------------------------------------------------------- the plugins

def test_an_absent_hook_means_no_start_and_it_is_named(node, vm):
    with_absent_hook(node, True)
    assert_not_taken_on(node, vm, "pvcd-rbd-locks.service does not run")
    assert not node.calls("create")


def test_without_the_hook_a_guest_is_stopped_and_released_when_the_hook_is_back(node, vm):
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"
    with_absent_hook(node, True)
    node.client.wait_for_vm(vm, "running")
    result, message = node.client.finish(node.client.vm(vm, "Stop"))
    assert result == "failed" and "rbd-locks" in message
    assert node.domain(vm) is None and node.client.get(vm_path(vm), "Vm", "WantedState") == "stopped"
    assert "rbd-locks" in node.client.get(vm_path(vm), "Vm", "FailedReason")
    with_absent_hook(node, False)
    wait_for("the release", lambda: node.client.get(vm_path(vm), "Vm", "FailedReason") == "" and
             node.client.get(vm_path(vm), "Vm", "State") == "stopped", 30)


def with_absent_hook(node, absent):
    """Another plugin is the hypervisor still, so that only the hook is missing."""
    node.running["core"].stop()
    ours, both = 'vm_pre_start = ["fake"]', 'vm_pre_start = ["fake", "rbd-locks"]'
    config = (node.folder / "etc/pvcd.toml").read_text()
    node.write("etc/plugins.d/rbd-locks.toml", "timeout_ms = 1000\n")
    node.write("etc/pvcd.toml", config.replace(ours, both) if absent else config.replace(both, ours))
    node.start("core")
    node.wait_until_ready()


def assert_not_taken_on(node, vm, reason):
    """Nothing is written, so nothing starts unasked when the plugin is back."""
    with store_of(node) as store:
        before = content_of(store)
        for method in ("Start", "Restart"):
            with pytest.raises(Refused) as caught:
                node.client.vm(vm, method)
            assert caught.value.name == "org.pvcd1.Error.Unavailable" and reason in caught.value.text and NAME in caught.value.text
        assert content_of(store) == before
    assert node.client.get(vm_path(vm), "Vm", "WantedState") == "stopped"


def test_an_absent_hypervisor_means_no_start_and_it_is_named(node, vm):
    assert node.running.pop("fake").stop() == 0
    wait_for("the node to know", lambda: node.unit_state("fake") == "shutdown")
    assert_not_taken_on(node, vm, "pvcd-fake.service is shutdown")
    node.start("fake")
    node.wait_until_ready()
    time.sleep(2)                                   # several rounds: it does not start unasked
    assert not node.calls("create")
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"
    node.running["fake"].stop()
    wait_for("the node to know", lambda: node.unit_state("fake") == "shutdown")
    assert refused_kind(node.client.vm, vm, "Restart") == "Unavailable"
    assert refused_kind(node.client.vm, vm, "Move", "sa{sv}", "", NO_OPTIONS) == "Unavailable"
    with store_of(node) as store:
        before = content_of(store)
        for method in ("Stop", "Shutdown", "Disable"):
            with pytest.raises(Refused) as caught:
                node.client.vm(vm, method)
            assert caught.value.name == "org.pvcd1.Error.Unavailable" and f"is on {NAME}, where pvcd-fake.service is shutdown" in caught.value.text
        assert content_of(store) == before
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "skipped"     # it runs, and is wanted
    assert node.client.get(vm_path(vm), "Vm", "WantedState") == "running"


def test_a_hypervisor_that_goes_away_later_means_that_it_starts_later(node, vm):
    node.running["fake"].kill()                     # nobody knows yet
    job = node.client.vm(vm, "Start")
    wait_for("the reason", lambda: "plugin fake" in node.client.get(vm_path(vm), "Vm", "FailedReason"))
    assert node.client.get(vm_path(vm), "Vm", "State") == "starting" and node.domain(vm) is None
    result, message = node.client.finish(job)       # once the plugin has been silent for decision_limit_ms
    assert result == "refused" and "pvcd-fake.service has not reported" in message
    assert "pvcd-fake.service has not reported" in node.client.get(vm_path(vm), "Vm", "FailedReason")
    node.start("fake")
    node.client.wait_for_vm(vm, "running")          # once it is back, what is wanted comes true
    assert node.client.get(vm_path(vm), "Vm", "FailedReason") == ""


@pytest.mark.parametrize("method", ["Fence", "VerifyFence"])
def test_an_absent_fencer_means_no_fence_and_it_is_named(node, method):
    assert node.running.pop("fake").stop() == 0
    wait_for("the node to know", lambda: node.unit_state("fake") == "shutdown")
    with store_of(node) as store:
        before = store.get_children("/jobs"), store.get_children("/fences"), store.get_children("/decisions")
        with pytest.raises(Refused) as caught:
            node.client.node(NAME, method)
        assert caught.value.name == "org.pvcd1.Error.Unavailable"
        assert f"on {NAME} pvcd-fake.service is shutdown" in caught.value.text
        assert (store.get_children("/jobs"), store.get_children("/fences"), store.get_children("/decisions")) == before
    node.start("fake")
    node.wait_until_ready()
    result, message = node.client.finish(node.client.node(NAME, method))
    assert result == "done" if method == "VerifyFence" else (result == "refused" and "does not fence itself" in message)


@pytest.mark.parametrize("method, twin", [("BecomePrimary", "skipped"), ("StepDown", "refused")])
def test_an_absent_elector_means_that_the_role_is_not_given_up(node, method, twin):
    wait_for("it to report", lambda: node.unit_state("election") == "running")
    node.running["election"].send(signal.SIGSTOP)       # stopped in order it would give the role back itself
    wait_for("it to be silent for decision_limit_ms", lambda: node.unit_age_s("election") > 11, 60)
    with store_of(node) as store:
        before = store.get_children("/jobs"), store.get_children("/decisions"), store.get("/leader")[0]
        with pytest.raises(Refused) as caught:
            node.client.node(NAME, method)
        assert caught.value.name == "org.pvcd1.Error.Unavailable"
        assert f"on {NAME} pvcd-election.service has not reported" in caught.value.text
        assert (store.get_children("/jobs"), store.get_children("/decisions"), store.get("/leader")[0]) == before
    node.running["election"].send(signal.SIGCONT)
    node.wait_until_ready()
    wait_for("it to report again", lambda: node.unit_age_s("election") < 5, 60)
    assert node.client.finish(node.client.node(NAME, method))[0] == twin


def test_a_vm_without_a_node_says_why(node):
    vm, twin = fresh_uuid(), fresh_uuid()
    node.client.define(domain("huge", vm, memory=1 << 30))
    node.client.define(domain("small", twin))
    result, message = node.client.finish(node.client.vm(vm, "Start"))
    assert result == "refused" and "no node can take it now" in message
    wait_for("the reason", lambda: "huge needs" in node.client.get(vm_path(vm), "Vm", "FailedReason"))
    assert node.client.get(vm_path(vm), "Vm", "State") == "starting"
    assert node.client.finish(node.client.vm(twin, "Start"))[0] == "done"
    assert node.client.get(vm_path(twin), "Vm", "FailedReason") == ""
    assert node.client.finish(node.client.vm(vm, "Stop"))[0] == "done"
    wait_for("the reason to go", lambda: node.client.get(vm_path(vm), "Vm", "FailedReason") == "")


@pytest.mark.parametrize("verdict, reason", [("refuse", "the image has another owner"), ("unknown", "Ceph is silent")])
def test_a_hook_that_does_not_say_proceed_prevents_the_start(node, vm, verdict, reason):
    node.answer("before_start", verdict=verdict, note=reason)
    result, message = node.client.finish(node.client.vm(vm, "Start"))
    assert result == "refused" and reason in message
    assert not node.calls("create")
    node.answer("before_start")
    node.client.wait_for_vm(vm, "running")


def test_a_hook_may_make_it_wait(node, vm):
    node.answer("before_start", verdict="wait", wait_ms=3000, wait_for="the watch of 10.0.0.9", note="it may live")
    result, message = node.client.finish(node.client.vm(vm, "Start"))
    assert result == "refused" and "the watch of 10.0.0.9" in message
    node.answer("before_start")
    node.client.wait_for_vm(vm, "running")
    assert len(node.calls("before_start")) == 2     # not before its time, and no oftener


def test_a_hung_hook_means_no_start(node, vm):
    """It answers Proceed, but after its time: a timeout is no permission."""
    node.answer("before_start", delay_ms=6000)
    began = time.monotonic()
    result, message = node.client.finish(node.client.vm(vm, "Start"))
    assert result == "refused" and "fake" in message
    assert time.monotonic() - began < 6             # hook_deadline_ms is 2 s
    assert not node.calls("create")
    node.answer("before_start")
    node.client.wait_for_vm(vm, "running")


def test_the_bus_answers_while_a_plugin_hangs(node, vm):
    node.answer("before_start", delay_ms=4000)
    node.client.vm(vm, "Start")
    wait_for("the hook to be asked", lambda: node.calls("before_start"))
    began = time.monotonic()
    other = node.client.define(domain("meanwhile"))
    assert node.client.get(other, "Vm", "Name") == "meanwhile"
    plugin = node.client.call("/org/pvcd1/plugin", "org.freedesktop.DBus.Properties", "Get", "ss", "org.pvcd1.Plugin", "State",
                              name="org.pvcd1.plugin.fake")
    assert plugin == "running"
    assert time.monotonic() - began < 2


def test_a_domain_that_cannot_be_created_is_refused_with_libvirts_words(node, vm):
    node.answer("create", outcome="refused", note="no memory left")
    result, message = node.client.finish(node.client.vm(vm, "Start"))
    assert result == "refused" and "no memory left" in message


def test_without_its_instances_on_record_the_cpus_never_run(node, vm):
    node.answer("identify", outcome="unknown", note="Ceph is silent")
    result, message = node.client.finish(node.client.vm(vm, "Start"))
    assert result == "refused" and "Ceph is silent" in message
    assert not node.calls("resume")
    node.answer("identify")
    node.client.wait_for_vm(vm, "running")


def test_a_release_that_is_pending_says_so(node, vm):
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"
    node.answer("after_stop", outcome="unknown", note="Ceph is silent")
    result, message = node.client.finish(node.client.vm(vm, "Stop"))
    assert result == "failed" and "Ceph is silent" in message
    assert node.client.get(vm_path(vm), "Vm", "State") != "stopped" or node.client.get(vm_path(vm), "Vm", "FailedReason")
    node.answer("after_stop")
    wait_for("the release", lambda: node.client.get(vm_path(vm), "Vm", "FailedReason") == "" and
             node.client.get(vm_path(vm), "Vm", "State") == "stopped", 30)


def test_a_job_that_nobody_takes_up_can_be_canceled(make_node):
    """Without an election there is no primary."""
    node = make_node()
    for name in ("keepalive", "fake", "core"):
        node.start(name)
    client = node.client
    wait_for("the store", lambda: client.peek(ROOT, "Manager", "ClusterName"), 30)
    vm = fresh_uuid()
    client.define(domain("patient", vm))
    wait_for("the plugin", lambda: node.unit_state("fake") == "running")
    job = client.vm(vm, "Start")
    assert client.get(job, "Job", "State") == "queued" and client.get(ROOT, "Manager", "Primary") == ""
    client.call(job, "org.pvcd1.Job", "Cancel", "a{sv}", NO_OPTIONS)
    assert client.finish(job)[0] == "canceled"
    node.start("election")
    node.wait_until_ready()
    assert client.finish(client.vm(vm, "Stop"))[0] == "skipped"      # nothing of the canceled job is left
    assert not node.calls("create")


# ------------------------------------------------------------------------------------------------------------- the core

def test_a_killed_core_finds_everything_again(node, vm):
    node.client.finish(node.client.vm(vm, "Start"))
    before, epoch = node.domain(vm), node.client.get(ROOT, "Manager", "Epoch")
    node.running["core"].kill()
    node.start("core")
    node.wait_until_ready()
    node.client.wait_for_vm(vm, "running")
    assert node.domain(vm) == before                # the same QEMU
    assert node.client.get(ROOT, "Manager", "Epoch") >= epoch
    assert node.client.get(vm_path(vm), "Vm", "Generation") == 1
    assert node.client.finish(node.client.vm(vm, "Stop"))[0] == "done"


def test_a_killed_keepalive_goes_on_as_the_same_incarnation(make_node):
    node, vm = make_node(), fresh_uuid()
    file = node.folder / "etc/pvcd.toml"            # one that starts late may not resume
    file.write_text(file.read_text().replace("session_timeout_ms = 3000", "session_timeout_ms = 9000"))
    node.start_all()
    node.client.define(domain("kept", vm))
    node.client.finish(node.client.vm(vm, "Start"))
    incarnation, before = node.client.get("/org/pvcd1/node/n1", "Node", "Incarnation"), node.domain(vm)
    node.running["keepalive"].kill()
    node.start("keepalive")
    wait_for("it to resume", lambda: "resumed" in node.running["keepalive"].output(), 30)
    assert node.client.get("/org/pvcd1/node/n1", "Node", "Incarnation") == incarnation
    assert node.client.finish(node.client.vm(vm, "Restart"))[0] == "done"
    assert node.domain(vm) != before


@pytest.mark.parametrize("name", ["core", "fake"])
def test_who_needs_the_bus_ends_with_it(node, name):
    node.bus.kill()
    assert node.running[name].wait() == 1


def test_the_keepalive_does_not_need_the_bus(node):
    node.bus.kill()
    assert node.running["core"].wait() == 1
    proof = node.folder / "run" / "proof"
    seen = proof.read_text()
    wait_for("a younger proof", lambda: proof.read_text() != seen)
    assert node.running["keepalive"].status() is None


def test_an_orderly_stop(node, vm):
    node.client.finish(node.client.vm(vm, "Start"))
    assert node.running["core"].stop() == 0
    for plugin in ("fake", "election", "keepalive"):
        assert node.running[plugin].stop() == 0
    assert node.domain(vm)[0] == "running"          # VMs run on
    assert not (node.folder / "run" / "proof").exists()


def test_a_plugin_that_hangs_in_its_stop_asks_for_no_more_time(node, tmp_path, monkeypatch):
    """Its unit's limit ends it: a hung library must not keep the host from going down."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        node.running["fake"].kill()
        plugin = node.start("fake")
        while "READY=1" not in systemd.recv(4096).decode():
            pass
        node.answer("stop", delay_ms=3000)
        plugin.send(signal.SIGTERM)
        told, ends = [], time.monotonic() + 20
        while plugin.status() is None and time.monotonic() < ends:
            systemd.settimeout(0.1)
            try:
                told.append(systemd.recv(4096).decode())
            except TimeoutError:
                pass
    assert plugin.status() == 0 and "STOPPING=1" in told and node.calls("stop")
    assert not [one for one in told if "EXTEND_TIMEOUT" in one]


def test_a_core_that_was_stopped_stays_stopped(node):
    """Reading its name starts nothing: there is no service file in the folder where this bus looks for them."""
    assert node.running["core"].stop() == 0
    with pytest.raises(Refused) as caught:
        node.client.get(ROOT, "Manager", "Version")
    assert caught.value.name == "org.freedesktop.DBus.Error.ServiceUnknown" and NAME_ON_BUS in caught.value.text
    assert not node.client.has_name(NAME_ON_BUS)


def restart_core_that_has_seen(node, epoch):
    node.running["core"].stop()
    file = node.folder / "state" / "high-water.json"
    file.write_text(json.dumps(node.high_water() | {"epoch": epoch}))
    node.start("core")
    wait_for("the core to be back", lambda: node.client.has_name(NAME_ON_BUS) and node.client.get(ROOT, "Manager", "Quorate"), 30)


def test_a_store_that_went_backwards_stops_every_act_until_it_is_accepted(node, vm):
    """Rule 15: this node has seen a higher epoch than the store knows, and says so to the whole cluster."""
    def witnesses():
        return node.client.get(ROOT, "Manager", "Witnesses")
    assert refused_kind(node.client.manager, "AcceptStore", "a{sv}", NO_OPTIONS) == "Refused"
    assert not witnesses()
    epoch = node.high_water()["epoch"]
    restart_core_that_has_seen(node, epoch + 1000)
    said = f"the store is at epoch {epoch}, this node has seen {epoch + 1000}"
    wait_for("all to be told", lambda: witnesses() == {NAME: said}, 30)
    assert f"nothing is started or fenced by this node: {said}" in node.running["core"].output()
    job = node.client.vm(vm, "Start")
    # As if others had lifted the store to what this node has seen: what it had lost is still lost.
    restart_core_that_has_seen(node, epoch)
    wait_for("it to be said again", lambda: f"this node has said: {said}" in node.running["core"].output(), 30)
    time.sleep(2)                       # several rounds
    assert not node.calls("create")
    assert witnesses() == {NAME: said}
    restart_core_that_has_seen(node, epoch + 1000)
    node.client.manager("AcceptStore", "a{sv}", NO_OPTIONS)
    assert node.client.finish(job)[0] == "done"
    assert node.client.get(ROOT, "Manager", "Epoch") > epoch + 1000
    wait_for("the word to be taken back", lambda: not witnesses(), 30)


def test_no_process_of_pvcd_has_a_secret_in_its_arguments_or_log(node):
    for process in node.running.values():
        assert "secret" not in pathlib.Path(f"/proc/{process.pid}/cmdline").read_text()
        assert "pvcd:secret" not in process.output()
        assert os.path.exists(process.log)
