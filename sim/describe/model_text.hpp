#pragma once

// A model from a text, before it is a file: to look at what is about to be written.

#include "sim/describe/model.hpp"

namespace sim {

// The model that `load_model` would give if the text stood in the file at `path`; throws as it
// does.
Model parse_model(const std::string& text, const std::filesystem::path& path);

}  // namespace sim
