#include "host/worker.hpp"

#include <exception>
#include <utility>

#include "runtime/clock.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "sdk/permit.hpp"

namespace pvcd::host {

namespace {

// How often an idle worker shows that its loop turns; the smallest stall limit is a second.
constexpr Microseconds turn_interval = milliseconds(250);

}  // namespace

Worker::Worker(runtime::Loop& main_loop, std::unique_ptr<Plugin> plugin, WorkerOptions options, WorkerEvents events)
    : plugin_(std::move(plugin)),
      options_(std::move(options)),
      events_(std::move(events)),
      to_worker_(loop_, [] {}),
      to_main_(main_loop, [this] { deliver(); }),
      last_turn_(runtime::boottime_us()),
      thread_([this] { run(); }) {}

Worker::~Worker() {
  stop();
  thread_.join();
}

Submission Worker::submit(Call call, Done done) {
  if (!call.lane.empty())
    return lanes_.submit({std::move(call.lane), std::move(call.what),
                          [this, work = std::move(call.work), done] { finish(done, work()); },
                          [this, done] { finish(done, std::nullopt); }});
  {
    const std::lock_guard lock(mutex_);
    if (stop_wanted_) return Submission::Stopping;
    if (waiting_.size() >= queue_limit) return Submission::QueueFull;
    waiting_.push_back({std::move(call), std::move(done)});
  }
  to_worker_.notify();
  return Submission::Taken;
}

void Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_wanted_ = true;
  }
  to_worker_.notify();
}

std::size_t Worker::queue_length() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + lanes_.queue_length();
}

Busy Worker::busy() const {
  const std::optional<Busy> other = lanes_.busy();
  const std::lock_guard lock(mutex_);
  const Busy own = call_.value_or(Busy{"its loop", last_turn_});
  return other && other->since < own.since ? *other : own;
}

// --------------------------------------------------------------------------------------------------- the worker's
// thread

// The plugin is called between the turns of its loop, never from inside one: so it may turn the loop while it waits.
void Worker::run() noexcept {
  if (!start_plugin()) {
    stop();
    lanes_.close();
    refuse_waiting();
    return enter(Phase::Failed);
  }
  enter(Phase::Running);
  const runtime::Timer turns = loop_.every(turn_interval, [this] { last_turn_ = runtime::boottime_us(); });
  const runtime::Timer ticks = loop_.every(options_.tick_interval, [this] { tick_due_ = true; });
  lanes_.open();
  do loop_.turn();
  while (serve());
  lanes_.close();  // before Stopping: a call that hangs is still seen as a stall
  enter(Phase::Stopping);
  refuse_waiting();
  plugin_->stop();
  enter(Phase::Stopped);
}

// Empty, or what the plugin threw.
template <class Function>
std::string Worker::attempt(const std::string& what, Function&& function) {
  std::string error;
  {
    const std::lock_guard lock(mutex_);
    call_ = Busy{what, runtime::boottime_us()};
  }
  try {
    function();
  } catch (const std::exception& exception) {
    error = exception.what();
  }
  last_turn_ = runtime::boottime_us();
  const std::lock_guard lock(mutex_);
  call_.reset();
  return error;
}

bool Worker::start_plugin() {
  const std::string error = attempt("its start", [this] { plugin_->start(*this); });
  if (error.empty()) return true;
  log(Level::Error, "cannot start: " + error);
  return false;
}

// At most one tick and one request between two turns. False: it is time to stop.
bool Worker::serve() {
  if (std::exchange(tick_due_, false)) tick();
  std::optional<Request> request;
  {
    const std::lock_guard lock(mutex_);
    if (stop_wanted_) return false;
    if (waiting_.empty()) return true;
    request = std::move(waiting_.front());
    waiting_.pop_front();
    if (!waiting_.empty()) to_worker_.notify();
  }
  take_up(*std::move(request));
  return true;
}

void Worker::take_up(Request request) {
  std::string answer;
  attempt(request.call.what, [&] { answer = request.call.work(); });
  finish(std::move(request.done), std::move(answer));
}

void Worker::finish(Done done, std::optional<std::string> answer) {
  {
    const std::lock_guard lock(mutex_);
    finished_.push_back({std::move(done), std::move(answer)});
  }
  to_main_.notify();
}

void Worker::tick() {
  std::string error = attempt("its tick", [this] { plugin_->tick(); });
  if (!error.empty() && error != last_tick_error_) log(Level::Warning, error);
  last_tick_error_ = std::move(error);
}

void Worker::enter(Phase phase) {
  phase_ = phase;
  {
    const std::lock_guard lock(mutex_);
    phases_.push_back(phase);
  }
  to_main_.notify();
}

void Worker::refuse_waiting() {
  const std::lock_guard lock(mutex_);
  for (Request& request : waiting_) finished_.push_back({std::move(request.done), std::nullopt});
  waiting_.clear();
}

void Worker::report(std::string key, std::string value) {
  {
    const std::lock_guard lock(mutex_);
    new_facts_.insert_or_assign(std::move(key), std::move(value));
  }
  to_main_.notify();
}

bool Worker::holds(const Permit& permit) const {
  return pvcd::holds(permit) && !options_.newest_epoch->is_older(permit.epoch);
}

void Worker::log(Level level, std::string_view message) {
  runtime::log(level, message, {{runtime::names::field::plugin, options_.plugin}});
}

// ------------------------------------------------------------------------------------------------------- the main
// thread

void Worker::deliver() {
  std::map<std::string, std::string> facts;
  std::vector<Finished> finished;
  std::vector<Phase> phases;
  {
    const std::lock_guard lock(mutex_);
    facts.swap(new_facts_);
    finished.swap(finished_);
    phases.swap(phases_);
  }
  // Facts first: who hears an answer or that it runs has then heard what was reported before it.
  for (auto& [key, value] : facts) {
    const auto [known, is_new] = facts_.try_emplace(key, value);
    if (!is_new && known->second == value) continue;
    known->second = std::move(value);
    events_.fact(key, known->second);
  }
  for (Finished& one : finished) one.done(std::move(one.answer));
  for (const Phase phase : phases) events_.phase(phase);
}

}  // namespace pvcd::host
