#include "claim.hpp"

#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::election {
namespace {

namespace paths = store::paths;
using store::CommitCode;

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
  if (code == CommitCode::NotEmpty) return {refused("the holder " + name + " lives"), false};
  if (code == CommitCode::NoEntry && holder == Holder::Absent) return {std::nullopt, true};
  return {refused("the stale holder " + name + " is gone by now; decide again"), false};
}

}  // namespace

Holder holder_of(const ClaimRequest& request) {
  if (request.expected.node.empty()) return Holder::None;
  return request.holder_stale ? Holder::Stale : Holder::Absent;
}

LeaderRecord claimed(const ClaimRequest& request) {
  return {request.expected.epoch + 1, request.self.node, request.self.incarnation};
}

std::vector<store::Operation> claim_operations(const ClaimRequest& request, Holder holder) {
  std::vector<store::Operation> operations;
  const auto text = store::encode(claimed(request));
  if (request.leader_version == any_version)
    operations.push_back(store::Create{paths::leader, text});
  else
    operations.push_back(store::Set{paths::leader, text, request.leader_version});
  operations.push_back(store::Check{paths::live_session(request.self.node, request.self.incarnation)});
  const auto holder_path = paths::live_entry(request.expected.node, request.expected.incarnation);
  if (holder == Holder::Absent) operations.push_back(store::Remove{holder_path});
  if (holder == Holder::Stale) operations.push_back(store::Check{holder_path});
  return operations;
}

ClaimVerdict judge_claim(const ClaimRequest& request, Holder holder, const store::CommitResult& result) {
  switch (result.code) {
    case CommitCode::Ok:
      return {done(request), false};
    case CommitCode::Unknown:
      return {};
    case CommitCode::NoEntry:
    case CommitCode::Exists:
    case CommitCode::BadVersion:
    case CommitCode::NotEmpty:
      break;
    default:
      return {refused("the store refuses the claim; check store.credentials_file"), false};
  }
  if (result.failed == LeaderPart) return {refused("somebody else was faster"), false};
  if (result.failed == HolderPart) return judge_holder_part(request, holder, result.code);
  return {refused("this node's own session is gone: " + name_of(request.self.node, request.self.incarnation)), false};
}

Answer judge_claim_by_reading(const ClaimRequest& request, const std::optional<LeaderRecord>& now) {
  if (now == claimed(request)) return done(request);
  const bool unchanged = now ? *now == request.expected : request.leader_version == any_version;
  if (unchanged) return {Outcome::Unknown, "the store did not answer, and the claim is not there"};
  return refused("somebody else was faster");
}

store::Operation vacate_operation(Epoch epoch, Version version) {
  return store::Set{paths::leader, store::encode(LeaderRecord{epoch, {}, 0}), version};
}

}  // namespace pvcd::election
