// Any value as JSON and back: structures by the lists of their fields (fields.hpp), everything else by its type.
// Reading is strict about types and ranges and says where something is wrong.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
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

// What the JSON library does is in json.cpp: put into every function made from these templates, it would take most of
// the time that the product takes to compile.

// -------------------------------------------------------------------------------------------------------------
// writing

nlohmann::json as_json(const std::string& text);
nlohmann::json json_of_word(const char* word);
nlohmann::json json_of_bool(bool value);
nlohmann::json json_of_number(double value);
nlohmann::json json_of_signed(std::int64_t value);
nlohmann::json json_of_unsigned(std::uint64_t value);
nlohmann::json empty_list();
void append(nlohmann::json& list, nlohmann::json&& value);

template <class Type>
nlohmann::json as_json(const Type& value);

struct Encoder {
  Encoder();
  void put(const std::string& key, nlohmann::json&& value);

  template <class Type>
  void required(const char* key, const Type& value) {
    put(key, as_json(value));
  }
  template <class Type>
  void optional(const char* key, const Type& value) {
    put(key, as_json(value));
  }
  template <class Type>
  void optional(const char* key, const std::optional<Type>& value) {
    if (value) put(key, as_json(*value));
  }

  nlohmann::json object;
};

template <class Type>
nlohmann::json as_json(const Type& value) {
  if constexpr (std::same_as<Type, bool>) {
    return json_of_bool(value);
  } else if constexpr (std::floating_point<Type>) {
    return json_of_number(value);
  } else if constexpr (std::signed_integral<Type>) {
    return json_of_signed(value);
  } else if constexpr (std::unsigned_integral<Type>) {
    return json_of_unsigned(value);
  } else if constexpr (of::Worded<Type>) {
    for (const auto& [member, word] : Words<Type>::list)
      if (member == value) return json_of_word(word);
    return nullptr;  // not a member: reading will say so
  } else if constexpr (std::is_enum_v<Type>) {
    return as_json(static_cast<std::underlying_type_t<Type>>(value));
  } else if constexpr (of::Optional<Type>) {
    if (!value) return nullptr;
    return as_json(*value);
  } else if constexpr (of::Object<Type>) {
    Encoder encoder;
    for (const auto& [key, each] : value) encoder.put(key, as_json(each));
    return std::move(encoder.object);
  } else if constexpr (of::List<Type> || of::Map<Type>) {
    nlohmann::json list = empty_list();
    for (const auto& each : value) append(list, as_json(each));
    return list;
  } else if constexpr (of::Pair<Type>) {
    nlohmann::json list = empty_list();
    append(list, as_json(value.first));
    append(list, as_json(value.second));
    return list;
  } else if constexpr (of::Variant<Type>) {
    nlohmann::json list = empty_list();
    append(list, as_json(value.index()));
    append(list, std::visit([](const auto& one) { return as_json(one); }, value));
    return list;
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

using Members = std::map<std::string, const nlohmann::json*>;

void read_json(const nlohmann::json& from, bool& value);
void read_json(const nlohmann::json& from, double& value);
void read_json(const nlohmann::json& from, std::string& value);
std::int64_t read_signed(const nlohmann::json& from, std::int64_t least, std::int64_t largest);
std::uint64_t read_unsigned(const nlohmann::json& from, std::uint64_t largest);
const std::string& read_word(const nlohmann::json& from);
std::vector<const nlohmann::json*> read_list(const nlohmann::json& from);  // they live as long as `from`
Members read_object(const nlohmann::json& from);

template <class Type>
void read_json(const nlohmann::json& from, Type& value);

template <class Type>
void read_json(const nlohmann::json& from, Type& value, const std::string& place) try {
  read_json(from, value);
} catch (const Mismatch& mismatch) {
  throw mismatch.inside(place);
}

struct Decoder {
  template <class Type>
  void required(const char* key, Type& value) {
    const nlohmann::json* found = find(key);
    if (!found) throw Mismatch{key, "is missing"};
    read_json(*found, value, key);
  }
  template <class Type>
  void optional(const char* key, Type& value) {
    if (const nlohmann::json* found = find(key)) read_json(*found, value, key);
  }

  const nlohmann::json* find(const char* key) const;

  const nlohmann::json& object;
};

namespace of {

template <Integer Type>
void read_integer(const nlohmann::json& from, Type& value) {
  using Limits = std::numeric_limits<Type>;
  // No number of ours comes near the end of its type; one that does would begin at 0 again where it counts up.
  constexpr std::uint64_t largest = std::min<std::uint64_t>(Limits::max(), std::numeric_limits<std::int64_t>::max());
  if constexpr (std::signed_integral<Type>)
    value = static_cast<Type>(read_signed(from, Limits::min(), largest));
  else
    value = static_cast<Type>(read_unsigned(from, largest));
}

template <Worded Type>
void read_worded(const nlohmann::json& from, Type& value) {
  const std::string& text = read_word(from);
  for (const auto& [member, word] : Words<Type>::list) {
    if (text != word) continue;
    value = member;
    return;
  }
  throw Mismatch{"", "has the unknown word '" + text + "'"};
}

template <class Type>
void read_each(const nlohmann::json& from, Type& values) {
  std::size_t count = 0;
  for (const nlohmann::json* each : read_list(from)) {
    std::remove_const_t<typename Type::value_type> value{};
    read_json(*each, value, "[" + std::to_string(count++) + "]");
    values.insert(values.end(), std::move(value));
  }
}

template <class Type>
void read_pairs(const nlohmann::json& from, Type& values) {
  std::vector<std::pair<typename Type::key_type, typename Type::mapped_type>> pairs;
  read_each(from, pairs);
  for (auto& pair : pairs) values.insert(std::move(pair));
}

inline std::vector<const nlohmann::json*> read_two(const nlohmann::json& from, const char* problem) {
  expect(from.is_array() && from.size() == 2, problem);
  return read_list(from);
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
  if constexpr (of::Integer<Type>) {
    of::read_integer(from, value);
  } else if constexpr (of::Worded<Type>) {
    of::read_worded(from, value);
  } else if constexpr (std::is_enum_v<Type>) {
    std::underlying_type_t<Type> number{};
    of::read_integer(from, number);
    value = static_cast<Type>(number);
  } else if constexpr (of::Optional<Type>) {
    if (from.is_null()) return value.reset();
    read_json(from, value.emplace());
  } else if constexpr (of::Object<Type>) {
    for (const auto& [key, each] : read_object(from)) read_json(*each, value[key], key);
  } else if constexpr (of::Map<Type>) {
    of::read_pairs(from, value);
  } else if constexpr (of::List<Type>) {
    of::read_each(from, value);
  } else if constexpr (of::Pair<Type>) {
    const auto two = of::read_two(from, "must be a pair");
    read_json(*two[0], value.first);
    read_json(*two[1], value.second);
  } else if constexpr (of::Variant<Type>) {
    const auto two = of::read_two(from, "must be a number and a value");
    of::read_alternative(read_unsigned(*two[0], std::numeric_limits<std::int64_t>::max()), *two[1], value);
  } else if constexpr (std::same_as<Type, std::monostate>) {
    expect(from.is_null(), "must be nothing");
  } else {
    expect(from.is_object(), "must be an object");
    Decoder decoder{from};
    visit_fields(decoder, value);
  }
}

}  // namespace pvcd::store
