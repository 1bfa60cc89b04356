// Baselines: the model on a part of the machine.
//
// uniform: one implementation (device, variant, configuration) for the whole model; where it can
// fuse chains it takes the cover with the least sum of costs. on_one_device, cpu-only, gpu-only:
// the best mapping with the tasks of one device alone, of the host alone, and with no task on the
// host; input and output are the host's always.

#include "sim/index.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/results.hpp"

#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace sim {

using namespace internal;

namespace {

SearchResult best_among(const Problem& problem,
                        const std::vector<char>& allowed,
                        const SearchOptions& options,
                        const std::string& whom) {
    if (const int layer = Covers(problem, allowed).uncoverable(); layer >= 0) {
        return infeasible("layer '" + problem.layer_names[at(layer)] + "' has no implementation " +
                          whom);
    }
    // Told to stop before it began: the least sum of costs, or else of weights, if that fits.
    if (options.stop && options.stop()) {
        const auto cost = [&](int task) { return problem.tasks[at(task)].cost.count(); };
        const auto weight = [&](int task) {
            const std::vector<std::int64_t>& bytes = problem.tasks[at(task)].weight_bytes;
            return std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0});
        };
        const Covers covers(problem, allowed);
        SearchResult result;
        for (const auto& measure :
             {std::function<std::int64_t(int)>{cost}, std::function<std::int64_t(int)>{weight}}) {
            result = heuristic(problem,
                               options.goal,
                               *covers.cheapest(measure),
                               1,
                               "stopped before any other " + whom);
            if (result.status != SearchStatus::infeasible) {
                break;
            }
        }
        return result;
    }
    const Restricted few = restricted(problem, allowed);
    SearchOptions own = options;
    own.starts.clear();  // of other tasks
    own.certificate = 0;
    SearchResult result = branch_and_bound_in_order(few.problem, own);
    const bool best = result.status == SearchStatus::proven;
    if (result.status == SearchStatus::infeasible) {
        return result;
    }
    result.mapping = few.in_original(result.mapping);
    result.status = SearchStatus::unproven;  // among all mappings
    result.lower_bound = Time{};
    result.bound = 0;
    result.note = (best ? "the best " : "the best found ") + whom;
    return result;
}

}  // namespace

SearchResult cpu_only(const Problem& problem, const SearchOptions& options) {
    std::vector<char> allowed;
    for (const Task& task : problem.tasks) {
        allowed.push_back(devices_of(task) == bit(0));
    }
    return best_among(problem, allowed, options, "on the host alone");
}

SearchResult internal::on_one_device(const Problem& problem,
                                     const SearchOptions& options,
                                     int device) {
    std::vector<char> allowed;
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        allowed.push_back(is_boundary(problem, problem.tasks[at(k)]) ||
                          devices_of(problem.tasks[at(k)]) == bit(device));
    }
    return best_among(problem, allowed, options, "on that device alone");
}

SearchResult gpu_only(const Problem& problem, const SearchOptions& options) {
    std::vector<char> allowed;
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        const Task& task = problem.tasks[at(k)];
        bool elsewhere = true;
        for_each_bit(devices_of(task),
                     [&](int device) { elsewhere &= problem.devices[at(device)].asynchronous; });
        allowed.push_back(is_boundary(problem, problem.tasks[at(k)]) || elsewhere);
    }
    return best_among(problem, allowed, options, "on asynchronous devices alone");
}

SearchResult uniform(const Problem& problem, const SearchOptions& options) {
    // 1. The implementations there are, in the order of the tasks, and how much each can do.
    std::vector<std::string> labels;  // by task
    std::vector<std::string> wanted;
    std::map<std::string, std::set<int>> layers;  // that it can do, alone or in chains
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        const Task& task = problem.tasks[at(k)];
        labels.push_back(label(problem, k));
        const std::string& name = labels.back();
        const bool divided = options.only.empty() && !task.parts.empty();
        if (name.empty() || divided || (!options.only.empty() && name != options.only)) {
            continue;
        }
        std::set<int>& of_name = layers[name];
        if (of_name.empty()) {
            wanted.push_back(name);
        }
        of_name.insert(task.first);
        of_name.insert(task.rest.begin(), task.rest.end());
    }
    if (wanted.empty()) {
        return infeasible("no layer has an implementation '" + options.only + "'");
    }

    SearchResult best = infeasible("no single implementation covers the whole model");
    for (const std::string& name : wanted) {
        // 2. Can it do the whole model?
        if (options.only.empty() && layers[name].size() + 2 < at(problem.layers())) {
            continue;
        }
        std::vector<char> allowed;
        for (const std::string& of_task : labels) {
            allowed.push_back(of_task.empty() || of_task == name);
        }
        const Covers covers(problem, allowed);
        std::optional<Mapping> cover =
            covers.cheapest([&](int task) { return problem.tasks[at(task)].cost.count(); });
        if (!cover) {
            if (!options.only.empty()) {
                best.note = "layer '" + problem.layer_names[at(covers.uncoverable())] +
                            "' has no implementation '" + name + "'";
            }
            continue;
        }
        // 3. How fast is it?
        SearchResult result = heuristic(problem, options.goal, std::move(*cover), 1, name);
        const std::uint64_t evaluated = best.evaluated + result.evaluated;
        const bool is_first_reason = best.mapping.empty() && !result.note.empty();
        if (result.makespan < best.makespan) {
            best = std::move(result);
        } else if (result.status == SearchStatus::infeasible && is_first_reason) {
            best.note = name + ": " + result.note;
        }
        best.evaluated = evaluated;
    }
    return best;
}

}  // namespace sim
