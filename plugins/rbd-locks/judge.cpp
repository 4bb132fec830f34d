#include "judge.hpp"

#include <algorithm>
#include <optional>

#include "owner.hpp"

namespace pvcd::rbd_locks {

namespace {

// On top of osd_client_watch_timeout, for the OSD to notice and for the look itself.
constexpr Microseconds watch_margin = seconds(5);

// A lock without a watcher is broken only after a second such look: QEMU watches anew after a gap, and a look may fall
// into one.
constexpr Microseconds second_look_after = seconds(5);
constexpr std::string_view unwatched = " unwatched";

constexpr std::string_view automatic_cookie = "auto ";

struct Finding {
  Ruling ruling = Ruling::Unknown;
  std::string text;
};

class Judging {
 public:
  Judging(const Listing& listing, const VmStart& start, Microseconds watch_timeout)
      : listing_(listing), start_(start), watch_lasts_(watch_timeout + watch_margin) {
    judgement_.image = listing.image;
  }

  Judgement run() {
    if (!listing_.missing.empty()) {
      findings_.push_back({Ruling::Refuse, listing_.missing + " does not exist"});
    }
    for (const Locker& locker : listing_.lockers) findings_.push_back(of_locker(locker));
    for (const Watcher& watcher : listing_.watchers) {
      if (!holds_lock(watcher)) findings_.push_back(of_watcher(watcher));
    }
    conclude();
    return std::move(judgement_);
  }

 private:
  Finding of_locker(const Locker& locker) {
    const std::string who = "locked by " + locker.client + " at " + locker.address;
    const auto address = parse_address(locker.address);
    if (!address) return {Ruling::Unknown, who + ", an address that is not understood"};

    const Owner owner = owner_of(*address, start_);
    const std::string owned = who + " (" + owner.why + ")";
    if (owner.standing == Standing::Dead) return dead_lock(locker, *address, owned);
    if (!locker.cookie.starts_with(automatic_cookie)) return added_by_hand(locker, owned);

    const bool watching = is_watching(*address);
    const std::string seen = owned + (watching ? ", which is watching" : ", which is not watching");
    if (owner.standing == Standing::Foreign) return foreign(owner, seen);
    std::vector<Pending> pending = {pending_on(*address, "", watch_lasts_)};
    if (!watching) pending.push_back(pending_on(*address, unwatched, second_look_after));
    if (remaining(pending) > 0) return wait(pending, seen);
    if (watching) return own_alive(seen);
    return dead_lock(locker, *address, seen + " although its watch had time to be renewed");
  }

  Finding of_watcher(const Watcher& watcher) {
    const std::string who = "watched without a lock by " + watcher.client + " at " + watcher.address;
    const auto address = parse_address(watcher.address);
    if (!address) return {Ruling::Unknown, who + ", an address that is not understood"};

    const Owner owner = owner_of(*address, start_);
    const std::string owned = who + " (" + owner.why + ")";
    if (owner.standing == Standing::Dead) return dead_watcher(*address, owned);
    if (owner.standing == Standing::Foreign) return foreign(owner, owned);
    const std::vector<Pending> pending = {pending_on(*address, "", watch_lasts_)};
    if (remaining(pending) > 0) return wait(pending, owned);
    return own_alive(owned);
  }

  Finding dead_lock(const Locker& locker, const Address& address, const std::string& text) {
    judgement_.dead_locks.push_back({locker, to_string(address)});
    return {Ruling::Break, text};
  }

  Finding dead_watcher(const Address& address, const std::string& text) {
    judgement_.dead_watchers.push_back({listing_.image, to_string(address)});
    return {Ruling::Break, text};
  }

  Finding foreign(const Owner& owner, const std::string& text) {
    if (owner.living) judgement_.ask = owner.node;
    return {Ruling::Refuse, text + "; nothing proves it dead"};
  }

  // All that it waits for are named again as long as it waits: the core forgets what is not.
  Finding wait(const std::vector<Pending>& pending, const std::string& text) {
    judgement_.pending.insert(judgement_.pending.end(), pending.begin(), pending.end());
    const auto remaining_s = (remaining(pending) + seconds(1) - 1) / seconds(1);
    return {Ruling::Wait,
            text + "; asked again when its watch had time to run out, in " + std::to_string(remaining_s) + " s"};
  }

  static Finding own_alive(const std::string& text) {
    return {Ruling::Refuse, text + "; it kept watching longer than a dead client can: it is alive, stop it first"};
  }

  static Finding added_by_hand(const Locker& locker, const std::string& text) {
    return {Ruling::Refuse,
            text + " with the id \"" + locker.cookie +
                "\", which a person gave: only who knows that its holder is gone may remove it (rbd lock rm)"};
  }

  // Counted from when the core first heard of it.
  Pending pending_on(const Address& address, std::string_view what, Microseconds lasts) const {
    const std::string wait_for = listing_.image + " " + to_string(address) + std::string(what);
    Microseconds ago = 0;
    for (const FirstSeen& seen : start_.first_seen)
      if (seen.wait_for == wait_for) ago = seen.ago;
    return {wait_for, lasts > ago ? lasts - ago : 0};
  }

  static Microseconds remaining(const std::vector<Pending>& pending) {
    Microseconds longest = 0;
    for (const Pending& each : pending) longest = std::max(longest, each.remaining);
    return longest;
  }

  bool is_watching(const Address& address) const {
    return std::ranges::any_of(listing_.watchers,
                               [&](const Watcher& each) { return parse_address(each.address) == address; });
  }

  bool holds_lock(const Watcher& watcher) const {
    const auto address = parse_address(watcher.address);
    return address && std::ranges::any_of(listing_.lockers,
                                          [&](const Locker& each) { return parse_address(each.address) == address; });
  }

  // What does not count towards the ruling is dropped: an image that waits has nothing to break yet.
  void conclude() {
    std::ranges::stable_sort(findings_, std::ranges::greater(), &Finding::ruling);
    judgement_.ruling = findings_.empty() ? Ruling::Proceed : findings_.front().ruling;
    for (const Finding& finding : findings_) {
      judgement_.reason += (judgement_.reason.empty() ? "" : "; ") + finding.text;
    }
    if (findings_.empty()) judgement_.reason = "neither lock nor watcher";
    if (judgement_.ruling != Ruling::Break) {
      judgement_.dead_locks.clear();
      judgement_.dead_watchers.clear();
    }
    if (judgement_.ruling != Ruling::Wait) judgement_.pending.clear();
  }

  const Listing& listing_;
  const VmStart& start_;
  const Microseconds watch_lasts_;
  std::vector<Finding> findings_;
  Judgement judgement_;
};

}  // namespace

Judgement judge(const Listing& listing, const VmStart& start, Microseconds watch_timeout) {
  return Judging(listing, start, watch_timeout).run();
}

Judgement judge_after_break(const Listing& listing, const VmStart& start, Microseconds watch_timeout) {
  Judgement judgement = judge(listing, start, watch_timeout);
  if (judgement.ruling != Ruling::Break) return judgement;
  if (!judgement.dead_locks.empty()) return unknown(listing.image, "still locked after the break: " + judgement.reason);
  judgement.ruling = Ruling::Proceed;
  return judgement;
}

Judgement unknown(std::string image, std::string reason) {
  Judgement judgement;
  judgement.image = std::move(image);
  judgement.reason = std::move(reason);
  return judgement;
}

}  // namespace pvcd::rbd_locks
