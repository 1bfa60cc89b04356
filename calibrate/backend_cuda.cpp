// The CUDA backend: NVIDIA GPUs through the runtime API.
//
// Every device has three streams: kernels, copies up, copies down. A segment is one CUDA graph of
// its kernels, made when it is recorded and launched with one call; what it waits for at its
// beginning and signals at its end is said to the stream around that call, and events in its middle
// are nodes of the graph. docs/gpu.md tells more, and what the errors mean.
//
// The streams do not wait for the default stream (cudaStreamNonBlocking), so everything that is
// done once (zeroing, uploading) goes through the kernels' stream and is waited for.

#include "calibrate/backend_cuda.hpp"

#include "calibrate/device.hpp"
#include "calibrate/nvml.hpp"
#include "kernels/cuda/variants.hpp"
#include "sim/error.hpp"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

namespace calibrate {
namespace {

constexpr int kOldestCapability = 75;  // b1 tensor cores begin there; see CMakeLists.txt
constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kMostManagedBytes = 256 * kMiB;  // of each mode

// ---- Errors ------------------------------------------------------------------------------------

// What an error means to the user of the machine; empty where CUDA's own words do.
std::string_view meaning_of(cudaError_t error) {
    switch (error) {
        case cudaErrorNoDevice:
            return "there is no NVIDIA GPU that this process may use (is CUDA_VISIBLE_DEVICES "
                   "set?)";
        case cudaErrorInsufficientDriver:
            return "the NVIDIA driver is too old for this program; install a newer one";
        case cudaErrorSystemDriverMismatch:
            return "the NVIDIA driver's kernel module and library differ; was the driver updated "
                   "without a restart?";
        case cudaErrorDevicesUnavailable:
            return "another process has the GPU for itself, or it is in a mode without compute";
        case cudaErrorSystemNotReady:
            return "the GPU's services are still starting (is nvidia-fabricmanager running?)";
        case cudaErrorNoKernelImageForDevice:
        case cudaErrorInvalidDeviceFunction:
        case cudaErrorInvalidKernelImage:
            return "this program has no code for this GPU; build it with its capability in "
                   "CMAKE_CUDA_ARCHITECTURES";
        case cudaErrorMemoryAllocation:
            return "out of memory";
        case cudaErrorECCUncorrectable:
        case cudaErrorNvlinkUncorrectable:
            return "the hardware reports an error that it could not correct; the GPU has to be "
                   "reset";
        case cudaErrorLaunchTimeout:
            return "a kernel ran longer than the display's watchdog allows";
        case cudaErrorIllegalAddress:
        case cudaErrorMisalignedAddress:
        case cudaErrorInvalidAddressSpace:
        case cudaErrorInvalidPc:
        case cudaErrorIllegalInstruction:
        case cudaErrorHardwareStackError:
        case cudaErrorAssert:
        case cudaErrorLaunchFailure:
            return "a kernel failed; this is a defect of hetmap (compute-sanitizer says where), or "
                   "the GPU was lost (see the system's log for Xid)";
        case cudaErrorCooperativeLaunchTooLarge:
            return "a kernel whose groups wait for each other has more groups than fit at once";
        default:
            return "";
    }
}

std::string describe(cudaError_t error) {
    const std::string cuda =
        fmt::format("{}: {}", cudaGetErrorName(error), cudaGetErrorString(error));
    const std::string_view meaning = meaning_of(error);
    return meaning.empty() ? cuda : fmt::format("{} ({})", meaning, cuda);
}

// `line` is the caller's (std::source_location is more than clang-tidy 14 can read).
void check(cudaError_t error, std::string_view what, int line = __builtin_LINE()) {
    if (error != cudaSuccess) {
        (void)cudaGetLastError();  // the next call is judged by its own error
        throw DeviceError{
            fmt::format("CUDA: {} failed: {} [backend_cuda.cpp:{}]", what, describe(error), line)};
    }
}

// ---- Discovery -----------------------------------------------------------------------------

std::string version_text(int version) {  // 13000 is 13.0
    return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

int attribute(cudaDeviceAttr what, int ordinal) {
    int value = 0;
    if (cudaDeviceGetAttribute(&value, what, ordinal) != cudaSuccess) {
        (void)cudaGetLastError();
        return 0;
    }
    return value;
}

std::optional<Nvml> nvml_of(int ordinal) {
    std::array<char, 32> bus{};
    if (cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), ordinal) != cudaSuccess) {
        (void)cudaGetLastError();
        return std::nullopt;
    }
    return Nvml::find(bus.data());
}

void add_state(DeviceInfo& info, const GpuState& state) {
    const auto fact = [&](const char* key, std::string value) {
        info.facts.emplace_back(key, std::move(value));
    };
    if (!state.driver.empty()) {
        fact("driver", state.driver);
    }
    if (state.clock_mhz && state.most_clock_mhz) {
        fact("clock",
             fmt::format("{} MHz now, {} MHz at most", *state.clock_mhz, *state.most_clock_mhz));
    }
    if (state.memory_clock_mhz) {
        fact("memory_clock", fmt::format("{} MHz", *state.memory_clock_mhz));
    }
    if (state.power_limit_w) {
        fact("power_limit", fmt::format("{:.0f} W", *state.power_limit_w));
    }
    if (state.temperature_c) {
        fact("temperature", fmt::format("{} C", *state.temperature_c));
    }
    if (state.ecc) {
        fact("ecc", *state.ecc ? "on" : "off");
    }
    if (state.pcie_generation && state.pcie_width) {
        fact("pcie", fmt::format("generation {} x{}", *state.pcie_generation, *state.pcie_width));
        const unsigned generation = state.most_pcie_generation.value_or(*state.pcie_generation);
        const unsigned width = state.most_pcie_width.value_or(*state.pcie_width);
        if (*state.pcie_generation < generation || *state.pcie_width < width) {
            info.warnings.push_back(
                fmt::format("the PCIe link is at generation {} x{} and could be at generation "
                            "{} x{}; an idle GPU may save power, a busy one should not",
                            *state.pcie_generation,
                            *state.pcie_width,
                            generation,
                            width));
        }
    }
    if (state.throttle) {
        std::string reasons;
        for (const std::string& reason : throttle_reasons(*state.throttle)) {
            reasons += (reasons.empty() ? "" : ", ") + reason;
        }
        fact("throttled", reasons.empty() ? "no" : reasons);
        if (!reasons.empty()) {
            info.warnings.push_back(fmt::format("its clocks are held back: {}", reasons));
        }
    }
}

DeviceInfo info_of(int ordinal, const cudaDeviceProp& properties, int driver, int runtime) {
    DeviceInfo info{
        .name = fmt::format("cuda{}", ordinal),
        .kind = "cuda",
        .description = properties.name,
        .memory_mib = static_cast<std::int64_t>(properties.totalGlobalMem / kMiB),
        .asynchronous = true,
        .host_memory = properties.integrated != 0,
        .host_cores = false,
        .limits = {.capability = properties.major * 10 + properties.minor,
                   .compute_units = properties.multiProcessorCount,
                   .local_bytes =
                       std::max(properties.sharedMemPerBlock, properties.sharedMemPerBlockOptin),
                   .largest_group = properties.maxThreadsPerBlock,
                   .cooperative = properties.cooperativeLaunch != 0},
        .facts = {{"capability", fmt::format("{}.{}", properties.major, properties.minor)},
                  {"multiprocessors", std::to_string(properties.multiProcessorCount)},
                  {"memory", fmt::format("{} MiB", properties.totalGlobalMem / kMiB)},
                  {"l2_cache", fmt::format("{} MiB", properties.l2CacheSize / (1 << 20))},
                  {"cuda_driver", version_text(driver)},
                  {"cuda_runtime", version_text(runtime)}},
        .warnings = {}};
    if (const std::optional<Nvml> nvml = nvml_of(ordinal)) {
        add_state(info, nvml->state());
    }
    return info;
}

Discovery discover_cuda() {
    Discovery found;
    const auto none = [&](const std::string& why) {
        (void)cudaGetLastError();
        found.notes.push_back("no CUDA device: " + why);
        return found;
    };
    // Without a driver its version is 0, and nothing more is tried.
    int driver = 0, runtime = 0, count = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
        return none("the NVIDIA driver is not installed");
    }
    (void)cudaRuntimeGetVersion(&runtime);
    const cudaError_t counted = cudaGetDeviceCount(&count);
    if (counted == cudaErrorInsufficientDriver) {
        return none(
            fmt::format("the NVIDIA driver is for CUDA {} and this program needs one for CUDA {}; "
                        "install a newer driver",
                        version_text(driver),
                        version_text(runtime)));
    }
    if (counted != cudaSuccess) {
        return none(describe(counted));
    }
    if (count == 0) {
        return none(std::string{meaning_of(cudaErrorNoDevice)});
    }
    for (int ordinal = 0; ordinal < count; ++ordinal) {
        cudaDeviceProp properties{};
        if (const cudaError_t error = cudaGetDeviceProperties(&properties, ordinal);
            error != cudaSuccess) {
            (void)cudaGetLastError();
            found.notes.push_back(fmt::format("cuda{} is left out: {}", ordinal, describe(error)));
            continue;
        }
        if (properties.major * 10 + properties.minor < kOldestCapability) {
            found.notes.push_back(
                fmt::format("cuda{} ({}) is left out: its capability is {}.{}, and this program "
                            "has code from 7.5 on",
                            ordinal,
                            properties.name,
                            properties.major,
                            properties.minor));
            continue;
        }
        found.devices.push_back(info_of(ordinal, properties, driver, runtime));
    }
    return found;
}

