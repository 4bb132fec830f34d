// A row of the tables of changing properties, made from a member.
#pragma once

#include "core/objects/derive.hpp"

namespace pvcd::core {

template <class T>
struct OwnerOf;
template <class Properties, class T>
struct OwnerOf<T Properties::*> {
  using type = Properties;
};

template <auto member>
constexpr auto property(const char* name) {
  using Properties = typename OwnerOf<decltype(member)>::type;
  return Property<Properties>{name, [](const Properties& a, const Properties& b) { return a.*member == b.*member; }};
}

}  // namespace pvcd::core
