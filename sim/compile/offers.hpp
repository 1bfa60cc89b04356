#pragma once

// Offers: all that a platform has a cost for, set by set of a model's layers, before the layers get
// their order. Measured, stated, fitted and formula costs, layers that stream through a device, and
// layers that several devices divide between them (sim/compile/splits.hpp); nothing that a device
// does not support. Start at `offers_of`; compile() turns offers into tasks.

#include "sim/compile/formula_costs.hpp"
#include "sim/compile/problem.hpp"
#include "sim/compile/support.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sim {

// Throws InputError with the platform's name.
[[noreturn]] void refuse(const Platform& platform, const std::string& what);

struct Offer {
    std::vector<int> chain;    // the set of layers: indices into Model::layers, ascending
    std::vector<int> results;  // those of them whose results are made and read outside, ascending
    int device = 0;
    std::string variant, configuration, in_layout, out_layout, precision;
    Measurement time;
    CostKind kind = CostKind::measured;
    Energy energy{};                 // Task::energy, where the powers it rests on are stated
    std::uint64_t powered = 0;       // a bit for each device whose powers it rests on
    std::vector<std::int64_t> uses;  // Task::uses
    std::vector<Part> parts;         // Task::parts
    std::vector<int> links;          // that bring the parts together
};

// Throws InputError where `only` names nothing the platform has.
void expect_known(const Platform& platform, const std::vector<std::string>& only);

// In the order of their first layers. What is offered for a set of layers does not depend on
// `options.only` but that nothing else is offered. Throws InputError naming all layers that nothing
// is offered for, with what each device lacks.
std::vector<Offer> offers_of(const Model& model,
                             const Platform& platform,
                             const CompileOptions& options);

// Measured, stated and fitted costs that are for no layers of the model at any batch, one text for
// each signature or pattern, with its place in the file and why. A machine's profile holds costs
// of many models, so this is for people who wrote costs by hand, or miss one.
std::vector<std::string> unmatched_costs(const Model& model, const Platform& platform);

}  // namespace sim
