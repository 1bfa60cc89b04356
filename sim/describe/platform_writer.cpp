// A platform as YAML: what platform_reader.cpp reads back as an equal one. Start at `to_yaml`, at
// the end.

#include "sim/describe/platform.hpp"
#include "sim/describe/platform_keys.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace sim {
namespace {

// ---- Values. --------------------------------------------------------------------------------

// Picoseconds as microseconds, exactly: six digits, without trailing zeros.
std::string us(Time t) {
    const Time::rep size = std::abs(t.count());
    std::string text =
        fmt::format("{}{}.{:06}", t < Time{} ? "-" : "", size / 1'000'000, size % 1'000'000);
    text.erase(text.find_last_not_of('0') + 1);
    return text.ends_with('.') ? text + '0' : text;
}

// To the last digit.
std::string exactly(double value) { return fmt::format("{}", value); }

// Bytes in a second as GB/s. The reader multiplies by 10^9: the quotient, or a neighbour of it, is
// what gives the very rate.
std::string gb_per_s(BytesPerSecond bandwidth) {
    const double quotient = bandwidth.rate / 1e9;
    for (const double near : {quotient,
                              std::nextafter(quotient, 0.0),
                              std::nextafter(quotient, std::numeric_limits<double>::max())}) {
        if (near * 1e9 == bandwidth.rate) {
            return exactly(near);
        }
    }
    return exactly(quotient);
}

// ---- Lists and maps on one line: cut off anywhere, they are no YAML. ------------------------

// "[a, b]"
template <class T, class ToText>
std::string list(const std::vector<T>& items, ToText to_text) {
    std::string text = "[";
    for (const T& item : items) {
        text += fmt::format("{}{}", text.size() == 1 ? "" : ", ", to_text(item));
    }
    return text + "]";
}

std::string names(const std::vector<std::string>& items) { return list(items, yaml_text); }

std::string integers(const std::vector<int>& items) {
    return list(items, [](int i) { return i; });
}

// "{a: 1, b: 2}", put together key by key.
class Map {
public:
    Map& add(std::string_view key, const std::string& value) {
        text_ += fmt::format("{}{}: {}", text_.empty() ? "" : ", ", key, value);
        return *this;
    }
    Map& add(std::string_view key, std::int64_t value) {
        return add(key, fmt::format("{}", value));
    }
    Map& add_if(bool stated, std::string_view key, const std::string& value) {
        return stated ? add(key, value) : *this;
    }
    Map& add_if(bool stated, std::string_view key, std::int64_t value) {
        return stated ? add(key, value) : *this;
    }
    // Nothing where it is not stated.
    Map& add(std::string_view key, const Expression& expression) {
        return add_if(static_cast<bool>(expression), key, yaml_text(expression.text));
    }
    Map& add(const Measurement& m) {
        return add(keys::samples, m.samples)
            .add(keys::p05_us, us(m.p05))
            .add(keys::p50_us, us(m.p50))
            .add(keys::p95_us, us(m.p95));
    }
    Map& add_layouts(const std::string& in, const std::string& out) {
        return add_if(!in.empty() && in != kPackedLayout, keys::in_layout, yaml_text(in))
            .add_if(!out.empty() && out != kPackedLayout, keys::out_layout, yaml_text(out));
    }

