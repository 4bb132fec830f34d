#!/usr/bin/python3
"""Does the simulator's report say what it should, and is the patch of a stranger tried like one of ours?

    check_reports.py BUILD [--junit FILE]

The strangers' patches are made of ours, without the line that names the story; from the top, as diff -u does; with a source that
moves. Each of them has an entry in the report, with where it was found or why it could not be tried.
"""
import difflib
import json
import re
import subprocess
import tempfile
from pathlib import Path

from check_stories import arguments_of, conclude

SIM = Path(__file__).resolve().parent
TOP = SIM.parents[1]
KEYS = {"seeds", "violations", "simulated_hours", "cpu_seconds", "seeds_per_cpu_minute", "simulated_hours_per_cpu_minute", "failed",
        "counts", "per_1000_seeds", "exhaustive", "mutants"}
EVIDENCE = {"evidence-power", "evidence-storage", "evidence-watchdog", "evidence-later-boot", "evidence-operator"}
MUTANT_KEYS = {"name", "found", "seed", "place", "rule", "seconds", "trouble"}
LAST_LINE = re.compile(r"\d+ seeds, 0 violations, .* seeds and \d+ hours per CPU minute")
SEEDS = 50
STALE = {"seeds": 1, "mutants": [{"name": "of another run"}]}
MOVED = ("pvcd-core/logic/waiting.cpp", "pvcd-core/logic/patience.cpp")
# Where each patch is found, or what is in its way.
WANTED = {"known-to-a-story": "a story", "with-a-source-that-moves": "seed", "does-not-apply": "does not apply",
          "changes-nothing": "it changes nothing", "is-not-there": "No such file"}


def report_of(program, file, *words):
    said = subprocess.run([program, *words, "--json", file], capture_output=True, text=True, check=True).stdout
    return json.loads(file.read_text()), said.splitlines()[-1]


def check_report(program, file):
    report, last_line = report_of(program, file, "--seeds", str(SEEDS))
    counts = report["counts"]
    phases = [each for each in counts if re.fullmatch(r"phase-\w+", each)]
    faults = {each.partition("/")[2] for each in counts if "/" in each}
    yield "keys of the report", set(report) == KEYS and report["mutants"] == [], sorted(report)
    yield "seeds and violations", (report["seeds"], report["violations"]) == (SEEDS, 0), report
    yield "the last line", LAST_LINE.fullmatch(last_line), last_line
    yield "faults in phases, with zeros", 0 in counts.values() and len(phases) == 5 and all(
        counts[fault] == sum(counts[f"{phase}/{fault}"] for phase in phases) for fault in faults), counts
    yield "failovers and evidence", set(report["per_1000_seeds"]) == EVIDENCE | {"failovers"} and abs(
        report["per_1000_seeds"]["failovers"] - 1000 / SEEDS * counts["failovers"]) < 0.01, report["per_1000_seeds"]
    report, last_line = report_of(program, file, "--seed", "7")
    yield "one seed", set(report) == KEYS and report["seeds"] == 1 and LAST_LINE.fullmatch(last_line), report


def patch_of_ours(name):
    lines = (SIM / "mutants" / f"{name}.patch").read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("#", "diff ")))


def move():
    before, after = MOVED
    lines = (TOP / before).read_text().splitlines(keepends=True)
    removed = difflib.unified_diff(lines, [], f"a/{before}", "/dev/null")
    added = difflib.unified_diff([], lines, "/dev/null", f"b/{after}")
    return "".join([*removed, *added])


def write_patches(folder):
    easy = patch_of_ours("accepted-counts-as-off")
    texts = {"known-to-a-story": re.sub(r"^(---|\+\+\+) [ab]/", r"\1 ", patch_of_ours("all-start-at-once"), flags=re.MULTILINE),
             "with-a-source-that-moves": easy + move(), "does-not-apply": easy.replace("off_accepted", "off_forgotten"),
             "changes-nothing": ""}
    for name, text in texts.items():
        (folder / f"{name}.patch").write_text(text)
    return [folder / f"{name}.patch" for name in WANTED]


def check_patches(build, folder):
    file = folder / "report.json"
    file.write_text(json.dumps(STALE))
    patches = write_patches(folder)
    done = subprocess.run([SIM / "mutants.py", build, "--seeds", str(SEEDS), "--json", file, *patches], capture_output=True, text=True,
                          check=False)
    mutants = {each["name"]: each for each in json.loads(file.read_text())["mutants"]}
    yield "patches, of which some cannot be tried", done.returncode == 1 and set(mutants) == set(WANTED), done.stdout + done.stderr
    yield "a line for each patch", len(done.stdout.splitlines()) == len(WANTED) + 1, done.stdout
    for name, wanted in WANTED.items():
        entry = mutants.get(name, {})
        said = entry.get("place") or entry.get("trouble") or ""
        right = set(entry) == MUTANT_KEYS and wanted in said
        yield f"a patch: {name}", right and entry["found"] == bool(entry["place"]) and (wanted == "seed") == bool(entry["seed"]), entry


def check_stale(folder):
    file = folder / "report.json"
    file.write_text(json.dumps(STALE))
    done = subprocess.run([TOP / "dev", "sim", "--mutant-patch", folder / "is-not-there.patch", "--json", file], capture_output=True,
                          text=True, check=False)
    report = json.loads(file.read_text())
    right = done.returncode == 1 and set(report) == {"mutants"} and [each["name"] for each in report["mutants"]] == ["is-not-there"]
    yield "nothing of another run in the report", right, done.stdout + done.stderr


def main():
    arguments = arguments_of(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checks = [*check_report(arguments.build / "tests/sim/pvcd-sim", folder / "report.json"), *check_patches(arguments.build, folder),
                  *check_stale(folder)]
    conclude("check_reports", [(name, "" if right else str(found)) for name, right, found in checks], arguments.junit)


if __name__ == "__main__":
    main()
