// What is written to the store, by kind and name of the entries: the changes of one transaction happen all together or
// not at all, and each that fails says which. Deciding code names records; where and how they are kept is the store's.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sdk/model.hpp"

namespace pvcd {

enum class Kind {
  Cluster,  // of Cluster and Leader there is one each, without a name
  Leader,
  Node,
  Live,     // live_key; persistent
  Session,  // same name: the ephemeral child of a Live entry, which cannot be removed as long as this is there
  Readiness,
  Role,
  Vm,
  Name,
  Image,  // image_keys
  Owner,
  Link,  // link_key: a child of the VM's owner entry, which is never removed
  Run,
  Waiting,
  Fence,
  Evidence,
  Witness,
  Job,       // job_key
  Decision,  // decision_key
};

struct Key {
  Kind kind;
  std::string name;
  auto operator<=>(const Key&) const = default;
};

Key live_key(const NodeName&, Incarnation);
Key session_key(const NodeName&, Incarnation);
std::vector<Key> image_keys(const VmRecord&);  // of its disks that more than one host can reach
Key job_key(std::uint64_t id);
Key decision_key(std::uint64_t id);
Key link_key(const VmUuid&, std::uint64_t number);
std::optional<std::uint64_t> number_of(const std::string& name);  // that the store gave it: the digits at its end

// Text: names and images. Nothing: sessions.
using Record = std::variant<std::monostate, std::string, ClusterRecord, LeaderRecord, NodeRecord, LiveRecord,
                            ReadinessRecord, RoleRecord, VmRecord, OwnerRecord, RunRecord, WaitingRecord, FenceRecord,
                            EvidenceRecord, WitnessRecord, LinkRecord, JobRecord, DecisionRecord>;

struct Check {  // it exists, at this version
  Key key;
  Version version = any_version;
};
struct Absent {  // it does not exist, whether or not it could be read
  Key key;
};
struct Put {
  Key key;
  Record record;
  std::optional<Version> replaces;  // absent: it must not exist yet
};
struct Append {  // named by the store, with the next number of its kind
  Kind kind;
  Record record;
  std::string parent = {};  // Link: of which VM
};
struct Remove {
  Key key;
  Version version = any_version;
};
using Change = std::variant<Check, Absent, Put, Append, Remove>;
using Changes = std::vector<Change>;

enum class CommitCode { Ok, NoEntry, Exists, BadVersion, NotEmpty, Denied, TooBig, Invalid, Unknown };

}  // namespace pvcd
