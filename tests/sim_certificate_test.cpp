// Certificates: a checker that shares no code with the search (sim_certificate.hpp) accepts every
// one that it gives, of latency and of throughput, in one order and in any, with budgets,
// capacities, contention and buses; and refuses those that prove less than they claim.

#include "sim_certificate.hpp"

#include "sim/run/evaluator.hpp"
#include "sim/search/search.hpp"
#include "sim_beyond.hpp"
#include "sim_by_hand.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

using sim::Mapping;
using sim::Problem;
using sim::SearchOptions;
using sim::SearchResult;
using sim::SearchStatus;
using sim::Time;

namespace {

SearchOptions certified() {
    SearchOptions options;
    options.certificate = 100'000;
    return options;
}

SearchOptions throughput(int frames) {
    SearchOptions options = certified();
    options.goal.minimise = {{.criterion = sim::Criterion::period}};
    options.goal.frames_in_flight = frames;
    return options;
}

struct Count {
    int proven = 0, certified = 0, in_any_order = 0, in_another = 0, long_ = 0;
};

// Searches, and checks the certificate if there is one.
void check(const Problem& p, const SearchOptions& options, Count& count) {
    const SearchResult found = sim::branch_and_bound(p, options);
    if (found.status != SearchStatus::proven) {
        CHECK(!found.certificate);
        return;
    }
    ++count.proven;
    if (!found.certificate) {
        CHECK(found.no_certificate.find("it would have more than") != std::string::npos);
        return;
    }
    ++count.certified;
    count.in_any_order += found.certificate->in_any_order;
    count.in_another += !std::ranges::is_sorted(found.certificate->order);
    count.long_ += found.certificate->beginnings.size() > 10;
    CHECK((found.in_any_order || !found.certificate->in_any_order));
    const int frames = options.goal.is_latency() ? 0 : options.goal.frames_in_flight;
    CHECK(certificate::complaint(
              p, Time{std::llround(found.value)}, found.mapping, *found.certificate, frames) == "");
}

Problem random_problem(std::uint64_t seed) {
    return seed % 2 == 0 ? generate::wide_random(seed) : generate::small_random(seed);
}

}  // namespace

TEST_CASE("long: a checker that shares no code with the search accepts its certificates") {
    using namespace generate;
    std::vector<Problem> problems{
        random_layered(12, 2, 1),
        random_layered(20, 2, 1),
        vgg7({.implementations = 10, .devices = 3, .seed = 1, .near = false}),
        resnet18({.implementations = 6, .devices = 2, .seed = 1, .near = true})};
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        problems.push_back(random_problem(seed));
    }
    Count count;
    for (const Problem& p : problems) {
        CAPTURE(p.model);
        check(p, certified(), count);
    }
    CHECK(count.certified == count.proven);
    CHECK(count.long_ > 20);
}

TEST_CASE("long: certificates in the order that was found, and in any order") {
    Count count;
    SearchOptions options = certified();
    options.free_order = true;
    for (std::uint64_t seed = 1; seed <= 24; ++seed) {
        CAPTURE(seed);
        check(random_problem(seed), options, count);
    }
    CHECK(count.certified == count.proven);
    CHECK(count.in_another > 2);
    CHECK(count.in_any_order > 0);
}

TEST_CASE("long: certificates with budgets, capacities, contention and buses") {
    const std::vector<std::function<void(Problem&, std::uint64_t)>> kinds{
        beyond::add_budgets, beyond::add_capacities, beyond::add_contention, beyond::add_buses};
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
        CAPTURE(kind);
        Count count;
        for (std::uint64_t seed = 1; seed <= 40; ++seed) {
            CAPTURE(seed);
            Problem p = generate::small_random(seed);
            kinds[kind](p, seed);
            SearchOptions options = certified();
            options.free_order = seed % 20 == 0;
            check(p, options, count);
        }
        CHECK(count.certified > 15);
        CHECK(count.long_ > 2);
    }
}

TEST_CASE("long: certificates of the highest throughput") {
    Count count;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        Problem p = random_problem(seed);
        if (seed % 3 == 0) {
            beyond::add_capacities(p, seed);
        }
        SearchOptions options = throughput(1 + static_cast<int>(seed % 4));
        options.free_order = seed % 10 == 0;
        check(p, options, count);
    }
    CHECK(count.certified > 10);
    CHECK(count.long_ > 2);
}