// ---- What is recorded --------------------------------------------------------------------------

// A kernel for one chain: resident weights, scratch memory, and what to launch.
struct PreparedKernel {
    kernels::DeviceKernel kernel;
    std::vector<Address> constants, scratch;
};

// One launch with its arguments. `arguments` points into `addresses` and into the kernel's own
// values; both stay where they are when a Launch is moved.
struct Launch {
    const kernels::Launch* launch = nullptr;
    std::vector<const void*> addresses;
    std::vector<void*> arguments;
};

struct SegmentStage {
    std::vector<cudaEvent_t> waits;  // without those that the stream's order answers
    std::vector<Launch> launches;
    cudaEvent_t signal = nullptr;
    cudaEvent_t begin = nullptr, end = nullptr;  // of timed segments
};

struct Segment {
    std::vector<SegmentStage> stages;
    cudaGraphExec_t graph = nullptr;  // null: one launch after the other
    bool timed = false;
};

enum class Way { engine, kernel, prefetched_kernel };

struct RecordedCopy {
    Way way = Way::engine;
    Direction direction = Direction::up;
    std::byte* device = nullptr;
    std::byte* host = nullptr;         // as the host knows it
    std::byte* host_on_gpu = nullptr;  // as the GPU does
    std::size_t bytes = 0;
    cudaEvent_t wait = nullptr, signal = nullptr;
};

