#include "shared_files.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <variant>

#include "file.hpp"
#include "mark.hpp"

namespace pvcd::shared_files {

namespace {

std::optional<std::string> last_seen(const VmStart& start, const std::string& directory) {
  const auto known = std::ranges::find(start.file_systems, directory, &FileSystem::directory);
  return known == start.file_systems.end() ? std::nullopt : std::optional(known->identity);
}

HookVerdict verdict_of(Verdict kind, const std::string& reason) {
  HookVerdict verdict;
  verdict.verdict = kind;
  verdict.reason = reason;
  return verdict;
}

// For what this host lacks: another one may do it.
HookVerdict refused_here(const std::string& why) {
  HookVerdict verdict = verdict_of(Verdict::Refuse, why);
  verdict.elsewhere = true;
  return verdict;
}

// One that has never run has nothing to lose by another file system.
HookVerdict judge(const std::string& directory, const VmStart& start) {
  const auto last = last_seen(start, directory);
  const auto found = look_at_mark(directory, last ? Missing::IsRefused : Missing::IsMade);
  if (const auto* none = std::get_if<NoMark>(&found))
    return none->outcome == Outcome::Refused ? refused_here(none->why) : verdict_of(Verdict::Unknown, none->why);
  const Mark& mark = std::get<Mark>(found);
  const bool is_the_same = !last || *last == mark.identity || std::ranges::count(mark.accepts, *last) > 0;
  if (!is_the_same)
    return refused_here("what is mounted at " + directory + " here, " + mark.identity +
                        ", is not what it last ran on, " + *last +
                        ": a copy would lack what was written since; if you have moved it here yourself, with " +
                        "the VM stopped, add the line \"accepts " + *last + "\" to " + directory + "/" + mark_name);
  HookVerdict verdict = verdict_of(Verdict::Proceed, directory + " is " + mark.identity);
  verdict.file_systems = {{directory, mark.identity}};
  return verdict;
}

}  // namespace

void SharedFiles::start(Host& host) { directories_ = host.shared().list("storage.shared_directories"); }

// Of nested ones the innermost: it may be a mount of its own.
std::string SharedFiles::directory_of(const std::string& path) const {
  std::string found;
  for (const std::string& directory : directories_)
    if (path.starts_with(directory + "/") && directory.size() > found.size()) found = directory;
  return found;
}

HookVerdict SharedFiles::before_start(const VmStart& start) {
  std::set<std::string> seen;
  HookVerdict all = verdict_of(Verdict::Proceed, "");
  for (const Disk& disk : start.disks) {
    if (disk.kind != DiskKind::Shared) continue;
    const std::string directory = directory_of(disk.source);
    if (directory.empty()) return refused_here(disk.source + " is in none of this host's [storage] shared_directories");
    if (seen.insert(directory).second) {
      const HookVerdict verdict = judge(directory, start);
      if (verdict.verdict != Verdict::Proceed) return verdict;
      all.reason += (all.reason.empty() ? "" : "; ") + verdict.reason;
      all.file_systems.push_back(verdict.file_systems.front());
    }
    const Answer file = look_at_file(directory, disk.source);
    if (file.outcome != Outcome::Done)
      return verdict_of(file.outcome == Outcome::Refused ? Verdict::Refuse : Verdict::Unknown, file.note);
  }
  return all;
}

}  // namespace pvcd::shared_files
