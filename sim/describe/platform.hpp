#pragma once

// A platform: memories, devices, links between memories, and what each kernel costs there.
//
// Costs are measured or fitted (machines we have), or formulas (machines known by a model only).
// Expressions are kept as text here and evaluated by sim/describe/formula.hpp when a problem is
// compiled.
//
// Start at `load_platform`. The calibrator fills the same structs and writes them with `to_yaml`;
// what is written loads to an equal Platform but for its path, the places in the file and `set`.
// Lists keep the file's order.

#include "sim/describe/tensor.hpp"
#include "sim/error.hpp"
#include "sim/units.hpp"

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

// Channels last, elements of less than a byte packed, which is what a profile means where it names
// no layout; and the same with a byte for each of those. Other names are layouts of their own, as
// large as the first unless the platform says otherwise (Layout).
inline constexpr std::string_view kPackedLayout = "nhwc", kPlainLayout = "plain";

// Of devices, memories, copy engines and layouts there are at most so many each: sets of them are
// the bits of a word (sim/compile/problem.hpp). The loader and compile() say so where a platform
// goes beyond.
inline constexpr int kMostOfAKind = 64;

// Images in one run, at most.
inline constexpr int kLargestBatch = 65'536;

// A time that was measured: never only a mean.
struct Measurement {
    Time p05{}, p50{}, p95{};
    int samples = 0;

    friend bool operator==(const Measurement&, const Measurement&) = default;
};

// Time of moving n bytes: points sorted by bytes, linear between them, the last slope beyond.
// One point (0 bytes, latency) and a bandwidth say the same for hand-written profiles.
struct TransferTable {
    struct Point {
        Bytes size;
        Measurement time;

        friend bool operator==(const Point&, const Point&) = default;
    };
    std::vector<Point> points;
    BytesPerSecond bandwidth{};  // beyond the last point; 0: the slope of the last two points

    Time time(Bytes size) const;

    friend bool operator==(const TransferTable&, const TransferTable&) = default;
};

struct Memory {
    std::string name;
    std::int64_t capacity_kib = 0;  // 0: not stated
    // From the end of a task of one asynchronous device until another on this memory may read it.
    Time synchronise{};

    friend bool operator==(const Memory&, const Memory&) = default;
};

// An expression in the file, such as "ceil_div(c_out, 16) * oh * ow": see sim/describe/formula.hpp
// for the names it may use. Checked when the file is read.
struct Expression {
    std::string text;  // empty: not stated
    SourcePosition where;

    explicit operator bool() const { return !text.empty(); }

    friend bool operator==(const Expression&, const Expression&) = default;
};

// What a device can run: a layer is offered there if some rule admits it. Empty lists admit all.
struct SupportRule {
    std::vector<std::string> operations;
    std::vector<int> kernels, strides;              // sizes of square kernels; strides
    std::vector<int> groups;                        // of convolutions
    std::vector<std::string> weights, activations;  // elements: "binary", "int8", ...
    int in_channels_multiple = 1, out_channels_multiple = 1;
    Expression when;  // and this is not zero
    SourcePosition where;

    friend bool operator==(const SupportRule&, const SupportRule&) = default;
};

// What all layers that stay on a device have together at most, such as logic cells of an FPGA.
struct ResourceBudget {
    std::string name;
    std::int64_t limit = 0;

    friend bool operator==(const ResourceBudget&, const ResourceBudget&) = default;
};

// What a tensor becomes in a layout, beyond the order of its elements.
struct Layout {
    std::string name;
    std::optional<Element> element = std::nullopt;  // that it holds there; none: the tensor's own
    int channels_multiple = 1;                      // channels are padded to a multiple of it

    friend bool operator==(const Layout&, const Layout&) = default;
};

// Changing the layout of a tensor on the device that reads it.
struct Conversion {
    std::string from, to;  // layouts
    TransferTable time;
    std::vector<std::string> elements = {};  // of such tensors; empty: of any

    friend bool operator==(const Conversion&, const Conversion&) = default;
};

// What the host's threads wait for when they read a tensor that others of them have made: it lies
// in the caches of other cores. Both sides of it: the reader fetches, and the next writer takes
// back.
struct Handover {
    int from = 1, to = 1;  // threads that made it, that read it; equal: they divide it otherwise
    TransferTable time;    // by the tensor's bytes

    friend bool operator==(const Handover&, const Handover&) = default;
};

