#pragma once

// JSON as text, for every part of the program that writes some.

#include "sim/search/answer.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace sim {

// What json_text() and front_json() print.
nlohmann::ordered_json json_of(const Answer& answer);
nlohmann::ordered_json json_of(const FrontAnswer& front);

// Ends with a line break. Texts may come from anywhere: what is not UTF-8 in them is replaced, not
// thrown over. `indent` -1: all on one line.
std::string dumped(const nlohmann::ordered_json& object, int indent = 2);

}  // namespace sim
