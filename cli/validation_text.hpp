#pragma once

// A validation as text, JSON and CSV.

#include "calibrate/validation.hpp"

#include <optional>
#include <string>

namespace cli {

std::string validation_text(const sim::Model& model,
                            const sim::Platform& platform,
                            const sim::Problem& problem,
                            const calibrate::Validation& validation,
                            const std::optional<calibrate::Accuracy>& accuracy);
std::string validation_json(const sim::Model& model,
                            const sim::Platform& platform,
                            const sim::Problem& problem,
                            const calibrate::Validation& validation,
                            const std::optional<calibrate::Accuracy>& accuracy);
// One line for each mapping: name, predicted, measured p05, p50, p95, error.
std::string validation_csv(const sim::Problem& problem, const calibrate::Validation& validation);
std::string accuracy_text(const calibrate::Accuracy& accuracy);

}  // namespace cli
