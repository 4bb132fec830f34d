"""The objects on the bus are what dbus/*.xml says, no more and no less."""
import xml.etree.ElementTree as xml

import dbus
import pytest

from .client import ROOT, node_path, vm_path
from .node import NAME
from .processes import TOP, wait_for

PLUGIN = "org.pvcd1.plugin.fake"
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"
OF_THE_BUS = {"org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Properties",
              "org.freedesktop.DBus.ObjectManager"}
SIGNATURES = {dbus.ObjectPath: "o", dbus.String: "s", dbus.Boolean: "b", dbus.Int32: "i", dbus.UInt32: "u", dbus.UInt64: "t",
              dbus.Double: "d"}


def members(interface):
    """{member: everything about it that a caller can notice}"""
    found = {}
    for member in interface:
        if member.tag not in ("method", "signal", "property"):
            continue
        arguments = [(each.get("name"), each.get("type"), each.get("direction") if member.tag == "method" else None)
                     for each in member.findall("arg")]
        emits = next((each.get("value") for each in member.findall("annotation") if each.get("name") == EMITS), "true")
        found[member.tag, member.get("name")] = (arguments, member.get("type"), member.get("access"), emits)
    return found


def interfaces_of(text):
    return {each.get("name"): members(each) for each in xml.fromstring(text).findall("interface")}


def described(file):
    return interfaces_of((TOP / "dbus" / file).read_text())


def shown(node, path, name="org.pvcd1"):
    return {key: value for key, value in interfaces_of(node.client.introspect(path, name)).items() if key not in OF_THE_BUS}


def test_manager(node):
    assert shown(node, ROOT) == described("org.pvcd1.Manager.xml")


def test_node(node):
    assert shown(node, node_path(NAME)) == described("org.pvcd1.Node.xml")


def test_vm_and_job(node, vm):
    assert shown(node, vm_path(vm)) == described("org.pvcd1.Vm.xml")
    job = node.client.vm(vm, "Start")
    assert shown(node, job) == described("org.pvcd1.Job.xml")


def test_plugin(node):
    assert shown(node, "/org/pvcd1/plugin", PLUGIN) == described("org.pvcd1.plugin.xml")


def test_elector(node):
    described_plugin = described("org.pvcd1.plugin.xml")
    wanted = {name: described_plugin[name] for name in ("org.pvcd1.Plugin", "org.pvcd1.plugin.Elector")}
    assert shown(node, "/org/pvcd1/plugin", "org.pvcd1.plugin.election") == wanted


def test_storage_and_osd(node):
    node.answer("observe", osds=1)
    wait_for("an OSD", lambda: node.client.peek(f"{ROOT}/osd/0", "Osd", "Id") == 0)
    assert shown(node, f"{ROOT}/osd/0") == described("org.pvcd1.Osd.xml")
    assert shown(node, f"{ROOT}/storage") == described("org.pvcd1.Storage.xml")


def signature_of(value):
    """As it came over the bus."""
    if isinstance(value, dbus.Array):
        return "a" + str(value.signature)
    if isinstance(value, dbus.Dictionary):
        return "a{" + str(value.signature) + "}"
    if isinstance(value, (dbus.Struct, tuple)):
        return "(" + "".join(signature_of(each) for each in value) + ")"
    return next(signature for kind, signature in SIGNATURES.items() if isinstance(value, kind))


def test_every_property_can_be_read_and_has_its_type(node, vm):
    node.answer("observe", osds=1)
    wait_for("an OSD", lambda: node.client.peek(f"{ROOT}/osd/0", "Osd", "Id") == 0)
    job = node.client.vm(vm, "Start")
    for file, path in (("Manager", ROOT), ("Node", node_path(NAME)), ("Vm", vm_path(vm)), ("Job", job), ("Osd", f"{ROOT}/osd/0"),
                       ("Storage", f"{ROOT}/storage")):
        values = node.client.call(path, "org.freedesktop.DBus.Properties", "GetAll", "s", f"org.pvcd1.{file}")
        wanted = {name: about[1] for (kind, name), about in described(f"org.pvcd1.{file}.xml")[f"org.pvcd1.{file}"].items()
                  if kind == "property"}
        assert {str(name): signature_of(value) for name, value in values.items()} == wanted
        for name, signature in wanted.items():          # and one by one
            assert signature_of(node.client.get(path, file, name)) == signature
        for name, value in values.items():
            for entry in value if isinstance(value, dbus.Array) else ():
                assert "a" + signature_of(entry) == wanted[name]


@pytest.mark.parametrize("interface", ["Manager", "Node", "Vm", "Job", "Osd", "Storage"])
def test_each_file_describes_one_interface(interface):
    assert list(described(f"org.pvcd1.{interface}.xml")) == [f"org.pvcd1.{interface}"]


def test_object_manager_lists_every_object(node, vm):
    objects = node.client.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    assert node_path(NAME) in objects
    assert objects[vm_path(vm)]["org.pvcd1.Vm"]["Uuid"] == vm
