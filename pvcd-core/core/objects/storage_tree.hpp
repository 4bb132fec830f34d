// The objects of the storage cluster on the public bus, kept in step with what this node reads of it.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "core/objects/osd_object.hpp"
#include "core/objects/storage_object.hpp"

namespace pvcd::core {

class StorageTree {
 public:
  using Clock = std::function<Instant()>;  // CLOCK_BOOTTIME

  // The references outlive it.
  StorageTree(sdbus::IConnection&, StorageView&, Clock);
  StorageTree(const StorageTree&) = delete;
  StorageTree& operator=(const StorageTree&) = delete;

 private:
  // While the store cannot be reached the objects stay as they were, and grow old.
  void update();
  std::uint64_t age() const { return shown(view_.age(clock_())); }

  sdbus::IConnection& connection_;
  StorageView& view_;
  const Clock clock_;
  StorageObject storage_;
  std::map<std::uint32_t, std::unique_ptr<OsdObject>> osds_;
};

}  // namespace pvcd::core
