#include "sim/run/activities.hpp"

#include "sim/index.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <map>
#include <utility>

namespace sim {
namespace {

std::vector<int> devices_of(const Task& task) {
    if (task.parts.empty()) {
        return {task.device};
    }
    std::vector<int> devices;
    for (const Part& part : task.parts) {
        devices.push_back(part.device);
    }
    return devices;
}

// By position in the mapping and device: the configuration that it needs there, -1 for none.
//
// What fits a device's budgets all together is loaded beforehand. Otherwise each run of consecutive
// tasks on the device begins a configuration, and so does a task that does not fit the one at hand.
std::vector<std::vector<int>> configurations_of(const Problem& problem, const Mapping& mapping) {
    std::vector<std::vector<int>> configurations(mapping.size());
    for (std::vector<int>& of_task : configurations) {
        of_task.assign(problem.devices.size(), -1);
    }
    for (int d = 0; d < static_cast<int>(problem.devices.size()); ++d) {
        if (problem.devices[at(d)].reconfiguration <= Time{}) {
            continue;
        }
        const auto fits = [&](const std::vector<std::int64_t>& used) {
            for (std::size_t b = 0; b < used.size(); ++b) {
                if (problem.budgets[b].device == d && used[b] > problem.budgets[b].limit) {
                    return false;
                }
            }
            return true;
        };
        const auto add = [](std::vector<std::int64_t>& used, const Task& task) {
            for (std::size_t b = 0; b < task.uses.size(); ++b) {
                used[b] += task.uses[b];
            }
        };
        const auto is_here = [&](int index) {
            return std::ranges::count(devices_of(problem.tasks[at(index)]), d) > 0;
        };
        const std::vector<std::int64_t> none(problem.budgets.size(), 0);
        std::vector<std::int64_t> all = none;
        for (const int index : mapping) {
            if (is_here(index)) {
                add(all, problem.tasks[at(index)]);
            }
        }
        if (fits(all)) {
            continue;
        }
        int configuration = -1;
        std::vector<std::int64_t> used = none;
        for (std::size_t i = 0; i < mapping.size(); ++i) {
            if (!is_here(mapping[i])) {
                continue;
            }
            const Task& task = problem.tasks[at(mapping[i])];
            add(used, task);
            if (configuration < 0 || !is_here(mapping[i - 1]) || !fits(used)) {
                ++configuration;
                used = none;
                add(used, task);
            }
            configurations[i][at(d)] = configuration;
        }
    }
    return configurations;
}

// Walks a mapping as `simulate` does, but for the times.
class Builder {
public:
    Builder(const Problem& problem, const Mapping& mapping)
        : problem_(problem),
          mapping_(mapping),
          places_(at(problem.layers() * problem.memories * problem.layouts)),
          makers_(at(problem.layers())) {
        made_.order.resize(problem.devices.size() + at(problem.engines));
    }

    Activities build() {
        const std::vector<std::vector<int>> configurations = configurations_of(problem_, mapping_);
        std::vector<int> loaded(problem_.devices.size(), -1);
        int open = -1;
        for (std::size_t begin = 0, end = 0; begin < mapping_.size(); begin = end) {
            // 1. Submissions.
            const Task& first = problem_.tasks[at(mapping_[begin])];
            const bool divided = !first.parts.empty();
            const bool asynchronous = problem_.devices[at(first.device)].asynchronous;
            end = begin + 1;
            while (asynchronous && !divided && problem_.whole_segments && end < mapping_.size() &&
                   problem_.tasks[at(mapping_[end])].device == first.device &&
                   problem_.tasks[at(mapping_[end])].parts.empty()) {
                ++end;
            }
            int submitted = -1;
            for (const int d : devices_of(first)) {
                const ProblemDevice& device = problem_.devices[at(d)];
                if (!device.asynchronous) {
                    continue;
                }
                begin_activity({0});
                submitted = add_step(
                    device.per_task * static_cast<std::int64_t>(end - begin) +
                        (divided || open != d ? device.submit : Time{}),
                    0,
                    {.kind = EventKind::submission, .resource = 0, .task = mapping_[begin]});
            }
            open = asynchronous && !divided ? first.device : -1;
            for (std::size_t i = begin; i < end; ++i) {
                // 2. Configurations are loaded when the device is free and knows of it.
                const Task& task = problem_.tasks[at(mapping_[i])];
                for (const int d : devices_of(task)) {
                    const int wanted = configurations[i][at(d)];
                    if (wanted == loaded[at(d)] || wanted < 0) {
                        continue;
                    }
                    loaded[at(d)] = wanted;
                    Activity& load = begin_activity({resource_of(d)});
                    load.loads = true;
                    load.needs.push_back({d, wanted});
                    if (problem_.devices[at(d)].asynchronous) {
                        load.waits.push_back({submitted, {}});
                    }
                    add_step(
                        problem_.devices[at(d)].reconfiguration,
                        0,
                        {.kind = EventKind::reconfiguration, .resource = d, .task = mapping_[i]});
                }
                add_task(mapping_[i], submitted, configurations[i]);
            }
        }
        return std::move(made_);
    }

private:
    struct Place {
        int step = -1;  // that brings the tensor there
        bool by_host = false;
    };
    struct Maker {
        int device = 0, layout = 0;
    };

