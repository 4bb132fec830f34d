"""One small Ceph beside the hosts: a monitor, some OSDs, the pool of the VMs' images.

It is up in about a second, because all keys are written by us and handed to the monitor's mkfs (no `auth add`), the OSDs are
formatted while the monitor starts, and monitor commands go through one connected client (a `ceph` command costs 0.3 s). There
is no manager daemon unless it is asked for: few tests need it, and `ceph osd df` hangs without it, which makes a hang to test
with. Nobody waits for it either: it answers about three seconds after the rest.

The default `paxos_propose_interval` of the lab makes breaking a lock twenty times faster than Ceph's own does.
"""
import base64
import json
import os
import struct
import uuid
from concurrent.futures import ThreadPoolExecutor

from .cgroup import Cgroup
from .disk import File
from .net import Network
from .probe import Probe
from .process import LabError, run, spawn, tail
from .spec import POOL, Spec

_PORT = 6789


def client_files(spec: Spec) -> dict[str, File]:
    """What a host needs to know. QEMU reads the key there as well, so no libvirt secret is needed with cephx."""
    key = _keyring_entry("client.admin", _client_key(spec), {})
    return {
        "/etc/ceph/ceph.conf": File(_global_section(spec) + "[client]\nkeyring = /etc/ceph/ceph.client.admin.keyring\n"),
        "/etc/ceph/ceph.client.admin.keyring": File(key, 0o600),
    }


