#include "calibrate/profile_writer.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <string_view>
#include <unistd.h>

namespace calibrate {
namespace {

// A double-quoted YAML scalar.
std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    return out + '"';
}

// Picoseconds as microseconds, exactly: six digits, without trailing zeros.
std::string us(sim::Time t) {
    std::string text = fmt::format("{}.{:06}", t.count() / 1'000'000, t.count() % 1'000'000);
    text.erase(text.find_last_not_of('0') + 1);
    return text.ends_with('.') ? text + '0' : text;
}

std::string measurement(const sim::Measurement& m) {
    return fmt::format("samples: {}, p05_us: {}, p50_us: {}, p95_us: {}",
                       m.samples,
                       us(m.p05),
                       us(m.p50),
                       us(m.p95));
}

std::string points(const sim::TransferTable& table, const std::string& indent) {
    std::string text;
    for (const sim::TransferTable::Point& p : table.points) {
        text += fmt::format("\n{}- {{bytes: {}, {}}}", indent, p.size.count, measurement(p.time));
    }
    return text;
}

// Bytes in a second as GB/s. The loader multiplies by 10^9: the quotient, or a neighbour of it, is
// what gives the very rate.
std::string gb_per_s(sim::BytesPerSecond bandwidth) {
    const double quotient = bandwidth.rate / 1e9;
    for (const double near : {quotient,
                              std::nextafter(quotient, 0.0),
                              std::nextafter(quotient, std::numeric_limits<double>::max())}) {
        if (near * 1e9 == bandwidth.rate) {
            return fmt::format("{}", near);
        }
    }
    return fmt::format("{}", quotient);
}

// A hand-written affine table (a latency that nobody measured and a bandwidth) stays one.
std::string transfer(const sim::TransferTable& table, const std::string& indent) {
    const bool has_bandwidth = table.bandwidth.rate > 0;
    const std::string bandwidth =
        has_bandwidth ? fmt::format("\n{}bandwidth_gb_per_s: {}", indent, gb_per_s(table.bandwidth))
                      : "";
    if (has_bandwidth && table.points.size() == 1 && table.points.front().time.samples == 0) {
        return fmt::format(
            "\n{}latency_us: {}{}", indent, us(table.points.front().time.p50), bandwidth);
    }
    return fmt::format("{}\n{}points:{}", bandwidth, indent, points(table, indent + "  "));
}

std::string layouts(const std::string& in, const std::string& out) {
    const auto one = [](const char* key, const std::string& layout) {
        return layout.empty() || layout == "nhwc" ? ""
                                                  : fmt::format(", {}: {}", key, quoted(layout));
    };
    return one("in_layout", in) + one("out_layout", out);
}

std::string number(double value) { return fmt::format("{:.9g}", value); }

// What somebody wrote, to the last digit.
std::string exactly(double value) { return fmt::format("{}", value); }

// ---- Lists and maps on one line: cut off anywhere, they are no YAML. ------------------------

// ", key: value", or nothing.
template <class T>
std::string with_key(std::string_view key, const T& value, bool stated) {
    return stated ? fmt::format(", {}: {}", key, value) : "";
}

std::string with_key(std::string_view key, const sim::Expression& expression) {
    return with_key(key, quoted(expression.text), static_cast<bool>(expression));
}

// "[a, b]"
template <class T, class ToText>
std::string list(const std::vector<T>& items, ToText to_text) {
    std::string text = "[";
    for (const T& item : items) {
        text += fmt::format("{}{}", text.size() == 1 ? "" : ", ", to_text(item));
    }
    return text + "]";
}

std::string names(const std::vector<std::string>& items) { return list(items, quoted); }

std::string integers(const std::vector<int>& items) {
    return list(items, [](int i) { return i; });
}

// "{a: 1, b: 2}"
template <class T, class ToText>
std::string map(const std::vector<std::pair<std::string, T>>& items, ToText to_text) {
    std::string text = "{";
    for (const auto& [key, value] : items) {
        text += fmt::format("{}{}: {}", text.size() == 1 ? "" : ", ", quoted(key), to_text(value));
    }
    return text + "}";
}

std::string expressions(const std::vector<std::pair<std::string, sim::Expression>>& items) {
    return map(items, [](const sim::Expression& e) { return quoted(e.text); });
}

// What with_key() put together, as a map.
std::string braced(const std::string& text) {
    return text.empty() ? "{}" : fmt::format("{{{}}}", text.substr(2));
}

std::string support(const sim::SupportRule& rule) {
    return braced(
        with_key("operations", names(rule.operations), !rule.operations.empty()) +
        with_key("kernels", integers(rule.kernels), !rule.kernels.empty()) +
        with_key("strides", integers(rule.strides), !rule.strides.empty()) +
        with_key("groups", integers(rule.groups), !rule.groups.empty()) +
        with_key("weights", names(rule.weights), !rule.weights.empty()) +
        with_key("activations", names(rule.activations), !rule.activations.empty()) +
        with_key(
            "in_channels_multiple", rule.in_channels_multiple, rule.in_channels_multiple != 1) +
        with_key(
            "out_channels_multiple", rule.out_channels_multiple, rule.out_channels_multiple != 1) +
        with_key("when", rule.when));
}

std::string memory_yaml(const sim::Memory& memory) {
    const bool whole = memory.capacity_kib % 1024 == 0;
    return fmt::format(
        "  - {{name: {}{}{}}}\n",
        quoted(memory.name),
        with_key(whole ? "capacity_mib" : "capacity_kib",
                 whole ? memory.capacity_kib / 1024 : memory.capacity_kib,
                 memory.capacity_kib > 0),
        with_key("synchronise_us", us(memory.synchronise), memory.synchronise > sim::Time::zero()));
}

std::string device_yaml(const sim::Platform& platform, const sim::Device& device) {
    std::string text =
        fmt::format("  - name: {}\n    kind: {}\n    memory: {}\n    asynchronous: {}\n",
                    quoted(device.name),
                    quoted(device.kind),
                    quoted(platform.memories[static_cast<std::size_t>(device.memory)].name),
                    device.asynchronous);
    if (device.asynchronous) {
        text += fmt::format("    submit_us: {}\n    per_task_us: {}\n    completion_us: {}\n",
                            us(device.submit),
                            us(device.per_task),
                            us(device.completion));
    }
    if (device.active_power_w) {
        text += fmt::format("    active_power_w: {}\n", exactly(*device.active_power_w));
    }
    if (device.idle_power_w) {
        text += fmt::format("    idle_power_w: {}\n", exactly(*device.idle_power_w));
    }
    if (!device.conversions.empty()) {
        text += "    conversions:\n";
        for (const sim::Conversion& c : device.conversions) {
            text += fmt::format("      - from: {}\n        to: {}{}\n",
                                quoted(c.from),
                                quoted(c.to),
                                transfer(c.time, "        "));
        }
    }
    if (!device.supports.empty()) {
        text += "    supports:\n";
        for (const sim::SupportRule& rule : device.supports) {
            text += fmt::format("      - {}\n", support(rule));
        }
    }
    if (!device.resources.empty()) {
        std::vector<std::pair<std::string, std::int64_t>> limits;
        for (const sim::ResourceBudget& budget : device.resources) {
            limits.emplace_back(budget.name, budget.limit);
        }
        text += fmt::format("    resources: {}\n", map(limits, [](auto limit) { return limit; }));
    }
    if (device.longest_stream > 0) {
        text += fmt::format("    longest_stream: {}\n", device.longest_stream);
    }
    if (device.reconfiguration) {
        text += fmt::format("    reconfiguration_us: {}\n", us(*device.reconfiguration));
    }
    if (!device.contention.empty()) {
        text += fmt::format("    contention: {}\n", map(device.contention, exactly));
    }
    return text;
}

std::string link_yaml(const sim::Platform& platform, const sim::Link& link) {
    const auto memory = [&](int m) {
        return quoted(platform.memories[static_cast<std::size_t>(m)].name);
    };
    std::string text = fmt::format("  - name: {}\n    from: {}\n    to: {}\n",
                                   quoted(link.name),
                                   memory(link.from),
                                   memory(link.to));
    if (!link.engine.empty()) {
        text += fmt::format("    engine: {}\n", quoted(link.engine));
    }
    if (link.energy_pj_per_byte) {
        text += fmt::format("    energy_pj_per_byte: {}\n", exactly(*link.energy_pj_per_byte));
    }
    if (link.element_bits > 0) {
        text += fmt::format("    element_bits: {}\n", link.element_bits);
    }
    text += "    modes:\n";
    for (const sim::TransferMode& mode : link.modes) {
        text +=
            fmt::format("      - name: {}{}\n", quoted(mode.name), transfer(mode.time, "        "));
    }
    return text;
}

std::string device_name(const sim::Platform& platform, int device) {
    return quoted(platform.devices[static_cast<std::size_t>(device)].name);
}

std::string bus_yaml(const sim::Platform& platform, const sim::Bus& bus) {
    const auto name = [&](int link) {
        return quoted(platform.links[static_cast<std::size_t>(link)].name);
    };
    return fmt::format("  - {{name: {}, links: {}, bandwidth_gb_per_s: {}}}\n",
                       quoted(bus.name),
                       list(bus.links, name),
                       gb_per_s(bus.bandwidth));
}

std::string formula_yaml(const sim::Platform& platform, const sim::FormulaCost& f) {
    return fmt::format(
        "  - {{device: {}, operations: {}, variant: {}, configuration: {}{}{}{}{}{}{}}}\n",
        device_name(platform, f.device),
        names(f.operations),
        quoted(f.variant),
        quoted(f.configuration),
        layouts(f.in_layout, f.out_layout),
        with_key("precision", quoted(f.precision), !f.precision.empty()) +
            with_key("when", f.when) + with_key("let", expressions(f.let), !f.let.empty()),
        with_key("time_us", f.time_us) + with_key("cycles", f.cycles) +
            with_key("clock_mhz", exactly(f.clock_mhz), f.clock_mhz > 0),
        with_key("energy_uj", f.energy_uj),
        with_key("fill_us", f.fill_us) + with_key("fill_cycles", f.fill_cycles),
        with_key("resources", expressions(f.resources), !f.resources.empty()) +
            with_key("shares", f.shares, f.shares));
}

std::string split_yaml(const sim::Platform& platform, const sim::SplitRule& rule) {
    const auto name = [&](int device) { return device_name(platform, device); };
    return fmt::format(
        "  - {{devices: {}, operations: {}, by: {}{}{}{}}}\n",
        list(rule.devices, name),
        names(rule.operations),
        rule.by == sim::SplitRule::By::output_channels ? "output_channels" : "input_channels",
        with_key("step", rule.step, rule.step != 1),
        with_key("join", rule.join),
        with_key("reduction_us", rule.reduction_us));
}

}  // namespace

