#pragma once

// A device as the executor, the calibrator and validate see it: memory, kernels, segments, copies
// and events. Each kind of device is one file, calibrate/backend_<kind>.cpp, and one row in
// device.cpp. Start at `discover` and `open`.
//
// Work is recorded once and submitted many times. A command is a segment (kernels in order) or a
// copy; its handle is an int. An event is a place in the flow of one run: a command signals it,
// other commands or the host wait for it. In every run each event is signalled by exactly one
// submission, and that submission comes before all submissions that wait for it, so nothing has to
// be reset between runs. A run is over when the host has waited for its last event.
//
// One thread at a time uses a device. Memory, kernels, commands and events live as long as the
// Device object; several objects of one device may exist.

#include "kernels/chain.hpp"
#include "kernels/device_kernel.hpp"
#include "kernels/registry.hpp"
#include "sim/describe/platform.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace calibrate {

// The machine's fault, not the user's: no driver, out of device memory, a device lost, a kernel
// that does not build. The message is for people and says what to do where there is something.
struct DeviceError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct DeviceInfo {
    std::string name;         // "cpu", "cuda0", "opencl0": in profiles and mappings
    std::string kind;         // a row of the table in device.cpp: "cpu", "cuda", "opencl"
    std::string description;  // "NVIDIA H100 80GB HBM3"
    std::int64_t memory_mib = 0;
    bool asynchronous = true;
    bool host_memory = false;  // works on the host's memory: nothing is ever copied
    bool host_cores = false;   // works on the host's cores (the CPU itself, OpenCL on a CPU)
    bool converts = false;     // can change the layout of a tensor
    bool tells = false;        // Device::when does something
    int cores = 0;             // of the host that it has to itself
    std::vector<int> these_cores = {};  // which; empty: any
    kernels::DeviceLimits limits;
    std::vector<std::pair<std::string, std::string>> facts;  // driver, clocks, PCIe, ...
    std::vector<std::string> warnings;
};

// What there is, and one line for each kind that could be here and is not ("no CUDA device: the
// NVIDIA driver is not installed"). The first device is always "cpu".
struct Discovery {
    std::vector<DeviceInfo> devices;
    std::vector<std::string> notes;
};

// A way to run a chain on a device. Variants and configurations are named as in profiles.
struct Implementation {
    std::string variant, configuration;
    kernels::Layout layout = kernels::Layout::nhwc;  // of its inputs and outputs
    friend bool operator==(const Implementation&, const Implementation&) = default;
};

// An address in a device's memory: on OpenCL a buffer's handle, so no arithmetic.
using Address = std::byte*;

enum class Direction { up, down };  // host to device, device to host

// One step of a segment: a kernel, or a change of layout (kernel -1; only where info().converts).
struct Stage {
    int kernel = -1;              // from prepare()
    kernels::Tensors tensors;     // addresses of this device
    std::vector<int> waits = {};  // events of this device that must have happened before
    int signal = -1;  // event that happens when the stage is done; -1: nothing waits for it
    // For a change of layout:
    kernels::Shape shape = {};
    int batch = 1;
    kernels::Layout from = {}, to = {};
};

struct Copy {
    std::string_view mode = {};  // one of modes()
    Direction direction = Direction::up;
    Address device = nullptr;
    std::byte* host = nullptr;  // from allocate_host() with the same mode
    std::size_t bytes = 0;
    int wait = -1, signal = -1;  // events; -1: none
};

class Device {
public:
    virtual ~Device() = default;
    virtual const DeviceInfo& info() const = 0;

    // What it can run a chain with; empty: not at all. `longest_chain`: layers of the longest one
    // that any variant takes. By default what the table of its kind offers (Backend::variants).
    virtual std::vector<Implementation> implementations(const kernels::Chain& chain) const;
    virtual int longest_chain() const;
    // Likewise of chains with a second result; 0: none.
    virtual int longest_with_two_results() const { return 0; }

