#include "sim/search/certificate.hpp"

#include "sim/index.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/bounds.hpp"

#include <algorithm>
#include <cstdint>

namespace sim {

using namespace internal;

namespace {

class Climb {
public:
    Climb(const Problem& problem,
          Time makespan,
          std::size_t most,
          const std::function<bool()>& stop)
        : problem_(problem),
          makespan_(makespan.count()),
          most_(most),
          stop_(stop),
          evaluator_(problem),
          bounds_(problem, {.load = false, .modules = false}),
          scratch_(bounds_.scratch()) {}

    std::optional<std::vector<Mapping>> run() {
        if (!visit(0)) {
            return std::nullopt;
        }
        return std::move(beginnings_);
    }

private:
    // False if there is no certificate.
    bool visit(int layer) {
        if (++visited_ % kVisitsBetweenStops == 0 && stop_ && stop_()) {
            return false;
        }
        if (layer == problem_.layers()) {
            return !evaluator_.core.possible || evaluator_.core.dispatcher >= makespan_;
        }
        if (!evaluator_.core.possible ||
            bounds_(evaluator_, layer, makespan_, scratch_) >= makespan_) {
            beginnings_.push_back(path_);
            return beginnings_.size() <= most_;
        }
        for (const int k : problem_.starting[at(layer)]) {
            const std::vector<int>& rest = problem_.tasks[at(k)].rest;
            if (std::any_of(rest.begin(), rest.end(), [&](int other) {
                    return evaluator_.covered[at(other)] != 0;
                })) {
                continue;
            }
            evaluator_.push(k);
            path_.push_back(k);
            const bool good = visit(evaluator_.next_layer(layer + 1));
            path_.pop_back();
            evaluator_.pop();
            if (!good) {
                return false;
            }
        }
        return true;
    }

    static constexpr std::uint64_t kVisitsBetweenStops = 4096;

    const Problem& problem_;
    const Ticks makespan_;
    const std::size_t most_;
    const std::function<bool()>& stop_;
    std::uint64_t visited_ = 0;
    Evaluator evaluator_;
    Bounds bounds_;
    Bounds::Scratch scratch_;
    Mapping path_;
    std::vector<Mapping> beginnings_;
};

}  // namespace

std::optional<std::vector<Mapping>> certificate(const Problem& problem,
                                                Time makespan,
                                                std::size_t most,
                                                const std::function<bool()>& stop) {
    return Climb(problem, makespan, most, stop).run();
}

std::string uncertifiable(const Problem& problem, const Goal& goal) {
    if (!goal.is_latency()) {
        return "certificates are of the least latency, among all mappings";
    }
    if (!is_basic(problem)) {
        return "certificates are for problems without divided layers, budgets, capacities, "
               "contention, buses, reconfiguration and synchronisation";
    }
    return {};
}

}  // namespace sim