// Where unified memory shall be: with a GPU, or (kHost) with the processor. CUDA 13 names places
// differently from CUDA 12.
constexpr int kHost = cudaCpuDeviceId;

#if CUDART_VERSION >= 13000
cudaMemLocation place(int ordinal) {
    return ordinal == kHost ? cudaMemLocation{.type = cudaMemLocationTypeHost, .id = 0}
                            : cudaMemLocation{.type = cudaMemLocationTypeDevice, .id = ordinal};
}
cudaError_t prefetch(const void* memory, std::size_t bytes, int ordinal, cudaStream_t stream) {
    return cudaMemPrefetchAsync(memory, bytes, place(ordinal), 0, stream);
}
#else
int place(int ordinal) { return ordinal; }
cudaError_t prefetch(const void* memory, std::size_t bytes, int ordinal, cudaStream_t stream) {
    return cudaMemPrefetchAsync(memory, bytes, ordinal, stream);
}
#endif

void pause_a_little() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// ---- The device --------------------------------------------------------------------------------

class CudaDevice final : public Device {
public:
    CudaDevice(DeviceInfo info, int ordinal, cuda::Submission submission);
    ~CudaDevice() override;
    CudaDevice(const CudaDevice&) = delete;
    CudaDevice& operator=(const CudaDevice&) = delete;

    const DeviceInfo& info() const override { return info_; }

    Address allocate(std::size_t bytes) override;
    std::byte* allocate_host(std::size_t bytes, std::string_view mode) override;
    Address address_of(std::byte* host) override;

    using Device::prepare;
    int prepare(const kernels::DeviceKernel& kernel) override;
    int new_event() override;
    std::optional<int> follow(Device& other, int event) override;
    int record(std::span<const Stage> stages, bool timed) override;
    std::vector<std::string_view> modes(Direction direction) const override;
    int record(const Copy& copy) override;

    void submit(int command) override;
    void wait(int event) override;
    bool has_happened(int event) override;
    std::vector<double> stage_ns(int segment) override;
    std::optional<double> energy_j() override;

private:
    void use() const { check(cudaSetDevice(ordinal_), "choosing the device"); }
    void release() noexcept;
    void finish_setup(std::string_view what);
    cudaStream_t new_stream();
    cudaEvent_t new_cuda_event(unsigned flags);
    cudaEvent_t event(int handle) const;
    Address upload(std::span<const std::byte> bytes);
    void prepare_function(const kernels::Launch& launch);
    Launch launch_of(kernels::Launch& launch,
                     const PreparedKernel& kernel,
                     const kernels::Tensors& tensors) const;
    cudaError_t enqueue(const Launch& launch, cudaStream_t stream) const;
    cudaGraphExec_t graph_of(const Segment& segment);
    cudaError_t capture(const Segment& segment) const;
    void submit(const Segment& segment);
    void submit(const RecordedCopy& copy);
    cudaError_t copy_by_kernel(std::byte* to,
                               const std::byte* from,
                               std::size_t bytes,
                               cudaStream_t);
    bool has_mode(std::string_view mode) const;

