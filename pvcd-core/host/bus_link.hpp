// Connects to the bus and takes the plugin's name on a thread of its own, because both may block as long as the bus
// daemon hangs, and the main thread has to keep the watchdog and the keepalive content.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "runtime/bus.hpp"
#include "runtime/loop.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::host {

class BusLink {
 public:
  using Connection = std::unique_ptr<sdbus::IConnection>;
  using Connected = std::function<void(std::variant<Connection, Error>)>;

  // `connected` comes once, on the loop. Dropping the link before gives up: the thread then ends by itself.
  BusLink(runtime::Loop&, std::string bus_name, Connected connected);
  ~BusLink();
  BusLink(const BusLink&) = delete;
  BusLink& operator=(const BusLink&) = delete;

 private:
  struct Attempt;
  std::shared_ptr<Attempt> attempt_;
  runtime::Source answered_;
};

}  // namespace pvcd::host
