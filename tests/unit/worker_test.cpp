#include "host/worker.hpp"

#include <systemd/sd-event.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "runtime/clock.hpp"
#include "sdk/roles.hpp"

using namespace pvcd;
using host::Phase;
using host::Submission;
using host::Worker;

namespace {

constexpr Microseconds worker_limit = seconds(20);

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
    options.newest_epoch = &newest_epoch;
    host::WorkerEvents events;
    events.phase = [this](Phase phase) { phases.push_back(phase); };
    events.fact = [this](const std::string& key, const std::string& value) { facts.push_back(key + "=" + value); };
    worker = std::make_unique<Worker>(loop, std::make_unique<Scripted>(std::move(behaviour)), options, events);
  }

  Submission submit(std::function<std::string()> work, Worker::Done done, const std::string& lane = "") {
    return worker->submit({lane.empty() ? "a call" : "a call of " + lane, lane, std::move(work)}, std::move(done));
  }
  template <class Condition>
  bool until(Condition condition) {
    const Instant deadline = runtime::boottime_us() + worker_limit;
    const runtime::Timer look = loop.every(milliseconds(2), [] {});
    while (!condition() && runtime::boottime_us() < deadline) loop.turn();
    return condition();
  }
  bool reached(Phase phase) {
    return until([&] { return !phases.empty() && phases.back() == phase; });
  }

  runtime::Loop loop;
  host::NewestEpoch newest_epoch;
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
  REQUIRE(bench.submit(work, [&](std::optional<std::string> answer) {
    got = std::move(answer);
    answered_on = std::this_thread::get_id();
  }) == Submission::Taken);
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
  REQUIRE(bench.submit([&] { return door.pass(), std::string("1"); }, count) == Submission::Taken);
  REQUIRE(bench.until([&] { return door.reached(); }));
  for (std::size_t index = 0; index < Worker::queue_limit; ++index)
    REQUIRE(bench.submit([] { return std::string("2"); }, count) == Submission::Taken);
  CHECK(bench.submit([] { return std::string("3"); }, count) == Submission::QueueFull);
  CHECK(bench.worker->queue_length() == Worker::queue_limit);

  const Instant since = bench.worker->busy().since;
  CHECK(since >= before);
  CHECK(bench.until([&] { return runtime::boottime_us() > since + milliseconds(600); }));
  CHECK(bench.worker->busy().since == since);
  CHECK(answers == 0);

  door.open();
  CHECK(bench.until([&] { return answers == Worker::queue_limit + 1; }));
  CHECK(bench.until([&] { return bench.worker->busy().since > since; }));
  CHECK(bench.submit([] { return std::string("4"); }, count) == Submission::Taken);
  CHECK(bench.until([&] { return answers == Worker::queue_limit + 2; }));
}

TEST_CASE("an idle worker does not look stalled") {
  Bench bench({});
  REQUIRE(bench.reached(Phase::Running));
  const Instant begin = runtime::boottime_us();
  CHECK(bench.until([&] { return bench.worker->busy().since > begin + milliseconds(300); }));
}

TEST_CASE("stop refuses what waits, after the call under way") {
  Door door;
  Bench bench({});
  REQUIRE(bench.reached(Phase::Running));
  std::vector<std::string> answers;
  const auto note = [&](const std::optional<std::string>& answer) { answers.push_back(answer.value_or("refused")); };
  REQUIRE(bench.submit([&] { return door.pass(), std::string("first"); }, note) == Submission::Taken);
  REQUIRE(bench.until([&] { return door.reached(); }));
  REQUIRE(bench.submit([] { return std::string("second"); }, note) == Submission::Taken);
  bench.worker->stop();
  CHECK(bench.submit([] { return std::string("third"); }, note) == Submission::Stopping);
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
    while (!answered && result >= 0) result = sd_event_run(loop, worker_limit);
    results.push_back(result);
  };
  Bench bench({[&](Host& host) {
                 loop = host.loop();
                 wait();
               },
               [] {}, wait});
  REQUIRE(bench.reached(Phase::Running));
  bool done = false;
  bench.submit([&] { return wait(), std::string(); }, [&](const std::optional<std::string>&) { done = true; });
  REQUIRE(bench.until([&] { return done; }));
  bench.worker->stop();
  REQUIRE(bench.reached(Phase::Stopped));
  REQUIRE(results.size() == 3);
  for (const int result : results) CHECK(result >= 0);
}

