"""HANGS.md: its tables are made from the results in tests/cluster/soaked.json, and by nobody else.

Pure, but for `update`, which writes the two files.
"""
import json
import math
import os
from pathlib import Path

from .lab.process import TOP

RESULTS = TOP / "tests/cluster/soaked.json"
DOCUMENT = TOP / "HANGS.md"
BEGIN = "<!-- From here on: written by ./dev soak. -->"

# What each run is, in the order of the document.
TITLES = {
    "hangs": "Everything hung for half a minute",
    "hangs-long": "Everything hung for five minutes",
    "keepalive-restarts": "The keepalive restarted under load",
    "qemu-kills": "QEMU killed",
}
_HEAD = ("| case | held | jitter | machine late | shaken | named on the bus | replaced | VMs | recovered | |",
         "|---|--:|--:|--:|--:|---|---|---|--:|---|")
_NAME_LENGTH_MAX = 90


def percentile(samples: list[float], share: float) -> float:
    """The smallest sample that so large a share does not exceed."""
    ordered = sorted(samples)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def row(result: dict) -> str:
    """A line of the matrix."""
    again = f" (again, at {result['at']})" if result["at"] != result["commit"] else ""
    cells = [result["case"] + again, f"{result['hold_s']:g} s", _ms(result["jitter_ms"]), _ms(result["late_ms"]), _ms(result["shaken_ms"]),
             _named(result), ", ".join(result["replaced"]) or "-", _vms(result), f"{result['recovered_s']:g} s",
             "ok" if result["ok"] else f"**{'; '.join(result['problems'])}**"]
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _ms(value: int | None) -> str:
    return "-" if value is None else f"{value} ms"


def _named(result: dict) -> str:
    wanted = result["expected"]["names"]
    found = next((text for text in result["named"] if wanted in text), (result["named"] or ["-"])[0])
    return found if len(found) <= _NAME_LENGTH_MAX else found[:_NAME_LENGTH_MAX - 1].rstrip() + "…"


def _vms(result: dict) -> str:
    if result["offs"]:
        return f"started elsewhere: {len(result['moved'])}"
    return f"started again: {len(result['moved'])}" if result["moved"] else "undisturbed"


def matrix(results: list[dict]) -> list[str]:
    return [*_HEAD, *map(row, results)]


def figures(results: list[dict]) -> list[str]:
    """Of a run that counts: one line for each figure."""
    lines = ["| | median | 99 of 100 | worst |", "|---|--:|--:|--:|"]
    for name in sorted({key for one in results for key in one["seconds"]}):
        samples = [one["seconds"][name] for one in results if one["seconds"].get(name) is not None]
        shown = [f"{percentile(samples, share):.2f} s" for share in (0.5, 0.99, 1)] if samples else ["-"] * 3
        lines.append(f"| {name} | {' | '.join(shown)} |")
    wrong = [one["problem"] for one in results if one["problem"]]
    return [*lines, "", f"{len(results) - len(wrong)} of {len(results)} as they should be" + (": " + "; ".join(wrong[:5]) if wrong else "") + "."]


def summary(commit: str, date: str, results: list[dict]) -> dict:
    """What is kept of a run: the lines of its table."""
    counted = "seconds" in results[0]
    return {"commit": commit, "date": date, "n": len(results), "lines": figures(results) if counted else matrix(results)}


def document(head: str, runs: dict[str, dict]) -> str:
    """The whole text; `head` is what people have written above the marker."""
    parts = [head.split(BEGIN)[0].rstrip("\n"), "", BEGIN]
    for name, title in TITLES.items():
        if name in runs:
            run = runs[name]
            parts += ["", f"## {title}", f"`./dev soak {name}`, commit {run['commit']}, {run['date']}, n = {run['n']}.", "", *run["lines"]]
    return "\n".join(parts) + "\n"


def stored() -> dict[str, dict]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def update(name: str, run: dict, owner: Path) -> None:
    """Both files, which stay his who has the checkout."""
    runs = {**stored(), name: run}
    RESULTS.write_text(json.dumps(runs, indent=1, ensure_ascii=False) + "\n")
    DOCUMENT.write_text(document(DOCUMENT.read_text(), runs))
    for file in (RESULTS, DOCUMENT):
        os.chown(file, owner.stat().st_uid, owner.stat().st_gid)