    DeviceInfo info_;
    int ordinal_ = 0;
    cuda::Submission submission_;
    bool mapped_ = false, managed_ = false;  // does it have these modes?
    std::optional<Nvml> nvml_;

    cudaStream_t compute_ = nullptr, up_ = nullptr, down_ = nullptr;
    cudaStream_t capture_ = nullptr;       // nothing runs there: graphs are recorded on it
    std::vector<cudaEvent_t> events_;      // by handle
    std::vector<cudaEvent_t> all_events_;  // and those of timed segments
    std::vector<std::variant<Segment, RecordedCopy>> commands_;
    std::vector<std::unique_ptr<PreparedKernel>> kernels_;
    std::vector<void*> device_memory_;  // cudaFree: managed memory too
    std::vector<void*> pinned_memory_;
    std::vector<void*> pageable_memory_;
    std::map<std::string, std::size_t, std::less<>> managed_bytes_;  // by mode
};

CudaDevice::CudaDevice(DeviceInfo info, int ordinal, cuda::Submission submission)
    : info_{std::move(info)}, ordinal_{ordinal}, submission_{submission} {
    try {
        use();
        cudaFuncAttributes unused{};
        check(cudaFuncGetAttributes(&unused, cuda::copy_kernel()), "looking for code for the GPU");
        mapped_ = attribute(cudaDevAttrCanMapHostMemory, ordinal_) != 0;
        managed_ = attribute(cudaDevAttrManagedMemory, ordinal_) != 0 &&
                   attribute(cudaDevAttrConcurrentManagedAccess, ordinal_) != 0;
        nvml_ = nvml_of(ordinal_);
        for (cudaStream_t* const stream : {&compute_, &up_, &down_, &capture_}) {
            *stream = new_stream();
        }
    } catch (const DeviceError& error) {
        release();
        throw DeviceError{info_.name + ": " + error.what()};
    }
}

CudaDevice::~CudaDevice() { release(); }

// Errors are of no use here: what fails is already lost.
void CudaDevice::release() noexcept {
    (void)cudaSetDevice(ordinal_);
    for (const cudaStream_t stream : {compute_, up_, down_, capture_}) {
        if (stream != nullptr) {
            (void)cudaStreamSynchronize(stream);
        }
    }
    for (const auto& command : commands_) {
        const auto* const segment = std::get_if<Segment>(&command);
        if (segment != nullptr && segment->graph != nullptr) {
            (void)cudaGraphExecDestroy(segment->graph);
        }
    }
    for (const cudaEvent_t one : all_events_) {
        (void)cudaEventDestroy(one);
    }
    for (const cudaStream_t stream : {compute_, up_, down_, capture_}) {
        if (stream != nullptr) {
            (void)cudaStreamDestroy(stream);
        }
    }
    for (void* const memory : device_memory_) {
        (void)cudaFree(memory);
    }
    for (void* const memory : pinned_memory_) {
        (void)cudaFreeHost(memory);
    }
    for (void* const memory : pageable_memory_) {
        std::free(memory);
    }
    (void)cudaGetLastError();
}

cudaStream_t CudaDevice::new_stream() {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
    return stream;
}

void CudaDevice::finish_setup(std::string_view what) {
    check(cudaStreamSynchronize(compute_), what);
}

// ---- Memory ------------------------------------------------------------------------------------

Address CudaDevice::allocate(std::size_t bytes) {
    use();
    bytes = std::max<std::size_t>(bytes, 1);
    void* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, bytes);
    if (error == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();
        std::size_t free = 0, total = 0;
        (void)cudaMemGetInfo(&free, &total);
        throw DeviceError{fmt::format(
            "{}: out of memory: {} MiB wanted, {} of {} MiB free; a smaller batch needs "
            "less, and other programs may be using this GPU",
            info_.name,
            (bytes + kMiB - 1) / kMiB,
            free / kMiB,
            total / kMiB)};
    }
    check(error, "allocating memory");
    device_memory_.push_back(memory);
    check(cudaMemsetAsync(memory, 0, bytes, compute_), "zeroing memory");
    finish_setup("zeroing memory");
    return static_cast<Address>(memory);
}

Address CudaDevice::upload(std::span<const std::byte> bytes) {
    const Address address = allocate(bytes.size());
    if (!bytes.empty()) {
        check(
            cudaMemcpyAsync(address, bytes.data(), bytes.size(), cudaMemcpyHostToDevice, compute_),
            "uploading weights");
        finish_setup("uploading weights");
    }
    return address;
}

