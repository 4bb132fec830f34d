// Text form (JSON) of every record in sdk/model.hpp. Decoding is strict about types and required keys and says which
// entry and key is wrong; unknown keys are kept out silently so that a newer node can add one.
#pragma once

#include <string>
#include <variant>

#include "sdk/model.hpp"

namespace pvcd::store {

template <class Record>
std::string encode(const Record&);

struct DecodeError {
  std::string text;  // "key 'epoch': ..."
};

// Instantiated in codec.cpp for all records.
template <class Record>
std::variant<Record, DecodeError> decode(const std::string& text);

}  // namespace pvcd::store
