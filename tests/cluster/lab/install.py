"""What a fresh host's disk gets before its first boot: identity, units, users, and the configuration of every service.

The hosts see all packages of this machine, but only the units listed here are enabled; whatever the machine's administrator
or the packages' scripts enabled is taken away first.
"""
import uuid

from . import ceph, pvcd, zookeeper
from .disk import Disk, File
from .host import READY
from .process import LabError, run
from .spec import BMC_USER, Spec

ALICE_UID = 2001                        # a user without any rights, to try polkit with

_UNITS = ["dbus.service", "polkit.service", "systemd-user-sessions.service", "libvirtd.service", "zookeeper.service"]
_WITHOUT_ORDER = ["libvirtd-tcp.socket", "lab-ready.service"]

# Units which make no sense in a container or slow its boot. libvirt-guests would save the guests when a host shuts down.
_MASKED = """
    console-getty.service cryptsetup.target dev-hugepages.mount dev-mqueue.mount e2scrub_reap.service getty.target
    getty-static.service integritysetup.target kmod-static-nodes.service libvirt-guests.service
    proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount
    sys-kernel-tracing.mount systemd-ask-password-console.path systemd-ask-password-wall.path systemd-binfmt.service
    systemd-firstboot.service systemd-initctl.socket systemd-journald-audit.socket systemd-machine-id-commit.service
    systemd-modules-load.service systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-random-seed.service
    systemd-remount-fs.service systemd-repart.service systemd-sysctl.service systemd-sysusers.service
    systemd-timesyncd.service systemd-tmpfiles-clean.timer systemd-udev-settle.service systemd-udev-trigger.service
    systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-update-utmp.service
    systemd-update-utmp-runlevel.service veritysetup.target
""".split()

_LEFT_BY_THE_MACHINE = """
    /.dockerenv /etc/ceph /etc/libvirt/qemu/autostart /etc/libvirt/qemu/networks/autostart /etc/machine-id /etc/pvcd
    /etc/resolv.conf /var/lib/dbus/machine-id /var/lib/libvirt/qemu /var/lib/pvcd /var/lib/zookeeper /var/log/journal
    /var/log/libvirt/qemu
""".split()


def install(spec: Spec, name: str) -> None:
    disk = Disk(spec, name)
    disk.mount()
    disk.remove(*_LEFT_BY_THE_MACHINE)
    disk.remove(*disk.glob("/etc/systemd/system/*.wants"), *disk.glob("/etc/systemd/system/*.requires"),
                *disk.glob("/etc/rc?.d/S*"))
    for directory in ("var/log/journal", "var/log/libvirt/qemu"):
        (disk.root / directory).mkdir(parents=True)
    disk.write_all({**_identity(spec, name), **_systemd(), **_libvirt(spec, name), **zookeeper.host_files(spec, name),
                    **ceph.client_files(spec)})
    _add_alice(disk)
    for unit in _MASKED:
        disk.link(f"/etc/systemd/system/{unit}", "/dev/null")
    disk.link("/etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target")
    _enable(disk, _UNITS + _WITHOUT_ORDER)
    if spec.pvcd:
        _install_pvcd(spec, name, disk)


# The boot id of a container is a mount below /proc/sys, which these two would uncover: every host of the lab would have the
# machine's. A real host has no such mount.
_OWN_BOOT_ID = File("[Service]\nProtectControlGroups=no\nProtectKernelTunables=no\n")


def _install_pvcd(spec: Spec, name: str, disk: Disk) -> None:
    disk.write_all(pvcd.pvcd_config(spec, name, **spec.config))
    disk.write_all({f"/etc/systemd/system/{unit}.d/lab.conf": _OWN_BOOT_ID for unit in ("pvcd.service", "pvcd-.service")})
    for fragment in disk.glob("/usr/lib/sysusers.d/pvcd*.conf"):
        run(["systemd-sysusers", f"--root={disk.root}", f"{disk.root}{fragment}"])
    if not spec.guids:
        disk.write_all({"/usr/local/sbin/ipmitool": _ipmitool(spec, name)})
    _enable(disk, spec.pvcd_units)


