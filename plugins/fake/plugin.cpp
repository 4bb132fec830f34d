#include "fake.hpp"

PVCD_PLUGIN("fake", pvcd::fake::Fake);
