#include "sim/search/state.hpp"

#include <algorithm>
#include <bit>
#include <map>

namespace sim::internal {
namespace {

constexpr int kWordBits = 64;  // a power of two
// Of places in a word of their own: whether it is there, then whether it waits.
constexpr int kPlacesInWord = kWordBits / 2;

int bits_for(int count) {
    return static_cast<int>(std::bit_width(static_cast<unsigned>(count - 1)));
}

std::uint64_t low_bits(int count) {
    return count >= kWordBits ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

// When a tensor is in a place, if all that is open were submitted now.
Ticks time_of(const Evaluator& placed, int tensor, int place) {
    const Ticks time = placed.time(tensor, place), lag = placed.lag(tensor, place);
    return lag < 0 ? time : std::max(time, placed.core.dispatcher + lag);
}

}  // namespace

// What is found of one tensor: where it can still be used, and what may be asked for.
struct States::UsedPlaces {
    UsedPlaces(Record& all, std::size_t live, std::size_t places, std::size_t words)
        : record(all), used(&all.used[live * words]), from(&all.from[live * places]) {}

    // The place matters from this instant on.
    void add(int place, Ticks when) {
        Bits& word = used[at(place) / kWordBits];
        const Bits its = bit(place & (kWordBits - 1));
        from[place] = (word & its) != 0 ? std::min(from[place], when) : when;
        word |= its;
        found = true;
    }
    // The engine may be asked to copy what lies in the place.
    void ask(int place, int engine) {
        add(place, kNeverTicks);
        for (std::size_t i = first_ask; i < record.asks.size(); ++i) {
            if (record.asks[i].place == place && record.asks[i].engine == engine) {
                return;
            }
        }
        record.asks.push_back({place, engine});
    }

