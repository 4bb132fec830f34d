"""The network: one bridge in a namespace of its own (the hub), one namespace per host, and partitions.

The machine's own network is not touched. Ceph, the BMCs and the test's own clients have addresses on the bridge itself; each
host hangs on it by a veth pair.

- A host gets a fresh namespace in every boot. If it were kept, the sockets of the last life would send their FIN after the
  power came back, and floating addresses would survive.
- The bridge has a fixed MAC address. Otherwise it takes the lowest of its ports, and everybody's neighbour entry for Ceph goes
  stale when a host leaves.
- Partitions are one nft table of the bridge family, rebuilt as a whole from a file. It matches port names and not addresses:
  so it outlives power cycles, and ARP and floating addresses cannot slip through.
- A bad cable (relay.py) stands between a port and the bridge; it is mended before its host is powered off.
"""
import fcntl
import json
from contextlib import contextmanager
from pathlib import Path

from .cgroup import Cgroup
from .process import LabError, in_netns, python_module, run, spawn, wait_for
from .relay import READY
from .spec import Spec

_NETNS_DIR = Path("/run/netns")


class Network:
    def __init__(self, spec: Spec):
        self.spec = spec
        self._file = spec.dir / "network.json"

    def in_hub(self, argv) -> list[str]:
        return in_netns(self.spec.hub, argv)

    def in_host(self, name: str, argv) -> list[str]:
        """In the host's network only; works for frozen hosts too."""
        return in_netns(self.netns(name), argv)

    def netns(self, name: str) -> str:
        return f"{self.spec.prefix}-{name}"

    def up(self) -> None:
        spec = self.spec
        run(["ip", "netns", "add", spec.hub])
        addresses = [spec.hub_address, spec.ceph_address, *map(spec.bmc_address, spec.names)]
        self._batch(spec.hub, [
            "link set lo up",
            "link add br0 address 52:54:00:fe:00:fe type bridge stp_state 0 forward_delay 0",
            "link set br0 up",
            *(f"addr add {address}/24 dev br0" for address in addresses)])

    def connect(self, name: str) -> None:
        """A new namespace with a new cable, for a host about to boot."""
        self.disconnect(name)
        spec, number = self.spec, self.spec.number(name)
        run(["ip", "netns", "add", self.netns(name)])
        run(["ip", "link", "add", self._port(name), "netns", spec.hub, "type", "veth",
             "peer", "name", "eth0", "netns", self.netns(name), "address", f"52:54:00:c3:00:{number:02x}"])
        self._batch(spec.hub, [f"link set {self._port(name)} master br0", f"link set {self._port(name)} up"])
        self._batch(self.netns(name), [
            "link set lo up", f"addr add {spec.address(name)}/24 dev eth0", "link set eth0 up"])

    def unplug(self, name: str) -> None:
        run(["ip", "-n", self.spec.hub, "link", "set", self._port(name), "down"], check=False)

    def disconnect(self, name: str) -> None:
        """The cable first: it goes at once, even while a process still holds the namespace."""
        if (_NETNS_DIR / self.netns(name)).exists():
            run(["ip", "-n", self.spec.hub, "link", "del", self._port(name)], check=False)
            run(["ip", "netns", "del", self.netns(name)], check=False)

    def cut(self, a: str, b: str = "all", direction: str = "both") -> None:
        """Drop what host `a` exchanges with `b`: a host, "hosts", "ceph", "bmc", "bmc:HOST" or "all".

        The direction is as `a` sees it: "out", "in" or "both".
        """
        self._check_peer(a, b)
        if direction not in ("both", "in", "out"):
            raise LabError(f"direction {direction!r}: want both, in or out")
        with self._changing() as state:
            state["cuts"] = [cut for cut in state["cuts"] if cut[:2] != [a, b]] + [[a, b, direction]]

    def heal(self, a: str | None = None, b: str | None = None) -> None:
        """Undo cuts: all of them, those of one host, or that between two."""
        wanted = {name for name in (a, b) if name}
        with self._changing() as state:
            state["cuts"] = [cut for cut in state["cuts"] if not wanted <= set(cut[:2])]

    def cuts(self) -> list[list[str]]:
        return self._load()["cuts"]

    def spoil(self, name: str, **cable) -> None:
        """A bad cable between a host and the bridge, with the fields of relay.Cable, until it is mended."""
        port, inner, outer = self._port(name), f"i-{name}", f"o-{name}"
        cable["ceph_address"] = self.spec.ceph_address
        log = self.spec.dir / f"relay-{name}.log"
        log.unlink(missing_ok=True)
        # Without ARP: the hub would answer for its own addresses there, past the relay.
        self._batch(self.spec.hub, [f"link add {inner} type veth peer name {outer}", f"link set {inner} arp off up", f"link set {outer} up"])
        spawn(self.in_hub(python_module("relay", port, inner, json.dumps(cable))), self._relay(name).create(), log)
        wait_for(f"the relay of {name}", lambda: log.read_text() == READY, 20)
        self._batch(self.spec.hub, [f"link set {port} arp off", f"link set {port} nomaster", f"link set {outer} master br0"])

    def mend(self, name: str) -> None:
        if not self._relay(name).exists():
            return
        self._relay(name).kill()
        self._relay(name).remove()
        self._batch(self.spec.hub, [f"link del i-{name}", f"link set {self._port(name)} arp on", f"link set {self._port(name)} master br0"])

    def _relay(self, name: str) -> Cgroup:
        return Cgroup(f"{self.spec.prefix}/relay-{name}")

    def silence_bmc(self, name: str, silent: bool) -> None:
        self.spec.number(name)
        with self._changing() as state:
            others = [bmc for bmc in state["silent_bmcs"] if bmc != name]
            state["silent_bmcs"] = others + [name] * silent

    def _check_peer(self, a: str, b: str) -> None:
        self.spec.number(a)
        if b not in ("all", "hosts", "ceph", "bmc"):
            self.spec.number(b.removeprefix("bmc:"))

    def _port(self, name: str) -> str:
        return f"v-{name}"

    def _batch(self, netns: str, lines: list[str]) -> None:
        run(["ip", "-n", netns, "-batch", "-"], input="\n".join(lines) + "\n")

    def _load(self) -> dict:
        try:
            return json.loads(self._file.read_text())
        except FileNotFoundError:
            return {"cuts": [], "silent_bmcs": []}

    @contextmanager
    def _changing(self):
        with (self.spec.dir / "network.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self._load()
            yield state
            run(self.in_hub(["nft", "-f", "-"]), input=self._ruleset(state))
            self._file.write_text(json.dumps(state))

    def _ruleset(self, state: dict) -> str:
        chains = {"forward": [], "input": [], "output": []}
        for a, b, direction in state["cuts"]:
            for chain, rule in self._drops(a, b, direction):
                chains[chain].append(f"{rule} drop")
        silent = [f"ip daddr {self.spec.bmc_address(name)} udp dport 623 drop" for name in state["silent_bmcs"]]
        return (_table("bridge", "cuts", chains) + _table("inet", "bmcs", {"input": silent}))

    def _drops(self, a: str, b: str, direction: str):
        """Yield (chain, match)."""
        for out, into in self._paths(a, b):
            if direction != "in":
                yield out
            if direction != "out":
                yield into

    def _paths(self, a: str, b: str):
        """Both directions of every way from a to b: hosts are reached by forwarding, Ceph and the BMCs live in the hub."""
        port = self._port(a)
        if b in self.spec.names:
            other = self._port(b)
            yield ("forward", f'iifname "{port}" oifname "{other}"'), ("forward", f'iifname "{other}" oifname "{port}"')
        if b in ("all", "hosts"):
            yield ("forward", f'iifname "{port}"'), ("forward", f'oifname "{port}"')
        if b == "all":
            yield ("input", f'iifname "{port}"'), ("output", f'oifname "{port}"')
        for address in self._hub_addresses(b):
            yield ("input", f'iifname "{port}" ip daddr {address}'), ("output", f'oifname "{port}" ip saddr {address}')

    def _hub_addresses(self, b: str) -> list[str]:
        if b == "ceph":
            return [self.spec.ceph_address]
        if b == "bmc":
            return [self.spec.bmc_address(name) for name in self.spec.names]
        return [self.spec.bmc_address(b.removeprefix("bmc:"))] if b.startswith("bmc:") else []


def _table(family: str, name: str, chains: dict[str, list[str]]) -> str:
    """Declared, deleted and declared again: nft's way to replace a table in one transaction, whether it existed or not."""
    body = "".join(f"  chain {hook} {{\n    type filter hook {hook} priority 0; policy accept;\n"
                   + "".join(f"    {rule}\n" for rule in rules) + "  }\n" for hook, rules in chains.items())
    return f"table {family} {name}\ndelete table {family} {name}\ntable {family} {name} {{\n{body}}}\n"


def namespaces(prefix: str) -> list[str]:
    return [path.name for path in _NETNS_DIR.glob(f"{prefix}-*")]


def delete_namespaces(prefix: str) -> None:
    for name in namespaces(prefix):
        run(["ip", "netns", "del", name], check=False)
    if _NETNS_DIR.is_mount() and not any(_NETNS_DIR.iterdir()):
        run(["umount", _NETNS_DIR], check=False)        # `ip netns add` had mounted it
