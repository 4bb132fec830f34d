"""The story on real parts, step by step, and the trials that it leaves out."""
import json
import os
import re
import subprocess

import pytest

from .lab.cluster import Cluster
from .lab.spec import default_prefix
from .marks import a_host_is_fenced_by_a_bmc_that_only_its_mark_tells, mark_lab
from .plugged import a_disk_that_is_plugged_in_by_hand_is_on_record
from .restored_store import a_restored_store_is_not_acted_on
from .sabotage import SABOTAGES, lab, play_sabotage
from .shared_files import a_copy_of_shared_files_is_not_started_from
from .story import STEPS, Story
from .trials import AS_FENCED, THAWED, Trials


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """As a user calls it: what it said, and its data. The cluster that it leaves is for what comes after the story."""
    result = tmp_path_factory.mktemp("demo") / "demo.json"
    done = subprocess.run(["./dev", "demo", "--keep", "--json", result], stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    yield done, json.loads(result.read_text())
    subprocess.run(["./dev", "down"], check=True, env=os.environ | {"PVCD_LAB": default_prefix()})
    assert not Cluster().leftovers()


@pytest.mark.parametrize("number", range(len(STEPS)), ids=[name for name, _ in STEPS])
def test_step(demo, number):
    _, told = demo
    assert len(told["steps"]) > number, f"it ended before: {told['steps'][-1:]}"
    assert told["steps"][number]["ok"] and told["steps"][number]["name"] == STEPS[number][0], told["steps"][number]


@pytest.mark.parametrize("number, said", [(1, ["blocklisted and broken: "]), (2, ["switch n1 off", "blocklisted and broken: "]),
                                          (4, ["is over: the node runs a later boot"] + ["blocklisted and broken: "] * 3)])
def test_the_timeline_says_what_made_it_safe(demo, number, said):
    lines = demo[1]["steps"][number]["evidence"]
    for part in set(said):
        assert len([line for line in lines if part in line]) >= said.count(part), (part, lines)


def test_the_demo_says_how_to_look_around(demo):
    done, told = demo
    assert done.returncode == 0 and told["ok"] and "The story came true" in done.stdout
    looks = re.findall(r"^  (lab(?:\(\)| exec) .*)$", done.stdout, re.MULTILINE)
    assert len(looks) >= 6, done.stdout
    for look in looks[1:]:
        shown = subprocess.run(["bash", "-c", f"{looks[0]}\n{look}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert shown.returncode == 0 and shown.stdout, (look, shown.stdout)


@pytest.fixture(scope="module")
def story(demo):
    story = Story(Cluster.attach())
    [story.uuid] = [uuid for uuid, vm in story.store("vms").items() if vm["name"] == "web1"]
    return story


def test_the_primary_leaves_with_a_role_hook_of_ninety_seconds(story):
    story.the_primary_leaves_in_order(90)


def test_everything_in_the_store_is_pvcd_s_alone(story):
    """After the whole story, so that there is something of every kind."""
    rights = story.cluster.zookeeper.rights("/pvcd")
    assert len({path.split("/")[3] for path in rights if path.count("/") >= 3}) >= 10, sorted(rights)
    assert {path: who for path, who in rights.items() if who != ["digest:pvcd:31"]} == {}


@pytest.fixture(scope="module")
def trials():
    with lab() as cluster:
        yield Trials(cluster, lambda seconds, text: print(f"{'event' if seconds is None else f'{seconds:+.2f} s'} {text}"))


def test_a_bmc_that_accepts_and_stays_on_proves_nothing(trials):
    trials.prepare()
    trials.a_bmc_that_accepts_and_stays_on_proves_nothing()


@pytest.mark.parametrize("thawed, leads", [*((each, each == "never") for each in THAWED), (2.0, True), (3.5, True), (AS_FENCED, True)])
def test_a_frozen_host_is_fenced_or_goes_on(trials, thawed, leads):
    trials.prepare()
    trials.a_frozen_host_is_fenced_or_goes_on(thawed, leads)


def test_a_core_that_dies_between_fence_and_start_is_carried_on(trials):
    trials.prepare()
    trials.a_core_that_dies_between_fence_and_start_is_carried_on()


def test_a_vm_goes_where_there_is_room(trials):
    trials.prepare()
    trials.a_vm_goes_where_there_is_room()


def test_the_bmc_of_another_host_is_refused(trials):
    trials.prepare()
    trials.the_bmc_of_another_host_is_refused()


def test_a_host_whose_power_button_is_pressed_says_that_it_goes(trials):
    trials.prepare()
    trials.a_host_whose_power_button_is_pressed_says_that_it_goes()


def test_a_host_that_cannot_create_it_gives_it_back(trials):
    trials.prepare()
    trials.a_host_that_cannot_create_it_gives_it_back()


def test_a_keepalive_that_starts_without_a_bus_proves_its_host_alive(trials):
    trials.prepare()
    trials.a_keepalive_that_starts_without_a_bus_proves_its_host_alive()


def test_a_guest_is_asked_to_shut_down_and_has_its_time(trials):
    trials.prepare()
    trials.a_guest_is_asked_to_shut_down_and_has_its_time()


def test_a_vm_of_the_cluster_is_not_started_by_hand(trials):
    trials.prepare()
    trials.a_vm_of_the_cluster_is_not_started_by_hand()


def test_a_host_that_may_be_suspended_is_not_ready_for_fencing(trials):
    trials.prepare()
    trials.a_host_that_may_be_suspended_is_not_ready_for_fencing()


def test_a_wrong_configuration_does_not_end_what_runs(trials):
    trials.prepare()
    trials.a_wrong_configuration_does_not_end_what_runs()


def test_a_copy_of_shared_files_is_not_started_from(trials):
    trials.prepare()
    a_copy_of_shared_files_is_not_started_from(trials)


def test_a_disk_that_is_plugged_in_by_hand_is_on_record(trials):
    trials.prepare()
    a_disk_that_is_plugged_in_by_hand_is_on_record(trials)


# From here on with clusters of their own.

@pytest.mark.parametrize("trial", [Trials.a_host_without_power_and_bmc_is_shut_out,
                                   Trials.a_host_that_is_cut_off_with_its_bmc_writes_nothing_any_more])
def test_without_a_bmc(trial):
    with lab() as cluster:
        trials = Trials(cluster)
        trials.prepare()
        trial(trials)


def test_a_host_is_fenced_by_a_bmc_that_only_its_mark_tells():
    with mark_lab() as cluster:
        trials = Trials(cluster)
        trials.prepare()
        a_host_is_fenced_by_a_bmc_that_only_its_mark_tells(trials)


def test_a_restored_store_is_not_acted_on():
    with lab() as cluster:
        trials = Trials(cluster)
        trials.prepare()
        a_restored_store_is_not_acted_on(trials)


def test_a_primary_that_dies_between_fence_and_start_is_carried_on():
    with lab(hosts=5) as cluster:
        five = Trials(cluster)
        five.prepare()
        five.make_zookeeper_leader(five.another(five.owner()))      # whoever led before: the trial makes the owner lead again
        five.a_primary_that_dies_between_fence_and_start_is_carried_on()


def test_a_write_decided_under_an_old_epoch_is_refused():
    with lab(SABOTAGES["epoch-check-off"]) as cluster:          # the switched core, for the late write, with its check on
        trials = Trials(cluster)
        trials.prepare()
        trials.a_write_decided_under_an_old_epoch_is_refused()


@pytest.mark.parametrize("name", sorted(SABOTAGES.keys() - {"bmc-stays-on", "polkit-off"}))     # test_demo.py plays these
def test_sabotage_is_noticed(name):
    sabotage = SABOTAGES[name]
    with lab(sabotage) as cluster:
        steps = play_sabotage(sabotage, cluster, lambda seconds, text: print(seconds, text))
    assert not steps[-1].ok, "the story came true all the same"
    assert steps[-1].name == sabotage.fails_at, f"{steps[-1].name} failed instead: {steps[-1].evidence}"
    assert sabotage.because in steps[-1].evidence[0], f"it failed for another reason: {steps[-1].evidence[0]}"
