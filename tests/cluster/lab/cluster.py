"""The whole cluster: class Cluster brings it up, takes it down, and gives the parts to tests.

    with Cluster(stage="build/stage", pvcd=True) as cluster:
        cluster.host("n1").power_cut()

Everything is below one control group, one prefix of network namespaces, and one tmpfs at the state directory. So `down` needs
no record of what was started: it removes all of it, also after the driver was killed at any moment.
"""
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .bmc import Bmc
from .ceph import Ceph
from .cgroup import Cgroup, leave_lab
from .disk import copy_stage
from .guest import Guests
from .host import Host
from .install import install
from .net import Network, delete_namespaces, namespaces
from .process import LabError, run
from .spec import PREFIX, Spec, default_prefix, default_state
from .watchdog import Watchdog
from .zookeeper import ZooKeeper

_PROPAGATE = Path("/run/systemd/nspawn/propagate")


_claimed: dict[str, socket.socket] = {}         # the labs of this process, by prefix


class Cluster:
    """Takes the fields of Spec as arguments."""

    def __init__(self, **options):
        self._adopt(Spec(**options))

    def _adopt(self, spec: Spec) -> None:
        self.spec = spec
        self.net = Network(spec)
        self.hosts = [Host(spec, name, self.net) for name in spec.names]
        self.bmcs = [Bmc(spec, name, self.net) for name in spec.names]
        self.watchdogs = [Watchdog(spec, name) for name in spec.names] if spec.watchdogs else []
        self.ceph = Ceph(spec, self.net)
        self.zookeeper = ZooKeeper(spec, self.net)
        self.guests = Guests(spec, self.ceph)

    @classmethod
    def attach(cls, state: str | None = None) -> "Cluster":
        """A cluster which is up already, perhaps started by another process."""
        cluster = cls.__new__(cls)
        cluster._adopt(Spec.load(state or default_state(default_prefix())))
        return cluster

    def __enter__(self) -> "Cluster":
        return self.up()

    def __exit__(self, *_) -> None:
        self.down()

    def host(self, name: str) -> Host:
        return self.hosts[self.spec.number(name) - 1]

    def bmc(self, name: str) -> Bmc:
        return self.bmcs[self.spec.number(name) - 1]

    def watchdog(self, name: str) -> Watchdog:
        return self.watchdogs[self.spec.number(name) - 1]

    def up(self, report=lambda line: None) -> "Cluster":
        """Start everything and wait until it works; what a killed run left is removed first."""
        if os.geteuid() != 0:
            raise LabError("the lab needs root")
        self._claim()
        self._take_away()
        begin = time.monotonic()

        def say(what):
            report(f"{time.monotonic() - begin:5.1f} s  {what}")
        try:
            self._start(say)
        except BaseException:
            self.down()
            raise
        return self

    def _claim(self) -> None:
        """What another process is using is not taken away as the trace of a killed run. The name goes with the process, whatever ends it."""
        if self.spec.prefix in _claimed:
            return
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0{self.spec.prefix}-lab")
        except OSError as taken:
            raise LabError("another run uses this lab; PVCD_LAB=name gives a second one") from taken
        _claimed[self.spec.prefix] = claim

    def _start(self, say) -> None:
        self._make_state()
        self.net.up()
        with ThreadPoolExecutor() as pool:
            ceph = pool.submit(self.ceph.up)
            self.guests.build()
            for host, bmc in zip(self.hosts, self.bmcs):
                install(self.spec, host.name)
                for watchdog in self.watchdogs:
                    if watchdog.name == host.name:
                        watchdog.up()
                host.power_on(wait=False)
                bmc.up()
            say("network, disks, management controllers")
            ceph.result()
        say(f"Ceph with {self.spec.osds} OSD ({self.spec.store})")
        for host in self.hosts:
            host.wait_up()
        say(f"{self.spec.hosts} hosts booted")
        self.zookeeper.wait_serving()
        say("ZooKeeper serves; the cluster is up")

    def _make_state(self) -> None:
        spec = self.spec
        for tool in ("systemd-nspawn", "ipmi_sim", "ceph-mon", "nft"):
            if not any(os.access(f"{directory}/{tool}", os.X_OK) for directory in ("/usr/sbin", "/usr/bin")):
                raise LabError(f"{tool} is missing; ./dev install installs everything")
        spec.dir.mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "tmpfs", "-o", f"mode=755,size={spec.disk_mib}m", _source(spec), spec.dir])
        spec.save()
        copy_stage(spec)
        spec.shared_dir.mkdir()
        for name in spec.names:
            spec.host_dir(name).mkdir(parents=True)

    def down(self) -> None:
        """Leave no trace: no process, control group, namespace, mount, directory."""
        self._claim()
        try:
            self._take_away()
        finally:
            _claimed.pop(self.spec.prefix).close()

    def _take_away(self) -> None:
        spec = self.spec
        if (owner := _mounted_at(spec.dir)) not in (None, _source(spec)):
            raise LabError(f"{spec.dir} belongs to somebody else: {owner}")
        self.ceph.close()
        self.zookeeper.close()
        leave_lab(spec.prefix)
        Cgroup(spec.prefix).kill()
        delete_namespaces(spec.prefix)
        Cgroup(spec.prefix).remove()
        for mount in reversed(_mounts(spec)):
            run(["umount", "--lazy", mount])
        _forget_nspawn(spec.prefix)
        if spec.dir.is_dir():
            spec.dir.rmdir()
        if left := self.leftovers():
            raise LabError(f"left over: {', '.join(left)}")

    def leftovers(self) -> list[str]:
        found = [f"network namespace {name}" for name in namespaces(self.spec.prefix)]
        found += [f"mount {mount}" for mount in _mounts(self.spec)]
        found += [f"control group {self.spec.prefix}"] * Cgroup(self.spec.prefix).exists()
        found += [f"nspawn directory {path}" for path in _PROPAGATE.glob(f"{self.spec.prefix}-*")]
        found += [f"directory {self.spec.dir}"] * self.spec.dir.exists()
        return found


def _forget_nspawn(prefix: str) -> None:
    for directory in [*_PROPAGATE.glob(f"{prefix}-*"), _PROPAGATE, _PROPAGATE.parent]:
        try:
            directory.rmdir()
        except OSError:
            pass                        # absent, or somebody else's containers are in it


def _source(spec: Spec) -> str:
    return f"{spec.prefix}-lab"


def _mounted_at(directory: Path) -> str | None:
    return run(["findmnt", "--noheadings", "--output=SOURCE", "--mountpoint", directory], check=False).stdout.strip() or None


def labs() -> list[str]:
    """The prefixes of all labs of this machine: whatever else a lab has is there only while its tmpfs is."""
    mounts = Path("/proc/self/mountinfo").read_text()
    return re.findall(rf"^(?:\S+ ){{4}}/run/({PREFIX})-lab .* - tmpfs \1-lab ", mounts, re.MULTILINE)


def _mounts(spec: Spec) -> list[str]:
    """Mount points at and below the state directory, in the order they were mounted."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point == spec.state or point.startswith(f"{spec.state}/")]
