#include "kernels/registry.hpp"
#include "kernels_chains.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace kernels;
using namespace kernels_test;

namespace {

Step step_of(StepKind kind) {
    Step step;
    step.kind = kind;
    return step;
}

Chain pool_chain(int height, int channels, int batch) {
    Step pool = step_of(StepKind::max_pool2d);
    pool.kernel_height = pool.kernel_width = pool.stride = 2;
    return {.input = {2 * height, 8, channels, Element::binary}, .steps = {pool}, .batch = batch};
}

std::string names(const std::vector<Configuration>& configurations) {
    std::string text;
    for (const Configuration& configuration : configurations) {
        text += (text.empty() ? "" : " ") + configuration.name();
    }
    return text;
}

}  // namespace

TEST_CASE("the table of variants begins with the reference and has no name twice") {
    REQUIRE(!variants().empty());
    CHECK(variants()[0].name == "reference");
    CHECK(variants()[0].layout == Layout::plain);
    std::set<std::string_view> seen;
    for (const Variant& variant : variants()) {
        CHECK(seen.insert(variant.name).second);
        CHECK(!variant.summary.empty());
        CHECK(find_variant(variant.name) == &variant);
    }
    CHECK(find_variant("no such variant") == nullptr);
    CHECK(find_variant("reference")->supported());
}

TEST_CASE("tensors in memory fill whole 64-byte lines") {
    const Shape bits{3, 5, 65, Element::binary};
    CHECK(tensor_bytes(bits, Layout::nhwc, 1) == 256);    // 15 pixels x 2 words x 8 = 240
    CHECK(tensor_bytes(bits, Layout::plain, 1) == 1024);  // 15 x 65 = 975
    CHECK(tensor_bytes(bits, Layout::nhwc, 4) == 960);    // exactly 4 x 240
    CHECK(tensor_bytes({1, 1, 64, Element::binary}, Layout::nhwc, 1) == 64);
    CHECK(tensor_bytes({2, 2, 3, Element::u8}, Layout::nhwc, 1) == 64);
    CHECK(tensor_bytes({2, 2, 5, Element::int32}, Layout::plain, 1) == 128);  // 80
}

TEST_CASE("shapes follow the steps, and a step that does not fit says why") {
    Chain chain{.input = {28, 28, 1, Element::u8}, .steps = {}, .batch = 1};
    Step conv = step_of(StepKind::conv2d);
    conv.out_channels = 70;
    conv.kernel_height = conv.kernel_width = 3;
    conv.padding = 1;
    conv.stride = 2;
    Step pool = step_of(StepKind::max_pool2d);
    pool.kernel_height = pool.kernel_width = 3;
    pool.stride = 2;
    Step linear = step_of(StepKind::linear);
    linear.out_channels = 10;
    chain.steps = {conv, step_of(StepKind::threshold), pool, step_of(StepKind::flatten), linear};
    const std::vector<Shape> shapes = shapes_of(chain);
    CHECK(shapes[0] == Shape{14, 14, 70, Element::int32});
    CHECK(shapes[1] == Shape{14, 14, 70, Element::binary});
    CHECK(shapes[2] == Shape{6, 6, 70, Element::binary});
    CHECK(shapes[3] == Shape{1, 1, 2520, Element::binary});
    CHECK(output_of(chain) == Shape{1, 1, 10, Element::int32});
    CHECK(!needs_second_input(chain));

    const auto refuses = [&](const Step& step, Shape input, const char* message) {
        const Chain bad{.input = input, .steps = {step}, .batch = 1};
        CHECK_THROWS_WITH_AS(shapes_of(bad), message, std::invalid_argument);
        for (const Variant& variant : variants()) {
            CHECK(!variant.accepts(bad));
        }
    };
    const Shape bits{4, 4, 8, Element::binary}, sums{4, 4, 8, Element::int32};
    refuses(
        step_of(StepKind::threshold), bits, "threshold: expected int32 or f32 input, got binary");
    refuses(step_of(StepKind::add), bits, "add: expected int32 or f32 input, got binary");
    refuses(conv, sums, "conv2d: expected binary or u8 or f32 input, got int32");
    refuses(step_of(StepKind::linear), bits, "linear: expected 1 output channel or more");
    Step large = conv;
    large.kernel_width = 7;
    refuses(large, bits, "conv2d: expected a kernel that fits into the padded input");
    Step half = conv;
    half.pad_value = 2;
    refuses(half, bits, "conv2d: expected a pad value of -1, 0 or 1");
    Step empty = pool;
    empty.padding = 3;
    refuses(empty,
            bits,
            "max_pool2d: expected a padding smaller than the kernel, so that no window is empty");
    Step still = conv;
    still.stride = 0;
    refuses(still, bits, "conv2d: expected a stride of 1 or more");
    const std::vector<std::uint64_t> few(3);
    Step light = conv;
    light.weights = few;
    refuses(light, bits, "conv2d: expected 140 words of weights, got 3");
    for (const int nowhere : {-2, 4, 5}) {
        chain.second_result = nowhere;
        CHECK_THROWS_WITH_AS(shapes_of(chain),
                             "a chain's second result: expected a step before the last",
                             std::invalid_argument);
    }
    chain.second_result = 1;
    CHECK(second_output_of(chain) == shapes[1]);
    CHECK_THROWS_AS(shapes_of({.input = {0, 1, 1, Element::u8}, .steps = {}, .batch = 1}),
                    std::invalid_argument);
    CHECK_THROWS_AS(shapes_of({.input = {1, 1, 1, Element::u8}, .steps = {}, .batch = 0}),
                    std::invalid_argument);
}

