"""The table of FIGURES.md, on results that nobody measured, and what a result consists of."""
import pytest

from tests.cluster import bench, bench_table


def result(name: str, **changes) -> dict:
    return {"name": name, "median": 1.234, "worst": 2, "unit": "s", "n": 3, "samples": [], "reference": None, "reference_command": None,
            "ratio": None, **changes}


def test_a_result_has_what_a_table_needs():
    """Also for who reads the file by a program of his own."""
    measured = bench.result("flush_10_images", [3.0, 1.0, 2.5], reference=5.0, command="rbd lock rm")
    assert measured == {"name": "flush_10_images", "median": 2.5, "worst": 3.0, "unit": "s", "n": 3, "samples": [3.0, 1.0, 2.5],
                        "reference": 5.0, "reference_command": "rbd lock rm", "ratio": 0.5}
    assert bench.result("overhead", [1.0])["ratio"] is None
    [killed] = bench.results_of({"qemu_killed_to_running": [1.5], "virsh_start": [0.4, 0.5, 0.6]})
    assert (killed["reference"], killed["reference_command"], killed["ratio"]) == (0.5, "virsh create", 3.0)


@pytest.mark.parametrize("fails, good, said", [((), 3, 0), ((1,), 3, 1), (range(9), 0, bench.FAILURES_MAX)])
def test_a_run_that_fails_is_said_and_made_again(fails, good, said):
    made = []

    def run():
        made.append(len(made))
        if made[-1] in fails:
            raise bench.LabError("it rained")
    assert bench.repeat(3, run) == ["it rained"] * said
    assert len(made) - said == good


def test_a_row_says_what_was_measured_and_against_what():
    assert bench_table.row(result("osd_cycle", ratio=0.02, reference_command="ceph osd df")) == (
        "| One survey of three OSDs by the plugin ceph-osd | `osd_cycle` | 1.23 s | 2.00 s | - | 3 | 0.02 x ceph osd df |")
    assert bench_table.row(result("flush_10_images")).endswith("| 1.23 s | 2.00 s | 0.1 x | 3 | - |")
    assert bench_table.row(result("rss_pvcd", unit="MiB")) == "| Memory of pvcd | `rss_pvcd` | 1.2 MiB | 2.0 MiB | - | 3 | - |"


@pytest.mark.parametrize("suffix, said", [
    ("", ""), ("_worst_victim", "; it was primary and led ZooKeeper"), ("_default_timings", "; default timings"),
    ("_default_timings_leader", "; it led ZooKeeper; default timings")])
def test_victim_and_timings_are_said(suffix, said):
    assert bench_table.title(f"power_cut_to_start{suffix}").endswith(f"of its VM elsewhere{said}")


def test_what_belongs_together_stands_together():
    names = ["rss_pvcd", "split_flush", "power_cut_to_start_default_timings", "power_cut_to_start", "split_flush_default_timings"]
    assert [one["name"] for one in bench_table.ordered([result(name) for name in names])] == [
        "power_cut_to_start", "split_flush", "power_cut_to_start_default_timings", "split_flush_default_timings", "rss_pvcd"]


def test_a_name_that_nobody_has_explained_is_refused():
    with pytest.raises(ValueError, match="something_new"):
        bench_table.title("something_new")


def test_what_people_wrote_stays():
    text = bench_table.document("# Head\n\n" + bench_table.BEGIN + "\nold\n", {"commit": "abc", "date": "2026-01-01", "results": [result("overhead")],
                                                                                "problems": ["it rained"]})
    assert text.startswith("# Head\n\n" + bench_table.BEGIN + "\n\nCommit abc, 2026-01-01.") and "old" not in text
    assert text.endswith("\n- A run failed: it rained\n")


def test_that_nothing_failed_is_said_of_the_rows_not_of_a_number_of_runs():
    two = result("two_of_five_power_cut_to_start", n=2)
    text = bench_table.table({"commit": "abc", "date": "2026-01-01", "results": [two], "problems": []})
    assert text[-3].endswith("| 2 | - |") and text[-1] == "No run behind these rows failed."


def test_goals_are_of_what_is_measured():
    for name in bench_table.GOALS:
        assert bench_table.title(name)
