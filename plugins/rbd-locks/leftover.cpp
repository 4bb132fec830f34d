#include "leftover.hpp"

#include <algorithm>

#include "address.hpp"

namespace pvcd::rbd_locks {

namespace {

bool is_dead(const Address& address, const VmStopped& stopped) {
  return std::ranges::any_of(stopped.own_dead,
                             [&](const auto& each) { return parse_address(each.address) == address; });
}

bool is_own(const Address& address, const VmStopped& stopped) {
  return std::ranges::any_of(stopped.own_addresses, [&](const auto& each) { return parse_host(each) == address.host; });
}

}  // namespace

Leftover left_behind(const Listing& listing, const VmStopped& stopped) {
  Leftover left;
  for (const Locker& locker : listing.lockers) {
    const std::string who = listing.image + " is locked by " + locker.client + " at " + locker.address;
    const auto address = parse_address(locker.address);
    if (!address) {
      left.unclear = who + ", an address that is not understood";
    } else if (is_dead(*address, stopped)) {
      left.locks.push_back({locker, to_string(*address)});
    } else if (is_own(*address, stopped)) {
      left.unrecorded = who + ", which is on this node and was not recorded; left as it is";
    }
  }
  return left;
}

VmStopped left_elsewhere(const VmStart& start) {
  VmStopped stopped{start.permit, start.uuid, {}, {}, start.own_addresses};
  std::ranges::copy_if(start.own_dead, std::back_inserter(stopped.own_dead), [&](const ClientInstance& each) {
    return std::ranges::none_of(
        start.disks, [&](const Disk& disk) { return disk.kind == DiskKind::Rbd && disk.source == each.image; });
  });
  return stopped;
}

}  // namespace pvcd::rbd_locks
