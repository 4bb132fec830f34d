#include "core/objects/storage_object.hpp"

#include "core/objects/desk.hpp"

namespace pvcd::core {

StorageObject::StorageObject(sdbus::IConnection& connection, AgeNow age, StorageProperties properties)
    : AdaptorInterfaces(connection, runtime::names::storage_path),
      age_(std::move(age)),
      properties_(std::move(properties)) {
  registerAdaptor();
  getObject().emitInterfacesAddedSignal({INTERFACE_NAME});
}

StorageObject::~StorageObject() {
  tell_removed(getObject(), INTERFACE_NAME);
  unregisterAdaptor();
}

void StorageObject::update(StorageProperties properties) {
  const auto names = changed(properties_, properties);
  properties_ = std::move(properties);
  if (!names.empty()) getObject().emitPropertiesChangedSignal(INTERFACE_NAME, names);
}

std::vector<StorageObject::Check> StorageObject::Checks() {
  std::vector<Check> checks;
  for (const HealthCheck& check : properties_.health.checks)
    checks.emplace_back(check.name, check.severity, check.sentence);
  return checks;
}

std::vector<StorageObject::Pool> StorageObject::Pools() {
  std::vector<Pool> pools;
  for (const PoolFacts& pool : properties_.pools)
    pools.emplace_back(pool.id, pool.name, shown(pool.stored_bytes), shown(pool.used_bytes),
                       shown(pool.available_bytes), shown(pool.objects), shown(pool.used_fraction),
                       shown(pool.read_ops), shown(pool.write_ops), shown(pool.read_bytes), shown(pool.write_bytes));
  return pools;
}

}  // namespace pvcd::core
