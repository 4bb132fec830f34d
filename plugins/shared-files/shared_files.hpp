// The plugin: before a VM starts, is each of its shared files on the file system that it was on last?
#pragma once

#include <set>
#include <string>
#include <vector>

#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"

namespace pvcd::shared_files {

class SharedFiles final : public Plugin, public PreStartHook {
 public:
  void start(Host&) override;

  HookVerdict before_start(const VmStart&) override;
  Identified identify(const ImagesRequest&) override { return {Outcome::Done, {}, {}}; }  // a file has no clients
  Answer after_stop(const VmStopped&) override { return {Outcome::Done, {}}; }

 private:
  std::string directory_of(const std::string& path) const;
  std::set<std::string> last_seen(const std::string& path, const VmStart&) const;

  std::vector<std::string> directories_;
};

}  // namespace pvcd::shared_files
