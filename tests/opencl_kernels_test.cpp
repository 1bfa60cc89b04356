// Every OpenCL variant equals the reference bit by bit, on every kind of chain, in every
// configuration, on random shapes with all the odd sizes, on every OpenCL device of this machine.

#include "calibrate/device.hpp"
#include "kernels/opencl/variants.hpp"
#include "kernels_chains.hpp"
#include "opencl_devices.hpp"
#include "sim/error.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <set>
#include <stdexcept>

using namespace kernels;
using namespace kernels_test;

namespace {

// Bytes of a tensor without the filling at its end.
std::size_t used_bytes(const Shape& shape, int batch) {
    const std::size_t pixels = static_cast<std::size_t>(batch) *
                               static_cast<std::size_t>(shape.height) *
                               static_cast<std::size_t>(shape.width);
    return pixels * static_cast<std::size_t>(shape.element == Element::binary  ? shape.words() * 8
                                             : shape.element == Element::int32 ? shape.channels * 4
                                                                               : shape.channels);
}

struct Count {
    int chains = 0;
    std::map<std::string, int> kernels;  // by variant and configuration
};

// Runs a case in every way that every device has, and counts.
void compare(const Case& test, Count& count) {
    const Chain& chain = test.owned.chain;
    CAPTURE(describe(chain));
    ++count.chains;
    for (const auto& device : opencl_test::devices()) {
        const auto implementations = device->implementations(chain);
        REQUIRE(!implementations.empty());
        for (const calibrate::Implementation& implementation : implementations) {
            CAPTURE(device->info().name);
            CAPTURE(implementation.variant);
            CAPTURE(implementation.configuration);
            const Tensor* const second = &test.second;
            const Tensor result = opencl_test::run(*device,
                                                   chain,
                                                   implementation,
                                                   test.input,
                                                   {&second, needs_second_input(chain) ? 1U : 0U},
                                                   test.expected.size());
            REQUIRE(std::memcmp(result.data(),
                                test.expected.data(),
                                used_bytes(test.output, chain.batch)) == 0);
            ++count.kernels[implementation.variant + " " + implementation.configuration];
        }
    }
}

void report(const Count& count) {
    MESSAGE(count.chains << " chains");
    for (const auto& [name, kernels] : count.kernels) {
        MESSAGE(name << ": " << kernels << " kernels compared");
    }
}

constexpr int kCasesOfAKind = 12;

// A convolution with its threshold, as networks have it.
OwnedChain usual_chain(Random& random, const Shape& input, int out_channels, int pad_value) {
    OwnedChain owned;
    owned.chain.input = input;
    Step dot{.kind = StepKind::conv2d,
             .out_channels = out_channels,
             .kernel_height = 3,
             .kernel_width = 3,
             .padding = 1,
             .pad_value = pad_value};
    add_weights(owned, random, dot, 9 * input.channels);
    owned.chain.steps.push_back(dot);
    Step threshold{.kind = StepKind::threshold};
    add_thresholds(owned, random, threshold, out_channels, 20);
    owned.chain.steps.push_back(threshold);
    return owned;
}

}  // namespace

TEST_CASE("every OpenCL variant equals the reference on every kind of chain") {
    Count count;
    for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
        for (std::uint64_t i = 0; i < kCasesOfAKind; ++i) {
            compare(random_case(kind * 1000 + i, kinds()[kind]), count);
        }
    }
    report(count);
    CHECK(count.chains >= 300);
    for (const char* name : {"popc", "naive"}) {
        CHECK(find_variant(opencl::variants(), name) != nullptr);
    }
    for (const char* axes : {"x", "y", "z", "xy", "xz", "yz", "xyz"}) {
        CHECK(count.kernels[std::string("naive ") + axes] == count.chains);
    }
}

TEST_CASE("large images") {
    Count count;
    for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
        compare(random_case(kind * 1000 + 900, kinds()[kind], Size::large), count);
    }
    report(count);
}

