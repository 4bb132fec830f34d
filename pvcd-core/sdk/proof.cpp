#include "sdk/proof.hpp"

#include <vector>

#include "sdk/line.hpp"

namespace pvcd {
namespace {

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
