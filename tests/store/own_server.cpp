#include "own_server.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "backend_zookeeper.hpp"

namespace pvcd::store::test {
namespace {

namespace fs = std::filesystem;

std::uint16_t free_port() {
  int held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(held, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(held, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(held);
  return ntohs(address.sin_port);
}

}  // namespace

OwnServer::OwnServer() : port_(free_port()) {
  std::string name = (fs::temp_directory_path() / "pvcd-server-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  directory_ = name;
  std::ofstream(directory_ + "/zoo.cfg") << "tickTime=200\nminSessionTimeout=400\nmaxSessionTimeout=60000\n"
                                         << "dataDir=" << directory_ << "/data\n"
                                         << "clientPort=" << port_ << "\nclientPortAddress=127.0.0.1\n"
                                         << "admin.enableServer=false\n4lw.commands.whitelist=*\n"
                                         << "forceSync=no\npreAllocSize=1024\n";
  start();
}

OwnServer::~OwnServer() {
  stop();
  fs::remove_all(directory_);
}

void OwnServer::start() {
  auto words = server_command();
  words.push_back(directory_ + "/zoo.cfg");
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string log = directory_ + "/log";
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  REQUIRE(posix_spawnp(&pid_, arguments.front(), &files, nullptr, arguments.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&files);
}

void OwnServer::stop() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

bool OwnServer::serves() const { return answer_of(port_, "srvr").find("Mode: ") != std::string::npos; }

void OwnServer::save_disk() const {
  fs::remove_all(directory_ + "/copy");
  fs::copy(directory_ + "/data", directory_ + "/copy", fs::copy_options::recursive);
}

void OwnServer::restore_disk() const {
  lose_disk();
  fs::copy(directory_ + "/copy", directory_ + "/data", fs::copy_options::recursive);
}

void OwnServer::lose_disk() const { fs::remove_all(directory_ + "/data"); }

}  // namespace pvcd::store::test
