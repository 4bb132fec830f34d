#include "runtime/wire.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace pvcd::runtime {

namespace {

using Json = nlohmann::json;

// ---------------------------------------------------------------------------------------------- what each struct is
// made of

// The texts of an enum, in its order.
constexpr std::string_view names_of(Outcome) { return "unknown done refused"; }
constexpr std::string_view names_of(DomainState) { return "unknown gone running paused"; }
constexpr std::string_view names_of(Verdict) { return "unknown proceed refuse wait"; }
constexpr std::string_view names_of(PowerState) { return "unknown on off"; }
constexpr std::string_view names_of(PowerAct) { return "off on reset"; }
constexpr std::string_view names_of(DiskKind) { return "rbd shared local"; }
constexpr std::string_view names_of(CoverKind) { return "none release power later-boot operator storage watchdog"; }
constexpr std::string_view names_of(CoordinatorState) { return "unknown client secondary takeover primary relinquish"; }

// One list of fields per struct serves both directions: Visitor is an Encoder or a Decoder.
template <class Visitor>
struct Fields {
  Visitor& visit;

  void of(auto& m) { list(m); }

 private:
  template <class T>
  using Of = std::conditional_t<Visitor::writes, const T, T>;

  void list(Of<Permit>& m) { visit("not_after", m.not_after), visit("epoch", m.epoch); }
  void list(Of<Life>& m) { visit("node", m.node), visit("boot", m.boot), visit("incarnation", m.incarnation); }
  void list(Of<Process>& m) { visit("pid", m.pid), visit("start_time", m.start_time); }
  void list(Of<ClientInstance>& m) { visit("image", m.image), visit("address", m.address); }
  void list(Of<Disk>& m) { visit("target", m.target), visit("kind", m.kind), visit("source", m.source); }
  void list(Of<FileSystem>& m) { visit("path", m.path), visit("identity", m.identity); }
  void list(Of<LeaderRecord>& m) {
    visit("epoch", m.epoch), visit("node", m.node), visit("incarnation", m.incarnation);
  }
  void list(Of<FirstSeen>& m) { visit("wait_for", m.wait_for), visit("ago", m.ago); }
  void list(Of<Writer>& m) {
    visit("life", m.life), visit("generation", m.generation), visit("storage_addresses", m.storage_addresses);
    visit("instances", m.instances), visit("cover", m.cover);
  }

  void list(Of<Answer>& m) { visit("outcome", m.outcome), visit("note", m.note); }

  void list(Of<DomainProbe>& m) { visit("state", m.state), visit("process", m.process), visit("note", m.note); }
  void list(Of<ProbeRequest>& m) { visit("permit", m.permit), visit("uuid", m.uuid), visit("recorded", m.recorded); }
  void list(Of<CreateRequest>& m) {
    visit("permit", m.permit), visit("uuid", m.uuid), visit("xml", m.xml), visit("generation", m.generation);
  }
  void list(Of<CreateAnswer>& m) { visit("outcome", m.outcome), visit("process", m.process), visit("note", m.note); }
  void list(Of<DomainRequest>& m) { visit("permit", m.permit), visit("uuid", m.uuid), visit("process", m.process); }

  void list(Of<HookVerdict>& m) {
    visit("verdict", m.verdict), visit("reason", m.reason), visit("wait", m.wait), visit("wait_for", m.wait_for);
    visit("ask", m.ask), visit("elsewhere", m.elsewhere), visit("present", m.present);
    visit("file_systems", m.file_systems);
  }
  void list(Of<VmStart>& m) {
    visit("permit", m.permit), visit("uuid", m.uuid), visit("generation", m.generation), visit("disks", m.disks);
    visit("self", m.self), visit("own_addresses", m.own_addresses), visit("own_dead", m.own_dead);
    visit("covered", m.covered), visit("living", m.living), visit("first_seen", m.first_seen);
    visit("file_systems", m.file_systems);
  }
  void list(Of<ImagesRequest>& m) {
    visit("permit", m.permit), visit("disks", m.disks), visit("present", m.present);
    visit("own_addresses", m.own_addresses), visit("just_created", m.just_created);
  }
  void list(Of<Identified>& m) { visit("outcome", m.outcome), visit("instances", m.instances), visit("note", m.note); }
  void list(Of<VmStopped>& m) {
    visit("permit", m.permit), visit("uuid", m.uuid), visit("disks", m.disks), visit("own_dead", m.own_dead);
    visit("own_addresses", m.own_addresses);
  }

