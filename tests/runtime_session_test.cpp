// libhetmap through its C functions and its C++ wrapper, as another program sees it: the library is
// the shared one, and of its inside nothing is seen here.

#include "calibrate/candidates.hpp"
#include "calibrate/validation.hpp"
#include "calibrate_small_model.hpp"
#include "counted_allocations.hpp"
#include "kernels/registry.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <hetmap.hpp>
#include <iterator>
#include <mutex>
#include <random>
#include <sched.h>
#include <thread>

namespace {

// The small network, or another, on disk, with mappings of it.
class Network {
public:
    explicit Network(int batch,
                     int threads = 1,
                     const std::vector<std::string>& variants = {"reference", "scalar"},
                     const std::string& yaml = kSmallModel)
        : model_{sim::load_model(folder_.write("model.yaml", yaml), {})},
          problem_{sim::compile(model_,
                                calibrate::candidates(model_, batch, threads, variants),
                                {.batch = batch, .only = {}})} {}

    std::string model() const { return model_.path.string(); }

    std::string mapping(std::uint64_t seed) const {
        const sim::Mapping mapping = sim::random_mapping(problem_, seed);
        return folder_.write("mapping-" + std::to_string(seed) + ".yaml",
                             sim::to_yaml(sim::describe(problem_, mapping, {})));
    }

    std::vector<std::byte> right(std::span<const std::byte> images) const {
        return calibrate::reference_output(model_, problem_.batch, images);
    }

private:
    TemporaryFolder folder_;
    sim::Model model_;
    sim::Problem problem_;
};

std::span<std::byte> bytes_of(const hetmap_tensor& tensor) {
    return {static_cast<std::byte*>(tensor.data), tensor.bytes};
}

void fill(const hetmap_tensor& tensor, unsigned seed) {
    std::mt19937 random{seed};
    for (std::byte& b : bytes_of(tensor)) {
        b = static_cast<std::byte>(random());
    }
}

bool is_right(const Network& network, const hetmap::Session& session) {
    const auto expected = network.right(bytes_of(session.input_tensor()));
    const hetmap_tensor made = session.output_tensor();
    return made.bytes <= expected.size() &&
           std::memcmp(made.data, expected.data(), made.bytes) == 0;
}

std::string last_error() { return hetmap_last_error(); }

}  // namespace

TEST_CASE("a session gives the reference's answer with any mapping, run after run") {
    for (const int batch : {1, 3}) {
        const Network network{batch, 2};
        for (std::uint64_t seed = 0; seed < 6; ++seed) {
            CAPTURE(batch);
            CAPTURE(seed);
            hetmap::Session session{network.model(), network.mapping(seed)};
            const hetmap_tensor image = session.input_tensor(), scores = session.output_tensor();
            CHECK(std::string{image.name} == "image");
            CHECK(image.element == HETMAP_U8);
            CHECK(image.bytes == static_cast<std::size_t>(batch) * 9 * 11 * 3);
            CHECK(reinterpret_cast<std::uintptr_t>(image.data) % 64 == 0);
            CHECK(std::string{scores.name} == "fc2");
            CHECK(scores.element == HETMAP_INT32);
            CHECK(scores.bytes == static_cast<std::size_t>(batch) * 10 * 4);
            CHECK(scores.batch == batch);
            for (unsigned run = 0; run < 3; ++run) {
                fill(image, run);
                session.run();
                CHECK(is_right(network, session));
            }
        }
    }
}

TEST_CASE("without a mapping this machine's own kernels run") {
    const Network network{2};
    hetmap::Session session{network.model(), "", {.batch = 2}};
    CHECK(session.input_tensor().batch == 2);
    fill(session.input_tensor(), 1);
    session.run();
    CHECK(is_right(network, session));
}

// f32 and bytes in turn.
constexpr const char* kMixed = R"(hetmap: model/1
name: mixed
input: {name: image, height: 9, width: 8, channels: 3, type: f32}
parameters: {seed: 4}
layers:
  - {name: first, operation: conv2d, inputs: [image], weights: f32, out_channels: 70, kernel: 3, padding: 1}
  - {name: relu, operation: relu, inputs: [first]}
  - {name: coded, operation: quantize, inputs: [relu], out: u8}
  - {name: conv, operation: conv2d, inputs: [coded], weights: int8, out_channels: 70, kernel: 3, padding: 1, out: u8}
  - {name: sum, operation: add, inputs: [conv, coded], out: u8}
  - {name: mean, operation: global_average_pool, inputs: [sum]}
  - {name: real, operation: dequantize, inputs: [mean], out: f32}
output: real
)";

