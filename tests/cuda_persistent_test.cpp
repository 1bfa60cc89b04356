// The persistent kernel on the host: networks in one launch, straight and with branches, against
// the reference, bit by bit.

#include "kernels/cuda/variants.hpp"
#include "kernels_chains.hpp"
#include "tests/cuda_emulation/device_kernel.hpp"

#include <doctest/doctest.h>

using namespace kernels;
using namespace kernels_test;
using cuda_emulation::Order;
using Guard = cuda_emulation::GuardedMemory::Guard;

namespace {

const DeviceVariant& persistent() { return *find_variant(cuda::variants(), "persistent"); }

// Chains step by step; each call returns the step's index.
class Builder {
public:
    Builder(Shape input, int batch, std::uint64_t seed) : random_(seed) {
        owned_.chain.input = input;
        owned_.chain.batch = batch;
    }

    int conv(int out_channels, int kernel, int stride, int padding, int from = kBefore) {
        Step step{.kind = StepKind::conv2d,
                  .out_channels = out_channels,
                  .kernel_height = kernel,
                  .kernel_width = kernel,
                  .stride = stride,
                  .padding = padding,
                  .from = from};
        step.pad_value = random_.between(-1, 1);
        return add_dot(step, kernel * kernel * shape_of(from).channels);
    }
    int linear(int out_channels, int from = kBefore) {
        const Shape input = shape_of(from);
        return add_dot({.kind = StepKind::linear, .out_channels = out_channels, .from = from},
                       input.height * input.width * input.channels);
    }
    int threshold(int from = kBefore) {
        Step step{.kind = StepKind::threshold, .from = from};
        const int spread = shape_of(kInput).element == Element::u8 && steps() < 2 ? 2000 : 20;
        add_thresholds(owned_, random_, step, shape_of(from).channels, spread);
        return push(step);
    }
    int add(int second_from, int from = kBefore) {
        return push({.kind = StepKind::add, .from = from, .second_from = second_from});
    }
    int pool(int kernel = 2, int stride = 2, int padding = 0, int from = kBefore) {
        return push({.kind = StepKind::max_pool2d,
                     .kernel_height = kernel,
                     .kernel_width = kernel,
                     .stride = stride,
                     .padding = padding,
                     .from = from});
    }
    int flatten(int from = kBefore) { return push({.kind = StepKind::flatten, .from = from}); }

    int steps() const { return static_cast<int>(owned_.chain.steps.size()); }
    Shape shape_of(int from) const {
        const bool is_input = from == kInput || (from == kBefore && steps() == 0);
        return is_input          ? owned_.chain.input
               : from == kBefore ? output_of(owned_.chain)
                                 : shapes_of(owned_.chain)[static_cast<std::size_t>(from)];
    }
    const Chain& chain() const { return owned_.chain; }
    Random& random() { return random_; }

private:
    int push(const Step& step) {
        owned_.chain.steps.push_back(step);
        (void)shapes_of(owned_.chain);
        return steps() - 1;
    }
    int add_dot(Step step, int fan_in) {
        add_weights(owned_, random_, step, fan_in);
        return push(step);
    }

