// A cluster on the local store, as a core sees it.
#pragma once

#include <systemd/sd-event.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "core/cluster.hpp"
#include "runtime/clock.hpp"
#include "runtime/loop.hpp"
#include "store/paths.hpp"
#include "store/store.hpp"

namespace pvcd::test {

struct StoreCase {
  static constexpr Microseconds deadline = seconds(120);  // for thousands of entries, under TSan

  StoreCase() {
    for (const auto& directory : store::paths::directories) put(directory, "");
  }
  void put(const std::string& path, const std::string& data) {
    opened->commit({store::Create{path, data}}, [](const store::CommitResult&) {});
  }
  template <class Condition>
  void until(Condition condition) {
    const Instant not_after = runtime::boottime_us() + deadline;
    while (!condition()) {
      if (runtime::boottime_us() >= not_after) FAIL("it did not come true in time");
      if (sd_event_run(loop.get(), milliseconds(10)) < 0) FAIL("the loop has ended");
    }
  }

  runtime::Loop loop;
  std::shared_ptr<store::Local> local = store::Local::make();
  std::unique_ptr<store::Store> opened = local->open(loop.get());
  core::Cluster cluster{*opened, loop};
};

}  // namespace pvcd::test
