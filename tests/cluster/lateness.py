"""How late a process is that only wants to wake up: what these machines, which are shared, cost whoever must be on time.

    python3 -m tests.cluster.lateness FILE

Appends a line "MILLISECONDS-SINCE-1970 MILLISECONDS-LATE" for each time it was noticeably late.
"""
import sys
import time

_PAUSE_S = 0.01
_NOTICEABLE_MS = 3


def watch(file: str) -> None:
    with open(file, "a", buffering=1) as output:
        while True:
            due = time.monotonic() + _PAUSE_S
            time.sleep(_PAUSE_S)
            late_ms = (time.monotonic() - due) * 1000
            if late_ms > _NOTICEABLE_MS:
                output.write(f"{time.time() * 1000:.0f} {late_ms:.0f}\n")


if __name__ == "__main__":
    watch(sys.argv[1])
