// Ceph's JSON, read with patience: what is missing, of another type or out of range is absent, and what is not known is
// skipped, because every release adds, moves and renames something.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace pvcd::ceph_osd {

using Json = nlohmann::json;

// Names and sentences are for people; longer ones are cut.
inline constexpr std::size_t text_bytes_max = 256;

// Nothing: not a JSON text. Ceph writes nan, -nan and inf where it divided by zero; they are read as null.
std::optional<Json> parse(const std::string& text);

// Of an object's member, or nothing.
const Json* member(const Json& of, const char* key);
const Json* list(const Json& of, const char* key);
std::string text(const Json& of, const char* key);
std::optional<double> number(const Json& of, const char* key);        // finite, not negative
std::optional<std::uint64_t> count(const Json& of, const char* key);  // whole, or rounded; at most 2^63-1
std::optional<std::uint64_t> times(std::optional<std::uint64_t>, std::uint64_t factor);  // nothing if it is too much
std::optional<std::uint32_t> id(const Json& of, const char* key);  // of an OSD or pool; buckets are negative
std::optional<bool> flag(const Json& of, const char* key);         // true, or 1

}  // namespace pvcd::ceph_osd
