// The CPU as a device: segments run at once, on the calling thread and a pool of workers. It works
// on the host's memory, so nothing is copied, and what it was told to do is done when submit()
// returns: events have always happened.

#include "calibrate/buffer.hpp"
#include "calibrate/clock.hpp"
#include "calibrate/device.hpp"
#include "calibrate/energy.hpp"
#include "calibrate/executor.hpp"
#include "kernels/thread_pool.hpp"

#include <fmt/format.h>

#include <deque>

namespace calibrate {
namespace {

class CpuDevice final : public Device {
public:
    CpuDevice(const DeviceInfo& info, int threads) : info_{info}, pool_{threads} {}

    const DeviceInfo& info() const override { return info_; }

    std::vector<Implementation> implementations(const kernels::Chain& chain) const override {
        std::vector<Implementation> result;
        for (const kernels::Variant& variant : kernels::variants()) {
            if (!variant.supported() || !variant.accepts(chain)) {
                continue;
            }
            for (const kernels::Configuration& configuration :
                 kernels::configurations(chain, pool_.threads())) {
                result.push_back({std::string{variant.name}, configuration.name(), variant.layout});
            }
        }
        return result;
    }
    int longest_chain() const override {
        int longest = 0;
        for (const kernels::Variant& variant : kernels::variants()) {
            longest = std::max(longest, variant.longest_chain);
        }
        return longest;
    }

    Address allocate(std::size_t bytes) override { return memory_.emplace_back(bytes).data(); }
    std::byte* allocate_host(std::size_t bytes, std::string_view /*mode*/) override {
        return allocate(bytes);
    }
    Address address_of(std::byte* host) override { return host; }

    int prepare(const kernels::Chain& chain,
                const std::string& name,
                const std::string& configuration_name) override {
        const kernels::Variant* const variant = kernels::find_variant(name);
        if (variant == nullptr || !variant->supported()) {
            throw sim::InputError{fmt::format("this machine cannot run variant '{}'", name)};
        }
        const kernels::Configuration configuration = parse_configuration(configuration_name);
        if (configuration.threads > pool_.threads()) {
            throw sim::InputError{
                fmt::format("configuration '{}' needs {} threads, this machine has {}",
                            configuration_name,
                            configuration.threads,
                            pool_.threads())};
        }
        if (!variant->accepts(chain)) {
            throw sim::InputError{
                fmt::format("variant '{}' does not do this chain of layers", name)};
        }
        kernels_.emplace_back(*variant, chain, configuration);
        return static_cast<int>(kernels_.size()) - 1;
    }

    int new_event() override { return events_++; }

    int record(std::span<const Stage> stages, bool timed) override {
        segments_.push_back({{stages.begin(), stages.end()}, timed, {}});
        return static_cast<int>(segments_.size()) - 1;
    }
    std::vector<std::string_view> modes(Direction) const override { return {}; }
    int record(const Copy&) override { throw DeviceError{"the CPU needs no copies"}; }

    void begin_run() override { pool_.keep_awake(true); }
    void end_run() override { pool_.keep_awake(false); }

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

    void run(const Stage& stage) {
        if (stage.kernel >= 0) {
            kernels_[static_cast<std::size_t>(stage.kernel)].run(stage.tensors, pool_);
        } else {
            kernels::convert(stage.shape,
                             stage.batch,
                             stage.from,
                             stage.to,
                             stage.tensors.input,
                             stage.tensors.output);
        }
    }

    DeviceInfo info_;
    kernels::ThreadPool pool_;
    std::deque<Buffer> memory_;
    std::deque<kernels::Kernel> kernels_;
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
