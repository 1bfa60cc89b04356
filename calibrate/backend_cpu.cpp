// The CPU as a device: segments run at once, on the calling thread and a pool of workers. It works
// on the host's memory, so nothing is copied, and what it was told to do is done when submit()
// returns: events have always happened.

#include "calibrate/clock.hpp"
#include "calibrate/energy.hpp"
#include "calibrate/host_device.hpp"
#include "calibrate/machine.hpp"
#include "calibrate/statistics.hpp"
#include "kernels/thread_pool.hpp"

#include <functional>
#include <utility>
#include <vector>

namespace calibrate {
namespace {

class CpuDevice final : public HostDevice {
public:
    CpuDevice(const DeviceInfo& info, int threads)
        : HostDevice{info, threads},
          pool_{threads, kernels::ThreadPool::kUsualSpin, dispatcher_core().value_or(-1)} {}

    int new_event() override { return events_++; }

    using HostDevice::record;
    int record(std::span<const Stage> stages, bool timed) override {
        segments_.push_back({{stages.begin(), stages.end()}, timed, {}});
        return static_cast<int>(segments_.size()) - 1;
    }

    void begin_run() override { pool_.keep_awake(true); }
    void end_run() override { pool_.keep_awake(false); }

    double round_trip_ns() override {
        constexpr int kTrips = 15;
        if (pool_.threads() == 1) {
            return 0;
        }
        const std::function<void(int)> nothing = [](int) {};
        std::vector<double> trips;
        pool_.keep_awake(true);
        pool_.run(pool_.threads(), nothing);  // wakes them
        for (int i = 0; i < kTrips; ++i) {
            const std::int64_t begin = now_ns();
            pool_.run(pool_.threads(), nothing);
            trips.push_back(static_cast<double>(now_ns() - begin));
        }
        pool_.keep_awake(false);
        return quantile(std::move(trips), 0.5);
    }

    void submit(int command) override {
        Segment& segment = segments_[static_cast<std::size_t>(command)];
        if (!segment.timed) {
            for (const Stage& stage : segment.stages) {
                run(stage);
            }
            return;
        }
        segment.ns.clear();
        for (const Stage& stage : segment.stages) {
            const std::int64_t begin = now_ns();
            run(stage);
            segment.ns.push_back(static_cast<double>(now_ns() - begin));
        }
    }
    void wait(int) override {}
    bool has_happened(int) override { return true; }
    std::vector<double> stage_ns(int segment) override {
        return segments_[static_cast<std::size_t>(segment)].ns;
    }

    std::optional<double> energy_j() override { return host_energy_j(); }

private:
    struct Segment {
        std::vector<Stage> stages;
        bool timed = false;
        std::vector<double> ns;
    };

    void run(const Stage& stage) { run_stage(kernel_of(stage), stage, pool_); }

    kernels::ThreadPool pool_;
    std::vector<Segment> segments_;
    int events_ = 0;
};

Discovery discover_cpu() {
    DeviceInfo info;
    info.name = info.kind = "cpu";
    info.description = "the host's cores";
    info.asynchronous = false;
    info.host_memory = info.host_cores = info.converts = true;
    return {.devices = {std::move(info)}, .notes = {}};
}

}  // namespace

Backend cpu_backend() {
    return {.kind = "cpu",
            .discover = discover_cpu,
            .open = [](const DeviceInfo& info, int threads) -> std::unique_ptr<Device> {
                return std::make_unique<CpuDevice>(info, threads);
            }};
}

}  // namespace calibrate
