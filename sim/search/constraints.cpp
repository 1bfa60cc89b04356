#include "sim/search/constraints.hpp"

#include "sim/describe/graph.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/order_free_bounds.hpp"
#include "sim/search/results.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>
#include <system_error>

namespace sim {

using namespace internal;

namespace {

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
    throw InputError{text + ": " + why};
}

// ---- layers by pattern --------------------------------------------------------------------------

bool is_match(std::string_view pattern, std::string_view name) {
    // Where the last `*` stands, and how much of the name it has so far.
    std::size_t p = 0, n = 0, star = std::string_view::npos, taken = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            taken = n;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
            ++p;
            ++n;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            n = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

std::string names_of_layers(const Problem& problem, std::span<const int> layers) {
    std::vector<std::string_view> names;
    for (const int layer : layers) {
        names.push_back(problem.layer_names[at(layer)]);
    }
    constexpr std::size_t kShown = 30;
    return list_of(names, kShown);
}

std::vector<int> inner_layers(const Problem& problem) {
    std::vector<int> layers(at(std::max(0, problem.layers() - 2)));
    std::iota(layers.begin(), layers.end(), 1);
    return layers;
}

// At least one, or a complaint about the constraint.
std::vector<int> layers_named(const Problem& problem,
                              std::string_view pattern,
                              const std::string& text) {
    const std::vector<int> all = inner_layers(problem);
    std::vector<int> found;
    for (const int layer : all) {
        if (is_match(pattern, problem.layer_names[at(layer)])) {
            found.push_back(layer);
        }
    }
    if (found.empty()) {
        refuse(text,
               fmt::format("model '{}' has no layer '{}'; there are: {}",
                           problem.model,
                           pattern,
                           names_of_layers(problem, all)));
    }
    return found;
}

bool covers_layer(const Task& task, int layer) {
    return task.first == layer || std::ranges::binary_search(task.rest, layer);
}

// ---- amounts ------------------------------------------------------------------------------------

struct Unit {
    std::string_view name;
    double count = 1;  // of the limit's own
};
constexpr Unit kTimes[] = {{"s", 1e12}, {"ms", 1e9}, {"us", 1e6}, {"ns", 1e3}, {"ps", 1}};
constexpr Unit kEnergies[] = {
    {"J", 1e15}, {"mJ", 1e12}, {"uJ", 1e9}, {"nJ", 1e6}, {"pJ", 1e3}, {"fJ", 1}};
constexpr Unit kSizes[] = {{"GiB", 0x1p30},
                           {"MiB", 0x1p20},
                           {"KiB", 0x1p10},
                           {"GB", 1e9},
                           {"MB", 1e6},
                           {"kB", 1e3},
                           {"B", 1}};
constexpr Unit kCounts[] = {{"", 1}};

struct Amount {
    std::int64_t count = 0;
    Unit unit;
};

// "2ms"; `example`: what it should have looked like.
Amount amount_of(std::string_view value,
                 std::span<const Unit> units,
                 std::string_view example,
                 const std::string& text) {
    constexpr double kMost = 9e18;
    double number = -1;
    const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    std::string_view name = value.substr(static_cast<std::size_t>(rest - value.data()));
    name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
    const auto unit = std::ranges::find(units, name, &Unit::name);
    if (error != std::errc{} || unit == units.end() || !(number >= 0) ||
        !(number * unit->count < kMost) || (unit->name.empty() && number != std::floor(number))) {
        refuse(text, fmt::format("expected {}, got '{}'", example, value));
    }
    return {.count = std::llround(number * unit->count), .unit = *unit};
}

struct Kind {
    std::string_view name;
    Limit::Kind kind;
    std::span<const Unit> units;
    std::string_view example;
};
constexpr Kind kKinds[] = {
    {"latency", Limit::Kind::latency, kTimes, "a time such as 2ms (s, ms, us, ns, ps)"},
    {"energy", Limit::Kind::energy, kEnergies, "an energy such as 5mJ (J, mJ, uJ, nJ, pJ, fJ)"},
    {"segments", Limit::Kind::segments, kCounts, "a whole number"},
    {"switches", Limit::Kind::switches, kCounts, "a whole number"},
};
constexpr std::string_view kOfMemory = "memory.";

// ---- 1. As people write them. -------------------------------------------------------------------

// The two sides of "a=b".
std::pair<std::string_view, std::string_view> sides(std::string_view asked,
                                                    const std::string& text,
                                                    std::string_view example) {
    const std::size_t equals = asked.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == asked.size()) {
        refuse(text, fmt::format("expected {}", example));
    }
    return {asked.substr(0, equals), asked.substr(equals + 1)};
}

}  // namespace

