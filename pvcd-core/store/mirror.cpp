#include "store/mirror.hpp"

#include <systemd/sd-event.h>

#include <set>
#include <utility>

#include "store/deferred.hpp"
#include "store/paths.hpp"

namespace pvcd::store {
namespace {

// Before a read whose outcome is unknown is repeated: the store is reconnecting meanwhile.
constexpr Microseconds reread_pause = milliseconds(200);

// So that a directory of thousands does not stand before everything else that the loop has to do.
constexpr std::size_t reads_under_way_max = 64;

// One call after a pause; asking again while it is pending changes nothing.
class Pause {
 public:
  Pause(sd_event* loop, std::function<void()> over) : over_(std::move(over)) {
    auto on_time = [](sd_event_source*, std::uint64_t, void* self) {
      static_cast<Pause*>(self)->pending_ = false;
      static_cast<Pause*>(self)->over_();
      return 0;
    };
    require(sd_event_add_time(loop, &timer_, CLOCK_MONOTONIC, UINT64_MAX, 0, on_time, this),
            "adding a timer to the loop");
    sd_event_source_set_enabled(timer_, SD_EVENT_OFF);
  }
  ~Pause() { sd_event_source_disable_unref(timer_); }
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

  bool pending() const { return pending_; }
  void begin() {
    if (std::exchange(pending_, true)) return;
    sd_event_source_set_time_relative(timer_, reread_pause);
    sd_event_source_set_enabled(timer_, SD_EVENT_ONESHOT);
  }

 private:
  std::function<void()> over_;
  sd_event_source* timer_ = nullptr;
  bool pending_ = false;
};

// Tells the owner once a turn, however much has changed.
class Teller {
 public:
  Teller(sd_event* loop, std::function<void()> changed) : deferred_(loop), changed_(std::move(changed)) {}

  void tell() {
    if (std::exchange(pending_, true)) return;
    deferred_.post([this] {
      pending_ = false;
      // The owner may end the mirror in its callback, and this object with it.
      auto changed = changed_;
      if (changed) changed();
    });
  }

 private:
  Deferred deferred_;
  std::function<void()> changed_;
  bool pending_ = false;
};

}  // namespace

// -------------------------------------------------------------------------------------------------------------- Mirror

// Each listed entry is at every moment in `to_read`, being read, or watched; so nothing is missed. The last two are
// both `watched`, because the read sets the watch; at most one for each item, or every change would be read many times.
struct Mirror::State : std::enable_shared_from_this<Mirror::State> {
  enum class Part { Data, Children };
  using Item = std::pair<Part, std::string>;

  State(Store& of, std::string path, std::function<void()> told, bool children)
      : store(of),
        directory(std::move(path)),
        watch_children(children),
        teller(of.loop(), std::move(told)),
        pause(of.loop(), [this] { read_on(); }) {}

  void changed(Part part, const std::string& name) {
    watched.erase({part, name});
    to_read.insert({part, name});
    read_on();
  }

  void read_on() {
    if (pause.pending()) return;
    if (!listed && !listing) list();
    while (under_way < reads_under_way_max && !to_read.empty()) {
      auto [part, name] = *to_read.begin();
      to_read.erase(to_read.begin());
      watched.insert({part, name});
      ++under_way;
      if (part == Part::Data)
        read_data(name);
      else
        read_children(name);
    }
  }

  // A callback of the store that does nothing once the mirror is gone.
  template <class Then>
  auto alive(Then then) {
    return [weak = weak_from_this(), then](const auto&... result) {
      if (auto self = weak.lock()) then(*self, result...);
    };
  }

  void list() {
    listing = true;
    store.list(directory, alive([](State& self, const ReadResult& result) { self.on_list(result); }),
               alive([](State& self) {
                 self.listed = false;
                 self.read_on();
               }));
  }

  void on_list(const ReadResult& result) {
    listing = false;
    bool known = result.code == ReadCode::Ok;
    if (!known) return pause.begin();
    listed = true;
    std::set<std::string> names(result.children.begin(), result.children.end());
    if (std::erase_if(entries, [&](const auto& entry) { return !names.contains(entry.first); }) > 0) teller.tell();
    for (const auto& name : names) want(name);
    settle();
  }

