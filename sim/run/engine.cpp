#include "sim/run/engine.hpp"

#include "sim/run/fair_share.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

namespace sim {
namespace {

// Sums and quotients of doubles are off by less than this, in picoseconds, for steps of seconds; a
// picosecond more or less after that harms nothing.
constexpr double kRounding = 1e-3;

constexpr int kMostResources = 128;  // 64 devices and 64 engines

class Engine {
public:
    Engine(const Problem& problem, const Plan& plan, int in_flight, int most, bool keeps_events)
        : problem_(problem),
          plan_(plan),
          in_flight_(in_flight),
          most_(most),
          keeps_events_(keeps_events),
          order_begin_(at(plan.resources) + 1, 0),
          order_(plan.holds.size()),
          busy_(at(plan.resources), 0),
          free_since_(at(plan.resources)),
          loaded_(problem.devices.size(), -1),
          followers_begin_(plan.steps.size() + 1, 0),
          followers_(plan.waits.size()) {
        assert(plan.resources <= kMostResources);
        // By resource and by step, those of each in the order of the actions: counted, then placed.
        for (const Plan::Action& one : plan.actions) {
            for (const int held : plan.holds_of(one)) {
                ++order_begin_[at(held) + 1];
            }
            for (const Plan::Wait& wait : plan.waits_of(one)) {
                ++followers_begin_[at(wait.step) + 1];
            }
            missing_.push_back(one.waits_end - one.waits_begin);
        }
        std::partial_sum(order_begin_.begin(), order_begin_.end(), order_begin_.begin());
        std::partial_sum(
            followers_begin_.begin(), followers_begin_.end(), followers_begin_.begin());
        std::vector<int> next = order_begin_, next_follower = followers_begin_;
        for (std::size_t a = 0; a < plan.actions.size(); ++a) {
            for (const int held : plan.holds_of(plan.actions[a])) {
                order_[at(next[at(held)]++)] = static_cast<int>(a);
            }
            for (const Plan::Wait& wait : plan.waits_of(plan.actions[a])) {
                followers_[at(next_follower[at(wait.step)]++)] = {static_cast<int>(a), wait.lag};
            }
        }
        for (const Plan::Step& step : plan.steps) {
            has_flows_ |= step.bus >= 0;
        }
    }