Constraint limit_named(const Problem& problem, std::string_view asked) {
    Constraint constraint{.text = fmt::format("max {}", asked), .what = Limit{}};
    const std::string& text = constraint.text;
    const auto [name, value] = sides(asked, text, "something and a value, such as latency=2ms");
    if (name.starts_with(kOfMemory)) {
        const std::string_view memory = name.substr(kOfMemory.size());
        const auto found = std::ranges::find(problem.memory_names, memory);
        if (found == problem.memory_names.end()) {
            const std::vector<std::string_view> names(problem.memory_names.begin(),
                                                      problem.memory_names.end());
            refuse(text,
                   fmt::format("platform '{}' has no memory '{}'; there are: {}",
                               problem.platform,
                               memory,
                               list_of(names)));
        }
        constexpr std::string_view kExample =
            "bytes above zero such as 3MiB (GiB, MiB, KiB, GB, MB, kB, B)";
        const Amount amount = amount_of(value, kSizes, kExample, text);
        if (amount.count <= 0) {
            refuse(text, fmt::format("expected {}, got '{}'", kExample, value));
        }
        constraint.what = MemoryLimit{
            .memory = static_cast<int>(found - problem.memory_names.begin()), .most = amount.count};
        return constraint;
    }
    const auto kind = std::ranges::find(kKinds, name, &Kind::name);
    if (kind == std::end(kKinds)) {
        refuse(text,
               fmt::format("expected one of latency, energy, memory.NAME, segments, switches, got "
                           "'{}'",
                           name));
    }
    const Limit limit{.kind = kind->kind,
                      .most = amount_of(value, kind->units, kind->example, text).count};
    expect_known_energy(problem, {.limits = {limit}});
    constraint.what = limit;
    return constraint;
}

Constraint pin_named(const Problem& problem, std::string_view asked) {
    Constraint constraint{.text = fmt::format("pin {}", asked), .what = Pinned{}};
    const std::string& text = constraint.text;
    const auto sides_of_it =
        sides(asked, text, "LAYER=device[/variant[/configuration]], such as conv1=cpu");
    const std::string_view pattern = sides_of_it.first, wanted = sides_of_it.second;

    // 1. The device.
    const std::string_view device_name = wanted.substr(0, wanted.find('/'));
    const auto device = std::ranges::find(problem.device_names, device_name);
    if (device == problem.device_names.end()) {
        const std::vector<std::string_view> names(problem.device_names.begin(),
                                                  problem.device_names.end());
        refuse(text,
               fmt::format("platform '{}' has no device '{}'; there are: {}",
                           problem.platform,
                           device_name,
                           list_of(names)));
    }
    const auto is_wanted = [&](int k) {
        const std::string is = label(problem, k);
        return problem.tasks[at(k)].parts.empty() && is.starts_with(wanted) &&
               (is.size() == wanted.size() || is[wanted.size()] == '/');
    };

    // 2. What the layers may still be done with.
    std::vector<char> allowed(problem.tasks.size(), 1);
    std::vector<int> without;
    for (const int layer : layers_named(problem, pattern, text)) {
        bool has_any = false;
        for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
            if (covers_layer(problem.tasks[at(k)], layer)) {
                const bool stays = is_wanted(k);
                allowed[at(k)] = allowed[at(k)] && stays;
                has_any |= stays;
            }
        }
        if (!has_any) {
            without.push_back(layer);
        }
    }
    if (!without.empty()) {
        std::set<std::string> there;
        for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
            if (covers_layer(problem.tasks[at(k)], without.front()) &&
                problem.tasks[at(k)].parts.empty()) {
                there.insert(label(problem, k));
            }
        }
        const std::vector<std::string_view> names(there.begin(), there.end());
        refuse(text,
               fmt::format("no implementation of {} {} on {}; {}there are: {}",
                           without.size() == 1 ? "layer" : "layers",
                           names_of_layers(problem, without),
                           wanted,
                           without.size() == 1
                               ? ""
                               : fmt::format("of {} ", problem.layer_names[at(without.front())]),
                           list_of(names)));
    }
    constraint.what = Pinned{.allowed = std::move(allowed), .fixed = {}};
    return constraint;
}

