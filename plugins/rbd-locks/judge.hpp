// Whether a VM may start on one image, decided from what Ceph lists for it. Pure: no clock, no Ceph. S6 lives here: a
// lock is named for breaking only when owner.hpp calls its owner dead, or when it is our own and its watch ran out
// unseen.
#pragma once

#include <string>
#include <vector>

#include "sdk/roles.hpp"

namespace pvcd::rbd_locks {

struct Locker {
  std::string client;   // "client.4125"
  std::string cookie;   // "auto 140162969375328"; anything else was added by hand
  std::string address;  // as listed
  bool operator==(const Locker&) const = default;
};

struct Watcher {
  std::string client;
  std::string address;
  bool operator==(const Watcher&) const = default;
};

// One look at one image.
struct Listing {
  std::string image;
  std::string missing;  // "pool x" or "image x" if there is none; then nothing else is filled
  std::vector<Locker> lockers;
  std::vector<Watcher> watchers;
};

// In order of weight: the heaviest finding about an image, and the heaviest image of a VM, decides.
enum class Ruling { Proceed, Break, Wait, Unknown, Refuse };

// A lock to be broken, exactly as listed. Its client is blocklisted first.
struct DeadLock {
  Locker locker;
  std::string address;  // canonical
};

// What has to last for some time: an instance's watch that has to run out, or that nobody watches for it (rule 6).
struct Pending {
  std::string wait_for;  // "image instance", "image instance unwatched"
  Microseconds remaining = 0;
};

struct Judgement {
  std::string image;
  Ruling ruling = Ruling::Unknown;
  std::string reason;
  std::vector<DeadLock> dead_locks;           // Break
  std::vector<ClientInstance> dead_watchers;  // Break: watching without a lock; blocklisted, because a killed QEMU's
                                              // socket may still deliver writes (safety rule 7)
  std::vector<Pending> pending;               // Wait
  NodeName ask;                               // Refuse: the living node in whose hands it is
};

Judgement judge(const Listing&, const VmStart&, Microseconds watch_timeout);

// The same look after the breaks: only watchers proven dead may remain; these are now blocklisted.
Judgement judge_after_break(const Listing&, const VmStart&, Microseconds watch_timeout);

Judgement unknown(std::string image, std::string reason);

}  // namespace pvcd::rbd_locks
