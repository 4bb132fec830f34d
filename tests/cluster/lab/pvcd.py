"""pvcd's configuration on a host of the lab."""
from .disk import File
from .spec import BMC_USER, Spec

SHUTDOWN_TIMEOUT_S = 10


def pvcd_config(spec: Spec, name: str, **overrides) -> dict[str, File]:
    """All files below /etc/pvcd of one host.

    Overrides go by file and table and are merged into the defaults:
    `pvcd_config(spec, "n1", pvcd={"store": {"session_timeout_ms": 5000}}, ipmi={"cipher_suite": 17})`.
    """
    tables = {"pvcd": _pvcd(spec, name), "ipmi": _ipmi(spec),
              "rbd-locks": {"ceph_conf": "/etc/ceph/ceph.conf", "ceph_client": "admin"},
              "ceph-osd": {"ceph_conf": "/etc/ceph/ceph.conf", "ceph_client": "admin"},
              "libvirt": {"uri": "qemu:///system"}}
    for file, changes in overrides.items():
        file = file.replace("_", "-")
        tables[file] = _merge(tables.get(file, {}), changes)
    return {
        **{_path(file): File(_toml(content)) for file, content in tables.items()},
        "/etc/pvcd/store.secret": File(f"pvcd:{spec.store_secret}\n", 0o600),
        "/etc/pvcd/bmc.secret": File(f"{spec.bmc_secret}\n", 0o600),
    }


def _path(file: str) -> str:
    return "/etc/pvcd/pvcd.toml" if file == "pvcd" else f"/etc/pvcd/plugins.d/{file}.toml"


def _pvcd(spec: Spec, name: str) -> dict:
    return {
        "cluster": {"name": "lab", "coordinators": spec.names},
        "node": {"name": name, "addresses": [spec.address(name)], "storage_addresses": [spec.address(name)],
                 "system_uuid": spec.uuids[name]},
        "store": {"servers": spec.store_servers(), "session_timeout_ms": 3000, "server_tick_ms": spec.tick_ms,
                  "server_sync_limit": spec.sync_limit, "server_election_ms": 300,
                  "credentials_file": "/etc/pvcd/store.secret"},
        # Two heartbeats of T/6 and a little; a BMC that lies is asked again soon.
        "timings": {"suspect_after_ms": 1200, "fence_deadline_ms": 5000, "shutdown_timeout_ms": SHUTDOWN_TIMEOUT_S * 1000},
        "hooks": {"vm_pre_start": ["rbd-locks"]},
    }


def _ipmi(spec: Spec) -> dict:
    identity = {} if spec.guids else {"identity": "mark"}
    bmcs = {name: {"address": spec.bmc_address(name), "username": BMC_USER, "password_file": "/etc/pvcd/bmc.secret"} | identity
            for name in spec.names}
    return {"cipher_suite": 3, "bmc": bmcs}         # the simulator knows no other suite


def _merge(base: dict, changes: dict) -> dict:
    """Tables are merged, anything else is replaced, None takes a key away."""
    merged = dict(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merge(merged.get(key, {}), value)
        else:
            merged[key] = value
    return merged


def _toml(table: dict) -> str:
    return "\n\n".join(_sections(table)) + "\n"


def _sections(table: dict, path: str = ""):
    """A table's own keys first; what follows a header belongs to that header."""
    keys = [f"{key} = {_toml_value(value)}" for key, value in table.items() if not isinstance(value, dict)]
    if keys:
        yield "\n".join(([f"[{path}]"] if path else []) + keys)
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _sections(value, f"{path}.{key}" if path else key)


def _toml_value(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
