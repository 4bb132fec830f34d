// pvcd-verify: what happened, checked again by somebody who was not there.
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "core/rounds.hpp"
#include "runtime/config.hpp"
#include "runtime/names.hpp"
#include "verify/export.hpp"
#include "verify/history_file.hpp"

namespace {

using namespace pvcd;

enum Status { proven = 0, broken = 1, trouble = 2 };

constexpr const char* usage =
    "usage: pvcd-verify FILE        check the history in FILE: was every start of a VM safe?\n"
    "       pvcd-verify --export    print the history of all VMs, as the store of this node's cluster has it\n"
    "       pvcd-verify --replay FILE...\n"
    "                               decide the rounds in the files again: is everything decided as it was?\n";

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream content;
  if (!file || !(content << file.rdbuf())) throw Error("it cannot be read, or is empty");
  return content.str();
}

Status check_history(const std::string& path) try {
  std::size_t starts = 0, unproven = 0;
  const auto histories = verify::read_history(content_of(path));
  for (const audit::VmHistory& history : histories) {
    const audit::Finding finding = audit::check(history);
    starts += finding.starts;
    unproven += finding.broken.size();
    for (const std::string& sentence : finding.broken) std::cout << sentence << '\n';
  }
  std::cout << starts << " starts of " << histories.size() << " VMs checked, " << unproven << " broken\n";
  return unproven == 0 ? proven : broken;
} catch (const Error& error) {
  throw Error(path + ": " + error.what());
}

Status replay(const std::vector<std::string>& paths) {
  std::size_t differing = 0;
  for (const std::string& path : paths) try {
      const std::string difference = core::replay(content_of(path));
      if (difference.empty()) continue;
      ++differing;
      std::cout << path << ": " << difference << '\n';
    } catch (const Error& error) {
      throw Error(path + ": " + error.what());
    }
  std::cout << paths.size() << " rounds decided again, " << differing << " differ\n";
  return differing == 0 ? proven : broken;
}

Status run(const std::vector<std::string>& arguments) {
  if (arguments == std::vector<std::string>{"--export"}) {
    std::cout << verify::export_history(*runtime::load_shared(runtime::names::config_directory()));
    return proven;
  }
  if (arguments.size() > 1 && arguments[0] == "--replay") return replay({arguments.begin() + 1, arguments.end()});
  if (arguments.size() == 1 && !arguments[0].starts_with("-")) return check_history(arguments[0]);
  std::cerr << usage;
  return trouble;
}

}  // namespace

int main(int argc, char** argv) try { return run({argv + 1, argv + argc}); } catch (const std::exception& error) {
  std::cerr << "pvcd-verify: " << error.what() << '\n';
  return trouble;
}
