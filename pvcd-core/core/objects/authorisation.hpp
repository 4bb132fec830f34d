// What each method of the public bus needs. A method that the table does not name is denied.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace pvcd::core {

enum class Access {
  Open,    // reading
  Action,  // the polkit action of the row
  OfJob,   // the action that was needed to start the job
};

struct Rule {
  std::string_view interface;
  std::string_view method;
  Access access = Access::Action;
  const char* action = nullptr;
  std::string_view job = {};  // type of the job that the method starts (logic/jobs.hpp)
};

std::span<const Rule> rules();
const Rule* find_rule(std::string_view interface, std::string_view method);

// nullptr: no method starts such jobs, so nobody may cancel them.
const char* action_of_job(std::string_view type);

}  // namespace pvcd::core
