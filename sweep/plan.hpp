#pragma once

// A sweep's plan (hetmap: sweep/1): models x platforms x batch sizes x objectives x searches x
// constraints x what-ifs, each combination a cell. Start at `load_plan`; docs/sweep.md has the
// keys.

#include "sim/search/wishes.hpp"

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace sweep {

class Library;

// What mappings are to keep to, as the options of `hetmap map` of these names say it.
struct Constraints {
    std::string name = "none";  // else the plan's, or what they are
    std::vector<std::string> max = {}, pin = {}, together = {}, only = {};
    std::optional<double> min_accuracy = std::nullopt;  // percent
    bool robust = false;

    friend bool operator==(const Constraints&, const Constraints&) = default;
};

// One question: a mapping, or with several objectives a front.
struct Cell {
    std::string model, platform;  // names or paths
    int batch = 1;
    std::vector<std::string> objectives = {"latency"};
    std::string search = "branch-and-bound";
    Constraints constraints = {};
    std::vector<std::string> what_if = {};  // as --set takes it: "links.up.bandwidth_gb_per_s=8"

    friend bool operator==(const Cell&, const Cell&) = default;
};

struct Plan {
    std::vector<Cell> cells;   // in the plan's order: the last key's values change first
    double time_limit_s = 60;  // of each
    int threads = 1;           // of each search
};

// More cells than this are a slip of the pen.
inline constexpr std::size_t kMostCells = 10'000'000;

// Names are those that the library finds; patterns ("vgg*") stand for all that match. Throws
// InputError with file, line and key.
Plan load_plan(const std::filesystem::path& path, Library& library);

sim::Wishes wishes_of(const Cell& cell, int threads);

// "latency, energy": of a front several.
std::string objective_text(const Cell& cell);

// "links.up.bandwidth_gb_per_s=8" taken apart.
struct Edit {
    std::string path, number;
};
Edit edit_of(const std::string& text);
// A cell's what-ifs: {"links.up.bandwidth_gb_per_s": 8}.
nlohmann::ordered_json edits_json(const Cell& cell);

// A cell as other processes, keys and stores take it.
nlohmann::json to_json(const Cell& cell);
Cell cell_of(const nlohmann::json& json);

}  // namespace sweep