std::byte* CudaDevice::allocate_host(std::size_t bytes, std::string_view mode) {
    use();
    bytes = std::max<std::size_t>(bytes, 1);
    if (!has_mode(mode)) {
        throw sim::InputError{
            fmt::format("{}: there is no way to copy called '{}'", info_.name, mode)};
    }
    void* memory = nullptr;
    if (mode == "pageable") {
        constexpr std::size_t kPage = 4096;
        memory = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
        if (memory == nullptr) {
            throw DeviceError{fmt::format(
                "{}: out of host memory: {} MiB wanted", info_.name, (bytes + kMiB - 1) / kMiB)};
        }
        pageable_memory_.push_back(memory);
    } else if (mode == "pinned" || mode == "mapped") {
        const unsigned flags = mode == "mapped" ? cudaHostAllocMapped : cudaHostAllocDefault;
        check(cudaHostAlloc(&memory, bytes, flags),
              fmt::format("allocating {} MiB of page-locked host memory for {}",
                          (bytes + kMiB - 1) / kMiB,
                          info_.name));
        pinned_memory_.push_back(memory);
    } else {
        std::size_t& used = managed_bytes_[std::string{mode}];
        if (bytes > kMostManagedBytes - used) {
            throw DeviceError{fmt::format(
                "{}: more than {} MiB of '{}' memory", info_.name, kMostManagedBytes / kMiB, mode)};
        }
        check(cudaMallocManaged(&memory, bytes, cudaMemAttachGlobal), "allocating unified memory");
        device_memory_.push_back(memory);
        used += bytes;
        if (mode == "managed_prefetch") {
            // Stays in the GPU's page tables wherever it is, so that no access faults.
            check(cudaMemAdvise(memory, bytes, cudaMemAdviseSetAccessedBy, place(ordinal_)),
                  "advising on unified memory");
        }
    }
    std::memset(memory, 0, bytes);
    return static_cast<std::byte*>(memory);
}

Address CudaDevice::address_of(std::byte* host) {
    use();
    // Where the GPU uses the processor's page tables, any memory will do.
    if (attribute(cudaDevAttrPageableMemoryAccess, ordinal_) != 0) {
        return host;
    }
    void* address = nullptr;
    check(cudaHostGetDevicePointer(&address, host, 0),
          "finding host memory from the GPU (it must come from allocate_host)");
    return static_cast<Address>(address);
}

// ---- Kernels -----------------------------------------------------------------------------------

int CudaDevice::prepare(const kernels::DeviceKernel& kernel) {
    use();
    auto prepared = std::make_unique<PreparedKernel>();
    prepared->kernel = kernel;
    for (const kernels::Launch& launch : prepared->kernel.launches) {
        prepare_function(launch);
    }
    for (std::vector<std::byte>& constant : prepared->kernel.constants) {
        prepared->constants.push_back(upload(constant));
        constant = {};  // the GPU has it
    }
    for (const std::size_t bytes : prepared->kernel.scratch) {
        prepared->scratch.push_back(allocate(bytes));
    }
    kernels_.push_back(std::move(prepared));
    return static_cast<int>(kernels_.size()) - 1;
}

// Says now what the launch would say later, and lets it have the shared memory that it wants.
void CudaDevice::prepare_function(const kernels::Launch& launch) {
    const std::string what = fmt::format("preparing kernel '{}'", launch.name);
    cudaFuncAttributes function{};
    check(cudaFuncGetAttributes(&function, launch.function), what);
    const auto refuse = [&](const std::string& why) {
        throw DeviceError{fmt::format("{}: kernel '{}' {}", info_.name, launch.name, why)};
    };
    const unsigned threads = launch.group_size[0] * launch.group_size[1] * launch.group_size[2];
    if (threads > static_cast<unsigned>(function.maxThreadsPerBlock)) {
        refuse(fmt::format(
            "wants groups of {} threads and can have {}", threads, function.maxThreadsPerBlock));
    }
    const std::size_t local = function.sharedSizeBytes + launch.local_bytes;
    if (local > info_.limits.local_bytes) {
        refuse(fmt::format(
            "wants {} bytes of shared memory and can have {}", local, info_.limits.local_bytes));
    }
    // More than what every GPU gives has to be asked for. Always the most there is, since the
    // permission is the function's, not the launch's.
    constexpr std::size_t kAlwaysAllowed = 48 * 1024;
    if (local > kAlwaysAllowed) {
        check(cudaFuncSetAttribute(
                  launch.function,
                  cudaFuncAttributeMaxDynamicSharedMemorySize,
                  static_cast<int>(info_.limits.local_bytes - function.sharedSizeBytes)),
              what);
    }
    if (launch.cooperative) {
        int groups_of_one = 0;
        check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(
                  &groups_of_one, launch.function, static_cast<int>(threads), launch.local_bytes),
              what);
        const std::uint64_t groups =
            std::uint64_t{launch.groups[0]} * launch.groups[1] * launch.groups[2];
        const auto room = static_cast<std::uint64_t>(groups_of_one) *
                          static_cast<std::uint64_t>(info_.limits.compute_units);
        if (groups > room) {
            refuse(fmt::format("has {} groups that wait for each other, and {} fit", groups, room));
        }
    }
}

