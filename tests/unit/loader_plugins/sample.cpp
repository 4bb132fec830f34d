// The smallest plugin, built once rightly and once as if of another release, for loader_test.
#include "sdk/plugin.hpp"

namespace {

class Sample : public pvcd::Plugin {
  void start(pvcd::Host&) override {}
};

}  // namespace

PVCD_PLUGIN_WITHOUT_BUS("sample", Sample);
