// How fast mappings are simulated, enumerated and proven.
//
//   search_speed_benchmark [FILE.csv] [ROUNDS] [threads]    `threads`: the last part, too
//
// One thread, processor time of the thread (a neighbour's time slice is not ours), but for the last
// part, which has two and goes by the clock. What is compared takes turns, so that a change of
// clock frequency hits all alike; medians, with the fastest and the slowest round beside them.
// Problems are seeded and invented (tests/sim_generate.hpp): their makespans say nothing about real
// machines. SimGrid is in simgrid_peer_benchmark.cpp.

#include "sim/run/evaluator.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"
#include "tests/sim_generate.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

namespace {

using sim::Mapping;
using sim::Problem;

double thread_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double clock_seconds() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// What one line of the CSV says.
struct Result {
    std::string question, problem, variant, unit;
    double median = 0, least = 0, most = 0;
};

struct Contestant {
    std::string problem, variant;
    std::function<void()> run;
    std::vector<double> seconds = {};
};

// All once, then all again.
void take_turns(std::vector<Contestant>& all, int rounds) {
    for (Contestant& one : all) {
        one.run();  // warm
    }
    for (int round = 0; round < rounds; ++round) {
        for (Contestant& one : all) {
            const double begin = thread_seconds();
            one.run();
            one.seconds.push_back(thread_seconds() - begin);
        }
    }
    for (Contestant& one : all) {
        std::sort(one.seconds.begin(), one.seconds.end());
    }
}

// `of`: what a run's seconds mean in the unit.
Result result_of(const std::string& question,
                 const Contestant& one,
                 const std::string& unit,
                 const std::function<double(double)>& of) {
    const double a = of(one.seconds.front()), b = of(one.seconds.back());
    return {question,
            one.problem,
            one.variant,
            unit,
            of(one.seconds[one.seconds.size() / 2]),
            std::min(a, b),
            std::max(a, b)};
}

void print(const std::vector<Result>& results) {
    for (const Result& r : results) {
        fmt::print("  {:<24} {:<24} {:>10.2f} {:<14} ({:.2f} to {:.2f})\n",
                   r.problem,
                   r.variant,
                   r.median,
                   r.unit,
                   r.least,
                   r.most);
    }
}

[[noreturn]] void fail(const std::string& what) {
    fmt::print(stderr, "search_speed_benchmark: {}\n", what);
    std::exit(1);
}

// Times rounded to nanoseconds, as measured profiles have them.
Problem rounded(Problem p) {
    const auto round = [](sim::Time& time) {
        if (time < sim::kNever) {
            time = sim::Time{time.count() / 1'000 * 1'000};
        }
    };
    for (sim::Task& task : p.tasks) {
        round(task.cost);
    }
    for (sim::Time& time : p.copy_times) {
        round(time);
    }
    for (sim::Time& time : p.convert_times) {
        round(time);
    }
    return p;
}

// ---- 1. Simulations of whole mappings. ----------------------------------------------------------

std::vector<Result> simulations(int rounds) {
    constexpr int kMappings = 4096;
    std::vector<Problem> problems;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        problems.push_back(generate::random_layered(20, 2, seed));
    }
    problems.push_back(rounded(generate::random_layered(20, 2, 1)));
    problems.back().model += " (ns)";
    problems.push_back(generate::vgg7({.implementations = 10, .devices = 2, .seed = 1}));

    std::vector<Contestant> all;
    std::vector<std::vector<Mapping>> mappings(problems.size());
    std::vector<sim::Evaluator> evaluators;
    for (std::size_t i = 0; i < problems.size(); ++i) {
        for (std::uint64_t draw = 0; draw < kMappings; ++draw) {
            mappings[i].push_back(sim::random_mapping(problems[i], draw));
        }
        evaluators.emplace_back(problems[i]);
    }
    for (std::size_t i = 0; i < problems.size(); ++i) {
        all.push_back({problems[i].model, "evaluator", [&, i] {
                           for (const Mapping& mapping : mappings[i]) {
                               (void)evaluators[i].makespan(mapping);
                           }
                       }});
    }
    take_turns(all, rounds);
    std::vector<Result> results;
    for (const Contestant& one : all) {
        results.push_back(result_of(
            "simulate 20 tasks", one, "M/s", [](double s) { return kMappings / s / 1e6; }));
    }
    return results;
}

// ---- 2. Exhaustive search. ----------------------------------------------------------------------

std::vector<Result> exhaustive(int rounds) {
    std::vector<Problem> problems{generate::ladder(20, 2, 1)};
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        problems.push_back(generate::random_layered(20, 2, seed));
    }
    std::vector<Contestant> all;
    for (const Problem& p : problems) {
        all.push_back({p.model, "exhaustive", [&p] { (void)sim::exhaustive(p, {}); }});
    }
    take_turns(all, rounds);
    std::vector<Result> results;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto count = static_cast<double>(sim::count_mappings(problems[i]));
        results.push_back(result_of("exhaustive search", all[i], "M mappings/s", [&](double s) {
            return count / s / 1e6;
        }));
    }
    return results;
}

// ---- 3. Large mappings. -------------------------------------------------------------------------