    Place& place(int tensor, int memory, int layout) {
        return places_[at((tensor * problem_.memories + memory) * problem_.layouts + layout)];
    }
    int resource_of(int device) const {
        return problem_.devices[at(device)].asynchronous ? device : 0;
    }
    int resource_of_engine(int engine) const {
        return static_cast<int>(problem_.devices.size()) + engine;
    }

    Activity& begin_activity(std::vector<int> holds) {
        std::ranges::sort(holds);
        holds.erase(std::unique(holds.begin(), holds.end()), holds.end());
        const int index = static_cast<int>(made_.activities.size());
        for (const int resource : holds) {
            made_.order[at(resource)].push_back(index);
        }
        Activity& activity = made_.activities.emplace_back();
        activity.steps_begin = activity.steps_end = static_cast<int>(made_.steps.size());
        activity.holds = std::move(holds);
        return activity;
    }

    // To the latest activity.
    int add_step(Time work, unsigned works, const Event& event) {
        Activity::Step& step = made_.steps.emplace_back();
        step.work = work;
        step.works = works;
        step.events_begin = static_cast<int>(made_.events.size());
        made_.events.push_back(event);
        step.events_end = static_cast<int>(made_.events.size());
        made_.activities.back().steps_end = static_cast<int>(made_.steps.size());
        return static_cast<int>(made_.steps.size()) - 1;
    }

    // A copy's latency passes before its bytes flow, which take the rest of its time if alone.
    void add_copy(int index, int tensor, int to) {
        const Task& task = problem_.tasks[at(index)];
        const Maker maker = makers_[at(tensor)];
        const int from = problem_.devices[at(maker.device)].memory;
        const int pair = from * problem_.memories + to;
        const int engine = problem_.engine[at(pair)];
        const Time time = problem_.copy(tensor, maker.layout, from, to);
        if (engine < 0 || time >= kNever) {
            refuse_copy(problem_, task, tensor, from, to);
        }
        begin_activity({resource_of_engine(engine)})
            .waits.push_back({place(tensor, from, maker.layout).step, {}});
        const int bus = problem_.bus.empty() ? -1 : problem_.bus[at(pair)];
        const std::size_t copy =
            at((tensor * problem_.layouts + maker.layout) * problem_.memories * problem_.memories +
               pair);
        const std::int64_t bytes = bus < 0 ? 0 : problem_.copy_bytes[copy];
        const Time latency = bytes > 0 ? problem_.copy_latencies[copy] : time;
        int step = add_step(latency,
                            0,
                            {.kind = EventKind::copy,
                             .resource = engine,
                             .task = task.first == problem_.layers() - 1 ? -1 : index,
                             .tensor = tensor,
                             .from = from,
                             .to = to});
        if (bytes > 0) {
            // Where a copy takes its latency alone, however many bytes it has, the bus is what
            // bounds them.
            const BytesPerSecond bandwidth = problem_.buses[at(bus)].bandwidth;
            const Time flow = time > latency ? time - latency : Bytes{bytes} / bandwidth;
            Activity::Step flowing = made_.steps.back();
            flowing.work = flow;
            flowing.bus = bus;
            flowing.rate = static_cast<double>(bytes) * 1e12 / static_cast<double>(flow.count());
            flowing.continues = true;
            made_.steps.push_back(flowing);
            step = made_.activities.back().steps_end++;
        }
        place(tensor, to, maker.layout) = {step, false};
    }

