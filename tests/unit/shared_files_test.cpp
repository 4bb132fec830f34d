// The plugin shared-files on real files. /dev/shm is a file system of its own, as a shared one is.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "fake_host.hpp"
#include "plugins/shared-files/mark.hpp"
#include "plugins/shared-files/shared_files.hpp"

namespace pvcd::shared_files {
namespace {

namespace fs = std::filesystem;

struct Stage {
  Stage() {
    fs::create_directory(directory);
    std::ofstream(directory / "a.raw") << "data";
    host.values.lists["storage.shared_directories"] = {directory};
    plugin.start(host);
    start.disks = {{"vda", DiskKind::Rbd, "vms/a"}, {"vdb", DiskKind::Shared, directory / "a.raw"}};
  }
  HookVerdict asked() { return plugin.before_start(start); }
  // As the core does between two starts.
  void remembers(const HookVerdict& verdict) { start.file_systems = verdict.file_systems; }
  void has_run() {
    const HookVerdict verdict = asked();
    REQUIRE(verdict.verdict == Verdict::Proceed);
    remembers(verdict);
  }
  // One in the other, with a file of its own.
  fs::path inner_directory() {
    const fs::path inner = directory / "fast";
    fs::create_directory(inner);
    std::ofstream(inner / "c.raw") << "data";
    host.values.lists["storage.shared_directories"] = {inner, directory};
    plugin.start(host);
    return inner;
  }
  // Another host has something else there.
  void elsewhere(const fs::path& there) {
    fs::remove_all(directory);
    fs::rename(there, directory);
  }
  void file(const std::string& name) { start.disks.back().source = directory / name; }
  void moves(const std::string& lines) { std::ofstream(directory / moves_name, std::ios::app) << lines; }
  std::string identity() {
    struct stat status {};
    REQUIRE(stat((directory / mark_name).c_str(), &status) == 0);
    return mark().substr(0, 32) + "-" + std::to_string(status.st_ino) + "-" + std::to_string(status.st_ctim.tv_sec);
  }
  std::string mark() {
    std::ifstream file(directory / mark_name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  test::Folder folder{"/dev/shm"};
  fs::path directory = folder.path / "vms";
  test::FakeHost host;
  SharedFiles plugin;
  VmStart start;
};

// The first bytes of a qcow2 image of version 3.
std::string qcow2(char backing, char features) {
  std::string header(104, '\0');
  header.replace(0, 8, std::string("QFI\xfb\0\0\0\3", 8));
  header[15] = backing;
  header[79] = features;
  return header;
}

void is_refused_here(const HookVerdict& verdict, const std::string& why) {
  CHECK(verdict.verdict == Verdict::Refuse);
  CHECK(verdict.elsewhere);
  CHECK(verdict.file_systems.empty());
  CHECK_THAT(verdict.reason, Catch::Contains(why));
}

}  // namespace

TEST_CASE("shared-files: the first start marks the file system, every later one knows it") {
  Stage stage;
  const HookVerdict first = stage.asked();
  CHECK(first.verdict == Verdict::Proceed);
  REQUIRE(first.file_systems.size() == 1);
  CHECK(first.file_systems.front().path == stage.directory / "a.raw");
  const std::string mark = stage.mark();
  CHECK(first.file_systems.front().identity.starts_with(mark.substr(0, 32) + "-"));
  CHECK_THAT(first.reason, Catch::Contains(first.file_systems.front().identity));
  const bool remembered = GENERATE(true, false);
  if (remembered) stage.remembers(first);
  const HookVerdict second = stage.asked();
  CHECK(second.verdict == Verdict::Proceed);
  CHECK(second.file_systems == first.file_systems);
  CHECK(stage.mark() == mark);
}

TEST_CASE("shared-files: a copy is not what the VM ran on, however faithful") {
  Stage stage;
  stage.has_run();
  const std::string last = stage.start.file_systems.front().identity;
  const fs::path copy = stage.folder.path / "copy";
  fs::copy(stage.directory, copy, fs::copy_options::recursive);
  const std::string mark = stage.mark();
  stage.elsewhere(copy);
  REQUIRE(stage.mark() == mark);
  const HookVerdict verdict = stage.asked();
  is_refused_here(verdict, "is not what " + (stage.directory / "a.raw").string() + " last ran on, " + last);
  SECTION("until people say that they have moved it") {
    CHECK_THAT(verdict.reason,
               Catch::Contains(" accepts " + last + "\" to " + (stage.directory / moves_name).string()));
    stage.moves("# moved\n\n" + stage.identity() + " accepts " + last + "\n");
    const HookVerdict accepted = stage.asked();
    CHECK(accepted.verdict == Verdict::Proceed);
    CHECK(accepted.file_systems.front().identity == stage.identity());
    SECTION("which a copy of that one does not inherit") {
      stage.remembers(accepted);
      fs::copy(stage.directory, copy, fs::copy_options::recursive);
      stage.elsewhere(copy);
      is_refused_here(stage.asked(), "is not what ");
    }
    SECTION("of another VM, too: what has started since still knows it") {
      stage.remembers(accepted);
      VmStart other = stage.start;
      other.file_systems.front().identity = "another-1-2";
      CHECK(stage.plugin.before_start(other).verdict == Verdict::Refuse);
      stage.moves(stage.identity() + " accepts another-1-2\n");
      CHECK(stage.plugin.before_start(other).verdict == Verdict::Proceed);
      CHECK(stage.asked().verdict == Verdict::Proceed);
    }
  }
  SECTION("and what is said of another one does not count") {
    stage.moves("other-1-2 accepts " + last + "\n");
    is_refused_here(stage.asked(), "is not what ");
  }
}

TEST_CASE("shared-files: a file that nobody has seen is expected where the others of its directory are") {
  Stage stage;
  stage.has_run();
  stage.file("new.raw");
  CHECK(stage.asked().verdict == Verdict::Proceed);
  stage.start.file_systems.push_back({stage.directory / "b.raw", "another-1-2"});
  is_refused_here(stage.asked(), "last ran on, another-1-2");
  stage.start.file_systems.back().path = "/srv/elsewhere/b.raw";
  CHECK(stage.asked().verdict == Verdict::Proceed);
}

TEST_CASE("shared-files: what is known of a directory says nothing of one in it, nor of one above it") {
  Stage stage;
  const fs::path inner = stage.inner_directory();
  const bool inner_first = GENERATE(true, false);
  stage.start.disks = {{"vda", DiskKind::Shared, inner_first ? inner / "c.raw" : stage.directory / "a.raw"}};
  stage.has_run();
  stage.start.disks = {{"vda", DiskKind::Shared, inner_first ? stage.directory / "a.raw" : inner / "c.raw"}};
  CHECK(stage.asked().verdict == Verdict::Proceed);
}

TEST_CASE("shared-files: a host without the file system is not the right one, and gets no mark") {
  Stage stage;
  stage.has_run();
  const fs::path path = stage.directory / mark_name;
  SECTION("no mark") {
    fs::remove(path);
    is_refused_here(stage.asked(), path.string() + " is not there: it is not what VMs ran on before");
    CHECK_THAT(stage.asked().reason, Catch::Contains("openssl rand -hex 16 > " + path.string()));
    CHECK_FALSE(fs::exists(path));
    std::ofstream(path) << std::string(32, 'a') << "\n";
    is_refused_here(stage.asked(), "add the line \"" + stage.identity() + " accepts ");
  }
  SECTION("no directory") {
    fs::remove_all(stage.directory);
    is_refused_here(stage.asked(), stage.directory.string() + " is not there");
  }
  SECTION("the directory is not configured here") {
    stage.host.values.lists["storage.shared_directories"] = {"/srv/other", stage.directory.string() + "2"};
    stage.plugin.start(stage.host);
    is_refused_here(stage.asked(), "is in none of this host's [storage] shared_directories");
  }
}

TEST_CASE("shared-files: what lies on the root file system is not mounted, and gets no mark") {
  const test::Folder folder{"/var/tmp"};
  struct stat here {};
  struct stat root {};
  REQUIRE((stat(folder.path.c_str(), &here) == 0 && stat("/", &root) == 0));
  if (here.st_dev != root.st_dev) FAIL("/var/tmp is not on the root file system: this test needs a folder that is");
  std::ofstream(folder.path / "a.raw") << "data";
  Stage stage;
  stage.host.values.lists["storage.shared_directories"] = {folder.path};
  stage.plugin.start(stage.host);
  stage.start.disks = {{"vda", DiskKind::Shared, folder.path / "a.raw"}};
  is_refused_here(stage.asked(), "nothing is mounted at " + folder.path.string());
  CHECK_FALSE(fs::exists(folder.path / mark_name));
}

TEST_CASE("shared-files: a mark that cannot be read is no answer, and says where it is wrong") {
  Stage stage;
  stage.has_run();
  const auto [text, why] = GENERATE(table<std::string, std::string>(
      {{"", "does not begin with 32 hexadecimal digits"},
       {"0123", "does not begin with 32 hexadecimal digits"},
       {std::string(32, 'g') + "\n", "does not begin with 32 hexadecimal digits"},
       {std::string(32, 'a') + "\n" + std::string(66000, '#'), "has more than 65536 bytes"}}));
  std::ofstream(stage.directory / mark_name) << text;
  const HookVerdict verdict = stage.asked();
  CHECK(verdict.verdict == Verdict::Unknown);
  CHECK_THAT(verdict.reason, Catch::StartsWith((stage.directory / mark_name).string()) && Catch::Contains(why));
}

TEST_CASE("shared-files: a line about a move that cannot be read is no answer, and says where it is") {
  Stage stage;
  stage.has_run();
  const std::string wrong = GENERATE("accepts x", "a accept b", "a accepts", "a accepts b c");
  stage.moves("# fine\na accepts b\n" + wrong + "\n");
  const HookVerdict verdict = stage.asked();
  CHECK(verdict.verdict == Verdict::Unknown);
  CHECK_THAT(verdict.reason, Catch::Contains((stage.directory / moves_name).string() + ":3: neither a comment nor"));
}

TEST_CASE("shared-files: a name that leads elsewhere, or a second name, is refused on every host") {
  Stage stage;
  const fs::path outside = stage.folder.path / "outside";
  fs::create_directory(outside);
  std::ofstream(outside / "b.raw") << "data";
  std::string why;
  SECTION("a symbolic link") {
    fs::create_symlink(outside / "b.raw", stage.directory / "b.raw");
    stage.file("b.raw");
    why = "is a symbolic link or goes through one";
  }
  SECTION("through a symbolic link") {
    fs::create_directory_symlink(outside, stage.directory / "link");
    stage.file("link/b.raw");
    why = "is a symbolic link or goes through one";
  }
  SECTION("a hard link") {
    fs::create_hard_link(stage.directory / "a.raw", stage.directory / "b.raw");
    why = "has a second name (a hard link)";
  }
  SECTION("a qcow2 image with a backing file") {
    std::ofstream(stage.directory / "a.raw") << qcow2(1, 0);
    why = "has a backing or data file";
  }
  SECTION("a qcow2 image with a data file") {
    std::ofstream(stage.directory / "a.raw") << qcow2(0, 4);
    why = "has a backing or data file";
  }
  SECTION("no file") {
    REQUIRE(mkfifo((stage.directory / "fifo").c_str(), 0600) == 0);
    stage.file("fifo");
    why = "is neither a file nor a folder";
  }
  const HookVerdict verdict = stage.asked();
  CHECK(verdict.verdict == Verdict::Refuse);
  CHECK_FALSE(verdict.elsewhere);
  CHECK_THAT(verdict.reason, Catch::Contains(why));
}

TEST_CASE("shared-files: whole qcow2 images, folders and files that are yet to be made may be there") {
  Stage stage;
  SECTION("qcow2") { std::ofstream(stage.directory / "a.raw") << qcow2(0, 0); }
  SECTION("qcow2 of version 2, whose header ends before the features") {
    std::string header = qcow2(0, 4);
    header[7] = 2;
    std::ofstream(stage.directory / "a.raw") << header;
  }
  SECTION("a folder") {
    fs::create_directory(stage.directory / "tpm");
    stage.file("tpm");
  }
  SECTION("NVRAM") { stage.file("nvram.fd"); }
  SECTION("NVRAM in a folder") {
    fs::create_directory(stage.directory / "nvram");
    stage.file("nvram/n.fd");
  }
  CHECK(stage.asked().verdict == Verdict::Proceed);
}

TEST_CASE("shared-files: a folder that is not there may be there on another host") {
  Stage stage;
  stage.file("nowhere/n.fd");
  is_refused_here(stage.asked(), (stage.directory / "nowhere").string() + " is not there");
}

TEST_CASE("shared-files: of nested directories the innermost is meant") {
  Stage stage;
  const fs::path inner = stage.inner_directory();
  stage.start.disks.push_back({"vdc", DiskKind::Shared, inner / "c.raw"});
  stage.start.disks.push_back({"vdd", DiskKind::Shared, inner / "new.raw"});
  const HookVerdict verdict = stage.asked();
  CHECK(verdict.verdict == Verdict::Proceed);
  REQUIRE(verdict.file_systems.size() == 3);
  CHECK(verdict.file_systems[0].identity != verdict.file_systems[1].identity);
  CHECK(verdict.file_systems[1].identity == verdict.file_systems[2].identity);
}

TEST_CASE("shared-files: RBD images and local disks are not its business, nor is what a stopped VM leaves") {
  Stage stage;
  stage.start.disks = {{"vda", DiskKind::Rbd, "vms/a"}, {"vdb", DiskKind::Local, "/srv/a.raw"}};
  const HookVerdict verdict = stage.asked();
  CHECK(verdict.verdict == Verdict::Proceed);
  CHECK(verdict.reason.empty());
  CHECK_FALSE(fs::exists(stage.directory / mark_name));
  CHECK(stage.plugin.identify({}).outcome == Outcome::Done);
  CHECK(stage.plugin.after_stop({}).outcome == Outcome::Done);
}

}  // namespace pvcd::shared_files
