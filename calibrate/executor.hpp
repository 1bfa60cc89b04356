#pragma once

// The executor: runs a mapping on the real devices, as the simulator thinks it does.
//
// One dispatcher (the calling thread) goes through the tasks in the static order. The host's tasks
// it runs itself; what is consecutive on another device it submits in one go. Copies are issued
// as early as possible: up as soon as the host has made a tensor, down right behind the segment
// that makes it. Before a host task the dispatcher waits for what that task reads. Buffers are
// allocated once, one for each tensor, layout and memory; weights stay resident. Kernels prepared
// for one mapping are kept for the next, so that many mappings can take turns.

#include "calibrate/binding.hpp"
#include "calibrate/device.hpp"
#include "sim/compile/problem.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace calibrate {

class Executor {
public:
    // One thing the dispatcher does.
    enum class Action { compute, convert, submit, copy, wait };
    struct Stage {
        Action action = Action::compute;
        int device = 0;          // of the problem
        int handle = 0;          // the device's command, or the event that is waited for
        std::vector<int> tasks;  // compute, convert: one; submit: those of the segment; else none
    };
    struct Plan {
        std::vector<Stage> stages;
        const std::byte* output = nullptr;  // the model's output on the host, int32 or packed bits
    };

    // `threads`: of the host. Devices are found by their names in the problem; one that this
    // machine lacks is missed only by mappings that use it. References must outlive the executor.
    Executor(const sim::Model& model,
             const Parameters& parameters,
             const sim::Problem& problem,
             int threads);

    // Prepares every kernel of the mapping (slow the first time). `timed`: stage_ns() of the
    // devices is wanted. Throws sim::InputError where the mapping asks for a device, variant or
    // configuration that this machine does not have, and DeviceError where a device fails.
    Plan prepare(const sim::Mapping& mapping, bool timed = false);

    // Where to put the images: batch x height x width x channels, as the model's input wants them.
    std::span<std::byte> input();
    std::size_t output_bytes() const;  // of the batch

    // Runs the plan. stamps[i]: nanoseconds of a steady clock after stage i; stamps[0] before the
    // first, so stages.size() + 1 of them, or none.
    void run(const Plan& plan, std::span<std::int64_t> stamps = {});

    Device& device(int index) { return *devices_[static_cast<std::size_t>(index)]; }

private:
    class Planner;

    struct Place {
        int tensor = 0, layout = 0, device = 0;  // device 0: the host's memory
        friend auto operator<=>(const Place&, const Place&) = default;
    };

    bool on_host_memory(int device) const;
    std::size_t bytes_of(int tensor, int layout) const;
    kernels::Shape shape_of(int tensor) const;
    std::byte* host_buffer(int tensor, int layout);
    Address address(int device, int tensor, int layout);  // where the device has the tensor
    int kernel(int task);
    int event(int device, int tensor, char purpose);
    std::string mode_of(int device, int tensor, int layout, Direction direction) const;
    int copy(int device, int tensor, int layout, Direction direction);

    const sim::Model& model_;
    const Parameters& parameters_;
    const sim::Problem& problem_;
    std::vector<kernels::Layout> layouts_;          // by the problem's layout
    std::vector<std::unique_ptr<Device>> devices_;  // by the problem's device; nullptr: not here
    int copier_ = 0;                                // whose host memory the host's tensors are in
    std::map<Place, std::byte*> buffers_;
    std::map<int, int> kernels_;                            // by task
    std::map<std::tuple<int, int, char>, int> events_;      // by device, tensor, purpose
    std::map<std::tuple<int, int, int, int>, int> copies_;  // by device, tensor, layout, direction
    std::map<std::vector<Address>, int> host_commands_;     // by kernel or layouts, and addresses
    std::vector<std::string> missing_;                      // by device: why it is not here
};

// Model layers of a task's chain.
std::vector<int> model_layers(const sim::Problem& problem, const sim::Task& task);

// "2y" as a configuration of the CPU. Throws sim::InputError.
kernels::Configuration parse_configuration(const std::string& name);

}  // namespace calibrate