    FrameRun run() {
        admit();
        while (!inside_.empty()) {
            // 1. Everything that happens now.
            while (!awaited_.empty() && awaited_.front().when <= now_) {
                look_at_resources_of(awaited_.front().action);
                std::ranges::pop_heap(awaited_, std::greater<>{}, &Awaited::when);
                awaited_.pop_back();
            }
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
                    ended |= end_action(running_[i]);
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
            if (!awaited_.empty()) {
                next = std::min(next, awaited_.front().when);
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
        std::vector<int> next;     // by resource: the action that comes there
        std::vector<int> missing;  // by action: steps it waits for that are not over
        std::vector<Time> ready;   // by action: when those that are over let it start
        int left = 0;              // actions that are not over
    };
    struct Running {
        int frame = 0, action = 0;
        int step = 0;  // before the first: loads what another frame has put out
        Time start{}, finish{};
        Time since{};          // from then on it has gone at 1 / slowdown
        double remaining = 0;  // picoseconds of work at `since`
        double slowdown = 1;
    };
    struct Follower {
        int action = 0;
        Time lag{};
    };

    struct Awaited {
        Time when{};
        int action = 0;
    };

    const Plan::Action& action(int index) const { return plan_.actions[at(index)]; }

    int head(const State& state, std::size_t resource) const {
        const int next = order_begin_[resource] + state.next[resource];
        return next < order_begin_[resource + 1] ? order_[at(next)] : -1;
    }

    // Something may be able to start there that could not before.
    void look_at(int resource) { looks_[at(resource / 64)] |= bit(resource % 64); }
    void look_at_resources_of(int index) {
        for (const int held : plan_.holds_of(action(index))) {
            look_at(held);
        }
    }

    void admit() {
        while (!stopped_ && static_cast<int>(inside_.size()) < in_flight_) {
            State& state = frames_.emplace_back();
            if (!spare_.empty()) {
                state = std::move(spare_.back());
                spare_.pop_back();
            }
            state.frame.entry = now_;
            if (keeps_events_) {
                state.frame.events = plan_.events;
            }
            state.next.assign(busy_.size(), 0);
            state.ready.assign(plan_.actions.size(), now_);
            state.missing = missing_;
            for (int r = 0; r < plan_.resources; ++r) {
                look_at(r);
            }
            state.left = static_cast<int>(plan_.actions.size());
            inside_.push_back(static_cast<int>(frames_.size()) - 1);
            result_.ended = ended_;
            stopped_ = static_cast<int>(frames_.size()) >= most_;
        }
    }

    // Every resource that is free takes the next action of the oldest frame that has one ready.
    bool start_all() {
        bool any = false;
        for (std::size_t word = 0; word < looks_.size(); ++word) {
            for (Bits left = std::exchange(looks_[word], 0); left != 0; left &= left - 1) {
                any |= start_on(64 * word + at(std::countr_zero(left)));
            }
        }
        return any;
    }

    bool start_on(std::size_t r) {
        if (busy_[r]) {
            return false;
        }
        for (const int f : inside_) {
            const State& state = frames_[at(f)];
            const int a = head(state, r);
            if (a < 0 || state.missing[at(a)] > 0 || state.ready[at(a)] > now_) {
                continue;
            }
            const bool all = std::ranges::all_of(plan_.holds_of(action(a)), [&](int held) {
                return !busy_[at(held)] && head(state, at(held)) == a;
            });
            if (all) {
                start(f, a);
                return true;
            }
        }
        return false;
    }

    void start(int f, int a) {
        const Plan::Action& one = action(a);
        const bool loads = one.kind == EventKind::reconfiguration;
        State& state = frames_[at(f)];
        for (const int held : plan_.holds_of(one)) {
            busy_[at(held)] = 1;
            ++state.next[at(held)];
        }
        Running running{.frame = f, .action = a, .step = one.steps_begin - 1};
        running.start = running.finish = running.since = now_;
        bool is_loaded = true;
        for (const auto [device, configuration] : plan_.needs_of(one)) {
            if (loaded_[at(device)] == configuration) {
                continue;
            }
            loaded_[at(device)] = configuration;
            is_loaded = false;
            if (loads) {
                continue;
            }
            const Time load = problem_.devices[at(device)].reconfiguration;
            const int task = plan_.events[at(plan_.steps[at(one.steps_begin)].events_begin)].task;
            if (keeps_events_) {
                state.frame.events.push_back({.kind = EventKind::reconfiguration,
                                              .resource = device,
                                              .task = task,
                                              .start = running.finish,
                                              .end = running.finish + load,
                                              .waited = running.finish - free_of(device)});
            }
            running.finish += load;
            free_of(device) = running.finish;
        }
        if (running.finish == now_) {
            next_step(running);
        }
        if (loads && is_loaded) {
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
        if (running.step >= action(running.action).steps_begin) {
            const Plan::Step& over = plan_.steps[at(running.step)];
            for (int e = over.events_begin; keeps_events_ && e < over.events_end; ++e) {
                events[at(e)].end = now_;
                free_of(events[at(e)]) = now_;
            }
            for (int i = followers_begin_[at(running.step)];
                 i < followers_begin_[at(running.step) + 1];
                 ++i) {
                const auto [follower, lag] = followers_[at(i)];
                Time& ready = state.ready[at(follower)];
                ready = std::max(ready, now_ + lag);
                if (--state.missing[at(follower)] > 0) {
                    continue;
                }
                if (ready <= now_) {
                    look_at_resources_of(follower);
                } else {
                    awaited_.push_back({ready, follower});
                    std::ranges::push_heap(awaited_, std::greater<>{}, &Awaited::when);
                }
            }
        }
        if (++running.step >= action(running.action).steps_end) {
            return false;
        }
        const Plan::Step& step = plan_.steps[at(running.step)];
        if (keeps_events_ && !step.continues) {
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
    bool end_action(const Running& running) {
        State& state = frames_[at(running.frame)];
        for (const int held : plan_.holds_of(action(running.action))) {
            busy_[at(held)] = 0;
            look_at(held);
            free_since_[at(held)] = now_;
            if (held == Plan::kDispatcher) {  // the latest so far
                state.frame.end = now_;
            }
        }
        if (--state.left > 0) {
            return false;
        }
        std::erase(inside_, running.frame);
        ++ended_;
        if (!keeps_events_) {  // what the next one needs as well
            spare_.emplace_back();
            spare_.back().next.swap(state.next);
            spare_.back().missing.swap(state.missing);
            spare_.back().ready.swap(state.ready);
        }
        return true;
    }

    void set_speeds() {
        if (problem_.contention.empty() && !has_flows_) {
            return;
        }
        std::vector<double> slowdown(running_.size(), 1.0);
        const auto step_of = [&](const Running& one) -> const Plan::Step* {
            return one.step < action(one.action).steps_begin ? nullptr : &plan_.steps[at(one.step)];
        };

        // 1. Devices: by all others that work now; of a divided layer, by those on the device that
        //    suffers most.
        Bits working = 0;
        for (const Running& one : running_) {
            if (const Plan::Step* const step = step_of(one); step != nullptr) {
                working |= step->works;
            }
        }
        const int devices = static_cast<int>(problem_.devices.size());
        for (std::size_t i = 0; i < running_.size() && !problem_.contention.empty(); ++i) {
            const Plan::Step* const step = step_of(running_[i]);
            for (int d = 0; step != nullptr && d < devices; ++d) {
                if ((step->works & bit(d)) == 0) {
                    continue;
                }
                double factor = 1;
                const int row = (step->contention * devices + d) * devices;
                for_each_bit(working & ~step->works,
                             [&](int other) { factor *= problem_.contention[at(row + other)]; });
                for (int other = 0; !problem_.alone.empty() && other < devices; ++other) {
                    if ((working & bit(other)) == 0) {
                        factor *= problem_.alone[at(row + other)];
                    }
                }
                slowdown[i] = std::max(slowdown[i], factor);
            }
        }

        // 2. Buses: each flow's share.
        for (int bus = 0; bus < static_cast<int>(problem_.buses.size()); ++bus) {
            std::vector<std::size_t> flows;
            std::vector<BytesPerSecond> rates;
            for (std::size_t i = 0; i < running_.size(); ++i) {
                if (const Plan::Step* const step = step_of(running_[i]);
                    step != nullptr && step->bus == bus) {
                    flows.push_back(i);
                    rates.push_back(step->rate);
                }
            }
            const std::vector<BytesPerSecond> shares =
                fair_shares(problem_.buses[at(bus)].bandwidth, rates);
            for (std::size_t k = 0; k < flows.size(); ++k) {
                slowdown[flows[k]] = std::max(1.0, rates[k].rate / shares[k].rate);
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
                                   one.start + plan_.steps[at(one.step)].work});
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
                                            static_cast<std::int64_t>(one.action),
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
    const Plan& plan_;
    int in_flight_, most_;
    bool keeps_events_;
    Time now_{};
    std::vector<State> frames_;
    std::vector<int> inside_;  // frames, the oldest first
    std::vector<Running> running_;
    std::vector<int> order_begin_, order_;           // by resource: its actions
    std::vector<int> missing_;                       // by action: of a new frame
    std::array<Bits, kMostResources / 64> looks_{};  // where something may be able to start
    std::vector<Awaited> awaited_;                   // a heap: what lacks nothing but its time
    std::vector<State> spare_;                       // of frames that are through
    std::vector<char> busy_;                         // by resource
    std::vector<Time> free_since_;                   // by resource
    std::vector<int> loaded_;                        // by device: configuration
    std::vector<int> followers_begin_;               // by step
    std::vector<Follower> followers_;
    std::map<std::vector<std::int64_t>, int> seen_;  // states, and how many frames had ended
    FrameRun result_;
    int ended_ = 0;
    bool stopped_ = false, has_flows_ = false;
};

}  // namespace

FrameRun run_frames(
    const Problem& problem, const Plan& plan, int in_flight, int most, bool keeps_events) {
    assert(in_flight >= 1 && most >= 1);
    return Engine(problem, plan, in_flight, most, keeps_events).run();
}

Schedule simulate_interacting(const Problem& problem, const Plan& plan) {
    Frame frame = std::move(run_frames(problem, plan, 1, 1).frames.front());
    return {.makespan = frame.end, .events = std::move(frame.events)};
}

}  // namespace sim
