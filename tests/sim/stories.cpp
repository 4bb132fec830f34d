#include "stories.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "telling.hpp"

namespace pvcd::sim {
namespace {

namespace fs = std::filesystem;

constexpr const char* file_name = "story";
constexpr unsigned telling_limit_s = 60;  // one that turns for ever ends as a crash does

struct Result {
  std::string name;
  std::string sentence;
  std::string complaint;  // empty: it came true
};

std::string line_of(const Fact& fact) {
  char time[32];
  std::snprintf(time, sizeof time, "%9.3f s  ", static_cast<double>(fact.at) / 1e6);
  return time + fact.text + "\n";
}

std::string describe(const Telling& telling, std::uint64_t seed) {
  std::string text;
  for (const std::string& wrong : telling.wrong) text += wrong + "\n";
  text += "told with seed " + std::to_string(seed) + ":\n";
  for (const Fact& fact : telling.facts) text += line_of(fact);
  return text;
}

std::string told(const Story& story, const StoryOptions& options) {
  for (std::uint64_t i = 0; i < options.tellings; ++i) {
    alarm(telling_limit_s);
    const Telling telling = tell(story, options.first_seed + i, options.traced);
    for (const std::string& line : telling.trace) std::printf("%s\n", line.c_str());
    if (!telling.wrong.empty()) return describe(telling, options.first_seed + i);
  }
  return {};
}

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

// Two that differ in their name alone are one.
Result run_story(const fs::path& folder, const StoryOptions& options, std::map<std::string, std::string>& known) {
  const fs::path file = folder / file_name;
  std::vector<Mistake> mistakes;
  const Story story = read_story(folder.filename(), text_of(file), mistakes);
  Result result{story.name, story.sentence, {}};
  for (const Mistake& mistake : mistakes)
    result.complaint += file.string() + ":" + std::to_string(mistake.line) + ": " + mistake.text + "\n";
  const auto [other, is_new] = known.emplace(story.essence, story.name);
  if (!is_new) result.complaint += file.string() + ": it is the same as " + other->second + "\n";
  if (result.complaint.empty()) result.complaint = told(story, options);
  return result;
}

std::vector<fs::path> folders_in(const StoryOptions& options) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options.folder, error))
    if (entry.is_directory() && (options.only.empty() || entry.path().filename() == options.only))
      folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char each : text) {
    if (each == '&')
      result += "&amp;";
    else if (each == '<')
      result += "&lt;";
    else if (each == '"')
      result += "&quot;";
    else if (each == '\n')
      result += "&#10;";
    else
      result += each;
  }
  return result;
}

void write_junit(const std::string& file, const std::vector<Result>& results) {
  std::ofstream junit(file);
  junit << "<testsuite name=\"stories\">\n";
  for (const Result& result : results) {
    junit << "<testcase classname=\"stories\" name=\"" << escaped(result.name) << "\">";
    if (!result.complaint.empty()) junit << "<failure message=\"" << escaped(result.complaint) << "\"/>";
    junit << "</testcase>\n";
  }
  junit << "</testsuite>\n";
}

void print(const Result& result) {
  std::printf("%s %s\n", result.complaint.empty() ? "pass" : "FAIL", result.name.c_str());
  if (result.complaint.empty()) return;
  if (!result.sentence.empty()) std::printf("    %s\n", result.sentence.c_str());
  std::istringstream lines(result.complaint);
  for (std::string line; std::getline(lines, line);) std::printf("    %s\n", line.c_str());
}

}  // namespace

int run_stories(const StoryOptions& options) {
  const auto folders = folders_in(options);
  std::map<std::string, std::string> known;
  std::vector<Result> results;
  for (const fs::path& folder : folders) {
    results.push_back(run_story(folder, options, known));
    print(results.back());
    std::fflush(stdout);  // the next may crash
  }
  const auto failed =
      std::count_if(results.begin(), results.end(), [](const Result& result) { return !result.complaint.empty(); });
  if (!options.junit.empty()) write_junit(options.junit, results);
  if (results.empty()) std::printf("there is no such story in %s\n", options.folder.c_str());
  std::printf("%zu stories, %ld failed\n", results.size(), static_cast<long>(failed));
  return results.empty() || failed != 0 ? 1 : 0;
}

}  // namespace pvcd::sim
