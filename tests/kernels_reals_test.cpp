// Steps on f32: the reference by hand, and every variant that takes them against it. Numbers are
// such that no order of summing rounds: small multiples of a quarter.

#include "kernels/registry.hpp"
#include "kernels_chains.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>

using namespace kernels;
using namespace kernels_test;

namespace {

Tensor tensor_of(const std::vector<float>& values) {
    Tensor tensor((values.size() * 4 + 63) / 64 * 64);
    if (!values.empty()) {
        std::memcpy(tensor.data(), values.data(), values.size() * 4);
    }
    return tensor;
}

std::vector<float> reals_of(const Tensor& tensor, const Shape& shape, int batch) {
    std::vector<float> values(
        static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
        static_cast<std::size_t>(shape.width) * static_cast<std::size_t>(shape.channels));
    std::memcpy(values.data(), tensor.data(), values.size() * 4);
    return values;
}

// What every variant that takes it makes of one step on f32, one image; all must agree.
std::vector<float> run(const Step& step,
                       const Shape& input,
                       const std::vector<float>& values,
                       const std::vector<float>& second = {}) {
    const Chain chain{.input = input, .steps = {step}, .batch = 1};
    const Shape output = output_of(chain);
    const Tensor in = tensor_of(values), other = tensor_of(second);
    ThreadPool pool(1);
    std::vector<float> result;
    REQUIRE(find_variant("reference")->accepts(chain));
    REQUIRE(find_variant("loops")->accepts(chain));
    for (const Variant& variant : variants()) {
        if (!variant.supported() || !variant.accepts(chain)) {
            continue;
        }
        CAPTURE(std::string(variant.name));
        Tensor out(tensor_bytes(output, variant.layout, 1));
        const Tensor there = converted(input, 1, Layout::nhwc, variant.layout, in);
        Kernel(variant, chain, {.threads = 1}).run({there.data(), other.data(), out.data()}, pool);
        std::vector<float> made;
        if (output.element == Element::f32) {
            made = reals_of(converted(output, 1, variant.layout, Layout::nhwc, out), output, 1);
        } else {
            const Tensor plain = converted(output, 1, variant.layout, Layout::plain, out);
            for (int i = 0; i < output.height * output.width * output.channels; ++i) {
                made.push_back(static_cast<float>(static_cast<std::int8_t>(plain.data()[i])));
            }
        }
        if (result.empty()) {
            result = made;
        }
        REQUIRE(made.size() == result.size());
        for (std::size_t i = 0; i < made.size(); ++i) {
            CHECK(made[i] == doctest::Approx(result[i]).epsilon(1e-6));
        }
    }
    return result;
}

// ---- Random steps ------------------------------------------------------------------------------

struct Owned {
    Chain chain;
    std::vector<std::uint64_t> bits, flips;
    std::vector<float> weights, scales, biases, limits;
    std::array<std::vector<float>, 2> norms;
    std::vector<float> ends;  // of a clip that follows
};

float quarter(Random& random, int most) {
    return static_cast<float>(random.between(-most, most)) / 4;
}

std::vector<float> quarters(Random& random, int count, int most) {
    std::vector<float> all;
    for (int i = 0; i < count; ++i) {
        all.push_back(quarter(random, most));
    }
    return all;
}

// Some windows with another stride and other paddings on each side.
void random_sides(Random& random, Step& step, const Shape& in) {
    if (random.chance(50)) {
        return;
    }
    // At least what the kernel needs to fit.
    const auto after = [&](int kernel, int length, int before) {
        return std::max(random.between(0, kernel - 1), kernel - length - before);
    };
    step.columns_stride = random.between(1, 3);
    step.padding = std::min(step.padding, step.kernel_height - 1);
    step.left = random.between(0, step.kernel_width - 1);
    step.bottom = after(step.kernel_height, in.height, step.padding);
    step.right = after(step.kernel_width, in.width, step.left);
}

void set_product(Owned& owned, Random& random, Step& step, const Shape& in) {
    step.real = true;
    step.out_channels = random.channels(140);
    int fan_in = in.height * in.width * in.channels;
    if (step.kind == StepKind::conv2d) {
        random_window(random, step, in.height, in.width);
        if (in.height >= 3 && in.width >= 3 && random.chance(75)) {  // for `winograd`
            step.kernel_height = step.kernel_width = 3;
            step.stride = 1;
            step.padding = random.between(0, 2);
            step.left = step.bottom = step.right = random.one_of({-1, -1, 0, 1});
        } else {
            random_sides(random, step, in);
        }
        if (random.chance(30)) {  // depthwise
            step.groups = in.channels;
            step.out_channels = in.channels * random.between(1, 2);
        } else if (in.channels % 2 == 0 && random.chance(40)) {
            step.groups = 2;
            step.out_channels *= 2;
        }
        fan_in = step.kernel_height * step.kernel_width * in.channels / step.groups;
    }
    if (random.chance(50)) {
        owned.bits = random_bits(
            random, static_cast<std::size_t>(step.out_channels), static_cast<std::size_t>(fan_in));
        step.weights = owned.bits;
    } else {
        owned.weights = quarters(random, step.out_channels * fan_in, 8);
        step.real_weights = owned.weights;
    }
    if (random.chance(70)) {
        owned.scales = quarters(random, step.out_channels, 8);
        owned.biases = quarters(random, step.out_channels, 40);
        step.scales = owned.scales;
        step.biases = owned.biases;
    }
}

// Spans point into `owned`, which must stay where it is.
void random_step(Owned& owned, Random& random, StepKind kind, Element element) {
    Shape& in = owned.chain.input;
    in = {random.between(1, 9), random.between(1, 9), random.channels(140), element};
    owned.chain.batch = random.one_of({1, 1, 2, 3});
    Step step{.kind = kind};
    switch (kind) {
        case StepKind::conv2d:
        case StepKind::linear:
            set_product(owned, random, step, in);
            break;
        case StepKind::threshold:
            owned.limits = quarters(random, in.channels, 40);
            owned.flips = random_bits(random, 1, static_cast<std::size_t>(in.channels));
            step.limits = owned.limits;
            step.flips = owned.flips;
            break;
        case StepKind::max_pool2d:
        case StepKind::average_pool2d:
            step.kind = StepKind::max_pool2d;
            random_window(random, step, in.height, in.width);
            random_sides(random, step, in);
            step.kind = kind;
            step.counts_padding = kind == StepKind::average_pool2d && random.chance(50);
            break;
        case StepKind::clip:
            owned.limits = {-2.5F, 6};
            step.limits = owned.limits;
            break;
        case StepKind::hard_sigmoid:
            owned.limits = {0.25F, 0.5F};
            step.limits = owned.limits;
            break;
        case StepKind::channels:
            step.first_channel = random.between(0, in.channels - 1);
            step.out_channels = random.between(1, in.channels - step.first_channel);
            break;
        case StepKind::channel_shuffle:
            step.groups = in.channels % 3 == 0 ? 3 : in.channels % 2 == 0 ? 2 : in.channels;
            break;
        case StepKind::multiply:
            step.one_pixel = random.chance(50);
            break;
        case StepKind::concat:
            step.parts = {in.channels};
            for (int more = random.between(1, 3); more > 0; --more) {
                step.parts.push_back(random.channels(70));
            }
            break;
        case StepKind::batch_norm:
            owned.scales = quarters(random, in.channels, 8);
            owned.biases = quarters(random, in.channels, 8);
            step.scales = owned.scales;
            step.biases = owned.biases;
            break;
        default:
            break;
    }
    owned.chain.steps = {step};
}

// What may follow a step: batch norms, a sum, an activation.
void add_followers(Owned& owned, Random& random) {
    std::vector<Step>& steps = owned.chain.steps;
    const int channels = output_of(owned.chain).channels;
    const bool adds = !has_second(steps[0].kind) && random.chance(50);
    for (std::vector<float>& numbers : owned.norms) {
        if (random.chance(50)) {
            numbers = quarters(random, 2 * channels, 4);
            const std::span<const float> all{numbers};
            steps.push_back({.kind = StepKind::batch_norm,
                             .scales = all.first(all.size() / 2),
                             .biases = all.last(all.size() / 2)});
        }
    }
    if (adds) {
        steps.push_back({.kind = StepKind::add});
    }
    if (random.chance(60)) {
        steps.push_back(
            {.kind = random.one_of(
                 {StepKind::relu, StepKind::relu, StepKind::hard_swish, StepKind::tanh})});
    } else if (random.chance(60)) {
        owned.ends = {-20.5F, 60};
        steps.push_back({.kind = StepKind::clip, .limits = owned.ends});
    }
}

Tensor random_input(Random& random, const Shape& shape, int batch) {
    if (shape.element != Element::f32) {
        return converted(
            shape, batch, Layout::plain, Layout::nhwc, random_tensor(random, shape, batch));
    }
    Tensor tensor(tensor_bytes(shape, Layout::nhwc, batch));
    const int count = batch * shape.height * shape.width * shape.channels;
    const std::vector<float> values = quarters(random, count, 40);
    std::memcpy(tensor.data(), values.data(), values.size() * 4);
    return tensor;
}

// What of `made` is not in `expected`, but for what may round.
int differences(const Tensor& made, const Tensor& expected, const Shape& shape, int batch) {
    if (shape.element == Element::binary) {
        const std::size_t bytes =
            static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
            static_cast<std::size_t>(shape.width) * static_cast<std::size_t>(shape.words()) * 8;
        return std::memcmp(made.data(), expected.data(), bytes) == 0 ? 0 : 1;
    }
    const std::vector<float> a = reals_of(made, shape, batch), b = reals_of(expected, shape, batch);
    int count = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        count += std::abs(a[i] - b[i]) > 1e-5F * (1 + std::abs(b[i])) ? 1 : 0;
    }
    return count;
}