    Record& record;
    Bits* const used;
    Ticks* const from;
    const std::size_t first_ask = record.asks.size();
    bool found = false;
};

// ---- what the problem says ----------------------------------------------------------------------

States::States(const Problem& problem, const Bounds& bounds, const PruningRules& rules)
    : problem_(problem), bounds_(bounds), rules_(rules), devices_(problem.device_count()) {
    for (const Time time : problem.synchronise) {
        synchronises_ |= time > Time{};
    }
    for (int d = 0; d < devices_; ++d) {
        if (!problem.devices[at(d)].asynchronous) {
            synchronous_ |= bit(d);
            host_memories_ |= bit(problem.devices[at(d)].memory);
        }
    }
    separate_ = !synchronises_;
    for (const ProblemDevice& device : problem.devices) {
        separate_ &= !device.asynchronous || (host_memories_ & bit(device.memory)) == 0;
    }
    find_tasks_to_come();
    find_readers();
    find_askers();
    lay_out_keys(Evaluator(problem));
}

void States::find_tasks_to_come() {
    const int layers = problem_.layers();
    after_.assign(at(layers) + 1, 0);
    held_.assign(at(layers) + 1, 0);
    shortest_.assign(at((layers + 1) * devices_), kNeverTicks);
    for (int i = layers - 1; i >= 0; --i) {
        after_[at(i)] = after_[at(i) + 1];
        held_[at(i)] = held_[at(i) + 1];
        Ticks* const shortest = &shortest_[at(i * devices_)];
        std::copy_n(shortest + devices_, devices_, shortest);
        for (const int k : problem_.starting[at(i)]) {
            const Task& task = problem_.tasks[at(k)];
            after_[at(i)] |= devices_of(task);
            shortest[task.device] = std::min(shortest[task.device], task.cost.count());
            for (const int engine : task.engines) {
                held_[at(i)] |= bit(engine);
            }
        }
    }
}

void States::find_readers() {
    readers_end_.push_back(0);
    for (int t = 0; t < problem_.layers(); ++t) {
        for (std::size_t j = 0; j < bounds_.readers[at(t)].size(); ++j) {
            std::map<int, Bits> starting;  // devices of tasks that read it, by first layer
            for (const int k : bounds_.readers[at(t)][j]) {
                starting[problem_.tasks[at(k)].first] |= devices_of(problem_.tasks[at(k)]);
            }
            Reader reader{.layer = problem_.consumers[at(t)][j],
                          .earlier_begin = static_cast<int>(earlier_.size())};
            for (const auto& [first, devices] : starting) {
                if (first == reader.layer) {
                    reader.always = devices;
                } else {
                    earlier_.push_back({first, devices});
                }
            }
            reader.earlier_end = static_cast<int>(earlier_.size());
            readers_.push_back(reader);
        }
        readers_end_.push_back(static_cast<int>(readers_.size()));
    }
}

// Whose results each engine may be asked to copy, while certain devices have tasks to come.
void States::find_askers() {
    // 1. From which memories, [engine * memories + from], an engine is on the way to which.
    const int memories = problem_.memories;
    std::vector<Bits> leads(at(problem_.engines * memories), 0);
    const auto follow = [&](int tensor, int layout, int from, int to) {
        for (int there = to; there != from;) {
            const int before = problem_.source(tensor, layout, from, there);
            if (before < 0) {
                return;
            }
            const int engine = problem_.engine[problem_.pair_place(before, there)];
            leads[at(engine * memories + from)] |= bit(to);
            there = before;
        }
    };
    const int tensors = problem_.has_routes() ? problem_.layers() : 1;
    const int layouts = problem_.has_routes() ? problem_.layouts : 1;
    for (int tensor = 0; tensor < tensors; ++tensor) {
        for (int layout = 0; layout < layouts; ++layout) {
            for (int from = 0; from < memories; ++from) {
                for (int to = 0; to < memories; ++to) {
                    follow(tensor, layout, from, to);
                }
            }
        }
    }

    // 2. By layer; neighbours mostly have the same.
    askers_of_.assign(after_.size(), 0);
    for (std::size_t i = after_.size(); i-- > 0;) {
        if (i + 1 == after_.size() || after_[i] != after_[i + 1]) {
            Bits wanted = 0;
            for_each_bit(after_[i], [&](int d) { wanted |= bit(problem_.devices[at(d)].memory); });
            askers_.emplace_back();
            for (int engine = 0; engine < problem_.engines; ++engine) {
                for_each_bit(after_[i], [&](int d) {
                    const int from = problem_.devices[at(d)].memory;
                    if ((leads[at(engine * memories + from)] & wanted) != 0) {
                        askers_.back().push_back({engine, d});
                    }
                });
            }
        }
        askers_of_[i] = static_cast<int>(askers_.size()) - 1;
    }
}

// Of a tensor in the key: a bit that says it is there at all, its device, layout, turn, then a bit
// for each place where it is, and one for each where it waits. What does not fit in a word, on
// machines with many memories, is in further words.
void States::lay_out_keys(const Evaluator& evaluator) {
    const int layers = problem_.layers();
    device_bits_ = bits_for(devices_);
    layout_bits_ = bits_for(problem_.layouts);
    int longest = 0;
    for (int t = 0; t < layers; ++t) {
        turn_bits_.push_back(evaluator.turn_matters(t) ? bits_for(layers) : 0);
        usual_turn_.push_back(evaluator.usual_turn(t));
        longest = std::max(longest, turn_bits_.back());
    }
    places_ = evaluator.places();
    place_words_ = (places_ + kWordBits - 1) / kWordBits;
    places_here_ = std::min(places_, (kWordBits - 1 - device_bits_ - layout_bits_ - longest) / 2);
    more_words_ = (places_ - places_here_ + kPlacesInWord - 1) / kPlacesInWord;

    slots_.resize(at(layers) + 1);
    for (int i = 0; i <= layers; ++i) {
        int next = device_bits_ + static_cast<int>(bounds_.ahead[at(i)].size());
        next = std::max(next, 1);
        for (const int t : bounds_.live[at(i)]) {
            const int length =
                1 + device_bits_ + layout_bits_ + turn_bits_[at(t)] + 2 * places_here_;
            if (next % kWordBits + length > kWordBits) {
                next = (next / kWordBits + 1) * kWordBits;
            }
            slots_[at(i)].push_back({.word = static_cast<std::uint32_t>(next / kWordBits),
                                     .shift = static_cast<std::uint32_t>(next % kWordBits)});
            next += length;
        }
        std::size_t words = at((next + kWordBits - 1) / kWordBits);
        for (Slot& slot : slots_[at(i)]) {
            slot.more = static_cast<std::uint32_t>(words);
            words += at(more_words_);
        }
        key_words_.push_back(words);
    }
}

std::size_t States::most_key_words() const { return *std::ranges::max_element(key_words_); }

std::size_t States::most_times() const {
    std::size_t most = 0;
    for (const std::vector<int>& live : bounds_.live) {
        most = std::max(most, live.size());
    }
    // The dispatcher and other devices, the open segment, engines; of every place time and lag.
    return at(devices_ + 1 + problem_.engines) + 2 * most * at(places_);
}

// ---- saving -------------------------------------------------------------------------------------

void States::write_head(const Evaluator& placed, int layer, Record& record) const {
    record.key[0] = static_cast<std::uint64_t>(placed.core.open);
    auto next = static_cast<std::size_t>(device_bits_);
    for (const int l : bounds_.ahead[at(layer)]) {
        record.key[next / kWordBits] |= static_cast<std::uint64_t>(placed.covered[at(l)])
                                        << (next % kWordBits);
        ++next;
    }
}

// A queue matters only from when a task can start; that of the open segment from the end of the
// segment if it closed now (not from one task later: it may close, and another open on the same
// device).
void States::find_soonest(const Evaluator& placed, int layer, Record& record) const {
    const Evaluator::Core& core = placed.core;
    record.soonest.resize(at(devices_));
    record.queue.resize(at(devices_));
    for (int d = 0; d < devices_; ++d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        Ticks &soonest = record.soonest[at(d)], &queue = record.queue[at(d)];
        if ((after_[at(layer)] & bit(d)) == 0) {
            soonest = kNeverTicks;
            queue = 0;
            continue;
        }
        soonest = core.dispatcher;
        queue = placed.queue(d);
        if (!device.asynchronous) {
            continue;
        }
        const bool open = core.open == d;
        const Ticks submitted =
            core.dispatcher + device.per_task.count() + (open ? 0 : device.submit.count());
        const Ticks from =
            open && problem_.whole_segments ? core.dispatcher + core.pending : submitted;
        soonest = std::max({queue, submitted, from});
        if (rules_.raise) {
            queue = std::max(queue, from);
        }
    }
}

// Of what is not made yet, and where divided layers hold engines, from their start on.
void States::find_askable(const Evaluator& placed, int layer, Record& record) const {
    record.asked.assign(at(problem_.engines), kNeverTicks);
    const Ticks* const shortest = &shortest_[at(layer * devices_)];
    for (const Asker& asker : askers_[at(askers_of_[at(layer)])]) {
        Ticks& asked = record.asked[at(asker.engine)];
        asked = std::min(asked, record.soonest[at(asker.device)] + shortest[asker.device]);
    }
    for_each_bit(held_[at(layer)], [&](int engine) {
        Ticks& asked = record.asked[at(engine)];
        asked = std::min(asked, placed.core.dispatcher);
    });
}

// In ascending order.
template <class Visit>
inline void States::for_each_place(std::size_t live,
                                   const Record& record,
                                   const Visit& visit) const {
    for (int word = 0; word < place_words_; ++word) {
        for_each_bit(record.used[live * at(place_words_) + at(word)],
                     [&](int i) { visit(word * kWordBits + i); });
    }
}

[[gnu::always_inline]] inline void States::find_use(const Evaluator& placed,
                                                    int layer,
                                                    std::size_t live,
                                                    Record& record) const {
    const int index = bounds_.live[at(layer)][live];
    const Evaluator::Tensor& tensor = placed.tensors[at(index)];
    Record::Use& use = record.uses[live];
    use = {.asks_begin = record.asks.size(), .asks_end = record.asks.size()};
    if (!tensor.exposed) {
        return;
    }

    // 1. Where it may be read.
    Bits by = 0;
    for (int r = readers_end_[at(index) + 1]; r-- > readers_end_[at(index)];) {
        const Reader& reader = readers_[at(r)];
        if (reader.layer < layer) {
            break;
        }
        if (placed.covered[at(reader.layer)]) {
            continue;
        }
        use.read = true;
        by |= reader.always;
        for (int e = reader.earlier_begin; e < reader.earlier_end; ++e) {
            by |= earlier_[at(e)].first >= layer ? earlier_[at(e)].devices : 0;
        }
    }

    // 2. What matters: where it lies in a reader's memory in any layout, else where its way there
    //    begins.
    const Ticks* const times = placed.times(index);
    const ProblemDevice& maker = problem_.devices[at(tensor.device)];
    const int home = placed.home(tensor);
    const Ticks made = time_of(placed, index, home);
    const int* const engines = &problem_.engine[problem_.pair_place(maker.memory, 0)];
    UsedPlaces places(record, live, at(places_), at(place_words_));
    Bits engines_asked = 0, barred = 0;
    for_each_bit(by, [&](int d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        Ticks start = record.soonest[at(d)];
        if (!device.asynchronous && maker.asynchronous) {
            start -= maker.completion.count();
        }
        if (synchronises_ && device.asynchronous && maker.asynchronous && d != tensor.device) {
            start -= problem_.synchronise[at(device.memory)].count();
        }
        bool there = false;
        for (int place = placed.place_of(device.memory, 0), end = place + problem_.layouts;
             place < end;
             ++place) {
            if (times[place] >= 0) {
                there = true;
                places.add(place, start);
            }
        }
        if (there) {
            return;
        }
        const int engine = engines[device.memory];
        if (engine >= 0 && times[home] >= 0) {  // over the link, most often
            places.add(home, kNeverTicks);
            engines_asked |= bit(engine);
            Ticks& asked = record.asked[at(engine)];
            asked = std::min(asked, made);
        } else if (!problem_.has_routes() || !add_way(placed, index, device.memory, places)) {
            barred |= bit(d);
        }
    });
    use.by = by & ~barred;
    use.barred = barred != 0;
    use.engines = engines_asked;
    use.found = places.found;
    use.asks_end = record.asks.size();
}

// The copies that bring the tensor to a memory over others: from the nearest one on the way where
// it lies. False if there is no way.
bool States::add_way(const Evaluator& placed, int index, int memory, UsedPlaces& places) const {
    const Evaluator::Tensor& tensor = placed.tensors[at(index)];
    const int home = problem_.devices[at(tensor.device)].memory;
    const auto source = [&](int to) { return problem_.source(index, tensor.layout, home, to); };
    const auto engine = [&](int from, int to) {
        return problem_.engine[problem_.pair_place(from, to)];
    };

    // 1. Where the tensor lies, and the first engine.
    int from = memory, to = memory;
    do {
        to = from;
        from = source(to);
        if (from < 0) {
            return false;
        }
    } while (placed.time(index, placed.place_of(from, tensor.layout)) < 0);
    const int place = placed.place_of(from, tensor.layout);
    places.ask(place, engine(from, to));

    // 2. All engines on the way.
    const Ticks made = time_of(placed, index, place);
    for (int there = memory; there != from; there = source(there)) {
        Ticks& asked = places.record.asked[at(engine(source(there), there))];
        asked = std::min(asked, made);
    }
    return true;
}

// An engine's queue matters only from when it can be asked.
void States::raise_engines(const Evaluator& placed, Record& record) const {
    record.engine.resize(at(problem_.engines));
    for (int e = 0; e < problem_.engines; ++e) {
        Ticks& queue = record.engine[at(e)];
        queue = placed.engine(e);
        if (record.asked[at(e)] >= kNeverTicks) {
            queue = 0;
        } else if (rules_.raise) {
            queue = std::max(queue, record.asked[at(e)]);
        }
    }
}

// One that is wherever it will be read might as well have been made there.
[[gnu::always_inline]] inline bool States::may_forget_maker(const Ticks* lags,
                                                            std::size_t live,
                                                            const Record& record) const {
    const Record::Use& use = record.uses[live];
    if (!rules_.forget || !separate_ || use.engines != 0 || use.asks_begin != use.asks_end ||
        use.barred) {
        return false;
    }
    bool final = true;
    for_each_place(live, record, [&](int place) { final &= lags[place] < 0; });
    return final;
}

[[gnu::always_inline]] inline void States::write_tensor(const Evaluator& placed,
                                                        int layer,
                                                        std::size_t live,
                                                        Record& record) const {
    const int index = bounds_.live[at(layer)][live];
    const Evaluator::Tensor& tensor = placed.tensors[at(index)];
    const Record::Use& use = record.uses[live];
    const Slot& slot = slots_[at(layer)][live];
    const Ticks *const times = placed.times(index), *const lags = placed.lags(index);

    // 1. Who made it no longer matters where it may be forgotten, but for the host's wait, which
    //    goes into its times.
    int maker = tensor.device;
    Ticks seen = 0;
    if (may_forget_maker(lags, live, record)) {
        const Bits hosts = use.by & synchronous_;
        maker = std::countr_zero(hosts != 0 ? hosts : use.by);
        if (hosts != 0 && problem_.devices[at(tensor.device)].asynchronous) {
            seen = problem_.devices[at(tensor.device)].completion.count();
        }
    }

    // 2. What is to be copied matters only from when its engine is free.
    Ticks* const from = &record.from[live * at(places_)];
    if (use.engines != 0) {
        Ticks& copied = from[placed.home(tensor)];
        for_each_bit(use.engines, [&](int e) { copied = std::min(copied, record.engine[at(e)]); });
    }
    for (std::size_t i = use.asks_begin; i < use.asks_end; ++i) {
        const auto [place, engine] = record.asks[i];
        from[place] = std::min(from[place], record.engine[at(engine)]);
    }

    // 3. The code and the times.
    int next = 1;
    std::uint64_t code = 1;
    const auto put = [&](int value, int bits) {
        code |= static_cast<std::uint64_t>(value) << next;
        next += bits;
    };
    put(maker, device_bits_);
    put(tensor.layout, layout_bits_);
    if (turn_bits_[at(index)] > 0) {
        put(tensor.turn, turn_bits_[at(index)]);
    }
    for_each_place(live, record, [&](int place) {
        const Ticks lag = lags[place];
        const std::uint64_t there = 1, waits = lag >= 0;
        if (place < places_here_) {
            code |= there << (next + place) | waits << (next + places_here_ + place);
        } else {
            const int beyond = place - places_here_, in_word = beyond % kPlacesInWord;
            record.key[slot.more + at(beyond / kPlacesInWord)] |=
                there << in_word | waits << (kPlacesInWord + in_word);
        }
        Ticks time = times[place];
        if (lag >= 0) {
            if (rules_.raise) {
                time = std::max(time, placed.core.dispatcher + lag);
            }
            record.times.push_back(time);
            record.times.push_back(lag);
            return;
        }
        if (rules_.raise && from[place] < kNeverTicks / 2) {
            time = std::max(time, from[place]);
        }
        // Times in memories of asynchronous devices are never read with `seen`.
        if (seen > 0 && (host_memories_ & bit(place / problem_.layouts)) != 0) {
            time += seen;
        }
        record.times.push_back(time);
    });
    record.key[slot.word] |= code << slot.shift;
}

bool States::save(const Evaluator& placed, int layer, Record& record) const {
    const std::vector<int>& live = bounds_.live[at(layer)];
    record.key.assign(key_words(layer), 0);
    record.times.clear();

    // 1. The key's head.
    write_head(placed, layer, record);

    // 2. The soonest that tasks still to come can start, and that engines can be asked for what
    //    they make.
    find_soonest(placed, layer, record);
    find_askable(placed, layer, record);

    // 3. Which places of the tensors matter; the soonest that engines can be asked for them.
    record.uses.resize(live.size());
    record.used.assign(live.size() * at(place_words_), 0);
    record.from.resize(live.size() * at(places_));
    record.asks.clear();
    for (std::size_t j = 0; j < live.size(); ++j) {
        find_use(placed, layer, j, record);
        if (record.uses[j].read && !record.uses[j].found) {
            return false;
        }
    }
    raise_engines(placed, record);

    // 4. The times of resources.
    const Evaluator::Core& core = placed.core;
    record.times.push_back(core.dispatcher);
    for (int d = 1; d < devices_; ++d) {
        record.times.push_back(record.queue[at(d)]);
    }
    record.times.push_back(problem_.whole_segments && core.open != 0 ? core.pending : 0);
    for (int e = 0; e < problem_.engines; ++e) {
        record.times.push_back(record.engine[at(e)]);
    }

    // 5. The tensors.
    for (std::size_t j = 0; j < live.size(); ++j) {
        if (record.uses[j].found) {
            write_tensor(placed, layer, j, record);
        }
    }
    return true;
}

// ---- loading ------------------------------------------------------------------------------------

void States::load(Evaluator& placed,
                  int layer,
                  const std::uint64_t* key,
                  const Ticks* times) const {
    // 1. The key's head, and the times of resources.
    Evaluator::Core& core = placed.core;
    core = {};
    placed.waiting.clear();
    core.open = static_cast<int>(key[0] & low_bits(device_bits_));
    auto next = static_cast<std::size_t>(device_bits_);
    for (const int l : bounds_.ahead[at(layer)]) {
        placed.covered[at(l)] = static_cast<char>(key[next / kWordBits] >> (next % kWordBits) & 1);
        ++next;
    }
    core.dispatcher = *times++;
    for (int d = 1; d < devices_; ++d) {
        placed.set_queue(d, *times++);
    }
    core.pending = *times++;
    for (int e = 0; e < problem_.engines; ++e) {
        placed.set_engine(e, *times++);
    }

    // 2. The tensors.
    const std::vector<int>& live = bounds_.live[at(layer)];
    for (std::size_t j = 0; j < live.size(); ++j) {
        const int t = live[j];
        const Slot& slot = slots_[at(layer)][j];
        std::uint64_t code = key[slot.word] >> slot.shift;
        Evaluator::Tensor& tensor = placed.tensors[at(t)];
        tensor.exposed = (code & 1) != 0;
        if (!tensor.exposed) {
            continue;
        }
        code >>= 1;
        const auto take = [&](int bits) {
            const auto value = static_cast<int>(code & low_bits(bits));
            code >>= bits;
            return value;
        };
        tensor.device = take(device_bits_);
        tensor.layout = take(layout_bits_);
        tensor.turn = turn_bits_[at(t)] > 0 ? take(turn_bits_[at(t)]) : usual_turn_[at(t)];
        placed.clear_places(t);
        const auto set_places = [&](std::uint64_t there, std::uint64_t waits, int first) {
            for_each_bit(there, [&](int i) {
                const Ticks time = *times++;
                const bool is_waiting = (waits & bit(i)) != 0;
                placed.set_place(t, first + i, time, is_waiting ? *times++ : -1);
                if (is_waiting) {
                    placed.waiting.push_back({t, first + i});
                }
            });
        };
        set_places(code & low_bits(places_here_), code >> places_here_, 0);
        for (int w = 0; w < more_words_; ++w) {
            const std::uint64_t word = key[slot.more + at(w)];
            set_places(word & low_bits(kPlacesInWord),
                       word >> kPlacesInWord,
                       places_here_ + w * kPlacesInWord);
        }
    }
}

}  // namespace sim::internal
