#!/usr/bin/python3
"""Do stories fail when they should, and are all their words explained?

    check_stories.py BUILD [--junit FILE]

Each story of tests/sim/stories-that-fail must fail with what its file `complaint` says. The words are those that the program
lists when it meets an unknown one; each must be in tests/sim/stories/README.md.
"""
import argparse
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from pathlib import Path

SIM = Path(__file__).resolve().parent
FAILING = SIM / "stories-that-fail"
WORDS_OF = ("unknown-command", "unknown-act", "unknown-state")


def complaints(program):
    """What is said of each story; None: it came true."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "stories.xml"
        told = subprocess.run([program, "--stories", FAILING, "--junit", report], stdout=subprocess.DEVNULL, check=False)
        cases = {case.get("name"): case.find("failure") for case in xml.parse(report).getroot().iter("testcase")}
    if told.returncode != 1:
        cases["the exit status"] = None
    return {name: None if failure is None else failure.get("message") for name, failure in cases.items()}


def check_failing(said):
    for folder in sorted(each for each in FAILING.iterdir() if each.is_dir()):
        wanted = (folder / "complaint").read_text().strip()
        found = said.pop(folder.name, None) or "nothing"
        yield folder.name, "" if wanted in found else f"'{wanted}' is not said of it, but: {found}"
    for name in said:
        yield name, "it does not say that stories have failed"


def check_words(said):
    readme = (SIM / "stories/README.md").read_text()
    for story in WORDS_OF:
        words = re.findall(r"^    (.+)$", said.get(story) or "", re.MULTILINE)
        missing = [word for word in words if f"`{word}`" not in readme]
        yield f"README.md explains what {story} lists", ", ".join(missing) if words else "nothing is listed"


def write_junit(path, name_of_suite, results):
    suite = xml.Element("testsuite", name=name_of_suite)
    for name, wrong in results:
        case = xml.SubElement(suite, "testcase", classname=name_of_suite, name=name)
        if wrong:
            xml.SubElement(case, "failure", message=wrong)
    xml.ElementTree(suite).write(path)


def arguments_of(description):
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("build", type=Path)
    arguments.add_argument("--junit", type=Path)
    return arguments.parse_args()


def conclude(name_of_suite, results, junit):
    """Says what came of each, and ends: with 1 if one is wrong."""
    for name, wrong in results:
        print(f"{'FAIL' if wrong else 'pass'} {name}{': ' if wrong else ''}{wrong}")
    if junit:
        write_junit(junit, name_of_suite, results)
    sys.exit(any(wrong for _, wrong in results))


def main():
    arguments = arguments_of(__doc__)
    said = complaints(arguments.build / "tests/sim/pvcd-sim")
    conclude("check_stories", list(check_words(said)) + list(check_failing(said)), arguments.junit)


if __name__ == "__main__":
    main()
