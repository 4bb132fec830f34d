#include "election.hpp"

#include <algorithm>
#include <utility>

#include "await.hpp"
#include "sdk/claim.hpp"
#include "store/changes.hpp"
#include "store/codec.hpp"
#include "store/options.hpp"
#include "store/paths.hpp"
#include "store/request.hpp"

namespace pvcd::election {
namespace {

namespace paths = store::paths;
using store::boottime_now;

constexpr Microseconds answer_limit = seconds(4);  // of one transaction or reading, whatever the permit says

bool is_over(const Permit& permit) { return boottime_now() >= permit.not_after; }

Answer came_too_late() { return {Outcome::Refused, "the request came after its time"}; }

// The library would keep a request until it has a connection again, however late.
Answer not_connected() { return {Outcome::Unknown, "there is no connection to the store"}; }

template <class Record>
std::optional<Record> decoded(const store::ReadResult& result) {
  if (result.code != store::ReadCode::Ok) return std::nullopt;
  auto record = store::decode<Record>(result.entry.data);
  return std::holds_alternative<Record>(record) ? std::optional(std::get<Record>(std::move(record))) : std::nullopt;
}

}  // namespace

std::unique_ptr<store::Store> open_cluster_store(sd_event* loop, Host& host) {
  const auto warn = [&host](const std::string& what) { host.log(Level::Warning, what); };
  return store::open_zookeeper(loop, store::zookeeper_options(host.shared(), warn));
}

void Election::start(Host& host) {
  host_ = &host;
  node_ = host.shared().text("node.name");
  decision_limit_ = milliseconds(static_cast<std::uint64_t>(host.shared().number("timings.decision_limit_ms")));
  loop_.emplace(host.loop());
  store_ = open_(loop_->get(), host);
  store_->on_state([this](store::SessionState state) {
    if (state == store::SessionState::Denied)
      host_->log(Level::Error, "the store denies access; check store.credentials_file");
  });
}

void Election::stop() noexcept { store_.reset(); }

// ---------------------------------------------------------------------------------------------------------- the role

// The permit is looked at just before each transaction is sent: what is decided too late is not done.
Answer Election::claim(const ClaimRequest& request) {
  if (store_->state() != store::SessionState::Connected) return not_connected();
  Holder holder = holder_of(request);
  for (;;) {
    if (is_over(request.permit)) return came_too_late();
    const auto result = commit(claim_changes(request, holder, store::realtime_now()));
    const auto verdict = judge_claim(request, holder, result.code, result.failed);
    if (verdict.answer) return *verdict.answer;
    if (!verdict.holder_gone) return claim_by_reading(request);
    holder = Holder::None;
  }
}

Answer Election::claim_by_reading(const ClaimRequest& request) {
  const auto now = read_leader();
  if (!now.known()) return {Outcome::Unknown, "the store did not answer"};
  return judge_claim_by_reading(request, now.record);
}

Answer Election::vacate(const VacateRequest& request) {
  if (store_->state() != store::SessionState::Connected) return not_connected();
  const Epoch epoch = request.permit.epoch;
  const LeaderRecord ours{epoch, request.self.node, request.self.incarnation};
  const LeaderRecord vacant{epoch, {}, 0};
  auto now = read_leader();
  if (now.record == ours) {
    if (is_over(request.permit)) return came_too_late();
    const auto result =
        commit(vacate_changes(request.self, epoch, now.version, "its core asked for it", store::realtime_now()));
    if (result.code == store::CommitCode::Ok) return {Outcome::Done, {}};
    now = read_leader();
  }
  if (now.record == vacant) return {Outcome::Done, {}};
  if (!now.known() || now.record == ours) return {Outcome::Unknown, "the store did not answer"};
  return {Outcome::Refused, "epoch " + std::to_string(epoch) + " is not this incarnation's any more"};
}

// No answer is the Unknown of the result. A server that does not answer is left.
template <class Result, class Start>
Result Election::ask(Result unknown, Start start) {
  auto answer = await<Result>(*loop_, boottime_now() + answer_limit, std::move(start));
  if (!answer) store_->next_server();
  return answer.value_or(std::move(unknown));
}

store::CommitResult Election::commit(const Changes& changes) {
  return ask(store::CommitResult{}, [&](auto answered) { store::commit(*store_, changes, std::move(answered)); });
}

Election::LeaderNow Election::read_leader() {
  const auto code = ask(store::ReadCode::Unknown, [&](auto answered) { store_->sync(std::move(answered)); });
  if (code != store::ReadCode::Ok) return {};
  const auto result = ask(store::ReadResult{}, [&](auto answered) { store_->get(paths::leader, std::move(answered)); });
  return {result.code, decoded<LeaderRecord>(result), result.entry.version};
}

// --------------------------------------------------------------------------------------------------------- the guard

// A look that has not been answered since the last tick waits for a server that hangs, or that died with the host whose
// role will be claimed in a moment: the claim must not wait for it as well.
void Election::tick() {
  if (store_->state() != store::SessionState::Connected) return;
  if (guarding_) return store_->next_server();
  look_at_leader();
}

// Without a sync: an old look is made good by the version in the transaction, and by the next tick.
void Election::look_at_leader() {
  guarding_ = true;
  store_->get(paths::leader, [this](const store::ReadResult& result) {
    const auto leader = decoded<LeaderRecord>(result);
    if (leader && leader->node == node_) return look_at_core(*leader, result.entry.version);
    guarding_ = false;
    guard_ = {};
  });
}

void Election::look_at_core(const LeaderRecord& leader, Version version) {
  store_->get(paths::live_entry(leader.node, leader.incarnation),
              [this, leader, version](const store::ReadResult& result) { judge_core(leader, version, result); });
}

void Election::judge_core(const LeaderRecord& leader, Version version, const store::ReadResult& result) {
  guarding_ = false;
  const auto verdict = guard(decoded<LiveRecord>(result), guard_, decision_limit_, boottime_now());
  guard_ = verdict.next;
  if (verdict.vacate_because.empty()) return;
  host_->log(Level::Error, "giving up epoch " + std::to_string(leader.epoch) + ": " + verdict.vacate_because);
  guarding_ = true;
  const Life self{leader.node, {}, leader.incarnation};
  store::commit(*store_, vacate_changes(self, leader.epoch, version, verdict.vacate_because, store::realtime_now()),
                [this](const store::CommitResult&) { guarding_ = false; });
}

}  // namespace pvcd::election
