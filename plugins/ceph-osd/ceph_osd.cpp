#include "ceph_osd.hpp"

#include <thread>

#include "sdk/permit.hpp"
#include "survey.hpp"

namespace pvcd::ceph_osd {

namespace {

constexpr std::uint64_t second_ms = 1000;

// Both sides at once: a manager that hangs delays no monitor's answer, and the other way round.
Replies ask_both(const ceph::Options& options) {
  Replies of_manager;
  std::jthread manager([&] {
    of_manager = ask(options, Side::Manager, manager_commands);
    if (of_manager.at("osd status").answered && !tells_rates(of_manager))
      of_manager.merge(ask(options, Side::Manager, {groups_command}));
  });
  Replies replies = ask(options, Side::Monitors, monitor_commands);
  manager.join();
  replies.merge(of_manager);
  return replies;
}

}  // namespace

void CephOsd::start(Host& host) {
  host_ = &host;
  const auto timeout_ms = static_cast<std::uint64_t>(host.settings().number("timeout_ms"));
  options_ = {host.settings().text("ceph_conf"), host.settings().text("ceph_client"),
              (timeout_ms + second_ms - 1) / second_ms};
}

StorageSurvey CephOsd::observe(const ObserveRequest&) {
  const Instant asked_at = boottime_now();
  StorageSurvey survey = survey_of(ask_both(options_), rates_, asked_at);
  report_ceph(survey.note.empty() ? "ok" : survey.note);
  return survey;
}

void CephOsd::report_ceph(const std::string& state) {
  if (state == reported_) return;
  reported_ = state;
  host_->report("ceph", state);
  host_->log(state == "ok" ? Level::Info : Level::Warning, "ceph: " + state);
}

}  // namespace pvcd::ceph_osd
