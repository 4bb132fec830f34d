// Requests against the local store: what is written, what is refused, and what happens when the leadership moves
// meanwhile.
#include "core/requests.hpp"

#include <systemd/sd-event.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "logic/transactions.hpp"
#include "runtime/clock.hpp"
#include "runtime/loop.hpp"
#include "store/changes.hpp"
#include "store/codec.hpp"
#include "store/paths.hpp"

using namespace pvcd;
using namespace pvcd::core;
namespace paths = store::paths;

namespace {

const std::string xml =
    "<domain "
    "type='qemu'><name>web1</name><uuid>aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee</uuid><memory>1024</memory><devices>"
    "<disk type='network'><source protocol='rbd' name='vms/web1'/><target dev='vda'/></disk></devices></domain>";
const VmUuid uuid = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

const Caller caller{1000, ":1.7"};

constexpr Microseconds deadline = seconds(20);

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

struct World {
  World()
      : local(store::Local::make()),
        opened(local->open(loop.get())),
        cluster(*opened, loop),
        requests(cluster, decisions, place()) {
    for (const auto& directory : paths::directories)
      opened->commit({store::Create{directory, ""}}, [](const store::CommitResult&) {});
    put(paths::cluster, store::encode(ClusterRecord{"id", "lab", false}));
    put(paths::leader, store::encode(LeaderRecord{1, "n1", 1}));
    join("n1");
    join("n2");
    until([this] { return cluster.view().complete && cluster.view().leader && cluster.view().live.size() == 2; });
  }
  static Requests::Place place() {
    Requests::Place place{"n1", "ipmi", {}, {"/net/vms"}};
    place.settings.coordinators = {"n1", "n2"};
    return place;
  }
  void put(const std::string& path, const std::string& data) {
    opened->commit({store::Create{path, data}},
                   [](const store::CommitResult& result) { REQUIRE(result.code == store::CommitCode::Ok); });
  }
  void join(const NodeName& name) {
    NodeRecord node;
    node.name = name;
    node.boot = "boot-" + name;
    node.incarnation = 1;
    put(paths::under(paths::nodes, name), store::encode(node));
    LiveRecord live;
    live.node = name;
    live.boot = node.boot;
    live.incarnation = 1;
    for (const char* plugin : {"ipmi", logic::elector_unit}) live.units[plugin] = {"running", 0, ""};
    put(paths::live_entry(name, 1), store::encode(live));
    opened->commit({store::Create{paths::live_session(name, 1), "", true}}, [](const store::CommitResult&) {});
  }
  void set_live(const NodeName& name, const std::function<void(LiveRecord&)>& change) {
    LiveRecord live = cluster.view().live.at({name, 1}).value;
    change(live);
    opened->commit({store::Set{paths::live_entry(name, 1), store::encode(live)}}, [](const store::CommitResult&) {});
    until([&] { return cluster.view().live.at({name, 1}).value == live; });
  }
  // A write that the view does not know of yet when the next request is made.
  void move_leadership() {
    opened->commit({store::Set{paths::leader, store::encode(LeaderRecord{2, "n2", 1})}},
                   [](const store::CommitResult&) {});
  }

