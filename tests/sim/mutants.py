#!/usr/bin/python3
"""Deliberate bugs that the simulator must find: each mutant is a patch, applied to a copy of the sources.

    mutants.py BUILD [--seeds N] [--json FILE] [--junit FILE] [PATCH...]

A patch begins with a comment that names the real bug, and "story: NAME" when only that story can find it. What the build
compiled is not touched: only the files that a patch changes (with a header, all) are compiled again and linked with the rest.
Without PATCH: all of tests/sim/mutants. Prints by which seed each was found, or that a small world or a story found it; exit
status 1 if nothing did.
"""
import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
STORIES = TOP / "tests/sim/stories"
SOURCES = ("pvcd-core/sdk", "pvcd-core/logic", "pvcd-core/audit", "tests/sim")
LINKED = ("pvcd-core/sdk/libpvcd-sdk.a.p", "pvcd-core/logic/libpvcd-logic.a.p", "pvcd-core/audit/libpvcd-audit.a.p",
          "tests/sim/pvcd-sim.p")
RUN_LIMIT_S = 300
COMPILES_AT_ONCE = 2
CONTROL_SEEDS = 200
QUICK = ("-O1", "-g0", "-D_GLIBCXX_ASSERTIONS", "-w")   # what counts is how soon it is found


@dataclass
class Mutant:
    patch: Path
    bug: str = ""
    story: str = ""             # of the scenarios: it alone does what the bug needs, such as a BMC under the wrong address
    program: Path | None = None
    seed: int | None = None     # none: found elsewhere, or not at all
    place: str = ""             # where it was found
    rule: str = ""              # that it breaks, or the story
    trouble: str = ""
    seconds: float = 0

    @property
    def name(self):
        return self.patch.stem

    @property
    def found(self):
        return bool(self.rule)

    @property
    def verdict(self):
        if not self.found:
            return "NOT FOUND"
        return f"{self.place} ({self.rule}), {self.seconds:.1f} s"


def head_of(patch):
    """The bug, and the story if there is one."""
    lines, story = [], ""
    for line in patch.read_text().splitlines():
        if not line.startswith("#"):
            break
        text = line.lstrip("# ")
        if text.startswith("story: "):
            story = text.removeprefix("story: ")
        else:
            lines.append(text)
    return " ".join(lines), story


class Build:
    def __init__(self, folder):
        self.folder = folder.resolve()
        commands = json.loads((self.folder / "compile_commands.json").read_text())
        self.commands = {(self.folder / each["file"]).resolve(): each for each in commands if self.is_linked(each)}

    @staticmethod
    def is_linked(command):
        return command["output"].startswith(LINKED)

    def copy(self, name):
        copy = self.folder / "mutants" / name
        shutil.rmtree(copy, ignore_errors=True)
        for source in SOURCES:
            shutil.copytree(TOP / source, copy / source)
        return copy

    def make(self, mutant):
        """The program of a mutant, or what was in the way."""
        copy = self.copy(mutant.name)
        patched = subprocess.run(["patch", "-p1", "--no-backup-if-mismatch", "-i", mutant.patch.resolve()], cwd=copy,
                                 capture_output=True, text=True)
        if patched.returncode != 0:
            mutant.trouble = "the patch does not apply: " + patched.stdout
            return
        changed = [each for each in self.commands if (copy / each.relative_to(TOP)).read_bytes() != each.read_bytes()]
        if any((copy / header.relative_to(TOP)).read_bytes() != header.read_bytes()
               for source in SOURCES for header in (TOP / source).glob("*.hpp")):
            changed = list(self.commands)
        mutant.program = self.link(copy, changed)

    def link(self, copy, changed):
        objects = []
        for source, command in self.commands.items():
            if source not in changed:
                objects.append(self.folder / command["output"])
                continue
            target = copy / (source.name + ".o")
            self.compile(command, copy / source.relative_to(TOP), copy, target)
            objects.append(target)
        program = copy / "pvcd-sim"
        self.run(["c++", "-o", program, *objects])
        return program

    def compile(self, command, source, copy, target):
        words = shlex.split(command["command"])
        keep = []
        skip = False
        for word in words:                      # meson's own -o, -M* and source are replaced by ours
            if skip:
                skip = False
            elif word in ("-o", "-MF", "-MQ", "-c"):
                skip = True
            elif word != "-MD":
                keep.append(word)
        includes = [f"-I{copy / 'pvcd-core'}", f"-I{copy / 'tests/sim'}"]
        self.run([keep[0], keep[1], *includes, *keep[2:], *QUICK, "-o", target, "-c", source])

    def run(self, words):
        done = subprocess.run([str(word) for word in words], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[:2000])


