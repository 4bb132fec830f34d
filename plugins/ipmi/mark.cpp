#include "mark.hpp"

#include <algorithm>

#include "guid.hpp"
#include "text.hpp"

namespace pvcd::ipmi {
namespace {

constexpr const char* sensor_event = "0x04";  // the network function
constexpr const char* set_pef_configuration = "0x12";
constexpr const char* get_pef_configuration = "0x13";
constexpr const char* system_guid = "0x0a";
constexpr const char* in_use = "0x01";
constexpr std::size_t digits_before = 4;  // revision of the parameter, and the flags, which we write: in use
constexpr std::size_t digits_in_all = digits_before + 32;

bool blank(char character) { return character == ' ' || character == '\r' || character == '\n'; }

}  // namespace

std::vector<std::string> command_that_reads_mark() {
  return {"raw", sensor_event, get_pef_configuration, system_guid, "0x00", "0x00"};
}

std::vector<std::string> command_that_writes_mark(const std::string& boot) {
  std::vector<std::string> words{"raw", sensor_event, set_pef_configuration, system_guid, in_use};
  std::string digits = boot;
  std::erase(digits, '-');
  for (std::size_t at = 0; at < digits.size(); at += 2) words.push_back("0x" + digits.substr(at, 2));
  return words;
}

std::optional<std::string> parse_mark(std::string_view output) {
  std::string digits = lower_case(output);
  std::erase_if(digits, blank);
  if (digits.size() != digits_in_all) return std::nullopt;
  if (digits.substr(2, 2) != "01") return std::nullopt;
  return canonical_uuid(digits.substr(digits_before));
}

}  // namespace pvcd::ipmi
