#include "calibrate/existence.hpp"

#include "calibrate/candidates.hpp"

#include <algorithm>

namespace calibrate {

void Existence::ask(const Device& device,
                    int index,
                    const sim::Model& model,
                    const Parameters& parameters,
                    std::span<const int> batches,
                    const std::vector<std::string>& variants) {
    constexpr int kMostImages = 16'384;
    std::set<int> wanted{batches.begin(), batches.end()};
    for (int images = 1; images <= kMostImages; images *= 2) {
        wanted.insert(images);
    }
    asked_.insert(wanted.begin(), wanted.end());
    for (const int batch : wanted) {
        for (const Candidate& c :
             candidates_on(device, index, model, parameters, batch, variants)) {
            shapes_[{index, c.key.results, sim::pattern(model, c.layers)}].insert(c.key.layers);
            batches_[{index, c.key.results, c.key.layers, c.key.variant, c.key.configuration}]
                .insert(batch);
        }
    }
}

void Existence::limit(sim::FittedCost& fit) const {
    const auto shapes = shapes_.find({fit.device, fit.results, fit.pattern});
    if (shapes == shapes_.end()) {
        return;
    }
    int largest = 0;
    for (const std::string& layers : shapes->second) {
        const auto found =
            batches_.find({fit.device, fit.results, layers, fit.variant, fit.configuration});
        if (found != batches_.end()) {
            largest = std::max(largest, *found->second.rbegin());
        }
    }
    fit.largest_batch = largest == *asked_.rbegin() ? 0 : largest;
    for (const std::string& layers : shapes->second) {
        const auto found =
            batches_.find({fit.device, fit.results, layers, fit.variant, fit.configuration});
        int present = 0;  // the last batch that has it
        for (auto batch = asked_.begin(); batch != asked_.end(); ++batch) {
            if (found != batches_.end() && found->second.contains(*batch)) {
                present = *batch;
                continue;
            }
            // Absent: up to the next that has it, from the last that had.
            auto next = batch;
            while (next != asked_.end() &&
                   (found == batches_.end() || !found->second.contains(*next))) {
                ++next;
            }
            const int to = next == asked_.end() ? *asked_.rbegin() : *next - 1;
            const bool matters =
                to >= fit.smallest_batch && (fit.largest_batch == 0 || present < fit.largest_batch);
            if (matters) {
                fit.absent.push_back({.layers = layers, .from = present + 1, .to = to});
            }
            if (next == asked_.end()) {
                break;
            }
            batch = std::prev(next);
        }
    }
}

}  // namespace calibrate
