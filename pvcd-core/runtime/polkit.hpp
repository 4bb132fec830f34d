// Asks polkit whether a caller may do something. Never blocks; what cannot be asked is not allowed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "runtime/bus.hpp"

namespace pvcd::runtime {

enum class Authorization { Allowed, Denied, Unavailable };

struct AuthorizationAnswer {
  Authorization authorization = Authorization::Denied;
  std::uint32_t uid = 0;  // of the caller; meaningless when it could not be found (never Allowed then)
  std::string note;       // why not, for the error's text
};

class Polkit {
 public:
  explicit Polkit(Bus&);
  ~Polkit();

  using Answered = std::function<void(const AuthorizationAnswer&)>;

  // `sender` is the unique bus name of the caller. root is allowed without asking: polkit allows it everything, and its
  // absence must not lock the administrator out. `interactive`: the caller may be asked for a password.
  void check(const std::string& sender, const std::string& action, std::map<std::string, std::string> details,
             bool interactive, Answered);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pvcd::runtime