TEST_CASE("running allocates nothing") {
    // The reference may allocate, and oneDNN does.
    std::vector<std::string> own;
    for (const char* const name : {"loops", "winograd", "int8", "int8_avx2", "int8_neon"}) {
        const kernels::Variant* const variant = kernels::find_variant(name);
        if (variant != nullptr && variant->supported()) {
            own.emplace_back(name);
        }
    }
    const Network bits{1, 2, {}}, mixed{1, 2, own, kMixed};
    for (const Network* const network : {&bits, &mixed}) {
        for (std::uint64_t seed = 0; seed < 4; ++seed) {
            for (const bool timed : {false, true}) {
                hetmap::Session session{network->model(), network->mapping(seed), {.timed = timed}};
                session.run();
                const long before = allocations();
                for (int run = 0; run < 10; ++run) {
                    session.run();
                }
                CHECK(allocations() == before);
            }
        }
    }
    const long before = allocations();
    const hetmap::Session session{bits.model()};
    CHECK(allocations() > before + 100);  // the library's are counted
}

TEST_CASE("a session of one kernel thread leaves its caller on all cores") {
    const Network network{1};
    cpu_set_t before, after;
    CPU_ZERO(&before);
    CPU_ZERO(&after);
    REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
    const hetmap::Session session{network.model(), network.mapping(1)};
    REQUIRE(sched_getaffinity(0, sizeof after, &after) == 0);
    CHECK(CPU_EQUAL(&before, &after));
}

TEST_CASE("sessions side by side, each in a thread, do not disturb each other") {
    const Network network{1, 2};
    std::vector<std::string> mappings;
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
        mappings.push_back(network.mapping(seed));
    }
    std::atomic<int> right{0};
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            hetmap::Session session{network.model(), mappings[t]};
            fill(session.input_tensor(), t);
            for (int run = 0; run < 20; ++run) {
                session.run();
            }
            right += is_right(network, session) ? 1 : 0;
        });
    }
    threads.clear();
    CHECK(right == 4);
}

TEST_CASE("a session in the background calls back, and its callback may ask for the next run") {
    const Network network{1};
    hetmap::Session session{network.model(), network.mapping(2), {.background = true}};
    fill(session.input_tensor(), 7);
    struct Chain {
        hetmap_session* session;
        std::thread::id caller;
        int left = 5, failed = 0, elsewhere = 0;
    } chain{session.handle(), std::this_thread::get_id()};
    const hetmap_done next = [](hetmap_status status, void* user) {
        auto& c = *static_cast<Chain*>(user);
        c.failed += status != HETMAP_OK;
        c.elsewhere += std::this_thread::get_id() != c.caller;
        // Neither waits for itself.
        c.failed += hetmap_wait(c.session) != HETMAP_BUSY;
        c.failed += hetmap_run(c.session) != HETMAP_BUSY;
        if (--c.left > 0) {
            c.failed += hetmap_run_async(c.session, nullptr, nullptr) != HETMAP_OK;
            c.failed += hetmap_run_async(c.session, nullptr, nullptr) != HETMAP_BUSY;
        }
    };
    for (int i = 0; i < 5; ++i) {
        REQUIRE(hetmap_run_async(session.handle(), next, &chain) == HETMAP_OK);
        CHECK(hetmap_wait(session.handle()) == HETMAP_OK);
    }
    CHECK(chain.left == 0);
    CHECK(chain.failed == 0);
    CHECK(chain.elsewhere == 5);
    CHECK(is_right(network, session));
    session.run();  // by hand-over to its thread
    CHECK(is_right(network, session));
    std::string told = "nothing";
    session.run_async([&](const std::string& error) { told = error; });
    session.wait();
    CHECK(told.empty());
}

TEST_CASE("a run that is asked for while another one goes on is refused") {
    const Network network{1};
    hetmap::Session session{network.model(), network.mapping(2), {.background = true}};
    struct Gate {
        std::mutex mutex;
        std::condition_variable changed;
        bool reached = false, open = false;
    } gate;
    const hetmap_done stay = [](hetmap_status, void* user) {
        auto& g = *static_cast<Gate*>(user);
        std::unique_lock lock{g.mutex};
        g.reached = true;
        g.changed.notify_all();
        g.changed.wait(lock, [&] { return g.open; });
    };
    REQUIRE(hetmap_run_async(session.handle(), stay, &gate) == HETMAP_OK);
    {
        std::unique_lock lock{gate.mutex};
        gate.changed.wait(lock, [&] { return gate.reached; });
    }
    CHECK(hetmap_run_async(session.handle(), nullptr, nullptr) == HETMAP_BUSY);
    CHECK(hetmap_run(session.handle()) == HETMAP_BUSY);
    CHECK(last_error() == "a run of this session is going on");
    {
        const std::lock_guard lock{gate.mutex};
        gate.open = true;
    }
    gate.changed.notify_all();
    CHECK(hetmap_wait(session.handle()) == HETMAP_OK);
    CHECK(hetmap_run(session.handle()) == HETMAP_OK);
}

TEST_CASE("a session closes while its thread is at work") {
    const Network network{1};
    for (int i = 0; i < 5; ++i) {
        hetmap::Session session{network.model(), network.mapping(2), {.background = true}};
        session.run_async();
    }
}

