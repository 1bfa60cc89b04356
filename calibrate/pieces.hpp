#pragma once

// Pieces of a network: what kernels here compute of it, each as a network of its own. So a network
// with layers that none computes, such as a softmax or a convolution of real numbers, is measured
// where it can be, with the neighbours that its layers really have.

#include "calibrate/parameters.hpp"
#include "sim/describe/model.hpp"

#include <vector>

namespace calibrate {

struct Piece {
    sim::Model model;  // called as the whole is
    Parameters parameters;
};

// `keep`: by layer of the model, whether it belongs to a piece; an input never does. A piece is a
// connected set of kept layers. Whatever it reads from outside is an input of it, and whatever is
// read outside, or an output of the whole, is an output.
std::vector<Piece> pieces_of(const sim::Model& model,
                             const Parameters& parameters,
                             const std::vector<bool>& keep);

}  // namespace calibrate
