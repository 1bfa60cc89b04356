// The tensor-core kernels on the host: fragments and products of one instruction each, then whole
// chains against the reference, bit by bit.

#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/tensor_core_plan.hpp"
#include "kernels/cuda/variants.hpp"
#include "kernels_chains.hpp"
#include "tests/cuda_emulation/device_kernel.hpp"

#include <doctest/doctest.h>

#include <map>
#include <span>

using namespace kernels;
using namespace kernels_test;
using cuda_emulation::Order;
using Guard = cuda_emulation::GuardedMemory::Guard;

namespace {

const DeviceVariant& variant(std::string_view name) {
    return *find_variant(cuda::variants(), name);
}

// ---- One instruction ---------------------------------------------------------------------------

// Matrices of 16 x 8 and 8 x 8 words: row, word and column, word.
struct Matrices {
    unsigned a[16][8], b[8][8];
    int c[16][8];
};

enum class Instruction : int { b1_and, b1_xor, s8, s8u8, b1_xor_8x8 };

// Where elements are, from the tables of the PTX manual: a_i of thread t for rows and words.
__global__ void one_product(Matrices* matrices, int instruction) {
    const int lane = static_cast<int>(threadIdx.x);
    const int group = lane >> 2, in_group = lane & 3;
    Matrices& m = *matrices;
    const unsigned a[4] = {m.a[group][in_group],
                           m.a[group + 8][in_group],
                           m.a[group][in_group + 4],
                           m.a[group + 8][in_group + 4]};
    const unsigned b[2] = {m.b[group][in_group], m.b[group][in_group + 4]};
    int c[4];
    for (int i = 0; i < 4; ++i) {
        c[i] = m.c[i < 2 ? group : group + 8][in_group * 2 + (i & 1)];
    }
    switch (static_cast<Instruction>(instruction)) {
        case Instruction::b1_and:
            cuda::mma_b1_and_16x8x256(c, a, b);
            break;
        case Instruction::b1_xor:
            cuda::mma_b1_xor_16x8x256(c, a, b);
            break;
        case Instruction::s8:
            cuda::mma_s8_16x8x32(c, a, b);
            break;
        case Instruction::s8u8:
            cuda::mma_s8u8_16x8x32(c, a, b);
            break;
        case Instruction::b1_xor_8x8: {
            int rows[2] = {c[0], c[1]};
            cuda::mma_b1_xor_8x8x128(rows, a[0], b[0]);
            c[0] = rows[0];
            c[1] = rows[1];
            break;
        }
    }
    for (int i = 0; i < 4; ++i) {
        m.c[i < 2 ? group : group + 8][in_group * 2 + (i & 1)] = c[i];
    }
}

// Element by element.
int plain_product(Instruction instruction,
                  std::span<const unsigned> a,
                  std::span<const unsigned> b) {
    int sum = 0;
    const bool bytes = instruction == Instruction::s8 || instruction == Instruction::s8u8;
    const int bits = bytes ? 8 : 1;
    for (std::size_t word = 0; word < a.size(); ++word) {
        for (int shift = 0; shift < 32; shift += bits) {
            const unsigned x = a[word] >> shift, y = b[word] >> shift;
            if (instruction == Instruction::s8) {
                sum += static_cast<std::int8_t>(x) * static_cast<std::int8_t>(y);
            } else if (instruction == Instruction::s8u8) {
                sum += static_cast<std::int8_t>(x) * static_cast<std::uint8_t>(y);
            } else if (instruction == Instruction::b1_and) {
                sum += static_cast<int>(x & y & 1);
            } else {
                sum += static_cast<int>((x ^ y) & 1);
            }
        }
    }
    return sum;
}

// ---- Chains ------------------------------------------------------------------------------------

// A variant on one generation of devices.
struct Machine {
    std::string name;
    DeviceLimits limits;
    std::vector<std::string> (*configurations)(const Chain&, const DeviceLimits&);
    DeviceKernel (*prepare)(const Chain&, const std::string&, const DeviceLimits&);
};

const std::vector<Machine>& machines() {
    static const std::vector<Machine> kMachines = {{"tensor_core, and",
                                                    {.capability = 90, .compute_units = 132},
                                                    variant("tensor_core").configurations,
                                                    variant("tensor_core").prepare},
                                                   {"tensor_core, and, few multiprocessors",
                                                    {.capability = 86, .compute_units = 1},
                                                    variant("tensor_core").configurations,
                                                    variant("tensor_core").prepare},
                                                   {"tensor_core, xor",
                                                    {.capability = 75, .compute_units = 30},
                                                    variant("tensor_core").configurations,
                                                    variant("tensor_core").prepare},
                                                   {"int8_tensor_core",
                                                    {.capability = 120, .compute_units = 48},
                                                    variant("int8_tensor_core").configurations,
                                                    variant("int8_tensor_core").prepare}};
    return kMachines;
}

std::size_t used_bytes(const Shape& shape, int batch) {
    const auto pixels = static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
                        static_cast<std::size_t>(shape.width);
    return pixels * (shape.element == Element::binary
                         ? static_cast<std::size_t>(shape.words()) * 8
                         : static_cast<std::size_t>(shape.channels) *
                               (shape.element == Element::int32 ? 4 : 1));
}

int compare(const Case& test, const Machine& machine) {
    const Chain& chain = test.owned.chain;
    CAPTURE(machine.name);
    CAPTURE(describe(chain));
    int count = 0;
    for (const std::string& configuration : machine.configurations(chain, machine.limits)) {
        CAPTURE(configuration);
        const DeviceKernel kernel = machine.prepare(chain, configuration, machine.limits);
        REQUIRE(kernel.launches.front().local_bytes <= machine.limits.local_bytes);
        cuda_emulation::Prepared prepared(kernel, count % 2 == 0 ? Guard::behind : Guard::before);
        Tensor output(test.expected.size());
        std::memset(output.data(), 0xa5, output.size());
        prepared.run({test.input.data(), test.input.size()},
                     {test.second.data(), test.second.size()},
                     {output.data(), output.size()},
                     count % 3 == 1 ? Order::backward : Order::forward);
        REQUIRE(std::memcmp(output.data(),
                            test.expected.data(),
                            used_bytes(test.output, chain.batch)) == 0);
        ++count;
    }
    return count;
}

// A convolution with what follows it.
struct Layer {
    Shape input;
    int out_channels, kernel, stride, padding, pad_value, batch;
    bool add = false, threshold = true, pool = false;
};

Case case_of(const Layer& layer, std::uint64_t seed) {
    Random random(seed);
    OwnedChain owned;
    Chain& chain = owned.chain;
    chain.batch = layer.batch;
    chain.input = layer.input;
    Step conv{.kind = StepKind::conv2d,
              .out_channels = layer.out_channels,
              .kernel_height = layer.kernel,
              .kernel_width = layer.kernel,
              .stride = layer.stride,
              .padding = layer.padding,
              .pad_value = layer.pad_value};
    const int fan_in = layer.kernel * layer.kernel * layer.input.channels;
    add_weights(owned, random, conv, fan_in);
    chain.steps.push_back(conv);
    if (layer.add) {
        chain.steps.push_back({.kind = StepKind::add});
    }
    if (layer.threshold) {
        Step threshold{.kind = StepKind::threshold};
        const int scale = layer.input.element == Element::u8 ? 150 : 1;
        add_thresholds(owned,
                       random,
                       threshold,
                       layer.out_channels,
                       scale * static_cast<int>(std::sqrt(double(fan_in))));
        chain.steps.push_back(threshold);
    }
    if (layer.pool) {
        chain.steps.push_back(
            {.kind = StepKind::max_pool2d, .kernel_height = 2, .kernel_width = 2, .stride = 2});
    }
    return with_result(std::move(owned), random, false);
}

}  // namespace

