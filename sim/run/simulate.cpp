#include "sim/run/simulate.hpp"

#include "sim/run/engine.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace sim {
namespace {

// Ordered by (start, sequence). The events of a resource are in order already, so with few
// resources they are merged.
void sort_by_start(const Problem& problem, const Plan& plan, std::vector<Event>& events) {
    constexpr int kFew = 16;
    if (plan.resources > kFew) {
        std::ranges::stable_sort(events, {}, &Event::start);
        return;
    }
    std::vector<std::vector<std::size_t>> of_resource(at(plan.resources));
    for (std::size_t e = 0; e < events.size(); ++e) {
        of_resource[at(plan.resource_of(problem, events[e]))].push_back(e);
    }
    struct Head {
        std::size_t resource = 0, place = 0;
    };
    std::vector<Head> heads;
    for (std::size_t r = 0; r < of_resource.size(); ++r) {
        if (!of_resource[r].empty()) {
            heads.push_back({r, 0});
        }
    }
    const auto event_at = [&](const Head& head) { return of_resource[head.resource][head.place]; };
    std::vector<Event> sorted;
    sorted.reserve(events.size());
    while (!heads.empty()) {
        const auto next = std::ranges::min_element(heads, [&](const Head& a, const Head& b) {
            const std::size_t x = event_at(a), y = event_at(b);
            return events[x].start != events[y].start ? events[x].start < events[y].start : x < y;
        });
        sorted.push_back(events[event_at(*next)]);
        if (++next->place == of_resource[next->resource].size()) {
            heads.erase(next);
        }
    }
    events = std::move(sorted);
}

// Every action starts when all that it holds is free and all that it waits for is over. Those
// before it in the plan are all that it can depend on.
Schedule forward_pass(const Problem& problem, const Plan& plan) {
    Schedule schedule;
    schedule.events = plan.events;
    std::vector<Time> free(at(plan.resources));
    std::vector<Time> ends(plan.steps.size());
    for (const Plan::Action& action : plan.actions) {
        Time now{};
        for (const int held : plan.holds_of(action)) {
            now = std::max(now, free[at(held)]);
        }
        for (const Plan::Wait& wait : plan.waits_of(action)) {
            now = std::max(now, ends[at(wait.step)] + wait.lag);
        }
        for (int s = action.steps_begin; s < action.steps_end; ++s) {
            const Plan::Step& step = plan.steps[at(s)];
            const Time end = now + step.work;
            ends[at(s)] = end;
            for (int e = step.events_begin; e < step.events_end; ++e) {
                Event& event = schedule.events[at(e)];
                event.end = end;
                if (!step.continues) {
                    event.start = now;
                }
                if (event.kind == EventKind::task || event.kind == EventKind::conversion) {
                    event.waited = now - free[at(plan.resource_of(problem, event))];
                }
            }
            for (int e = step.events_begin; e < step.events_end; ++e) {
                free[at(plan.resource_of(problem, schedule.events[at(e)]))] = end;
            }
            now = end;
        }
        for (const int held : plan.holds_of(action)) {
            free[at(held)] = now;
        }
    }
    schedule.makespan = free[Plan::kDispatcher];
    sort_by_start(problem, plan, schedule.events);
    return schedule;
}

// A team that finds a tensor where it lies has nothing to do; its task waited for it then.
void drop_idle_handovers(const Problem& problem, std::vector<Event>& events) {
    std::vector<Time> waited(problem.tasks.size());
    const auto is_idle = [&](const Event& event) {
        return event.start == event.end && is_handover(problem, event);
    };
    for (Event& event : events) {
        if (is_idle(event)) {
            waited[at(event.task)] += event.waited;
        } else if (event.kind == EventKind::task || event.kind == EventKind::conversion) {
            event.waited += std::exchange(waited[at(event.task)], Time{});
        }
    }
    std::erase_if(events, is_idle);
}

}  // namespace

Schedule simulate(const Problem& problem, const Plan& plan) {
    Schedule schedule =
        is_interacting(problem) ? simulate_interacting(problem, plan) : forward_pass(problem, plan);
    if (!problem.same_bits.empty()) {
        drop_idle_handovers(problem, schedule.events);
    }
    return schedule;
}

Schedule simulate(const Problem& problem, const Mapping& mapping) {
    return simulate(problem, plan_of(problem, mapping));
}

}  // namespace sim
