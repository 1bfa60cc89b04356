#include "sim/search/state.hpp"

#include "sim/index.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace sim {
namespace {

// Of a tensor in the key: device (2 bits), layout (1), places (8), places that wait (8).
constexpr int kCodeBits = 20, kCodesInWord = 3;
constexpr int kLayoutBit = 2, kPlaceBit = 3, kWaitBit = kPlaceBit + kMaxPlaces;
static_assert(kMaxDevices <= 4 && kMaxLayouts <= 2 && kWaitBit + kMaxPlaces <= kCodeBits);
constexpr int kOpenBits = 2;

}  // namespace

States::States(const Problem& problem, const Bounds& bounds, const Ideas& ideas)
    : problem_(problem), bounds_(bounds), ideas_(ideas) {
    const int layers = problem.layers();
    after_.assign(at(layers) + 1, 0);
    shortest_.resize(at(layers) + 1);
    shortest_.back().fill(kNeverTicks);
    held_.assign(at(layers) + 1, 0);
    for (int i = layers - 1; i >= 0; --i) {
        after_[at(i)] = after_[at(i) + 1];
        held_[at(i)] = held_[at(i) + 1];
        shortest_[at(i)] = shortest_[at(i) + 1];
        for (const int k : problem.starting[at(i)]) {
            const Task& task = problem.tasks[at(k)];
            after_[at(i)] |= devices_of(task);
            Ticks& least = shortest_[at(i)][at(task.device)];
            least = std::min(least, task.cost.count());
            for (const int engine : task.engines) {
                held_[at(i)] |= 1u << engine;
            }
        }
    }
    latest_.resize(at(layers));
    for (int t = 0; t < layers; ++t) {
        for (const std::vector<int>& tasks : bounds.readers[at(t)]) {
            std::array<int, kMaxDevices> latest;
            latest.fill(-1);
            for (const int k : tasks) {
                for (unsigned left = devices_of(problem.tasks[at(k)]); left; left &= left - 1) {
                    int& last = latest[at(std::countr_zero(left))];
                    last = std::max(last, problem.tasks[at(k)].first);
                }
            }
            latest_[at(t)].push_back(latest);
        }
    }
    for (std::size_t a = 0; a < problem.devices.size(); ++a) {
        if (problem.devices[a].asynchronous) {
            continue;
        }
        synchronous_ |= 1u << a;
        for (const ProblemDevice& other : problem.devices) {
            separate_ &= !other.asynchronous || other.memory != problem.devices[a].memory;
        }
    }
    for (const Time time : problem.synchronise) {
        synchronises_ |= time > Time{};
    }
    separate_ &= !synchronises_;
}

std::size_t States::key_words(int layer) const {
    const std::size_t head = (kOpenBits + bounds_.ahead[at(layer)].size() + 63) / 64;
    return head + (bounds_.live[at(layer)].size() + kCodesInWord - 1) / kCodesInWord;
}

Record::Use States::use_of(const Evaluator& placed,
                           int tensor_index,
                           int layer,
                           const std::array<Ticks, kMaxDevices>& soonest) const {
    Record::Use use;
    use.from.fill(kNeverTicks);
    const Evaluator::Tensor& tensor = placed.tensors[at(tensor_index)];
    if (!tensor.exposed) {
        return use;
    }
    const std::vector<int>& consumers = problem_.consumers[at(tensor_index)];
    for (std::size_t j = consumers.size(); j-- > 0 && consumers[j] >= layer;) {
        if (placed.covered[at(consumers[j])]) {
            continue;
        }
        use.read = true;
        const std::array<int, kMaxDevices>& latest = latest_[at(tensor_index)][j];
        for (std::size_t d = 0; d < problem_.devices.size(); ++d) {
            use.by |= static_cast<unsigned>(latest[d] >= layer) << d;
        }
    }
    const ProblemDevice& maker = problem_.devices[at(tensor.device)];
    for (int d = 0; d < static_cast<int>(problem_.devices.size()); ++d) {
        if (!(use.by >> d & 1)) {
            continue;
        }
        const ProblemDevice& device = problem_.devices[at(d)];
        Ticks start = soonest[at(d)];
        if (!device.asynchronous && maker.asynchronous) {
            start -= maker.completion.count();
        }
        if (synchronises_ && device.asynchronous && maker.asynchronous && d != tensor.device) {
            start -= problem_.synchronise[at(device.memory)].count();
        }
        bool there = false;
        for (int layout = 0; layout < problem_.layouts; ++layout) {
            const int place = Evaluator::place_of(device.memory, layout);
            if (tensor.at[at(place)] < 0) {
                continue;
            }
            there = true;
            use.places |= 1u << place;
            use.from[at(place)] = std::min(use.from[at(place)], start);
        }
        const int engine = problem_.engine[at(maker.memory * problem_.memories + device.memory)];
        if (!there && engine < 0) {
            use.by &= ~(1u << d);
            use.barred = true;
        } else if (!there) {
            use.places |= 1u << placed.home(tensor);
            use.engines |= 1u << engine;
        }
    }
    return use;
}

