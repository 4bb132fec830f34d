// The connection to libvirtd, on a thread of its own: opening it hangs as long as a stopped libvirtd does, and nothing
// else may wait for that. The thread turns libvirt's event loop, connects again when the connection breaks, and
// collects news for the plugin's thread.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "handles.hpp"

namespace pvcd::libvirt {

// What happened since it was last taken; of each domain only the latest.
struct News {
  bool lost = false;    // the connection
  bool listed = false;  // a new connection: `domains` has every running domain
  std::map<VmUuid, DomainState> domains;
  std::map<VmUuid, std::vector<PluggedImage>> images;  // of all that are listed, and of each that changes
  std::string problem;                                 // why there is no connection
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(std::string uri);
  ~Connection();

  void start();
  void stop() noexcept;  // leaves the thread behind if libvirtd holds it

  Connect get() const;  // null: not connected
  std::string problem() const;
  int news_descriptor() const { return news_descriptor_; }  // readable when there are news
  News take();

 private:
  void run();
  void open();
  void close();
  void list();
  void tell(const std::function<void(News&)>& change);
  void tell_state(virDomainPtr);
  void tell_plugged(virDomainPtr, const std::string& alias);
  void tell_problem(const std::string&);

  static void on_timer(int timer, void* connection);
  static void on_closed(virConnectPtr, int reason, void* connection);
  static int on_lifecycle(virConnectPtr, virDomainPtr, int event, int detail, void* connection);
  static void on_device_added(virConnectPtr, virDomainPtr, const char* alias, void* connection);
  static void on_device_removed(virConnectPtr, virDomainPtr, const char* alias, void* connection);

  const std::string uri_;
  const int news_descriptor_;
  std::atomic<bool> stopping_ = false;
  std::promise<void> ended_;

  // Of the thread alone.
  int timer_ = -1;
  std::vector<int> subscriptions_;
  std::map<VmUuid, std::map<std::string, std::uint64_t>> plugs_;  // how often each image was plugged in
  bool broken_ = false;

  mutable std::mutex mutex_;  // guards what follows
  Connect connect_;
  News news_;
  std::string problem_ = "the connection is being opened";
};

}  // namespace pvcd::libvirt
