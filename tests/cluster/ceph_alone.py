"""Ceph without hosts, and the ceph-osd plugin beside it, without host and bus."""
import json
import os
from pathlib import Path

from tests.cluster.lab.cluster import Cluster
from tests.cluster.lab.process import TOP
from tests.cluster.lines import Lines

DRIVER = Path(os.environ.get("PVCD_BUILD", TOP / "build")) / "tests/cluster/ceph-osd-driver"
TIMEOUT_MS = 2000


class CephAlone(Cluster):
    """The lab without its hosts."""

    def _start(self, say) -> None:
        self._make_state()
        self.net.up()
        self.net.connect("n1")
        self.ceph.up()

    @property
    def conf(self) -> Path:
        return self.spec.dir / "ceph/ceph.conf"

    def add_user(self, name: str, *caps: str) -> str:
        answer = self.ceph.command("auth get-or-create", entity=f"client.{name}", caps=list(caps))
        with (self.spec.dir / "ceph/keyring").open("a") as keyring:
            keyring.write(f"[client.{name}]\n\tkey = {answer[0]['key']}\n")
        return name


class Driver(Lines):
    def __init__(self, lab: CephAlone, client="admin", conf=None):
        super().__init__(lab, "n1", [DRIVER, conf or lab.conf, client, TIMEOUT_MS])

    def observe(self) -> dict:
        self.seconds, survey = (answer := json.loads(self.ask("")))["seconds"], answer["survey"]
        return survey
