"""The store as an outsider with the cluster's credentials sees it."""
from contextlib import contextmanager

from kazoo.client import KazooClient


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
