#include "watchdog/helper.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <utility>

#include "sdk/plugin.hpp"

namespace pvcd::watchdog {
namespace {

constexpr Microseconds retry_pause = seconds(1);

std::string in_ms(Microseconds time) { return std::to_string(time / 1000) + " ms"; }

}  // namespace

// What was armed in this boot stays as it was armed, whatever the configuration says now: others count on it.
Helper::Helper(HelperSettings settings) : settings_(std::move(settings)) {
  const auto before = decode_self_fence(read(self_fence_file), settings_.boot);
  if (before && before->armed) {
    words_ = before;
    settings_.timeout = before->watchdog_timeout;
    settings_.proof_limit = before->after;
  }
}

// It opens the device no earlier than there is a proof: a host that never joins is not cut, and boots.
void Helper::tick(Instant now) {
  const auto proof = decode_proof(read("proof"));
  const bool mine = proof && proof->life.boot == settings_.boot && proof->sent_at <= now;
  if (!mine || now >= proof->sent_at + settings_.proof_limit) {
    if (device_) log_once("there is no proof younger than " + in_ms(settings_.proof_limit) + ": not petted");
    if (!device_ && !is_armed()) tell({false, 0, 0, "this boot has not proven itself yet"});
    return;
  }
  if (!device_ && now < retry_at_) return;
  if (!device_) retry_at_ = now + retry_pause;
  pet(proof->sent_at + settings_.proof_limit);
}

// Between the look at the proof and the device this process may stand still for long, and go on while the host is about
// to be cut. It is killed first. Dying closes the device, which pets it once more: so of a device that is set to half
// of W, no pet but that one comes after D, and the host is off W after D at the latest.
void Helper::pet(Instant limit) {
  deadline_.begin(limit);
  if (!device_) open(is_armed() ? Device::Before::Armed : Device::Before::Unarmed);
  const bool petted = device_ && device_->pet();
  deadline_.end();
  if (!device_) return;
  if (!is_armed()) tell({true, settings_.proof_limit, 2 * device_->timeout(), {}});
  if (!petted) return log_once(settings_.device + ": it does not take its pet");
  if (is_armed()) logged_.clear();  // also its words could be written
}

void Helper::open(Device::Before before) {
  try {
    auto device = std::make_unique<Device>(settings_.device, settings_.timeout / 2, before);
    const Microseconds longest = 2 * device->timeout();
    if (is_armed() && longest > words_->watchdog_timeout)
      throw Error(settings_.device + ": it lets the host live longer than it did before in this boot");
    settings_.log("armed: the host is off " + in_ms(longest) + " after its last chance to prove itself");
    device_ = std::move(device);
  } catch (const Error& error) {
    log_once(error.what());
    if (!is_armed()) tell({false, 0, 0, error.what()});
  }
}

// The words change to "not armed" before the permit is looked at, and the keepalive takes the permit back before it
// reads the words: should it start again in this moment, one of the two sees the other.
void Helper::leave() {
  if (!is_armed()) {
    if (device_) device_->disarm();
    return;
  }
  const SelfFence armed = *words_;
  tell({false, 0, 0, "the node has left"});
  if (!is_armed() && permits_disarm(read(disarm_file), settings_.boot)) {
    if (!device_) open(Device::Before::Armed);
    if (device_ && device_->disarm()) return settings_.log("disarmed");
  }
  tell(armed);
  settings_.log("it stays armed, because the store has not been told otherwise: this host will be cut");
}

void Helper::tell(SelfFence words) {
  if (words_ == words) return;
  if (!write(encode_self_fence(settings_.boot, words))) return log_once("cannot write in " + settings_.run_directory);
  words_ = std::move(words);
}

void Helper::log_once(const std::string& text) {
  if (logged_.insert(text).second) settings_.log(text);
}

std::string Helper::read(const char* file) const {
  std::ifstream stream(settings_.run_directory + "/" + file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

bool Helper::write(const std::string& text) const {
  const std::string path = settings_.run_directory + "/" + self_fence_file, next = path + ".new";
  std::ofstream(next) << text << std::flush;
  std::ifstream check(next);
  const bool written = std::string(std::istreambuf_iterator<char>(check), {}) == text;
  return written && std::rename(next.c_str(), path.c_str()) == 0;
}

}  // namespace pvcd::watchdog