TEST_CASE("a kernel refuses chains that its variant cannot run, and layers without parameters") {
    const Configuration alone{.threads = 1};
    const Variant& scalar = *find_variant("scalar");
    const Chain two_pools{.input = {8, 8, 8, Element::binary},
                          .steps = {pool_chain(4, 8, 1).steps[0], pool_chain(4, 8, 1).steps[0]},
                          .batch = 1};
    CHECK(find_variant("reference")->accepts(two_pools));
    CHECK(!scalar.accepts(two_pools));
    CHECK_THROWS_WITH_AS(Kernel(scalar, two_pools, alone),
                         "kernel: variant 'scalar' cannot run this chain of layers",
                         std::invalid_argument);
    CHECK(!scalar.accepts({.input = {8, 8, 8, Element::binary}, .steps = {}, .batch = 1}));

    // Second results: what a threshold at the end reads.
    Step conv = step_of(StepKind::conv2d);
    conv.out_channels = 9;
    Chain both{.input = {8, 8, 8, Element::binary},
               .steps = {conv, step_of(StepKind::threshold)},
               .batch = 1,
               .second_result = 0};
    for (const Variant& variant : variants()) {
        CHECK(takes(variant, both) == variant.gives_two_results);
    }
    both.steps.push_back(pool_chain(4, 8, 1).steps[0]);
    CHECK(takes(*find_variant("reference"), both) == false);  // of other sizes
    CHECK(!takes(scalar, both));
    both.steps = {conv, step_of(StepKind::add), step_of(StepKind::threshold)};
    CHECK(!takes(scalar, both));  // what the addition reads
    CHECK(takes(*find_variant("reference"), both));

    Step linear = step_of(StepKind::linear);
    linear.out_channels = 3;
    const Chain weightless{.input = {1, 1, 8, Element::binary}, .steps = {linear}, .batch = 1};
    CHECK_THROWS_WITH_AS(Kernel(scalar, weightless, alone),
                         "kernel: a convolution or linear layer without weights",
                         std::invalid_argument);
    const Chain boundless{
        .input = {1, 1, 8, Element::int32}, .steps = {step_of(StepKind::threshold)}, .batch = 1};
    CHECK_THROWS_WITH_AS(Kernel(scalar, boundless, alone),
                         "kernel: a threshold layer without thresholds or flips",
                         std::invalid_argument);
}

TEST_CASE("configurations are the splits that give every thread work") {
    CHECK(names(configurations(pool_chain(8, 64, 1), 1)) == "1");
    CHECK(names(configurations(pool_chain(8, 64, 1), 2)) == "1 2y");
    CHECK(names(configurations(pool_chain(8, 256, 1), 2)) == "1 2y 2z");
    CHECK(names(configurations(pool_chain(8, 256, 8), 2)) == "1 2x 2y 2z");
    CHECK(names(configurations(pool_chain(1, 64, 1), 4)) == "1");
    CHECK(names(configurations(pool_chain(8, 128, 1), 4)) == "1 2y 2z 4y 4yz");
    CHECK(names(configurations(pool_chain(4, 256, 2), 8)) ==
          "1 2x 2y 2z 4y 4z 4xy 4xz 4yz 8xy 8xz 8yz 8xyz");
    CHECK(names(configurations(pool_chain(3, 64, 1), 3)) == "1 2y 3y");
}

