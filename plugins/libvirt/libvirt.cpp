#include "libvirt.hpp"

#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include <algorithm>
#include <limits>

#include "bounded_call.hpp"
#include "domain_calls.hpp"
#include "domain_xml.hpp"

namespace pvcd::libvirt {
namespace {

// Together below the host's stall limit of 15 s, whatever a request needs of them.
constexpr Microseconds state_limit = milliseconds(500);
constexpr Microseconds create_limit = seconds(10);
constexpr Microseconds change_limit = seconds(5);
constexpr Microseconds destroy_limit = seconds(3);
constexpr Microseconds kill_limit = seconds(5);

constexpr Permit permit_to_look{std::numeric_limits<Instant>::max(), 0};

bool contains(const std::vector<Process>& processes, const Process& process) {
  return std::find(processes.begin(), processes.end(), process) != processes.end();
}

std::string name(const Process& process) { return "QEMU " + std::to_string(process.pid); }

}  // namespace

void Libvirt::start(Host& host) {
  host_ = &host;
  forget_start_tokens(start_tokens_);
  facts_ = std::make_unique<DomainFacts>(host, processes_);
  facts_->watch_running();
  connection_ = std::make_shared<Connection>(host.settings().text("uri"));
  if (sd_event_add_io(host.loop(), &news_source_, connection_->news_descriptor(), EPOLLIN, on_news, this) < 0)
    throw Error("the news of libvirt cannot be watched");
  connection_->start();
}

void Libvirt::stop() noexcept {
  news_source_ = sd_event_source_disable_unref(news_source_);
  facts_.reset();
  if (connection_) connection_->stop();
}

int Libvirt::on_news(sd_event_source*, int, std::uint32_t, void* plugin) {
  static_cast<Libvirt*>(plugin)->take_news();
  return 0;
}

void Libvirt::take_news() {
  const News news = connection_->take();
  if (!news.problem.empty() && news.problem != last_problem_) host_->log(Level::Warning, connection_->problem());
  if (news.listed) host_->log(Level::Info, "connected to libvirt");
  last_problem_ = news.listed ? std::string() : news.problem;
  facts_->apply(news);
}

Libvirt::Living Libvirt::living(const VmUuid& uuid, const std::vector<Process>& recorded) const {
  Living found;
  const auto uncertain = [&found](const std::string& note) {
    found.certain = false;
    found.note = note;
  };
  const auto qemus = processes_.qemus();
  if (!qemus) uncertain("the processes of this host cannot be read");
  for (const Qemu& qemu : qemus.value_or(std::vector<Qemu>())) {
    const VmUuid owner = qemu.uuid.empty() ? facts_->remembered(qemu.process) : qemu.uuid;
    if (owner.empty()) uncertain(name(qemu.process) + " is ending, and whose it is cannot be read any more");
    if (owner == uuid) found.processes.push_back(qemu.process);
  }
  for (const Process& process : recorded) {
    const Existence existence = processes_.look(process);
    if (existence == Existence::Unknown) uncertain("whether " + name(process) + " lives cannot be read");
    if (existence == Existence::Alive && !contains(found.processes, process)) found.processes.push_back(process);
  }
  return found;
}

DomainState Libvirt::ask_libvirt(const VmUuid& uuid) const {
  const Connect connect = connection_->get();
  if (!connect) return DomainState::Unknown;
  const auto state = call_bounded<DomainState>(state_limit, permit_to_look, [connect, uuid](const RightToAct&) {
    const Domain domain = find_domain(connect, uuid);
    return domain ? state_of(domain.get()) : DomainState::Unknown;
  });
  return state.value_or(DomainState::Unknown);
}

DomainProbe Libvirt::probe(const ProbeRequest& request) {
  const Living found = living(request.uuid, request.recorded);
  DomainProbe probe;
  probe.note = found.note;
  if (found.processes.empty()) {
    probe.state = found.certain ? DomainState::Gone : DomainState::Unknown;
    return probe;
  }
  probe.process = found.processes.front();
  if (found.processes.size() > 1) {
    probe.note = std::to_string(found.processes.size()) + " of its processes live here";
    return probe;
  }
  probe.state = ask_libvirt(request.uuid);
  if (probe.state == DomainState::Running || probe.state == DomainState::Paused) return probe;
  probe.state = DomainState::Unknown;
  probe.note = name(*probe.process) + " lives, but libvirt does not say in which state";
  return probe;
}

Answer Libvirt::ask_libvirt_to(const Permit& permit, Microseconds limit, Act act) const {
  const Connect connect = connection_->get();
  if (!connect) return {Outcome::Refused, connection_->problem()};
  if (!holds(permit)) return {Outcome::Refused, "the right to act has ended"};
  const auto answer = call_bounded<Answer>(
      limit, permit, [connect, act = std::move(act)](const RightToAct& right) { return act(connect, right); });
  return answer.value_or(Answer{Outcome::Unknown, "libvirt did not answer in time"});
}

CreateAnswer Libvirt::create(const CreateRequest& request) {
  const StartXml start = start_xml(request.xml, request.uuid, request.generation);
  if (!start.problem.empty()) return {Outcome::Refused, std::nullopt, start.problem};
  const Living before = living(request.uuid, {});
  if (!before.processes.empty())
    return {Outcome::Refused, before.processes.front(), "it lives here already as " + name(before.processes.front())};
  if (!before.certain) return {Outcome::Refused, std::nullopt, before.note};

  if (!connection_->get()) return {Outcome::Refused, std::nullopt, connection_->problem()};

  const StartToken token(start_tokens_, request.uuid);
  const std::string unguarded = token.leave(request.generation, request.permit.not_after);
  if (!unguarded.empty()) return {Outcome::Refused, std::nullopt, unguarded};
  const Answer answer =
      ask_libvirt_to(request.permit, create_limit,
                     [uuid = request.uuid, xml = start.xml](const Connect& connect, const RightToAct& right) {
                       return create_paused(connect, uuid, xml, right);
                     });
  const bool unused = token.take_back();
  if (answer.outcome == Outcome::Done) notice_hook(!unused);

  const Living after = living(request.uuid, {});
  // What came too late has not been refused by libvirt: it is no reason to try another host.
  const Outcome not_there = holds(request.permit) ? Outcome::Refused : Outcome::Unknown;
  if (answer.outcome != Outcome::Unknown && after.certain && after.processes.empty())
    return {not_there, std::nullopt, answer.note.empty() ? "its QEMU ended at once" : answer.note};
  if (after.processes.size() != 1)
    return {Outcome::Unknown, std::nullopt, answer.note.empty() ? "its QEMU is not in /proc" : answer.note};
  return {answer.outcome == Outcome::Done ? Outcome::Done : Outcome::Unknown, after.processes.front(), answer.note};
}

// libvirtd looks for hooks when it starts, so one that ran before ours was installed does not know it.
void Libvirt::notice_hook(bool ran) {
  if (!ran && !said_without_hook_)
    host_->log(Level::Warning,
               "libvirtd does not ask pvcd's hook, so nothing keeps a VM of the cluster from being started by hand: "
               "restart libvirtd, and see that /etc/libvirt/hooks/qemu.d/pvcd is there and executable");
  said_without_hook_ = !ran;
}

// libvirt knows a domain by its UUID, so an act on it is exact only while this UUID has one process.
bool Libvirt::is_the_only_one(const DomainRequest& request, std::string& why_not) const {
  const Living found = living(request.uuid, {request.process});
  if (!contains(found.processes, request.process)) why_not = name(request.process) + " is gone";
  if (found.processes.size() > 1) why_not = std::to_string(found.processes.size()) + " of its processes live here";
  if (!found.certain) why_not = found.note;
  return why_not.empty();
}

Answer Libvirt::resume(const DomainRequest& request) {
  std::string why_not;
  if (!is_the_only_one(request, why_not)) return {Outcome::Refused, why_not};
  return ask_libvirt_to(request.permit, change_limit,
                        [uuid = request.uuid](const Connect& connect, const RightToAct& right) {
                          return resume_cpus(connect, uuid, right);
                        });
}

Answer Libvirt::shutdown(const DomainRequest& request) {
  std::string why_not;
  if (!is_the_only_one(request, why_not)) return {Outcome::Refused, why_not};
  return ask_libvirt_to(request.permit, change_limit,
                        [uuid = request.uuid](const Connect& connect, const RightToAct& right) {
                          return press_power_button(connect, uuid, right);
                        });
}

// By libvirt first: it lets QEMU close its disks, so that fewer locks are left behind.
Answer Libvirt::destroy(const DomainRequest& request) {
  const Pidfd victim(processes_, request.process);
  if (victim.existence() == Existence::Gone) return {Outcome::Done, name(request.process) + " is gone already"};
  if (!victim.open()) return {Outcome::Unknown, "whether " + name(request.process) + " lives cannot be read"};
  if (!holds(request.permit)) return {Outcome::Refused, "the right to act has ended"};

  std::string why_not;
  Answer asked{Outcome::Refused, {}};
  if (is_the_only_one(request, why_not))
    asked = ask_libvirt_to(request.permit, destroy_limit,
                           [uuid = request.uuid](const Connect& connect, const RightToAct& right) {
                             return destroy_domain(connect, uuid, right);
                           });
  if (victim.wait_end(0)) return {Outcome::Done, asked.note};
  if (!holds(request.permit)) return {Outcome::Unknown, "the right to act ended while libvirt was asked"};
  victim.kill();
  const std::string reason = why_not.empty() ? asked.note : why_not;
  if (victim.wait_end(kill_limit)) return {Outcome::Done, "killed without libvirt: " + reason};
  return {Outcome::Unknown, name(request.process) + " was killed but has not ended: it hangs in the kernel"};
}

}  // namespace pvcd::libvirt