std::vector<Result> large(int rounds) {
    const Problem p = generate::ladder(10'000, 2, 1);
    const Mapping mapping = sim::random_mapping(p, 1);
    sim::Evaluator evaluator(p);
    std::vector<Contestant> all;
    all.push_back({p.model, "evaluator", [&] { (void)evaluator.makespan(mapping); }});
    all.push_back({p.model, "simulate, all events", [&] { (void)sim::simulate(p, mapping); }});
    take_turns(all, rounds);
    std::vector<Result> results;
    for (const Contestant& one : all) {
        results.push_back(
            result_of("simulate 10,000 tasks", one, "ms", [](double s) { return s * 1e3; }));
    }
    return results;
}

// ---- 4. Proofs. ---------------------------------------------------------------------------------

struct Family {
    std::string name;
    std::vector<Problem> problems;
};

// The median, and the extremes, over the problems of a family; each is solved three times.
std::vector<Result> proofs() {
    using namespace generate;
    std::vector<Family> families;
    for (const int implementations : {2, 4}) {
        families.push_back({fmt::format("random 25 x {}", implementations), {}});
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            families.back().problems.push_back(random_layered(25, implementations, seed));
        }
    }
    const std::pair<const char*, Problem (*)(const NetworkOptions&)> networks[] = {
        {"vgg7", vgg7},
        {"resnet18", resnet18},
        {"squeezenet", squeezenet},
        {"mobilenet_v2", mobilenet_v2},
        {"shufflenet_v2", shufflenet_v2},
        {"googlenet", googlenet}};
    for (const auto& [name, make] : networks) {
        families.push_back({fmt::format("{} x 10", name), {}});
        for (const bool near : {false, true}) {
            for (std::uint64_t seed = 1; seed <= 3; ++seed) {
                families.back().problems.push_back(
                    make({.implementations = 10, .devices = 3, .seed = seed, .near = near}));
            }
        }
    }
    std::vector<Result> results;
    for (const Family& family : families) {
        std::vector<double> seconds, nodes;
        std::size_t proven = 0;
        for (const Problem& p : family.problems) {
            std::vector<double> runs;
            sim::SearchResult found;
            for (int run = 0; run < 3; ++run) {
                const double begin = thread_seconds();
                sim::SearchOptions options;
                options.stop = [&] { return thread_seconds() - begin > 10; };
                found = sim::branch_and_bound(p, options);
                runs.push_back(thread_seconds() - begin);
            }
            std::sort(runs.begin(), runs.end());
            seconds.push_back(runs[1]);
            nodes.push_back(static_cast<double>(found.evaluated));
            proven += found.status == sim::SearchStatus::proven;
        }
        std::sort(seconds.begin(), seconds.end());
        std::sort(nodes.begin(), nodes.end());
        const std::size_t middle = seconds.size() / 2;
        const std::string how = fmt::format("proven {} of {}", proven, seconds.size());
        results.push_back({"prove optimal",
                           family.name,
                           how,
                           "ms",
                           seconds[middle] * 1e3,
                           seconds.front() * 1e3,
                           seconds.back() * 1e3});
        results.push_back({"prove optimal",
                           family.name,
                           how,
                           "k nodes",
                           nodes[middle] / 1e3,
                           nodes.front() / 1e3,
                           nodes.back() / 1e3});
    }
    return results;
}

// ---- 5. Threads. --------------------------------------------------------------------------------

// How many times as fast two threads are as one, on the clock, on searches of more than a second.
// They take turns; the fastest of each counts, since the machine may have other work.
std::vector<Result> threads() {
    constexpr int kTurns = 3;
    constexpr double kLong = 1;
    std::vector<double> times;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        const Problem p =
            seed <= 3 ? generate::googlenet({.implementations = 10, .devices = 3, .seed = seed})
                      : generate::random_layered(27, 4, seed);
        double least[] = {1e9, 1e9};
        for (int turn = 0; turn < kTurns; ++turn) {
            for (const int count : {1, 2}) {
                const double begin = clock_seconds();
                sim::SearchOptions options;
                options.threads = count;
                options.stop = [&] { return clock_seconds() - begin > 30; };
                (void)sim::branch_and_bound(p, options);
                double& of_these = least[count - 1];
                of_these = std::min(of_these, clock_seconds() - begin);
            }
            if (least[0] < kLong) {
                break;
            }
        }
        if (least[0] >= kLong) {
            times.push_back(least[0] / least[1]);
        }
    }
    if (times.empty()) {
        return {};
    }
    std::sort(times.begin(), times.end());
    return {{"two threads",
             fmt::format("{} searches above 1 s", times.size()),
             "2 threads",
             "times as fast",
             times[times.size() / 2],
             times.front(),
             times.back()}};
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 15;
    std::vector<Result> all;
    const auto report = [&](const char* title, std::vector<Result> results) {
        fmt::print("{}\n", title);
        print(results);
        std::fflush(stdout);
        all.insert(all.end(), results.begin(), results.end());
    };
    report("1. whole mappings of 20 tasks, one core", simulations(rounds));
    report("2. exhaustive search of 20 tasks x 2 implementations, one core", exhaustive(rounds));
    report("3. one mapping of 10,000 tasks, one core", large(rounds));
    report("4. branch-and-bound, one core: median, least and most of each family", proofs());
    if (argc > 3 && std::string(argv[3]) == "threads") {
        report("5. branch-and-bound, two threads and one, by the clock", threads());
    }
    if (argc > 1) {
        std::FILE* file = std::fopen(argv[1], "w");
        if (!file) {
            fail(std::string("cannot write ") + argv[1]);
        }
        fmt::print(file, "question,problem,variant,unit,median,least,most\n");
        for (const Result& r : all) {
            fmt::print(file,
                       "\"{}\",\"{}\",\"{}\",{},{:.6g},{:.6g},{:.6g}\n",
                       r.question,
                       r.problem,
                       r.variant,
                       r.unit,
                       r.median,
                       r.least,
                       r.most);
        }
        std::fclose(file);
        fmt::print("written to {}\n", argv[1]);
    }
}