  template <class Condition>
  void until(Condition condition) {
    const Instant not_after = runtime::boottime_us() + deadline;
    while (!condition()) {
      REQUIRE(runtime::boottime_us() < not_after);
      REQUIRE(sd_event_run(loop.get(), milliseconds(10)) >= 0);
    }
  }
  template <class T>
  std::variant<T, RequestError> wait(std::function<void(Reply<T>)> ask) {
    std::optional<std::variant<T, RequestError>> answer;
    ask([&](const std::variant<T, RequestError>& given) { answer = given; });
    until([&] { return answer.has_value(); });
    return *answer;
  }
  auto define(const std::string& text, const NodeName& home = {}, const VmSettings& settings = {}) {
    return wait<VmUuid>([&](Reply<VmUuid> reply) { requests.define_vm(text, home, settings, caller, reply); });
  }
  auto configure(const VmSettings& settings) {
    return wait<std::monostate>(
        [&](Reply<std::monostate> reply) { requests.configure_vm(uuid, settings, caller, reply); });
  }
  auto submit(const std::string& type, const std::string& object,
              const std::map<std::string, std::string>& arguments = {}) {
    return wait<std::uint64_t>(
        [&](Reply<std::uint64_t> reply) { requests.submit(type, object, arguments, caller, reply); });
  }
  // Of the newest decision that is on record; nothing: there is none.
  std::optional<DecisionRecord> decision() {
    return wait_for_read([this](store::Read read) { opened->list(paths::decisions, std::move(read)); },
                         [this](store::ReadResult listed) -> std::optional<DecisionRecord> {
                           std::sort(listed.children.begin(), listed.children.end());
                           if (listed.children.empty()) return std::nullopt;
                           const std::string path = paths::under(paths::decisions, listed.children.back());
                           return wait_for_read([&](store::Read read) { opened->get(path, std::move(read)); },
                                                [](const store::ReadResult& one) {
                                                  return std::optional(std::get<DecisionRecord>(
                                                      store::decode<DecisionRecord>(one.entry.data)));
                                                });
                         });
  }
  template <class Ask, class Take>
  std::optional<DecisionRecord> wait_for_read(Ask ask, Take take) {
    std::optional<store::ReadResult> result;
    ask([&](const store::ReadResult& read) { result = read; });
    until([&] { return result.has_value(); });
    return take(*result);
  }
  void define_and_see() {
    REQUIRE(std::holds_alternative<VmUuid>(define(xml)));
    until([this] { return cluster.view().vms.contains(uuid); });
  }

  runtime::Loop loop;
  std::shared_ptr<store::Local> local;
  std::unique_ptr<store::Store> opened;
  Cluster cluster;
  Decisions decisions;
  Requests requests;
};

template <class T>
ErrorKind kind(const std::variant<T, RequestError>& answer) {
  REQUIRE(std::holds_alternative<RequestError>(answer));
  UNSCOPED_INFO(std::get<RequestError>(answer).text);
  return std::get<RequestError>(answer).kind;
}

}  // namespace

TEST_CASE("a VM is defined with its name in one transaction") {
  World world;
  VmSettings settings;
  settings.priority = 5;
  settings.node_limit = {"n1", "n2"};
  CHECK(std::get<VmUuid>(world.define(xml, "n2", settings)) == uuid);
  world.until([&] { return world.cluster.view().vms.contains(uuid); });
  const VmRecord& vm = world.cluster.view().vms.at(uuid).value;
  CHECK(vm.name == "web1");
  CHECK(vm.home == "n2");
  CHECK(vm.priority == 5);
  CHECK(vm.wanted == WantedState::Stopped);
  CHECK(vm.memory == 1024 * 1024);
  std::string name;
  world.opened->get(paths::under(paths::names, "web1"), [&](const store::ReadResult& read) { name = read.entry.data; });
  world.until([&] { return !name.empty(); });
  CHECK(name == uuid);
}

TEST_CASE("a name that somebody took a moment ago is refused whole") {
  World world;
  world.put(paths::under(paths::names, "web1"), "another");
  CHECK(kind(world.define(xml)) == ErrorKind::AlreadyExists);
  store::ReadCode code = store::ReadCode::Unknown;
  world.opened->get(paths::under(paths::vms, uuid), [&](const store::ReadResult& read) { code = read.code; });
  world.until([&] { return code != store::ReadCode::Unknown; });
  CHECK(code == store::ReadCode::NoEntry);
}

