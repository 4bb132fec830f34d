#include "host/lanes.hpp"

#include <algorithm>
#include <utility>

#include "runtime/clock.hpp"

namespace pvcd::host {

Lanes::~Lanes() { close(); }

// A thread is added when each of the present ones may be busy; they stay, because they cost little and fences come in
// bursts.
Submission Lanes::submit(Call call) {
  const std::lock_guard lock(mutex_);
  if (closed_) return Submission::Stopping;
  if (waiting_.size() >= queue_limit) return Submission::QueueFull;
  waiting_.push_back(std::move(call));
  if (threads_.size() < std::min(threads_max, under_way_.size() + waiting_.size()))
    threads_.emplace_back([this] { serve(); });
  changed_.notify_one();
  return Submission::Taken;
}

void Lanes::open() {
  const std::lock_guard lock(mutex_);
  open_ = true;
  changed_.notify_all();
}

void Lanes::close() {
  std::deque<Call> dropped;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(waiting_);
    threads.swap(threads_);
    changed_.notify_all();
  }
  for (Call& call : dropped) call.drop();
  for (std::thread& thread : threads) thread.join();
}

std::size_t Lanes::queue_length() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

std::optional<Busy> Lanes::busy() const {
  const std::lock_guard lock(mutex_);
  std::optional<Busy> longest;
  for (const auto& [lane, call] : under_way_)
    if (!longest || call.since < longest->since) longest = call;
  return longest;
}

std::optional<Lanes::Call> Lanes::take() {
  if (!open_) return std::nullopt;
  const auto free =
      std::find_if(waiting_.begin(), waiting_.end(), [&](const Call& call) { return !under_way_.contains(call.lane); });
  if (free == waiting_.end()) return std::nullopt;
  Call call = std::move(*free);
  waiting_.erase(free);
  return call;
}

// On each of the threads. A call that has ended may have freed the lane of one that waits: this thread takes it next.
void Lanes::serve() {
  std::unique_lock lock(mutex_);
  while (!closed_) {
    std::optional<Call> call = take();
    if (!call) {
      changed_.wait(lock);
      continue;
    }
    under_way_[call->lane] = {call->what, runtime::boottime_us()};
    lock.unlock();
    call->run();
    lock.lock();
    under_way_.erase(call->lane);
  }
}

}  // namespace pvcd::host
