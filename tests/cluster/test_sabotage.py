"""What the deliberate faults of `--sabotage` are made of. That each is noticed is in test_story.py."""
import pytest

from .lab.process import TOP
from .sabotage import SABOTAGES
from .stage import BUILD

SWITCHES = sorted({switch for sabotage in SABOTAGES.values() for switch in sabotage.switches} | {"late-job-writes", "/etc/pvcd/test-switches"})


@pytest.mark.parametrize("name", [name for name, sabotage in SABOTAGES.items() if sabotage.simulated])
def test_the_simulator_knows_the_same_fault(name):
    assert (TOP / "tests/sim" / SABOTAGES[name].simulated).exists()


@pytest.mark.parametrize("switch", SWITCHES)
def test_what_is_installed_has_no_switch_and_the_core_of_the_tests_has(switch):
    assert switch.encode() in (BUILD / "pvcd-core/core/pvcd-core-switched").read_bytes()
    for installed in (BUILD / "stage").rglob("*"):
        assert not installed.is_file() or switch.encode() not in installed.read_bytes(), installed