// ---- Recording -----------------------------------------------------------------------------

int CudaDevice::new_event() {
    use();
    events_.push_back(new_cuda_event(cudaEventDisableTiming));
    return static_cast<int>(events_.size()) - 1;
}

// Streams of one GPU may wait for events of another.
std::optional<int> CudaDevice::follow(Device& other, int event) {
    const auto* const gpu = dynamic_cast<const CudaDevice*>(&other);
    if (gpu == nullptr) {
        return std::nullopt;
    }
    events_.push_back(gpu->event(event));  // which belongs to the other one
    return static_cast<int>(events_.size()) - 1;
}

cudaEvent_t CudaDevice::new_cuda_event(unsigned flags) {
    cudaEvent_t made = nullptr;
    check(cudaEventCreateWithFlags(&made, flags), "making an event");
    all_events_.push_back(made);
    return made;
}

cudaEvent_t CudaDevice::event(int handle) const {
    return handle < 0 ? nullptr : events_.at(static_cast<std::size_t>(handle));
}

Launch CudaDevice::launch_of(kernels::Launch& launch,
                             const PreparedKernel& kernel,
                             const kernels::Tensors& tensors) const {
    const auto address = [&](const kernels::BufferArgument& argument) -> const void* {
        const auto index = static_cast<std::size_t>(argument.index);
        switch (argument.place) {
            case kernels::Place::input:
                return tensors.input;
            case kernels::Place::second_input:
                return tensors.second_input;
            case kernels::Place::more:
                return tensors.more[index];
            case kernels::Place::output:
                return tensors.output;
            case kernels::Place::constant:
                return kernel.constants.at(index);
            case kernels::Place::scratch:
                return kernel.scratch.at(index);
        }
        return nullptr;
    };
    Launch result{.launch = &launch, .addresses = {}, .arguments = {}};
    result.addresses.reserve(launch.arguments.size());  // so that no element moves
    for (kernels::Argument& argument : launch.arguments) {
        if (const auto* const buffer = std::get_if<kernels::BufferArgument>(&argument)) {
            result.addresses.push_back(address(*buffer));
            result.arguments.push_back(&result.addresses.back());
        } else {
            result.arguments.push_back(std::get<std::vector<std::byte>>(argument).data());
        }
    }
    return result;
}

cudaError_t CudaDevice::enqueue(const Launch& launch, cudaStream_t stream) const {
    const kernels::Launch& what = *launch.launch;
    cudaLaunchAttribute cooperative{};
    cooperative.id = cudaLaunchAttributeCooperative;
    cooperative.val.cooperative = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = {what.groups[0], what.groups[1], what.groups[2]};
    config.blockDim = {what.group_size[0], what.group_size[1], what.group_size[2]};
    config.dynamicSmemBytes = what.local_bytes;
    config.stream = stream;
    config.attrs = &cooperative;
    config.numAttrs = what.cooperative ? 1 : 0;
    std::vector<void*> arguments = launch.arguments;  // the runtime wants them writable
    return cudaLaunchKernelExC(&config, what.function, arguments.data());
}

int CudaDevice::record(std::span<const Stage> stages, bool timed) {
    use();
    // 1. Every stage with its launches. What an earlier stage of the segment signals needs no wait:
    //    stages run in order.
    Segment segment{.stages = {}, .graph = nullptr, .timed = timed};
    std::vector<int> signalled;
    for (const Stage& stage : stages) {
        PreparedKernel& kernel = *kernels_.at(static_cast<std::size_t>(stage.kernel));
        SegmentStage recorded;
        for (const int handle : stage.waits) {
            if (std::ranges::find(signalled, handle) == signalled.end()) {
                recorded.waits.push_back(event(handle));
            }
        }
        for (kernels::Launch& launch : kernel.kernel.launches) {
            recorded.launches.push_back(launch_of(launch, kernel, stage.tensors));
        }
        if (stage.signal >= 0) {
            recorded.signal = event(stage.signal);
            signalled.push_back(stage.signal);
        }
        if (timed) {
            recorded.begin = new_cuda_event(cudaEventDefault);
            recorded.end = new_cuda_event(cudaEventDefault);
        }
        segment.stages.push_back(std::move(recorded));
    }
    // 2. The graph, unless it is timed: then there are events around every stage.
    if (!timed && !segment.stages.empty() && submission_ == cuda::Submission::graphs) {
        segment.graph = graph_of(segment);
    }
    commands_.emplace_back(std::move(segment));
    return static_cast<int>(commands_.size()) - 1;
}

