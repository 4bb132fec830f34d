#include "rbd_guard.hpp"

#include <algorithm>

#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds ceph_timeout = seconds(5);
constexpr Microseconds watch_lasts = watch_timeout + seconds(5);
constexpr Microseconds second_look_after = seconds(5);  // of a lock without a watcher

enum class Ruling { Proceed, Break, Wait, Unknown, Refuse };
enum class Standing { Foreign, Own, Dead };

struct Owner {
  Standing standing = Standing::Foreign;
  NodeName living;  // another node, which lives
};

bool has_instance(const std::vector<ClientInstance>& instances, const std::string& address) {
  return std::any_of(instances.begin(), instances.end(), [&](const auto& each) { return each.address == address; });
}

bool has_host(const std::vector<std::string>& hosts, const std::string& host) {
  return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

bool is_evidence(CoverKind cover) { return cover != CoverKind::None && cover != CoverKind::Release; }

Owner owner_of(const std::string& address, const VmStart& start) {
  if (has_instance(start.own_dead, address)) return {Standing::Dead, {}};
  for (const Writer& writer : start.covered)
    if (is_evidence(writer.cover) && has_instance(writer.instances, address)) return {Standing::Dead, {}};
  const std::string host = host_of(address);
  for (const auto& [node, hosts] : start.living)
    if (node != start.self.node && has_host(hosts, host)) return {Standing::Foreign, node};
  if (has_host(start.own_addresses, host)) return {Standing::Own, {}};
  const Writer* newest = nullptr;
  for (const Writer& writer : start.covered)
    if (has_host(writer.storage_addresses, host) && (!newest || writer.generation > newest->generation))
      newest = &writer;
  const bool ends_whole_host = newest && is_evidence(newest->cover) && newest->cover != CoverKind::LaterBoot;
  return {ends_whole_host ? Standing::Dead : Standing::Foreign, {}};
}

struct Judgement {
  Ruling ruling = Ruling::Proceed;
  std::string reason = "neither lock nor watcher";
  std::vector<std::string> dead;
  std::optional<std::string> dead_lock;
  std::vector<std::string> pending;
  Microseconds remaining = 0;
  NodeName ask;

  void find(Ruling found, const std::string& text) {
    if (found <= ruling) return;
    ruling = found;
    reason = text;
  }
};

// What is still to be waited for, counted from when the core first heard of it.
Microseconds remaining(const std::string& wait_for, Microseconds lasts, const VmStart& start) {
  Microseconds ago = 0;
  for (const FirstSeen& seen : start.first_seen)
    if (seen.wait_for == wait_for) ago = seen.ago;
  return lasts > ago ? lasts - ago : 0;
}

void judge_client(Judgement& judgement, const std::string& image, const std::string& address, bool locks, bool watches,
                  const VmStart& start) {
  const Owner owner = owner_of(address, start);
  const std::string who = image + (locks ? " is locked by " : " is watched by ") + address;
  const auto take_for_dead = [&] {
    judgement.find(Ruling::Break, who + ", proven dead");
    judgement.dead.push_back(address);
    if (locks) judgement.dead_lock = address;
  };
  if (owner.standing == Standing::Dead) return take_for_dead();
  if (owner.standing == Standing::Foreign) {
    if (!owner.living.empty()) judgement.ask = owner.living;
    return judgement.find(Ruling::Refuse, who + "; nothing proves it dead");
  }
  std::vector<std::pair<std::string, Microseconds>> waits = {{image + " " + address, watch_lasts}};
  if (!watches) waits.emplace_back(image + " " + address + " unwatched", second_look_after);
  Microseconds longest = 0;
  for (const auto& [what, lasts] : waits) longest = std::max(longest, remaining(what, lasts, start));
  if (longest > 0) {
    for (const auto& [what, lasts] : waits) judgement.pending.push_back(what);
    judgement.remaining = std::max(judgement.remaining, longest);
    return judgement.find(Ruling::Wait, who + ", of this node and not recorded");
  }
  if (watches) return judgement.find(Ruling::Refuse, who + "; it is alive");
  take_for_dead();
}

Judgement judge(const std::string& image, const Ceph::Listing& listing, const VmStart& start) {
  Judgement judgement;
  const auto watches = [&](const std::string& address) {
    return std::find(listing.watchers.begin(), listing.watchers.end(), address) != listing.watchers.end();
  };
  if (listing.locker) judge_client(judgement, image, *listing.locker, true, watches(*listing.locker), start);
  for (const std::string& watcher : listing.watchers)
    if (watcher != listing.locker) judge_client(judgement, image, watcher, false, true, start);
  return judgement;
}

struct AllJudged {
  HookVerdict verdict;
  bool breaks = false;
  std::map<std::string, Judgement> images;
};

AllJudged judge_all(Ceph& ceph, const VmStart& start) {
  AllJudged all;
  Ruling worst = Ruling::Proceed;
  for (const Disk& disk : start.disks) {
    if (disk.kind != DiskKind::Rbd) continue;
    Judgement judgement = judge(disk.source, ceph.list(disk.source), start);
    worst = std::max(worst, judgement.ruling);
    all.breaks = all.breaks || judgement.ruling == Ruling::Break;
    all.verdict.reason += (all.verdict.reason.empty() ? "" : " | ") + judgement.reason;
    if (all.verdict.ask.empty()) all.verdict.ask = judgement.ask;
    for (const std::string& pending : judgement.pending) all.verdict.wait_for.push_back(pending);
    all.verdict.wait = std::max(all.verdict.wait, judgement.remaining);
    all.images[disk.source] = std::move(judgement);
  }
  constexpr Verdict verdicts[] = {Verdict::Proceed, Verdict::Proceed, Verdict::Wait, Verdict::Unknown, Verdict::Refuse};
  all.verdict.verdict = verdicts[static_cast<std::size_t>(worst)];
  if (worst != Ruling::Wait) {
    all.verdict.wait = 0;
    all.verdict.wait_for.clear();
  }
  if (worst <= Ruling::Break)
    for (const auto& [image, judgement] : all.images)
      for (const std::string& address : judgement.dead) all.verdict.present.push_back({image, address});
  return all;
}

HookVerdict unknown(const std::string& why) {
  HookVerdict verdict;
  verdict.reason = why;
  return verdict;
}

}  // namespace

