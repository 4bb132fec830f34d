"""What ZooKeeper's servers have written down: every change, with the time at which the leader took it.

Read from the hosts' disks, so nothing is sampled, nothing is missed, and no server is disturbed by it. The format is that of
ZooKeeper's own FileTxnLog: a header, then for each transaction a checksum, its length, its bytes and the letter B.
"""
import struct
from pathlib import Path
from typing import Iterator, NamedTuple

_HEADER_BYTES = 16
_COUNTER_BITS = 32                      # of a zxid; above them is the leader's epoch
_SET_DATA, _DELETE, _MULTI = 5, 2, 14
_CREATES = {1: "create", 15: "create", 19: "create", 21: "create"}
_KINDS = {**_CREATES, _DELETE: "delete", _SET_DATA: "set"}


class Change(NamedTuple):
    at_ms: int                          # since 1970, on the leader's clock
    kind: str                           # create, delete, set
    path: str
    data: bytes


def changes(directories: list[Path], since_ms: int) -> list[Change]:
    """In their order. Servers that were away were sent a snapshot instead of what they missed, so all logs are joined."""
    found: dict[int, list[Change]] = {}
    for directory in directories:
        for file in directory.glob("log.*"):
            if file.stat().st_mtime * 1000 >= since_ms:
                for number, at_ms, body in _transactions(file.read_bytes()):
                    if at_ms >= since_ms and number not in found:
                        found[number] = [Change(at_ms, *change) for change in _changes(*body)]
    return _committed(found)


def _committed(found: dict[int, list[Change]]) -> list[Change]:
    """A leader that was frozen takes what had waited for it, and only then learns that there has been another one since."""
    kept: list[Change] = []
    epoch, begun_ms = 0, float("inf")   # of the leader that came next
    for number in sorted(found, reverse=True):
        if number >> _COUNTER_BITS != epoch:
            epoch, begun_ms = number >> _COUNTER_BITS, min([begun_ms, *(change.at_ms for change in kept)])
        kept += [change for change in reversed(found[number]) if change.at_ms < begun_ms]
    return kept[::-1]


def _transactions(log: bytes) -> Iterator[tuple[int, int, tuple[int, bytes]]]:
    """Yields (zxid, time, (type, body)). The file is longer than what is in it, and its last entry may not be whole yet."""
    at = _HEADER_BYTES
    while at + 12 <= len(log):
        length = struct.unpack_from(">i", log, at + 8)[0]
        entry = log[at + 12:at + 12 + length]
        if length <= 0 or log[at + 12 + length:at + 13 + length] != b"B":
            return
        _, _, number, at_ms, kind = struct.unpack_from(">qiqqi", entry)
        yield number, at_ms, (kind, entry[32:])
        at += 13 + length


def _changes(kind: int, body: bytes) -> Iterator[tuple[str, str, bytes]]:
    if kind == _MULTI:
        at = 4
        for _ in range(struct.unpack_from(">i", body)[0]):
            part = struct.unpack_from(">i", body, at)[0]
            inner, at = _buffer(body, at + 4)
            yield from _changes(part, inner)
    elif kind in _KINDS:
        path, at = _buffer(body, 0)
        yield _KINDS[kind], path.decode(), b"" if kind == _DELETE else _buffer(body, at)[0]


def _buffer(body: bytes, at: int) -> tuple[bytes, int]:
    """The bytes there, and where the next field begins."""
    end = at + 4 + max(struct.unpack_from(">i", body, at)[0], 0)
    return body[at + 4:end], end
