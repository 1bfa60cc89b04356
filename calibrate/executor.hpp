#pragma once

// The executor: runs a mapping with the real kernels, as the simulator thinks it does.
//
// One dispatcher (the calling thread) runs the tasks in the static order; buffers are allocated
// once, one for each tensor and layout; weights are packed for their variant and stay resident.
// A kernel prepared for one mapping is kept for the next, so that many mappings can take turns.

#include "calibrate/binding.hpp"
#include "kernels/thread_pool.hpp"
#include "sim/problem.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace calibrate {

// 64-byte aligned memory, zeroed.
class Buffer {
public:
    explicit Buffer(std::size_t bytes);
    std::byte* data() const { return data_.get(); }
    std::size_t size() const { return size_; }

private:
    struct Free {
        void operator()(std::byte* p) const;
    };
    std::unique_ptr<std::byte, Free> data_;
    std::size_t size_ = 0;
};

class Executor {
public:
    // One thing the dispatcher does: a kernel, or a change of layout in front of one.
    struct Stage {
        int task = 0;  // of the problem
        const kernels::Kernel* kernel = nullptr;
        kernels::Tensors tensors;
        // nullptr kernel: convert
        kernels::Shape shape;
        kernels::Layout from{}, to{};
    };
    struct Plan {
        std::vector<Stage> stages;
        const std::byte* output = nullptr;  // the model's output, int32 or packed bits
    };

    // `threads`: of the machine. References must outlive the executor.
    Executor(const sim::Model& model,
             const Parameters& parameters,
             const sim::Problem& problem,
             int threads);

    // Prepares every kernel of the mapping (slow the first time). Throws sim::InputError where
    // the mapping asks for a variant or configuration that this machine does not have.
    Plan prepare(const sim::Mapping& mapping);

    // Where to put the images: batch x height x width x channels, as the model's input wants them.
    std::span<std::byte> input();
    std::size_t output_bytes() const;  // of the batch

    // Runs the plan. stamps[i]: nanoseconds of a steady clock after stage i; stamps[0] before the
    // first, so stages.size() + 1 of them, or none.
    void run(const Plan& plan, std::span<std::int64_t> stamps = {});

    kernels::ThreadPool& pool() { return pool_; }

private:
    std::byte* buffer(int tensor, int layout);
    const kernels::Kernel& kernel(int task);

    const sim::Model& model_;
    const Parameters& parameters_;
    const sim::Problem& problem_;
    std::vector<kernels::Layout> layouts_;  // by the problem's layout
    kernels::ThreadPool pool_;
    std::map<std::pair<int, int>, Buffer> buffers_;  // by tensor, layout
    std::map<int, kernels::Kernel> kernels_;         // by task
};

// Nanoseconds of a steady clock.
std::int64_t now_ns();

// Model layers of a task's chain.
std::vector<int> model_layers(const sim::Problem& problem, const sim::Task& task);

// "2y" as a configuration. Throws sim::InputError.
kernels::Configuration parse_configuration(const std::string& name);

}  // namespace calibrate
