// Sweeps as a whole: whoever does the cells, and whatever dies meanwhile, the store is the same.

#include "sim/search/mapped.hpp"
#include "sweep/order.hpp"
#include "sweep/play.hpp"
#include "sweep/sweep.hpp"
#include "sweep/table.hpp"
#include "tests/ranks_in_threads.hpp"
#include "tests/sweep_plans.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <unistd.h>

namespace {

const std::string kPlan =
    "models: [small, smaller]\nplatforms: [board, server, bare]\n"
    "objectives: [latency, energy, [latency, energy]]\n"
    "what_if: {devices.gpu.speed: [unchanged, 2, 4]}\n";
constexpr std::size_t kCells = 54;

double seconds_now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// A plan, its store and who does it.
struct Sweep {
    const SweepFolder sweeps;
    sweep::Library library = sweeps.library();
    sweep::Plan plan;
    std::vector<std::string> keys;
    sweep::Conditions conditions{.clock = seconds_now};
    std::size_t stops_after = ~std::size_t{0};  // so many cells

    explicit Sweep(const std::string& text = kPlan)
        : plan{sweep::load_plan(sweeps.plan(text), library)}, keys{sweep::keys_of(plan, library)} {}

    std::string store(const std::string& name = "s.db") const { return sweeps.folder.file(name); }
    sweep::Work work() { return sweep::cell_work(library, conditions); }
    // One of a cell that dies as a defect would make it die.
    sweep::Work work_that_dies_over(const sweep::Cell& fatal) {
        return [=, work = work()](std::string_view text) {
            if (sweep::cell_of(nlohmann::json::parse(text)) == fatal) {
                raise(SIGKILL);
            }
            return work(text);
        };
    }

    sweep::Outcome run(sweep::Crew crew, const std::string& name = "s.db", sweep::Part part = {}) {
        sweep::Store to{store(name)};
        std::size_t done = 0;
        const sweep::Hooks hooks{
            .stop = [&] { return done >= stops_after; },
            .progress = [&](const sweep::Progress& progress) { done = progress.done; }};
        return sweep::run(plan, keys, part, library, to, crew, hooks);
    }

    // By cell: what is in the store, but for what differs from one time to the next.
    std::vector<std::optional<sweep::Finished>> found(const std::string& name = "s.db") const {
        sweep::Store from{store(name)};
        std::vector<std::optional<sweep::Finished>> all;
        for (const std::string& key : keys) {
            std::optional<sweep::Finished> finished = from.find(key);
            if (finished) {
                finished->seconds = 0;
                finished->worker.clear();
            }
            all.push_back(std::move(finished));
        }
        return all;
    }
};

std::vector<std::optional<sweep::Finished>> without_processes(Sweep& s) {
    std::vector<std::optional<sweep::Finished>> all;
    for (const sweep::Cell& cell : s.plan.cells) {
        all.emplace_back(sweep::finish(cell, s.library, s.conditions))->seconds = 0;
    }
    return all;
}

}  // namespace

TEST_CASE("a cell is what map finds, and says why where it finds nothing") {
    Sweep s;
    REQUIRE(s.plan.cells.size() == kCells);
    // CPU 3 x 40; GPU: up 3.512, submitted 1, 10 each, down 3.512.
    const sweep::Finished plain = sweep::finish(s.plan.cells[0], s.library, s.conditions);
    CHECK(plain.status == sweep::Status::proven);
    CHECK(plain.value == doctest::Approx(3.512 + 30 + 3.512).epsilon(0.05));
    CHECK(plain.unit == "us");
    CHECK(plain.bound == plain.value);
    REQUIRE(plain.points.size() == 1);
    CHECK(plain.points[0].latency_us == plain.value);
    CHECK(plain.points[0].energy_mj > 0);
    CHECK(plain.points[0].network == "small");
    CHECK(plain.points[0].mapping.find("hetmap: mapping/1\n") == 0);
    const sweep::Finished faster = sweep::finish(s.plan.cells[1], s.library, s.conditions);
    CHECK(*plain.value - *faster.value == doctest::Approx(15));
    const sweep::Finished front = sweep::finish(s.plan.cells[6], s.library, s.conditions);
    CHECK(front.unit == "points");
    CHECK(front.value == front.points.size());
    CHECK(front.points.size() >= 2);
    const auto bare = std::ranges::find(s.plan.cells, "bare", &sweep::Cell::platform);
    const sweep::Finished refused = sweep::finish(*bare, s.library, s.conditions);
    CHECK(refused.status == sweep::Status::refused);
    CHECK(refused.message.find("no device (cpu) has a cost for 3 layers") != std::string::npos);
    CHECK(!refused.value);
    // Of what other processes are sent nothing is lost.
    for (const sweep::Finished& finished : {plain, front, refused}) {
        CHECK(sweep::finished_of(nlohmann::ordered_json::parse(to_json(finished).dump())) ==
              finished);
    }
}

