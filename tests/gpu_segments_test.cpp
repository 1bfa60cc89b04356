// The CUDA backend itself: copies in every mode, segments with events, graphs and single launches,
// timed segments, and what it says when something cannot be.

#include "gpu_device.hpp"
#include "sim/error.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

using namespace gpu_test;
using namespace kernels;
using namespace kernels_test;
using calibrate::Direction;
using calibrate::cuda::Submission;

namespace {

std::vector<std::byte> random_bytes(Random& random, std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random.word());
    }
    return bytes;
}

bool same(const std::byte* a, const std::byte* b, std::size_t bytes) {
    return std::memcmp(a, b, bytes) == 0;
}

OwnedChain threshold_chain(Random& random, int height, int channels, int batch) {
    OwnedChain owned;
    owned.chain = {
        .input = {height, height, channels, Element::int32}, .steps = {}, .batch = batch};
    Step threshold{.kind = StepKind::threshold};
    add_thresholds(owned, random, threshold, channels, 30);
    owned.chain.steps.push_back(threshold);
    return owned;
}

// A convolution whose result something is added to.
OwnedChain residual_chain(Random& random, int height, int channels, int batch) {
    OwnedChain owned;
    owned.chain = {
        .input = {height, height, channels, Element::binary}, .steps = {}, .batch = batch};
    Step conv{.kind = StepKind::conv2d,
              .out_channels = channels,
              .kernel_height = 3,
              .kernel_width = 3,
              .padding = 1};
    add_weights(owned, random, conv, 9 * channels);
    owned.chain.steps.push_back(conv);
    owned.chain.steps.push_back({.kind = StepKind::add});
    return owned;
}

Tensor random_packed(Random& random, const Shape& shape, int batch) {
    return converted(
        shape, batch, Layout::plain, Layout::nhwc, random_tensor(random, shape, batch));
}

Tensor reference(const Chain& chain, const Tensor& input, const Tensor& second) {
    const Shape output = output_of(chain);
    const Tensor plain = converted(chain.input, chain.batch, Layout::nhwc, Layout::plain, input);
    Tensor result(tensor_bytes(output, Layout::plain, chain.batch));
    ThreadPool alone(1);
    Kernel(*find_variant("reference"), chain, {.threads = 1, .axes = ""})
        .run({plain.data(), second.data(), result.data()}, alone);
    return converted(output, chain.batch, Layout::plain, Layout::nhwc, result);
}

int prepare_first(calibrate::Device& device, const Chain& chain) {
    const auto offers = device.implementations(chain);
    REQUIRE_FALSE(offers.empty());
    return device.prepare(chain, offers.front().variant, offers.front().configuration);
}

// A small network with a fork, as one segment:
//
//   integers --up--> threshold --bits--> conv + add --sums--down-->
//                              \--down-->  ^
//                                  addend --up
//
// The copy of `bits` and the wait for `addend` are in the middle of the segment.
class Fork {
public:
    Fork(Submission submission, Random& random, int height, int batch, std::string_view mode)
        : device_{open_gpu(submission)},
          first_{threshold_chain(random, height, kChannels, batch)},
          second_{residual_chain(random, height, kChannels, batch)},
          integers_{*device_, bytes_of(first_.chain.input), mode},
          bits_{*device_, bytes_of(second_.chain.input), mode},
          addend_{*device_, bytes_of(output_of(second_.chain)), mode},
          sums_{*device_, bytes_of(output_of(second_.chain)), mode},
          bits_there_{device_->new_event()},
          bits_seen_{device_->new_event()},
          sums_seen_{device_->new_event()} {
        const int integers_there = device_->new_event(), addend_there = device_->new_event();
        const int sums_there = device_->new_event();
        const calibrate::Stage stages[] = {
            {.kernel = prepare_first(*device_, first_.chain),
             .tensors = {integers_.address, nullptr, bits_.address},
             .waits = {integers_there},
             .signal = bits_there_},
            {.kernel = prepare_first(*device_, second_.chain),
             .tensors = {bits_.address, addend_.address, sums_.address},
             .waits = {bits_there_, addend_there},
             .signal = sums_there},
        };
        commands_ = {integers_.record(Direction::up, -1, integers_there),
                     addend_.record(Direction::up, -1, addend_there),
                     device_->record(stages, false),
                     bits_.record(Direction::down, bits_there_, bits_seen_),
                     sums_.record(Direction::down, sums_there, sums_seen_)};
    }

