// Requests and answers of sdk/roles.hpp as JSON text: what core and plugin processes say to each other on the bus.
// Strict both ways: a missing, unknown or wrongly typed key is an error, because both ends are of one build.
#pragma once

#include <string>
#include <variant>

#include "sdk/roles.hpp"

namespace pvcd::runtime {

// How long the core waits for an answer. A plugin's own limits are shorter: config_checks.cpp sees to it. Hooks before
// a start have a configured limit, and a role hook may take as long as it needs, within reason.
inline constexpr Microseconds answer_limit = seconds(30);
inline constexpr Microseconds role_hook_limit = seconds(3600);

// Instantiated in wire.cpp for every struct that a role's method takes or gives.
template <class Message>
std::string encode(const Message&);

template <class Message>
std::variant<Message, std::string> decode(const std::string& text);  // or what is wrong with it

}  // namespace pvcd::runtime
