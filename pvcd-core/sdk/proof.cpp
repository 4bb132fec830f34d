#include "sdk/proof.hpp"

#include <charconv>
#include <vector>

namespace pvcd {
namespace {

// Fields are separated by single spaces, so none but the last may contain one.
std::vector<std::string_view> split(std::string_view text, std::size_t fields_max) {
  std::vector<std::string_view> fields;
  while (fields.size() + 1 < fields_max) {
    auto space = text.find(' ');
    if (space == std::string_view::npos) break;
    fields.push_back(text.substr(0, space));
    text.remove_prefix(space + 1);
  }
  fields.push_back(text);
  return fields;
}

// The line without its end; nothing if it was cut short or more follows.
std::optional<std::string_view> whole_line(std::string_view text) {
  if (text.empty() || text.find('\n') != text.size() - 1) return std::nullopt;
  return text.substr(0, text.size() - 1);
}

bool read_number(std::string_view text, std::uint64_t& number) {
  auto end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

std::string on_one_line(std::string text) {
  for (auto& character : text)
    if (character == '\n') character = ' ';
  return text;
}

}  // namespace

std::string encode_proof(const Proof& proof) {
  return "proof " + proof.life.node + " " + proof.life.boot + " " + std::to_string(proof.life.incarnation) + " " +
         std::to_string(proof.sent_at) + "\n";
}

std::optional<Proof> decode_proof(std::string_view text) {
  auto line = whole_line(text);
  if (!line) return std::nullopt;
  auto fields = split(*line, 5);
  Proof proof;
  bool complete = fields.size() == 5 && fields[0] == "proof" && !fields[1].empty() && !fields[2].empty() &&
                  read_number(fields[3], proof.life.incarnation) && read_number(fields[4], proof.sent_at);
  if (!complete) return std::nullopt;
  proof.life.node = fields[1];
  proof.life.boot = fields[2];
  return proof;
}

std::string encode_age(const AgeReport& report) {
  return "age " + report.unit + " " + report.state + " " + on_one_line(report.note) + "\n";
}

std::optional<AgeReport> decode_age(std::string_view text) {
  auto line = whole_line(text);
  if (!line) return std::nullopt;
  auto fields = split(*line, 4);
  bool complete = fields.size() == 4 && fields[0] == "age" && !fields[1].empty() && !fields[2].empty();
  if (!complete) return std::nullopt;
  return AgeReport{std::string(fields[1]), std::string(fields[2]), std::string(fields[3])};
}

std::string encode_beat(const Beat& beat) {
  return "beat " + beat.node + " " + std::to_string(beat.incarnation) + " " + on_one_line(beat.cluster) + "\n";
}

std::optional<Beat> decode_beat(std::string_view text) {
  auto line = whole_line(text);
  if (!line) return std::nullopt;
  auto fields = split(*line, 4);
  Beat beat;
  bool complete =
      fields.size() == 4 && fields[0] == "beat" && !fields[1].empty() && read_number(fields[2], beat.incarnation);
  if (!complete) return std::nullopt;
  beat.node = fields[1];
  beat.cluster = fields[3];
  return beat;
}

}  // namespace pvcd
