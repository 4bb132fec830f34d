#include "sdk/plugged.hpp"

#include <catch2/catch.hpp>

using namespace pvcd;

TEST_CASE("the fact of open images is read as it was written") {
  const std::vector<PluggedImage> images{{"vms/one", 0}, {"vms/space/with blank", 12}};
  CHECK(plugged_images(as_fact(images)) == images);
  CHECK(plugged_images("").empty());
  CHECK(plugged_images("vms/one\n-1 vms/two\n1\n1 \n1vms/three\n99999999999999999999999 vms/four\n3 vms/five") ==
        std::vector<PluggedImage>{{"vms/five", 3}});
}
