#include "sim/import/profile.hpp"

#include "sim/describe/fused_sets.hpp"
#include "sim/describe/input_file.hpp"
#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

namespace sim {
namespace {

constexpr std::string_view kHost = "cpu";

// ---- Layers. --------------------------------------------------------------------------------

int layer_named(const Model& model, const std::string& name) {
    const auto found = std::ranges::find(model.layers, name, &Layer::name);
    const auto index = static_cast<int>(found - model.layers.begin());
    const bool runs = found != model.layers.end() && index >= model.inputs() && !is_held(*found);
    return runs ? index : -1;
}

// Layers on the ways from one to another, both included; empty if there is none.
std::vector<int> between(const Model& model, int from, int to) {
    std::vector<char> is_reached(model.layers.size()), leads(model.layers.size());
    is_reached[at(from)] = leads[at(to)] = 1;
    for (int layer = from + 1; layer <= to; ++layer) {
        for (const int input : model.layers[at(layer)].inputs) {
            is_reached[at(layer)] |= is_reached[at(input)];
        }
    }
    for (int layer = to; layer > from; --layer) {
        for (const int input : model.layers[at(layer)].inputs) {
            leads[at(input)] |= leads[at(layer)];
        }
    }
    std::vector<int> layers;
    for (int layer = from; layer <= to; ++layer) {
        if (is_reached[at(layer)] && leads[at(layer)]) {
            layers.push_back(layer);
        }
    }
    return layers;
}

// The model's layers that an entry is of, ascending. What of its names the model lacks may have
// become part of others when the model was made, unless it lacks all.
std::vector<int> set_of(const Model& model, const NamedLayers& named) {
    std::vector<int> set;
    for (const std::string& name : named.names) {
        if (const int layer = layer_named(model, name); layer >= 0) {
            set.push_back(layer);
        }
    }
    if (named.is_range && set.size() == 2) {
        set = between(model, set.front(), set.back());
    }
    std::ranges::sort(set);
    set.erase(std::unique(set.begin(), set.end()), set.end());
    return set;
}

std::vector<std::string> names_of(const Model& model, const std::vector<int>& set) {
    std::vector<std::string> names;
    for (const int layer : set) {
        names.push_back(model.layers[at(layer)].name);
    }
    return names;
}

void add_once(std::vector<std::string>& list, const std::string& text) {
    if (std::ranges::find(list, text) == list.end()) {
        list.push_back(text);
    }
}

// ---- Devices and links. ---------------------------------------------------------------------

std::vector<std::string> devices_of(const ProfileRequest& request) {
    std::vector<std::string> devices{std::string{kHost}};
    const auto add = [&](const std::string& device) {
        if (std::ranges::find(devices, device) == devices.end() && device != "host") {
            devices.push_back(device);
        }
    };
    for (const Times& times : request.times) {
        for (const TimedLayers& layers : times.layers) {
            add(layers.device);
        }
    }
    for (const TimedCopy& copy : request.copies) {
        add(copy.from);
        add(copy.to);
    }
    return devices;
}

Measurement measured(std::vector<double> us) {
    std::ranges::sort(us);
    const auto quantile = [&](double share) {
        const double place = share * static_cast<double>(us.size() - 1);
        const auto below = static_cast<std::size_t>(place);
        const std::size_t above = std::min(below + 1, us.size() - 1);
        return us[below] + (place - std::floor(place)) * (us[above] - us[below]);
    };
    return {.p05 = from_microseconds(quantile(0.05)),
            .p50 = from_microseconds(quantile(0.5)),
            .p95 = from_microseconds(quantile(0.95)),
            // One number of another tool is its median of many, which tells no spread.
            .samples = us.size() == 1 ? 0 : static_cast<int>(us.size())};
}

std::vector<TransferTable::Point> points_of(const std::map<std::int64_t, std::vector<double>>& by) {
    std::vector<TransferTable::Point> points;
    for (const auto& [bytes, us] : by) {
        Measurement time = measured(us);
        time.samples = static_cast<int>(us.size());
        points.push_back({.size = {bytes}, .time = time});
    }
    return points;
}

void add_link(Platform& platform, int from, int to, TransferTable time) {
    platform.links.push_back(
        {.name = fmt::format(
             "{}-to-{}", platform.memories[at(from)].name, platform.memories[at(to)].name),
         .from = from,
         .to = to,
         .engine = {},
         .modes = {{.name = "imported", .time = std::move(time)}}});
}

void expect_few(std::size_t count, std::string_view what) {
    if (count > at(kMostOfAKind)) {
        throw InputError{fmt::format(
            "the files name {} {}; at most {} are supported", count, what, kMostOfAKind)};
    }
}

Platform machine_of(const ProfileRequest& request) {
    Platform platform;
    platform.name = request.name;
    platform.memories.push_back({.name = "host"});
    const std::vector<std::string> names = devices_of(request);
    const bool apart = !request.copies.empty() || request.bandwidth_gb_per_s > 0;
    for (const std::string& name : names) {
        const bool is_host = name == kHost;
        Device device{.name = name, .kind = name, .conversions = {}};
        device.asynchronous = !is_host;
        if (!is_host) {
            device.submit = from_microseconds(request.submit_us);
            if (apart) {
                device.memory = static_cast<int>(platform.memories.size());
                platform.memories.push_back({.name = name});
            }
        }
        platform.devices.push_back(std::move(device));
    }
    std::map<std::pair<int, int>, std::map<std::int64_t, std::vector<double>>> measured_links;
    const auto memory_of = [&](const std::string& name) {
        const auto found = std::ranges::find(platform.memories, name, &Memory::name);
        return found == platform.memories.end()
                   ? 0
                   : static_cast<int>(found - platform.memories.begin());
    };
    for (const TimedCopy& copy : request.copies) {
        measured_links[{memory_of(copy.from), memory_of(copy.to)}][copy.bytes].push_back(copy.us);
    }
    for (const auto& [ends, by_bytes] : measured_links) {
        add_link(platform, ends.first, ends.second, {.points = points_of(by_bytes)});
    }
    for (int memory = 1; memory < static_cast<int>(platform.memories.size()); ++memory) {
        for (const auto& [from, to] : {std::pair{0, memory}, std::pair{memory, 0}}) {
            if (request.bandwidth_gb_per_s > 0 && !measured_links.contains({from, to})) {
                const Time latency = from_microseconds(request.latency_us);
                add_link(
                    platform,
                    from,
                    to,
                    {.points =
                         {{.size = {},
                           .time = {.p05 = latency, .p50 = latency, .p95 = latency, .samples = 1}}},
                     .bandwidth = {request.bandwidth_gb_per_s * 1e9}});
            }
        }
    }
    expect_few(platform.devices.size(), "devices");
    expect_few(platform.links.size(), "links between two memories, each a copy engine of its own");
    if (!apart && names.size() > 1) {
        platform.warnings.emplace_back(
            "copies are not known: the devices share a memory here (import-profile --links)");
    }
    if (request.submit_us == 0 && names.size() > 1) {
        platform.warnings.emplace_back(
            "what a submission costs is not known: 0 here (import-profile --submit-us)");
    }
    return platform;
}

}  // namespace

std::vector<TimedCopy> read_copies(const std::filesystem::path& path) {
    constexpr std::int64_t kLargestFile = std::int64_t{16} << 20;
    const std::vector<std::vector<std::string>> rows = csv_rows(read_file(path, kLargestFile), ',');
    const std::vector<std::string> head{"from", "to", "bytes", "us"};
    if (rows.empty() || rows.front() != head) {
        throw InputError{fmt::format("{}:1: expected the columns from,to,bytes,us", path.string())};
    }
    std::vector<TimedCopy> copies;
    for (std::size_t i = 1; i < rows.size(); ++i) {
        const std::vector<std::string>& row = rows[i];
        if (row.size() == 1 && row.front().empty()) {
            continue;
        }
        const auto refuse = [&](const std::string& why) {
            return InputError{fmt::format("{}:{}: {}", path.string(), i + 1, why)};
        };
        if (row.size() != head.size()) {
            throw refuse(fmt::format("expected {} fields, got {}", head.size(), row.size()));
        }
        TimedCopy copy{.from = row[0], .to = row[1]};
        const auto read = [&](const std::string& text, auto& value) {
            const auto [end, failure] =
                std::from_chars(text.data(), text.data() + text.size(), value);
            return failure == std::errc{} && end == text.data() + text.size();
        };
        if (!is_device_name(copy.from) || !is_device_name(copy.to) || copy.from == copy.to) {
            throw refuse("from, to: expected two devices, or a device and 'host'");
        }
        if (!read(row[2], copy.bytes) || copy.bytes < 0) {
            throw refuse(fmt::format("bytes: expected a whole number, got '{}'", row[2]));
        }
        if (!read(row[3], copy.us) || !(copy.us >= 0 && copy.us <= 1e9)) {
            throw refuse(fmt::format("us: expected a time, got '{}'", row[3]));
        }
        copies.push_back(std::move(copy));
    }
    return copies;
}

ImportedProfile import_profile(const ProfileRequest& request) {
    ImportedProfile imported;
    imported.platform = request.base ? *request.base : machine_of(request);
    Platform& platform = imported.platform;
    platform.name = request.name;
    for (std::size_t i = 0; i < request.files.size(); ++i) {
        platform.provenance.emplace_back(
            fmt::format("times_{}", i + 1),
            fmt::format("{} ({})",
                        std::filesystem::path{request.files[i]}.filename().string(),
                        request.times[i].tool));
    }

    // 1. Samples of the same layers at the same place.
    using Key = std::tuple<std::vector<std::string>, int, int, std::string, std::string>;
    std::map<Key, std::vector<double>> samples;
    std::vector<Key> order;
    std::set<int> timed;
    for (const Times& times : request.times) {
        for (const TimedLayers& layers : times.layers) {
            const std::string entry = fmt::format("{} on {}", layers.name, layers.device);
            const NamedLayers named = layers_named(layers.name);
            if (named.is_reformat) {
                add_once(imported.reformats, entry);
                continue;
            }
            std::vector<std::string> names;
            for (const std::string& name : named.names) {
                add_once(names, name);
            }
            if (request.model != nullptr) {
                const std::vector<int> set = set_of(*request.model, named);
                if (set.empty() || !is_convex(*request.model, set)) {
                    add_once(imported.unknown, entry);
                    continue;
                }
                timed.insert(set.begin(), set.end());
                names = names_of(*request.model, set);
            }
            const auto device = std::ranges::find(platform.devices, layers.device, &Device::name);
            if (device == platform.devices.end()) {
                throw InputError{fmt::format(
                    "{}: platform {} has no device '{}'", entry, platform.name, layers.device)};
            }
            const Key key{names,
                          layers.batch == 0 ? request.batch : layers.batch,
                          static_cast<int>(device - platform.devices.begin()),
                          layers.variant,
                          layers.configuration};
            std::vector<double>& of_key = samples[key];
            if (of_key.empty()) {
                order.push_back(key);
            }
            of_key.insert(of_key.end(), layers.times_us.begin(), layers.times_us.end());
        }
    }

    // 2. A cost each, in the order of the files.
    for (const Key& key : order) {
        const auto& [names, batch, device, variant, configuration] = key;
        platform.measured.push_back({.layers = {},
                                     .layer_names = names,
                                     .batch = batch,
                                     .device = device,
                                     .variant = variant,
                                     .configuration = configuration,
                                     .in_layout = std::string{kPackedLayout},
                                     .out_layout = std::string{kPackedLayout},
                                     .time = measured(samples[key]),
                                     .where = {}});
    }
    imported.costs = order.size();

    // 3. What is left.
    for (int layer = request.model == nullptr ? 0 : request.model->inputs();
         request.model != nullptr && layer < static_cast<int>(request.model->layers.size());
         ++layer) {
        const Layer& its = request.model->layers[at(layer)];
        if (!timed.contains(layer) && !is_further_result(its) && !is_held(its)) {
            imported.untimed_layers.push_back(its.name);
        }
    }
    return imported;
}

}  // namespace sim
