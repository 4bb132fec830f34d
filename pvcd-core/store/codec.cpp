#include "store/codec.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "store/fields.hpp"

namespace pvcd::store {
namespace {

using nlohmann::json;

template <class Type>
concept Enum = std::is_enum_v<Type>;
template <class Type>
concept Structure = std::is_aggregate_v<Type>;
template <class Type>
concept Integer = std::integral<Type> && !std::same_as<Type, bool>;

// -------------------------------------------------------------------------------------------------------------
// encoding

json written(bool value) { return value; }
json written(double value) { return value; }
json written(const std::string& value) { return value; }

template <Integer Type>
json written(Type value) {
  return value;
}

template <Enum Type>
json written(Type value) {
  for (const auto& [member, word] : Words<Type>::list)
    if (member == value) return word;
  return nullptr;  // not a member: decoding will say so
}

template <Structure Record>
json written(const Record& record);

template <class Type>
json written(const std::vector<Type>& values) {
  json list = json::array();
  for (const auto& value : values) list.push_back(written(value));
  return list;
}

template <class Type>
json written(const std::map<std::string, Type>& values) {
  json object = json::object();
  for (const auto& [key, value] : values) object[key] = written(value);
  return object;
}

struct Encoder {
  json object = json::object();

  template <class Type>
  void required(const char* key, const Type& value) {
    object[key] = written(value);
  }
  template <class Type>
  void optional(const char* key, const Type& value) {
    object[key] = written(value);
  }
  template <class Type>
  void optional(const char* key, const std::optional<Type>& value) {
    if (value) object[key] = written(*value);
  }
};

template <Structure Record>
json written(const Record& record) {
  Encoder encoder;
  visit_fields(encoder, record);
  return encoder.object;
}

// -------------------------------------------------------------------------------------------------------------
// decoding

// Thrown through the nested readers and turned into a DecodeError by decode(). The path grows from the inside out.
struct Mismatch {
  std::string path;
  std::string problem;

  Mismatch inside(const std::string& outer) const {
    bool joined = path.empty() || path.front() == '[';
    return {outer + (joined ? "" : ".") + path, problem};
  }
};

void expect(bool matches, const char* problem) {
  if (!matches) throw Mismatch{"", problem};
}

void read(const json& from, bool& value) {
  expect(from.is_boolean(), "must be true or false");
  value = from.get<bool>();
}

void read(const json& from, double& value) {
  expect(from.is_number(), "must be a number");
  value = from.get<double>();
}

void read(const json& from, std::string& value) {
  expect(from.is_string(), "must be a text");
  value = from.get<std::string>();
}

template <Integer Type>
void read(const json& from, Type& value) {
  // No number of ours comes near the end of its type; one that does would begin at 0 again where it counts up.
  constexpr auto largest = std::numeric_limits<std::int64_t>::max();
  expect(from.is_number_integer(), "must be a whole number");
  bool fits = from.is_number_unsigned() ? std::cmp_less_equal(from.get<std::uint64_t>(), largest) &&
                                              std::in_range<Type>(from.get<std::uint64_t>())
                                        : std::in_range<Type>(from.get<std::int64_t>());
  expect(fits, "is out of range");
  value = from.get<Type>();
}

template <Enum Type>
void read(const json& from, Type& value) {
  expect(from.is_string(), "must be a word");
  for (const auto& [member, word] : Words<Type>::list) {
    if (from.get_ref<const std::string&>() != word) continue;
    value = member;
    return;
  }
  throw Mismatch{"", "has the unknown word '" + from.get<std::string>() + "'"};
}

template <Structure Record>
void read(const json& from, Record& record);

template <class Type>
void read(const json& from, std::vector<Type>& values) {
  expect(from.is_array(), "must be a list");
  for (const auto& each : from) try {
      Type value{};
      read(each, value);
      values.push_back(std::move(value));
    } catch (const Mismatch& mismatch) {
      throw mismatch.inside("[" + std::to_string(values.size()) + "]");
    }
}

template <class Type>
void read(const json& from, std::map<std::string, Type>& values) {
  expect(from.is_object(), "must be an object");
  for (const auto& [key, each] : from.items()) try {
      read(each, values[key]);
    } catch (const Mismatch& mismatch) {
      throw mismatch.inside(key);
    }
}

template <class Type>
void read(const json& from, std::optional<Type>& value) {
  if (from.is_null()) return value.reset();
  read(from, value.emplace());
}

struct Decoder {
  const json& object;

  template <class Type>
  void required(const char* key, Type& value) {
    if (!object.contains(key)) throw Mismatch{key, "is missing"};
    optional(key, value);
  }
  template <class Type>
  void optional(const char* key, Type& value) {
    auto found = object.find(key);
    if (found == object.end()) return;
    try {
      read(*found, value);
    } catch (const Mismatch& mismatch) {
      throw mismatch.inside(key);
    }
  }
};

template <Structure Record>
void read(const json& from, Record& record) {
  expect(from.is_object(), "must be an object");
  Decoder decoder{from};
  visit_fields(decoder, record);
}

}  // namespace

// Bytes that are not UTF-8, in a name that a guest chose for example, are replaced: they must not stop the record.
template <class Record>
std::string encode(const Record& record) {
  return written(record).dump(-1, ' ', false, json::error_handler_t::replace);
}

template <class Record>
std::variant<Record, DecodeError> decode(const std::string& text) {
  auto parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return DecodeError{"not a JSON text"};
  try {
    Record record;
    read(parsed, record);
    return record;
  } catch (const Mismatch& mismatch) {
    if (mismatch.path.empty()) return DecodeError{"the entry " + mismatch.problem};
    return DecodeError{"key '" + mismatch.path + "' " + mismatch.problem};
  }
}

#define PVCD_RECORD(Record)                   \
  template std::string encode(const Record&); \
  template std::variant<Record, DecodeError> decode(const std::string&);

PVCD_RECORD(ClusterRecord)
PVCD_RECORD(DecisionRecord)
PVCD_RECORD(EvidenceRecord)
PVCD_RECORD(FenceRecord)
PVCD_RECORD(JobRecord)
PVCD_RECORD(LeaderRecord)
PVCD_RECORD(LiveRecord)
PVCD_RECORD(NodeRecord)
PVCD_RECORD(OwnerRecord)
PVCD_RECORD(ReadinessRecord)
PVCD_RECORD(RoleRecord)
PVCD_RECORD(RunRecord)
PVCD_RECORD(VmRecord)
PVCD_RECORD(WaitingRecord)

}  // namespace pvcd::store
