#include "sim/run/engine.hpp"

#include "sim/run/fair_share.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <map>
#include <utility>

namespace sim {
namespace {

// Sums and quotients of doubles are off by less than this, in picoseconds, for steps of seconds; a
// picosecond more or less after that harms nothing.
constexpr double kRounding = 1e-3;

class Engine {
public:
    Engine(const Problem& problem, const Plan& plan, int in_flight, int most)
        : problem_(problem),
          plan_(plan),
          in_flight_(in_flight),
          most_(most),
          order_(at(plan.resources)),
          busy_(order_.size(), 0),
          free_since_(order_.size()),
          loaded_(problem.devices.size(), -1),
          followers_(plan.steps.size()) {
        for (std::size_t a = 0; a < plan.actions.size(); ++a) {
            for (const int held : plan.holds_of(plan.actions[a])) {
                order_[at(held)].push_back(static_cast<int>(a));
            }
            for (const Plan::Wait& wait : plan.waits_of(plan.actions[a])) {
                followers_[at(wait.step)].push_back({static_cast<int>(a), wait.lag});
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
            for (const int f : inside_) {
                for (std::size_t r = 0; r < order_.size(); ++r) {
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

    const Plan::Action& action(int index) const { return plan_.actions[at(index)]; }

    int head(const State& state, std::size_t resource) const {
        const std::vector<int>& order = order_[resource];
        const auto next = at(state.next[resource]);
        return next < order.size() ? order[next] : -1;
    }

    void admit() {
        while (!stopped_ && static_cast<int>(inside_.size()) < in_flight_) {
            State& state = frames_.emplace_back();
            state.frame.entry = now_;
            state.frame.events = plan_.events;
            state.next.assign(order_.size(), 0);
            state.ready.assign(plan_.actions.size(), now_);
            for (const Plan::Action& one : plan_.actions) {
                state.missing.push_back(one.waits_end - one.waits_begin);
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
                const bool all = std::ranges::all_of(plan_.holds_of(action(a)), [&](int held) {
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
            for (int e = over.events_begin; e < over.events_end; ++e) {
                events[at(e)].end = now_;
                free_of(events[at(e)]) = now_;
            }
            for (const auto [follower, lag] : followers_[at(running.step)]) {
                --state.missing[at(follower)];
                state.ready[at(follower)] = std::max(state.ready[at(follower)], now_ + lag);
            }
        }
        if (++running.step >= action(running.action).steps_end) {
            return false;
        }
        const Plan::Step& step = plan_.steps[at(running.step)];
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
    bool end_action(const Running& running) {
        State& state = frames_[at(running.frame)];
        for (const int held : plan_.holds_of(action(running.action))) {
            busy_[at(held)] = 0;
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
                for (Bits others = working & ~step->works; others != 0; others &= others - 1) {
                    factor *= problem_.contention[at(d * devices + std::countr_zero(others))];
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
    Time now_{};
    std::vector<State> frames_;
    std::vector<int> inside_;  // frames, the oldest first
    std::vector<Running> running_;
    std::vector<std::vector<int>> order_;            // by resource: its actions
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

FrameRun run_frames(const Problem& problem, const Plan& plan, int in_flight, int most) {
    assert(in_flight >= 1 && most >= 1);
    return Engine(problem, plan, in_flight, most).run();
}

Schedule simulate_interacting(const Problem& problem, const Plan& plan) {
    Frame frame = std::move(run_frames(problem, plan, 1, 1).frames.front());
    return {.makespan = frame.end, .events = std::move(frame.events)};
}

}  // namespace sim
