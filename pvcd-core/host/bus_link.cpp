#include "host/bus_link.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>
#include <utility>

namespace pvcd::host {

// Shared with the thread: whoever is later lets it go. `result` is written before the eventfd, and read after it.
struct BusLink::Attempt {
  explicit Attempt(std::string name) : bus_name(std::move(name)) {}
  ~Attempt() { close(answered); }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  void run() noexcept {
    try {
      Connection connection = runtime::connect_system_bus();
      runtime::request_name(*connection, bus_name);
      result = std::move(connection);
    } catch (const Error& error) {
      result = error;
    }
    eventfd_write(answered, 1);
  }

  const std::string bus_name;
  const int answered = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::variant<Connection, Error> result;
};

BusLink::BusLink(runtime::Loop& loop, std::string bus_name, Connected connected)
    : attempt_(std::make_shared<Attempt>(std::move(bus_name))) {
  answered_ = loop.on_readable(attempt_->answered, [attempt = attempt_, connected = std::move(connected)] {
    eventfd_t count = 0;
    eventfd_read(attempt->answered, &count);
    connected(std::move(attempt->result));
  });
  std::thread([attempt = attempt_] { attempt->run(); }).detach();
}

BusLink::~BusLink() = default;

}  // namespace pvcd::host
