"""The judge of the hang matrix, on what was never seen; its table; what is kept of a run; the lab's parts that it needs."""
import json
import struct

import pytest

from tests.cluster import soak_table
from tests.cluster.hang_judge import Expected, Load, Observed, jitters, longest_gap, problems
from tests.cluster.lab.relay import QUEUE_S_MAX, Cable, Direction
from tests.cluster.lab.zookeeper_log import changes
from tests.cluster.soak import Results

VM1, VM2 = ("n1", 11, "100"), ("n2", 22, "200")


def beats(begin_ms: float, end_ms: float, interval_ms: float = 500) -> list[float]:
    return [begin_ms + number * interval_ms for number in range(int((end_ms - begin_ms) / interval_ms) + 1)]


def seen(**changes) -> Observed:
    """Half a minute on n1 in which nothing happened; heartbeats are noted from a second before."""
    lives = {"n1": "n1.1 a", "n2": "n2.1 b"}
    usual = dict(victim="n1", hold_s=20, begin_ms=10000, end_ms=40000, interval_ms=500, normal_ms=20, late=[], jitter_ms_max=50,
                 beats={"n1": beats(9000, 40000), "n2": beats(9100, 40000)}, vms_before={"web1": VM1, "web2": VM2},
                 vms_after={"web1": VM1, "web2": VM2}, lives_before=lives, lives_after=lives,
                 load_before={"n1": Load(7, 30, 150)}, load_after={"n1": Load(7, 30, 150)})
    return Observed(**{**usual, **changes})


def without(times: list[float], begin_ms: float, end_ms: float) -> list[float]:
    return [at for at in times if not begin_ms < at < end_ms]


FENCED = Expected(fenced=True, fenced_after_s=4)
MOVED = dict(vms_after={"web1": ("n2", 33, "300"), "web2": VM2}, offs=["n1"], fences=["n1"], evidence=["/pvcd/lab/evidence/b"],
             lives_after={"n1": "n1.2 c", "n2": "n2.1 b"})


def test_a_calm_half_minute_is_borne():
    assert problems(Expected(), seen()) == []


@pytest.mark.parametrize("changes, word", [
    ({"vms_after": {"web2": VM2}}, "web1 does not run"),
    ({"vms_after": {"web1": ("n1", 12, "101"), "web2": VM2}}, "web1 was disturbed"),
    ({"vms_after": {"web1": ("n1", 11, "101"), "web2": VM2}}, "web1 was disturbed"),
    ({"writers": {"web1": "overlap"}}, "two writers"),
    ({"offs": ["n2"]}, "n2 was switched off"),
    ({"fences": ["n1"]}, "a fence of n1"),
    ({"evidence": ["/pvcd/lab/evidence/b"]}, "evidence was written"),
    ({"lives_after": {"n1": "n1.1 d", "n2": "n2.1 b"}}, "n1 lost its session"),
    ({"beats": {"n1": without(beats(9000, 40000), 20000, 21000)}}, "heartbeat of n1 came 500 ms late"),
    ({"beats": {"n1": beats(9000, 20000)}}, "heartbeat of n1"),
    ({"beats": {"n1": []}}, "heartbeat of n1"),
    ({"load_after": {"n1": Load(8, 30, 150)}}, "8 processes"),
    ({"load_after": {"n1": Load(7, 60, 150)}}, "60 threads"),
    ({"load_after": {"n1": Load(7, 30, 250)}}, "250 open files"),
    ({"queues": {"libvirt": 17}}, "libvirt had 17"),
    ({"still_wrong": "n2 does not run"}, "not recovered: n2 does not run"),
])
def test_what_is_wrong_is_told(changes, word):
    told = problems(Expected(), seen(**changes))
    assert len(told) == 1 and word in told[0], told


def test_a_heartbeat_is_excused_by_a_machine_that_was_late_meanwhile_and_by_nothing_else():
    gap = {"n1": without(beats(9000, 40000), 20000, 21000)}
    assert problems(Expected(), seen(beats=gap, late=[(20600, 300), (20900, 180)])) == []
    assert problems(Expected(), seen(beats=gap, late=[(25000, 480)])) != []
    assert jitters(seen(beats=gap, late=[(20900, 480)]))["n1"] == (500, 480)


def test_fifty_milliseconds_above_normal_are_too_late():
    late = [at if at < 20000 else at + 71 for at in beats(9000, 39900)]
    assert "came 71 ms late" in problems(Expected(), seen(beats={"n1": late}))[0]
    assert problems(Expected(), seen(beats={"n1": late}, normal_ms=21)) == []


def test_gaps_reach_over_the_edges_of_the_window():
    assert longest_gap([1000, 1500, 4000], 2000, 4100) == (2500, 4000)
    assert longest_gap([1000, 1500], 2000, 4000) == (2500, 4000)
    assert longest_gap([], 2000, 4000) == (2000, 4000)


