#include "core/objects/storage_derive.hpp"

#include "core/objects/property_table.hpp"

namespace pvcd::core {

namespace {

// An administrator has to look at the first one; the journal names all.
constexpr std::size_t broken_shown_max = 3;

std::string note_of(const StorageFigures& figures) {
  std::string note = figures.summary ? figures.summary->note : "nobody has asked Ceph yet";
  std::size_t count = 0;
  for (const auto& [path, wrong] : figures.broken) {
    if (count++ == broken_shown_max) break;
    note += (note.empty() ? "" : "; ") + ("store entry " + path + ": " + wrong);
  }
  return note;
}

constexpr Property<StorageProperties> storage_properties[] = {
    {"Health",
     [](const StorageProperties& a, const StorageProperties& b) { return a.health.status == b.health.status; }},
    {"Checks",
     [](const StorageProperties& a, const StorageProperties& b) { return a.health.checks == b.health.checks; }},
    property<&StorageProperties::pools>("Pools"),
    property<&StorageProperties::osds>("Osds"),
    property<&StorageProperties::osds_up>("OsdsUp"),
    property<&StorageProperties::osds_in>("OsdsIn"),
    property<&StorageProperties::note>("Note"),
};

constexpr Property<OsdFacts> osd_properties[] = {
    property<&OsdFacts::uuid>("Uuid"),
    property<&OsdFacts::node>("Node"),
    property<&OsdFacts::device_class>("Class"),
    property<&OsdFacts::state>("State"),
    property<&OsdFacts::up>("Up"),
    property<&OsdFacts::in>("In"),
    property<&OsdFacts::primary_affinity>("PrimaryAffinity"),
    property<&OsdFacts::utilization>("Utilization"),
    property<&OsdFacts::variance>("Variance"),
    property<&OsdFacts::crush_weight>("CrushWeight"),
    property<&OsdFacts::reweight>("Reweight"),
    property<&OsdFacts::pgs>("Pgs"),
    property<&OsdFacts::size_bytes>("SizeBytes"),
    property<&OsdFacts::used_bytes>("UsedBytes"),
    property<&OsdFacts::available_bytes>("AvailableBytes"),
    property<&OsdFacts::read_ops>("ReadOps"),
    property<&OsdFacts::write_ops>("WriteOps"),
    property<&OsdFacts::read_bytes>("ReadBytes"),
    property<&OsdFacts::write_bytes>("WriteBytes"),
    property<&OsdFacts::commit_latency>("CommitLatency"),
    property<&OsdFacts::apply_latency>("ApplyLatency"),
};

}  // namespace

StorageProperties derive_storage(const StorageFigures& figures) {
  StorageProperties shown;
  if (figures.summary) shown.health = figures.summary->health;
  if (figures.summary) shown.pools = figures.summary->pools;
  shown.osds = static_cast<std::uint32_t>(figures.osds.size());
  for (const auto& [id, osd] : figures.osds) {
    if (osd.up.value_or(false)) ++shown.osds_up;
    if (osd.in.value_or(false)) ++shown.osds_in;
  }
  shown.note = note_of(figures);
  return shown;
}

std::span<const Property<StorageProperties>> changing(const StorageProperties&) { return storage_properties; }
std::span<const Property<OsdFacts>> changing(const OsdFacts&) { return osd_properties; }

}  // namespace pvcd::core
