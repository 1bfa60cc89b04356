// Searches on several threads: a program of its own, so that the thread sanitizer needs no more of
// sim's tests than this.

#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

TEST_CASE("threads change how long it takes, not what is found, nor on which way") {
    for (const std::uint64_t seed : {2u, 3u}) {
        CAPTURE(seed);
        const sim::Problem p = generate::random_layered(18, 3, seed);
        for (const std::int64_t kib : {64, 1 << 20}) {
            CAPTURE(kib);
            sim::SearchOptions options;
            options.memory = sim::Bytes{kib * 1'024};
            const sim::SearchResult one = sim::branch_and_bound(p, options);
            options.threads = 3;
            const sim::SearchResult three = sim::branch_and_bound(p, options);
            CHECK(three.status == sim::SearchStatus::proven);
            CHECK(three.mapping == one.mapping);
            CHECK(three.evaluated == one.evaluated);
            CHECK(sim::simulate(p, three.mapping).makespan == three.makespan);
        }
    }
}
