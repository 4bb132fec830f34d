#include "marker.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "sdk/permit.hpp"

namespace pvcd::ipmi {
namespace {

Descriptor new_event() {
  Descriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.open()) throw Error(std::string("eventfd: ") + std::strerror(errno));
  return event;
}

}  // namespace

Marker::Marker(Host& host, BootId boot, MarkerTimes times)
    : host_(host),
      boot_(std::move(boot)),
      times_(times),
      stopped_(new_event()),
      bmc_(in_band(stopped_.get())),
      thread_([this] { run(); }) {}

Marker::~Marker() {
  eventfd_write(stopped_.get(), 1);
  thread_.join();
}

void Marker::run() noexcept {
  Microseconds pause = 0;
  while (!stops_within(pause)) pause = look() ? times_.look_interval : times_.retry_interval;
}

bool Marker::look() {
  const Shown before = bmc_.read_mark(deadline());
  if (before.uuid == boot_) {  // perhaps by a call that was killed before its answer came
    if (!std::exchange(told_, {}).empty()) host_.log(Level::Notice, "this host's BMC carries the mark of its boot now");
    return true;
  }
  const std::string refusal = bmc_.write_mark(boot_, deadline());
  if (!refusal.empty()) return fail(Failure::NotWritten, refusal);
  // A BMC may accept what it does not keep.
  const Shown after = bmc_.read_mark(deadline());
  if (!after.answered) return fail(Failure::NotWritten, "whether it was is not known: " + after.note);
  if (after.uuid != boot_)
    return fail(Failure::NotKept, after.uuid.empty() ? after.note : "it carries that of boot " + after.uuid);
  told_.clear();
  host_.log(Level::Notice, "this host's BMC carries the mark of its boot now, " + boot_ +
                               (before.uuid.empty() ? "" : "; it had that of boot " + before.uuid));
  return true;
}

// Once of each kind: it is tried again every few seconds, for as long as it takes.
bool Marker::fail(Failure failure, const std::string& why) {
  if (stops_within(0) || !told_.insert(failure).second) return false;
  host_.log(Level::Warning, failure == Failure::NotWritten
                                ? "this host's BMC cannot be marked, so nobody can fence this host by power: " + why +
                                      "; where /dev/ipmi0 is missing, 'modprobe -a ipmi_devintf ipmi_si' and restart "
                                      "pvcd-ipmi"
                                : "this host's BMC does not keep its mark, so nobody can fence this host by power: " +
                                      why + "; another BMC firmware may, else give [bmc.NODE] a guid");
  return false;
}

bool Marker::stops_within(Microseconds pause) const {
  pollfd stopped{stopped_.get(), POLLIN, 0};
  return poll(&stopped, 1, static_cast<int>(pause / milliseconds(1))) > 0;
}

Instant Marker::deadline() const { return boottime_now() + times_.call_limit; }

}  // namespace pvcd::ipmi
