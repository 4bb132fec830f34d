#include <exception>

#include "core/daemon.hpp"
#include "runtime/config.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"

// The one place where a refusal of the environment ends: a sentence in the journal, and systemd decides.
int main(int argc, char** argv) {
  using namespace pvcd;
  try {
    if (const auto code = runtime::run_config_option(argc, argv)) return *code;
    const auto shared = runtime::load_shared(runtime::names::config_directory());
    runtime::Loop loop;
    core::Daemon daemon(loop, *shared);
    return loop.run();
  } catch (const std::exception& error) {
    runtime::log(Level::Error, error.what());
    return 1;
  }
}