Constraint together_named(const Problem& problem, std::string_view asked) {
    Constraint constraint{.text = fmt::format("together {}", asked), .what = Together{}};
    const std::string& text = constraint.text;
    std::set<int> layers;
    for (std::size_t begin = 0; begin <= asked.size();) {
        const std::size_t end = std::min(asked.find(',', begin), asked.size());
        const std::vector<int> found =
            layers_named(problem, asked.substr(begin, end - begin), text);
        layers.insert(found.begin(), found.end());
        begin = end + 1;
    }
    if (layers.size() < 2) {
        refuse(text, "expected two layers or more, separated by commas");
    }
    constraint.what = Together{.layers = {layers.begin(), layers.end()}};
    return constraint;
}

Constraint fixed_by(const Problem& problem, const MappingFile& file, const std::string& name) {
    for (const MappingCopy& copy : file.copies) {
        if (!copy.before.empty()) {
            throw input_error(copy.where,
                              "before: a search decides when copies are made; what a partial "
                              "mapping can keep of them is their mode");
        }
    }
    const std::vector<int> tasks = tasks_of(file, problem);
    Pinned pinned{.allowed = std::vector<char>(problem.tasks.size(), 1), .fixed = {}};
    std::vector<int> entry_of(at(problem.layers()), -1);
    for (const int task : tasks) {
        for (const int layer : layers_of(problem.tasks[at(task)])) {
            entry_of[at(layer)] = task;
        }
        pinned.fixed.push_back(layers_of(problem.tasks[at(task)]));
    }
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        for (const int layer : layers_of(problem.tasks[at(k)])) {
            pinned.allowed[at(k)] &= entry_of[at(layer)] < 0 || entry_of[at(layer)] == k;
        }
    }
    pinned.is_in_order = file.is_listed_in_order;
    return {.text = fmt::format("fix {}", name), .what = std::move(pinned)};
}

// ---- 2. What is left. ---------------------------------------------------------------------------

