#include "connection.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

#include "domain_xml.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::libvirt {
namespace {

constexpr int retry_interval_ms = 1000;
constexpr int keepalive_interval_s = 5;
constexpr unsigned keepalive_count = 3;
constexpr std::chrono::seconds stop_limit{2};

void say_nothing(void*, virErrorPtr) {}

// Once in a process: libvirt has one event loop.
void initialize() {
  static const bool ready = [] {
    virSetErrorFunc(nullptr, say_nothing);  // otherwise each error is also printed
    return virInitialize() == 0 && virEventRegisterDefaultImpl() == 0;
  }();
  if (!ready) throw Error("libvirt cannot be initialized: " + last_failure().text);
}

Connection& self(void* connection) { return *static_cast<Connection*>(connection); }

}  // namespace

Connection::Connection(std::string uri)
    : uri_(std::move(uri)), news_descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (news_descriptor_ < 0) throw Error("no eventfd can be made");
  initialize();
  timer_ = virEventAddTimeout(-1, on_timer, this, nullptr);
}

Connection::~Connection() {
  virEventRemoveTimeout(timer_);
  ::close(news_descriptor_);
}

void Connection::start() {
  std::thread([self = shared_from_this()] { self->run(); }).detach();
}

void Connection::stop() noexcept {
  stopping_ = true;
  virEventUpdateTimeout(timer_, 0);
  ended_.get_future().wait_for(stop_limit);
}

void Connection::run() {
  while (!stopping_) {
    if (broken_) close();
    if (!get()) open();
    if (!stopping_) virEventRunDefaultImpl();
  }
  close();
  ended_.set_value();
}

void Connection::open() {
  virConnectPtr opened = virConnectOpen(uri_.c_str());
  if (opened == nullptr) {
    tell_problem(last_failure().text);
    virEventUpdateTimeout(timer_, retry_interval_ms);
    return;
  }
  // Not every driver has a connection to watch; the test driver has none.
  virConnectSetKeepAlive(opened, keepalive_interval_s, keepalive_count);
  virConnectRegisterCloseCallback(opened, on_closed, this, nullptr);
  subscriptions_ = {virConnectDomainEventRegisterAny(opened, nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                     VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), this, nullptr),
                    virConnectDomainEventRegisterAny(opened, nullptr, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
                                                     VIR_DOMAIN_EVENT_CALLBACK(on_device_added), this, nullptr),
                    virConnectDomainEventRegisterAny(opened, nullptr, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                                                     VIR_DOMAIN_EVENT_CALLBACK(on_device_removed), this, nullptr)};
  {
    const std::lock_guard lock(mutex_);
    connect_ = Connect(opened, virConnectClose);
  }
  list();
}

void Connection::close() {
  broken_ = false;
  const Connect old = get();
  if (!old) return;
  for (const int subscription : subscriptions_) virConnectDomainEventDeregisterAny(old.get(), subscription);
  virConnectUnregisterCloseCallback(old.get(), on_closed);
  {
    const std::lock_guard lock(mutex_);
    connect_ = nullptr;
  }
  tell([](News& news) {
    news = {.lost = true, .listed = false, .domains = {}, .images = {}, .problem = "the connection is lost"};
  });
}

// After the subscription: what changes meanwhile comes as an event.
void Connection::list() {
  const Connect connect = get();
  virDomainPtr* domains = nullptr;
  const int count = virConnectListAllDomains(connect.get(), &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  if (count < 0) {
    tell_problem("the domains cannot be listed: " + last_failure().text);
    broken_ = true;
    virEventUpdateTimeout(timer_, retry_interval_ms);
    return;
  }
  std::map<VmUuid, DomainState> running;
  for (int index = 0; index < count; ++index) {
    const Domain domain(domains[index]);
    running[uuid_of(domain.get())] = state_of(domain.get());
    tell_plugged(domain.get(), {});
  }
  free(domains);
  std::erase_if(plugs_, [&](const auto& one) { return !running.contains(one.first); });
  tell([&running](News& news) {
    news.listed = true;
    news.domains = running;
  });
}

Connect Connection::get() const {
  const std::lock_guard lock(mutex_);
  return connect_;
}

std::string Connection::problem() const {
  const std::lock_guard lock(mutex_);
  return "no connection to " + uri_ + ": " + problem_;
}

News Connection::take() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t emptied = read(news_descriptor_, &count, sizeof count);
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, News{});
}

void Connection::tell(const std::function<void(News&)>& change) {
  {
    const std::lock_guard lock(mutex_);
    change(news_);
    if (!news_.problem.empty()) problem_ = news_.problem;
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(news_descriptor_, &one, sizeof one);
}

void Connection::tell_problem(const std::string& problem) {
  tell([&problem](News& news) { news.problem = problem; });
}

// The state now, not the event's: an event may be older than the list.
void Connection::tell_state(virDomainPtr domain) {
  const VmUuid uuid = uuid_of(domain);
  const DomainState state = state_of(domain);
  if (state == DomainState::Gone) plugs_.erase(uuid);
  tell([&](News& news) { news.domains[uuid] = state; });
}

// All that it has open; what has this alias was plugged in just now. A plugin that has restarted counts anew: what it
// did not see plugged in is open under number 0.
void Connection::tell_plugged(virDomainPtr domain, const std::string& alias) {
  const std::string xml = xml_of(domain);
  if (xml.empty()) return;  // it has ended meanwhile, or the connection has and will list it again
  const VmUuid uuid = uuid_of(domain);
  std::vector<PluggedImage> images;
  for (const LiveDisk& disk : rbd_disks_of(xml)) {
    std::uint64_t& number = plugs_[uuid][disk.image];
    if (!alias.empty() && disk.alias == alias) ++number;
    images.push_back({disk.image, number});
  }
  tell([&](News& news) { news.images[uuid] = images; });
}

void Connection::on_timer(int timer, void*) { virEventUpdateTimeout(timer, -1); }

// A connection must not be closed from its own callback; run() does it.
void Connection::on_closed(virConnectPtr, int, void* connection) { self(connection).broken_ = true; }

int Connection::on_lifecycle(virConnectPtr, virDomainPtr domain, int, int, void* connection) {
  self(connection).tell_state(domain);
  return 0;
}

void Connection::on_device_added(virConnectPtr, virDomainPtr domain, const char* alias, void* connection) {
  self(connection).tell_plugged(domain, alias);
}

void Connection::on_device_removed(virConnectPtr, virDomainPtr domain, const char*, void* connection) {
  self(connection).tell_plugged(domain, {});
}

}  // namespace pvcd::libvirt