TEST_CASE("long: the checker refuses certificates that prove less than they claim") {
    const Problem p = generate::random_layered(20, 2, 1);
    SearchOptions options = certified();
    const SearchResult found = sim::branch_and_bound(p, options);
    REQUIRE(found.certificate);
    const auto complaint = [&](Time claim, const Mapping& mapping, std::vector<Mapping> list) {
        sim::Certificate changed = *found.certificate;
        changed.beginnings = std::move(list);
        return certificate::complaint(p, claim, mapping, changed);
    };
    const std::vector<Mapping>& beginnings = found.certificate->beginnings;
    // Another mapping, slower, with the same beginnings.
    const Mapping slow = sim::greedy(p, {}).mapping;
    CHECK(complaint(found.makespan, slow, beginnings) ==
          "the mapping does not take the claimed time");
    CHECK(complaint(sim::makespan(p, slow), slow, beginnings) ==
          "a beginning may have a faster mapping");
    // A beginning cut short, none at all, one too many.
    std::vector<Mapping> list = beginnings;
    list.front().tasks.resize(1);
    CHECK(complaint(found.makespan, found.mapping, list) ==
          "a beginning may have a faster mapping");
    CHECK(complaint(found.makespan, found.mapping, {}) == "beginnings are missing");
    list = beginnings;
    list.push_back(list.back());
    CHECK(complaint(found.makespan, found.mapping, list) ==
          "beginnings that no mapping has, or in a strange order");
    // All orders are more than one.
    sim::Certificate wide = *found.certificate;
    wide.in_any_order = true;
    CHECK(certificate::complaint(p, found.makespan, found.mapping, wide) ==
          "beginnings are in one order");
    // Not asked for, or too long: none.
    CHECK(!sim::branch_and_bound(p, {}).certificate);
    options.certificate = 2;
    const SearchResult none = sim::branch_and_bound(p, options);
    CHECK(!none.certificate);
    CHECK(none.no_certificate == "no certificate: it would have more than 2 beginnings");
}

TEST_CASE("work that is weighed another way proves less, and the checker sees that") {
    // Four equal layers beside each other and two equal devices: no weighting but the even one
    // shows that each of them has two to do.
    generate::Draft d = by_hand::hand();
    d.problem.devices[1] = {.memory = 0, .asynchronous = true};
    by_hand::add_layers(d, {{0}, {0}, {0}, {0}, {1, 2, 3, 4}});
    for (int layer = 1; layer <= 4; ++layer) {
        d.add_task({layer}, 0, {0}, 0, Time{10});
        d.add_task({layer}, 1, {0}, 0, Time{10});
    }
    d.add_task({5}, 0, {0}, 0, Time{0});
    const Problem p = by_hand::finish(d);
    SearchOptions options = certified();
    options.free_order = true;
    const SearchResult found = sim::branch_and_bound(p, options);
    REQUIRE(found.makespan == Time{20});
    REQUIRE(found.certificate);
    CHECK(found.certificate->in_any_order);
    REQUIRE(found.certificate->weightings.size() == 1);
    CHECK(certificate::complaint(p, Time{20}, found.mapping, *found.certificate) == "");
    // A stream is no faster, however many frames are in flight.
    SearchOptions of_frames = throughput(3);
    const SearchResult stream = sim::branch_and_bound(p, of_frames);
    REQUIRE(stream.value == 20);
    REQUIRE(stream.certificate);
    CHECK(stream.certificate->in_any_order);
    CHECK(certificate::complaint(p, Time{20}, stream.mapping, *stream.certificate, 3) == "");
    CHECK(certificate::complaint(p, Time{19}, stream.mapping, *stream.certificate, 3) ==
          "the mapping does not have the claimed period");
    sim::Certificate uneven = *found.certificate;
    uneven.weightings = {{3, 1}};
    CHECK(certificate::complaint(p, Time{20}, found.mapping, uneven) ==
          "a beginning may have a faster mapping");
    uneven.weightings = {{-1, 1}};
    CHECK(certificate::complaint(p, Time{20}, found.mapping, uneven) == "a weight is below zero");
}
