// Evidence of a host that nobody can reach: its own watchdog has cut it. Nothing is sent, so nothing is announced; what
// is tried beside it goes on until this or that proves it.

#include "logic/self_fence.hpp"

#include "logic/evidence.hpp"

namespace pvcd::logic {
namespace {

// A tenth, between two hosts and over a few seconds: far more than any clocks differ.
constexpr std::uint64_t slack_divisor = 10;

// What no device is set to: a record of nonsense must not become a short time.
constexpr Microseconds believable = seconds(24 * 3600);

std::string in_ms(Microseconds time) { return std::to_string(time / 1000) + " ms"; }

// The record says armed only while a device is: it is armed before the store is told so, and disarmed only after the
// store has been told that it is not. So the last words of this life are enough: no VM of it outlives the deadline,
// also one that was started before a watchdog was armed, or while there was none.
std::string unarmed(const SelfFence& self_fence) {
  if (self_fence.armed) return {};
  return "its watchdog is not armed" + (self_fence.note.empty() ? "" : ": " + self_fence.note);
}

std::string why_not_cut(const Round& round, const NodeRecord& node, const Live* live) {
  if (!live) return "there is no word of " + node.name + " about one";
  const auto& self_fence = live->value.self_fence;
  if (!self_fence || !self_fence->armed)
    return node.name + " has none armed" + (self_fence && !self_fence->note.empty() ? ": " + self_fence->note : "");
  const auto wait = cut_after(live->value);
  if (!wait) return "what " + node.name + " has recorded of it cannot be believed";
  return "it may live until its session is gone and it has been silent for " + in_ms(*wait) + ", and so far that is " +
         in_ms(silence(round.next.sights, node.name, round.in.now));
}

}  // namespace

std::optional<Microseconds> cut_after(const LiveRecord& live) {
  if (!live.self_fence || !live.self_fence->armed) return std::nullopt;
  const SelfFence& self_fence = *live.self_fence;
  if (self_fence.watchdog_timeout == 0 || self_fence.after > believable || self_fence.watchdog_timeout > believable)
    return std::nullopt;
  const Microseconds longest = self_fence.after + self_fence.watchdog_timeout;
  return longest + longest / slack_divisor;
}

std::string objection_of_watchdog(const Live& live) {
  return live.value.self_fence ? unarmed(*live.value.self_fence) : std::string();
}

std::string objection_of_watchdog(const ClusterView& view, const Life& self) {
  const auto live = view.live.find({self.node, self.incarnation});
  if (live == view.live.end() || live->second.value.boot != self.boot || !live->second.value.self_fence)
    return "the store does not know yet whether its watchdog is armed";
  return unarmed(*live->second.value.self_fence);
}

std::string words_about_watchdog(const ClusterView& view, const Life& lost) {
  const auto node = view.nodes.find(lost.node);
  if (node == view.nodes.end() || node->second.value.boot != lost.boot) return {};
  const Live* live = live_of(view, node->second.value);
  if (!live || !live->value.self_fence) return {};
  const auto wait = cut_after(live->value);
  return wait ? "its watchdog has cut it for sure when it has been silent for " + in_ms(*wait)
              : objection_of_watchdog(*live) + ", so that silence proves nothing";
}

// The transaction fails unless the live entry is as it was when its silence began to be watched, and without a session.
// Each proof of the victim was sent before its counter arrived in the store, and so before this observer first saw that
// counter.
Rung watchdog_rung(const Round& round, const NodeRecord& node, const PowerHistory&, Health state) {
  Rung rung;
  const Live* live = live_of(round.view(), node);
  rung.missing = why_not_cut(round, node, live);
  if (state != Health::Lost || !live) return rung;
  const auto wait = cut_after(live->value);
  const Microseconds silent = silence(round.next.sights, node.name, round.in.now);
  if (!wait || silent <= *wait || live->value.boot != node.boot) return rung;
  rung.available = true;
  const SelfFence& self_fence = *live->value.self_fence;
  rung.what = "take " + node.name + " for cut by its watchdog";
  rung.because = "it could not prove itself for longer than the watchdog lets it live";
  rung.facts = {node.name + " was last seen in boot " + node.boot + ", with counter " +
                    std::to_string(live->value.counter) + " and an armed watchdog of " +
                    in_ms(self_fence.watchdog_timeout) + ", petted while a proof is younger than " +
                    in_ms(self_fence.after),
                "its session is gone, and its counter has stood still for " + in_ms(silent) + " on the clock of " +
                    round.in.self.node + ": more than " + in_ms(*wait)};
  return rung;
}

}  // namespace pvcd::logic
