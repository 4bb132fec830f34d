"""./dev demo as a process: what it says, how it ends, what it leaves."""
import json
import os
import signal
import subprocess

import pytest

from .lab.process import AS_FROM_A_TERMINAL
from .sabotage import SABOTAGES, lab

BOOTING, STORY = "3 hosts booted", "power cut of n1"
MOMENTS = {signal.SIGINT: STORY, signal.SIGTERM: BOOTING, signal.SIGHUP: BOOTING, signal.SIGKILL: STORY}


# As Ctrl-C, a service manager and a terminal that is closed would end it.
@pytest.mark.parametrize("ended_by", ["itself", signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_demo_says_what_failed_and_leaves_nothing(tmp_path, monkeypatch, ended_by):
    """As a user calls it. The sabotage is one of the world, so that it ends in the third step; ended earlier, hosts and guests run."""
    monkeypatch.setenv("PVCD_LAB", "pvldemo")
    result = tmp_path / "demo.json"
    demo = subprocess.Popen([*AS_FROM_A_TERMINAL, "./dev", "demo", "--sabotage", "bmc-stays-on", "--json", result], stdout=subprocess.PIPE, text=True,
                            start_new_session=True)
    said = ""
    for line in demo.stdout:
        said += line
        if ended_by in MOMENTS and MOMENTS[ended_by] in line and "==" not in line:
            end = os.killpg if ended_by in (signal.SIGINT, signal.SIGHUP) else os.kill     # a terminal tells the whole group
            end(demo.pid, ended_by)
        if ended_by == "itself" and "kill -9" in line:          # another one beside it is refused, and takes nothing away
            second = subprocess.run(["./dev", "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert second.returncode == 1 and "another run uses this lab" in second.stdout, second.stdout
    status = demo.wait()
    if ended_by in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        assert status == 128 + ended_by, said
        assert json.loads(result.read_text())["ok"] is False
    elif ended_by == "itself":
        assert status == 1, said
        told = json.loads(result.read_text())
        assert set(told) == {"ok", "seconds", "steps"} and told["ok"] is False and told["seconds"] > 0
        assert [step["ok"] for step in told["steps"]] == [True, True, False]
        assert set(told["steps"][0]) == {"name", "ok", "seconds", "evidence"}
        for part in ("record web1 running", "seen: "):
            assert any(part in line for line in told["steps"][0]["evidence"]), told["steps"][0]
        assert SABOTAGES["bmc-stays-on"].because in told["steps"][2]["evidence"][0], told["steps"][2]
        assert "The story FAILED" in said
    else:
        assert status != 0, said
    cluster = lab()
    if ended_by == signal.SIGKILL:                  # nobody was left to clean up: the next run or ./dev down does
        assert cluster.leftovers()
        subprocess.run(["./dev", "down"], check=True)
    assert not cluster.leftovers(), said


def test_a_fault_of_pvcd_is_compiled_and_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv("PVCD_LAB", "pvldemo")
    fault, result = SABOTAGES["polkit-off"], tmp_path / "demo.json"
    demo = subprocess.run(["./dev", "demo", "--sabotage", "polkit-off", "--json", result], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert demo.returncode == 1 and "The story FAILED" in demo.stdout, demo.stdout
    told = json.loads(result.read_text())
    assert told["ok"] is False
    assert [(step["name"], step["ok"]) for step in told["steps"]] == [("web1 runs", True), (fault.fails_at, False)]
    assert fault.because in told["steps"][-1]["evidence"][0], told["steps"][-1]
    assert not lab(fault).leftovers(), demo.stdout
