// What a state of a small world is, as one number. Every field counts: one that is added to a record or a memory does
// not compile until it is named here.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "entries.hpp"
#include "logic/agent.hpp"
#include "logic/coordinator.hpp"
#include "logic/election.hpp"

namespace pvcd::sim {

class StateHash {
 public:
  template <class... Each>
  void operator()(const Each&... each) {
    (add(*this, each), ...);
  }
  void number(std::uint64_t value) {
    low_ = mix(low_ ^ value, 0x9e3779b97f4a7c15);
    high_ = mix(high_ + value, 0xc2b2ae3d27d4eb4f);
  }
  std::pair<std::uint64_t, std::uint64_t> value() const { return {low_, high_}; }

 private:
  static std::uint64_t mix(std::uint64_t value, std::uint64_t factor) {
    value *= factor;
    return value ^ (value >> 29);
  }
  std::uint64_t low_ = 1, high_ = 2;
};

template <class Number>
requires std::is_arithmetic_v<Number> || std::is_enum_v<Number>
void add(StateHash& hash, const Number& number) { hash.number(static_cast<std::uint64_t>(number)); }
inline void add(StateHash& hash, const std::string& text) {
  hash.number(text.size());
  hash.number(std::hash<std::string>{}(text));
}
inline void add(StateHash& hash, const std::monostate&) { hash.number(0); }

// Declared before they are used in each other.
template <class One, class Two>
void add(StateHash&, const std::pair<One, Two>&);
template <class Value>
void add(StateHash&, const std::optional<Value>&);
template <class Value>
void add(StateHash&, const std::vector<Value>&);
template <class Value>
void add(StateHash&, const std::set<Value>&);
template <class Name, class Value>
void add(StateHash&, const std::map<Name, Value>&);
template <class... Each>
void add(StateHash&, const std::variant<Each...>&);

template <class One, class Two>
void add(StateHash& hash, const std::pair<One, Two>& pair) {
  hash(pair.first, pair.second);
}
template <class Value>
void add(StateHash& hash, const std::optional<Value>& value) {
  hash.number(value.has_value());
  if (value) hash(*value);
}
template <class Values>
void add_all(StateHash& hash, const Values& values) {
  hash.number(values.size());
  for (const auto& value : values) hash(value);
}
template <class Value>
void add(StateHash& hash, const std::vector<Value>& values) {
  add_all(hash, values);
}
template <class Value>
void add(StateHash& hash, const std::set<Value>& values) {
  add_all(hash, values);
}
template <class Name, class Value>
void add(StateHash& hash, const std::map<Name, Value>& values) {
  add_all(hash, values);
}
template <class... Each>
void add(StateHash& hash, const std::variant<Each...>& value) {
  hash.number(value.index());
  std::visit([&](const auto& one) { hash(one); }, value);
}

#define PVCD_HASHED(Type, ...)                                \
  inline void add(StateHash& hash, const Type& record) {      \
    const auto& [__VA_ARGS__] = record;                       \
    [&](const auto&... each) { hash(each...); }(__VA_ARGS__); \
  }

PVCD_HASHED(pvcd::Process, a, b)
PVCD_HASHED(ClientInstance, a, b)
PVCD_HASHED(Life, a, b, c)
PVCD_HASHED(Key, a, b)
PVCD_HASHED(NodeRecord, a, b, c, d, e, f, g, h, i, j)
PVCD_HASHED(UnitReport, a, b, c)
PVCD_HASHED(SelfFence, a, b, c, d)
PVCD_HASHED(LiveRecord, a, b, c, d, e, f, g, h, i, j, k)
PVCD_HASHED(ReadinessRecord, a, b, c)
PVCD_HASHED(LeaderRecord, a, b, c)
PVCD_HASHED(RoleRecord, a, b)
PVCD_HASHED(Disk, a, b, c)
PVCD_HASHED(VmRecord, a, b, c, d, e, f, g, h, i, j, k, l, m, n)
PVCD_HASHED(Writer, a, b, c, d, e)
PVCD_HASHED(OwnerRecord, a, b, c, d, e, f, g)
PVCD_HASHED(FileSystem, a, b)
PVCD_HASHED(PluggedImage, a, b)
PVCD_HASHED(RunRecord, a, b, c, d, e, f, g, h)
PVCD_HASHED(WaitingRecord, a)
PVCD_HASHED(EvidenceRecord, a, b, c, d, e, f)
PVCD_HASHED(FenceRecord, a, b, c, d, e, f, g)
PVCD_HASHED(JobRecord, a, b, c, d, e, f, g, h, i, j, k)
PVCD_HASHED(ClusterRecord, a, b, c)
PVCD_HASHED(WitnessRecord, a, b, c)

// For people and for the audit; nothing is decided from them.
inline void add(StateHash&, const DecisionRecord&) {}
inline void add(StateHash&, const LinkRecord&) {}
inline void add(StateHash& hash, const Entry& entry) { hash(entry.record, entry.version, entry.session); }
inline void add(StateHash& hash, const EntryPointer& entry) {
  hash.number(entry != nullptr);
  if (entry) hash(*entry);
}

PVCD_HASHED(logic::OwnWrite, a, b, c)
PVCD_HASHED(logic::VmMemory, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, bb, cc,
            dd, ee, ff, gg, hh, ii, jj, kk)
PVCD_HASHED(logic::AgentMemory, a, b)
PVCD_HASHED(logic::Sight, a, b, c, d, e, f, g, h)
PVCD_HASHED(logic::StorageHistory, a, b, c, d, e, f)
PVCD_HASHED(logic::PowerHistory, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u)
PVCD_HASHED(logic::ReadinessAsked, a, b, c)
PVCD_HASHED(logic::CoordinatorMemory::Promise, a, b, c)
PVCD_HASHED(logic::CoordinatorMemory, a, b, c, d, e, f, g, h, i, j, k)
PVCD_HASHED(logic::Beat, a, b)
PVCD_HASHED(logic::ElectionMemory, a, b, c, d, e, f, g)

#undef PVCD_HASHED

}  // namespace pvcd::sim
