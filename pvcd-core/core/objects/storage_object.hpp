// org.pvcd1.Storage, of which there is one.
#pragma once

#include "core/objects/storage_derive.hpp"
#include "runtime/names.hpp"
#include "storage_adaptor.hpp"

namespace pvcd::core {

class StorageObject final : public sdbus::AdaptorInterfaces<org::pvcd1::Storage_adaptor> {
 public:
  using AgeNow = std::function<std::uint64_t()>;

  StorageObject(sdbus::IConnection&, AgeNow, StorageProperties);
  ~StorageObject();

  void update(StorageProperties);  // tells what changed

 private:
  using Check = sdbus::Struct<std::string, std::string, std::string>;
  using Pool = sdbus::Struct<std::uint32_t, std::string, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                             double, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>;

  std::string Health() override { return properties_.health.status; }
  std::vector<Check> Checks() override;
  std::vector<Pool> Pools() override;
  std::uint32_t Osds() override { return properties_.osds; }
  std::uint32_t OsdsUp() override { return properties_.osds_up; }
  std::uint32_t OsdsIn() override { return properties_.osds_in; }
  std::uint64_t Age() override { return age_(); }
  std::string Note() override { return properties_.note; }

  AgeNow age_;
  StorageProperties properties_;
};

}  // namespace pvcd::core
