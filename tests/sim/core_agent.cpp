// Carries out what the agent decides. Follows core/agent_driver.cpp.
#include "core.hpp"
#include "logic/transactions.hpp"
#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr const char* no_answer = "it did not answer in time";

template <class Reply>
Reply unknown() {
  Reply reply;
  if constexpr (std::is_same_v<Reply, HookVerdict>)
    reply.reason = no_answer;
  else
    reply.note = no_answer;
  return reply;
}

}  // namespace

void Core::take_fact(const VmUuid& uuid, DomainState state) {
  process.after(500, [this, uuid, state] {
    domains_[uuid] = state;
    if (state == DomainState::Gone) images_.erase(uuid);
    wake(0);
  });
}

void Core::take_images(const VmUuid& uuid) {
  process.after(500, [this, uuid] {
    images_[uuid] = open_images(uuid);
    wake(0);
  });
}

std::vector<PluggedImage> Core::open_images(const VmUuid& uuid) const {
  std::vector<PluggedImage> images;
  for (const QemuPointer& qemu : world_.node(node_).host.qemus())
    if (qemu->uuid == uuid)
      for (const auto& instance : qemu->instances) images.push_back({instance->image, instance->plugged});
  return images;
}

void Core::read_facts() {
  if (!process.lives()) return;
  process.after(milliseconds(2), [this] {
    const Hypervisor& hypervisor = world_.node(node_).hypervisor;
    domains_.clear();
    images_.clear();
    for (const QemuPointer& qemu : world_.node(node_).host.qemus()) {
      const DomainState state = hypervisor.state_of(*qemu);
      if (state == DomainState::Unknown) continue;
      domains_[qemu->uuid] = state;
      images_[qemu->uuid] = open_images(qemu->uuid);
    }
    domains_ready_ = hypervisor.has_listed();
    wake(0);
  });
}

void Core::lose_facts() {
  if (!process.lives()) return;
  process.after(500, [this] {
    domains_ready_ = false;
    domains_.clear();
    images_.clear();
  });
}

void Core::run_agent(const Right& right) {
  logic::AgentInput in{
      view(),  self(),  {world_.node(node_).host.address()}, right.may_act, stopping_, domains_, domains_ready_,
      images_, clock(), std::exchange(agent_answers_, {})};
  logic::AgentPlan plan = logic::decide_agent(in, agent_settings_, agent_memory_);
  agent_memory_ = std::move(plan.next);
  acted_ = acted_ || !plan.actions.empty();
  for (const logic::AgentAction& action : plan.actions) execute(action);
}

void Core::answer(const VmUuid& uuid, logic::AgentResult result) {
  agent_answers_.push_back({uuid, std::move(result)});
  wake(0);
}

void Core::commit(const VmUuid& uuid, const Changes& changes, bool answered) {
  world_.store.commit(client_, {node_, Part::Agent, epoch()}, changes,
                      [this, uuid, answered](const CommitOutcome& outcome) {
                        if (answered) answer(uuid, logic::Written{outcome.code == CommitCode::Ok, "it was refused"});
                      });
}

void Core::execute(const logic::AgentAction& action) {
  const VmUuid& uuid = action.uuid;
  world_.oracle.decided(node_, view(), action);
  world_.trace(
      [&] { return world_.node(node_).host.name() + ": " + action.why.what + " (" + action.why.because + ")"; });
  Hypervisor& hypervisor = world_.node(node_).hypervisor;
  RbdGuard& guard = world_.node(node_).guard;
  const auto while_awaited = [this]() -> std::optional<Permit> { return Permit{clock() + hook_limit, epoch()}; };
  // One of the plugin's answers, or the Unknown of its type.
  const auto ask = [&]<class Reply, class Plugin, class Request>(
                       Plugin& plugin, Microseconds limit,
                       void (Plugin::*method)(const Request&, const std::function<void(Reply)>&),
                       const Request& request, std::function<std::optional<Permit>()> permit) {
    const std::string lane = std::is_same_v<Plugin, Hypervisor> ? "libvirt" : "rbd-locks";
    calls_.add(lane, [this, uuid, lane, &plugin, limit, method, request, permit] {
      const auto now = permit();
      if (!now) return answer(uuid, unknown<Reply>()), false;
      Request permitted = request;
      permitted.permit = *now;
      plugin.worker.template call<Reply>(
          process, limit, unknown<Reply>(),
          [&plugin, method, permitted](std::function<void(Reply)> reply) { (plugin.*method)(permitted, reply); },
          [this, uuid, lane](Reply reply) {
            calls_.ended(lane);
            answer(uuid, std::move(reply));
          });
      return true;
    });
  };
  const auto act = [&]<class Act>(const Act& one) {
    if constexpr (std::is_same_v<Act, logic::Probe>) {
      ask(hypervisor, answer_limit, &Hypervisor::probe, one.request, while_awaited);
    } else if constexpr (std::is_same_v<Act, logic::RunHook>) {
      const bool of_files = one.hook == logic::shared_files_hook;
      ask(guard, hook_limit, of_files ? &RbdGuard::look_at_shared_files : &RbdGuard::before_start, one.request,
          permit());
    } else if constexpr (std::is_same_v<Act, logic::CreateDomain>) {
      ask(hypervisor, answer_limit, &Hypervisor::create, one.request, permit());
    } else if constexpr (std::is_same_v<Act, logic::IdentifyInstances>) {
      ask(guard, hook_limit, &RbdGuard::identify, one.request, while_awaited);
    } else if constexpr (std::is_same_v<Act, logic::ResumeDomain>) {
      ask(hypervisor, answer_limit, &Hypervisor::resume, one.request, permit());
    } else if constexpr (std::is_same_v<Act, logic::ShutdownDomain>) {
      ask(hypervisor, answer_limit, &Hypervisor::shutdown, one.request, while_awaited);
    } else if constexpr (std::is_same_v<Act, logic::DestroyDomain>) {
      ask(hypervisor, answer_limit, &Hypervisor::destroy, one.request, while_awaited);
    } else if constexpr (std::is_same_v<Act, logic::AfterStop>) {
      ask(guard, hook_limit, &RbdGuard::after_stop, one.request, permit());
    } else if constexpr (std::is_same_v<Act, logic::WriteRun>) {
      commit(uuid, logic::transaction_of(one, uuid), true);
    } else if constexpr (std::is_same_v<Act, logic::AskRelease>) {
      commit(uuid, logic::transaction_of(one, world_.node(node_).host.name()), false);
    } else if constexpr (std::is_same_v<Act, logic::FinishJob>) {
      commit(uuid, logic::transaction_of(one), true);
    }
  };
  std::visit(act, action.act);
}

}  // namespace pvcd::sim
