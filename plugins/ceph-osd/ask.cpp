#include "ask.hpp"

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "sdk/plugin.hpp"

namespace pvcd::ceph_osd {

namespace {

// What librados allocated for one command.
struct Buffer {
  Buffer() = default;
  ~Buffer() {
    if (data != nullptr) rados_buffer_free(data);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  char* data = nullptr;
  std::size_t size = 0;
};

std::string refusal(int code, const Buffer& said) {
  if (code == -EACCES || code == -EPERM)
    return "the Ceph user may not; it needs the capabilities mon 'allow r' and mgr 'allow r'";
  const std::string reason(said.data == nullptr ? "" : said.data, said.size);
  return ceph::meaning_of(code) + (reason.empty() ? "" : " (" + reason + ")");
}

Reply reply_of(int code, const Buffer& answer, const Buffer& said) {
  if (code < 0) return {false, refusal(code, said)};
  if (answer.size > answer_bytes_max)
    return {false, "the answer has more than " + std::to_string(answer_bytes_max) + " bytes and is not read"};
  return {true, std::string(answer.data == nullptr ? "" : answer.data, answer.size)};
}

int send(rados_t handle, Side side, const std::string& command, Buffer& answer, Buffer& said) {
  const std::string request = nlohmann::json{{"prefix", command}, {"format", "json"}}.dump();
  const char* lines[] = {request.c_str()};
  const auto function = side == Side::Monitors ? rados_mon_command : rados_mgr_command;
  const int code = function(handle, lines, 1, nullptr, 0, &answer.data, &answer.size, &said.data, &said.size);
  return -std::abs(code);  // a manager that does not answer in time is a positive ETIMEDOUT in Ceph 16
}

void fill(Replies& replies, const Commands& commands, const std::string& why_not) {
  for (const std::string& command : commands) replies.try_emplace(command, Reply{false, why_not});
}

}  // namespace

Replies ask(const ceph::Options& options, Side side, const Commands& commands) {
  Replies replies;
  try {
    const ceph::Connection connection(options);
    for (const std::string& command : commands) {
      Buffer answer;
      Buffer said;
      const int code = send(connection.handle(), side, command, answer, said);
      replies[command] = reply_of(code, answer, said);
      if (code == -ETIMEDOUT) break;
    }
    fill(replies, commands, "not asked, because another command was not answered in time");
  } catch (const Error& error) {
    fill(replies, commands, error.what());
  }
  return replies;
}

}  // namespace pvcd::ceph_osd
