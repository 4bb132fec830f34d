#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "fake_host.hpp"
#include "plugins/libvirt/bounded_call.hpp"
#include "plugins/libvirt/domain_calls.hpp"
#include "plugins/libvirt/domain_xml.hpp"
#include "plugins/libvirt/libvirt.hpp"
#include "plugins/libvirt/uuid.hpp"

namespace pvcd::libvirt {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;

constexpr const char* uuid = "a1234567-89ab-cdef-a123-456789abcdef";
constexpr const char* other_uuid = "b1234567-89ab-cdef-a123-456789abcdef";
constexpr const char* test_driver_uuid = "6695eb01-f6a4-8304-79aa-97f2502e193f";  // "test" of test:///default

Permit for_a_minute() { return {boottime_now() + seconds(60), 1}; }

// A /proc made by hand.
class FakeProc {
 public:
  FakeProc() {
    std::string name = (fs::temp_directory_path() / "pvcd-proc-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root = name;
    fs::create_symlink(std::to_string(getpid()), root / "self");
  }
  ~FakeProc() { fs::remove_all(root); }

  void add(int pid, const std::string& command, char state, std::uint64_t start_time, const std::string& arguments,
           int threads = 1, unsigned flags = 0x400000) const {
    const fs::path folder = root / std::to_string(pid);
    fs::create_directories(folder);
    std::ofstream(folder / "stat") << pid << " (" << command << ") " << state << " 1 2 3 4 5 " << flags
                                   << " 0 0 0 0 0 0 0 0 20 0 " << threads << " 0 " << start_time << " 0 0\n";
    write(pid, "cmdline", arguments);
    write(pid, "status", "Name:\tx\nNSpid:\t" + std::to_string(pid) + "\nThreads:\t1\n");
  }
  void write(int pid, const std::string& name, const std::string& content) const {
    const fs::path file = root / std::to_string(pid) / name;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  Processes processes() const { return Processes(root.string()); }

  fs::path root;
};

std::string arguments(std::initializer_list<std::string> words) {
  std::string text;
  for (const std::string& word : words) text += word + '\0';
  return text;
}

std::string qemu_arguments(const std::string& of) {
  return arguments({"/usr/bin/qemu-system-x86_64", "-name", "guest=vm1,debug-threads=on", "-uuid", of, "-S"});
}

// A process that looks like the QEMU of a VM: what counts is "-uuid UUID" among its arguments.
class LookAlike {
 public:
  explicit LookAlike(const std::string& of) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[0], STDIN_FILENO);
      execl("/bin/sh", "sh", "-c", "read line", "sh", "-uuid", of.c_str(), nullptr);
      _exit(127);
    }
    close(ends[0]);
    hold_ = ends[1];
    const Instant limit = boottime_now() + seconds(30);
    while (!find(of) && boottime_now() < limit) poll(nullptr, 0, 2);
    REQUIRE(find(of).has_value());
    process = *find(of);
  }
  ~LookAlike() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    close(hold_);
  }
  void end() const { kill(pid_, SIGKILL); }

  Process process;

 private:
  std::optional<Process> find(const std::string& of) const {
    for (const Qemu& qemu : Processes().qemus().value_or(std::vector<Qemu>()))
      if (qemu.uuid == of && qemu.process.pid == pid_) return qemu.process;
    return std::nullopt;
  }
  pid_t pid_ = -1;
  int hold_ = -1;
};

VmUuid random_uuid() {
  std::ifstream file("/proc/sys/kernel/random/uuid");
  std::string text;
  std::getline(file, text);
  return text;
}

struct TestSettings : Settings {
  std::string uri = "test:///default";
  std::string text(std::string_view) const override { return uri; }
  std::int64_t number(std::string_view) const override { return 0; }
  std::vector<std::string> list(std::string_view) const override { return {}; }
  std::vector<std::string> tables(std::string_view) const override { return {}; }
  const Settings& table(std::string_view, std::string_view) const override { return *this; }
};

