// Every line of the table in the plugin's README, each refusal with the twin that must succeed.
#include <catch2/catch.hpp>

#include "plugins/rbd-locks/identify.hpp"
#include "plugins/rbd-locks/judge.hpp"
#include "plugins/rbd-locks/leftover.hpp"
#include "plugins/rbd-locks/verdict.hpp"

using namespace pvcd;
using namespace pvcd::rbd_locks;
using Catch::Matchers::Contains;

namespace {

constexpr Microseconds watch_timeout = seconds(30);
constexpr Microseconds watch_lasts = seconds(35);

const std::string image = "vms/a";
const std::string own = "10.0.0.1:0/11";
const std::string on_n2 = "10.0.0.2:0/22";
const std::string on_nobody = "10.0.0.9:0/99";

VmStart start_on_n1() {
  VmStart start;
  start.self = {"n1", "boot-1b", 5};
  start.own_addresses = {"10.0.0.1"};
  start.living = {{"n1", {"10.0.0.1"}}, {"n3", {"10.0.0.3"}}};
  return start;
}

Writer n2_covered(CoverKind cover, std::vector<ClientInstance> instances = {}) {
  return {{"n2", "boot-2a", 3}, 7, {"10.0.0.2"}, std::move(instances), cover};
}

Locker lock_of(const std::string& address) { return {"client.4", "auto 17", address}; }
Watcher watch_of(const std::string& address) { return {"client.4", address}; }

Listing free_image() { return {image, "", {}, {}}; }
Listing locked(const std::string& address) { return {image, "", {lock_of(address)}, {}}; }
Listing watched(const std::string& address) { return {image, "", {}, {watch_of(address)}}; }
Listing locked_and_watched(const std::string& address) { return {image, "", {lock_of(address)}, {watch_of(address)}}; }

Judgement judged(const Listing& listing, const VmStart& start) { return judge(listing, start, watch_timeout); }

void check_breaks_exactly(const Judgement& judgement, const Locker& locker) {
  REQUIRE(judgement.ruling == Ruling::Break);
  REQUIRE(judgement.dead_locks.size() == 1);
  CHECK(judgement.dead_locks.front().locker == locker);
  CHECK(judgement.dead_watchers.empty());
}

void check_refused(const Judgement& judgement, const std::string& naming, const NodeName& ask = "") {
  CHECK(judgement.ruling == Ruling::Refuse);
  CHECK_THAT(judgement.reason, Contains(naming));
  CHECK(judgement.ask == ask);
  CHECK(judgement.dead_locks.empty());
  CHECK(judgement.dead_watchers.empty());
}

}  // namespace

TEST_CASE("an image with neither lock nor watcher proceeds") {
  CHECK(judged(free_image(), start_on_n1()).ruling == Ruling::Proceed);
}

TEST_CASE("a missing pool or image is refused by name") {
  const Judgement judgement = judged({image, "image vms/a", {}, {}}, start_on_n1());
  check_refused(judgement, "image vms/a does not exist");
}

