#pragma once

// The table of kernel variants: the tests, the calibrator and the executor all read it.
//
// A new variant is a file in kernels/cpu/ with a function that returns it, and one row in
// registry.cpp; docs/extending.md tells more. A good place to start reading is
// cpu/conv_reference.cpp, which defines the results.

#include "kernels/chain.hpp"
#include "kernels/thread_pool.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kernels {

// The part of the output that one thread makes. Rows are rows of the chain's output; channels
// begin and end at multiples of 64 (or the end), so no two threads write one word.
struct Slice {
    int image_begin = 0, image_end = 0;
    int row_begin = 0, row_end = 0;
    int channel_begin = 0, channel_end = 0;
    int index = 0;  // which slice: scratch memory is by slice
};

// How the work is split over threads: along the images of the batch (x), output rows (y), output
// channels (z), or two or three of them, as HEP-BNN names its configurations.
struct Configuration {
    int threads = 1;
    std::string axes = {};  // "" for one thread, else "x", "y", "z", "xy", ...

    std::string name() const;  // "1", "2x", "4yz"
    friend bool operator==(const Configuration&, const Configuration&) = default;
};

struct Tensors {
    const std::byte* input = nullptr;
    const std::byte* second_input = nullptr;  // where a step reads one
    std::byte* output = nullptr;
    std::span<const std::byte* const> more = {};  // concat: the third input and so on
    std::byte* second_output = nullptr;           // of chains with a second result
};

// Computes one slice of those that it was made for, with weights packed as it wants them and
// scratch memory for each slice. Different slices may run at the same time.
using Body = std::function<void(const Tensors&, const Slice&)>;

struct Variant {
    std::string_view name;  // "scalar", "avx2", "avx512", ...
    std::string_view summary;
    Layout layout = Layout::nhwc;             // of its inputs and outputs
    bool (*supported)() = nullptr;            // can this machine run it, now?
    bool (*accepts)(const Chain&) = nullptr;  // but for second results: ask `takes`
    Body (*prepare)(const Chain&, std::span<const Slice>) = nullptr;
    int longest_chain = 3;          // layers
    std::string_view axes = "xyz";  // that its work may be divided along
    // Takes layers of binarized networks, or else f32 or 8-bit integers alone.
    bool for_bits = true;
    // Whether `accepts` knows of second results, of the same height, width and channels as the
    // last.
    bool gives_two_results = false;
    std::string_view needs = {};  // what a machine has that can run it
    // The file of the shared library that runs it, for what is carried to other machines; null:
    // none.
    std::string (*library)() = nullptr;
};

// Every variant built into this binary, the reference first.
std::span<const Variant> variants();
const Variant* find_variant(std::string_view name);  // nullptr if there is none

// Can the variant compute the chain?
bool takes(const Variant& variant, const Chain& chain);

// Configurations that make sense for a chain: 1, and every split of `threads` over some of the axes
// that leaves no thread without work. `threads` is the most the machine has.
std::vector<Configuration> configurations(const Chain& chain,
                                          int threads,
                                          std::string_view axes = "xyz");

// The slices of a configuration; at most `threads` of them, in a fixed order.
std::vector<Slice> slices_of(const Chain& chain, const Configuration& configuration);

// A kernel ready to run: variant x configuration for one chain.
class Kernel {
public:
    // Throws std::invalid_argument if the variant does not accept the chain.
    Kernel(const Variant& variant, const Chain& chain, const Configuration& configuration);

    // Returns when the output is complete. One thread at a time.
    void run(const Tensors& tensors, ThreadPool& pool) const;

private:
    std::vector<Slice> slices_;
    Body body_;
};

// Converts between layouts: a real cost, measured like a kernel.
void convert(const Shape& shape,
             int batch,
             Layout from,
             Layout to,
             const std::byte* source,
             std::byte* destination);

}  // namespace kernels
