#include "core/domain_xml.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <optional>
#include <pugixml.hpp>
#include <set>
#include <sstream>
#include <string_view>

namespace pvcd::core {
namespace {

constexpr std::size_t name_bytes_max = 63;
constexpr const char* nvram_directory = "/var/lib/libvirt/qemu/nvram/";
constexpr const char* tpm_directory = "/var/lib/libvirt/swtpm/";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), lower);
  return text;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// As libvirt reads units: KiB and K are 1024, KB is 1000, in any case; without one KiB.
std::optional<std::uint64_t> bytes_in(const std::string& unit) {
  const std::string text = lowered(unit.empty() ? "KiB" : unit);
  if (text == "b" || text == "byte" || text == "bytes") return 1;
  const auto power = std::string_view("kmgtpe").find(text.front());
  const std::string rest = text.substr(1);
  if (power == std::string_view::npos || !(rest.empty() || rest == "ib" || rest == "b")) return std::nullopt;
  const std::uint64_t base = rest == "b" ? 1000 : 1024;
  std::uint64_t bytes = base;
  for (std::size_t i = 0; i < power; ++i) bytes *= base;
  return bytes;
}

// Reads one domain. The first thing that is wrong is thrown as DomainError and ends it.
class Reader {
 public:
  Reader(const std::string& text, const VmUuid& fresh, const std::vector<std::string>& shared)
      : text_(text), fresh_(fresh), shared_(shared) {}

  Domain read() {
    parse();
    refuse_what_hides();
    read_name();
    read_uuid();
    read_memory();
    read_vcpus();
    for (const pugi::xpath_node& disk : root_.select_nodes("devices/disk")) read_disk(disk.node());
    read_nvram();
    read_tpm();
    read_shared_paths("devices/filesystem", "filesystem", "source/@dir | source/@file");
    read_shared_paths("devices/memory[source/path]", "memory", "source/path/text()");
    read_host_devices();
    return std::move(domain_);
  }

 private:
  void parse() {
    if (text_.size() > domain_xml_bytes_max)
      throw DomainError{"the XML has " + std::to_string(text_.size()) + " bytes, more than the " +
                        std::to_string(domain_xml_bytes_max) + " that the cluster store takes"};
    const auto parsed = document_.load_buffer(text_.data(), text_.size(), pugi::parse_full | pugi::parse_ws_pcdata,
                                              pugi::encoding_utf8);
    if (!parsed) throw DomainError{"not XML, at byte " + std::to_string(parsed.offset) + ": " + parsed.description()};
    for (const pugi::xml_node& node : document_.children()) {
      if (node.type() == pugi::node_doctype) throw DomainError{"<!DOCTYPE>: a DTD is not accepted"};
      if (node.type() == pugi::node_element && root_) throw DomainError{"more than one root element"};
      if (node.type() == pugi::node_element) root_ = node;
    }
    if (std::string_view(root_.name()) != "domain") throw DomainError{"<domain>: not the root element"};
  }

  // Secrets would lie in the store (S9); a disk on QEMU's command line would be a writer that nobody knows (S2).
  void refuse_what_hides() {
    if (root_.select_node("//@passwd"))
      throw DomainError{"<graphics passwd=>: a password is not kept in the cluster store; leave it out"};
    // Whatever the prefix: libvirt goes by the namespace, which may be the default one.
    for (const pugi::xml_node& child : root_.children()) {
      const std::string_view name = child.name();
      const std::string_view local = name.substr(name.find(':') + 1);
      if (local == "commandline" || local == "override")
        throw DomainError{"<" + std::string(name) + ">: options that pvcd cannot see through are not accepted"};
    }
  }

  void read_name() {
    domain_.name = root_.child("name").text().get();
    if (domain_.name.empty()) throw DomainError{"<name>: missing"};
    if (!valid_vm_name(domain_.name))
      throw DomainError{"<name>: '" + domain_.name + "' is not 1 to 63 characters of A-Z a-z 0-9 . _ -"};
  }

