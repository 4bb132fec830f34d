"""The lab by hand: python3 -m tests.cluster.lab up; ... exec n1 systemctl; ... down"""
import argparse
import subprocess
import sys
from fnmatch import fnmatchcase

from .cluster import Cluster, labs
from .power import switch
from .process import LabError
from .spec import default_prefix, default_state


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return arguments.function(arguments) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("--prefix", default=default_prefix(), help="name of the lab (default: $PVCD_LAB or %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, *positionals, help):
        sub = commands.add_parser(name, help=help)
        for positional in positionals:
            sub.add_argument(positional)
        sub.set_defaults(function=function)
        return sub

    up = command("up", _up, help="boot the cluster")
    up.add_argument("--hosts", type=int, default=3)
    up.add_argument("--stage", help="DESTDIR tree to lay over the hosts' root")
    up.add_argument("--pvcd", action="store_true", help="configure and enable pvcd")
    up.add_argument("--osds", type=int, default=1)
    up.add_argument("--store", choices=["memstore", "bluestore"], default="memstore")
    up.add_argument("--cephx", action="store_true")
    down = command("down", _down, help="remove every trace, also of a killed run")
    down.add_argument("patterns", nargs="*", metavar="PATTERN", help="of the names of other labs, which go too if no run uses them")
    execute = command("exec", _exec, "host", help="run a command in a host")
    execute.add_argument("command", nargs=argparse.REMAINDER)
    command("power", _power, "host", help="switch a host").add_argument("act", choices=["on", "off", "reset", "soft"])
    command("freeze", lambda a: _host(a).freeze(), "host", help="hang a host")
    command("thaw", lambda a: _host(a).thaw(), "host", help="let it go on")
    cut = command("cut", lambda a: _attach(a).net.cut(a.host, a.peer, a.direction), "host", help="partition")
    cut.add_argument("peer", nargs="?", default="all", help="host, hosts, ceph, bmc, bmc:HOST or all")
    cut.add_argument("--direction", choices=["both", "in", "out"], default="both")
    heal = command("heal", lambda a: _attach(a).net.heal(a.host, a.peer), help="undo partitions")
    heal.add_argument("host", nargs="?")
    heal.add_argument("peer", nargs="?")
    command("console", lambda a: print(_host(a).console(), end=""), "host", help="what a host printed")
    command("status", _status, help="what is on, up, serving")
    return parser


def _up(arguments) -> None:
    options = {key: getattr(arguments, key) for key in ("prefix", "hosts", "stage", "pvcd", "osds", "store", "cephx")}
    Cluster(**options).up(report=lambda line: print(line, flush=True))


def _down(arguments) -> int:
    """Those that can be taken away are, whatever becomes of the others."""
    status = 0
    others = [name for name in labs() if any(fnmatchcase(name, pattern) for pattern in arguments.patterns)]
    for prefix in dict.fromkeys([arguments.prefix, *others]):
        try:
            Cluster(prefix=prefix).down()
        except LabError as error:
            print(f"lab {prefix}: {error}", file=sys.stderr)
            status = 1
    return status


def _attach(arguments) -> Cluster:
    return Cluster.attach(default_state(arguments.prefix))


def _host(arguments):
    return _attach(arguments).host(arguments.host)


def _exec(arguments) -> int:
    return subprocess.run(_host(arguments).command_line(arguments.command)).returncode


def _power(arguments) -> None:
    host = _host(arguments)
    switch(host, arguments.act)
    if arguments.act in ("on", "reset"):
        host.wait_up()
    if arguments.act == "soft":
        host.wait_off()


def _status(arguments) -> None:
    cluster = _attach(arguments)
    for host in cluster.hosts:
        power = "frozen" if host.is_frozen() else "up" if host.is_up() else "on" if host.is_on() else "off"
        guests = ", ".join(qemu.name for qemu in host.qemu_pids()) or "-"
        mode = cluster.zookeeper.mode(host.name)
        print(f"{host.name}  {host.address}  {power}  ZooKeeper: {mode}  guests: {guests}")
    for a, b, direction in cluster.net.cuts():
        print(f"cut: {a} from {b} ({direction})")


if __name__ == "__main__":
    sys.exit(main())
