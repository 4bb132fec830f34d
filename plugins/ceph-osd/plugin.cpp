#include "ceph_osd.hpp"

PVCD_PLUGIN("ceph-osd", pvcd::ceph_osd::CephOsd);
