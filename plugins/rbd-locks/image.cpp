#include "image.hpp"

#include <rbd/librbd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "sdk/plugin.hpp"

namespace pvcd::rbd_locks {

namespace {

// Far beyond any real list; a list that outgrows it is an error, not a loop.
constexpr std::size_t list_bytes_max = 1U << 20;
constexpr std::size_t watchers_max = 4096;

struct ImageName {
  std::string pool;
  std::string space;  // Ceph's namespace; empty: the default one
  std::string image;
};

ImageName parse_name(const std::string& text) {
  const auto first = text.find('/');
  const auto last = text.rfind('/');
  if (first == std::string::npos || first == 0 || last + 1 == text.size()) {
    throw Error("\"" + text + "\" is not pool/image or pool/namespace/image");
  }
  if (first == last) return {text.substr(0, first), "", text.substr(last + 1)};
  return {text.substr(0, first), text.substr(first + 1, last - first - 1), text.substr(last + 1)};
}

class OpenImage {
 public:
  OpenImage(const Cluster& cluster, const std::string& text) {
    const ImageName name = parse_name(text);
    const int pool_code = rados_ioctx_create(cluster.handle(), name.pool.c_str(), &pool_);
    if (pool_code == -ENOENT) {
      missing_ = "pool " + name.pool;
      return;
    }
    if (pool_code < 0) throw_ceph_error("opening the pool of " + text, pool_code);
    rados_ioctx_set_namespace(pool_, name.space.c_str());

    const int code = rbd_open_read_only(pool_, name.image.c_str(), &image_, nullptr);
    if (code == 0) return;
    rados_ioctx_destroy(pool_);
    pool_ = nullptr;
    if (code != -ENOENT) throw_ceph_error("opening " + text, code);
    missing_ = "image " + text;
  }
  ~OpenImage() {
    if (image_ != nullptr) rbd_close(image_);
    if (pool_ != nullptr) rados_ioctx_destroy(pool_);
  }
  OpenImage(const OpenImage&) = delete;
  OpenImage& operator=(const OpenImage&) = delete;

  const std::string& missing() const { return missing_; }
  rbd_image_t handle() const { return image_; }
  rados_ioctx_t pool() const { return pool_; }

 private:
  rados_ioctx_t pool_ = nullptr;
  rbd_image_t image_ = nullptr;
  std::string missing_;
};

// librbd's lists of strings: each ends with a zero byte.
std::vector<std::string> split(const std::vector<char>& bytes, std::size_t count) {
  std::vector<std::string> strings;
  auto begin = bytes.begin();
  while (strings.size() < count) {
    const auto end = std::find(begin, bytes.end(), '\0');
    if (end == bytes.end()) throw Error("librbd returned a malformed list of lockers");
    strings.emplace_back(begin, end);
    begin = end + 1;
  }
  return strings;
}

std::vector<Locker> lockers_of(rbd_image_t image, const std::string& name) {
  for (std::size_t size = 4096; size <= list_bytes_max; size *= 4) {
    std::array<std::vector<char>, 4> lists;
    lists.fill(std::vector<char>(size));
    std::array<std::size_t, 4> sizes{size, size, size, size};
    auto& [tag, clients, cookies, addresses] = lists;
    int exclusive = 0;
    const auto count = rbd_list_lockers(image, &exclusive, tag.data(), &sizes[0], clients.data(), &sizes[1],
                                        cookies.data(), &sizes[2], addresses.data(), &sizes[3]);
    if (count == -ERANGE) continue;
    if (count < 0) throw_ceph_error("listing the locks of " + name, static_cast<int>(count));

    const auto found = static_cast<std::size_t>(count);
    const auto client = split(clients, found);
    const auto cookie = split(cookies, found);
    const auto address = split(addresses, found);
    std::vector<Locker> lockers;
    for (std::size_t i = 0; i < found; ++i) lockers.push_back({client[i], cookie[i], address[i]});
    return lockers;
  }
  throw Error("listing the locks of " + name + ": the list is too long");
}

std::vector<Watcher> watchers_of(rbd_image_t image, const std::string& name) {
  for (std::size_t size = 16; size <= watchers_max; size *= 4) {
    std::vector<rbd_image_watcher_t> listed(size);
    std::size_t found = size;
    const int code = rbd_watchers_list(image, listed.data(), &found);
    if (code == -ERANGE) continue;
    if (code < 0) throw_ceph_error("listing the watchers of " + name, code);

    std::vector<Watcher> watchers;
    for (std::size_t i = 0; i < found; ++i) {
      watchers.push_back({"client." + std::to_string(listed[i].id), listed[i].addr});
    }
    rbd_watchers_list_cleanup(listed.data(), found);
    return watchers;
  }
  throw Error("listing the watchers of " + name + ": the list is too long");
}

}  // namespace

Listing look_at(const Cluster& cluster, const std::string& image) {
  const OpenImage open(cluster, image);
  if (!open.missing().empty()) return {image, open.missing(), {}, {}};
  return {image, "", lockers_of(open.handle(), image), watchers_of(open.handle(), image)};
}

std::set<std::int64_t> pools_of(const Cluster& cluster, const std::string& image) {
  const OpenImage open(cluster, image);
  if (!open.missing().empty()) return {};
  std::set<std::int64_t> pools{rados_ioctx_get_id(open.pool())};
  if (const std::int64_t data = rbd_get_data_pool_id(open.handle()); data >= 0) pools.insert(data);
  return pools;
}

void break_lock(const Cluster& cluster, const std::string& image, const Locker& locker) {
  const OpenImage open(cluster, image);
  if (!open.missing().empty()) return;
  const int code = rbd_break_lock(open.handle(), locker.client.c_str(), locker.cookie.c_str());
  if (code < 0 && code != -ENOENT) throw_ceph_error("breaking the lock of " + locker.client + " on " + image, code);
}

}  // namespace pvcd::rbd_locks
