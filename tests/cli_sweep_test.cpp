// hetmap sweep as people call it: what it prints, what it leaves, what it refuses.

#include "tests/cli_program.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace {

struct Plan {
    TemporaryFolder folder;
    std::string plan, store = folder.file("s.db");

    explicit Plan(const std::string& rest =
                      "models: [vgg3-fashion, vgg7-cifar10]\nplatforms: [hep-bnn-tx2, darkside]\n"
                      "batches: [1, 8]\n")
        : plan{folder.write("plan.yaml", "hetmap: sweep/1\n" + rest)} {}

    Outcome sweep(const std::vector<std::string>& more = {}) const {
        std::vector<std::string> all{"sweep", plan, "--out", store};
        all.insert(all.end(), more.begin(), more.end());
        return hetmap(all);
    }
};

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a sweep answers all cells, and the same command has nothing left to do") {
    const Plan plan;
    const Outcome first = plan.sweep({"--csv", plan.folder.file("s.csv")});
    CHECK(first.code == 0);
    CHECK(has(first.out, "8 cells, 8 done now by "));
    CHECK(has(first.out, "; 4 proven; 4 refused\n"));
    const std::string csv = text_of(plan.folder.file("s.csv"));
    CHECK(std::ranges::count(csv, '\n') >= 9);
    const Outcome second = plan.sweep({"--json"});
    CHECK(second.code == 0);
    const auto cells = nlohmann::json::parse(second.out);
    REQUIRE(cells.size() == 8);
    // What map says.
    const Outcome map =
        hetmap({"map", "--model", "vgg3-fashion", "--platform", "hep-bnn-tx2", "--json"});
    CHECK(cells[0]["value"] == nlohmann::json::parse(map.out)["makespan_us"]);
    CHECK(has(plan.sweep().out, "8 cells; 4 proven; 4 refused\n"));
}

TEST_CASE("the mapping that a store holds is one that simulate takes") {
    const Plan plan;
    plan.sweep();
    const auto cells = nlohmann::json::parse(plan.sweep({"--json"}).out);
    const std::string mapping =
        plan.folder.write("m.yaml", cells[1]["points"][0]["mapping"].get<std::string>());
    const Outcome simulated = hetmap({"simulate",
                                      "--model",
                                      "vgg3-fashion",
                                      "--platform",
                                      "hep-bnn-tx2",
                                      "--mapping",
                                      mapping,
                                      "--json"});
    CHECK(simulated.code == 0);
    CHECK(nlohmann::json::parse(simulated.out)["makespan_us"] == cells[1]["value"]);
}

TEST_CASE("parts of a plan are joined, and crews that are not there are played") {
    const Plan plan;
    std::vector<std::string> joins{"--join"};
    for (const std::string part : {"1/3", "2/3", "3/3"}) {
        const std::string store = plan.folder.file("part" + part.substr(0, 1) + ".db");
        const Outcome outcome = hetmap(
            {"sweep", plan.plan, "--out", store, "--part", part, "--processes", "1", "--quiet"});
        CHECK(outcome.code == 0);
        CHECK(has(outcome.out, (part == "3/3" ? "2" : "3") + std::string{" cells, "}));
        joins.push_back(store);
    }
    joins.insert(joins.end(), {"--play", "1,100"});
    const Outcome whole = plan.sweep(joins);
    CHECK(whole.code == 0);
    CHECK(has(whole.out, "8 cells; 4 proven; 4 refused\n"));
    CHECK(has(whole.out, "\n1 worker: "));
    CHECK(has(whole.out, "\n100 workers: "));
    CHECK(has(whole.err, "part1.db: 3 cells joined\n"));
}

TEST_CASE("what a sweep cannot use it refuses before it makes a store") {
    const Plan plan;
    const auto refused = [&](const std::vector<std::string>& more) {
        const Outcome outcome = plan.sweep(more);
        CHECK(outcome.code == 2);
        CHECK(!std::filesystem::exists(plan.store));
        return outcome.err;
    };
    CHECK(has(refused({"--part", "4/3"}), "--part: expected a part such as 3/16"));
    CHECK(has(refused({"--part", "x"}), "got 'x'"));
    CHECK(has(refused({"--processes", "0"}), "--processes"));
    CHECK(has(refused({"--csv", plan.plan}), "PLAN"));
    const Outcome none = hetmap({"sweep", plan.folder.file("none.yaml"), "--out", plan.store});
    CHECK(none.code == 2);
    CHECK(has(none.err, "none.yaml: no such file"));
    const Outcome wrong =
        hetmap({"sweep",
                plan.folder.write("w.yaml", "hetmap: sweep/1\nmodels: [vgg3-fashion]\n"),
                "--out",
                plan.store});
    CHECK(wrong.code == 2);
    CHECK(has(wrong.err, "w.yaml:1:1: "));
    // A file of somebody else's stays what it is.
    const std::string other = plan.folder.write("other.db", "not a database");
    const Outcome occupied = hetmap({"sweep", plan.plan, "--out", other});
    CHECK(occupied.code == 2);
    CHECK(text_of(other) == "not a database");
}

TEST_CASE("Ctrl-C keeps what was done, and the same command goes on") {
    // Two of the cells take as long as they may.
    const Plan plan{
        "models: [vgg3-fashion, resnet18-224]\nplatforms: [diana, hep-bnn-tx2]\n"
        "objectives: [latency, energy]\ntime_limit_s: 30\n"};
    std::vector<std::string> command{
        "sweep", plan.plan, "--out", plan.store, "--processes", "2", "--quiet"};
    const Outcome cut = hetmap(command, std::chrono::milliseconds{2'000});
    CHECK(cut.code == 1);  // so that a script does not go on with half a study
    CHECK(has(cut.out, "open: the same command goes on\n"));
    command.insert(command.end(), {"--time-limit", "1", "--json"});
    const Outcome whole = hetmap(command);
    CHECK(whole.code == 0);
    for (const auto& cell : nlohmann::json::parse(whole.out)) {
        CHECK(cell["status"] != "open");
    }
}
