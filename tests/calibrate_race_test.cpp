// Races of runners that are not there: each takes the time it is said to take, on a clock that the
// test advances.

#include "calibrate/race.hpp"
#include "sim/describe/platform.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr double kUs = 1e3, kMs = 1e6, kSecond = 1e9;  // ns

class Track {
public:
    // A measurement takes as long as calibrate::SegmentTimer's: it runs once, and then about 0.3 ms
    // of runs, at least two and at most 51.
    void add(const std::string& group, double ns, bool yardstick = false) {
        const std::size_t index = looks.size();
        looks.push_back(0);
        samples.push_back(0);
        const double sample_takes = ns * (2 + std::clamp(std::floor(300 * kUs / ns), 1.0, 50.0));
        runners.push_back({.group = group,
                           .look =
                               [this, index, ns] {
                                   ++looks[index];
                                   now += ns;
                                   return ns + 10 * kUs;  // a look contains submission
                               },
                           .sample =
                               [this, index, ns, sample_takes] {
                                   ++samples[index];
                                   now += sample_takes;
                                   return ns;
                               },
                           .yardstick = yardstick});
    }
    std::vector<calibrate::Standing> run(double limit_ns = 1e18) {
        return calibrate::race(runners, {}, [&] { return now >= limit_ns; });
    }

    std::vector<calibrate::Runner> runners;
    std::vector<int> looks, samples;
    double now = 0;
};

}  // namespace

TEST_CASE("who cannot win is looked at once, and the others are measured in turns") {
    Track track;
    track.add("tensor_core", 50 * kUs);
    track.add("tensor_core", 120 * kUs);  // within three times its group's best
    track.add("tensor_core", 400 * kUs);  // hopeless
    track.add("popc", 500 * kUs);         // slower, but of another group
    const auto standings = track.run();
    CHECK(track.looks == std::vector{1, 1, 1, 1});
    CHECK(track.samples == std::vector{7, 7, 0, 7});
    CHECK(standings[0].ns() == 50 * kUs);
    CHECK(standings[2].ns() == 410 * kUs);  // what the look said
    CHECK(standings[3].samples.size() == 7);
}

TEST_CASE("a group that is far behind is given up, and its best still has a time") {
    Track track;
    track.add("tensor_core", 50 * kUs);
    track.add("naive", 9 * kMs);
    track.add("naive", 3 * kMs);
    track.add("naive", kSecond);  // nobody waits for these
    track.add("naive", 2 * kSecond);
    const auto standings = track.run();
    CHECK(track.looks == std::vector{1, 1, 1, 0, 0});
    CHECK(track.samples == std::vector{7, 0, 1, 0, 0});
    CHECK(standings[2].ns() == 3 * kMs);
    CHECK(std::isinf(standings[3].ns()));
    CHECK(track.now < 30 * kMs);
}

TEST_CASE("one slow configuration does not give its group up") {
    Track track;
    track.add("tensor_core", 50 * kUs);
    track.add("popc", 9 * kMs);
    track.add("popc", 100 * kUs);
    track.add("popc", 9 * kMs);
    track.add("popc", 90 * kUs);
    track.run();
    CHECK(track.looks == std::vector{1, 1, 1, 1, 1});
    CHECK(track.samples == std::vector{7, 0, 7, 0, 7});
}

TEST_CASE("a yardstick takes part in every round, however slow, and makes nobody hopeless") {
    Track track;
    track.add("peak", 1 * kUs, true);
    track.add("popc", 900 * kUs);
    track.add("peak", 90 * kMs, true);
    track.run();
    CHECK(track.looks == std::vector{1, 1, 1});
    CHECK(track.samples == std::vector{7, 7, 7});
}

TEST_CASE("a race that is stopped is over after the run that goes on, with what is known") {
    Track track;
    for (int i = 0; i < 20; ++i) {
        track.add("tensor_core", 10 * kMs);
    }
    const auto in_rounds = track.run(500 * kMs);
    CHECK(track.now <= 530 * kMs);
    CHECK(std::ranges::all_of(in_rounds, [](const auto& s) { return std::isfinite(s.ns()); }));
    CHECK(std::ranges::count(track.samples, 1) > 0);

    Track early;
    early.add("a", kSecond);
    early.add("a", kSecond);
    const auto standings = early.run(0.5 * kSecond);
    CHECK(early.now == kSecond);
    CHECK(standings[0].look == kSecond + 10 * kUs);
    CHECK(std::isinf(standings[1].look));
}

// What the CUDA kernels took on an H100 for a convolution of ResNet-18 at batch 8; at 64 times the
// batch, 64 times as long.
TEST_CASE("on an H100's times at batch 512 the race is short and finds who is fastest") {
    const std::filesystem::path platforms[] = {HETMAP_SOURCE_DIR "/platforms"};
    const sim::Platform h100 = sim::load_platform("h100", platforms);
    int races = 0;
    double races_take = 0, alike_take = 0;
    for (const char* shape : {"56x56x64 64", "28x28x128 128", "14x14x256 256", "7x7x512 512"}) {
        const std::string layers =
            std::string{"conv2d binary "} + shape + " k3x3 s1 p1 v0 | threshold";
        CAPTURE(layers);
        std::vector<const sim::MeasuredCost*> costs;
        for (const sim::MeasuredCost& cost : h100.measured) {
            if (cost.layers == layers && cost.batch == 8 &&
                h100.devices[static_cast<std::size_t>(cost.device)].kind == "cuda") {
                costs.push_back(&cost);
            }
        }
        // As the backend offers them: variants, and naive's configurations with much spread first.
        const std::string order = "tensor_core int8_tensor_core popc naive";
        std::ranges::stable_sort(costs, {}, [&](const sim::MeasuredCost* cost) {
            return std::pair{order.find(cost->variant),
                             -static_cast<int>(cost->configuration.size())};
        });
        Track track;
        std::map<std::string, double> best;
        double alike = 0;  // what three runs, seven times, of everyone take
        for (const sim::MeasuredCost* cost : costs) {
            const double ns = 64 * sim::microseconds(cost->time.p50) * kUs;
            track.add(cost->variant, ns);
            double& of_group = best.try_emplace(cost->variant, ns).first->second;
            of_group = std::min(of_group, ns);
            alike += 7 * 3 * ns;
        }
        REQUIRE(best.size() == 4);
        const auto standings = track.run();
        std::map<std::string, double> found;
        for (std::size_t i = 0; i < standings.size(); ++i) {
            double& ns = found.try_emplace(track.runners[i].group, 1e18).first->second;
            ns = std::min(ns, standings[i].ns());
        }
        for (const char* group : {"tensor_core", "int8_tensor_core", "popc"}) {
            CAPTURE(group);
            CHECK(found[group] == best[group]);
        }
        CHECK(std::isfinite(found["naive"]));
        CHECK(track.now < kSecond);
        races_take += track.now;
        alike_take += alike;
        ++races;
    }
    CAPTURE(races_take);
    CAPTURE(alike_take);
    CHECK(races_take * 20 < alike_take);
    CHECK(races == 4);
}
