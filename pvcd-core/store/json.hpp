// Any value as JSON and back: structures by the lists of their fields (fields.hpp), everything else by its type.
// Reading is strict about types and ranges and says where something is wrong.
#pragma once

#include <concepts>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace pvcd::store {

template <class Enum>
struct Words;  // the words of an enum whose text is kept for long; others are numbers

// A structure, const for the encoder: which list of fields is whose.
template <class Type, class Record>
concept is = std::same_as<std::remove_const_t<Type>, Record>;

namespace of {

template <class Type, template <class...> class Template>
inline constexpr bool instance = false;
template <template <class...> class Template, class... Arguments>
inline constexpr bool instance<Template<Arguments...>, Template> = true;

template <class Type>
concept Optional = instance<Type, std::optional>;
template <class Type>
concept List = instance<Type, std::vector> || instance<Type, std::set>;
template <class Type>
concept Map = instance<Type, std::map>;
template <class Type>
concept Object = Map<Type> && std::same_as<typename Type::key_type, std::string>;  // other maps are lists of pairs
template <class Type>
concept Pair = instance<Type, std::pair>;
template <class Type>
concept Variant = instance<Type, std::variant>;
template <class Type>
concept Integer = std::integral<Type> && !std::same_as<Type, bool>;
template <class Type>
concept Worded = std::is_enum_v<Type> && requires {
  Words<Type>::list;
};

}  // namespace of

// -------------------------------------------------------------------------------------------------------------
// writing

template <class Type>
nlohmann::json as_json(const Type& value);

struct Encoder {
  nlohmann::json object = nlohmann::json::object();

  template <class Type>
  void required(const char* key, const Type& value) {
    object[key] = as_json(value);
  }
  template <class Type>
  void optional(const char* key, const Type& value) {
    object[key] = as_json(value);
  }
  template <class Type>
  void optional(const char* key, const std::optional<Type>& value) {
    if (value) object[key] = as_json(*value);
  }
};

template <class Type>
nlohmann::json as_json(const Type& value) {
  using nlohmann::json;
  if constexpr (std::is_arithmetic_v<Type> || std::same_as<Type, std::string>) {
    return value;
  } else if constexpr (of::Worded<Type>) {
    for (const auto& [member, word] : Words<Type>::list)
      if (member == value) return word;
    return nullptr;  // not a member: reading will say so
  } else if constexpr (std::is_enum_v<Type>) {
    return static_cast<std::underlying_type_t<Type>>(value);
  } else if constexpr (of::Optional<Type>) {
    return value ? as_json(*value) : json(nullptr);
  } else if constexpr (of::Object<Type>) {
    json object = json::object();
    for (const auto& [key, each] : value) object[key] = as_json(each);
    return object;
  } else if constexpr (of::List<Type> || of::Map<Type>) {
    json list = json::array();
    for (const auto& each : value) list.push_back(as_json(each));
    return list;
  } else if constexpr (of::Pair<Type>) {
    return json::array({as_json(value.first), as_json(value.second)});
  } else if constexpr (of::Variant<Type>) {
    return json::array({value.index(), std::visit([](const auto& one) { return as_json(one); }, value)});
  } else if constexpr (std::same_as<Type, std::monostate>) {
    return nullptr;
  } else {
    Encoder encoder;
    visit_fields(encoder, value);
    return std::move(encoder.object);
  }
}

// -------------------------------------------------------------------------------------------------------------
// reading

// Thrown through the nested readers. The path grows from the inside out.
struct Mismatch {
  std::string path;
  std::string problem;

  Mismatch inside(const std::string& outer) const {
    const bool joined = path.empty() || path.front() == '[';
    return {outer + (joined ? "" : ".") + path, problem};
  }
};

inline void expect(bool matches, const char* problem) {
  if (!matches) throw Mismatch{"", problem};
}

template <class Type>
void read_json(const nlohmann::json& from, Type& value);

template <class Type>
void read_json(const nlohmann::json& from, Type& value, const std::string& place) try {
  read_json(from, value);
} catch (const Mismatch& mismatch) {
  throw mismatch.inside(place);
}

struct Decoder {
  const nlohmann::json& object;

