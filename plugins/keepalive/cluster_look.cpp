#include "cluster_look.hpp"

#include <memory>
#include <utility>

#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::keepalive {
namespace {

namespace paths = store::paths;

// Lives as long as one of its requests is under way; the last one to go hands over what was read.
class Look : public std::enable_shared_from_this<Look> {
 public:
  Look(store::Store& store, NodeName self, BootId boot, std::function<void(LookResult)> done)
      : store_(store), self_(std::move(self)), boot_(std::move(boot)), done_(std::move(done)) {}

  void begin() {
    ++open_;
    store_.sync([look = shared_from_this()](store::ReadCode code) {
      if (code == store::ReadCode::Ok)
        look->read_all();
      else
        look->fail("the store does not answer a sync", code);
      look->close();
    });
  }

 private:
  using OnEntry = std::function<void(const store::Entry&)>;

  void read_all() {
    ++open_;
    store_.list(paths::nodes, [look = shared_from_this()](const store::ReadResult& result) {
      if (result.code == store::ReadCode::Ok)
        for (const auto& name : result.children) look->read_node(name);
      else
        look->fail(paths::nodes + " cannot be listed", result.code);
      look->close();
    });
    read(paths::under(paths::fences, self_),
         [this](const store::Entry& entry) { decode(paths::under(paths::fences, self_), entry, result_.look.fence); });
    read(paths::under(paths::evidence, boot_), [this](const store::Entry&) { result_.look.evidence = true; });
  }

  void read_node(const NodeName& name) {
    const auto path = paths::under(paths::nodes, name);
    read(path, [this, name, path](const store::Entry& entry) {
      std::optional<Found<NodeRecord>> found;
      decode(path, entry, found);
      if (!found) return;
      if (name == self_) read_session(found->value.incarnation);
      result_.look.nodes.emplace(name, *std::move(found));
    });
  }

  void read_session(Incarnation incarnation) {
    const auto live_path = paths::live_entry(self_, incarnation);
    read(live_path, [this, live_path](const store::Entry& entry) {
      std::optional<Found<LiveRecord>> found;
      decode(live_path, entry, found);
      if (found) result_.look.live = found->value;
    });
    read(paths::live_session(self_, incarnation),
         [this](const store::Entry& entry) { result_.look.session_owner = entry.ephemeral_owner; });
  }

  void read(const std::string& path, OnEntry on_entry) {
    ++open_;
    store_.get(path,
               [look = shared_from_this(), path, on_entry = std::move(on_entry)](const store::ReadResult& result) {
                 if (result.code == store::ReadCode::Ok)
                   on_entry(result.entry);
                 else if (result.code != store::ReadCode::NoEntry)
                   look->fail(path + " cannot be read", result.code);
                 look->close();
               });
  }

  template <class Record>
  void decode(const std::string& path, const store::Entry& entry, std::optional<Found<Record>>& found) {
    auto decoded = store::decode<Record>(entry.data);
    if (auto* error = std::get_if<store::DecodeError>(&decoded))
      result_.failure = path + " cannot be understood: " + error->text;
    else
      found = Found<Record>{std::get<Record>(std::move(decoded)), entry.version};
  }

  void fail(const std::string& what, store::ReadCode code) {
    result_.failure =
        what + (code == store::ReadCode::Denied ? ": the store denies it; check store.credentials_file" : "");
  }

  void close() {
    if (--open_ == 0) done_(std::move(result_));
  }

  store::Store& store_;
  NodeName self_;
  BootId boot_;
  std::function<void(LookResult)> done_;
  LookResult result_;
  std::size_t open_ = 0;
};

}  // namespace

void look_at_cluster(store::Store& store, const NodeName& self, const BootId& boot,
                     std::function<void(LookResult)> done) {
  std::make_shared<Look>(store, self, boot, std::move(done))->begin();
}

}  // namespace pvcd::keepalive
