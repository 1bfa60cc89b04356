#pragma once

// The plan: all that a mapping makes the machine do, without its times. Rules 1 to 5 of
// docs/execution-model.md are spelled here, and nowhere else in so many words: what is submitted
// together, what is copied over which links and in which order, what is converted and by which
// device, and what each of these waits for.
//
// Start at `plan_of`. `simulate` puts times to a plan; the engine does where what runs at the same
// time interacts, for frame after frame; energy and memory are read off it; the executor does what
// it says. The evaluator is a fast form of the same rules, and the tests compare the two.

#include "sim/compile/problem.hpp"
#include "sim/run/schedule.hpp"

#include <optional>
#include <span>
#include <vector>

namespace sim {

struct Plan {
    // Resources: the dispatcher, with all synchronous devices; then the devices, by number; then
    // the engines.
    static constexpr int kDispatcher = 0;

    // Why an action waits for a step before it.
    enum class Reason {
        submitted,    // its segment's submission
        made,         // a tensor by the device that made or converted it there
        arrived,      // a tensor's copy to this memory
        seen,         // by the host: what an asynchronous device made, `completion` later
        synchronised  // by another device on the memory where it was made, `synchronise` later
    };
    struct Wait {
        int step = 0;
        Time lag{};  // after the step's end
        Reason reason = Reason::made;
        int tensor = -1;  // but for `submitted`
    };

    // A part of an action, one after the other: conversions, then the task; or a copy's latency,
    // then its bytes.
    struct Step {
        Time work{};            // alone
        Energy energy{};        // what it adds to the platform's at rest
        Bits works = 0;         // devices that work and slow each other meanwhile
        int contention = 0;     // which of the problem's tables says by how much
        int bus = -1;           // whose bandwidth its bytes share
        BytesPerSecond rate{};  // of its bytes, alone
        int events_begin = 0, events_end = 0;
        bool continues = false;  // its event began with the step before
    };

    struct Configuration {
        int device = 0, index = 0;
    };

    // A submission, a task with its conversions, a copy, or the loading of a configuration. It
    // starts when it is next on everything that it holds, all of that is free, and all that it
    // waits for is over.
    struct Action {
        EventKind kind = EventKind::task;  // never `conversion`: those are steps of tasks
        int device = 0;       // submission, loading: to which, of which; task: its own; copy: -1
        int task = -1;        // task, loading: which; submission: its first; copy: its reader
        int submission = -1;  // task of an asynchronous device: the action that submits it
        int steps_begin = 0, steps_end = 0;
        int holds_begin = 0, holds_end = 0;
        int waits_begin = 0, waits_end = 0;
        int needs_begin = 0, needs_end = 0;  // configurations, on devices that are reconfigured
    };

    // How a tensor was made.
    struct Maker {
        int task = -1, device = 0, layout = 0;
    };

    std::vector<Action> actions;  // those of a resource in the order of that resource
    std::vector<Step> steps;
    std::vector<Event> events;  // without their times
    std::vector<int> holds;     // resources
    std::vector<Wait> waits;
    std::vector<Configuration> needs;
    std::vector<Maker> makers;  // by tensor; task -1: inside a fused set
    int resources = 0;

    std::span<const int> holds_of(const Action& action) const {
        return {holds.data() + action.holds_begin, holds.data() + action.holds_end};
    }
    std::span<const Wait> waits_of(const Action& action) const {
        return {waits.data() + action.waits_begin, waits.data() + action.waits_end};
    }
    std::span<const Configuration> needs_of(const Action& action) const {
        return {needs.data() + action.needs_begin, needs.data() + action.needs_end};
    }
    const Event& event_of(const Action& action) const {  // its last: of a task, the task's own
        return events[at(steps[at(action.steps_end - 1)].events_begin)];
    }
    int resource_of(const Problem& problem, const Event& event) const {
        const bool on_engine = event.kind == EventKind::copy;
        return on_engine ? problem.device_count() + event.resource
                         : (problem.devices[at(event.resource)].asynchronous ? event.resource
                                                                             : kDispatcher);
    }
};

// A conversion to another team of the host's threads (compile/teams.hpp): the bits stay where they
// are and as they are.
bool is_handover(const Problem& problem, const Event& event);

// A mapping comes from a user's file: that it is one is checked, not assumed. Throws InputError if
// it does not cover every layer exactly once, or a task reads what no task before it makes, or an
// early copy is of what is not made yet.
void check_cover(const Problem& problem, const Mapping& mapping);

// Throws InputError as check_cover does, and where a copy or a conversion is impossible.
Plan plan_of(const Problem& problem, const Mapping& mapping);

// Nothing where a copy or a conversion is impossible. Throws InputError as check_cover does.
std::optional<Plan> possible_plan_of(const Problem& problem, const Mapping& mapping);

// Indices of the actions that the dispatcher starts or issues, in that order: tasks of the host,
// submissions (which stand for their tasks and for the loading of configurations), and copies. A
// copy is issued as soon as what it copies is (made or submitted), in the plan's order on its
// engine. An action comes after all that it waits for.
std::vector<int> dispatch_order(const Problem& problem, const Plan& plan);

}  // namespace sim
