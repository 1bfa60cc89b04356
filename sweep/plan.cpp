#include "sweep/plan.hpp"

#include "sim/describe/yaml.hpp"
#include "sweep/library.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fnmatch.h>
#include <functional>
#include <limits>
#include <string_view>
#include <utility>

namespace sweep {
namespace {

using sim::YamlNode;

constexpr std::string_view kFormat = "sweep/1";
constexpr int kMostBatch = 1'000'000, kMostThreads = 64;
constexpr double kLongestLimitS = 1e6;
constexpr std::size_t kMostOfARange = 100'000;
constexpr std::string_view kUnchanged = "unchanged";

// ---- lists, patterns and ranges ---------------------------------------------------------------

bool is_pattern(const std::string& name) { return name.find_first_of("*?[") != std::string::npos; }

// `load` is tried with every name that stands there, so that the plan is wrong and not its cells.
std::vector<std::string> read_names(const YamlNode& node,
                                    const std::vector<std::string>& known,
                                    const std::function<void(const std::string&)>& load) {
    std::vector<std::string> names;
    for (const YamlNode& item : sim::read_list(node)) {
        const std::string& name = sim::read_name(item);
        std::vector<std::string> found{name};
        if (is_pattern(name)) {
            found.clear();
            std::ranges::copy_if(known, std::back_inserter(found), [&](const std::string& one) {
                return fnmatch(name.c_str(), one.c_str(), 0) == 0;
            });
            if (found.empty()) {
                throw sim::unexpected(item, "a pattern that something matches");
            }
        }
        for (const std::string& one : found) {
            if (std::ranges::find(names, one) != names.end()) {
                continue;  // it matches two patterns
            }
            try {
                load(one);
            } catch (const sim::InputError& error) {
                throw sim::input_error(sim::position_of(item),
                                       fmt::format("{}: {}", node.key, error.what()));
            }
            names.push_back(one);
        }
    }
    if (names.empty()) {
        throw sim::unexpected(node, "one name at least");
    }
    return names;
}

// The values of {from: 1, to: 64, times: 2} or {from: 0, to: 8, step: 2}.
std::vector<double> range_of(const YamlNode& node) {
    constexpr std::array<std::string_view, 2> kEnds{"from", "to"};
    constexpr std::array<std::string_view, 2> kWays{"step", "times"};
    sim::expect_keys(node, "a range", kEnds, kWays);
    const YamlNode* const step = sim::find(node, "step");
    const YamlNode* const times = sim::find(node, "times");
    if ((step == nullptr) == (times == nullptr)) {
        throw sim::unexpected(node, "a range with either step or times");
    }
    const double from = times != nullptr ? sim::read_positive(sim::at(node, "from"))
                                         : sim::read_number(sim::at(node, "from"));
    const double to = sim::read_number(sim::at(node, "to"));
    const double by = sim::read_positive(step != nullptr ? *step : *times);
    if (times != nullptr && by <= 1) {
        throw sim::unexpected(*times, "a factor above 1");
    }
    std::vector<double> values;
    for (double value = from; value <= to * (1 + 1e-12);) {
        if (values.size() == kMostOfARange) {
            throw sim::unexpected(node, fmt::format("at most {} values", kMostOfARange));
        }
        values.push_back(value);
        // Of steps the number, so that what is rounded does not add up.
        value = step != nullptr ? from + by * static_cast<double>(values.size()) : value * by;
    }
    if (values.empty()) {
        throw sim::unexpected(node, "a range that is not empty");
    }
    return values;
}

std::vector<int> read_batches(const YamlNode& node) {
    std::vector<int> batches;
    for (const YamlNode& item : sim::read_list(node)) {
        if (item.kind != YamlNode::Kind::map) {
            batches.push_back(static_cast<int>(sim::read_integer(item, 1, kMostBatch)));
            continue;
        }
        for (const double value : range_of(item)) {
            if (value < 1 || value > kMostBatch || value != static_cast<int>(value)) {
                throw sim::unexpected(
                    item, fmt::format("a range of whole numbers from 1 to {}", kMostBatch));
            }
            batches.push_back(static_cast<int>(value));
        }
    }
    return batches;
}

std::string read_objective(const YamlNode& node) {
    const std::vector<std::string_view> names = sim::objective_names();
    return std::string{names[static_cast<std::size_t>(sim::read_choice(node, "objective", names))]};
}

// "latency", or the list of those of a front.
std::vector<std::vector<std::string>> read_objectives(const YamlNode& node) {
    std::vector<std::vector<std::string>> all;
    for (const YamlNode& item : sim::read_list(node)) {
        std::vector<std::string>& cell = all.emplace_back();
        if (item.kind != YamlNode::Kind::list) {
            cell.push_back(read_objective(item));
            continue;
        }
        for (const YamlNode& one : item.children) {
            cell.push_back(read_objective(one));
        }
        if (cell.size() < 2) {
            throw sim::unexpected(item, "an objective, or two or more of a front");
        }
    }
    return all;
}

std::vector<std::string> read_searches(const YamlNode& node) {
    std::vector<std::string_view> names;
    for (const sim::Search& search : sim::searches()) {
        names.push_back(search.name);
    }
    std::vector<std::string> searches;
    for (const YamlNode& item : sim::read_list(node)) {
        searches.emplace_back(
            names[static_cast<std::size_t>(sim::read_choice(item, "search", names))]);
    }
    return searches;
}

// ---- constraints --------------------------------------------------------------------------------

std::string text_of(const Constraints& constraints) {
    std::vector<std::string> parts;
    const auto add = [&](std::string_view what, const std::vector<std::string>& texts) {
        for (const std::string& text : texts) {
            parts.push_back(fmt::format("{} {}", what, text));
        }
    };
    add("max", constraints.max);
    if (constraints.min_accuracy) {
        parts.push_back(fmt::format("min accuracy {} %", *constraints.min_accuracy));
    }
    add("pin", constraints.pin);
    add("together", constraints.together);
    add("only", constraints.only);
    if (constraints.robust) {
        parts.emplace_back("robust");
    }
    return parts.empty() ? "none" : fmt::format("{}", fmt::join(parts, ", "));
}

Constraints read_constraints(const YamlNode& node) {
    constexpr std::array<std::string_view, 7> kKeys{
        "name", "max", "pin", "together", "only", "min_accuracy_percent", "robust"};
    sim::expect_keys(node, "constraints", {}, kKeys);
    Constraints constraints;
    const auto read_texts = [&](std::string_view key, std::vector<std::string>& texts) {
        const YamlNode* const list = sim::find(node, key);
        if (list == nullptr) {
            return;
        }
        for (const YamlNode& item : sim::read_list(*list)) {
            texts.push_back(sim::read_name(item));
        }
    };
    read_texts("max", constraints.max);
    read_texts("pin", constraints.pin);
    read_texts("together", constraints.together);
    read_texts("only", constraints.only);
    if (const YamlNode* const percent = sim::find(node, "min_accuracy_percent")) {
        constraints.min_accuracy = sim::read_number(*percent);
        if (*constraints.min_accuracy > 100) {
            throw sim::unexpected(*percent, "at most 100");
        }
    }
    if (const YamlNode* const robust = sim::find(node, "robust")) {
        constraints.robust = sim::read_bool(*robust);
    }
    const YamlNode* const name = sim::find(node, "name");
    constraints.name = name != nullptr ? sim::read_name(*name) : text_of(constraints);
    return constraints;
}

std::vector<Constraints> read_all_constraints(const YamlNode& node) {
    std::vector<Constraints> all;
    for (const YamlNode& item : sim::read_list(node)) {
        all.push_back(read_constraints(item));
        const auto is_called_so = [&](const Constraints& other) {
            return other.name == all.back().name;
        };
        if (std::ranges::count_if(all, is_called_so) > 1) {
            throw sim::unexpected(item, "constraints of another name than those before");
        }
    }
    return all;
}

// ---- what-ifs -----------------------------------------------------------------------------------

// What --set takes, the exact number as it stands there; nothing for "unchanged".
std::vector<std::string> read_edits(const YamlNode& values) {
    std::vector<std::string> edits;
    for (const YamlNode& item : sim::read_list(values)) {
        if (item.kind == YamlNode::Kind::map) {
            for (const double value : range_of(item)) {
                edits.push_back(fmt::format("{}={}", values.key, value));
            }
        } else if (item.kind == YamlNode::Kind::text && item.text == kUnchanged) {
            edits.emplace_back();
        } else {
            edits.push_back(fmt::format("{}={}", values.key, sim::read_number(item)));
        }
    }
    if (edits.empty()) {
        throw sim::unexpected(values, "one number at least");
    }
    return edits;
}

// Every combination, the last key's numbers change first.
std::vector<std::vector<std::string>> read_what_if(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::map) {
        throw sim::unexpected(node, "a map of paths as --set takes them and lists of numbers");
    }
    std::vector<std::vector<std::string>> all(1);
    for (const YamlNode& values : node.children) {
        const std::vector<std::string> edits = read_edits(values);
        if (all.size() * edits.size() > kMostCells) {
            throw sim::unexpected(node, fmt::format("at most {} combinations", kMostCells));
        }
        std::vector<std::vector<std::string>> more;
        for (const std::vector<std::string>& before : all) {
            for (const std::string& edit : edits) {
                std::vector<std::string>& set = more.emplace_back(before);
                if (!edit.empty()) {
                    set.push_back(edit);
                }
            }
        }
        all = std::move(more);
    }
    return all;
}

// The list of a key, or what stands for it where the plan does not have it.
template <class Value, class Read>
std::vector<Value> list_or(const YamlNode& root,
                           std::string_view key,
                           std::vector<Value> otherwise,
                           const Read& read) {
    const YamlNode* const node = sim::find(root, key);
    std::vector<Value> all = node != nullptr ? read(*node) : std::move(otherwise);
    if (all.empty()) {
        throw sim::unexpected(*node, "one at least");
    }
    return all;
}

}  // namespace