  void read_uuid() {
    const pugi::xml_node given = root_.child("uuid");
    domain_.xml = text_;
    if (given) {
      const std::string uuid(trimmed(given.text().get()));
      if (!valid_uuid(uuid)) throw DomainError{"<uuid>: '" + uuid + "' is not a UUID of 36 characters"};
      domain_.uuid = lowered(uuid);
      return;
    }
    domain_.uuid = fresh_;
    root_.insert_child_after("uuid", root_.child("name")).text().set(fresh_.c_str());
    std::ostringstream out;
    document_.save(out, "", pugi::format_raw | pugi::format_no_declaration, pugi::encoding_utf8);
    domain_.xml = out.str();
  }

  void read_memory() {
    const pugi::xml_node memory = root_.child("memory");
    if (!memory) throw DomainError{"<memory>: missing"};
    const auto count = whole_number(trimmed(memory.text().get()));
    const std::string unit = memory.attribute("unit").value();
    const auto bytes = bytes_in(unit);
    if (!bytes) throw DomainError{"<memory>: unit '" + unit + "' is none of libvirt's"};
    if (!count || *count == 0) throw DomainError{"<memory>: not a whole number above 0"};
    if (*count > std::numeric_limits<std::int64_t>::max() / *bytes) throw DomainError{"<memory>: too much"};
    domain_.memory = *count * *bytes;
  }

  void read_vcpus() {
    const pugi::xml_node vcpu = root_.child("vcpu");
    const auto count = vcpu ? whole_number(trimmed(vcpu.text().get())) : 1;
    if (!count || *count == 0 || *count > std::numeric_limits<std::uint16_t>::max())
      throw DomainError{"<vcpu>: not a whole number from 1 to 65535"};
    domain_.vcpus = static_cast<std::uint32_t>(*count);
  }

  // One file has one name, by which two VMs that share it are told (S1).
  bool is_shared(const std::string& target, const std::string& source) const {
    if (!source.starts_with("/")) return false;
    const std::string plain = std::filesystem::path(source).lexically_normal();
    const bool below =
        std::ranges::any_of(shared_, [&](const std::string& directory) { return plain.starts_with(directory + "/"); });
    if (below && plain != source) throw DomainError{"<disk> " + target + ": write '" + source + "' as '" + plain + "'"};
    return below;
  }

  void add(const std::string& target, DiskKind kind, const std::string& source) {
    if (!targets_.insert(target).second) throw DomainError{"<disk>: target '" + target + "' is there twice"};
    if (!sources_.insert({kind, source}).second)
      throw DomainError{"<disk> " + target + ": source '" + source + "' is there twice"};
    if (kind == DiskKind::Local && is_shared(target, source)) kind = DiskKind::Shared;
    domain_.disks.push_back({target, kind, source});
  }

  void read_disk(const pugi::xml_node& disk) {
    const std::string target = disk.child("target").attribute("dev").value();
    if (target.empty()) throw DomainError{"<disk>: <target dev=> is missing"};
    const std::string device = disk.attribute("device").value();
    const bool removable = device == "cdrom" || device == "floppy";
    if (removable && !disk.child("source")) return;
    const std::string where = "<disk> " + target;
    const auto [kind, source] = source_of(disk.child("source"), disk.attribute("type").value(), where);
    if (removable && source.empty()) return;
    if (source.empty()) throw DomainError{where + ": <source> names nothing"};
    const std::string format = disk.child("driver").attribute("type").value();
    if (kind == DiskKind::Local && format != "raw" && format != "qcow2" && !format.empty() && is_shared(target, source))
      throw DomainError{where + ": format '" + format + "' is not raw or qcow2, as it must be in a shared directory"};
    // What others may write as well would be unlocked, and its writers shut out, as if it were this VM's alone.
    if (disk.child("shareable") && (kind == DiskKind::Rbd || is_shared(target, source)))
      throw DomainError{where + ": <shareable/>: here an image has one writer; leave it out, or use another disk"};
    add(target, kind, source);
  }

