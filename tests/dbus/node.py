"""One node of a cluster of one: pvcd's real programs with the fake plugin as hypervisor, BMC and hook."""
import json
import os
import pathlib
import shutil
import signal

from .client import ROOT, Client
from .processes import TOP, PrivateBus, Process, wait_for

BUILD = TOP / os.environ.get("PVCD_BUILD", "build")
CORE = BUILD / "pvcd-core" / "core" / "pvcd-core"
HOST = BUILD / "pvcd-core" / "host" / "pvcd-host"
NAME = "n1"
SYSTEM_UUID = "5f2a1c9e-7f10-4b55-9a3d-2f4a6c1d8e01"
PLUGINS = ["keepalive", "election", "fake"]

PVCD_TOML = """\
[cluster]
name = "{cluster}"
coordinators = ["n1"]
[node]
name = "n1"
addresses = ["127.0.0.1"]
storage_addresses = ["127.0.0.1"]
floating_addresses = ["127.0.0.99"]
system_uuid = "{system_uuid}"
[store]
servers = ["127.0.0.1:{port}"]
session_timeout_ms = 3000
server_tick_ms = 200
server_sync_limit = 4
server_election_ms = 300
credentials_file = "{folder}/etc/store.secret"
[hooks]
vm_pre_start = ["fake"]
[hypervisor]
plugin = "fake"
[fencing]
fencer = "fake"
[storage]
plugin = "fake"
interval_ms = 1000
[timings]
hook_deadline_ms = 2000
retry_min_ms = 200
retry_max_ms = 1000
"""


class Node:
    def __init__(self, folder, cluster, zookeeper):
        self.folder = pathlib.Path(folder)
        self.script = self.folder / "script"
        for name in ("etc/plugins.d", "run", "state", "script", "plugins"):
            (self.folder / name).mkdir(parents=True)
        for plugin in PLUGINS:
            (self.folder / "plugins" / f"{plugin}.so").symlink_to(BUILD / "plugins" / f"{plugin}.so")
        self.write("etc/pvcd.toml", PVCD_TOML.format(cluster=cluster, system_uuid=SYSTEM_UUID, port=zookeeper.port, folder=self.folder))
        self.write("etc/plugins.d/fake.toml", f'script = "{self.script}"\ninterval_ms = 100\n')
        self.write("etc/store.secret", "pvcd:secret\n", 0o600)
        self.folder.chmod(0o755)        # others may reach the bus
        self.zookeeper, self.cluster = zookeeper, cluster
        self.bus = PrivateBus(self.folder)
        self.client = Client(self.bus.address)
        self.running = {}

    def write(self, name, text, mode=0o644):
        file = self.folder / name
        file.write_text(text)
        file.chmod(mode)

    def environment(self):
        return {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address, "PVCD_CONFIG_DIR": str(self.folder / "etc"),
                "PVCD_RUN_DIR": str(self.folder / "run"), "PVCD_STATE_DIR": str(self.folder / "state"),
                "PVCD_PLUGIN_DIR": str(self.folder / "plugins")}

    def start(self, name):
        """core, or a plugin."""
        self.running[name] = self.run(name, [CORE] if name == "core" else [HOST, name])
        return self.running[name]

    def start_together(self, *plugins):
        """In one process."""
        self.running["plugins"] = self.run("plugins", [HOST, *plugins])
        return self.running["plugins"]

    def run(self, name, command):
        """Anything else in the same surroundings; whoever runs it ends it."""
        return Process(name, command, self.folder / f"{name}.log", self.environment())

    def start_all(self):
        for name in PLUGINS + ["core"]:
            self.start(name)
        self.wait_until_ready()

    def wait_until_ready(self):
        """Everything is up and this node is primary: whatever is asked for will be done."""
        def ready():
            for process in self.running.values():
                assert process.status() is None, f"{process.name} ended:\n{process.output()}"
            return (self.client.peek(ROOT, "Manager", "Quorate") and self.client.peek(ROOT, "Manager", "Primary") == NAME
                    and self.unit_state("fake") == "running")
        wait_for("the node to be primary", ready, 60)

    def unit_state(self, name):
        """As the keepalive publishes it; None: not yet."""
        return next((str(line[2]) for line in self.client.peek(ROOT, "Manager", "Plugins") or [] if line[0] == name), None)

    def unit_age_s(self, name):
        [age] = [int(line[3]) for line in self.client.get(ROOT, "Manager", "Plugins") if line[0] == name]
        return age / 1e6

    def close(self):
        wrong = "".join(f"{process.name} ended with {process.status()}:\n{process.output()[-4000:]}\n"
                        for process in self.running.values() if process.status() not in self._expected())
        for process in reversed(self.running.values()):
            process.kill()
        self.client.close()
        self.bus.kill()
        shutil.rmtree(self.folder)
        assert not wrong, wrong

    def _expected(self):
        """It runs, or a test has stopped or killed it; who needs the bus ends with it."""
        return (None, 0, -signal.SIGKILL) if self.bus.status() is None else (None, 0, -signal.SIGKILL, 1)

    # -------------------------------------------------------------------------------------------- the fake plugin's script

    def answer(self, call, **lines):
        """From now on the fake plugin answers this call so; without lines as by default."""
        (self.script / f"{call}.new").write_text("".join(f"{key} {value}\n" for key, value in lines.items()))
        (self.script / f"{call}.new").rename(self.script / call)

    def calls(self, name):
        """The arguments of every call of this name so far."""
        log = self.script / "calls.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.partition(" ")[2] for line in lines if line.split(" ")[0] == name]

    def domain(self, uuid):
        """(state, number) of the fake domain; None: there is none."""
        try:
            state, number = (self.script / f"domain.{uuid}").read_text().split()
        except FileNotFoundError:
            return None
        return state, int(number)

    def logs(self):
        return {name: process.output() for name, process in self.running.items()}

    def high_water(self):
        return json.loads((self.folder / "state" / "high-water.json").read_text())
