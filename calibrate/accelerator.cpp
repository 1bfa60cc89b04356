#include "calibrate/accelerator.hpp"

#include "calibrate/buffer.hpp"
#include "calibrate/clock.hpp"
#include "calibrate/statistics.hpp"
#include "sim/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <optional>
#include <thread>

namespace calibrate {
namespace {

constexpr double kCompletionFloor = 0.1;  // of a copy's time, left after completion is taken away

// A chain with made-up parameters and memory on one device: something to keep it busy with.
class Load {
public:
    // A convolution of `side` x `side` x 128 with 128 channels, or with `side` 0 the least there
    // is: one word of thresholds.
    Load(Device& device, int side) {
        thresholds_.assign(128, 0);
        flips_.assign(2, 0);
        weights_.assign(std::size_t{128} * 9 * 2, 0x5555'3333'0f0f'00ff);
        const kernels::Step threshold{
            .kind = kernels::StepKind::threshold, .thresholds = thresholds_, .flips = flips_};
        kernels::Chain chain;
        if (side == 0) {
            chain = {.input = {1, 1, 128, kernels::Element::int32}, .steps = {threshold}};
        } else {
            chain = {.input = {side, side, 128, kernels::Element::binary},
                     .steps = {{.kind = kernels::StepKind::conv2d,
                                .out_channels = 128,
                                .kernel_height = 3,
                                .kernel_width = 3,
                                .padding = 1,
                                .weights = weights_},
                               threshold}};
        }
        for (const Implementation& i : device.implementations(chain)) {
            if (i.layout == kernels::Layout::nhwc) {
                kernel = device.prepare(chain, i.variant, i.configuration);
                break;
            }
        }
        const auto bytes = [&](const kernels::Shape& shape) {
            return kernels::tensor_bytes(shape, kernels::Layout::nhwc, 1);
        };
        tensors.input = device.allocate(bytes(chain.input));
        tensors.output = device.allocate(bytes(kernels::output_of(chain)));
    }

    int kernel = -1;  // -1: the device can run no such thing
    kernels::Tensors tensors;

private:
    std::vector<std::int32_t> thresholds_;
    std::vector<std::uint64_t> flips_, weights_;
};

// A segment that runs a kernel again and again and then signals the event.
int record_repeated(
    Device& device, int kernel, const kernels::Tensors& tensors, int runs, int event) {
    std::vector<Stage> stages(static_cast<std::size_t>(runs),
                              {.kernel = kernel, .tensors = tensors});
    stages.back().signal = event;
    return device.record(stages);
}

int record_repeated(Device& device, const Load& load, int runs, int event) {
    return record_repeated(device, load.kernel, load.tensors, runs, event);
}

double time_ns(const std::function<void()>& action) {
    const std::int64_t begin = now_ns();
    action();
    return static_cast<double>(now_ns() - begin);
}

// Of a segment or copy that signals the event, from its submission.
double time_ns(Device& device, int segment, int event) {
    return time_ns([&] {
        device.submit(segment);
        device.wait(event);
    });
}

sim::Measurement measure(int samples, const std::function<void()>& action) {
    action();
    std::vector<double> times;
    for (int i = 0; i < samples; ++i) {
        times.push_back(time_ns(action));
    }
    return summarize(std::move(times));
}

sim::Time from_ns(double ns) {
    return sim::Time{static_cast<sim::Time::rep>(std::max(0.0, ns) * 1e3)};
}

sim::Measurement without(sim::Measurement m, sim::Time completion) {
    const auto less = [&](sim::Time t) {
        const auto floor = static_cast<double>(t.count()) * kCompletionFloor;
        return std::max(t - completion, sim::Time{static_cast<sim::Time::rep>(floor)});
    };
    m.p05 = less(m.p05);
    m.p50 = less(m.p50);
    m.p95 = less(m.p95);
    return m;
}

}  // namespace

// ---- Submission ----------------------------------------------------------------------------

void measure_submission(Device& device, sim::Device& entry) {
    constexpr int kMany = 16, kSamples = 300;
    const Load least{device, 0};
    if (least.kernel < 0) {
        throw DeviceError{device.info().name + ": no kernel for a single threshold layer"};
    }
    const int event = device.new_event();
    const int one = record_repeated(device, least, 1, event);
    const int many = record_repeated(device, least, kMany, event);
    std::vector<double> submit_one, submit_many, total_one, total_many;
    for (int i = 0; i < kSamples; ++i) {
        for (const bool is_one : {true, false}) {
            const std::int64_t begin = now_ns();
            device.submit(is_one ? one : many);
            const std::int64_t submitted = now_ns();
            device.wait(event);
            (is_one ? submit_one : submit_many).push_back(static_cast<double>(submitted - begin));
            (is_one ? total_one : total_many).push_back(static_cast<double>(now_ns() - begin));
        }
    }
    const auto median = [](std::vector<double>& values) { return quantile(values, 0.5); };
    const double each = std::max(0.0, (median(submit_many) - median(submit_one)) / (kMany - 1));
    const double work = std::max(0.0, (median(total_many) - median(total_one)) / (kMany - 1));
    entry.per_task = from_ns(each);
    entry.submit = from_ns(median(submit_one) - each);
    entry.completion = from_ns(median(total_one) - median(submit_one) - work);
}

double timing_overhead_ns(Device& device) {
    constexpr int kRuns = 17, kSamples = 21;
    const Load least{device, 0};
    if (least.kernel < 0) {
        return 0;
    }
    const int event = device.new_event();
    const int one = record_repeated(device, least, 1, event);
    const int many = record_repeated(device, least, kRuns, event);
    std::vector<Stage> stages(kRuns, {.kernel = least.kernel, .tensors = least.tensors});
    stages.back().signal = event;
    const int timed = device.record(stages, true);
    const auto time = [&](int segment) { return time_ns(device, segment, event); };
    std::vector<double> each, seen;
    for (int i = 0; i <= kSamples; ++i) {
        const double short_ns = time(one), long_ns = time(many);
        time(timed);
        if (i > 0) {  // the first one warms up
            each.push_back((long_ns - short_ns) / (kRuns - 1));
            std::ranges::copy(device.stage_ns(timed), std::back_inserter(seen));
        }
    }
    return std::max(0.0, quantile(seen, 0.5) - std::max(0.0, quantile(each, 0.5)));
}

// ---- Kernels -----------------------------------------------------------------------------------

double segment_overhead_ns(const sim::Device& entry) {
    return 1000 * sim::microseconds(entry.submit + entry.per_task + entry.completion);
}

SegmentTimer::SegmentTimer(Device& device,
                           int kernel,
                           const kernels::Tensors& tensors,
                           double overhead_ns)
    : device_{device},
      kernel_{kernel},
      tensors_{tensors},
      overhead_ns_{overhead_ns},
      event_{device.new_event()} {}

void SegmentTimer::record(int runs) {
    runs_ = runs;
    segment_ = record_repeated(device_, kernel_, tensors_, runs, event_);
}

double SegmentTimer::run() {
    constexpr double kLeast = 0.1;  // of what was seen
    const double seen = time_ns(device_, segment_, event_);
    return std::max(seen - overhead_ns_, kLeast * seen) / runs_;
}

double SegmentTimer::look_ns() {
    constexpr double kShortNs = 10'000'000;
    record(1);
    const double first = run();
    return first < kShortNs ? run() : first;
}

double SegmentTimer::sample_ns() {
    constexpr double kLongNs = 300'000;  // noise of submission and completion is then small
    constexpr int kMostRuns = 50;
    double each = runs_ == 0 ? look_ns() : run();
    // Also where something held up what was seen before.
    const int enough = std::clamp(static_cast<int>(kLongNs / each), 1, kMostRuns);
    if (enough > 2 * runs_) {
        record(enough);
        run();
        each = run();
    }
    return each;
}

// ---- Copies --------------------------------------------------------------------------------

std::vector<sim::TransferMode> measure_copies(Device& device,
                                              Direction direction,
                                              sim::Time completion,
                                              std::size_t largest,
                                              const std::function<bool()>& stop) {
    constexpr std::size_t kSmallest = 64;
    std::vector<sim::TransferMode> modes;
    constexpr std::size_t kMostManaged = std::size_t{64} << 20;  // for each direction and mode
    const Address there = device.allocate(largest);
    for (const std::string_view mode : device.modes(direction)) {
        const bool managed = mode.starts_with("managed");
        const std::size_t most = managed ? std::min(largest, kMostManaged) : largest;
        std::byte* here = nullptr;
        try {
            here = device.allocate_host(most, mode);
        } catch (const DeviceError&) {
            if (modes.empty()) {
                throw;  // runs need the first mode; the others only inform
            }
            continue;
        }
        std::memset(here, 1, most);
        sim::TransferMode result{.name = std::string{mode}, .time = {}};
        for (std::size_t bytes = kSmallest; bytes <= most; bytes *= 4) {
            if (!modes.empty() && stop && stop()) {
                return modes;
            }
            const int event = device.new_event();
            const int copy = device.record({.mode = mode,
                                            .direction = direction,
                                            .device = there,
                                            .host = here,
                                            .bytes = bytes,
                                            .signal = event});
            const int samples = bytes > (std::size_t{4} << 20) ? 7 : 41;
            std::vector<double> times;
            for (int i = 0; i <= samples; ++i) {
                if (managed && direction == Direction::up) {
                    std::memset(here, i, bytes);  // the pages are the host's again
                }
                const double ns = time_ns(device, copy, event);
                if (i > 0) {  // the first one warms up
                    times.push_back(ns);
                }
            }
            result.time.points.push_back(
                {.size = {static_cast<std::int64_t>(bytes)},
                 .time = without(summarize(std::move(times)), completion)});
        }
        modes.push_back(std::move(result));
    }
    return modes;
}

// ---- Interference --------------------------------------------------------------------------

namespace {

constexpr int kInterferenceSamples = 15;

using Measurements = std::vector<std::pair<std::string, sim::Measurement>>;

// `samples` times of `action`, each between `before` and `after`, which are not timed.
sim::Measurement measure_between(int samples,
                                 const std::function<void()>& before,
                                 const std::function<void()>& action,
                                 const std::function<void()>& after) {
    std::vector<double> times;
    for (int i = 0; i < samples; ++i) {
        before();
        times.push_back(time_ns(action));
        after();
    }
    return summarize(std::move(times));
}

// Kernels that keep a device busy: a few to be timed, and enough to last while another side is.
struct BusyDevice {
    explicit BusyDevice(Device& d) : device{d}, load{d, 56}, event{d.new_event()} {
        if (load.kernel >= 0) {
            few = record_repeated(d, load, 8, event);
            many = record_repeated(d, load, 128, event);
        }
    }
    bool works() const { return load.kernel >= 0; }
    void start(int segment) const { device.submit(segment); }
    void finish() const { device.wait(event); }

