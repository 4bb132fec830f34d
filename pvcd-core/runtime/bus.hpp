// The system bus on a Loop. The only place that knows how sdbus-c++ 1.2 is driven from outside; 2.x has
// attachSdEventLoop() for it. sdbus-c++ is used here and in polkit.cpp, in the core's objects and its plugins.cpp, and
// in the host's adaptor, bus_link and hosted_plugin.
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <functional>
#include <memory>
#include <string>

#include "runtime/loop.hpp"

namespace pvcd::runtime {

// Blocks until the bus answers (libsystemd gives up after 90 s). Throws Error. DBUS_SYSTEM_BUS_ADDRESS names another
// bus.
std::unique_ptr<sdbus::IConnection> connect_system_bus();

// Takes the name; blocks until the bus answers, so never once a loop runs. Throws Error when it is taken.
void request_name(sdbus::IConnection&, const std::string& name);

// Drives a connection from the loop. Never blocks.
class Bus {
 public:
  using Lost = std::function<void(const std::string& why)>;

  // `lost` comes once, from the loop, when the connection ends; usually it makes the process exit with failure, for
  // systemd to start it again. The Bus may be dropped inside it.
  Bus(Loop&, std::unique_ptr<sdbus::IConnection>, Lost lost);
  ~Bus();
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  sdbus::IConnection& connection() { return *connection_; }

 private:
  struct Sources;
  Loop& loop_;
  std::unique_ptr<sdbus::IConnection> connection_;
  Lost lost_;
  std::unique_ptr<Sources> sources_;
};

}  // namespace pvcd::runtime