    void add_task(int index, int submitted, const std::vector<int>& configurations) {
        const Task& task = problem_.tasks[at(index)];
        const std::vector<int> devices = devices_of(task);
        const auto memory_of = [&](int device) { return problem_.devices[at(device)].memory; };

        // 1. Copies, and what the task waits for.
        std::vector<Activity::Wait> waits;
        if (submitted >= 0) {
            waits.push_back({submitted, {}});
        }
        for (const int d : devices) {
            const ProblemDevice& device = problem_.devices[at(d)];
            for (const TaskInput& input : task.inputs) {
                const Maker maker = makers_[at(input.tensor)];
                const ProblemDevice& by = problem_.devices[at(maker.device)];
                const bool converted = place(input.tensor, device.memory, input.layout).step >= 0;
                if (!converted && place(input.tensor, device.memory, maker.layout).step < 0) {
                    add_copy(index, input.tensor, device.memory);
                }
                const int layout = converted ? input.layout : maker.layout;
                const Place& there = place(input.tensor, device.memory, layout);
                Time lag{};
                if (by.asynchronous && !device.asynchronous && !there.by_host) {
                    lag = by.completion;
                }
                if (by.asynchronous && device.asynchronous && maker.device != d &&
                    device.memory == by.memory && layout == maker.layout &&
                    !problem_.synchronise.empty()) {
                    lag = problem_.synchronise[at(device.memory)];
                }
                waits.push_back({there.step, lag});
            }
        }

        // 2. What it holds, and its steps.
        std::vector<int> holds;
        for (const int d : devices) {
            holds.push_back(resource_of(d));
        }
        for (const int engine : task.engines) {
            holds.push_back(resource_of_engine(engine));
        }
        Activity& activity = begin_activity(std::move(holds));
        activity.waits = std::move(waits);
        for (const int d : devices) {
            if (configurations[at(d)] >= 0) {
                activity.needs.push_back({d, configurations[at(d)]});
            }
        }
        unsigned works = 0;
        for (const int d : devices) {
            works |= 1u << d;
            for (const TaskInput& input : task.inputs) {
                Place& there = place(input.tensor, memory_of(d), input.layout);
                if (there.step >= 0) {
                    continue;
                }
                const int from = makers_[at(input.tensor)].layout;
                const Time time = problem_.convert(input.tensor, d, from, input.layout);
                if (time >= kNever) {
                    refuse_conversion(problem_, task, d, input, from);
                }
                there.step = add_step(time,
                                      1u << d,
                                      {.kind = EventKind::conversion,
                                       .resource = d,
                                       .task = index,
                                       .tensor = input.tensor,
                                       .from = from,
                                       .to = input.layout});
                there.by_host = !problem_.devices[at(d)].asynchronous;
            }
        }
        const int step =
            add_step(task.cost,
                     works,
                     {.kind = EventKind::task, .resource = devices.front(), .task = index});
        for (std::size_t i = 1; i < devices.size(); ++i) {
            made_.events.push_back(
                {.kind = EventKind::task, .resource = devices[i], .task = index});
        }
        made_.steps.back().events_end = static_cast<int>(made_.events.size());

        // 3. The result.
        makers_[at(task.last)] = {task.device, task.out_layout};
        place(task.last, memory_of(task.device), task.out_layout) = {step, false};
    }

    const Problem& problem_;
    const Mapping& mapping_;
    Activities made_;
    std::vector<Place> places_;  // by tensor, memory, layout
    std::vector<Maker> makers_;  // by tensor
};

// Sums and quotients of doubles are off by less than this, in picoseconds, for steps of seconds; a
// picosecond more or less after that harms nothing.
constexpr double kRounding = 1e-3;

class Engine {
public:
    Engine(const Problem& problem, const Activities& activities, int in_flight, int most)
        : problem_(problem),
          activities_(activities),
          in_flight_(in_flight),
          most_(most),
          busy_(activities.order.size(), 0),
          free_since_(activities.order.size()),
          loaded_(problem.devices.size(), -1),
          followers_(activities.steps.size()) {
        for (std::size_t a = 0; a < activities.activities.size(); ++a) {
            for (const Activity::Wait& wait : activities.activities[a].waits) {
                followers_[at(wait.step)].push_back({static_cast<int>(a), wait.lag});
            }
        }
        for (const Activity::Step& step : activities.steps) {
            has_flows_ |= step.bus >= 0;
        }
    }