    Device& device;
    Load load;
    int event = 0;
    int few = -1, many = -1;  // segments
};

// A large copy up: alone, with one down, beside kernels, and beside copying on the host.
Measurements copies_disturbed(Device& device, const BusyDevice& busy) {
    constexpr std::size_t kBytes = std::size_t{16} << 20;
    const Address there = device.allocate(kBytes), back = device.allocate(kBytes);
    const std::string_view up_mode = device.modes(Direction::up).front();
    const std::string_view down_mode = device.modes(Direction::down).front();
    std::byte* const from = device.allocate_host(kBytes, up_mode);
    std::byte* const to = device.allocate_host(kBytes, down_mode);
    const int up_event = device.new_event(), down_event = device.new_event();
    const int up = device.record({.mode = up_mode,
                                  .direction = Direction::up,
                                  .device = there,
                                  .host = from,
                                  .bytes = kBytes,
                                  .signal = up_event});
    const int down = device.record({.mode = down_mode,
                                    .direction = Direction::down,
                                    .device = back,
                                    .host = to,
                                    .bytes = kBytes,
                                    .signal = down_event});
    const auto copy_up = [&] {
        device.submit(up);
        device.wait(up_event);
    };
    Measurements result;
    result.emplace_back("copy_16mib_up_alone", measure(kInterferenceSamples, copy_up));
    result.emplace_back("copy_16mib_up_with_one_down",
                        measure_between(
                            kInterferenceSamples,
                            [&] { device.submit(down); },
                            copy_up,
                            [&] { device.wait(down_event); }));
    if (busy.works()) {
        result.emplace_back("copy_16mib_up_beside_kernels",
                            measure_between(
                                kInterferenceSamples,
                                [&] { busy.start(busy.many); },
                                copy_up,
                                [&] { busy.finish(); }));
    }
    const Buffer a{kBytes}, b{kBytes};
    const auto nothing = [] {};
    const auto both = [&] {
        device.submit(up);
        std::memcpy(b.data(), a.data(), kBytes);
        device.wait(up_event);
    };
    result.emplace_back("copy_16mib_up_beside_host_copy",
                        measure_between(kInterferenceSamples, nothing, both, nothing));
    return result;
}

// The host works until the device tells that it is done.
sim::Measurement device_beside_host(Device& host, const Load& host_load, const BusyDevice& busy) {
    const int host_work = record_repeated(host, host_load, 1, host.new_event());
    std::vector<double> times;
    for (int i = 0; i < kInterferenceSamples; ++i) {
        std::atomic<std::int64_t> end{0};
        const std::int64_t begin = now_ns();
        busy.start(busy.few);
        busy.device.when(busy.event, [&end] { end.store(now_ns()); });
        while (end.load() == 0) {
            host.submit(host_work);
        }
        busy.finish();
        times.push_back(static_cast<double>(end.load() - begin));
    }
    return summarize(std::move(times));
}

// Kernels of both sides, each alone and beside the other's.
Measurements kernels_disturbed(Device& host, const BusyDevice& busy) {
    const Load host_load{host, 56};
    if (!busy.works() || host_load.kernel < 0) {
        return {};
    }
    const int host_work = record_repeated(host, host_load, 4, host.new_event());
    const auto on_host = [&] { host.submit(host_work); };
    const auto nothing = [] {};
    Measurements result;
    result.emplace_back("host_kernels_alone", measure(kInterferenceSamples, on_host));
    result.emplace_back("device_kernels_alone", measure(kInterferenceSamples, [&] {
                            busy.start(busy.few);
                            busy.finish();
                        }));
    result.emplace_back(
        "host_kernels_beside_device",
        measure_between(
            kInterferenceSamples, [&] { busy.start(busy.many); }, on_host, [&] { busy.finish(); }));
    const auto together = [&] {
        busy.start(busy.few);
        on_host();
        busy.finish();
    };
    result.emplace_back("device_and_host_kernels_together",
                        measure_between(kInterferenceSamples, nothing, together, nothing));
    if (busy.device.info().tells) {
        result.emplace_back("device_kernels_beside_host",
                            device_beside_host(host, host_load, busy));
    }
    return result;
}

}  // namespace

std::vector<std::pair<std::string, sim::Measurement>> measure_interference(Device& host,
                                                                           Device& device) {
    const BusyDevice busy{device};
    Measurements result;
    if (!device.info().host_memory) {
        result = copies_disturbed(device, busy);
    }
    std::ranges::move(kernels_disturbed(host, busy), std::back_inserter(result));
    for (auto& [name, measurement] : result) {
        name += "_" + device.info().name;
    }
    return result;
}

Slowing slowing_of(const Measurements& interference, const std::string& device) {
    constexpr double kNoise = 1.03;
    const auto factor = [&](const char* beside, const char* alone) {
        const auto time = [&](const char* name) {
            const auto found = std::ranges::find(
                interference, fmt::format("{}_{}", name, device), &Measurements::value_type::first);
            return found == interference.end() ? 0.0 : sim::microseconds(found->second.p50);
        };
        const double without = time(alone), with = time(beside);
        return without > 0 && with > kNoise * without ? with / without : 1;
    };
    return {.host = factor("host_kernels_beside_device", "host_kernels_alone"),
            .device = factor("device_kernels_beside_host", "device_kernels_alone")};
}

// ---- Power ---------------------------------------------------------------------------------

void measure_power(Device& device, sim::Device& entry) {
    constexpr double kLongNs = 1.5e9;  // counters are updated every few tens of milliseconds
    const auto watts = [&](const std::function<void()>& action) -> std::optional<double> {
        const std::optional<double> before = device.energy_j();
        if (!before) {
            return std::nullopt;
        }
        const std::int64_t begin = now_ns();
        while (static_cast<double>(now_ns() - begin) < kLongNs) {
            action();
        }
        const double seconds = static_cast<double>(now_ns() - begin) * 1e-9;
        const std::optional<double> after = device.energy_j();
        // A counter that stood still says nothing: unknown, not zero.
        return after && *after > *before ? std::optional{(*after - *before) / seconds}
                                         : std::nullopt;
    };
    if (!device.energy_j()) {
        return;
    }
    entry.idle_power_w = watts([] { std::this_thread::sleep_for(std::chrono::milliseconds{50}); });
    const Load load{device, 56};
    if (load.kernel >= 0) {
        const int event = device.new_event();
        const int work = record_repeated(device, load, 64, event);
        entry.active_power_w = watts([&] {
            device.submit(work);
            device.wait(event);
        });
    }
}

}  // namespace calibrate