TEST_CASE("times are those of the mapping's kernels, in its order") {
    const Network network{1, 2};
    for (const bool background : {false, true}) {
        hetmap::Session session{
            network.model(), network.mapping(3), {.timed = true, .background = background}};
        CHECK_THROWS_WITH_AS(
            session.times(), "hetmap_task_times: there was no run yet", hetmap::Error);
        session.run();
        const hetmap::Times times = session.times();
        std::string layers;
        double sum_us = 0;
        for (const hetmap::TaskTime& task : times.tasks) {
            layers += (layers.empty() ? "" : " + ") + task.layers;
            sum_us += task.us;
            CHECK(task.device == "cpu");
            CHECK((task.variant == "reference" || task.variant == "scalar"));
            CHECK_FALSE(task.configuration.empty());
        }
        CHECK(layers.starts_with("conv1 + "));
        CHECK(layers.ends_with("fc2"));
        CHECK(sum_us > 0);
        CHECK(sum_us <= times.total_us * (1 + 1e-9));  // sums round
    }
    hetmap::Session session{network.model(), network.mapping(3)};
    session.run();
    CHECK_THROWS_WITH_AS(session.times(),
                         "hetmap_task_times: the session was opened without options.timed",
                         hetmap::Error);
}

TEST_CASE("what is wrong is said, with the file and the line") {
    const Network network{1};
    const TemporaryFolder folder;
    hetmap_session* session = reinterpret_cast<hetmap_session*>(&session);
    CHECK(hetmap_open("/nowhere", nullptr, nullptr, &session) == HETMAP_INPUT);
    CHECK(session == nullptr);
    CHECK(last_error() == "/nowhere: no such file");

    const std::string other =
        folder.write("other.yaml", "hetmap: mapping/1\nmodel: other\nplatform: p\nbatch: 1\n");
    for (const int background : {0, 1}) {
        hetmap_options options = HETMAP_OPTIONS;
        options.background = background;
        CHECK(hetmap_open(network.model().c_str(), other.c_str(), &options, &session) ==
              HETMAP_INPUT);
        CHECK(last_error().starts_with(other + ":"));
    }

    const std::string gpu = network.mapping(1);
    std::string text;
    {
        std::ifstream file{gpu};
        text.assign(std::istreambuf_iterator<char>{file}, {});
    }
    text.replace(text.find("device: cpu"), 11, "device: gpu77");
    CHECK(hetmap_open(
              network.model().c_str(), folder.write("gpu.yaml", text).c_str(), nullptr, &session) ==
          HETMAP_INPUT);
    CHECK(last_error().starts_with("this machine has no device 'gpu77'"));
}

TEST_CASE("calls that make no sense are refused") {
    const Network network{1};
    const std::string model = network.model();
    hetmap_session* session = nullptr;
    hetmap_options options = HETMAP_OPTIONS;
    CHECK(hetmap_open(nullptr, nullptr, nullptr, &session) == HETMAP_ARGUMENT);
    CHECK(hetmap_open(model.c_str(), nullptr, nullptr, nullptr) == HETMAP_ARGUMENT);
    options.batch = 0;
    CHECK(hetmap_open(model.c_str(), nullptr, &options, &session) == HETMAP_ARGUMENT);
    CHECK(last_error() == "hetmap_open: options.batch: expected a number from 1");
    options.size = sizeof options + 8;
    CHECK(hetmap_open(model.c_str(), nullptr, &options, &session) == HETMAP_ARGUMENT);
    options.size = sizeof options.size;  // of a header that knew no more
    REQUIRE(hetmap_open(model.c_str(), nullptr, &options, &session) == HETMAP_OK);

    hetmap_tensor tensor;
    CHECK(hetmap_input_count(session) == 1);
    CHECK(hetmap_input(session, 1, &tensor) == HETMAP_ARGUMENT);
    CHECK(hetmap_output(session, -1, &tensor) == HETMAP_ARGUMENT);
    CHECK(hetmap_output(session, 0, nullptr) == HETMAP_ARGUMENT);
    CHECK(hetmap_run(nullptr) == HETMAP_ARGUMENT);
    CHECK(hetmap_run_async(session, nullptr, nullptr) == HETMAP_ARGUMENT);
    CHECK(hetmap_wait(session) == HETMAP_OK);  // nothing is going on
    CHECK(hetmap_task_times(session, nullptr, 3, nullptr, nullptr) == HETMAP_ARGUMENT);
    std::string elsewhere;
    std::jthread{[&] { elsewhere = hetmap_last_error(); }}.join();
    CHECK(elsewhere == "no error");  // it is the thread's own
    hetmap_close(session);
    hetmap_close(nullptr);

    const hetmap::Session wrapped{model};
    CHECK_THROWS_WITH_AS(wrapped.input<std::int32_t>(),
                         "the elements of 'image' are of another type",
                         hetmap::Error);
    CHECK(wrapped.output<std::int32_t>().size() == 10);
}

TEST_CASE("the library's version is its header's") {
    CHECK(std::string{hetmap_version()} == std::to_string(HETMAP_VERSION_MAJOR) + "." +
                                               std::to_string(HETMAP_VERSION_MINOR) + "." +
                                               std::to_string(HETMAP_VERSION_PATCH));
}