    // ---- memory ---------------------------------------------------------------------------
    virtual Address allocate(std::size_t bytes) = 0;  // zeroed
    // Host memory that copies of this mode read and write; page-locked where the mode wants that.
    virtual std::byte* allocate_host(std::size_t bytes, std::string_view mode) = 0;
    // The address by which the device knows host memory; only where info().host_memory.
    virtual Address address_of(std::byte* host) = 0;

    // ---- recording --------------------------------------------------------------------------
    // Uploads weights, compiles. Throws sim::InputError where this device has no such variant or
    // configuration for the chain. What the chain's spans point to must outlive the device. By
    // default prepares what the table of its kind has.
    virtual int prepare(const kernels::Chain& chain,
                        const std::string& variant,
                        const std::string& configuration);
    // What a table's variant makes, or a kernel that is in none, such as a benchmark's; an OpenCL
    // source must outlive the device. Only for accelerators.
    virtual int prepare(const kernels::DeviceKernel& kernel);
    virtual int new_event() = 0;
    // An event of this device that happens with one of another device, so that commands here may
    // wait for it without the host; nothing where they cannot.
    virtual std::optional<int> follow(Device& other, int event);
    // `timed`: stage_ns() is wanted; it may be slower.
    virtual int record(std::span<const Stage> stages, bool timed = false) = 0;
    // How bytes cross: "pageable", "pinned", "mapped", ...; the first is what the executor uses.
    virtual std::vector<std::string_view> modes(Direction direction) const = 0;
    virtual int record(const Copy& copy) = 0;

    // ---- running ----------------------------------------------------------------------------
    // A run begins, and ends: the CPU's workers stay awake in between.
    virtual void begin_run() {}
    virtual void end_run() {}
    // Nanoseconds until all of the host's threads that work for it, awake, have done nothing; the
    // median of a few. 0 where it has none but the caller.
    virtual double round_trip_ns() { return 0; }
    virtual void submit(int command) = 0;  // returns at once where info().asynchronous
    virtual void wait(int event) = 0;      // until it has happened in this run
    // Whether it has, without waiting; to be asked after the submission that signals it. wait()
    // returns at once then, and throws what went wrong.
    virtual bool has_happened(int event) = 0;
    // Calls `then` when the event has happened in this run: at once, or later from any thread. To
    // be asked after the submission that signals it; only where info().tells.
    virtual void when(int event, std::function<void()> then);
    // Of the last run of a timed segment: nanoseconds of every stage on the device's clock.
    virtual std::vector<double> stage_ns(int segment) = 0;

    // Joules the device has used since some moment in the past; nothing where it does not say.
    virtual std::optional<double> energy_j() { return std::nullopt; }
};

// A kind of device: one row of the table in device.cpp.
struct Backend {
    std::string_view kind;
    // Its kernels; nullptr where they are the CPU's (kernels/registry.hpp).
    std::span<const kernels::DeviceVariant> (*variants)() = nullptr;
    Discovery (*discover)() = nullptr;  // never throws because nothing is there
    // Throws DeviceError.
    std::unique_ptr<Device> (*open)(const DeviceInfo&, int threads) = nullptr;
};

// Every device of this machine: "cpu", then by kind. OpenCL devices on the host's cores come
// last; and those that are also there by a kind of their own (an NVIDIA GPU) are left out.
Discovery discover();
// "this machine has no device 'cuda0': no CUDA device: ...", of one that is not among them.
std::string absence_of(const std::string& name, const Discovery& found);
bool has_devices(std::string_view kind);  // false for a kind that was not built in

// `threads`: of the host that work on it (the CPU alone). Accelerators are opened before the CPU:
// their drivers' threads would inherit the core that its pool keeps the calling thread on.
std::unique_ptr<Device> open(const DeviceInfo& info, int threads);
std::unique_ptr<Device> open_cpu(int threads);

// The kinds of devices that this program was built with, and one of them by its name. Throws
// DeviceError where it is not among them.
std::span<const Backend> backends();
const Backend& backend(std::string_view kind);

// Every name that a kernel variant has, on any of them; each once.
std::vector<std::string_view> variant_names();

}  // namespace calibrate
