#include "sim/search/bounds.hpp"

#include "sim/index.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <numeric>
#include <utility>

namespace sim::internal {
namespace {

// Weights are whole numbers with this sum, in steps of one for two resources, else of two.
constexpr Ticks kScale = 8;

// Longer weighted sums would overflow: schedules of ten hours and more with this scale.
constexpr double kLongestForLoads = 0x1p58;

bool covers(const Task& task, int layer) {
    return task.first == layer || std::binary_search(task.rest.begin(), task.rest.end(), layer);
}

}  // namespace

Ticks common_unit(const Problem& problem) {
    Ticks common = 0;
    const auto add = [&](Time time) {
        common = time < kNever ? std::gcd(common, time.count()) : common;
    };
    for (const Task& task : problem.tasks) {
        add(task.cost);
    }
    for (const ProblemDevice& device : problem.devices) {
        add(device.submit);
        add(device.per_task);
        add(device.completion);
    }
    for (const auto* times : {&problem.copy_times, &problem.convert_times, &problem.synchronise}) {
        std::ranges::for_each(*times, add);
    }
    return std::max<Ticks>(common, 1);
}

Bounds::Bounds(const Problem& problem, const PruningRules& rules)
    : problem_(problem), rules_(rules), devices_(problem.device_count()) {
    find_structure();
    find_horizon();
    unit = common_unit(problem);
    tail.assign(problem.tasks.size(), 0);
    if (rules_.load) {
        make_loads();
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
    alternatives_.resize(at(layers));
    for (int t = 0; t < layers; ++t) {
        readers[at(t)].resize(problem_.consumers[at(t)].size());
    }

    std::vector<int> made(at(layers), layers);   // by tensor: the first task that can make it
    std::vector<int> taken(at(layers), layers);  // by layer: the first chain that can cover it
    for (int k = 0; k < static_cast<int>(problem_.tasks.size()); ++k) {
        const Task& task = problem_.tasks[at(k)];
        for_each_result(task, [&](const TaskResult& result) {
            ending[at(result.tensor)].push_back(k);
            made[at(result.tensor)] = std::min(made[at(result.tensor)], task.first);
        });
        for (const int layer : task.rest) {
            inside_[at(layer)].push_back(k);
            taken[at(layer)] = std::min(taken[at(layer)], task.first);
        }
        for (const TaskInput& input : task.inputs) {
            const std::vector<int>& consumers = problem_.consumers[at(input.tensor)];
            for (std::size_t j = 0; j < consumers.size(); ++j) {
                if (covers(task, consumers[j])) {
                    readers[at(input.tensor)][j].push_back(k);
                }
            }
        }
    }

    // 1. Cuts: no reader of an earlier result lies beyond. A result that nothing reads is no part
    //    of the makespan, which every bound but the dispatcher's own takes it to be.
    cut.assign(at(layers), 0);
    for (int layer = 0, reach = 0; layer < layers; ++layer) {
        cut[at(layer)] = layer == layers - 1 || (rules_.modules && reach <= layer);
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

    // 3. How each layer can be done: by tasks that start there, or by fused ones that reach it and
    //    read something for it. (Of one that reads nothing for it, nothing is known before it
    //    starts; and it is out of the question as soon as something that the layer reads is made.)
    for (int c = 0; c < layers; ++c) {
        const auto add = [&](int k) {
            const Task& task = problem_.tasks[at(k)];
            for (Alternative& alternative : alternatives_[at(c)]) {
                if (alternative.device == task.device && alternative.first == task.first &&
                    alternative.inputs == task.inputs) {
                    alternative.tasks.push_back(k);
                    return;
                }
            }
            alternatives_[at(c)].push_back({.device = task.device,
                                            .first = task.first,
                                            .after = kNeverTicks,
                                            .inputs = task.inputs,
                                            .tasks = {k},
                                            .arrivals = {}});
            for (const TaskInput& input : task.inputs) {
                alternatives_[at(c)].back().arrivals.push_back(
                    at((input.tensor * devices_ + task.device) * problem_.layouts + input.layout));
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

// From the end of `from`, which makes the tensor in one layout, to the start of `to`, which reads
// it in another; what `to` converts is done after its start but counted here. kNever if it cannot
// be.
Ticks Bounds::step(int tensor, const Task& from, int made_in, const Task& to, int layout) const {
    const ProblemDevice &a = problem_.devices[at(from.device)],
                        &b = problem_.devices[at(to.device)];
    Ticks delay = 0;
    if (a.memory != b.memory) {
        delay = problem_.transfer(tensor, made_in, a.memory, b.memory).count();
    }
    if (!b.asynchronous && a.asynchronous) {
        delay += a.completion.count();
    }
    if (b.asynchronous && !a.asynchronous) {
        delay = std::max(delay, (b.submit + b.per_task).count());
    }
    if (made_in != layout) {
        const Ticks convert = problem_.convert(tensor, to.device, made_in, layout).count();
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

// The longest path after the end of each task that has this layer's result, by way of that result
// and of the later ones.
void Bounds::set_tails(int layer) {
    for (const int k : ending[at(layer)]) {
        const Task& task = problem_.tasks[at(k)];
        int made_in = task.out_layout;
        for (const TaskResult& inner : task.inner) {
            made_in = inner.tensor == layer ? inner.layout : made_in;
        }
        Ticks longest = layer == task.last ? 0 : tail[at(k)];
        for (std::size_t j = 0; j < readers[at(layer)].size(); ++j) {
            if (covers(task, problem_.consumers[at(layer)][j])) {
                continue;  // read inside
            }
            Ticks best = kNeverTicks;
            for (const int next : readers[at(layer)][j]) {
                const Task& reader = problem_.tasks[at(next)];
                const auto input = std::find_if(
                    reader.inputs.begin(), reader.inputs.end(), [&](const TaskInput& one) {
                        return one.tensor == layer;
                    });
                const Ticks delay = step(layer, task, made_in, reader, input->layout);
                best = std::min(best, delay + reader.cost.count() + tail[at(next)]);
            }
            longest = std::max(longest, best);
        }
        tail[at(k)] = std::min(longest, kNeverTicks);
    }
}

void Bounds::make_loads() {
    std::vector<Mix> mixes =
        resource_mixes(problem_, kScale, std::popcount(all_resources(problem_)) > 2 ? 2 : 1);
    std::stable_sort(
        mixes.begin(), mixes.end(), [](const Mix& a, const Mix& b) { return a.scale < b.scale; });
    std::erase_if(mixes, [&](const Mix& mix) {
        return horizon * static_cast<double>(mix.scale) >= kLongestForLoads;
    });
    loads_.count = mixes.size();
    for (const Mix& mix : mixes) {
        loads_.scales.push_back(mix.scale);
    }
    for (int d = 0; d < devices_; ++d) {
        for (const Mix& mix : mixes) {
            loads_.weights.push_back(mix.weight[at(d)]);
        }
    }
    loads_.after.resize(at((problem_.layers() + 1) * devices_) * loads_.count);
    loads_.free.resize(at(problem_.layers() + 1) * loads_.count);
    loads_.most.resize(at(problem_.layers()) * loads_.count);
}

// Work of the layers from this one up to the next cut, and the tail after that.
void Bounds::set_loads(int layer) {
    // The tails of the tasks that end here may be new, and they may start before.
    for (const int k : ending[at(layer)]) {
        refresh_alternatives(problem_.tasks[at(k)].first);
        for (const int covered : problem_.tasks[at(k)].rest) {
            refresh_alternatives(covered);
        }
    }

    for (std::size_t mix = 0; mix < loads_.count; ++mix) {
        set_load(layer, mix);
    }
}

void Bounds::set_load(int layer, std::size_t mix) {
    const std::int64_t scale = loads_.scales[mix];
    const auto weight = [&](int resource) {
        return loads_.weights[at(resource) * loads_.count + mix];
    };
    const auto after = [&](int of, int open) -> Ticks& {
        return loads_.after[at(of * devices_ + open) * loads_.count + mix];
    };
    const auto share = [&](const Task& task) {  // rounded down: shares sum to at most the cost
        Ticks sum = 0;
        for_each_bit(resources_of(problem_, task), [&](int one) { sum += weight(one); });
        return sum * task.cost.count() / static_cast<Ticks>(task.rest.size() + 1);
    };
    const auto rest = [&](int k, Ticks later) {
        if (!cut[at(layer)]) {
            return later;
        }
        return tail[at(k)] >= kNeverTicks / scale ? kNeverTicks : scale * tail[at(k)];
    };
    const Ticks later = loads_.free[at(layer + 1) * loads_.count + mix];
    Ticks free = kNeverTicks, most = 0;

    // 1. Tasks that start here: with a submission, or behind what their device has open.
    Ticks opening = kNeverTicks;
    std::array<Ticks, kMostOfAKind> extending;  // by device
    std::fill_n(extending.begin(), devices_, kNeverTicks);
    for (const int k : problem_.starting[at(layer)]) {
        const Task& task = problem_.tasks[at(k)];
        const ProblemDevice& device = problem_.devices[at(task.device)];
        const Ticks work = share(task);
        free = std::min(free, work + rest(k, later));
        if (!device.asynchronous) {
            opening = std::min(opening, work + rest(k, after(layer + 1, 0)));
            continue;
        }
        // A divided layer is a segment of its own.
        const int open = task.parts.empty() ? task.device : 0;
        const Ticks all =
            work + rest(k, after(layer + 1, open)) + weight(0) * device.per_task.count();
        extending[at(task.device)] = std::min(extending[at(task.device)], all);
        opening = std::min(opening, all + weight(0) * device.submit.count());
    }

    // 2. Tasks that started before.
    for (int open = 0; open < devices_; ++open) {
        after(layer, open) = std::min(opening, extending[at(open)]);
    }
    for (const int k : inside_[at(layer)]) {
        const Ticks work = share(problem_.tasks[at(k)]);
        most = std::max(most, work);
        free = std::min(free, work + rest(k, later));
        for (int open = 0; open < devices_; ++open) {
            Ticks& least = after(layer, open);
            least = std::min(least, work + rest(k, after(layer + 1, open)));
        }
    }
    loads_.free[at(layer) * loads_.count + mix] = free;
    loads_.most[at(layer) * loads_.count + mix] = most;
}

void Bounds::refresh_alternatives(int layer) {
    for (Alternative& alternative : alternatives_[at(layer)]) {
        alternative.after = kNeverTicks;
        for (const int k : alternative.tasks) {
            alternative.after =
                std::min(alternative.after, problem_.tasks[at(k)].cost.count() + tail[at(k)]);
        }
    }
}

// Work done and work left, in every proportion of dispatcher and devices. Writes over
// `scratch.queue`.
Ticks Bounds::load_bound(const Evaluator& placed, int layer, Scratch& scratch) const {
    const Evaluator::Core& core = placed.core;
    std::vector<Ticks>& queue = scratch.queue;
    // A queue that ends before the next task could start says nothing (it may have been raised,
    // and none may follow): count from the dispatcher, which the makespan never undercuts.
    for (int d = 0; d < devices_; ++d) {
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
    const Ticks* const after = early
                                   ? &loads_.free[at(layer) * loads_.count]
                                   : &loads_.after[at(layer * devices_ + core.open) * loads_.count];
    const std::size_t count = loads_.count;
    Ticks* const sums = scratch.sums.data();
    for (std::size_t mix = 0; mix < count; ++mix) {
        sums[mix] = after[mix] + loads_.weights[mix] * queue[0];
    }
    for (int d = 1; d < devices_; ++d) {
        const std::int64_t* const weight = &loads_.weights[at(d) * count];
        const Ticks until = queue[at(d)];
        for (std::size_t mix = 0; mix < count; ++mix) {
            sums[mix] += weight[mix] * until;
        }
    }
    for (const int l : ahead[at(layer)]) {
        if (placed.covered[at(l)]) {
            const Ticks* const most = &loads_.most[at(l) * count];
            for (std::size_t mix = 0; mix < count; ++mix) {
                sums[mix] -= most[mix];
            }
        }
    }
    Ticks bound = 0, most = 0;  // of the mixes of one scale
    for (std::size_t mix = 0; mix < count; ++mix) {
        most = std::max(most, sums[mix]);
        const std::int64_t scale = loads_.scales[mix];
        if (mix + 1 == count || loads_.scales[mix + 1] != scale) {
            bound = std::max(bound, (most + scale - 1) / scale);
            most = 0;
        }
    }
    return bound;
}

Bounds::Scratch Bounds::scratch() const {
    Scratch scratch;
    scratch.seen.assign(at(problem_.layers()), 0);
    scratch.arrivals.resize(at(problem_.layers() * devices_ * problem_.layouts));
    scratch.queue.resize(at(devices_));
    scratch.soonest.resize(at(devices_));
    scratch.sums.resize(loads_.count);
    return scratch;
}

// When a tensor, as it was made, can be in a memory: it is there or comes over the memories on the
// way, behind what their engines have to do already.
Ticks Bounds::reach(const Evaluator& placed, int index, int memory) const {
    const Evaluator::Tensor& tensor = placed.tensors[at(index)];
    const int place = placed.place_of(memory, tensor.layout);
    if (const Ticks time = placed.time(index, place); time >= 0) {
        const Ticks lag = placed.lag(index, place);
        return lag < 0 ? time : std::max(time, placed.core.dispatcher + lag);
    }
    const int home = problem_.devices[at(tensor.device)].memory;
    const int from = problem_.source(index, tensor.layout, home, memory);
    if (from < 0) {
        return kNeverTicks;
    }
    const Ticks free = placed.engine(problem_.engine[problem_.pair_place(from, memory)]);
    const Ticks copy = problem_.copy(index, tensor.layout, from, memory).count();
    return std::min(kNeverTicks, std::max(reach(placed, index, from), free) + copy);
}

// By device and layout. A tensor that is not there yet holds nothing up: 0.
void Bounds::find_arrivals(const Evaluator& placed, int index, Arrival* arrivals) const {
    const Evaluator::Core& core = placed.core;
    const Evaluator::Tensor& tensor = placed.tensors[at(index)];
    if (!tensor.exposed) {
        std::fill_n(arrivals, devices_ * problem_.layouts, Arrival{});
        return;
    }
    const Ticks *const times = placed.times(index), *const lags = placed.lags(index);
    const auto when = [&](int place) {
        return lags[place] < 0 ? times[place]
                               : std::max(times[place], core.dispatcher + lags[place]);
    };
    // If there are more readers, a sibling may convert first; then it is there, no sooner than
    // the copy.
    const bool alone = problem_.consumers[at(index)].size() == 1;
    const ProblemDevice& maker = problem_.devices[at(tensor.device)];
    const int home = placed.home(tensor), layouts = problem_.layouts;
    const Time* const copies =
        &problem_.copy_times[problem_.copy_place(index, tensor.layout, maker.memory, 0)];
    const int* const engines = &problem_.engine[problem_.pair_place(maker.memory, 0)];
    const Time* conversions =
        &problem_.convert_times[problem_.conversion_place(index, 0, tensor.layout, 0)];
    for (int d = 0; d < devices_; ++d, conversions += layouts * layouts) {
        const ProblemDevice& device = problem_.devices[at(d)];
        const int raw = placed.place_of(device.memory, tensor.layout);
        Ticks time = kNeverTicks;
        if (times[raw] >= 0) {
            time = when(raw);
        } else if (const int engine = engines[device.memory]; engine >= 0) {
            time = std::max(when(home), placed.engine(engine)) + copies[device.memory].count();
        } else if (problem_.has_routes()) {
            time = reach(placed, index, device.memory);
        }
        const Ticks seen =
            !device.asynchronous && maker.asynchronous ? maker.completion.count() : 0;
        for (int layout = 0; layout < layouts; ++layout) {
            const int wanted = placed.place_of(device.memory, layout);
            Ticks there = time, conversion = 0;
            if (times[wanted] >= 0) {
                there = when(wanted);
            } else if (layout != tensor.layout) {
                const Ticks convert = conversions[layout].count();
                if (convert >= kNeverTicks) {
                    there = alone || !has_neighbour(d) ? kNeverTicks : there;
                } else if (alone) {
                    conversion = convert;
                }
            }
            *arrivals++ = {.time = std::min(there + seen, kNeverTicks), .conversion = conversion};
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
    std::vector<Ticks>&queue = scratch.queue, &soonest = scratch.soonest;
    for (int d = 0; d < devices_; ++d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        queue[at(d)] = placed.queue(d);
        if (core.open != 0 && core.open == d && problem_.whole_segments) {
            queue[at(d)] = std::max(queue[at(d)], core.dispatcher + core.pending);
        }
        soonest[at(d)] = core.dispatcher;
        if (device.asynchronous) {
            soonest[at(d)] = std::max(queue[at(d)],
                                      core.dispatcher + device.per_task.count() +
                                          (core.open == d ? 0 : device.submit.count()));
        }
    }

    // 2. The load.
    if (loads_.count > 0) {
        bound = std::max(bound, load_bound(placed, layer, scratch));
    }
    if (!rules_.path || bound >= limit) {
        return bound;
    }

    // 3. The paths: every layer that reads something that is there has to be done somewhere.
    ++scratch.bound;
    const std::size_t each = at(devices_ * problem_.layouts);
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
        for (const Alternative& alternative : alternatives_[at(c)]) {
            if (alternative.first < layer || placed.covered[at(alternative.first)]) {
                continue;
            }
            Ticks start = soonest[at(alternative.device)], conversion = 0;
            for (std::size_t i = 0; i < alternative.inputs.size(); ++i) {
                const int tensor = alternative.inputs[i].tensor;
                if (scratch.seen[at(tensor)] != scratch.bound) {
                    scratch.seen[at(tensor)] = scratch.bound;
                    find_arrivals(placed, tensor, &scratch.arrivals[at(tensor) * each]);
                }
                const Arrival& arrival = scratch.arrivals[alternative.arrivals[i]];
                start = std::max(start, arrival.time);
                conversion += arrival.conversion;
            }
            if (start < kNeverTicks) {
                best = std::min(best, start + conversion + alternative.after);
            }
        }
        bound = std::max(bound, std::min(best, kNeverTicks));
        if (bound >= limit) {
            break;
        }
    }
    return bound;
}

}  // namespace sim::internal
