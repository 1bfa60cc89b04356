#pragma once

// The keys of a platform's file, each spelled here and nowhere else: platform_reader.cpp and
// platform_writer.cpp share them. What they mean: docs/file-formats.md.

#include <string_view>

namespace sim::keys {

// They are called what they are in a file.
// NOLINTBEGIN(readability-identifier-naming)

// What stands at the first key, `hetmap`.
inline constexpr std::string_view kFormat = "platform/1";

// Of every entry.
inline constexpr std::string_view name = "name";

// Of a platform.
inline constexpr std::string_view hetmap = "hetmap";
inline constexpr std::string_view provenance = "provenance";
inline constexpr std::string_view warnings = "warnings";
inline constexpr std::string_view counts = "counts";
inline constexpr std::string_view memories = "memories";
inline constexpr std::string_view devices = "devices";
inline constexpr std::string_view links = "links";
inline constexpr std::string_view buses = "buses";
inline constexpr std::string_view base_power_w = "base_power_w";
inline constexpr std::string_view host_copy = "host_copy";
inline constexpr std::string_view measurements = "measurements";
inline constexpr std::string_view trials = "trials";
inline constexpr std::string_view costs = "costs";
inline constexpr std::string_view fits = "fits";
inline constexpr std::string_view formulas = "formulas";
inline constexpr std::string_view splits = "splits";

// Of a time that was measured.
inline constexpr std::string_view samples = "samples";
inline constexpr std::string_view p05_us = "p05_us";
inline constexpr std::string_view p50_us = "p50_us";
inline constexpr std::string_view p95_us = "p95_us";

// Of trials.
inline constexpr std::string_view model = "model";
inline constexpr std::string_view host_alone = "host_alone";
inline constexpr std::string_view p05 = "p05";
inline constexpr std::string_view p50 = "p50";
inline constexpr std::string_view p95 = "p95";

// Of a transfer time.
inline constexpr std::string_view latency_us = "latency_us";
inline constexpr std::string_view bandwidth_gb_per_s = "bandwidth_gb_per_s";
inline constexpr std::string_view points = "points";
inline constexpr std::string_view bytes = "bytes";

// Of a memory.
inline constexpr std::string_view capacity_kib = "capacity_kib";
inline constexpr std::string_view capacity_mib = "capacity_mib";
inline constexpr std::string_view synchronise_us = "synchronise_us";

// Of a device.
inline constexpr std::string_view kind = "kind";
inline constexpr std::string_view memory = "memory";
inline constexpr std::string_view asynchronous = "asynchronous";
inline constexpr std::string_view submit_us = "submit_us";
inline constexpr std::string_view per_task_us = "per_task_us";
inline constexpr std::string_view completion_us = "completion_us";
inline constexpr std::string_view active_power_w = "active_power_w";
inline constexpr std::string_view idle_power_w = "idle_power_w";
inline constexpr std::string_view conversions = "conversions";
inline constexpr std::string_view speed = "speed";
inline constexpr std::string_view supports = "supports";
inline constexpr std::string_view resources = "resources";
inline constexpr std::string_view longest_stream = "longest_stream";
inline constexpr std::string_view reconfiguration_us = "reconfiguration_us";
inline constexpr std::string_view contention = "contention";
inline constexpr std::string_view contention_of = "contention_of";
inline constexpr std::string_view handovers = "handovers";
inline constexpr std::string_view in_networks = "in_networks";
inline constexpr std::string_view work = "work";
inline constexpr std::string_view task_us = "task_us";

// Of a conversion, a link.
inline constexpr std::string_view from = "from";
inline constexpr std::string_view to = "to";
inline constexpr std::string_view modes = "modes";
inline constexpr std::string_view engine = "engine";
inline constexpr std::string_view energy_pj_per_byte = "energy_pj_per_byte";
inline constexpr std::string_view element_bits = "element_bits";
inline constexpr std::string_view elements = "elements";

// Of a layout.
inline constexpr std::string_view layouts = "layouts";
inline constexpr std::string_view element = "element";
inline constexpr std::string_view channels_multiple = "channels_multiple";

// Of a rule of supports.
inline constexpr std::string_view operations = "operations";
inline constexpr std::string_view kernels = "kernels";
inline constexpr std::string_view strides = "strides";
inline constexpr std::string_view groups = "groups";
inline constexpr std::string_view weights = "weights";
inline constexpr std::string_view activations = "activations";
inline constexpr std::string_view in_channels_multiple = "in_channels_multiple";
inline constexpr std::string_view out_channels_multiple = "out_channels_multiple";
inline constexpr std::string_view when = "when";

// Of a cost of any kind.
inline constexpr std::string_view device = "device";
inline constexpr std::string_view variant = "variant";
inline constexpr std::string_view configuration = "configuration";
inline constexpr std::string_view in_layout = "in_layout";
inline constexpr std::string_view out_layout = "out_layout";
inline constexpr std::string_view results = "results";

// Of a measured or stated cost.
inline constexpr std::string_view layers = "layers";
inline constexpr std::string_view layer_names = "layer_names";
inline constexpr std::string_view batch = "batch";
inline constexpr std::string_view time_us = "time_us";

// Of a fitted cost.
inline constexpr std::string_view pattern = "pattern";
inline constexpr std::string_view constant_us = "constant_us";
inline constexpr std::string_view us_per_million_macs = "us_per_million_macs";
inline constexpr std::string_view us_per_kib_read = "us_per_kib_read";
inline constexpr std::string_view us_per_kib_written = "us_per_kib_written";
inline constexpr std::string_view us_per_thousand_tiles = "us_per_thousand_tiles";
inline constexpr std::string_view smallest_batch = "smallest_batch";
inline constexpr std::string_view smallest_height = "smallest_height";
inline constexpr std::string_view smallest_channels = "smallest_channels";
inline constexpr std::string_view largest_batch = "largest_batch";
inline constexpr std::string_view absent = "absent";
inline constexpr std::string_view batches = "batches";
inline constexpr std::string_view median_error_percent = "median_error_percent";
inline constexpr std::string_view p90_error_percent = "p90_error_percent";

// Of a formula.
inline constexpr std::string_view precision = "precision";
inline constexpr std::string_view let = "let";
inline constexpr std::string_view cycles = "cycles";
inline constexpr std::string_view clock_mhz = "clock_mhz";
inline constexpr std::string_view energy_uj = "energy_uj";
inline constexpr std::string_view fill_us = "fill_us";
inline constexpr std::string_view fill_cycles = "fill_cycles";
inline constexpr std::string_view shares = "shares";

// Of a split.
inline constexpr std::string_view by = "by";
inline constexpr std::string_view join = "join";
inline constexpr std::string_view step = "step";
inline constexpr std::string_view reduction_us = "reduction_us";

// What `by` of a split says, by SplitRule::By.
inline constexpr std::string_view kBy[] = {"output_channels", "input_channels"};

// What `join` of a split says where it is no expression.
inline constexpr std::string_view kMax = "max", kSum = "sum";
// NOLINTEND(readability-identifier-naming)

}  // namespace sim::keys
