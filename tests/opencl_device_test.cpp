// The OpenCL backend: memory, copies, segments, events, timing and errors.

#include "calibrate/device.hpp"
#include "opencl_devices.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>

using namespace calibrate;
using opencl_test::Mirror;

namespace {

// output[i] = input[i] * factor + 1, for `count` ints.
constexpr std::string_view kSource = R"(
kernel void scale(global const int* input, global int* output, int factor, int count) {
    for (int i = get_global_id(0); i < count; i += get_global_size(0))
        output[i] = input[i] * factor + 1;
}
)";

kernels::DeviceKernel scale(int factor, int count) {
    using kernels::BufferArgument;
    using kernels::Place;
    kernels::DeviceKernel kernel;
    kernel.source = kSource;
    kernel.launches.resize(1);
    kernel.launches[0].name = "scale";
    kernel.launches[0].groups = {4, 1, 1};
    kernel.launches[0].arguments = {BufferArgument{Place::input, 0},
                                    BufferArgument{Place::output, 0},
                                    kernels::by_value(factor),
                                    kernels::by_value(count)};
    return kernel;
}

std::string error_of(auto action) {
    try {
        action();
    } catch (const DeviceError& error) {
        return error.what();
    }
    return "no error";
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::string output_of_command(const std::string& command) {
    std::string text;
    FILE* const pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 256> line{};
    while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
        text += line.data();
    }
    CHECK(pclose(pipe) == 0);
    return text;
}

}  // namespace

TEST_CASE("devices say what they are") {
    const Discovery discovery = backend("opencl").discover();
    bool cpu_seen = false;
    for (std::size_t i = 0; i < discovery.devices.size(); ++i) {
        const DeviceInfo& info = discovery.devices[i];
        CHECK(info.name == "opencl" + std::to_string(i));
        CHECK(info.kind == "opencl");
        CHECK(!info.description.empty());
        CHECK(info.memory_mib > 0);
        CHECK(info.asynchronous);
        CHECK(!info.host_memory);
        CHECK(info.limits.compute_units > 0);
        CHECK(info.limits.largest_group > 0);
        CHECK(info.facts.size() == 6);
        for (const auto& fact : info.facts) {
            CAPTURE(fact.first);
            CHECK(!fact.second.empty());
        }
        CHECK((info.host_cores || !cpu_seen));  // the host's cores come last
        cpu_seen = cpu_seen || info.host_cores;
    }
}

TEST_CASE("without a driver there is no device, and a note that says so") {
    const TemporaryFolder folder;
    const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
    const std::string text = output_of_command("OCL_ICD_VENDORS='" + folder.path().string() +
                                               "/' '" + program + "' --discover");
    CHECK(contains(text, "no OpenCL device: "));
    CHECK(!contains(text, "opencl0"));
}

TEST_CASE("memory is zeroed") {
    for (const auto& device : opencl_test::devices()) {
        for (const std::size_t bytes :
             std::initializer_list<std::size_t>{1, 63, 64, 4097, 1'000'003}) {
            const Mirror memory =
                opencl_test::mirror(*device, bytes, device->modes(Direction::down).front(), -1);
            const auto nonzero = [&] {
                return std::count_if(memory.host, memory.host + bytes, [](std::byte byte) {
                    return byte != std::byte{0};
                });
            };
            CHECK(nonzero() == 0);
            std::memset(memory.host, 0xff, bytes);
            device->submit(memory.down);
            device->wait(memory.came_back);
            CHECK(nonzero() == 0);
        }
    }
}

TEST_CASE("copies of odd sizes go up and come back in every mode") {
    for (const auto& device : opencl_test::devices()) {
        CHECK(device->modes(Direction::up) == device->modes(Direction::down));
        CHECK(device->modes(Direction::up).front() ==
              (device->info().host_cores ? "pageable" : "pinned"));
        for (const std::string_view mode : device->modes(Direction::up)) {
            for (const std::size_t bytes :
                 std::initializer_list<std::size_t>{1, 7, 64, 4095, 65537, 3'000'001}) {
                CAPTURE(std::string(mode));
                CAPTURE(bytes);
                kernels_test::Random random(bytes);
                std::vector<std::byte> sent(bytes);
                for (std::byte& byte : sent) {
                    byte = static_cast<std::byte>(random.word());
                }
                // Back into other memory of the host, so that nothing can be right by itself.
                const Mirror memory = opencl_test::mirror(*device, bytes, mode, -1);
                std::byte* const back = device->allocate_host(bytes + 2, mode);
                std::memcpy(memory.host, sent.data(), bytes);
                std::memset(back, 0x5a, bytes + 2);
                const int came_back = device->new_event();
                const int down = device->record({.mode = mode,
                                                 .direction = Direction::down,
                                                 .device = memory.device,
                                                 .host = back,
                                                 .bytes = bytes,
                                                 .wait = memory.arrived,
                                                 .signal = came_back});
                device->submit(memory.up);
                device->submit(down);
                device->wait(came_back);
                CHECK(std::memcmp(back, sent.data(), bytes) == 0);
                CHECK(back[bytes] == std::byte{0x5a});
                CHECK(back[bytes + 1] == std::byte{0x5a});
            }
        }
    }
}

