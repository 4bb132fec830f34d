"""A program under test that is spoken to in lines, in the network of a host."""
import os
import selectors
import subprocess

from tests.cluster.lab.cgroup import Cgroup
from tests.cluster.lab.cluster import Cluster


class Lines:
    """A process in a host's network that answers one line for each it reads."""

    def __init__(self, lab: Cluster, host: str, argv):
        group = Cgroup(f"{lab.spec.prefix}/exec").create()
        with (lab.spec.dir / "clients.log").open("ab") as log:
            self.process = subprocess.Popen(group.entering(lab.net.in_host(host, [str(word) for word in argv])), bufsize=0,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def ask(self, line: str, timeout: float = 20) -> str:
        self.send(line)
        return self.answer(timeout)

    def send(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")

    def answer(self, timeout: float = 20) -> str:
        received = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not received.endswith(b"\n"):
                assert selector.select(timeout), f"no answer within {timeout} s"
                chunk = os.read(self.process.stdout.fileno(), 1 << 16)
                assert chunk, "the process died"
                received += chunk
        return received.decode().strip()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