// What a kernel that was measured by itself takes in a network: work x that + task. The costs in a
// profile are so already; this is for kernels that are measured later.
struct InNetworks {
    double work = 1;
    Time task{};  // may be below zero

    friend bool operator==(const InNetworks&, const InNetworks&) = default;
};

struct Device {
    std::string name;
    std::string kind;  // "cpu", "cuda", ...: which backend runs it; the simulator ignores it
    int memory = 0;
    bool asynchronous = false;
    Time submit{};      // dispatcher time for each segment
    Time per_task{};    // dispatcher time for each task of a segment
    Time completion{};  // the host's wait, after the end, until it sees a result
    std::vector<Conversion> conversions;
    // Power drawn while it works and while it waits; nothing where it is not known.
    std::optional<double> active_power_w = std::nullopt, idle_power_w = std::nullopt;
    double speed = 1;  // its kernels and conversions take their costs' times divided by this
    std::vector<SupportRule> supports = {};  // empty: whatever has a cost
    std::vector<ResourceBudget> resources = {};
    // Layers flow through it without being stored in between: a chain of layers takes its longest
    // stage plus the time each needs to fill. At most so many layers in a chain; 0: it does not.
    int longest_stream = 0;
    // Budgets hold for each segment, and every segment begins with loading its configuration.
    std::optional<Time> reconfiguration = std::nullopt;
    // While `first` (a device's name) works, this device's tasks take `second` times as long as
    // they do alone; less than 1 where they are faster then.
    std::vector<std::pair<std::string, double>> contention = {};
    // By operation: factors of tasks that begin with such a layer, in place of those above.
    std::vector<std::pair<std::string, std::vector<std::pair<std::string, double>>>> contention_of =
        {};
    std::vector<Handover> handovers = {};                  // of the host
    std::optional<InNetworks> in_networks = std::nullopt;  // of an asynchronous device

    friend bool operator==(const Device&, const Device&) = default;
};

struct TransferMode {
    std::string name;  // "pageable", "pinned", "mapped", "managed", ...
    TransferTable time;

    friend bool operator==(const TransferMode&, const TransferMode&) = default;
};

// One direction between two memories. Links with the same engine copy one after the other.
struct Link {
    std::string name;
    int from = 0, to = 0;             // memories
    std::string engine;               // empty: one of its own
    std::vector<TransferMode> modes;  // the first is used unless the mapping says otherwise
    std::optional<double> energy_pj_per_byte = std::nullopt;
    int element_bits = 0;  // what an element takes on the link; 0: as in memory

    friend bool operator==(const Link&, const Link&) = default;
};

// Links that are one wire: their copies share its bandwidth, max-min fair.
struct Bus {
    std::string name;
    std::vector<int> links;
    BytesPerSecond bandwidth{};

    friend bool operator==(const Bus&, const Bus&) = default;
};

// Measured: these very layers, batch and configuration were timed.
struct MeasuredCost {
    std::string layers;  // sim::signature; empty: of the layers with these names alone
    std::vector<std::string> layer_names = {};
    int batch = 1;
    int device = 0;
    std::string variant, configuration;
    std::string in_layout, out_layout;  // kPackedLayout unless the file says otherwise
    // Whose results it gives: positions in `layers`, ascending; empty: the last layer's alone.
    std::vector<int> results = {};
    Measurement time;  // without samples: stated, not measured
    SourcePosition where;

    friend bool operator==(const MeasuredCost&, const MeasuredCost&) = default;
};

// Fitted: time = constant + sum of coefficients x features of one run of the layers (batch
// included), for layers with this pattern of which nothing was measured on the device.
struct FittedCost {
    std::string pattern;  // sim::pattern
    int device = 0;
    std::string variant, configuration;
    std::string in_layout, out_layout;
    std::vector<int> results = {};  // as in a measured cost
    double constant_us = 0;
    double us_per_million_macs = 0;
    double us_per_kib_read = 0;
    double us_per_kib_written = 0;
    double us_per_thousand_tiles = 0;  // output positions x ceil(output channels / 64)
    // The least it was fitted on, of the chain's result. It is not offered for less: a split of
    // the images over two threads says nothing about one image.
    int smallest_batch = 1, smallest_height = 1, smallest_channels = 1;
    int largest_batch = 0;  // 0: any
    // Where the device has no such kernel, whatever the fit would say: layers, at a range of
    // batches.
    struct Absence {
        std::string layers;  // sim::signature
        int from = 1, to = 1;

