"""ZooKeeper as a client in the hub sees it; called through probe.py."""
import json
from contextlib import contextmanager, suppress

from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError, NoNodeError


@contextmanager
def _client(servers: list[str], credentials: str):
    client = KazooClient(hosts=",".join(servers), timeout=6, auth_data=[("digest", credentials)])
    client.start(timeout=5)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def dump(servers: list[str], credentials: str, root: str) -> dict[str, dict]:
    with _client(servers, credentials) as client:
        nodes = {}
        _walk(client, root, nodes)
        return nodes


def rights(servers: list[str], credentials: str, root: str) -> dict[str, list[str]]:
    with _client(servers, credentials) as client:
        found, paths = {}, [root]
        while paths:
            path = paths.pop()
            with suppress(NoNodeError):         # deleted since its parent was listed
                found[path] = [f"{one.id.scheme}:{one.id.id.split(':')[0]}:{one.perms}" for one in client.get_acls(path)[0]]
                paths += [f"{path}/{child}" for child in client.get_children(path)]
        return found


def change(servers: list[str], credentials: str, changes: dict[str, dict]) -> None:
    """Overwrites keys of entries that hold JSON, all in one transaction: records that lie."""
    with _client(servers, credentials) as client:
        transaction = client.transaction()
        for path, values in changes.items():
            data, stat = client.get(path)
            transaction.set_data(path, json.dumps({**json.loads(data), **values}).encode(), version=stat.version)
        for result in transaction.commit():
            if isinstance(result, Exception):
                raise result


def _walk(client: KazooClient, path: str, nodes: dict) -> None:
    try:
        data, stat = client.get(path)
        children = client.get_children(path)
    except NoNodeError:
        return                          # deleted since its parent was listed
    except NoAuthError:
        nodes[path] = {"denied": True}
        return
    nodes[path] = {"data": (data or b"").decode(errors="backslashreplace"), "version": stat.version,
                   "ephemeral_owner": stat.ephemeralOwner, "created": stat.created, "created_by": stat.czxid, "modified": stat.last_modified}
    for child in sorted(children):
        _walk(client, f"{path.rstrip('/')}/{child}", nodes)
