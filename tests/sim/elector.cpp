#include "elector.hpp"

#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds transaction_limit = seconds(4);
constexpr Microseconds tick_interval = seconds(1);

}  // namespace

Elector::Elector(World& world, std::size_t node)
    : worker(world.events), world_(world), node_(node), client_{node, worker.process, transaction_limit} {}

void Elector::start() {
  worker.start();
  client_.server.reset();
  core_missing_since_.reset();
  worker.process.after(world_.random.between(milliseconds(100), tick_interval), [this] { tick(); });
}

// ---------------------------------------------------------------------------------------------------------- the role

void Elector::claim(const ClaimRequest& request, const Reply& reply) {
  if (!world_.store.serves(node_)) return reply({Outcome::Unknown, "there is no connection to the store"});
  try_claim(request, election::holder_of(request), reply);
}

void Elector::try_claim(const ClaimRequest& request, election::Holder holder, const Reply& reply) {
  if (world_.node(node_).host.clock() >= request.permit.not_after)
    return reply({Outcome::Refused, "the request came after its time"});
  world_.store.commit(client_, {node_, Part::Election, request.expected.epoch},
                      election::claim_changes(request, holder, world_.node(node_).host.wall_clock()),
                      [this, request, holder, reply](const CommitOutcome& outcome) {
                        const auto verdict = election::judge_claim(request, holder, outcome.code, outcome.failed);
                        if (verdict.answer) return reply(*verdict.answer);
                        if (verdict.holder_gone) return try_claim(request, election::Holder::None, reply);
                        claim_by_reading(request, reply);
                      });
}

void Elector::claim_by_reading(const ClaimRequest& request, const Reply& reply) {
  read_leader([request, reply](bool known, const std::optional<LeaderRecord>& now, Version) {
    reply(known ? election::judge_claim_by_reading(request, now) : Answer{Outcome::Unknown, "no answer"});
  });
}

void Elector::read_leader(std::function<void(bool, std::optional<LeaderRecord>, Version)> answered) {
  world_.store.ask(
      client_,
      [this, answered]() -> Store::Deliver {
        const EntryPointer entry = world_.store.find({Kind::Leader, {}});
        return [answered, entry] {
          if (!entry) return answered(true, std::nullopt, 0);
          answered(true, std::get<LeaderRecord>(entry->record), entry->version);
        };
      },
      [answered] { answered(false, std::nullopt, 0); });
}

void Elector::vacate(const VacateRequest& request, const Reply& reply) {
  const Epoch epoch = request.permit.epoch;
  const LeaderRecord ours{epoch, request.self.node, request.self.incarnation};
  const LeaderRecord vacant{epoch, {}, 0};
  read_leader([this, request, ours, vacant, epoch, reply](bool known, const auto& now, Version version) {
    if (!known) return reply({Outcome::Unknown, "the store did not answer"});
    if (now == vacant) return reply({Outcome::Done, {}});
    if (now != ours) return reply({Outcome::Refused, "it is not this incarnation's any more"});
    if (world_.node(node_).host.clock() >= request.permit.not_after)
      return reply({Outcome::Refused, "the request came after its time"});
    world_.store.commit(client_, {node_, Part::Election, epoch},
                        election::vacate_changes(request.self, epoch, version, "its core asked for it",
                                                 world_.node(node_).host.wall_clock()),
                        [reply](const CommitOutcome& outcome) {
                          reply({outcome.code == CommitCode::Ok ? Outcome::Done : Outcome::Unknown, {}});
                        });
  });
}

// --------------------------------------------------------------------------------------------------------- the guard

void Elector::tick() {
  worker.process.after(tick_interval, [this] { tick(); });
  const EntryPointer entry = world_.store.find({Kind::Leader, {}});
  const bool ours = entry && std::get<LeaderRecord>(entry->record).node == world_.node(node_).host.name() &&
                    world_.store.serves(node_);
  if (ours)
    guard();
  else
    core_missing_since_.reset();
}

// The age is what the keepalive published; whether that keepalive still lives is its session's business.
void Elector::guard() {
  const EntryPointer entry = world_.store.find({Kind::Leader, {}});
  const auto& leader = std::get<LeaderRecord>(entry->record);
  const EntryPointer live = world_.store.find(live_key(leader.node, leader.incarnation));
  if (!live) return core_missing_since_.reset();
  const auto& units = std::get<LiveRecord>(live->record).units;
  const auto core = units.find("core");
  const Instant now = world_.node(node_).host.clock();
  bool too_old = false;
  if (core == units.end()) {
    core_missing_since_ = core_missing_since_.value_or(now);
    too_old = now - *core_missing_since_ > decision_limit;
  } else {
    core_missing_since_.reset();
    too_old = core->second.age > decision_limit;
  }
  if (!too_old) return;
  world_.trace([&] { return "the guard of " + leader.node + " gives up epoch " + std::to_string(leader.epoch); });
  world_.store.commit(client_, {node_, Part::Election, leader.epoch},
                      election::vacate_changes({leader.node, {}, leader.incarnation}, leader.epoch, entry->version,
                                               "its core does not decide", world_.node(node_).host.wall_clock()),
                      [](const CommitOutcome&) {});
}

}  // namespace pvcd::sim
