"""FIGURES.md from what ./dev bench measured.

    python3 -m tests.cluster.bench_table FILE...    of ./dev bench --json FILE; a table of each
"""
import json
import sys
from pathlib import Path

from .lab.process import TOP

DOCUMENT = TOP / "FIGURES.md"
BEGIN = "<!-- From here on: written by tests/cluster/bench_table.py. -->"

# What each name is; "{}" stands for which victim and which timings.
TITLES = {
    "qemu_killed_to_running": "A QEMU is killed, until its VM runs again",
    "power_cut_to_start": "A host loses its power, until the start of its VM elsewhere{}",
    "split_detection": "… of that until the BMC is told to switch the host off{}",
    "split_bmc": "… of that until the BMC has proven that it is off{}",
    "split_assignment": "… of that until the VM has its new owner{}",
    "split_flush": "… of that until its disks' locks are flushed{}",
    "overhead": "… of that neither detection, nor the BMC, nor QEMU{}",
    "split_start": "… from then on until QEMU runs{}",
    "power_cut_to_first_count": "… from the beginning until the guest counts on{}",
    "bmc_dead_power_cut_to_start": "A host and its BMC lose their power, until the start of its VM elsewhere",
    "primary_killed_to_next": "The host of the primary loses its power, until there is another primary",
    "two_of_five_power_cut_to_start": "Two of five hosts lose their power at once, until the start of the later VM; default timings",
    "osd_cycle": "One survey of three OSDs by the plugin ceph-osd",
    "flush_10_images": "The locks of ten images are flushed, with Ceph's default settings",
    "heartbeat_jitter_all_hung": "How late a heartbeat comes while every unit beside it hangs",
    "demo": "`./dev demo`, with everything installed and compiled",
}
# Of the median.
GOALS = {
    "qemu_killed_to_running": "1 s",
    "power_cut_to_start": "2.5 s",
    "power_cut_to_start_default_timings": "2.5 s",
    **{f"power_cut_to_start{which}": "2.7 s" for which in
       ("_worst_victim", "_default_timings_primary", "_default_timings_leader", "_default_timings_worst_victim")},
    **{f"overhead{which}": "0.15 s" for which in ("", "_default_timings")},
    "bmc_dead_power_cut_to_start": "30 s",
    "two_of_five_power_cut_to_start": "1.2 x",
    "flush_10_images": "0.1 x",
    "heartbeat_jitter_all_hung": "50 ms more",
}
VICTIMS = {"": "", "_worst_victim": "; it was primary and led ZooKeeper", "_primary": "; it was primary", "_leader": "; it led ZooKeeper"}
TIMINGS = ("_default_timings", "; default timings")


def parts(name: str) -> tuple[str, str]:
    """What was measured, and of which victim and timings; ValueError when nobody has said what it is."""
    known = next((one for one in sorted(TITLES, key=len, reverse=True) if name.startswith(one)), None)
    if name.startswith("rss_"):
        return "rss_", name.removeprefix("rss_")
    if known is None:
        raise ValueError(f"{name}: bench_table.py does not say what that is")
    return known, name.removeprefix(known)


def title(name: str) -> str:
    known, rest = parts(name)
    if known == "rss_":
        return f"Memory of {rest}"
    timings = TIMINGS[1] if rest.startswith(TIMINGS[0]) else ""
    return TITLES[known].format(VICTIMS[rest.removeprefix(TIMINGS[0])] + timings)


def ordered(results: list[dict]) -> list[dict]:
    """What belongs together stands together."""
    kinds = [*TITLES, "rss_"]
    where = {name: index for index, name in enumerate(dict.fromkeys(parts(one["name"])[1] for one in results))}
    return sorted(results, key=lambda one: (parts(one["name"])[0] == "rss_", where[parts(one["name"])[1]], kinds.index(parts(one["name"])[0])))


def row(result: dict) -> str:
    digits = 0 if result["unit"] == "ms" else 1 if result["unit"] == "MiB" else 2
    ratio = f"{result['ratio']:g} x {result['reference_command']}" if result["ratio"] is not None else "-"
    shown = [f"{result[key]:.{digits}f} {result['unit']}" for key in ("median", "worst")]
    return f"| {title(result['name'])} | `{result['name']}` | {' | '.join(shown)} | {GOALS.get(result['name'], '-')} | {result['n']} | {ratio} |"


def table(measured: dict) -> list[str]:
    failed = [f"- A run failed: {problem}" for problem in measured["problems"]] or ["No run behind these rows failed."]
    return ["", f"Commit {measured['commit']}, {measured['date']}.", "",
            "| | name | median | worst | goal | n | against |", "|---|---|--:|--:|--:|--:|---|", *map(row, ordered(measured["results"])), "", *failed]


def document(head: str, *measured: dict) -> str:
    lines = [head.split(BEGIN)[0].rstrip("\n"), "", BEGIN, *(line for one in measured for line in table(one))]
    return "\n".join(lines) + "\n"


def main(*files: str) -> None:
    DOCUMENT.write_text(document(DOCUMENT.read_text(), *(json.loads(Path(file).read_text()) for file in files)))


if __name__ == "__main__":
    main(*sys.argv[1:])
