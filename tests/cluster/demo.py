"""./dev demo: boots the lab with pvcd installed, plays the story, prints it as a timeline."""
import argparse
import json
import os
import signal
import sys
import time
import traceback
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


def end(step) -> None:
    print(f"   {'ok' if step.ok else 'FAILED'} after {step.seconds:.1f} s; what was seen and decided, and why:")
    for line in step.evidence:
        print(f"       {line}", flush=True)


def how_to_look_around(guest_on: str) -> None:
    """For the user who called ./dev, who need not be root, with the names of this lab."""
    sudo = "sudo --preserve-env=PVCD_LAB " if "SUDO_UID" in os.environ else ""
    name = f"PVCD_LAB={os.environ['PVCD_LAB']} " if os.environ.get("PVCD_LAB") else ""
    print(f"""
The cluster is still up. Look around (n1, n2, n3):
  lab() {{ {name}{sudo}/usr/bin/python3 -B -m tests.cluster.lab "$@"; }}
  lab exec n1 busctl tree org.pvcd1
  lab exec n1 busctl introspect org.pvcd1 /org/pvcd1
  lab exec n1 systemctl list-units 'pvcd*'
  lab exec n1 journalctl -u pvcd
  lab exec {guest_on} tail /var/log/libvirt/qemu/web1.console
  {name}./dev down        takes it away""")


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)    # a closed terminal must not leave three hosts running


def leave(number, frame) -> None:
    ignore_signals()
    sys.exit(128 + number)


def ignore_signals() -> None:
    """What is being taken away is taken away to its end."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def take_away(cluster) -> str:
    """What could not be taken away, so that the story is told all the same."""
    try:
        cluster.down()
    except LabError as problem:
        print(f"not everything could be taken away: {problem}", file=sys.stderr)
        return str(problem)
    return ""


def main() -> int:
    options = arguments()
    began = time.monotonic()
    sabotage = SABOTAGES.get(options.sabotage)
    expected = sabotage.steps if sabotage else STEPS
    cluster = lab(sabotage)
    steps, booted, left, ended = [], False, "", 0

    def keep(step):
        steps.append(step)
        end(step)
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:      # nohup
            signal.signal(number, leave)
    try:
        cluster.up(report=lambda text: print(text, flush=True))
        booted = True
        if sabotage:
            play_sabotage(sabotage, cluster, tell, begin, keep)
        else:
            play(Story(cluster, tell), begin=begin, end=keep)
        if options.keep:
            how_to_look_around(next((host.name for host in cluster.hosts if any(qemu.name == "web1" for qemu in host.qemu_pids())), "n1"))
    except LabError as problem:
        print(f"the lab failed: {problem}", file=sys.stderr)
    except SystemExit as by_signal:
        ended = by_signal.code
    except Exception:                   # a bug of ours, or the machine: the result is written all the same
        traceback.print_exc()
    finally:
        ignore_signals()
        if not (options.keep and booted and not ended):
            left = take_away(cluster)
    ok = len(steps) == len(expected) and all(step.ok for step in steps) and not left and not ended
    seconds = round(time.monotonic() - began, 1)
    if options.json:
        result = {"ok": ok, "seconds": seconds, "steps": [vars(step) for step in steps]}
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n")
    print(f"\n{'The story came true' if ok else 'The story FAILED'} in {seconds} s.")
    return ended or (0 if ok else 1)


if __name__ == "__main__":
    sys.exit(main())
