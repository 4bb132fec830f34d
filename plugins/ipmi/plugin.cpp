#include "ipmi.hpp"

PVCD_PLUGIN("ipmi", pvcd::ipmi::Ipmi);