    // Runs it once on new data and compares both results. `seed` makes them.
    void run(std::uint64_t seed) {
        Random random(seed);
        const int batch = first_.chain.batch;
        const Tensor integers = random_packed(random, first_.chain.input, batch);
        const Tensor addend = random_packed(random, output_of(second_.chain), batch);
        std::memcpy(integers_.sent, integers.data(), integers.size());
        std::memcpy(addend_.sent, addend.data(), addend.size());
        std::memset(bits_.received, 0xa5, bits_.bytes);
        std::memset(sums_.received, 0xa5, sums_.bytes);
        for (const int command : commands_) {
            device_->submit(command);
        }
        const Tensor bits = reference(first_.chain, integers, addend);
        const Tensor sums = reference(second_.chain, bits, addend);
        if (seed % 2 == 0) {
            device_->wait(bits_there_);  // in the middle of the segment
        }
        device_->wait(bits_seen_);
        REQUIRE(same(bits_.received, bits.data(), bits.size()));
        device_->wait(sums_seen_);
        REQUIRE(same(sums_.received, sums.data(), sums.size()));
    }

    // Only the last event is waited for, with the data of the last run.
    void run_again() {
        std::memset(sums_.received, 0xa5, sums_.bytes);
        for (const int command : commands_) {
            device_->submit(command);
        }
        device_->wait(sums_seen_);
    }
    std::vector<std::byte> sums() const { return {sums_.received, sums_.received + sums_.bytes}; }

private:
    static constexpr int kChannels = 128;

    std::size_t bytes_of(const Shape& shape) const {
        return tensor_bytes(shape, Layout::nhwc, first_.chain.batch);
    }

    std::unique_ptr<calibrate::Device> device_;
    OwnedChain first_, second_;
    Mirror integers_, bits_, addend_, sums_;
    int bits_there_, bits_seen_, sums_seen_;
    std::vector<int> commands_;
};

}  // namespace

TEST_CASE("memory begins as zeros, and copies of odd sizes arrive whole in every mode") {
    Random random(11);
    for (const std::size_t bytes : {1U, 3U, 15U, 16U, 17U, 64U, 255U, 4096U, 65537U, 3000001U}) {
        const auto device = open_gpu();
        CAPTURE(bytes);
        for (const std::string_view up_mode : device->modes(Direction::up)) {
            CAPTURE(std::string{up_mode});
            Mirror there(*device, bytes, up_mode);
            const std::vector<std::byte> zeros(bytes);
            CHECK(same(there.fetch(), zeros.data(), bytes));
            for (int repeat = 0; repeat < 3; ++repeat) {
                const std::vector<std::byte> data = random_bytes(random, bytes);
                there.send(data.data());
                for (const std::string_view down_mode : device->modes(Direction::down)) {
                    CAPTURE(std::string{down_mode});
                    std::byte* const host = device->allocate_host(bytes, down_mode);
                    std::memset(host, 0x5a, bytes);
                    const int seen = device->new_event();
                    device->submit(device->record({.mode = down_mode,
                                                   .direction = Direction::down,
                                                   .device = there.address,
                                                   .host = host,
                                                   .bytes = bytes,
                                                   .signal = seen}));
                    device->wait(seen);
                    REQUIRE(same(host, data.data(), bytes));
                }
            }
        }
    }
}

TEST_CASE("the executor's way to copy is page-locked memory, and unknown ways are refused") {
    const auto device = open_gpu();
    CHECK(device->modes(Direction::up).front() == "pinned");
    CHECK(device->modes(Direction::down).front() == "pinned");
    CHECK_THROWS_AS((void)device->allocate_host(64, "pigeon"), sim::InputError);
}

