#include "store/zookeeper_loop.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <systemd/sd-event.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#include <algorithm>
#include <utility>

#include "store/deferred.hpp"
#include "store/request.hpp"

namespace pvcd::store {
namespace {

// With every server refusing, the library would connect again and again without a pause.
constexpr Microseconds reconnect_pause = milliseconds(10);

// A server without power does not refuse: the library would wait for it for two thirds of the session's timeout, in the
// very moment in which its host's VMs wait for this one. A try that was too short is made again after the other
// servers.
constexpr Microseconds connect_limit = milliseconds(500);
constexpr Microseconds no_limit = ~Microseconds{0};

bool same_socket(int left, int right) {
  struct stat left_status {};
  struct stat right_status {};
  return fstat(left, &left_status) == 0 && fstat(right, &right_status) == 0 &&
         left_status.st_ino == right_status.st_ino;
}

}  // namespace

ZookeeperLoop::ZookeeperLoop(sd_event* loop, std::function<void()> after_turn)
    : loop_(loop), after_turn_(std::move(after_turn)) {
  auto on_time = [](sd_event_source*, std::uint64_t, void* self) {
    static_cast<ZookeeperLoop*>(self)->turn(0);
    return 0;
  };
  auto on_wake = [](sd_event_source*, void* self) {
    static_cast<ZookeeperLoop*>(self)->turn(0);
    return 0;
  };
  // The default accuracy of 250 ms would make the library miss its deadlines.
  require(sd_event_add_time(loop, &timer_, CLOCK_MONOTONIC, UINT64_MAX, 1, on_time, this),
          "adding a timer to the loop");
  require(sd_event_add_defer(loop, &wake_source_, on_wake, this), "adding a deferred call to the loop");
  sd_event_source_set_enabled(timer_, SD_EVENT_OFF);
  sd_event_source_set_enabled(wake_source_, SD_EVENT_OFF);
}

ZookeeperLoop::~ZookeeperLoop() {
  detach();
  sd_event_source_disable_unref(timer_);
  sd_event_source_disable_unref(wake_source_);
}

void ZookeeperLoop::attach(zhandle_t* handle) {
  handle_ = handle;
  reconnecting_ = false;
  wake();
}

void ZookeeperLoop::detach() {
  handle_ = nullptr;
  socket_source_ = sd_event_source_disable_unref(socket_source_);
  sd_event_source_set_enabled(timer_, SD_EVENT_OFF);
  sd_event_source_set_enabled(wake_source_, SD_EVENT_OFF);
}

// Between two connections the timer brings the next try, however many requests come meanwhile.
void ZookeeperLoop::wake() {
  if (!reconnecting_) sd_event_source_set_enabled(wake_source_, SD_EVENT_ONESHOT);
}

void ZookeeperLoop::hang_up() {
  if (!socket_source_) return;
  hung_up_ = true;
  shutdown(sd_event_source_get_io_fd(socket_source_), SHUT_RDWR);
}

void ZookeeperLoop::turn(int events) {
  int socket = -1;
  int interest = 0;
  timeval pause{};
  in_library_ = true;
  process(events);
  // Both calls report lost connections as errors, which the library mends by itself: only is_unrecoverable() is fatal.
  bool connects = zookeeper_interest(handle_, &socket, &interest, &pause) == ZOK && socket >= 0;
  in_library_ = false;

  auto microseconds = seconds(static_cast<std::uint64_t>(pause.tv_sec)) + static_cast<std::uint64_t>(pause.tv_usec);
  reconnecting_ = !connects;
  watch(connects ? socket : -1, interest);
  wait(connects ? std::min(microseconds, connect_time_left()) : std::max(microseconds, reconnect_pause));
  after_turn_();
}

void ZookeeperLoop::process(int events) {
  turned_away_by_.clear();
  if (events == 0) return;
  std::string server;
  if (zoo_state(handle_) == ZOO_ASSOCIATING_STATE && !hung_up_) server = zoo_get_current_server(handle_);
  if (zookeeper_process(handle_, events) == ZCONNECTIONLOSS) turned_away_by_ = server;
}

Microseconds ZookeeperLoop::connect_time_left() {
  if (zoo_state(handle_) != ZOO_CONNECTING_STATE || !socket_source_) return no_limit;
  const Microseconds passed = boottime_now() - socket_since_;
  if (passed < connect_limit) return connect_limit - passed;
  pollfd one{sd_event_source_get_io_fd(socket_source_), POLLOUT, 0};
  if (poll(&one, 1, 0) == 0) hang_up();  // who stood still himself may find that it has answered
  return connect_limit;
}

// The library closes its socket at any time, and the next one often has the same number, in the library or elsewhere in
// this process. Watching a duplicate keeps sd-event's bookkeeping true: its number is ours, and its inode tells whether
// the library's is still the same socket.
void ZookeeperLoop::watch(int socket, int interest) {
  if (socket_source_ && (socket < 0 || !same_socket(socket, sd_event_source_get_io_fd(socket_source_))))
    socket_source_ = sd_event_source_disable_unref(socket_source_);
  if (socket < 0) return;
  auto wanted = ((interest & ZOOKEEPER_READ) ? EPOLLIN : 0u) | ((interest & ZOOKEEPER_WRITE) ? EPOLLOUT : 0u);
  if (socket_source_) {
    sd_event_source_set_io_events(socket_source_, wanted);
    return;
  }
  auto on_socket = [](sd_event_source*, int, std::uint32_t seen, void* self) {
    int events = ((seen & (EPOLLIN | EPOLLHUP | EPOLLERR)) ? ZOOKEEPER_READ : 0) |
                 ((seen & (EPOLLOUT | EPOLLERR | EPOLLHUP)) ? ZOOKEEPER_WRITE : 0);
    static_cast<ZookeeperLoop*>(self)->turn(events);
    return 0;
  };
  int duplicate = fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) return;  // out of descriptors: the timer comes back here
  socket_since_ = boottime_now();
  hung_up_ = false;
  if (sd_event_add_io(loop_, &socket_source_, duplicate, wanted, on_socket, this) < 0)
    close(duplicate);
  else
    sd_event_source_set_io_fd_own(socket_source_, 1);
}

void ZookeeperLoop::wait(Microseconds pause) {
  sd_event_source_set_time_relative(timer_, pause);
  sd_event_source_set_enabled(timer_, SD_EVENT_ONESHOT);
}

}  // namespace pvcd::store
