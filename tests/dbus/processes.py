"""What a test of the bus needs around pvcd: a system bus of its own and a ZooKeeper server, in one folder, ended by process."""
import os
import pathlib
import signal
import socket
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
STOP_LIMIT_S = 20

BUS_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <!-- As in Debian's system.conf. -->
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
  </policy>
  <policy context="default">
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""

ZOOKEEPER = ["java", "-Xms16m", "-Xmx96m", "-Xss256k", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData",
             "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar",
             "org.apache.zookeeper.server.ZooKeeperServerMain"]
ZOOKEEPER_CONFIG = """\
tickTime=200
minSessionTimeout=400
maxSessionTimeout=60000
dataDir={data}
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=*
maxClientCnxns=0
forceSync=no
preAllocSize=1024
"""


def wait_for(what, condition, limit_s=20):
    """The first true value of the condition."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {limit_s} s")
        time.sleep(0.02)


class Process:
    """A program with its output in a file."""

    def __init__(self, name, command, log, environment=None):
        self.name = name
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as output:
            self._process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                             stderr=output, env={**os.environ, **(environment or {})})

    @property
    def pid(self):
        return self._process.pid

    def status(self):
        """Its exit status; None while it runs."""
        return self._process.poll()

    def send(self, number):
        if self.status() is None:
            self._process.send_signal(number)

    def wait(self, limit_s=STOP_LIMIT_S):
        return self._process.wait(timeout=limit_s)

    def kill(self):
        self.send(signal.SIGKILL)       # also ends one that a test has stopped
        return self.wait()

    def stop(self):
        self.send(signal.SIGTERM)
        return self.wait()

    def output(self):
        return self.log.read_text(errors="replace")


class PrivateBus(Process):
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.socket = folder / "bus"
        self.address = f"unix:path={self.socket}"
        config = folder / "bus.conf"
        config.write_text(BUS_CONFIG.format(socket=self.socket, services=TOP / "dbus", policy=TOP / "dbus" / "org.pvcd1.conf"))
        super().__init__("dbus-daemon", ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"], folder / "bus.log")
        wait_for("the bus", self._accepts)

    def _accepts(self):
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.socket)) == 0


class ZooKeeper(Process):
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        with socket.create_server(("127.0.0.1", 0)) as held:
            self.port = held.getsockname()[1]
        config = folder / "zoo.cfg"
        config.write_text(ZOOKEEPER_CONFIG.format(data=folder / "data", port=self.port))
        super().__init__("zookeeper", ZOOKEEPER + [config], folder / "zookeeper.log")
        wait_for("ZooKeeper", self.answers, 60)

    def answers(self):
        """Itself: another one may have been faster at its port."""
        assert self.status() is None, f"ZooKeeper ended:\n{self.output()}"
        return "standalone" in self.ask("srvr")

    def ask(self, word):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(word.encode())
                return b"".join(iter(lambda: connection.recv(4096), b"")).decode()
        except OSError:
            return ""
