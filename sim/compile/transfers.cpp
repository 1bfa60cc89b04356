#include "sim/compile/transfers.hpp"

#include "sim/compile/costs.hpp"
#include "sim/compile/formula_costs.hpp"
#include "sim/compile/teams.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace sim {
namespace {

constexpr std::string_view kFirst = "first", kFastest = "fastest";

std::vector<std::string> mode_names_of(const Platform& platform) {
    std::vector<std::string> names;
    for (const Link& link : platform.links) {
        for (const TransferMode& mode : link.modes) {
            if (std::ranges::find(names, mode.name) == names.end()) {
                names.push_back(mode.name);
            }
        }
    }
    return names;
}

int index_of(const std::vector<std::string>& names, const std::string& name) {
    return static_cast<int>(std::ranges::find(names, name) - names.begin());
}

// The time before the bytes flow: what no bytes take. A table that begins higher says no more than
// that they take no longer than its first point.
void set_copy(Problem& problem, std::size_t place, const TransferMode& mode) {
    const Time time = mode.time.time({problem.copy_bytes[place]});
    problem.copy_times[place] = time;
    problem.copy_latencies[place] = std::min(time, mode.time.time({}));
    problem.copy_modes[place] = index_of(problem.mode_names, mode.name);
}

// ---- 1. Links, engines, buses. --------------------------------------------------------------

void add_links(Problem& problem, const Platform& platform) {
    const int memories = problem.memories;
    Engines engines = engines_of(platform);
    problem.engine.assign(problem.pair_place(memories, 0), -1);
    for (std::size_t i = 0; i < platform.links.size(); ++i) {
        const Link& link = platform.links[i];
        problem.link_names.push_back(link.name);
        problem.engine[problem.pair_place(link.from, link.to)] = engines.of_link[i];
    }
    problem.engine_names = std::move(engines.names);
    problem.engines = static_cast<int>(problem.engine_names.size());
    problem.mode_names = mode_names_of(platform);
    if (platform.buses.empty()) {
        return;
    }
    problem.bus.assign(problem.engine.size(), -1);
    for (std::size_t i = 0; i < platform.buses.size(); ++i) {
        const Bus& bus = platform.buses[i];
        problem.buses.push_back({.name = bus.name, .bandwidth = bus.bandwidth});
        for (const int index : bus.links) {
            const Link& link = platform.links[at(index)];
            problem.bus[problem.pair_place(link.from, link.to)] = static_cast<int>(i);
        }
    }
}

// ---- 2. Copies. -----------------------------------------------------------------------------

void add_copies(Problem& problem,
                const Platform& platform,
                const std::string& modes,
                int tensor,
                const TensorShape& shape) {
    for (int layout = 0; layout < problem.layouts; ++layout) {
        const std::string& name = problem.layout_names[at(problem.bits_of(layout))];
        for (int memory = 0; memory < problem.memories; ++memory) {
            problem.copy_times[problem.copy_place(tensor, layout, memory, memory)] = Time{};
        }
        for (const Link& link : platform.links) {
            const std::size_t place = problem.copy_place(tensor, layout, link.from, link.to);
            const Bytes size = bytes_on(platform, link, shape, name, problem.batch);
            problem.copy_bytes[place] = size.count;
            problem.copy_energies[place] = energy_on(link, size);
            set_copy(problem, place, mode_for(link, size, modes));
        }
    }
}

// ---- 3. Conversions. A conversion is known by the bytes of the packed tensor. ----------------

// To another team, and to another order of bits if need be.
void add_handovers(Problem& problem, const Device& its, int device, int tensor) {
    for (int from = 0; from < problem.layouts; ++from) {
        for (int to = 0; to < problem.layouts; ++to) {
            const int bits = problem.bits_of(from), wanted = problem.bits_of(to);
            const std::size_t other = problem.conversion_place(tensor, device, bits, wanted);
            if (from == to || problem.convert_times[other] >= kNever) {
                continue;
            }
            const Time moved =
                handover(its,
                         problem.teams[at(from)],
                         problem.teams[at(to)],
                         Bytes{problem.tensor_bytes[problem.tensor_place(tensor, bits)]});
            const std::size_t place = problem.conversion_place(tensor, device, from, to);
            problem.convert_times[place] = std::min(
                kNever,
                problem.convert_times[other] + shortened(moved, problem.alone_factor(0, device)));
            problem.convert_energies[place] =
                problem.convert_energies[other] +
                (moved < kNever ? drawn_above_idle(its, moved) : Energy{});
        }
    }
}

void add_conversions(Problem& problem,
                     const Platform& platform,
                     int tensor,
                     const TensorShape& shape) {
    const int layouts = problem.layouts;
    const int devices = static_cast<int>(problem.devices.size());
    const Bytes packed{problem.batch * tensor_bytes(shape)};
    for (int device = 0; device < devices; ++device) {
        const auto place = [&](int from, int to) {
            return problem.conversion_place(tensor, device, from, to);
        };
        for (int from = 0; from < layouts; ++from) {
            for (int to = 0; to < layouts; ++to) {
                if (problem.bits_of(from) == problem.bits_of(to)) {
                    problem.convert_times[place(from, to)] = Time{};
                }
            }
        }
        if (at(device) >= platform.devices.size()) {
            continue;  // a place
        }
        for (const Conversion& conversion : platform.devices[at(device)].conversions) {
            const std::vector<std::string>& elements = conversion.elements;
            if (!elements.empty() &&
                std::ranges::find(elements, name_of(shape.element)) == elements.end()) {
                continue;
            }
            const int from = index_of(problem.layout_names, conversion.from);
            const int to = index_of(problem.layout_names, conversion.to);
            if (from < layouts && to < layouts) {
                const Device& its = platform.devices[at(device)];
                const Time time = at_speed(conversion.time.time(packed), its.speed);
                problem.convert_times[place(from, to)] =
                    shortened(time, problem.alone_factor(0, device));
                problem.convert_energies[place(from, to)] =
                    time < kNever ? drawn_above_idle(its, time) : Energy{};
            }
        }
        if (!problem.teams.empty()) {
            add_handovers(problem, platform.devices[at(device)], device, tensor);
        }
    }
}

}  // namespace

