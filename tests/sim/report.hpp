// What many runs came to.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "exhaustive.hpp"
#include "tally.hpp"

namespace pvcd::sim {

struct Failure {
  std::uint64_t seed = 0;
  std::string rule;
};

struct Report {
  Tally tally;
  std::vector<Failure> failures;
  double cpu_seconds = 0;
  std::vector<Explored> explored;  // if it was asked for
};

// What has to happen at least once in many seeds and did not: checks that nothing reaches prove nothing.
std::vector<std::string> never_happened(const Tally&);

std::size_t violations(const Report&);  // of the seeds and of the small worlds

std::string summary(const Report&);
std::string to_json(const Report&);
std::string to_junit(const Report&, const std::vector<std::string>& never);

}  // namespace pvcd::sim
