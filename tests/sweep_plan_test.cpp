// Which cells a plan has, and what is wrong with plans.

#include "sweep/plan.hpp"
#include "tests/sweep_plans.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace {

using Texts = std::vector<std::string>;

std::vector<sweep::Cell> cells_of(const SweepFolder& sweeps, const std::string& rest) {
    sweep::Library library = sweeps.library();
    return sweep::load_plan(sweeps.plan(rest), library).cells;
}

std::string error_of(const SweepFolder& sweeps, const std::string& rest) {
    return sweeps.folder.error_of([&] { cells_of(sweeps, rest); });
}

const std::string kBoth = "models: [small]\nplatforms: [board]\n";

}  // namespace

TEST_CASE("a plan has every combination, the last key's values change first") {
    const SweepFolder sweeps;
    const std::vector<sweep::Cell> cells =
        cells_of(sweeps, "models: [small, smaller]\nplatforms: [server, board]\nbatches: [1, 8]\n");
    REQUIRE(cells.size() == 8);
    CHECK(cells[0] == sweep::Cell{.model = "small", .platform = "server"});
    CHECK(cells[1].batch == 8);
    CHECK(cells[2].platform == "board");
    CHECK(cells[7] == sweep::Cell{.model = "smaller", .platform = "board", .batch = 8});
}

TEST_CASE("patterns stand for all names that match, each once") {
    const SweepFolder sweeps;
    const std::vector<sweep::Cell> cells =
        cells_of(sweeps, "models: [smaller, small*]\nplatforms: [\"[bs]*r*\"]\n");
    Texts found;
    for (const sweep::Cell& cell : cells) {
        found.push_back(cell.model + " " + cell.platform);
    }
    CHECK(found == Texts{"smaller bare",
                         "smaller board",
                         "smaller server",
                         "small bare",
                         "small board",
                         "small server"});
}

TEST_CASE("ranges have both ends, by steps or by factors") {
    const SweepFolder sweeps;
    std::vector<int> batches;
    for (const sweep::Cell& cell : cells_of(
             sweeps,
             kBoth + "batches: [3, {from: 1, to: 64, times: 4}, {from: 5, to: 9, step: 2}]\n")) {
        batches.push_back(cell.batch);
    }
    CHECK(batches == std::vector{3, 1, 4, 16, 64, 5, 7, 9});
    Texts numbers;
    for (const sweep::Cell& cell : cells_of(
             sweeps, kBoth + "what_if: {devices.gpu.speed: [{from: 0.1, to: 0.7, step: 0.2}]}\n")) {
        numbers.push_back(cell.what_if.at(0));
    }
    REQUIRE(numbers.size() == 4);  // of sums 0.7 would be 0.7000000000000001
    CHECK(numbers[0] == "devices.gpu.speed=0.1");
    CHECK(numbers[3] == "devices.gpu.speed=0.7000000000000001");
}

TEST_CASE("what-ifs are combined, and some leave a number as it is") {
    const SweepFolder sweeps;
    std::vector<Texts> found;
    for (const sweep::Cell& cell :
         cells_of(sweeps,
                  kBoth + "what_if:\n  devices.gpu.speed: [unchanged, 2]\n"
                          "  links.*.modes.*.bandwidth_gb_per_s: [4, 8]\n")) {
        found.push_back(cell.what_if);
    }
    const std::string four = "links.*.modes.*.bandwidth_gb_per_s=4",
                      eight = "links.*.modes.*.bandwidth_gb_per_s=8", two = "devices.gpu.speed=2";
    CHECK(found == std::vector<Texts>{{four}, {eight}, {two, four}, {two, eight}});
}

