"""./dev soak: what takes too long for every change. A run that was killed goes on where it stopped, for the same commit.

Results are lines of JSON, one for each thing that was done, in build/soak or another directory. A run that is whole is written
into HANGS.md.
"""
import argparse
import json
import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Callable, Iterator

from .commit import commit_of
from .hang_cases import CASES, WITHOUT_QUORUM
from .hangs import Hangs, lab
from .lab.process import TOP
from .soak_counts import KeepaliveRestarts, QemuKills, many_vms
from .soak_table import summary, update
from .stage import BUILD
from .story import PROBLEMS


class Results:
    """Of one run: of this commit, or the last one, whose failed cases are played again at this commit."""

    def __init__(self, directory: Path, name: str, commit: str, again: bool = False):
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / f"{name}.jsonl"
        self._at = commit
        self.again = again
        self._commit = self._all()[-1]["commit"] if again else commit

    def lines(self) -> list[dict]:
        """A case that was played again counts once."""
        lines = [line for line in self._all() if line["commit"] == self._commit]
        return list({line.get("case", number): line for number, line in enumerate(lines)}.values())

    def _all(self) -> list[dict]:
        """The last line of a run that was killed may not be whole."""
        found = []
        for line in self._file.read_text().splitlines() if self._file.exists() else []:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def add(self, **result) -> None:
        line = json.dumps({"commit": self._commit, "at": self._at, "date": time.strftime("%Y-%m-%d", time.gmtime()), **result})
        with self._file.open("a") as file:
            if file.tell() and not self._file.read_bytes().endswith(b"\n"):
                file.write("\n")
            file.write(line + "\n")


@dataclass(frozen=True)
class Run:
    what: str
    total: int
    go: Callable[[Results, int], None]      # until there are so many results


def _play_cases(hold_s: float, quorum_hold_s: float) -> Callable[[Results, int], None]:
    def go(results: Results, total: int) -> None:
        done = {line["case"] for line in results.lines() if line["ok"] or not results.again}
        missing = [case for case in CASES[:total] if case.name not in done]
        while missing:
            missing = missing[_play_until_broken(results, missing, hold_s, quorum_hold_s):]
    return go


def _play_until_broken(results: Results, cases: list, hold_s: float, quorum_hold_s: float) -> int:
    """How many were played: a cluster on which something went wrong is not used for the next one."""
    with lab() as cluster:
        hangs = Hangs(cluster)
        try:
            for number, case in enumerate(cases, 1):
                result = _play(hangs, case, quorum_hold_s if case.name == WITHOUT_QUORUM else hold_s)
                results.add(**result)
                print(f"{'ok    ' if result['ok'] else 'FAILED'} {case.name} {'; '.join(result['problems'])}", flush=True)
                if not result["ok"]:
                    return number
            return len(cases)
        finally:
            hangs.close()


def _play(hangs: Hangs, case, hold_s: float) -> dict:
    try:
        hangs.prepare()
        return hangs.play(case, hold_s)
    except PROBLEMS as problem:
        return hangs.unplayed(case, hold_s, str(problem))


def _count(kind: type[Hangs], cluster: Callable) -> Callable[[Results, int], None]:
    def go(results: Results, total: int) -> None:
        if len(results.lines()) >= total:
            return
        with cluster() as up:
            hangs = kind(up)
            try:
                for result in _missing(hangs.results(), results, total):
                    results.add(**result)
                    print(f"{len(results.lines())} of {total}: {result['seconds']} {result['problem']}", flush=True)
            finally:
                hangs.close()
    return go


def _missing(made: Iterator[dict], results: Results, total: int) -> Iterator[dict]:
    return islice(made, total - len(results.lines()))


RUNS = {
    "hangs": Run("each case of the hang matrix for 30 s", len(CASES), _play_cases(30, 30)),
    "hangs-long": Run("each case for 5 min, the ensemble without quorum for 10", len(CASES), _play_cases(300, 600)),
    "keepalive-restarts": Run("1,000 restarts of the keepalive under load", 1000, _count(KeepaliveRestarts, lab)),
    "qemu-kills": Run("1,000 kills of QEMU", 1000, _count(QemuKills, many_vms)),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(RUNS), metavar="NAME")
    parser.add_argument("--dir", type=Path, default=BUILD / "soak", help="where results are kept (default: %(default)s)")
    parser.add_argument("--runs", type=int, help="end after so many results instead of all")
    parser.add_argument("--again", action="store_true", help="go on with the last run at whatever commit; failed cases are played again")
    options = parser.parse_args()
    if not options.name:
        for name, run in RUNS.items():
            print(f"{name:20} {run.what}")
        return 0
    run = RUNS[options.name]
    results = Results(options.dir, options.name, commit_of(TOP), options.again)
    try:
        run.go(results, min(options.runs or run.total, run.total))
    finally:
        if lines := results.lines():
            update(options.name, summary(lines[0]["commit"], lines[-1]["date"], lines), TOP)
    return 0 if all(line.get("ok", not line.get("problem")) for line in results.lines()) else 1


if __name__ == "__main__":
    sys.exit(main())
