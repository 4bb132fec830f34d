// Ceph as pvcd and QEMU meet it: per image a lock and watchers, a blocklist that each OSD knows of only when it has the
// map, and clients of which one takes the lock from another that lives. A write counts only where an OSD takes it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events.hpp"
#include "random.hpp"

namespace pvcd::sim {

inline constexpr std::size_t osd_count = 3;
inline constexpr Microseconds watch_timeout = seconds(30);  // osd_client_watch_timeout

// One open image of one QEMU; the address names it (safety rule 17).
struct Instance {
  std::string address;
  std::string image;
  std::size_t node = 0;
  bool plugged = false;            // into a QEMU that ran already, by hand
  std::function<bool()> responds;  // its process runs, on a host that is on and reaches Ceph
  Instant heard_at = 0;            // when it last renewed its watch, if it does not respond now
  std::uint64_t map = 0;           // the newest when it was opened; it brings this one to each OSD that it talks to
};

std::string host_of(const std::string& address);

class Ceph {
 public:
  Ceph(Events& events, Random& random) : events_(events), random_(random) {}

  void open(std::shared_ptr<Instance>);
  void close(const std::string& image, const std::string& address);  // orderly: nothing is left

  struct Listing {
    std::optional<std::string> locker;  // address
    std::vector<std::string> watchers;
  };
  Listing list(const std::string& image);

  void blocklist(const std::string& address);
  void shut_out(const std::string& host);  // all its clients, those to come too, until it is let in
  void let_in(const std::string& host);
  bool know_newest_map();                           // asks every OSD, and brings it along; false: one does not answer
  bool is_shut_out(const std::string& host) const;  // and every OSD knows it
  void break_lock(const std::string& image, const std::string& address);
  bool is_blocklisted(const std::string& address) const;
  bool is_open(const Instance&) const;  // not closed in good order

  // Something is about to keep clients of this node from answering.
  void falls_silent(std::size_t node);

  // Whether the image's OSD takes a write of that instance now.
  bool write(Instance&, std::size_t osd);
  // What was already sent when its process died: no lock is asked for.
  bool late_write(const Instance& instance, std::size_t osd) const { return takes(osd, instance.address); }

  Microseconds map_lag_max = milliseconds(200);
  bool an_osd_hangs = false;
  bool refuses_to_blocklist = false;  // the capability is missing

 private:
  struct Image {
    std::optional<std::string> lock;
    std::map<std::string, std::shared_ptr<Instance>> watchers;
  };

  bool takes(std::size_t osd, const std::string& address) const;
  void add(const std::string& entry);
  bool get_lock(Image&, Instance&);
  bool is_watching(Instance&);

  Events& events_;
  Random& random_;
  std::map<std::string, Image> images_;
  std::map<std::string, std::uint64_t> blocklisted_;  // addresses and hosts, since which map
  std::uint64_t epoch_ = 1;
  std::array<std::uint64_t, osd_count> osds_{};
};

}  // namespace pvcd::sim
