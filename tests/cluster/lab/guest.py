"""Tiny guests: a kernel, busybox, and one script which counts on its disk so that a double start cannot hide.

Every run of a guest draws a run id. With each heartbeat it writes "run= n=" to sector 0 and, to a sector chosen by the run id,
"run= first= last= foreign=". It goes on from the count in sector 0. Two writers at once show up in two ways: a run which
reads another's id back from sector 0 records it as `foreign`, and the count ranges of two runs overlap.

The archive is written here and not by cpio, and not compressed: unpacking is slow without hardware virtualisation.
"""
import re
from dataclasses import dataclass, field
from pathlib import Path

from .ceph import Ceph
from .host import Host
from .process import LabError, wait_for
from .spec import POOL, Spec
from .supervisor import GUEST_FILES

_KERNEL = Path("build/guest-kernel")          # unpacked by ./dev
_SECTOR = 512
_SECTORS = 2048

# In this order, because there is no modprobe: virtio_ring before virtio.
_MODULES = """
    drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_legacy_dev
    drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci drivers/block/virtio_blk
    drivers/virtio/virtio_balloon drivers/acpi/button drivers/input/evdev
""".split()

_APPLETS = "acpid cat cut dd echo insmod mount poweroff printf sh sleep tr".split()

_POWER_BUTTON = "#!/bin/sh\necho GUEST-POWEROFF >/dev/ttyS0\npoweroff -f\n"

_INIT = r"""#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
exec >/dev/ttyS0 2>&1
for module in /modules/*; do insmod $module; done
heartbeat=0.5
for word in $(cat /proc/cmdline); do case $word in heartbeat=*) eval "$word" ;; esac; done
acpid -f -c /etc/acpi -l /dev/null >/dev/null 2>&1 &

get() { dd if=/dev/vda bs=512 skip=$1 count=1 iflag=direct 2>/dev/null | tr -d '\000'; }
put() { printf '%-511s\n' "$2" | dd of=/dev/vda bs=512 seek=$1 count=1 conv=fsync,notrunc oflag=direct 2>/dev/null; }
field() { for word in $2; do case $word in $1=*) echo ${word#*=}; return ;; esac; done; }

run=$(cut -c1-8 /proc/sys/kernel/random/uuid)
sector=$(( 0x$(echo $run | cut -c1-5) % 2047 + 1 ))
n=$(field n "$(get 0)"); n=${n:-0}
first=$((n + 1)) foreign=0 written=no
echo "GUEST-UP run=$run first=$first"
while :; do
    if [ $written = yes ]; then
        seen=$(get 0) other=$(field run "$seen")
        [ -z "$other" ] || [ "$other" = $run ] || foreign=$other:$(field n "$seen")
    fi
    next=$((n + 1))
    if put 0 "COUNT run=$run n=$next" && put $sector "RUN run=$run first=$first last=$next foreign=$foreign"; then
        n=$next written=yes disk=ok
    else
        disk=error
    fi
    echo "COUNT n=$n disk=$disk run=$run foreign=$foreign"
    sleep $heartbeat
done
"""


BARE_MIB = 16

# Writes itself to the second sector by the BIOS, halts for eighteen ticks, which is a second, and begins again.
_BOOT_CODE = bytes.fromhex("31c0 8ec0" "bb007c b80103 b90200 ba8000 cd13" "be1200 f4 4e 75fc" "ebe9")
_BOOT_SECTOR = _BOOT_CODE.ljust(510, b"\0") + b"\x55\xaa"


@dataclass
class Run:
    run: str
    first: int
    last: int
    foreign: str                        # "0", or RUN:N of the other writer it saw


@dataclass
class DiskState:
    count: int = 0
    run: str | None = None              # the last that wrote
    runs: list[Run] = field(default_factory=list)       # in the order of their counts

    @property
    def foreign(self) -> int:
        """How many runs saw another one write after them."""
        return sum(run.foreign != "0" for run in self.runs)

    @property
    def overlap(self) -> bool:
        return any(later.first <= earlier.last for earlier, later in zip(self.runs, self.runs[1:]))


