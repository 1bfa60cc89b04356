#pragma once

// The executor: makes real devices do what a mapping's plan says (sim/run/plan.hpp).
//
// It decides nothing. One dispatcher (the calling thread) goes through the plan in
// sim::dispatch_order: the host's tasks it runs itself, segments it submits, copies it issues as
// soon as what they copy is submitted, and it waits where a task of the host waits. What a device
// waits for becomes an event that the device waits for itself. Where a device cannot wait for
// another one (Device::follow), the dispatcher waits between them, as late as possible, and the
// recording says so.
//
// Buffers are allocated once, one for each tensor, layout and memory; weights stay resident.
// Kernels prepared for one mapping are kept for the next, so that many mappings can take turns.
// Start at `Executor::prepare`.

#include "calibrate/binding.hpp"
#include "calibrate/device.hpp"
#include "sim/compile/problem.hpp"
#include "sim/index.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace calibrate {

// Of a mapping in a turn, after one to warm up.
inline constexpr int kRecordedRuns = 2;

// The devices that a problem names, as this machine has them; by the problem's device.
struct OpenDevices {
    std::vector<std::unique_ptr<Device>> devices;  // nullptr: not here
    std::vector<std::string> missing;              // why it is not here
};

// `threads`: of the host; what devices have of its cores is taken from the CPU's. A device that
// this machine lacks, or that does not open, is missing.
OpenDevices open_devices(const sim::Problem& problem, int threads);

class Executor {
public:
    // One thing the dispatcher does. `convert` changes the layout of a tensor on the host.
    enum class Action { compute, convert, submit, copy, wait };
    struct Call {
        Action action = Action::compute;
        int device = 0;          // of the problem
        int handle = 0;          // the device's command, or the event that is waited for
        std::vector<int> tasks;  // compute, convert: one; submit: those of the segment; else none
        std::vector<int> stages = {};  // submit: of each task its kernel's place in the segment
        // A wait that the plan does not have: a device cannot wait for what another one does.
        bool beyond_plan = false;
    };
    struct Recording {
        bool timed = false;  // stage_ns() of the devices can be asked
        std::vector<Call> calls;
        std::vector<int> begun;  // devices of which a run begins, and ends (Device::begin_run)
        // By output of the model: its tensor on the host, int32 or packed bits.
        std::vector<const std::byte*> outputs;
    };

    // A device that is missing is missed only by mappings that use it. References must outlive the
    // executor. Throws sim::InputError where the problem has a layout that no kernel knows.
    Executor(const sim::Model& model,
             const Parameters& parameters,
             const sim::Problem& problem,
             OpenDevices devices);
    // With open_devices(problem, threads).
    Executor(const sim::Model& model,
             const Parameters& parameters,
             const sim::Problem& problem,
             int threads);

    // Prepares every kernel of the mapping (slow the first time). `timed`: stage_ns() of the
    // devices is wanted. Recordings of different lanes share kernels and weights, but no tensors
    // and no events: one may go on while another does (stream.hpp). Throws sim::InputError where
    // the mapping asks for a device, variant, configuration, copy or conversion that this machine
    // does not have, or for what can be simulated but not run; and DeviceError where a device
    // fails.
    Recording prepare(const sim::Mapping& mapping, bool timed = false, int lane = 0);

    // Where to put the images: batch x height x width x channels, as that input of the model wants
    // them.
    std::span<std::byte> input(int index = 0, int lane = 0);
    // Random images for all inputs: any bytes, real numbers between -1 and 1.
    void fill_inputs(std::uint32_t seed, int lane = 0);
    std::size_t output_bytes(int index = 0) const;  // of the batch

    // Runs what was recorded; allocates nothing, but what devices and their drivers do. stamps[i]:
    // nanoseconds of a steady clock after call i - 1; stamps[0] before the first, so calls.size() +
    // 1 of them, or none.
    void run(const Recording& recording, std::span<std::int64_t> stamps = {});

    // Of the host's threads (Device::round_trip_ns).
    double round_trip_ns() { return devices_.front()->round_trip_ns(); }

    Device& device(int index) { return *devices_[sim::at(index)]; }

private:
    class Recorder;

    // A place of a tensor: one buffer.
    struct Place {
        int tensor = 0, layout = 0, memory = 0;
        int lane = 0;
        friend auto operator<=>(const Place&, const Place&) = default;
    };
    // What an event tells: that a device made or converted a tensor, or that a copy arrived.
    struct Happening {
        int device = 0;  // whose event it is
        Place place;
        bool arrived = false;
        friend auto operator<=>(const Happening&, const Happening&) = default;
    };
    // A command that was recorded, by what it is about.
    struct CommandKey {
        int device = 0, kernel = 0;  // kernel: -1 a conversion, -2 a copy
        const std::byte *from = nullptr, *second = nullptr;
        Address to = nullptr;
        int wait = -1;
        friend auto operator<=>(const CommandKey&, const CommandKey&) = default;
    };

    const std::string& layer_name(int layer) const { return problem_.layer_names[sim::at(layer)]; }
    const std::string& device_name(int d) const { return problem_.device_names[sim::at(d)]; }
    int memory_of(int device) const { return problem_.devices[sim::at(device)].memory; }
    void require(int device, int layer) const;
    int owner_of(int memory, int layer) const;
    int tensor_of(int model_layer) const;
    std::size_t bytes_of(int tensor, int layout) const;
    kernels::Shape shape_of(int tensor) const;
    std::byte* buffer(Place place);  // of the lane that is prepared
    Address address(int device, int tensor, int layout);
    kernels::Tensors tensors_of(const sim::Task& task);
    int kernel(int task);
    int event(const Happening& what);
    int followed(int device, int other, int event);
    std::vector<int> begun(const std::vector<Call>& calls) const;

    const sim::Model& model_;
    const Parameters& parameters_;
    const sim::Problem& problem_;
    std::set<std::vector<const std::byte*>> more_inputs_;  // what tensors say beside two inputs
    std::vector<kernels::Layout> layouts_;                 // by the problem's layout
    std::vector<std::unique_ptr<Device>> devices_;  // by the problem's device; nullptr: not here
    std::vector<std::string> missing_;              // by device: why it is not here
    int lane_ = 0;                                  // that is prepared
    int copier_ = 0;  // the device that allocates the host's buffers, so that it copies them fast
    std::map<Place, std::byte*> buffers_;
    std::map<int, int> kernels_;  // by task
    std::map<Happening, int> events_;
    std::map<std::tuple<int, int, int>, int> followed_;  // by device, other, event; -1: cannot
    std::map<CommandKey, int> commands_;                 // the host's, and copies
};

// Devices of which a run goes on (Device::begin_run) while this lives.
class Begun {
public:
    Begun(Executor& executor, std::span<const int> devices);
    ~Begun();
    Begun(const Begun&) = delete;
    Begun& operator=(const Begun&) = delete;

private:
    Executor& executor_;
    std::span<const int> devices_;
};

// Leaves out of a problem the tasks that no kernel here can compute: a cost is filed under a text
// that sets of layers share which read different numbers of tensors.
void drop_what_no_kernel_computes(const sim::Model& model, sim::Problem& problem);

// Model layers of a task's chain.
std::vector<int> model_layers(const sim::Problem& problem, const sim::Task& task);

// "2y" as a configuration of the CPU. Throws sim::InputError.
kernels::Configuration parse_configuration(const std::string& name);

}  // namespace calibrate
