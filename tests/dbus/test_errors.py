"""Errors of the public bus: the name, a sentence that says what to do, and the whole store as before.

What a store that is down answers (Unavailable, Timeout) and what an absent plugin does is in test_failures.py. Failed is for what
should never be, an answer of the store that nobody expects; nothing that is asked for on the bus leads to it.
"""
import contextlib
import itertools
import json
import xml.etree.ElementTree as xml

import dbus
import pytest
from kazoo.exceptions import NoNodeError

from .client import NO_OPTIONS, ROOT, Refused, node_path, vm_path
from .domains import domain, fresh_uuid
from .node import NAME
from .processes import TOP, wait_for
from .store_client import content_of, store_of

OF_PVCD = "org.pvcd1.Error."
OF_THE_BUS = "org.freedesktop.DBus.Error."
GONE = "n2"                             # joined once, and is not there


def options(**values):
    return dbus.Dictionary(values, signature="sv")


@pytest.fixture(scope="module")
def store(shared_node):
    with store_of(shared_node) as opened:
        yield opened


@pytest.fixture
def unchanged(node, store):
    """A block in which nothing of what people may ask for is written, by whatever object or job."""
    def settled():
        for name in store.get_children("/jobs"):
            with contextlib.suppress(NoNodeError):          # gone since it was listed
                if json.loads(store.get(f"/jobs/{name}")[0])["state"] != "finished":
                    return False
        return True

    @contextlib.contextmanager
    def compared():
        wait_for("earlier jobs to finish", settled)
        before = content_of(store)
        yield
        assert content_of(store) == before
    return compared


@pytest.fixture
def refusal(unchanged):
    """The text of the error that the call must be answered with."""
    def refused(kind, call, *arguments):
        with unchanged(), pytest.raises(Refused) as caught:
            call(*arguments)
        assert caught.value.name == (kind if kind.startswith(OF_THE_BUS) else OF_PVCD + kind)
        assert caught.value.text
        return caught.value.text
    return refused


@pytest.fixture(scope="module")
def gone(shared_node, store):
    """A second node, so that a VM can be kept from it or tied to it."""
    record = {**json.loads(store.get(f"/nodes/{NAME}")[0]), "name": GONE, "machine_id": "0" * 32, "system_uuid": fresh_uuid(),
              "boot": fresh_uuid(), "storage_addresses": ["127.0.0.2"], "addresses": ["127.0.0.2"]}
    store.create(f"/nodes/{GONE}", json.dumps(record).encode())
    wait_for("the node to be shown", lambda: shared_node.client.peek(node_path(GONE), "Node", "Name") == GONE)
    yield GONE
    store.delete(f"/nodes/{GONE}")


@pytest.fixture
def job(node, vm):
    """One that has finished."""
    made = node.client.vm(vm, "Stop")
    node.client.finish(made)
    return made


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
def test_bad_domain_xml(node, name, refusal):
    xml, named = BAD_XML[name]
    text = refusal("InvalidArgument", node.client.define, xml)
    assert named in text
    assert "geheim" not in text


