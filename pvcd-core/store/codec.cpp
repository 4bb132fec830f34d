#include "store/codec.hpp"

#include "store/fields.hpp"

namespace pvcd::store {

// Bytes that are not UTF-8, in a name that a guest chose for example, are replaced: they must not stop the record.
template <class Record>
std::string encode(const Record& record) {
  return as_json(record).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <class Record>
std::variant<Record, DecodeError> decode(const std::string& text) {
  auto parsed = nlohmann::json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return DecodeError{"not a JSON text"};
  try {
    Record record;
    read_json(parsed, record);
    return record;
  } catch (const Mismatch& mismatch) {
    if (mismatch.path.empty()) return DecodeError{"the entry " + mismatch.problem};
    return DecodeError{"key '" + mismatch.path + "' " + mismatch.problem};
  }
}

#define PVCD_RECORD(Record)                   \
  template std::string encode(const Record&); \
  template std::variant<Record, DecodeError> decode(const std::string&);

PVCD_RECORD(ClusterRecord)
PVCD_RECORD(DecisionRecord)
PVCD_RECORD(EvidenceRecord)
PVCD_RECORD(FenceRecord)
PVCD_RECORD(JobRecord)
PVCD_RECORD(LeaderRecord)
PVCD_RECORD(LinkRecord)
PVCD_RECORD(LiveRecord)
PVCD_RECORD(NodeRecord)
PVCD_RECORD(OsdPageRecord)
PVCD_RECORD(OwnerRecord)
PVCD_RECORD(ReadinessRecord)
PVCD_RECORD(RoleRecord)
PVCD_RECORD(RunRecord)
PVCD_RECORD(StorageRecord)
PVCD_RECORD(VmRecord)
PVCD_RECORD(WaitingRecord)
PVCD_RECORD(WitnessRecord)

}  // namespace pvcd::store
