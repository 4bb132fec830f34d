#include "sdk/claim.hpp"

namespace pvcd::election {
namespace {

// Their order in the transaction.
enum Part : std::size_t { LeaderPart, SelfPart, HolderPart };

std::string name_of(const NodeName& node, Incarnation incarnation) {
  return node + ", incarnation " + std::to_string(incarnation);
}

Answer refused(std::string note) { return {Outcome::Refused, std::move(note)}; }

Answer done(const ClaimRequest& request) {
  return {Outcome::Done, "epoch " + std::to_string(claimed(request).epoch) + " belongs to " + request.self.node};
}

ClaimVerdict judge_holder_part(const ClaimRequest& request, Holder holder, CommitCode code) {
  const auto name = name_of(request.expected.node, request.expected.incarnation);
  if (code == CommitCode::Exists) return {refused("the holder " + name + " lives"), false};
  if (code == CommitCode::NoEntry && holder == Holder::Absent) return {std::nullopt, true};
  return {refused("the stale holder " + name + " is gone by now; decide again"), false};
}

std::string reason(const ClaimRequest& request, Holder holder) {
  const auto name = name_of(request.expected.node, request.expected.incarnation);
  switch (holder) {
    case Holder::Absent:
      return "the session of its holder " + name + " has ended";
    case Holder::Stale:
      return "the core of its holder " + name + " has not decided anything for too long";
    case Holder::None:
      break;
  }
  return "nobody holds it";
}

}  // namespace

Holder holder_of(const ClaimRequest& request) {
  if (request.expected.node.empty()) return Holder::None;
  return request.holder_stale ? Holder::Stale : Holder::Absent;
}

LeaderRecord claimed(const ClaimRequest& request) {
  return {request.expected.epoch + 1, request.self.node, request.self.incarnation};
}

Changes claim_changes(const ClaimRequest& request, Holder holder, std::uint64_t time) {
  const bool first = request.leader_version == any_version;
  Changes changes{
      Put{{Kind::Leader, {}}, claimed(request), first ? std::nullopt : std::optional(request.leader_version)},
      Check{session_key(request.self.node, request.self.incarnation)}};
  const Key entry = live_key(request.expected.node, request.expected.incarnation);
  if (holder == Holder::Absent)
    changes.push_back(Absent{session_key(request.expected.node, request.expected.incarnation)});
  if (holder == Holder::Stale) changes.push_back(Check{entry});
  DecisionRecord why;
  why.what = request.self.node + " takes the role of primary at epoch " + std::to_string(claimed(request).epoch);
  why.because = reason(request, holder);
  why.object = "node/" + request.self.node;
  if (!first) why.inputs = {"/leader@" + std::to_string(request.leader_version)};
  why.epoch = claimed(request).epoch;
  why.node = request.self.node;
  why.time = time;
  changes.push_back(Append{Kind::Decision, why});
  return changes;
}

ClaimVerdict judge_claim(const ClaimRequest& request, Holder holder, CommitCode code, std::size_t failed) {
  switch (code) {
    case CommitCode::Ok:
      return {done(request), false};
    case CommitCode::Unknown:
      return {};
    case CommitCode::NoEntry:
    case CommitCode::Exists:
    case CommitCode::BadVersion:
      break;
    default:
      return {refused("the store refuses the claim; check store.credentials_file"), false};
  }
  if (failed == LeaderPart) return {refused("somebody else was faster"), false};
  if (failed == HolderPart) return judge_holder_part(request, holder, code);
  return {refused("this node's own session is gone: " + name_of(request.self.node, request.self.incarnation)), false};
}

Answer judge_claim_by_reading(const ClaimRequest& request, const std::optional<LeaderRecord>& now) {
  if (now == claimed(request)) return done(request);
  const bool unchanged = now ? *now == request.expected : request.leader_version == any_version;
  if (unchanged) return {Outcome::Unknown, "the store did not answer, and the claim is not there"};
  return refused("somebody else was faster");
}

Changes vacate_changes(const Life& self, Epoch epoch, Version version, const std::string& because, std::uint64_t time) {
  DecisionRecord why;
  why.what = self.node + " gives up the role of primary";
  why.because = because;
  why.object = "node/" + self.node;
  why.inputs = {"/leader@" + std::to_string(version)};
  why.epoch = epoch;
  why.node = self.node;
  why.time = time;
  return {Put{{Kind::Leader, {}}, LeaderRecord{epoch, {}, 0}, version}, Append{Kind::Decision, why}};
}

}  // namespace pvcd::election
