#include "sdk/cluster_vms.hpp"

#include <catch2/catch.hpp>

using namespace pvcd;

namespace {

const VmUuid ours = "11111111-1111-4111-8111-111111111111";
const VmUuid foreign = "22222222-2222-4222-8222-222222222222";

}  // namespace

TEST_CASE("the list of the cluster's VMs is read as it was written") {
  CHECK(decode_cluster_vms(encode_cluster_vms({ours, foreign})) == std::set<VmUuid>{ours, foreign});
  CHECK(decode_cluster_vms("").empty());
  CHECK(decode_cluster_vms("\n" + ours + "\n\n" + foreign) == std::set<VmUuid>{ours, foreign});
}
