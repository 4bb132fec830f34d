"""What ./dev says, how it counts, and what it does to the machine it runs on, in copies of the folders that it may change."""
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from .lab.process import AS_FROM_A_TERMINAL, TOP, wait_for

COPIES = """
for part in etc usr/sbin var/lib; do
    mkdir -p $0/$part/upper $0/$part/work
    mount -t overlay none -o lowerdir=/$part,upperdir=$0/$part/upper,workdir=$0/$part/work /$part
done
"""
AN_INSTALL_THAT_WAS_KILLED = """
mkdir -p /var/lib/pvcd-dev
echo libvirt-daemon-system >/var/lib/pvcd-dev/packages
cd /etc/systemd/system
mkdir -p some.target.wants
ln -sf /lib/systemd/system/libvirtd.service some.target.wants/libvirtd.service
ln -sf /lib/systemd/system/libvirtd.service another-name-of-it.service
ln -sf /lib/systemd/system/dbus.service of-another-package.service
ln -sf /srv/my.service of-the-user.service
ln -sf /dev/null masked.service
"""


def test_an_install_that_was_killed_leaves_nothing_enabled_and_what_is_the_users_as_it_was(tmp_path):
    script = f"""set -e
mount -t tmpfs none $0
{COPIES}{AN_INSTALL_THAT_WAS_KILLED}
echo mine >/usr/sbin/policy-rc.d
cd "$1"
find /etc -type l | sort >$0/before
./dev _install_as_root
find /etc -type l | sort >$0/after
diff $0/before $0/after || true
cat /usr/sbin/policy-rc.d
test ! -e /var/lib/pvcd-dev
"""
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", script, tmp_path, TOP],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    gone = [line.removeprefix("< ") for line in done.stdout.splitlines() if line.startswith(("<", ">"))]
    assert gone == ["/etc/systemd/system/another-name-of-it.service", "/etc/systemd/system/some.target.wants/libvirtd.service"], done.stdout
    assert done.stdout.splitlines()[-1] == "mine", done.stdout


# A package whose installation starts a service, as invoke-rc.d does it, and enables it.
AN_APT_GET = """#!/bin/sh
case $* in *--simulate*) echo 'Inst libvirt-daemon-system (9.0 Debian:12)'; exit ;; esac
/usr/sbin/policy-rc.d libvirtd start
echo "may start: $?" >>"$ASKED"
mkdir -p /etc/systemd/system/some.target.wants
ln -sf /lib/systemd/system/libvirtd.service /etc/systemd/system/some.target.wants/libvirtd.service
"""


def test_an_install_starts_and_enables_nothing(tmp_path):
    (tmp_path / "bin").mkdir()
    apt_get, asked = tmp_path / "bin/apt-get", tmp_path / "asked"
    apt_get.write_text(AN_APT_GET)
    apt_get.chmod(0o755)
    script = f"""set -e
mkdir $0/copies
mount -t tmpfs none $0/copies
(set $0/copies; {COPIES.replace("$0", "$1")})
rm -f /usr/sbin/policy-rc.d /etc/systemd/system/some.target.wants/libvirtd.service
cd "$1"
PATH=$0/bin:$PATH ./dev _install_as_root libvirt-daemon-system
test ! -e /usr/sbin/policy-rc.d
test ! -L /etc/systemd/system/some.target.wants/libvirtd.service
test ! -e /var/lib/pvcd-dev
"""
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", script, tmp_path, TOP],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"ASKED": str(asked)})
    assert done.returncode == 0, done.stdout
    assert asked.read_text() == "may start: 101\n", done.stdout


def test_help_names_every_command():
    said = subprocess.run([TOP / "dev", "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    commands = set(re.findall(r"^cmd_([a-z]\w*)\(", (TOP / "dev").read_text(), re.MULTILINE))
    assert commands and commands == set(re.findall(r"^  ([a-z]+)\b", said, re.MULTILINE))
    parts = re.search(r"^readonly all=\((.*)\)$", (TOP / "tests/run").read_text(), re.MULTILINE)[1].split()
    assert all(re.search(rf"\b{part}\b", said) for part in parts)


def test_a_command_that_nobody_knows_is_refused_with_the_help():
    done = subprocess.run([TOP / "dev", "demmo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "usage: ./dev" in done.stderr and not done.stdout


CASE = '<testcase classname="a" name="b">{}</testcase>'


@pytest.mark.parametrize("report, status, counted", [
    (CASE.format(""), 0, "1 0"),
    (CASE.format("") + CASE.format('<failure message="no"/>'), 1, "1 1"),
    (CASE.format('<error message="no"/>'), 1, "0 1"),
    (CASE.format('<skipped message="there is none here"/>'), 0, "0 1"),
    (CASE.format(""), 1, "1 1"),                # it has not said which
    ("", 0, "0 1"),
    ("<", 0, "0 1"),
    (None, 0, "0 1")], ids=["passed", "failed", "in error", "skipped", "status", "empty", "cut short", "none"])
def test_what_could_not_run_counts_as_failed(tmp_path, report, status, counted):
    if report is not None:
        (tmp_path / "report.xml").write_text(f"<testsuites><testsuite>{report}</testsuite></testsuites>")
    done = subprocess.run([TOP / "tests/count", tmp_path, str(status)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.stdout.strip() == counted
    assert ("FAILED" in done.stderr) == (not counted.endswith(" 0"))


def test_a_build_shows_that_it_goes_on_and_what_it_said_when_it_fails(tmp_path):
    assert (TOP / "build/build.ninja").exists()
    compiler = tmp_path / "ninja"
    compiler.write_text("#!/bin/sh\necho '[1/2] Compiling'\nsleep 11\necho 'a semicolon is missing'\nexit 1\n")
    compiler.chmod(0o755)
    done = subprocess.run([TOP / "dev", "build"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 1
    assert re.search(r"^ +[\d.]+ s  ninja: \[1/2\] Compiling$", done.stdout, re.MULTILINE), done.stdout
    assert "a semicolon is missing" in done.stdout


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_build_that_is_ended_leaves_no_compiler(tmp_path, ended_by):
    assert (TOP / "build/build.ninja").exists()         # else the compiler of this test would be asked for its version
    compiler, pid = tmp_path / "ninja", tmp_path / "pid"
    compiler.write_text(f"#!/bin/sh\necho $$ >{pid}.new\nmv {pid}.new {pid}\nexec sleep 600\n")
    compiler.chmod(0o755)
    build = subprocess.Popen([*AS_FROM_A_TERMINAL, TOP / "dev", "build"], stdout=subprocess.DEVNULL, env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    try:
        stat = Path("/proc") / wait_for("the compiler to run", lambda: pid.exists() and pid.read_text().strip(), 60) / "stat"
        build.send_signal(ended_by)
        build.wait(20)
        wait_for("the compiler to end", lambda: has_ended(stat), 20)
    finally:
        build.kill()


@pytest.mark.parametrize("command", ["demo", "bench", "sim"])
def test_a_result_of_another_run_is_not_taken_for_that_of_one_whose_build_fails(tmp_path, command):
    assert (TOP / "build/build.ninja").exists()
    compiler, result = tmp_path / "ninja", tmp_path / "result.json"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    result.write_text('{"ok": true}')
    done = subprocess.run([TOP / "dev", command, "--json", result], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 1 and not result.exists(), done.stdout


def has_ended(stat):
    """Nobody may be there to take its exit status."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