  void want(const std::string& name) {
    if (!watched.contains({Part::Data, name})) to_read.insert({Part::Data, name});
    if (watch_children && !watched.contains({Part::Children, name})) to_read.insert({Part::Children, name});
  }

  void read_data(const std::string& name) {
    store.get_existing(paths::under(directory, name),
                       alive([name](State& self, const ReadResult& result) { self.on_data(name, result); }),
                       alive([name](State& self) { self.changed(Part::Data, name); }));
  }

  void on_data(const std::string& name, const ReadResult& result) {
    if (!answered(Part::Data, name, result.code)) return;
    if (result.code == ReadCode::Ok)
      entries[name] = result.entry;
    else
      entries.erase(name);
    teller.tell();
    settle();
  }

  void read_children(const std::string& name) {
    store.list(paths::under(directory, name),
               alive([name](State& self, const ReadResult& result) { self.on_children(name, result); }),
               alive([name](State& self) { self.changed(Part::Children, name); }));
  }

  void on_children(const std::string& name, const ReadResult& result) {
    if (!answered(Part::Children, name, result.code)) return;
    auto entry = entries.find(name);
    if (result.code == ReadCode::Ok && entry != entries.end() && entry->second.children != result.entry.children) {
      entry->second.children = result.entry.children;
      teller.tell();
    }
    settle();
  }

  bool answered(Part part, const std::string& name, ReadCode code) {
    --under_way;
    if (code != ReadCode::Ok) watched.erase({part, name});
    bool known = code == ReadCode::Ok || code == ReadCode::NoEntry;
    if (known) return true;
    to_read.insert({part, name});
    pause.begin();
    return false;
  }

  void settle() {
    read_on();
    bool all_read = listed && to_read.empty() && under_way == 0;
    if (!all_read || complete_in == store.session()) return;
    complete_in = store.session();
    teller.tell();
  }

  Store& store;
  std::string directory;
  bool watch_children;
  Teller teller;
  Pause pause;
  std::map<std::string, Entry> entries;
  std::set<Item> to_read;
  std::set<Item> watched;
  std::size_t under_way = 0;
  bool listing = false;
  bool listed = false;
  std::uint64_t complete_in = 0;  // session
};

Mirror::Mirror(Store& store, std::string directory, std::function<void()> changed, bool watch_children)
    : state_(std::make_shared<State>(store, std::move(directory), std::move(changed), watch_children)) {
  state_->read_on();
}

Mirror::~Mirror() = default;

bool Mirror::complete() const { return state_->complete_in != 0 && state_->complete_in == state_->store.session(); }

const std::map<std::string, Entry>& Mirror::entries() const { return state_->entries; }

// ------------------------------------------------------------------------------------------------------- MirroredEntry

struct MirroredEntry::State : std::enable_shared_from_this<MirroredEntry::State> {
  State(Store& of, std::string where, std::function<void()> changed)
      : store(of),
        path(std::move(where)),
        teller(of.loop(), std::move(changed)),
        pause(of.loop(), [this] { read(); }) {}

  void read() {
    auto weak = weak_from_this();
    store.get(
        path,
        [weak](const ReadResult& result) {
          if (auto self = weak.lock()) self->on_read(result);
        },
        [weak] {
          if (auto self = weak.lock()) self->read();
        });
  }

  void on_read(const ReadResult& result) {
    bool known = result.code == ReadCode::Ok || result.code == ReadCode::NoEntry;
    if (!known) return pause.begin();
    if (result.code == ReadCode::Ok)
      entry = result.entry;
    else
      entry.reset();
    complete_in = store.session();
    teller.tell();
  }

  Store& store;
  std::string path;
  Teller teller;
  Pause pause;
  std::optional<Entry> entry;
  std::uint64_t complete_in = 0;  // session
};

MirroredEntry::MirroredEntry(Store& store, std::string path, std::function<void()> changed)
    : state_(std::make_shared<State>(store, std::move(path), std::move(changed))) {
  state_->read();
}

MirroredEntry::~MirroredEntry() = default;

bool MirroredEntry::complete() const {
  return state_->complete_in != 0 && state_->complete_in == state_->store.session();
}

const Entry* MirroredEntry::entry() const { return state_->entry ? &*state_->entry : nullptr; }

}  // namespace pvcd::store