TEST_CASE("a lane that hangs delays only itself: the others go on, in parallel, and the stall names it") {
  Door door, other;
  Bench bench({});
  REQUIRE(bench.reached(Phase::Running));
  std::vector<std::string> answers;
  const auto note = [&](const std::optional<std::string>& answer) { answers.push_back(answer.value_or("refused")); };
  const Instant before = runtime::boottime_us();
  REQUIRE(bench.submit([&] { return door.pass(), std::string("n1"); }, note, "n1") == Submission::Taken);
  REQUIRE(bench.until([&] { return door.reached(); }));
  REQUIRE(bench.submit([] { return std::string("n1 again"); }, note, "n1") == Submission::Taken);
  REQUIRE(bench.submit([&] { return other.pass(), std::string("n2"); }, note, "n2") == Submission::Taken);
  REQUIRE(bench.until([&] { return other.reached(); }));  // both are under way
  REQUIRE(bench.submit([] { return std::string("n3"); }, note, "n3") == Submission::Taken);
  REQUIRE(bench.submit([] { return std::string("own"); }, note) == Submission::Taken);
  REQUIRE(bench.until([&] { return answers.size() == 2; }));
  CHECK(std::set<std::string>(answers.begin(), answers.end()) == std::set<std::string>{"n3", "own"});
  CHECK(bench.worker->queue_length() == 1);

  const host::Busy busy = bench.worker->busy();
  CHECK(busy.what == "a call of n1");
  CHECK(busy.since >= before);
  CHECK(bench.until([&] { return runtime::boottime_us() > busy.since + milliseconds(600); }));
  CHECK(bench.worker->busy().since == busy.since);

  door.open();
  other.open();
  REQUIRE(bench.until([&] { return answers.size() == 5; }));
  CHECK(std::find(answers.begin(), answers.end(), "n1") < std::find(answers.begin(), answers.end(), "n1 again"));
  CHECK(bench.until([&] { return bench.worker->busy().since > busy.since; }));
}

TEST_CASE("lanes are bounded, in threads and in what waits; all that was taken is answered") {
  Door door;
  Bench bench({});
  REQUIRE(bench.reached(Phase::Running));
  std::size_t answers = 0;
  std::atomic<int> at_once = 0;
  std::size_t taken = 0;
  const auto work = [&] { return ++at_once, door.pass(), std::string(); };
  const auto count = [&](const std::optional<std::string>&) { ++answers; };
  while (bench.submit(work, count, "n" + std::to_string(taken)) == Submission::Taken) {
    if (++taken > 10 * host::Lanes::threads_max) break;
    bench.until([&] { return at_once == static_cast<int>(std::min(taken, host::Lanes::threads_max)); });
  }
  CHECK(taken == host::Lanes::threads_max + host::Lanes::queue_limit);
  CHECK(at_once == static_cast<int>(host::Lanes::threads_max));
  door.open();
  CHECK(bench.until([&] { return answers == taken; }));
}

TEST_CASE("no lane is called before start has ended or after stop has begun") {
  Door starting, calling;
  std::atomic<bool> started = false, stopped = false, wrong = false;
  Bench bench({[&](Host&) {
                 starting.pass();
                 started = true;
               },
               [] {}, [&] { stopped = true; }});
  std::vector<std::string> answers;
  const auto note = [&](const std::optional<std::string>& answer) { answers.push_back(answer.value_or("refused")); };
  const auto work = [&]() -> std::string {
    wrong = wrong || !started;
    calling.pass();
    wrong = wrong || stopped;
    return "done";
  };
  REQUIRE(bench.submit(work, note, "n1") == Submission::Taken);
  REQUIRE(bench.submit(work, note, "n1") == Submission::Taken);
  REQUIRE(bench.until([&] { return starting.reached(); }));
  CHECK_FALSE(calling.reached());
  starting.open();
  REQUIRE(bench.until([&] { return calling.reached(); }));
  bench.worker->stop();
  const auto nothing = [] { return std::string(); };
  const auto ignore = [](const std::optional<std::string>&) {};
  REQUIRE(bench.until([&] { return bench.submit(nothing, ignore, "n2") == Submission::Stopping; }));
  CHECK(bench.worker->phase() == Phase::Running);  // a stop that hangs in a call is a stall
  calling.open();
  REQUIRE(bench.reached(Phase::Stopped));
  REQUIRE(bench.until([&] { return answers.size() == 2; }));
  CHECK_FALSE(wrong);
  CHECK(answers == std::vector<std::string>{"refused", "done"});
}

TEST_CASE("a permit holds until its time ends or a newer primary has been heard of") {
  Host* host = nullptr;
  Bench bench({[&](Host& given) { host = &given; }});
  REQUIRE(bench.reached(Phase::Running));
  const Instant later = runtime::boottime_us() + seconds(60);
  bench.newest_epoch.hear(7);
  CHECK(host->holds({later, 7}));
  CHECK_FALSE(host->holds({runtime::boottime_us(), 7}));
  bench.newest_epoch.hear(8);
  CHECK_FALSE(host->holds({later, 7}));
  CHECK(host->holds({later, 8}));
  bench.newest_epoch.hear(7);  // late
  CHECK_FALSE(host->holds({later, 7}));
}
