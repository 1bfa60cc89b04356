#pragma once

// A platform: memories, devices, links between memories, and what each kernel costs there.
//
// Start at `load_platform`. The calibrator fills the same structs and writes them with
// `calibrate/profile_writer`; a written profile loads to an equal Platform. Lists keep the
// file's order.

#include "sim/error.hpp"
#include "sim/units.hpp"

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sim {

// A time that was measured: never only a mean.
struct Measurement {
    Time p05{}, p50{}, p95{};
    int samples = 0;
};

// Time of moving n bytes: points sorted by bytes, linear between them, the last slope beyond.
// One point (0 bytes, latency) and a bandwidth say the same for hand-written profiles.
struct TransferTable {
    struct Point {
        Bytes size;
        Measurement time;
    };
    std::vector<Point> points;
    BytesPerSecond bandwidth{};  // beyond the last point; 0: the slope of the last two points

    Time time(Bytes size) const;
};

struct Memory {
    std::string name;
    std::int64_t capacity_mib = 0;  // 0: not stated
};

// Changing the layout of a tensor on the device that reads it.
struct Conversion {
    std::string from, to;  // layouts
    TransferTable time;
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
    // Power drawn while it works and while it waits; nothing where nobody measured it.
    std::optional<double> active_power_w = std::nullopt, idle_power_w = std::nullopt;
};

struct TransferMode {
    std::string name;  // "pageable", "pinned", "mapped", "managed", ...
    TransferTable time;
};

// One direction between two memories. Links with the same engine copy one after the other.
struct Link {
    std::string name;
    int from = 0, to = 0;             // memories
    std::string engine;               // empty: one of its own
    std::vector<TransferMode> modes;  // the first is used unless the mapping says otherwise
};

// Measured: these very layers, batch and configuration were timed.
struct MeasuredCost {
    std::string layers;  // sim::signature
    int batch = 1;
    int device = 0;
    std::string variant, configuration;
    std::string in_layout, out_layout;  // "nhwc" unless the file says otherwise
    Measurement time;
    SourcePosition where;
};

// Fitted: time = constant + sum of coefficients x features of one run of the layers (batch
// included), for layers with this pattern of which nothing was measured on the device.
struct FittedCost {
    std::string pattern;  // sim::pattern
    int device = 0;
    std::string variant, configuration;
    std::string in_layout, out_layout;
    double constant_us = 0;
    double us_per_million_macs = 0;
    double us_per_kib_read = 0;
    double us_per_kib_written = 0;
    double us_per_thousand_tiles = 0;  // output positions x ceil(output channels / 64)
    // The least it was fitted on, of the chain's result. It is not offered for less: a split of
    // the images over two threads says nothing about one image.
    int smallest_batch = 1, smallest_height = 1, smallest_channels = 1;
    int samples = 0;                  // shapes it was fitted on
    double median_error_percent = 0;  // cross-validated
    double p90_error_percent = 0;     // cross-validated: the interval's half width
    SourcePosition where;
};

struct Platform {
    std::string name;
    std::filesystem::path path;
    std::vector<std::pair<std::string, std::string>> provenance;  // date, host, cpu, compiler, ...
    std::vector<std::string> warnings;                            // noisy, throttled, ...
    std::vector<Memory> memories;                                 // [0] is the host's
    std::vector<Device> devices;  // [0] is the host: synchronous, in memory 0
    std::vector<Link> links;
    std::vector<MeasuredCost> measured;
    std::vector<FittedCost> fitted;
    // Facts of the machine that no cost rests on but people ask for, such as
    // {"thread_pool_wake_spinning", ...}: name and measurement.
    std::vector<std::pair<std::string, Measurement>> measurements;
    TransferTable host_copy;  // memcpy within memory 0; may be empty
};

// `name_or_path`: a YAML file, or a name (with or without ".yaml") somewhere under one of
// `search_path`. Throws InputError naming file, line, column, key and what was expected.
Platform load_platform(const std::string& name_or_path,
                       std::span<const std::filesystem::path> search_path);

}  // namespace sim