namespace {

// A group for every set of layers that are together, directly or through others; -1: in none.
std::vector<int> groups_of(const Problem& problem, std::span<const Constraint> constraints) {
    std::vector<int> leader(at(problem.layers()));
    std::iota(leader.begin(), leader.end(), 0);
    const auto leader_of = [&](int layer) {
        while (leader[at(layer)] != layer) {
            layer = leader[at(layer)];
        }
        return layer;
    };
    for (const Constraint& constraint : constraints) {
        if (const auto* const together = std::get_if<Together>(&constraint.what)) {
            for (const int layer : together->layers) {
                leader[at(leader_of(layer))] = leader_of(together->layers.front());
            }
        }
    }
    std::vector<int> size(leader.size(), 0), group(leader.size(), -1);
    for (int layer = 0; layer < problem.layers(); ++layer) {
        ++size[at(leader_of(layer))];
    }
    int next = 0;
    for (int layer = 0; layer < problem.layers(); ++layer) {
        const auto lead = at(leader_of(layer));
        if (size[lead] < 2) {
            continue;
        }
        group[at(layer)] = group[lead] < 0 ? next++ : group[lead];
        group[lead] = group[at(layer)];
    }
    return next == 0 ? std::vector<int>{} : group;
}

// Leaves out, again and again, tasks on devices where some layer of their group cannot be.
void drop_lonely_tasks(const Problem& problem,
                       const std::vector<int>& group,
                       std::vector<char>& allowed) {
    for (bool changes = true; changes;) {
        changes = false;
        std::vector<std::set<Bits>> places(group.size());  // by layer
        for (std::size_t k = 0; k < problem.tasks.size(); ++k) {
            for (const int layer : layers_of(problem.tasks[k])) {
                if (allowed[k] && group[at(layer)] >= 0) {
                    places[at(layer)].insert(devices_of(problem.tasks[k]));
                }
            }
        }
        for (std::size_t k = 0; k < problem.tasks.size(); ++k) {
            for (const int layer : layers_of(problem.tasks[k])) {
                for (std::size_t other = 0; allowed[k] && other < group.size(); ++other) {
                    if (group[at(layer)] >= 0 && group[other] == group[at(layer)] &&
                        !places[other].contains(devices_of(problem.tasks[k]))) {
                        allowed[k] = 0;
                        changes = true;
                    }
                }
            }
        }
    }
}

// The layers in an order in which the fixed sets are together, and in turn where that is asked;
// else as they are.
std::vector<int> order_of(const Problem& problem, std::span<const Constraint> constraints) {
    // 1. A vertex for every set and for every other layer, in the place of its first layer.
    std::vector<int> vertex(at(problem.layers()));
    std::iota(vertex.begin(), vertex.end(), 0);
    Graph graph{.vertices = problem.layers(), .edges = {}};
    const Constraint* last = nullptr;
    for (const Constraint& constraint : constraints) {
        const auto* const pinned = std::get_if<Pinned>(&constraint.what);
        if (pinned == nullptr || pinned->fixed.empty()) {
            continue;
        }
        last = &constraint;
        for (const std::vector<int>& set : pinned->fixed) {
            for (const int layer : set) {
                vertex[at(layer)] = set.front();
            }
        }
        for (std::size_t i = 1; pinned->is_in_order && i < pinned->fixed.size(); ++i) {
            graph.edges.emplace_back(pinned->fixed[i - 1].front(), pinned->fixed[i].front());
        }
    }
    // 2. After what they read.
    for (int layer = 0; layer < problem.layers(); ++layer) {
        for (const int input : problem.inputs[at(layer)]) {
            if (vertex[at(input)] != vertex[at(layer)]) {
                graph.edges.emplace_back(vertex[at(input)], vertex[at(layer)]);
            }
        }
    }
    if (const std::vector<int> cycle = find_cycle(graph); !cycle.empty()) {
        refuse(
            last->text,
            fmt::format("in this order some layer reads what comes later: {} wait for each other",
                        names_of_layers(problem, cycle)));
    }
    // 3. As much as may be in the order that there is.
    std::vector<std::int64_t> priority(at(problem.layers()));
    for (int layer = 0; layer < problem.layers(); ++layer) {
        priority[at(layer)] = -layer;
    }
    std::vector<int> order;
    for (const int next : topological_order(graph, priority)) {
        for (int layer = next; layer < problem.layers() && vertex[at(next)] == next; ++layer) {
            if (vertex[at(layer)] == next) {
                order.push_back(layer);
            }
        }
    }
    return order;
}

// By layer of the new order, the sets that come in turn.
std::vector<int> turns_of(std::span<const int> order, std::span<const Constraint> constraints) {
    std::vector<int> turns(order.size(), -1);
    bool any = false;
    for (const Constraint& constraint : constraints) {
        const auto* const pinned = std::get_if<Pinned>(&constraint.what);
        if (pinned == nullptr || !pinned->is_in_order) {
            continue;
        }
        for (const std::vector<int>& set : pinned->fixed) {
            int turn = -1;
            for (std::size_t place = 0; place < order.size(); ++place) {
                if (std::ranges::find(set, order[place]) != set.end()) {
                    turn = turn < 0 ? static_cast<int>(place) : turn;
                    turns[place] = turn;
                    any = true;
                }
            }
        }
    }
    return any ? turns : std::vector<int>{};
}

}  // namespace

Constrained constrained(const Problem& problem,
                        const Goal& goal,
                        std::span<const Constraint> constraints) {
    Constrained left{.problem = problem, .goal = goal, .original = {}, .original_layer = {}};
    // 1. Limits, and tasks that are left out.
    std::vector<char> allowed(problem.tasks.size(), 1);
    bool fixes = false;
    for (const Constraint& constraint : constraints) {
        if (const auto* const limit = std::get_if<Limit>(&constraint.what)) {
            left.goal.limits.push_back(*limit);
        } else if (const auto* const memory = std::get_if<MemoryLimit>(&constraint.what)) {
            left.problem.capacities.resize(at(problem.memories), 0);
            std::int64_t& capacity = left.problem.capacities[at(memory->memory)];
            capacity = capacity > 0 ? std::min(capacity, memory->most) : memory->most;
        } else if (const auto* const pinned = std::get_if<Pinned>(&constraint.what)) {
            for (std::size_t k = 0; k < allowed.size(); ++k) {
                allowed[k] = allowed[k] && pinned->allowed[k];
            }
            fixes |= !pinned->fixed.empty();
        }
    }
    // 2. Layers together.
    left.problem.together = groups_of(problem, constraints);
    if (!left.problem.together.empty()) {
        drop_lonely_tasks(problem, left.problem.together, allowed);
    }
    left.original = keep_tasks(left.problem, allowed);
    // 3. The order of what is fixed.
    left.original_layer.resize(at(problem.layers()));
    std::iota(left.original_layer.begin(), left.original_layer.end(), 0);
    if (fixes) {
        left.original_layer = order_of(problem, constraints);
        left.problem = reordered(left.problem, left.original_layer);
        left.problem.turns = turns_of(left.original_layer, constraints);
    }
    return left;
}

