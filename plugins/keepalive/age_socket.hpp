// The datagram socket on which the units of this node tell the keepalive that they turn.
#pragma once

#include <functional>
#include <string>
#include <string_view>

struct sd_event;
struct sd_event_source;

namespace pvcd::keepalive {

class AgeSocket {
 public:
  // Replaces what lies at `path`. Throws Error.
  AgeSocket(sd_event* loop, std::string path, std::function<void(std::string_view datagram)> received);
  ~AgeSocket();
  AgeSocket(const AgeSocket&) = delete;
  AgeSocket& operator=(const AgeSocket&) = delete;

 private:
  void receive();

  std::string path_;
  std::function<void(std::string_view)> received_;
  int socket_ = -1;
  sd_event_source* source_ = nullptr;
};

}  // namespace pvcd::keepalive