struct TestHost : Host {
  TestHost() { REQUIRE(sd_event_new(&event) >= 0); }
  ~TestHost() override { sd_event_unref(event); }
  const Settings& settings() const override { return values; }
  const Settings& shared() const override { return values; }
  void report(std::string key, std::string value) override { facts.emplace_back(key + "=" + value); }
  void log(Level, std::string_view message) override { journal += std::string(message) + "\n"; }
  bool holds(const Permit& permit) const override { return pvcd::holds(permit); }
  sd_event* loop() override { return event; }

  bool turn_until(const std::function<bool()>& reached) {
    const Instant limit = boottime_now() + seconds(30);
    while (!reached() && boottime_now() < limit) sd_event_run(event, 10'000);
    return reached();
  }
  bool said(const std::string& fact) const { return std::find(facts.begin(), facts.end(), fact) != facts.end(); }

  TestSettings values;
  std::vector<std::string> facts;
  std::string journal;
  sd_event* event = nullptr;
};

}  // namespace

TEST_CASE("libvirt: a UUID is compared in one form") {
  CHECK(canonical_uuid("A1234567-89AB-CDEF-A123-456789ABCDEF") == uuid);
  CHECK(canonical_uuid("\n a123456789abcdefa123456789abcdef \n") == uuid);
  CHECK(canonical_uuid("a1234567-89ab-cdef-a123-456789abcde").empty());
  CHECK(canonical_uuid("g1234567-89ab-cdef-a123-456789abcdef").empty());
  CHECK(canonical_uuid("").empty());
}

TEST_CASE("libvirt: the XML that is started is the stored one with uuid and generation") {
  const auto with = [](const std::string& inside) {
    return "<domain type=\"kvm\"><name>vm1</name>" + inside + "</domain>";
  };
  const std::string vm = "<pvcd:vm xmlns:pvcd=\"https://pvcd.org/vm/1\" generation=\"7\"/>";
  const std::string id = std::string("<uuid>") + uuid + "</uuid>";
  const auto [stored, expected] = GENERATE_COPY(table<std::string, std::string>({
      {with(id), with(id + "<metadata>" + vm + "</metadata>")},
      {with(""), with(id + "<metadata>" + vm + "</metadata>")},
      {with(id + "<metadata><x:a xmlns:x=\"u\"/></metadata>"),
       with(id + "<metadata><x:a xmlns:x=\"u\"/>" + vm + "</metadata>")},
      {with(id + "<metadata><pvcd:vm xmlns:pvcd=\"https://pvcd.org/vm/1\" generation=\"6\"/></metadata>"),
       with(id + "<metadata>" + vm + "</metadata>")},
      {with(id + "<on_crash>preserve</on_crash><title>a &lt; b</title>"),
       with(id + "<on_crash>preserve</on_crash><title>a &lt; b</title><metadata>" + vm + "</metadata>")},
      {"<?xml version='1.0'?>\n" + with(id), with(id + "<metadata>" + vm + "</metadata>")},
  }));
  const StartXml start = start_xml(stored, uuid, 7);
  CHECK(start.xml == expected);
  CHECK(start.problem.empty());
}

TEST_CASE("libvirt: XML that is broken or of another VM is not started") {
  const auto [stored, problem] = GENERATE(table<std::string, std::string>({
      {"", "cannot be read"},
      {"<domain><name>vm1</domain>", "cannot be read"},
      {"<network/>", "has no <domain>"},
      {std::string("<domain><uuid>") + other_uuid + "</uuid></domain>", "is of another VM"},
      {"<domain><uuid>nonsense</uuid></domain>", "is of another VM"},
  }));
  const StartXml start = start_xml(stored, uuid, 7);
  CHECK(start.xml.empty());
  CHECK_THAT(start.problem, Contains(problem));
}