RbdGuard::RbdGuard(World& world, std::size_t node) : worker(world.events), world_(world), node_(node) {}

bool RbdGuard::holds(const Permit& permit) const { return world_.node(node_).host.clock() < permit.not_after; }
bool RbdGuard::reaches_ceph() const { return world_.network.reaches_ceph(node_); }

// Blocklisted first, then unlocked; the right to act is looked at before each act.
void RbdGuard::break_next(std::vector<Break> rest, const Permit& permit, Events::Act all_broken, Events::Act too_late) {
  if (rest.empty()) return all_broken();
  worker.process.after(
      world_.random.between(milliseconds(20), milliseconds(700)),
      [this, rest = std::move(rest), permit, all_broken, too_late]() mutable {
        if (!holds(permit) || !reaches_ceph() || world_.ceph.refuses_to_blocklist) return too_late();
        const Break one = rest.front();
        rest.erase(rest.begin());
        world_.oracle.breaks(node_, one.image, one.address);
        world_.chronicle.note("break " + vm_of_image(one.image) + " by " + world_.node(node_).host.name());
        world_.ceph.blocklist(one.address);
        if (!one.lock) return break_next(std::move(rest), permit, all_broken, too_late);
        worker.process.after(world_.random.between(milliseconds(5), milliseconds(300)),
                             [this, one, rest, permit, all_broken, too_late] {
                               if (!holds(permit) || !reaches_ceph()) return too_late();
                               world_.oracle.breaks(node_, one.image, one.address);
                               world_.ceph.break_lock(one.image, one.address);
                               break_next(rest, permit, all_broken, too_late);
                             });
      });
}

// On images that the VM does not have any more.
std::vector<RbdGuard::Break> RbdGuard::left_elsewhere(const VmStart& start) const {
  std::vector<Break> breaks;
  for (const ClientInstance& dead : start.own_dead)
    if (std::ranges::find(start.disks, dead.image, &Disk::source) == start.disks.end())
      breaks.push_back({dead.image, dead.address, world_.ceph.list(dead.image).locker == dead.address});
  return breaks;
}

// Every address, then the recorded instances, which stay listed when the addresses are lifted; then an operation in
// each part of the pools, which brings the newest map to its OSD.
void RbdGuard::fence_storage(const StorageFenceRequest& request, const Reply<StorageFenced>& reply) {
  const auto too_late = [reply] { reply({Outcome::Unknown, {}, {}, "the right to act ended before the act"}); };
  if (!holds(request.permit)) return reply({Outcome::Refused, {}, {}, "the right to act has ended"});
  const auto silent = [reply] { reply({Outcome::Unknown, {}, {}, "Ceph does not answer"}); };
  if (!reaches_ceph()) return worker.process.after(ceph_timeout, silent);
  worker.process.after(world_.random.between(milliseconds(20), milliseconds(1500)), [=, this] {
    if (!holds(request.permit)) return too_late();
    if (!reaches_ceph()) return silent();
    if (world_.ceph.refuses_to_blocklist) return reply({Outcome::Unknown, {}, {}, "the Ceph user may not blocklist"});
    world_.oracle.shuts_out(node_, request.victim);
    world_.chronicle.note("shut out " + request.victim.node + " by " + world_.node(node_).host.name());
    for (const std::string& address : request.addresses) world_.ceph.shut_out(address);
    for (const ClientInstance& instance : request.instances) world_.ceph.blocklist(instance.address);
    worker.process.after(world_.random.between(milliseconds(20), milliseconds(1500)), [=, this] {
      if (!reaches_ceph()) return silent();
      if (!world_.ceph.know_newest_map()) return reply({Outcome::Unknown, {}, {}, "an OSD does not answer"});
      reply({Outcome::Done, request.images, {"every OSD knows that the clients of its address are shut out"}, {}});
    });
  });
}

