// Every variant equals the reference bit by bit, on every kind of chain it accepts, in every
// configuration, on random shapes with all the odd sizes.

#include "kernels/registry.hpp"
#include "kernels_chains.hpp"
#include "sanitized.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
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

// A second result's memory, int32, which is the same in every layout.
std::optional<Tensor> second_output(const Case& test) {
    if (!test.second_expected) {
        return std::nullopt;
    }
    Tensor second(test.second_expected->size());
    std::memset(second.data(), 0xa5, second.size());
    return second;
}

const std::vector<Kind>& all_kinds() {
    static const std::vector<Kind> kAll = [] {
        std::vector<Kind> all = kinds();
        all.insert(all.end(), kinds_of_two_results().begin(), kinds_of_two_results().end());
        return all;
    }();
    return kAll;
}

// How many bytes of a slice of a result are not what they should be, or of another slice and not
// what they were.
int wrong_bytes(const Slice& slice,
                const Shape& shape,
                const Tensor& result,
                const Tensor& expected) {
    const std::vector<bool> inside = bytes_of(slice, shape, result.size());
    int wrong = 0;
    for (std::size_t byte = 0; byte < result.size(); ++byte) {
        const std::byte wanted = inside[byte] ? expected.data()[byte] : std::byte{0xa5};
        wrong += result.data()[byte] != wanted ? 1 : 0;
    }
    return wrong;
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
            CHECK_FALSE(takes(variant, chain));
            continue;
        }
        REQUIRE(takes(variant, chain));
        const Tensor input =
            converted(chain.input, chain.batch, Layout::nhwc, variant.layout, test.input);
        for (const Configuration& configuration : configurations(chain, 4)) {
            CAPTURE(configuration.name());
            Tensor output(tensor_bytes(test.output, variant.layout, chain.batch));
            std::memset(output.data(), 0xa5, output.size());
            std::optional<Tensor> second = second_output(test);
            const Kernel kernel(variant, chain, configuration);
            for (int repeat = 0; repeat < 2; ++repeat) {  // scratch memory is reused
                kernel.run({.input = input.data(),
                            .second_input = test.second.data(),
                            .output = output.data(),
                            .second_output = second ? second->data() : nullptr},
                           pool);
                const Tensor packed =
                    converted(test.output, chain.batch, variant.layout, Layout::nhwc, output);
                REQUIRE(equal_prefix(packed, test.expected, test.output, chain.batch));
                if (second) {
                    REQUIRE(equal_prefix(
                        *second, *test.second_expected, second_output_of(chain), chain.batch));
                }
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
    for (std::size_t kind = 0; kind < all_kinds().size(); ++kind) {
        for (std::uint64_t i = 0; i < kCasesOfAKind; ++i) {
            compare_variants(
                random_case(kind * 1000 + i, all_kinds()[kind]), Size::small, pool, count);
        }
    }
    report(count);
    CHECK(count["reference"] >= static_cast<int>(all_kinds().size()) * kCasesOfAKind);
}

TEST_CASE("every variant equals the reference on images that are computed in bands") {
    ThreadPool pool(4, std::chrono::microseconds{0});
    std::map<std::string_view, int> count;
    for (std::size_t kind = 0; kind < all_kinds().size(); ++kind) {
        for (std::uint64_t i = 0; i < kLargeCasesOfAKind; ++i) {
            compare_variants(random_case(kind * 1000 + 900 + i, all_kinds()[kind], Size::large),
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
        for (std::size_t kind = 0; kind < all_kinds().size(); ++kind) {
            for (int i = 0; i < 8; ++i) {
                const Case test = random_case(kind * 1000 + 500 + static_cast<std::uint64_t>(i),
                                              all_kinds()[kind]);
                const Chain& chain = test.owned.chain;
                CAPTURE(std::string(variant.name));
                CAPTURE(describe(chain));
                for (const Configuration& configuration : configurations(chain, 4)) {
                    const std::vector<Slice> slices = slices_of(chain, configuration);
                    const Body body = variant.prepare(chain, slices);
                    for (const Slice& slice : slices) {
                        Tensor output(tensor_bytes(test.output, Layout::nhwc, chain.batch));
                        std::memset(output.data(), 0xa5, output.size());
                        std::optional<Tensor> second = second_output(test);
                        body({.input = test.input.data(),
                              .second_input = test.second.data(),
                              .output = output.data(),
                              .second_output = second ? second->data() : nullptr},
                             slice);
                        CAPTURE(configuration.name());
                        CAPTURE(slice.index);
                        REQUIRE(wrong_bytes(slice, test.output, output, test.expected) == 0);
                        if (second) {
                            REQUIRE(wrong_bytes(slice,
                                                second_output_of(chain),
                                                *second,
                                                *test.second_expected) == 0);
                        }
                    }
                }
            }
        }
    }
}
