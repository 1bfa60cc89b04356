// How good the answers are: what hetmap finds within a time, and what an annealing of its own finds
// in more. CP-SAT is in cp_sat.py, which asks here for the problems.
//
//   search_quality_benchmark list                       the instances: group, name
//   search_quality_benchmark hetmap NAME SECONDS        an answer: one line of a CSV
//   search_quality_benchmark annealing NAME SECONDS     the same of the peer
//   search_quality_benchmark problem NAME               as JSON
//   search_quality_benchmark makespan NAME              of the mapping on standard input: for each
//                                                       task, in order, its layer and its device
//
// One thread, whose processor time is the time: a neighbour's time slice is not ours.

#include "results/search-quality/instances.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/answer.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using sim::at;
using sim::Mapping;
using sim::Problem;
using sim::Task;
using sim::Time;

double thread_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// ---- hetmap: what `hetmap map --time-limit` asks. -----------------------------------------------

void answer(const std::string& name, const Problem& problem, double seconds) {
    sim::Question question;
    question.options.free_order = true;
    question.seconds = thread_seconds;
    question.time_limit = seconds;
    question.baselines = true;
    const sim::Answer found = sim::answer_to(question, sim::Model{}, problem);
    const bool proven = found.result.status == sim::SearchStatus::proven;
    fmt::print("{},hetmap,{},{},{},{:.2f},{}\n",
               name,
               found.result.makespan.count(),
               found.result.lower_bound_in_any_order.count(),
               found.result.in_any_order ? "in any order"
               : proven                  ? "in this order"
                                         : "no",
               found.seconds,
               found.result.evaluated);
}

// ---- The peer. ----------------------------------------------------------------------------------

// Plain annealing over devices and order from HEFT's mapping, every change simulated in full.
class Annealing {
public:
    explicit Annealing(const Problem& problem)
        : problem_(problem), evaluator_(problem), task_of_(at(problem.layers())) {
        for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
            task_of_[at(problem.tasks[at(k)].first)].push_back(k);
        }
    }

    void run(const std::string& name, double seconds) {
        current_ = sim::heft(problem_, {}).mapping;
        auto value = static_cast<double>(evaluator_.makespan(current_).count());
        double best = value;
        const double first_heat = 0.01 * value;
        std::uint64_t tried = 0;
        double share = 0;
        for (; share < 1; ++tried) {
            if (tried % 64 == 0) {
                share = thread_seconds() / seconds;
            }
            candidate_ = current_;
            if (!change()) {
                continue;
            }
            const auto next = static_cast<double>(evaluator_.makespan(candidate_).count());
            const double heat = first_heat * std::pow(1e-3, share);
            if (next <= value || random_.real(0, 1) < std::exp((value - next) / heat)) {
                std::swap(current_, candidate_);
                value = next;
                best = std::min(best, value);
            }
        }
        fmt::print("{},annealing,{:.0f},0,no,{:.2f},{}\n", name, best, thread_seconds(), tried);
    }

private:
    bool change() {
        const auto kind = random_.integer(0, 3);
        return kind == 0 ? move_one() : kind == 1 ? move_several() : move_in_order();
    }

    int place_of(int layer) const {
        int place = 0;
        while (problem_.tasks[at(candidate_[at(place)])].first != layer) {
            ++place;
        }
        return place;
    }

    bool move_to(int place, int task) {
        const bool is_new = candidate_[at(place)] != task;
        candidate_[at(place)] = task;
        return is_new;
    }

    bool move_one() {
        const int place = random_.index(candidate_.size());
        const auto& tasks = task_of_[at(problem_.tasks[at(candidate_[at(place)])].first)];
        return move_to(place, tasks[at(random_.index(tasks.size()))]);
    }

    // Layers that are joined, to one device.
    bool move_several() {
        const int device = random_.index(problem_.devices.size());
        std::vector<int> layers{random_.index(at(problem_.layers()))};
        const auto most = at(static_cast<int>(random_.integer(2, 13)));
        for (int round = 0; round < 40 && layers.size() < most; ++round) {
            const int from = layers[at(random_.index(layers.size()))];
            std::vector<int> near = problem_.inputs[at(from)];
            near.insert(near.end(),
                        problem_.consumers[at(from)].begin(),
                        problem_.consumers[at(from)].end());
            const int next = near[at(random_.index(near.size()))];
            if (std::ranges::find(layers, next) == layers.end()) {
                layers.push_back(next);
            }
        }
        bool any = false;
        for (const int layer : layers) {
            for (const int task : task_of_[at(layer)]) {
                if (problem_.tasks[at(task)].device == device) {
                    any |= move_to(place_of(layer), task);
                }
            }
        }
        return any;
    }

    bool move_in_order() {
        const int last = static_cast<int>(candidate_.size()) - 1;
        const int from = static_cast<int>(random_.integer(1, last - 1));
        const int layer = problem_.tasks[at(candidate_[at(from)])].first;
        const auto joins = [&](const std::vector<int>& layers, int place) {
            return std::ranges::find(layers, problem_.tasks[at(candidate_[at(place)])].first) !=
                   layers.end();
        };
        int low = from, high = from;
        while (low > 1 && !joins(problem_.inputs[at(layer)], low - 1)) {
            --low;
        }
        while (high + 1 < last && !joins(problem_.consumers[at(layer)], high + 1)) {
            ++high;
        }
        const auto to = static_cast<int>(random_.integer(low, high));
        const auto begin = candidate_.begin();
        if (to < from) {
            std::rotate(begin + to, begin + from, begin + from + 1);
        } else {
            std::rotate(begin + from, begin + from + 1, begin + to + 1);
        }
        return to != from;
    }

    const Problem& problem_;
    sim::Evaluator evaluator_;
    generate::Random random_{1};
    std::vector<std::vector<int>> task_of_;  // by layer
    Mapping current_, candidate_;
};

