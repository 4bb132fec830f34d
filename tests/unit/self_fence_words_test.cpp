#include "sdk/self_fence.hpp"

#include <catch2/catch.hpp>

using namespace pvcd;

TEST_CASE("what a helper of the watchdog says is read back, of this boot only, and whole") {
  const SelfFence words =
      GENERATE(SelfFence{true, seconds(4), seconds(10), {}}, SelfFence{false, 0, 0, "no such device"});
  const std::string text = encode_self_fence("boot-1", words);
  CHECK(decode_self_fence(text, "boot-1") == words);
  CHECK_FALSE(decode_self_fence(text, "boot-2"));
  CHECK_FALSE(decode_self_fence(text, ""));
  CHECK_FALSE(decode_self_fence(text.substr(0, text.size() - 1), "boot-1"));
  CHECK_FALSE(decode_self_fence("boot-1 maybe 1 2 \n", "boot-1"));
  CHECK_FALSE(decode_self_fence("boot-1 armed 1 x \n", "boot-1"));
  CHECK_FALSE(decode_self_fence("boot-1 armed x 1 \n", "boot-1"));
  CHECK_FALSE(decode_self_fence("", "boot-1"));
  CHECK(permits_disarm(encode_disarm("boot-1"), "boot-1"));
  CHECK_FALSE(permits_disarm(encode_disarm("boot-2"), "boot-1"));
  CHECK_FALSE(permits_disarm("", ""));
}
