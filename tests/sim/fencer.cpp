#include "fencer.hpp"

#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds call_timeout = seconds(5);

}  // namespace

Fencer::Fencer(World& world, std::size_t node) : worker(world.events), world_(world), node_(node) {}

bool Fencer::holds(const Permit& permit) const { return world_.node(node_).host.clock() < permit.not_after; }

void Fencer::read(const ReadRequest& request, const Reply<PowerReading>& reply) {
  const std::size_t victim = world_.node(world_.index_of(request.node)).bmc.wired_to;
  Bmc& bmc = world_.node(victim).bmc;
  const Microseconds latency = bmc.latency();
  if (!world_.network.reaches_bmc(node_, victim) || bmc.dead || latency > call_timeout)
    return worker.process.after(call_timeout, [reply] { reply({PowerState::Unknown, {}, "no answer"}); });
  worker.process.after(latency, [this, &bmc, victim, request, reply] {
    if (world_.node(victim).host.name() != request.node)
      return reply({PowerState::Unknown, {}, "its GUID is that of another host"});
    const auto state = bmc.read();
    reply({state.value_or(PowerState::Unknown), request.system_uuid, state ? "" : "no answer"});
  });
}

// Whose BMC it is comes first, then the right to act, then the act.
void Fencer::power(const PowerRequest& request, const Reply<Answer>& reply) {
  const std::size_t victim = world_.node(world_.index_of(request.node)).bmc.wired_to;
  Bmc& bmc = world_.node(victim).bmc;
  if (!holds(request.permit)) return reply({Outcome::Refused, "the right to act has ended"});
  if (!world_.network.reaches_bmc(node_, victim) || bmc.dead)
    return worker.process.after(call_timeout, [reply] { reply({Outcome::Refused, "no answer; nothing was sent"}); });
  worker.process.after(bmc.latency(), [this, &bmc, victim, request, reply] {
    if (!holds(request.permit)) return reply({Outcome::Refused, "the right to act ended; nothing was sent"});
    if (!world_.network.reaches_bmc(node_, victim)) return reply({Outcome::Unknown, "the BMC fell silent"});
    if (world_.node(victim).host.name() != request.node)
      return reply({Outcome::Refused, "its GUID is that of another host; nothing was sent"});
    world_.oracle.sends_off(node_, request.victim);
    world_.chronicle.note("off to " + request.node + " by " + world_.node(node_).host.name());
    const bool accepted = bmc.accept_off();
    const bool heard = accepted && !world_.mishap(5);
    worker.process.after(world_.random.between(milliseconds(5), milliseconds(200)), [reply, heard] {
      reply(heard ? Answer{Outcome::Done, {}} : Answer{Outcome::Unknown, "the answer was lost"});
    });
  });
}

}  // namespace pvcd::sim
