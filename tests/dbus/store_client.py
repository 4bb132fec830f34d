"""The store as an outsider with the cluster's credentials sees it."""
import json
from contextlib import contextmanager

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError


@contextmanager
def store_of(node):
    client = KazooClient(f"127.0.0.1:{node.zookeeper.port}", auth_data=[("digest", "pvcd:secret")])
    client.start(timeout=20)
    client.chroot = f"/pvcd/{node.cluster}"
    try:
        yield client
    finally:
        client.stop()
        client.close()


# What programs write by themselves while nobody asks for anything: heartbeats, and figures of the storage below.
BY_THEMSELVES = {"live", "storage"}


def content_of(store):
    """{path: text} of all that is there because somebody asked for it. A job that has finished goes by itself."""
    found = {}
    level = [f"/{name}" for name in store.get_children("/") if name not in BY_THEMSELVES]
    while level:
        asked = [(path, store.get_async(path), store.get_children_async(path)) for path in level]
        level = []
        for path, entry, children in asked:
            try:
                text = entry.get()[0].decode()
                level += [f"{path}/{name}" for name in children.get()]
            except NoNodeError:         # gone since it was listed
                continue
            if not is_by_itself(path, text):
                found[path] = text
    return found


def is_by_itself(path, text):
    if path.startswith("/jobs/"):
        return json.loads(text)["state"] == "finished"
    if path.startswith("/decisions/"):
        return "asked for it on" not in json.loads(text)["because"]
    return path.startswith("/readiness/")