    std::string text() const { return fmt::format("{{{}}}", text_); }

private:
    std::string text_;
};

// Of names that people gave.
template <class T, class ToText>
std::string map_of(const std::vector<std::pair<std::string, T>>& items, ToText to_text) {
    Map map;
    for (const auto& [name, value] : items) {
        map.add(yaml_text(name), fmt::format("{}", to_text(value)));
    }
    return map.text();
}

std::string expressions(const std::vector<std::pair<std::string, Expression>>& items) {
    return map_of(items, [](const Expression& e) { return yaml_text(e.text); });
}

// ---- Entries over several lines. ------------------------------------------------------------

std::string line(std::size_t indent, std::string_view key, const std::string& value) {
    return fmt::format("{:{}}{}: {}\n", "", indent, key, value);
}

std::string heading(std::size_t indent, std::string_view key) {
    return fmt::format("{:{}}{}:\n", "", indent, key);
}

std::string item(std::size_t indent, const std::string& value) {
    return fmt::format("{:{}}- {}\n", "", indent, value);
}

// The lines of a map as an item of a list; `text` is indented by two more than `indent`.
std::string as_item(std::size_t indent, std::string text) {
    text[indent] = '-';
    return text;
}

// A latency that was stated, not measured, and a bandwidth stay these.
std::string transfer(std::size_t indent, const TransferTable& table) {
    const bool has_bandwidth = table.bandwidth.rate > 0;
    const std::string bandwidth =
        has_bandwidth ? line(indent, keys::bandwidth_gb_per_s, gb_per_s(table.bandwidth)) : "";
    if (has_bandwidth && table.points.size() == 1 && table.points.front().time.samples == 0) {
        return line(indent, keys::latency_us, us(table.points.front().time.p50)) + bandwidth;
    }
    std::string text = bandwidth + heading(indent, keys::points);
    for (const TransferTable::Point& point : table.points) {
        text += item(indent + 2, Map{}.add(keys::bytes, point.size.count).add(point.time).text());
    }
    return text;
}

// ---- Memories, devices, links. --------------------------------------------------------------

std::string memory_yaml(const Memory& memory) {
    const bool whole = memory.capacity_kib % 1024 == 0;
    return item(
        2,
        Map{}
            .add(keys::name, yaml_text(memory.name))
            .add_if(memory.capacity_kib > 0,
                    whole ? keys::capacity_mib : keys::capacity_kib,
                    whole ? memory.capacity_kib / 1024 : memory.capacity_kib)
            .add_if(memory.synchronise > Time{}, keys::synchronise_us, us(memory.synchronise))
            .text());
}

std::string support(const SupportRule& rule) {
    return Map{}
        .add_if(!rule.operations.empty(), keys::operations, names(rule.operations))
        .add_if(!rule.kernels.empty(), keys::kernels, integers(rule.kernels))
        .add_if(!rule.strides.empty(), keys::strides, integers(rule.strides))
        .add_if(!rule.groups.empty(), keys::groups, integers(rule.groups))
        .add_if(!rule.weights.empty(), keys::weights, names(rule.weights))
        .add_if(!rule.activations.empty(), keys::activations, names(rule.activations))
        .add_if(
            rule.in_channels_multiple != 1, keys::in_channels_multiple, rule.in_channels_multiple)
        .add_if(rule.out_channels_multiple != 1,
                keys::out_channels_multiple,
                rule.out_channels_multiple)
        .add(keys::when, rule.when)
        .text();
}

std::string device_yaml(const Platform& platform, const Device& device) {
    std::string text = line(4, keys::name, yaml_text(device.name));
    text += line(4, keys::kind, yaml_text(device.kind));
    text += line(4, keys::memory, yaml_text(platform.memories[at(device.memory)].name));
    text += line(4, keys::asynchronous, device.asynchronous ? "true" : "false");
    if (device.asynchronous) {
        text += line(4, keys::submit_us, us(device.submit));
        text += line(4, keys::per_task_us, us(device.per_task));
        text += line(4, keys::completion_us, us(device.completion));
    }
    if (device.active_power_w) {
        text += line(4, keys::active_power_w, exactly(*device.active_power_w));
    }
    if (device.idle_power_w) {
        text += line(4, keys::idle_power_w, exactly(*device.idle_power_w));
    }
    if (!device.conversions.empty()) {
        text += heading(4, keys::conversions);
    }
    for (const Conversion& c : device.conversions) {
        text += as_item(
            6,
            line(8, keys::from, yaml_text(c.from)) + line(8, keys::to, yaml_text(c.to)) +
                (c.elements.empty() ? std::string{} : line(8, keys::elements, names(c.elements))) +
                transfer(8, c.time));
    }
    if (!device.handovers.empty()) {
        text += heading(4, keys::handovers);
    }
    for (const Handover& h : device.handovers) {
        text += as_item(6,
                        line(8, keys::from, fmt::format("{}", h.from)) +
                            line(8, keys::to, fmt::format("{}", h.to)) + transfer(8, h.time));
    }
    if (device.in_networks) {
        text += line(4,
                     keys::in_networks,
                     Map{}
                         .add(keys::work, exactly(device.in_networks->work))
                         .add(keys::task_us, us(device.in_networks->task))
                         .text());
    }
    if (!device.supports.empty()) {
        text += heading(4, keys::supports);
    }
    for (const SupportRule& rule : device.supports) {
        text += item(6, support(rule));
    }
    if (device.speed != 1) {
        text += line(4, keys::speed, exactly(device.speed));
    }
    if (!device.resources.empty()) {
        Map limits;
        for (const ResourceBudget& budget : device.resources) {
            limits.add(yaml_text(budget.name), budget.limit);
        }
        text += line(4, keys::resources, limits.text());
    }
    if (device.longest_stream > 0) {
        text += line(4, keys::longest_stream, fmt::format("{}", device.longest_stream));
    }
    if (device.reconfiguration) {
        text += line(4, keys::reconfiguration_us, us(*device.reconfiguration));
    }
    if (!device.contention.empty()) {
        text += line(4, keys::contention, map_of(device.contention, exactly));
    }
    if (!device.contention_of.empty()) {
        const auto factors = [](const auto& all) { return map_of(all, exactly); };
        text += line(4, keys::contention_of, map_of(device.contention_of, factors));
    }
    return as_item(2, text);
}

std::string link_yaml(const Platform& platform, const Link& link) {
    const auto memory = [&](int m) { return yaml_text(platform.memories[at(m)].name); };
    std::string text = line(4, keys::name, yaml_text(link.name)) +
                       line(4, keys::from, memory(link.from)) + line(4, keys::to, memory(link.to));
    if (!link.engine.empty()) {
        text += line(4, keys::engine, yaml_text(link.engine));
    }
    if (link.energy_pj_per_byte) {
        text += line(4, keys::energy_pj_per_byte, exactly(*link.energy_pj_per_byte));
    }
    if (link.element_bits > 0) {
        text += line(4, keys::element_bits, fmt::format("{}", link.element_bits));
    }
    text += heading(4, keys::modes);
    for (const TransferMode& mode : link.modes) {
        text += as_item(6, line(8, keys::name, yaml_text(mode.name)) + transfer(8, mode.time));
    }
    return as_item(2, text);
}

std::string bus_yaml(const Platform& platform, const Bus& bus) {
    const auto name = [&](int link) { return yaml_text(platform.links[at(link)].name); };
    return item(2,
                Map{}
                    .add(keys::name, yaml_text(bus.name))
                    .add(keys::links, list(bus.links, name))
                    .add(keys::bandwidth_gb_per_s, gb_per_s(bus.bandwidth))
                    .text());
}

std::string layout_yaml(const Layout& layout) {
    return item(
        2,
        Map{}
            .add(keys::name, yaml_text(layout.name))
            .add_if(layout.element.has_value(),
                    keys::element,
                    std::string{name_of(layout.element.value_or(Element::u8))})
            .add_if(
                layout.channels_multiple != 1, keys::channels_multiple, layout.channels_multiple)
            .text());
}

// ---- Costs. ---------------------------------------------------------------------------------

std::string device_name(const Platform& platform, int device) {
    return yaml_text(platform.devices[at(device)].name);
}

std::string measured_yaml(const Platform& platform, const MeasuredCost& c) {
    Map map;
    map.add_if(c.layer_names.empty(), keys::layers, yaml_text(c.layers))
        .add_if(!c.layer_names.empty(), keys::layer_names, names(c.layer_names))
        .add(keys::batch, c.batch)
        .add(keys::device, device_name(platform, c.device))
        .add(keys::variant, yaml_text(c.variant))
        .add(keys::configuration, yaml_text(c.configuration))
        .add_layouts(c.in_layout, c.out_layout)
        .add_if(!c.results.empty(), keys::results, integers(c.results));
    if (c.time.samples > 0) {
        map.add(c.time);
    } else {
        map.add(keys::time_us, us(c.time.p50));
    }
    return item(2, map.text());
}

std::string absences(const std::vector<FittedCost::Absence>& absent) {
    std::string text;
    for (const FittedCost::Absence& a : absent) {
        text += fmt::format("{}{}",
                            text.empty() ? "" : ", ",
                            Map{}
                                .add(keys::layers, yaml_text(a.layers))
                                .add(keys::batches, fmt::format("[{}, {}]", a.from, a.to))
                                .text());
    }
    return "[" + text + "]";
}

std::string fitted_yaml(const Platform& platform, const FittedCost& f) {
    return item(
        2,
        Map{}
            .add(keys::pattern, yaml_text(f.pattern))
            .add(keys::device, device_name(platform, f.device))
            .add(keys::variant, yaml_text(f.variant))
            .add(keys::configuration, yaml_text(f.configuration))
            .add_layouts(f.in_layout, f.out_layout)
            .add_if(!f.results.empty(), keys::results, integers(f.results))
            .add(keys::constant_us, exactly(f.constant_us))
            .add(keys::us_per_million_macs, exactly(f.us_per_million_macs))
            .add(keys::us_per_kib_read, exactly(f.us_per_kib_read))
            .add(keys::us_per_kib_written, exactly(f.us_per_kib_written))
            .add(keys::us_per_thousand_tiles, exactly(f.us_per_thousand_tiles))
            .add(keys::smallest_batch, f.smallest_batch)
            .add(keys::smallest_height, f.smallest_height)
            .add(keys::smallest_channels, f.smallest_channels)
            .add_if(f.largest_batch > 0, keys::largest_batch, fmt::to_string(f.largest_batch))
            .add_if(!f.absent.empty(), keys::absent, absences(f.absent))
            .add(keys::samples, f.samples)
            .add(keys::median_error_percent, exactly(f.median_error_percent))
            .add(keys::p90_error_percent, exactly(f.p90_error_percent))
            .text());
}

std::string formula_yaml(const Platform& platform, const FormulaCost& f) {
    return item(2,
                Map{}
                    .add(keys::device, device_name(platform, f.device))
                    .add(keys::operations, names(f.operations))
                    .add(keys::variant, yaml_text(f.variant))
                    .add(keys::configuration, yaml_text(f.configuration))
                    .add_layouts(f.in_layout, f.out_layout)
                    .add_if(!f.precision.empty(), keys::precision, yaml_text(f.precision))
                    .add(keys::when, f.when)
                    .add_if(!f.let.empty(), keys::let, expressions(f.let))
                    .add(keys::time_us, f.time_us)
                    .add(keys::cycles, f.cycles)
                    .add_if(f.clock_mhz > 0, keys::clock_mhz, exactly(f.clock_mhz))
                    .add(keys::energy_uj, f.energy_uj)
                    .add(keys::fill_us, f.fill_us)
                    .add(keys::fill_cycles, f.fill_cycles)
                    .add_if(!f.resources.empty(), keys::resources, expressions(f.resources))
                    .add_if(f.shares, keys::shares, "true")
                    .text());
}

std::string split_yaml(const Platform& platform, const SplitRule& rule) {
    const auto name = [&](int device) { return device_name(platform, device); };
    return item(2,
                Map{}
                    .add(keys::devices, list(rule.devices, name))
                    .add(keys::operations, names(rule.operations))
                    .add(keys::by, std::string{keys::kBy[static_cast<std::size_t>(rule.by)]})
                    .add_if(rule.step != 1, keys::step, rule.step)
                    .add(keys::join, rule.join)
                    .add(keys::reduction_us, rule.reduction_us)
                    .text());
}

// ---- The file. ------------------------------------------------------------------------------

std::string counts_text(const Platform& platform) {
    const auto count = [](const auto& items) { return static_cast<std::int64_t>(items.size()); };
    return Map{}
        .add(keys::costs, count(platform.measured))
        .add(keys::fits, count(platform.fitted))
        .add_if(!platform.formulas.empty(), keys::formulas, count(platform.formulas))
        .add_if(!platform.splits.empty(), keys::splits, count(platform.splits))
        .text();
}

// The key and an entry for each, or nothing where there are none.
template <class T, class ToText>
std::string section(std::string_view key, const std::vector<T>& items, ToText to_text) {
    std::string text = items.empty() ? std::string{} : heading(0, key);
    for (const T& one : items) {
        text += to_text(one);
    }
    return text;
}

// The same of entries that name other parts of the platform.
template <class T>
std::string section(std::string_view key,
                    const Platform& platform,
                    const std::vector<T>& items,
                    std::string (*to_text)(const Platform&, const T&)) {
    return section(key, items, [&](const T& one) { return to_text(platform, one); });
}

}  // namespace

