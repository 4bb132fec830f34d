"""A doubtful setting stops the start: the file, the line and the key are named."""
import os
import subprocess

import pytest

from .node import CORE, HOST, NAME
from .processes import TOP

LIMIT_S = 20


@pytest.fixture(scope="module")
def node(shared_node):
    """Only its configuration is used; what runs on it goes on with the old one."""
    before = {file: file.read_text() for file in (shared_node.folder / "etc").rglob("*.toml")}
    yield shared_node
    for file, text in before.items():
        file.write_text(text)


@pytest.fixture(autouse=True)
def restore(node):
    text = (node.folder / "etc/pvcd.toml").read_text()
    yield
    node.write("etc/pvcd.toml", text)
    node.write("etc/store.secret", "pvcd:secret\n", 0o600)
    for file in (node.folder / "etc/plugins.d").glob("*.toml"):
        if file.name != "fake.toml":
            file.unlink()


def check(node, program, option="--check-config"):
    return subprocess.run([program, option], env={**os.environ, **node.environment()}, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def start(node, program):
    command = [program] if program == CORE else [program, "election"]
    process = node.run("doubtful", command)
    try:
        return process.wait(LIMIT_S), process.output()
    finally:
        process.kill()


def line_of(text, part):
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


WRONG = {
    "an unknown key": ("[node]", "[node]\ncolour = 1", "colour"),
    "an unknown table": ("[hooks]", "[hats]\n[hooks]", "hats"),
    "a wrong type": ("session_timeout_ms = 3000", 'session_timeout_ms = "3 s"', "session_timeout_ms"),
    "too little": ("session_timeout_ms = 3000", "session_timeout_ms = 1", "session_timeout_ms"),
    "a bad node name": ('name = "n1"', 'name = "n_1"', "name"),
    "an unknown plugin": ('plugin = "fake"', 'plugin = "qemu"', "qemu"),
    "an unknown hook": ('vm_pre_start = ["fake"]', 'vm_pre_start = ["rbd_locks"]', "rbd_locks"),
    "no TOML": ("[node]", "[node", "pvcd.toml"),
}


@pytest.mark.parametrize("program", [CORE, HOST], ids=["core", "host"])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_named(node, program, name):
    right, wrong, key = WRONG[name]
    text = (node.folder / "etc/pvcd.toml").read_text()
    assert right in text
    changed = text.replace(right, wrong, 1)
    node.write("etc/pvcd.toml", changed)
    checked = check(node, program)
    place = f"pvcd.toml:{line_of(changed, wrong.splitlines()[-1 if 'colour' in wrong else 0])}"
    assert checked.returncode == 1 and place in checked.stderr and key in checked.stderr
    status, output = start(node, program)
    assert status == 1 and place in output


@pytest.mark.parametrize("program", [CORE, HOST], ids=["core", "host"])
def test_timings_that_do_not_fit_together_are_named(node, program):
    text = (node.folder / "etc/pvcd.toml").read_text()
    changed = text.replace("server_sync_limit = 4", "server_sync_limit = 40")
    node.write("etc/pvcd.toml", changed)
    place = f'pvcd.toml:{line_of(changed, "session_timeout_ms")}: "store.session_timeout_ms" does not fit'
    other = f'"store.server_sync_limit" is 40 (pvcd.toml:{line_of(changed, "server_sync_limit")})'
    checked = check(node, program)
    assert checked.returncode == 1 and place in checked.stderr and other in checked.stderr
    status, output = start(node, program)
    assert status == 1 and place in output and other in output


@pytest.mark.parametrize("program", [CORE, HOST], ids=["core", "host"])
def test_a_missing_required_key_is_named(node, program):
    text = (node.folder / "etc/pvcd.toml").read_text()
    node.write("etc/pvcd.toml", text.replace(f'name = "{NAME}"\n', "", 1))
    checked = check(node, program)
    assert checked.returncode == 1 and "pvcd.toml" in checked.stderr and "node.name" in checked.stderr.replace("[node] name", "node.name")
    assert start(node, program)[0] == 1


@pytest.mark.parametrize("program", [CORE, HOST], ids=["core", "host"])
def test_a_secret_that_others_can_read_is_refused(node, program):
    node.write("etc/store.secret", "pvcd:secret\n", 0o644)
    checked = check(node, program)
    place = f'pvcd.toml:{line_of((node.folder / "etc/pvcd.toml").read_text(), "credentials_file")}: "store.credentials_file" names'
    assert checked.returncode == 1 and place in checked.stderr and "store.secret" in checked.stderr and "pvcd:secret" not in checked.stderr
    assert start(node, program)[0] == 1


def test_a_plugins_file_is_checked_too(node):
    node.write("etc/plugins.d/election.toml", "# nothing\ninterval = 5\n")
    for program in (CORE, HOST):
        checked = check(node, program)
        assert checked.returncode == 1 and "election.toml:2" in checked.stderr and "interval" in checked.stderr
    assert start(node, HOST)[0] == 1


@pytest.mark.parametrize("program", [CORE, HOST], ids=["core", "host"])
def test_a_right_configuration_is_accepted(node, program):
    checked = check(node, program)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_both_programs_know_the_same_keys_and_the_man_page_names_them(node):
    core, host = (check(node, program, "--print-config-keys") for program in (CORE, HOST))
    assert core.returncode == 0 and core.stdout == host.stdout
    man = (TOP / "build/man/pvcd.toml.5").read_text().replace("\\-", "-")
    for line in core.stdout.splitlines():
        assert line.split("\t")[2] in man


def test_a_host_without_a_plugins_name_says_how_it_is_used(node):
    status = subprocess.run([HOST], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert status.returncode == 1 and "usage" in status.stderr
