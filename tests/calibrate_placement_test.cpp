// Where the host's threads sit, told by their round trips.

#include "calibrate/placement.hpp"

#include <doctest/doctest.h>

using calibrate::is_same_placement;
using calibrate::Placements;

TEST_CASE("placements: round trips that differ by more than half are of different ones") {
    CHECK(is_same_placement(110, 130));
    CHECK(is_same_placement(130, 110));
    CHECK_FALSE(is_same_placement(110, 480));
    CHECK_FALSE(is_same_placement(480, 110));
    CHECK(is_same_placement(0, 480));  // one thread has none
    CHECK(is_same_placement(480, 0));  // the profile does not say
}

TEST_CASE("placements: they are numbered as they come, and no more than may be") {
    Placements seen;
    CHECK_FALSE(seen.is_known(110));
    CHECK(seen.of(110, 2) == 0);
    CHECK(seen.of(120, 2) == 0);
    CHECK(seen.of(480, 2) == 1);
    CHECK(seen.of(105, 2) == 0);
    CHECK(seen.count() == 2);
    // A third one is taken for the nearest, and is not remembered as being like it.
    CHECK(seen.of(5000, 2) == 1);
    CHECK(seen.of(10, 2) == 0);
    CHECK(seen.count() == 2);
    CHECK(seen.round_trips(0) == std::vector<double>{110, 120, 105});
    CHECK(seen.round_trips(1) == std::vector<double>{480});
    CHECK(seen.of(5000, 3) == 2);
}