// Of one image.
std::size_t block_bytes(const Shape& shape, Layout layout) {
    const auto block = static_cast<std::size_t>(block_of(layout));
    const std::size_t blocks = (static_cast<std::size_t>(shape.channels) + block - 1) / block;
    return blocks * block * static_cast<std::size_t>(shape.height) *
           static_cast<std::size_t>(shape.width) * 4;
}

// A batch norm that became part of the weights rounds elsewhere.
bool may_round(const Chain& chain) {
    using enum StepKind;
    const StepKind may[] = {
        softmax, log_softmax, sigmoid, StepKind::tanh, hard_sigmoid, hard_swish};
    return chain.steps.size() > 1 || std::ranges::find(may, chain.steps[0].kind) != std::end(may);
}

}  // namespace

TEST_CASE("a real convolution is scaled, and its bias added") {
    //  1 2     weights  1    0.5     1*1 + 2*0.5 - 3 + 4*2 = 7      2 * 7 + 0.25
    //  3 4             -1    2
    const std::vector<float> weights{1, 0.5F, -1, 2}, scales{2}, biases{0.25F};
    const Step step{.kind = StepKind::conv2d,
                    .out_channels = 1,
                    .kernel_height = 2,
                    .kernel_width = 2,
                    .real = true,
                    .real_weights = weights,
                    .scales = scales,
                    .biases = biases};
    CHECK(run(step, {2, 2, 1, Element::f32}, {1, 2, 3, 4}) == std::vector<float>{14.25F});
}