TEST_CASE("an own instance") {
  VmStart start = start_on_n1();
  const std::string wait_for = image + " " + own;
  const std::string unwatched = wait_for + " unwatched";
  const FirstSeen second_look{unwatched, seconds(5)};

  SECTION("recorded and dead is broken at once, watching or not") {
    start.own_dead = {{image, own}};
    check_breaks_exactly(judged(locked(own), start), lock_of(own));
    check_breaks_exactly(judged(locked_and_watched(own), start), lock_of(own));
  }
  SECTION("is recognised in every way of writing its address; the locker is named as listed") {
    start.own_dead = {{image, "v2:" + own}};
    const std::string listed = "[v2:" + own + ",v1:" + own + "]";
    const Judgement judgement = judged(locked(listed), start);
    check_breaks_exactly(judgement, lock_of(listed));
    CHECK(judgement.dead_locks.front().address == own);
  }
  SECTION("recorded and dead, watching without a lock, is blocklisted") {
    start.own_dead = {{image, own}};
    const Judgement judgement = judged(watched(own), start);
    CHECK(judgement.ruling == Ruling::Break);
    CHECK(judgement.dead_locks.empty());
    CHECK(judgement.dead_watchers == std::vector<ClientInstance>{{image, own}});
  }
  SECTION("that only resembles a recorded one is unrecorded") {
    start.own_dead = {{image, own + "1"}};
    CHECK(judged(locked(own), start).ruling == Ruling::Wait);
  }
  SECTION("not recorded is waited for: its watch must have had time to run out") {
    for (const auto& [listing, pending] :
         {std::pair{locked(own), 2U}, {locked_and_watched(own), 1U}, {watched(own), 1U}}) {
      const Judgement judgement = judged(listing, start);
      REQUIRE(judgement.ruling == Ruling::Wait);
      REQUIRE(judgement.pending.size() == pending);  // nobody watches: that too must be so for a while
      CHECK(judgement.pending.front().wait_for == wait_for);
      CHECK(judgement.pending.front().remaining == watch_lasts);
      CHECK(judgement.dead_locks.empty());
    }
  }
  SECTION("not recorded, one microsecond too early, is waited for") {
    start.first_seen = {{wait_for, watch_lasts - 1}, second_look};
    const Judgement judgement = judged(locked(own), start);
    REQUIRE(judgement.ruling == Ruling::Wait);
    CHECK(judgement.pending.front().remaining == 1);
  }
  SECTION("not recorded, not watching after the wait, is looked at once more before it is broken") {
    start.first_seen = {{wait_for, watch_lasts}};
    const Judgement first = judged(locked(own), start);
    REQUIRE(first.ruling == Ruling::Wait);
    REQUIRE(first.pending.size() == 2);
    CHECK(first.pending.front().wait_for == wait_for);  // named again, or its time would begin anew
    CHECK(first.pending.back().wait_for == unwatched);
    CHECK(first.pending.back().remaining == seconds(5));
    start.first_seen.push_back({unwatched, seconds(5) - 1});
    CHECK(judged(locked(own), start).ruling == Ruling::Wait);
    start.first_seen = {{wait_for, watch_lasts}, second_look};
    check_breaks_exactly(judged(locked(own), start), lock_of(own));
  }
  SECTION("not recorded, that was watched at the first look: only looks without a watcher count") {
    CHECK(judged(locked_and_watched(own), start).pending.size() == 1);
    CHECK(judged(locked(own), start).pending.size() == 2);
  }
  SECTION("not recorded, still watching after the wait, is alive") {
    start.first_seen = {{wait_for, watch_lasts}};
    check_refused(judged(locked_and_watched(own), start), "it is alive");
    check_refused(judged(watched(own), start), own);
  }
  SECTION("the wait of another instance or another image does not count") {
    start.first_seen = {{image + " " + own + "1", watch_lasts},
                        {"vms/aa " + own, watch_lasts},
                        {"x" + wait_for, watch_lasts},
                        second_look};
    CHECK(judged(locked(own), start).ruling == Ruling::Wait);
  }
  SECTION("whose address another living node has too is not ours to break") {
    start.first_seen = {{wait_for, watch_lasts}};
    start.living["n3"].push_back("10.0.0.1");
    check_refused(judged(locked(own), start), "n3", "n3");
  }
  SECTION("of an earlier life, covered and recorded, is broken at once") {
    start.covered = {{{"n1", "boot-1a", 2}, 6, {"10.0.0.1"}, {{image, own}}, CoverKind::LaterBoot}};
    check_breaks_exactly(judged(locked(own), start), lock_of(own));
  }
  SECTION("of an earlier life, covered but not recorded, is waited for: it may be of this life") {
    start.covered = {{{"n1", "boot-1a", 2}, 6, {"10.0.0.1"}, {}, CoverKind::Power}};
    CHECK(judged(locked(own), start).ruling == Ruling::Wait);
  }
}

TEST_CASE("a foreign instance without evidence") {
  VmStart start = start_on_n1();

  SECTION("on no known node is refused by address, and nobody can be asked") {
    check_refused(judged(locked(on_nobody), start), on_nobody);
    check_refused(judged(watched(on_nobody), start), on_nobody);
    CHECK_THAT(judged(locked(on_nobody), start).reason, Contains("client.4"));
  }
  SECTION("on a living node is refused, and that node is asked") {
    start.living["n2"] = {"10.0.0.2"};
    check_refused(judged(locked(on_n2), start), "n2", "n2");
    check_refused(judged(watched(on_n2), start), "n2", "n2");
  }
  SECTION("is refused saying whether it watches") {
    CHECK_THAT(judged(locked(on_nobody), start).reason, Contains("which is not watching"));
    CHECK_THAT(judged(locked_and_watched(on_nobody), start).reason, Contains("which is watching"));
  }
  SECTION("stays refused however long it was seen") {
    start.first_seen = {{image + " " + on_nobody, seconds(3600)}};
    check_refused(judged(locked(on_nobody), start), on_nobody);
  }
}

