// Every variant equals the reference bit by bit, on every kind of chain it accepts, in every
// configuration, on random shapes with all the odd sizes.

#include "kernels/registry.hpp"
#include "kernels_chains.hpp"
#include "sanitized.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>

using namespace kernels;
using namespace kernels_test;

namespace {

// ---- Checks ----------------------------------------------------------------------------------

// For each byte of an output tensor in layout nhwc: does it belong to the slice?
std::vector<bool> bytes_of(const Slice& slice, const Shape& shape, std::size_t size) {
    const auto bytes_before = [&](int channel) -> std::size_t {
        const auto count = static_cast<std::size_t>(channel);
        switch (shape.element) {
            case Element::binary:
                return (count + 63) / 64 * 8;
            case Element::int32:
                return count * 4;
            default:
                return count;
        }
    };
    std::vector<bool> inside(size, false);
    for (int image = slice.image_begin; image < slice.image_end; ++image) {
        for (int y = slice.row_begin; y < slice.row_end; ++y) {
            for (int x = 0; x < shape.width; ++x) {
                const auto pixel =
                    (static_cast<std::size_t>(image) * static_cast<std::size_t>(shape.height) +
                     static_cast<std::size_t>(y)) *
                        static_cast<std::size_t>(shape.width) +
                    static_cast<std::size_t>(x);
                const std::size_t base = pixel * bytes_before(shape.channels);
                for (std::size_t i = base + bytes_before(slice.channel_begin);
                     i < base + bytes_before(slice.channel_end);
                     ++i) {
                    inside[i] = true;
                }
            }
        }
    }
    return inside;
}

bool equal_prefix(const Tensor& a, const Tensor& b, const Shape& shape, int batch) {
    // Without the filling at the end.
    const auto pixels = static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
                        static_cast<std::size_t>(shape.width);
    const std::size_t bytes =
        shape.element == Element::binary  ? pixels * static_cast<std::size_t>(shape.words()) * 8
        : shape.element == Element::int32 ? pixels * static_cast<std::size_t>(shape.channels) * 4
                                          : pixels * static_cast<std::size_t>(shape.channels);
    return std::memcmp(a.data(), b.data(), bytes) == 0;
}

constexpr int kCasesOfAKind = kIsSanitized ? 12 : 40, kLargeCasesOfAKind = kIsSanitized ? 1 : 3;

}  // namespace

namespace {

// Runs a case with every supported variant in every configuration, and counts the kernels. Large
// cases leave out the reference, whose result is there already.
void compare_variants(const Case& test,
                      Size size,
                      ThreadPool& pool,
                      std::map<std::string_view, int>& count) {
    const Chain& chain = test.owned.chain;
    CAPTURE(describe(chain));
    for (const Variant& variant : variants()) {
        if (!variant.supported() || (size == Size::large && variant.name == "reference")) {
            continue;
        }
        CAPTURE(std::string(variant.name));
        if (!variant.for_bits) {  // kernels_reals_test.cpp
            CHECK_FALSE(variant.accepts(chain));
            continue;
        }
        REQUIRE(variant.accepts(chain));
        const Tensor input =
            converted(chain.input, chain.batch, Layout::nhwc, variant.layout, test.input);
        for (const Configuration& configuration : configurations(chain, 4)) {
            CAPTURE(configuration.name());
            Tensor output(tensor_bytes(test.output, variant.layout, chain.batch));
            std::memset(output.data(), 0xa5, output.size());
            const Kernel kernel(variant, chain, configuration);
            for (int repeat = 0; repeat < 2; ++repeat) {  // scratch memory is reused
                kernel.run({input.data(), test.second.data(), output.data()}, pool);
                const Tensor packed =
                    converted(test.output, chain.batch, variant.layout, Layout::nhwc, output);
                REQUIRE(equal_prefix(packed, test.expected, test.output, chain.batch));
            }
            ++count[variant.name];
        }
    }
}

void report(const std::map<std::string_view, int>& count) {
    for (const Variant& variant : variants()) {
        if (!variant.supported()) {
            MESSAGE("skipped: this CPU cannot run variant " << std::string(variant.name));
        }
    }
    for (const auto& [name, kernels] : count) {
        MESSAGE(std::string(name) << ": " << kernels << " kernels compared");
    }
}

}  // namespace

TEST_CASE("every variant equals the reference on every kind of chain in every configuration") {
    // No spinning: these pools have more threads than many a machine has cores.
    ThreadPool pool(4, std::chrono::microseconds{0});
    std::map<std::string_view, int> count;
    for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
        for (std::uint64_t i = 0; i < kCasesOfAKind; ++i) {
            compare_variants(random_case(kind * 1000 + i, kinds()[kind]), Size::small, pool, count);
        }
    }
    report(count);
    CHECK(count["reference"] >= static_cast<int>(kinds().size()) * kCasesOfAKind);
}

TEST_CASE("every variant equals the reference on images that are computed in bands") {
    ThreadPool pool(4, std::chrono::microseconds{0});
    std::map<std::string_view, int> count;
    for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
        for (std::uint64_t i = 0; i < kLargeCasesOfAKind; ++i) {
            compare_variants(random_case(kind * 1000 + 900 + i, kinds()[kind], Size::large),
                             Size::large,
                             pool,
                             count);
        }
    }
    report(count);
}

TEST_CASE("a slice writes its own part of the output and nothing else") {
    for (const Variant& variant : variants()) {
        if (!variant.supported() || variant.layout != Layout::nhwc || !variant.for_bits) {
            continue;
        }
        for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
            for (int i = 0; i < 8; ++i) {
                const Case test =
                    random_case(kind * 1000 + 500 + static_cast<std::uint64_t>(i), kinds()[kind]);
                const Chain& chain = test.owned.chain;
                CAPTURE(std::string(variant.name));
                CAPTURE(describe(chain));
                for (const Configuration& configuration : configurations(chain, 4)) {
                    const std::vector<Slice> slices = slices_of(chain, configuration);
                    const Body body = variant.prepare(chain, slices);
                    for (const Slice& slice : slices) {
                        Tensor output(tensor_bytes(test.output, Layout::nhwc, chain.batch));
                        std::memset(output.data(), 0xa5, output.size());
                        body({test.input.data(), test.second.data(), output.data()}, slice);
                        const std::vector<bool> inside =
                            bytes_of(slice, test.output, output.size());
                        int wrong = 0;
                        for (std::size_t byte = 0; byte < output.size(); ++byte) {
                            const std::byte expected =
                                inside[byte] ? test.expected.data()[byte] : std::byte{0xa5};
                            wrong += output.data()[byte] != expected ? 1 : 0;
                        }
                        CAPTURE(configuration.name());
                        CAPTURE(slice.index);
                        REQUIRE(wrong == 0);
                    }
                }
            }
        }
    }
}
