"""A host's disk: an overlay over this machine's root, in memory, kept over power cycles.

The layers are, from the bottom: `/` of this machine (its root file system alone; what is mounted below stays invisible), the
stage (pvcd as `meson install` puts it), and the host's own writable layer. Packages must not be installed while hosts run:
the kernel leaves undefined what they see of a changed lower layer.

The stage is copied once per lab. So it may be built anew while hosts run; and overlayfs refuses a layer which lies inside
another one, as the original lies inside `/`.

What a host wrote without fsync survives a power cut here, so a missing fsync is not found by this lab.
"""
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from .process import run
from .spec import Spec


class File(NamedTuple):
    text: str
    mode: int = 0o644


class Disk:
    def __init__(self, spec: Spec, name: str):
        self.root = spec.host_dir(name) / "root"
        self.stage = spec.stage
        self._spec = spec
        self._layers = spec.host_dir(name)

    def mount(self) -> None:
        upper, work = self._layers / "upper", self._layers / "work"
        for directory in (self.root, upper, work):
            directory.mkdir(parents=True)
        run(["mount", "-t", "overlay", f"{self._spec.prefix}-overlay", self.root,
             "-o", f"lowerdir={self._spec.dir}/stage:/,upperdir={upper},workdir={work}"])

    def write_all(self, files: dict[str, File]) -> None:
        for path, file in files.items():
            write(self.root, path, file)

    def remove(self, *paths: str) -> None:
        for path in paths:
            target = self._inside(path)
            if target.is_symlink() or target.is_file():
                target.unlink()
            elif target.is_dir():
                shutil.rmtree(target)

    def link(self, path: str, target: str) -> None:
        self.remove(path)
        self._inside(path).parent.mkdir(parents=True, exist_ok=True)
        self._inside(path).symlink_to(target)

    def glob(self, pattern: str) -> list[str]:
        return [f"/{path.relative_to(self.root)}" for path in self.root.glob(pattern.lstrip("/"))]

    def append(self, path: str, line: str) -> None:
        with self._inside(path).open("a") as file:
            file.write(line + "\n")

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")


def copy_stage(spec: Spec) -> None:
    copy = spec.dir / "stage"
    copy.mkdir()
    if spec.stage is None or not os.path.isdir(spec.stage):
        return
    run(["cp", "--archive", "--no-preserve=ownership", f"{spec.stage}/.", copy])
    for name in ("bin", "lib", "sbin"):
        if (copy / name).is_dir():      # in the layer below it is a link to the one in /usr, which a directory would hide
            run(["cp", "--archive", f"{copy / name}/.", f"{copy}/usr/{name}"])
            shutil.rmtree(copy / name)


def write(root: Path, path: str, file: File) -> None:
    """Replace a file in one step, so that a running service never reads half of it."""
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, file.mode)
    with open(descriptor, "w") as output:
        output.write(file.text)
        os.fchmod(descriptor, file.mode)
    fresh.rename(target)
