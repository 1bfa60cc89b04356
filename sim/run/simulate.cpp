#include "sim/run/simulate.hpp"

#include "sim/run/engine.hpp"

#include <algorithm>

namespace sim {
namespace {

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
    std::ranges::stable_sort(schedule.events, {}, &Event::start);
    return schedule;
}

}  // namespace

Schedule simulate(const Problem& problem, const Plan& plan) {
    return is_interacting(problem) ? simulate_interacting(problem, plan)
                                   : forward_pass(problem, plan);
}

Schedule simulate(const Problem& problem, const Mapping& mapping) {
    return simulate(problem, plan_of(problem, mapping));
}

}  // namespace sim