Plan load_plan(const std::filesystem::path& path, Library& library) {
    constexpr std::array<std::string_view, 3> kRequired{"hetmap", "models", "platforms"};
    constexpr std::array<std::string_view, 7> kOptional{
        "batches", "objectives", "searches", "constraints", "what_if", "time_limit_s", "threads"};
    const sim::YamlFile file = sim::load_yaml(path, kFormat);
    const YamlNode& root = file.root;
    sim::expect_keys(root, "a sweep's plan", kRequired, kOptional);

    // 1. What each key lists.
    const std::vector<std::string> models =
        read_names(sim::at(root, "models"), library.model_names(), [&](const std::string& name) {
            library.model_digest(name);
        });
    const std::vector<std::string> platforms = read_names(
        sim::at(root, "platforms"), library.platform_names(), [&](const std::string& name) {
            library.platform_digest(name);
        });
    const auto batches = list_or(root, "batches", std::vector{1}, read_batches);
    const auto objectives = list_or(
        root, "objectives", std::vector<std::vector<std::string>>{{"latency"}}, read_objectives);
    const auto searches =
        list_or(root, "searches", std::vector<std::string>{"branch-and-bound"}, read_searches);
    const auto constraints =
        list_or(root, "constraints", std::vector{Constraints{}}, read_all_constraints);
    const auto what_ifs =
        list_or(root, "what_if", std::vector<std::vector<std::string>>{{}}, read_what_if);
    Plan plan;
    if (const YamlNode* const limit = sim::find(root, "time_limit_s")) {
        plan.time_limit_s = sim::read_positive(*limit);
        if (plan.time_limit_s > kLongestLimitS) {
            throw sim::unexpected(*limit, fmt::format("at most {:.0f} s", kLongestLimitS));
        }
    }
    if (const YamlNode* const threads = sim::find(root, "threads")) {
        plan.threads = static_cast<int>(sim::read_integer(*threads, 1, kMostThreads));
    }

    // 2. Every combination.
    double count = 1;
    for (const std::size_t factor : {models.size(),
                                     platforms.size(),
                                     batches.size(),
                                     objectives.size(),
                                     searches.size(),
                                     constraints.size(),
                                     what_ifs.size()}) {
        count *= static_cast<double>(factor);
    }
    if (count > static_cast<double>(kMostCells)) {
        throw sim::input_error(
            sim::position_of(root),
            fmt::format("the plan has {:.0f} cells; expected at most {}", count, kMostCells));
    }
    plan.cells.reserve(static_cast<std::size_t>(count));
    for (const std::string& model : models) {
        for (const std::string& platform : platforms) {
            for (const int batch : batches) {
                for (const std::vector<std::string>& objective : objectives) {
                    for (const std::string& search : searches) {
                        for (const Constraints& constraint : constraints) {
                            for (const std::vector<std::string>& what_if : what_ifs) {
                                plan.cells.push_back({.model = model,
                                                      .platform = platform,
                                                      .batch = batch,
                                                      .objectives = objective,
                                                      .search = search,
                                                      .constraints = constraint,
                                                      .what_if = what_if});
                            }
                        }
                    }
                }
            }
        }
    }
    return plan;
}

