"""A watchdog of one host, simulated: a file that speaks the ioctls of /dev/watchdog, and cuts the host for real.

    python3 -m tests.cluster.lab.watchdog_device STATE HOST

There is no such hardware here, no kernel module and no /dev/cuse. FUSE has ioctls, too: the kernel brings them here as they are, so
that what pets the file is the program that pets a device. The file system has that one file and is bound into the host. This process
is none of the host's: it goes on when the host is frozen, as the real one's clock does.
"""
import ctypes
import errno
import os
import select
import stat
import struct
import subprocess
import sys
import time

from .host import Host
from .net import Network
from .process import python_module
from .spec import WATCHDOG, Spec
from .watchdog import acts_file

FILE = os.path.basename(WATCHDOG)
IDENTITY = b"lab watchdog"

# linux/fuse.h
_IN = struct.Struct("=IIQQIIII")        # length, opcode, unique, node, uid, gid, pid, padding
_OUT = struct.Struct("=IiQ")            # length, error, unique
_ATTRIBUTES = struct.Struct("=QQQQQQIIIIIIIIII")
_LOOKUP, _FORGET, _GETATTR, _SETATTR, _OPEN, _WRITE, _RELEASE, _INIT, _IOCTL = 1, 2, 3, 4, 14, 16, 18, 26, 39
_ROOT, _NODE = 1, 2
_DIRECT = 1                             # no cache: each write comes here

# linux/watchdog.h
_GET_SUPPORT, _KEEP_ALIVE, _SET_TIMEOUT, _GET_TIMEOUT = 0x80285700, 0x80045705, 0xc0045706, 0x80045707
_OPTIONS = 0x80 | 0x100 | 0x8000        # can set its timeout, knows the letter V, can be petted


class Watchdog:
    """The device alone: what a driver of the kernel does, with the same surprises."""

    def __init__(self, log=lambda line: None):
        self.armed = self.is_open = self._letter = False
        self.timeout_s = 60
        self._petted_at = 0.0
        self._log = log

    def open(self) -> int:
        if self.is_open:
            return errno.EBUSY
        self.is_open, self._letter = True, False
        if not self.armed:
            self.armed = True
            self._log("armed")
        self._pet()
        return 0

    def write(self, data: bytes) -> None:
        self._letter = b"V" in data
        self._pet()

    def close(self) -> None:
        self.is_open = False
        if self._letter:
            self.armed = False
            self._log("disarmed")
        else:
            self._pet()                 # the kernel does that, too

    def ioctl(self, command: int, argument: bytes) -> bytes | int:
        """What comes back, or an error."""
        if command == _GET_SUPPORT:
            return struct.pack("=II32s", _OPTIONS, 0, IDENTITY)
        if command == _KEEP_ALIVE:
            self._pet()
            return struct.pack("=i", 0)
        if command == _SET_TIMEOUT:
            self.timeout_s = struct.unpack("=i", argument[:4])[0]
            self._pet()
            return struct.pack("=i", self.timeout_s)
        if command == _GET_TIMEOUT:
            return struct.pack("=i", self.timeout_s)
        return errno.ENOTTY

    def rest(self) -> float | None:
        """Seconds until it cuts the host; nothing: it is not armed."""
        return self._petted_at + self.timeout_s - time.monotonic() if self.armed else None

    def reset(self) -> None:
        self.armed = False

    def _pet(self) -> None:
        self._petted_at = time.monotonic()


class FileSystem:
    def __init__(self, watchdog: Watchdog, folder: str):
        self._watchdog = watchdog
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"lab-watchdog", folder.encode(), b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), f"cannot mount {folder}")

    def serve(self) -> None:
        """One request."""
        request = os.read(self.fd, 1 << 17)
        _, opcode, unique, node, *_ = _IN.unpack_from(request)
        if opcode == _FORGET:
            return
        answer = self._answer(opcode, node, request[_IN.size:])
        error, body = (-answer, b"") if isinstance(answer, int) else (0, answer)
        os.write(self.fd, _OUT.pack(_OUT.size + len(body), error, unique) + body)

    def _answer(self, opcode: int, node: int, body: bytes) -> bytes | int:
        """The body of an answer, or an error."""
        if opcode == _INIT:
            return struct.pack("=IIIIHHIIHHI7I", 7, 26, 0, 0, 0, 0, 4096, 1, 0, 0, 0, *[0] * 7)
        if opcode == _LOOKUP:
            if node != _ROOT or body.rstrip(b"\0") != FILE.encode():
                return errno.ENOENT
            return struct.pack("=QQQQII", _NODE, 0, 60, 60, 0, 0) + _attributes(_NODE)
        if opcode in (_GETATTR, _SETATTR):
            return struct.pack("=QII", 60, 0, 0) + _attributes(node)
        if opcode == _OPEN:
            return self._watchdog.open() or struct.pack("=QII", 0, _DIRECT, 0)
        if opcode == _WRITE:
            size = struct.unpack_from("=QQI", body)[2]
            self._watchdog.write(body[-size:])
            return struct.pack("=II", size, 0)
        if opcode == _IOCTL:
            _, _, command, _, size, _ = struct.unpack_from("=QIIQII", body)
            result = self._watchdog.ioctl(command, body[32:32 + size])
            return result if isinstance(result, int) else struct.pack("=iIII", 0, 0, 0, 0) + result
        if opcode == _RELEASE:
            self._watchdog.close()
            return b""
        return errno.ENOSYS             # of a flush, too: who is killed must not wait for an answer


def _attributes(node: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o600
    return _ATTRIBUTES.pack(node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def serve(watchdog: Watchdog, files: FileSystem, power_cycle, cut) -> None:
    """Until the file system is gone. A board that was without power has forgotten that it was armed."""
    cycle = 0
    while True:
        if cycle != (cycle := power_cycle()):
            watchdog.reset()
        rest = watchdog.rest()
        if rest is not None and rest <= 0:
            watchdog.reset()
            cut()
            continue
        if select.select([files.fd], [], [], 0.1 if rest is None else min(rest, 0.1))[0]:
            try:
                files.serve()
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return              # unmounted
                if error.errno not in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                    raise               # what is not there any more was interrupted


def _main(state: str, name: str) -> None:
    spec = Spec.load(state)
    host = Host(spec, name, Network(spec))
    folder = spec.watchdog_dir(name)

    def log(what: str) -> None:
        with acts_file(spec, name).open("a") as acts:
            acts.write(f"{time.time()} {what}\n")

    def cut() -> None:
        """By a process of its own: what dies in the host may wait for an answer from here."""
        log("cut")
        subprocess.Popen(python_module("power", state, name, "off"))
    watchdog = Watchdog(log)
    serve(watchdog, FileSystem(watchdog, str(folder)), host.power_cycle, cut)


if __name__ == "__main__":
    _main(*sys.argv[1:])
