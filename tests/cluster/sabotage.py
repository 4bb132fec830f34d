"""Deliberate faults that the story must not survive: `./dev demo --sabotage NAME` ends with ok: false at the right step.

A fault of pvcd is a switch of the core that only tests run; a fault of the world is made in the lab.
"""
from dataclasses import dataclass, field

from .lab.cluster import Cluster
from .stage import CONFIG, UNITS, lab_stage
from .story import STEPS, Step, Story, play
from .trials import Trials


class BmcStaysOn(Trials):
    """The host hangs instead of losing power, and its BMC accepts an off without doing it."""

    def lose_power(self, name: str) -> None:
        self.cluster.bmc(name).lie(True)
        self.cluster.host(name).freeze()


class KeepaliveStopsFirst(Trials):
    """As if the units were ordered otherwise: no heartbeat comes while the others stop."""
    stopping = f"systemctl stop pvcd-keepalive.service; {Trials.stopping}"


LIE = ("a BMC that accepts and stays on", Trials.a_bmc_that_accepts_and_stays_on_proves_nothing)
LATE = ("a write under an old epoch", Trials.a_write_decided_under_an_old_epoch_is_refused)
PREPARE = ("web1 runs", Trials.prepare)
RECORDS, USER, LEAVING = STEPS[3], STEPS[5], STEPS[6]

# A core that stands still in a late write must not lose its session meanwhile: then the write fails whatever it checks.
PATIENT = {"store": {"session_timeout_ms": 40000}, "timings": {"suspect_after_ms": 20000}}


@dataclass
class Sabotage:
    fails_at: str                               # the step that must notice
    because: str                                # and what it must say
    simulated: str = ""                         # the same fault below tests/sim: a mutant that must be found, or a story
    switches: tuple[str, ...] = ()
    story: type[Story] = Trials
    steps: list = field(default_factory=lambda: STEPS)
    config: dict = field(default_factory=dict)


SABOTAGES = {
    # librbd is a second guard: it breaks the dead client's lock itself, but late and for an hour only.
    "pre-start-hook-off": Sabotage("2 QEMU killed on n1", "pvcd has not flushed the locks", "mutants/refusal-proceeds.patch", ("pre-start-hook-off",)),
    # The look before the CPUs run is a second guard: it refuses, but a QEMU was created, and nobody is named.
    "records-believed": Sabotage(RECORDS[0], "the reason does not name", "mutants/refusal-proceeds.patch", ("pre-start-hook-off",), steps=[PREPARE, RECORDS]),
    "bmc-stays-on": Sabotage("3 power cut of n1", "the evidence about n1 is storage", "stories/d4-bmc-lies", story=BmcStaysOn),
    "evidence-check-off": Sabotage(LIE[0], "and taken for dead", "mutants/accepted-counts-as-off.patch", ("accepted-counts-as-off",), steps=[PREPARE, LIE]),
    "epoch-check-off": Sabotage(LATE[0], "was taken at epoch", "mutants/epoch-check-removed.patch", ("epoch-check-off",), steps=[PREPARE, LATE], config=PATIENT),
    # No simulator has users or units.
    "polkit-off": Sabotage(USER[0], "alice started a VM without any right", switches=("polkit-off",), steps=[PREPARE, USER]),
    "keepalive-stops-first": Sabotage(LEAVING[0], "in ZooKeeper's log", story=KeepaliveStopsFirst, steps=[PREPARE, LEAVING]),
}


def lab(sabotage: Sabotage | None = None, hosts: int = 3) -> Cluster:
    """A lab with pvcd installed; with the switched core only where a fault of pvcd is asked for."""
    switched = bool(sabotage and (sabotage.switches or sabotage.steps is not STEPS))
    pvcd = CONFIG["pvcd"] | (sabotage.config if sabotage else {})
    return Cluster(stage=str(lab_stage(switched)), hosts=hosts, pvcd=True, pvcd_units=UNITS, config=CONFIG | {"pvcd": pvcd})


def play_sabotage(sabotage: Sabotage, cluster: Cluster, tell, begin=lambda name: None, end=lambda step: None) -> list[Step]:
    story = sabotage.story(cluster, tell)
    story.sabotage = sabotage.switches
    story.switch(*sabotage.switches)
    return play(story, sabotage.steps, begin, end)