TEST_CASE("a recorded instance of a writer that released it contradicts the release and is refused") {
  VmStart start = start_on_n1();
  start.covered = {n2_covered(CoverKind::Release, {{image, on_n2}})};
  check_refused(judged(locked_and_watched(on_n2), start), "n2");
}

TEST_CASE("a recorded instance of a writer covered by evidence is dead, whoever lives now") {
  const CoverKind cover = GENERATE(CoverKind::Power, CoverKind::LaterBoot, CoverKind::Operator);
  VmStart start = start_on_n1();
  start.covered = {n2_covered(cover, {{image, on_n2}})};
  check_breaks_exactly(judged(locked_and_watched(on_n2), start), lock_of(on_n2));

  start.living["n2"] = {"10.0.0.2"};
  check_breaks_exactly(judged(locked_and_watched(on_n2), start), lock_of(on_n2));
  CHECK(judged(watched(on_n2), start).dead_watchers == std::vector<ClientInstance>{{image, on_n2}});
}

TEST_CASE("a writer without cover proves nothing") {
  VmStart start = start_on_n1();
  start.covered = {n2_covered(CoverKind::None, {{image, on_n2}})};
  check_refused(judged(locked(on_n2), start), "n2");
}

TEST_CASE("an unrecorded instance at the address of a covered writer") {
  VmStart start = start_on_n1();

  SECTION("is dead when its whole host ended") {
    const CoverKind cover = GENERATE(CoverKind::Power, CoverKind::Operator);
    start.covered = {n2_covered(cover)};
    check_breaks_exactly(judged(locked(on_n2), start), lock_of(on_n2));
    CHECK(judged(watched(on_n2), start).dead_watchers.size() == 1);
  }
  SECTION("is not proven dead when the node lives again under that address") {
    start.covered = {n2_covered(CoverKind::Power)};
    start.living["n2"] = {"10.0.0.2"};
    check_refused(judged(locked(on_n2), start), "n2", "n2");
  }
  SECTION("is not proven dead when the node lives again under another address") {
    start.covered = {n2_covered(CoverKind::Power)};
    start.living["n2"] = {"10.0.0.22"};
    check_refused(judged(locked(on_n2), start), "lives again");
  }
  SECTION("is not proven dead when another node has that address now") {
    start.covered = {n2_covered(CoverKind::Power)};
    start.living["n3"].push_back("10.0.0.2");
    check_refused(judged(locked(on_n2), start), "n3", "n3");
  }
  SECTION("is not proven dead by a release or a later boot") {
    const CoverKind cover = GENERATE(CoverKind::Release, CoverKind::LaterBoot);
    start.covered = {n2_covered(cover)};
    check_refused(judged(locked(on_n2), start), "does not prove it dead");
    check_refused(judged(watched(on_n2), start), "does not prove it dead");
  }
  SECTION("is not proven dead by power evidence about an earlier writer of that node") {
    Writer later = n2_covered(CoverKind::Release);
    later.generation = 9;
    start.covered = {n2_covered(CoverKind::Power), later};
    check_refused(judged(locked(on_n2), start), "does not prove it dead");
  }
  SECTION("is dead by power evidence about the latest writer of that node") {
    Writer earlier = n2_covered(CoverKind::LaterBoot);
    earlier.generation = 2;
    start.covered = {earlier, n2_covered(CoverKind::Power)};
    check_breaks_exactly(judged(locked(on_n2), start), lock_of(on_n2));
  }
}

TEST_CASE("a lock added by hand") {
  VmStart start = start_on_n1();
  const auto by_hand = [](const std::string& address) {
    return Listing{image, "", {{"client.4", "maintenance", address}}, {}};
  };

  SECTION("is refused with advice, whoever's address it has") {
    start.living["n2"] = {"10.0.0.2"};
    start.first_seen = {{image + " " + own, watch_lasts}};
    for (const std::string& address : {own, on_n2, on_nobody}) {
      check_refused(judged(by_hand(address), start), "rbd lock rm");
    }
    CHECK_THAT(judged(by_hand(own), start).reason, Contains("\"maintenance\"") && Contains("client.4"));
  }
  SECTION("is broken when its client is proven dead") {
    start.own_dead = {{image, own}};
    start.covered = {n2_covered(CoverKind::Power)};
    check_breaks_exactly(judged(by_hand(own), start), {"client.4", "maintenance", own});
    check_breaks_exactly(judged(by_hand(on_n2), start), {"client.4", "maintenance", on_n2});
  }
}

