"""One management controller per host: OpenIPMI's ipmi_sim, whose power switch is the real one of the host.

The simulator calls a hook for everything it is asked. Asking for the power is answered by the shell alone; acts start Python,
and are written down with their times, outside of all hosts: that is the lab's own evidence of who switched what, when. The
simulator answers nothing while the hook runs, so switching on only starts the boot and does not wait for it.

The GUID is sent in the byte order of SMBIOS, against the letter of the IPMI specification, because most real controllers do
and `ipmitool mc guid` then shows the host's system UUID. Without GUIDs (spec.guids) it is all zeros, as on boards that were never
given one.
"""
from typing import NamedTuple
from uuid import UUID

from .cgroup import Cgroup
from .net import Network
from .process import LabError, python_module, run, spawn
from .spec import BMC_USER, Spec

_HOOK = r"""#!/bin/bash
# ipmi_sim calls this with "get power ...", "set power 0|1", "set reset 1", "set shutdown 1", "check ...".
power() {
    local line
    read -r line 2>/dev/null <@EVENTS@ && [ "$line" = "populated 1" ] && echo 1 || echo 0
}
act() {
    local begin=$EPOCHREALTIME outcome=ignored
    [ -e @DIR@/lie ] || { @POWER@ "$1" && outcome=done || outcome=failed; }
    echo "$begin $EPOCHREALTIME $1 $outcome" >>@DIR@/acts
}
operation=$1; shift
case $operation in
get) for item; do [ "$item" = power ] && echo "power:$(power)" || echo "$item:0"; done ;;
set) while [ $# -ge 2 ]; do
        case "$1 $2" in
        "power 0") act off ;;
        "power 1") act on ;;
        "reset 1") act reset ;;
        "shutdown 1") act soft ;;
        esac
        shift 2
    done ;;
esac
exit 0
"""

_LAN = """\
name "@NAME@"
set_working_mc 0x20
  startlan 1
    addr @ADDRESS@ 623
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid @GUID@
  endlan
  chassis_control "/bin/bash @DIR@/hook"
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "@USER@" "@PASSWORD@" admin 10 md5
"""

_EMULATION = ("mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\n"
              "sel_enable 0x20 1000 0x0a\nmc_enable 0x20\n")


class Act(NamedTuple):
    begin: float                        # seconds since 1970, as time.time()
    end: float
    command: str                        # on, off, reset, soft
    outcome: str                        # done, failed, or ignored (the BMC lied)


class Bmc:
    def __init__(self, spec: Spec, name: str, net: Network):
        self.name = name
        self.address = spec.bmc_address(name)
        self._spec = spec
        self._net = net
        self._dir = spec.dir / "bmc" / name

    def up(self) -> None:
        (self._dir / "state").mkdir(parents=True)
        values = {"NAME": self.name, "ADDRESS": self.address, "DIR": self._dir, "USER": BMC_USER,
                  "PASSWORD": self._spec.bmc_secret, "GUID": UUID(self._spec.uuids[self.name]).bytes_le.hex() if self._spec.guids else bytes(16).hex(),
                  "EVENTS": Cgroup(f"{self._spec.prefix}/{self.name}").path / "cgroup.events",
                  "POWER": " ".join(python_module("power", self._spec.state, self.name))}
        for file, template in (("hook", _HOOK), ("lan.conf", _LAN), ("sim.emu", _EMULATION)):
            (self._dir / file).write_text(_fill(template, values))
        spawn(self._net.in_hub(["ipmi_sim", "-n", "-c", self._dir / "lan.conf", "-f", self._dir / "sim.emu",
                                "-s", self._dir / "state"]),
              Cgroup(f"{self._spec.prefix}/bmc-{self.name}").create(), self._dir / "log")

    def acts(self) -> list[Act]:
        """All power acts so far, in their order."""
        try:
            lines = (self._dir / "acts").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Act(float(begin), float(end), command, outcome)
                for begin, end, command, outcome in map(str.split, lines)]

    def lie(self, lying: bool) -> None:
        """While lying, it accepts every command and does nothing; its status stays truthful."""
        if lying:
            (self._dir / "lie").touch()
        else:
            (self._dir / "lie").unlink(missing_ok=True)

    def dead(self) -> None:
        """Silent. Not by stopping the simulator: that would work off the queue of its socket when continued."""
        self._net.silence_bmc(self.name, True)

    def alive(self) -> None:
        self._net.silence_bmc(self.name, False)

    def ipmi(self, *command: str, source: str | None = None, timeout: float = 15) -> str:
        """ipmitool's answer, asked from the hub or from a host; `bmc.ipmi("chassis", "power", "off")`."""
        # One attempt, so that no act is sent twice; the simulator answers when its switch has done what it was told.
        argv = ["ipmitool", "-I", "lanplus", "-C", "3", "-N", "5", "-R", "1", "-H", self.address, "-U", BMC_USER, "-E",
                *command]
        netns = self._net.in_hub(argv) if source is None else self._net.in_host(source, argv)
        return run(netns, timeout=timeout, env={"IPMITOOL_PASSWORD": self._spec.bmc_secret}).stdout.strip()

    def mark(self) -> str:
        """The boot that it was marked with; "" if it never was."""
        _, in_use, *data = self.ipmi("raw", "0x04", "0x13", "0x0a", "0", "0").split()
        return str(UUID("".join(data))) if in_use == "01" else ""

    def power(self) -> bool:
        answer = self.ipmi("chassis", "power", "status")
        if answer not in ("Chassis Power is on", "Chassis Power is off"):
            raise LabError(f"BMC of {self.name}: {answer}")
        return answer.endswith("on")


def _fill(template: str, values: dict) -> str:
    for key, value in values.items():
        template = template.replace(f"@{key}@", str(value))
    return template
