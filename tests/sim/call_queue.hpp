// What waits in the core for a plugin: one call at a time in each lane, permitted when it is sent. Follows
// core/plugin_queue.cpp, without its urgencies.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

namespace pvcd::sim {

class CallQueue {
 public:
  using Send = std::function<bool()>;  // false: it was not sent, and has been answered

  void add(const std::string& lane, Send send) {
    waiting_[lane].push_back(std::move(send));
    send_next(lane);
  }
  void ended(const std::string& lane) {
    under_way_.erase(lane);
    send_next(lane);
  }
  void clear() {
    waiting_.clear();
    under_way_.clear();
  }

 private:
  void send_next(const std::string& lane) {
    auto& waiting = waiting_[lane];
    while (!waiting.empty() && !under_way_.contains(lane)) {
      Send send = std::move(waiting.front());
      waiting.pop_front();
      under_way_.insert(lane);
      if (!send()) under_way_.erase(lane);
    }
  }

  std::map<std::string, std::deque<Send>> waiting_;
  std::set<std::string> under_way_;
};

}  // namespace pvcd::sim
