#include "runtime/journal.hpp"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

using namespace pvcd;
using namespace std::string_literals;

namespace {

// The receiving end: what was sent comes out, also what came as a file.
class Journald {
 public:
  Journald() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "pvcd-journal-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Journald() {
    close(fd_);
    std::filesystem::remove_all(folder_);
  }
  Journald(const Journald&) = delete;
  Journald& operator=(const Journald&) = delete;

  std::string path() const { return folder_ + "/socket"; }

  std::optional<std::string> next() const {
    char bytes[4096];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec part{bytes, sizeof bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
    if (size < 0) return std::nullopt;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr) return std::string(bytes, static_cast<std::size_t>(size));
    int file = -1;
    std::memcpy(&file, CMSG_DATA(header), sizeof file);
    struct stat status {};
    REQUIRE(fstat(file, &status) == 0);
    CHECK(ftruncate(file, 0) < 0);  // it is sealed
    std::string text(static_cast<std::size_t>(status.st_size), ' ');
    CHECK(pread(file, text.data(), text.size(), 0) == status.st_size);
    close(file);
    return text;
  }

 private:
  int fd_;
  std::string folder_;
};

}  // namespace

TEST_CASE("an entry is lines of NAME=value") {
  const std::string datagram = runtime::journal_datagram(Level::Warning, "abc", "text", {{"PVCD_VM", "u"}});
  CHECK_THAT(datagram, Catch::StartsWith("MESSAGE=text\nPRIORITY=4\nSYSLOG_IDENTIFIER="));
  CHECK_THAT(datagram, Catch::EndsWith("\nMESSAGE_ID=abc\nPVCD_VM=u\n"));
}

TEST_CASE("a value of several lines cannot forge a field") {
  const std::string datagram = runtime::journal_datagram(Level::Info, nullptr, "one\nPRIORITY=0", {});
  CHECK_THAT(datagram, Catch::StartsWith("MESSAGE\n\x0e\0\0\0\0\0\0\0one\nPRIORITY=0\nPRIORITY=6\n"s));
}

TEST_CASE("what a busy journal did not take is counted, and said once it takes something again") {
  Journald journald;
  runtime::JournalSocket socket(journald.path());
  constexpr int sent = 5000;  // net.unix.max_dgram_qlen is 512 at most where systemd has set it
  for (int number = 0; number < sent; ++number) REQUIRE(socket.send("MESSAGE=" + std::to_string(number) + "\n"));
  int taken = 0;
  while (journald.next()) ++taken;
  REQUIRE(taken < sent);
  REQUIRE(socket.send("MESSAGE=again\n"));
  CHECK(journald.next() == "MESSAGE=again\n");
  CHECK_THAT(journald.next().value_or(""), Catch::Contains(" " + std::to_string(sent - taken) + " entries"));
  REQUIRE(socket.send("MESSAGE=and again\n"));
  CHECK(journald.next() == "MESSAGE=and again\n");
  CHECK_FALSE(journald.next());
}

TEST_CASE("an entry that is too long for a datagram comes as a file") {
  Journald journald;
  runtime::JournalSocket socket(journald.path());
  const std::string entry = "MESSAGE=" + std::string(20'000'000, 'x') + "\n";
  REQUIRE(socket.send(entry));
  CHECK((journald.next() == entry));
  CHECK_FALSE(journald.next());
}

TEST_CASE("that there is no journal is told at once") {
  CHECK_FALSE(runtime::JournalSocket("/nowhere/journal").send("MESSAGE=x\n"));
}