class Ceph:
    def __init__(self, spec: Spec, net: Network):
        self._spec = spec
        self._net = net
        self._dir = spec.dir / "ceph"
        self._conf = self._dir / "ceph.conf"
        self._probe = Probe(spec, "ceph_calls")

    def up(self) -> None:
        uuids = [str(uuid.uuid4()) for _ in range(self._spec.osds)]
        self._write_files()
        run(["monmaptool", "--create", "--fsid", self._spec.fsid, "--addv", "a",
             f"[v2:{self._spec.ceph_address}:{_PORT}]", self._dir / "monmap"])
        run(self._command("ceph-mon", "a", "--mkfs", "--monmap", self._dir / "monmap"))
        self._start("mon.a")
        try:
            self._serve(uuids)
        except LabError as error:
            raise LabError(f"{error}; the monitor said: {tail(self._dir / 'mon.a.out')}") from None

    def _serve(self, uuids: list[str]) -> None:
        with ThreadPoolExecutor() as pool:
            formatted = [pool.submit(self._format_osd, number, osd) for number, osd in enumerate(uuids)]
            self._call("register_osds", uuids, timeout=30)
            for future in formatted:
                future.result()
        for number in range(self._spec.osds):
            self._start(f"osd.{number}")
        if self._spec.manager:
            self._start("mgr.x")
        if self._spec.osds:
            self._call("create_pool", POOL, self._spec.osds, timeout=60)

    def lockers(self, image: str) -> list[dict]:
        """[{"client", "cookie", "address"}], as `rbd lock ls` has them."""
        return self._call("lockers", POOL, image)

    def watchers(self, image: str) -> list[dict]:
        """[{"address", "client", "cookie"}]; those of a dead client stay for up to 30 s."""
        return self._call("watchers", POOL, image)

    def blocklist(self) -> list[dict]:
        """[{"address", "until"}]."""
        return self._call("blocklist")

    def create_image(self, name: str, size_mib: int = 64) -> None:
        self._call("create_image", POOL, name, size_mib << 20)

    def remove_image(self, name: str) -> None:
        """Slow (30 s) for an image whose dead client still watches it."""
        self._call("remove_image", POOL, name, timeout=45)

    def read(self, image: str, offset: int, size: int) -> bytes:
        return base64.b64decode(self._call("read", POOL, image, offset, size))

    def write(self, image: str, offset: int, data: bytes) -> None:
        self._call("write", POOL, image, offset, base64.b64encode(data).decode())

    def command(self, prefix: str, **arguments):
        """A monitor command; the answer is parsed JSON, or text where there is none."""
        return self._call("command", {"prefix": prefix, **arguments})

    def freeze(self, daemon: str) -> None:
        """Stop a daemon ("mon.a", "osd.0") without closing its connections: clients of it hang."""
        self._cgroup(daemon).freeze(True)

    def thaw(self, daemon: str) -> None:
        self._cgroup(daemon).freeze(False)

    def kill(self, daemon: str) -> None:
        self._cgroup(daemon).kill()

    def start(self, daemon: str) -> None:
        """A daemon that was killed; an OSD in memory has lost its data, and does not come back."""
        self._start(daemon)

    def cli(self, *words: str, timeout: float = 30):
        """What the `ceph` command says, for commands that the manager answers."""
        command = ["ceph", "--conf", self._conf, "--name", "client.admin", "--keyring", self._dir / "keyring", *words, "--format", "json"]
        answer = run(self._net.in_hub([str(word) for word in command]), timeout=timeout).stdout
        try:
            return json.loads(answer)
        except ValueError:
            return answer

    def bench(self, pool: str, image: str, seconds: int):
        """A client that writes for so long; to be killed when it is not needed any more."""
        command = ["timeout", str(seconds), "rbd", "--conf", str(self._conf), "--name", "client.admin", "--keyring",
                   str(self._dir / "keyring"), "bench", "--io-type", "write", "--io-size", "4096", "--io-total", "4G", f"{pool}/{image}"]
        return spawn(self._net.in_hub(command), self._cgroup("bench").create(), self._dir / "bench.out")

    def close(self) -> None:
        self._probe.close()

    def _call(self, function: str, *args, timeout: float = 25):
        return self._probe.call(function, str(self._conf), *args, timeout=timeout)

    def _cgroup(self, daemon: str) -> Cgroup:
        return Cgroup(f"{self._spec.prefix}/{daemon}")

    def _start(self, daemon: str) -> None:
        kind, name = daemon.split(".")
        log = self._dir / f"{daemon}.out"
        spawn(self._net.in_hub(self._command(f"ceph-{kind}", name, "-f")), self._cgroup(daemon).create(), log)

    def _command(self, program: str, name, *args) -> list[str]:
        return [program, "-i", str(name), "--conf", str(self._conf), "--no-mon-config", "--keyring",
                str(self._dir / "keyring"), *map(str, args)]

    def _format_osd(self, number: int, osd_uuid: str) -> None:
        (self._dir / f"osd.{number}").mkdir()
        run(self._command("ceph-osd", number, "--mkfs", "--osd-uuid", osd_uuid), timeout=60)

    def _write_files(self) -> None:
        self._dir.mkdir()
        (self._dir / "mon.a").mkdir()
        (self._dir / "run").mkdir()
        (self._dir / "mgr.x").mkdir()
        self._conf.write_text(_server_conf(self._spec, self._dir))
        everything = {service: "allow *" for service in ("mon", "osd", "mgr", "mds")}
        entries = [_keyring_entry("mon.", _key(os.urandom(16)), {"mon": "allow *"}),
                   _keyring_entry("client.admin", _client_key(self._spec), everything)]
        entries.append(_keyring_entry("mgr.x", _key(os.urandom(16)), {"mon": "allow profile mgr", "osd": "allow *"}))
        for number in range(self._spec.osds):
            caps = {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"}
            entries.append(_keyring_entry(f"osd.{number}", _key(os.urandom(16)), caps))
        (self._dir / "keyring").touch(mode=0o600)
        (self._dir / "keyring").write_text("".join(entries))


def _global_section(spec: Spec) -> str:
    auth = "cephx" if spec.cephx else "none"
    return ("[global]\n"
            f"fsid = {spec.fsid}\nmon host = [v2:{spec.ceph_address}:{_PORT}/0]\n"
            f"auth cluster required = {auth}\nauth service required = {auth}\nauth client required = {auth}\n"
            "ms bind msgr1 = false\nms bind ipv6 = false\n")


def _server_conf(spec: Spec, directory) -> str:
    return _global_section(spec) + f"""\
public addr = {spec.ceph_address}
cluster addr = {spec.ceph_address}
keyring = {directory}/keyring
run dir = {directory}/run
admin socket = {directory}/run/$name.asok
log file = {directory}/$name.log
pid file = {directory}/run/$name.pid
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
# All OSDs are on one "host": without these two nobody may report another one dead.
mon osd min down reporters = 1
mon osd reporter subtree level = osd
osd heartbeat grace = 6
osd heartbeat interval = 2
auth allow insecure global id reclaim = false
[client]
admin socket =
log file =
[mon]
mon data = {directory}/mon.a
mon data avail warn = 2
mon data avail crit = 1
paxos propose interval = {spec.paxos_propose_interval}
[mgr]
mgr data = {directory}/mgr.$id
mgr initial modules =
mgr stats period = 1
[osd]
osd data = {directory}/osd.$id
osd objectstore = {spec.store}
memstore device bytes = 4294967296
bluestore block size = 4294967296
bluestore block create = true
bluestore fsck on mount = false
bdev enable discard = false
osd memory target = 939524096
osd op num shards = 1
osd op num threads per shard = 2
"""


def _key(secret: bytes) -> str:
    """As `ceph-authtool --gen-key` writes it: type 1 (AES), time of creation, length, secret."""
    return base64.b64encode(struct.pack("<HIIH", 1, 0, 0, len(secret)) + secret).decode()


def _client_key(spec: Spec) -> str:
    return _key(bytes.fromhex(spec.ceph_secret))


def _keyring_entry(entity: str, key: str, caps: dict[str, str]) -> str:
    lines = [f"[{entity}]", f"\tkey = {key}", *(f'\tcaps {service} = "{cap}"' for service, cap in caps.items())]
    return "\n".join(lines) + "\n"
