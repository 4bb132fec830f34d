// Typed changes as operations of the store: where each kind of entry lives, and as what text.
#pragma once

#include "sdk/change.hpp"
#include "store/store.hpp"

namespace pvcd::store {

std::vector<Operation> operations_of(const Changes&);

// `failed` of the result is the index of the change that failed.
void commit(Store&, const Changes&, Committed);

}  // namespace pvcd::store