TEST_CASE("libvirt: a process is known by pid and start time, and a zombie is gone with its last thread") {
  FakeProc proc;
  proc.add(100, "qemu) S 1 (x", 'S', 5000, qemu_arguments(uuid), 4);
  proc.add(101, "qemu-system-x86", 'Z', 5001, "", 1);
  proc.add(102, "qemu-system-x86", 'Z', 5002, "", 2);
  proc.add(103, "qemu-system-x86", 'X', 5003, "", 0);
  proc.add(104, "qemu-system-x86", 'T', 5004, qemu_arguments(uuid));
  proc.add(105, "qemu-system-x86", 'D', 5005, qemu_arguments(uuid));
  proc.add(106, "x", 'S', 5006, "");
  proc.write(106, "stat", "106 (x) S 1 2");
  const auto [process, existence] = GENERATE(table<Process, Existence>({
      {{100, 5000}, Existence::Alive},
      {{100, 4999}, Existence::Gone},
      {{101, 5001}, Existence::Gone},
      {{102, 5002}, Existence::Alive},
      {{103, 5003}, Existence::Gone},
      {{104, 5004}, Existence::Alive},
      {{105, 5005}, Existence::Alive},
      {{106, 5006}, Existence::Unknown},
      {{999, 5000}, Existence::Gone},
      {{0, 0}, Existence::Unknown},
  }));
  CAPTURE(process.pid, process.start_time);
  CHECK(proc.processes().look(process) == existence);
}

TEST_CASE("libvirt: QEMUs are found by the argument after -uuid, and only living ones of this namespace") {
  FakeProc proc;
  proc.add(100, "qemu-system-x86", 'S', 5000, qemu_arguments("A1234567-89AB-CDEF-A123-456789ABCDEF"));
  proc.add(101, "qemu-system-x86", 'T', 5001, qemu_arguments(other_uuid));
  proc.add(102, "virsh", 'S', 5002, arguments({"virsh", "dumpxml", uuid}));
  proc.add(103, "qemu-system-x86", 'Z', 5003, "", 1);
  proc.add(104, "qemu_worker", 'S', 5004, "", 1, 0x00200000);
  proc.add(105, "bash", 'S', 5005, "");
  proc.add(106, "qemu-system-x86", 'S', 5006, qemu_arguments(uuid));
  proc.write(106, "status", "NSpid:\t106\t7\n");
  const auto found = proc.processes().qemus();
  REQUIRE(found.has_value());
  REQUIRE(found->size() == 2);
  for (const Qemu& qemu : *found) CHECK(qemu.uuid == (qemu.process == Process{100, 5000} ? uuid : other_uuid));
}

TEST_CASE("libvirt: a QEMU that is ending is found by its threads, or as one that cannot be told whose") {
  FakeProc proc;
  proc.add(100, "qemu-system-x86", 'Z', 5000, "", 2);
  SECTION("a thread still has the arguments") {
    proc.write(100, "task/100/cmdline", "");
    proc.write(100, "task/117/cmdline", qemu_arguments(uuid));
    const auto found = proc.processes().qemus();
    REQUIRE(found.value().size() == 1);
    CHECK(found->front().uuid == uuid);
  }
  SECTION("none has") {
    proc.write(100, "task/100/cmdline", "");
    const auto found = proc.processes().qemus();
    REQUIRE(found.value().size() == 1);
    CHECK(found->front().uuid.empty());
  }
}

TEST_CASE("libvirt: a /proc that cannot be read or is not ours says nothing") {
  FakeProc proc;
  proc.add(100, "qemu-system-x86", 'S', 5000, qemu_arguments(uuid));
  REQUIRE(proc.processes().qemus().has_value());
  SECTION("of another pid namespace") {
    fs::remove(proc.root / "self");
    fs::create_symlink("1", proc.root / "self");
  }
  SECTION("not there") { fs::remove_all(proc.root); }
  SECTION("without a word on one process") {
    fs::remove(proc.root / "100" / "stat");
    fs::create_directory(proc.root / "100" / "stat");
  }
  CHECK_FALSE(proc.processes().qemus().has_value());
  CHECK(proc.processes().look({100, 5000}) == Existence::Unknown);
}

