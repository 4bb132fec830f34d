#include "domain_facts.hpp"

#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include <algorithm>

#include "sdk/plugged.hpp"

namespace pvcd::libvirt {
namespace {

constexpr const char* domain_prefix = "domain/";
constexpr const char* images_prefix = "images/";
constexpr const char* list_key = "domains";

std::string word(DomainState state) {
  switch (state) {
    case DomainState::Running:
      return "running";
    case DomainState::Paused:
      return "paused";
    case DomainState::Gone:
      return "gone";
    case DomainState::Unknown:
      break;
  }
  return {};
}

}  // namespace

DomainFacts::DomainFacts(Host& host, const Processes& processes) : host_(host), processes_(processes) {}

DomainFacts::~DomainFacts() {
  for (Watched& one : watched_) sd_event_source_disable_unref(one.source);
}

void DomainFacts::watch_running() {
  const auto qemus = processes_.qemus();
  if (!qemus) return host_.log(Level::Warning, "the processes of this host cannot be read");
  for (const Qemu& qemu : *qemus) watch(qemu);
}

void DomainFacts::apply(const News& news) {
  if (news.lost) say(list_key, "connecting");
  if (!news.domains.empty() || news.listed) watch_running();
  if (news.listed) {
    const std::map<std::string, std::string> before = said_;
    for (const auto& [key, value] : before) {
      if (!key.starts_with(domain_prefix) || value == "gone") continue;
      const VmUuid uuid = key.substr(std::string_view(domain_prefix).size());
      if (news.domains.count(uuid) == 0) change(uuid, DomainState::Gone);
    }
  }
  for (const auto& [uuid, state] : news.domains) change(uuid, state);
  for (const auto& [uuid, images] : news.images)
    if (watching(uuid)) say(images_prefix + uuid, as_fact(images));
  if (news.listed) say(list_key, "ready");
}

VmUuid DomainFacts::remembered(const Process& process) const {
  const auto found =
      std::find_if(watched_.begin(), watched_.end(), [&](const Watched& one) { return one.process == process; });
  return found != watched_.end() ? found->uuid : VmUuid();
}

bool DomainFacts::watching(const VmUuid& uuid) const {
  return std::any_of(watched_.begin(), watched_.end(), [&](const Watched& one) { return one.uuid == uuid; });
}

void DomainFacts::watch(const Qemu& qemu) {
  if (qemu.uuid.empty() || !remembered(qemu.process).empty()) return;
  Pidfd pidfd(processes_, qemu.process);
  if (!pidfd.open()) return;
  Watched& added = watched_.emplace_back(Watched{this, qemu.uuid, qemu.process, std::move(pidfd), nullptr});
  const int result = sd_event_add_io(host_.loop(), &added.source, added.pidfd.number(), EPOLLIN, on_end, &added);
  if (result >= 0) return;
  host_.log(Level::Error, "the end of QEMU " + std::to_string(qemu.process.pid) + " cannot be watched");
  watched_.pop_back();
}

int DomainFacts::on_end(sd_event_source*, int, std::uint32_t, void* watched) {
  Watched& one = *static_cast<Watched*>(watched);
  one.facts->ended(one);
  return 0;
}

void DomainFacts::ended(Watched& one) {
  const VmUuid uuid = one.uuid;
  sd_event_source_disable_unref(one.source);
  watched_.remove_if([&one](const Watched& other) { return &other == &one; });
  change(uuid, DomainState::Gone);
  if (!watching(uuid) && said_.contains(images_prefix + uuid)) say(images_prefix + uuid, "");
}

// A process that is still watched outlives what libvirt says; one that has ended is not made to run by late news.
void DomainFacts::change(const VmUuid& uuid, DomainState state) {
  const bool lives = watching(uuid);
  if (state == DomainState::Unknown || lives == (state == DomainState::Gone)) return;
  say(domain_prefix + uuid, word(state));
}

void DomainFacts::say(const std::string& key, const std::string& value) {
  std::string& last = said_[key];
  if (last == value) return;
  last = value;
  host_.report(key, value);
}

}  // namespace pvcd::libvirt