def _ipmitool(spec: Spec, name: str) -> File:
    """The one stand-in: a container has no /dev/ipmi0, so what goes in-band to a host's BMC goes over the LAN to the same one."""
    return File(f"""#!/bin/bash
if [ "$1 $2" = "-I open" ]; then
    read -r IPMITOOL_PASSWORD </etc/pvcd/bmc.secret
    export IPMITOOL_PASSWORD
    set -- -I lanplus -C 3 -N 1 -R 1 -H {spec.bmc_address(name)} -U {BMC_USER} -E "${{@:3}}"
fi
exec /usr/bin/ipmitool "$@"
""", 0o755)


def _enable(disk: Disk, units: list[str]) -> None:
    for unit in units:
        found = disk.glob(f"/etc/systemd/system/{unit}") or disk.glob(f"/lib/systemd/system/{unit}")
        if not found:
            raise LabError(f"no unit {unit}: neither this machine nor the stage ({disk.stage}) has it")
        disk.link(f"/etc/systemd/system/multi-user.target.wants/{unit}", found[0])


def _identity(spec: Spec, name: str) -> dict[str, File]:
    hosts = ["127.0.0.1 localhost", f"{spec.ceph_address} ceph", f"{spec.hub_address} hub"]
    for other in spec.names:
        hosts += [f"{spec.address(other)} {other}", f"{spec.bmc_address(other)} bmc-{other}"]
    return {
        "/etc/hostname": File(f"{name}\n"),
        "/etc/hosts": File("\n".join(hosts) + "\n"),
        "/etc/machine-id": File(f"{uuid.uuid4().hex}\n", 0o444),
    }


def _systemd() -> dict[str, File]:
    return {
        # Every power cut leaves a journal file of its maximum size behind.
        "/etc/systemd/journald.conf.d/lab.conf": File(
            "[Journal]\nSystemMaxUse=64M\nSystemMaxFileSize=8M\nRateLimitIntervalSec=0\n"),
        "/etc/systemd/system/lab-ready.service": File(
            f"[Unit]\nDescription=Tell the lab that this host is up\nAfter={' '.join(_UNITS)}\n"
            f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/touch {READY}\n"),
    }


def _libvirt(spec: Spec, name: str) -> dict[str, File]:
    address = spec.address(name)
    keepalive = "keepalive_interval = 5\nkeepalive_count = 3\n"
    return {
        "/etc/default/libvirtd": File('LIBVIRTD_ARGS=""\n'),        # Debian's default lets it exit when idle
        "/etc/libvirt/libvirt.conf": File('uri_default = "qemu:///system"\n'),
        # Without a DMI identity all hosts would have the same UUID, and libvirt refuses migration between those.
        "/etc/libvirt/libvirtd.conf": File(
            'auth_unix_ro = "none"\nauth_unix_rw = "none"\nunix_sock_rw_perms = "0700"\nauth_tcp = "none"\nlisten_tls = 0\n'
            f'host_uuid = "{spec.uuids[name]}"\n{keepalive}'),
        # stdio_handler: there is no virtlogd. The rest: no user, security driver or controller exists to confine guests with.
        "/etc/libvirt/qemu.conf": File(
            'stdio_handler = "file"\nuser = "root"\ngroup = "root"\ndynamic_ownership = 0\nremember_owner = 0\n'
            'security_driver = "none"\nseccomp_sandbox = 0\ncgroup_controllers = [ ]\nnamespaces = [ ]\n'
            f'migration_address = "{address}"\nmigration_host = "{address}"\n{keepalive}'),
    }


def _add_alice(disk: Disk) -> None:
    disk.append("/etc/passwd", f"alice:x:{ALICE_UID}:{ALICE_UID}::/home/alice:/bin/bash")
    disk.append("/etc/group", f"alice:x:{ALICE_UID}:")
    disk.append("/etc/shadow", "alice:*:19000:0:99999:7:::")