Engines engines_of(const Platform& platform) {
    Engines engines;
    std::map<std::string, int> shared;
    for (const Link& link : platform.links) {
        const int next = static_cast<int>(engines.names.size());
        const int engine =
            link.engine.empty() ? next : shared.emplace(link.engine, next).first->second;
        if (engine == next) {
            engines.names.push_back(link.engine.empty() ? link.name : link.engine);
        }
        engines.of_link.push_back(engine);
    }
    return engines;
}

void expect_transfer_modes(const Platform& platform, const std::string& modes) {
    const std::vector<std::string> names = mode_names_of(platform);
    if (modes != kFirst && modes != kFastest && std::ranges::find(names, modes) == names.end()) {
        throw InputError{fmt::format("platform {}: no transfer mode '{}'; there are: {}, {}{}{}",
                                     platform.name,
                                     modes,
                                     kFirst,
                                     kFastest,
                                     names.empty() ? "" : ", ",
                                     fmt::join(names, ", "))};
    }
}

const TransferMode& mode_for(const Link& link, Bytes size, std::string_view modes) {
    if (modes == kFastest) {
        // A link's energy is the same in every mode.
        return *std::ranges::min_element(
            link.modes, {}, [&](const TransferMode& mode) { return mode.time.time(size); });
    }
    const auto named = std::ranges::find(link.modes, modes, &TransferMode::name);
    return modes == kFirst || named == link.modes.end() ? link.modes.front() : *named;
}

Bytes bytes_on(const Platform& platform,
               const Link& link,
               const TensorShape& shape,
               std::string_view layout,
               int batch) {
    return {link.element_bits == 0 ? batch * bytes_in_layout(platform, shape, layout)
                                   : (batch * shape.elements() * link.element_bits + 7) / 8};
}

Energy energy_on(const Link& link, Bytes size) {
    return {
        whole_number(link.energy_pj_per_byte.value_or(0) * 1e3 * static_cast<double>(size.count))};
}

int find_link(const Platform& platform, int from, int to) {
    for (std::size_t i = 0; i < platform.links.size(); ++i) {
        if (platform.links[i].from == from && platform.links[i].to == to) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

void add_transfers(Problem& problem,
                   const Model& model,
                   const Platform& platform,
                   const std::string& modes) {
    add_links(problem, platform);
    const int tensors = problem.layers();
    const std::size_t copies = problem.copy_place(tensors, 0, 0, 0);
    problem.copy_times.assign(copies, kNever);
    problem.copy_latencies.assign(copies, Time{});
    problem.copy_bytes.assign(copies, 0);
    problem.copy_energies.assign(copies, Energy{});
    problem.copy_modes.assign(copies, -1);
    const std::size_t conversions = problem.conversion_place(tensors, 0, 0, 0);
    problem.convert_times.assign(conversions, kNever);
    problem.convert_energies.assign(conversions, Energy{});
    for (int tensor = 0; tensor < tensors; ++tensor) {
        const int layer = problem.model_layer[at(tensor)];
        const TensorShape shape =
            layer < 0 ? TensorShape{1, 1, 1, Element::u8} : model.layers[at(layer)].output;
        for (int layout = 0; layout < problem.layouts; ++layout) {
            const std::string& name = problem.layout_names[at(problem.bits_of(layout))];
            // The last layer's result has no reader.
            problem.tensor_bytes.push_back(
                layer < 0 ? 0 : problem.batch * bytes_in_layout(platform, shape, name));
        }
        add_copies(problem, platform, modes, tensor, shape);
        add_conversions(problem, platform, tensor, shape);
    }
}

void set_handovers(Problem& problem, int device, std::vector<Handover> handovers) {
    if (problem.teams.empty()) {
        return;
    }
    Device its;
    its.handovers = std::move(handovers);
    for (int tensor = 0; tensor < problem.layers(); ++tensor) {
        add_handovers(problem, its, device, tensor);
    }
}

void set_transfer_mode(Problem& problem,
                       const Platform& platform,
                       int tensor,
                       int from,
                       int to,
                       const std::string& mode,
                       const SourcePosition& where) {
    const int index = find_link(platform, from, to);
    if (index < 0) {
        throw input_error(where,
                          fmt::format("platform '{}' has no link from memory '{}' to '{}'",
                                      problem.platform,
                                      problem.memory_names[at(from)],
                                      problem.memory_names[at(to)]));
    }
    const Link& link = platform.links[at(index)];
    const auto found = std::ranges::find(link.modes, mode, &TransferMode::name);
    if (found == link.modes.end()) {
        std::vector<std::string_view> names;
        for (const TransferMode& there : link.modes) {
            names.push_back(there.name);
        }
        throw input_error(where,
                          fmt::format("mode: link '{}' has no mode '{}'; there are: {}",
                                      link.name,
                                      mode,
                                      fmt::join(names, ", ")));
    }
    for (int layout = 0; layout < problem.layouts; ++layout) {
        set_copy(problem, problem.copy_place(tensor, layout, from, to), *found);
    }
}

}  // namespace sim
