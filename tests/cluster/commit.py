"""Which state of the source a measurement is of."""
import subprocess
from pathlib import Path

WRITTEN_BY_MEASUREMENTS = ("HANGS.md", "FIGURES.md", "tests/cluster/soaked.json")


def commit_of(top: Path) -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-c", f"safe.directory={top}", *words], cwd=top, capture_output=True, text=True, check=False).stdout.strip()
    changed = git("status", "--porcelain", "--", ".", *(f":!{file}" for file in WRITTEN_BY_MEASUREMENTS))
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("-dirty" if changed else "")
