// What waits to be sent to a plugin. It waits here and not in the plugin, because only here can the right to act be
// renewed while it waits, and only here is it known what is more urgent.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <set>
#include <string>

#include "sdk/roles.hpp"

namespace pvcd::core {

enum class Urgency { Act, Look, Routine };  // an off; a look at who is suspected or fenced, and all else; readiness

class PluginQueue {
 public:
  // Of calls that come on the plugin's own thread one is under way, whatever the urgency: what is sent is taken up at
  // once. Of those that may come at the same time it is one for each lane, and for each urgency so many in all, so that
  // an off finds room whatever else is slow.
  static constexpr std::array<std::size_t, 3> at_once = {fencer_calls_at_once, fencer_calls_at_once * 3 / 4,
                                                         fencer_calls_at_once / 4};
  static constexpr std::size_t waiting_max = 4096;
  static constexpr Microseconds waiting_limit = seconds(60);

  struct Call {
    std::string lane;  // empty: the plugin's own thread
    Urgency urgency = Urgency::Look;
    std::function<bool()> send;                        // false: it was not sent, and has been answered
    std::function<void(const std::string& why)> drop;  // instead of sending it
  };

  // Each may send and drop, this one or others.
  void add(Call, Instant now);
  void ended(const std::string& lane, Instant now);  // of a call that was sent

  std::size_t length() const { return waiting_.size(); }

 private:
  struct Waiting {
    Call call;
    Instant since = 0;
  };
  void drop_old(Instant now);
  bool may_send(const Call&) const;
  void send_what_may(Instant now);

  std::deque<Waiting> waiting_;  // the more urgent first, then the older
  std::set<std::string> lanes_;  // that have one under way
  bool sending_ = false;
};

}  // namespace pvcd::core
