#include "identify.hpp"

#include <algorithm>

#include "address.hpp"

namespace pvcd::rbd_locks {

namespace {

bool was_present(const Address& address, const ImagesRequest& request) {
  return std::ranges::any_of(request.present, [&](const auto& each) { return parse_address(each.address) == address; });
}

bool is_own(const Address& address, const ImagesRequest& request) {
  return std::ranges::any_of(request.own_addresses, [&](const auto& each) { return parse_host(each) == address.host; });
}

}  // namespace

Newcomer newcomer(const Listing& listing, const ImagesRequest& request) {
  if (!listing.missing.empty()) return {std::nullopt, listing.missing + " does not exist"};

  std::vector<Address> found;
  for (const Watcher& watcher : listing.watchers) {
    const auto address = parse_address(watcher.address);
    if (address && was_present(*address, request)) continue;
    // A stranger that came in between may be a QEMU elsewhere: nobody may run CPUs before it is gone.
    if (!address || !is_own(*address, request)) {
      return {std::nullopt, listing.image + " is also watched by " + watcher.client + " at " + watcher.address};
    }
    if (std::ranges::find(found, *address) == found.end()) found.push_back(*address);
  }
  if (found.empty()) return {std::nullopt, listing.image + " has no new watcher yet"};
  if (found.size() > 1) return {std::nullopt, listing.image + " has several new watchers of this host"};
  return {ClientInstance{listing.image, to_string(found.front())}, ""};
}

}  // namespace pvcd::rbd_locks
