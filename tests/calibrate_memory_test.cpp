// What is asked before much memory is taken.

#include "calibrate/buffer.hpp"
#include "calibrate/memory.hpp"
#include "sim/error.hpp"

#include <doctest/doctest.h>

TEST_CASE("more memory than is free is refused in words") {
    const sim::Bytes left = calibrate::free_memory();
    CHECK(left > sim::Bytes{0});
    calibrate::expect_free_memory({1}, "a byte");
    try {
        calibrate::expect_free_memory({std::int64_t{1} << 50}, "the tensors");
        FAIL("a petabyte was free");
    } catch (const sim::MachineError& error) {
        CHECK(std::string{error.what()}.starts_with("the tensors need 1048576.0 GiB, and "));
    }
    CHECK_THROWS_AS(calibrate::Buffer{std::size_t{1} << 50}, sim::MachineError);
}
