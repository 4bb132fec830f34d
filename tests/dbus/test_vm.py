"""The life of a VM as the bus shows it."""
import dbus
import pytest

from .client import NAME as BUS_NAME
from .client import NO_OPTIONS, PROPERTIES, ROOT, node_path, vm_path
from .domains import domain, fresh_uuid
from .node import CORE, NAME
from .processes import wait_for

MIB = 1024 * 1024


def changes(client, path, name):
    """Every value of a property that PropertiesChanged told."""
    client.receive()
    return [arguments[1][name] for at, signal, arguments in client.signals
            if at == path and signal == f"{PROPERTIES}.PropertiesChanged" and name in arguments[1]]


def test_a_defined_vm_shows_what_its_xml_says(node):
    uuid = fresh_uuid()
    options = dbus.Dictionary({"home_node": NAME, "priority": dbus.Int32(-3), "tags": dbus.Array(["a", "b"], signature="s"),
                               "autostart": True, "profile": "small"}, signature="sv")
    path = node.client.define(domain("shown", uuid, image="pool/shown", memory=96, vcpus=3), options)
    assert path == vm_path(uuid)
    values = node.client.call(path, PROPERTIES, "GetAll", "s", "org.pvcd1.Vm")
    wanted = {"Name": "shown", "Uuid": uuid, "WantedState": "stopped", "State": "stopped", "Node": "", "HomeNode": NAME,
              "FailedReason": "", "Memory": 96 * MIB, "Vcpus": 3, "Generation": 0, "Priority": -3, "Tags": ["a", "b"], "Profile": "small",
              "Autostart": True, "Migrated": False, "Disks": [("vda", "rbd", "pool/shown")], "NodeLimit": [], "Selector": "",
              "MigrationMethod": ""}
    assert dict(values) == wanted


def test_a_vm_is_found_by_name_and_by_uuid_and_gives_its_xml_back(node):
    uuid = fresh_uuid()
    text = domain("found", uuid)
    path = node.client.define(text)
    assert node.client.manager("GetVm", "s", "found") == path
    assert node.client.manager("GetVm", "s", uuid) == path
    assert node.client.vm(uuid, "GetXml", "") == text


def test_a_vm_without_a_uuid_gets_one_that_its_xml_names(node):
    path = node.client.define(domain("nameless"))
    uuid = node.client.get(path, "Vm", "Uuid")
    assert f"<uuid>{uuid}</uuid>" in node.client.call(path, "org.pvcd1.Vm", "GetXml")


def test_defining_is_told_to_who_listens(node, vm):
    node.client.wait_for_signal("InterfacesAdded", lambda path, name, arguments:
                                name == "org.freedesktop.DBus.ObjectManager.InterfacesAdded" and arguments[0] == vm_path(vm))


def test_start_and_stop(node, vm):
    client, path = node.client, vm_path(vm)
    job = client.vm(vm, "Start")
    assert client.finish(job) == ("done", client.get(job, "Job", "Message"))
    assert (client.get(path, "Vm", "State"), client.get(path, "Vm", "WantedState"), client.get(path, "Vm", "Node")) == ("running", "running", NAME)
    assert client.get(path, "Vm", "Generation") == 1
    assert node.domain(vm)[0] == "running"

    assert client.finish(client.vm(vm, "Stop"))[0] == "done"
    assert (client.get(path, "Vm", "State"), client.get(path, "Vm", "WantedState")) == ("stopped", "stopped")
    assert node.domain(vm) is None
    assert changes(client, path, "WantedState") == ["running", "stopped"]
    assert "running" in changes(client, path, "State") and changes(client, path, "State")[-1] == "stopped"


def test_a_start_asks_the_hook_before_it_creates_the_domain_paused(node, vm):
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"
    calls = [line for line in (node.script / "calls.log").read_text().splitlines() if vm in line]
    steps = [line.split(" ")[0] for line in calls if line.split(" ")[0] in ("before_start", "create", "resume")]
    assert steps == ["before_start", "create", "resume"]
    assert f"{vm} generation=1" in node.calls("create")