    FrameRun run() {
        admit();
        while (!inside_.empty()) {
            // 1. Everything that happens now.
            bool ended = false;
            for (bool changed = true; changed;) {
                changed = start_all();
                for (std::size_t i = 0; i < running_.size();) {
                    if (running_[i].finish > now_) {
                        ++i;
                        continue;
                    }
                    changed = true;
                    if (next_step(running_[i])) {
                        ++i;
                        continue;
                    }
                    ended |= end_activity(running_[i]);
                    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
                }
                if (ended) {
                    admit();
                }
            }
            if (ended && most_ > 1 && !stopped_) {
                look_for_repeat();
            }

            // 2. How fast it goes on, and until when nothing changes.
            set_speeds();
            Time next = kNever;
            for (const Running& one : running_) {
                next = std::min(next, one.finish);
            }
            for (const int f : inside_) {
                for (std::size_t r = 0; r < activities_.order.size(); ++r) {
                    if (const int a = head(frames_[at(f)], r); a >= 0) {
                        const State& state = frames_[at(f)];
                        if (state.missing[at(a)] == 0 && state.ready[at(a)] > now_) {
                            next = std::min(next, state.ready[at(a)]);
                        }
                    }
                }
            }
            assert(inside_.empty() || (next >= now_ && next < kNever));
            now_ = next;
        }
        for (State& state : frames_) {
            result_.frames.push_back(std::move(state.frame));
        }
        for (Frame& frame : result_.frames) {
            finish(frame);
        }
        return std::move(result_);
    }

private:
    struct State {
        Frame frame;
        std::vector<int> next;     // by resource: the activity that comes there
        std::vector<int> missing;  // by activity: steps it waits for that are not over
        std::vector<Time> ready;   // by activity: when those that are over let it start
        int left = 0;              // activities that are not over
    };
    struct Running {
        int frame = 0, activity = 0;
        int step = 0;  // before the first: loads what another frame has put out
        Time start{}, finish{};
        Time since{};          // from then on it has gone at 1 / slowdown
        double remaining = 0;  // picoseconds of work at `since`
        double slowdown = 1;
    };
    struct Follower {
        int activity = 0;
        Time lag{};
    };

    const Activity& activity(int index) const { return activities_.activities[at(index)]; }

    int head(const State& state, std::size_t resource) const {
        const std::vector<int>& order = activities_.order[resource];
        const auto next = at(state.next[resource]);
        return next < order.size() ? order[next] : -1;
    }

    void admit() {
        while (!stopped_ && static_cast<int>(inside_.size()) < in_flight_) {
            State& state = frames_.emplace_back();
            state.frame.entry = now_;
            state.frame.events = activities_.events;
            state.next.assign(activities_.order.size(), 0);
            state.ready.assign(activities_.activities.size(), now_);
            for (const Activity& one : activities_.activities) {
                state.missing.push_back(static_cast<int>(one.waits.size()));
            }
            state.left = static_cast<int>(activities_.activities.size());
            inside_.push_back(static_cast<int>(frames_.size()) - 1);
            result_.ended = ended_;
            stopped_ = static_cast<int>(frames_.size()) >= most_;
        }
    }

    // Every resource that is free takes the next activity of the oldest frame that has one ready.
    bool start_all() {
        bool any = false;
        for (std::size_t r = 0; r < busy_.size(); ++r) {
            for (const int f : inside_) {
                if (busy_[r]) {
                    break;
                }
                const State& state = frames_[at(f)];
                const int a = head(state, r);
                if (a < 0 || state.missing[at(a)] > 0 || state.ready[at(a)] > now_) {
                    continue;
                }
                const bool all = std::ranges::all_of(activity(a).holds, [&](int held) {
                    return !busy_[at(held)] && head(state, at(held)) == a;
                });
                if (!all) {
                    continue;
                }
                start(f, a);
                any = true;
            }
        }
        return any;
    }

    void start(int f, int a) {
        const Activity& one = activity(a);
        State& state = frames_[at(f)];
        for (const int held : one.holds) {
            busy_[at(held)] = 1;
            ++state.next[at(held)];
        }
        Running running{.frame = f, .activity = a, .step = one.steps_begin - 1};
        running.start = running.finish = running.since = now_;
        bool is_loaded = true;
        for (const auto [device, configuration] : one.needs) {
            if (loaded_[at(device)] == configuration) {
                continue;
            }
            loaded_[at(device)] = configuration;
            is_loaded = false;
            if (one.loads) {
                continue;
            }
            const Time load = problem_.devices[at(device)].reconfiguration;
            const int task =
                activities_.events[at(activities_.steps[at(one.steps_begin)].events_begin)].task;
            state.frame.events.push_back({.kind = EventKind::reconfiguration,
                                          .resource = device,
                                          .task = task,
                                          .start = running.finish,
                                          .end = running.finish + load,
                                          .waited = running.finish - free_of(device)});
            running.finish += load;
            free_of(device) = running.finish;
        }
        if (running.finish == now_) {
            next_step(running);
        }
        if (one.loads && is_loaded) {
            running.finish = now_;
        }
        running_.push_back(running);
    }