// Everything between the waits before the first stage and the signal after the last.
cudaError_t CudaDevice::capture(const Segment& segment) const {
    for (const SegmentStage& stage : segment.stages) {
        if (&stage != &segment.stages.front()) {
            for (const cudaEvent_t one : stage.waits) {
                if (const cudaError_t error =
                        cudaStreamWaitEvent(capture_, one, cudaEventWaitExternal);
                    error != cudaSuccess) {
                    return error;
                }
            }
        }
        for (const Launch& launch : stage.launches) {
            if (const cudaError_t error = enqueue(launch, capture_); error != cudaSuccess) {
                return error;
            }
        }
        if (stage.signal != nullptr && &stage != &segment.stages.back()) {
            if (const cudaError_t error =
                    cudaEventRecordWithFlags(stage.signal, capture_, cudaEventRecordExternal);
                error != cudaSuccess) {
                return error;
            }
        }
    }
    return cudaSuccess;
}

// nullptr where the driver refuses to record such a thing; then it is launched bit by bit, and
// what is really wrong is said there.
cudaGraphExec_t CudaDevice::graph_of(const Segment& segment) {
    check(cudaStreamBeginCapture(capture_, cudaStreamCaptureModeThreadLocal),
          "beginning a CUDA graph");
    const cudaError_t captured = capture(segment);
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(capture_, &graph);  // in any case
    cudaGraphExec_t executable = nullptr;
    cudaError_t error = captured != cudaSuccess ? captured : ended;
    if (error == cudaSuccess) {
        error = cudaGraphInstantiate(&executable, graph, 0);
    }
    if (graph != nullptr) {
        (void)cudaGraphDestroy(graph);
    }
    if (error != cudaSuccess) {
        (void)cudaGetLastError();
        const std::string warning = fmt::format(
            "the driver makes no graph of some segments, which are launched kernel by kernel: {}",
            describe(error));
        if (std::ranges::find(info_.warnings, warning) == info_.warnings.end()) {
            info_.warnings.push_back(warning);
        }
        return nullptr;
    }
    if (const cudaError_t uploaded = cudaGraphUpload(executable, compute_);
        uploaded != cudaSuccess) {
        (void)cudaGraphExecDestroy(executable);
        check(uploaded, "uploading a CUDA graph");
    }
    return executable;
}

// ---- Copies ------------------------------------------------------------------------------------

std::vector<std::string_view> CudaDevice::modes(Direction) const {
    std::vector<std::string_view> found{"pinned", "pageable"};
    if (mapped_) {
        found.emplace_back("mapped");
    }
    if (managed_) {
        found.emplace_back("managed");
        found.emplace_back("managed_prefetch");
    }
    return found;
}

bool CudaDevice::has_mode(std::string_view mode) const {
    const std::vector<std::string_view> all = modes(Direction::up);
    return std::ranges::find(all, mode) != all.end();
}

int CudaDevice::record(const Copy& copy) {
    use();
    if (!has_mode(copy.mode)) {
        throw sim::InputError{
            fmt::format("{}: there is no way to copy called '{}'", info_.name, copy.mode)};
    }
    RecordedCopy recorded{.way = Way::engine,
                          .direction = copy.direction,
                          .device = copy.device,
                          .host = copy.host,
                          .host_on_gpu = copy.host,
                          .bytes = copy.bytes,
                          .wait = event(copy.wait),
                          .signal = event(copy.signal)};
    if (copy.mode == "mapped") {
        void* address = nullptr;
        check(cudaHostGetDevicePointer(&address, copy.host, 0),
              "finding mapped memory from the GPU");
        recorded.host_on_gpu = static_cast<std::byte*>(address);
        recorded.way = Way::kernel;
    } else if (copy.mode == "managed") {
        recorded.way = Way::kernel;
    } else if (copy.mode == "managed_prefetch") {
        recorded.way = Way::prefetched_kernel;
    }
    commands_.emplace_back(recorded);
    return static_cast<int>(commands_.size()) - 1;
}

// ---- Running -----------------------------------------------------------------------------------

void CudaDevice::submit(int command) {
    use();
    std::visit([this](const auto& what) { submit(what); },
               commands_.at(static_cast<std::size_t>(command)));
}

void CudaDevice::submit(const Segment& segment) {
    const auto wait_for = [&](const SegmentStage& stage) {
        for (const cudaEvent_t one : stage.waits) {
            check(cudaStreamWaitEvent(compute_, one, cudaEventWaitDefault), "waiting for an event");
        }
    };
    const auto signal = [&](cudaEvent_t one) {
        if (one != nullptr) {
            check(cudaEventRecord(one, compute_), "signalling an event");
        }
    };
    if (segment.graph != nullptr) {
        wait_for(segment.stages.front());
        check(cudaGraphLaunch(segment.graph, compute_), "launching a CUDA graph");
        signal(segment.stages.back().signal);
        return;
    }
    for (const SegmentStage& stage : segment.stages) {
        wait_for(stage);
        signal(stage.begin);
        for (const Launch& launch : stage.launches) {
            if (const cudaError_t error = enqueue(launch, compute_); error != cudaSuccess) {
                check(error, fmt::format("launching kernel '{}'", launch.launch->name));
            }
        }
        signal(stage.end);
        signal(stage.signal);
    }
}

