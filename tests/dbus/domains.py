"""Domain XML for VMs that are never really started."""
import uuid as uuids


def fresh_uuid():
    return str(uuids.uuid4())


def domain(name, uuid=None, image=None, memory=64, vcpus=1, more=""):
    identity = f"<uuid>{uuid}</uuid>" if uuid else ""
    return f"""<domain type='kvm'>
  <name>{name}</name>{identity}
  <memory unit='MiB'>{memory}</memory>
  <vcpu>{vcpus}</vcpu>
  <os><type>hvm</type></os>
  <devices>
    <disk type='network' device='disk'>
      <source protocol='rbd' name='{image or "pool/" + name}'/>
      <target dev='vda' bus='virtio'/>
    </disk>{more}
  </devices>
</domain>"""
