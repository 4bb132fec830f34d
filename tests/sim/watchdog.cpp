#include "watchdog.hpp"

#include "sdk/proof.hpp"
#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds pet_interval = milliseconds(250);
constexpr Microseconds syscall_max = milliseconds(1);
constexpr Microseconds restart_pause = milliseconds(500);

}  // namespace

Watchdog::Watchdog(World& world, std::size_t node) : process(world.events), world_(world), node_(node) {}

void Watchdog::start() {
  if (!wanted) return;
  process.start();
  process.after(world_.random.below(pet_interval), [this] { look(); });
}

void Watchdog::look() {
  const Host& host = world_.node(node_).host;
  const auto proof = decode_proof(host.proof_file);
  const bool young = proof && proof->life.boot == host.boot() && host.clock() < proof->sent_at + proof_limit;
  if (young && fitted)
    process.after(world_.random.below(syscall_max), [this, sent_at = proof->sent_at] { pet(sent_at); });
  if (open_ && !young && world_.mishap(5)) return die();  // somebody kills it then, of all times
  process.after(pet_interval, [this] { look(); });
}

void Watchdog::die() {
  kill();
  world_.events.after(restart_pause, [this, boot = world_.node(node_).host.boot()] {
    const Host& host = world_.node(node_).host;
    if (host.is_on() && host.boot() == boot && !process.lives()) start();
  });
}

// However long it stood still since it looked, the kernel ends it before it could pet too late.
void Watchdog::pet(Instant sent_at) {
  if (world_.node(node_).host.clock() >= sent_at + proof_limit) return die();
  open_ = armed_ = true;
  ping();
  file_ = SelfFence{true, proof_limit, 2 * watchdog_device_timeout, {}};
}

void Watchdog::ping() {
  pinged_at_ = world_.events.now();
  world_.events.after(watchdog_device_timeout, [this, at = pinged_at_] { expire(at); });
}

// Linux pets a device that is closed without the letter V.
void Watchdog::let_go() {
  if (std::exchange(open_, false)) ping();
}

void Watchdog::expire(Instant pinged_at) {
  if (!armed_ || pinged_at_ != pinged_at) return;
  Host& host = world_.node(node_).host;
  world_.trace([&] { return "the watchdog of " + host.name() + " cuts it"; });
  world_.chronicle.note("cut of " + host.name());
  world_.tally.count("watchdog-cuts");
  host.power_off();
  if (!world_.calm)  // a board is reset and boots; in a story it stays off until somebody boots it
    world_.events.after(world_.random.between(seconds(2), seconds(30)), [this] { world_.boot(node_); });
}

void Watchdog::kill() {
  let_go();
  process.end();
}

// Never a moment in which the store says armed and the device is not.
void Watchdog::leave(bool recorded) {
  if (!process.lives() || !recorded) return kill();
  world_.oracle.disarms(node_);
  if (armed_) world_.chronicle.note("disarming of " + world_.node(node_).host.name());
  open_ = armed_ = false;
  file_.reset();
  process.end();
}

void Watchdog::power_off() {
  open_ = armed_ = false;
  file_.reset();
}

std::optional<SelfFence> Watchdog::words() const {
  if (!wanted) return std::nullopt;
  return file_ ? *file_ : SelfFence{false, 0, 0, fitted ? "no proof of this boot yet" : "there is no device"};
}

}  // namespace pvcd::sim
