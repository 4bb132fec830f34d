// The objects on the public bus, kept in step with what is seen of the cluster.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/objects/derive.hpp"
#include "core/objects/desk.hpp"
#include "runtime/bus.hpp"
#include "runtime/loop.hpp"

namespace pvcd::core {

class ManagerObject;
class NodeObject;
class VmObject;
class JobObject;

class Tree {
 public:
  struct Place {
    NodeName self;
    std::vector<NodeName> coordinators;
    logic::UnitNeeds needs;  // of a node that runs VMs
  };
  using Clock = std::function<Instant()>;  // CLOCK_BOOTTIME

  // The references outlive it.
  Tree(runtime::Loop&, sdbus::IConnection&, runtime::Polkit&, Cluster&, Requests&, Explanations&, Place, Clock);
  ~Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  // After each change of the cluster's view or of the store's state. While the view is not complete the objects stay as
  // they were and only Quorate tells.
  void update();

  void emit_decision(std::uint64_t id, const std::string& json);

 private:
  struct Job {
    std::unique_ptr<JobObject> object;   // gone 60 s after it finished, while the store may still have it
    std::optional<Instant> finished_at;  // when it was seen to be finished
  };
  struct Waiting {
    std::string path;
    std::function<void()> present;
    Instant not_after = 0;
  };

  void update_nodes();
  void update_vms();
  void update_jobs(Instant now);
  void update_job(std::uint64_t id, JobProperties, Instant now);
  void finish_job(Job&, Instant now);
  void expire(Instant now);
  bool is_present(const std::string& path) const;
  void when_present(const std::string& path, std::function<void()>);
  void tell_waiting(Instant now);

  sdbus::IConnection& connection_;
  Cluster& cluster_;
  const Place place_;
  const Clock clock_;
  Gate gate_;
  Desk desk_;
  Sightings sightings_;
  bool seen_once_ = false;  // what was there before is shown without signals about jobs
  std::unique_ptr<ManagerObject> manager_;
  std::map<NodeName, std::unique_ptr<NodeObject>> nodes_;
  std::map<VmUuid, std::unique_ptr<VmObject>> vms_;
  std::map<std::uint64_t, Job> jobs_;
  std::vector<Waiting> waiting_;
  runtime::Timer expiry_;
};

}  // namespace pvcd::core