TEST_CASE("the slices of a configuration are parts of equal size that cover the output once") {
    for (const int threads : {1, 2, 3, 4, 6, 8, 12}) {
        for (const int channels : {10, 64, 100, 320}) {
            for (const int batch : {1, 3, 5}) {
                const Chain chain = pool_chain(7, channels, batch);
                const Shape output = output_of(chain);
                for (const Configuration& configuration : configurations(chain, threads)) {
                    CAPTURE(configuration.name());
                    const std::vector<Slice> slices = slices_of(chain, configuration);
                    REQUIRE(static_cast<int>(slices.size()) == configuration.threads);
                    std::vector<int> covered(
                        static_cast<std::size_t>(batch * output.height * output.channels));
                    for (std::size_t i = 0; i < slices.size(); ++i) {
                        const Slice& slice = slices[i];
                        CHECK(slice.index == static_cast<int>(i));
                        CHECK(slice.channel_begin % 64 == 0);
                        CHECK((slice.channel_end % 64 == 0 || slice.channel_end == channels));
                        REQUIRE(slice.image_begin < slice.image_end);
                        REQUIRE(slice.row_begin < slice.row_end);
                        REQUIRE(slice.channel_begin < slice.channel_end);
                        for (int image = slice.image_begin; image < slice.image_end; ++image) {
                            for (int y = slice.row_begin; y < slice.row_end; ++y) {
                                for (int c = slice.channel_begin; c < slice.channel_end; ++c) {
                                    ++covered[static_cast<std::size_t>(
                                        (image * output.height + y) * channels + c)];
                                }
                            }
                        }
                    }
                    CHECK(std::count(covered.begin(), covered.end(), 1) ==
                          static_cast<long>(covered.size()));
                }
            }
        }
    }
}

TEST_CASE("a configuration that is too large for a chain uses fewer threads") {
    CHECK(slices_of(pool_chain(3, 64, 1), {.threads = 4, .axes = "y"}).size() == 3);
    CHECK(slices_of(pool_chain(3, 64, 1), {.threads = 2, .axes = "z"}).size() == 1);
    CHECK_THROWS_AS(slices_of(pool_chain(3, 64, 1), {.threads = 2, .axes = "w"}),
                    std::invalid_argument);
    CHECK_THROWS_AS(slices_of(pool_chain(3, 64, 1), {.threads = 4, .axes = "yy"}),
                    std::invalid_argument);
    CHECK_THROWS_AS(slices_of(pool_chain(3, 64, 1), {.threads = 2, .axes = ""}),
                    std::invalid_argument);
}

TEST_CASE("packed bits lie where the layout says") {
    // Two pixels of 66 channels: +1 in channels 0, 65 of the first and 1, 64 of the second.
    const Shape shape{1, 2, 66, Element::binary};
    Tensor plain(tensor_bytes(shape, Layout::plain, 1));
    std::memset(plain.data(), 0xff, plain.size());
    for (const std::size_t index : {0u, 65u, 66u + 1, 66u + 64}) {
        plain.data()[index] = std::byte{1};
    }
    const Tensor packed = converted(shape, 1, Layout::plain, Layout::nhwc, plain);
    std::uint64_t words[4];
    std::memcpy(words, packed.data(), sizeof words);
    CHECK(words[0] == 1);
    CHECK(words[1] == 2);
    CHECK(words[2] == 2);
    CHECK(words[3] == 1);
}

TEST_CASE("converting to the other layout and back changes nothing") {
    Random random(3);
    for (int channels = 1; channels <= 200; ++channels) {
        for (const Element element : {Element::binary, Element::u8, Element::int32}) {
            const Shape shape{random.between(1, 3), random.between(1, 3), channels, element};
            const int batch = random.between(1, 3);
            const Tensor plain = random_tensor(random, shape, batch);
            const Tensor packed = converted(shape, batch, Layout::plain, Layout::nhwc, plain);
            const Tensor again = converted(shape, batch, Layout::nhwc, Layout::plain, packed);
            CHECK(std::memcmp(plain.data(), again.data(), plain.size()) == 0);
            if (element != Element::binary) {
                continue;
            }
            // Unused bits are zero.
            for (std::size_t word = static_cast<std::size_t>(shape.words() - 1);
                 word < packed.size() / 8 && channels % 64 != 0;
                 word += static_cast<std::size_t>(shape.words())) {
                std::uint64_t last;
                std::memcpy(&last, packed.data() + word * 8, 8);
                CHECK((last >> (channels % 64)) == 0);
            }
        }
    }
}
