// org.pvcd1.Osd, one per OSD of the Ceph cluster.
#pragma once

#include "core/objects/storage_derive.hpp"
#include "osd_adaptor.hpp"
#include "runtime/names.hpp"

namespace pvcd::core {

class OsdObject final : public sdbus::AdaptorInterfaces<org::pvcd1::Osd_adaptor> {
 public:
  using AgeNow = std::function<std::uint64_t()>;

  OsdObject(sdbus::IConnection&, AgeNow, OsdFacts);
  ~OsdObject();

  void update(const OsdFacts&);  // tells what changed

 private:
  std::uint32_t Id() override { return facts_.id; }
  std::string Uuid() override { return facts_.uuid; }
  std::string Node() override { return facts_.node; }
  std::string Class() override { return facts_.device_class; }
  std::string State() override { return facts_.state; }
  bool Up() override { return facts_.up.value_or(false); }
  bool In() override { return facts_.in.value_or(false); }
  double PrimaryAffinity() override { return shown(facts_.primary_affinity); }
  double Utilization() override { return shown(facts_.utilization); }
  double Variance() override { return shown(facts_.variance); }
  double CrushWeight() override { return shown(facts_.crush_weight); }
  double Reweight() override { return shown(facts_.reweight); }
  std::uint32_t Pgs() override { return shown(facts_.pgs); }
  std::uint64_t SizeBytes() override { return shown(facts_.size_bytes); }
  std::uint64_t UsedBytes() override { return shown(facts_.used_bytes); }
  std::uint64_t AvailableBytes() override { return shown(facts_.available_bytes); }
  std::uint64_t ReadOps() override { return shown(facts_.read_ops); }
  std::uint64_t WriteOps() override { return shown(facts_.write_ops); }
  std::uint64_t ReadBytes() override { return shown(facts_.read_bytes); }
  std::uint64_t WriteBytes() override { return shown(facts_.write_bytes); }
  std::uint64_t CommitLatency() override { return shown(facts_.commit_latency); }
  std::uint64_t ApplyLatency() override { return shown(facts_.apply_latency); }
  std::uint64_t Age() override { return age_(); }

  AgeNow age_;
  OsdFacts facts_;
};

}  // namespace pvcd::core
