#include "shrink.hpp"

#include <algorithm>

namespace pvcd::sim {
namespace {

constexpr unsigned tries_max = 300;

class Shrinking {
 public:
  Shrinking(Plan plan, const std::string& rule) : plan_(std::move(plan)), rule_(rule) {}

  // What is left out in halves first, then one by one, until nothing more can be.
  Plan run() {
    for (std::size_t size = std::max<std::size_t>(plan_.schedule.size() / 2, 1);;
         size = std::max<std::size_t>(size / 2, 1)) {
      const bool smaller = leave_out(size);
      if (size == 1 && !smaller) break;
    }
    shorten();
    return plan_;
  }

 private:
  bool leave_out(std::size_t size) {
    bool any = false;
    for (std::size_t from = 0; from < plan_.schedule.size();) {
      Plan candidate = plan_;
      const auto begin = candidate.schedule.begin() + static_cast<std::ptrdiff_t>(from);
      const auto count = std::min(size, candidate.schedule.size() - from);
      candidate.schedule.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
      if (take(candidate))
        any = true;
      else
        from += size;
    }
    return any;
  }

  void shorten() {
    for (std::size_t i = 0; i < plan_.schedule.size(); ++i) {
      Plan candidate = plan_;
      do candidate.schedule[i].duration /= 2;
      while (take(candidate) && candidate.schedule[i].duration > seconds(1));
    }
  }

  bool take(const Plan& candidate) {
    if (tries_++ >= tries_max) return false;
    const auto violation = sim::run(candidate, false).violation;
    if (!violation || violation->rule != rule_) return false;
    plan_ = candidate;
    return true;
  }

  Plan plan_;
  std::string rule_;
  unsigned tries_ = 0;
};

}  // namespace

Plan shrink(Plan plan, const std::string& rule) { return Shrinking(std::move(plan), rule).run(); }

}  // namespace pvcd::sim
