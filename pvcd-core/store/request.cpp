#include "store/request.hpp"

#include <algorithm>
#include <ctime>

namespace pvcd::store {
namespace {

// Type, flags, lengths, version and the ACL of one operation on the wire, rounded up.
constexpr std::size_t operation_overhead_bytes = 128;

std::size_t size_of(const Operation& operation) {
  std::size_t size = operation_overhead_bytes + path_of(operation).size();
  if (auto* create = std::get_if<Create>(&operation)) size += create->data.size();
  if (auto* set = std::get_if<Set>(&operation)) size += set->data.size();
  return size;
}

bool valid(const Operation& operation) {
  auto* create = std::get_if<Create>(&operation);
  bool root_stays = path_of(operation) != "/" || (!create && !std::holds_alternative<Remove>(operation));
  return root_stays && valid_path(path_of(operation), create && create->sequential);
}

}  // namespace

const std::string& path_of(const Operation& operation) {
  return std::visit([](const auto& any) -> const std::string& { return any.path; }, operation);
}

bool valid_path(const std::string& path, bool sequential) {
  if (path == "/") return !sequential;
  if (path.empty() || path.front() != '/') return false;
  std::size_t begin = 1;
  while (begin <= path.size()) {
    auto end = std::min(path.find('/', begin), path.size());
    auto name = path.substr(begin, end - begin);
    bool number_follows = sequential && end == path.size();
    if ((name.empty() || name == "." || name == "..") && !number_follows) return false;
    for (const char letter : name) {
      const auto character = static_cast<unsigned char>(letter);
      if (character < 0x20 || character == 0x7f) return false;
    }
    begin = end + 1;
  }
  return true;
}

CommitResult check_request(const std::vector<Operation>& operations) {
  CommitResult result;
  result.code = operations.empty() ? CommitCode::Invalid : CommitCode::Ok;
  std::size_t size = 0;
  for (std::size_t index = 0; index < operations.size() && result.code == CommitCode::Ok; ++index) {
    result.failed = index;
    size += size_of(operations[index]);
    if (!valid(operations[index])) result.code = CommitCode::Invalid;
    if (size > transaction_bytes_max) result.code = CommitCode::TooBig;
  }
  return result;
}

namespace {

std::uint64_t now_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return seconds(static_cast<std::uint64_t>(now.tv_sec)) + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace

Instant boottime_now() { return now_of(CLOCK_BOOTTIME); }
std::uint64_t realtime_now() { return now_of(CLOCK_REALTIME); }

}  // namespace pvcd::store
