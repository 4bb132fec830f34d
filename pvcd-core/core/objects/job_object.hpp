// org.pvcd1.Job, one per request that takes time.
#pragma once

#include "core/objects/derive.hpp"
#include "core/objects/desk.hpp"
#include "core/objects/options.hpp"
#include "job_adaptor.hpp"

namespace pvcd::core {

class JobObject final : public sdbus::AdaptorInterfaces<org::pvcd1::Job_adaptor> {
 public:
  JobObject(sdbus::IConnection&, Desk&, JobProperties);
  ~JobObject();

  void update(JobProperties);  // tells what changed
  const JobProperties& properties() const { return properties_; }

 private:
  void Cancel(EmptyResult&&, Options) override;

  std::uint32_t Id() override { return properties_.id; }
  std::string Type() override { return properties_.type; }
  std::string State() override { return text_of(properties_.state); }
  std::string Result() override { return text_of(properties_.result); }
  std::string Message() override { return properties_.message; }
  std::string StartedOn() override { return properties_.started_on; }
  sdbus::ObjectPath Object() override { return properties_.object_path; }
  double Progress() override { return properties_.state == JobState::Finished ? 1 : 0; }
  std::uint64_t StartTime() override { return properties_.start_time; }
  std::uint64_t ExpectedEndTime() override { return 0; }
  std::uint32_t StartedByUid() override { return properties_.started_by_uid; }

  Desk& desk_;
  JobProperties properties_;
};

}  // namespace pvcd::core