  template <class Type>
  void required(const char* key, Type& value) {
    if (!object.contains(key)) throw Mismatch{key, "is missing"};
    optional(key, value);
  }
  template <class Type>
  void optional(const char* key, Type& value) {
    if (auto found = object.find(key); found != object.end()) read_json(*found, value, key);
  }
};

namespace of {

template <Integer Type>
void read_integer(const nlohmann::json& from, Type& value) {
  // No number of ours comes near the end of its type; one that does would begin at 0 again where it counts up.
  constexpr auto largest = std::numeric_limits<std::int64_t>::max();
  expect(from.is_number_integer(), "must be a whole number");
  const bool fits = from.is_number_unsigned() ? std::cmp_less_equal(from.get<std::uint64_t>(), largest) &&
                                                    std::in_range<Type>(from.get<std::uint64_t>())
                                              : std::in_range<Type>(from.get<std::int64_t>());
  expect(fits, "is out of range");
  value = from.get<Type>();
}

template <Worded Type>
void read_word(const nlohmann::json& from, Type& value) {
  expect(from.is_string(), "must be a word");
  for (const auto& [member, word] : Words<Type>::list) {
    if (from.get_ref<const std::string&>() != word) continue;
    value = member;
    return;
  }
  throw Mismatch{"", "has the unknown word '" + from.get<std::string>() + "'"};
}

template <class Type>
void read_list(const nlohmann::json& from, Type& values) {
  expect(from.is_array(), "must be a list");
  std::size_t count = 0;
  for (const auto& each : from) {
    std::remove_const_t<typename Type::value_type> value{};
    read_json(each, value, "[" + std::to_string(count++) + "]");
    values.insert(values.end(), std::move(value));
  }
}

template <class Type>
void read_pairs(const nlohmann::json& from, Type& values) {
  std::vector<std::pair<typename Type::key_type, typename Type::mapped_type>> pairs;
  read_list(from, pairs);
  for (auto& pair : pairs) values.insert(std::move(pair));
}

template <std::size_t Index = 0, class Type>
void read_alternative(std::size_t index, const nlohmann::json& from, Type& value) {
  if constexpr (Index < std::variant_size_v<Type>) {
    if (index != Index) return read_alternative<Index + 1>(index, from, value);
    read_json(from, value.template emplace<Index>());
  } else {
    throw Mismatch{"", "is none of the alternatives"};
  }
}

}  // namespace of

template <class Type>
void read_json(const nlohmann::json& from, Type& value) {
  if constexpr (std::same_as<Type, bool>) {
    expect(from.is_boolean(), "must be true or false");
    value = from.get<bool>();
  } else if constexpr (std::same_as<Type, double>) {
    expect(from.is_number(), "must be a number");
    value = from.get<double>();
  } else if constexpr (std::same_as<Type, std::string>) {
    expect(from.is_string(), "must be a text");
    value = from.get<std::string>();
  } else if constexpr (of::Integer<Type>) {
    of::read_integer(from, value);
  } else if constexpr (of::Worded<Type>) {
    of::read_word(from, value);
  } else if constexpr (std::is_enum_v<Type>) {
    std::underlying_type_t<Type> number{};
    of::read_integer(from, number);
    value = static_cast<Type>(number);
  } else if constexpr (of::Optional<Type>) {
    if (from.is_null()) return value.reset();
    read_json(from, value.emplace());
  } else if constexpr (of::Object<Type>) {
    expect(from.is_object(), "must be an object");
    for (const auto& [key, each] : from.items()) read_json(each, value[key], key);
  } else if constexpr (of::Map<Type>) {
    of::read_pairs(from, value);
  } else if constexpr (of::List<Type>) {
    of::read_list(from, value);
  } else if constexpr (of::Pair<Type>) {
    expect(from.is_array() && from.size() == 2, "must be a pair");
    read_json(from[0], value.first);
    read_json(from[1], value.second);
  } else if constexpr (of::Variant<Type>) {
    expect(from.is_array() && from.size() == 2 && from[0].is_number_unsigned(), "must be a number and a value");
    of::read_alternative(from[0].get<std::size_t>(), from[1], value);
  } else if constexpr (std::same_as<Type, std::monostate>) {
    expect(from.is_null(), "must be nothing");
  } else {
    expect(from.is_object(), "must be an object");
    Decoder decoder{from};
    visit_fields(decoder, value);
  }
}

}  // namespace pvcd::store
