"""Content of the store that pvcd did not write: its object is left alone and named, everything else goes on."""
import json

import pytest

from .client import Refused, vm_path
from .domains import domain, fresh_uuid
from .node import NAME
from .processes import wait_for
from .store_client import store_of

OTHER = "0e9d3c7a-1111-4222-8333-444455556666"


def doctored(text, **changes):
    return json.dumps({**json.loads(text), **changes}).encode()


WRONG_VMS = {
    "no JSON": (lambda text: b"\xff\xfe{", "JSON"),
    "nothing": (lambda text: b"", "JSON"),
    "a list": (lambda text: b"[1, 2]", "must be an object"),
    "a text for a number": (lambda text: doctored(text, memory="much"), "key 'memory' must be a whole number"),
    "negative memory": (lambda text: doctored(text, memory=-1), "key 'memory' is out of range"),
    "memory without end": (lambda text: doctored(text, memory=2**64 - 1), "key 'memory' is out of range"),
    "an unknown word": (lambda text: doctored(text, wanted="perhaps"), "has the unknown word 'perhaps'"),
    "a key that is missing": (lambda text: json.dumps({"uuid": json.loads(text)["uuid"]}).encode(), "is missing"),
    "the record of another VM": (lambda text: doctored(text, uuid=OTHER), f"belongs to /vms/{OTHER}"),
    "deep nesting": (lambda text: b"[" * 100_000, "JSON"),
}


@pytest.mark.parametrize("case", WRONG_VMS)
def test_a_vm_whose_record_is_wrong_is_named_and_the_others_go_on(node, vm, case):
    doctor, problem = WRONG_VMS[case]
    with store_of(node) as store:
        before = store.get(f"/vms/{vm}")[0]
        store.set(f"/vms/{vm}", doctor(before))
        wait_for("the problem to be shown", lambda: problem in str(node.client.get(vm_path(vm), "Vm", "FailedReason")), 20)
        assert str(node.client.get(vm_path(vm), "Vm", "State")) == "unknown"
        with pytest.raises(Refused) as refused:
            node.client.vm(vm, "Start")
        assert refused.value.name == "org.pvcd1.Error.Unavailable" and problem in str(refused.value)

        other = fresh_uuid()
        node.client.define(domain(f"other-{other[:8]}", other))
        assert node.client.finish(node.client.vm(other, "Start"))[0] == "done"

        store.set(f"/vms/{vm}", before)
    node.client.wait_for_vm(vm, "stopped")
    assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"


WRONG_ENTRIES = {
    "/vms/no name for an object": lambda store, vm: doctored(store.get(f"/vms/{vm}")[0], uuid="no name for an object"),
    f"/vms/{OTHER}": lambda store, vm: b"{}",
    "/nodes/N 1": lambda store, vm: doctored(store.get(f"/nodes/{NAME}")[0], name="N 1"),
    "/live/n9.x": lambda store, vm: b"{}",
    "/owners/nobody": lambda store, vm: b"{}",
    "/fences/n9": lambda store, vm: b"no JSON",
    "/evidence/none": lambda store, vm: b"",
    "/jobs/jx": lambda store, vm: b"{}",
    "/jobs/j0000099999": lambda store, vm: json.dumps({"type": "vm-start", "object": "../ %", "arguments": {}, "started_on": NAME,
                                                       "started_by_uid": 0, "state": "queued", "result": "none", "message": "",
                                                       "mark": 0, "start_time": 0}).encode(),
}


@pytest.mark.parametrize("path", WRONG_ENTRIES)
def test_an_entry_that_nobody_should_have_written_stops_nothing(node, vm, path):
    with store_of(node) as store:
        store.create(path, WRONG_ENTRIES[path](store, vm))
        assert node.client.finish(node.client.vm(vm, "Start"))[0] == "done"
        if store.exists(path):          # a job that names nothing is finished and removed
            store.delete(path)
    assert node.running["core"].status() is None


def test_a_node_that_claims_the_name_of_another_is_no_node(node):
    with store_of(node) as store:
        record = store.get(f"/nodes/{NAME}")[0]
        store.create("/nodes/impostor", doctored(record, incarnation=99))
        uuid = fresh_uuid()
        node.client.define(domain(f"vm-{uuid[:8]}", uuid))
        assert node.client.finish(node.client.vm(uuid, "Start"))[0] == "done"
        store.delete("/nodes/impostor")
    assert node.running["core"].status() is None