TEST_CASE("what is wrong with a definition is refused") {
  World world;
  VmSettings limited;
  limited.node_limit = {"n2"};
  CHECK(kind(world.define("<domain/>")) == ErrorKind::InvalidArgument);
  CHECK(kind(world.define(xml, "n9")) == ErrorKind::InvalidArgument);
  CHECK(kind(world.define(xml, "n1", limited)) == ErrorKind::InvalidArgument);
  limited.node_limit = {"n2", "n2"};
  CHECK(kind(world.define(xml, "", limited)) == ErrorKind::InvalidArgument);
  world.define_and_see();
  const std::string other = replaced(xml, "aaaaaaaa", "bbbbbbbb");
  CHECK(kind(world.define(xml)) == ErrorKind::AlreadyExists);
  CHECK(kind(world.define(other)) == ErrorKind::AlreadyExists);
  CHECK(kind(world.define(replaced(other, ">web1<", ">web2<"))) == ErrorKind::Refused);
  const std::string third = replaced(replaced(other, ">web1<", ">web2<"), "vms/web1", "vms/web2");
  CHECK(std::holds_alternative<VmUuid>(world.define(third)));
}

TEST_CASE("a file in a shared directory is a disk of one VM, however the others name or know it (S1)") {
  World world;
  VmRecord other;
  other.uuid = "99999999-0000-0000-0000-000000000009";
  other.name = "other";
  const auto [kind, theirs, ours, taken] = GENERATE(table<DiskKind, std::string, std::string, bool>(
      {{DiskKind::Shared, "/net/vms/a.raw", "/net/vms/a.raw", true},
       {DiskKind::Shared, "/net/vms/folder", "/net/vms/folder/a.raw", true},
       {DiskKind::Shared, "/net/vms/folder/a.raw", "/net/vms/folder", true},
       {DiskKind::Shared, "/net/vms/a.raw", "/net/vms/a.raw2", false},
       {DiskKind::Local, "/net/vms/a.raw", "/net/vms/a.raw", true},  // defined before the directory was configured
       {DiskKind::Local, "/srv/a.raw", "/srv/a.raw", false}}));
  other.disks = {{"vda", kind, theirs}};
  world.put(paths::under(paths::vms, other.uuid), store::encode(other));
  world.until([&] { return world.cluster.view().vms.contains(other.uuid); });
  const auto answer =
      world.define(replaced(replaced(xml, "network", "file"), "protocol='rbd' name='vms/web1'", "file='" + ours + "'"));
  CHECK(std::holds_alternative<RequestError>(answer) == taken);
  if (taken) CHECK_THAT(std::get<RequestError>(answer).text, Catch::Contains(ours + " is a disk of VM other already"));
}

TEST_CASE("a leadership that moved meanwhile is read again once") {
  World world;
  world.move_leadership();
  CHECK(std::holds_alternative<VmUuid>(world.define(xml)));
}

TEST_CASE("a VM that changed meanwhile is busy, with or without a new leadership") {
  World world;
  world.define_and_see();
  VmSettings settings;
  settings.autostart = true;
  const bool leadership_moves = GENERATE(false, true);
  if (leadership_moves) world.move_leadership();
  VmRecord changed = world.cluster.view().vms.at(uuid).value;
  changed.profile = "theirs";
  world.opened->commit({store::Set{paths::under(paths::vms, uuid), store::encode(changed)}},
                       [](const store::CommitResult&) {});
  CHECK(kind(world.configure(settings)) == ErrorKind::Busy);
  world.until([&] { return world.cluster.view().vms.at(uuid).value.profile == "theirs"; });
  CHECK(std::holds_alternative<std::monostate>(world.configure(settings)));
  world.until([&] { return world.cluster.view().vms.at(uuid).value.autostart; });
  CHECK(world.cluster.view().vms.at(uuid).value.profile == "theirs");
}