std::string to_yaml(const Platform& platform) {
    // The counts come first: wherever a file is cut off, they tell.
    std::string text = line(0, keys::hetmap, std::string{keys::kFormat}) +
                       line(0, keys::name, yaml_text(platform.name)) +
                       line(0, keys::counts, counts_text(platform));
    text += section(keys::provenance, platform.provenance, [](const auto& entry) {
        return line(2, yaml_text(entry.first), yaml_text(entry.second));
    });
    text += section(keys::warnings, platform.warnings, [](const std::string& warning) {
        return item(2, yaml_text(warning));
    });
    text += section(keys::memories, platform.memories, memory_yaml);
    text += section(keys::devices, platform, platform.devices, device_yaml);
    text += section(keys::links, platform, platform.links, link_yaml);
    text += section(keys::buses, platform, platform.buses, bus_yaml);
    text += section(keys::layouts, platform.layouts, layout_yaml);
    if (platform.base_power_w) {
        text += line(0, keys::base_power_w, exactly(*platform.base_power_w));
    }
    if (!platform.host_copy.points.empty()) {
        text += heading(0, keys::host_copy) + transfer(2, platform.host_copy);
    }
    text += section(keys::measurements, platform.measurements, [](const auto& entry) {
        return item(2, Map{}.add(keys::name, yaml_text(entry.first)).add(entry.second).text());
    });
    text += section(keys::trials, platform.trials, [](const Trials& trials) {
        return item(2,
                    Map{}
                        .add(keys::model, yaml_text(trials.model))
                        .add(keys::batch, trials.batch)
                        .add_if(trials.host_alone, keys::host_alone, "true")
                        .add(keys::samples, trials.samples)
                        .add(keys::p05, exactly(trials.p05))
                        .add(keys::p50, exactly(trials.p50))
                        .add(keys::p95, exactly(trials.p95))
                        .text());
    });
    text += platform.measured.empty()
                ? line(0, keys::costs, "[]")
                : section(keys::costs, platform, platform.measured, measured_yaml);
    text += section(keys::fits, platform, platform.fitted, fitted_yaml);
    text += section(keys::formulas, platform, platform.formulas, formula_yaml);
    text += section(keys::splits, platform, platform.splits, split_yaml);
    return text;
}

}  // namespace sim
