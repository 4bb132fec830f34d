#include "keepalive.hpp"

PVCD_PLUGIN_WITHOUT_BUS("keepalive", pvcd::keepalive::Keepalive);