def made(build, mutant):
    mutant.bug, mutant.story = head_of(mutant.patch)
    try:
        build.make(mutant)
    except RuntimeError as error:
        mutant.trouble = str(error)
        mutant.program = None
    return mutant


def told_by(mutant, *words):
    """What it prints; nothing if it is not done in time, and then the next place may still find it."""
    try:
        return subprocess.run([mutant.program, *words], capture_output=True, text=True, timeout=RUN_LIMIT_S).stdout
    except subprocess.TimeoutExpired:
        mutant.trouble = f"not done within {RUN_LIMIT_S} s"
        return ""


def found_by_seed(mutant, seeds):
    said = told_by(mutant, "--seeds", str(seeds), "--jobs", "2", "--stop-at-first", "--untold")
    if found := re.search(r"^seed (\d+) violates (\S+)$", said, re.MULTILINE):
        mutant.seed, mutant.place, mutant.rule = int(found[1]), f"seed {found[1]}", found[2]
    return mutant.found


def found_in_small_world(mutant):
    said = told_by(mutant, "--seeds", "1", "--exhaustive")
    if found := re.search(r"^small world violates (\S+):", said, re.MULTILINE):
        mutant.place, mutant.rule = "a small world", found[1]
    return mutant.found


def found_by_story(mutant):
    said = told_by(mutant, "--stories", STORIES, "--story", mutant.story)
    if found := re.search(r"^FAIL (\S+)$", said, re.MULTILINE):
        mutant.place, mutant.rule = "a story", found[1]
    return mutant.found


def fails_without_a_bug(build):
    """Objects that are older than the sources make a program that fails whatever the patch is."""
    unchanged = Mutant(Path("unchanged"))
    unchanged.program = build.link(build.copy("unchanged"), [TOP / "pvcd-core/logic/coordinator.cpp"])
    return found_by_seed(unchanged, CONTROL_SEEDS)


def hunt(mutant, seeds):
    if not mutant.program:
        return
    begin = time.monotonic()
    if not (mutant.story and found_by_story(mutant)) and not found_by_seed(mutant, seeds):
        found_in_small_world(mutant)
    mutant.seconds = time.monotonic() - begin


def write_json(file, mutants):
    report = json.loads(Path(file).read_text()) if Path(file).exists() else {}
    report["mutants"] = [{"name": each.name, "found": each.found, "seed": each.seed} for each in mutants]
    Path(file).write_text(json.dumps(report, indent=1) + "\n")


def write_junit(file, mutants):
    suite = xml.Element("testsuite", name="mutants")
    for each in mutants:
        case = xml.SubElement(suite, "testcase", classname="mutants", name=each.name, time=f"{each.seconds:.1f}")
        if not each.found:
            xml.SubElement(case, "failure", message="not found").text = each.trouble or each.bug
    xml.ElementTree(suite).write(file)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("--seeds", type=int, default=20000)
    parser.add_argument("--json")
    parser.add_argument("--junit")
    parser.add_argument("patches", type=Path, nargs="*")
    options = parser.parse_intermixed_args()
    patches = options.patches or sorted((TOP / "tests/sim/mutants").glob("*.patch"))
    build = Build(options.build)
    if fails_without_a_bug(build):
        print("the program fails without any bug put in: build tests/sim/pvcd-sim first")
        return 1
    mutants = [Mutant(patch) for patch in patches]
    with ThreadPoolExecutor(COMPILES_AT_ONCE) as pool:
        for mutant in pool.map(lambda each: made(build, each), mutants):
            hunt(mutant, options.seeds)
            print(f"{mutant.name:32} {mutant.verdict}", flush=True)
            if not mutant.found:
                print(f"    {mutant.trouble or mutant.bug}")
    if options.json:
        write_json(options.json, mutants)
    if options.junit:
        write_junit(options.junit, mutants)
    missed = [each.name for each in mutants if not each.found]
    print(f"{len(mutants) - len(missed)} of {len(mutants)} mutants found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
