#include "observer.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace pvcd::sim {
namespace {

constexpr Microseconds notices_cut_after_max = seconds(4);
constexpr Microseconds held_max = milliseconds(400);
constexpr std::uint64_t held_percent = 7;
constexpr Microseconds read_anew_max = milliseconds(300);
constexpr Instant for_ever = std::numeric_limits<Instant>::max();

// As in store/paths.hpp, of what may be unreadable here.
std::optional<std::string> path_of(const Key& key) {
  switch (key.kind) {
    case Kind::Live:
      return "/live/" + key.name;
    case Kind::Vm:
      return "/vms/" + key.name;
    case Kind::Owner:
      return "/owners/" + key.name;
    case Kind::Run:
      return "/runs/" + key.name;
    case Kind::Waiting:
      return "/waiting/" + key.name;
    default:
      return std::nullopt;
  }
}

template <class Record>
void put(std::optional<logic::Seen<Record>>& into, const EntryPointer& entry) {
  if (entry)
    into = logic::Seen<Record>{std::get<Record>(entry->record), entry->version};
  else
    into.reset();
}

template <class Record, class Name>
void put(std::map<Name, logic::Seen<Record>>& into, const Name& name, const EntryPointer& entry) {
  if (entry)
    into[name] = {std::get<Record>(entry->record), entry->version};
  else
    into.erase(name);
}

std::pair<NodeName, Incarnation> life_of(const std::string& name) {
  const auto dot = name.rfind('.');
  Incarnation incarnation = 0;
  std::from_chars(name.data() + dot + 1, name.data() + name.size(), incarnation);
  return {name.substr(0, dot), incarnation};
}

}  // namespace

void show(const Key& key, const EntryPointer& entry, Shown& shown) {
  auto& [view, sessions] = shown;
  switch (key.kind) {
    case Kind::Cluster:
      return put(view.cluster, entry);
    case Kind::Leader:
      return put(view.leader, entry);
    case Kind::Node:
      return put(view.nodes, key.name, entry);
    case Kind::Live: {
      const auto life = life_of(key.name);
      if (!entry) {
        view.live.erase(life);
        return;
      }
      logic::Live& live = view.live[life];
      live.value = std::get<LiveRecord>(entry->record);
      live.version = entry->version;
      live.session = sessions.contains(key.name);
      return;
    }
    case Kind::Session: {
      if (entry)
        sessions.insert(key.name);
      else
        sessions.erase(key.name);
      auto live = view.live.find(life_of(key.name));
      if (live != view.live.end()) live->second.session = entry != nullptr;
      return;
    }
    case Kind::Readiness:
      return put(view.readiness, key.name, entry);
    case Kind::Role:
      return put(view.roles, key.name, entry);
    case Kind::Vm:
      return put(view.vms, key.name, entry);
    case Kind::Owner:
      return put(view.owners, key.name, entry);
    case Kind::Run:
      return put(view.runs, key.name, entry);
    case Kind::Waiting:
      return put(view.waiting, key.name, entry);
    case Kind::Fence:
      return put(view.fences, key.name, entry);
    case Kind::Evidence:
      return put(view.evidence, key.name, entry);
    case Kind::Witness:
      return put(view.witnesses, key.name, entry);
    case Kind::Job: {
      const std::uint64_t id = *number_of(key.name);
      put(view.jobs, id, entry);
      if (entry) view.jobs.at(id).value.id = id;
      return;
    }
    case Kind::Name:
    case Kind::Image:
    case Kind::Link:
    case Kind::Decision:
      return;
  }
}

void Observer::restart(const Store& store, Random& random) {
  shown_ = {};
  held_.clear();
  read_at_.reset();
  cut_ = true;  // complete once it reaches the store
  cut_since_ = 0;
  notices_after_ = 0;
  position_ = store.log().size();
  restored_ = store.restored();
  for (const auto& [key, entry] : store.entries()) {
    if (random.chance(50))
      read(store, key, entry);
    else
      held_.push_back({key, for_ever, entry});
  }
}

bool Observer::catch_up(const Store& store, Random& random, Instant now, bool serves) {
  const bool is_restored = std::exchange(restored_, store.restored()) != store.restored();
  if (is_restored) shown_.view.complete = false;  // it reads everything anew before anything is decided
  if (!serves) {
    read_at_.reset();
    if (!std::exchange(cut_, true)) {
      cut_since_ = now;
      notices_after_ = random.below(notices_cut_after_max);
    }
    const bool notices = shown_.view.complete && now >= cut_since_ + notices_after_;
    if (notices) shown_.view.complete = false;
    return notices;
  }
  if (std::exchange(cut_, false)) served_since_ = now;
  if (!shown_.view.complete && !read_at_) read_at_ = now + random.below(read_anew_max);
  const bool reconnected = read_at_ && now >= *read_at_;
  const Microseconds behind = reconnected ? 0 : lag;
  bool news = reconnected;
  if (reconnected) release(store, now, true);
  for (; position_ < store.log().size(); ++position_) {
    const LogEntry& one = store.log()[position_];
    if (one.at + behind > now) break;
    if (reconnected || !hold(random, one, now)) read(store, one.key, one.entry);
    news = news || !one.heartbeat;
  }
  if (release(store, now, false)) news = true;
  if (reconnected) {
    shown_.view.complete = true;
    read_at_.reset();
  }
  return news;
}

// A session is read along with its live entry, as the number of its children: a join shows both or none.
bool Observer::hold(Random& random, const LogEntry& one, Instant now) {
  const bool session = one.key.kind == Kind::Session;
  for (Held& held : held_) {
    if (held.key == one.key) {
      held.entry = one.entry;
      return true;
    }
    if (session && held.key == Key{Kind::Live, one.key.name}) {
      held_.push_back({one.key, held.until, one.entry});
      return true;
    }
  }
  const bool begins = session && one.entry;
  if (one.heartbeat || begins || !random.chance(held_percent)) return false;
  held_.push_back({one.key, now + random.below(held_max), one.entry});
  return true;
}

bool Observer::release(const Store& store, Instant now, bool all) {
  bool any = false;
  for (std::size_t i = 0; i < held_.size();) {
    if (!all && now < held_[i].until) {
      ++i;
      continue;
    }
    read(store, held_[i].key, held_[i].entry);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
    any = true;
  }
  return any;
}

// What cannot be understood is left out and named. Follows core/cluster.cpp.
void Observer::read(const Store& store, const Key& key, const EntryPointer& entry) {
  const bool broken = entry && !store.is_readable(key);
  if (const auto path = path_of(key); path && broken)
    shown_.view.broken[*path] = "written by a version that this one does not know";
  else if (path)
    shown_.view.broken.erase(*path);
  show(key, broken ? nullptr : entry, shown_);
}

}  // namespace pvcd::sim