        friend bool operator==(const Absence&, const Absence&) = default;
    };
    std::vector<Absence> absent = {};
    int samples = 0;                  // shapes it was fitted on
    double median_error_percent = 0;  // cross-validated
    double p90_error_percent = 0;     // cross-validated: the interval's half width
    SourcePosition where;

    friend bool operator==(const FittedCost&, const FittedCost&) = default;
};

// Formula: time, energy and resources as expressions over a layer's attributes, for every layer
// whose operation is listed and for which `when` is not zero. With `shares`, also for a part of the
// layer's output channels (names in the expressions: see sim/describe/formula.hpp).
struct FormulaCost {
    int device = 0;
    std::vector<std::string> operations;
    std::string variant, configuration;
    std::string in_layout, out_layout;
    std::string precision;  // of the weights there, such as "ternary"; empty: the model's own
    Expression when;
    std::vector<std::pair<std::string, Expression>> let;  // names for parts of the expressions
    Expression time_us, cycles;                           // one of them
    double clock_mhz = 0;                                 // for `cycles`
    Expression energy_uj;             // beside base and idle power; else from the device's powers
    Expression fill_us, fill_cycles;  // in a stream
    std::vector<std::pair<std::string, Expression>> resources;  // by the budget's name
    bool shares = false;
    SourcePosition where;

    friend bool operator==(const FormulaCost&, const FormulaCost&) = default;
};

// Devices that may divide a layer between them: each takes some of its channels, and all of them
// are held from the layer's start to its end.
struct SplitRule {
    enum class By { output_channels, input_channels };

    std::vector<int> devices;  // [0] holds the result
    std::vector<std::string> operations;
    By by = By::output_channels;
    int step = 1;  // shares are multiples of it, but for the last device's
    // "max": at once; "sum": one after the other; else an expression in us over the devices' names,
    // each its part's time in us, 0 without channels.
    Expression join;
    Expression reduction_us;  // input channels: adding the partial sums, on [0]
    SourcePosition where;

    friend bool operator==(const SplitRule&, const SplitRule&) = default;
};

// Whole mappings of a network that were run, whatever they were: what each took over what the
// profile predicts of it.
struct Trials {
    std::string model;
    int batch = 1;
    bool host_alone = false;  // mappings on the host alone; else any
    int samples = 0;
    double p05 = 1, p50 = 1, p95 = 1;
    SourcePosition where = {};

    friend bool operator==(const Trials&, const Trials&) = default;
};

struct Platform {
    std::string name;
    std::filesystem::path path;
    std::vector<std::pair<std::string, std::string>> provenance;  // date, host, cpu, compiler, ...
    std::vector<std::string> warnings;                            // noisy, throttled, ...
    std::vector<Memory> memories;                                 // [0] is the host's
    std::vector<Device> devices;  // [0] is the host: synchronous, in memory 0
    std::vector<Link> links;
    std::vector<Bus> buses;
    std::vector<Layout> layouts;
    std::optional<double> base_power_w;  // what the whole draws beside its devices
    std::vector<MeasuredCost> measured;
    std::vector<FittedCost> fitted;
    std::vector<FormulaCost> formulas;
    std::vector<SplitRule> splits;
    // Facts of the machine that no cost rests on but people ask for, such as
    // {"thread_pool_wake_spinning", ...}: name and measurement.
    std::vector<std::pair<std::string, Measurement>> measurements;
    std::vector<Trials> trials;  // how far predictions are to be trusted
    TransferTable host_copy;     // memcpy within memory 0; may be empty
    // Numbers that are other than in the file: "devices.cpu.active_power_w=35".
    std::vector<std::string> set;

    friend bool operator==(const Platform&, const Platform&) = default;
};

// `name_or_path`: a YAML file, or a name (with or without ".yaml") somewhere under one of
// `search_path`. `set`: numbers to put in place of the file's (see set_number in yaml.hpp). Throws
// InputError naming file, line, column, key and what was expected.
Platform load_platform(const std::string& name_or_path,
                       std::span<const std::filesystem::path> search_path,
                       std::span<const std::string> set = {});
// What it finds by name there, without ".yaml": in alphabetical order, each once.
std::vector<std::string> platform_names(std::span<const std::filesystem::path> search_path);
// The platform that it would give if the text stood in the file at `path`.
Platform parse_platform(const std::string& text,
                        const std::filesystem::path& path,
                        std::span<const std::string> set = {});

// The platform as a file that load_platform() reads.
std::string to_yaml(const Platform& platform);

}  // namespace sim