def test_whose_way_to_the_store_is_hit_may_be_late_but_must_keep_its_session():
    gap = {"n1": without(beats(9000, 40000), 20000, 22000), "n2": beats(9100, 40000)}
    assert problems(Expected(shaken="victim"), seen(beats=gap)) == []
    assert problems(Expected(shaken="all"), seen(beats=gap)) == []
    assert problems(Expected(shaken="victim"), seen(beats={"n1": gap["n2"], "n2": gap["n1"]})) != []
    assert problems(Expected(shaken="all"), seen(beats=gap, lives_after={"n1": "n1.2 c", "n2": "n2.1 b"})) != []


def test_a_host_without_life_is_fenced_and_nobody_else():
    assert problems(FENCED, seen(**MOVED)) == []
    assert "not started elsewhere" in problems(FENCED, seen(**{**MOVED, "vms_after": {"web1": VM1, "web2": VM2}}))[0]
    assert "was not switched off" in problems(FENCED, seen(**{**MOVED, "offs": []}))[0]
    assert "n2 was switched off" in problems(FENCED, seen(**{**MOVED, "offs": ["n1", "n2"]}))[0]
    assert "web2 was disturbed" in problems(FENCED, seen(**{**MOVED, "vms_after": {**MOVED["vms_after"], "web2": ("n2", 9, "9")}}))[0]


def test_a_host_that_is_back_soon_is_not_fenced():
    assert problems(FENCED, seen(hold_s=1)) == []
    assert problems(FENCED, seen(hold_s=1, **MOVED)) != []


def test_a_vm_that_was_killed_is_started_again_where_it_was():
    killed = Expected(kills_vms=True)
    again = {"web1": ("n1", 12, "101"), "web2": VM2}
    assert problems(killed, seen(vms_after=again)) == []
    assert problems(killed, seen()) != []
    assert problems(killed, seen(vms_after={**again, "web1": ("n2", 12, "101")})) != []
    assert problems(killed, seen(vms_after={**again, "web2": ("n2", 23, "201")})) != []


def test_what_hangs_is_named_and_replaced_when_it_hangs_long_enough():
    wanted = Expected(names="libvirt running", names_after_s=6, restarts=("libvirt",), restarts_after_s=18)
    told = problems(wanted, seen())
    assert len(told) == 2 and "did not name libvirt" in told[0] and "did not replace libvirt" in told[1], told
    assert problems(wanted, seen(named=["libvirt running, 9 s old"], replaced=["libvirt"])) == []
    assert problems(wanted, seen(hold_s=5)) == []


# --------------------------------------------------------------------------------------------------- tables and results

RESULT = {"commit": "abc", "at": "abc", "case": "libvirtd stopped", "hold_s": 30, "jitter_ms": 4, "late_ms": 0, "shaken_ms": None,
          "named": ["x", "libvirt stalled"], "expected": {"names": "libvirt"}, "replaced": ["libvirt"], "offs": [], "moved": [], "recovered_s": 1.5, "ok": True, "problems": []}


def test_a_row_has_what_was_seen():
    row = soak_table.row(RESULT)
    assert row == "| libvirtd stopped | 30 s | 4 ms | 0 ms | - | libvirt stalled | libvirt | undisturbed | 1.5 s | ok |"
    assert soak_table.row({**RESULT, "at": "def"}).startswith("| libvirtd stopped (again, at def) |")
    assert "| - | libvirt |" in soak_table.row({**RESULT, "named": []})
    assert "**web1 does not run any more**" in soak_table.row({**RESULT, "ok": False, "problems": ["web1 does not run any more"]})


def test_figures_have_their_percentiles_and_every_problem():
    results = [{"seconds": {"away": number / 100}, "problem": ""} for number in range(1, 100)]
    results.append({"seconds": {"away": None}, "problem": "vm7 was not back"})
    lines = soak_table.figures(results)
    assert lines[2] == "| away | 0.50 s | 0.99 s | 0.99 s |"
    assert lines[-1] == "99 of 100 as they should be: vm7 was not back."


def test_the_document_is_what_its_results_make_of_it():
    text = soak_table.DOCUMENT.read_text()
    assert text == soak_table.document(text, soak_table.stored())
    assert "`./dev soak hangs`" in text, "the matrix is not in it"


def test_a_run_goes_on_where_it_was_killed_but_not_at_another_commit(tmp_path):
    first = Results(tmp_path, "hangs", "abc")
    first.add(case="a", ok=True)
    with (tmp_path / "hangs.jsonl").open("a") as file:
        file.write('{"commit": "abc", "ca')
    assert [line["case"] for line in Results(tmp_path, "hangs", "abc").lines()] == ["a"]
    assert Results(tmp_path, "hangs", "def").lines() == []


