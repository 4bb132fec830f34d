"""./dev demo: boots the lab with pvcd installed, plays the story, prints it as a timeline."""
import argparse
import json
import os
import sys
import time
from pathlib import Path

from .lab.process import LabError
from .sabotage import SABOTAGES, lab, play_sabotage
from .story import STEPS, Story, play


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the cluster up afterwards")
    parser.add_argument("--json", metavar="FILE", help="write the result as data")
    parser.add_argument("--sabotage", choices=sorted(SABOTAGES), help="a deliberate fault: the story must fail")
    return parser.parse_args()


def tell(seconds: float | None, text: str) -> None:
    print(f"   {'event   ' if seconds is None else f'{seconds:+7.2f} s'} {text}", flush=True)


def begin(name: str) -> None:
    print(f"\n== {name}", flush=True)


def show(steps) -> None:
    for step in steps:
        print(f"\n{'ok    ' if step.ok else 'FAILED'} {step.name} ({step.seconds:.1f} s)")
        for line in step.evidence:
            print(f"       {line}")


def how_to_look_around(guest_on: str) -> None:
    """For the user who called ./dev, who need not be root, with the names of this lab."""
    sudo = "sudo --preserve-env=PVCD_LAB " if "SUDO_UID" in os.environ else ""
    name = f"PVCD_LAB={os.environ['PVCD_LAB']} " if os.environ.get("PVCD_LAB") else ""
    print(f"""
The cluster is still up. Look around (n1, n2, n3):
  lab() {{ {name}{sudo}/usr/bin/python3 -m tests.cluster.lab "$@"; }}
  lab exec n1 busctl tree org.pvcd1
  lab exec n1 busctl introspect org.pvcd1 /org/pvcd1
  lab exec n1 systemctl list-units 'pvcd*'
  lab exec n1 journalctl -u pvcd
  lab exec {guest_on} tail /var/log/libvirt/qemu/web1.console
  {name}./dev down        takes it away""")


def main() -> int:
    options = arguments()
    began = time.monotonic()
    sabotage = SABOTAGES.get(options.sabotage)
    expected = sabotage.steps if sabotage else STEPS
    cluster = lab(sabotage)
    steps, booted = [], False
    try:
        cluster.up(report=lambda text: print(text, flush=True))
        booted = True
        if sabotage:
            steps = play_sabotage(sabotage, cluster, tell, begin)
        else:
            steps = play(Story(cluster, tell), begin=begin)
        show(steps)
    except LabError as problem:
        print(f"the lab failed: {problem}", file=sys.stderr)
    finally:
        if not options.keep:
            cluster.down()
    ok = len(steps) == len(expected) and all(step.ok for step in steps)
    seconds = round(time.monotonic() - began, 1)
    if options.json:
        result = {"ok": ok, "seconds": seconds, "steps": [vars(step) for step in steps]}
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n")
    if options.keep and booted:
        how_to_look_around(next((host.name for host in cluster.hosts if host.qemu_pids()), "n1"))
    print(f"\n{'The story came true' if ok else 'The story FAILED'} in {seconds} s.")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
