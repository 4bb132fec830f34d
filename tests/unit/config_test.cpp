#include "runtime/config.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

using namespace pvcd;
namespace fs = std::filesystem;

namespace {

// A directory like /etc/pvcd with a valid configuration, of which a test then changes one thing.
class Etc {
 public:
  Etc() {
    std::string pattern = (fs::temp_directory_path() / "pvcd-config-XXXXXX").string();
    path = mkdtemp(pattern.data());
    fs::create_directory(path / "plugins.d");
    write("store.secret", "pvcd:secret\n", 0600);
    write("pvcd.toml", shared());
  }
  ~Etc() { fs::remove_all(path); }

  void write(const fs::path& file, const std::string& text, mode_t mode = 0644) const {
    std::ofstream(path / file) << text;
    chmod((path / file).c_str(), mode);
  }

  std::string shared(const std::string& node = "", const std::string& store = "", const std::string& rest = "") const {
    return "[cluster]\nname = \"lab\"\ncoordinators = [\"n1\", \"n2\", \"n3\"]\n"
           "[node]\nname = \"n1\"\naddresses = [\"10.0.0.1\"]\nstorage_addresses = [\"10.0.1.1\"]\n" +
           node + "[store]\nservers = [\"10.0.0.1:2181\"]\ncredentials_file = \"" + (path / "store.secret").string() +
           "\"\n" + store + rest;
  }

