// Every CUDA variant equals the reference bit by bit, in every configuration, on random chains of
// every kind, run as data the way a backend runs it, but by the emulation.

#include "kernels/cuda/variants.hpp"
#include "kernels_chains.hpp"
#include "tests/cuda_emulation/device_kernel.hpp"

#include <doctest/doctest.h>

#include <map>
#include <stdexcept>
#include <string>

using namespace kernels;
using namespace kernels_test;
using cuda_emulation::GuardedMemory;
using cuda_emulation::Order;

namespace {

const DeviceVariant& variant(std::string_view name) {
    return *find_variant(cuda::variants(), name);
}

constexpr DeviceLimits kLimits{.capability = 90,
                               .compute_units = 4,
                               .local_bytes = 48 * 1024,
                               .largest_group = 1024,
                               .cooperative = true};

// Without the filling at the end.
std::size_t used_bytes(const Shape& shape, int batch) {
    const auto pixels = static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
                        static_cast<std::size_t>(shape.width);
    return pixels * static_cast<std::size_t>(shape.element == Element::binary  ? shape.words() * 8
                                             : shape.element == Element::int32 ? shape.channels * 4
                                                                               : shape.channels);
}

std::span<const std::byte> bytes_of(const Tensor& tensor) { return {tensor.data(), tensor.size()}; }

// Runs a case with every variant that accepts it and counts the kernels.
void compare_variants(const Case& test,
                      std::uint64_t seed,
                      std::map<std::string, int>& count,
                      bool only_first = false) {
    const Chain& chain = test.owned.chain;
    CAPTURE(describe(chain));
    const Shape shape = output_of(chain);
    DeviceLimits limits = kLimits;
    if (seed % 5 == 0) {  // loops where groups are too small for everything at once
        limits.largest_group = 256;
    }
    for (const DeviceVariant& variant : cuda::variants()) {
        CAPTURE(std::string(variant.name));
        for (const std::string& configuration : variant.configurations(chain, limits)) {
            CAPTURE(configuration);
            // Half of the cases with each end of the buffers guarded, and in each order.
            const auto guard =
                seed % 2 == 0 ? GuardedMemory::Guard::behind : GuardedMemory::Guard::before;
            const Order order = seed / 2 % 2 == 0 ? Order::forward : Order::backward;
            const DeviceKernel kernel = variant.prepare(chain, configuration, limits);
            cuda_emulation::Prepared prepared(kernel, guard);
            Tensor output(tensor_bytes(shape, Layout::nhwc, chain.batch));
            for (int repeat = 0; repeat < 2; ++repeat) {  // scratch memory is reused
                std::memset(output.data(), 0xa5, output.size());
                prepared.run(bytes_of(test.input),
                             needs_second_input(chain) ? bytes_of(test.second)
                                                       : std::span<const std::byte>{},
                             {output.data(), output.size()},
                             order);
                REQUIRE(std::memcmp(output.data(),
                                    test.expected.data(),
                                    used_bytes(shape, chain.batch)) == 0);
            }
            ++count[std::string(variant.name)];
            if (only_first) {
                break;
            }
        }
    }
}

void report(const std::map<std::string, int>& count) {
    for (const DeviceVariant& variant : cuda::variants()) {
        const auto found = count.find(std::string(variant.name));
        if (variant.longest_chain <= 3) {  // variants of longer chains have tests of their own
            CHECK(found != count.end());
        }
        MESSAGE(std::string(variant.name)
                << ": " << (found == count.end() ? 0 : found->second) << " kernels compared");
    }
}

}  // namespace

TEST_CASE("every CUDA variant equals the reference on every kind of chain") {
    constexpr std::uint64_t kCasesOfAKind = 16;
    std::map<std::string, int> count;
    for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
        for (std::uint64_t i = 0; i < kCasesOfAKind; ++i) {
            compare_variants(random_case(kind * 1000 + i, kinds()[kind], Size::small), i, count);
        }
    }
    report(count);
}

TEST_CASE("chains with f32, or with bytes that stand for other numbers, are for no CUDA variant") {
    const Step real{.kind = StepKind::conv2d, .out_channels = 64, .real = true};
    const Step bytes{.kind = StepKind::conv2d,
                     .out_channels = 64,
                     .real = true,
                     .bytes = true,
                     .result = Element::u8};
    const Step scaled{.kind = StepKind::conv2d, .out_channels = 64, .real = true, .bytes = true};
    const Step bit{.kind = StepKind::threshold};
    const Shape bits{4, 4, 64, Element::binary}, coded{4, 4, 64, Element::u8};
    const Chain chains[] = {
        {.input = bits, .steps = {real}},
        {.input = bits, .steps = {real, bit}},
        {.input = bits, .steps = {real, bit, real}},
        {.input = coded, .steps = {bytes}},
        {.input = coded, .steps = {bytes, bytes}},
        {.input = coded, .steps = {scaled, bit}},
    };
    for (const Chain& chain : chains) {
        (void)output_of(chain);  // its steps fit
        for (const DeviceVariant& variant : cuda::variants()) {
            CAPTURE(std::string(variant.name));
            CAPTURE(describe(chain));
            CHECK(variant.configurations(chain, kLimits).empty());
        }
    }
}

TEST_CASE("every CUDA variant equals the reference on larger images") {
    std::map<std::string, int> count;
    for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
        compare_variants(
            random_case(kind * 1000 + 900, kinds()[kind], Size::large), kind, count, true);
    }
    CHECK(!count.empty());
}

TEST_CASE("chains that offsets of 32 bits do not reach are not offered") {
    std::vector<Step> steps{{.kind = StepKind::conv2d, .out_channels = 64, .padding = 1}};
    steps[0].kernel_height = steps[0].kernel_width = 3;
    const Chain within{.input = {112, 112, 64}, .steps = steps, .batch = 512};
    const Chain beyond{.input = {112, 112, 64}, .steps = steps, .batch = 1024};
    CHECK(!variant("popc").configurations(within, kLimits).empty());
    CHECK(!variant("naive").configurations(within, kLimits).empty());
    CHECK(variant("popc").configurations(beyond, kLimits).empty());
    CHECK(variant("naive").configurations(beyond, kLimits).empty());
    Chain to_bits = beyond;  // sums are not stored then
    to_bits.steps.push_back({.kind = StepKind::threshold});
    CHECK(!variant("popc").configurations(to_bits, kLimits).empty());
    const Chain pool{.input = {112, 112, 64, Element::int32},
                     .steps = {{.kind = StepKind::max_pool2d}},
                     .batch = 1024};
    CHECK(variant("popc").configurations(pool, kLimits).empty());
}

TEST_CASE("the first tile of popc keeps every multiprocessor busy") {
    Step step{.kind = StepKind::conv2d, .out_channels = 128};
    const auto first = [&](int size, int batch) {
        const Chain chain{.input = {size, size, 128}, .steps = {step}, .batch = batch};
        DeviceLimits limits = kLimits;
        limits.compute_units = 132;
        return variant("popc").configurations(chain, limits).front();
    };
    CHECK(first(56, 8) == "8x4");
    CHECK(first(56, 2) == "8x2");
    CHECK(first(28, 4) == "4x1");
    CHECK(first(7, 1) == "1x1");
}

TEST_CASE("a CUDA variant refuses what it did not offer") {
    const Case test = random_case(1, kinds()[0], Size::small);
    for (const DeviceVariant& variant : cuda::variants()) {
        CHECK_THROWS_AS(variant.prepare(test.owned.chain, "no such", kLimits),
                        std::invalid_argument);
    }
}
