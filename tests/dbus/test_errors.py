"""Every error of the public bus: its name, a sentence that says what to do, and nothing changed."""
import dbus
import pytest

from .client import NO_OPTIONS, ROOT, Refused, node_path, vm_path
from .domains import domain, fresh_uuid
from .node import NAME

OF_PVCD = "org.pvcd1.Error."


def options(**values):
    return dbus.Dictionary(values, signature="sv")


def refusal(kind, call, *arguments):
    """The text of the error that the call must be answered with."""
    with pytest.raises(Refused) as caught:
        call(*arguments)
    assert caught.value.name == OF_PVCD + kind
    return caught.value.text


def all_vms(node):
    objects = node.client.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    return {path for path in objects if path.startswith(f"{ROOT}/vm/")}


# --------------------------------------------------------------------------------------------------- InvalidArgument

BAD_XML = {
    "no XML": ("this is not XML", "not XML"),
    "empty": ("", "not XML"),
    "another root": ("<network/>", "<domain>"),
    "no name": ("<domain><memory>1</memory></domain>", "<name>"),
    "a slash in the name": (domain("a/b"), "<name>"),
    "a long name": (domain("n" * 64), "<name>"),
    "a bad UUID": (domain("bad-uuid", "42"), "<uuid>"),
    "no memory": ("<domain><name>x</name></domain>", "<memory>"),
    "memory in no unit": (domain("unit").replace("MiB", "parsec"), "parsec"),
    "no CPU": (domain("no-cpu", vcpus=0), "<vcpu>"),
    "a DTD": ("<!DOCTYPE domain [<!ENTITY a 'b'>]>" + domain("dtd"), "DOCTYPE"),
    "a password": (domain("secret", more="<graphics type='vnc' passwd='geheim'/>"), "passwd"),
    "a QEMU command line": (domain("line").replace("</domain>", "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'/></domain>"),
                            "commandline"),
    "a disk of another protocol": (domain("iscsi").replace("'rbd'", "'iscsi'"), "iscsi"),
    "an image without a pool": (domain("pool", image="alone"), "alone"),
    "an image twice": (domain("twice", image="pool/x", more="<disk type='network'><source protocol='rbd' name='pool/x'/><target dev='vdb'/></disk>"),
                       "twice"),
    "too much": (domain("big", more="<!--" + "x" * 800_000 + "-->"), "bytes"),
}


@pytest.mark.parametrize("name", BAD_XML)
def test_bad_domain_xml(node, name):
    before = all_vms(node)
    xml, named = BAD_XML[name]
    text = refusal("InvalidArgument", node.client.define, xml)
    assert named in text
    assert "geheim" not in text
    assert all_vms(node) == before


