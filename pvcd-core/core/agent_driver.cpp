#include "core/agent_driver.hpp"

#include <algorithm>

#include "core/test_switches.hpp"
#include "runtime/clock.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "runtime/wire.hpp"
#include "sdk/plugged.hpp"
#include "sdk/self_fence.hpp"
#include "store/changes.hpp"
#include "store/paths.hpp"

namespace pvcd::core {
namespace {

constexpr std::size_t links_kept = 32;  // of a VM's history: that many owners, starts and releases back

DomainState domain_state(const std::string& fact) {
  if (fact == "running") return DomainState::Running;
  if (fact == "paused") return DomainState::Paused;
  if (fact == "gone") return DomainState::Gone;
  return DomainState::Unknown;
}

std::string describe(const store::CommitResult& result) {
  switch (result.code) {
    case store::CommitCode::Ok:
      return {};
    case store::CommitCode::BadVersion:
    case store::CommitCode::NoEntry:
    case store::CommitCode::Exists:
      return "the records have moved on since it was decided";
    case store::CommitCode::NotEmpty:
      return "the node shows life";
    case store::CommitCode::Denied:
      return "the store denied it: are the credentials those of this cluster?";
    case store::CommitCode::TooBig:
      return "the record is too big for the store";
    case store::CommitCode::Invalid:
      return "the store called it invalid";
    case store::CommitCode::Unknown:
      return "the store did not answer: it may have happened";
  }
  return {};
}

// What a person should know of an answer that was not the hoped-for one; refusals of hooks are recorded with the VM.
std::string complaint(const logic::AgentResult& result) {
  if (const auto* probe = std::get_if<DomainProbe>(&result))
    return probe->state == DomainState::Unknown ? probe->note : "";
  if (const auto* created = std::get_if<CreateAnswer>(&result))
    return created->outcome == Outcome::Done ? "" : created->note;
  if (const auto* identified = std::get_if<Identified>(&result))
    return identified->outcome == Outcome::Done ? "" : identified->note;
  if (const auto* answer = std::get_if<Answer>(&result)) return answer->outcome == Outcome::Done ? "" : answer->note;
  if (const auto* written = std::get_if<logic::Written>(&result)) return written->ok ? "" : written->note;
  return {};
}

}  // namespace

AgentDriver::AgentDriver(Cluster& cluster, Plugins& plugins, Decisions& decisions, Rounds& rounds, const Self& self,
                         const Settings& shared, std::function<void()> wake)
    : cluster_(cluster),
      plugins_(plugins),
      decisions_(decisions),
      rounds_(rounds),
      self_(self),
      wake_(std::move(wake)),
      hypervisor_(shared.text("hypervisor.plugin")),
      first_sights_(runtime::names::run_directory() + "/first-seen.json", self.boot()) {
  const auto timing = [&](const char* key) { return milliseconds(static_cast<std::uint64_t>(shared.number(key))); };
  settings_.hooks = shared.list("hooks.vm_pre_start");
  settings_.shutdown_timeout = timing("timings.shutdown_timeout_ms");
  settings_.needs_watchdog = shared.text("self_fence.mode") == self_fence_by_watchdog;
  settings_.retry_min = timing("timings.retry_min_ms");
  settings_.retry_max = timing("timings.retry_max_ms");
  settings_.act_limit = timing("timings.hook_deadline_ms");
  for (auto& [uuid, seen] : first_sights_.read(runtime::boottime_us())) memory_.vms[uuid].first_seen = std::move(seen);
  plugins_.follow(
      hypervisor_, [this](const std::string& key, const std::string& value) { take_fact(key, value); },
      [this] {
        // What it said last may have changed since; nothing is begun until it has reported anew.
        domains_ready_ = false;
        domains_.clear();
        images_.clear();
      });
}

void AgentDriver::take_fact(const std::string& key, const std::string& value) {
  constexpr std::string_view domain = "domain/", images = "images/";
  if (key == "domains") domains_ready_ = value == "ready";
  if (key.starts_with(domain)) domains_[key.substr(domain.size())] = domain_state(value);
  if (key.starts_with(images)) images_.insert_or_assign(key.substr(images.size()), plugged_images(value));
  std::erase_if(images_, [](const auto& one) { return one.second.empty(); });
  wake_();
}

void AgentDriver::round(const Right& right, Instant now, bool stopping) {
  right_ = right;
  logic::AgentInput in{cluster_.view(),
                       self_.life(cluster_.view()),
                       self_.storage_addresses(),
                       right.may_act,
                       stopping,
                       domains_,
                       domains_ready_,
                       images_,
                       now,
                       std::exchange(answers_, {})};
  logic::AgentPlan plan = logic::decide_agent(in, settings_, memory_);
  const Decider decider{self_.name(), runtime::realtime_us()};
  std::vector<Carried> steps = carried(plan, in.view, decider);
  rounds_.keep(in, settings_, memory_, plan, decider, steps);
  memory_ = std::move(plan.next);
  keep_first_sights();
  for (std::size_t i = 0; i < steps.size(); ++i) execute(plan.actions[i], std::move(steps[i]));
}

std::string AgentDriver::hindrance() const {
  return domains_ready_ ? "" : "the hypervisor plugin " + hypervisor_ + " has not listed the domains of this host";
}

void AgentDriver::keep_first_sights() {
  const std::string why_not = first_sights_.keep(sights_of(memory_));
  if (why_not != why_not_kept_ && !why_not.empty())
    runtime::log(Level::Warning, "what starts wait for is waited for anew after a restart: " + why_not);
  why_not_kept_ = why_not;
}

// Of the moment in which it is sent: it may be done until the proof that permits it is too old (rule 5). What waited
// while this node joined anew was decided by somebody else.
Plugins::PermitNow AgentDriver::permit() const {
  return [this, life = self_.life(cluster_.view())]() -> std::optional<Permit> {
    const Instant now = runtime::boottime_us();
    if (!right_.holds_at(now) || self_.life(cluster_.view()) != life) return std::nullopt;
    return Permit{std::min(right_.not_after, now + settings_.act_limit), logic::epoch_of(cluster_.view())};
  };
}

// Looking is safe, and so is stopping what runs here, whoever owns it: it needs no proof.
Plugins::PermitNow AgentDriver::while_awaited() const {
  return Plugins::while_awaited(runtime::answer_limit, logic::epoch_of(cluster_.view()));
}

void AgentDriver::answer(const VmUuid& uuid, logic::AgentResult result) {
  if (const std::string why = complaint(result); !why.empty())
    runtime::log(Level::Warning, "VM " + uuid + ": " + why, {{runtime::names::field::vm, uuid}});
  answers_.push_back({uuid, std::move(result)});
  wake_();
}

void AgentDriver::commit(const logic::AgentAction& action, Carried step) {
  const bool answered = !std::holds_alternative<logic::AskRelease>(action.act);
  store::commit(cluster_.store(), *step.changes,
                [this, action, record = *step.record, answered](const store::CommitResult& result) {
                  const bool ok = result.code == store::CommitCode::Ok;
                  if (ok) decisions_.announce(Level::Notice, record, result.created.back(), action.uuid);
                  if (answered) answer(action.uuid, logic::Written{ok, describe(result)});
                  const auto* written = std::get_if<logic::WriteRun>(&action.act);
                  if (ok && written && written->link) trim_history(action.uuid);
                });
}

// By its owner: the history of a VM is as old as its last links, whatever becomes of it.
void AgentDriver::trim_history(const VmUuid& uuid) {
  const Key owner{Kind::Owner, uuid};
  cluster_.store().list(store::paths::of(owner), [this, uuid, owner](const store::ReadResult& result) {
    if (result.code != store::ReadCode::Ok || result.children.size() <= links_kept) return;
    auto names = result.children;
    std::sort(names.begin(), names.end());
    names.resize(names.size() - links_kept);
    Changes changes{Check{owner, result.entry.version}};  // that of the view may be older than the link
    for (const std::string& name : names) changes.push_back(Remove{{Kind::Link, uuid + "/" + name}});
    store::commit(cluster_.store(), changes, [](const store::CommitResult&) {});  // not done: the next link tries again
  });
}

void AgentDriver::execute(const logic::AgentAction& action, Carried step) {
  const VmUuid& uuid = action.uuid;
  if (step.changes) return commit(action, std::move(step));
  decisions_.announce(Level::Info, *step.record, {}, uuid);
  const auto reply = [this, uuid](auto result) { answer(uuid, std::move(result)); };
  const auto act = [&]<class Act>(const Act& one) {
    if constexpr (std::is_same_v<Act, logic::Probe>) {
      plugins_.probe(hypervisor_, one.request, while_awaited(), reply);
    } else if constexpr (std::is_same_v<Act, logic::RunHook>) {
      if (switched("pre-start-hook-off")) {
        HookVerdict verdict;
        verdict.verdict = Verdict::Proceed;
        return reply(verdict);
      }
      plugins_.before_start(one.hook, one.request, permit(), reply);
    } else if constexpr (std::is_same_v<Act, logic::CreateDomain>) {
      plugins_.create(hypervisor_, one.request, permit(), reply);
    } else if constexpr (std::is_same_v<Act, logic::IdentifyInstances>) {
      plugins_.identify(one.hook, one.request, while_awaited(), reply);
    } else if constexpr (std::is_same_v<Act, logic::ResumeDomain>) {
      plugins_.resume(hypervisor_, one.request, permit(), reply);
    } else if constexpr (std::is_same_v<Act, logic::ShutdownDomain>) {
      plugins_.shutdown(hypervisor_, one.request, while_awaited(), reply);
    } else if constexpr (std::is_same_v<Act, logic::DestroyDomain>) {
      plugins_.destroy(hypervisor_, one.request, while_awaited(), reply);
    } else if constexpr (std::is_same_v<Act, logic::AfterStop>) {
      plugins_.after_stop(one.hook, one.request, permit(), reply);
    }
  };
  std::visit(act, action.act);
}

}  // namespace pvcd::core