TEST_CASE("an address that is not understood makes the image unknown") {
  CHECK(judged(locked("-"), start_on_n1()).ruling == Ruling::Unknown);
  CHECK(judged(watched(""), start_on_n1()).ruling == Ruling::Unknown);
}

TEST_CASE("the heaviest finding decides about an image, and then nothing is named for breaking") {
  VmStart start = start_on_n1();
  start.own_dead = {{image, own}};
  Listing listing = locked(own);

  listing.watchers = {watch_of("10.0.0.1:0/12")};
  CHECK(judged(listing, start).ruling == Ruling::Wait);
  CHECK(judged(listing, start).dead_locks.empty());

  listing.watchers.push_back(watch_of("-"));
  CHECK(judged(listing, start).ruling == Ruling::Unknown);
  CHECK(judged(listing, start).pending.empty());

  listing.watchers.push_back(watch_of(on_nobody));
  check_refused(judged(listing, start), on_nobody);
  CHECK(judged(listing, start).reason.starts_with("watched without a lock"));
}

TEST_CASE("after the breaks") {
  VmStart start = start_on_n1();
  start.own_dead = {{image, own}};
  const auto after = [&](const Listing& listing) { return judge_after_break(listing, start, watch_timeout); };

  SECTION("a free image proceeds") { CHECK(after(free_image()).ruling == Ruling::Proceed); }
  SECTION("a watcher proven dead may remain, and is named") {
    CHECK(after(watched(own)).ruling == Ruling::Proceed);
    CHECK(after(watched(own)).dead_watchers == std::vector<ClientInstance>{{image, own}});
  }
  SECTION("a lock that is still there is unknown") {
    CHECK(after(locked(own)).ruling == Ruling::Unknown);
    CHECK(after(locked(own)).dead_watchers.empty());
  }
  SECTION("a newcomer is refused") { CHECK(after(watched(on_nobody)).ruling == Ruling::Refuse); }
  SECTION("an own newcomer is waited for") { CHECK(after(watched("10.0.0.1:0/12")).ruling == Ruling::Wait); }
}

TEST_CASE("the answer for a VM") {
  const auto of = [](Ruling ruling, const std::string& name) {
    Judgement judgement;
    judgement.image = name;
    judgement.ruling = ruling;
    judgement.reason = "because";
    return judgement;
  };

  SECTION("without RBD disks is Proceed") { CHECK(combine({}).verdict == Verdict::Proceed); }
  SECTION("is that of its heaviest image, which is named first") {
    const auto [heaviest, verdict] = GENERATE(table<Ruling, Verdict>({{Ruling::Proceed, Verdict::Proceed},
                                                                      {Ruling::Break, Verdict::Proceed},
                                                                      {Ruling::Wait, Verdict::Wait},
                                                                      {Ruling::Unknown, Verdict::Unknown},
                                                                      {Ruling::Refuse, Verdict::Refuse}}));
    const HookVerdict answer = combine({of(Ruling::Proceed, "vms/a"), of(heaviest, "vms/b")});
    CHECK(answer.verdict == verdict);
    CHECK_THAT(answer.reason, Contains("vms/a: because") && Contains("vms/b: because"));
    if (heaviest != Ruling::Proceed) CHECK(answer.reason.starts_with("vms/b"));
  }
  SECTION("that proceeds names the dead watchers that remain; one that does not, none") {
    Judgement proceeding = of(Ruling::Proceed, "vms/a");
    proceeding.dead_watchers = {{"vms/a", own}};
    CHECK(combine({proceeding}).present == proceeding.dead_watchers);
    CHECK(combine({proceeding, of(Ruling::Refuse, "vms/b")}).present.empty());
  }
  SECTION("that refuses carries the node to ask") {
    Judgement refused = of(Ruling::Refuse, "vms/b");
    refused.ask = "n2";
    CHECK(combine({of(Ruling::Refuse, "vms/a"), refused}).ask == "n2");
  }
  SECTION("waits for all its images at once, as long as the last one needs") {
    Judgement first = of(Ruling::Wait, "vms/a");
    first.pending = {{"vms/a " + own, seconds(10)}};
    Judgement second = of(Ruling::Wait, "vms/b");
    second.pending = {{"vms/b " + own, seconds(35)}};
    const std::vector<std::string> both = {"vms/a " + own, "vms/b " + own};
    CHECK(combine({first, second}).wait_for == both);
    CHECK(combine({first, second}).wait == seconds(35));
  }
}