def test_shutdown_asks_the_guest(node, vm):
    node.client.finish(node.client.vm(vm, "Start"))
    assert node.client.finish(node.client.vm(vm, "Shutdown"))[0] == "done"
    assert any(vm in call for call in node.calls("shutdown"))
    assert not any(vm in call for call in node.calls("destroy"))


def test_stop_does_not_ask_the_guest(node, vm):
    node.client.finish(node.client.vm(vm, "Start"))
    assert node.client.finish(node.client.vm(vm, "Stop"))[0] == "done"
    assert any(vm in call for call in node.calls("destroy"))
    assert not any(vm in call for call in node.calls("shutdown"))


def test_restart_is_a_new_process(node, vm):
    node.client.finish(node.client.vm(vm, "Start"))
    before = node.domain(vm)
    assert node.client.finish(node.client.vm(vm, "Restart"))[0] == "done"
    assert node.domain(vm)[0] == "running" and node.domain(vm) != before


def test_what_is_so_already_is_skipped(node, vm):
    assert node.client.finish(node.client.vm(vm, "Stop"))[0] == "skipped"
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "skipped"


def test_a_crashed_vm_comes_back(node, vm):
    node.client.finish(node.client.vm(vm, "Start"))
    _, number = node.domain(vm)
    (node.script / f"domain.{vm}").unlink()
    wait_for("a new QEMU", lambda: node.domain(vm) not in (None, ("paused", number + 1)) and node.domain(vm)[1] > number, 30)
    node.client.wait_for_vm(vm, "running")


def test_disable_stops_and_start_enables_again(node, vm):
    node.client.finish(node.client.vm(vm, "Start"))
    assert node.client.finish(node.client.vm(vm, "Disable"))[0] == "done"
    assert node.client.get(vm_path(vm), "Vm", "WantedState") == "disabled"
    assert node.domain(vm) is None
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"


def test_undefine_forgets_a_stopped_vm(node, vm):
    path = vm_path(vm)
    assert node.client.finish(node.client.vm(vm, "Undefine"))[0] == "done"
    node.client.wait_for_signal("InterfacesRemoved", lambda at, name, arguments:
                                name == "org.freedesktop.DBus.ObjectManager.InterfacesRemoved" and arguments[0] == path)
    assert node.client.peek(path, "Vm", "Name") is None
    assert node.client.define(domain(f"vm-{vm[:8]}", vm)) == path           # its name and UUID are free again


def test_undefine_refuses_a_running_vm(node, vm):
    node.client.finish(node.client.vm(vm, "Start"))
    result, message = node.client.finish(node.client.vm(vm, "Undefine"))
    assert result == "refused" and "stop it first" in message
    assert node.client.get(vm_path(vm), "Vm", "State") == "running"


def test_configure_changes_all_keys_at_once(node, vm):
    options = dbus.Dictionary({"priority": dbus.Int32(7), "node_limit": dbus.Array([NAME], signature="s")}, signature="sv")
    node.client.vm(vm, "Configure", "a{sv}", options)
    path = vm_path(vm)
    node.client.wait_for_signal("both in one signal", lambda at, name, arguments: at == path and name == f"{PROPERTIES}.PropertiesChanged"
                                and set(arguments[1]) == {"Priority", "NodeLimit"})
    assert (node.client.get(path, "Vm", "Priority"), node.client.get(path, "Vm", "NodeLimit")) == (7, [NAME])


