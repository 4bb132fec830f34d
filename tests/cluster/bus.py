"""pvcd's public bus as a person uses it: busctl in a host of the lab."""
import json

from .lab.process import LabError, wait_for

ROOT = "/org/pvcd1"


class BusError(Exception):
    """What the bus answered instead of a result; `name` where it is one of ours."""

    def __init__(self, text: str):
        super().__init__(text)
        self.text = text


def vm_path(uuid: str) -> str:
    return f"{ROOT}/vm/{uuid.replace('-', '_')}"


def node_path(name: str) -> str:
    return f"{ROOT}/node/{name.replace('-', '_')}"


class Bus:
    """The bus of one host, as one user."""

    def __init__(self, host, user: str | None = None):
        self.host = host
        self.user = user

    def call(self, path: str, interface: str, method: str, signature: str = "", *arguments: str) -> list:
        words = ["busctl", "--json=short", "--timeout=20", "call", "org.pvcd1", path, f"org.pvcd1.{interface}", method]
        done = self.host.run(*words, *([signature, *arguments] if signature else []), check=False, user=self.user)
        if done.returncode:
            raise BusError(done.stderr.strip())
        return json.loads(done.stdout)["data"] if done.stdout.strip() else []

    def get(self, path: str, interface: str, name: str):
        done = self.host.run("busctl", "--json=short", "--timeout=20", "get-property", "org.pvcd1", path,
                             f"org.pvcd1.{interface}", name, check=False, user=self.user)
        if done.returncode:
            raise BusError(done.stderr.strip())
        return json.loads(done.stdout)["data"]

    def peek(self, path: str, interface: str, name: str):
        """Like get, but None while the object or the service is not there."""
        try:
            return self.get(path, interface, name)
        except (BusError, LabError):
            return None

    def define(self, xml: str, **options: str) -> str:
        words = [str(len(options))]
        for key, value in options.items():
            words += [key, "s", value]
        return self.call(ROOT, "Manager", "DefineVm", "sa{sv}", xml, *words)[0]

    def job(self, path: str, interface: str, method: str, signature: str = "a{sv}", *arguments: str) -> str:
        """Starts a job with empty options (or the arguments given); its path."""
        return self.call(path, interface, method, signature, *(arguments or ("0",)))[0]

    def wait_job(self, job: str, timeout: float = 60) -> tuple[str, str]:
        """(result, message) of a job, once it has finished."""
        wait_for(f"{job} to finish", lambda: self.peek(job, "Job", "State") == "finished", timeout)
        return self.get(job, "Job", "Result"), self.get(job, "Job", "Message")

    def start(self, uuid: str, timeout: float = 60) -> tuple[str, str]:
        return self.wait_job(self.job(vm_path(uuid), "Vm", "Start"), timeout)

    def vm(self, uuid: str, name: str):
        return self.peek(vm_path(uuid), "Vm", name)

    def primary(self) -> str | None:
        return self.peek(ROOT, "Manager", "Primary")