TEST_CASE("a wait ends: asked again when it said, an instance that was without a watch both times is broken") {
  VmStart start = start_on_n1();
  const HookVerdict first = combine({judged(locked(own), start)});
  REQUIRE(first.verdict == Verdict::Wait);
  CHECK(first.wait == watch_lasts);
  for (const std::string& what : first.wait_for) start.first_seen.push_back({what, first.wait});
  CHECK(judged(locked(own), start).ruling == Ruling::Break);
}

TEST_CASE("the instance of a new QEMU") {
  ImagesRequest request;
  request.own_addresses = {"10.0.0.1"};
  request.present = {{image, "10.0.0.1:0/5"}, {image, on_n2}};
  Listing listing = watched(own);

  SECTION("is the one of this host that was not there before") {
    listing.watchers.push_back(watch_of("v1:10.0.0.1:0/5"));
    listing.watchers.push_back(watch_of(on_n2));
    CHECK(newcomer(listing, request).instance == ClientInstance{image, own});
  }
  SECTION("counts once, with however many cookies it watches") {
    listing.watchers.push_back(watch_of(own));
    CHECK(newcomer(listing, request).instance == ClientInstance{image, own});
  }
  SECTION("is not there yet") {
    CHECK_FALSE(newcomer(free_image(), request).instance);
    CHECK_FALSE(newcomer(watched("10.0.0.1:0/5"), request).instance);
  }
  SECTION("is not clear when there are two") {
    listing.watchers.push_back(watch_of("10.0.0.1:0/12"));
    CHECK_FALSE(newcomer(listing, request).instance);
  }
  SECTION("is not named while a stranger watches") {
    for (const std::string& stranger : {on_nobody, std::string("-")}) {
      Listing strange = listing;
      strange.watchers.push_back(watch_of(stranger));
      CHECK_FALSE(newcomer(strange, request).instance);
      CHECK_THAT(newcomer(strange, request).note, Contains(stranger));
    }
  }
  SECTION("cannot be on an image that does not exist") {
    CHECK_THAT(newcomer({image, "image vms/a", {}, {}}, request).note, Contains("does not exist"));
  }
}

TEST_CASE("what a stopped VM left behind") {
  VmStopped stopped;
  stopped.own_addresses = {"10.0.0.1"};
  stopped.own_dead = {{image, own}};

  CHECK(left_behind(free_image(), stopped).locks.empty());
  REQUIRE(left_behind(locked("v2:" + own), stopped).locks.size() == 1);
  CHECK(left_behind(locked("v2:" + own), stopped).locks.front().locker == lock_of("v2:" + own));

  SECTION("is not what other clients hold") {
    CHECK(left_behind(locked(on_n2), stopped).locks.empty());
    CHECK(left_behind(locked(on_n2), stopped).unclear.empty());
    CHECK(left_behind(locked(on_n2), stopped).unrecorded.empty());
  }
  SECTION("is not an unrecorded lock of this host, which is only mentioned") {
    const Leftover left = left_behind(locked("10.0.0.1:0/12"), stopped);
    CHECK(left.locks.empty());
    CHECK_THAT(left.unrecorded, Contains("10.0.0.1:0/12"));
  }
  SECTION("is unclear while an address is not understood") {
    CHECK_FALSE(left_behind(locked("-"), stopped).unclear.empty());
  }
}

TEST_CASE("what a VM that starts anew left on images that it does not have any more") {
  VmStart start;
  start.permit = {7, 2};
  start.uuid = "vm";
  start.disks = {{"vda", DiskKind::Rbd, image}, {"vdb", DiskKind::Local, "vms/plugged"}};
  start.own_addresses = {"10.0.0.1"};
  start.own_dead = {{image, own}, {"vms/plugged", own}, {"vms/unplugged", "10.0.0.1:0/5"}};
  const VmStopped left = left_elsewhere(start);
  CHECK(left.own_dead == std::vector<ClientInstance>{{"vms/plugged", own}, {"vms/unplugged", "10.0.0.1:0/5"}});
  CHECK(left.own_addresses == start.own_addresses);
  CHECK(left.permit.not_after == 7);
  CHECK(left.disks.empty());
}