TEST_CASE("a segment waits and signals in its middle, as a graph and launch by launch" *
          doctest::test_suite("short")) {
    for (const Submission submission : {Submission::graphs, Submission::launches}) {
        CAPTURE(static_cast<int>(submission));
        Random random(5);
        Fork fork(submission, random, 5, 1, "pinned");
        for (std::uint64_t seed = 0; seed < 10; ++seed) {
            fork.run(seed);
        }
    }
}

TEST_CASE("a segment waits and signals in its middle, with copies in every mode" *
          doctest::test_suite("short")) {
    for (const std::string_view mode : open_gpu()->modes(Direction::up)) {
        CAPTURE(std::string{mode});
        Random random(6);
        Fork fork(Submission::graphs, random, 14, 2, mode);
        for (std::uint64_t seed = 0; seed < 6; ++seed) {
            fork.run(seed);
        }
    }
}

// An event that is seen too early, from the run before, shows here: the copies take longer than
// the kernels, and every run has other data.
TEST_CASE("many runs of a segment, each on new data, never see the run before") {
    for (const Submission submission : {Submission::graphs, Submission::launches}) {
        CAPTURE(static_cast<int>(submission));
        Random random(7);
        Fork small(submission, random, 3, 1, "pinned");
        for (std::uint64_t seed = 0; seed < 500; ++seed) {
            small.run(seed);
        }
        Fork large(submission, random, 28, 2, "pinned");
        for (std::uint64_t seed = 0; seed < 6; ++seed) {
            large.run(seed);
        }
    }
}

TEST_CASE("ten thousand runs of a segment give the same result") {
    Random random(8);
    Fork fork(Submission::graphs, random, 7, 1, "pinned");
    fork.run(1);
    const std::vector<std::byte> expected = fork.sums();
    for (int run = 0; run < 10'000; ++run) {
        fork.run_again();
        REQUIRE(fork.sums() == expected);
    }
}

TEST_CASE("graphs and single launches agree for every kernel of a chain") {
    Random random(9);
    OwnedChain owned = residual_chain(random, 9, 65, 3);
    const Case test = with_result(std::move(owned), random, false);
    std::vector<std::vector<std::byte>> results[2];
    for (const Submission submission : {Submission::graphs, Submission::launches}) {
        const auto device = open_gpu(submission);
        Mirror input(*device, test.input.size()), second(*device, test.second.size());
        Mirror output(*device, test.expected.size());
        input.send(test.input.data());
        second.send(test.second.data());
        for (const calibrate::Implementation& offer : device->implementations(test.chain())) {
            const int done = device->new_event();
            const calibrate::Stage stage{
                .kernel = device->prepare(test.chain(), offer.variant, offer.configuration),
                .tensors = {input.address, second.address, output.address},
                .signal = done};
            output.fill(0);
            device->submit(device->record({&stage, 1}, false));
            device->wait(done);
            const std::byte* const bytes = output.fetch();
            results[submission == Submission::graphs ? 0 : 1].emplace_back(bytes,
                                                                           bytes + output.bytes);
        }
        // Every kernel can be a part of a graph on this machine: no warning says otherwise.
        for (const std::string& warning : device->info().warnings) {
            CHECK(warning.find("no graph") == std::string::npos);
        }
    }
    CHECK_FALSE(results[0].empty());
    CHECK(results[0] == results[1]);
}

TEST_CASE("a timed segment gives the same result and the time of every stage") {
    Random random(10);
    OwnedChain owned = residual_chain(random, 28, 128, 4);
    const Case test = with_result(std::move(owned), random, true);
    const auto device = open_gpu();
    Mirror input(*device, test.input.size()), second(*device, test.second.size());
    Mirror output(*device, test.expected.size());
    input.send(test.input.data());
    second.send(test.second.data());
    const int kernel = prepare_first(*device, test.chain());
    const int done = device->new_event();
    std::vector<calibrate::Stage> stages(
        5, {.kernel = kernel, .tensors = {input.address, second.address, output.address}});
    stages.back().signal = done;
    const int segment = device->record(stages, true);
    for (int run = 0; run < 20; ++run) {
        output.fill(0);
        device->submit(segment);
        device->wait(done);
        REQUIRE(same(output.fetch(),
                     test.expected.data(),
                     meaningful_bytes(test.output, test.chain().batch)));
        const std::vector<double> times = device->stage_ns(segment);
        REQUIRE(times.size() == stages.size());
        for (const double time : times) {
            CHECK(time > 0);
            CHECK(time < 1e9);
        }
    }
    const int untimed = device->record(stages, false);
    CHECK_THROWS_AS((void)device->stage_ns(untimed), std::logic_error);
}

