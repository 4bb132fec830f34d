#!/usr/bin/python3
"""Deliberate bugs that the simulator must find: each mutant is a patch, applied to a copy of the sources.

    mutants.py BUILD [--seeds N] [--json FILE] [--junit FILE] [PATCH...]

A patch of ours begins with a comment that names the real bug, "story: NAME" when only that story can find it, and "seed: N" when it
took long to come to one that does: that is tried first, and where it does not find it any more, the search begins as for any other.
A stranger's needs none of these, may be made with git diff or with diff -u from the top, and may add and remove sources. What the build compiled is not
touched: only the files that a patch changes (with a header, all) are compiled again and linked with the rest.

Without PATCH: all of tests/sim/mutants. Each is looked for in the seeds, then in all stories, then in the small worlds. A crash
is a find too, and so is a seed or a story that turns for ever, which the simulator ends as one: the program without the bug has to
come through first. A whole run that is not done in time is none. Prints where each was found; exit status 1 if one was not, or could
not be tried. Of the report in FILE only "mutants" is replaced.
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
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
STORIES = TOP / "tests/sim/stories"
SOURCES = ("pvcd-core/sdk", "pvcd-core/logic", "pvcd-core/audit", "tests/sim")
LINKED = ("pvcd-core/sdk/libpvcd-sdk.a.p", "pvcd-core/logic/libpvcd-logic.a.p", "pvcd-core/audit/libpvcd-audit.a.p",
          "tests/sim/pvcd-sim.p")
RUN_LIMIT_S = 300
COMPILES_AT_ONCE = 2
CONTROL_SEEDS = 200
QUICK = ("-O1", "-g0", "-D_GLIBCXX_ASSERTIONS", "-w", "-fdiagnostics-color=never")   # what counts is how soon it is found


class Trouble(Exception):
    """Why there is no program of a mutant."""


@dataclass
class Mutant:
    patch: Path
    bug: str = ""
    story: str = ""             # of the scenarios: it alone does what the bug needs, such as a BMC under the wrong address
    hint: str = ""              # a seed that has found it
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
        if not self.program:
            return f"NOT TRIED: {self.trouble}"
        if not self.found:
            return "NOT FOUND" + (f", {self.trouble}" if self.trouble else "")
        return f"{self.place} ({self.rule}), {self.seconds:.1f} s"


def text_of(patch):
    try:
        return patch.read_text(errors="replace")
    except OSError as error:
        raise Trouble(f"{patch}: {error.strerror}") from error


def head_of(patch):
    """The bug, and the story and the seed if there are any."""
    lines, places = [], {"story": "", "seed": ""}
    for line in text_of(patch).splitlines():
        if not line.startswith("#"):
            break
        text = line.lstrip("# ")
        key, _, value = text.partition(": ")
        if key in places:
            places[key] = value
        else:
            lines.append(text)
    return " ".join(lines), places["story"], places["seed"]


class Build:
    def __init__(self, folder):
        self.folder = folder.resolve()
        commands = json.loads((self.folder / "compile_commands.json").read_text())
        self.commands = {(self.folder / each["file"]).resolve(): each for each in commands if self.is_linked(each)}
        self.compilers = ThreadPoolExecutor(COMPILES_AT_ONCE)

    @staticmethod
    def is_linked(command):
        return command["output"].startswith(LINKED)

    def copy(self, patch):
        name = f"{patch.stem}-{zlib.crc32(bytes(patch.resolve())):08x}"     # two strangers' may have one name
        copy = self.folder / "mutants" / name
        shutil.rmtree(copy, ignore_errors=True)
        for source in SOURCES:
            shutil.copytree(TOP / source, copy / source)
        return copy

    def patched(self, patch):
        copy = self.copy(patch)
        from_the_top = re.search(r"^(---|\+\+\+) (\./)?(pvcd-core|tests)/", text_of(patch), re.MULTILINE)
        done = subprocess.run(["patch", "-p0" if from_the_top else "-p1", "--batch", "--forward", "--no-backup-if-mismatch",
                               "-i", patch.resolve()], cwd=copy, capture_output=True, text=True)
        if done.returncode != 0:
            said = "; ".join((done.stdout + done.stderr).splitlines())
            raise Trouble(f"it does not apply to {', '.join(SOURCES)}: {said}")
        return copy

    def program_of(self, patch):
        copy = self.patched(patch)
        sources = self.sources_in(copy)
        headers = [header for folder in SOURCES for header in (TOP / folder).glob("*.hpp")]
        changed = [source for source in sources if differs(copy, source)]
        if any(differs(copy, header) for header in headers):
            changed = list(sources)
        if not changed and len(sources) == len(self.commands):
            raise Trouble("it changes nothing that the simulator plays")
        return self.link(copy, changed)

    def sources_in(self, copy):
        """With the command that compiles each: that of a neighbour for what a patch has added."""
        found = sorted(each for folder in SOURCES for each in (copy / folder).rglob("*.cpp"))
        sources = [TOP / each.relative_to(copy) for each in found]
        return {source: self.commands.get(source) or self.command_of_neighbour(source) for source in sources}

    def command_of_neighbour(self, source):
        for other, command in self.commands.items():
            if other.parent == source.parent:
                return command
        raise Trouble(f"it adds {source.relative_to(TOP)}, and nothing else is compiled in that folder")

    def link(self, copy, changed):
        sources = self.sources_in(copy)

        def object_of(source):
            if source not in changed:
                return self.folder / sources[source]["output"]
            copied = copy / source.relative_to(TOP)
            target = copied.with_suffix(".o")
            self.compile(sources[source], copied, copy, target)
            return target

        program = copy / "pvcd-sim"
        self.run(["c++", "-s", "-o", program, *self.compilers.map(object_of, sources)])
        return program

    @cached_property
    def complaint(self):
        """What is wrong without any bug, such as objects that are older than the sources: then any patch would be found. Or nothing."""
        unchanged = Mutant(self.folder / "unchanged")
        try:
            unchanged.program = self.link(self.copy(unchanged.patch), [TOP / "pvcd-core/logic/coordinator.cpp"])
        except Trouble as error:
            return str(error)
        if found_by_seed(unchanged, CONTROL_SEEDS) or found_by_story(unchanged):
            return f"without any bug {unchanged.place} fails ({unchanged.rule}): build tests/sim/pvcd-sim first"
        return unchanged.trouble

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
            raise Trouble(f"it does not build:\n{done.stderr[:2000]}")


def differs(copy, file):
    copied = copy / file.relative_to(TOP)
    return not (file.exists() and copied.exists() and copied.read_bytes() == file.read_bytes())


def made(build, mutant):
    try:
        mutant.bug, mutant.story, mutant.hint = head_of(mutant.patch)
        mutant.program = build.program_of(mutant.patch)
    except Trouble as error:
        mutant.trouble = str(error)
    return mutant


def played(mutant, *words):
    """What it prints, and whether it crashed; nothing if it is not done in time, and then the next place may still find it."""
    try:
        done = subprocess.run([mutant.program, *words], capture_output=True, text=True, timeout=RUN_LIMIT_S)
        return done.stdout, done.returncode < 0
    except subprocess.TimeoutExpired:
        mutant.trouble = f"not done within {RUN_LIMIT_S} s"
        return "", False


def found_by_seed(mutant, seeds, first="1"):
    said, _ = played(mutant, "--seeds", str(seeds), "--seed", first, "--jobs", "2", "--stop-at-first", "--untold")
    if found := re.search(r"^seed (\d+) violates (\S+)$", said, re.MULTILINE):
        mutant.seed, mutant.place, mutant.rule = int(found[1]), f"seed {found[1]}", found[2]
    return mutant.found


def found_in_small_world(mutant):
    said, _ = played(mutant, "--seeds", "1", "--exhaustive")
    if found := re.search(r"^small world violates (\S+):", said, re.MULTILINE):
        mutant.place, mutant.rule = "a small world", found[1]
    return mutant.found


def found_by_story(mutant, *which):
    said, crashed = played(mutant, "--stories", STORIES, *which)
    if found := re.search(r"^FAIL (\S+)$", said, re.MULTILINE):
        mutant.place, mutant.rule = "a story", found[1]
    elif crashed:
        mutant.place, mutant.rule = "a story", "crash"
    return mutant.found


def hunt(mutant, seeds):
    begin = time.monotonic()
    if not ((mutant.story and found_by_story(mutant, "--story", mutant.story)) or (mutant.hint and found_by_seed(mutant, 1, mutant.hint))
            or found_by_seed(mutant, seeds) or found_by_story(mutant)):
        found_in_small_world(mutant)        # last: that takes longest
    mutant.seconds = time.monotonic() - begin


def told(mutant):
    return {"name": mutant.name, "found": mutant.found, "seed": mutant.seed, "place": mutant.place or None, "rule": mutant.rule or None,
            "seconds": round(mutant.seconds, 1), "trouble": mutant.trouble or None}


def write_json(file, mutants):
    before = Path(file).read_text() if Path(file).is_file() else ""
    report = json.loads(before or "{}")
    report["mutants"] = [told(each) for each in mutants]
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
    mutants = [Mutant(patch) for patch in dict.fromkeys(patches)]
    with ThreadPoolExecutor(COMPILES_AT_ONCE) as pool:
        for mutant in pool.map(lambda each: made(build, each), mutants):
            if mutant.program and build.complaint:
                mutant.program, mutant.trouble = None, build.complaint
            elif mutant.program:
                hunt(mutant, options.seeds)
            print(f"{mutant.name:32} {mutant.verdict}", flush=True)
            if mutant.program and not mutant.found and mutant.bug:
                print(f"    {mutant.bug}")
    if options.json:
        write_json(options.json, mutants)
    if options.junit:
        write_junit(options.junit, mutants)
    missed = [each.name for each in mutants if not each.found]
    print(f"{len(mutants) - len(missed)} of {len(mutants)} mutants found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
