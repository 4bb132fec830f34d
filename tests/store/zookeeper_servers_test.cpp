// What the library is given to connect to.
#include "store/zookeeper_servers.hpp"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstring>

using namespace pvcd::store;

namespace {

// As RestrictAddressFamilies= of the units does it.
bool forbid_netlink() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{std::size(filter), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

TEST_CASE("A server of this host comes first, whatever the order, and no other is forgotten") {
  for (const std::string own : {"127.0.0.1:2183", "127.0.0.2:2183"}) {  // the second is not the first of its interface
    const auto servers = numeric_servers({"198.51.100.1:2181", "198.51.100.2:2182", own});
    CHECK(servers.warnings.empty());
    CHECK(servers.text.rfind(own + ",", 0) == 0);
    CHECK(servers.text.find("198.51.100.1:2181") != std::string::npos);
    CHECK(servers.text.find("198.51.100.2:2182") != std::string::npos);
    const auto even = numeric_servers({"198.51.100.1:2181", own});
    CHECK(even.text == own + ",198.51.100.1:2181,198.51.100.1:2181");
  }
}

TEST_CASE("It comes first in a unit, too, where netlink is forbidden") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool good = forbid_netlink();
    for (int round = 0; round < 10 && good; ++round) {  // the order of the others is any
      const auto servers = numeric_servers({"198.51.100.1:2181", "127.0.0.1:2183", "198.51.100.2:2182"});
      good = servers.warnings.empty() && servers.text.rfind("127.0.0.1:2183,", 0) == 0;
    }
    _exit(good ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("That nobody can tell whose server it is, is said") {
  rlimit files{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &files) == 0);
  const rlimit none{0, files.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const auto servers = numeric_servers({"127.0.0.1:2181"});
  REQUIRE(setrlimit(RLIMIT_NOFILE, &files) == 0);
  CHECK(servers.text == "127.0.0.1:2181");
  REQUIRE(servers.warnings.size() == 1);
  CHECK_THAT(servers.warnings.front(), Catch::Contains("127.0.0.1") && Catch::Contains(strerror(EMFILE)));
}
