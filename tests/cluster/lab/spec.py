"""What a lab looks like: names, addresses, identities, parameters.

The specification is saved in the state directory, because the BMC hooks, the supervisors and the command line are processes
of their own which must see the same cluster as the driver that made it.
"""
import dataclasses
import json
import os
import re
import secrets
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from .process import LabError

BMC_USER = "pvcd"
POOL = "vms"
PREFIX = "[a-z][a-z0-9]{0,6}"
WATCHDOG = "/srv/watchdog/watchdog0"    # where a host finds its own


def default_prefix() -> str:
    """PVCD_LAB in the environment lets several people, or jobs, have their own labs on one machine."""
    return os.environ.get("PVCD_LAB", "pvl")


def default_state(prefix: str) -> str:
    return f"/run/{prefix}-lab"


@dataclass
class Spec:
    prefix: str = field(default_factory=default_prefix)
    state: str = ""                     # the state directory; "" chooses it by the prefix
    net: str = "10.213.0"
    hosts: int = 3
    stage: str | None = None            # a DESTDIR tree to lay over `/` in every host
    pvcd: bool = False                  # write pvcd's configuration and enable its target
    config: dict = field(default_factory=dict)      # overrides for pvcd_config, by file and table
    pvcd_units: list[str] = field(default_factory=lambda: ["pvcd.target"])
    disk_mib: int = 6144                # upper bound of everything the lab stores, in memory
    tick_ms: int = 200
    sync_limit: int = 5
    init_limit: int = 25
    osds: int = 1
    manager: bool = False               # ceph-mgr: 300 MiB and 3 s of a CPU, which only figures of OSDs need
    store: str = "memstore"             # or bluestore: the one that real clusters have, three seconds slower
    cephx: bool = False
    guids: bool = True                  # False: no BMC was ever given one; hosts mark theirs
    watchdogs: bool = False             # a simulated watchdog in every host, at WATCHDOG
    paxos_propose_interval: float = 0.05            # Ceph's own default is 1.0
    heartbeat_s: float = 0.5            # of the guests
    # Identities are drawn once and then kept, so that a host stays the same machine over its power cycles.
    uuids: dict[str, str] = field(default_factory=dict)
    fsid: str = field(default_factory=lambda: str(uuid.uuid4()))
    store_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    ceph_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    bmc_secret: str = field(default_factory=lambda: secrets.token_hex(8))       # IPMI allows 20 bytes at most

    def __post_init__(self):
        if not re.fullmatch(PREFIX, self.prefix):
            raise LabError(f"prefix {self.prefix!r}: want a letter and up to six letters or digits")
        self.state = self.state or default_state(self.prefix)
        if not re.fullmatch(r"/[\w./-]+", self.state) or len(self.state) > 60:
            raise LabError(f"state directory {self.state!r}: want a short absolute path without special characters")
        if not 1 <= self.hosts <= 5:
            raise LabError(f"{self.hosts} hosts: want 1 to 5")
        if self.stage is not None:
            self.stage = os.path.abspath(self.stage)
        if self.store not in ("memstore", "bluestore"):
            raise LabError(f"store {self.store!r}: want memstore or bluestore")
        for name in self.names:
            self.uuids.setdefault(name, str(uuid.uuid4()))

    @property
    def names(self) -> list[str]:
        return [f"n{number}" for number in range(1, self.hosts + 1)]

    @property
    def dir(self) -> Path:
        return Path(self.state)

    @property
    def hub(self) -> str:
        return f"{self.prefix}-hub"

    @property
    def ceph_address(self) -> str:
        return f"{self.net}.250"

    @property
    def hub_address(self) -> str:
        return f"{self.net}.254"

    def number(self, name: str) -> int:
        if name not in self.names:
            raise LabError(f"no host {name} (have {', '.join(self.names)})")
        return self.names.index(name) + 1

    def address(self, name: str) -> str:
        return f"{self.net}.{self.number(name)}"

    def bmc_address(self, name: str) -> str:
        return f"{self.net}.{100 + self.number(name)}"

    def host_dir(self, name: str) -> Path:
        return self.dir / "hosts" / name

    @property
    def shared_dir(self) -> Path:
        return self.dir / "shared"

    def watchdog_dir(self, name: str) -> Path:
        return self.dir / "watchdog" / name

    def store_servers(self) -> list[str]:
        return [f"{self.address(name)}:2181" for name in self.names]

    def save(self) -> None:
        path = self.dir / "spec.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1))

    @classmethod
    def load(cls, state: str) -> "Spec":
        try:
            return cls(**json.loads((Path(state) / "spec.json").read_text()))
        except FileNotFoundError:
            raise LabError(f"no lab in {state}") from None