BAD_OPTIONS = {
    "an unknown key": (options(colour="red"), "colour"),
    "a wrong type": (options(priority="high"), "priority"),
    "an unknown node in the limit": (options(node_limit=dbus.Array(["n9"], signature="s")), "n9"),
    "a node twice": (options(node_limit=dbus.Array([NAME, NAME], signature="s")), "twice"),
    "an empty tag": (options(tags=dbus.Array([""], signature="s")), "tags"),
    "a long profile": (options(profile="x" * 1001), "profile: a text of 1001 bytes"),
    "a long tag": (options(tags=dbus.Array(["x" * 1001], signature="s")), "tags: a text of 1001 bytes"),
    "many tags": (options(tags=dbus.Array(["x"] * 1001, signature="s")), "tags: 1001 texts"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options_of_configure(node, vm, name, refusal):
    given, named = BAD_OPTIONS[name]
    assert named in refusal("InvalidArgument", node.client.vm, vm, "Configure", "a{sv}", given)


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options_of_define(node, name, refusal):
    given, named = BAD_OPTIONS[name]
    assert named in refusal("InvalidArgument", node.client.define, domain("never"), given)


BAD_HOMES = {
    "a node that never joined": (options(home_node="n9"), "n9"),
    "one that the limit leaves out": (options(home_node=GONE, node_limit=dbus.Array([NAME], signature="s")), "node_limit"),
    "a wrong type": (options(home_node=dbus.Int32(1)), "home_node"),
}


@pytest.mark.parametrize("name", BAD_HOMES)
def test_bad_home_nodes(node, gone, refusal, name):
    given, named = BAD_HOMES[name]
    assert named in refusal("InvalidArgument", node.client.define, domain("never"), given)


def test_a_home_that_the_limit_names_is_taken(node, gone):
    uuid = fresh_uuid()
    node.client.define(domain(f"vm-{uuid[:8]}", uuid), options(home_node=gone, node_limit=dbus.Array([gone, NAME], signature="s")))
    assert node.client.get(vm_path(uuid), "Vm", "HomeNode") == gone


# What is right before the options, for each method that has them.
ARGUMENTS = {"DefineVm": [domain("never")], "SetMaintenance": [True], "DryRun": ["power-loss all"], "FlushImageLocks": ["pool/image"],
             "Move": [NAME], "Migrate": [NAME], "Rename": ["other"], "SetXml": ["<domain/>"]}
NOT_YET = {"FlushImageLocks", "Drain", "Undrain", "FlushLocks", "SynchronizeDisks", "Unmigrate", "Migrate", "Rename", "SetXml"}


def methods_with_options():
    """(interface, method, signature), read from what is published: a new one is tested, too."""
    for interface in ("Manager", "Node", "Vm", "Job"):
        for method in xml.parse(TOP / "dbus" / f"org.pvcd1.{interface}.xml").iter("method"):
            given = [argument for argument in method.iter("arg") if argument.get("direction") == "in"]
            if given and given[-1].get("name") == "options":
                yield interface, method.get("name"), "".join(argument.get("type") for argument in given)


WITH_OPTIONS = list(methods_with_options())
every_method_with_options = pytest.mark.parametrize("interface, method, signature", WITH_OPTIONS,
                                                    ids=[f"{interface}.{method}" for interface, method, _ in WITH_OPTIONS])


@pytest.fixture
def path_of(vm, job):
    return {"Manager": ROOT, "Node": node_path(NAME), "Vm": vm_path(vm), "Job": job}


@every_method_with_options
def test_an_option_that_a_method_does_not_know(node, path_of, refusal, interface, method, signature):
    text = refusal("Unavailable" if method in NOT_YET else "InvalidArgument", node.client.call, path_of[interface],
                   f"org.pvcd1.{interface}", method, signature, *ARGUMENTS.get(method, []), options(force=True))
    assert ("version" if method in NOT_YET else "force") in text


@every_method_with_options
def test_arguments_of_another_type(node, path_of, refusal, interface, method, signature):
    call = [node.client.call, path_of[interface], f"org.pvcd1.{interface}", method]
    count = len(ARGUMENTS.get(method, [])) + 1
    refusal(OF_THE_BUS + "InvalidArgs", *call, "s" * count, *["x"] * count)
    refusal(OF_THE_BUS + "InvalidArgs", *call)


@every_method_with_options
def test_objects_that_are_not_there(node, refusal, interface, method, signature):
    path = {"Manager": f"{ROOT}/manager", "Node": node_path("n9"), "Vm": vm_path(fresh_uuid()), "Job": f"{ROOT}/job/999999"}
    refusal(OF_THE_BUS + "UnknownObject", node.client.call, path[interface], f"org.pvcd1.{interface}", method, signature,
            *ARGUMENTS.get(method, []), NO_OPTIONS)


BAD_BOOTS = {"none": {}, "another one": {"boot_id": fresh_uuid()}, "a number": {"boot_id": dbus.Int32(7)}}


@pytest.mark.parametrize("name", BAD_BOOTS)
def test_bad_boots_that_are_confirmed_off(node, refusal, name):
    assert "boot_id" in refusal("InvalidArgument", node.client.node, NAME, "ConfirmOff", options(**BAD_BOOTS[name]))


@pytest.mark.parametrize("event, named", [("", "''"), ("rain", "rain"), ("fail node n9", "n9"), ("drain n9", "n9"),
                                          ("fail nodes n1,n9", "n9")])
def test_bad_events_of_a_dry_run(node, refusal, event, named):
    assert named in refusal("InvalidArgument", node.client.manager, "DryRun", "sa{sv}", event, NO_OPTIONS)


@pytest.mark.parametrize("what, kind", [("", "InvalidArgument"), ("moon/1", "InvalidArgument"), ("vm/", "InvalidArgument"),
                                        ("vm/none", "NotFound"), ("node/n9", "NotFound"), ("decision/999999", "NotFound")])
def test_what_cannot_be_explained(node, refusal, what, kind):
    refusal(kind, node.client.manager, "Explain", "s", what)


# ---------------------------------------------------------------------------------------------------- the other names

def test_not_found(node, vm, refusal):
    assert "no-such-vm" in refusal("NotFound", node.client.manager, "GetVm", "s", "no-such-vm")
    assert "n9" in refusal("NotFound", node.client.manager, "GetNode", "s", "n9")
    assert "n9" in refusal("NotFound", node.client.vm, vm, "Move", "sa{sv}", "n9", NO_OPTIONS)
    assert "node: a text of 1001 bytes" in refusal("InvalidArgument", node.client.vm, vm, "Move", "sa{sv}", "n" * 1001, NO_OPTIONS)


def test_a_move_to_a_node_outside_the_limit(node, gone, vm, refusal):
    node.client.vm(vm, "Configure", "a{sv}", options(node_limit=dbus.Array([NAME], signature="s")))
    wait_for("the limit", lambda: list(node.client.get(vm_path(vm), "Vm", "NodeLimit")) == [NAME])
    assert "node_limit" in refusal("InvalidArgument", node.client.vm, vm, "Move", "sa{sv}", gone, NO_OPTIONS)


def test_not_primary(node, gone, refusal):
    assert NAME in refusal("NotPrimary", node.client.node, gone, "StepDown")


def test_busy_when_somebody_else_was_faster(node, store, vm):
    """Of two changes that were made on the same record one is refused, and nothing of it is there."""
    path, tries = vm_path(vm), itertools.count(1)

    def loser():
        """What it asked for; nothing: each had seen the other's."""
        asked = [2 * next(tries), -1]
        answers = node.client.call_together(
            *[(path, "org.pvcd1.Vm", "Configure", "a{sv}", options(priority=dbus.Int32(one))) for one in asked])
        refused = [one for one, answer in zip(asked, answers) if isinstance(answer, Refused)]
        assert all(answer.name == OF_PVCD + "Busy" and answer.text for answer in answers if isinstance(answer, Refused))
        assert len(refused) < 2
        if refused:
            kept = json.loads(store.get(f"/vms/{vm}")[0])["priority"]
            assert [kept] == [one for one in asked if one not in refused]
        return refused
    wait_for("two at the same moment", loser)


def test_busy_when_too_many_ask_why(node, vm, unchanged):
    with unchanged():
        answers = node.client.call_together(*[(ROOT, "org.pvcd1.Manager", "Explain", "s", f"vm/{vm}")] * 60)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert refused and len(refused) < len(answers)
    assert {answer.name for answer in refused} == {OF_PVCD + "Busy"}


def test_already_exists(node, vm, refusal):
    name = f"vm-{vm[:8]}"
    assert name in refusal("AlreadyExists", node.client.define, domain(name, image="pool/other"))
    assert vm in refusal("AlreadyExists", node.client.define, domain("other", vm, image="pool/other"))


def test_refused_when_an_image_belongs_to_another_vm(node, vm, refusal):
    image = f"pool/vm-{vm[:8]}"
    assert image in refusal("Refused", node.client.define, domain("thief", image=image))


def test_unsafe_to_confirm_a_living_node_off(node, refusal):
    boot = node.client.get(node_path(NAME), "Node", "BootId")
    assert NAME in refusal("Unsafe", node.client.node, NAME, "ConfirmOff", options(boot_id=boot))


def test_refused_to_cancel_what_has_finished(node, job, refusal):
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

@pytest.mark.parametrize("interface, method, signature", [one for one in WITH_OPTIONS if one[1] in NOT_YET])
def test_methods_that_are_not_in_this_version(node, path_of, refusal, interface, method, signature):
    assert "version" in refusal("Unavailable", node.client.call, path_of[interface], f"org.pvcd1.{interface}", method, signature,
                                *ARGUMENTS.get(method, []), NO_OPTIONS)


def test_those_that_are_in_this_version_are_taken_on(node, vm):
    """The twin; more of them are in test_vm.py."""
    for on in (True, False):
        node.client.manager("SetMaintenance", "ba{sv}", on, NO_OPTIONS)
        wait_for("maintenance", lambda on=on: bool(node.client.get(ROOT, "Manager", "Maintenance")) == on)
    node.client.vm(vm, "Configure", "a{sv}", options(priority=dbus.Int32(3)))
    wait_for("the priority", lambda: node.client.get(vm_path(vm), "Vm", "Priority") == 3)
    assert node.client.finish(node.client.vm(vm, "Undefine"))[0] == "done"


def test_what_is_written_would_be_noticed(node, vm, unchanged):
    """Each kind of writing: a VM's record, a job, the cluster's record."""
    for write in (lambda: node.client.vm(vm, "Configure", "a{sv}", options(profile="changed")),
                  lambda: node.client.vm(vm, "Stop"),
                  lambda: node.client.manager("SetMaintenance", "ba{sv}", False, NO_OPTIONS)):
        with pytest.raises(AssertionError, match="==|!="), unchanged():
            write()


# ----------------------------------------------------------------------------------------------------- not ours at all

@pytest.mark.parametrize("interface, method, kind", [("Vm", "Explode", "UnknownMethod"), ("Ghost", "GetXml", "UnknownMethod")])
def test_unknown_methods_are_the_buss_own_errors(node, vm, refusal, interface, method, kind):
    refusal(OF_THE_BUS + kind, node.client.call, vm_path(vm), f"org.pvcd1.{interface}", method)


def test_properties_cannot_be_written(node, vm, refusal):
    refusal(OF_THE_BUS + "PropertyReadOnly", node.client.call, vm_path(vm), "org.freedesktop.DBus.Properties", "Set", "ssv",
            "org.pvcd1.Vm", "Priority", dbus.Int32(5))
