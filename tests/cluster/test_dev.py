"""What ./dev does to the machine it runs on, in copies of the folders that it may change."""
import os
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
