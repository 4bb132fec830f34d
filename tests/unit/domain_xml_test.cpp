#include "core/domain_xml.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace pvcd;
using core::Domain;
using core::DomainError;

namespace {

const std::string fresh = "11111111-2222-3333-4444-555555555555";
const std::string given = "AAAAAAAA-bbbb-cccc-dddd-eeeeeeeeeeee";

const std::vector<std::string> shared = {"/net/vms"};

std::string domain(const std::string& rest, const std::string& name = "web1",
                   const std::string& memory = "<memory unit='MiB'>96</memory>") {
  return "<domain type='qemu'><name>" + name + "</name>" + memory + rest + "</domain>";
}
std::string devices(const std::string& inside) { return domain("<devices>" + inside + "</devices>"); }

Domain good(const std::string& xml) {
  auto parsed = core::parse_domain(xml, fresh, shared);
  if (auto* error = std::get_if<DomainError>(&parsed)) FAIL(error->text);
  return std::get<Domain>(parsed);
}

std::string wrong(const std::string& xml) {
  auto parsed = core::parse_domain(xml, fresh, shared);
  REQUIRE(std::holds_alternative<DomainError>(parsed));
  return std::get<DomainError>(parsed).text;
}

bool names(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

constexpr const char* vda =
    "<disk type='network' device='disk'><source protocol='rbd' name='vms/web1'><host name='10.0.0.1' "
    "port='3300'/></source>"
    "<target dev='vda' bus='virtio'/></disk>";

}  // namespace

TEST_CASE("a domain with one image is read whole") {
  const Domain read =
      good(domain(std::string("<uuid>") + given + "</uuid><vcpu>2</vcpu><devices>" + vda + "</devices>"));
  CHECK(read.name == "web1");
  CHECK(read.uuid == "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee");
  CHECK(read.memory == 96u * 1024 * 1024);
  CHECK(read.vcpus == 2);
  REQUIRE(read.disks.size() == 1);
  CHECK(read.disks[0] == Disk{"vda", DiskKind::Rbd, "vms/web1"});
}

TEST_CASE("an XML with a UUID is kept byte for byte") {
  const std::string xml = "<?xml version='1.0'?>\n<!-- mine -->\n" + domain("\n  <uuid>" + given + "</uuid>\n");
  CHECK(good(xml).xml == xml);
}

TEST_CASE("a missing UUID is put in and nothing else changes") {
  const Domain read = good(domain("\n  <vcpu>1</vcpu> <!-- one -->\n"));
  CHECK(read.uuid == fresh);
  CHECK(names(read.xml, "<name>web1</name><uuid>" + fresh + "</uuid><memory unit=\"MiB\">96</memory>"));
  CHECK(names(read.xml, "\n  <vcpu>1</vcpu> <!-- one -->\n"));
  CHECK(good(read.xml).uuid == fresh);
}

TEST_CASE("memory has all units of libvirt") {
  const auto bytes = [](const std::string& memory) { return good(domain("", "web1", memory)).memory; };
  CHECK(bytes("<memory>2</memory>") == 2048);
  CHECK(bytes("<memory unit='b'>7</memory>") == 7);
  CHECK(bytes("<memory unit='bytes'>7</memory>") == 7);
  CHECK(bytes("<memory unit='KB'>2</memory>") == 2000);
  CHECK(bytes("<memory unit='k'> 2 </memory>") == 2048);
  CHECK(bytes("<memory unit='MB'>2</memory>") == 2000000);
  CHECK(bytes("<memory unit='M'>2</memory>") == 2u << 20);
  CHECK(bytes("<memory unit='GiB'>1</memory>") == 1u << 30);
  CHECK(bytes("<memory unit='gb'>1</memory>") == 1000000000);
  CHECK(bytes("<memory unit='TiB'>1</memory>") == std::uint64_t{1} << 40);
}

TEST_CASE("a domain without vcpu has one") { CHECK(good(domain("")).vcpus == 1); }

TEST_CASE("every kind of disk is listed, in order") {
  const Domain read =
      good(devices("<disk type='network'><source protocol='rbd' name='vms/ns/a'/><target dev='vda'/></disk>"
                   "<disk type='file'><source file='/srv/b.raw'/><target dev='vdb'/></disk>"
                   "<disk type='block'><source dev='/dev/sdc'/><target dev='vdc'/></disk>"
                   "<disk type='dir'><source dir='/srv/d'/><target dev='vdd'/></disk>"
                   "<disk type='file' device='cdrom'><target dev='sda'/></disk>"
                   "<disk type='file' device='floppy'><source/><target dev='fda'/></disk>"
                   "<disk type='file' device='cdrom'><source file='/srv/i.iso'/><target dev='sdb'/></disk>"));
  const std::vector<Disk> expected = {{"vda", DiskKind::Rbd, "vms/ns/a"},
                                      {"vdb", DiskKind::Local, "/srv/b.raw"},
                                      {"vdc", DiskKind::Local, "/dev/sdc"},
                                      {"vdd", DiskKind::Local, "/srv/d"},
                                      {"sdb", DiskKind::Local, "/srv/i.iso"}};
  CHECK(read.disks == expected);
}

TEST_CASE("a second devices element hides no disk") {
  const Domain read = good(domain(std::string("<devices/><devices>") + vda + "</devices>"));
  CHECK(read.disks.size() == 1);
}

TEST_CASE("NVRAM is a local item, wherever it is said") {
  const auto only = [](const std::string& rest) {
    const Domain read = good(domain(rest));
    REQUIRE(read.disks.size() == 1);
    return read.disks[0];
  };
  CHECK(only("<os><nvram>/srv/n.fd</nvram></os>") == Disk{"nvram", DiskKind::Local, "/srv/n.fd"});
  const Disk made{"nvram", DiskKind::Local, "/var/lib/libvirt/qemu/nvram/web1_VARS.fd"};
  CHECK(only("<os><nvram template='/usr/share/x'/></os>") == made);
  CHECK(only("<os firmware='efi'/>") == made);
  CHECK(only("<os><loader type='pflash'>/usr/share/x</loader></os>") == made);
  CHECK(only("<os><nvram type='network'><source protocol='rbd' name='vms/n'/></nvram></os>") ==
        Disk{"nvram", DiskKind::Rbd, "vms/n"});
  CHECK(good(domain("<os firmware='efi'><loader stateless='yes'/></os>")).disks.empty());
  CHECK(good(domain("<os><type>hvm</type></os>")).disks.empty());
}

TEST_CASE("what lies in a shared directory is shared, under one name only") {
  const Domain read = good(
      domain("<os><nvram>/net/vms/n.fd</nvram></os><devices>"
             "<disk type='file'><source file='/net/vms/a.raw'/><target dev='vda'/></disk>"
             "<disk type='file'><driver type='qcow2'/><source file='/net/vms/b/b.qcow2'/><target dev='vdb'/></disk>"
             "<disk type='file'><driver type='raw'/><source file='/net/vms2/c.raw'/><target dev='vdc'/></disk>"
             "<disk type='file'><driver type='vmdk'/><source file='/srv/d.vmdk'/><target dev='vdd'/></disk>"
             "<disk type='network'><source protocol='rbd' name='net/vms/e'/><target dev='vde'/></disk>"
             "<filesystem><source dir='/net/vms/f'/><target dir='f'/></filesystem></devices>"));
  const std::vector<Disk> expected = {{"vda", DiskKind::Shared, "/net/vms/a.raw"},
                                      {"vdb", DiskKind::Shared, "/net/vms/b/b.qcow2"},
                                      {"vdc", DiskKind::Local, "/net/vms2/c.raw"},
                                      {"vdd", DiskKind::Local, "/srv/d.vmdk"},
                                      {"vde", DiskKind::Rbd, "net/vms/e"},
                                      {"nvram", DiskKind::Shared, "/net/vms/n.fd"},
                                      {"filesystem0", DiskKind::Shared, "/net/vms/f"}};
  CHECK(read.disks == expected);

  const auto file = [](const std::string& path, const std::string& format = "raw") {
    return devices("<disk type='file'><driver type='" + format + "'/><source file='" + path +
                   "'/><target dev='vda'/></disk>");
  };
  CHECK(names(wrong(file("/net/vms//a.raw")), "<disk> vda: write '/net/vms//a.raw' as '/net/vms/a.raw'"));
  CHECK(names(wrong(file("/srv/../net/vms/a.raw")), "write '/srv/../net/vms/a.raw' as '/net/vms/a.raw'"));
  CHECK(good(file("/net/vms/../a.raw")).disks[0].kind == DiskKind::Local);
  CHECK(names(wrong(file("/net/vms/a.vmdk", "vmdk")), "<disk> vda: format 'vmdk' is not raw or qcow2"));
}

TEST_CASE("TPM state, shared folders and memory files are local items") {
  const Domain read =
      good(devices("<tpm model='tpm-crb'><backend type='emulator'/></tpm>"
                   "<filesystem><source dir='/srv/f'/><target dir='f'/></filesystem>"
                   "<memory model='nvdimm'><source><path>/srv/m</path></source></memory>"));
  const std::vector<Disk> expected = {{"tpm", DiskKind::Local, "/var/lib/libvirt/swtpm/" + fresh},
                                      {"filesystem0", DiskKind::Local, "/srv/f"},
                                      {"memory0", DiskKind::Local, "/srv/m"}};
  CHECK(read.disks == expected);
  CHECK(good(devices("<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>")).disks[0].source ==
        "/dev/tpm0");
}

TEST_CASE("a device of the host is a local item: the same place in another host holds another one (rule 12)") {
  const Domain read =
      good(devices("<hostdev mode='subsystem' type='pci'><source><address bus='1'/></source></hostdev>"
                   "<hostdev mode='subsystem' type='scsi'><source protocol='iscsi' name='iqn/0'/></hostdev>"));
  const std::vector<Disk> expected = {{"hostdev0", DiskKind::Local, "pci device 0"},
                                      {"hostdev1", DiskKind::Local, "scsi device 1"}};
  CHECK(read.disks == expected);
}

TEST_CASE("each refusal names its element") {
  CHECK(names(wrong("<domain>"), "not XML, at byte"));
  CHECK(names(wrong(""), "not XML"));
  CHECK(names(wrong("<network/>"), "<domain>"));
  CHECK(names(wrong(domain("") + domain("")), "more than one root"));
  CHECK(names(wrong("<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" + domain("")), "DOCTYPE"));
  CHECK(names(wrong(domain("", "")), "<name>: missing"));
  CHECK(names(wrong(domain("", "a b")), "<name>: 'a b'"));
  CHECK(names(wrong(domain("", "..")), "<name>"));
  CHECK(names(wrong(domain("", std::string(64, 'a'))), "<name>"));
  CHECK(names(wrong(domain("<uuid>x</uuid>")), "<uuid>: 'x'"));
  CHECK(names(wrong(domain("<uuid>00000000-0000-0000-0000-000000000000</uuid>")), "<uuid>"));
  CHECK(names(wrong(domain("<uuid>aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeeg</uuid>")), "<uuid>"));
  CHECK(names(wrong(domain("<uuid/>")), "<uuid>"));
  CHECK(names(wrong(domain("", "a", "")), "<memory>: missing"));
  CHECK(names(wrong(domain("", "a", "<memory>0</memory>")), "<memory>: not a whole number"));
  CHECK(names(wrong(domain("", "a", "<memory>-1</memory>")), "<memory>"));
  CHECK(names(wrong(domain("", "a", "<memory>1.5</memory>")), "<memory>"));
  CHECK(names(wrong(domain("", "a", "<memory unit='bits'>1</memory>")), "unit 'bits'"));
  CHECK(names(wrong(domain("", "a", "<memory unit='PiB'>99999</memory>")), "<memory>: too much"));
  CHECK(names(wrong(domain("<vcpu>0</vcpu>")), "<vcpu>"));
  CHECK(names(wrong(domain("<vcpu>65536</vcpu>")), "<vcpu>"));
  CHECK(names(wrong(domain("<vcpu/>")), "<vcpu>"));
  CHECK(names(wrong(devices("<graphics type='vnc' passwd='x'/>")), "passwd"));
  CHECK(names(wrong(domain("<qemu:commandline/>")), "<qemu:commandline>"));
  CHECK(names(wrong(domain("<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'/>")), "<commandline>"));
  CHECK(names(wrong(domain("<qemu:override/>")), "<qemu:override>"));
  CHECK(good(domain("<qemu:deprecation behavior='crash'/>")).name == "web1");
}

TEST_CASE("each wrong disk is named") {
  CHECK(names(wrong(devices("<disk type='file'><source file='/a'/></disk>")), "<target dev=>"));
  CHECK(names(wrong(devices("<disk type='file'><target dev='vda'/></disk>")), "<disk> vda: <source>"));
  CHECK(names(wrong(devices("<disk type='volume'><source pool='p'/><target dev='vda'/></disk>")), "type 'volume'"));
  CHECK(names(wrong(devices("<disk type='network'><source protocol='nbd'/><target dev='vda'/></disk>")), "'nbd'"));
  for (const std::string image : {"", "vms", "/a", "vms/", "a//b", "a/b/c/d", "vms/a@s"})
    CHECK(names(
        wrong(devices("<disk type='network'><source protocol='rbd' name='" + image + "'/><target dev='vda'/></disk>")),
        "<disk> vda: image '" + image + "'"));
  CHECK(names(wrong(devices(std::string(vda) + "<disk type='file'><source file='/a'/><target dev='vda'/></disk>")),
              "target 'vda' is there twice"));
  CHECK(names(wrong(devices(std::string(vda) + "<disk type='network'><source protocol='rbd' name='vms/web1'/><target "
                                               "dev='vdb'/></disk>")),
              "source 'vms/web1' is there twice"));
  CHECK(names(wrong(devices("<disk type='network'><source protocol='rbd' name='vms/web1'/><target dev='vda'/>"
                            "<shareable/></disk>")),
              "<disk> vda: <shareable/>"));
  CHECK(names(wrong(devices("<disk type='file'><driver type='raw'/><source file='/net/vms/a.raw'/><target dev='vda'/>"
                            "<shareable/></disk>")),
              "<disk> vda: <shareable/>"));
  CHECK(good(devices("<disk type='file'><source file='/a'/><target dev='vda'/><shareable/></disk>")).disks.size() == 1);
}

TEST_CASE("the size has a limit") {
  const std::string base = domain("<!---->");
  const auto padded = [&](std::size_t bytes) { return domain("<!--" + std::string(bytes - base.size(), 'x') + "-->"); };
  CHECK(good(padded(core::domain_xml_bytes_max)).name == "web1");
  CHECK(names(wrong(padded(core::domain_xml_bytes_max + 1)), "bytes, more than"));
}
