#include "host/worker.hpp"

#include <systemd/sd-event.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/clock.hpp"

using namespace pvcd;
using host::Handover;
using host::Phase;
using host::Worker;

namespace {

constexpr Microseconds limit = seconds(20);

// A door that a plugin's call waits at until the test opens it: a library that hangs.
class Door {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    opened_.wait(lock, [this] { return open_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  bool reached() const {
    const std::lock_guard lock(mutex_);
    return waiting_ > 0;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
  int waiting_ = 0;
};

struct Behaviour {
  std::function<void(Host&)> start = [](Host&) {};
  std::function<void()> tick = [] {};
  std::function<void()> stop = [] {};
};

class Scripted : public Plugin {
 public:
  explicit Scripted(Behaviour behaviour) : behaviour_(std::move(behaviour)) {}
  void start(Host& host) override { behaviour_.start(host); }
  void tick() override { behaviour_.tick(); }
  void stop() noexcept override { behaviour_.stop(); }

 private:
  Behaviour behaviour_;
};

// A main loop and a worker; turns the loop until something holds.
class Bench {
 public:
  explicit Bench(Behaviour behaviour, Microseconds tick_interval = seconds(3600)) {
    host::WorkerOptions options;
    options.tick_interval = tick_interval;
    host::WorkerEvents events;
    events.phase = [this](Phase phase) { phases.push_back(phase); };
    events.fact = [this](const std::string& key, const std::string& value) { facts.push_back(key + "=" + value); };
    worker = std::make_unique<Worker>(loop, std::make_unique<Scripted>(std::move(behaviour)), options, events);
  }

  template <class Condition>
  bool until(Condition condition) {
    const Instant deadline = runtime::boottime_us() + limit;
    const runtime::Timer look = loop.every(milliseconds(2), [] {});
    while (!condition() && runtime::boottime_us() < deadline) loop.turn();
    return condition();
  }
  bool reached(Phase phase) {
    return until([&] { return !phases.empty() && phases.back() == phase; });
  }

  runtime::Loop loop;
  std::vector<Phase> phases;
  std::vector<std::string> facts;
  std::unique_ptr<Worker> worker;
};

}  // namespace

TEST_CASE("start, requests, ticks and stop come on one thread that is not ours") {
  std::vector<std::thread::id> threads;
  std::atomic<int> ticks = 0;
  Bench bench({[&](Host&) { threads.push_back(std::this_thread::get_id()); }, [&] { ++ticks; },
               [&] { threads.push_back(std::this_thread::get_id()); }},
              milliseconds(5));
  REQUIRE(bench.reached(Phase::Running));
  std::optional<std::string> got;
  std::thread::id answered_on;
  const auto work = [&]() -> std::string {
    threads.push_back(std::this_thread::get_id());
    return "answer";
  };
  REQUIRE(bench.worker->submit(work, [&](std::optional<std::string> answer) {
    got = std::move(answer);
    answered_on = std::this_thread::get_id();
  }) == Handover::Taken);
  REQUIRE(bench.until([&] { return got.has_value(); }));
  CHECK(*got == "answer");
  CHECK(answered_on == std::this_thread::get_id());
  CHECK(bench.until([&] { return ticks >= 3; }));

  bench.worker->stop();
  REQUIRE(bench.reached(Phase::Stopped));
  CHECK(bench.phases == std::vector<Phase>{Phase::Running, Phase::Stopping, Phase::Stopped});
  REQUIRE(threads.size() == 3);
  CHECK(threads[0] == threads[1]);
  CHECK(threads[0] == threads[2]);
  CHECK(threads[0] != std::this_thread::get_id());
}

TEST_CASE("a start that throws is Failed, and nothing else is called") {
  bool more = false;
  Bench bench({[](Host&) { throw Error("no library"); }, [&] { more = true; }, [&] { more = true; }});
  CHECK(bench.reached(Phase::Failed));
  CHECK_FALSE(more);
}

TEST_CASE("the queue is bounded; the main thread sees the hanging call's age and goes on") {
  Door door;
  Bench bench({});
  REQUIRE(bench.reached(Phase::Running));
  std::size_t answers = 0;
  const auto count = [&](const std::optional<std::string>& answer) { answers += answer ? 1 : 0; };
  const Instant before = runtime::boottime_us();
  REQUIRE(bench.worker->submit([&] { return door.pass(), std::string("1"); }, count) == Handover::Taken);
  REQUIRE(bench.until([&] { return door.reached(); }));
  for (std::size_t index = 0; index < Worker::queue_limit; ++index)
    REQUIRE(bench.worker->submit([] { return std::string("2"); }, count) == Handover::Taken);
  CHECK(bench.worker->submit([] { return std::string("3"); }, count) == Handover::QueueFull);
  CHECK(bench.worker->queue_length() == Worker::queue_limit);

  const Instant since = bench.worker->busy_since();
  CHECK(since >= before);
  CHECK(bench.until([&] { return runtime::boottime_us() > since + milliseconds(600); }));
  CHECK(bench.worker->busy_since() == since);
  CHECK(answers == 0);

  door.open();
  CHECK(bench.until([&] { return answers == Worker::queue_limit + 1; }));
  CHECK(bench.until([&] { return bench.worker->busy_since() > since; }));
  CHECK(bench.worker->submit([] { return std::string("4"); }, count) == Handover::Taken);
  CHECK(bench.until([&] { return answers == Worker::queue_limit + 2; }));
}

TEST_CASE("an idle worker does not look stalled") {
  Bench bench({});
  REQUIRE(bench.reached(Phase::Running));
  const Instant begin = runtime::boottime_us();
  CHECK(bench.until([&] { return bench.worker->busy_since() > begin + milliseconds(300); }));
}

TEST_CASE("stop refuses what waits, after the call under way") {
  Door door;
  Bench bench({});
  REQUIRE(bench.reached(Phase::Running));
  std::vector<std::string> answers;
  const auto note = [&](const std::optional<std::string>& answer) { answers.push_back(answer.value_or("refused")); };
  REQUIRE(bench.worker->submit([&] { return door.pass(), std::string("first"); }, note) == Handover::Taken);
  REQUIRE(bench.until([&] { return door.reached(); }));
  REQUIRE(bench.worker->submit([] { return std::string("second"); }, note) == Handover::Taken);
  bench.worker->stop();
  CHECK(bench.worker->submit([] { return std::string("third"); }, note) == Handover::Stopping);
  door.open();
  REQUIRE(bench.reached(Phase::Stopped));
  CHECK(answers == std::vector<std::string>{"first", "refused"});
}

TEST_CASE("facts arrive when they change, before Running when start reported them") {
  std::atomic<int> value = 0;
  Host* host = nullptr;
  Bench bench({[&](Host& given) {
                 host = &given;
                 given.report("a", "");
                 given.report("b", "0");
               },
               [&] { host->report("b", std::to_string(value)); }, [] {}},
              milliseconds(2));
  REQUIRE(bench.reached(Phase::Running));
  CHECK(bench.facts == std::vector<std::string>{"a=", "b=0"});
  value = 1;
  REQUIRE(bench.until([&] { return bench.facts.size() > 2; }));
  bench.worker->stop();
  REQUIRE(bench.reached(Phase::Stopped));
  CHECK(bench.facts == std::vector<std::string>{"a=", "b=0", "b=1"});
}

TEST_CASE("a tick that throws is not the end") {
  std::atomic<int> ticks = 0;
  Bench bench({[](Host&) {},
               [&] {
                 if (++ticks == 1) throw Error("once");
               },
               [] {}},
              milliseconds(2));
  CHECK(bench.until([&] { return ticks >= 3; }));
  CHECK(bench.worker->phase() == Phase::Running);
}

TEST_CASE("every call of a plugin may turn its loop while it waits, stop too") {
  sd_event* loop = nullptr;
  std::vector<int> results;
  // A deferred event stands for the answer of a loop-driven library.
  const auto wait = [&] {
    bool answered = false;
    const auto on_answer = [](sd_event_source*, void* flag) { return *static_cast<bool*>(flag) = true, 0; };
    sd_event_add_defer(loop, nullptr, on_answer, &answered);
    int result = 0;
    while (!answered && result >= 0) result = sd_event_run(loop, limit);
    results.push_back(result);
  };
  Bench bench({[&](Host& host) {
                 loop = host.loop();
                 wait();
               },
               [] {}, wait});
  REQUIRE(bench.reached(Phase::Running));
  bool done = false;
  bench.worker->submit([&] { return wait(), std::string(); }, [&](const std::optional<std::string>&) { done = true; });
  REQUIRE(bench.until([&] { return done; }));
  bench.worker->stop();
  REQUIRE(bench.reached(Phase::Stopped));
  REQUIRE(results.size() == 3);
  for (const int result : results) CHECK(result >= 0);
}
