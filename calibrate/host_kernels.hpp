#pragma once

// The CPU's kernels (kernels/registry.hpp) as a device offers, prepares and runs them: for the CPU
// itself and for workers beside the dispatcher.

#include "calibrate/device.hpp"
#include "kernels/registry.hpp"
#include "kernels/thread_pool.hpp"

#include <deque>
#include <string>
#include <vector>

namespace calibrate {

class HostKernels {
public:
    // `threads`: that a kernel may have.
    explicit HostKernels(int threads) : threads_{threads} {}

    std::vector<Implementation> implementations(const kernels::Chain& chain) const;
    int longest_chain() const;

    // Throws sim::InputError, as Device::prepare. Returns what Stage::kernel wants.
    int prepare(const kernels::Chain& chain,
                const std::string& variant,
                const std::string& configuration);

    // A stage's kernel, which stays where it is; nullptr for a change of layout.
    const kernels::Kernel* kernel_of(const Stage& stage) const {
        return stage.kernel < 0 ? nullptr : &kernels_[static_cast<std::size_t>(stage.kernel)];
    }

private:
    int threads_;
    std::deque<kernels::Kernel> kernels_;
};

// A kernel or, without one, a change of layout, on the calling thread and the pool's.
void run_stage(const kernels::Kernel* kernel, const Stage& stage, kernels::ThreadPool& pool);

}  // namespace calibrate