    // When the resource of a device was last seen at work.
    Time& free_of(int device) {
        return free_since_[problem_.devices[at(device)].asynchronous ? at(device) : 0];
    }
    Time& free_of(const Event& event) {
        return event.kind == EventKind::copy
                   ? free_since_[problem_.devices.size() + at(event.resource)]
                   : free_of(event.resource);
    }

    // Ends the step, if one is running, and begins the next; false if there is none.
    bool next_step(Running& running) {
        State& state = frames_[at(running.frame)];
        std::vector<Event>& events = state.frame.events;
        if (running.step >= activity(running.activity).steps_begin) {
            const Activity::Step& over = activities_.steps[at(running.step)];
            for (int e = over.events_begin; e < over.events_end; ++e) {
                events[at(e)].end = now_;
                free_of(events[at(e)]) = now_;
            }
            for (const auto [follower, lag] : followers_[at(running.step)]) {
                --state.missing[at(follower)];
                state.ready[at(follower)] = std::max(state.ready[at(follower)], now_ + lag);
            }
        }
        if (++running.step >= activity(running.activity).steps_end) {
            return false;
        }
        const Activity::Step& step = activities_.steps[at(running.step)];
        if (!step.continues) {
            for (int e = step.events_begin; e < step.events_end; ++e) {
                events[at(e)].start = now_;
                if (events[at(e)].kind != EventKind::copy &&
                    events[at(e)].kind != EventKind::submission) {
                    events[at(e)].waited = now_ - free_of(events[at(e)]);
                }
            }
        }
        running.start = running.since = now_;
        running.finish = now_ + step.work;
        running.remaining = static_cast<double>(step.work.count());
        running.slowdown = 1;
        return true;
    }

    // True if its frame is through.
    bool end_activity(const Running& running) {
        for (const int held : activity(running.activity).holds) {
            busy_[at(held)] = 0;
            free_since_[at(held)] = now_;
        }
        State& state = frames_[at(running.frame)];
        if (--state.left > 0) {
            return false;
        }
        state.frame.end = now_;
        std::erase(inside_, running.frame);
        ++ended_;
        return true;
    }

    void set_speeds() {
        if (problem_.contention.empty() && !has_flows_) {
            return;
        }
        std::vector<double> slowdown(running_.size(), 1.0);
        const auto step_of = [&](const Running& one) -> const Activity::Step* {
            return one.step < activity(one.activity).steps_begin ? nullptr
                                                                 : &activities_.steps[at(one.step)];
        };

        // 1. Devices: by all others that work now; of a divided layer, by those on the device that
        //    suffers most.
        unsigned working = 0;
        for (const Running& one : running_) {
            if (const Activity::Step* const step = step_of(one); step != nullptr) {
                working |= step->works;
            }
        }
        const int devices = static_cast<int>(problem_.devices.size());
        for (std::size_t i = 0; i < running_.size() && !problem_.contention.empty(); ++i) {
            const Activity::Step* const step = step_of(running_[i]);
            for (int d = 0; step != nullptr && d < devices; ++d) {
                if (!(step->works >> d & 1)) {
                    continue;
                }
                double factor = 1;
                for (unsigned others = working & ~step->works; others != 0; others &= others - 1) {
                    factor *= problem_.contention[at(d * devices + std::countr_zero(others))];
                }
                slowdown[i] = std::max(slowdown[i], factor);
            }
        }

        // 2. Buses: the slowest first, each gets what it can take of an equal share of what is
        // left.
        for (int bus = 0; bus < static_cast<int>(problem_.buses.size()); ++bus) {
            std::vector<std::pair<double, std::size_t>> flows;  // by its own rate
            for (std::size_t i = 0; i < running_.size(); ++i) {
                if (const Activity::Step* const step = step_of(running_[i]);
                    step != nullptr && step->bus == bus) {
                    flows.emplace_back(step->rate, i);
                }
            }
            std::ranges::sort(flows);
            double left = problem_.buses[at(bus)].bandwidth.rate;
            for (std::size_t k = 0; k < flows.size(); ++k) {
                const auto [rate, i] = flows[k];
                const double share = std::min(rate, left / static_cast<double>(flows.size() - k));
                left -= share;
                slowdown[i] = std::max(1.0, rate / share);
            }
        }

        // 3. What goes on as before keeps its end, so that nothing is rounded twice.
        for (std::size_t i = 0; i < running_.size(); ++i) {
            Running& one = running_[i];
            if (slowdown[i] == one.slowdown) {
                continue;
            }
            one.remaining -= static_cast<double>((now_ - one.since).count()) / one.slowdown;
            one.remaining = std::max(one.remaining, 0.0);
            one.since = now_;
            one.slowdown = slowdown[i];
            const double rest = std::ceil(one.remaining * one.slowdown - kRounding);
            // Never sooner than alone, and never in the past.
            one.finish = std::max({now_,
                                   now_ + Time{static_cast<std::int64_t>(std::max(rest, 0.0))},
                                   one.start + activities_.steps[at(one.step)].work});
        }
    }