sim::Wishes wishes_of(const Cell& cell, int threads) {
    sim::Wishes wishes;
    if (cell.objectives.size() == 1) {
        wishes.objective = cell.objectives.front();
    } else {
        wishes.pareto = cell.objectives;
    }
    wishes.max = cell.constraints.max;
    wishes.pin = cell.constraints.pin;
    wishes.together = cell.constraints.together;
    wishes.only = cell.constraints.only;
    wishes.min_accuracy = cell.constraints.min_accuracy;
    wishes.robust = cell.constraints.robust;
    wishes.search = cell.search;
    // What cannot use threads would refuse them.
    const bool uses_threads = sim::find_search(cell.search).threads == sim::Goals::any;
    wishes.threads = uses_threads ? threads : 1;
    return wishes;
}

std::string objective_text(const Cell& cell) {
    return fmt::format("{}", fmt::join(cell.objectives, ", "));
}

Edit edit_of(const std::string& text) {
    const std::size_t sign = text.rfind('=');  // names may have one in them
    return {text.substr(0, sign), text.substr(sign + 1)};
}

nlohmann::ordered_json edits_json(const Cell& cell) {
    nlohmann::ordered_json edits = nlohmann::ordered_json::object();
    for (const std::string& text : cell.what_if) {
        const Edit edit = edit_of(text);
        edits[edit.path] = std::strtod(edit.number.c_str(), nullptr);
    }
    return edits;
}

