"""Switch one host; what a BMC's hook runs.

    python3 -m tests.cluster.lab.power STATE HOST on|off|reset|soft
"""
import sys

from .host import Host
from .net import Network
from .process import LabError
from .spec import Spec


def switch(host: Host, act: str) -> None:
    if act == "on":
        host.power_on(wait=False)
    elif act == "off":
        host.power_cut()
    elif act == "reset" and host.is_on():
        host.power_cut()
        host.power_on(wait=False)
    elif act == "soft":
        host.power_off(wait=False)


if __name__ == "__main__":
    spec = Spec.load(sys.argv[1])
    try:
        switch(Host(spec, sys.argv[2], Network(spec)), sys.argv[3])
    except LabError as error:
        sys.exit(str(error))
