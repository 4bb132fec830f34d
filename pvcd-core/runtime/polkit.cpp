#include "runtime/polkit.hpp"

#include <utility>

namespace pvcd::runtime {

namespace {

constexpr Microseconds uid_timeout = seconds(5);
constexpr Microseconds decision_timeout = seconds(10);
constexpr Microseconds password_timeout = seconds(120);  // somebody types
constexpr std::uint32_t allow_user_interaction = 1;
// Each keeps what was asked for in memory, and somebody who is asked for a password may let all of them wait.
constexpr std::size_t questions_of_a_user_max = 16;

using Details = std::map<std::string, std::string>;
using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;
using Decision = sdbus::Struct<bool, bool, std::map<std::string, std::string>>;

Subject subject_of(const std::string& sender) {
  return Subject{"system-bus-name", std::map<std::string, sdbus::Variant>{{"name", sdbus::Variant(sender)}}};
}

}  // namespace

struct Polkit::State {
  explicit State(sdbus::IConnection& connection)
      : bus(sdbus::createProxy(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus")),
        authority(
            sdbus::createProxy(connection, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority")) {
    bus->finishRegistration();
    authority->finishRegistration();
  }

  void ask(const std::string& sender, const std::string& action, const Details& details, bool interactive,
           std::uint32_t uid, Answered answered) {
    if (open_questions[uid] >= questions_of_a_user_max)
      return answered({Authorization::Denied, uid,
                       std::to_string(questions_of_a_user_max) + " requests of this user wait for polkit already"});
    ++open_questions[uid];
    authority->callMethodAsync("CheckAuthorization")
        .onInterface("org.freedesktop.PolicyKit1.Authority")
        .withTimeout(interactive ? password_timeout : decision_timeout)
        .withArguments(subject_of(sender), action, details, interactive ? allow_user_interaction : 0U, std::string())
        .uponReplyInvoke(
            [this, uid, action, answered = std::move(answered)](const sdbus::Error* error, const Decision& decision) {
              if (--open_questions[uid] == 0) open_questions.erase(uid);
              if (error != nullptr)
                return answered({Authorization::Unavailable, uid, "polkit does not answer: " + error->getMessage()});
              if (!std::get<0>(decision))
                return answered({Authorization::Denied, uid, "polkit does not allow " + action});
              answered({Authorization::Allowed, uid, {}});
            });
  }

  std::unique_ptr<sdbus::IProxy> bus;
  std::unique_ptr<sdbus::IProxy> authority;
  std::map<std::uint32_t, std::size_t> open_questions;  // by uid
};

Polkit::Polkit(Bus& bus) : state_(std::make_unique<State>(bus.connection())) {}
Polkit::~Polkit() = default;

void Polkit::check(const std::string& sender, const std::string& action, std::map<std::string, std::string> details,
                   bool interactive, Answered answered) {
  // The bus daemon is asked instead of the message: sd-bus would ask it too, but block for the answer.
  state_->bus->callMethodAsync("GetConnectionUnixUser")
      .onInterface("org.freedesktop.DBus")
      .withTimeout(uid_timeout)
      .withArguments(sender)
      .uponReplyInvoke([state = state_.get(), sender, action, details = std::move(details), interactive,
                        answered = std::move(answered)](const sdbus::Error* error, std::uint32_t uid) {
        if (error != nullptr)
          return answered({Authorization::Denied, 0, "the caller is not on the bus any more: " + error->getMessage()});
        if (uid == 0) return answered({Authorization::Allowed, uid, {}});
        state->ask(sender, action, details, interactive, uid, answered);
      });
}

}  // namespace pvcd::runtime
