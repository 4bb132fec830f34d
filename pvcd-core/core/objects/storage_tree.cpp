#include "core/objects/storage_tree.hpp"

namespace pvcd::core {

StorageTree::StorageTree(sdbus::IConnection& connection, StorageView& view, Clock clock)
    : connection_(connection),
      view_(view),
      clock_(std::move(clock)),
      storage_(
          connection, [this] { return age(); }, derive_storage(view.figures())) {
  view_.on_change([this] { update(); });
}

void StorageTree::update() {
  if (!view_.complete()) return;
  const StorageFigures& figures = view_.figures();
  for (const auto& [id, facts] : figures.osds) {
    auto& object = osds_[id];
    if (object)
      object->update(facts);
    else
      object = std::make_unique<OsdObject>(
          connection_, [this] { return age(); }, facts);
  }
  std::erase_if(osds_, [&](const auto& known) { return !figures.osds.contains(known.first); });
  storage_.update(derive_storage(figures));
}

}  // namespace pvcd::core