Mapping Constrained::in_original(const Mapping& mapping) const {
    Mapping renamed = mapping;
    for (int& task : renamed) {
        task = original[at(task)];
    }
    for (EarlyCopy& copy : renamed.early) {
        copy.tensor = original_layer[at(copy.tensor)];
    }
    return renamed;
}

Mapping Constrained::from_original(const Mapping& mapping) const {
    Mapping renamed = mapping;
    for (int& task : renamed) {
        const auto found = std::ranges::lower_bound(original, task);
        if (found == original.end() || *found != task) {
            return {};
        }
        task = static_cast<int>(found - original.begin());
    }
    for (EarlyCopy& copy : renamed.early) {
        copy.tensor = static_cast<int>(std::ranges::find(original_layer, copy.tensor) -
                                       original_layer.begin());
    }
    return renamed;
}

// ---- 3. Why there is none. ----------------------------------------------------------------------

namespace {

enum class Fit { some, none, unknown };

// Whether any mapping in the static order keeps to them. Of the best of a goal on which all
// mappings are equal the first that is found is one.
Fit fit_of(const Problem& problem,
           std::span<const Constraint> constraints,
           const std::function<bool()>& stop,
           std::string& note) {
    const Goal any{.minimise = {{.criterion = Criterion::device, .device = -1}}};
    const Constrained left = constrained(problem, any, constraints);
    if (Covers(left.problem).uncoverable() >= 0) {
        note.clear();
        return Fit::none;
    }
    SearchOptions options;
    options.goal = left.goal;
    options.stop = stop;
    const Front front = pareto_front(left.problem, options);
    if (!front.points.empty()) {
        return Fit::some;
    }
    note = front.note;
    return front.proven ? Fit::none : Fit::unknown;
}

std::vector<Constraint> without(std::span<const Constraint> constraints, std::size_t one) {
    std::vector<Constraint> others(constraints.begin(), constraints.end());
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(one));
    return others;
}

// "latency at most 2ms", "at most 2 segments on accelerators", "pin conv1=gpu0".
std::string in_words(const Constraint& constraint) {
    const bool is_limit = std::holds_alternative<Limit>(constraint.what) ||
                          std::holds_alternative<MemoryLimit>(constraint.what);
    const std::size_t equals = constraint.text.find('=');
    if (!is_limit || equals == std::string::npos) {
        return constraint.text;
    }
    const std::size_t space = constraint.text.find(' ');
    return constraint.text.substr(space + 1, equals - space - 1) + " at most " +
           constraint.text.substr(equals + 1);
}

// The unit in which it was asked for: what the text ends with.
Unit unit_of(std::string_view text, std::span<const Unit> units) {
    const std::size_t digit = text.find_last_of("0123456789.");
    const std::string_view name = digit == std::string_view::npos ? text : text.substr(digit + 1);
    const auto unit = std::ranges::find(units, name, &Unit::name);
    return unit == units.end() ? units.back() : *unit;
}

// Rounded up to six digits, so that it may be asked for: "1785.2 us".
std::string rounded_up(double value, const Unit& unit) {
    constexpr int kDigits = 6;
    const double in_unit = value / unit.count;
    const int before_point =
        in_unit < 1 ? 1 : 1 + static_cast<int>(std::floor(std::log10(in_unit)));
    const int decimals = std::max(0, kDigits - before_point);
    const double scale = std::pow(10.0, decimals);
    constexpr double kRounding = 1e-6;  // of the division
    std::string text =
        fmt::format("{:.{}f}", std::ceil(in_unit * scale - kRounding) / scale, decimals);
    if (decimals > 0) {
        text.erase(text.find_last_not_of('0') + 1);
        text.erase(text.find_last_not_of('.') + 1);
    }
    return unit.name.empty() ? text : fmt::format("{} {}", text, unit.name);
}

struct Least {
    double value = 0;
    bool is_proven = false;
};