TEST_CASE("a matrix instruction multiplies what its fragments say") {
    Random random(1);
    using enum Instruction;
    for (const Instruction instruction : {b1_and, b1_xor, s8, s8u8, b1_xor_8x8}) {
        for (int repeat = 0; repeat < 4; ++repeat) {
            Matrices matrices;
            for (auto& row : matrices.a) {
                for (unsigned& word : row) {
                    word = static_cast<unsigned>(random.word());
                }
            }
            for (auto& column : matrices.b) {
                for (unsigned& word : column) {
                    word = static_cast<unsigned>(random.word());
                }
            }
            for (auto& row : matrices.c) {
                for (int& value : row) {
                    value = random.between(-1000, 1000);
                }
            }
            Matrices result = matrices;
            cuda_emulation::launch(
                {1}, {32}, 0, one_product, &result, static_cast<int>(instruction));
            const bool small = instruction == b1_xor_8x8;
            for (std::size_t row = 0; row < 16; ++row) {
                for (std::size_t column = 0; column < 8; ++column) {
                    const std::size_t words = small ? 4 : 8;
                    const int product =
                        small && row >= 8
                            ? 0
                            : plain_product(instruction,
                                            std::span(matrices.a[row]).first(words),
                                            std::span(matrices.b[column]).first(words));
                    REQUIRE(result.c[row][column] == matrices.c[row][column] + product);
                }
            }
        }
    }
}

TEST_CASE("each lane holds eight neighbouring channels") {
    std::vector<int> seen(64, 0);
    for (int lane = 0; lane < 8; ++lane) {
        for (int tile = 0; tile < 4; ++tile) {
            for (int h = 0; h < 2; ++h) {
                const int channel = 8 * lane + 2 * tile + h;
                const auto place = cuda::row_of(channel);
                CHECK(place.tile == tile);
                CHECK(place.row == lane + 8 * h);
                ++seen[static_cast<std::size_t>(channel)];
            }
        }
    }
    CHECK(seen == std::vector<int>(64, 1));
}

