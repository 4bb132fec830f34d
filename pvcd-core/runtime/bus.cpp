#include "runtime/bus.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include <cstdint>
#include <utility>

#include "sdk/plugin.hpp"

namespace pvcd::runtime {

namespace {

constexpr int messages_at_once_max = 64;  // whoever floods the bus must not keep the loop from everything else

}  // namespace

std::unique_ptr<sdbus::IConnection> connect_system_bus() {
  try {
    return sdbus::createSystemBusConnection();
  } catch (const sdbus::Error& error) {
    throw Error("cannot connect to the system bus (is dbus.service running?): " + error.getMessage());
  }
}

void request_name(sdbus::IConnection& connection, const std::string& name) {
  try {
    connection.requestName(name);
  } catch (const sdbus::Error& error) {
    throw Error("cannot take the bus name " + name + " (is another instance running?): " + error.getMessage());
  }
}

struct Bus::Sources {
  Bus& bus;
  sd_event_source* io = nullptr;
  sd_event_source* timer = nullptr;
  Timer lost;

  ~Sources() {
    sd_event_source_disable_unref(io);
    sd_event_source_disable_unref(timer);
  }

  // What is left is taken in the next turn: prepare() finds that the connection waits for nothing.
  void dispatch() {
    try {
      for (int count = 0; count < messages_at_once_max && bus.connection_->processPendingRequest();) ++count;
    } catch (const sdbus::Error& error) {
      end(error.getMessage());
    }
  }

  // sd-event calls it before each wait: what the connection waits for changes with every message queued.
  void prepare() {
    try {
      const auto poll = bus.connection_->getEventLoopPollData();
      const std::uint32_t events =
          ((poll.events & POLLIN) != 0 ? EPOLLIN : 0U) | ((poll.events & POLLOUT) != 0 ? EPOLLOUT : 0U);
      sd_event_source_set_io_events(io, events);
      if (poll.timeout_usec != UINT64_MAX) sd_event_source_set_time(timer, poll.timeout_usec);
      sd_event_source_set_enabled(timer, poll.timeout_usec == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
    } catch (const sdbus::Error& error) {
      end(error.getMessage());
    }
  }

  // Told from a turn of its own: the owner may drop the Bus then, and with it these sources.
  void end(const std::string& why) {
    sd_event_source_set_enabled(io, SD_EVENT_OFF);
    sd_event_source_set_enabled(timer, SD_EVENT_OFF);
    lost = bus.loop_.once(0, [handler = bus.lost_, why] { handler(why); });
  }

  static int on_io(sd_event_source*, int, std::uint32_t, void* sources) {
    static_cast<Sources*>(sources)->dispatch();
    return 0;
  }
  static int on_time(sd_event_source*, std::uint64_t, void* sources) {
    static_cast<Sources*>(sources)->dispatch();
    return 0;
  }
  static int on_prepare(sd_event_source*, void* sources) {
    static_cast<Sources*>(sources)->prepare();
    return 0;
  }
};

Bus::Bus(Loop& loop, std::unique_ptr<sdbus::IConnection> connection, Lost lost)
    : loop_(loop),
      connection_(std::move(connection)),
      lost_(std::move(lost)),
      sources_(new Sources{*this, nullptr, nullptr, {}}) {
  const int fd = connection_->getEventLoopPollData().fd;
  int result = sd_event_add_io(loop.get(), &sources_->io, fd, EPOLLIN, Sources::on_io, sources_.get());
  // The timer's first time is never: prepare() sets it.
  if (result >= 0)
    result = sd_event_add_time(loop.get(), &sources_->timer, CLOCK_MONOTONIC, UINT64_MAX, 1, Sources::on_time,
                               sources_.get());
  if (result >= 0) result = sd_event_source_set_enabled(sources_->timer, SD_EVENT_OFF);
  // Prepare callbacks run only for enabled sources: the io source is never off.
  if (result >= 0) result = sd_event_source_set_prepare(sources_->io, Sources::on_prepare);
  if (result < 0) throw Error("cannot drive the bus connection from the event loop");
}

Bus::~Bus() = default;

}  // namespace pvcd::runtime
