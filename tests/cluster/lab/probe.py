"""Calls which must be made from inside the hub: a helper process there, which answers one JSON line for each one it reads.

A process and not a thread, because librados knows calls that never come back: the driver kills the helper then and starts
another with the next call. A process and not one per call, because loading and connecting costs a hundred times the question.
"""
import importlib
import json
import os
import selectors
import subprocess
import sys
import threading

from .cgroup import Cgroup
from .process import LabError, LabTimeout, in_netns, python_module, tail


class Probe:
    """The driver's side: runs functions of the module `calls` in the hub."""

    def __init__(self, spec, calls: str):
        self._spec = spec
        self._calls = calls
        self._log = spec.dir / f"{calls}.log"
        self._helper = None
        self._lock = threading.Lock()   # a test may sample a disk in one thread while it acts in another

    def call(self, function: str, *args, timeout: float = 15):
        with self._lock:
            answer = self._ask(function, args, timeout)
        if "error" in answer:
            raise LabError(f"{self._calls}.{function}: {answer['error']}")
        return answer["result"]

    def _ask(self, function: str, args, timeout: float) -> dict:
        helper = self._running()
        try:
            helper.stdin.write(json.dumps([function, args]).encode() + b"\n")
            helper.stdin.flush()
            return json.loads(self._line(helper, timeout, function))
        except (BrokenPipeError, ValueError):
            self.close()
            raise LabError(f"{self._calls}.{function}: the helper in the hub died: {tail(self._log)}") from None

    def close(self) -> None:
        if self._helper:
            self._helper.kill()
            self._helper.wait()
            self._helper.stdin.close()
            self._helper.stdout.close()
            self._helper = None

    def _running(self) -> subprocess.Popen:
        if self._helper is None or self._helper.poll() is not None:
            argv = in_netns(self._spec.hub, python_module("probe", self._calls))
            with self._log.open("ab") as log:
                self._helper = subprocess.Popen(
                    Cgroup(f"{self._spec.prefix}/exec").create().entering(argv), stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, stderr=log, bufsize=0)
        return self._helper

    def _line(self, helper: subprocess.Popen, timeout: float, function: str) -> bytes:
        received = b""
        with selectors.DefaultSelector() as selector:
            selector.register(helper.stdout, selectors.EVENT_READ)
            while not received.endswith(b"\n"):
                if not selector.select(timeout):
                    self.close()
                    raise LabTimeout(f"{self._calls}.{function}: no answer within {timeout} s")
                chunk = os.read(helper.stdout.fileno(), 1 << 20)
                if not chunk:
                    return b""
                received += chunk
        return received


def serve(calls: str) -> None:
    """The helper's side. What libraries print goes to the log, not among the answers."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module = importlib.import_module(f"{__package__}.{calls}")
    for line in sys.stdin:
        function, args = json.loads(line)
        try:
            answer = {"result": getattr(module, function)(*args)}
        except Exception as error:      # whatever it is, it belongs to the caller
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    serve(sys.argv[1])
