#include "story_words.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "logic/jobs.hpp"

namespace pvcd::sim {
namespace {

const std::vector<std::string> parts = {"core", "keepalive", "election", "libvirt", "rbd-locks", "ipmi", "watchdog"};
const std::vector<std::string> results = {"done", "failed", "canceled", "timeout", "skipped", "refused"};

bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

class Matching {
 public:
  Matching(const Words& words, const Names& names) : words_(words), names_(names) {}

  bool is_over() const { return next_ == words_.size(); }
  bool take(const std::string& token) {
    if (token == "<nodes>") return take_nodes();
    if (token == "<time>") return take_time();
    if (is_over() || !fits(token, words_[next_])) return false;
    if (token.front() == '<') values.push_back(words_[next_]);
    ++next_;
    return true;
  }

  Words values;

 private:
  bool fits(const std::string& token, const std::string& word) const {
    if (token == "<node>") return contains(names_.nodes, word);
    if (token == "<vm>") return contains(names_.vms, word);
    if (token == "<name>") return contains(names_.nodes, word) || contains(names_.vms, word);
    if (token == "<part>") return contains(parts, word);
    if (token == "<result>") return contains(results, word);
    if (token == "<job>") return logic::find_job_type(word) != nullptr;
    return token == word;
  }

  bool is_node(std::size_t index) const { return index < words_.size() && contains(names_.nodes, words_[index]); }

  // n1 | n1 n2 | n1 and n2 | all hosts
  bool take_nodes() {
    if (next_ + 1 < words_.size() && words_[next_] == "all" && words_[next_ + 1] == "hosts") {
      values.push_back(joined(names_.nodes));
      next_ += 2;
      return true;
    }
    Words nodes;
    while (is_node(next_)) {
      nodes.push_back(words_[next_++]);
      if (next_ < words_.size() && words_[next_] == "and" && is_node(next_ + 1)) ++next_;
    }
    values.push_back(joined(nodes));
    return !nodes.empty();
  }

  bool take_time() {
    if (next_ + 1 >= words_.size()) return false;
    const auto time = time_in(words_[next_], words_[next_ + 1]);
    if (!time) return false;
    values.push_back(std::to_string(*time));
    next_ += 2;
    return true;
  }

  const Words& words_;
  const Names& names_;
  std::size_t next_ = 0;
};

}  // namespace

Words words_of(const std::string& text) {
  std::istringstream stream(text);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::string joined(const Words& words, const char* separator) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

std::optional<Words> match(const std::string& pattern, const Words& words, const Names& names) {
  Matching matching(words, names);
  for (const std::string& token : words_of(pattern))
    if (!matching.take(token)) return std::nullopt;
  if (!matching.is_over()) return std::nullopt;
  return matching.values;
}

bool begins(const std::string& pattern, const Words& words, const Names& names) {
  Matching matching(words, names);
  if (matching.is_over()) return false;
  for (const std::string& token : words_of(pattern))
    if (!matching.is_over() && !matching.take(token)) return false;
  return matching.is_over();
}

std::optional<std::uint64_t> number_in(const std::string& word) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
  return number;
}

std::optional<Microseconds> time_in(const std::string& number, const std::string& unit) {
  const auto count = number_in(number);
  if (count && unit == "ms") return milliseconds(*count);
  if (count && unit == "s") return seconds(*count);
  if (count && unit == "min") return seconds(60 * *count);
  return std::nullopt;
}

std::optional<Microseconds> take_time_off(Words& words, const std::string& keyword) {
  if (words.size() < 3 || words[words.size() - 3] != keyword) return std::nullopt;
  const auto time = time_in(words[words.size() - 2], words.back());
  if (time) words.resize(words.size() - 3);
  return time;
}

}  // namespace pvcd::sim
