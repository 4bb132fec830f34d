// The plugin's own thread, which calls it and may block, and the lanes beside it for calls that may come at the same
// time. The main thread hands requests over and stays free to answer the bus, to see the stall and to tell about it.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "host/lanes.hpp"
#include "host/newest_epoch.hpp"
#include "host/role_methods.hpp"
#include "runtime/loop.hpp"
#include "sdk/plugin.hpp"
#include "sdk/types.hpp"

namespace pvcd::host {

enum class Phase { Starting, Running, Stopping, Stopped, Failed };

struct WorkerOptions {
  std::string plugin;  // its name
  const Settings* settings = nullptr;
  const Settings* shared = nullptr;
  const NewestEpoch* newest_epoch = nullptr;
  Microseconds tick_interval = seconds(1);
};

// Called on the main loop.
struct WorkerEvents {
  std::function<void(Phase)> phase;
  std::function<void(const std::string& key, const std::string& value)> fact;  // only when the value is another one
};

class Worker final : private Host {
 public:
  // Requests that wait for the plugin's own thread; one more may be under way.
  static constexpr std::size_t queue_limit = 16;

  using Done =
      std::function<void(std::optional<std::string> answer)>;  // nothing: the worker stops, it was not taken up

  Worker(runtime::Loop& main_loop, std::unique_ptr<Plugin>, WorkerOptions, WorkerEvents);

  // Waits for the thread unless it hangs in the plugin: then the process must end without destroying anything
  // (main.cpp).
  ~Worker() override;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Submission submit(Call, Done);
  void stop();  // the calls under way end, then stop(); Phase::Stopped when that is over
  std::size_t queue_length() const;

  // The call that lasts longest, or the last turn of the worker's loop: an old one is a stall.
  Busy busy() const;
  Phase phase() const { return phase_; }

 private:
  struct Request {
    Call call;
    Done done;
  };
  struct Finished {
    Done done;
    std::optional<std::string> answer;
  };

  const Settings& settings() const override { return *options_.settings; }
  const Settings& shared() const override { return *options_.shared; }
  void report(std::string key, std::string value) override;
  void log(Level, std::string_view message) override;
  sd_event* loop() override { return loop_.get(); }
  bool holds(const Permit&) const override;

  // On the worker's thread.
  void run() noexcept;
  bool start_plugin();
  bool serve();
  void take_up(Request);
  void tick();
  void finish(Done, std::optional<std::string> answer);
  template <class Function>
  std::string attempt(const std::string& what, Function&&);
  void enter(Phase);
  void refuse_waiting();

  // On the main thread.
  void deliver();

  const std::unique_ptr<Plugin> plugin_;
  const WorkerOptions options_;
  const WorkerEvents events_;

  runtime::Loop loop_;
  runtime::Wakeup to_worker_;
  runtime::Wakeup to_main_;

  std::atomic<Instant> last_turn_;
  std::atomic<Phase> phase_ = Phase::Starting;
  bool tick_due_ = false;        // worker's
  std::string last_tick_error_;  // worker's

  mutable std::mutex mutex_;  // guards what follows; never held during a call
  std::optional<Busy> call_;  // of the plugin's own thread
  std::deque<Request> waiting_;
  bool stop_wanted_ = false;
  std::vector<Finished> finished_;
  std::vector<Phase> phases_;
  std::map<std::string, std::string> new_facts_;

  std::map<std::string, std::string> facts_;  // main's
  Lanes lanes_;
  std::thread thread_;  // last: starts when everything else is there
};

}  // namespace pvcd::host