TEST_CASE("objectives are single ones or those of a front, constraints have names") {
    const SweepFolder sweeps;
    const std::vector<sweep::Cell> cells =
        cells_of(sweeps,
                 kBoth +
                     "objectives: [energy, [latency, energy]]\n"
                     "searches: [exhaustive, greedy]\n"
                     "constraints:\n"
                     "  - {}\n"
                     "  - {max: [energy=5mJ], only: [cpu]}\n"
                     "  - {name: good, min_accuracy_percent: 90, "
                     "robust: true, pin: [a=cpu], together: "
                     "[\"a,b\"]}\n");
    REQUIRE(cells.size() == 12);
    CHECK(cells[0].objectives == Texts{"energy"});
    CHECK(cells[11].objectives == Texts{"latency", "energy"});
    CHECK(cells[0].search == "exhaustive");
    CHECK(cells[3].search == "greedy");
    CHECK(cells[0].constraints == sweep::Constraints{});
    CHECK(cells[1].constraints.name == "max energy=5mJ, only cpu");
    CHECK(cells[2].constraints.name == "good");
    const sim::Wishes wishes = sweep::wishes_of(cells[11], 4);
    CHECK(wishes.pareto == Texts{"latency", "energy"});
    CHECK(wishes.search == "greedy");
    CHECK(wishes.threads == 1);  // greedy knows none
    CHECK(wishes.min_accuracy == 90);
    CHECK(wishes.robust);
    CHECK(wishes.pin == Texts{"a=cpu"});
    CHECK(wishes.together == Texts{"a,b"});
    CHECK(sweep::wishes_of(sweep::Cell{}, 4).threads == 4);
    // Other processes are sent the same.
    for (const sweep::Cell& cell : cells) {
        CHECK(sweep::cell_of(nlohmann::json::parse(sweep::to_json(cell).dump())) == cell);
    }
}

TEST_CASE("what is wrong with a plan is said with its place") {
    const SweepFolder sweeps;
    CHECK(error_of(sweeps, "models: [small]\n").find("plan.yaml:1:1: ") == 0);
    CHECK(error_of(sweeps, "models: [large]\nplatforms: [board]\n")
              .find("plan.yaml:2:10: models: ") == 0);
    CHECK(error_of(sweeps, "models: [\"x*\"]\nplatforms: [board]\n") ==
          "plan.yaml:2:10: models: expected a pattern that something matches, got the text \"x*\"");
    CHECK(error_of(sweeps, "models: []\nplatforms: [board]\n") ==
          "plan.yaml:2:9: models: expected one name at least, got a list");
    CHECK(error_of(sweeps, kBoth + "batches: [0]\n").find("plan.yaml:4:11: ") == 0);
    CHECK(error_of(sweeps, kBoth + "batches: []\n") ==
          "plan.yaml:4:10: batches: expected one at least, got a list");
    CHECK(error_of(sweeps, kBoth + "batches: [{from: 1, to: 8}]\n") ==
          "plan.yaml:4:11: batches: expected a range with either step or times, got a map");
    CHECK(error_of(sweeps, kBoth + "batches: [{from: 1, to: 8, times: 1}]\n")
              .find("a factor above 1") != std::string::npos);
    CHECK(error_of(sweeps, kBoth + "batches: [{from: 1, to: 2, step: 0.5}]\n")
              .find("whole numbers") != std::string::npos);
    CHECK(error_of(sweeps, kBoth + "batches: [{from: 9, to: 8, step: 1}]\n")
              .find("a range that is not empty") != std::string::npos);
    CHECK(error_of(sweeps, kBoth + "objectives: [speed]\n").find("plan.yaml:4:14: ") == 0);
    CHECK(error_of(sweeps, kBoth + "objectives: [[latency]]\n").find("two or more of a front") !=
          std::string::npos);
    CHECK(error_of(sweeps, kBoth + "searches: [luck]\n").find("branch-and-bound") !=
          std::string::npos);
    CHECK(error_of(sweeps, kBoth + "constraints: [{}, {name: none}]\n").find("another name") !=
          std::string::npos);
    CHECK(error_of(sweeps, kBoth + "constraints: [{least: 3}]\n").find("unknown key 'least'") !=
          std::string::npos);
    CHECK(error_of(sweeps, kBoth + "what_if: [3]\n").find("plan.yaml:4:10: ") == 0);
    CHECK(error_of(sweeps, kBoth + "what_if: {a.b: [fast]}\n").find("plan.yaml:4:17: ") == 0);
    CHECK(error_of(sweeps, kBoth + "time_limit_s: 0\n").find("plan.yaml:4:15: ") == 0);
    CHECK(error_of(sweeps, kBoth + "threads: 100\n").find("plan.yaml:4:10: ") == 0);
    CHECK(error_of(sweeps, kBoth + "batch: [1]\n").find("unknown key 'batch'") !=
          std::string::npos);
    const std::string many = "{from: 1, to: 1000, step: 1}";
    CHECK(error_of(
              sweeps,
              kBoth + "batches: [" + many + "]\nwhat_if: {a: [" + many + "], b: [" + many + "]}\n")
              .find("expected at most 10000000") != std::string::npos);
}
