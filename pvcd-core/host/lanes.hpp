// Threads for calls that may come at the same time: those of one lane one after the other, different lanes in parallel.
// What hangs in one lane delays only that lane, as long as there are more threads than hanging lanes.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sdk/roles.hpp"

namespace pvcd::host {

enum class Submission { Taken, QueueFull, Stopping };

// The call that lasts longest.
struct Busy {
  std::string what;
  Instant since = 0;
};

class Lanes {
 public:
  static constexpr std::size_t threads_max = fencer_calls_at_once;
  static constexpr std::size_t queue_limit = 2 * threads_max;  // that wait; a burst comes before its threads are there

  struct Call {
    std::string lane;
    std::string what;
    std::function<void()> run;   // on a thread of ours; never throws
    std::function<void()> drop;  // instead of it, when it is stopped before
  };

  Lanes() = default;
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  Submission submit(Call);
  void open();   // nothing is called before
  void close();  // drops what waits, returns when the calls under way have ended
  std::size_t queue_length() const;
  std::optional<Busy> busy() const;

 private:
  void serve();
  std::optional<Call> take();  // with the mutex held: the first whose lane is free

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Call> waiting_;
  std::map<std::string, Busy> under_way_;  // lane -> its call
  std::vector<std::thread> threads_;
  bool open_ = false;
  bool closed_ = false;
};

}  // namespace pvcd::host
