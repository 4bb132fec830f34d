// What speaks against a start.
#pragma once

#include <string>

#include "sdk/roles.hpp"

namespace pvcd::shared_files {

struct Objection {
  Verdict verdict = Verdict::Unknown;  // Refuse, or Unknown where asking again may help
  std::string why;
  bool elsewhere = false;  // for what this host lacks: another one may do it
};

inline Objection lacks(const std::string& why) { return {Verdict::Refuse, why, true}; }
inline Objection refuses(const std::string& why) { return {Verdict::Refuse, why, false}; }

// Of errno, about something that root of this host should be able to open.
Objection not_opened(const std::string& path);

}  // namespace pvcd::shared_files
