// Pipelines for a stream of four frames in flight: hetmap's, and those of two other ways to find
// one, which are simulated as hetmap's are. For streams.py.
//
//   streams_benchmark hetmap MODEL PLATFORM SECONDS     prints the period and its lower bound
//   streams_benchmark peers MODEL PLATFORM SECONDS      prints those of `stages` and `annealing`
//
// `stages`: a dynamic program that cuts the layers, in static order, into stages on devices of
// their own, the longest as short as it can be, copies and submissions counted, for every number of
// stages. `annealing`: other devices for layers and for connected layers, over the larger of the
// load of the busiest resource and the share of a frame's latency, again and again until the time
// is up. Of both the best of all simulated candidates counts. They share no code with the searches,
// only the model, the costs and the simulation.
//
// Each has so many seconds of one processor: a neighbour's time slice is not ours.

#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/answer.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using sim::at;
using sim::Mapping;
using sim::Problem;
using sim::Time;

constexpr int kInFlight = 4;
constexpr double kNone = std::numeric_limits<double>::infinity();

double now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Layers with one implementation on every device.
struct Flat {
    explicit Flat(const Problem& whole) : problem(whole) {
        cost.assign(at(problem.layers()), std::vector<double>(at(devices()), kNone));
        task.assign(at(problem.layers()), std::vector<int>(at(devices()), -1));
        for (std::size_t k = 0; k < problem.tasks.size(); ++k) {
            const sim::Task& one = problem.tasks[k];
            double& least = cost[at(one.first)][at(one.device)];
            if (one.rest.empty() && one.parts.empty() &&
                static_cast<double>(one.cost.count()) < least) {
                least = static_cast<double>(one.cost.count());
                task[at(one.first)][at(one.device)] = static_cast<int>(k);
            }
        }
    }

    int layers() const { return problem.layers(); }
    int devices() const { return problem.device_count(); }
    bool is_boundary(int layer) const { return layer == 0 || layer == layers() - 1; }
    double weights(int layer, int device) const {
        const sim::Task& one = problem.tasks[at(task[at(layer)][at(device)])];
        const auto memory = at(problem.devices[at(device)].memory);
        return one.weight_bytes.empty() ? 0 : static_cast<double>(one.weight_bytes[memory]);
    }

    Mapping mapping(const std::vector<int>& device_of) const {
        Mapping mapping;
        for (int layer = 0; layer < layers(); ++layer) {
            mapping.push_back(task[at(layer)][at(device_of[at(layer)])]);
        }
        return mapping;
    }

    // Simulated, in picoseconds; nothing that does not fit.
    double period(const std::vector<int>& device_of) const {
        const sim::Assessment whole = sim::assess(
            problem, mapping(device_of), {.frames_in_flight = kInFlight, .is_brief = true});
        return whole.feasible() ? static_cast<double>(whole.period.count()) : kNone;
    }

    const Problem& problem;
    std::vector<std::vector<double>> cost;  // by layer and device
    std::vector<std::vector<int>> task;
};

// ---- Stages. ------------------------------------------------------------------------------------

// By set of devices and number of layers: the least longest stage, and how it came about.
struct Cut {
    std::vector<double> longest;
    std::vector<int> last, begin;  // the last stage: its device and its first layer
};

