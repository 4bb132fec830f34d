#include "libvirt.hpp"

PVCD_PLUGIN("libvirt", pvcd::libvirt::Libvirt);
