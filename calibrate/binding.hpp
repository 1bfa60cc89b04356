#pragma once

// Between the two worlds: a model's layers (sim) as the chain of steps that a kernel computes
// (kernels). The only file that maps operation names to kernels.

#include "calibrate/parameters.hpp"
#include "kernels/registry.hpp"
#include "sim/describe/model.hpp"

#include <span>
#include <string>
#include <vector>

namespace calibrate {

kernels::Shape kernel_shape(const sim::TensorShape& shape);

// What a chain of layers reads from outside: its main input, and the other operand of its `add` or
// `multiply`; or what a `concat` reads.
struct ChainInputs {
    int main = 0;                // model layers
    int second = -1;             // -1: the chain has none
    std::vector<int> more = {};  // of a concat: the third and so on
};

// Throws sim::InputError where it reads more than these.
ChainInputs inputs_of(const sim::Model& model, std::span<const int> layers);

// The chain of model layers as kernels see it; spans point into `parameters`.
// Throws sim::InputError where an operation or an element type has no kernel here.
kernels::Chain chain_of(const sim::Model& model,
                        const Parameters& parameters,
                        std::span<const int> layers,
                        int batch);

// Whether the layer may be part of a kernel's chain, by its operation, what it makes and the
// element that it reads first; all else that it reads is looked at where a chain is put together.
bool has_kernel(const sim::Model& model, const sim::Layer& layer);

// The layers that no kernel here computes.
std::vector<int> without_kernel(const sim::Model& model);

// Throws InputError where a model wants inputs or outputs elsewhere than in the host's memory: such
// run nowhere here yet.
void expect_ends_on_host(const sim::Model& model);

// Whether a kernel may compute these layers together: each has one, at most two tensors are read
// from outside, of elements and ranks that kernels know, and outside the last layer's result is,
// and perhaps an earlier one's.
bool fit_one_kernel(const sim::Model& model, std::span<const int> layers);

}  // namespace calibrate
