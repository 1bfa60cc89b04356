#pragma once

// What came of a cell, as stores keep it and processes send it. Start at `finish`, which asks the
// search.

#include "sim/units.hpp"
#include "sweep/library.hpp"
#include "sweep/plan.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sweep {

// A mapping: the cell's answer, or a point of its front. Nothing where it is not known.
struct Point {
    double latency_us = 0;
    std::optional<double> energy_mj, accuracy_percent, images_per_second;
    std::string network;  // the model, or that of its twins which was chosen
    std::string mapping;  // a whole file (mapping/1)

    friend bool operator==(const Point&, const Point&) = default;
};

enum class Status {
    proven,    // nothing is better
    unproven,  // a heuristic's, or the time limit came first
    refused,   // there is no answer, and `message` says why: it does not fit
    failed     // the machine's fault, or the program's: it is done again
};

std::string_view name_of(Status status);
std::optional<Status> status_named(std::string_view name);

struct Finished {
    Status status = Status::failed;
    std::string message;  // of the last two
    // On the objective, in `unit`; of a front its number of points. Nothing is below the bound.
    std::optional<double> value, bound;
    std::string unit;
    std::uint64_t nodes = 0;
    double seconds = 0;
    double time_limit_s = 0;       // that it had
    std::vector<Point> points;     // one, or those of a front
    std::string worker, revision;  // who did it, and of what commit that was

    friend bool operator==(const Finished&, const Finished&) = default;
};

struct Conditions {
    double time_limit_s = 60;
    int threads = 1;
    sim::Bytes memory{std::int64_t{1} << 30};
    std::string revision = {};      // of this program
    std::function<double()> clock;  // seconds since anything
};

// The same cell gives the same, but for the seconds, where the search ends before the time limit.
// Nothing is thrown: what goes wrong is refused or failed.
Finished finish(const Cell& cell, Library& library, const Conditions& conditions);

nlohmann::ordered_json to_json(const Finished& finished);
Finished finished_of(const nlohmann::ordered_json& json);

}  // namespace sweep
