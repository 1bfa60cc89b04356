#pragma once

// Validation: runs mappings on this machine and holds the prediction against what happened.
//
// The chosen mapping, the baselines and a random sample run in turn, so that drift hits all
// alike; every mapping's output is compared with the reference's, bit by bit; errors are reported
// for every layer as well as in total, so that errors which cancel are seen.
//
// Of a stream of frames what is predicted and measured is the time from one frame to the next, of
// whole mappings alone.

#include "calibrate/anchors.hpp"
#include "calibrate/dataset.hpp"
#include "calibrate/runnable.hpp"
#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/run/spread.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace calibrate {

struct NamedMapping {
    std::string name;
    sim::Mapping mapping;
};

// One task of a mapping: predicted and measured.
struct TaskComparison {
    int task = 0;  // of the problem
    sim::Time predicted{};
    sim::Measurement measured;
    double error_percent = 0;  // predicted / measured - 1
};

struct MappingComparison {
    std::string name;
    sim::Mapping mapping;
    sim::Time predicted{};
    sim::Measurement measured;
    double error_percent = 0;               // predicted / measured - 1
    std::optional<sim::Interval> interval;  // of the prediction
    // With the costs scaled to the machine as it is now (Validation::anchors).
    sim::Time predicted_now{};
    double error_now_percent = 0;
    bool output_identical = false;
    int waits_beyond_plan = 0;  // of the dispatcher, where one device cannot wait for another
    std::vector<TaskComparison> tasks;
};

struct Validation {
    int frames_in_flight = 0;  // of a stream; 0: none
    MappingComparison chosen;
    std::vector<MappingComparison> baselines;
    std::vector<MappingComparison> sample;

    // Over the random sample (all zero without one):
    double median_error_percent = 0, p90_error_percent = 0;  // of absolute errors
    double rank_correlation = 0;                             // Kendall tau-b
    // The same against the machine as it is now.
    double median_error_now_percent = 0, p90_error_now_percent = 0, rank_correlation_now = 0;
    // Of the sample, how many measured medians are in the interval of their prediction.
    int inside_interval = 0, inside_interval_now = 0;
    std::vector<Anchor> anchors;
    // How much slower the chosen mapping is than the best of all that were measured.
    double regret_percent = 0;
    bool outputs_identical = false;  // every mapping's, to the reference's
    double clock_ratio = 1;  // clock speed now / when the profile was measured; 1 if unknown
    // The threads' round trip in the turns / when the profile was measured; 1 if unknown. Another
    // ratio means other cores (calibrate/placement.hpp), and layers on several threads take another
    // time there. Validation waits, as long as its budget, until they sit as they did; how many of
    // the turns came when they did not.
    double round_trip_ratio = 1, elsewhere_percent = 0;
    int rounds = 0;
    // Of devices that time their own kernels: what that adds to each, and was taken off.
    std::vector<std::pair<std::string, sim::Time>> timing_overheads;
    // Baselines and random mappings that this machine cannot run, with the reason.
    std::vector<std::string> left_out;
};

struct ValidationSettings {
    double budget_s = 10;
    int frames_in_flight = 0;  // 0: one run after the other; else a stream
    int fewest_rounds = 15, most_rounds = 400;
    int threads = 0;  // 0: all that the process may use
    std::function<bool()> stop;
    std::function<void(double share_done, double seconds_left)> progress;
};

Validation validate(const sim::Model& model,
                    const sim::Platform& platform,
                    const sim::Problem& problem,
                    const sim::Mapping& chosen,
                    std::span<const NamedMapping> baselines,
                    std::span<const sim::Mapping> sample,
                    const ValidationSettings& settings);

// What the slow reference kernels make of a batch: the definition of right. By input of the model
// its images, as Executor::input wants them (missing ones are zeros); by output its tensor.
std::vector<std::vector<std::byte>> reference_outputs(
    const sim::Model& model, int batch, std::span<const std::span<const std::byte>> inputs);

// The same of the first input and the first output.
std::vector<std::byte> reference_output(const sim::Model& model,
                                        int batch,
                                        std::span<const std::byte> images);

struct Classification {
    std::vector<int> predictions;  // index of the largest of the model's outputs; ties: the first
    sim::Measurement batch_time;
};

// Runs all images (u8), batch by batch, with `frames_in_flight` batches at a time; of more than one
// `batch_time` is that from one batch's end to the next's. The last batch is filled up with zeros,
// whose predictions are dropped. Where the model's input is f32 it gets `pixel_scale` times the
// pixels.
Classification classify(const sim::Model& model,
                        const Parameters& parameters,
                        Runnable runnable,
                        std::span<const std::uint8_t> images,
                        const std::function<bool()>& stop,
                        float pixel_scale = 1,
                        int frames_in_flight = 1);

struct Accuracy {
    int images = 0;
    bool labelled = false;  // `right` counts
    int right = 0;
    bool compared = false;  // with the predictions of the network's trainer: `different` counts
    int different = 0;
};

// Holds predictions against the data's labels, and against predictions.bin beside the model, what
// its trainer predicted for these very images; each where there is one.
Accuracy accuracy_of(const Classification& classification,
                     const Dataset& data,
                     const sim::Model& model);

}  // namespace calibrate
