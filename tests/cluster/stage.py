"""What the hosts of the lab get installed: the stage of `./dev build`, and with it what only tests need.

The fake plugin plays a takeover service that is as slow as a test wants; the switched core has the deliberate faults of
`--sabotage`. Neither is ever installed by `meson install`.
"""
import shutil
import subprocess
from pathlib import Path

from .lab.spec import default_prefix

BUILD = Path("build")
ROLE_HOOK = "fake"
SCRIPT = "/var/lib/pvcd-fake"           # what the fake plugin reads


def lab_stage(switched: bool = False) -> Path:
    """Of this lab alone: another one may be copying its own just now."""
    stage = BUILD / f"lab-stage-{default_prefix()}{'-switched' if switched else ''}"
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(BUILD / "stage", stage, symlinks=True)
    plugins = next(stage.glob("usr/lib*/**/pvcd/plugins"))     # lib64 where dpkg-dev is not installed
    shutil.copy(BUILD / "plugins" / "fake.so", plugins)
    if switched:
        shutil.copy(BUILD / "pvcd-core/core/pvcd-core-switched", stage / "usr/libexec/pvcd/pvcd-core")
    unit = next(stage.glob("**/systemd/system/pvcd.target")).with_name("pvcd-fake.service")
    subprocess.run(["units/make-unit", "units/plugin.service.in", "/dev/null", unit, ROLE_HOOK, "/usr/libexec/pvcd"], check=True)
    (stage / SCRIPT.lstrip("/")).mkdir(parents=True)
    subprocess.run(["chown", "-R", f"--reference={BUILD}", stage], check=True)     # root makes it in the folder of whoever builds
    return stage


# Overrides of the lab's configuration that go with it.
CONFIG = {"pvcd": {"hooks": {"role": [ROLE_HOOK]}}, "fake": {"script": SCRIPT, "stall_limit_ms": 600000}}
UNITS = ["pvcd.target", "pvcd-fake.service"]
