#include "hypervisor.hpp"

#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds create_limit = seconds(10);
constexpr Microseconds change_limit = seconds(5);
constexpr Microseconds destroy_limit = seconds(3);

}  // namespace

Hypervisor::Hypervisor(World& world, std::size_t node) : worker(world.events), world_(world), node_(node) {}

Host& Hypervisor::host() const { return world_.node(node_).host; }
bool Hypervisor::holds(const Permit& permit) const { return host().clock() < permit.not_after; }

void Hypervisor::start() {
  worker.start();
  listed_ = false;
  worker.process.after(world_.random.between(milliseconds(100), milliseconds(800)), [this] { list(); });
}

void Hypervisor::list() {
  if (libvirtd_hangs) return worker.process.after(seconds(1), [this] { list(); });
  listed_ = true;
  world_.node(node_).core.read_facts();
}

std::vector<QemuPointer> Hypervisor::living(const VmUuid& uuid) const {
  std::vector<QemuPointer> found;
  for (const QemuPointer& qemu : host().qemus())
    if (qemu->uuid == uuid) found.push_back(qemu);
  return found;
}

QemuPointer Hypervisor::find(const VmUuid& uuid, const pvcd::Process& process) const {
  for (const QemuPointer& qemu : living(uuid))
    if (qemu->process == process) return qemu;
  return nullptr;
}

DomainState Hypervisor::state_of(const Qemu& qemu) const {
  if (qemu.uuid == unreadable) return DomainState::Unknown;
  return qemu.runs ? DomainState::Running : DomainState::Paused;
}

void Hypervisor::probe(const ProbeRequest& request, const Reply<DomainProbe>& reply) {
  worker.process.after(world_.random.between(500, milliseconds(10)), [this, request, reply] {
    const auto found = living(request.uuid);
    if (found.empty()) return reply({DomainState::Gone, std::nullopt, {}});
    DomainProbe probe{DomainState::Unknown, found.front()->process, "it lives, nobody says in which state"};
    if (!libvirtd_hangs && found.size() == 1) probe.state = state_of(*found.front());
    reply(probe);
  });
}

void Hypervisor::create(const CreateRequest& request, const Reply<CreateAnswer>& reply) {
  if (const auto found = living(request.uuid); !found.empty())
    return reply({Outcome::Refused, found.front()->process, "it lives here already"});
  if (!holds(request.permit)) return reply({Outcome::Unknown, std::nullopt, "the right to act has ended"});
  if (refuses_to_create) return reply({Outcome::Refused, std::nullopt, "libvirt cannot create it"});
  if (libvirtd_hangs)
    return worker.process.after(create_limit, [reply] {
      reply({Outcome::Unknown, std::nullopt, "libvirt did not answer in time"});
    });
  if (creating_.contains(request.uuid)) return reply({Outcome::Refused, std::nullopt, "libvirt creates it already"});
  worker.process.after(world_.random.between(milliseconds(100), milliseconds(900)), [this, request, reply] {
    if (!holds(request.permit)) return reply({Outcome::Unknown, std::nullopt, "the right to act ended"});
    if (world_.mishap(2)) {
      create_late(request);
      return reply({Outcome::Unknown, std::nullopt, "the connection to libvirt was lost"});
    }
    world_.oracle.acted(node_, "creates " + request.uuid);
    const QemuPointer qemu = host().create(world_.definitions.at(request.uuid), request.generation);
    world_.domain_changed(node_, request.uuid);
    if (answers_are_lost || world_.mishap(2))
      return reply({Outcome::Unknown, std::nullopt, "the connection to libvirt was lost"});
    reply({Outcome::Done, qemu->process, {}});
  });
}

void Hypervisor::resume(const DomainRequest& request, const Reply<Answer>& reply) {
  const QemuPointer qemu = find(request.uuid, request.process);
  if (!qemu || living(request.uuid).size() != 1) return reply({Outcome::Refused, "it is gone"});
  if (!holds(request.permit)) return reply({Outcome::Refused, "the right to act has ended"});
  if (libvirtd_hangs)
    return worker.process.after(change_limit, [reply] { reply({Outcome::Unknown, "libvirt did not answer in time"}); });
  worker.process.after(world_.random.between(milliseconds(5), milliseconds(100)), [this, request, qemu, reply] {
    if (!holds(request.permit)) return reply({Outcome::Refused, "the right to act ended"});
    if (!qemu->lives) return reply({Outcome::Refused, "it is gone"});
    world_.oracle.acted(node_, "resumes " + request.uuid);
    host().resume_cpus(qemu);
    world_.domain_changed(node_, request.uuid);
    if (answers_are_lost || world_.mishap(2)) return reply({Outcome::Unknown, "the connection to libvirt was lost"});
    reply({Outcome::Done, {}});
  });
}

// Its last check was in time; its process shows later, and nobody waits for it (safety rule 7).
void Hypervisor::create_late(const CreateRequest& request) {
  constexpr Microseconds shows_within = milliseconds(4500);
  creating_.insert(request.uuid);
  world_.events.after(world_.random.below(shows_within), [this, request, boot = host().boot()] {
    creating_.erase(request.uuid);
    if (!host().runs() || host().boot() != boot || !living(request.uuid).empty()) return;
    host().create(world_.definitions.at(request.uuid), request.generation);
    world_.domain_changed(node_, request.uuid);
  });
}

// The guest takes its time, or does not listen.
void Hypervisor::shutdown(const DomainRequest& request, const Reply<Answer>& reply) {
  const QemuPointer qemu = find(request.uuid, request.process);
  if (!qemu || !holds(request.permit)) return reply({Outcome::Refused, "it is gone or the right to act has ended"});
  if (libvirtd_hangs)
    return worker.process.after(change_limit, [reply] { reply({Outcome::Unknown, "libvirt did not answer in time"}); });
  if (qemu->runs && !guests_do_not_listen && (world_.calm || world_.random.chance(85)))
    world_.events.after(world_.random.between(milliseconds(500), seconds(8)), [this, qemu] {
      if (qemu->lives && host().runs()) host().end(qemu, Host::End::Orderly);
    });
  worker.process.after(milliseconds(5), [reply] { reply({Outcome::Done, {}}); });
}

void Hypervisor::destroy(const DomainRequest& request, const Reply<Answer>& reply) {
  const Microseconds time = libvirtd_hangs ? destroy_limit : world_.random.between(milliseconds(20), milliseconds(400));
  if (!find(request.uuid, request.process)) return reply({Outcome::Done, "it is gone already"});
  if (!holds(request.permit)) return reply({Outcome::Refused, "the right to act has ended"});
  worker.process.after(time, [this, request, reply] {
    const QemuPointer qemu = find(request.uuid, request.process);
    if (!qemu) return reply({Outcome::Done, {}});
    if (!holds(request.permit)) return reply({Outcome::Unknown, "the right to act ended while libvirt was asked"});
    if (cannot_kill) return reply({Outcome::Unknown, "it was killed and does not end"});
    world_.oracle.destroys(*qemu);
    const bool orderly = !libvirtd_hangs && world_.random.chance(60);
    host().end(qemu, orderly ? Host::End::Orderly : Host::End::Killed);
    reply({Outcome::Done, {}});
  });
}

}  // namespace pvcd::sim
