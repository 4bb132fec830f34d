// A few blocking calls at once: with default settings each one that changes Ceph's maps takes a second.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace pvcd::rbd_locks {

inline constexpr std::size_t parallel_max = 16;

// Calls work(0) .. work(count - 1) and returns when all have returned. `work` must not throw.
template <typename Work>
void in_parallel(std::size_t count, Work work) {
  std::atomic<std::size_t> next = 0;
  const auto worker = [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < std::min(count, parallel_max); ++i) threads.emplace_back(worker);
  worker();
}

}  // namespace pvcd::rbd_locks
