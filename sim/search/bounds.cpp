#include "sim/search/bounds.hpp"

#include "sim/index.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace sim {
namespace {

// Weights are whole numbers with this sum.
constexpr Ticks kScale = 8;

// Longer schedules, of ten hours and more, would overflow weighted sums.
constexpr double kLongestForLoads = 0x1p55;

}  // namespace

unsigned devices_of(const Task& task) {
    unsigned devices = 1u << task.device;
    for (const Part& part : task.parts) {
        devices |= 1u << part.device;
    }
    return devices;
}

Bounds::Bounds(const Problem& problem, const Ideas& ideas) : problem_(problem), ideas_(ideas) {
    find_structure();
    find_horizon();
    tail.assign(problem.tasks.size(), 0);
    if (ideas_.load && horizon < kLongestForLoads) {
        make_weights();
    }
    for (int layer = problem.layers() - 1; layer >= 0; --layer) {
        set_tails(layer);
        set_loads(layer);
    }
}

void Bounds::find_structure() {
    const int layers = problem_.layers();
    ending.resize(at(layers));
    inside_.resize(at(layers));
    readers.resize(at(layers));
    ways_.resize(at(layers));
    for (int t = 0; t < layers; ++t) {
        readers[at(t)].resize(problem_.consumers[at(t)].size());
    }

    std::vector<int> made(at(layers), layers);   // by tensor: the first task that can make it
    std::vector<int> taken(at(layers), layers);  // by layer: the first chain that can cover it
    for (int k = 0; k < static_cast<int>(problem_.tasks.size()); ++k) {
        const Task& task = problem_.tasks[at(k)];
        ending[at(task.last)].push_back(k);
        made[at(task.last)] = std::min(made[at(task.last)], task.first);
        for (const int layer : task.rest) {
            inside_[at(layer)].push_back(k);
            taken[at(layer)] = std::min(taken[at(layer)], task.first);
        }
        for (const TaskInput& input : task.inputs) {
            const std::vector<int>& consumers = problem_.consumers[at(input.tensor)];
            for (std::size_t j = 0; j < consumers.size(); ++j) {
                if (consumers[j] == task.first ||
                    std::find(task.rest.begin(), task.rest.end(), consumers[j]) !=
                        task.rest.end()) {
                    readers[at(input.tensor)][j].push_back(k);
                }
            }
        }
    }

    // 1. Cuts: no reader of an earlier result lies beyond. A result that nothing reads is no part
    //    of the makespan, which every bound but the dispatcher's own takes it to be.
    cut.assign(at(layers), 0);
    for (int layer = 0, reach = 0; layer < layers; ++layer) {
        cut[at(layer)] = layer == layers - 1 || (ideas_.modules && reach <= layer);
        for (const int consumer : problem_.consumers[at(layer)]) {
            reach = std::max(reach, consumer);
        }
        if (layer < layers - 1 && problem_.consumers[at(layer)].empty()) {
            every_result_is_read_ = false;
        }
    }

    // 2. What is alive: from the first task that makes it to its last reader.
    live.resize(at(layers) + 1);
    ahead.resize(at(layers) + 1);
    front.resize(at(layers) + 1);
    for (int t = 0; t < layers; ++t) {
        for (int i = taken[at(t)] + 1; i <= t; ++i) {
            ahead[at(i)].push_back(t);
        }
        const int last = problem_.consumers[at(t)].empty() ? -1 : problem_.consumers[at(t)].back();
        for (int i = made[at(t)] + 1; i <= last; ++i) {
            live[at(i)].push_back(t);
        }
    }
    for (int i = 0; i <= layers; ++i) {
        std::vector<int>& next = front[at(i)];
        for (const int t : live[at(i)]) {
            for (const int consumer : problem_.consumers[at(t)]) {
                if (consumer >= i) {
                    next.push_back(consumer);
                }
            }
        }
        std::sort(next.begin(), next.end());
        next.erase(std::unique(next.begin(), next.end()), next.end());
    }

    // 3. How each layer can be done: by tasks that start there, or by chains that reach it and
    //    read something for it. (Of a chain that reads nothing for it, nothing is known before it
    //    starts.)
    for (int c = 0; c < layers; ++c) {
        const auto add = [&](int k) {
            const Task& task = problem_.tasks[at(k)];
            for (Way& way : ways_[at(c)]) {
                if (way.device == task.device && way.first == task.first &&
                    std::equal(way.inputs.begin(),
                               way.inputs.end(),
                               task.inputs.begin(),
                               task.inputs.end(),
                               [](const TaskInput& a, const TaskInput& b) {
                                   return a.tensor == b.tensor && a.layout == b.layout;
                               })) {
                    way.tasks.push_back(k);
                    return;
                }
            }
            ways_[at(c)].push_back({.device = task.device,
                                    .first = task.first,
                                    .after = kNeverTicks,
                                    .inputs = task.inputs,
                                    .tasks = {k},
                                    .arrivals = {}});
            for (const TaskInput& input : task.inputs) {
                ways_[at(c)].back().arrivals.push_back(
                    (at(input.tensor) * problem_.devices.size() + at(task.device)) * kMaxLayouts +
                    at(input.layout));
            }
        };
        for (const int k : problem_.starting[at(c)]) {
            add(k);
        }
        for (const int k : inside_[at(c)]) {
            for (const TaskInput& input : problem_.tasks[at(k)].inputs) {
                if (std::binary_search(problem_.consumers[at(input.tensor)].begin(),
                                       problem_.consumers[at(input.tensor)].end(),
                                       c)) {
                    add(k);
                    break;
                }
            }
        }
    }
}

