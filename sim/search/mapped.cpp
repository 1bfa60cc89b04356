#include "sim/search/mapped.hpp"

#include "sim/describe/twins.hpp"
#include "sim/error.hpp"
#include "sim/search/twins.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace sim {
namespace {

// A network, compiled: with the problem, what is asked of it.
struct AskedOf {
    std::unique_ptr<Problem> problem;
    Question question;
};

AskedOf ask(const Wishes& wishes,
            const Model& network,
            const Platform& platform,
            int batch,
            const Limits& limits,
            double seconds) {
    AskedOf asked;
    asked.problem = std::make_unique<Problem>(problem_of(wishes, network, platform, batch));
    asked.question = question_of(wishes, *asked.problem);
    asked.question.baselines = true;
    asked.question.time_limit = seconds;
    SearchOptions& options = asked.question.options;
    options.memory = limits.memory;
    options.team = limits.team;
    if (limits.team != nullptr) {
        limits.team->question = batch;
    }
    options.stop = limits.stop;
    if (limits.clock) {
        asked.question.seconds = [clock = limits.clock, begin = limits.clock()] {
            return clock() - begin;
        };
    }
    if (limits.progress) {
        options.progress = [progress = limits.progress, since = asked.question.seconds, seconds](
                               Time incumbent, Time lower_bound) {
            progress(incumbent, lower_bound, since ? since() : 0, seconds);
        };
    }
    return asked;
}

// What `find` finds of each network, which have the time limit together. Those that cannot be
// mapped are told, unless none can.
template <class Find>
auto of_each(const Wishes& wishes,
             const std::vector<Model>& networks,
             const Platform& platform,
             int batch,
             const Limits& limits,
             const Find& find) {
    const double seconds = limits.seconds / static_cast<double>(networks.size());
    std::vector<decltype(find(networks.front(), std::declval<AskedOf>()))> all;
    for (const Model& network : networks) {
        try {
            all.push_back(find(network, ask(wishes, network, platform, batch, limits, seconds)));
        } catch (const InputError& error) {
            if (&network == &networks.back() && all.empty()) {
                throw;
            }
            if (limits.leaves_out) {
                limits.leaves_out(network.name + ": " + error.what());
            }
        }
    }
    return all;
}

}  // namespace

bool asks_for_accuracy(const Wishes& wishes) {
    return wishes.min_accuracy || wishes.objective == "accuracy" ||
           std::ranges::count(wishes.pareto, "accuracy") > 0;
}

std::vector<Model> networks_of(const Wishes& wishes, const Model& model) {
    return asks_for_accuracy(wishes) ? with_twins(model) : std::vector{model};
}

Mapped map_best(const Wishes& wishes,
                const std::vector<Model>& networks,
                const Platform& platform,
                int batch,
                const Limits& limits) {
    std::vector<Mapped> all =
        of_each(wishes, networks, platform, batch, limits, [](const Model& network, AskedOf asked) {
            Mapped mapped;
            mapped.answer = answer_to(asked.question, network, *asked.problem);
            mapped.problem = std::move(asked.problem);
            return mapped;
        });
    std::vector<Answer> answers;
    for (const Mapped& mapped : all) {
        answers.push_back(mapped.answer);
    }
    return std::move(all[best_of_twins(answers)]);
}

bool can_share(const Wishes& wishes) {
    return wishes.search == "branch-and-bound" && wishes.objective == "latency" &&
           wishes.pareto.empty() && !asks_for_accuracy(wishes);
}

void assist_mapping(const Wishes& wishes,
                    const Model& network,
                    const Platform& platform,
                    const Limits& limits) {
    std::map<int, AskedOfSearch> by_batch;
    assist(*limits.team, [&](int batch) -> Assisted {
        auto found = by_batch.find(batch);
        if (found == by_batch.end()) {
            const AskedOf asked = ask(wishes, network, platform, batch, limits, limits.seconds);
            found = by_batch.emplace(batch, asked_of_search(asked.question, *asked.problem)).first;
        }
        return {found->second.problem, found->second.options};
    });
}

MappedFront map_front(const Wishes& wishes,
                      const std::vector<Model>& networks,
                      const Platform& platform,
                      int batch,
                      const Limits& limits) {
    MappedFront mapped;
    std::vector<FrontAnswer> fronts = of_each(
        wishes, networks, platform, batch, limits, [&](const Model& network, AskedOf asked) {
            FrontAnswer front = front_answer_to(asked.question, network, *asked.problem);
            mapped.problems.push_back(std::move(asked.problem));
            return front;
        });
    mapped.front =
        networks.size() == 1 ? std::move(fronts.front()) : front_of_twins(std::move(fronts));
    mapped.front.model = networks.front().name;
    return mapped;
}

}  // namespace sim
