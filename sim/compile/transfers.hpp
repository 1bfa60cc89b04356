#pragma once

// Links of a platform as a problem has them: engines, transfer modes, what a copy of every tensor
// takes. Start at `add_transfers`.

#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sim {

// Copies on one engine go one after the other. Links that name none have one of their own.
struct Engines {
    std::vector<std::string> names;
    std::vector<int> of_link;
};
Engines engines_of(const Platform& platform);

// Throws InputError with the list unless `modes` is "first", "fastest" or some link's mode.
void expect_transfer_modes(const Platform& platform, const std::string& modes);

// Of the link, under CompileOptions::transfer_modes.
const TransferMode& mode_for(const Link& link, Bytes size, std::string_view modes);

// What a batch of tensors of this shape and layout is on the platform's link.
Bytes bytes_on(const Platform& platform,
               const Link& link,
               const TensorShape& shape,
               std::string_view layout,
               int batch);

// Zero where the link does not say.
Energy energy_on(const Link& link, Bytes size);

// Index in Platform::links, -1 if there is none.
int find_link(const Platform& platform, int from, int to);

// Fills everything of `problem` about links, copies, conversions and sizes of tensors; devices,
// layers and layouts must be there.
void add_transfers(Problem& problem,
                   const Model& model,
                   const Platform& platform,
                   const std::string& modes);

// What a device's changes of team take is this, and nothing else was said before.
void set_handovers(Problem& problem, int device, std::vector<Handover> handovers);

// Changes the mode of one copy. Throws InputError at `where`.
void set_transfer_mode(Problem& problem,
                       const Platform& platform,
                       int tensor,
                       int from,
                       int to,
                       const std::string& mode,
                       const SourcePosition& where);

}  // namespace sim
