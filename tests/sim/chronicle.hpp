// What happened in a run, one line for each act, in the words of the stories (stories/README.md). Told from what is
// committed to the store and done in the world, never from the texts that the product gives as reasons.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "store.hpp"

namespace pvcd::sim {

// Every act that a story can speak of; it may leave out the end.
inline constexpr const char* act_patterns[] = {
    "boot of <node>",
    "end of <node>",
    "join of <node>",
    "witness of <node>",
    "loss of <node>",
    "claim by <node>",
    "vacancy of <node>",
    "fence of <node> by <node>",
    "off to <node> by <node>",
    "shut out <node> by <node>",
    "drop fence of <node>",
    "evidence about <node> by <node>",
    "power evidence about <node> by <node>",
    "storage evidence about <node> by <node>",
    "watchdog evidence about <node> by <node>",
    "later boot evidence about <node> by <node>",
    "operator evidence about <node> by <node>",
    "drop evidence about <node>",
    "cut of <node>",
    "disarming of <node>",
    "readiness of <node>",
    "doubt of readiness of <node>",
    "assign <vm> to <node>",
    "create <vm> on <node>",
    "<vm> runs on <node>",
    "<vm> ends on <node>",
    "delay of <vm> on <node>",
    "record of a plugged disk of <vm> by <node>",
    "refuse <vm> on <node>",
    "failure of <vm> on <node>",
    "release <vm> by <node>",
    "break <vm> by <node>",
    "wait of <vm>",
    "removal of <vm>",
    "<job> of <name> ends <result>",
};

struct Fact {
  Instant at;
  std::string text;
};

class Chronicle {
 public:
  explicit Chronicle(const Events& events) : events_(events) {}

  void note(std::string text) {
    if (!keeps) return;
    facts_.push_back({events_.now(), std::move(text)});
    on_note(facts_.back());
  }
  void changed(const NodeName& author, const Key&, const Entry* before, const Entry* after);
  const std::vector<Fact>& facts() const { return facts_; }

  bool keeps = false;
  std::function<void(const Fact&)> on_note;  // while it is kept

 private:
  const Events& events_;
  std::vector<Fact> facts_;
};

// Stories know VMs by name; here a uuid is made from it.
std::string vm_name(const VmUuid&);
VmUuid vm_uuid(const std::string& name);
std::string vm_of_image(const std::string& image);  // vms/web1, vms/web1-data

}  // namespace pvcd::sim