TEST_CASE("stages, copies and segments wait for each other, over many runs") {
    // up -> [x2+1, x3+1] -> [x5+1 twice] -> down, and from between the segments another down
    constexpr int kCount = 1000;
    constexpr std::size_t kBytes = kCount * sizeof(int);
    for (const auto& device : opencl_test::devices()) {
        const std::string_view mode = device->modes(Direction::up).front();
        const int two = device->prepare(scale(2, kCount));
        const int three = device->prepare(scale(3, kCount));
        const int five = device->prepare(scale(5, kCount));
        const int half_done = device->new_event(), done = device->new_event();
        const Mirror first = opencl_test::mirror(*device, kBytes, mode, -1);
        const Mirror middle = opencl_test::mirror(*device, kBytes, mode, half_done);
        const Mirror last = opencl_test::mirror(*device, kBytes, mode, done);
        const Address between = device->allocate(kBytes);

        const Stage one[] = {
            {.kernel = two, .tensors = {first.device, nullptr, between}, .waits = {first.arrived}},
            {.kernel = three, .tensors = {between, nullptr, middle.device}, .signal = half_done}};
        const Stage other[] = {
            {.kernel = five, .tensors = {middle.device, nullptr, between}, .waits = {half_done}},
            {.kernel = five, .tensors = {between, nullptr, last.device}, .signal = done}};
        for (const bool timed : {false, true}) {
            const int segments[] = {device->record(one, timed), device->record(other)};
            for (int run = 0; run < 300; ++run) {
                for (int i = 0; i < kCount; ++i) {
                    const int value = run * kCount + i;
                    std::memcpy(first.host + static_cast<std::size_t>(i) * sizeof value,
                                &value,
                                sizeof value);
                }
                device->submit(first.up);
                device->submit(segments[0]);
                device->submit(middle.down);
                device->submit(segments[1]);
                device->submit(last.down);
                device->wait(middle.came_back);
                device->wait(last.came_back);
                int wrong = 0;
                for (int i = 0; i < kCount; ++i) {
                    const int half = ((run * kCount + i) * 2 + 1) * 3 + 1;
                    const int expected[] = {half, (half * 5 + 1) * 5 + 1};
                    int values[2];
                    const std::size_t at = static_cast<std::size_t>(i) * sizeof(int);
                    std::memcpy(&values[0], middle.host + at, sizeof(int));
                    std::memcpy(&values[1], last.host + at, sizeof(int));
                    wrong += values[0] != expected[0] || values[1] != expected[1] ? 1 : 0;
                }
                REQUIRE(wrong == 0);
            }
        }
    }
}

TEST_CASE("a timed segment knows how long every stage took") {
    constexpr int kCount = 100'000;
    for (const auto& device : opencl_test::devices()) {
        const Address a = device->allocate(kCount * sizeof(int));
        const Address b = device->allocate(kCount * sizeof(int));
        const int kernel = device->prepare(scale(2, kCount));
        kernels::DeviceKernel two_launches = scale(2, kCount);
        two_launches.launches.push_back(two_launches.launches.front());
        const int twice = device->prepare(two_launches);
        const int done = device->new_event();
        const Stage stages[] = {{.kernel = kernel, .tensors = {a, nullptr, b}},
                                {.kernel = twice, .tensors = {b, nullptr, a}},
                                {.kernel = kernel, .tensors = {a, nullptr, b}, .signal = done}};
        const int segment = device->record(stages, true);
        for (int run = 0; run < 3; ++run) {
            device->submit(segment);
            device->wait(done);
            const std::vector<double> ns = device->stage_ns(segment);
            REQUIRE(ns.size() == 3);
            for (const double time : ns) {
                CHECK(time >= 0);
            }
            CHECK(ns[1] > 0);
        }
        CHECK_THROWS_AS((void)device->stage_ns(device->record(stages)), std::logic_error);
    }
}