// Each layer once, with a submission and a wait; each tensor copied to and converted in every
// memory.
void Bounds::find_horizon() {
    std::vector<Time> slowest(at(problem_.layers()));
    for (const Task& task : problem_.tasks) {
        slowest[at(task.first)] = std::max(slowest[at(task.first)], task.cost);
    }
    for (const Time time : slowest) {
        horizon += static_cast<double>(time.count());
    }
    for (const ProblemDevice& device : problem_.devices) {
        horizon +=
            static_cast<double>(problem_.layers()) *
            static_cast<double>((device.submit + device.per_task + device.completion).count());
    }
    for (const Time time : problem_.synchronise) {
        horizon += static_cast<double>(problem_.layers()) * static_cast<double>(time.count());
    }
    for (const auto* times : {&problem_.copy_times, &problem_.convert_times}) {
        for (const Time time : *times) {
            horizon += time < kNever ? static_cast<double>(time.count()) : 0.0;
        }
    }
}

// Whether another device shares its memory: what one of them cannot convert, another reader there
// may have converted for both.
bool Bounds::has_neighbour(int device) const {
    int sharing = 0;
    for (const ProblemDevice& other : problem_.devices) {
        sharing += other.memory == problem_.devices[at(device)].memory;
    }
    return sharing > 1;
}

// From the end of `from` to the start of `to`, which reads its result; what `to` converts is done
// after its start but counted here. kNever if it cannot be.
Ticks Bounds::step(int tensor, const Task& from, const Task& to, int layout) const {
    const ProblemDevice &a = problem_.devices[at(from.device)],
                        &b = problem_.devices[at(to.device)];
    Ticks delay = 0;
    if (a.memory != b.memory) {
        delay = problem_.copy(tensor, from.out_layout, a.memory, b.memory).count();
    }
    if (!b.asynchronous && a.asynchronous) {
        delay += a.completion.count();
    }
    if (b.asynchronous && !a.asynchronous) {
        delay = std::max(delay, (b.submit + b.per_task).count());
    }
    if (from.out_layout != layout) {
        const Ticks convert = problem_.convert(tensor, to.device, from.out_layout, layout).count();
        const bool alone = problem_.consumers[at(tensor)].size() == 1;
        if (convert >= kNeverTicks && (alone || !has_neighbour(to.device))) {
            return kNeverTicks;
        }
        if (alone) {  // else another reader may have paid
            delay += convert;
        }
    }
    return std::min(delay, kNeverTicks);
}