bool States::save(const Evaluator& placed, int layer, Record& record) const {
    const Evaluator::Core& core = placed.core;
    const int devices = static_cast<int>(problem_.devices.size());
    const std::vector<int>& live = bounds_.live[at(layer)];
    record.key.assign(key_words(layer), 0);
    record.times.clear();

    // 1. The key's head.
    std::size_t bit = kOpenBits;
    record.key[0] = static_cast<std::uint64_t>(core.open);
    for (const int l : bounds_.ahead[at(layer)]) {
        record.key[bit / 64] |= static_cast<std::uint64_t>(placed.covered[at(l)]) << (bit % 64);
        ++bit;
    }
    const std::size_t head = (bit + 63) / 64;

    // 2. The soonest that a task still to come can start, by device. A queue matters only from
    //    then on; that of the open segment from the end of the segment if it closed now (not from
    //    one task later: it may close, and another open on the same device).
    std::array<Ticks, kMaxDevices> soonest{}, queue = core.queue;
    const bool waits = problem_.whole_segments && core.open;
    for (int d = 0; d < devices; ++d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        if (!(after_[at(layer)] >> d & 1)) {
            soonest[at(d)] = kNeverTicks;
            queue[at(d)] = 0;
            continue;
        }
        soonest[at(d)] = core.dispatcher;
        if (!device.asynchronous) {
            continue;
        }
        const bool open = core.open == d;
        const Ticks submitted =
            core.dispatcher + device.per_task.count() + (open ? 0 : device.submit.count());
        const Ticks from = waits && open ? core.dispatcher + core.pending : submitted;
        soonest[at(d)] = std::max({queue[at(d)], submitted, from});
        if (ideas_.raise) {
            queue[at(d)] = std::max(queue[at(d)], from);
        }
    }

    // 3. Which places matter; the soonest that an engine can be asked for a copy.
    std::array<Ticks, kMaxEngines> source;
    source.fill(kNeverTicks);
    for (int from = 0; from < problem_.memories; ++from) {
        for (int to = 0; to < problem_.memories; ++to) {
            const int engine = problem_.engine[at(from * problem_.memories + to)];
            if (from == to || engine < 0) {
                continue;
            }
            bool wanted = false;
            for (int d = 0; d < devices; ++d) {
                wanted |= problem_.devices[at(d)].memory == to && (after_[at(layer)] >> d & 1);
            }
            for (int d = 0; wanted && d < devices; ++d) {
                if (problem_.devices[at(d)].memory == from && (after_[at(layer)] >> d & 1)) {
                    source[at(engine)] =
                        std::min(source[at(engine)], soonest[at(d)] + shortest_[at(layer)][at(d)]);
                }
            }
        }
    }
    record.uses.clear();
    for (const int t : live) {
        record.uses.push_back(use_of(placed, t, layer, soonest));
        const Record::Use& use = record.uses.back();
        if (use.read && !use.places) {
            return false;
        }
        if (!use.engines) {
            continue;
        }
        const Evaluator::Tensor& tensor = placed.tensors[at(t)];
        const auto home = at(placed.home(tensor));
        const Ticks made = tensor.lag[home] < 0
                               ? tensor.at[home]
                               : std::max(tensor.at[home], core.dispatcher + tensor.lag[home]);
        for (unsigned left = use.engines; left; left &= left - 1) {
            Ticks& soon = source[at(std::countr_zero(left))];
            soon = std::min(soon, made);
        }
    }
    std::array<Ticks, kMaxEngines> engine = core.engine;
    for (int e = 0; e < problem_.engines; ++e) {
        if (held_[at(layer)] >> e & 1) {  // by a divided layer, from its start on
            source[at(e)] = std::min(source[at(e)], core.dispatcher);
        }
        if (source[at(e)] >= kNeverTicks) {
            engine[at(e)] = 0;
        } else if (ideas_.raise) {
            engine[at(e)] = std::max(engine[at(e)], source[at(e)]);
        }
    }

    // 4. The times of resources.
    record.times.push_back(core.dispatcher);
    for (int d = 1; d < devices; ++d) {
        record.times.push_back(queue[at(d)]);
    }
    record.times.push_back(waits ? core.pending : 0);
    for (int e = 0; e < problem_.engines; ++e) {
        record.times.push_back(engine[at(e)]);
    }

    // 5. The tensors.
    for (std::size_t j = 0; j < live.size(); ++j) {
        Record::Use& use = record.uses[j];
        if (!use.places) {
            continue;
        }
        const Evaluator::Tensor& tensor = placed.tensors[at(live[j])];
        const int home = placed.home(tensor);
        // One that is wherever it will be read might as well have been made there: who made it no
        // longer matters, but for the host's wait, which goes into its times.
        int maker = tensor.device;
        Ticks seen = 0;
        if (ideas_.forget && separate_ && !use.engines && !use.barred) {
            bool final = true;
            for (unsigned left = use.places; left; left &= left - 1) {
                final &= tensor.lag[at(std::countr_zero(left))] < 0;
            }
            if (final) {
                const unsigned hosts = use.by & synchronous_;
                maker = std::countr_zero(hosts ? hosts : use.by);
                if (hosts && problem_.devices[at(tensor.device)].asynchronous) {
                    seen = problem_.devices[at(tensor.device)].completion.count();
                }
            }
        }
        for (unsigned left = use.engines; left; left &= left - 1) {
            use.from[at(home)] = std::min(use.from[at(home)], engine[at(std::countr_zero(left))]);
        }
        std::uint64_t code = static_cast<std::uint64_t>(maker) |
                             static_cast<std::uint64_t>(tensor.layout) << kLayoutBit |
                             static_cast<std::uint64_t>(use.places) << kPlaceBit;
        for (unsigned left = use.places; left; left &= left - 1) {
            const int place = std::countr_zero(left);
            Ticks time = tensor.at[at(place)];
            const Ticks lag = tensor.lag[at(place)];
            if (lag >= 0) {
                code |= std::uint64_t{1} << (kWaitBit + place);
                if (ideas_.raise) {
                    time = std::max(time, core.dispatcher + lag);
                }
                record.times.push_back(time);
                record.times.push_back(lag);
                continue;
            }
            if (ideas_.raise && use.from[at(place)] < kNeverTicks / 2) {
                time = std::max(time, use.from[at(place)]);
            }
            // Times in memories of asynchronous devices are never read with `seen`.
            bool by_host = false;
            for (unsigned hosts = synchronous_; seen && hosts; hosts &= hosts - 1) {
                by_host |=
                    problem_.devices[at(std::countr_zero(hosts))].memory == place / kMaxLayouts;
            }
            record.times.push_back(by_host ? time + seen : time);
        }
        record.key[head + j / kCodesInWord] |= code << (kCodeBits * (j % kCodesInWord));
    }
    return true;
}