TEST_CASE("libvirt: a pidfd holds the right process and tells its end") {
  const Processes processes;
  LookAlike qemu(random_uuid());
  const Pidfd good(processes, qemu.process);
  REQUIRE(good.open());
  CHECK_FALSE(good.wait_end(0));
  const Pidfd reused(processes, {qemu.process.pid, qemu.process.start_time + 1});
  CHECK_FALSE(reused.open());
  CHECK(reused.existence() == Existence::Gone);
  good.kill();
  CHECK(good.wait_end(seconds(30)));
  CHECK(processes.look(qemu.process) == Existence::Gone);  // a zombie: nobody has waited for it yet
}

TEST_CASE("libvirt: every state of a domain has a meaning") {
  const auto [libvirt_state, state] = GENERATE(table<int, DomainState>({
      {VIR_DOMAIN_NOSTATE, DomainState::Unknown},
      {VIR_DOMAIN_RUNNING, DomainState::Running},
      {VIR_DOMAIN_BLOCKED, DomainState::Running},
      {VIR_DOMAIN_PAUSED, DomainState::Paused},
      {VIR_DOMAIN_SHUTDOWN, DomainState::Running},
      {VIR_DOMAIN_SHUTOFF, DomainState::Gone},
      {VIR_DOMAIN_CRASHED, DomainState::Paused},
      {VIR_DOMAIN_PMSUSPENDED, DomainState::Running},
      {99, DomainState::Unknown},
  }));
  CAPTURE(libvirt_state);
  CHECK(state_from_libvirt(libvirt_state) == state);
}

TEST_CASE("libvirt: a call that hangs is given up and does not act later") {
  std::promise<void> let_go;
  const std::shared_future<void> go = let_go.get_future().share();
  std::promise<bool> acted;
  std::future<bool> late = acted.get_future();
  const auto answer = call_bounded<int>(milliseconds(20), for_a_minute(), [go, &acted](const RightToAct& right) {
    go.wait();
    acted.set_value(right.holds());
    return 1;
  });
  CHECK_FALSE(answer.has_value());
  let_go.set_value();
  CHECK_FALSE(late.get());
  CHECK(call_bounded<bool>(seconds(30), for_a_minute(), [](const RightToAct& right) { return right.holds(); }) == true);
  CHECK(call_bounded<bool>(seconds(30), {boottime_now(), 1}, [](const RightToAct& r) { return r.holds(); }) == false);
}

TEST_CASE("libvirt: no more calls are made than may hang") {
  std::promise<void> let_go;
  const std::shared_future<void> go = let_go.get_future().share();
  for (int call = 0; call < unanswered_calls_max; ++call)
    CHECK_FALSE(call_bounded<int>(0, for_a_minute(), [go](const RightToAct&) { return go.wait(), 1; }).has_value());
  bool made = false;
  CHECK_FALSE(call_bounded<int>(seconds(30), for_a_minute(), [&made](const RightToAct&) {
                return made = true, 1;
              }).has_value());
  CHECK_FALSE(made);
  let_go.set_value();
  const Instant limit = boottime_now() + seconds(30);
  while (calls_under_way() > 0 && boottime_now() < limit) poll(nullptr, 0, 2);
  CHECK(call_bounded<int>(seconds(30), for_a_minute(), [](const RightToAct&) { return 1; }) == 1);
}

TEST_CASE("libvirt: a call that gets no thread takes no place away from those that do") {
  constexpr std::size_t more_than_there_is = std::size_t{1} << 47;
  pthread_attr_t usual, impossible;
  REQUIRE(pthread_getattr_default_np(&usual) == 0);
  REQUIRE(pthread_attr_init(&impossible) == 0);
  REQUIRE(pthread_attr_setstacksize(&impossible, more_than_there_is) == 0);
  REQUIRE(pthread_setattr_default_np(&impossible) == 0);
  const auto answer_one = [](const RightToAct&) { return 1; };
  for (int call = 0; call < unanswered_calls_max; ++call)
    CHECK_THROWS_AS(call_bounded<int>(seconds(30), for_a_minute(), answer_one), std::system_error);
  REQUIRE(pthread_setattr_default_np(&usual) == 0);
  CHECK(call_bounded<int>(seconds(30), for_a_minute(), answer_one) == 1);
}

