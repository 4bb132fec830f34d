// The plugin: asks monitors and manager when it is asked, and gives their answers joined. It decides nothing, polls
// nothing, and changes nothing in Ceph.
#pragma once

#include <string>

#include "ceph/connection.hpp"
#include "rates.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"

namespace pvcd::ceph_osd {

class CephOsd final : public Plugin, public StorageObserver {
 public:
  void start(Host&) override;

  StorageSurvey observe(const ObserveRequest&) override;

 private:
  void report_ceph(const std::string& state);

  Host* host_ = nullptr;
  ceph::Options options_;
  PgRates rates_;
  std::string reported_;
};

}  // namespace pvcd::ceph_osd