// Of what is limited, under the other constraints; nothing where `stop` came before any is known.
std::optional<Least> least_of(const Problem& problem,
                              const Limit& limit,
                              std::span<const Constraint> others,
                              bool free_order,
                              const std::function<bool()>& stop) {
    if (limit.kind == Limit::Kind::segments || limit.kind == Limit::Kind::switches) {
        std::string note;
        for (std::int64_t most = limit.most + 1;; ++most) {
            std::vector<Constraint> wider(others.begin(), others.end());
            wider.push_back({.text = {}, .what = Limit{.kind = limit.kind, .most = most}});
            const Fit fit = fit_of(problem, wider, stop, note);
            if (fit != Fit::none) {
                return fit == Fit::some ? std::optional(Least{static_cast<double>(most), true})
                                        : std::nullopt;
            }
        }
    }
    const Criterion criterion = limit.kind == Limit::Kind::latency  ? Criterion::latency
                                : limit.kind == Limit::Kind::energy ? Criterion::energy
                                                                    : Criterion::loss;
    const Constrained left = constrained(problem, {.minimise = {{.criterion = criterion}}}, others);
    SearchOptions options;
    options.goal = left.goal;
    options.free_order = free_order;
    options.stop = stop;
    const SearchResult result = branch_and_bound(left.problem, options);
    if (result.status == SearchStatus::infeasible) {
        return std::nullopt;
    }
    return Least{
        .value = result.value,
        .is_proven = result.status == SearchStatus::proven && (!free_order || result.in_any_order)};
}

// Whether no order at all could help.
bool holds_in_any_order(const Problem& problem,
                        std::span<const Constraint> fault,
                        const Limit* limit,
                        std::span<const Constraint> others) {
    const auto depends = [](const Constraint& constraint) {
        const auto* const one = std::get_if<Limit>(&constraint.what);
        return std::holds_alternative<MemoryLimit>(constraint.what) ||
               (one != nullptr && one->kind != Limit::Kind::loss);
    };
    if (has_one_order(problem) || std::ranges::none_of(fault, depends)) {
        return true;
    }
    return limit != nullptr && limit->kind == Limit::Kind::latency &&
           makespan_bound_in_any_order(constrained(problem, {}, others).problem).count() >
               limit->most;
}

}  // namespace

std::string why_none(const Problem& problem,
                     std::span<const Constraint> constraints,
                     bool free_order,
                     const std::function<bool()>& stop) {
    // 1. A smallest part of them that is too much already.
    std::vector<Constraint> fault(constraints.begin(), constraints.end());
    std::string note;
    if (fit_of(problem, fault, stop, note) != Fit::none) {
        return {};
    }
    for (std::size_t i = 0; i < fault.size();) {
        std::vector<Constraint> fewer = without(fault, i);
        if (std::string why; fit_of(problem, fewer, stop, why) == Fit::none) {
            fault = std::move(fewer);
            note = why;
        } else {
            ++i;
        }
    }
    if (fault.empty()) {
        return {};
    }

    // 2. One of its limits, if it has any, is what the others leave no room for.
    std::size_t head = 0;
    while (head < fault.size() && !std::holds_alternative<Limit>(fault[head].what) &&
           !std::holds_alternative<MemoryLimit>(fault[head].what)) {
        ++head;
    }
    const bool has_limit = head < fault.size();
    const std::vector<Constraint> others = has_limit ? without(fault, head) : fault;
    std::vector<std::string> words;
    for (const Constraint& other : others) {
        words.push_back(in_words(other));
    }
    const Limit* const limit = has_limit ? std::get_if<Limit>(&fault[head].what) : nullptr;
    const bool in_any_order = holds_in_any_order(problem, fault, limit, others);
    std::string text = fmt::format("no mapping{}", in_any_order ? "" : " in the static order");
    if (!has_limit) {
        text += fmt::format(" keeps to {}", fmt::join(words, " and "));
    } else {
        text += words.empty() ? "" : fmt::format(" with {}", fmt::join(words, " and "));
        text += fmt::format(" has {}", in_words(fault[head]));
    }

    // 3. The least there is of it.
    if (limit != nullptr) {
        const std::optional<Least> least = least_of(problem, *limit, others, free_order, stop);
        const auto kind = std::ranges::find(kKinds, limit->kind, &Kind::kind);
        if (least && least->value > static_cast<double>(limit->most) && kind != std::end(kKinds)) {
            text += fmt::format(": the least{} is {}",
                                least->is_proven ? "" : " that was found",
                                rounded_up(least->value, unit_of(fault[head].text, kind->units)));
        }
    } else if (has_limit && !note.empty()) {
        constexpr std::string_view kSaid = "no mapping fits; ";
        text += ": " + (note.starts_with(kSaid) ? note.substr(kSaid.size()) : note);
    }
    return text + (in_any_order || !free_order ? "" : "; in other orders none was found");
}

}  // namespace sim
