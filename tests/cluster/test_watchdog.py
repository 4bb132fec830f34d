"""Hosts that fence themselves: the helper on a simulated device, and the whole cluster with one in each host."""
import ctypes
import os
import signal
import subprocess
import threading
import time

import pytest

from .lab.process import wait_for
from .lab.watchdog_device import FILE, FileSystem, Watchdog, serve
from .stage import BUILD
from .watchdog_trials import WatchdogTrials, watchdog_lab

PATIENCE = 30
PROOF_LIMIT, DEVICE_S = 4.0, 4          # of a session of 6 s, and half of timeout_ms: a helper starts in less
SLACK = 2.0                             # these machines are shared; less than one more pet would give
CONFIG = """
[cluster]
name = "lab"
coordinators = ["n1"]
[node]
name = "n1"
addresses = ["127.0.0.1"]
storage_addresses = ["127.0.0.1"]
[store]
servers = ["127.0.0.1:2181"]
session_timeout_ms = 6000
server_tick_ms = 100
server_election_ms = 300
credentials_file = "{folder}/store.secret"
[timings]
suspect_after_ms = 1500
[self_fence]
mode = "watchdog"
device = "{folder}/device/{file}"
timeout_ms = {timeout_ms}
"""


class Bench:
    """The helper that is installed, a device, and the proofs that the test writes for the keepalive."""

    def __init__(self, folder):
        self.folder = folder
        self.boot = open("/proc/sys/kernel/random/boot_id").read().strip()
        self.cut_at = 0.0
        self.acts = []
        self._helpers = []
        (folder / "device").mkdir()
        (folder / "run").mkdir()
        (folder / "store.secret").write_text("pvcd:secret\n")
        (folder / "store.secret").chmod(0o600)
        self.configure()
        self.device = Watchdog(self.acts.append)
        files = FileSystem(self.device, str(folder / "device"))
        threading.Thread(target=serve, args=(self.device, files, lambda: 1, self._cut), daemon=True).start()

    def configure(self, timeout_ms=2000 * DEVICE_S):
        (self.folder / "pvcd.toml").write_text(CONFIG.format(folder=self.folder, file=FILE, timeout_ms=timeout_ms))

    def _cut(self):
        self.cut_at = time.monotonic()

    def start(self):
        environment = {**os.environ, "PVCD_CONFIG_DIR": str(self.folder), "PVCD_RUN_DIR": str(self.folder / "run")}
        self._helpers.append(subprocess.Popen([BUILD / "stage/usr/libexec/pvcd/pvcd-watchdog"], env=environment))
        return self._helpers[-1]

    def prove(self):
        sent_at = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6)
        (self.folder / "run/proof.new").write_text(f"proof n1 {self.boot} 1 {sent_at}\n")
        (self.folder / "run/proof.new").rename(self.folder / "run/proof")
        self.proven_at = time.monotonic()

    def prove_for(self, duration):
        end = time.monotonic() + duration
        while time.monotonic() < end:
            self.prove()
            time.sleep(0.2)

    def prove_until(self, what, condition):
        def proven():
            self.prove()
            return condition()
        return wait_for(what, proven, PATIENCE, 0.1)

    def words(self):
        try:
            return (self.folder / "run/self-fence").read_text().split()
        except FileNotFoundError:
            return []

    def is_said_to_be_armed(self):
        return self.words()[1:2] == ["armed"]

    def arm(self):
        helper = self.start()
        self.prove_until("the helper to arm the device", self.is_said_to_be_armed)
        return helper

    def wait_cut(self):
        wait_for("the device to cut", lambda: self.cut_at, PATIENCE, 0.01)
        return self.cut_at - self.proven_at

    def close(self):
        for helper in self._helpers:
            if helper.poll() is None:
                helper.kill()
            helper.wait()
        detach = 2
        ctypes.CDLL(None).umount2(str(self.folder / "device").encode(), detach)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_nothing_is_armed_before_the_first_proof(bench):
    bench.start()
    wait_for("the helper to say so", lambda: bench.words()[1:2] == ["unarmed"], PATIENCE)
    assert not bench.acts
    bench.prove_until("the helper to arm the device", bench.is_said_to_be_armed)
    assert bench.acts == ["armed"]
    assert bench.words() == [bench.boot, "armed", str(int(PROOF_LIMIT * 1e6)), str(2 * DEVICE_S * 1000000)]
    assert bench.device.timeout_s == DEVICE_S


