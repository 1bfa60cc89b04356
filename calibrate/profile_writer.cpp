#include "calibrate/profile_writer.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
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

// A hand-written affine table (one point at 0 bytes and a bandwidth) stays one.
std::string transfer(const sim::TransferTable& table, const std::string& indent) {
    if (table.points.size() == 1 && table.bandwidth.rate > 0) {
        return fmt::format("\n{}latency_us: {}\n{}bandwidth_gb_per_s: {}",
                           indent,
                           us(table.points.front().time.p50),
                           indent,
                           table.bandwidth.rate / 1e9);
    }
    return fmt::format("\n{}points:{}", indent, points(table, indent + "  "));
}

std::string layouts(const std::string& in, const std::string& out) {
    const auto one = [](const char* key, const std::string& layout) {
        return layout.empty() || layout == "nhwc" ? ""
                                                  : fmt::format(", {}: {}", key, quoted(layout));
    };
    return one("in_layout", in) + one("out_layout", out);
}

std::string number(double value) { return fmt::format("{:.9g}", value); }

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
        text += fmt::format("    active_power_w: {}\n", number(*device.active_power_w));
    }
    if (device.idle_power_w) {
        text += fmt::format("    idle_power_w: {}\n", number(*device.idle_power_w));
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
    text += "    modes:\n";
    for (const sim::TransferMode& mode : link.modes) {
        text +=
            fmt::format("      - name: {}{}\n", quoted(mode.name), transfer(mode.time, "        "));
    }
    return text;
}

}  // namespace

std::string to_yaml(const sim::Platform& platform) {
    // The counts come first: wherever a file is cut off, they tell.
    std::string text =
        fmt::format("hetmap: platform/1\nname: {}\ncounts: {{costs: {}, fits: {}}}\n",
                    quoted(platform.name),
                    platform.measured.size(),
                    platform.fitted.size());
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
        text += fmt::format("  - {{name: {}{}}}\n",
                            quoted(memory.name),
                            memory.capacity_kib > 0
                                ? fmt::format(", capacity_mib: {}", memory.capacity_kib / 1024)
                                : "");
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
    if (!platform.host_copy.points.empty()) {
        text += fmt::format("host_copy:{}\n", transfer(platform.host_copy, "  "));
    }
    if (!platform.measurements.empty()) {
        text += "measurements:\n";
        for (const auto& [name, m] : platform.measurements) {
            text += fmt::format("  - {{name: {}, {}}}\n", name, measurement(m));
        }
    }
    const auto device_name = [&](int d) {
        return quoted(platform.devices[static_cast<std::size_t>(d)].name);
    };
    if (platform.measured.empty()) {
        text += "costs: []\n";
    } else {
        text += "costs:\n";
        for (const sim::MeasuredCost& c : platform.measured) {
            text += fmt::format(
                "  - {{layers: {}, batch: {}, device: {}, variant: {}, configuration: {}{}, {}}}\n",
                quoted(c.layers),
                c.batch,
                device_name(c.device),
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
                device_name(f.device),
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