    // All that decides what comes, with times from now on. Two equal ones have the same future.
    std::vector<std::int64_t> state_now() const {
        std::vector<std::int64_t> words;
        for (const int f : inside_) {
            const State& state = frames_[at(f)];
            words.insert(words.end(), state.next.begin(), state.next.end());
            for (std::size_t a = 0; a < state.ready.size(); ++a) {
                if (state.ready[a] > now_) {
                    words.push_back(static_cast<std::int64_t>(a));
                    words.push_back((state.ready[a] - now_).count());
                }
            }
            words.push_back(-1);
            words.push_back((now_ - state.frame.entry).count());
        }
        for (const Running& one : running_) {
            const auto frame = std::ranges::find(inside_, one.frame) - inside_.begin();
            for (const std::int64_t word : {static_cast<std::int64_t>(frame),
                                            static_cast<std::int64_t>(one.activity),
                                            static_cast<std::int64_t>(one.step),
                                            (now_ - one.start).count(),
                                            (one.finish - now_).count(),
                                            (now_ - one.since).count(),
                                            std::bit_cast<std::int64_t>(one.remaining),
                                            std::bit_cast<std::int64_t>(one.slowdown)}) {
                words.push_back(word);
            }
        }
        words.insert(words.end(), loaded_.begin(), loaded_.end());
        return words;
    }

    void look_for_repeat() {
        const auto [seen, is_new] = seen_.emplace(state_now(), ended_);
        if (is_new) {
            return;
        }
        result_.repeat_begin = seen->second;
        result_.repeat_end = ended_;
        result_.ended = ended_;
        stopped_ = true;
    }

    // Loading what is loaded already is no event.
    static void finish(Frame& frame) {
        std::erase_if(frame.events, [](const Event& event) {
            return event.kind == EventKind::reconfiguration && event.start == event.end;
        });
        std::ranges::stable_sort(frame.events,
                                 [](const Event& a, const Event& b) { return a.start < b.start; });
    }

    const Problem& problem_;
    const Activities& activities_;
    int in_flight_, most_;
    Time now_{};
    std::vector<State> frames_;
    std::vector<int> inside_;  // frames, the oldest first
    std::vector<Running> running_;
    std::vector<char> busy_;                         // by resource
    std::vector<Time> free_since_;                   // by resource
    std::vector<int> loaded_;                        // by device: configuration
    std::vector<std::vector<Follower>> followers_;   // by step
    std::map<std::vector<std::int64_t>, int> seen_;  // states, and how many frames had ended
    FrameRun result_;
    int ended_ = 0;
    bool stopped_ = false, has_flows_ = false;
};

}  // namespace

Activities activities_of(const Problem& problem, const Mapping& mapping) {
    check_cover(problem, mapping);
    return Builder(problem, mapping).build();
}

FrameRun run_frames(const Problem& problem, const Activities& activities, int in_flight, int most) {
    assert(in_flight >= 1 && most >= 1);
    return Engine(problem, activities, in_flight, most).run();
}

Schedule simulate_activities(const Problem& problem, const Mapping& mapping) {
    Frame frame =
        std::move(run_frames(problem, activities_of(problem, mapping), 1, 1).frames.front());
    return {.makespan = frame.end, .events = std::move(frame.events)};
}

bool needs_activities(const Problem& problem) {
    return std::ranges::any_of(problem.contention, [](double factor) { return factor > 1; }) ||
           std::ranges::any_of(problem.bus, [](int bus) { return bus >= 0; }) ||
           std::ranges::any_of(problem.devices, [](const ProblemDevice& device) {
               return device.reconfiguration > Time{};
           });
}

}  // namespace sim