  static std::pair<DiskKind, std::string> source_of(const pugi::xml_node& source, const std::string& type,
                                                    const std::string& where) {
    if (type == "file" || type.empty()) return {DiskKind::Local, source.attribute("file").value()};
    if (type == "block") return {DiskKind::Local, source.attribute("dev").value()};
    if (type == "dir") return {DiskKind::Local, source.attribute("dir").value()};
    if (type != "network") throw DomainError{where + ": type '" + type + "' is not file, block, dir or network"};
    const std::string protocol = source.attribute("protocol").value();
    if (protocol != "rbd") throw DomainError{where + ": protocol '" + protocol + "' is not rbd"};
    return {DiskKind::Rbd, image_of(source.attribute("name").value(), where)};
  }

  static std::string image_of(const std::string& name, const std::string& where) {
    const auto parts = std::count(name.begin(), name.end(), '/') + 1;
    const bool empty_part = name.empty() || name.front() == '/' || name.back() == '/' || name.find("//") != name.npos;
    if (parts < 2 || parts > 3 || empty_part || name.find('@') != name.npos)
      throw DomainError{where + ": image '" + name + "' is not pool/image or pool/namespace/image"};
    return name;
  }

  // libvirt makes an NVRAM file of its own for UEFI firmware that does not say where.
  void read_nvram() {
    const pugi::xml_node os = root_.child("os");
    const pugi::xml_node nvram = os.child("nvram");
    const pugi::xml_node loader = os.child("loader");
    const bool uefi = std::string_view(os.attribute("firmware").value()) == "efi" ||
                      std::string_view(loader.attribute("type").value()) == "pflash";
    const bool stateless = std::string_view(loader.attribute("stateless").value()) == "yes";
    if (!nvram && (!uefi || stateless)) return;
    auto found = std::pair{DiskKind::Local, std::string(trimmed(nvram.text().get()))};
    if (nvram.child("source")) found = source_of(nvram.child("source"), nvram.attribute("type").value(), "<nvram>");
    if (found.second.empty()) found.second = nvram_directory + domain_.name + "_VARS.fd";
    add("nvram", found.first, found.second);
  }

  void read_tpm() {
    for (const pugi::xpath_node& found : root_.select_nodes("devices/tpm")) {
      const pugi::xml_node backend = found.node().child("backend");
      const std::string path = backend.select_node("device/@path | source/@path").attribute().value();
      add("tpm", DiskKind::Local, path.empty() ? tpm_directory + domain_.uuid : path);
    }
  }

  void read_shared_paths(const char* elements, const std::string& target, const char* path) {
    std::size_t count = 0;
    for (const pugi::xpath_node& found : root_.select_nodes(elements)) {
      const pugi::xpath_node source = found.node().select_node(path);
      const std::string text = source.attribute() ? source.attribute().value() : source.node().value();
      if (!text.empty()) add(target + std::to_string(count++), DiskKind::Local, text);
    }
  }

  // It may be a disk, and the same place in another host holds another one (rule 12).
  void read_host_devices() {
    std::size_t count = 0;
    for (const pugi::xpath_node& found : root_.select_nodes("devices/hostdev")) {
      const std::string number = std::to_string(count++);
      add("hostdev" + number, DiskKind::Local, found.node().attribute("type").value() + (" device " + number));
    }
  }

  const std::string& text_;
  const VmUuid& fresh_;
  const std::vector<std::string>& shared_;
  pugi::xml_document document_;
  pugi::xml_node root_;
  Domain domain_;
  std::set<std::string> targets_;
  std::set<std::pair<DiskKind, std::string>> sources_;
};

}  // namespace

bool valid_uuid(const std::string& text) {
  if (text.size() != 36) return false;
  bool zero = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = lower(text[i]);
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !digit) return false;
    if (!dash && c != '0') zero = false;
  }
  return !zero;
}

bool valid_vm_name(const std::string& text) {
  const auto good = [](char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= name_bytes_max && std::all_of(text.begin(), text.end(), good) && text != "." &&
         text != "..";
}

std::variant<Domain, DomainError> parse_domain(const std::string& xml, const VmUuid& fresh,
                                               const std::vector<std::string>& shared) {
  try {
    return Reader(xml, fresh, shared).read();
  } catch (const DomainError& error) {
    return error;
  }
}

}  // namespace pvcd::core
