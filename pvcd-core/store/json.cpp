#include "store/json.hpp"

namespace pvcd::store {

using nlohmann::json;

json as_json(const std::string& text) { return text; }
json json_of_word(const char* word) { return word; }
json json_of_bool(bool value) { return value; }
json json_of_number(double value) { return value; }
json json_of_signed(std::int64_t value) { return value; }
json json_of_unsigned(std::uint64_t value) { return value; }
json empty_list() { return json::array(); }
void append(json& list, json&& value) { list.push_back(std::move(value)); }

Encoder::Encoder() : object(json::object()) {}
void Encoder::put(const std::string& key, json&& value) { object[key] = std::move(value); }

void read_json(const json& from, bool& value) {
  expect(from.is_boolean(), "must be true or false");
  value = from.get<bool>();
}

void read_json(const json& from, double& value) {
  expect(from.is_number(), "must be a number");
  value = from.get<double>();
}

void read_json(const json& from, std::string& value) {
  expect(from.is_string(), "must be a text");
  value = from.get<std::string>();
}

std::int64_t read_signed(const json& from, std::int64_t least, std::int64_t largest) {
  expect(from.is_number_integer(), "must be a whole number");
  const bool fits = from.is_number_unsigned()
                        ? std::cmp_less_equal(from.get<std::uint64_t>(), largest)
                        : from.get<std::int64_t>() >= least && from.get<std::int64_t>() <= largest;
  expect(fits, "is out of range");
  return from.get<std::int64_t>();
}

std::uint64_t read_unsigned(const json& from, std::uint64_t largest) {
  expect(from.is_number_integer(), "must be a whole number");
  const bool fits =
      (from.is_number_unsigned() || from.get<std::int64_t>() >= 0) && from.get<std::uint64_t>() <= largest;
  expect(fits, "is out of range");
  return from.get<std::uint64_t>();
}

const std::string& read_word(const json& from) {
  expect(from.is_string(), "must be a word");
  return from.get_ref<const std::string&>();
}

std::vector<const json*> read_list(const json& from) {
  expect(from.is_array(), "must be a list");
  std::vector<const json*> list;
  list.reserve(from.size());
  for (const json& each : from) list.push_back(&each);
  return list;
}

Members read_object(const json& from) {
  expect(from.is_object(), "must be an object");
  Members members;
  for (const auto& [key, each] : from.items()) members.emplace(key, &each);
  return members;
}

const json* Decoder::find(const char* key) const {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

}  // namespace pvcd::store
