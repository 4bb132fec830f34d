"""The power of one host: started when it is switched on, gone when it is off.

    python3 -m tests.cluster.lab.supervisor STATE HOST

It is in the host's control group, so a power cut kills it together with the host.
"""
import os
import subprocess
import sys

from .disk import Disk
from .net import Network
from .process import in_netns
from .spec import WATCHDOG, Spec

_REBOOT = 133                           # nspawn's exit status when the host wants to be started again

GUEST_FILES = "/srv/lab"                # where the hosts find the guests' kernel
SHARED = "/net/vms"                     # a file system that all hosts have, as over NFS


def supervise(spec: Spec, name: str) -> None:
    net = Network(spec)
    while True:
        net.connect(name)
        status = subprocess.run(_nspawn(spec, net, name), stdin=subprocess.DEVNULL, env=_environment()).returncode
        print(f"{name}: nspawn ended with {status}", flush=True)
        if status != _REBOOT:
            break
    net.disconnect(name)


def _nspawn(spec: Spec, net: Network, name: str) -> list[str]:
    """nspawn mounts the host's /sys before it joins a network namespace: entered beforehand, it is the right one's."""
    netns = net.netns(name)
    return in_netns(netns, [
        "systemd-nspawn", "--quiet", "--boot", f"--directory={Disk(spec, name).root}", f"--machine={netns}",
        f"--hostname={name}", f"--network-namespace-path=/run/netns/{netns}", "--register=no", "--keep-unit",
        "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--capability=all", "--console=pipe",
        f"--bind-ro={spec.dir}/guest:{GUEST_FILES}", f"--bind={spec.shared_dir}:{SHARED}",
        *([f"--bind={spec.watchdog_dir(name)}:{os.path.dirname(WATCHDOG)}"] if spec.watchdogs else [])])


def _environment() -> dict[str, str]:
    return {**os.environ,
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            "SYSTEMD_NSPAWN_LOCK": "0",
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}       # else /proc/sys/net is read-only


if __name__ == "__main__":
    supervise(Spec.load(sys.argv[1]), sys.argv[2])