TEST_CASE("libvirt: acts on a domain of libvirt's test driver") {
  virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
  const Connect connect(virConnectOpen("test:///default"), virConnectClose);
  REQUIRE(connect != nullptr);
  const auto state = [&](const VmUuid& of) { return state_of(find_domain(connect, of).get()); };
  const RightToAct right(for_a_minute()), too_late({boottime_now(), 1});
  const std::string xml = std::string("<domain type='test'><name>vm1</name><uuid>") + uuid +
                          "</uuid><memory>1024</memory><os><type>hvm</type></os></domain>";

  CHECK(create_paused(connect, uuid, xml, too_late).outcome == Outcome::Refused);
  CHECK(resume_cpus(connect, uuid, right).outcome == Outcome::Refused);
  const Answer bad = create_paused(connect, uuid, "<domain type='test'/>", right);
  CHECK(bad.outcome == Outcome::Refused);
  CHECK_THAT(bad.note, Contains("libvirt did not create the domain: "));

  // The test driver cannot create a paused domain: the cluster tests do.
  REQUIRE(Domain(virDomainCreateXML(connect.get(), xml.c_str(), 0)));
  REQUIRE(virDomainSuspend(find_domain(connect, uuid).get()) == 0);
  CHECK(state(uuid) == DomainState::Paused);
  CHECK(resume_cpus(connect, uuid, too_late).outcome == Outcome::Refused);
  CHECK(state(uuid) == DomainState::Paused);
  CHECK(resume_cpus(connect, uuid, right).outcome == Outcome::Done);
  CHECK(state(uuid) == DomainState::Running);
  CHECK(resume_cpus(connect, uuid, right).note == "it runs already");
  CHECK_THAT(create_paused(connect, uuid, xml, right).note, Contains("still lists the domain"));
  CHECK(destroy_domain(connect, uuid, too_late).outcome == Outcome::Refused);
  CHECK(state(uuid) == DomainState::Running);
  CHECK(destroy_domain(connect, uuid, right).outcome == Outcome::Done);
  CHECK_FALSE(find_domain(connect, uuid));
}

TEST_CASE("libvirt: the connection lists what runs and tells what changes") {
  const auto connection = std::make_shared<Connection>("test:///default");
  connection->start();
  std::map<VmUuid, DomainState> seen;
  bool listed = false;
  const auto wait_for = [&](const std::function<bool()>& reached) {
    const Instant limit = boottime_now() + seconds(30);
    while (!reached() && boottime_now() < limit) {
      pollfd polled{connection->news_descriptor(), POLLIN, 0};
      poll(&polled, 1, 100);
      const News news = connection->take();
      listed = listed || news.listed;
      for (const auto& [domain, state] : news.domains) seen[domain] = state;
    }
    return reached();
  };
  REQUIRE(wait_for([&] { return listed; }));
  CHECK(seen == std::map<VmUuid, DomainState>{{test_driver_uuid, DomainState::Running}});
  const Domain domain = find_domain(connection->get(), test_driver_uuid);
  REQUIRE(virDomainSuspend(domain.get()) == 0);
  CHECK(wait_for([&] { return seen[test_driver_uuid] == DomainState::Paused; }));
  REQUIRE(virDomainDestroy(domain.get()) == 0);
  CHECK(wait_for([&] { return seen[test_driver_uuid] == DomainState::Gone; }));
  connection->stop();
}

