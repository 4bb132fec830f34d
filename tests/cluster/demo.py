"""./dev demo: boots the lab with pvcd installed, plays the story, prints it as a timeline."""
import argparse
import json
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


def how_to_look_around() -> None:
    print("""
The cluster is still up. Look around (n1, n2, n3):
  /usr/bin/python3 -m tests.cluster.lab exec n1 busctl tree org.pvcd1
  /usr/bin/python3 -m tests.cluster.lab exec n1 busctl introspect org.pvcd1 /org/pvcd1
  /usr/bin/python3 -m tests.cluster.lab exec n1 systemctl list-units 'pvcd*'
  /usr/bin/python3 -m tests.cluster.lab exec n1 journalctl -u pvcd
  /usr/bin/python3 -m tests.cluster.lab exec n1 tail /var/log/libvirt/qemu/web1.console
  ./dev down        takes it away""")


def main() -> int:
    options = arguments()
    began = time.monotonic()
    sabotage = SABOTAGES.get(options.sabotage)
    expected = sabotage.steps if sabotage else STEPS
    cluster = lab(sabotage)
    steps = []
    try:
        cluster.up(report=lambda text: print(text, flush=True))
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
    if options.keep:
        how_to_look_around()
    print(f"\n{'The story came true' if ok else 'The story FAILED'} in {seconds} s.")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