// A model of plugins/shared-files: shared_files.cpp.
void RbdGuard::look_at_shared_files(const VmStart& start, const Reply<HookVerdict>& reply) {
  Host& host = world_.node(node_).host;
  const std::string path = std::ranges::find(start.disks, DiskKind::Shared, &Disk::kind)->source;
  const auto last = std::ranges::find(start.file_systems, path, &FileSystem::path);
  HookVerdict verdict;
  if (last != start.file_systems.end() && last->identity != host.file_system) {
    verdict.verdict = Verdict::Refuse;
    verdict.reason = host.file_system + " is not what it last ran on";
    verdict.elsewhere = true;
  } else {
    host.looked_at[start.uuid] = host.file_system;
    verdict.verdict = Verdict::Proceed;
    verdict.file_systems = {{path, host.file_system}};
  }
  worker.process.after(milliseconds(10), [reply, verdict] { reply(verdict); });
}

void RbdGuard::before_start(const VmStart& start, const Reply<HookVerdict>& reply) {
  if (!holds(start.permit)) return reply(unknown("the right to act has ended"));
  if (!reaches_ceph()) return worker.process.after(ceph_timeout, [reply] { reply(unknown("Ceph does not answer")); });
  worker.process.after(world_.random.between(milliseconds(10), milliseconds(200)), [this, start, reply] {
    if (!holds(start.permit)) return reply(unknown("the right to act has ended"));
    for (const std::string& address : start.own_addresses) world_.ceph.let_in(address);
    AllJudged seen = judge_all(world_.ceph, start);
    if (seen.verdict.verdict != Verdict::Proceed) return reply(seen.verdict);
    std::vector<Break> breaks = left_elsewhere(start);
    if (!seen.breaks && breaks.empty()) return reply(seen.verdict);
    for (const auto& [image, judgement] : seen.images)
      for (const std::string& address : judgement.dead)
        breaks.push_back({image, address, judgement.dead_lock == address});
    const auto again = [this, start, reply] {
      AllJudged after = judge_all(world_.ceph, start);
      for (const auto& [image, judgement] : after.images)
        if (judgement.dead_lock) return reply(unknown(image + " is still locked after the break"));
      reply(after.verdict);
    };
    break_next(std::move(breaks), start.permit, again, [reply] { reply(unknown("the right to act ended")); });
  });
}

void RbdGuard::identify(const ImagesRequest& request, const Reply<Identified>& reply) {
  if (!reaches_ceph())
    return worker.process.after(ceph_timeout, [reply] { reply({Outcome::Unknown, {}, "Ceph does not answer"}); });
  worker.process.after(world_.random.between(milliseconds(5), milliseconds(100)), [this, request, reply] {
    if (half_answers && world_.random.chance(50)) return reply({Outcome::Unknown, {}, "Ceph answered half"});
    Identified answer{Outcome::Done, {}, {}};
    for (const Disk& disk : request.disks) {
      if (disk.kind != DiskKind::Rbd) continue;
      std::vector<std::string> found;
      for (const std::string& watcher : world_.ceph.list(disk.source).watchers)
        if (!has_instance(request.present, watcher)) found.push_back(watcher);
      if (found.size() == 1 && has_host(request.own_addresses, host_of(found.front())))
        answer.instances.push_back({disk.source, found.front()});
      else
        answer = {Outcome::Unknown, answer.instances, disk.source + " has no single new watcher of this host"};
    }
    reply(answer);
  });
}

void RbdGuard::after_stop(const VmStopped& stopped, const Reply<Answer>& reply) {
  if (!holds(stopped.permit)) return reply({Outcome::Refused, "the right to act has ended"});
  if (stopped.own_dead.empty()) return reply({Outcome::Done, {}});
  if (!reaches_ceph())
    return worker.process.after(ceph_timeout, [reply] { reply({Outcome::Unknown, "Ceph does not answer"}); });
  std::vector<Break> breaks;
  for (const ClientInstance& dead : stopped.own_dead)
    breaks.push_back({dead.image, dead.address, world_.ceph.list(dead.image).locker == dead.address});
  break_next(
      std::move(breaks), stopped.permit,
      [this, stopped, reply] {
        for (const ClientInstance& dead : stopped.own_dead)
          if (world_.ceph.list(dead.image).locker == dead.address)
            return reply({Outcome::Unknown, dead.image + " is still locked after the break"});
        reply({Outcome::Done, {}});
      },
      [reply] {
        reply({Outcome::Unknown, "the right to act ended before the act"});
      });
}

}  // namespace pvcd::sim
