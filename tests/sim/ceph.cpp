#include "ceph.hpp"

#include <algorithm>

namespace pvcd::sim {

std::string host_of(const std::string& address) { return address.substr(0, address.find(':')); }

void Ceph::open(std::shared_ptr<Instance> instance) {
  Image& image = images_[instance->image];
  instance->heard_at = events_.now();
  instance->map = epoch_;
  image.watchers[instance->address] = std::move(instance);
}

void Ceph::close(const std::string& name, const std::string& address) {
  Image& image = images_[name];
  if (image.lock == address) image.lock.reset();
  image.watchers.erase(address);
}

bool Ceph::is_open(const Instance& instance) const {
  auto image = images_.find(instance.image);
  return image != images_.end() && image->second.watchers.contains(instance.address);
}

void Ceph::falls_silent(std::size_t node) {
  for (auto& [name, image] : images_)
    for (auto& [address, instance] : image.watchers)
      if (instance->node == node && instance->responds()) instance->heard_at = events_.now();
}

// A frozen or dead client loses its watch after the timeout; one that goes on watches again. A blocklisted one has lost
// it as soon as the header's OSD knows.
bool Ceph::is_watching(Instance& instance) {
  if (!takes(0, instance.address)) return false;
  if (instance.responds()) instance.heard_at = events_.now();
  return events_.now() < instance.heard_at + watch_timeout;
}

Ceph::Listing Ceph::list(const std::string& name) {
  Image& image = images_[name];
  Listing listing{image.lock, {}};
  for (auto& [address, instance] : image.watchers)
    if (is_watching(*instance)) listing.watchers.push_back(address);
  return listing;
}

// Never atomic: each OSD learns of it in its own time.
void Ceph::add(const std::string& entry) {
  if (blocklisted_.contains(entry)) return;
  blocklisted_[entry] = ++epoch_;
  for (std::size_t osd = 0; osd < osd_count; ++osd)
    events_.after(random_.below(map_lag_max + 1),
                  [this, osd, epoch = epoch_] { osds_[osd] = std::max(osds_[osd], epoch); });
}

void Ceph::blocklist(const std::string& address) { add(address); }
void Ceph::shut_out(const std::string& host) { add(host); }
void Ceph::let_in(const std::string& host) { blocklisted_.erase(host); }

bool Ceph::know_newest_map() {
  if (an_osd_hangs) return false;
  osds_.fill(epoch_);
  return true;
}

bool Ceph::is_shut_out(const std::string& host) const {
  for (std::size_t osd = 0; osd < osd_count; ++osd)
    if (takes(osd, host + ":")) return false;
  return true;
}

void Ceph::break_lock(const std::string& name, const std::string& address) {
  Image& image = images_[name];
  if (image.lock == address) image.lock.reset();
}

bool Ceph::is_blocklisted(const std::string& address) const {
  return blocklisted_.contains(address) || blocklisted_.contains(host_of(address));
}

bool Ceph::takes(std::size_t osd, const std::string& address) const {
  for (const std::string& entry : std::array{address, host_of(address)})
    if (auto found = blocklisted_.find(entry); found != blocklisted_.end() && osds_[osd] >= found->second) return false;
  return true;
}

// Two living clients pass it to and fro; of one that does not answer it is taken once its watch has run out, after
// blocklisting it. The lock protects nothing that ownership does not.
bool Ceph::get_lock(Image& image, Instance& instance) {
  if (image.lock == instance.address) return true;
  if (image.lock) {
    auto holder = image.watchers.find(*image.lock);
    const bool lives = holder != image.watchers.end() && holder->second->responds();
    if (!lives && holder != image.watchers.end() && is_watching(*holder->second)) return false;
    if (!lives) blocklist(*image.lock);
  }
  image.lock = instance.address;
  return true;
}

bool Ceph::write(Instance& instance, std::size_t osd) {
  for (const std::size_t each : {std::size_t{0}, osd}) osds_[each] = std::max(osds_[each], instance.map);
  if (!takes(0, instance.address)) return false;  // the header's OSD refuses it the lock
  return get_lock(images_[instance.image], instance) && takes(osd, instance.address);
}

}  // namespace pvcd::sim
