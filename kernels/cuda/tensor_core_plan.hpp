#pragma once

// Makes the DotUnit of a layer and what follows it: weights in the order of the fragments, where
// windows and taps are, limits by border class. Needs no CUDA, so that tests on the host can use
// it; no loop over data is here. Everything goes into one buffer of constants.

#include "kernels/chain.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/tensor_core_unit.hpp"
#include "kernels/geometry.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace kernels::cuda {

// A layer and what is fused with it.
struct DotRequest {
    const Step* dot = nullptr;
    Shape input;
    bool add = false;
    const Step* threshold = nullptr;
    const Step* pool = nullptr;  // 2x2, see fits_pool()
    bool sums = false;           // sums are written, beside the bits if there is a threshold
    int batch = 1;
    Multiply multiply = Multiply::bit_and;
};

// Do windows neither overlap nor reach over the border?
bool fits_pool(const Step& pool);

// Can a unit be made of it? Padded windows must have codes, indices must fit.
bool fits_unit(const DotRequest& request);

// Appends the unit's tables to `constant`. How its work is divided is still to be said.
DotUnit append_unit(std::vector<std::byte>& constant, const DotRequest& request);

// Steps of the product; all that divisions_of() has to know before there is a unit.
int steps_of(const DotRequest& request);

// The place of a channel among the 64 of its group: which sixteen rows of the product, which row of
// them. Rows r and r + 8 of the i-th are channels 8 r + 2 i and the next, so that lane r holds 8
// neighbours.
struct Row {
    int tile, row;
};
Row row_of(int channel);

// A threshold as (x ^ flip) >= threshold, for whole words of channels; never for those that are not
// there. x <= t is ~x >= ~t: complement turns the order round, and nothing can overflow.
struct Complemented {
    std::vector<std::int32_t> thresholds, flips;
};
Complemented complemented(const Step& threshold, int channels);

// Appends a table and says where it is, in bytes.
template <class Value>
unsigned append(std::vector<std::byte>& constant, const std::vector<Value>& values) {
    constexpr std::size_t kAlignment = 128;
    constant.resize((constant.size() + kAlignment - 1) / kAlignment * kAlignment);
    const std::size_t at = constant.size();
    constant.resize(at + values.size() * sizeof(Value));
    if (!values.empty()) {
        std::memcpy(constant.data() + at, values.data(), values.size() * sizeof(Value));
    }
    return static_cast<unsigned>(at);
}

// ---- How work is divided -----------------------------------------------------------------------

struct DotDivision {
    int tiles = 2;    // of 8 positions, for a warp
    int warps_k = 1;  // that share a tile

    std::string name() const;  // "64x64", "16x64k4"
};

int position_tiles(const DotUnit& unit);

// `warps` of a block that do not share a tile lie along the positions as far as there are some;
// large tiles lie in a square.
void divide(DotUnit& unit, const DotDivision& division, int warps);

unsigned warps_of(const DotUnit& unit);
unsigned shared_bytes_of(const DotUnit& unit);

// The divisions that make sense, the most promising first: large tiles read less for what they
// compute, but a device wants some warps for each multiprocessor.
std::vector<DotDivision> divisions_of(const DotUnit& unit, int most_tiles, int compute_units);

DotKernel kernel_for(const DotKernels& kernels, const DotDivision& division);

}  // namespace kernels::cuda