def test_a_failed_case_is_played_again_at_another_commit_and_says_so(tmp_path):
    first = Results(tmp_path, "hangs", "abc")
    first.add(case="a", ok=False)
    first.add(case="b", ok=True)
    again = Results(tmp_path, "hangs", "def", again=True)
    again.add(case="a", ok=True)
    told = [(line["case"], line["ok"], line["commit"], line["at"]) for line in again.lines()]
    assert told == [("a", True, "abc", "def"), ("b", True, "abc", "abc")]


def test_a_line_after_one_that_was_cut_off_is_not_lost(tmp_path):
    (tmp_path / "hangs.jsonl").write_text('{"commit": "abc", "ca')
    Results(tmp_path, "hangs", "abc").add(case="b")
    assert [line["case"] for line in Results(tmp_path, "hangs", "abc").lines()] == ["b"]


# ------------------------------------------------------------------------------------------------------- the lab's parts

def frame(source: str, target: str, port: int = 0, protocol: int = 6) -> bytes:
    def address(text):
        return bytes(map(int, text.split(".")))
    header = bytes([0x45]) + bytes(8) + bytes([protocol]) + bytes(2) + address(source) + address(target)
    return bytes(12) + b"\x08\x00" + header + struct.pack(">HH", 40000, port)


def test_the_relay_knows_whom_a_frame_concerns():
    ceph, store = Cable(["ceph"], "10.0.0.250"), Cable(["store"], "10.0.0.250")
    to_ceph, to_store = frame("10.0.0.1", "10.0.0.250", 6789), frame("10.0.0.1", "10.0.0.2", 2181)
    assert ceph.is_meant(to_ceph) and ceph.is_meant(frame("10.0.0.250", "10.0.0.1")) and not ceph.is_meant(to_store)
    assert store.is_meant(to_store) and not store.is_meant(to_ceph) and not store.is_meant(frame("10.0.0.1", "10.0.0.2", 2181, protocol=17))
    assert not ceph.is_meant(bytes(12) + b"\x08\x06" + bytes(40))


def test_the_relay_delays_throttles_and_loses():
    assert Direction(Cable([], delay_s=0.2)).due(100, 5) == 5.2
    slow = Direction(Cable([], rate_bytes=1000))
    assert [slow.due(500, 5), slow.due(500, 5)] == [5.5, 6.0]
    assert [slow.due(1000, 5) for _ in range(3)] == [7.0, 8.0, None] and QUEUE_S_MAX == 2.0
    lossy = Direction(Cable([], loss=0.25))
    assert 150 < sum(lossy.due(1, 0) is None for _ in range(1000)) < 350


def entry(number: int, at_ms: int, kind: int, body: bytes) -> bytes:
    transaction = struct.pack(">qiqqi", 1, 1, number, at_ms, kind) + body
    return struct.pack(">qi", 0, len(transaction)) + transaction + b"B"


def buffer(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def test_the_stores_log_is_read_as_far_as_it_is_whole(tmp_path):
    set_data = buffer(b"/a") + buffer(b"x") + struct.pack(">i", 3)
    multi = struct.pack(">i", 2) + struct.pack(">i", 13) + buffer(buffer(b"/c") + bytes(4)) + struct.pack(">i", 5) + buffer(set_data)
    whole = entry(1, 1000, 5, set_data) + entry(2, 2000, 14, multi) + entry(3, 3000, 2, buffer(b"/a")) + entry(4, 4000, -10, b"")
    (tmp_path / "log.1").write_bytes(bytes(16) + whole + entry(5, 5000, 5, set_data)[:20] + bytes(100))
    found = changes([tmp_path, tmp_path], 1500)
    assert [(change.at_ms, change.kind, change.path, change.data) for change in found] == [(2000, "set", "/a", b"x"), (3000, "delete", "/a", b"")]


def test_what_a_leader_took_after_it_was_replaced_was_never_so(tmp_path):
    def sets(path: bytes) -> bytes:
        return buffer(path) + buffer(b"") + bytes(4)
    former, later = 1 << 32, 2 << 32
    (tmp_path / "log.1").write_bytes(bytes(16) + entry(former + 1, 1000, 5, sets(b"/a")) + entry(former + 2, 9000, 5, sets(b"/late")))
    (tmp_path / "log.2").write_bytes(bytes(16) + entry(later + 1, 3000, 5, sets(b"/b")) + entry(later + 2, 9500, 5, sets(b"/c")))
    assert [change.path for change in changes([tmp_path], 0)] == ["/a", "/b", "/c"]


def test_results_are_kept_as_data():
    assert json.loads(json.dumps(soak_table.summary("abc", "2026-01-01", [RESULT])))["n"] == 1
