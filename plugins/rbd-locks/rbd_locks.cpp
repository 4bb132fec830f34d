#include "rbd_locks.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "address.hpp"
#include "identify.hpp"
#include "image.hpp"
#include "leftover.hpp"
#include "parallel.hpp"
#include "sdk/permit.hpp"
#include "shut_out.hpp"
#include "verdict.hpp"

namespace pvcd::rbd_locks {

namespace {

// A QEMU watches its images before libvirt's create returns; the bound is for a slow OSD.
constexpr Microseconds identify_bound = seconds(5);
constexpr auto identify_pause = std::chrono::milliseconds(100);

// Between two questions whether Ceph still answers, while nobody asks for anything.
constexpr Microseconds ask_interval = seconds(10);

std::vector<std::string> rbd_images(const std::vector<Disk>& disks) {
  std::set<std::string> images;
  for (const Disk& disk : disks) {
    if (disk.kind == DiskKind::Rbd) images.insert(disk.source);
  }
  return {images.begin(), images.end()};
}

std::uint64_t positive(const Settings& settings, const char* key) {
  const std::int64_t number = settings.number(key);
  if (number <= 0) throw Error(std::string(key) + " is " + std::to_string(number) + ", but must be more than 0");
  return static_cast<std::uint64_t>(number);
}

// Just before the act: the session to Ceph may have taken its time (safety rule 5), and a newer primary may have come.
void require(const Host& host, const Permit& permit) {
  if (!host.holds(permit)) throw Error("the right to act ended before the act");
}

// The worst of them; its note, or all notes of the best.
Answer combined(const std::vector<Answer>& answers) {
  Answer all{Outcome::Done, ""};
  for (const Answer& answer : answers) {
    if (answer.outcome != Outcome::Done && all.outcome == Outcome::Done) all = {answer.outcome, ""};
    if (answer.outcome != all.outcome || answer.note.empty()) continue;
    all.note += (all.note.empty() ? "" : "; ") + answer.note;
  }
  return all;
}

HookVerdict not_known(const std::string& reason) {
  HookVerdict verdict;
  verdict.reason = reason;
  return verdict;
}

// For people who find the entry in the blocklist one day.
std::string told(const VmStopped& cut_off) {
  std::string text = "blocklisted on images that it does not have any more:";
  for (const ClientInstance& each : cut_off.own_dead) text += " " + each.image + " (" + each.address + ")";
  return text;
}

// Breaks what the VM's dead instances hold on one image and looks again. They are blocklisted already.
Answer clear(const Host& host, const Cluster& cluster, const std::string& image, const VmStopped& stopped) {
  for (const DeadLock& lock : left_behind(look_at(cluster, image), stopped).locks) {
    require(host, stopped.permit);
    break_lock(cluster, image, lock.locker);
  }
  const Leftover left = left_behind(look_at(cluster, image), stopped);
  if (!left.locks.empty()) return {Outcome::Unknown, image + " is still locked after the break"};
  if (!left.unclear.empty()) return {Outcome::Unknown, left.unclear};
  return {Outcome::Done, left.unrecorded};
}

}  // namespace

void RbdLocks::start(Host& host) {
  host_ = &host;
  const Settings& settings = host.settings();
  options_ = {settings.text("ceph_conf"), settings.text("ceph_client"),
              (positive(settings, "timeout_ms") + 999) / 1000};
  watch_timeout_ = milliseconds(positive(settings, "watch_timeout_ms"));
  tick();
}

// Ceph being away is no reason to end: requests are answered Unknown, and the fact tells why. That we may blocklist is
// asked before a VM needs it: without the right, a stale lock would stay for good. What is asked later has a limit, and
// its failure does not end the connection, whose making would hang as well: only the fact must not be old.
void RbdLocks::tick() {
  try {
    const Cluster& cluster = connected();
    if (!may_blocklist_) {
      cluster.check_may_let_in();
      cluster.check_may_blocklist();
    }
    may_blocklist_ = true;
    if (boottime_now() >= ask_at_) {
      cluster.check_answers();
      ask_at_ = boottime_now() + ask_interval;
    }
    report_ceph("ok");
  } catch (const Error& error) {
    report_ceph(error.what());
  }
}

const Cluster& RbdLocks::connected() {
  if (!cluster_) cluster_ = std::make_unique<Cluster>(options_);
  return *cluster_;
}

void RbdLocks::disconnect() {
  cluster_.reset();
  is_let_in_ = false;
}

// A host that was shut out is still so when it comes back, until it opens an image for the first time. Who is shut out
// later is told so by the first call that fails, which ends the connection.
const Cluster& RbdLocks::connected_and_let_in(const Permit& permit) {
  if (!is_let_in_ && let_in(*host_, connected(), permit)) {
    host_->log(Level::Notice, "this host was shut out of Ceph; its addresses are let in again");
    disconnect();  // the old connection has been told that it is blocklisted
  }
  is_let_in_ = true;
  return connected();
}

void RbdLocks::report_ceph(const std::string& state) {
  if (state == reported_) return;
  reported_ = state;
  host_->report("ceph", state);
  host_->log(state == "ok" ? Level::Info : Level::Warning, "ceph: " + state);
}

void RbdLocks::drop_suspect_connection() {
  if (suspect_.exchange(false)) disconnect();
}

// A client that slept while an OSD was restarted asks the former one, and hears nothing until its limit has passed.
const Cluster& RbdLocks::connected_and_up_to_date(const Permit& permit) {
  const Cluster& cluster = connected_and_let_in(permit);
  try {
    cluster.catch_up();
  } catch (const Error&) {
    disconnect();
    throw;
  }
  return cluster;
}

// Nothing is broken unless every image of the VM may start: a VM that is refused leaves no trace.
HookVerdict RbdLocks::before_start(const VmStart& start) {
  const std::vector<std::string> images = rbd_images(start.disks);
  const VmStopped elsewhere = left_elsewhere(start);
  if (images.empty() && elsewhere.own_dead.empty()) return combine({});
  try {
    const Cluster& cluster = connected_and_up_to_date(start.permit);
    const std::vector<Judgement> seen = look_at_all(cluster, images, start);
    HookVerdict answer = combine(seen);
    const bool dead_in_the_way =
        std::ranges::any_of(seen, [](const Judgement& each) { return each.ruling == Ruling::Break; });
    if (answer.verdict == Verdict::Proceed && dead_in_the_way) {
      answer = combine(break_all(cluster, seen, start));
    }
    if (answer.verdict == Verdict::Proceed) {
      const Answer left = after_stop(elsewhere);
      if (left.outcome != Outcome::Done) answer = not_known(left.note);
      if (left.outcome == Outcome::Done && !elsewhere.own_dead.empty())
        answer.reason +=
            (answer.reason.empty() ? "" : "; ") + told(elsewhere) + (left.note.empty() ? "" : "; " + left.note);
    }
    drop_suspect_connection();
    return answer;
  } catch (const Error& error) {
    return not_known(error.what());
  }
}

std::vector<Judgement> RbdLocks::look_at_all(const Cluster& cluster, const std::vector<std::string>& images,
                                             const VmStart& start) {
  std::vector<Judgement> judgements(images.size());
  in_parallel(images.size(), [&](std::size_t i) {
    try {
      judgements[i] = judge(look_at(cluster, images[i]), start, watch_timeout_);
    } catch (const Error& error) {
      suspect_ = true;
      judgements[i] = unknown(images[i], error.what());
    }
  });
  return judgements;
}

std::vector<Judgement> RbdLocks::break_all(const Cluster& cluster, const std::vector<Judgement>& seen,
                                           const VmStart& start) {
  std::vector<Judgement> judgements = seen;
  in_parallel(seen.size(), [&](std::size_t i) {
    if (seen[i].ruling != Ruling::Break) return;
    try {
      judgements[i] = break_dead(cluster, seen[i], start);
    } catch (const Error& error) {
      suspect_ = true;
      judgements[i] = unknown(seen[i].image, error.what());
    }
  });
  return judgements;
}

Judgement RbdLocks::break_dead(const Cluster& cluster, const Judgement& seen, const VmStart& start) const {
  for (const DeadLock& lock : seen.dead_locks) {
    require(*host_, start.permit);
    cluster.blocklist(lock.address);
    require(*host_, start.permit);
    break_lock(cluster, seen.image, lock.locker);
  }
  for (const ClientInstance& watcher : seen.dead_watchers) {
    require(*host_, start.permit);
    cluster.blocklist(watcher.address);
  }
  Judgement after = judge_after_break(look_at(cluster, seen.image), start, watch_timeout_);
  after.reason = "blocklisted and broken: " + seen.reason + "; then: " + after.reason;
  return after;
}

StorageFenced RbdLocks::fence_storage(const StorageFenceRequest& request) {
  try {
    StorageFenced done = shut_out(*host_, connected_and_let_in(request.permit), request);
    if (done.outcome == Outcome::Unknown) disconnect();
    return done;
  } catch (const Error& error) {
    disconnect();
    return {Outcome::Unknown, {}, {}, error.what()};
  }
}

Identified RbdLocks::identify(const ImagesRequest& request) {
  const std::vector<std::string> images = rbd_images(request.disks);
  if (images.empty()) return {Outcome::Done, {}, "no RBD disks"};
  try {
    const Instant give_up = boottime_now() + identify_bound;
    Identified found = look_for_newcomers(images, request);
    while (request.just_created && found.outcome != Outcome::Done && boottime_now() < give_up) {
      std::this_thread::sleep_for(identify_pause);
      found = look_for_newcomers(images, request);
    }
    return found;
  } catch (const Error& error) {
    return {Outcome::Unknown, {}, error.what()};
  }
}

Identified RbdLocks::look_for_newcomers(const std::vector<std::string>& images, const ImagesRequest& request) {
  const Cluster& cluster = connected();
  std::vector<Newcomer> newcomers(images.size());
  in_parallel(images.size(), [&](std::size_t i) {
    try {
      newcomers[i] = newcomer(look_at(cluster, images[i]), request);
    } catch (const Error& error) {
      suspect_ = true;
      newcomers[i].note = error.what();
    }
  });
  drop_suspect_connection();

  Identified answer{Outcome::Done, {}, ""};
  for (const Newcomer& each : newcomers) {
    if (each.instance) {
      answer.instances.push_back(*each.instance);
      continue;
    }
    answer.outcome = Outcome::Unknown;
    answer.note += (answer.note.empty() ? "" : "; ") + each.note;
  }
  return answer;
}

Answer RbdLocks::after_stop(const VmStopped& stopped) {
  if (stopped.own_dead.empty()) return {Outcome::Done, "no recorded instance"};
  std::set<std::string> addresses;
  std::set<std::string> images;  // also of disks that were unplugged since
  for (const std::string& image : rbd_images(stopped.disks)) images.insert(image);
  for (const ClientInstance& instance : stopped.own_dead) {
    const auto address = parse_address(instance.address);
    if (!address) return {Outcome::Unknown, "the recorded address " + instance.address + " is not understood"};
    addresses.insert(to_string(*address));
    images.insert(instance.image);
  }
  try {
    const Cluster& cluster = connected_and_let_in(stopped.permit);
    Answer answer = combined(blocklist_all(cluster, addresses, stopped.permit));
    if (answer.outcome == Outcome::Done) answer = combined(clear_all(cluster, {images.begin(), images.end()}, stopped));
    drop_suspect_connection();
    return answer;
  } catch (const Error& error) {
    return {Outcome::Unknown, error.what()};
  }
}

std::vector<Answer> RbdLocks::blocklist_all(const Cluster& cluster, const std::set<std::string>& addresses,
                                            const Permit& permit) {
  const std::vector<std::string> list(addresses.begin(), addresses.end());
  std::vector<Answer> answers(list.size());
  in_parallel(list.size(), [&](std::size_t i) {
    try {
      require(*host_, permit);
      cluster.blocklist(list[i]);
      answers[i] = {Outcome::Done, ""};
    } catch (const Error& error) {
      suspect_ = true;
      answers[i] = {Outcome::Unknown, error.what()};
    }
  });
  return answers;
}

std::vector<Answer> RbdLocks::clear_all(const Cluster& cluster, const std::vector<std::string>& images,
                                        const VmStopped& stopped) {
  std::vector<Answer> answers(images.size());
  in_parallel(images.size(), [&](std::size_t i) {
    try {
      answers[i] = clear(*host_, cluster, images[i], stopped);
    } catch (const Error& error) {
      suspect_ = true;
      answers[i] = {Outcome::Unknown, error.what()};
    }
  });
  return answers;
}

}  // namespace pvcd::rbd_locks

PVCD_PLUGIN("rbd-locks", pvcd::rbd_locks::RbdLocks);