class Guests:
    def __init__(self, spec: Spec, ceph: Ceph):
        self._spec = spec
        self._ceph = ceph

    def build(self) -> None:
        """Put kernel and archive where every host has them as /srv/lab."""
        kernel = _kernel_version()
        directory = self._spec.dir / "guest"
        directory.mkdir()
        (directory / "vmlinuz").write_bytes((_KERNEL / f"boot/vmlinuz-{kernel}").read_bytes())
        (directory / "initrd").write_bytes(_archive(_guest_tree(kernel)))

    def xml(self, name: str, uuid: str, image: str | None = None, mem_mib: int = 96) -> str:
        """The domain's XML; 64 MiB are too few to boot."""
        return f"""\
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{mem_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{GUEST_FILES}/vmlinuz</kernel>
    <initrd>{GUEST_FILES}/initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 heartbeat={self._spec.heartbeat_s}</cmdline>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw' cache='none' discard='unmap'/>
      <source protocol='rbd' name='{POOL}/{image or name}'><config file='/etc/ceph/ceph.conf'/></source>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='file'><source path='{_console(name)}' append='on'/></serial>
    <controller type='usb' model='none'/>
    <memballoon model='virtio'><stats period='2'/></memballoon>
  </devices>
</domain>
"""

    def bare_xml(self, name: str, uuid: str, memory_mib: int = BARE_MIB) -> str:
        """A domain without a kernel, for images with a boot sector: thirty of them are no load, whatever memory they are given."""
        without = re.sub(r" *<(kernel|initrd|cmdline)>.*\n", "", self.xml(name, uuid, name, memory_mib))
        return re.sub(r" *<serial .*\n", "", without)

    def write_boot_sector(self, image: str) -> None:
        self._ceph.write(image, 0, _BOOT_SECTOR)

    def start(self, host: Host, name: str, uuid: str, image: str | None = None) -> None:
        """By libvirt alone, behind the back of whoever manages the guests."""
        path = f"/run/{name}.xml"
        host.write(path, self.xml(name, uuid, image))
        host.run("virsh", "-q", "create", path)

    def console(self, host: Host, name: str) -> str:
        return host.read(_console(name))

    def disk_state(self, image: str) -> DiskState:
        return parse_disk(self._ceph.read(image, 0, _SECTOR * _SECTORS))

    def wait_count(self, image: str, count: int, timeout: float = 60) -> DiskState:
        def reached():
            state = self.disk_state(image)
            return state if state.count >= count else None
        return wait_for(f"{image} counted to {count}", reached, timeout, 0.1)


def parse_disk(data: bytes) -> DiskState:
    state = DiskState()
    for start in range(0, len(data), _SECTOR):
        text = data[start:start + _SECTOR].rstrip(b"\0").decode(errors="replace")
        fields = dict(re.findall(r"(\w+)=(\S+)", text))
        if text.startswith("COUNT "):
            state.count, state.run = int(fields["n"]), fields["run"]
        elif text.startswith("RUN "):
            state.runs.append(Run(fields["run"], int(fields["first"]), int(fields["last"]), fields["foreign"]))
    state.runs.sort(key=lambda run: (run.first, run.last))
    return state


def _console(name: str) -> str:
    return f"/var/log/libvirt/qemu/{name}.console"


def _kernel_version() -> str:
    kernels = [path.name.removeprefix("vmlinuz-") for path in (_KERNEL / "boot").glob("vmlinuz-*")]
    if len(kernels) != 1:
        raise LabError(f"{_KERNEL} holds no kernel for the guests, or several: remove it, then ./dev build")
    return kernels[0]


def _guest_tree(kernel: str) -> list[tuple[str, int, bytes]]:
    """(path, mode, content) of everything in the archive."""
    tree = [(path, 0o40755, b"") for path in ("bin", "dev", "etc", "etc/acpi", "etc/acpi/PWRF", "modules", "proc", "sys")]
    tree += [("init", 0o100755, _INIT.encode()),
             ("etc/acpi/PWRF/00000080", 0o100755, _POWER_BUTTON.encode()),
             ("bin/busybox", 0o100755, Path("/bin/busybox").read_bytes())]
    tree += [(f"bin/{applet}", 0o120777, b"busybox") for applet in _APPLETS]
    for number, module in enumerate(_MODULES, 10):
        path = _KERNEL / f"lib/modules/{kernel}/kernel/{module}.ko"
        if path.exists():               # else it is built into this kernel
            tree.append((f"modules/{number}-{path.name}", 0o100644, path.read_bytes()))
    return tree


def _archive(tree: list[tuple[str, int, bytes]]) -> bytes:
    """The "newc" cpio format, as the kernel's Documentation/driver-api/early-userspace/buffer-format.rst has it."""
    parts = []
    for inode, (path, mode, content) in enumerate([*tree, ("TRAILER!!!", 0, b"")], 1):
        name = path.encode() + b"\0"
        numbers = [inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0]
        header = b"070701" + b"".join(b"%08X" % number for number in numbers) + name
        parts += [_padded(header), _padded(content)]
    return b"".join(parts)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
