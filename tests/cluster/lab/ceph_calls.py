"""Ceph as a client in the hub sees it; called through probe.py. Every call is bounded by librados' own three time limits."""
import base64
import json
import time

import rados
import rbd

_LIMITS = {"client_mount_timeout": "10", "rados_mon_op_timeout": "10", "rados_osd_op_timeout": "10"}

_connection = None


def register_osds(conf: str, uuids: list[str]) -> None:
    for uuid in uuids:
        _command(conf, {"prefix": "osd new", "uuid": uuid})


def create_pool(conf: str, pool: str, osds: int) -> None:
    """Create the pool and return when it really takes images."""
    _command(conf, {"prefix": "config set", "who": "global",
                    "name": "mon_warn_on_insecure_global_id_reclaim_allowed", "value": "false"})
    _command(conf, {"prefix": "osd pool create", "pool": pool, "pg_num": 8, "pgp_num": 8})
    deadline = time.monotonic() + 45
    while sum(osd["up"] for osd in json.loads(_command(conf, {"prefix": "osd dump", "format": "json"}))["osds"]) < osds:
        if time.monotonic() > deadline:
            raise TimeoutError("OSDs do not come up")
        time.sleep(0.02)
    with _pool(conf, pool) as ioctx:
        rbd.RBD().pool_init(ioctx, True)
        rbd.RBD().create(ioctx, "lab-probe", 1 << 20)
        rbd.RBD().remove(ioctx, "lab-probe")


def command(conf: str, request: dict):
    answer = _command(conf, {"format": "json", **request})
    try:
        return json.loads(answer)
    except ValueError:
        return answer


def blocklist(conf: str) -> list[dict]:
    dump = json.loads(_command(conf, {"prefix": "osd dump", "format": "json"}))
    return [{"address": address, "until": until} for address, until in dump["blocklist"].items()]


def lockers(conf: str, pool: str, image: str) -> list[dict]:
    with _pool(conf, pool) as ioctx, rbd.Image(ioctx, image, read_only=True) as opened:
        found = opened.list_lockers() or {"lockers": []}
        return [{"client": client, "cookie": cookie, "address": address} for client, cookie, address in found["lockers"]]


def watchers(conf: str, pool: str, image: str) -> list[dict]:
    with _pool(conf, pool) as ioctx, rbd.Image(ioctx, image, read_only=True) as opened:
        ours = f"{_connect(conf).get_instance_id()}"
        return [{"address": watcher["addr"], "client": f"client.{watcher['id']}", "cookie": watcher["cookie"]}
                for watcher in opened.watchers_list() if str(watcher["id"]) != ours]


def create_image(conf: str, pool: str, image: str, size: int) -> None:
    with _pool(conf, pool) as ioctx:
        rbd.RBD().create(ioctx, image, size)


def remove_image(conf: str, pool: str, image: str) -> None:
    with _pool(conf, pool) as ioctx:
        rbd.RBD().remove(ioctx, image)


def read(conf: str, pool: str, image: str, offset: int, size: int) -> str:
    with _pool(conf, pool) as ioctx, rbd.Image(ioctx, image, read_only=True) as opened:
        return base64.b64encode(opened.read(offset, size)).decode()


def write(conf: str, pool: str, image: str, offset: int, data: str) -> None:
    with _pool(conf, pool) as ioctx, rbd.Image(ioctx, image) as opened:
        opened.write(base64.b64decode(data), offset)


def _command(conf: str, request: dict) -> str:
    status, answer, complaint = _connect(conf).mon_command(json.dumps(request), b"")
    if status:
        raise OSError(-status, f"{request['prefix']}: {complaint}")
    return answer.decode()


def _pool(conf: str, pool: str):
    """By the newest map: an old one leads to OSDs that are no more, and librados waits for those."""
    _connect(conf).wait_for_latest_osdmap()
    return _connect(conf).open_ioctx(pool)


def _connect(conf: str):
    global _connection
    if _connection is None:
        connection = rados.Rados(conffile=conf, conf=_LIMITS)
        connection.connect(timeout=20)
        _connection = connection
    return _connection