// ---- For peers in other languages. --------------------------------------------------------------

void print(const Problem& problem) {
    fmt::print("{{\"layers\":{},\"memories\":{},\"inputs\":[", problem.layers(), problem.memories);
    for (int l = 0; l < problem.layers(); ++l) {
        fmt::print("{}[{}]", l ? "," : "", fmt::join(problem.inputs[at(l)], ","));
    }
    fmt::print("],\"devices\":[");
    for (int d = 0; d < problem.device_count(); ++d) {
        const sim::ProblemDevice& device = problem.devices[at(d)];
        fmt::print("{}{{\"memory\":{},\"asynchronous\":{},\"submit\":{},\"completion\":{}}}",
                   d ? "," : "",
                   device.memory,
                   device.asynchronous,
                   (device.submit + device.per_task).count(),
                   device.completion.count());
    }
    fmt::print("],\"engine\":[{}],\"tasks\":[", fmt::join(problem.engine, ","));
    for (std::size_t k = 0; k < problem.tasks.size(); ++k) {
        const Task& task = problem.tasks[k];
        fmt::print("{}[{},{},{}]", k ? "," : "", task.first, task.device, task.cost.count());
    }
    fmt::print("],\"copy\":[");
    for (int l = 0; l < problem.layers(); ++l) {
        for (int pair = 0; pair < problem.memories * problem.memories; ++pair) {
            const Time time = problem.copy(l, 0, pair / problem.memories, pair % problem.memories);
            fmt::print("{}{}", l + pair ? "," : "", time < sim::kNever ? time.count() : -1);
        }
    }
    fmt::print("]}}\n");
}

void print_makespan(const Problem& problem) {
    Mapping mapping;
    for (int layer = 0, device = 0; std::cin >> layer >> device;) {
        for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
            if (problem.tasks[at(k)].first == layer && problem.tasks[at(k)].device == device) {
                mapping.push_back(k);
            }
        }
    }
    fmt::print("{}\n", sim::makespan(problem, mapping).count());
}

void run(const std::vector<std::string>& arguments) {
    const std::vector<quality::Instance> all = quality::instances();
    const std::string command = arguments.size() > 1 ? arguments[1] : "";
    if (command == "list") {
        for (const quality::Instance& one : all) {
            fmt::print("{},{}\n", one.group, one.name);
        }
        return;
    }
    const auto found = arguments.size() > 2
                           ? std::ranges::find(all, arguments[2], &quality::Instance::name)
                           : all.end();
    const double seconds = arguments.size() > 3 ? std::stod(arguments[3]) : 1;
    if (found == all.end()) {
        throw std::invalid_argument{"which instance? see search_quality_benchmark list"};
    }
    const Problem problem = found->make();
    if (command == "hetmap") {
        answer(found->name, problem, seconds);
    } else if (command == "annealing") {
        Annealing(problem).run(found->name, seconds);
    } else if (command == "problem") {
        print(problem);
    } else if (command == "makespan") {
        print_makespan(problem);
    } else {
        throw std::invalid_argument{"what? list, hetmap, annealing, problem or makespan"};
    }
}

}  // namespace

int main(int argc, char** argv) try {
    run({argv, argv + argc});
} catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
}
