// The plugin: reads locks and watchers of a VM's images, lets the pure files decide, and breaks what they name.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cluster.hpp"
#include "judge.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"

namespace pvcd::rbd_locks {

class RbdLocks final : public Plugin, public PreStartHook, public StorageFencer {
 public:
  void start(Host&) override;
  void tick() override;
  void stop() noexcept override { cluster_.reset(); }

  HookVerdict before_start(const VmStart&) override;
  Identified identify(const ImagesRequest&) override;
  Answer after_stop(const VmStopped&) override;
  StorageFenced fence_storage(const StorageFenceRequest&) override;

 private:
  const Cluster& connected();
  const Cluster& connected_and_let_in(const Permit&);
  const Cluster& connected_and_up_to_date(const Permit&);
  void disconnect();
  void drop_suspect_connection();
  void report_ceph(const std::string& state);

  std::vector<Judgement> look_at_all(const Cluster&, const std::vector<std::string>& images, const VmStart&);
  std::vector<Judgement> break_all(const Cluster&, const std::vector<Judgement>&, const VmStart&);
  Judgement break_dead(const Cluster&, const Judgement&, const VmStart&) const;
  Identified look_for_newcomers(const std::vector<std::string>& images, const ImagesRequest&);
  std::vector<Answer> blocklist_all(const Cluster&, const std::set<std::string>& addresses, const Permit&);
  std::vector<Answer> clear_all(const Cluster&, const std::vector<std::string>& images, const VmStopped&);

  Host* host_ = nullptr;
  ceph::Options options_;
  Microseconds watch_timeout_ = 0;
  std::unique_ptr<Cluster> cluster_;
  bool is_let_in_ = false;  // this connection's host is not shut out, or has been let in
  bool may_blocklist_ = false;
  Instant ask_at_ = 0;  // whether Ceph still answers
  std::string reported_;
  // Set by any failed call, from any thread: the next request starts with a new connection.
  std::atomic<bool> suspect_ = false;
};

}  // namespace pvcd::rbd_locks
