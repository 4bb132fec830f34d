"""A real Ceph with two hosts that are only network namespaces: n1, where the rbd-locks plugin runs, and n2. Clients are killed
and frozen as QEMU would be."""
import itertools
import json
import os
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.cluster.lab.cluster import Cluster
from tests.cluster.lab.process import PYTHON, TOP, run, wait_for
from tests.cluster.lab.spec import POOL
from tests.cluster.lines import Lines

PREFIX = "pvlrbd"
DRIVER = Path(os.environ.get("PVCD_BUILD", TOP / "build")) / "tests/cluster/rbd-locks-driver"
CLIENT = Path(__file__).with_name("rbd_client.py")

TIMEOUT_MS = 2000
WATCH_TIMEOUT_MS = 10_000               # a living client renews its watch every 5 s
WAITED_MS = WATCH_TIMEOUT_MS + 5000
BOUNDED_S = 3 * TIMEOUT_MS / 1000


class CephAndCables(Cluster):
    """The lab without its hosts: Ceph, and a network namespace for each host."""

    def _start(self, say) -> None:
        self._make_state()
        self.net.up()
        for name in self.spec.names:
            self.net.connect(name)
        self.ceph.up()
        self.configure("osd.0", "osd_client_watch_timeout", WATCH_TIMEOUT_MS // 1000)

    def configure(self, daemon: str, option: str, value) -> None:
        socket = self.spec.dir / "ceph/run" / f"{daemon}.asok"
        run(["ceph", "--admin-daemon", socket, "config", "set", option, value])

    def rbd(self, *words: str) -> str:
        return run(self.net.in_hub(["rbd", "--conf", str(self.conf), *words]), timeout=60).stdout

    @property
    def conf(self) -> Path:
        return self.spec.dir / "ceph/ceph.conf"


class Client(Lines):
    def __init__(self, lab, host: str, image: str, write: bool = True):
        super().__init__(lab, host, [PYTHON, CLIENT, lab.conf, POOL, image.removeprefix(f"{POOL}/")])
        self.image = image
        self.address = self.answer()
        if write:
            assert self.ask("write") == "ok"

    @property
    def instance(self) -> list[str]:
        return [self.image, self.address]

    @property
    def wait_for(self) -> str:
        return f"{self.image} {self.address}"


class Driver(Lines):
    def __init__(self, lab):
        super().__init__(lab, "n1", [DRIVER, lab.conf, TIMEOUT_MS, WATCH_TIMEOUT_MS])
        self._own = [lab.spec.address("n1")]
        self.facts = json.loads(self.answer())

    def call(self, name: str, *images: str, **request) -> dict:
        return json.loads(self.ask(json.dumps({"call": name, "images": images, "own_addresses": self._own, **request})))

    def start(self, *images: str, **request) -> dict:
        return self.call("before_start", *images, **request)


@pytest.fixture(scope="module")
def lab():
    assert DRIVER.exists(), f"{DRIVER} is missing: ./dev build"
    with CephAndCables(prefix=PREFIX, hosts=2) as lab:
        yield lab


@pytest.fixture(scope="module")
def driver(lab):
    driver = Driver(lab)
    yield driver
    driver.kill()


@pytest.fixture
def image(lab, numbers=itertools.count()):
    name = f"i{next(numbers)}"
    lab.ceph.create_image(name, 8)
    return f"{POOL}/{name}"


@pytest.fixture
def client(lab, image):
    """client(host, write=True): opened, and killed at the end of the test."""
    opened = []

    def open_client(host: str, write: bool = True, image: str = image) -> Client:
        opened.append(Client(lab, host, image, write))
        return opened[-1]
    yield open_client
    for each in opened:
        each.kill()


def killed(client: Client) -> Client:
    client.kill()
    return client


def lockers(lab, image: str) -> list[str]:
    return [locker["address"] for locker in lab.ceph.lockers(image.removeprefix(f"{POOL}/"))]


def watchers(lab, image: str) -> list[str]:
    return [watcher["address"] for watcher in lab.ceph.watchers(image.removeprefix(f"{POOL}/"))]


def blocked_for_s(lab, address: str) -> float:
    """How long the blocklist entry of this very instance still lasts; 0: there is none."""
    for entry in lab.ceph.blocklist():
        if entry["address"] == address:
            return datetime.fromisoformat(entry["until"][:19]).timestamp() - time.time()
    return 0


def assert_fenced_and_free(lab, client: Client) -> None:
    assert lockers(lab, client.image) == []
    assert client.address not in watchers(lab, client.image)
    assert blocked_for_s(lab, client.address) > 9 * 365 * 24 * 3600


def assert_untouched(lab, client: Client, locked: bool = True) -> None:
    assert lockers(lab, client.image) == [client.address] * locked
    assert blocked_for_s(lab, client.address) == 0
