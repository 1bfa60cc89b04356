#pragma once

// Corrections: what whole networks say about an accelerator's numbers.
//
// Its kernels, copies and submissions are measured by themselves, each again and again: caches are
// warm, clocks are high, and nothing is handed over. In a network they take another time. So
// mappings are run (trials.hpp), and the numbers are corrected until the predictions agree: for
// each device what a submission, completion and a task take more, and factors of its copies and
// kernels; for each kernel that was seen a factor of its own.
//
// All of these are estimated together, by penalised least squares on the logarithms of the times:
// each has a size that is expected of it, and what the mappings do not show stays as it was
// measured. Mappings that something held up count less (Huber). Leaving out each mapping in turn
// tells what the corrections are worth on one that they have not seen.
//
// Start at `fit_corrections`.

#include "calibrate/samples.hpp"
#include "calibrate/trials.hpp"
#include "sim/compile/problem.hpp"
#include "sim/describe/platform.hpp"

#include <map>
#include <set>
#include <span>
#include <vector>

namespace calibrate {

// A network at one batch size, and mappings of it that were run on all devices.
struct TriedNetwork {
    sim::Problem problem;
    std::vector<CostKey> keys;  // by task: how the profile files its cost
    std::vector<Trial> trials;
};

struct DeviceCorrection {
    int device = 0;  // an asynchronous one, by its number in the profile
    // Microseconds that are added, or below zero taken away: of a submission, of completion, and of
    // each task.
    double submit = 0, completion = 0, task = 0;
    // Factors: of copies into its memory and out of it, and of tasks.
    double up = 1, down = 1, work = 1;
};

struct Corrections {
    std::vector<DeviceCorrection> devices;  // empty: the profile says it as well without
    std::map<CostKey, double> kernels;      // factors, beside their device's
    // By network and trial: measured over predicted, with the corrections by all other trials.
    std::vector<std::vector<double>> ratios;
    // Medians of the predictions' errors, before and (each trial left out in turn) after; of too
    // few trials zero.
    double error_before_percent = 0, error_after_percent = 0;
};

// `alone`: the costs that were measured by themselves, so that their device's `work` and `task` are
// for them; others are from networks already. Nothing is corrected by fewer than 20 trials, or
// where that makes no prediction better.
Corrections fit_corrections(std::span<const TriedNetwork> networks, const std::set<CostKey>& alone);

// The network as predictions have it then.
sim::Problem corrected(const TriedNetwork& network,
                       const Corrections& corrections,
                       const std::set<CostKey>& alone);

// The same for the profile. Of links it is the first mode, which runs use; devices note what became
// of their kernels (sim::InNetworks), for those that are measured later.
void correct(sim::Platform& platform,
             const Corrections& corrections,
             const std::set<CostKey>& alone);

// A cost that was measured by itself, as it is in networks by what the device's profile knows.
sim::Measurement in_networks(const sim::Measurement& alone, const sim::Device& device);

}  // namespace calibrate