// The longest path after the end of each task that ends with this layer.
void Bounds::set_tails(int layer) {
    for (const int k : ending[at(layer)]) {
        Ticks longest = 0;
        for (const std::vector<int>& tasks : readers[at(layer)]) {
            Ticks best = kNeverTicks;
            for (const int next : tasks) {
                const Task& reader = problem_.tasks[at(next)];
                const auto input = std::find_if(
                    reader.inputs.begin(), reader.inputs.end(), [&](const TaskInput& one) {
                        return one.tensor == layer;
                    });
                const Ticks delay = step(layer, problem_.tasks[at(k)], reader, input->layout);
                best = std::min(best, delay + reader.cost.count() + tail[at(next)]);
            }
            longest = std::max(longest, best);
        }
        tail[at(k)] = std::min(longest, kNeverTicks);
    }
}

void Bounds::make_weights() {
    int last = 0;  // resource
    for (int d = 1; d < static_cast<int>(problem_.devices.size()); ++d) {
        if (problem_.devices[at(d)].asynchronous) {
            last = d;
        }
    }
    const Ticks by = last > 1 ? 2 : 1;
    std::array<Ticks, kMaxDevices> weight{};
    const auto choose = [&](const auto& self, int r, Ticks left) -> void {
        if (r == last) {
            weight[at(r)] = left;
            Load load;
            load.weight = weight;
            load.after.resize(at(problem_.layers()) + 1);
            load.free.resize(at(problem_.layers()) + 1);
            load.most.resize(at(problem_.layers()));
            loads_.push_back(std::move(load));
            return;
        }
        if (r > 0 && !problem_.devices[at(r)].asynchronous) {
            weight[at(r)] = 0;
            self(self, r + 1, left);
            return;
        }
        for (Ticks w = 0; w <= left; w += by) {
            weight[at(r)] = w;
            self(self, r + 1, left - w);
        }
    };
    choose(choose, 0, kScale);
}

// Work of the layers from this one up to the next cut, and the tail after that.
void Bounds::set_loads(int layer) {
    // The tails of the tasks that end here may be new, and they may start before.
    for (const int k : ending[at(layer)]) {
        refresh_ways(problem_.tasks[at(k)].first);
        for (const int covered : problem_.tasks[at(k)].rest) {
            refresh_ways(covered);
        }
    }

    const int devices = static_cast<int>(problem_.devices.size());
    for (Load& load : loads_) {
        const auto share = [&](const Task& task) {  // rounded down: shares sum to at most the cost
            Ticks weight = 0;
            for (unsigned left = resources(task); left; left &= left - 1) {
                weight += load.weight[at(std::countr_zero(left))];
            }
            return weight * task.cost.count() / static_cast<Ticks>(task.rest.size() + 1);
        };
        const auto rest = [&](int k, Ticks later) {
            if (!cut[at(layer)]) {
                return later;
            }
            return tail[at(k)] >= kNeverTicks / kScale ? kNeverTicks : kScale * tail[at(k)];
        };
        Ticks& free = load.free[at(layer)];
        Ticks& most = load.most[at(layer)];
        free = kNeverTicks;
        most = 0;
        for (const int k : inside_[at(layer)]) {
            most = std::max(most, share(problem_.tasks[at(k)]));
        }
        const auto alone = [&](int k) {
            return share(problem_.tasks[at(k)]) + rest(k, load.free[at(layer) + 1]);
        };
        for (const int k : problem_.starting[at(layer)]) {
            free = std::min(free, alone(k));
        }
        for (const int k : inside_[at(layer)]) {
            free = std::min(free, alone(k));
        }
        for (int open = 0; open < devices; ++open) {
            Ticks best = kNeverTicks;
            for (const int k : problem_.starting[at(layer)]) {
                const Task& task = problem_.tasks[at(k)];
                const ProblemDevice& device = problem_.devices[at(task.device)];
                // A divided layer is a segment of its own.
                const bool opens = device.asynchronous && task.parts.empty();
                Ticks work =
                    share(task) + rest(k, load.after[at(layer) + 1][at(opens ? task.device : 0)]);
                if (device.asynchronous) {
                    work += load.weight[0] * (device.per_task.count() +
                                              (open == task.device ? 0 : device.submit.count()));
                }
                best = std::min(best, work);
            }
            for (const int k : inside_[at(layer)]) {
                best = std::min(
                    best,
                    share(problem_.tasks[at(k)]) + rest(k, load.after[at(layer) + 1][at(open)]));
            }
            load.after[at(layer)][at(open)] = best;
        }
    }
}

