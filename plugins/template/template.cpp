// The smallest plugin: an observer that counts its rounds. To fill a role, derive also from its class in sdk/roles.hpp.
#include "sdk/plugin.hpp"

namespace pvcd::template_plugin {

class Template : public Plugin {
 public:
  // Connect here. An Error ends the process, and systemd starts it again.
  void start(Host& host) override { host_ = &host; }

  // Every interval_ms. It may block: past the stall limit systemd restarts this process, and no other notices.
  void tick() override { host_->report("rounds", std::to_string(++rounds_)); }

 private:
  Host* host_ = nullptr;
  std::uint64_t rounds_ = 0;
};

}  // namespace pvcd::template_plugin

PVCD_PLUGIN("template", pvcd::template_plugin::Template);