std::string to_yaml(const sim::Platform& platform) {
    // The counts come first: wherever a file is cut off, they tell.
    std::string text =
        fmt::format("hetmap: platform/1\nname: {}\ncounts: {{costs: {}, fits: {}{}{}}}\n",
                    quoted(platform.name),
                    platform.measured.size(),
                    platform.fitted.size(),
                    with_key("formulas", platform.formulas.size(), !platform.formulas.empty()),
                    with_key("splits", platform.splits.size(), !platform.splits.empty()));
    if (!platform.provenance.empty()) {
        text += "provenance:\n";
        for (const auto& [key, value] : platform.provenance) {
            text += fmt::format("  {}: {}\n", key, quoted(value));
        }
    }
    if (!platform.warnings.empty()) {
        text += "warnings:\n";
        for (const std::string& warning : platform.warnings) {
            text += fmt::format("  - {}\n", quoted(warning));
        }
    }
    text += "memories:\n";
    for (const sim::Memory& memory : platform.memories) {
        text += memory_yaml(memory);
    }
    text += "devices:\n";
    for (const sim::Device& device : platform.devices) {
        text += device_yaml(platform, device);
    }
    if (!platform.links.empty()) {
        text += "links:\n";
        for (const sim::Link& link : platform.links) {
            text += link_yaml(platform, link);
        }
    }
    if (!platform.buses.empty()) {
        text += "buses:\n";
        for (const sim::Bus& bus : platform.buses) {
            text += bus_yaml(platform, bus);
        }
    }
    if (platform.base_power_w) {
        text += fmt::format("base_power_w: {}\n", exactly(*platform.base_power_w));
    }
    if (!platform.host_copy.points.empty()) {
        text += fmt::format("host_copy:{}\n", transfer(platform.host_copy, "  "));
    }
    if (!platform.measurements.empty()) {
        text += "measurements:\n";
        for (const auto& [name, m] : platform.measurements) {
            text += fmt::format("  - {{name: {}, {}}}\n", name, measurement(m));
        }
    }
    if (platform.measured.empty()) {
        text += "costs: []\n";
    } else {
        text += "costs:\n";
        for (const sim::MeasuredCost& c : platform.measured) {
            text += fmt::format(
                "  - {{layers: {}, batch: {}, device: {}, variant: {}, configuration: {}{}, {}}}\n",
                quoted(c.layers),
                c.batch,
                device_name(platform, c.device),
                quoted(c.variant),
                quoted(c.configuration),
                layouts(c.in_layout, c.out_layout),
                c.time.samples > 0 ? measurement(c.time)
                                   : fmt::format("time_us: {}", us(c.time.p50)));
        }
    }
    if (!platform.fitted.empty()) {
        text += "fits:\n";
        for (const sim::FittedCost& f : platform.fitted) {
            text += fmt::format(
                "  - {{pattern: {}, device: {}, variant: {}, configuration: {}{}, constant_us: {}, "
                "us_per_million_macs: {}, us_per_kib_read: {}, us_per_kib_written: {}, "
                "us_per_thousand_tiles: {}, smallest_batch: {}, smallest_height: {}, "
                "smallest_channels: {}, samples: {}, median_error_percent: {:.2f}, "
                "p90_error_percent: {:.2f}}}\n",
                quoted(f.pattern),
                device_name(platform, f.device),
                quoted(f.variant),
                quoted(f.configuration),
                layouts(f.in_layout, f.out_layout),
                number(f.constant_us),
                number(f.us_per_million_macs),
                number(f.us_per_kib_read),
                number(f.us_per_kib_written),
                number(f.us_per_thousand_tiles),
                f.smallest_batch,
                f.smallest_height,
                f.smallest_channels,
                f.samples,
                f.median_error_percent,
                f.p90_error_percent);
        }
    }
    if (!platform.formulas.empty()) {
        text += "formulas:\n";
        for (const sim::FormulaCost& f : platform.formulas) {
            text += formula_yaml(platform, f);
        }
    }
    if (!platform.splits.empty()) {
        text += "splits:\n";
        for (const sim::SplitRule& rule : platform.splits) {
            text += split_yaml(platform, rule);
        }
    }
    return text;
}

