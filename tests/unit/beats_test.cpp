// Heartbeats beside the store: what a datagram says, and who hears it.
#include "core/beats.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "fake_host.hpp"
#include "sdk/proof.hpp"

using namespace pvcd;

namespace {

// A port that nobody has; whoever takes it in between fails the test.
std::uint16_t free_port() {
  const int made = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(made, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(made, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(made);
  return ntohs(address.sin_port);
}

struct Listener {
  runtime::Loop loop;
  std::uint16_t port = free_port();
  test::MapSettings settings;

  Listener() {
    settings.texts = {{"cluster.name", "lab"}, {"node.name", "n1"}};
    settings.lists = {{"cluster.coordinators", {"n1", "n2"}}, {"node.addresses", {"127.0.0.1"}}};
    settings.numbers = {{"cluster.beat_port", port}};
  }
  void send(const std::string& datagram) const {
    const int made = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::sendto(made, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) ==
            static_cast<ssize_t>(datagram.size()));
    ::close(made);
  }
};

}  // namespace

TEST_CASE("a coordinator hears the beats of its cluster, and ignores all else that comes to the port") {
  Listener it;
  core::Beats beats(it.loop, it.settings);
  it.send("rubbish");
  it.send(encode_beat({"another", "n3", 1}));
  it.send(std::string(600, 'x'));
  it.send(encode_beat({"lab", "n2", 7}));
  while (beats.heard().empty()) it.loop.turn();
  REQUIRE(beats.heard().size() == 1);
  CHECK(beats.heard().at("n2").incarnation == 7);
  CHECK(beats.heard().at("n2").at > 0);
}

TEST_CASE("a node that is no coordinator does not listen; a port that is taken is no reason not to start") {
  Listener it;
  SECTION("no coordinator") {
    it.settings.texts["node.name"] = "n9";
    const core::Beats none(it.loop, it.settings);
    const core::Beats other(it.loop, it.settings);
    it.settings.texts["node.name"] = "n1";
    core::Beats beats(it.loop, it.settings);
    it.send(encode_beat({"lab", "n2", 7}));
    while (beats.heard().empty()) it.loop.turn();
    CHECK(none.heard().empty());
  }
  SECTION("taken") {
    core::Beats first(it.loop, it.settings);
    const core::Beats second(it.loop, it.settings);
    it.send(encode_beat({"lab", "n2", 7}));
    while (first.heard().empty()) it.loop.turn();
    CHECK(second.heard().empty());
  }
}
