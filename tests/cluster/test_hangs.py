"""The part of the hang matrix that every change is tested with: each kind of hang once, for as long as it takes to be noticed."""
import signal

import pytest

from .hang_cases import CASES, WITHOUT_QUORUM, Case
from .hang_judge import Expected
from .hang_watch import program_of
from .hangs import Hangs, lab

SECONDS = {
    "libvirtd stopped": 20, "QEMU stopped": 8, "QEMU killed": 0, "mon.a stopped": 16, "osd.0 stopped": 8, "local ZooKeeper stopped": 8,
    "leader of ZooKeeper stopped": 8, "dbus-daemon stopped": 8, "dbus-daemon killed": 0, "pvcd.service stopped": 20,
    "pvcd-libvirt.service stopped": 20, "all units but the keepalive stopped": 20, "all units killed": 0,
    "pvcd-keepalive.service stopped for 1 s": 1, "host frozen for 1 s": 1, "host frozen": 12, "/run full": 14,
    "packets to Ceph and ZooKeeper lost, 1 of 10": 8, WITHOUT_QUORUM: 10,
}
# A test machine is shared: the soak measures jitter; here no heart may stand still with what hangs.
STILL_MS = 600
SHOWN_S = 40            # and what hangs is named and replaced, in whatever time; the soak wants it in time


@pytest.fixture(scope="module")
def hangs():
    with lab() as cluster:
        hangs = Hangs(cluster, jitter_ms_max=STILL_MS, shown_s=SHOWN_S)
        yield hangs
        hangs.close()


def test_the_names_are_those_of_the_table():
    assert set(SECONDS) <= {case.name for case in CASES}
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", [case for case in CASES if case.name in SECONDS], ids=lambda case: case.name)
def test_it_is_borne(hangs, case):
    hangs.prepare()
    result = hangs.play(case, SECONDS[case.name])
    print(result)
    assert result["ok"], result["problems"]


def test_what_is_not_borne_is_noticed(hangs, monkeypatch):
    """A VM dies and a heart stands still, and nobody has said that they may."""
    monkeypatch.setattr(hangs, "shown_s", 0)
    def begin(site):
        site.victim.kill_qemu(site.victim.qemu_pids()[0].name)
        site.victim.signal(signal.SIGSTOP, *program_of("keepalive"))

    def undo(site):
        site.victim.signal(signal.SIGCONT, *program_of("keepalive"))
    hangs.prepare()
    result = hangs.play(Case("a lie", begin, undo, Expected(names="nobody names this")), 1.5)
    told = "; ".join(result["problems"])
    assert "was disturbed" in told and "the heartbeat of" in told and "did not name" in told, told
