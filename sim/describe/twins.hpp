#pragma once

// Twins: the same network trained again with some layers of another precision (all f32; one block
// int8, the rest binary; ...). A device that computes a layer's weights at another precision needs
// no twin (see Accuracy in sim/describe/model.hpp); a twin has weights, a graph and costs of its
// own, and an accuracy that was measured. What asks for accuracy chooses among all of them: see
// sim/search/twins.hpp.

#include "sim/describe/model.hpp"

#include <string_view>
#include <vector>

namespace sim {

// The model, then its twins in the file's order, whose own twins do not count. Throws InputError
// at the entry of a twin that cannot be loaded, takes other inputs, gives results of other shapes,
// or has the name of another.
std::vector<Model> with_twins(const Model& model);

// The model or that of its twins which is called so, as a mapping's file says; the model if none
// is, or `name` is empty.
Model twin_named(const Model& model, std::string_view name);

}  // namespace sim