TEST_CASE("groups keep to their own channels") {
    // Two groups of two channels: (1, 2) with (1, 1), (3, 4) with (1, -1).
    const std::vector<float> weights{1, 1, 1, -1};
    const Step step{.kind = StepKind::conv2d,
                    .out_channels = 2,
                    .groups = 2,
                    .real = true,
                    .real_weights = weights};
    CHECK(run(step, {1, 1, 4, Element::f32}, {1, 2, 3, 4}) == std::vector<float>{3, -1});
}

TEST_CASE("thresholds of f32, both ways, with ties and infinities") {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const std::vector<float> limits{0.5F, 0.5F, kInfinity, -kInfinity};
    const std::vector<std::uint64_t> flips{0b0010};
    const Step step{.kind = StepKind::threshold, .flips = flips, .limits = limits};
    const Shape shape{1, 3, 4, Element::f32};
    CHECK(run(step, shape, {0.5F, 0.5F, 9, -9, 0.25F, 0.25F, 9, -9, 1, 1, kInfinity, -kInfinity}) ==
          std::vector<float>{1, 1, -1, 1, -1, 1, -1, 1, 1, -1, 1, 1});
}

TEST_CASE("averages are over what is inside, softmax over the channels") {
    const Step pool{.kind = StepKind::average_pool2d,
                    .kernel_height = 2,
                    .kernel_width = 2,
                    .stride = 1,
                    .padding = 1};
    CHECK(run(pool, {1, 2, 1, Element::f32}, {2, 4}) == std::vector<float>{2, 3, 4, 2, 3, 4});
    CHECK(run({.kind = StepKind::global_average_pool}, {2, 1, 2, Element::f32}, {1, 2, 5, 8}) ==
          std::vector<float>{3, 5});
    const std::vector<float> soft =
        run({.kind = StepKind::softmax}, {1, 1, 3, Element::f32}, {0, std::log(2.0F), 100});
    CHECK(soft[2] == doctest::Approx(1));
    const std::vector<float> logs =
        run({.kind = StepKind::log_softmax}, {1, 1, 2, Element::f32}, {1000, 1000});
    CHECK(logs[0] == doctest::Approx(-std::log(2.0)));
}