TEST_CASE("processes, a thread and ranks make the same store, and nothing is done twice") {
    Sweep s;
    const auto expected = without_processes(s);
    const sweep::Outcome one = s.run(sweep::forked(1, s.work()), "one.db");
    CHECK(one.cells == kCells);
    CHECK(one.done == kCells);
    CHECK(one.known == 0);
    CHECK(s.found("one.db") == expected);
    CHECK(s.run(sweep::forked(3, s.work()), "three.db").done == kCells);
    CHECK(s.found("three.db") == expected);
    CHECK(s.run(sweep::thread_of("own", s.work()), "thread.db").done == kCells);
    CHECK(s.found("thread.db") == expected);
    cluster::run_in_threads(4, [&](cluster::Ranks& ranks) {
        sweep::Library own = s.sweeps.library();
        const sweep::Work work = sweep::cell_work(own, s.conditions);
        if (ranks.rank() > 0) {
            sweep::serve(ranks, work);
            return;
        }
        CHECK(s.run(sweep::joined(sweep::thread_of("rank 0", work), sweep::others_of(ranks)),
                    "ranks.db")
                  .done == kCells);
    });
    CHECK(s.found("ranks.db") == expected);
    const sweep::Outcome again = s.run(sweep::forked(2, s.work()), "ranks.db");
    CHECK(again.done == 0);
    CHECK(again.known == kCells);
}

TEST_CASE("a sweep that was stopped goes on where it was") {
    Sweep s;
    s.stops_after = 10;
    const sweep::Outcome first = s.run(sweep::forked(2, s.work()));
    CHECK(first.stopped);
    CHECK(first.done >= 10);
    REQUIRE(first.done < kCells);
    s.stops_after = ~std::size_t{0};
    const sweep::Outcome second = s.run(sweep::forked(2, s.work()));
    CHECK(!second.stopped);
    CHECK(second.known == first.done);
    CHECK(second.done == kCells - first.done);
    CHECK(s.found() == without_processes(s));
}

TEST_CASE("a process that dies over a cell costs that cell, which is tried twice, and no other") {
    Sweep s;
    const std::size_t fatal = 20;
    auto expected = without_processes(s);
    const sweep::Outcome outcome =
        s.run(sweep::forked(2, s.work_that_dies_over(s.plan.cells[fatal])));
    CHECK(outcome.deaths == 2);
    CHECK(outcome.failed == 1);
    CHECK(outcome.done == kCells);
    auto found = s.found();
    REQUIRE(found[fatal]);
    CHECK(found[fatal]->status == sweep::Status::failed);
    CHECK(found[fatal]->message.find("the process that did it died: signal 9") == 0);
    CHECK(found[fatal]->points.empty());
    found[fatal].reset();
    const auto that_cell = std::exchange(expected[fatal], std::nullopt);
    CHECK(found == expected);
    // It is no answer: the next time it is asked again, alone.
    const sweep::Outcome again = s.run(sweep::forked(2, s.work()));
    CHECK(again.done == 1);
    CHECK(again.known == kCells - 1);
    CHECK(s.found()[fatal] == that_cell);
}

TEST_CASE("a process that dies while it has nothing to do costs nothing") {
    Sweep s{"models: [small]\nplatforms: [board]\n"};
    std::vector<sweep::News> news{{.worker = 1, .text = std::nullopt, .why = "signal 9"}};
    const sweep::Work work = s.work();
    const sweep::Outcome outcome = s.run({.names = {"busy", "idle"},
                                          .send =
                                              [&](std::size_t worker, const std::string& text) {
                                                  news.push_back({worker, work(text), {}});
                                              },
                                          .receive = [&](double) -> std::optional<sweep::News> {
                                              if (news.empty()) {
                                                  return std::nullopt;
                                              }
                                              sweep::News first = news.front();
                                              news.erase(news.begin());
                                              return first;
                                          }});
    CHECK(outcome.deaths == 1);
    CHECK(outcome.done == 1);
    CHECK(outcome.failed == 0);
}

TEST_CASE("a cell that dies under a longer time limit does not take the answer with it") {
    Sweep s{"models: [small]\nplatforms: [board]\nsearches: [greedy]\n"};
    s.run(sweep::forked(1, s.work()));
    const auto before = s.found();
    REQUIRE(before[0]->status == sweep::Status::unproven);
    s.plan.time_limit_s = 600;
    CHECK(s.run(sweep::forked(1, s.work_that_dies_over(s.plan.cells[0]))).failed == 1);
    CHECK(s.found() == before);
}

TEST_CASE("parts by themselves, joined, are the whole") {
    Sweep s;
    std::size_t cells = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const std::string name = "part" + std::to_string(i) + ".db";
        cells += s.run(sweep::forked(1, s.work()), name, {.i = i, .of = 4}).done;
    }
    CHECK(cells == kCells);
    {
        sweep::Store whole{s.store()};
        for (std::size_t i = 0; i < 4; ++i) {
            whole.join(s.store("part" + std::to_string(i) + ".db"));
        }
    }
    CHECK(s.run(sweep::forked(1, s.work())).done == 0);
    CHECK(s.found() == without_processes(s));
}