double stages(const Flat& flat, double end) {
    constexpr std::size_t kMostSets = 400;  // of each number of stages, the most promising
    const int n = flat.layers() - 1;        // the output is the host's
    const auto capacity = [&](int d) {
        const auto memory = at(flat.problem.devices[at(d)].memory);
        const std::int64_t bytes =
            flat.problem.capacities.empty() ? 0 : flat.problem.capacities[memory];
        return bytes > 0 ? static_cast<double>(bytes) : kNone;
    };
    // What a stage brings over from before it, once for each tensor, on its busiest way.
    std::vector<double> carried(at(n + 1), 0);
    for (int cut = 1; cut <= n; ++cut) {
        for (int layer = 0; layer < cut; ++layer) {
            const std::vector<int>& readers = flat.problem.consumers[at(layer)];
            if (!readers.empty() && readers.back() >= cut) {
                double least = kNone;
                for (int a = 0; a < flat.problem.memories; ++a) {
                    for (int b = 0; b < flat.problem.memories; ++b) {
                        const Time copy = a == b ? sim::kNever : flat.problem.copy(layer, 0, a, b);
                        least = std::min(least, static_cast<double>(copy.count()));
                    }
                }
                carried[at(cut)] += least;
            }
        }
    }
    std::map<std::uint64_t, Cut> level;
    Cut empty;
    empty.longest.assign(at(n + 1), kNone);
    empty.longest[0] = 0;
    empty.last.assign(at(n + 1), -1);
    empty.begin.assign(at(n + 1), 0);
    level[0] = empty;
    std::vector<std::map<std::uint64_t, Cut>> levels{level};
    double best = kNone;
    for (int count = 1; count <= flat.devices() && now() < end; ++count) {
        std::map<std::uint64_t, Cut> next;
        for (const auto& [set, cut] : levels.back()) {
            for (int d = 0; d < flat.devices() && now() < end; ++d) {
                if ((set >> d & 1) != 0) {
                    continue;
                }
                Cut& there = next[set | std::uint64_t{1} << d];
                if (there.longest.empty()) {
                    there = empty;
                    there.longest[0] = kNone;
                }
                const sim::ProblemDevice& device = flat.problem.devices[at(d)];
                for (int begin = 0; begin < n; ++begin) {
                    if (cut.longest[at(begin)] >= kNone) {
                        continue;
                    }
                    double work = 0, weights = 0;
                    for (int layer = begin; layer < n; ++layer) {
                        const int here = flat.is_boundary(layer) ? 0 : d;
                        work += flat.cost[at(layer)][at(here)];
                        if (!flat.is_boundary(layer)) {
                            weights += flat.weights(layer, d);
                        }
                        if (work >= kNone || weights > capacity(d)) {
                            break;
                        }
                        const double brought = begin == 0 ? 0 : carried[at(begin)];
                        const double most = std::max({cut.longest[at(begin)],
                                                      work,
                                                      brought,
                                                      static_cast<double>(device.submit.count())});
                        if (most < there.longest[at(layer + 1)]) {
                            there.longest[at(layer + 1)] = most;
                            there.last[at(layer + 1)] = d;
                            there.begin[at(layer + 1)] = begin;
                        }
                    }
                }
            }
        }
        // The best whole pipelines of so many stages are simulated, and the best sets go on.
        std::vector<std::pair<double, std::uint64_t>> sets;
        for (const auto& [set, cut] : next) {
            sets.emplace_back(cut.longest[at(n)], set);
        }
        std::ranges::sort(sets);
        levels.push_back({});
        for (std::size_t i = 0; i < sets.size() && i < kMostSets; ++i) {
            levels.back()[sets[i].second] = next[sets[i].second];
        }
        for (std::size_t i = 0; i < sets.size() && i < kMostSets && now() < end; ++i) {
            if (sets[i].first >= std::min(best, kNone)) {
                break;
            }
            std::vector<int> device_of(at(flat.layers()), 0);
            std::uint64_t set = sets[i].second;
            int layer = n;
            bool is_whole = true;
            for (std::size_t l = levels.size() - 1; layer > 0 && is_whole; --l) {
                const auto found = levels[l].find(set);
                is_whole = found != levels[l].end() && found->second.last[at(layer)] >= 0;
                if (!is_whole) {
                    break;
                }
                const int d = found->second.last[at(layer)];
                const int begin = found->second.begin[at(layer)];
                for (int k = begin; k < layer; ++k) {
                    device_of[at(k)] = flat.is_boundary(k) ? 0 : d;
                }
                set &= ~(std::uint64_t{1} << d);
                layer = begin;
            }
            if (is_whole) {
                best = std::min(best, flat.period(device_of));
            }
        }
    }
    return best;
}

// ---- Annealing over loads. ----------------------------------------------------------------------

class Annealing {
public:
    Annealing(const Flat& flat, double end)
        : flat_(flat), evaluator_(flat.problem), end_(end), random_(1) {}

    double run() {
        double best = kNone;
        // Longer and longer; each from the best of all devices alone, or from anywhere.
        for (double seconds = 0.5; now() < end_; seconds *= 1.5) {
            best = std::min(best, once(std::min(end_, now() + seconds)));
        }
        return best;
    }

private:
    std::size_t below(std::size_t count) { return static_cast<std::size_t>(random_() % count); }
    double share() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

    // Of the busiest resource, or the latency's share; what is beyond capacities makes it worse.
    double load(const std::vector<int>& device_of) {
        const Problem& p = flat_.problem;
        loads_.assign(at(p.device_count() + p.engines), 0);
        weights_.assign(at(p.memories), 0);
        const auto resource = [&](int d) { return p.devices[at(d)].asynchronous ? at(d) : 0; };
        for (int layer = 0; layer < flat_.layers(); ++layer) {
            const int d = device_of[at(layer)];
            const sim::ProblemDevice& device = p.devices[at(d)];
            loads_[resource(d)] += flat_.cost[at(layer)][at(d)];
            if (device.asynchronous) {
                const bool begins = layer == 0 || device_of[at(layer - 1)] != d;
                loads_[0] += static_cast<double>(
                    (device.per_task + (begins ? device.submit : Time{})).count());
            }
            weights_[at(device.memory)] += flat_.weights(layer, d);
            // Copies to every memory with a reader, by way of others if it must be.
            std::uint64_t there = std::uint64_t{1} << device.memory;
            for (const int reader : p.consumers[at(layer)]) {
                for (int to = p.devices[at(device_of[at(reader)])].memory;
                     (there >> to & 1) == 0;) {
                    there |= std::uint64_t{1} << to;
                    const int from = p.source(layer, 0, device.memory, to);
                    const auto engine = at(p.device_count() + p.engine[p.pair_place(from, to)]);
                    loads_[engine] += static_cast<double>(p.copy(layer, 0, from, to).count());
                    to = from;
                }
            }
        }
        double beyond = 0;
        for (std::size_t m = 0; m < p.capacities.size(); ++m) {
            const auto capacity = static_cast<double>(p.capacities[m]);
            if (capacity > 0) {
                beyond += std::max(0.0, weights_[m] / capacity - 1);
            }
        }
        const auto latency =
            static_cast<double>(evaluator_.makespan(flat_.mapping(device_of)).count());
        return std::max(*std::ranges::max_element(loads_), latency / kInFlight) * (1 + 10 * beyond);
    }