TEST_CASE("a pixel's image is found without a division") {
    for (const int items : {1, 2, 3, 7, 49, 196, 784, 3136, 12544, 50176, 65535, 65536, 65537}) {
        const Step step{.kind = StepKind::conv2d, .out_channels = 1};
        const std::vector<std::uint64_t> weights(1);
        Step with_weights = step;
        with_weights.weights = weights;
        std::vector<std::byte> constant;
        const cuda::DotUnit unit = cuda::append_unit(
            constant, {.dot = &with_weights, .input = {1, items, 1, Element::binary}});
        REQUIRE(unit.items == items);
        Random random(1);
        for (int i = 0; i < 1000; ++i) {
            const int image = random.between(0, (1 << 30) / items - 1);
            for (const int pixel : {image * items, image * items + items - 1}) {
                const auto number = static_cast<unsigned>(pixel);
                const auto high =
                    static_cast<unsigned>(std::uint64_t{number} * unit.items_factor >> 32);
                REQUIRE(static_cast<int>((high + number) >> unit.items_shift) == image);
            }
        }
    }
}

TEST_CASE("tensor cores equal the reference on random chains in every configuration") {
    std::map<std::string, int> count;
    for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
        for (std::uint64_t i = 0; i < 6; ++i) {
            Random random(kind * 1000 + i);
            const Case test =
                with_result(random_chain(random, kinds()[kind], Size::small), random, false);
            for (const Machine& machine : machines()) {
                count[machine.name] += compare(test, machine);
            }
        }
    }
    for (const auto& [name, kernels] : count) {
        MESSAGE(name << ": " << kernels << " kernels compared");
        CHECK(kernels > 60);
    }
}

TEST_CASE("tensor cores equal the reference on layers of known networks") {
    const auto bits = [](int size, int channels) {
        return Shape{size, size, channels, Element::binary};
    };
    const auto pixels = [](int size, int channels) {
        return Shape{size, size, channels, Element::u8};
    };
    const Layer layers[] = {
        {bits(8, 64), 64, 3, 1, 1, 0, 3},
        {bits(9, 64), 128, 3, 2, 1, 0, 2},
        {bits(8, 128), 128, 3, 1, 1, -1, 1, false, true, true},
        {bits(7, 128), 192, 3, 1, 1, 1, 1, false, true, true},
        {bits(6, 192), 64, 3, 1, 1, 0, 1, true, true, false},
        {bits(6, 192), 70, 3, 1, 1, 0, 1, true, true, true},
        {bits(7, 512), 72, 3, 1, 1, 0, 1, true, false, false},
        {bits(7, 512), 66, 3, 1, 1, 0, 1, false, false, false},
        {bits(14, 64), 128, 1, 2, 0, 0, 3, false, false, false},
        {bits(14, 256), 64, 1, 2, 0, 0, 1},
        {bits(4, 100), 96, 5, 1, 2, 0, 8, false, true, true},
        {bits(1, 1024), 130, 1, 1, 0, 0, 33},
        {pixels(28, 1), 64, 5, 1, 2, 0, 1, false, true, true},
        {pixels(16, 3), 64, 3, 1, 1, 0, 3},
        {pixels(17, 3), 66, 7, 2, 3, -1, 1, false, true, false},
        {pixels(15, 3), 68, 7, 4, 3, 1, 2, true, true, false},
        {pixels(32, 3), 128, 3, 1, 1, 0, 1, false, true, true},
    };
    std::uint64_t seed = 0;
    for (const Layer& layer : layers) {
        const Case test = case_of(layer, ++seed);
        int count = 0;
        for (const Machine& machine : machines()) {
            count += compare(test, machine);
        }
        CHECK(count > 0);
    }
}

TEST_CASE("tensor cores equal the reference on a large image") {
    const Case test = case_of({{56, 56, 64, Element::binary}, 64, 3, 1, 1, 0, 1}, 7);
    CHECK(compare(test, machines()[1]) > 0);
}

TEST_CASE("bits are multiplied where hardware does, and bytes elsewhere") {
    const Case test = case_of({{8, 8, 64, Element::binary}, 64, 3, 1, 1, 0, 1}, 1);
    const auto offered = [&](int capability) {
        return !variant("tensor_core")
                    .configurations(test.owned.chain, {.capability = capability})
                    .empty();
    };
    CHECK_FALSE(offered(70));
    CHECK(offered(75));
    CHECK(offered(80));
    CHECK(offered(89));
    CHECK(offered(90));
    CHECK_FALSE(offered(100));
    CHECK_FALSE(offered(120));
    CHECK_FALSE(
        variant("int8_tensor_core").configurations(test.owned.chain, {.capability = 120}).empty());
    CHECK_THROWS_AS(variant("tensor_core").prepare(test.owned.chain, "48x64", {.capability = 90}),
                    std::invalid_argument);
}

TEST_CASE("few positions are shared by the warps of a block, many are not") {
    const Case few = case_of({{7, 7, 512, Element::binary}, 512, 3, 1, 1, 0, 1}, 1);
    const DeviceLimits limits{.capability = 90, .compute_units = 132};
    CHECK(variant("tensor_core").configurations(few.owned.chain, limits).front() == "16x64k8");
    Chain many = few.owned.chain;
    many.batch = 512;
    CHECK(variant("tensor_core").configurations(many, limits).front() == "64x64");
}
