#include "heartbeat.hpp"

#include <utility>

#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::keepalive {

Heartbeat::Heartbeat(sd_event* loop, store::Store& store, HeartbeatCalls calls)
    : store_(store), calls_(std::move(calls)), timer_(loop, [this] { on_time(); }) {}

void Heartbeat::begin(const Life& life, std::uint64_t counter, Microseconds interval) {
  life_ = life;
  counter_ = counter;
  interval_ = interval;
  ++round_;
  beating_ = true;
  under_way_ = false;
  beat_now();
}

void Heartbeat::end() {
  ++round_;
  beating_ = false;
  under_way_ = false;
  timer_.stop();
}

// The library would wait for two thirds of the session before it gives a silent server up.
void Heartbeat::on_time() {
  if (!under_way_) return beat_now();
  timer_.start(interval_);
  calls_.stalled("a heartbeat was not answered in time; trying another server");
  store_.next_server();
}

// The session is checked along: whoever proves this boot dead may have removed only that.
void Heartbeat::beat_now() {
  if (!beating_ || under_way_) return;
  timer_.start(interval_);  // each has this long to be answered, also one that was sent between two others
  LiveRecord live = calls_.snapshot();
  live.node = life_.node;
  live.boot = life_.boot;
  live.incarnation = life_.incarnation;
  live.counter = ++counter_;
  under_way_ = true;
  namespace paths = store::paths;
  store_.commit({store::Check{paths::live_session(life_.node, life_.incarnation)},
                 store::Set{paths::live_entry(life_.node, life_.incarnation), store::encode(live)}},
                [this, round = round_](const store::CommitResult& result) {
                  if (round == round_) answered(result);
                });
}

void Heartbeat::answered(const store::CommitResult& result) {
  under_way_ = false;
  switch (result.code) {
    case store::CommitCode::Ok:
      return calls_.proven(result.sent_at);
    case store::CommitCode::NoEntry:
      return calls_.buried();
    case store::CommitCode::Unknown:
      return;  // proves nothing; the next one is due soon
    default:
      return calls_.stalled("the store refuses the heartbeat; check store.credentials_file");
  }
}

}  // namespace pvcd::keepalive
