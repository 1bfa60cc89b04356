// The OpenCL kernels of f32 and of 8-bit integers equal the reference, on the random steps that the
// CPU's variants are compared on, on every OpenCL device of this machine: those of bytes bit by
// bit, those of f32 where no order of summing rounds.

#include "calibrate/device.hpp"
#include "kernels/opencl/variants.hpp"
#include "kernels_int8.hpp"
#include "kernels_reals.hpp"
#include "opencl_devices.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace kernels;
using kernels_test::Random;
using kernels_test::Tensor;

namespace {

// Runs a chain in every way that every device has; `check` compares. Counts by variant.
void run_all(const Chain& chain,
             const Tensor& input,
             std::span<const Tensor* const> others,
             std::size_t output_bytes,
             std::map<std::string, int>& count,
             const auto& check) {
    for (const auto& device : opencl_test::devices()) {
        const auto implementations = device->implementations(chain);
        REQUIRE(!implementations.empty());
        for (const calibrate::Implementation& implementation : implementations) {
            CAPTURE(device->info().name);
            CAPTURE(implementation.variant);
            CAPTURE(implementation.configuration);
            check(opencl_test::run(*device, chain, implementation, input, others, output_bytes));
            ++count[implementation.variant];
        }
    }
}

void compare(const kernels_test::reals::RealCase& test, std::map<std::string, int>& count) {
    const Chain& chain = test.owned.chain;
    std::vector<const Tensor*> others;
    if (needs_second_input(chain)) {
        for (const Tensor& other : test.others) {
            others.push_back(&other);
        }
    }
    // A division of f32 may be off by some units of the last place in OpenCL.
    const StepKind first = chain.steps.front().kind;
    const bool divides =
        first == StepKind::average_pool2d || first == StepKind::global_average_pool;
    run_all(chain, test.input, others, test.expected.size(), count, [&](const Tensor& made) {
        using namespace kernels_test::reals;
        if (divides || may_round(chain) || test.output.element == Element::binary) {
            REQUIRE(differences(made, test.expected, test.output, chain.batch) == 0);
        } else {
            REQUIRE(reals_of(made, test.output, chain.batch) ==
                    reals_of(test.expected, test.output, chain.batch));
        }
    });
}

}  // namespace

TEST_CASE("OpenCL kernels of f32 equal the reference on every kind of step") {
    constexpr std::uint64_t kCases = 8;
    using namespace kernels_test::reals;
    std::map<std::string, int> count;
    ThreadPool pool(1);
    int chains = 0;
    for (std::size_t k = 0; k < std::size(kKinds); ++k) {
        const bool product = is_product(kKinds[k].first);
        for (const bool followed : {false, true}) {
            if (followed && ends(kKinds[k].first)) {
                continue;
            }
            for (std::uint64_t i = 0; i < (product ? 2 * kCases : kCases); ++i) {
                CAPTURE(k);
                CAPTURE(i);
                const std::uint64_t first = followed ? (product ? 50 : 25) : 0;
                compare(random_case(k, k * 1000 + first + i, followed, pool), count);
                ++chains;
            }
        }
    }
    MESSAGE(chains << " chains; plain_f32 " << count["plain_f32"] << ", naive " << count["naive"]);
    CHECK(count["plain_f32"] > chains * 3 / 4);
    CHECK(count["naive"] > 0);  // scales sums of bits
}

TEST_CASE("OpenCL kernels of f32 flatten before a linear layer, and multiply behind any") {
    using namespace kernels_test::reals;
    std::map<std::string, int> count;
    ThreadPool pool(1);
    for (std::size_t k = 0; k < std::size(kKinds); ++k) {
        for (std::uint64_t i = 0; i < 3; ++i) {
            CAPTURE(k);
            CAPTURE(i);
            RealCase test = random_case(k, k * 1000 + 60 + i, false, pool);
            std::vector<Step>& steps = test.owned.chain.steps;
            if (kKinds[k].first == StepKind::linear) {
                steps.insert(steps.begin(), {.kind = StepKind::flatten});
            } else if (!ends(kKinds[k].first) && !has_second(kKinds[k].first)) {
                steps.push_back({.kind = StepKind::multiply, .one_pixel = i % 2 == 0});
                set_expected(test, pool);
            } else {
                continue;
            }
            compare(test, count);
        }
    }
    CHECK(count["plain_f32"] > 50);
}

TEST_CASE("OpenCL kernels of bytes equal the reference bit by bit on every kind of step") {
    constexpr std::uint64_t kCases = 10;
    using namespace kernels_test::bytes;
    std::map<std::string, int> count;
    ThreadPool pool(1);
    std::uint64_t seed = 0;
    for (const StepKind kind : kKinds) {
        for (std::uint64_t i = 0; i < kCases; ++i, ++seed) {
            CAPTURE(static_cast<int>(kind));
            CAPTURE(seed);
            const ByteCase test = random_case(kind, seed, pool);
            const Chain& chain = test.owned.chain;
            const Tensor* const second = &test.second;
            run_all(chain,
                    test.input,
                    {&second, needs_second_input(chain) ? 1U : 0U},
                    test.expected.size(),
                    count,
                    [&](const Tensor& made) {
                        REQUIRE(std::memcmp(
                                    made.data(), test.expected.data(), test.expected_bytes()) == 0);
                    });
        }
    }
    CHECK(count["plain_int8"] == static_cast<int>(seed));
}