TEST_CASE("two definitions in the same moment do not share an image: the transaction decides (S1)") {
  World world;
  const auto define_two = [&](const std::string& second) {
    std::vector<std::variant<VmUuid, RequestError>> answers;
    for (const std::string& text : {xml, second})  // none is seen when the other is checked
      world.requests.define_vm(text, "", {}, caller, [&](const auto& answer) { answers.push_back(answer); });
    world.until([&] { return answers.size() == 2; });
    return answers;
  };
  const std::string other = replaced(replaced(xml, "<name>web1", "<name>web2"), "aaaaaaaa", "bbbbbbbb");
  SECTION("the same image") {
    const auto answers = define_two(other);
    CHECK(std::holds_alternative<VmUuid>(answers[0]));
    CHECK(kind(answers[1]) == ErrorKind::Refused);
    CHECK_THAT(std::get<RequestError>(answers[1]).text, Catch::Contains("vms/web1"));
  }
  SECTION("its twin with an image of its own") {
    const auto answers = define_two(replaced(other, "vms/web1", "vms/web2"));
    CHECK(std::holds_alternative<VmUuid>(answers[0]));
    CHECK(std::holds_alternative<VmUuid>(answers[1]));
  }
}

TEST_CASE("what a VM that is undefined held is free again: name and images") {
  World world;
  world.define_and_see();
  logic::RemoveVm remove{
      "", world.cluster.view().vms.at(uuid).value, world.cluster.view().vms.at(uuid).version, {}, {}};
  store::commit(*world.opened, logic::transaction_of(logic::CoordinatorAct{remove}, world.cluster.view()).value(),
                [](const store::CommitResult& result) { REQUIRE(result.code == store::CommitCode::Ok); });
  world.until([&] { return world.cluster.view().vms.empty(); });
  world.define_and_see();
}

TEST_CASE("entries of images are one for each disk that others can reach, and no two names meet") {
  VmRecord vm;
  vm.disks = {{"vda", DiskKind::Rbd, "a/b"},
              {"vdb", DiskKind::Rbd, "a%2Fb"},
              {"vdc", DiskKind::Shared, "a/b"},
              {"vdd", DiskKind::Local, "/srv/x"},
              {"vde", DiskKind::Rbd, "a/\xc3\xbc \n"}};
  std::vector<std::string> entries;
  for (const Key& image : image_keys(vm)) entries.push_back(paths::of(image));
  CHECK(entries == std::vector<std::string>{"/images/rbd:a%2Fb", "/images/rbd:a%252Fb", "/images/shared:a%2Fb",
                                            "/images/rbd:a%2F%C3%BC%20%0A"});
}

TEST_CASE("why a VM waits is an entry that is written, changed and removed") {
  World world;
  const auto tell = [&](const std::optional<WaitingRecord>& record, std::optional<Version> replaces) {
    const logic::CoordinatorAct act = logic::TellWaiting{"", uuid, record, replaces};
    store::commit(*world.opened, logic::transaction_of(act, world.cluster.view()).value(),
                  [](const store::CommitResult& result) { REQUIRE(result.code == store::CommitCode::Ok); });
  };
  const auto& waiting = world.cluster.view().waiting;
  tell(WaitingRecord{"no room"}, std::nullopt);
  world.until([&] { return waiting.contains(uuid); });
  tell(WaitingRecord{"no room yet"}, waiting.at(uuid).version);
  world.until([&] { return waiting.at(uuid).value.reason == "no room yet"; });
  tell(std::nullopt, waiting.at(uuid).version);
  world.until([&] { return waiting.empty(); });
}

TEST_CASE("a job records who asked for what and where") {
  World world;
  world.define_and_see();
  const auto id = std::get<std::uint64_t>(world.submit("vm-move", uuid, {{"node", "n2"}}));
  world.until([&] { return world.cluster.view().jobs.contains(id); });
  const JobRecord& job = world.cluster.view().jobs.at(id).value;
  CHECK(job.type == "vm-move");
  CHECK(job.object == uuid);
  CHECK(job.arguments.at("node") == "n2");
  CHECK(job.started_by_uid == 1000);
  CHECK(job.started_on == "n1");
  CHECK(job.state == JobState::Queued);
}