TEST_CASE("what is done to each number") {
    const Shape shape{1, 1, 3, Element::f32};
    const std::vector<float> values{-1, 0.5F, 9}, limits{0, 6}, scales{1, 2, 3}, biases{4, 5, 6};
    CHECK(run({.kind = StepKind::relu}, shape, values) == std::vector<float>{0, 0.5F, 9});
    CHECK(run({.kind = StepKind::clip, .limits = limits}, shape, values) ==
          std::vector<float>{0, 0.5F, 6});
    CHECK(run({.kind = StepKind::batch_norm, .scales = scales, .biases = biases}, shape, values) ==
          std::vector<float>{3, 6, 33});
    CHECK(run({.kind = StepKind::add}, shape, values, {1, 1, 1}) ==
          std::vector<float>{0, 1.5F, 10});
}

TEST_CASE("activations of f32") {
    const Shape shape{1, 1, 3, Element::f32};
    const std::vector<float> values{-6, 0, 3}, limits{0.25F, 0.5F};
    CHECK(run({.kind = StepKind::sigmoid}, shape, values)[1] == 0.5F);
    CHECK(run({.kind = StepKind::sigmoid}, shape, values)[2] == doctest::Approx(0.9525741));
    CHECK(run({.kind = StepKind::tanh}, shape, values)[2] == doctest::Approx(0.9950548));
    CHECK(run({.kind = StepKind::hard_sigmoid, .limits = limits}, shape, values) ==
          std::vector<float>{0, 0.5F, 1});
    CHECK(run({.kind = StepKind::hard_swish}, shape, values) == std::vector<float>{0, 0, 3});
}