    OwnedChain owned_;
    Random random_;
};

DeviceLimits limits_of(int capability, int compute_units) {
    return {.capability = capability, .compute_units = compute_units, .cooperative = true};
}

// Runs a network on each generation of devices; twice, for the barrier's state is kept.
void compare(Builder& network, std::initializer_list<int> capabilities = {90, 75, 120}) {
    const Chain& chain = network.chain();
    CAPTURE(describe(chain));
    const Shape output = output_of(chain);
    Shape sum{1, 1, 1, Element::int32};
    for (std::size_t i = 0; i < chain.steps.size(); ++i) {
        if (chain.steps[i].kind == StepKind::add && chain.steps[i].second_from == kSecondInput) {
            sum = shapes_of(chain)[i];
        }
    }
    const Tensor plain = random_tensor(network.random(), chain.input, chain.batch);
    const Tensor second = random_tensor(network.random(), sum, chain.batch);
    Tensor expected_plain(tensor_bytes(output, Layout::plain, chain.batch));
    ThreadPool alone(1);
    Kernel(*find_variant("reference"), chain, {.threads = 1, .axes = ""})
        .run({plain.data(), second.data(), expected_plain.data()}, alone);
    const Tensor expected =
        converted(output, chain.batch, Layout::plain, Layout::nhwc, expected_plain);
    const Tensor input = converted(chain.input, chain.batch, Layout::plain, Layout::nhwc, plain);
    const std::size_t pixels = static_cast<std::size_t>(chain.batch * output.height * output.width);
    const std::size_t used =
        pixels * static_cast<std::size_t>(output.element == Element::binary  ? output.words() * 8
                                          : output.element == Element::int32 ? output.channels * 4
                                                                             : output.channels);
    int count = 0;
    for (const int capability : capabilities) {
        CAPTURE(capability);
        const DeviceLimits limits = limits_of(capability, 2 + count % 2);
        const auto configurations = persistent().configurations(chain, limits);
        REQUIRE_FALSE(configurations.empty());
        const std::string& configuration = configurations.back();
        CAPTURE(configuration);
        const DeviceKernel kernel = persistent().prepare(chain, configuration, limits);
        REQUIRE(kernel.launches.size() == 1);
        REQUIRE(kernel.launches.front().cooperative);
        cuda_emulation::Prepared prepared(kernel, count % 2 == 0 ? Guard::behind : Guard::before);
        for (const Order order : {Order::forward, Order::backward}) {
            Tensor result(expected.size());
            std::memset(result.data(), 0xa5, result.size());
            prepared.run({input.data(), input.size()},
                         {second.data(), second.size()},
                         {result.data(), result.size()},
                         order);
            REQUIRE(std::memcmp(result.data(), expected.data(), used) == 0);
            if (capability != *capabilities.begin()) {
                break;
            }
        }
        ++count;
    }
}

constexpr Shape bits(int size, int channels) { return {size, size, channels, Element::binary}; }
constexpr Shape bytes(int size, int channels) { return {size, size, channels, Element::u8}; }

// x + conv(sign(x)), twice, as in binary ResNets; `x` is the step that makes int32.
int residual_block(Builder& network, int x, int channels, int stride) {
    int shortcut = x;
    network.threshold(x);
    const int sign = network.steps() - 1;
    if (stride != 1 || network.shape_of(x).channels != channels) {
        shortcut = network.conv(channels, 1, stride, 0, sign);
    }
    network.conv(channels, 3, stride, 1, sign);
    const int first = network.add(shortcut);
    network.threshold(first);
    network.conv(channels, 3, 1, 1);
    return network.add(first);
}

}  // namespace

TEST_CASE("a network like VGG runs in one launch") {
    for (const int batch : {1, 3}) {
        Builder network(bytes(16, 3), batch, static_cast<std::uint64_t>(batch));
        network.conv(64, 3, 1, 1);
        network.threshold();
        network.conv(64, 3, 1, 1);
        network.threshold();
        network.pool();
        network.conv(128, 3, 1, 1);
        network.threshold();
        network.conv(100, 3, 1, 1);
        network.threshold();
        network.pool();
        network.flatten();
        network.linear(130);
        network.threshold();
        network.linear(10);
        compare(network);
    }
}

TEST_CASE("residual blocks run in one launch, with sums beside bits") {
    Builder network(bytes(12, 3), 2, 5);
    int x = network.conv(64, 3, 1, 1);
    x = residual_block(network, x, 64, 1);
    x = residual_block(network, x, 128, 2);
    x = residual_block(network, x, 70, 2);
    network.threshold(x);
    network.linear(10);
    compare(network);
}

TEST_CASE("a piece of a residual network reads and adds what came before it") {
    Builder from_sums({7, 7, 64, Element::int32}, 1, 6);
    from_sums.threshold();
    from_sums.conv(64, 3, 1, 1);
    const int first = from_sums.add(kInput);
    from_sums.threshold();
    from_sums.conv(64, 3, 1, 1);
    from_sums.add(first);
    compare(from_sums);

    Builder from_bits(bits(7, 128), 1, 7);
    const int shortcut = from_bits.conv(64, 1, 1, 0);
    from_bits.conv(64, 3, 1, 1, kInput);
    from_bits.add(shortcut);
    from_bits.add(kSecondInput);
    from_bits.threshold();
    from_bits.pool(3, 2, 1);
    from_bits.conv(66, 3, 1, 1);
    compare(from_bits);
}