TEST_CASE("a segment of many stages runs them in order" * doctest::test_suite("short")) {
    // Each stage reads what the one before it wrote: x, thresholded to bits, and back and forth.
    Random random(12);
    OwnedChain owned = residual_chain(random, 6, 64, 1);
    const auto device = open_gpu();
    const std::size_t bytes = tensor_bytes(output_of(owned.chain), Layout::nhwc, 1);
    const Tensor bits = random_packed(random, owned.chain.input, 1);
    Tensor sum(bytes);
    Mirror input(*device, bits.size()), even(*device, bytes), odd(*device, bytes);
    input.send(bits.data());
    const int kernel = prepare_first(*device, owned.chain);
    const int done = device->new_event();
    std::vector<calibrate::Stage> stages;
    constexpr int kStages = 60;
    for (int i = 0; i < kStages; ++i) {
        Mirror& from = i % 2 == 0 ? even : odd;
        Mirror& to = i % 2 == 0 ? odd : even;
        stages.push_back({.kernel = kernel,
                          .tensors = {input.address, from.address, to.address},
                          .signal = i == kStages - 1 ? done : -1});
        sum = reference(owned.chain, bits, sum);
    }
    const int segment = device->record(stages, false);
    for (int run = 0; run < 5; ++run) {
        even.fill(0);
        device->submit(segment);
        device->wait(done);
        REQUIRE(same(even.fetch(), sum.data(), meaningful_bytes(output_of(owned.chain), 1)));
    }
}

TEST_CASE("two open devices of one GPU work side by side") {
    Random random(13);
    Fork one(Submission::graphs, random, 7, 1, "pinned");
    Fork other(Submission::launches, random, 7, 1, "pinned");
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        one.run(seed);
        other.run(seed + 100);
    }
}

TEST_CASE("too much memory is refused in words, and the device goes on") {
    const auto device = open_gpu();
    const auto all = static_cast<std::size_t>(device->info().memory_mib) << 20;
    std::string words;
    try {
        (void)device->allocate(all * 4);
    } catch (const calibrate::DeviceError& error) {
        words = error.what();
    }
    CAPTURE(words);
    CHECK(words.find("out of memory") != std::string::npos);
    CHECK(words.find(std::to_string(device->info().memory_mib * 4) + " MiB wanted") !=
          std::string::npos);
    Mirror mirror(*device, 1000);
    const std::vector<std::byte> data(1000, std::byte{7});
    mirror.send(data.data());
    CHECK(same(mirror.fetch(), data.data(), 1000));
}

TEST_CASE("kernels that do not exist are the user's mistake") {
    Random random(14);
    const OwnedChain owned = threshold_chain(random, 4, 64, 1);
    const auto device = open_gpu();
    CHECK_THROWS_AS((void)device->prepare(owned.chain, "abacus", "1"), sim::InputError);
    const auto offers = device->implementations(owned.chain);
    REQUIRE_FALSE(offers.empty());
    CHECK_THROWS_AS((void)device->prepare(owned.chain, offers.front().variant, "no such thing"),
                    sim::InputError);
    CHECK(device->longest_chain() >= 1);
}

TEST_CASE("an event that nothing has signalled yet does not block") {
    const auto device = open_gpu();
    device->wait(device->new_event());
}

TEST_CASE("energy grows, or is not told") {
    const auto device = open_gpu();
    const std::optional<double> before = device->energy_j();
    if (!before) {
        MESSAGE("this GPU does not tell its energy");
        return;
    }
    CHECK(*before >= 0);
    std::this_thread::sleep_for(std::chrono::milliseconds{300});
    const std::optional<double> after = device->energy_j();
    REQUIRE(after.has_value());
    CHECK(*after >= *before);
}
