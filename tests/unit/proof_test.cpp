#include "sdk/proof.hpp"

#include <catch2/catch.hpp>

using namespace pvcd;

TEST_CASE("a proof survives its line, and a broken line is none") {
  const Proof proof{{"n1", "boot-1", 7}, 123456789};
  const auto line = encode_proof(proof);
  CHECK(line == "proof n1 boot-1 7 123456789\n");
  CHECK(decode_proof(line) == proof);
  for (auto broken : {"", "\n", "proof n1 boot-1 7 123456789", "proof n1 boot-1 7\n", "proof n1 boot-1 7 \n",
                      "proof n1 boot-1 7 12 3\n", "proof n1 boot-1 -7 12\n", "proof  boot-1 7 12\n", "proof n1  7 12\n",
                      "proof n1 boot-1 7 12\nproof n1 boot-1 7 13\n", "age n1 boot-1 7 12\n",
                      "proof n1 boot-1 7 99999999999999999999\n"})
    CHECK_FALSE(decode_proof(broken));
}

TEST_CASE("an age report survives its line, and a broken line is none") {
  const AgeReport report{"rbd-locks", "running", "waits for n2, as told"};
  CHECK(decode_age(encode_age(report)) == report);
  const AgeReport plain{"core", "running", ""};
  CHECK(decode_age(encode_age(plain)) == plain);
  CHECK(decode_age(encode_age({"core", "running", "two\nlines"}))->note == "two lines");
  for (auto broken : {"", "\n", "age core running", "age core\n", "age core running\n", "age  running x\n",
                      "age core  x\n", "proof a b c\n"})
    CHECK_FALSE(decode_age(broken));
}

TEST_CASE("a beat is read as it was written, and anything else is none") {
  const Beat beat{"my cluster", "n2", 7};
  CHECK(decode_beat(encode_beat(beat)) == beat);
  for (const char* text : {"", "\n", "beat n2 7 lab", "beat n2 7\n", "beat  7 lab\n", "beat n2 -7 lab\n",
                           "beat n2 99999999999999999999 lab\n", "age n2 7 lab\n", "beat n2 7 lab\nbeat n3 7 lab\n"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_beat(text));
  }
}