  void list(Of<PowerReading>& m) { visit("state", m.state), visit("guid", m.guid), visit("note", m.note); }
  void list(Of<PowerRequest>& m) {
    visit("permit", m.permit), visit("node", m.node), visit("victim", m.victim), visit("system_uuid", m.system_uuid);
    visit("act", m.act);
  }
  void list(Of<ReadRequest>& m) {
    visit("permit", m.permit), visit("node", m.node), visit("boot", m.boot), visit("system_uuid", m.system_uuid);
  }

  void list(Of<StorageFenceRequest>& m) {
    visit("permit", m.permit), visit("victim", m.victim), visit("addresses", m.addresses);
    visit("instances", m.instances), visit("images", m.images);
  }
  void list(Of<StorageFenced>& m) {
    visit("outcome", m.outcome), visit("images", m.images), visit("facts", m.facts), visit("note", m.note);
  }

  void list(Of<RoleChange>& m) { visit("permit", m.permit), visit("state", m.state); }

  void list(Of<ClaimRequest>& m) {
    visit("permit", m.permit), visit("self", m.self), visit("leader_version", m.leader_version);
    visit("expected", m.expected), visit("holder_stale", m.holder_stale);
  }
  void list(Of<VacateRequest>& m) { visit("permit", m.permit), visit("self", m.self); }

  void list(Of<OsdFacts>& m) {
    visit("id", m.id), visit("uuid", m.uuid), visit("node", m.node), visit("device_class", m.device_class);
    visit("state", m.state), visit("up", m.up), visit("in", m.in), visit("primary_affinity", m.primary_affinity);
    visit("crush_weight", m.crush_weight), visit("reweight", m.reweight), visit("utilization", m.utilization);
    visit("variance", m.variance), visit("pgs", m.pgs), visit("size_bytes", m.size_bytes);
    visit("used_bytes", m.used_bytes), visit("available_bytes", m.available_bytes), visit("read_ops", m.read_ops);
    visit("write_ops", m.write_ops), visit("read_bytes", m.read_bytes), visit("write_bytes", m.write_bytes);
    visit("commit_latency", m.commit_latency), visit("apply_latency", m.apply_latency);
  }
  void list(Of<PoolFacts>& m) {
    visit("id", m.id), visit("name", m.name), visit("stored_bytes", m.stored_bytes), visit("used_bytes", m.used_bytes);
    visit("available_bytes", m.available_bytes), visit("objects", m.objects), visit("used_fraction", m.used_fraction);
    visit("read_ops", m.read_ops), visit("write_ops", m.write_ops), visit("read_bytes", m.read_bytes);
    visit("write_bytes", m.write_bytes);
  }
  void list(Of<HealthCheck>& m) { visit("name", m.name), visit("severity", m.severity), visit("sentence", m.sentence); }
  void list(Of<HealthFacts>& m) { visit("status", m.status), visit("checks", m.checks); }
  void list(Of<ObserveRequest>& m) { visit("permit", m.permit); }
  void list(Of<StorageSurvey>& m) {
    visit("outcome", m.outcome), visit("note", m.note), visit("osds", m.osds), visit("pools", m.pools);
    visit("health", m.health);
  }
};

// -----------------------------------------------------------------------------------------------------------------
// enums

template <class Enum>
std::string name_of(Enum value) {
  std::string_view rest = names_of(value);
  for (auto skip = static_cast<int>(value); skip > 0; --skip) rest.remove_prefix(rest.find(' ') + 1);
  return std::string(rest.substr(0, rest.find(' ')));
}

template <class Enum>
bool value_of(std::string_view name, Enum& value) {
  std::string_view rest = names_of(Enum{});
  for (int index = 0;; ++index) {
    const std::size_t end = rest.find(' ');
    if (rest.substr(0, end) == name) {
      value = static_cast<Enum>(index);
      return true;
    }
    if (end == std::string_view::npos) return false;
    rest.remove_prefix(end + 1);
  }
}

// --------------------------------------------------------------------------------------------------------------
// encoding

class Encoder {
 public:
  static constexpr bool writes = true;

  template <class T>
  static Json json(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      return name_of(value);
    } else if constexpr (std::is_class_v<T>) {
      Encoder encoder;
      Fields<Encoder>{encoder}.of(value);
      return encoder.object_;
    } else {
      return value;
    }
  }
  static Json json(const std::string& value) { return value; }
  template <class T>
  static Json json(const std::optional<T>& value) {
    return value ? json(*value) : Json();
  }
  template <class T>
  static Json json(const std::vector<T>& values) {
    Json array = Json::array();
    for (const T& value : values) array.push_back(json(value));
    return array;
  }
  template <class T>
  static Json json(const std::map<std::string, T>& values) {
    Json object = Json::object();
    for (const auto& [key, value] : values) object[key] = json(value);
    return object;
  }

  template <class T>
  void operator()(const char* key, const T& value) {
    object_[key] = json(value);
  }

