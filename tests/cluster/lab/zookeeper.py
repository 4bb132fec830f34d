"""The ZooKeeper ensemble: a server on each host as a unit, and what can be learned about it from outside."""
import re
import shutil
from pathlib import Path

from .disk import Disk, File
from .net import Network
from .probe import Probe
from .process import run, wait_for
from .spec import Spec
from .zookeeper_log import Change, changes

_JAVA = ("/usr/bin/java -Xms16m -Xmx96m -Xss256k -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData "
         "-Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS "
         "-cp /usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar "
         "org.apache.zookeeper.server.quorum.QuorumPeerMain")

_COPY = "version-2.copy"                # beside it, so that no server reads it


def host_files(spec: Spec, name: str) -> dict[str, File]:
    servers = "".join(f"server.{_server_id(spec, other)}={spec.address(other)}:2888:3888\n" for other in spec.names)
    ensemble = f"standaloneEnabled=false\n{servers}" if spec.hosts > 1 else ""
    return {
        "/etc/zookeeper/zoo.cfg": File(
            f"tickTime={spec.tick_ms}\nminSessionTimeout={2 * spec.tick_ms}\nmaxSessionTimeout=60000\n"
            f"initLimit={spec.init_limit}\nsyncLimit={spec.sync_limit}\ncnxTimeout=1000\n"
            "dataDir=/var/lib/zookeeper\nclientPort=2181\nmaxClientCnxns=0\nadmin.enableServer=false\n"
            "4lw.commands.whitelist=*\nforceSync=no\npreAllocSize=1024\nsnapCount=100000\n"
            f"extendedTypesEnabled=true\n{ensemble}"),
        "/var/lib/zookeeper/myid": File(f"{_server_id(spec, name)}\n"),
        "/etc/systemd/system/zookeeper.service": File(
            "[Unit]\nDescription=ZooKeeper\nAfter=network.target\nStartLimitIntervalSec=0\n"
            f"[Service]\nType=exec\nExecStart={_JAVA} /etc/zookeeper/zoo.cfg\n"
            "Restart=always\nRestartSec=500ms\nSuccessExitStatus=143\nTimeoutStopSec=5\n"),
    }


def _server_id(spec: Spec, name: str) -> int:
    """Among equals the highest id wins ZooKeeper's election: n1 has it, so that a test can make a given host lead."""
    return spec.hosts + 1 - spec.number(name)


def _servers(verb: str, hosts: list) -> None:
    for host in hosts:
        host.run("systemctl", verb, "zookeeper.service")


class ZooKeeper:
    def __init__(self, spec: Spec, net: Network):
        self._spec = spec
        self._net = net
        self._probe = Probe(spec, "zookeeper_calls")

    def ask(self, name: str, word: str) -> str:
        """The server's answer to a four letter word, or "". Asked inside its host's network, so partitions do not matter."""
        address = self._spec.address(name)
        script = f"exec 3<>/dev/tcp/{address}/2181 && printf {word} >&3 && cat <&3"
        return run(self._net.in_host(name, ["timeout", "1", "bash", "-c", script]), check=False).stdout

    def mode(self, name: str) -> str:
        """"leader", "follower", "standalone", or why it is none of them."""
        answer = self.ask(name, "srvr")
        found = re.search(r"^Mode: (\S+)", answer, re.MULTILINE)
        return found[1] if found else "not serving" if answer else "no answer"

    def serving(self) -> list[str]:
        return [name for name in self._spec.names if self.mode(name) in ("leader", "follower", "standalone")]

    def leader(self) -> str | None:
        """Two may say so for a moment: a leader that was cut off does until its syncLimit has passed."""
        leaders = [name for name in self._spec.names if self.mode(name) in ("leader", "standalone")]
        return leaders[0] if len(leaders) == 1 else None

    def newest_change(self, name: str) -> str:
        """That this server has seen: its zxid, or nothing while it does not serve."""
        found = re.search(r"^Zxid: (\S+)", self.ask(name, "srvr"), re.MULTILINE)
        return found[1] if found else ""

    def wait_serving(self, count: int | None = None, timeout: float = 40) -> None:
        count = count or self._spec.hosts
        wait_for(f"{count} ZooKeeper servers serving", lambda: len(self.serving()) >= count, timeout, 0.1)

    def make_leader(self, name: str, others: list, timeout: float = 40) -> None:
        """Servers elect who has seen the most: one half of the other hosts after the other, all of them miss something."""
        first, second = others[:len(others) // 2], others[len(others) // 2:]
        _servers("stop", first)
        self.wait_serving(1 + len(second), timeout)
        seen = self.newest_change(name)
        wait_for("another heartbeat in the store", lambda: self.newest_change(name) != seen, timeout)
        _servers("stop", second)
        _servers("start", first)
        wait_for(f"{name} to lead ZooKeeper", lambda: self.leader() == name, timeout)
        _servers("start", second)
        self.wait_serving(timeout=timeout)

    def copy_disks(self, hosts: list) -> None:
        """As a backup of all servers, taken while they are stopped, instead of an older one."""
        _servers("stop", hosts)
        for name in self._spec.names:
            shutil.rmtree(self._data(name).with_name(_COPY), ignore_errors=True)
            shutil.copytree(self._data(name), self._data(name).with_name(_COPY))
        _servers("start", hosts)
        self.wait_serving()

    def put_copy_back(self, hosts: list) -> None:
        """On the disks of all servers; those of `hosts`, which are on, run again."""
        _servers("stop", hosts)
        for name in self._spec.names:
            shutil.rmtree(self._data(name))
            shutil.copytree(self._data(name).with_name(_COPY), self._data(name))
        _servers("start", hosts)
        self.wait_serving(len(hosts))

    def _data(self, name: str) -> Path:
        return Disk(self._spec, name).root / "var/lib/zookeeper/version-2"

    def dump_store(self, root: str = "/", timeout: float = 10) -> dict[str, dict]:
        """Every znode at and below root, by path: its data as text, version and ephemeral owner (0 for none)."""
        return self._probe.call("dump", self._reachable(), f"pvcd:{self._spec.store_secret}", root,
                                timeout=timeout)

    def rights(self, root: str) -> dict[str, list[str]]:
        """Who may do what with every znode at and below root, by path: "scheme:user:permissions"."""
        return self._probe.call("rights", self._reachable(), f"pvcd:{self._spec.store_secret}", root, timeout=30)

    def history(self, since_ms: int) -> list[Change]:
        """All changes since then, as the servers' logs have them; whatever becomes of the servers."""
        return changes([self._data(name) for name in self._spec.names], since_ms)

    def change(self, changes: dict[str, dict], timeout: float = 10) -> None:
        """Overwrites keys of some of pvcd's records, all at once: {path: {key: value}}."""
        self._probe.call("change", self._reachable(), f"pvcd:{self._spec.store_secret}", changes, timeout=timeout)

    def _reachable(self) -> list[str]:
        """A server that is off would cost the client its whole time."""
        return [f"{self._spec.address(name)}:2181" for name in self.serving()]

    def close(self) -> None:
        self._probe.close()
