// Structured journal entries; on stderr where there is no journal.
//
// Never blocks, which is why this speaks the journal's datagram protocol itself: sd_journal_send() waits for a journald
// that hangs, and with it would every loop of ours. An entry that does not fit into the socket now is lost.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sdk/plugin.hpp"

namespace pvcd::runtime {

struct Field {
  std::string_view name;  // of runtime/names.hpp
  std::string value;
};

// Any thread may call these.
void log(Level, std::string_view message, const std::vector<Field>& fields = {});

// An event of the catalogue, names::message.
void log_event(Level, const char* message_id, std::string_view message, const std::vector<Field>& fields = {});

// From here on every entry of this process carries this field too (the host: its plugin). Before other threads start.
void log_always(Field);

// The datagram of one entry, for tests.
std::string journal_datagram(Level, const char* message_id, std::string_view message, const std::vector<Field>& fields);

}  // namespace pvcd::runtime