 private:
  Json object_ = Json::object();
};

// --------------------------------------------------------------------------------------------------------------
// decoding

// Never leaves wire.cpp: decode() turns it into its answer.
struct Wrong {
  std::string text;
};

class Decoder {
 public:
  static constexpr bool writes = false;

  Decoder(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object.is_object()) throw Wrong{path_ + ": not an object"};
  }

  template <class T>
  void operator()(const char* key, T& value) {
    const auto found = object_.find(key);
    if (found == object_.end()) throw Wrong{below(key) + ": missing"};
    read(*found, below(key), value);
    known_.push_back(key);
  }

  void refuse_unknown() const {
    for (const auto& item : object_.items())
      if (std::find(known_.begin(), known_.end(), item.key()) == known_.end())
        throw Wrong{below(item.key()) + ": unknown key"};
  }

  template <class T>
  static void read(const Json& json, const std::string& path, T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      if (!json.is_boolean()) throw Wrong{path + ": not true or false"};
      value = json.get<bool>();
    } else if constexpr (std::is_floating_point_v<T>) {
      if (!json.is_number()) throw Wrong{path + ": not a number"};
      value = json.get<T>();
    } else if constexpr (std::is_enum_v<T>) {
      if (!json.is_string() || !value_of(json.get<std::string>(), value)) throw Wrong{path + ": not one of its values"};
    } else if constexpr (std::is_integral_v<T>) {
      read_integer(json, path, value);
    } else {
      Decoder decoder(json, path);
      Fields<Decoder>{decoder}.of(value);
      decoder.refuse_unknown();
    }
  }
  static void read(const Json& json, const std::string& path, std::string& value) {
    if (!json.is_string()) throw Wrong{path + ": not a text"};
    value = json.get<std::string>();
  }
  template <class T>
  static void read(const Json& json, const std::string& path, std::optional<T>& value) {
    value.reset();
    if (!json.is_null()) read(json, path, value.emplace());
  }
  template <class T>
  static void read(const Json& json, const std::string& path, std::vector<T>& values) {
    if (!json.is_array()) throw Wrong{path + ": not a list"};
    values.clear();
    for (const Json& item : json) {
      const std::string place = path + "[" + std::to_string(values.size()) + "]";
      read(item, place, values.emplace_back());
    }
  }
  template <class T>
  static void read(const Json& json, const std::string& path, std::map<std::string, T>& values) {
    if (!json.is_object()) throw Wrong{path + ": not an object"};
    values.clear();
    for (const auto& item : json.items()) read(item.value(), path + "." + item.key(), values[item.key()]);
  }

 private:
  template <class T>
  static void read_integer(const Json& json, const std::string& path, T& value) {
    const bool fits = json.is_number_unsigned()
                          ? std::in_range<T>(json.get<std::uint64_t>())
                          : json.is_number_integer() && std::in_range<T>(json.get<std::int64_t>());
    if (!fits) throw Wrong{path + ": not a whole number of its range"};
    value = json.get<T>();
  }

  std::string below(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

  const Json& object_;
  std::string path_;
  std::vector<std::string> known_;
};

}  // namespace

template <class Message>
std::string encode(const Message& message) {
  // A library's message may hold bytes that are no UTF-8; a note with a question mark in it is better than no answer.
  return Encoder::json(message).dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <class Message>
std::variant<Message, std::string> decode(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::string("not JSON");
  try {
    Message message;
    Decoder::read(json, "", message);
    return message;
  } catch (const Wrong& wrong) {
    return wrong.text;
  }
}

#define PVCD_WIRE(Message)                              \
  template std::string encode<Message>(const Message&); \
  template std::variant<Message, std::string> decode<Message>(const std::string&);

PVCD_WIRE(Answer)
PVCD_WIRE(ProbeRequest)
PVCD_WIRE(DomainProbe)
PVCD_WIRE(CreateRequest)
PVCD_WIRE(CreateAnswer)
PVCD_WIRE(DomainRequest)
PVCD_WIRE(VmStart)
PVCD_WIRE(HookVerdict)
PVCD_WIRE(ImagesRequest)
PVCD_WIRE(Identified)
PVCD_WIRE(VmStopped)
PVCD_WIRE(ReadRequest)
PVCD_WIRE(PowerReading)
PVCD_WIRE(PowerRequest)
PVCD_WIRE(StorageFenceRequest)
PVCD_WIRE(StorageFenced)
PVCD_WIRE(RoleChange)
PVCD_WIRE(ClaimRequest)
PVCD_WIRE(VacateRequest)
PVCD_WIRE(ObserveRequest)
PVCD_WIRE(StorageSurvey)

#undef PVCD_WIRE

}  // namespace pvcd::runtime
