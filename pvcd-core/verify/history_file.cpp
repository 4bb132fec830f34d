#include "verify/history_file.hpp"

#include <nlohmann/json.hpp>

#include "sdk/plugin.hpp"
#include "store/codec.hpp"

namespace pvcd::verify {
namespace {

using nlohmann::json;

constexpr int format = 1;

// As JSON, so that people can read it; what is none is kept as a text.
json readable(const std::string& text) {
  json parsed = json::parse(text, nullptr, false);
  return parsed.is_discarded() ? json(text) : parsed;
}

audit::NumberedLink read_link(const json& from) {
  audit::NumberedLink link{from.at("number").get<std::uint64_t>(), {}, {}};
  auto decoded = store::decode<LinkRecord>(from.at("link").dump());
  if (auto* record = std::get_if<LinkRecord>(&decoded))
    link.link = std::move(*record);
  else
    link.problem = std::get<store::DecodeError>(decoded).text;
  return link;
}

audit::VmHistory read_vm(const json& from) {
  audit::VmHistory history{from.at("uuid").get<std::string>(), from.at("name").get<std::string>(), {}};
  for (const json& link : from.at("links")) history.links.push_back(read_link(link));
  return history;
}

}  // namespace

std::string write_history(const std::string& cluster, const std::vector<StoredHistory>& histories) {
  json vms = json::array();
  for (const StoredHistory& history : histories) {
    json links = json::array();
    for (const StoredLink& link : history.links)
      links.push_back({{"number", link.number}, {"link", readable(link.text)}});
    vms.push_back({{"uuid", history.uuid}, {"name", history.name}, {"links", std::move(links)}});
  }
  const json whole = {{"pvcd_history", format}, {"cluster", cluster}, {"vms", std::move(vms)}};
  return whole.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::vector<audit::VmHistory> read_history(const std::string& text) try {
  const json whole = json::parse(text);
  if (whole.at("pvcd_history").get<int>() != format) throw Error("it is a history of another format");
  std::vector<audit::VmHistory> histories;
  for (const json& vm : whole.at("vms")) histories.push_back(read_vm(vm));
  return histories;
} catch (const json::exception& error) {
  throw Error(std::string("it is no history that pvcd-verify --export wrote: ") + error.what());
}

}  // namespace pvcd::verify