def test_a_job_is_announced_shown_and_kept_when_it_has_finished(node, vm):
    client = node.client
    job = client.vm(vm, "Start")
    number = client.get(job, "Job", "Id")
    assert job == f"{ROOT}/job/{number}"
    client.finish(job)
    client.wait_for_signal("JobNew", lambda path, name, arguments: name == "org.pvcd1.Manager.JobNew" and arguments == (number, job))
    client.wait_for_signal("JobRemoved", lambda path, name, arguments: name == "org.pvcd1.Manager.JobRemoved" and arguments == (number, job, "done"))
    values = client.call(job, PROPERTIES, "GetAll", "s", "org.pvcd1.Job")
    assert values["Type"] == "vm-start" and values["State"] == "finished" and values["Result"] == "done"
    assert values["Object"] == vm_path(vm) and values["StartedOn"] == NAME and values["StartedByUid"] == 0
    assert values["Progress"] == 1.0 and values["StartTime"] > 0
    assert changes(client, job, "State")[-1] == "finished"


def test_the_nodes_sums_follow_the_vms(node, vm):
    client, path = node.client, node_path(NAME)
    running = client.get(path, "Node", "RunningVms")
    memory = client.get(path, "Node", "MemoryAllocated")
    client.finish(client.vm(vm, "Start"))
    assert client.get(path, "Node", "RunningVms") == running + 1
    assert client.get(path, "Node", "MemoryAllocated") == memory + 64 * MIB
    assert client.get(path, "Node", "MemoryProvisioned") >= client.get(path, "Node", "MemoryAllocated")
    assert running + 1 in changes(client, path, "RunningVms")
    client.finish(client.vm(vm, "Stop"))
    assert client.get(path, "Node", "RunningVms") == running


def test_the_node_and_the_manager_show_the_truth(node):
    client = node.client
    values = client.call(node_path(NAME), PROPERTIES, "GetAll", "s", "org.pvcd1.Node")
    boot = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip()
    assert values["Name"] == NAME and values["DaemonState"] == "run" and values["CoordinatorState"] == "primary"
    assert values["BootId"] == boot and values["Incarnation"] >= 1
    assert values["Addresses"] == ["127.0.0.1"] and values["FloatingAddresses"] == ["127.0.0.99"]
    assert values["KeepaliveAge"] < 5_000_000 and values["CpuCount"] >= 1 and values["MemoryTotal"] > 0
    assert client.get(ROOT, "Manager", "NodeName") == NAME and client.get(ROOT, "Manager", "Epoch") >= 1
    wait_for("some load", lambda: client.get(node_path(NAME), "Node", "CpuLoad") > 0, 120)
    assert client.get(ROOT, "Manager", "Quorate") and client.manager("GetNode", "s", NAME) == node_path(NAME)
    wait_for("every unit", lambda: {str(line[0]): str(line[2]) for line in client.get(ROOT, "Manager", "Plugins")}.items() >=
             {"keepalive": "running", "election": "running", "fake": "running"}.items())


def test_decisions_are_told(node, vm):
    node.client.finish(node.client.vm(vm, "Start"))
    node.client.wait_for_signal("a decision", lambda path, name, arguments: name == "org.pvcd1.Manager.Decision" and f"vm-{vm[:8]}" in arguments[1])


def test_maintenance_goes_on_and_off(node):
    for wanted in (True, False):
        node.client.manager("SetMaintenance", "ba{sv}", wanted, NO_OPTIONS)
        wait_for("maintenance", lambda: node.client.get(ROOT, "Manager", "Maintenance") == wanted)
    assert changes(node.client, ROOT, "Maintenance") == [True, False]


def test_the_fence_of_a_node_can_be_verified(node):
    assert node.client.finish(node.client.node(NAME, "VerifyFence"))[0] == "done"
    wait_for("FenceReady", lambda: node.client.get(node_path(NAME), "Node", "FenceReady"))


def test_the_bus_name_is_held_by_one(node):
    second = node.run("second-core", [CORE])
    try:
        assert second.wait() == 1
        assert BUS_NAME in second.output()
    finally:
        second.kill()


@pytest.mark.parametrize("name", ["no-such-vm", "00000000-1111-2222-3333-444444444444"])
def test_nothing_is_shown_where_nothing_is(node, name):
    assert node.client.peek(vm_path(name), "Vm", "Name") is None