void write_file(const std::filesystem::path& path, const std::string& text) {
    const std::filesystem::path temporary{path.string() + fmt::format(".{}.part", getpid())};
    const auto fail = [&](const char* what) {
        const std::string why = std::strerror(errno);
        std::error_code ignored;
        std::filesystem::remove(temporary, ignored);
        throw sim::InputError{fmt::format("cannot {} '{}': {}", what, path.string(), why)};
    };
    errno = 0;
    {
        std::ofstream file{temporary, std::ios::binary};
        if (!file.write(text.data(), static_cast<std::streamsize>(text.size())).flush()) {
            fail("write");
        }
    }
    if (std::rename(temporary.c_str(), path.c_str()) != 0) {
        fail("replace");
    }
}

void check_writable(const std::filesystem::path& path) {
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    if (!std::filesystem::is_directory(folder)) {
        throw sim::InputError{fmt::format(
            "cannot write '{}': there is no folder '{}'", path.string(), folder.string())};
    }
    if (std::filesystem::is_directory(path)) {
        throw sim::InputError{fmt::format("cannot write '{}': it is a folder", path.string())};
    }
    if (access(folder.c_str(), W_OK) != 0) {
        throw sim::InputError{
            fmt::format("cannot write '{}': {}", path.string(), std::strerror(errno))};
    }
}

}  // namespace calibrate