TEST_CASE("sums that equal the threshold pass, flipped or not, with every padding") {
    Random random(7);
    Count count;
    for (const int pad_value : {-1, 0, 1}) {
        for (const int channels : {3, 64, 70}) {
            OwnedChain owned =
                usual_chain(random, {5, 5, channels, Element::binary}, 66, pad_value);
            // The sums of one position in the middle and of one in a corner are the thresholds.
            Case test = with_result(std::move(owned), random, false);
            Chain sums = test.owned.chain;
            sums.steps.pop_back();
            Random again(8);
            const Tensor input = converted(sums.input, 1, Layout::nhwc, Layout::plain, test.input);
            Tensor values(tensor_bytes(output_of(sums), Layout::plain, 1));
            ThreadPool alone(1);
            Kernel(*find_variant("reference"), sums, {.threads = 1, .axes = ""})
                .run({input.data(), nullptr, values.data()}, alone);
            for (const std::size_t position : std::initializer_list<std::size_t>{0, 12}) {
                std::vector<std::int32_t>& thresholds = *test.owned.integers.back();
                std::memcpy(thresholds.data(),
                            values.data() + position * thresholds.size() * 4,
                            thresholds.size() * 4);
                Tensor expected(tensor_bytes(test.output, Layout::plain, 1));
                Kernel(*find_variant("reference"), test.owned.chain, {.threads = 1, .axes = ""})
                    .run({input.data(), nullptr, expected.data()}, alone);
                test.expected = converted(test.output, 1, Layout::plain, Layout::nhwc, expected);
                compare(test, count);
            }
        }
    }
    report(count);
}

TEST_CASE("chains of other patterns, or with offsets beyond 32 bits, have no configurations") {
    Random random(3);
    const DeviceLimits limits;
    for (const DeviceVariant& variant : opencl::variants()) {
        if (variant.name.starts_with("plain")) {  // opencl_plain_test.cpp
            continue;
        }
        CAPTURE(std::string(variant.name));
        OwnedChain owned = usual_chain(random, {224, 224, 64, Element::binary}, 64, 0);
        Chain& chain = owned.chain;
        chain.batch = 512;  // 205 MB of bits
        CHECK(!variant.configurations(chain, limits).empty());
        chain.batch = 8192;
        CHECK(variant.configurations(chain, limits).empty());
        chain.batch = 512;
        chain.steps.pop_back();  // 6.6 GB of sums
        CHECK(variant.configurations(chain, limits).empty());
        chain.batch = 1;
        CHECK(!variant.configurations(chain, limits).empty());
        chain.steps.push_back({.kind = StepKind::flatten});
        CHECK(variant.configurations(chain, limits).empty());
        CHECK_THROWS_AS(variant.prepare(chain, "xyz", limits), std::invalid_argument);
    }
}

TEST_CASE("devices that can only do small groups are asked for no larger ones") {
    Random random(4);
    const OwnedChain owned = usual_chain(random, {9, 9, 65, Element::binary}, 130, 0);
    for (const int largest : {1, 8, 63, 64, 1024}) {
        for (const DeviceVariant& variant : opencl::variants()) {
            const DeviceLimits limits{.largest_group = largest};
            for (const std::string& configuration : variant.configurations(owned.chain, limits)) {
                for (const Launch& launch :
                     variant.prepare(owned.chain, configuration, limits).launches) {
                    CHECK(static_cast<int>(launch.group_size[0] * launch.group_size[1] *
                                           launch.group_size[2]) <= largest);
                }
            }
        }
    }
}

TEST_CASE("an unknown variant or configuration is the user's error") {
    Random random(5);
    const OwnedChain owned = usual_chain(random, {4, 4, 64, Element::binary}, 64, 0);
    calibrate::Device& device = *opencl_test::devices().front();
    CHECK_THROWS_AS(device.prepare(owned.chain, "tensor_core", "1"), sim::InputError);
    CHECK_THROWS_AS(device.prepare(owned.chain, "naive", "zyx"), sim::InputError);
    Chain other = owned.chain;
    other.steps.push_back({.kind = StepKind::threshold});
    other.steps.pop_back();
    other.steps.insert(other.steps.begin(), {.kind = StepKind::max_pool2d});
    CHECK(device.implementations(other).empty());
    CHECK_THROWS_AS(device.prepare(other, "naive", "xyz"), sim::InputError);
}
