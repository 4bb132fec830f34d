"""Why, and what if: answers for people, from what is seen and what was decided."""
import json

import pytest

from .client import NO_OPTIONS, Refused, vm_path
from .domains import domain, fresh_uuid
from .node import NAME
from .store_client import store_of

RECORDS = ("vms", "names", "owners", "runs", "fences", "evidence", "jobs", "decisions", "nodes", "readiness")


def explain(node, what):
    return str(node.client.manager("Explain", "s", what))


def dry_run(node, event):
    return json.loads(node.client.manager("DryRun", "sa{sv}", event, NO_OPTIONS))


def versions(node):
    """Of every record that is not a heartbeat."""
    with store_of(node) as store:
        return {path: store.get(path)[1].mzxid for directory in RECORDS
                for path in (f"/{directory}/{name}" for name in store.get_children(f"/{directory}"))}


def test_a_vm_is_explained_by_name_and_uuid_and_by_its_own_method(node, vm):
    name = str(node.client.get(vm_path(vm), "Vm", "Name"))
    told = explain(node, f"vm/{name}")
    assert f"{name} is meant to be stopped" in told and "No node ever owned it" in told
    assert told == explain(node, f"vm/{vm}") == str(node.client.call(vm_path(vm), "org.pvcd1.Vm", "Explain"))


def test_a_start_is_explained_with_its_decisions_and_each_decision_in_full(node, vm):
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"
    told = explain(node, f"vm/{vm}").splitlines()
    assert any(f"{NAME} owns it at generation 1" in line for line in told)
    assert any("runs there as process" in line for line in told)
    decided = [line for line in told if line.startswith("  decision/")]
    assert any("assign" in line for line in decided) and any("running" in line for line in decided)
    in_full = explain(node, next(line for line in decided if "assign" in line).split()[0])
    assert f"{NAME} at epoch" in in_full and f"Decided on /vms/{vm}@" in in_full


def test_a_vm_that_has_no_place_is_explained_node_by_node(node):
    uuid = fresh_uuid()
    node.client.define(domain("too-big", uuid, memory=1 << 30))
    assert node.client.finish(node.client.vm(uuid, "Start"))[0] == "refused"
    told = explain(node, "vm/too-big")
    assert f"{NAME} is rejected: " in told and "too-big needs 1048576.0 GiB" in told
    node.client.vm(uuid, "Stop")


def test_a_node_is_explained(node):
    told = explain(node, f"node/{NAME}")
    assert f"{NAME} is alive" in told and "It is the primary" in told


@pytest.mark.parametrize("what, error", [("", "InvalidArgument"), ("vm", "InvalidArgument"), ("vm/", "InvalidArgument"), ("host/n1", "InvalidArgument"),
                                         ("decision/x", "InvalidArgument"), ("decision/999999", "NotFound"), ("vm/ghost", "NotFound"),
                                         ("node/ghost", "NotFound"), ("vm/../leader", "NotFound")])
def test_what_cannot_be_explained_is_refused(node, what, error):
    with pytest.raises(Refused) as caught:
        explain(node, what)
    assert caught.value.name == f"org.pvcd1.Error.{error}"


def test_a_rehearsal_plans_and_writes_nothing(node, vm):
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"
    before = versions(node)
    plan = dry_run(node, "power-loss all")
    start = next(one for one in plan["starts"] if one["uuid"] == vm)
    assert (start["from"], start["to"], start["generation"]) == (NAME, NAME, 2)
    for event in (f"fail node {NAME}", f"fail nodes {NAME}", f"drain {NAME}"):
        alone = dry_run(node, event)
        assert vm in [one["uuid"] for one in alone["without_place"]], event
        assert event.startswith("drain") or any("coordinators" in note for note in alone["notes"])
    assert versions(node) == before


@pytest.mark.parametrize("event", ["", "fail node ghost", "explode", "drain"])
def test_what_is_no_event_is_refused(node, event):
    with pytest.raises(Refused) as caught:
        dry_run(node, event)
    assert caught.value.name == "org.pvcd1.Error.InvalidArgument" and "event" in caught.value.text