cudaError_t CudaDevice::copy_by_kernel(std::byte* to,
                                       const std::byte* from,
                                       std::size_t bytes,
                                       cudaStream_t stream) {
    constexpr std::size_t kThreads = 256, kBytesOfThread = 16;
    const std::size_t most = 4 * static_cast<std::size_t>(info_.limits.compute_units);
    const std::size_t wanted =
        (bytes + kThreads * kBytesOfThread - 1) / (kThreads * kBytesOfThread);
    const auto groups = static_cast<unsigned>(std::clamp<std::size_t>(wanted, 1, most));
    void* destination = to;
    const void* source = from;
    std::array<void*, 3> arguments{&destination, &source, &bytes};
    return cudaLaunchKernel(
        cuda::copy_kernel(), dim3(groups), dim3(kThreads), arguments.data(), 0, stream);
}

void CudaDevice::submit(const RecordedCopy& copy) {
    const bool up = copy.direction == Direction::up;
    const cudaStream_t stream = up ? up_ : down_;
    if (copy.wait != nullptr) {
        check(cudaStreamWaitEvent(stream, copy.wait, cudaEventWaitDefault), "waiting for an event");
    }
    const auto prefetch_to = [&](int ordinal) {
        check(prefetch(copy.host, copy.bytes, ordinal, stream), "prefetching unified memory");
    };
    if (copy.bytes > 0 && copy.way == Way::engine) {
        check(cudaMemcpyAsync(up ? copy.device : copy.host,
                              up ? copy.host : copy.device,
                              copy.bytes,
                              up ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost,
                              stream),
              "copying");
    } else if (copy.bytes > 0) {
        if (copy.way == Way::prefetched_kernel) {
            prefetch_to(ordinal_);
        }
        check(copy_by_kernel(up ? copy.device : copy.host_on_gpu,
                             up ? copy.host_on_gpu : copy.device,
                             copy.bytes,
                             stream),
              "copying by a kernel");
        if (copy.way == Way::prefetched_kernel && !up) {
            prefetch_to(kHost);
        }
    }
    if (copy.signal != nullptr) {
        check(cudaEventRecord(copy.signal, stream), "signalling an event");
    }
}

void CudaDevice::wait(int handle) {
    while (!has_happened(handle)) {
        pause_a_little();
    }
}

bool CudaDevice::has_happened(int handle) {
    const cudaError_t error = cudaEventQuery(event(handle));
    if (error == cudaSuccess) {
        return true;
    }
    if (error != cudaErrorNotReady) {
        check(error, fmt::format("waiting for {}", info_.name));
    }
    return false;
}

std::vector<double> CudaDevice::stage_ns(int command) {
    use();
    const auto& segment = std::get<Segment>(commands_.at(static_cast<std::size_t>(command)));
    if (!segment.timed) {
        throw std::logic_error{"stage_ns() of a segment that was not recorded as timed"};
    }
    std::vector<double> times;
    for (const SegmentStage& stage : segment.stages) {
        float milliseconds = 0;
        check(cudaEventSynchronize(stage.end), "waiting for a timed stage");
        check(cudaEventElapsedTime(&milliseconds, stage.begin, stage.end), "timing a stage");
        times.push_back(double{milliseconds} * 1e6);
    }
    return times;
}

std::optional<double> CudaDevice::energy_j() { return nvml_ ? nvml_->energy_j() : std::nullopt; }

}  // namespace

namespace cuda {

std::unique_ptr<Device> open(const DeviceInfo& info, Submission submission) {
    int ordinal = 0;
    const std::string digits = info.name.substr(std::min<std::size_t>(4, info.name.size()));
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), ordinal);
    if (!info.name.starts_with("cuda") || error != std::errc{} ||
        end != digits.data() + digits.size()) {
        throw DeviceError{"'" + info.name + "' is no CUDA device"};
    }
    return std::make_unique<CudaDevice>(info, ordinal, submission);
}

}  // namespace cuda

Backend cuda_backend() {
    return {.kind = "cuda",
            .variants = kernels::cuda::variants,
            .discover = discover_cuda,
            .open = [](const DeviceInfo& info, int) {
                return cuda::open(info, cuda::Submission::graphs);
            }};
}

}  // namespace calibrate
