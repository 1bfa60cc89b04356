// OpenCL 1.2 devices: GPUs of any make, and CPUs by PoCL.
//
// A device object has a context of its own and in-order queues: one for kernels, one for timed
// kernels (where profiling is on), one for copies up and one for copies down. Between queues,
// OpenCL events keep the order; the host waits in wait() alone. A place to start reading is
// OpenclDevice::submit.

#define CL_TARGET_OPENCL_VERSION 120

#include "calibrate/buffer.hpp"
#include "calibrate/device.hpp"
#include "kernels/opencl/variants.hpp"
#include "sim/error.hpp"

#include <fmt/format.h>

#include <CL/cl.h>
#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <map>
#include <type_traits>
#include <utility>

namespace calibrate {
namespace {

// ---- Errors -----------------------------------------------------------------------------------

constexpr cl_int kNoPlatform = -1001;  // CL_PLATFORM_NOT_FOUND_KHR, of the loader's extension

// A name, and what it means to people where that can be said.
std::string text_of(cl_int error) {
    struct Row {
        cl_int error;
        const char *name, *meaning;
    };
    static constexpr Row kRows[] = {
        {CL_DEVICE_NOT_FOUND, "CL_DEVICE_NOT_FOUND", "there is no such device"},
        {CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE", "the device is gone, or taken"},
        {CL_COMPILER_NOT_AVAILABLE, "CL_COMPILER_NOT_AVAILABLE", "the driver has no compiler"},
        {CL_MEM_OBJECT_ALLOCATION_FAILURE,
         "CL_MEM_OBJECT_ALLOCATION_FAILURE",
         "the device has not enough memory"},
        {CL_OUT_OF_RESOURCES,
         "CL_OUT_OF_RESOURCES",
         "the device has not enough memory, or a kernel went wrong"},
        {CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY", "the host has not enough memory"},
        {CL_BUILD_PROGRAM_FAILURE, "CL_BUILD_PROGRAM_FAILURE", "a program does not build"},
        {CL_MAP_FAILURE, "CL_MAP_FAILURE", "memory could not be mapped"},
        {CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
         "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
         "something that came before went wrong"},
        {CL_INVALID_VALUE, "CL_INVALID_VALUE", nullptr},
        {CL_INVALID_DEVICE, "CL_INVALID_DEVICE", nullptr},
        {CL_INVALID_CONTEXT, "CL_INVALID_CONTEXT", nullptr},
        {CL_INVALID_COMMAND_QUEUE, "CL_INVALID_COMMAND_QUEUE", "the device may have been lost"},
        {CL_INVALID_MEM_OBJECT, "CL_INVALID_MEM_OBJECT", nullptr},
        {CL_INVALID_BUILD_OPTIONS, "CL_INVALID_BUILD_OPTIONS", nullptr},
        {CL_INVALID_PROGRAM_EXECUTABLE, "CL_INVALID_PROGRAM_EXECUTABLE", nullptr},
        {CL_INVALID_KERNEL_NAME, "CL_INVALID_KERNEL_NAME", "the program has no such kernel"},
        {CL_INVALID_ARG_INDEX, "CL_INVALID_ARG_INDEX", nullptr},
        {CL_INVALID_ARG_VALUE, "CL_INVALID_ARG_VALUE", nullptr},
        {CL_INVALID_ARG_SIZE, "CL_INVALID_ARG_SIZE", nullptr},
        {CL_INVALID_KERNEL_ARGS, "CL_INVALID_KERNEL_ARGS", nullptr},
        {CL_INVALID_WORK_DIMENSION, "CL_INVALID_WORK_DIMENSION", nullptr},
        {CL_INVALID_WORK_GROUP_SIZE,
         "CL_INVALID_WORK_GROUP_SIZE",
         "the device cannot run groups of this size"},
        {CL_INVALID_WORK_ITEM_SIZE,
         "CL_INVALID_WORK_ITEM_SIZE",
         "the device cannot run groups of this size"},
        {CL_INVALID_GLOBAL_WORK_SIZE,
         "CL_INVALID_GLOBAL_WORK_SIZE",
         "the device cannot run a grid of this size"},
        {CL_INVALID_BUFFER_SIZE,
         "CL_INVALID_BUFFER_SIZE",
         "the device cannot have a buffer of this size"},
        {CL_INVALID_EVENT, "CL_INVALID_EVENT", nullptr},
        {CL_INVALID_EVENT_WAIT_LIST, "CL_INVALID_EVENT_WAIT_LIST", nullptr},
        {CL_INVALID_OPERATION, "CL_INVALID_OPERATION", nullptr},
        {kNoPlatform, "CL_PLATFORM_NOT_FOUND_KHR", "no OpenCL driver is installed"},
    };
    const auto* const row = std::ranges::find(kRows, error, &Row::error);
    if (row == std::end(kRows)) {
        return fmt::format("OpenCL error {}", error);
    }
    return row->meaning == nullptr ? row->name : fmt::format("{} ({})", row->meaning, row->name);
}

// "what" says what was being done, and to which device. Where it was asked: as
// std::source_location, which clang-tidy 14 does not know.
void check(cl_int error,
           std::string_view what,
           const char* file = __builtin_FILE(),
           int line = __builtin_LINE()) {
    if (error != CL_SUCCESS) {
        const std::string_view path = file;
        throw DeviceError{fmt::format(
            "{}: {} [{}:{}]", what, text_of(error), path.substr(path.rfind('/') + 1), line)};
    }
}

// ---- OpenCL's objects, released in the end -----------------------------------------------------

template <class Object, auto kRelease>
struct Release {
    void operator()(Object object) const { kRelease(object); }
};
template <class Object, auto kRelease>
using Owned = std::unique_ptr<std::remove_pointer_t<Object>, Release<Object, kRelease>>;

using Context = Owned<cl_context, clReleaseContext>;
using Queue = Owned<cl_command_queue, clReleaseCommandQueue>;
using Program = Owned<cl_program, clReleaseProgram>;
using Kernel = Owned<cl_kernel, clReleaseKernel>;
using Memory = Owned<cl_mem, clReleaseMemObject>;
using Event = Owned<cl_event, clReleaseEvent>;

Event another(const Event& event) {
    clRetainEvent(event.get());
    return Event{event.get()};
}

// ---- Devices ----------------------------------------------------------------------------------

struct Found {
    cl_platform_id platform = nullptr;
    cl_device_id device = nullptr;
    cl_device_type type = 0;
    DeviceInfo info;
};

// Nothing may be asked of a driver that cannot be left out: what it does not say is empty or 0.
std::string device_text(cl_device_id device, cl_device_info what) {
    std::size_t size = 0;
    if (clGetDeviceInfo(device, what, 0, nullptr, &size) != CL_SUCCESS || size == 0) {
        return {};
    }
    std::string text(size, '\0');
    clGetDeviceInfo(device, what, size, text.data(), nullptr);
    text.resize(std::min(text.find('\0'), text.size()));
    const auto end = text.find_last_not_of(' ');  // some vendors fill up with blanks
    text.resize(end == std::string::npos ? 0 : end + 1);
    return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

template <class Value>
Value device_value(cl_device_id device, cl_device_info what) {
    Value value{};
    clGetDeviceInfo(device, what, sizeof value, &value, nullptr);
    return value;
}

std::string platform_text(cl_platform_id platform, cl_platform_info what) {
    std::array<char, 1024> text{};
    clGetPlatformInfo(platform, what, text.size() - 1, text.data(), nullptr);
    return text.data();
}

DeviceInfo describe(cl_platform_id platform, cl_device_id device, cl_device_type type) {
    const auto units = device_value<cl_uint>(device, CL_DEVICE_MAX_COMPUTE_UNITS);
    DeviceInfo info;
    info.kind = "opencl";
    info.description = device_text(device, CL_DEVICE_NAME);
    info.memory_mib =
        static_cast<std::int64_t>(device_value<cl_ulong>(device, CL_DEVICE_GLOBAL_MEM_SIZE) >> 20);
    info.asynchronous = true;
    info.tells = true;
    info.host_cores = (type & CL_DEVICE_TYPE_CPU) != 0;
    info.limits = {.compute_units = static_cast<int>(units),
                   .local_bytes = static_cast<std::size_t>(
                       device_value<cl_ulong>(device, CL_DEVICE_LOCAL_MEM_SIZE)),
                   .largest_group = static_cast<int>(std::min<std::size_t>(
                       device_value<std::size_t>(device, CL_DEVICE_MAX_WORK_GROUP_SIZE), 1024))};
    info.facts = {
        {"platform", platform_text(platform, CL_PLATFORM_NAME)},
        {"vendor", device_text(device, CL_DEVICE_VENDOR)},
        {"driver", device_text(device, CL_DRIVER_VERSION)},
        {"opencl", device_text(device, CL_DEVICE_VERSION)},
        {"compute_units", fmt::format("{}", units)},
        {"clock_mhz",
         fmt::format("{}", device_value<cl_uint>(device, CL_DEVICE_MAX_CLOCK_FREQUENCY))}};
    if (info.host_cores) {
        info.warnings.push_back("works on the host's cores: they slow each other down");
    }
    return info;
}

// Why the kernels would not run on a device; empty if they would.
std::string unfit(cl_device_id device) {
    if (device_value<cl_bool>(device, CL_DEVICE_AVAILABLE) == CL_FALSE) {
        return "it is not available";
    }
    if (device_value<cl_bool>(device, CL_DEVICE_COMPILER_AVAILABLE) == CL_FALSE) {
        return "its driver has no compiler";
    }
    if (device_value<cl_bool>(device, CL_DEVICE_ENDIAN_LITTLE) == CL_FALSE) {
        return "it is big endian";
    }
    const std::string version = device_text(device, CL_DEVICE_VERSION);  // "OpenCL 1.2 ..."
    if (version.starts_with("OpenCL 1.0") || version.starts_with("OpenCL 1.1")) {
        return "it knows no OpenCL 1.2";
    }
    return {};
}

struct Search {
    std::vector<Found> found;  // GPUs first, the host's cores last
    std::vector<std::string> notes;
};

Search search() {
    Search result;
    cl_uint platform_count = 0;
    const cl_int error = clGetPlatformIDs(0, nullptr, &platform_count);
    if (error != CL_SUCCESS && error != kNoPlatform) {
        result.notes.push_back("no OpenCL device: " + text_of(error));
        return result;
    }
    std::vector<cl_platform_id> platforms(platform_count);
    if (platform_count > 0 &&
        clGetPlatformIDs(platform_count, platforms.data(), nullptr) != CL_SUCCESS) {
        platforms.clear();
    }
    if (platforms.empty()) {
        result.notes.emplace_back(
            "no OpenCL device: no OpenCL driver is installed (Debian's pocl-opencl-icd makes a "
            "device of the CPU)");
        return result;
    }

    bool nothing_at_all = true;
    for (cl_platform_id platform : platforms) {
        cl_uint count = 0;
        if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS) {
            continue;
        }
        std::vector<cl_device_id> devices(count);
        if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr) !=
            CL_SUCCESS) {
            continue;
        }
        for (cl_device_id device : devices) {
            nothing_at_all = false;
            const auto type = device_value<cl_device_type>(device, CL_DEVICE_TYPE);
            const std::string name = device_text(device, CL_DEVICE_NAME);
            const std::string vendor = device_text(device, CL_DEVICE_VENDOR);
            if (const std::string reason = unfit(device); !reason.empty()) {
                result.notes.push_back(
                    fmt::format("OpenCL device '{}' is left out: {}", name, reason));
            } else if ((type & CL_DEVICE_TYPE_GPU) != 0 &&
                       vendor.find("NVIDIA") != std::string::npos && has_devices("cuda")) {
                result.notes.push_back(
                    fmt::format("OpenCL device '{}' is left out: it is there by CUDA", name));
            } else {
                result.found.push_back({platform, device, type, describe(platform, device, type)});
            }
        }
    }
    if (nothing_at_all) {
        result.notes.emplace_back(
            "no OpenCL device: there is an OpenCL driver, but it finds no device");
    }

    const auto rank = [](const Found& one) {
        return (one.type & CL_DEVICE_TYPE_GPU) != 0   ? 0
               : (one.type & CL_DEVICE_TYPE_CPU) != 0 ? 2
                                                      : 1;
    };
    std::ranges::stable_sort(result.found, {}, rank);
    for (std::size_t i = 0; i < result.found.size(); ++i) {
        result.found[i].info.name = fmt::format("opencl{}", i);
    }
    return result;
}

Discovery discover_opencl() {
    Search all = search();
    Discovery discovery{.devices = {}, .notes = std::move(all.notes)};
    for (Found& one : all.found) {
        discovery.devices.push_back(std::move(one.info));
    }
    return discovery;
}

// ---- The device ---------------------------------------------------------------------------------

class OpenclDevice final : public Device {
public:
    explicit OpenclDevice(Found found) : device_{found.device}, info_{std::move(found.info)} {
        label_ = fmt::format("{} ({})", info_.name, info_.description);
        largest_buffer_ = device_value<cl_ulong>(device_, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
        const cl_context_properties properties[] = {
            CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(found.platform), 0};
        cl_int error = CL_SUCCESS;
        context_.reset(clCreateContext(properties, 1, &device_, nullptr, nullptr, &error));
        check(error, label_ + ": making a context");
        compute_ = new_queue(0);
        timed_ = new_queue(CL_QUEUE_PROFILING_ENABLE);
        up_ = new_queue(0);
        down_ = new_queue(0);
    }

    ~OpenclDevice() override {
        for (const Queue* queue : {&compute_, &timed_, &up_, &down_}) {
            clFinish(queue->get());
        }
        for (const Pinned& pinned : pinned_) {
            clEnqueueUnmapMemObject(
                up_.get(), pinned.memory.get(), pinned.address, 0, nullptr, nullptr);
        }
        clFinish(up_.get());
    }
    OpenclDevice(const OpenclDevice&) = delete;
    OpenclDevice& operator=(const OpenclDevice&) = delete;

    const DeviceInfo& info() const override { return info_; }

    // ---- memory ---------------------------------------------------------------------------

    Address allocate(std::size_t bytes) override {
        return reinterpret_cast<Address>(new_memory(bytes));
    }

    std::byte* allocate_host(std::size_t bytes, std::string_view mode) override {
        if (mode != "pinned") {
            return host_.emplace_back(bytes).data();
        }
        const std::string what = fmt::format("{}: {} bytes of pinned memory", label_, bytes);
        bytes = std::max<std::size_t>(bytes, 1);
        cl_int error = CL_SUCCESS;
        Memory memory{clCreateBuffer(
            context_.get(), CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes, nullptr, &error)};
        check(error, what);
        void* const address = clEnqueueMapBuffer(up_.get(),
                                                 memory.get(),
                                                 CL_TRUE,
                                                 CL_MAP_READ | CL_MAP_WRITE,
                                                 0,
                                                 bytes,
                                                 0,
                                                 nullptr,
                                                 nullptr,
                                                 &error);
        check(error, what);
        pinned_.push_back({std::move(memory), address});
        std::memset(address, 0, bytes);
        return static_cast<std::byte*>(address);
    }

    Address address_of(std::byte*) override {
        throw DeviceError{label_ + ": does not work on the host's memory"};
    }

    // ---- recording ------------------------------------------------------------------------

    using Device::prepare;
    int prepare(const kernels::DeviceKernel& kernel) override {
        Prepared prepared;
        prepared.program = program(kernel.source, kernel.options);
        prepared.launches = kernel.launches;
        for (const std::vector<std::byte>& constant : kernel.constants) {
            const cl_mem memory = new_memory(constant.size());
            if (!constant.empty()) {
                check(clEnqueueWriteBuffer(up_.get(),
                                           memory,
                                           CL_TRUE,
                                           0,
                                           constant.size(),
                                           constant.data(),
                                           0,
                                           nullptr,
                                           nullptr),
                      label_ + ": uploading weights");
            }
            prepared.constants.push_back(memory);
        }
        for (const std::size_t bytes : kernel.scratch) {
            prepared.scratch.push_back(new_memory(bytes));
        }
        // A name that is not in the program is an error now, not when it is first used.
        for (const kernels::Launch& launch : kernel.launches) {
            (void)new_kernel(prepared, launch);
        }
        prepared_.push_back(std::move(prepared));
        return static_cast<int>(prepared_.size()) - 1;
    }

    int new_event() override {
        events_.emplace_back();
        return static_cast<int>(events_.size()) - 1;
    }

    // Whatever context it is of: a user event here is set when the other device tells.
    std::optional<int> follow(Device& other, int event) override {
        if (!other.info().tells) {
            return std::nullopt;
        }
        events_.push_back({.event = {}, .other = &other, .other_event = event});
        return static_cast<int>(events_.size()) - 1;
    }

    // Kernels get their arguments here, so that submitting is nothing but enqueueing.
    int record(std::span<const Stage> stages, bool timed) override {
        Segment segment{.timed = timed, .stages = {}};
        for (const Stage& stage : stages) {
            if (stage.kernel < 0) {
                throw DeviceError{label_ + ": has one layout only"};
            }
            const Prepared& prepared = prepared_[static_cast<std::size_t>(stage.kernel)];
            Recorded recorded{.waits = stage.waits, .signal = stage.signal};
            for (const kernels::Launch& launch : prepared.launches) {
                recorded.launches.push_back(bind(prepared, launch, stage.tensors));
            }
            segment.stages.push_back(std::move(recorded));
        }
        commands_.emplace_back(std::move(segment));
        return static_cast<int>(commands_.size()) - 1;
    }

    std::vector<std::string_view> modes(Direction) const override {
        if (info_.host_cores) {
            return {"pageable", "pinned"};
        }
        return {"pinned", "pageable"};
    }

    int record(const Copy& copy) override {
        commands_.emplace_back(copy);
        return static_cast<int>(commands_.size()) - 1;
    }

    // ---- running ----------------------------------------------------------------------------

    void submit(int command) override {
        std::visit([this](auto& it) { submit(it); }, commands_[static_cast<std::size_t>(command)]);
    }

    void wait(int event) override {
        const cl_event happening = events_[static_cast<std::size_t>(event)].event.get();
        if (happening == nullptr) {
            throw std::logic_error{"waiting for an event that nothing signals"};
        }
        if (info_.host_cores) {  // spinning would take the cores that do the work
            if (clWaitForEvents(1, &happening) == CL_SUCCESS) {
                return;
            }
        }
        cl_int status = CL_QUEUED;
        do {
            check(
                clGetEventInfo(
                    happening, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr),
                label_ + ": waiting");
        } while (status > CL_COMPLETE);
        check(status, label_ + ": running");
        // Having seen it is not yet a point of synchronization; this is, and returns at once.
        check(clWaitForEvents(1, &happening), label_ + ": waiting");
    }

    bool has_happened(int event) override {
        const cl_event happening = events_[static_cast<std::size_t>(event)].event.get();
        if (happening == nullptr) {
            throw std::logic_error{"asking for an event that nothing signals"};
        }
        cl_int status = CL_QUEUED;
        check(clGetEventInfo(
                  happening, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr),
              label_ + ": asking");
        return status <= CL_COMPLETE;  // what went wrong is over, too
    }

    void when(int event, std::function<void()> then) override {
        const cl_event happening = events_[static_cast<std::size_t>(event)].event.get();
        if (happening == nullptr) {
            throw std::logic_error{"asking for an event that nothing signals"};
        }
        auto call = std::make_unique<std::function<void()>>(std::move(then));
        // A command that went wrong is over, too: wait() says what happened.
        const auto tell = [](cl_event, cl_int, void* what) {
            const std::unique_ptr<std::function<void()>> told{
                static_cast<std::function<void()>*>(what)};
            (*told)();
        };
        check_running(clSetEventCallback(happening, CL_COMPLETE, tell, call.get()), "asking");
        (void)call.release();  // `tell` has it now
    }

    std::vector<double> stage_ns(int command) override {
        const Segment& segment = std::get<Segment>(commands_[static_cast<std::size_t>(command)]);
        std::vector<double> result;
        for (const Recorded& stage : segment.stages) {
            if (stage.first == nullptr) {
                throw std::logic_error{"stage_ns of a segment that was not timed"};
            }
            const cl_event last = stage.last.get();
            check(clWaitForEvents(1, &last), label_ + ": timing");
            const auto at = [&](cl_event event, cl_profiling_info what) {
                cl_ulong ns = 0;
                check(clGetEventProfilingInfo(event, what, sizeof ns, &ns, nullptr),
                      label_ + ": timing");
                return ns;
            };
            const cl_ulong begin = at(stage.first.get(), CL_PROFILING_COMMAND_START);
            const cl_ulong end = at(last, CL_PROFILING_COMMAND_END);
            result.push_back(end > begin ? static_cast<double>(end - begin) : 0);
        }
        return result;
    }

private:
    struct Pinned {
        Memory memory;
        void* address = nullptr;
    };
    struct Prepared {
        cl_program program = nullptr;
        std::vector<kernels::Launch> launches;
        std::vector<cl_mem> constants, scratch;
    };
    struct BoundLaunch {
        Kernel kernel;
        std::array<std::size_t, 3> items{}, group{};
    };
    struct Recorded {
        std::vector<int> waits;
        int signal = -1;
        std::vector<BoundLaunch> launches = {};
        Event first = {}, last = {};  // of the last run, if timed
    };
    struct Segment {
        bool timed = false;
        std::vector<Recorded> stages;
    };
    // What signalled last, and on which queue: in-order queues need not be told to wait for
    // themselves.
    struct Signal {
        Event event;
        cl_command_queue queue = nullptr;
        Device* other = nullptr;  // whose event it follows
        int other_event = -1;
    };

    Queue new_queue(cl_command_queue_properties properties) {
        cl_int error = CL_SUCCESS;
        Queue queue{clCreateCommandQueue(context_.get(), device_, properties, &error)};
        check(error, label_ + ": making a queue");
        return queue;
    }

    // Zeroed, which also makes sure that it is there: drivers promise more than they have.
    cl_mem new_memory(std::size_t bytes) {
        const std::string what = fmt::format("{}: allocating {} bytes", label_, bytes);
        if (bytes > largest_buffer_) {
            throw DeviceError{fmt::format(
                "{}: a buffer may have {} at most on this device", what, largest_buffer_)};
        }
        bytes = (std::max<std::size_t>(bytes, 1) + 63) / 64 * 64;
        cl_int error = CL_SUCCESS;
        Memory memory{clCreateBuffer(context_.get(), CL_MEM_READ_WRITE, bytes, nullptr, &error)};
        check(error, what);
        constexpr cl_ulong kZero = 0;
        check(clEnqueueFillBuffer(
                  up_.get(), memory.get(), &kZero, sizeof kZero, 0, bytes, 0, nullptr, nullptr),
              what);
        check(clFinish(up_.get()), what);
        return memory_.emplace_back(std::move(memory)).get();
    }

    // Built once for each text and options.
    cl_program program(std::string_view source, const std::string& options) {
        Program& program = programs_[{std::string{source}, options}];
        if (program != nullptr) {
            return program.get();
        }
        const char* text = source.data();
        const std::size_t length = source.size();
        cl_int error = CL_SUCCESS;
        Program fresh{clCreateProgramWithSource(context_.get(), 1, &text, &length, &error)};
        check(error, label_ + ": reading a program");
        const std::string all = "-cl-std=CL1.2 " + options;
        error = clBuildProgram(fresh.get(), 1, &device_, all.c_str(), nullptr, nullptr);
        if (error != CL_SUCCESS) {
            std::size_t size = 0;
            clGetProgramBuildInfo(fresh.get(), device_, CL_PROGRAM_BUILD_LOG, 0, nullptr, &size);
            std::string log(size, '\0');
            clGetProgramBuildInfo(
                fresh.get(), device_, CL_PROGRAM_BUILD_LOG, size, log.data(), nullptr);
            log.resize(std::min(log.find('\0'), log.size()));
            check(error,
                  fmt::format("{}: building a program with '{}':\n{}\n", label_, options, log));
        }
        program = std::move(fresh);
        return program.get();
    }

    Kernel new_kernel(const Prepared& prepared, const kernels::Launch& launch) {
        cl_int error = CL_SUCCESS;
        Kernel kernel{clCreateKernel(prepared.program, launch.name.c_str(), &error)};
        check(error, fmt::format("{}: making kernel '{}'", label_, launch.name));
        return kernel;
    }

    BoundLaunch bind(const Prepared& prepared,
                     const kernels::Launch& launch,
                     const kernels::Tensors& tensors) {
        const auto memory_of = [&](const kernels::BufferArgument& argument) -> cl_mem {
            const auto handle = [](const std::byte* address) {
                return std::bit_cast<cl_mem>(address);
            };
            const auto index = static_cast<std::size_t>(argument.index);
            switch (argument.place) {
                case kernels::Place::input:
                    return handle(tensors.input);
                case kernels::Place::second_input:
                    return handle(tensors.second_input);
                case kernels::Place::more:
                    return handle(tensors.more[index]);
                case kernels::Place::output:
                    return handle(tensors.output);
                case kernels::Place::constant:
                    return prepared.constants[index];
                case kernels::Place::scratch:
                    return prepared.scratch[index];
            }
            return nullptr;
        };
        BoundLaunch bound{.kernel = new_kernel(prepared, launch)};
        for (std::size_t axis = 0; axis < 3; ++axis) {
            bound.group[axis] = launch.group_size[axis];
            bound.items[axis] = bound.group[axis] * launch.groups[axis];
        }
        const std::string what = fmt::format("{}: arguments of '{}'", label_, launch.name);
        cl_uint index = 0;
        for (const kernels::Argument& argument : launch.arguments) {
            if (const auto* const buffer = std::get_if<kernels::BufferArgument>(&argument)) {
                const cl_mem memory = memory_of(*buffer);
                check(clSetKernelArg(bound.kernel.get(), index++, sizeof(cl_mem), &memory), what);
            } else {
                const auto& value = std::get<std::vector<std::byte>>(argument);
                check(clSetKernelArg(bound.kernel.get(), index++, value.size(), value.data()),
                      what);
            }
        }
        return bound;
    }

    // What a command on a queue has to wait for, of the events in `waits`.
    std::span<const cl_event> wait_list(std::span<const int> waits, cl_command_queue queue) {
        wait_list_.clear();
        for (const int event : waits) {
            Signal& signal = events_[static_cast<std::size_t>(event)];
            if (signal.other != nullptr) {
                signal.event = told_by(*signal.other, signal.other_event);
            }
            if (signal.event == nullptr) {
                throw std::logic_error{"waiting for an event that nothing signals"};
            }
            if (signal.queue != queue) {
                wait_list_.push_back(signal.event.get());
            }
        }
        return wait_list_;
    }

    Event told_by(Device& other, int event) {
        cl_int error = CL_SUCCESS;
        Event told{clCreateUserEvent(context_.get(), &error)};
        check_running(error, "making an event");
        other.when(event,
                   [shared = std::shared_ptr<_cl_event>{another(told).release(), clReleaseEvent}] {
                       clSetUserEventStatus(shared.get(), CL_COMPLETE);
                   });
        return told;
    }

    void submit(Segment& segment) {
        const cl_command_queue queue = (segment.timed ? timed_ : compute_).get();
        stay_in_order(queue);
        const std::string_view what = "submitting kernels";
        for (Recorded& stage : segment.stages) {
            std::span<const cl_event> waits = wait_list(stage.waits, queue);
            Event first, last;
            for (std::size_t i = 0; i < stage.launches.size(); ++i) {
                const BoundLaunch& launch = stage.launches[i];
                const bool is_first = i == 0, is_last = i + 1 == stage.launches.size();
                const bool wanted =
                    (is_last && stage.signal >= 0) || (segment.timed && (is_first || is_last));
                cl_event event = nullptr;
                check_running(clEnqueueNDRangeKernel(queue,
                                                     launch.kernel.get(),
                                                     3,
                                                     nullptr,
                                                     launch.items.data(),
                                                     launch.group.data(),
                                                     static_cast<cl_uint>(waits.size()),
                                                     waits.empty() ? nullptr : waits.data(),
                                                     wanted ? &event : nullptr),
                              what);
                waits = {};  // the rest comes after the first, in order
                if (is_last) {
                    last.reset(event);
                } else if (is_first) {
                    first.reset(event);
                }
            }
            if (segment.timed) {
                stage.first = first != nullptr ? std::move(first) : another(last);
                stage.last = another(last);
            }
            if (stage.signal >= 0) {
                events_[static_cast<std::size_t>(stage.signal)] = {.event = std::move(last),
                                                                   .queue = queue};
            }
        }
        check_running(clFlush(queue), what);
    }

    void submit(const Copy& copy) {
        const bool up = copy.direction == Direction::up;
        const cl_command_queue queue = (up ? up_ : down_).get();
        const int wanted[] = {copy.wait};
        const std::span<const cl_event> waits =
            copy.wait >= 0 ? wait_list(wanted, queue) : std::span<const cl_event>{};
        const auto count = static_cast<cl_uint>(waits.size());
        const cl_event* const list = waits.empty() ? nullptr : waits.data();
        const auto memory = reinterpret_cast<cl_mem>(copy.device);
        cl_event event = nullptr;
        cl_event* const signal = copy.signal >= 0 ? &event : nullptr;
        check_running(
            up ? clEnqueueWriteBuffer(
                     queue, memory, CL_FALSE, 0, copy.bytes, copy.host, count, list, signal)
               : clEnqueueReadBuffer(
                     queue, memory, CL_FALSE, 0, copy.bytes, copy.host, count, list, signal),
            up ? "copying to the device" : "copying from the device");
        if (copy.signal >= 0) {
            events_[static_cast<std::size_t>(copy.signal)] = {.event = Event{event},
                                                              .queue = queue};
        }
        check_running(clFlush(queue), "copying");
    }

    // Timed and other kernels are in two queues, but still run one after the other.
    void stay_in_order(cl_command_queue queue) {
        if (last_queue_ != nullptr && last_queue_ != queue) {
            cl_event marker = nullptr;
            check_running(clEnqueueMarkerWithWaitList(last_queue_, 0, nullptr, &marker),
                          "changing queues");
            const Event owned{marker};
            check_running(clFlush(last_queue_), "changing queues");
            check_running(clEnqueueBarrierWithWaitList(queue, 1, &marker, nullptr),
                          "changing queues");
        }
        last_queue_ = queue;
    }

    // Makes the text of an error only where there is one.
    void check_running(cl_int error,
                       std::string_view what,
                       const char* file = __builtin_FILE(),
                       int line = __builtin_LINE()) {
        if (error != CL_SUCCESS) {
            check(error, fmt::format("{}: {}", label_, what), file, line);
        }
    }

    cl_device_id device_;
    DeviceInfo info_;
    std::string label_;  // "opencl0 (GeForce)", for errors
    std::size_t largest_buffer_ = 0;
    Context context_;
    Queue compute_, timed_, up_, down_;
    cl_command_queue last_queue_ = nullptr;                            // of the last segment
    std::map<std::pair<std::string, std::string>, Program> programs_;  // by text, options
    std::vector<Memory> memory_;
    std::deque<Buffer> host_;
    std::vector<Pinned> pinned_;
    std::vector<Prepared> prepared_;
    std::vector<Signal> events_;
    std::vector<std::variant<Segment, Copy>> commands_;
    std::vector<cl_event> wait_list_;  // kept, so that submitting allocates nothing
};

std::unique_ptr<Device> open_opencl(const DeviceInfo& info, int /*threads*/) {
    for (Found& one : search().found) {
        if (one.info.name == info.name && one.info.description == info.description) {
            return std::make_unique<OpenclDevice>(std::move(one));
        }
    }
    throw DeviceError{fmt::format("{} ({}) is no longer there", info.name, info.description)};
}

}  // namespace

Backend opencl_backend() {
    return {.kind = "opencl",
            .variants = kernels::opencl::variants,
            .discover = discover_opencl,
            .open = open_opencl};
}

}  // namespace calibrate