TEST_CASE("what the OpenCL kernels of f32 do not compute they do not offer") {
    const DeviceLimits limits;
    const DeviceVariant& reals = *find_variant(opencl::variants(), "plain_f32");
    const auto offers = [&](const Shape& input, std::vector<Step> steps, int batch = 1) {
        const Chain chain{.input = input, .steps = std::move(steps), .batch = batch};
        CHECK_THROWS_AS(reals.prepare(chain, "zyx", limits), std::invalid_argument);
        return !reals.configurations(chain, limits).empty();
    };
    const Shape image{32, 32, 64, Element::f32}, bits{32, 32, 64, Element::binary};
    const Step conv{.kind = StepKind::conv2d, .out_channels = 64, .real = true},
        add{.kind = StepKind::add}, relu{.kind = StepKind::relu},
        threshold{.kind = StepKind::threshold};
    CHECK(offers(image, {conv, add, relu}));
    CHECK_FALSE(offers(image, {conv, add, add}));  // three inputs
    CHECK_FALSE(offers(image, {relu, conv}));
    CHECK_FALSE(offers(image, {conv, threshold}));
    CHECK(offers(image, {threshold}));
    CHECK_FALSE(offers(bits, {{.kind = StepKind::conv2d, .out_channels = 64}}));
    Step skips = relu;  // a chain that branches
    skips.from = kInput;
    CHECK_FALSE(offers(image, {conv, skips}));
    // Sums of bits are counted elsewhere, but for what follows them there.
    CHECK_FALSE(offers(bits, {conv}));
    CHECK(offers(bits, {conv, relu}));
    const Chain counted{.input = bits, .steps = {conv}, .batch = 1};
    CHECK(find_variant(opencl::variants(), "naive")->configurations(counted, limits).size() == 7);
    // 32-bit offsets: of inputs, of results, of weights.
    CHECK(offers(image, {relu}, 8000));
    CHECK_FALSE(offers(image, {relu}, 8200));
    Step wide = conv;
    wide.out_channels = 8200;
    CHECK(offers(image, {wide}, 60));
    CHECK_FALSE(offers(image, {wide}, 64));
    const Step dense{.kind = StepKind::linear, .out_channels = 8200, .real = true};
    CHECK_FALSE(offers(image, {dense}));
}

TEST_CASE("what the OpenCL kernels of bytes do not compute they do not offer") {
    const DeviceLimits limits;
    const DeviceVariant& bytes = *find_variant(opencl::variants(), "plain_int8");
    const auto offers = [&](const Shape& input, std::vector<Step> steps) {
        const Chain chain{.input = input, .steps = std::move(steps), .batch = 1};
        CHECK_THROWS_AS(bytes.prepare(chain, "zyx", limits), std::invalid_argument);
        return !bytes.configurations(chain, limits).empty();
    };
    const Shape image{8, 8, 64, Element::u8};
    Step conv{.kind = StepKind::conv2d, .out_channels = 64, .bytes = true};
    CHECK(offers(image, {conv}));
    const Shape signed_image{8, 8, 64, Element::int8};
    const Step pool{.kind = StepKind::max_pool2d};
    CHECK(offers(signed_image, {pool}));
    CHECK_FALSE(offers(signed_image, {pool, pool}));  // single layers
    conv.pad_value = 1;
    CHECK_FALSE(offers(image, {conv}));
    // Sums that may not fit into 32 bits.
    const Step dense{.kind = StepKind::linear, .out_channels = 8, .bytes = true};
    CHECK(offers({32, 32, 64, Element::u8}, {dense}));
    CHECK_FALSE(offers({32, 32, 65, Element::u8}, {dense}));
    // What has no numbers in it is for the kernels of bits, or of f32.
    CHECK_FALSE(offers(image, {{.kind = StepKind::flatten}}));
    CHECK_FALSE(offers({8, 8, 64, Element::f32}, {{.kind = StepKind::relu}}));
}

TEST_CASE("devices that can only do small groups get no larger ones for f32") {
    for (const int largest : {1, 8, 63, 1024}) {
        const DeviceLimits limits{.largest_group = largest};
        const Chain chain{
            .input = {3, 3, 70, Element::f32}, .steps = {{.kind = StepKind::softmax}}, .batch = 1};
        const DeviceVariant& reals = *find_variant(opencl::variants(), "plain_f32");
        for (const Launch& launch : reals.prepare(chain, "xyz", limits).launches) {
            CHECK(static_cast<int>(launch.group_size[0]) <= largest);
            CHECK(launch.groups[0] == 9);
        }
    }
}