TEST_CASE("a job is an intent: no primary is needed") {
  World world;
  world.define_and_see();
  world.opened->commit({store::Remove{paths::live_session("n1", 1)}}, [](const store::CommitResult&) {});
  world.until([&] { return primary_of(world.cluster.view()) == nullptr; });
  CHECK(std::holds_alternative<std::uint64_t>(world.submit("vm-start", uuid)));
}

TEST_CASE("a job that cannot be is refused at once") {
  World world;
  world.define_and_see();
  CHECK(kind(world.submit("vm-start", "nobody")) == ErrorKind::NotFound);
  CHECK(kind(world.submit("node-fence", "n9")) == ErrorKind::NotFound);
  CHECK(kind(world.submit("vm-move", uuid, {{"node", "n9"}})) == ErrorKind::NotFound);
  CHECK(std::holds_alternative<std::uint64_t>(world.submit("vm-move", uuid, {{"node", ""}})));  // the primary chooses
  CHECK(kind(world.submit("node-step-down", "n2")) == ErrorKind::NotPrimary);
  CHECK(std::holds_alternative<std::uint64_t>(world.submit("node-step-down", "n1")));
}

TEST_CASE("without a fencer on the primary nobody is fenced on request, and nothing is written") {
  World world;
  const std::string method = GENERATE("node-fence", "node-verify-fence");
  world.set_live("n1", [](LiveRecord& live) { live.units.erase("ipmi"); });
  const auto answer = world.submit(method, "n2");
  CHECK(kind(answer) == ErrorKind::Unavailable);
  CHECK_THAT(std::get<RequestError>(answer).text, Catch::Contains("on n1 pvcd-ipmi.service does not run"));
  CHECK(world.cluster.view().jobs.empty());
  CHECK_FALSE(world.decision());
  world.set_live("n1", [](LiveRecord& live) { live.units["ipmi"] = {"running", 0, ""}; });
  CHECK(std::holds_alternative<std::uint64_t>(world.submit(method, "n2")));
}

TEST_CASE("without the elector of the primary or of who is to follow it the role is not given up on request") {
  World world;
  struct Row {
    NodeName without;
    std::string type;
    NodeName object;
  };
  const Row row = GENERATE(Row{"n1", "node-step-down", "n1"}, Row{"n2", "node-step-down", "n1"},
                           Row{"n1", "node-become-primary", "n2"}, Row{"n2", "node-become-primary", "n2"});
  world.set_live(row.without, [](LiveRecord& live) { live.units.erase(logic::elector_unit); });
  const auto answer = world.submit(row.type, row.object);
  CHECK(kind(answer) == ErrorKind::Unavailable);
  CHECK_THAT(std::get<RequestError>(answer).text,
             Catch::Contains("on " + row.without + " pvcd-election.service does not run"));
  CHECK(world.cluster.view().jobs.empty());
  world.set_live(row.without, [](LiveRecord& live) { live.units[logic::elector_unit] = {"running", 0, ""}; });
  CHECK(std::holds_alternative<std::uint64_t>(world.submit(row.type, row.object)));
}

TEST_CASE("that a node is no coordinator is said by the primary, whatever runs there") {
  World world;
  world.join("n3");
  world.until([&] { return world.cluster.view().live.contains({"n3", 1}); });
  world.set_live("n3", [](LiveRecord& live) { live.units.clear(); });
  CHECK(std::holds_alternative<std::uint64_t>(world.submit("node-become-primary", "n3")));
}

