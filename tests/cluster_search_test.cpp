// Searches that several ranks do together: what they find, what they prove, and on which way, is
// what one finds by itself.

#include "cluster/team.hpp"
#include "sim/error.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/layered.hpp"
#include "sim/search/results.hpp"
#include "sim/search/search.hpp"
#include "sim_generate.hpp"
#include "tests/ranks_in_threads.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <vector>

namespace {

using sim::Problem;
using sim::SearchOptions;
using sim::SearchResult;
using sim::SearchStatus;
using sim::internal::Incumbent;
using sim::internal::Layered;

// What rank 0 finds, with these options; each rank has its own.
SearchResult searched_by(int count,
                         const Problem& problem,
                         const std::function<SearchOptions(int)>& options) {
    SearchResult result;
    cluster::run_in_threads(count, [&](cluster::Ranks& ranks) {
        const sim::Team team = cluster::search_team(ranks);
        SearchOptions own = options(ranks.rank());
        if (ranks.rank() > 0) {
            sim::assist(team, [&](int) { return sim::Assisted{problem, own}; });
            return;
        }
        own.team = &team;
        result = sim::branch_and_bound(problem, own);
        sim::end_assistance(team);
    });
    return result;
}

SearchResult searched_by(int count, const Problem& problem, const SearchOptions& options = {}) {
    return searched_by(count, problem, [&](int) { return options; });
}

// What each rank knows after passes of such a width.
std::vector<Incumbent> passed_by(int count,
                                 const Problem& problem,
                                 std::size_t width,
                                 const Incumbent& before,
                                 const SearchOptions& options = {}) {
    std::vector<Incumbent> found(static_cast<std::size_t>(count));
    cluster::run_in_threads(count, [&](cluster::Ranks& ranks) {
        const sim::Team team = cluster::search_team(ranks);
        found[static_cast<std::size_t>(ranks.rank())] =
            Layered(problem, {}, options, &team).pass(width, before);
    });
    return found;
}

Problem in_static_order(const Problem& all) {
    return sim::internal::restricted(all, std::vector<char>(all.tasks.size(), 1)).problem;
}

void check_same(const Incumbent& found, const Incumbent& expected) {
    CHECK(found.makespan == expected.makespan);
    CHECK(found.bound == expected.bound);
    CHECK(found.nodes == expected.nodes);
    CHECK(found.mapping == expected.mapping);
}

}  // namespace

TEST_CASE("a wide pass is the same however many ranks do it") {
    for (std::uint64_t seed = 1; seed <= 120; ++seed) {
        CAPTURE(seed);
        const Problem p = in_static_order(seed % 2 == 0 ? generate::wide_random(seed)
                                                        : generate::small_random(seed));
        SearchOptions options;
        options.threads = seed % 7 == 0 ? 2 : 1;
        const Incumbent alone = Layered(p, {}, options).pass(1'000'000, {});
        Incumbent above;
        above.makespan = alone.makespan < sim::kNeverTicks ? alone.makespan + 1 : alone.makespan;
        const Incumbent again = Layered(p, {}, options).pass(1'000'000, above);
        for (const int count : {1, 2, 3, 4, 8, 17}) {
            CAPTURE(count);
            for (const Incumbent& found : passed_by(count, p, 1'000'000, {}, options)) {
                check_same(found, alone);
            }
            for (const Incumbent& found : passed_by(count, p, 1'000'000, above, options)) {
                check_same(found, again);
            }
        }
    }
}

TEST_CASE("where a pass lets states go, ranks let go the same") {
    for (const std::uint64_t seed : {1u, 2u}) {
        CAPTURE(seed);
        const Problem p = in_static_order(generate::random_layered(22, 5, seed));
        // Without an incumbent nearly nothing is below it: levels are as wide as they can be.
        const Incumbent alone = Layered(p, {}, {}).pass(4'096, {});
        CHECK(!alone.proven());
        for (const int count : {2, 3, 8}) {
            CAPTURE(count);
            for (const Incumbent& found : passed_by(count, p, 4'096, {})) {
                check_same(found, alone);
            }
        }
    }
}

TEST_CASE("long: ranks prove what one proves, in whatever order, with as many nodes") {
    int wide = 0;
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
        CAPTURE(seed);
        const Problem p = generate::random_layered(18, 4, seed);
        SearchOptions options;
        options.free_order = seed % 2 == 0;
        const SearchResult alone = sim::branch_and_bound(p, options);
        wide += alone.evaluated > 50'000 ? 1 : 0;
        for (const int count : {1, 2, 3, 4, 8}) {
            CAPTURE(count);
            const SearchResult found = searched_by(count, p, options);
            CHECK(found.status == alone.status);
            CHECK(found.mapping == alone.mapping);
            CHECK(found.makespan == alone.makespan);
            CHECK(found.lower_bound == alone.lower_bound);
            CHECK(found.evaluated == alone.evaluated);
            CHECK(sim::simulate(p, found.mapping).makespan == found.makespan);
        }
    }
    CHECK(wide > 0);
}

TEST_CASE("with little memory ranks go on depth first, to the same proof") {
    for (const std::uint64_t seed : {2u, 3u}) {
        CAPTURE(seed);
        const Problem p = generate::random_layered(18, 3, seed);
        const SearchResult alone = sim::branch_and_bound(p, {});
        for (const std::int64_t kib : {0, 64, 1'024}) {
            CAPTURE(kib);
            const SearchResult found = searched_by(3, p, [&](int rank) {
                SearchOptions options;
                options.memory = sim::Bytes{(kib + 16 * rank) * 1'024};  // not all have the same
                return options;
            });
            CHECK(found.status == SearchStatus::proven);
            CHECK(found.makespan == alone.makespan);
            CHECK(sim::simulate(p, found.mapping).makespan == found.makespan);
        }
    }
}

TEST_CASE("stopped on the way, ranks end together, with a bound") {
    const Problem p = generate::random_layered(20, 4, 2);
    const SearchResult whole = sim::branch_and_bound(p, {});
    int stopped = 0;
    for (int most = 0; most < 400; most = 2 * most + 1) {
        CAPTURE(most);
        const SearchResult found = searched_by(4, p, [&](int rank) {
            SearchOptions options;
            options.memory = sim::Bytes{1 << 16};
            // Nobody but rank 0 is asked.
            options.stop = [rank, calls = 0, most]() mutable { return rank > 0 || ++calls > most; };
            return options;
        });
        CHECK(found.lower_bound <= whole.makespan);
        CHECK(found.makespan >= whole.makespan);
        CHECK(sim::simulate(p, found.mapping).makespan == found.makespan);
        stopped += found.status == SearchStatus::proven ? 0 : 1;
    }
    CHECK(stopped > 2);
}

TEST_CASE("ranks that were given different problems say so") {
    const Problem one = generate::random_layered(12, 3, 1),
                  other = generate::random_layered(12, 3, 2);
    const auto search = [&] {
        cluster::run_in_threads(3, [&](cluster::Ranks& ranks) {
            const sim::Team team = cluster::search_team(ranks);
            Layered(ranks.rank() == 2 ? other : one, {}, {}, &team).widen({});
        });
    };
    CHECK_THROWS_WITH_AS(
        search(),
        "the processes that search together have different models, platforms or programs",
        sim::MachineError);
}