def test_without_a_proof_the_host_is_cut_in_time(bench):
    bench.arm()
    bench.prove_for(3)
    assert not bench.cut_at
    silent = bench.wait_cut()
    assert PROOF_LIMIT < silent < PROOF_LIMIT + DEVICE_S + SLACK


def test_a_helper_that_comes_back_goes_on_as_before(bench):
    helper = bench.arm()
    bench.configure(timeout_ms=60000)
    helper.kill()
    bench.start()
    bench.prove_for(2 * DEVICE_S)
    assert not bench.cut_at and bench.acts == ["armed"]
    assert bench.device.timeout_s == DEVICE_S, "others count on what was recorded"
    assert bench.is_said_to_be_armed()


def test_a_helper_that_comes_back_without_a_proof_does_not_touch_the_device(bench):
    helper = bench.arm()
    wait_for("the proof to be old", lambda: time.monotonic() > bench.proven_at + PROOF_LIMIT, PATIENCE)
    helper.kill()
    bench.start()
    assert bench.wait_cut() < PROOF_LIMIT + 2 * DEVICE_S, "the end of a process is one pet, and no more may follow"


def test_a_helper_that_stands_still_is_cut(bench):
    helper = bench.arm()
    os.kill(helper.pid, signal.SIGSTOP)
    stopped_at = time.monotonic()
    bench.prove_until("the device to cut", lambda: bench.cut_at)
    assert bench.cut_at - stopped_at < DEVICE_S + SLACK, "proofs are no pets"


def test_only_what_the_store_knows_is_disarmed(bench):
    helper = bench.arm()
    (bench.folder / "run/self-fence.disarm").write_text(f"{bench.boot}\n")
    helper.terminate()
    assert helper.wait(PATIENCE) == 0
    wait_for("it to be disarmed", lambda: bench.acts == ["armed", "disarmed"], PATIENCE)
    assert not bench.is_said_to_be_armed()


def test_what_the_store_does_not_know_stays_armed(bench):
    helper = bench.arm()
    (bench.folder / "run/self-fence.disarm").write_text("another-boot\n")
    helper.terminate()
    assert helper.wait(PATIENCE) == 0
    assert bench.acts == ["armed"] and bench.is_said_to_be_armed()
    bench.wait_cut()


def test_a_device_that_somebody_else_has_is_told_of(bench):
    device = bench.folder / "device" / FILE         # not opened here: this process answers for it
    other = subprocess.Popen(["sh", "-c", f"exec 3>{device}; echo >&3; read end; printf V >&3"], stdin=subprocess.PIPE)
    wait_for("it to be open", lambda: bench.acts, PATIENCE)
    bench.start()
    bench.prove_until("the helper to say so", lambda: "busy" in bench.words())
    assert bench.words()[1] == "unarmed"
    other.communicate(b"\n", timeout=PATIENCE)
    bench.prove_until("the helper to arm the device", bench.is_said_to_be_armed)
    assert bench.acts == ["armed", "disarmed", "armed"]


def _tell(seconds, text):
    print(f"{'event' if seconds is None else f'{seconds:+.2f} s'} {text}")


@pytest.fixture(scope="module")
def trials():
    with watchdog_lab(watchdogs=True) as cluster:
        yield WatchdogTrials(cluster, _tell)


@pytest.mark.parametrize("trial", [WatchdogTrials.a_host_without_a_device_says_so_and_takes_no_vm,
                                   WatchdogTrials.a_helper_that_is_killed_comes_back_in_time,
                                   WatchdogTrials.a_host_that_leaves_in_order_is_not_cut,
                                   WatchdogTrials.a_host_that_nobody_reaches_is_cut_by_its_watchdog])
def test_with_watchdogs(trials, trial):
    trials.prepare()
    trial(trials)


def test_without_a_watchdog_silence_proves_nothing():
    with watchdog_lab(watchdogs=False) as cluster:
        trials = WatchdogTrials(cluster, _tell)
        trials.prepare()
        trials.without_a_watchdog_silence_proves_nothing()
