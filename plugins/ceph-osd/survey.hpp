// Ceph's answers, joined by the ids of OSDs and pools. Pure: every recorded answer of every release is a test.
#pragma once

#include "ask.hpp"
#include "rates.hpp"
#include "sdk/roles.hpp"

namespace pvcd::ceph_osd {

// Asked of the monitors, which answer without a manager; the usage of pools that `df` tells is the manager's, however.
inline const Commands monitor_commands = {"osd dump", "osd tree", "health", "df"};
inline const Commands manager_commands = {"osd df", "osd perf", "osd pool stats", "osd status"};
// Only where `osd status` knows no JSON (before 17): about 2 KiB for each placement group.
inline const std::string groups_command = "pg ls";

bool tells_rates(const Replies&);  // `osd status` was answered in JSON

// `rates` remembers the counters of the last time.
StorageSurvey survey_of(const Replies&, PgRates& rates, Instant now);

}  // namespace pvcd::ceph_osd