void Bounds::refresh_ways(int layer) {
    for (Way& way : ways_[at(layer)]) {
        way.after = kNeverTicks;
        for (const int k : way.tasks) {
            way.after = std::min(way.after, problem_.tasks[at(k)].cost.count() + tail[at(k)]);
        }
    }
}

// Work done and work left, in every proportion of dispatcher and devices.
Ticks Bounds::load_bound(const Evaluator& placed,
                         int layer,
                         std::array<Ticks, kMaxDevices> queue) const {
    const Evaluator::Core& core = placed.core;
    // A queue that ends before the next task could start says nothing (it may have been raised,
    // and none may follow): count from the dispatcher, which the makespan never undercuts.
    for (int d = 0; d < static_cast<int>(problem_.devices.size()); ++d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        const bool open = core.open == d;
        const Ticks gate =
            core.dispatcher + device.per_task.count() + (open ? 0 : device.submit.count());
        const bool busy =
            device.asynchronous && (queue[at(d)] > gate || (open && problem_.whole_segments));
        if (!busy) {
            queue[at(d)] = core.dispatcher;
        }
        queue[at(d)] = std::max(queue[at(d)], floor);
    }
    const bool early = core.dispatcher < floor;  // submissions may be over before the floor
    Ticks bound = 0;
    for (const Load& load : loads_) {
        Ticks sum = early ? load.free[at(layer)] : load.after[at(layer)][at(core.open)];
        for (std::size_t d = 0; d < problem_.devices.size(); ++d) {
            sum += load.weight[d] * queue[d];
        }
        for (const int l : ahead[at(layer)]) {
            if (placed.covered[at(l)]) {
                sum -= load.most[at(l)];
            }
        }
        bound = std::max(bound, (sum + kScale - 1) / kScale);
    }
    return bound;
}

Bounds::Scratch Bounds::scratch() const {
    Scratch scratch;
    scratch.seen.assign(at(problem_.layers()), 0);
    scratch.arrivals.resize(at(problem_.layers()) * problem_.devices.size() * kMaxLayouts);
    return scratch;
}