TEST_CASE("nobody vouches for a boot that lives, or for one that is not the last") {
  World world;
  CHECK(kind(world.submit("node-confirm-off", "n2", {{"boot_id", ""}})) == ErrorKind::InvalidArgument);
  CHECK(kind(world.submit("node-confirm-off", "n2", {{"boot_id", "older"}})) == ErrorKind::InvalidArgument);
  CHECK(kind(world.submit("node-confirm-off", "n2", {{"boot_id", "boot-n2"}})) == ErrorKind::Unsafe);
  world.opened->commit({store::Remove{paths::live_session("n2", 1)}}, [](const store::CommitResult&) {});
  world.until([&] { return !world.cluster.view().live.at({"n2", 1}).session; });
  CHECK(std::holds_alternative<std::uint64_t>(world.submit("node-confirm-off", "n2", {{"boot_id", "boot-n2"}})));
}

TEST_CASE("a job is canceled while it is queued, not later") {
  World world;
  world.define_and_see();
  const auto id = std::get<std::uint64_t>(world.submit("vm-start", uuid));
  world.until([&] { return world.cluster.view().jobs.contains(id); });
  const auto cancel = [&] {
    return world.wait<std::monostate>(
        [&](Reply<std::monostate> reply) { world.requests.cancel_job(id, caller, reply); });
  };
  CHECK(std::holds_alternative<std::monostate>(cancel()));
  world.until([&] { return world.cluster.view().jobs.at(id).value.state == JobState::Finished; });
  CHECK(world.cluster.view().jobs.at(id).value.result == JobResult::Canceled);
  CHECK(kind(cancel()) == ErrorKind::Refused);
}

TEST_CASE("maintenance is written to the cluster's record") {
  World world;
  CHECK(std::holds_alternative<std::monostate>(world.wait<std::monostate>(
      [&](Reply<std::monostate> reply) { world.requests.set_maintenance(true, caller, reply); })));
  world.until([&] { return world.cluster.view().cluster->value.maintenance; });
}

TEST_CASE("what people change has its decision record, in the same transaction (S7)") {
  World world;
  CHECK_FALSE(world.decision());
  const auto last = [&] { return world.decision().value_or(DecisionRecord{}); };
  world.define_and_see();
  CHECK(last().what == "define web1");
  CHECK(last().because == "uid 1000 asked for it on n1");
  CHECK(last().object == "vm/" + uuid);
  CHECK(last().epoch == 1);
  CHECK(last().node == "n1");
  VmSettings settings;
  settings.priority = 5;
  world.configure(settings);
  CHECK(last().what == "configure web1");
  const auto id = std::get<std::uint64_t>(world.submit("vm-start", uuid));
  CHECK(last().what == "take on vm-start");
  world.until([&] { return world.cluster.view().jobs.contains(id); });
  world.wait<std::monostate>([&](Reply<std::monostate> reply) { world.requests.cancel_job(id, caller, reply); });
  CHECK(last().what == "cancel job " + std::to_string(id) + " (vm-start)");
  world.submit("node-fence", "n2");
  CHECK(last().object == "node/n2");
  world.wait<std::monostate>([&](Reply<std::monostate> reply) { world.requests.set_maintenance(true, caller, reply); });
  CHECK(last().what == "begin maintenance");
  world.define(replaced(replaced(xml, "<name>web1", "<name>web2"), "aaaaaaaa", "bbbbbbbb"));  // the image is taken
  CHECK(last().what == "begin maintenance");
}

TEST_CASE("without the store everything is unavailable, and a lost answer is no failure") {
  World world;
  world.define_and_see();
  SECTION("not connected") {
    world.local->disconnect(world.opened->session(), false);
    world.until([&] { return world.opened->state() != store::SessionState::Connected; });
    CHECK(kind(world.submit("vm-start", uuid)) == ErrorKind::Unavailable);
    CHECK(kind(world.define(xml)) == ErrorKind::Unavailable);
  }
  SECTION("lost while under way") {
    std::optional<ErrorKind> told;
    world.requests.submit("vm-start", uuid, {}, {}, [&](const auto& answer) { told = kind(answer); });
    world.local->disconnect(world.opened->session(), true);
    world.until([&] { return told.has_value(); });
    CHECK(*told == ErrorKind::Timeout);
  }
}