TEST_CASE("libvirt: facts follow libvirt while a process lives, and the process alone for its end") {
  TestHost host;
  const Processes processes;
  const VmUuid vm = random_uuid(), ghost = random_uuid();
  LookAlike qemu(vm);
  DomainFacts facts(host, processes);
  const std::string key = "domain/" + vm;
  News list;
  list.listed = true;
  list.domains = {{vm, DomainState::Paused}, {ghost, DomainState::Running}};
  facts.apply(list);
  CHECK(host.facts == std::vector<std::string>{key + "=paused", "domains=ready"});  // a ghost has no process
  News running;
  running.domains = {{vm, DomainState::Running}};
  facts.apply(running);
  facts.apply(running);
  CHECK(host.facts.back() == key + "=running");
  CHECK(host.facts.size() == 3);
  CHECK(facts.remembered(qemu.process) == vm);

  News forgotten;  // libvirtd was restarted and lost the domain
  forgotten.lost = forgotten.listed = true;
  facts.apply(forgotten);
  CHECK(std::vector<std::string>(host.facts.begin() + 3, host.facts.end()) ==
        std::vector<std::string>{"domains=connecting", "domains=ready"});

  qemu.end();
  REQUIRE(host.turn_until([&] { return host.said(key + "=gone"); }));
  facts.apply(running);  // late news of libvirt, which has not noticed yet
  CHECK(host.facts.back() == key + "=gone");
}

TEST_CASE("libvirt: the RBD images that a running domain has open are read from its XML") {
  const auto disks = rbd_disks_of(R"(<domain><devices>
    <disk type="network"><source protocol="rbd" name="vms/one"/><alias name="virtio-disk0"/></disk>
    <disk type="network"><source protocol="rbd" name="vms/space/two"/><alias name="ua-two"/></disk>
    <disk type="network"><source protocol="rbd" name="vms/three@yesterday"/><alias name="virtio-disk2"/></disk>
    <disk type="network"><source protocol="nbd" name="four"/><alias name="virtio-disk3"/></disk>
    <disk type="file"><source file="/srv/five"/><alias name="virtio-disk4"/></disk>
    <disk type="file" device="cdrom"><alias name="sata0-0-0"/></disk>
    </devices></domain>)");
  REQUIRE(disks.size() == 2);
  CHECK((disks[0].alias == "virtio-disk0" && disks[0].image == "vms/one"));
  CHECK((disks[1].alias == "ua-two" && disks[1].image == "vms/space/two"));
  CHECK(rbd_disks_of("<domain><devices>").empty());
}

TEST_CASE("libvirt: what a domain has open is told while its process lives, and is over with it") {
  TestHost host;
  const Processes processes;
  const VmUuid vm = random_uuid(), ghost = random_uuid();
  LookAlike qemu(vm);
  DomainFacts facts(host, processes);
  const std::string key = "images/" + vm;
  News news;
  news.domains = {{vm, DomainState::Running}};
  news.images = {{vm, {{"vms/one", 0}, {"vms/two", 1}}}, {ghost, {{"vms/three", 1}}}};
  facts.apply(news);
  CHECK(host.facts == std::vector<std::string>{"domain/" + vm + "=running", key + "=0 vms/one\n1 vms/two\n"});
  News list;  // libvirtd was restarted
  list.lost = list.listed = true;
  list.domains = news.domains;
  list.images = {{vm, {{"vms/one", 0}, {"vms/two", 1}}}};
  facts.apply(list);
  CHECK(host.facts.back() == "domains=ready");
  qemu.end();
  REQUIRE(host.turn_until([&] { return host.said(key + "="); }));
  facts.apply(news);
  CHECK(host.facts.back() == key + "=");
}