TEST_CASE("the same question twice in a plan is asked once") {
    Sweep s{"models: [small]\nplatforms: [board]\nbatches: [1, 1]\n"};
    const sweep::Outcome outcome = s.run(sweep::forked(2, s.work()));
    CHECK(outcome.cells == 2);
    CHECK(outcome.done == 1);
    CHECK(outcome.known == 1);
}

TEST_CASE("those that are guessed to take longest come first") {
    const std::vector<sweep::Cell> cells{{.model = "small", .platform = "p"},
                                         {.model = "large", .platform = "p"},
                                         {.model = "small", .platform = "q"},
                                         {.model = "small", .platform = "q", .batch = 2},
                                         {.model = "small", .platform = "p", .batch = 2}};
    sweep::Queue queue{cells, {{"small", 1}, {"large", 9}}};
    for (std::size_t cell = 0; cell < cells.size(); ++cell) {
        queue.add(cell);
    }
    CHECK(queue.take() == 1u);  // the largest network
    queue.took(1, 9);
    CHECK(queue.guess(0) == 1);  // a ninth of it
    CHECK(queue.take() == 0u);
    queue.took(0, 0.5);
    CHECK(queue.guess(4) == 0.5);  // as its like
    CHECK(queue.take() == 2u);     // of q nothing is known but its size
    queue.took(2, 0.1);
    CHECK(queue.take() == 4u);
    CHECK(queue.left() == 1);
    CHECK(queue.guess_of_all() == 0.1);
    CHECK(queue.take() == 3u);
    CHECK(!queue.take());
}

TEST_CASE("a crew's time is played from what cells took") {
    Sweep s;
    std::vector<sweep::Row> rows;
    const auto with = [&](const std::vector<double>& seconds) {
        rows.clear();
        for (std::size_t i = 0; i < seconds.size(); ++i) {
            sweep::Cell cell = s.plan.cells.front();
            cell.what_if = {"speed=" + std::to_string(i)};
            rows.push_back({cell, sweep::finish(cell, s.library, s.conditions)});
            rows.back().finished->seconds = seconds[i];
        }
        return rows;
    };
    // One after the other, and nothing else but handing out.
    const sweep::Played one = sweep::play(with({400, 300, 200, 200, 100}), s.library, 1);
    CHECK(one.seconds >= 1200);
    CHECK(one.seconds < 1260);
    CHECK(one.efficiency > 0.95);
    // Those of one kind are given out in their order: 400 | 300, 100 | 200, 200.
    const sweep::Played three = sweep::play(with({400, 300, 200, 200, 100}), s.library, 3);
    CHECK(three.seconds >= 400);
    CHECK(three.seconds < 460);
    CHECK(three.efficiency > 0.85);
    CHECK(three.efficiency <= 1);
    // What handing out takes is real: cells of no time keep nobody busy.
    CHECK(sweep::play(with({0, 0, 0}), s.library, 3).efficiency < 0.1);
    // What is not finished is not played.
    with({400, 300});
    rows.back().finished.reset();
    CHECK(sweep::play(rows, s.library, 2).seconds < 460);
    CHECK(sweep::play({}, s.library, 3).efficiency == 1);
}

TEST_CASE("the table of a sweep has a column for each what-if and a row for each point") {
    Sweep s{
        "models: [small]\nplatforms: [board, bare]\nobjectives: [[latency, energy]]\n"
        "what_if: {devices.gpu.speed: [unchanged, 2]}\n"};
    std::vector<sweep::Row> rows;
    for (const sweep::Cell& cell : s.plan.cells) {
        rows.push_back({cell, sweep::finish(cell, s.library, s.conditions)});
    }
    rows[1].finished.reset();
    const std::string csv = sweep::table_csv(rows);
    std::istringstream lines{csv};
    std::vector<std::string> all;
    for (std::string line; std::getline(lines, line);) {
        all.push_back(line);
    }
    CHECK(all[0].find("model,platform,batch,objective,search,constraints,devices.gpu.speed,status,"
                      "value,unit,bound,point,latency_us,") == 0);
    const std::size_t points = rows[0].finished->points.size();
    CHECK(all[1].find("small,board,1,\"latency, energy\",branch-and-bound,none,,proven,") == 0);
    CHECK(all[1 + points].find(
              "small,board,1,\"latency, energy\",branch-and-bound,none,2,open,,,,,") == 0);
    CHECK(csv.find("small,bare,1,\"latency, energy\",branch-and-bound,none,,refused,,") !=
          std::string::npos);
    const std::string text = sweep::table_text(rows, false);
    CHECK(text.find("open") != std::string::npos);
    CHECK(text.find("refused: platform bare: no device (cpu) has a cost for 3 layers") !=
          std::string::npos);
    CHECK(text.find("search") == std::string::npos);  // the same in all
    const nlohmann::ordered_json json = sweep::table_json(rows);
    CHECK(json[0]["points"].size() == points);
    CHECK(json[1]["status"] == "open");
    CHECK(json[3]["what_if"]["devices.gpu.speed"] == 2);
}