void States::load(Evaluator& placed,
                  int layer,
                  const std::uint64_t* key,
                  const Ticks* times) const {
    Evaluator::Core& core = placed.core;
    core = {};
    placed.waiting.clear();
    core.open = static_cast<int>(key[0] & ((1u << kOpenBits) - 1));
    std::size_t bit = kOpenBits;
    for (const int l : bounds_.ahead[at(layer)]) {
        placed.covered[at(l)] = static_cast<char>(key[bit / 64] >> (bit % 64) & 1);
        ++bit;
    }
    const std::size_t head = (bit + 63) / 64;
    core.dispatcher = *times++;
    for (std::size_t d = 1; d < problem_.devices.size(); ++d) {
        core.queue[d] = *times++;
    }
    core.pending = *times++;
    for (int e = 0; e < problem_.engines; ++e) {
        core.engine[at(e)] = *times++;
    }
    const std::vector<int>& live = bounds_.live[at(layer)];
    for (std::size_t j = 0; j < live.size(); ++j) {
        const std::uint64_t code =
            key[head + j / kCodesInWord] >> (kCodeBits * (j % kCodesInWord)) &
            ((std::uint64_t{1} << kCodeBits) - 1);
        Evaluator::Tensor& tensor = placed.tensors[at(live[j])];
        tensor.exposed = code != 0;
        if (!code) {
            continue;
        }
        tensor.device = static_cast<int>(code & 3);
        tensor.layout = static_cast<int>(code >> kLayoutBit & 1);
        tensor.at.fill(-1);
        tensor.lag.fill(-1);
        for (int place = 0; place < kMaxPlaces; ++place) {
            if (!(code >> (kPlaceBit + place) & 1)) {
                continue;
            }
            tensor.at[at(place)] = *times++;
            if (code >> (kWaitBit + place) & 1) {
                tensor.lag[at(place)] = *times++;
                placed.waiting.push_back({live[j], place});
            }
        }
    }
}

}  // namespace sim