TEST_CASE("tensors are multiplied by others and by one pixel, joined, parted and shuffled") {
    const Shape shape{2, 1, 2, Element::f32};
    CHECK(run({.kind = StepKind::multiply}, shape, {1, 2, 3, 4}, {5, 6, 7, 8}) ==
          std::vector<float>{5, 12, 21, 32});
    CHECK(run({.kind = StepKind::multiply, .one_pixel = true}, shape, {1, 2, 3, 4}, {5, 6}) ==
          std::vector<float>{5, 12, 15, 24});
    CHECK(run({.kind = StepKind::concat, .parts = {2, 1}}, shape, {1, 2, 3, 4}, {5, 6}) ==
          std::vector<float>{1, 2, 5, 3, 4, 6});
    const Shape row{1, 1, 6, Element::f32};
    CHECK(run({.kind = StepKind::channels, .out_channels = 2, .first_channel = 3},
              row,
              {1, 2, 3, 4, 5, 6}) == std::vector<float>{4, 5});
    CHECK(run({.kind = StepKind::channel_shuffle, .groups = 2}, row, {1, 2, 3, 4, 5, 6}) ==
          std::vector<float>{1, 4, 2, 5, 3, 6});
}

TEST_CASE("every variant that takes f32 equals the reference in every configuration") {
    using enum StepKind;
    ThreadPool pool(4, std::chrono::microseconds{0});
    const std::pair<StepKind, Element> kinds[] = {{conv2d, Element::f32},
                                                  {conv2d, Element::binary},
                                                  {conv2d, Element::u8},
                                                  {linear, Element::f32},
                                                  {linear, Element::binary},
                                                  {threshold, Element::f32},
                                                  {max_pool2d, Element::f32},
                                                  {average_pool2d, Element::f32},
                                                  {global_average_pool, Element::f32},
                                                  {add, Element::f32},
                                                  {flatten, Element::f32},
                                                  {relu, Element::f32},
                                                  {clip, Element::f32},
                                                  {sigmoid, Element::f32},
                                                  {StepKind::tanh, Element::f32},
                                                  {hard_sigmoid, Element::f32},
                                                  {hard_swish, Element::f32},
                                                  {multiply, Element::f32},
                                                  {concat, Element::f32},
                                                  {channels, Element::f32},
                                                  {channel_shuffle, Element::f32},
                                                  {batch_norm, Element::f32},
                                                  {softmax, Element::f32},
                                                  {log_softmax, Element::f32}};
    std::map<std::string_view, int> compared;
    for (std::size_t k = 0; k < std::size(kinds); ++k) {
        for (std::uint64_t i = 0; i < 100; ++i) {
            Random random(k * 1000 + i);
            Owned owned;
            random_step(owned, random, kinds[k].first, kinds[k].second);
            const bool is_product = kinds[k].first == conv2d || kinds[k].first == linear;
            const bool ends = kinds[k].first == threshold || kinds[k].first == concat;
            if (i >= (is_product ? 100 : ends ? 25 : 40)) {
                break;
            }
            if (i >= (is_product ? 50 : 25)) {
                add_followers(owned, random);
            }
            const Chain& chain = owned.chain;
            const Shape output = output_of(chain);
            const Tensor input = random_input(random, chain.input, chain.batch);
            // The other inputs: of the result's shape, of one pixel, or what is to be joined.
            const Step& step = chain.steps.front();
            std::vector<Tensor> others;
            for (std::size_t other = 1; other < std::max<std::size_t>(2, step.parts.size());
                 ++other) {
                Shape shape = output;
                shape.element = Element::f32;
                if (step.one_pixel) {
                    shape.height = shape.width = 1;
                }
                if (!step.parts.empty()) {
                    shape.channels = step.parts[other];
                }
                others.push_back(random_input(random, shape, chain.batch));
            }
            const Tensor& second = others.front();
            Shape same = output;
            same.element = Element::f32;
            std::vector<const std::byte*> more;
            for (std::size_t other = 1; other < others.size(); ++other) {
                more.push_back(others[other].data());
            }
            const Variant& reference = *find_variant("reference");
            const Tensor plain =
                converted(chain.input, chain.batch, Layout::nhwc, Layout::plain, input);
            Tensor made(tensor_bytes(output, Layout::plain, chain.batch));
            Kernel(reference, chain, {.threads = 1})
                .run({plain.data(), second.data(), made.data(), more}, pool);
            const Tensor expected =
                converted(output, chain.batch, Layout::plain, Layout::nhwc, made);
            for (const Variant& variant : variants()) {
                if (!variant.supported() || !variant.accepts(chain) ||
                    variant.layout == Layout::plain) {
                    continue;
                }
                const bool in_blocks = block_of(variant.layout) > 1;
                const Tensor in =
                    converted(chain.input, chain.batch, Layout::nhwc, variant.layout, input);
                const Tensor other =
                    in_blocks ? converted(same, chain.batch, Layout::nhwc, variant.layout, second)
                              : Tensor{0};
                for (const Configuration& configuration : configurations(chain, 4, variant.axes)) {
                    CAPTURE(k);
                    CAPTURE(i);
                    CAPTURE(configuration.name());
                    Tensor there(tensor_bytes(output, variant.layout, chain.batch));
                    std::memset(there.data(), 0xa5, there.size());
                    const Kernel kernel(variant, chain, configuration);
                    for (int repeat = 0; repeat < 2; ++repeat) {
                        kernel.run({in.data(),
                                    in_blocks ? other.data() : second.data(),
                                    there.data(),
                                    more},
                                   pool);
                        const Tensor result =
                            converted(output, chain.batch, variant.layout, Layout::nhwc, there);
                        // What fills up blocks is zero.
                        const Tensor again =
                            converted(output, chain.batch, Layout::nhwc, variant.layout, result);
                        if (block_of(variant.layout) > 1) {
                            REQUIRE(std::memcmp(again.data(),
                                                there.data(),
                                                block_bytes(output, variant.layout) *
                                                    static_cast<std::size_t>(chain.batch)) == 0);
                        }
                        if (may_round(chain) || output.element == Element::binary) {
                            REQUIRE(differences(result, expected, output, chain.batch) == 0);
                        } else {
                            REQUIRE(reals_of(result, output, chain.batch) ==
                                    reals_of(expected, output, chain.batch));
                        }
                    }
                    ++compared[variant.name];
                }
            }
        }
    }
    CHECK(compared["loops"] > 500);
    if (!find_variant("onednn")->supported()) {
        MESSAGE("onednn: skipped, there is no library");
    }
    for (const Variant& variant : variants()) {
        if (variant.supported() && variant.layout == Layout::nhwc && !is_for_bytes(variant)) {
            CHECK(compared[variant.name] > 50);  // those of bits scale their sums
        }
    }
}

TEST_CASE("what does not fit f32 is refused") {
    const auto refused = [](const Step& step, const Shape& input) {
        try {
            (void)output_of({.input = input, .steps = {step}, .batch = 1});
        } catch (const std::invalid_argument& error) {
            return std::string{error.what()};
        }
        return std::string{};
    };
    const Shape bits{2, 2, 4, Element::binary}, reals{2, 2, 4, Element::f32};
    CHECK(refused({.kind = StepKind::relu}, bits) == "relu: expected f32 input, got binary");
    CHECK(refused({.kind = StepKind::conv2d, .out_channels = 2}, reals) ==
          "conv2d: expected a real result of f32 input");
    CHECK(refused({.kind = StepKind::conv2d, .out_channels = 2, .groups = 2}, bits) ==
          "conv2d: expected groups that divide the channels, and one of bits where the result is "
          "int32");
    const std::vector<float> three{1, 2, 3};
    CHECK(refused({.kind = StepKind::clip, .limits = three}, reals) ==
          "clip: expected 2 limits, got 3");
    CHECK(refused({.kind = StepKind::linear, .out_channels = 1, .real_weights = three}, bits) ==
          "linear: expected 16 weights, got 3");
}