    double once(double end) {
        const double begin = now();
        std::vector<int> device_of(at(flat_.layers()), 0);
        for (std::size_t layer = 1; layer + 1 < device_of.size(); ++layer) {
            device_of[layer] = static_cast<int>(below(at(flat_.devices())));
        }
        std::vector<int> least = device_of;
        double now_at = load(device_of), least_load = now_at;
        std::vector<std::pair<double, std::vector<int>>> good;
        double heat = 0.02;
        for (std::uint64_t i = 0;; ++i) {
            if (i % 16 == 0) {
                const double time = now();
                if (time >= end) {
                    break;
                }
                heat = 0.02 * std::pow(1e-3, (time - begin) / (end - begin));
            }
            const std::vector<int> before = device_of;
            change(device_of);
            const double then = load(device_of);
            if (then <= now_at || std::exp((now_at - then) / (heat * now_at)) > share()) {
                now_at = then;
                if (then < least_load) {
                    least_load = then;
                    good.emplace_back(then, device_of);
                }
            } else {
                device_of = before;
            }
        }
        // The last and best of them, simulated.
        double best = kNone;
        for (std::size_t i = 0; i < good.size() && i < 60; ++i) {
            const auto& [value, devices] = good[good.size() - 1 - i];
            if (value < best) {
                best = std::min(best, flat_.period(devices));
            }
        }
        return best;
    }

    // A layer, or layers that are connected, to a device.
    void change(std::vector<int>& device_of) {
        const auto layer = 1 + static_cast<int>(below(device_of.size() - 2));
        const auto device = static_cast<int>(below(at(flat_.devices())));
        std::set<int> layers{layer};
        const std::size_t size = below(2) == 0 ? 1 : 2 + below(12);
        std::vector<int> edge{layer};
        while (layers.size() < size && !edge.empty()) {
            const std::size_t place = below(edge.size());
            std::vector<int> near;
            for (const std::vector<int>* side : {&flat_.problem.inputs[at(edge[place])],
                                                 &flat_.problem.consumers[at(edge[place])]}) {
                for (const int other : *side) {
                    if (!flat_.is_boundary(other) && !layers.contains(other)) {
                        near.push_back(other);
                    }
                }
            }
            if (near.empty()) {
                edge.erase(edge.begin() + static_cast<std::ptrdiff_t>(place));
                continue;
            }
            const int other = near[below(near.size())];
            layers.insert(other);
            edge.push_back(other);
        }
        for (const int one : layers) {
            if (flat_.cost[at(one)][at(device)] < kNone) {
                device_of[at(one)] = device;
            }
        }
    }

    const Flat& flat_;
    sim::Evaluator evaluator_;
    double end_;
    std::mt19937_64 random_;
    std::vector<double> loads_, weights_;
};

// ---- hetmap. ------------------------------------------------------------------------------------

// hetmap's period and bound: what `hetmap map --objective throughput --time-limit` asks.
std::pair<double, double> hetmap(const sim::Model& model, const Problem& problem, double seconds) {
    sim::Question question;
    question.options.goal.minimise = {{.criterion = sim::Criterion::period}};
    question.options.goal.frames_in_flight = kInFlight;
    question.options.free_order = true;
    question.seconds = now;
    question.time_limit = seconds;
    question.baselines = true;
    const sim::Answer answer = sim::answer_to(question, model, problem);
    return {answer.result.value, answer.result.bound};
}

}  // namespace

int main(int count, char** arguments) {
    const std::string asked = count == 5 ? arguments[1] : "";
    if (asked != "hetmap" && asked != "peers") {
        fmt::print(stderr, "usage: streams_benchmark hetmap|peers MODEL PLATFORM SECONDS\n");
        return 2;
    }
    const sim::Model model = sim::load_model(arguments[2], {});
    const sim::Platform platform = sim::load_platform(arguments[3], {});
    const Problem problem = sim::compile(model, platform, {});
    const double seconds = std::atof(arguments[4]);
    if (asked == "hetmap") {
        const auto [period, bound] = hetmap(model, problem, seconds);
        fmt::print("{:.6f} {:.6f}\n", period * 1e-6, bound * 1e-6);
        return 0;
    }
    const Flat flat(problem);
    const double by_stages = stages(flat, now() + seconds);
    const double by_annealing = Annealing(flat, now() + seconds).run();
    fmt::print("{:.6f} {:.6f}\n", by_stages * 1e-6, by_annealing * 1e-6);
}
