// What waits for a plugin: one at a time, the urgent first, and a hanging BMC in nobody's way.
#include "core/plugin_queue.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace pvcd;
using core::PluginQueue;
using core::Urgency;

namespace {

struct PluginQueueCase {
  PluginQueue queue;
  Instant now = seconds(1000);
  std::vector<std::string> sent;
  std::vector<std::string> dropped;

  void add(const std::string& name, const std::string& lane = "", Urgency urgency = Urgency::Look, bool right = true) {
    queue.add({lane, urgency,
               [this, name, right] {
                 if (!right) return dropped.push_back(name + ": no right"), false;
                 return sent.push_back(name), true;
               },
               [this, name](const std::string& why) { dropped.push_back(name + ": " + why); }},
              now);
  }
  void ended(const std::string& lane = "") { queue.ended(lane, now); }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("calls on the plugin's own thread are sent one at a time, in order, however many there are") {
  PluginQueueCase it;
  Names wanted;
  for (int i = 0; i < 100; ++i) {
    it.add(std::to_string(i));
    wanted.push_back(std::to_string(i));
  }
  CHECK(it.sent == Names{"0"});
  for (int i = 0; i < 100; ++i) it.ended();
  CHECK(it.sent == wanted);
  CHECK(it.dropped.empty());
}

TEST_CASE("whether the right to act is there is asked when the call is sent; without it the next one has its turn") {
  PluginQueueCase it;
  it.add("first");
  it.add("second", "", Urgency::Look, false);
  it.add("third");
  CHECK(it.dropped.empty());
  it.ended();
  CHECK(it.dropped == Names{"second: no right"});
  CHECK(it.sent == Names{"first", "third"});
}

TEST_CASE("calls about one node come one after the other, an off before any read that waits") {
  PluginQueueCase it;
  it.add("read", "n1");
  it.add("ready", "n1", Urgency::Routine);
  it.add("read again", "n1");
  it.add("off", "n1", Urgency::Act);
  CHECK(it.sent == Names{"read"});
  for (int i = 0; i < 3; ++i) it.ended("n1");
  CHECK(it.sent == Names{"read", "off", "read again", "ready"});
}

TEST_CASE("BMCs that give no answer delay neither a look at another one nor an off") {
  PluginQueueCase it;
  for (int i = 0; i < 100; ++i) it.add("ready", "dead" + std::to_string(i), Urgency::Routine);
  CHECK(it.sent.size() == fencer_calls_at_once / 4);
  it.add("read", "n1");
  CHECK(it.sent.back() == "read");
  for (int i = 0; i < 100; ++i) it.add("read", "silent" + std::to_string(i));
  CHECK(it.sent.size() == fencer_calls_at_once * 3 / 4);
  it.add("off", "n2", Urgency::Act);
  CHECK(it.sent.back() == "off");
  it.add("own");
  CHECK(it.sent.back() == "own");
  for (int i = 0; i < 100; ++i) it.add("off", "other" + std::to_string(i), Urgency::Act);
  CHECK(it.sent.size() == fencer_calls_at_once);
}

TEST_CASE("what waits has a bound in number and in time, and is told so") {
  PluginQueueCase it;
  it.add("first");
  SECTION("number") {
    for (std::size_t i = 0; i < PluginQueue::waiting_max; ++i) it.add("waits");
    CHECK(it.dropped.empty());
    it.add("one too many");
    REQUIRE(it.dropped.size() == 1);
    CHECK_THAT(it.dropped.front(), Catch::StartsWith("one too many: "));
  }
  SECTION("time") {
    it.add("old");
    it.now += PluginQueue::waiting_limit;
    it.add("young");
    CHECK(it.dropped.empty());
    it.now++;
    it.ended();
    CHECK(it.dropped == Names{"old: it had no time for this request"});
    CHECK(it.sent == Names{"first", "young"});
  }
}

TEST_CASE("an answer that leads to another request at once does not upset the queue") {
  PluginQueueCase it;
  it.queue.add({"", Urgency::Look, [&] { return it.add("next"), false; }, [](const std::string&) {}}, it.now);
  CHECK(it.sent == Names{"next"});
}