// By device and layout. A tensor that is not there yet holds nothing up: 0.
void Bounds::find_arrivals(const Evaluator& placed, int index, Arrival* arrivals) const {
    const Evaluator::Core& core = placed.core;
    const Evaluator::Tensor& tensor = placed.tensors[at(index)];
    if (!tensor.exposed) {
        std::fill(arrivals, arrivals + problem_.devices.size() * kMaxLayouts, Arrival{});
        return;
    }
    const auto when = [&](int place) {
        return tensor.lag[at(place)] < 0
                   ? tensor.at[at(place)]
                   : std::max(tensor.at[at(place)], core.dispatcher + tensor.lag[at(place)]);
    };
    // If there are more readers, a sibling may convert first; then it is there, no sooner than
    // the copy.
    const bool alone = problem_.consumers[at(index)].size() == 1;
    const ProblemDevice& maker = problem_.devices[at(tensor.device)];
    for (int d = 0; d < static_cast<int>(problem_.devices.size()); ++d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        const int raw = Evaluator::place_of(device.memory, tensor.layout);
        Ticks time = kNeverTicks;
        if (tensor.at[at(raw)] >= 0) {
            time = when(raw);
        } else if (const int engine =
                       problem_.engine[at(maker.memory * problem_.memories + device.memory)];
                   engine >= 0) {
            time = std::max(when(placed.home(tensor)), core.engine[at(engine)]) +
                   problem_.copy(index, tensor.layout, maker.memory, device.memory).count();
        }
        const Ticks seen =
            !device.asynchronous && maker.asynchronous ? maker.completion.count() : 0;
        for (int layout = 0; layout < problem_.layouts; ++layout) {
            Arrival& arrival = arrivals[d * kMaxLayouts + layout];
            const int wanted = Evaluator::place_of(device.memory, layout);
            arrival = {.time = time, .conversion = 0};
            if (tensor.at[at(wanted)] >= 0) {
                arrival.time = when(wanted);
            } else if (layout != tensor.layout) {
                const Ticks convert = problem_.convert(index, d, tensor.layout, layout).count();
                if (convert >= kNeverTicks) {
                    if (alone || !has_neighbour(d)) {
                        arrival.time = kNeverTicks;
                    }
                } else if (alone) {
                    arrival.conversion = convert;
                }
            }
            arrival.time = std::min(arrival.time + seen, kNeverTicks);
        }
    }
}

Ticks Bounds::operator()(const Evaluator& placed, int layer, Ticks limit, Scratch& scratch) const {
    const Evaluator::Core& core = placed.core;
    Ticks bound = core.dispatcher;
    if (!every_result_is_read_) {
        return bound;
    }

    // 1. The soonest that each device can start something.
    std::array<Ticks, kMaxDevices> queue = core.queue, soonest{};
    if (problem_.whole_segments && core.open) {
        queue[at(core.open)] = std::max(queue[at(core.open)], core.dispatcher + core.pending);
    }
    for (int d = 0; d < static_cast<int>(problem_.devices.size()); ++d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        soonest[at(d)] = core.dispatcher;
        if (device.asynchronous) {
            soonest[at(d)] = std::max(queue[at(d)],
                                      core.dispatcher + device.per_task.count() +
                                          (core.open == d ? 0 : device.submit.count()));
        }
    }

    // 2. The load.
    if (ideas_.load) {
        bound = std::max(bound, load_bound(placed, layer, queue));
    }
    if (!ideas_.path || bound >= limit) {
        return bound;
    }

    // 3. The paths: every layer that reads something that is there has to be done somewhere.
    ++scratch.bound;
    const std::size_t each = problem_.devices.size() * kMaxLayouts;
    for (const int c : front[at(layer)]) {
        if (placed.covered[at(c)]) {
            continue;
        }
        // Only once it is reached: else it may yet be fused behind what it reads, and its own
        // tasks bound nothing.
        bool reached = false;
        for (const int input : problem_.inputs[at(c)]) {
            reached |= placed.tensors[at(input)].exposed;
        }
        if (!reached) {
            continue;
        }
        Ticks best = kNeverTicks;
        for (const Way& way : ways_[at(c)]) {
            if (way.first < layer || placed.covered[at(way.first)]) {
                continue;
            }
            Ticks start = soonest[at(way.device)], conversion = 0;
            for (std::size_t i = 0; i < way.inputs.size(); ++i) {
                const int tensor = way.inputs[i].tensor;
                if (scratch.seen[at(tensor)] != scratch.bound) {
                    scratch.seen[at(tensor)] = scratch.bound;
                    find_arrivals(placed, tensor, &scratch.arrivals[at(tensor) * each]);
                }
                const Arrival& arrival = scratch.arrivals[way.arrivals[i]];
                start = std::max(start, arrival.time);
                conversion += arrival.conversion;
            }
            if (start < kNeverTicks) {
                best = std::min(best, start + conversion + way.after);
            }
        }
        bound = std::max(bound, std::min(best, kNeverTicks));
        if (bound >= limit) {
            break;
        }
    }
    return bound;
}

}  // namespace sim