TEST_CASE("constants and scratch memory reach the kernel") {
    using kernels::BufferArgument;
    using kernels::Place;
    constexpr std::string_view kText = R"(
kernel void first(global const int* a, global const int* b, global int* scratch) {
    scratch[get_global_id(0)] += a[get_global_id(0)] - b[get_global_id(0)];
}
kernel void second(global const int* scratch, global int* output) {
    output[get_global_id(0)] = scratch[get_global_id(0)];
}
)";
    kernels::DeviceKernel kernel;
    kernel.source = kText;
    for (const std::array<int, 4>& values : {std::array{10, 20, 30, 40}, std::array{1, 2, 3, 4}}) {
        const std::span<const std::byte> bytes = std::as_bytes(std::span{values});
        kernel.constants.emplace_back(bytes.begin(), bytes.end());
    }
    kernel.scratch = {16};
    kernel.launches.resize(2);
    kernel.launches[0].name = "first";
    kernel.launches[0].groups = {4, 1, 1};
    kernel.launches[0].arguments = {BufferArgument{Place::constant, 0},
                                    BufferArgument{Place::constant, 1},
                                    BufferArgument{Place::scratch, 0}};
    kernel.launches[1].name = "second";
    kernel.launches[1].groups = {2, 1, 1};
    kernel.launches[1].group_size = {2, 1, 1};
    kernel.launches[1].arguments = {BufferArgument{Place::scratch, 0},
                                    BufferArgument{Place::output, 0}};
    for (const auto& device : opencl_test::devices()) {
        const int done = device->new_event();
        const Mirror output =
            opencl_test::mirror(*device, 16, device->modes(Direction::down).front(), done);
        const Stage stage{.kernel = device->prepare(kernel),
                          .tensors = {nullptr, nullptr, output.device},
                          .signal = done};
        const int segment = device->record({&stage, 1});
        device->submit(segment);
        device->submit(output.down);
        device->wait(output.came_back);
        const int expected[] = {9, 18, 27, 36};
        CHECK(std::memcmp(output.host, expected, 16) == 0);
    }
}

TEST_CASE("a program that does not build shows the device and its compiler's log") {
    for (const auto& device : opencl_test::devices()) {
        kernels::DeviceKernel kernel = scale(1, 1);
        kernel.source = "kernel void scale(global int* a) { a[0] = no_such_thing; }";
        const std::string text = error_of([&] { device->prepare(kernel); });
        CAPTURE(text);
        CHECK(contains(text, device->info().name));
        CHECK(contains(text, "no_such_thing"));
        CHECK(contains(text, "CL_BUILD_PROGRAM_FAILURE"));
        // And again: a program that failed is not kept as if it had not.
        CHECK(contains(error_of([&] { device->prepare(kernel); }), "no_such_thing"));

        kernel = scale(1, 1);
        kernel.launches[0].name = "other";
        CHECK(contains(error_of([&] { device->prepare(kernel); }), "CL_INVALID_KERNEL_NAME"));
        CHECK(device->prepare(scale(1, 1)) >= 0);  // the device still works
    }
}

TEST_CASE("more memory than there is, and groups that are too large, are errors in plain words") {
    for (const auto& device : opencl_test::devices()) {
        const std::string text = error_of([&] { (void)device->allocate(std::size_t{1} << 50); });
        CAPTURE(text);
        CHECK(contains(text, device->info().name));
        CHECK(contains(text, "1125899906842624 bytes"));

        kernels::DeviceKernel kernel = scale(1, 1);
        kernel.launches[0].group_size = {1 << 20, 1, 1};
        const Address memory = device->allocate(64);
        const Stage stage{.kernel = device->prepare(kernel), .tensors = {memory, nullptr, memory}};
        const int segment = device->record({&stage, 1});
        CHECK(contains(error_of([&] { device->submit(segment); }),
                       "groups of this size (CL_INVALID_WORK_"));
    }
}

TEST_CASE("a device that is gone cannot be opened") {
    DeviceInfo info = backend("opencl").discover().devices.front();
    info.name = "opencl99";
    CHECK(contains(error_of([&] { (void)backend("opencl").open(info, 1); }), "no longer there"));
}

TEST_CASE("several objects of one device work side by side") {
    const auto one = opencl_test::open_first(), other = opencl_test::open_first();
    for (Device* const device : {one.get(), other.get()}) {
        const Mirror memory =
            opencl_test::mirror(*device, 100, device->modes(Direction::up).front(), -1);
        device->submit(memory.up);
        device->wait(memory.arrived);
        CHECK_THROWS_AS(device->wait(device->new_event()), std::logic_error);
    }
}