TEST_CASE("many channels and few positions are shared by the warps of a block") {
    Builder network(bits(7, 512), 1, 8);
    network.conv(128, 3, 1, 1);
    network.threshold();
    network.conv(512, 1, 2, 0);
    network.threshold();
    network.linear(200);
    compare(network);
}

TEST_CASE("steps that nothing takes along are units of their own") {
    Builder network(bytes(11, 5), 2, 9);
    network.pool(3, 2, 1);
    network.conv(65, 3, 1, 2);
    const int sums = network.steps() - 1;
    network.threshold();
    network.flatten();
    network.threshold(sums);
    network.pool(3, 1, 0);
    network.conv(20, 2, 1, 0);
    network.pool(2, 2, 0);
    const int pooled = network.steps() - 1;
    network.add(pooled, pooled);
    network.threshold();
    network.linear(7);
    network.flatten();
    compare(network);

    Builder flattened(bytes(4, 6), 3, 10);
    flattened.flatten();
    flattened.linear(64);
    flattened.threshold();
    flattened.linear(30);
    flattened.threshold();
    flattened.flatten();
    compare(flattened);
}

TEST_CASE("random networks with branches equal the reference") {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
        CAPTURE(seed);
        Random choice(seed);
        const int size = choice.between(3, 8);
        Builder network(choice.chance(40) ? bytes(size, choice.between(1, 4))
                                          : bits(size, choice.channels(130)),
                        choice.between(1, 3),
                        seed);
        std::vector<int> binary, sums;
        int dots = 0;
        for (int i = choice.between(8, 14); i > 0 || dots < 2; --i) {
            const int what = choice.between(0, 9);
            const auto any_of = [&](const std::vector<int>& values) {
                return values[static_cast<std::size_t>(
                    choice.between(std::max(0, static_cast<int>(values.size()) - 3),
                                   static_cast<int>(values.size()) - 1))];
            };
            const int from = binary.empty() ? kInput : any_of(binary);
            if (what < 4 || sums.empty()) {
                const int stride = choice.one_of({1, 1, 1, 2});
                sums.push_back(network.conv(
                    choice.one_of({16, 64, 64, 70, 128}), choice.one_of({1, 3}), stride, 1, from));
                ++dots;
            } else if (what < 7) {
                binary.push_back(network.threshold(any_of(sums)));
            } else if (what == 7 && !binary.empty() && network.shape_of(from).height >= 2) {
                binary.push_back(network.pool(2, choice.between(1, 2), 0, from));
            } else {
                const int one = any_of(sums);
                for (const int other : sums) {
                    if (network.shape_of(other) == network.shape_of(one)) {
                        sums.push_back(network.add(other, one));
                        break;
                    }
                }
            }
        }
        compare(network, {seed % 2 == 0 ? 90 : 75});
    }
}

TEST_CASE("persistent is offered for small batches of two layers or more, to devices that can") {
    Builder network(bits(6, 64), 1, 1);
    network.conv(64, 3, 1, 1);
    network.threshold();
    const DeviceLimits limits = limits_of(90, 4);
    CHECK(persistent().configurations(network.chain(), limits).empty());
    network.conv(64, 3, 1, 1);
    CHECK(persistent().configurations(network.chain(), limits) ==
          std::vector<std::string>{"1", "2"});
    CHECK(persistent().configurations(network.chain(), limits_of(75, 4)) ==
          std::vector<std::string>{"1"});
    CHECK(persistent().configurations(network.chain(), {.capability = 90}).empty());
    Chain many = network.chain();
    many.batch = 9;
    CHECK(persistent().configurations(many, limits).empty());
    CHECK_THROWS_AS(persistent().prepare(network.chain(), "3", limits), std::invalid_argument);
}
