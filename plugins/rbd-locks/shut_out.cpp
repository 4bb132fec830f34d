#include "shut_out.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "image.hpp"
#include "osd_map.hpp"
#include "parallel.hpp"
#include "placement_groups.hpp"

namespace pvcd::rbd_locks {
namespace {

struct Targets {
  std::vector<Address> hosts, instances;
  std::string not_understood;

  std::vector<Address> all() const {
    std::vector<Address> both = hosts;
    both.insert(both.end(), instances.begin(), instances.end());
    return both;
  }
};

Targets targets_of(const StorageFenceRequest& request) {
  Targets targets;
  for (const std::string& text : request.addresses) {
    const auto host = parse_host(text);
    if (!host) return {{}, {}, "the recorded storage address " + text + " of " + request.victim.node};
    targets.hosts.push_back({*host, 0, 0});
  }
  for (const ClientInstance& instance : request.instances) {
    const auto address = parse_address(instance.address);
    if (!address) return {{}, {}, "the recorded client address " + instance.address + " of " + request.victim.node};
    // Dead clients of an earlier owner may still be on record: they are none of the victim's.
    if (std::ranges::any_of(targets.hosts, [&](const Address& host) { return host.host == address->host; }))
      targets.instances.push_back(*address);
  }
  return targets;
}

bool is_own(const Host& host, const Address& address) {
  for (const char* key : {"node.addresses", "node.storage_addresses", "node.floating_addresses"})
    for (const std::string& own : host.shared().list(key))
      if (parse_host(own) == address.host) return true;
  return false;
}

void require(const Host& host, const Permit& permit) {
  if (!host.holds(permit)) throw Error("the right to act ended before the act");
}

OsdMap read_map(const Cluster& cluster) {
  return parse_osd_map(cluster.command(R"({"prefix": "osd dump", "format": "json"})"));
}

// All at once: each costs a round of the monitors.
void blocklist_all(const Host& host, const Cluster& cluster, const std::vector<Address>& addresses,
                   const Permit& permit) {
  std::vector<std::string> failures(addresses.size());
  in_parallel(addresses.size(), [&](std::size_t i) {
    try {
      require(host, permit);
      cluster.blocklist(to_string(addresses[i]));
    } catch (const Error& error) {
      failures[i] = error.what();
    }
  });
  for (const std::string& failure : failures)
    if (!failure.empty()) throw Error(failure);
}

void prove(const Cluster& cluster, std::int64_t id, const Pool& pool) {
  if (pool.has_cache) throw Error("pool " + pool.name + " has a cache tier, which would answer for it");
  const Asked asked = ask_every_group(cluster.handle(), id, pool.placement_groups);
  if (!asked.all_found) throw Error("the placement groups of pool " + pool.name + " have changed meanwhile");
  if (asked.silent > 0)
    throw_ceph_error("pool " + pool.name + ": " + std::to_string(asked.silent) + " of " +
                         std::to_string(pool.placement_groups) + " placement groups do not say that they know",
                     asked.code);
}

// By pool, what keeps it from being proven; empty: nothing.
std::map<std::int64_t, std::string> prove_pools(const Cluster& cluster, const OsdMap& map,
                                                const std::set<std::int64_t>& ids) {
  std::map<std::int64_t, std::string> failures;
  for (const std::int64_t id : ids) failures[id];
  const std::vector<std::int64_t> each(ids.begin(), ids.end());
  in_parallel(each.size(), [&](std::size_t i) {
    try {
      const auto known = map.pools.find(each[i]);
      if (known == map.pools.end()) throw Error("pool " + std::to_string(each[i]) + " is not in the OSD map");
      prove(cluster, each[i], known->second);
    } catch (const Error& error) {
      failures.at(each[i]) = error.what();
    }
  });
  return failures;
}

std::string listed(const std::vector<Address>& addresses) {
  std::string text;
  for (const Address& address : addresses) text += (text.empty() ? "" : ", ") + to_string(address);
  return text;
}

struct ImagePools {
  std::set<std::int64_t> ids;
  std::string failure;
};

// Of an image that does not exist there are none, because nobody writes to it. After one that was not answered in time
// the rest of its pool is not asked: each would take as long. The first of every pool comes before all others, so that
// a pool that is silent does not keep us from those that answer.
std::vector<ImagePools> pools_of_all(const Cluster& cluster, const std::vector<std::string>& images) {
  std::vector<ImagePools> pools(images.size());
  std::map<std::string, std::atomic<bool>> silent;
  std::vector<std::size_t> firsts, others;
  const auto pool_of = [&](std::size_t i) { return images[i].substr(0, images[i].find('/')); };
  for (std::size_t i = 0; i < images.size(); ++i)
    (silent.try_emplace(pool_of(i)).second ? firsts : others).push_back(i);
  const auto ask = [&](std::size_t i) {
    std::atomic<bool>& its_pool = silent.at(pool_of(i));
    try {
      if (its_pool) throw Error(images[i] + ": not asked, because another image of its pool was not answered");
      pools[i].ids = pools_of(cluster, images[i]);
    } catch (const Error& error) {
      pools[i].failure = error.what();
      if (pools[i].failure.ends_with(ceph::meaning_of(-ETIMEDOUT))) its_pool = true;
    }
  };
  in_parallel(firsts.size(), [&](std::size_t i) { ask(firsts[i]); });
  in_parallel(others.size(), [&](std::size_t i) { ask(others[i]); });
  return pools;
}

}  // namespace

StorageFenced shut_out(const Host& host, const Cluster& cluster, const StorageFenceRequest& request) {
  const Targets targets = targets_of(request);
  if (!targets.not_understood.empty()) return {Outcome::Refused, {}, {}, targets.not_understood + " is not understood"};
  for (const Address& address : targets.hosts)
    if (is_own(host, address))
      return {Outcome::Refused, {}, {}, to_string(address) + " is an address of this host, too"};

  // The entry of an instance never expires; one that is there from an earlier try saves a round of the monitors.
  std::vector<Address> missing = targets.hosts;
  const OsdMap before = read_map(cluster);
  std::ranges::copy_if(targets.instances, std::back_inserter(missing),
                       [&](const Address& address) { return !is_shut_out(before, address); });
  blocklist_all(host, cluster, missing, request.permit);
  const OsdMap map = read_map(cluster);
  for (const Address& address : targets.all())
    if (!is_shut_out(map, address)) throw Error(to_string(address) + " is not in the blocklist after it was added");
  cluster.wait_for_newest_map();

  const auto pools = pools_of_all(cluster, request.images);
  std::set<std::int64_t> all;
  for (const ImagePools& some : pools) all.insert(some.ids.begin(), some.ids.end());
  const auto failures = prove_pools(cluster, map, all);

  StorageFenced done{Outcome::Done, {}, {}, {}};
  for (std::size_t i = 0; i < request.images.size(); ++i) {
    std::string failure = pools[i].failure;
    for (const std::int64_t id : pools[i].ids)
      if (failure.empty()) failure = failures.at(id);
    if (failure.empty()) {
      done.images.push_back(request.images[i]);
    } else {
      done.outcome = Outcome::Unknown;
      done.note = failure;
    }
  }
  done.facts.push_back("in the OSD map of epoch " + std::to_string(map.epoch) +
                       " these are blocklisted: " + listed(targets.all()));
  for (const auto& [id, failure] : failures)
    if (failure.empty())
      done.facts.push_back("each of the " + std::to_string(map.pools.at(id).placement_groups) +
                           " placement groups of pool " + map.pools.at(id).name + " answered with that map");
  return done;
}

bool let_in(const Host& host, const Cluster& cluster, const Permit& permit) {
  bool lifted = false;
  const OsdMap map = read_map(cluster);
  for (const std::string& text : host.shared().list("node.storage_addresses")) {
    const auto own = parse_host(text);
    if (!own || !is_shut_out(map, {*own, 0, 0})) continue;
    require(host, permit);
    cluster.let_in(to_string(Address{*own, 0, 0}));
    lifted = true;
  }
  return lifted;
}

}  // namespace pvcd::rbd_locks