BAD_OPTIONS = {
    "an unknown key": (options(colour="red"), "colour"),
    "a wrong type": (options(priority="high"), "priority"),
    "an unknown node in the limit": (options(node_limit=dbus.Array(["n9"], signature="s")), "n9"),
    "a node twice": (options(node_limit=dbus.Array([NAME, NAME], signature="s")), "twice"),
    "an empty tag": (options(tags=dbus.Array([""], signature="s")), "tags"),
    "a long profile": (options(profile="x" * 1001), "profile"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options_of_configure(node, vm, name):
    given, named = BAD_OPTIONS[name]
    assert named in refusal("InvalidArgument", node.client.vm, vm, "Configure", "a{sv}", given)
    assert node.client.get(vm_path(vm), "Vm", "Priority") == 0


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options_of_define(node, name):
    given, named = BAD_OPTIONS[name]
    before = all_vms(node)
    assert named in refusal("InvalidArgument", node.client.define, domain("never"), given)
    assert all_vms(node) == before


def test_an_unknown_home_node(node):
    assert "n9" in refusal("InvalidArgument", node.client.define, domain("never"), options(home_node="n9"))


@pytest.mark.parametrize("method", ["Start", "Shutdown", "Stop", "Restart", "Disable", "Undefine"])
def test_a_vm_method_takes_no_option(node, vm, method):
    assert "force" in refusal("InvalidArgument", node.client.vm, vm, method, "a{sv}", options(force=True))


@pytest.mark.parametrize("method", ["BecomePrimary", "StepDown", "Fence", "VerifyFence"])
def test_a_node_method_takes_no_option(node, method):
    assert "force" in refusal("InvalidArgument", node.client.node, NAME, method, options(force=True))


def test_confirm_off_without_a_boot_id_or_with_another_one(node):
    assert "boot_id" in refusal("InvalidArgument", node.client.node, NAME, "ConfirmOff")
    other = options(boot_id=fresh_uuid())
    assert "boot_id" in refusal("InvalidArgument", node.client.node, NAME, "ConfirmOff", other)


# ---------------------------------------------------------------------------------------------------- the other names

def test_not_found(node, vm):
    assert "no-such-vm" in refusal("NotFound", node.client.manager, "GetVm", "s", "no-such-vm")
    assert "n9" in refusal("NotFound", node.client.manager, "GetNode", "s", "n9")
    assert "n9" in refusal("NotFound", node.client.vm, vm, "Move", "sa{sv}", "n9", NO_OPTIONS)


def test_already_exists(node, vm):
    name = f"vm-{vm[:8]}"
    assert name in refusal("AlreadyExists", node.client.define, domain(name, image="pool/other"))
    assert vm in refusal("AlreadyExists", node.client.define, domain("other", vm, image="pool/other"))


def test_refused_when_an_image_belongs_to_another_vm(node, vm):
    image = f"pool/vm-{vm[:8]}"
    before = all_vms(node)
    assert image in refusal("Refused", node.client.define, domain("thief", image=image))
    assert all_vms(node) == before


def test_unsafe_to_confirm_a_living_node_off(node):
    boot = node.client.get(node_path(NAME), "Node", "BootId")
    assert NAME in refusal("Unsafe", node.client.node, NAME, "ConfirmOff", options(boot_id=boot))


def test_refused_to_cancel_what_has_finished(node, vm):
    job = node.client.vm(vm, "Stop")
    node.client.finish(job)
    refusal("Refused", node.client.call, job, "org.pvcd1.Job", "Cancel", "a{sv}", NO_OPTIONS)


def test_refused_jobs_say_why(node):
    result, message = node.client.finish(node.client.node(NAME, "StepDown"))
    assert result == "refused" and "no other coordinator" in message
    assert node.client.get(ROOT, "Manager", "Primary") == NAME


def test_a_move_without_a_node_is_the_primarys_choice(node, vm):
    """Here there is one node only: it makes that one the home of a VM that has none, and finds no other for one that runs."""
    assert node.client.finish(node.client.vm(vm, "Move", "sa{sv}", "", NO_OPTIONS))[0] == "done"
    assert node.client.get(vm_path(vm), "Vm", "HomeNode") == NAME
    result, message = node.client.finish(node.client.vm(vm, "Move", "sa{sv}", "", NO_OPTIONS))
    assert result == "refused" and f"{NAME}: it is to leave this one" in message


# ------------------------------------------------------------------------------------------------ not in this version

def test_manager_methods_that_are_not_in_this_version(node):
    refusal("Unavailable", node.client.manager, "FlushImageLocks", "sa{sv}", "pool/image", NO_OPTIONS)


@pytest.mark.parametrize("method", ["Drain", "Undrain"])
def test_node_methods_that_are_not_in_this_version(node, method):
    assert "version" in refusal("Unavailable", node.client.node, NAME, method)


@pytest.mark.parametrize("method, signature, arguments", [
    ("FlushLocks", "a{sv}", [NO_OPTIONS]), ("SynchronizeDisks", "a{sv}", [NO_OPTIONS]), ("Unmigrate", "a{sv}", [NO_OPTIONS]),
    ("Migrate", "sa{sv}", [NAME, NO_OPTIONS]), ("Rename", "sa{sv}", ["other", NO_OPTIONS]), ("SetXml", "sa{sv}", ["<domain/>", NO_OPTIONS])])
def test_vm_methods_that_are_not_in_this_version(node, vm, method, signature, arguments):
    assert "version" in refusal("Unavailable", node.client.vm, vm, method, signature, *arguments)


# ----------------------------------------------------------------------------------------------------- not ours at all

def test_unknown_things_are_the_buss_own_errors(node, vm):
    for path, interface, method in ((vm_path(fresh_uuid()), "org.pvcd1.Vm", "GetXml"), (vm_path(vm), "org.pvcd1.Vm", "Explode"),
                                    (vm_path(vm), "org.pvcd1.Ghost", "GetXml")):
        with pytest.raises(Refused) as caught:
            node.client.call(path, interface, method)
        assert caught.value.name.startswith("org.freedesktop.DBus.Error.Unknown")


def test_a_wrong_signature_is_refused(node, vm):
    with pytest.raises(Refused):
        node.client.vm(vm, "Start", "s", "now")
    with pytest.raises(Refused):
        node.client.call(vm_path(vm), "org.pvcd1.Vm", "Start")


def test_properties_cannot_be_written(node, vm):
    with pytest.raises(Refused):
        node.client.call(vm_path(vm), "org.freedesktop.DBus.Properties", "Set", "ssv", "org.pvcd1.Vm", "Priority", dbus.Int32(5))
    assert node.client.get(vm_path(vm), "Vm", "Priority") == 0
