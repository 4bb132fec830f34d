"""A bad cable: passes a host's frames on, but loses, delays or throttles those to Ceph or to the store.

    python3 -m tests.cluster.lab.relay PORT OTHER CONFIG

Both ends are interfaces of the hub. Everything but the named traffic passes at once, in both directions. There is no netem in many
kernels, and a proxy would not have the connections that are open already.
"""
import asyncio
import json
import random
import socket
import struct
import sys
from dataclasses import dataclass

STORE_PORTS = (2181, 2888, 3888)
READY = "ready\n"                       # what it says when frames pass
QUEUE_S_MAX = 2.0                       # what would wait longer at a slow cable is lost

_ALL = 0x0003                           # ETH_P_ALL
_SOL_PACKET, _PACKET_VNET_HDR = 263, 15
_VNET_BYTES = 10                        # before each frame: what the kernel has left undone (checksum, segments)
_OUTGOING = 4
_FRAME_BYTES_MAX = 1 << 17


@dataclass
class Cable:
    """`to` names the traffic: ceph, store. One of the others makes it bad."""
    to: list[str]
    ceph_address: str = ""
    loss: float = 0                     # share of frames
    delay_s: float = 0
    rate_bytes: int = 0                 # per second; 0: as fast as they come

    def is_meant(self, frame: bytes) -> bool:
        if frame[12:14] != b"\x08\x00":
            return False
        source, target = frame[26:30], frame[30:34]
        ceph = socket.inet_aton(self.ceph_address)
        if "ceph" in self.to and ceph in (source, target):
            return True
        ports = frame[14 + 4 * (frame[14] & 15):][:4]
        return "store" in self.to and frame[23] == socket.IPPROTO_TCP and any(port in STORE_PORTS for port in struct.unpack(">HH", ports))


class Direction:
    """Its frames keep their order."""

    def __init__(self, cable: Cable):
        self._cable = cable
        self._free_at = 0.0
        self._chance = random.Random(1)

    def due(self, size: int, now: float) -> float | None:
        """When a frame comes out at the other end; None: never."""
        cable = self._cable
        if self._chance.random() < cable.loss:
            return None
        if not cable.rate_bytes:
            return now + cable.delay_s
        if self._free_at - now > QUEUE_S_MAX:
            return None
        self._free_at = max(self._free_at, now) + size / cable.rate_bytes
        return self._free_at + cable.delay_s


def _open(interface: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    end.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    end.bind((interface, _ALL))
    end.setblocking(False)
    return end


def _send(end: socket.socket, data: bytes) -> None:
    try:
        end.send(data)
    except (BlockingIOError, OSError):
        pass                            # a cable may lose what it cannot carry


def _pass_on(loop, source: socket.socket, target: socket.socket, cable: Cable, direction: Direction) -> None:
    while True:
        try:
            data, address = source.recvfrom(_FRAME_BYTES_MAX)
        except BlockingIOError:
            return
        if address[2] == _OUTGOING:
            continue
        if not cable.is_meant(data[_VNET_BYTES:]):
            _send(target, data)
        elif (due := direction.due(len(data), loop.time())) is not None:
            loop.call_at(due, _send, target, data)


async def relay(port: str, other: str, cable: Cable) -> None:
    loop = asyncio.get_running_loop()
    ends = [_open(port), _open(other)]
    for source, target in (ends, ends[::-1]):
        loop.add_reader(source, _pass_on, loop, source, target, cable, Direction(cable))
    print(READY, end="", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], sys.argv[2], Cable(**json.loads(sys.argv[3]))))
