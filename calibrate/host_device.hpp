#pragma once

// What devices share that run the CPU's kernels (kernels/registry.hpp) on the host's memory: the
// CPU itself and workers beside the dispatcher. Nothing is copied; when and where a segment runs is
// for them to say.

#include "calibrate/buffer.hpp"
#include "calibrate/device.hpp"
#include "kernels/registry.hpp"
#include "kernels/thread_pool.hpp"

#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace calibrate {

// Throws sim::InputError where the CPU's table has the variant and this machine cannot run it.
void expect_supported(std::string_view variant);

class HostDevice : public Device {
public:
    const DeviceInfo& info() const final { return info_; }

    std::vector<Implementation> implementations(const kernels::Chain& chain) const final;
    int longest_chain() const final;
    int longest_with_two_results() const final;

    Address allocate(std::size_t bytes) final { return memory_.emplace_back(bytes).data(); }
    std::byte* allocate_host(std::size_t bytes, std::string_view /*mode*/) final {
        return allocate(bytes);
    }
    Address address_of(std::byte* host) final { return host; }

    using Device::prepare;
    int prepare(const kernels::Chain& chain,
                const std::string& variant,
                const std::string& configuration) final;

    std::vector<std::string_view> modes(Direction) const final { return {}; }
    using Device::record;
    int record(const Copy&) final;

protected:
    // `threads`: that a kernel may have.
    HostDevice(DeviceInfo info, int threads) : info_{std::move(info)}, threads_{threads} {}

    // A stage's kernel, which stays where it is; nullptr for a change of layout.
    const kernels::Kernel* kernel_of(const Stage& stage) const {
        return stage.kernel < 0 ? nullptr : &kernels_[static_cast<std::size_t>(stage.kernel)];
    }

private:
    DeviceInfo info_;
    int threads_;
    std::deque<Buffer> memory_;
    std::deque<kernels::Kernel> kernels_;
};

// A kernel or, without one, a change of layout, on the calling thread and the pool's.
void run_stage(const kernels::Kernel* kernel, const Stage& stage, kernels::ThreadPool& pool);

}  // namespace calibrate
