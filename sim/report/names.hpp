#pragma once

// What every report calls things: tasks, kernels, resources, the question and the finding. Text,
// pictures and traces of one answer use the same words because they all ask here.
//
// Not here: layout, colours, file formats. Start at `finding`, the line a user reads first.

#include "sim/report/report.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sim {

// Names by number; "device 3" where the problem, built by hand, has none.
std::string layer_name(const Problem& problem, int layer);  // a tensor is called as its maker
std::string device_name(const Problem& problem, int device);
std::string memory_name(const Problem& problem, int memory);
std::string layout_name(const Problem& problem, int layout);
std::string engine_name(const Problem& problem, int engine);

std::string_view name_of(EventKind kind);  // "copy"; empty for a number that is no kind

// The part of a divided layer that an event is about, nullptr if it is about none.
const Part* part_of(const Problem& problem, const Event& event);

// By device: how long it worked, submissions and conversions included.
std::vector<Time> busy_times(const Answer& answer);

// What the mapping's tasks use of Problem::budgets[budget] together; where the device is
// reconfigured, the most that one configuration does.
std::int64_t budget_use(const Answer& answer, std::size_t budget);

// "conv1+threshold1+pool1": the layers of a task, first to last.
std::string chain_name(const Problem& problem, const Task& task);

// "avx512 2y": how it is written, and its parallel shape.
std::string kernel_name(const Task& task);

// "conv2d binary | threshold": the operation done, from the model; empty if there is none.
std::string operation_name(const Answer& answer, const Task& task);

// "conv1+threshold1", "copy of pool1", "conversion of pool1", "submission", "reconfiguration".
std::string event_name(const Problem& problem, const Event& event);

// "avx512 2y", "host to gpu0", "nhwc to plain", "gpu0".
std::string event_detail(const Problem& problem, const Event& event);

// A resource and what it did, in order of time. The dispatcher comes first and the engines last;
// both only if they did something.
struct Lane {
    std::string name;
    std::string role;  // "dispatcher", "device", "copy engine"
    std::vector<const Event*> events;
};
std::vector<Lane> lanes_of(const Answer& answer);

// "h100", or "h100 with devices.cpu.active_power_w=35" where numbers of its file were set.
std::string platform_text(const std::string& name, std::span<const std::string> set);

// "vgg3-fashion on h100, batch 1, branch-and-bound": what was asked.
std::string heading(const Answer& answer);

// "41.77 us, proven optimal (1,873 nodes); 2.1x faster than gpu-only": what was found. Baselines
// in their order; of those whose names begin with the same word only the fastest.
std::string finding(const Answer& answer);
std::string interval_text(const Interval& interval);

// A value on an objective with its unit: "15.98 us", "9.741 uJ", "1.3 points by proxy".
std::string value_text(const Objective& objective, double value);
std::string value_per_image_text(const Answer& answer);       // "an image every 3.01 us (...)"
double value_of(const Answer& answer);                        // on its goal's objective
std::string accuracy_text(const AccuracyEstimate& accuracy);  // "90.26% (measured: io-8bit)"
std::string energy_text(Energy energy);  // "9.741 uJ", "12.3 mJ": at most four digits

// What an objective is called in tables and files, and its unit: {"latency", "us"}.
struct ObjectiveName {
    std::string_view name, unit;
    double per_unit = 1;  // value_on() / per_unit is in that unit
};
ObjectiveName named(const Objective& objective);

// Microseconds as the nearest double to the exact decimal: 4.81, not 4.8100000000000005.
double exact_microseconds(Time time);

std::string with_separators(std::uint64_t number);  // "1,873"

// Printed columns of a UTF-8 text, one for each code point.
std::size_t width_of(std::string_view text);

}  // namespace sim
