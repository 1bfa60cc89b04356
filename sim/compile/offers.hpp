#pragma once

// Offers: all that a platform has a cost for, chain by chain of a model, before the layers get
// their order. Measured, fitted and formula costs, layers that stream through a device, and layers
// that several devices divide between them (sim/compile/splits.hpp); nothing that a device does not
// support. Start at `offers_of`; compile() turns offers into tasks.

#include "sim/compile/formula_costs.hpp"
#include "sim/compile/problem.hpp"
#include "sim/compile/support.hpp"

#include <string>
#include <vector>

namespace sim {

struct Offer {
    std::vector<int> chain;  // indices into Model::layers
    int device = 0;
    std::string variant, configuration, in_layout, out_layout, precision;
    Measurement time;
    CostKind kind = CostKind::measured;
    Energy energy{};                 // Task::energy, where the powers it rests on are stated
    unsigned powered = 0;            // a bit for each device whose powers it rests on
    std::vector<std::int64_t> uses;  // Task::uses
    std::vector<Part> parts;         // Task::parts
    std::vector<int> links;          // that bring the parts together
    // Layers of `chain` whose results it gives and that are read outside; empty: the last alone.
    std::vector<int> results = {};
};

// The layers whose results it gives.
inline std::vector<int> results_of(const Offer& offer) {
    return offer.results.empty() ? std::vector<int>{offer.chain.back()} : offer.results;
}

// Throws InputError where `only` names nothing the platform has.
void expect_known(const Platform& platform, const std::vector<std::string>& only);

// Throws InputError naming the first layer that nothing is offered for, with what each device
// lacks.
std::vector<Offer> offers_of(const Model& model,
                             const Platform& platform,
                             const CompileOptions& options);

}  // namespace sim
