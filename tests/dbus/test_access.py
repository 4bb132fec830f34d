"""Who may do what: reading is open; the rest is root's, or whom polkit allows."""
import json
import subprocess
import sys

import dbus
import pytest

from .client import NO_OPTIONS, ROOT, vm_path
from .node import NAME
from .processes import TOP, Process, wait_for

NOBODY = 65534


def as_nobody(node, *words):
    """busctl by a user without rights; (exit status, what it said)"""
    done = subprocess.run(["busctl", f"--address={node.bus.address}", "--json=short", "--timeout=20", *words], user=NOBODY, group=NOBODY,
                          extra_groups=[], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout or done.stderr


def start_as_nobody(node, vm):
    return as_nobody(node, "call", "org.pvcd1", vm_path(vm), "org.pvcd1.Vm", "Start", "a{sv}", "0")


@pytest.fixture(params=[True, False], ids=["allows", "denies"])
def polkit(node, request):
    answer = "yes" if request.param else "no"
    process = Process("polkit", [sys.executable, TOP / "tests" / "dbus" / "fake_polkit.py", answer], node.folder / "polkit.log",
                      {"DBUS_SYSTEM_BUS_ADDRESS": node.bus.address})
    wait_for("polkit", lambda: node.client.has_name("org.freedesktop.PolicyKit1"))
    process.allows = request.param
    yield process
    process.kill()
    wait_for("no polkit", lambda: not node.client.has_name("org.freedesktop.PolicyKit1"))


def test_everybody_may_read(node, vm):
    status, text = as_nobody(node, "get-property", "org.pvcd1", vm_path(vm), "org.pvcd1.Vm", "State")
    assert status == 0 and json.loads(text)["data"] == "stopped"
    for method, arguments in (("GetNode", ["s", NAME]), ("GetVm", ["s", vm])):
        assert as_nobody(node, "call", "org.pvcd1", ROOT, "org.pvcd1.Manager", method, *arguments)[0] == 0
    assert as_nobody(node, "call", "org.pvcd1", vm_path(vm), "org.pvcd1.Vm", "GetXml")[0] == 0


def test_without_polkit_only_root_may_act(node, vm):
    status, text = start_as_nobody(node, vm)
    assert status != 0 and "polkit" in text
    assert node.client.get(vm_path(vm), "Vm", "WantedState") == "stopped"
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"


def test_polkit_is_asked_for_the_action_of_the_method(node, vm, polkit):
    status, text = start_as_nobody(node, vm)
    assert "org.pvcd1.vm-control" in polkit.output()
    assert (status == 0) == polkit.allows
    if polkit.allows:
        job = json.loads(text)["data"][0]
        assert node.client.finish(job)[0] == "done"
        assert node.client.get(job, "Job", "StartedByUid") == NOBODY
    else:
        assert "denied" in text.lower()
        assert node.client.get(vm_path(vm), "Vm", "WantedState") == "stopped"


def test_every_decision_about_access_is_in_the_journal(node, vm, polkit):
    start_as_nobody(node, vm)
    line = next(line for line in node.running["core"].output().splitlines() if f"{vm_path(vm)} for uid {NOBODY}" in line)
    assert ("allowed" if polkit.allows else "denied") in line


ASKED = "uid 0 asked for it on n1"


@pytest.mark.parametrize("call, decided", [
    (lambda client, vm: client.vm(vm, "Configure", "a{sv}", dbus.Dictionary({"priority": dbus.Int32(1)}, signature="sv")), "configure vm-{vm}"),
    (lambda client, vm: client.finish(client.vm(vm, "Start")), "take on vm-start"),
    (lambda client, vm: client.finish(client.vm(vm, "Restart")), "take on vm-restart"),
    (lambda client, vm: client.finish(client.vm(vm, "Shutdown")), "take on vm-shutdown"),
    (lambda client, vm: client.finish(client.vm(vm, "Stop")), "take on vm-stop"),
    (lambda client, vm: client.finish(client.vm(vm, "Disable")), "take on vm-disable"),
    (lambda client, vm: client.finish(client.vm(vm, "Undefine")), "take on vm-undefine"),
    (lambda client, vm: client.finish(client.node(NAME, "VerifyFence")), "take on node-verify-fence"),
    (lambda client, vm: client.finish(client.node(NAME, "BecomePrimary")), "take on node-become-primary"),
    (lambda client, vm: client.manager("SetMaintenance", "ba{sv}", False, NO_OPTIONS), "end maintenance"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_every_change_is_in_the_journal_with_who_asked(node, vm, call, decided):
    """Beside the decision about access, which tells the object for every method: what was asked for."""
    lines = f"define vm-{vm[:8]}: {ASKED}", f"{decided.format(vm=vm[:8])}: {ASKED}"
    before = [node.running["core"].output().count(line) for line in lines]
    assert before[0] == 1
    call(node.client, vm)
    wait_for("the line", lambda: node.running["core"].output().count(lines[1]) == before[1] + 1)
    assert node.running["core"].output().count(lines[0]) == 1


@pytest.mark.parametrize("plugin", ["fake", "election"])
def test_nobody_but_root_speaks_to_a_plugin(node, plugin):
    status, text = as_nobody(node, "introspect", f"org.pvcd1.plugin.{plugin}", "/org/pvcd1/plugin")
    assert status != 0 and "denied" in text.lower()


@pytest.mark.parametrize("name", ["org.pvcd1", "org.pvcd1.plugin.fake", "org.pvcd1.plugin.other"])
def test_nobody_but_root_owns_a_name(node, name):
    status, text = as_nobody(node, "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su",
                             name, "0")
    assert status != 0 and "denied" in text.lower()


TOO_BIG = """
import sys, dbus, dbus.bus
manager = dbus.Interface(dbus.bus.BusConnection(sys.argv[1]).get_object("org.pvcd1", "/org/pvcd1"), "org.pvcd1.Manager")
try:
    manager.DefineVm("x" * int(sys.argv[2]), dbus.Dictionary({}, signature="sv"))
except dbus.DBusException as error:
    print(error.get_dbus_name())
"""


@pytest.mark.parametrize("size,error", [(768 * 1024 + 1, "InvalidArgument"), (768 * 1024, "Unavailable")])
def test_an_xml_that_is_too_big_is_not_kept_until_polkit_has_answered(node, size, error):
    """Its twin is: here there is no polkit."""
    done = subprocess.run([sys.executable, "-c", TOO_BIG, node.bus.address, str(size)], user=NOBODY, group=NOBODY, extra_groups=[],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == f"org.pvcd1.Error.{error}", done.stderr