nlohmann::json to_json(const Cell& cell) {
    nlohmann::json constraints{{"name", cell.constraints.name},
                               {"max", cell.constraints.max},
                               {"pin", cell.constraints.pin},
                               {"together", cell.constraints.together},
                               {"only", cell.constraints.only},
                               {"robust", cell.constraints.robust}};
    if (cell.constraints.min_accuracy) {
        constraints["min_accuracy_percent"] = *cell.constraints.min_accuracy;
    }
    return {{"model", cell.model},
            {"platform", cell.platform},
            {"batch", cell.batch},
            {"objectives", cell.objectives},
            {"search", cell.search},
            {"constraints", constraints},
            {"what_if", cell.what_if}};
}

Cell cell_of(const nlohmann::json& json) {
    Cell cell;
    json.at("model").get_to(cell.model);
    json.at("platform").get_to(cell.platform);
    json.at("batch").get_to(cell.batch);
    json.at("objectives").get_to(cell.objectives);
    json.at("search").get_to(cell.search);
    json.at("what_if").get_to(cell.what_if);
    const nlohmann::json& constraints = json.at("constraints");
    constraints.at("name").get_to(cell.constraints.name);
    constraints.at("max").get_to(cell.constraints.max);
    constraints.at("pin").get_to(cell.constraints.pin);
    constraints.at("together").get_to(cell.constraints.together);
    constraints.at("only").get_to(cell.constraints.only);
    constraints.at("robust").get_to(cell.constraints.robust);
    if (constraints.contains("min_accuracy_percent")) {
        cell.constraints.min_accuracy = constraints.at("min_accuracy_percent").get<double>();
    }
    return cell;
}

}  // namespace sweep
