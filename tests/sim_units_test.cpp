#include "sim/error.hpp"
#include "sim/units.hpp"

#include <doctest/doctest.h>

using sim::Bytes;
using sim::BytesPerSecond;
using sim::from_microseconds;
using sim::Time;

TEST_CASE("microseconds become picoseconds, rounded to the nearest") {
    CHECK(from_microseconds(0) == Time{0});
    CHECK(from_microseconds(1) == Time{1'000'000});
    CHECK(from_microseconds(3.2) == Time{3'200'000});
    CHECK(from_microseconds(0.0000004) == Time{0});
    CHECK(from_microseconds(0.0000006) == Time{1});
    CHECK(from_microseconds(-1.5) == Time{-1'500'000});
}

TEST_CASE("a time of six decimals comes back as it was written") {
    for (const std::int64_t ps : {1LL, 999'999LL, 1'234'567LL, 987'654'321'123'457LL}) {
        CHECK(from_microseconds(sim::microseconds(Time{ps})) == Time{ps});
    }
}

TEST_CASE("a time beyond the simulator's range is kNever, and two of them do not overflow") {
    CHECK(from_microseconds(1e300) == sim::kNever);
    CHECK(from_microseconds(-1e300) == -sim::kNever);
    CHECK(sim::kNever + sim::kNever > sim::kNever);
}

TEST_CASE("bytes through a bandwidth take a whole number of picoseconds, rounded up") {
    CHECK(Bytes{2'000} / BytesPerSecond{1e9} == Time{2'000'000});
    CHECK(Bytes{1} / BytesPerSecond{3e9} == Time{334});  // 333.3
    CHECK(Bytes{1} / BytesPerSecond{1e15} == Time{1});
    CHECK(Bytes{0} / BytesPerSecond{1e9} == Time{0});
}

TEST_CASE("without any bandwidth bytes never arrive") {
    CHECK(Bytes{1} / BytesPerSecond{0} == sim::kNever);
    CHECK(Bytes{1'000'000'000'000} / BytesPerSecond{1e-3} == sim::kNever);
}

TEST_CASE("an error says as much of its place as is known") {
    const auto text = [](const sim::SourcePosition& where) {
        return std::string{sim::input_error(where, "name: expected a name").what()};
    };
    CHECK(text({"a.yaml", 4, 15}) == "a.yaml:4:15: name: expected a name");
    CHECK(text({"a.yaml", 4, 0}) == "a.yaml:4: name: expected a name");
    CHECK(text({"a.yaml", 0, 0}) == "a.yaml: name: expected a name");
    CHECK(text({"", 4, 15}) == "line 4:15: name: expected a name");
    CHECK(text({}) == "name: expected a name");
}
