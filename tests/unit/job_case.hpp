// A world with jobs and the primary that carries them out.
#pragma once

#include <catch2/catch.hpp>
#include <optional>

#include "logic/jobs.hpp"
#include "world.hpp"

namespace pvcd::logic::test {

struct JobCase {
  World world;
  Coordinator n1{world};

  // What the round does with job 1; nothing: it waits.
  std::optional<JobRecord> step(std::uint64_t id = 1) {
    n1.refresh().round();
    const auto* update = n1.with_key<UpdateJob>("job/" + std::to_string(id));
    if (!update) return std::nullopt;
    CHECK(update->version == world.view.jobs.at(id).version);
    return update->record;
  }
  JobResult result(std::uint64_t id = 1) {
    const auto record = step(id);
    message = record ? record->message : "";
    return record && record->state == JobState::Finished ? record->result : JobResult::None;
  }
  // Takes job 1 up, as the store would show it.
  const JobRecord& take_up(std::uint64_t id = 1) {
    const auto record = step(id);
    REQUIRE(record);
    REQUIRE(record->state == JobState::Running);
    world.view.jobs.at(id).value = *record;
    return world.view.jobs.at(id).value;
  }
  // Nothing is changed but the job itself.
  bool changes_nothing() const {
    return std::all_of(n1.actions.begin(), n1.actions.end(), [](const CoordinatorAction& action) {
      return std::holds_alternative<UpdateJob>(action.act) || std::holds_alternative<ReadPower>(action.act);
    });
  }
  // The wish that the round put into the store.
  const VmRecord* wish() const {
    const auto* update = n1.with_key<UpdateVm>("vm/" + web);
    return update ? &update->record : nullptr;
  }
  void wish_is_seen() {
    REQUIRE(wish());
    world.vm(web) = *wish();
  }
  bool says(const std::string& part) const { return message.find(part) != std::string::npos; }

  std::string message;
};

// web1 runs on n2.
struct RunningJobCase : JobCase {
  RunningJobCase() {
    world.own(web, "n2");
    world.run(web).attempt = 5;
  }
};

struct StoppedJobCase : JobCase {
  StoppedJobCase() {
    world.vm(web, WantedState::Stopped);
    world.own(web, "n2").released = true;
  }
};

}  // namespace pvcd::logic::test
