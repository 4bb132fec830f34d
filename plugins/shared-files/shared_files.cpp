#include "shared_files.hpp"

#include <algorithm>
#include <set>
#include <variant>

#include "file.hpp"
#include "mark.hpp"

namespace pvcd::shared_files {

namespace {

bool is_below(const std::string& path, const std::string& directory) { return path.starts_with(directory + "/"); }

HookVerdict verdict_of(const Objection& objection) {
  HookVerdict verdict;
  verdict.verdict = objection.verdict;
  verdict.reason = objection.why;
  verdict.elsewhere = objection.elsewhere;
  return verdict;
}

std::variant<std::string, Objection> identity_of(const std::string& path, const std::string& directory,
                                                 const std::set<std::string>& last) {
  const auto found = look_at_mark(directory, last.empty() ? Missing::IsMade : Missing::IsRefused);
  if (const auto* objection = std::get_if<Objection>(&found)) return *objection;
  const Mark& mark = std::get<Mark>(found);
  for (const std::string& one : last)
    if (one != mark.identity && std::ranges::count(mark.accepts, one) == 0)
      return lacks("what is mounted at " + directory + " here is not what " + path + " last ran on, " + one +
                   ": a copy would lack what was written since. If you have moved all files here yourself, with the " +
                   "VMs stopped, add the line \"" + mark.identity + " accepts " + one + "\" to " + directory + "/" +
                   moves_name);
  return mark.identity;
}

}  // namespace

void SharedFiles::start(Host& host) { directories_ = host.shared().list("storage.shared_directories"); }

// Of nested ones the innermost: it may be a mount of its own.
std::string SharedFiles::directory_of(const std::string& path) const {
  std::string found;
  for (const std::string& directory : directories_)
    if (is_below(path, directory) && directory.size() > found.size()) found = directory;
  return found;
}

// What the file was last seen on. Of one that nobody has seen, as of a VM that is new or defined anew: what the other
// files of this directory were last seen on. Of the very first one nothing is known.
std::set<std::string> SharedFiles::last_seen(const std::string& path, const VmStart& start) const {
  std::set<std::string> identities;
  for (const FileSystem& seen : start.file_systems)
    if (seen.path == path) return {seen.identity};
  for (const FileSystem& seen : start.file_systems)
    if (directory_of(seen.path) == directory_of(path)) identities.insert(seen.identity);
  return identities;
}

HookVerdict SharedFiles::before_start(const VmStart& start) {
  HookVerdict proceed;
  proceed.verdict = Verdict::Proceed;
  for (const Disk& disk : start.disks) {
    if (disk.kind != DiskKind::Shared) continue;
    const std::string directory = directory_of(disk.source);
    if (directory.empty())
      return verdict_of(lacks(disk.source + " is in none of this host's [storage] shared_directories"));
    const auto identity = identity_of(disk.source, directory, last_seen(disk.source, start));
    if (const auto* objection = std::get_if<Objection>(&identity)) return verdict_of(*objection);
    if (const auto objection = look_at_file(directory, disk.source)) return verdict_of(*objection);
    proceed.file_systems.push_back({disk.source, std::get<std::string>(identity)});
    proceed.reason += (proceed.reason.empty() ? "" : "; ") + disk.source + " is on " + std::get<std::string>(identity);
  }
  return proceed;
}

}  // namespace pvcd::shared_files