TEST_CASE("libvirt: without libvirt, living and gone are still told apart, and destroy kills exactly the victim") {
  TestHost host;
  host.values.uri = "qemu+unix:///system?socket=/nonexistent/pvcd-test-socket";
  const test::Folder folder;
  Libvirt plugin(folder.path.string());
  const VmUuid vm = random_uuid();
  LookAlike qemu(vm);
  plugin.start(host);
  REQUIRE(host.turn_until([&] { return host.journal.find("no connection to") != std::string::npos; }));

  const DomainProbe lives = plugin.probe({{}, vm, {}});
  CHECK(lives.state == DomainState::Unknown);  // it may be paused
  CHECK(lives.process == qemu.process);
  CHECK_THAT(lives.note, Contains("libvirt does not say"));
  const DomainProbe recorded = plugin.probe({{}, random_uuid(), {qemu.process}});
  CHECK(recorded.state == DomainState::Unknown);
  CHECK(recorded.process == qemu.process);  // whatever its name
  CHECK(plugin.probe({{}, random_uuid(), {}}).state == DomainState::Gone);

  CHECK_THAT(plugin.create({for_a_minute(), vm, "<domain/>", 1}).note, Contains("lives here already"));
  CHECK_THAT(plugin.create({for_a_minute(), random_uuid(), "<domain/>", 1}).note, Contains("no connection to"));
  CHECK(plugin.create({for_a_minute(), random_uuid(), "<domain/>", 1}).outcome == Outcome::Refused);
  CHECK(plugin.resume({for_a_minute(), vm, qemu.process}).outcome == Outcome::Refused);
  CHECK(plugin.shutdown({for_a_minute(), vm, qemu.process}).outcome == Outcome::Refused);

  const Process former{qemu.process.pid, qemu.process.start_time + 1};
  CHECK(plugin.destroy({for_a_minute(), vm, former}).outcome == Outcome::Done);
  CHECK(plugin.destroy({for_a_minute(), vm, {}}).outcome == Outcome::Unknown);
  CHECK(plugin.destroy({{boottime_now(), 1}, vm, qemu.process}).outcome == Outcome::Refused);
  const DomainProbe spared = plugin.probe({{}, vm, {qemu.process}});
  CHECK(spared.state == DomainState::Unknown);
  CHECK(spared.process == qemu.process);
  CHECK(plugin.destroy({for_a_minute(), vm, qemu.process}).outcome == Outcome::Done);
  CHECK(plugin.probe({{}, vm, {qemu.process}}).state == DomainState::Gone);
  CHECK(host.turn_until([&] { return host.said("domain/" + vm + "=gone"); }));
  plugin.stop();
}

TEST_CASE("libvirt: a create that came too late has not been refused by libvirt: no other host is tried for it") {
  virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
  TestHost host;
  const test::Folder folder;
  Libvirt plugin(folder.path.string());
  plugin.start(host);
  const std::string nonsense = "<domain type='test'><name>vm1</name></domain>";
  REQUIRE(host.turn_until([&] {
    return plugin.create({for_a_minute(), random_uuid(), nonsense, 1}).note.find("no connection") == std::string::npos;
  }));

  const CreateAnswer refused = plugin.create({for_a_minute(), random_uuid(), nonsense, 1});
  CHECK(refused.outcome == Outcome::Refused);
  CHECK_THAT(refused.note, Contains("libvirt did not create the domain: "));
  const CreateAnswer late = plugin.create({{boottime_now(), 1}, random_uuid(), nonsense, 1});
  CHECK(late.outcome == Outcome::Unknown);
  CHECK_THAT(late.note, Contains("the right to act has ended"));
  CHECK(std::filesystem::is_empty(folder.path));  // no leave to start is left behind
  plugin.stop();
}

TEST_CASE("libvirt: destroying one of two QEMUs with one UUID spares the other") {
  TestHost host;
  const test::Folder folder;
  Libvirt plugin(folder.path.string());
  const VmUuid vm = random_uuid();
  LookAlike victim(vm), other(vm);
  plugin.start(host);
  const DomainProbe both = plugin.probe({{}, vm, {}});
  CHECK(both.state == DomainState::Unknown);  // of which one would libvirt speak?
  CHECK(both.process.has_value());
  CHECK_THAT(both.note, Contains("2 of its processes live here"));
  CHECK(plugin.resume({for_a_minute(), vm, victim.process}).outcome == Outcome::Refused);
  CHECK(plugin.destroy({for_a_minute(), vm, victim.process}).outcome == Outcome::Done);
  CHECK(plugin.probe({{}, vm, {victim.process}}).process == other.process);
  plugin.stop();
}

}  // namespace pvcd::libvirt
