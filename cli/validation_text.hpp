#pragma once

// A validation as text, JSON and CSV.

#include "calibrate/validation.hpp"

#include <optional>
#include <string>

namespace cli {

struct Accuracy {
    int images = 0;
    bool labelled = false;  // `right` counts
    int right = 0;
    bool compared = false;  // with the predictions of the network's trainer: `different` counts
    int different = 0;
};

std::string validation_text(const sim::Model& model,
                            const sim::Platform& platform,
                            const sim::Problem& problem,
                            const calibrate::Validation& validation,
                            const std::optional<Accuracy>& accuracy);
std::string validation_json(const sim::Model& model,
                            const sim::Platform& platform,
                            const sim::Problem& problem,
                            const calibrate::Validation& validation,
                            const std::optional<Accuracy>& accuracy);
// One line for each mapping: name, predicted, measured p05, p50, p95, error.
std::string validation_csv(const sim::Problem& problem, const calibrate::Validation& validation);
std::string accuracy_text(const Accuracy& accuracy);

}  // namespace cli