  std::string shared_error(const std::string& text) const {
    write("pvcd.toml", text);
    try {
      runtime::load_shared(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "valid";
  }

  std::unique_ptr<runtime::Table> load(const std::string& plugin) const {
    return runtime::load_plugin(path, plugin, *runtime::load_shared(path));
  }

  std::string plugin_error(const std::string& plugin, const std::string& text) const {
    write(fs::path("plugins.d") / (plugin + ".toml"), text);
    try {
      load(plugin);
    } catch (const Error& error) {
      return error.what();
    }
    return "valid";
  }

  fs::path path;
};

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  return text.replace(text.find(what), what.size(), with);
}

}  // namespace

TEST_CASE("a minimal file gets the defaults") {
  const Etc etc;
  const auto shared = runtime::load_shared(etc.path);
  CHECK(shared->text("node.name") == "n1");
  CHECK(shared->list("cluster.coordinators") == std::vector<std::string>{"n1", "n2", "n3"});
  CHECK(shared->number("store.session_timeout_ms") == 6000);
  CHECK(shared->list("hooks.vm_pre_start") == std::vector<std::string>{"rbd-locks"});
  CHECK(shared->list("hooks.role").empty());
  CHECK(shared->text("fencing.fencer") == "ipmi");
  CHECK(shared->text("node.system_uuid").empty());
  CHECK_NOTHROW(runtime::check_config(etc.path));
}

TEST_CASE("a plugin without a file gets its defaults") {
  const Etc etc;
  const auto settings = etc.load("rbd-locks");
  CHECK(settings->number("timeout_ms") == 5000);
  CHECK(settings->number("interval_ms") == 1000);
  CHECK_THROWS_AS(settings->number("no_such_key"), Error);
  CHECK_THROWS_AS(settings->text("timeout_ms"), Error);
}

TEST_CASE("what is wrong is named with file, line and key") {
  const Etc etc;
  using Catch::Contains;
  const std::string file = (etc.path / "pvcd.toml").string();

  CHECK_THAT(etc.shared_error(etc.shared("color = \"red\"\n")), Contains(file + ":8: \"node.color\" unknown key"));
  CHECK_THAT(etc.shared_error(etc.shared() + "[colors]\n"), Contains("\"colors\" unknown"));
  CHECK_THAT(etc.shared_error("top = 1\n" + etc.shared()), Contains(file + ":1: \"top\" unknown"));
  CHECK_THAT(etc.shared_error(etc.shared("", "server_tick_ms = \"400\"\n")),
             Contains("\"store.server_tick_ms\" must be a whole number of ms"));
  CHECK_THAT(etc.shared_error(etc.shared("", "server_tick_ms = 1\n")), Contains("is 1, must be from 50 to 60000"));
  CHECK_THAT(etc.shared_error(replaced(etc.shared(), "coordinators", "beat_port = 65536\ncoordinators")),
             Contains(file + ":3: \"cluster.beat_port\" is 65536, must be from 1 to 65535"));
  CHECK_THAT(etc.shared_error(replaced(etc.shared(), "\"n1\"\n", "1\n")),
             Contains(file + ":5: \"node.name\" must be a text in quotes"));
  CHECK_THAT(etc.shared_error(replaced(etc.shared(), "name = \"n1\"\n", "")), Contains(":4: \"node.name\" is missing"));
  CHECK_THAT(etc.shared_error("[cluster]\nname = \"lab\"\ncoordinators = [\"n1\"]\n"),
             Contains("\"node.name\" is missing"));
  CHECK_THAT(etc.shared_error(replaced(etc.shared(), "\"n1\"\n", "\"N_1\"\n")), Contains("is no name"));
  CHECK_THAT(etc.shared_error(replaced(etc.shared(), "[\"10.0.0.1\"]", "\"10.0.0.1\"")),
             Contains("\"node.addresses\" must be a list"));
  CHECK_THAT(etc.shared_error(replaced(etc.shared(), "[\"10.0.0.1\"]", "[1]")), Contains("must hold texts only"));
  CHECK_THAT(etc.shared_error(etc.shared("system_uuid = \"1234\"\n")), Contains("is no UUID"));
  CHECK_THAT(etc.shared_error("[cluster\n"), Contains(file + ":1: not TOML"));
  CHECK_THAT(etc.shared_error("cluster = 3\n"), Contains("must be a table: [cluster]"));
  CHECK(etc.shared_error(etc.shared()) == "valid");
}

TEST_CASE("every plugin that a configuration may name exists") {
  for (const auto& plugin : runtime::known_plugins()) {
    INFO(plugin.name);
    CHECK(fs::is_directory(fs::path(PVCD_SOURCE_DIRECTORY) / "plugins" / plugin.name));
  }
}

TEST_CASE("a plugin is named only for what it can do, and always one") {
  const Etc etc;
  const auto with = [&](const std::string& lines) { return etc.shared_error(etc.shared("", "", lines)); };
  struct Row {
    std::string table, key, good, wrong;
  };
  const Row rows[] = {
      {"hypervisor", "plugin", "\"libvirt\"", "\"rbd-locks\""},
      {"fencing", "fencer", "\"ipmi\"", "\"libvirt\""},
      {"fencing", "fencer", "\"fake\"", "\"template\""},
      {"fencing", "storage_fencer", "\"rbd-locks\"", "\"ipmi\""},
      {"storage", "plugin", "\"ceph-osd\"", "\"election\""},
      {"hooks", "vm_pre_start", "[\"fake\", \"rbd-locks\"]", "[\"rbd-locks\", \"keepalive\"]"},
      {"hooks", "role", "[]", "[\"ipmi\"]"},
  };
  for (const Row& row : rows) {
    const std::string begin = "[" + row.table + "]\n" + row.key + " = ";
    CHECK(with(begin + row.good + "\n") == "valid");
    const std::string empty = row.good.starts_with("[") ? "[\"\"]" : "\"\"";
    for (const std::string& wrong : {row.wrong, empty})
      CHECK_THAT(with(begin + wrong + "\n"), Catch::Contains("pvcd.toml:12: \"" + row.table + "." + row.key + "\"") &&
                                                 Catch::Contains("can do this; there are: "));
  }
}

TEST_CASE("a missing pvcd.toml is an error, and says so") {
  const Etc etc;
  fs::remove(etc.path / "pvcd.toml");
  CHECK_THROWS_WITH(runtime::load_shared(etc.path), Catch::Contains("pvcd.toml: is missing"));
}

TEST_CASE("session timings must fit together") {
  const Etc etc;
  // 6000: 400 * 4 + 1000 + 1000 + 250 = 3850 < 4000
  CHECK(etc.shared_error(etc.shared()) == "valid");
  CHECK(etc.shared_error(etc.shared("", "server_election_ms = 1149\n")) == "valid");
  CHECK_THAT(etc.shared_error(etc.shared("", "server_election_ms = 1150\n")), Catch::Contains("does not fit"));
  // 3000: 200 * 5 + 300 + 500 + 125 = 1925 < 2000
  const std::string lab = "session_timeout_ms = 3000\nserver_tick_ms = 200\nserver_sync_limit = 5\n";
  CHECK(etc.shared_error(etc.shared("", lab + "server_election_ms = 300\n")) == "valid");
  CHECK_THAT(etc.shared_error(etc.shared("", lab)), Catch::Contains("2625 ms") && Catch::Contains("2000 ms"));

  const auto timings =
      runtime::session_timings(*(etc.write("pvcd.toml", etc.shared()), runtime::load_shared(etc.path)));
  CHECK(timings.timeout == seconds(6));
  CHECK(timings.proof_limit == seconds(4));
  CHECK(timings.proof_interval == seconds(1));
}

TEST_CASE("values that contradict each other are refused") {
  const Etc etc;
  CHECK_THAT(etc.shared_error(etc.shared("", "", "[timings]\nretry_min_ms = 2000\nretry_max_ms = 1000\n")),
             Catch::Contains("timings.retry_min_ms"));
  CHECK_THAT(etc.shared_error(replaced(etc.shared(), "\"n2\", ", "")), Catch::Contains("has 2 nodes"));
  CHECK_THAT(etc.shared_error(replaced(etc.shared(), "\"n2\"", "\"n1\"")), Catch::Contains("\"n1\" twice"));
  CHECK_THAT(etc.shared_error(etc.shared("floating_addresses = [\"10.0.1.1\"]\n")),
             Catch::Contains("floating address 10.0.1.1"));
  CHECK(etc.shared_error(etc.shared("floating_addresses = [\"10.0.1.9\"]\n")) == "valid");
}

TEST_CASE("values that do not fit together are named with file, line and key, also where one of them is a default") {
  const Etc etc;
  etc.write("open.secret", "pvcd:secret\n", 0644);
  etc.write("odd.secret", "secret\n", 0600);
  const std::string bmc = "[bmc.n1]\naddress = \"a\"\nusername = \"b\"\npassword_file = \"" + etc.path.string();
  const auto store = [&](const std::string& lines) { return etc.shared("", lines); };
  const auto timings = [&](const std::string& lines) { return etc.shared("", "", "[timings]\n" + lines); };
  const auto self_fence = [&](const std::string& lines) { return etc.shared("", "", "[self_fence]\n" + lines); };
  const auto secret = [&](const std::string& file) { return replaced(etc.shared(), "store.secret", file); };
  struct Row {
    std::string shared;
    std::string plugin;  // empty: pvcd.toml alone is wrong
    std::string own;
    std::string place;
    std::string other;
  };
  const Row rows[] = {
      {store("server_sync_limit = 40\n"), "", "", "pvcd.toml:11: \"store.server_sync_limit\" does not fit: ",
       "\"store.session_timeout_ms\" is 6000 (the default of pvcd.toml)"},
      {store("server_tick_ms = 400\nsession_timeout_ms = 2000\n"), "", "",
       "pvcd.toml:12: \"store.session_timeout_ms\" does not fit: ", "\"store.server_tick_ms\" is 400 (pvcd.toml:11)"},
      {store("session_timeout_ms = 60000\n"), "", "", "pvcd.toml:11: \"store.session_timeout_ms\" does not fit: ",
       "\"timings.suspect_after_ms\" is 2500 (the default of pvcd.toml)"},
      {timings("suspect_after_ms = 1499\n"), "", "", "pvcd.toml:12: \"timings.suspect_after_ms\" does not fit: ",
       "\"store.session_timeout_ms\" is 6000 (the default of pvcd.toml)"},
      {timings("retry_min_ms = 60001\n"), "", "", "pvcd.toml:12: \"timings.retry_min_ms\" does not fit: ",
       "\"timings.retry_max_ms\" is 60000 (the default of pvcd.toml)"},
      {timings("retry_max_ms = 999\n"), "", "", "pvcd.toml:12: \"timings.retry_max_ms\" does not fit: ",
       "\"timings.retry_min_ms\" is 1000 (the default of pvcd.toml)"},
      {timings("plugin_stall_limit_ms = 9999\n"), "rbd-locks", "",
       "pvcd.toml:12: \"timings.plugin_stall_limit_ms\" does not fit: ",
       "\"timings.hook_deadline_ms\" is 10000 (the default of pvcd.toml)"},
      {replaced(etc.shared(), "\"n2\", ", ""), "", "", "pvcd.toml:3: \"cluster.coordinators\" has 2 nodes", ""},
      {replaced(etc.shared(), "\"n2\"", "\"n1\""), "", "", "pvcd.toml:3: \"cluster.coordinators\" names \"n1\"", ""},
      {etc.shared("floating_addresses = [\"10.0.1.1\"]\n"), "", "",
       "pvcd.toml:7: \"node.storage_addresses\" has the floating address 10.0.1.1", "(pvcd.toml:8)"},
      {etc.shared() + "\n[storage]\nshared_directories = [\"/net/vms\"]\n", "", "",
       "pvcd.toml:13: \"storage.shared_directories\" needs the hook \"shared-files\"",
       "\"hooks.vm_pre_start\" (the default of pvcd.toml)"},
      {self_fence("mode = \"on\"\n"), "", "", "pvcd.toml:12: \"self_fence.mode\" is \"on\"", ""},
      {self_fence("\ndevice = \"watchdog0\"\n"), "", "", "pvcd.toml:13: \"self_fence.device\" must be", ""},
      {self_fence("timeout_ms = 5000\n"), "", "", "pvcd.toml:12: \"self_fence.timeout_ms\" must be", ""},
      {secret("no.secret"), "", "", "pvcd.toml:10: \"store.credentials_file\" names ",
       "no.secret, which cannot be read"},
      {secret("open.secret"), "", "", "pvcd.toml:10: \"store.credentials_file\" names ", "chmod 0600"},
      {secret("odd.secret"), "", "", "pvcd.toml:10: \"store.credentials_file\" names ", "user:password"},
      {etc.shared(), "ipmi", bmc + "/open.secret\"\n", "ipmi.toml:4: \"bmc.n1.password_file\" names ", "chmod 0600"},
      {etc.shared(), "ipmi", bmc + "/store.secret\"\nidentity = \"name\"\n",
       "ipmi.toml:5: \"bmc.n1.identity\" is \"name\", must be \"guid\" or \"mark\"", ""},
      {etc.shared(), "ipmi",
       bmc + "/store.secret\"\nidentity = \"mark\"\nguid = \"a1234567-89ab-cdef-a123-456789abcdef\"\n",
       "ipmi.toml:6: \"bmc.n1.guid\" contradicts \"bmc.n1.identity\" (ipmi.toml:5)", "remove one"},
      {etc.shared(), "ipmi", "\ntimeout_ms = 7500\n", "ipmi.toml:2: \"timeout_ms\" does not fit: 2 calls of 7500 ms",
       "\"timings.plugin_stall_limit_ms\" is 15000 (the default of pvcd.toml)"},
      {etc.shared(), "ipmi", "stall_limit_ms = 9000\n",
       "ipmi.toml:1: \"stall_limit_ms\" does not fit: 2 calls of 5000 ms",
       "\"timeout_ms\" is 5000 (the default of ipmi.toml)"},
      {timings("plugin_stall_limit_ms = 10000\n"), "ipmi", "",
       "pvcd.toml:12: \"timings.plugin_stall_limit_ms\" does not fit: 2 calls of 5000 ms",
       "\"timeout_ms\" is 5000 (the default of ipmi.toml)"},
      {etc.shared(), "rbd-locks", "timeout_ms = 9001\n", "rbd-locks.toml:1: \"timeout_ms\" does not fit: ",
       "\"timings.hook_deadline_ms\" is 10000 (the default of pvcd.toml)"},
      {timings("\nhook_deadline_ms = 5000\n"), "rbd-locks", "",
       "pvcd.toml:13: \"timings.hook_deadline_ms\" does not fit: ",
       "\"timeout_ms\" is 5000 (the default of rbd-locks.toml)"},
      {timings("fence_deadline_ms = 4999\n"), "ipmi", "",
       "pvcd.toml:12: \"timings.fence_deadline_ms\" does not fit: one call of 5000 ms",
       "\"timeout_ms\" is 5000 (the default of ipmi.toml)"},
      {timings("fence_deadline_ms = 4999\n"), "ipmi", "timeout_ms = 5000\n",
       "ipmi.toml:1: \"timeout_ms\" does not fit: one call of 5000 ms",
       "\"timings.fence_deadline_ms\" is 4999 (pvcd.toml:12)"},
  };
  for (const Row& row : rows) {
    etc.write("pvcd.toml", row.shared);
    const std::string error = row.plugin.empty() ? etc.shared_error(row.shared) : etc.plugin_error(row.plugin, row.own);
    const std::string folder = etc.path / (row.place.starts_with("pvcd") ? "" : "plugins.d/");
    CHECK_THAT(error, Catch::StartsWith(folder + row.place) && Catch::Contains(row.other));
  }
}

TEST_CASE("a host fences itself by a watchdog or not at all, and the device counts whole seconds") {
  const Etc etc;
  const auto error = [&](const std::string& lines) {
    return etc.shared_error(etc.shared("", "", "[self_fence]\n" + lines));
  };
  CHECK(error("mode = \"watchdog\"\ntimeout_ms = 2000\ndevice = \"/dev/watchdog1\"\n") == "valid");
  CHECK(error("mode = \"off\"\n") == "valid");
  CHECK_THAT(error("mode = \"on\"\n"), Catch::Contains("must be \"off\" or \"watchdog\""));
  CHECK_THAT(error("device = \"watchdog0\"\n"), Catch::Contains("must be an absolute path"));
  CHECK_THAT(error("timeout_ms = 5000\n"), Catch::Contains("must be a multiple of 2000 ms"));
  CHECK_THAT(error("timeout_ms = 1000\n"), Catch::Contains("must be from 2000"));
}

TEST_CASE("a heartbeat that comes in time makes nobody suspect") {
  const Etc etc;
  const std::string long_session = "session_timeout_ms = 60000\n";
  CHECK_THAT(etc.shared_error(etc.shared("", long_session)),
             Catch::Contains("timings.suspect_after_ms") && Catch::Contains("15000 ms"));
  CHECK(etc.shared_error(etc.shared("", long_session, "[timings]\nsuspect_after_ms = 15000\n")) == "valid");
  CHECK(etc.shared_error(etc.shared("", "", "[timings]\nsuspect_after_ms = 1500\n")) == "valid");
  CHECK_THAT(etc.shared_error(etc.shared("", "", "[timings]\nsuspect_after_ms = 1499\n")),
             Catch::Contains("timings.suspect_after_ms"));
  CHECK_THAT(etc.shared_error(etc.shared("", "", "[timings]\ndecision_limit_ms = 1000\n")),
             Catch::Contains("timings.decision_limit_ms"));
}

TEST_CASE("no call may last so long that its plugin is taken for stalled") {
  const Etc etc;
  CHECK(etc.plugin_error("ipmi", "timeout_ms = 7499\n") == "valid");
  CHECK_THAT(etc.plugin_error("ipmi", "timeout_ms = 7500\n"), Catch::Contains("ipmi.toml") &&
                                                                  Catch::Contains("\"timeout_ms\" does not fit") &&
                                                                  Catch::Contains("15000 ms"));
  CHECK(etc.plugin_error("ipmi", "timeout_ms = 7500\nstall_limit_ms = 20000\n") == "valid");
  // Ceph counts in whole seconds.
  CHECK(etc.plugin_error("ceph-osd", "timeout_ms = 2000\n") == "valid");
  CHECK_THAT(etc.plugin_error("ceph-osd", "timeout_ms = 2001\n"), Catch::Contains("6 calls of 3000 ms"));
  CHECK(etc.plugin_error("ceph-osd", "timeout_ms = 2001\nstall_limit_ms = 18001\n") == "valid");
  etc.write("pvcd.toml", etc.shared("", "", "[hooks]\nvm_pre_start = []\n"));
  CHECK(etc.plugin_error("rbd-locks", "timeout_ms = 14000\n") == "valid");
  CHECK_THAT(etc.plugin_error("rbd-locks", "timeout_ms = 14001\n"), Catch::Contains("1 calls of 15000 ms"));
  etc.write("pvcd.toml", etc.shared("", "", "[timings]\nplugin_stall_limit_ms = 10000\n"));
  CHECK_THAT(etc.plugin_error("ipmi", ""), Catch::Contains("ipmi.toml"));
  CHECK_THROWS_WITH(runtime::check_config(etc.path), Catch::Contains("ipmi.toml"));
}

TEST_CASE("a stall limit leaves a plugin the time to show that it turns") {
  const Etc etc;
  for (const char* good : {"0", "1000"})
    CHECK(etc.plugin_error("libvirt", "stall_limit_ms = " + std::string(good) + "\n") == "valid");
  for (const char* wrong : {"1", "999"})
    CHECK_THAT(etc.plugin_error("libvirt", "\nstall_limit_ms = " + std::string(wrong) + "\n"),
               Catch::Contains("libvirt.toml:2: \"stall_limit_ms\" is") && Catch::Contains("at least 1000 ms"));
}

TEST_CASE("a hook's deadline is within the stall limit that holds for it") {
  const Etc etc;
  etc.write("pvcd.toml", etc.shared("", "", "[timings]\nhook_deadline_ms = 20000\n"));
  CHECK(etc.plugin_error("rbd-locks", "stall_limit_ms = 20000\n") == "valid");
  CHECK_THAT(etc.plugin_error("rbd-locks", "stall_limit_ms = 19999\n"),
             Catch::Contains("\"stall_limit_ms\" is 19999 (rbd-locks.toml:1)"));
  CHECK_THAT(etc.plugin_error("rbd-locks", ""), Catch::Contains("\"timings.plugin_stall_limit_ms\" is 15000"));
  CHECK(etc.plugin_error("libvirt", "") == "valid");  // no hook
}

TEST_CASE("a request ends before the core gives its answer up") {
  const Etc etc;
  CHECK(etc.plugin_error("ipmi", "timeout_ms = 14999\nstall_limit_ms = 60000\n") == "valid");
  CHECK_THAT(
      etc.plugin_error("ipmi", "timeout_ms = 15000\nstall_limit_ms = 60000\n"),
      Catch::Contains("ipmi.toml:1: \"timeout_ms\" does not fit: 2 calls of 15000 ms") && Catch::Contains("30000 ms"));
  CHECK(etc.plugin_error("ceph-osd", "timeout_ms = 4000\nstall_limit_ms = 60000\n") == "valid");
  CHECK_THAT(etc.plugin_error("ceph-osd", "timeout_ms = 5000\nstall_limit_ms = 60000\n"),
             Catch::Contains("6 calls of 5000 ms"));
}

TEST_CASE("a hook has the time for one call") {
  const Etc etc;
  CHECK(etc.plugin_error("rbd-locks", "timeout_ms = 9000\n") == "valid");
  CHECK_THAT(etc.plugin_error("rbd-locks", "timeout_ms = 9001\n"), Catch::Contains("one call of 10000 ms"));
  etc.write("pvcd.toml", etc.shared("", "", "[timings]\nhook_deadline_ms = 5001\n"));
  CHECK(etc.plugin_error("rbd-locks", "") == "valid");
  etc.write("pvcd.toml", etc.shared("", "", "[timings]\nhook_deadline_ms = 5000\n"));
  CHECK_THAT(etc.plugin_error("rbd-locks", ""), Catch::Contains("one call of 5000 ms"));
  CHECK(etc.plugin_error("rbd-locks", "timeout_ms = 4000\n") == "valid");
  etc.write("pvcd.toml",
            etc.shared("", "", "[timings]\nhook_deadline_ms = 5000\n[hooks]\nvm_pre_start = [\"fake\"]\n"));
  CHECK(etc.plugin_error("rbd-locks", "") == "valid");
}

TEST_CASE("an address is an address: what Ceph lists is compared with it") {
  const Etc etc;
  const auto with = [&](const std::string& address) {
    return etc.shared_error(replaced(etc.shared(), "\"10.0.1.1\"", "\"" + address + "\""));
  };
  for (const char* wrong : {"n1-storage", "10.0.1.1/24", "10.0.1", "[fd00::1]", "", "10.0.1.1:0"})
    CHECK_THAT(with(wrong), Catch::Contains("node.storage_addresses") && Catch::Contains("is no IP address"));
  for (const char* good : {"10.0.1.7", "fd00::1"}) CHECK(with(good) == "valid");
}

TEST_CASE("a shared directory has one name, and a hook that looks at it") {
  const Etc etc;
  const auto with = [&](const std::string& directory) {
    return etc.shared_error(etc.shared() + "\n[hooks]\nvm_pre_start = [\"shared-files\", \"rbd-locks\"]\n[storage]\n" +
                            "shared_directories = [\"" + directory + "\"]\n");
  };
  for (const char* wrong : {"", "vms", "/", "/net/vms/", "/net//vms", "/net/./vms", "/net/../vms"})
    CHECK_THAT(with(wrong), Catch::Contains("storage.shared_directories") && Catch::Contains("is no absolute path"));
  for (const char* good : {"/net/vms", "/mnt"}) CHECK(with(good) == "valid");
}

TEST_CASE("a server of the store has a port") {
  const Etc etc;
  const auto with = [&](const std::string& servers) {
    return etc.shared_error(replaced(etc.shared(), "[\"10.0.0.1:2181\"]", servers));
  };
  CHECK_THAT(with("[\n\"n1:2181\",\n\"n2\"]"),
             Catch::Contains("pvcd.toml:11: \"store.servers\" \"n2\" is no server: write n1:2181"));
  CHECK(with("[\"n1:2181\", \"[2001:db8::11]:2181\"]") == "valid");
}

TEST_CASE("tables of one kind are read each by itself") {
  const Etc etc;
  etc.write("bmc.secret", "hush\n", 0600);
  const std::string password = "password_file = \"" + (etc.path / "bmc.secret").string() + "\"\n";
  const std::string n1 = "[bmc.n1]\naddress = \"10.9.0.1\"\nusername = \"admin\"\n" + password;
  const std::string n2 = "[bmc.n2]\naddress = \"10.9.0.2\"\nusername = \"root\"\nport = 9001\n" + password;
  REQUIRE(etc.plugin_error("ipmi", "cipher_suite = 3\n" + n1 + n2) == "valid");
  const auto settings = etc.load("ipmi");
  CHECK(settings->number("cipher_suite") == 3);
  CHECK(settings->tables("bmc") == std::vector<std::string>{"n1", "n2"});
  CHECK(settings->tables("none").empty());
  CHECK(settings->table("bmc", "n1").number("port") == 623);
  CHECK(settings->table("bmc", "n2").number("port") == 9001);
  CHECK(settings->table("bmc", "n1").text("identity") == "guid");
  CHECK(settings->table("bmc", "n2").text("username") == "root");
  CHECK_THROWS_AS(settings->table("bmc", "n3"), Error);

  CHECK_THAT(etc.plugin_error("ipmi", "[bmc.n1]\naddress = \"a\"\n"),
             Catch::Contains("ipmi.toml:1: \"bmc.n1.username\" is missing"));
  CHECK(etc.plugin_error("ipmi", n1 + "identity = \"mark\"\n") == "valid");
  CHECK_THAT(etc.plugin_error("ipmi", n1 + "color = 1\n"), Catch::Contains("\"bmc.n1.color\" unknown key"));
  CHECK_THAT(etc.plugin_error("ipmi", "[bmc]\nn1 = 3\n"), Catch::Contains("\"bmc.n1\" must be a table"));
}

TEST_CASE("a secret that others may read is refused; its twin is not") {
  const Etc etc;
  const std::string secret = (etc.path / "store.secret").string();
  for (const mode_t mode : {0640U, 0604U, 0666U, 0700U}) {
    chmod(secret.c_str(), mode);
    CHECK_THAT(etc.shared_error(etc.shared()), Catch::Contains("chmod 0600"));
  }
  chmod(secret.c_str(), 0400);
  CHECK(etc.shared_error(etc.shared()) == "valid");
  fs::remove(secret);
  CHECK_THAT(etc.shared_error(etc.shared()), Catch::Contains(secret + ", which cannot be read"));
  for (const char* wrong : {"", "\n", "secret\n", "\npvcd:secret\n"}) {
    etc.write("store.secret", wrong, 0600);
    CHECK_THAT(etc.shared_error(etc.shared()), Catch::Contains("user:password") && !Catch::Contains("pvcd:secret"));
  }
}

TEST_CASE("--check-config looks at every file") {
  const Etc etc;
  etc.write("plugins.d/libvirt.toml", "uri = \"qemu:///system\"\n");
  CHECK_NOTHROW(runtime::check_config(etc.path));
  etc.write("plugins.d/libvirt.toml", "url = \"qemu:///system\"\n");
  CHECK_THROWS_WITH(runtime::check_config(etc.path), Catch::Contains("libvirt.toml:1: \"url\""));
  fs::remove(etc.path / "plugins.d/libvirt.toml");
  etc.write("plugins.d/libvrit.toml", "");
  CHECK_THROWS_WITH(runtime::check_config(etc.path), Catch::Contains("there is no plugin \"libvrit\""));
}

TEST_CASE("--check-config PLUGIN looks at the defaults of a plugin that nothing names, as its start would") {
  const Etc etc;
  etc.write("pvcd.toml", etc.shared("", "",
                                    "[timings]\nhook_deadline_ms = 5001\nplugin_stall_limit_ms = 9000\n"
                                    "[fencing]\nfencer = \"fake\"\n[storage]\nplugin = \"fake\"\n"));
  CHECK_NOTHROW(runtime::check_config(etc.path));
  CHECK_NOTHROW(runtime::check_config(etc.path, "election"));
  CHECK_THROWS_WITH(runtime::check_config(etc.path, "ipmi"), Catch::Contains("2 calls of 5000 ms"));
  CHECK_THROWS_WITH(runtime::check_config(etc.path, "impi"), Catch::Contains("there is no plugin \"impi\""));
}

TEST_CASE("--check-config looks at the defaults of the plugins that are named, too") {
  const Etc etc;
  etc.write("pvcd.toml", etc.shared("", "", "[timings]\nhook_deadline_ms = 5000\n"));
  CHECK_THROWS_WITH(runtime::check_config(etc.path), Catch::Contains("pvcd.toml:12: \"timings.hook_deadline_ms\""));
  etc.write("pvcd.toml", etc.shared("", "", "[timings]\nhook_deadline_ms = 5001\n"));
  CHECK_NOTHROW(runtime::check_config(etc.path));
  const std::string short_stall = "[timings]\nhook_deadline_ms = 5001\nplugin_stall_limit_ms = 9000\n";
  etc.write("pvcd.toml", etc.shared("", "", short_stall));
  CHECK_THROWS_WITH(runtime::check_config(etc.path),
                    Catch::Contains("pvcd.toml:13: \"timings.plugin_stall_limit_ms\""));
  etc.write("pvcd.toml",
            etc.shared("", "", short_stall + "[fencing]\nfencer = \"fake\"\n[storage]\nplugin = \"fake\"\n"));
  CHECK_NOTHROW(runtime::check_config(etc.path));
}

TEST_CASE("the table of keys is sound") {
  std::set<std::string> seen;
  for (const runtime::Key& key : runtime::config_keys()) {
    INFO(key.file << " " << key.table << "." << key.name);
    CHECK(seen.insert(std::string(key.file) + "/" + std::string(key.table) + "/" + std::string(key.name)).second);
    CHECK_FALSE(key.doc.empty());
    if (key.type == runtime::KeyType::Number) {
      CHECK(key.minimum <= std::get<std::int64_t>(key.fallback));
      CHECK(std::get<std::int64_t>(key.fallback) <= key.maximum);
    }
    if (key.name.ends_with("_ms")) CHECK(key.unit == "ms");
    CHECK((key.form == runtime::Form::PluginName) == (key.role != runtime::Role::None));
  }
  CHECK_THAT(runtime::print_config_keys(),
             Catch::Contains("pvcd\tstore\tsession_timeout_ms\tnumber\t6000\t2000\t600000\tms\t"));
}
