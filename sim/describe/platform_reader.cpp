#include "sim/describe/attributes.hpp"
#include "sim/describe/formula.hpp"
#include "sim/describe/input_file.hpp"
#include "sim/describe/platform.hpp"
#include "sim/describe/platform_file.hpp"
#include "sim/describe/platform_keys.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/index.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

namespace sim {
namespace {

constexpr double kBytesPerGb = 1e9;
constexpr std::int64_t kMostSamples = std::numeric_limits<int>::max();
constexpr std::int64_t kLongestStream = 1000;  // layers
constexpr std::int64_t kMostThreads = 100'000;
constexpr double kLeastContention = 0.01, kMostContention = 1000;
constexpr std::int64_t kMostPadding = 4096;  // channels of a layout
constexpr double kMostOfAFit = 1e9;  // microseconds, percent: what is computed from it stays finite
constexpr std::int64_t kMostBits = 64;  // of an element on a link
constexpr std::int64_t kMostKib = std::int64_t{1} << 50;
constexpr std::int64_t kLargestBudget = std::int64_t{1} << 50;

using Keys = std::vector<std::string_view>;

// Checks the keys of a map and names it in messages.
void expect(const YamlNode& node,
            std::string_view what,
            const Keys& required,
            const Keys& optional = {}) {
    expect_keys(node, what, required, optional);
}

std::string text_or(const YamlNode& map, std::string_view key, std::string_view otherwise) {
    const YamlNode* const node = find(map, key);
    return node == nullptr ? std::string{otherwise} : read_name(*node);
}

// Items of an optional list.
const std::vector<YamlNode>& items_of(const YamlNode& map, std::string_view key) {
    static const std::vector<YamlNode> kNone;
    const YamlNode* const node = find(map, key);
    return node == nullptr ? kNone : read_list(*node);
}

template <class T>
std::vector<std::string_view> names_of(const std::vector<T>& things) {
    std::vector<std::string_view> names;
    names.reserve(things.size());
    for (const T& thing : things) {
        names.push_back(thing.name);
    }
    return names;
}

// Name of a thing that no earlier thing in the list has.
template <class T>
std::string new_name(const YamlNode& map, std::string_view what, const std::vector<T>& earlier) {
    const YamlNode& node = at(map, keys::name);
    const std::string& name = read_name(node);
    if (std::ranges::find(earlier, name, &T::name) != earlier.end()) {
        throw input_error(position_of(node),
                          fmt::format("name: there are two {} '{}'", what, name));
    }
    return name;
}

// ---- Measured times. ------------------------------------------------------------------------

const Keys kMeasurementKeys = {keys::samples, keys::p05_us, keys::p50_us, keys::p95_us};

Keys with_measurement(Keys keys) {
    keys.insert(keys.end(), kMeasurementKeys.begin(), kMeasurementKeys.end());
    return keys;
}

Measurement read_measurement(const YamlNode& map) {
    const Measurement m{
        .p05 = read_time_us(at(map, keys::p05_us)),
        .p50 = read_time_us(at(map, keys::p50_us)),
        .p95 = read_time_us(at(map, keys::p95_us)),
        .samples = static_cast<int>(read_integer(at(map, keys::samples), 1, kMostSamples)),
    };
    if (m.p05 > m.p50 || m.p50 > m.p95) {
        throw input_error(position_of(map), "expected p05_us <= p50_us <= p95_us");
    }
    return m;
}

// A time that was written down by hand: no spread, no samples.
Measurement stated(Time time) { return {.p05 = time, .p50 = time, .p95 = time, .samples = 0}; }

// ---- Transfer tables: latency and bandwidth, or points. -------------------------------------

const Keys kTransferKeys = {keys::latency_us, keys::bandwidth_gb_per_s, keys::points};

BytesPerSecond read_bandwidth(const YamlNode& node) {
    constexpr double kMost = 1e12;
    const double gb_per_s = read_positive(node);
    if (gb_per_s > kMost) {
        throw unexpected(node, fmt::format("a number above zero, at most {:.0e}", kMost));
    }
    return {gb_per_s * kBytesPerGb};
}

TransferTable read_transfer(const YamlNode& map) {
    TransferTable table;
    const YamlNode* const points = find(map, keys::points);
    const YamlNode* const latency = find(map, keys::latency_us);
    const YamlNode* const bandwidth = find(map, keys::bandwidth_gb_per_s);
    if ((points == nullptr) == (latency == nullptr) ||
        (points == nullptr && bandwidth == nullptr)) {
        throw input_error(position_of(map),
                          "expected either latency_us and bandwidth_gb_per_s, or points");
    }
    if (bandwidth != nullptr) {
        table.bandwidth = read_bandwidth(*bandwidth);
    }
    if (latency != nullptr) {
        table.points.push_back({.size = {}, .time = stated(read_time_us(*latency))});
        return table;
    }
    const std::vector<YamlNode>& items = read_list(*points);
    if (items.empty()) {
        throw unexpected(*points, "at least one point");
    }
    for (const YamlNode& item : items) {
        expect(item, "a point", with_measurement({keys::bytes}));
        const YamlNode& bytes = at(item, keys::bytes);
        const Bytes size{read_integer(bytes, 0, std::int64_t{1} << 50)};
        if (!table.points.empty() && size <= table.points.back().size) {
            throw unexpected(bytes, "more bytes than in the point before");
        }
        table.points.push_back({.size = size, .time = read_measurement(item)});
    }
    return table;
}

// ---- Expressions and lists. -----------------------------------------------------------------

// The key's expression, or an empty one. It is compiled once here, with the names it may use beside
// the layer's, so that a mistake is reported where it stands.
Expression read_expression(const YamlNode& map,
                           std::string_view key,
                           std::span<const std::string> more = {},
                           bool has_clock = false) {
    const YamlNode* const node = find(map, key);
    if (node == nullptr) {
        return {};
    }
    Expression expression{.text = read_text(*node), .where = position_of(*node)};
    const Formula formula{expression.text, expression.where, more};
    if (!has_clock && formula.uses(keys::clock_mhz)) {
        throw input_error(
            expression.where,
            fmt::format("formula '{}': no clock_mhz is stated beside it", expression.text));
    }
    return expression;
}

// Items of a list that has at least one and none twice.
template <class Read>
auto read_distinct(const YamlNode& node, std::string_view what, Read read) {
    std::vector<decltype(read(node))> values;
    for (const YamlNode& item : read_list(node)) {
        auto value = read(item);
        if (std::ranges::find(values, value) != values.end()) {
            throw input_error(position_of(item),
                              fmt::format("{}: '{}' is here twice", node.key, item.text));
        }
        values.push_back(std::move(value));
    }
    if (values.empty()) {
        throw unexpected(node, fmt::format("at least one {}", what));
    }
    return values;
}

// The same of an optional list: empty where it is not there.
template <class Read>
auto read_distinct_if(const YamlNode& map, std::string_view key, std::string_view what, Read read) {
    const YamlNode* const node = find(map, key);
    return node == nullptr ? decltype(read_distinct(map, what, read)){}
                           : read_distinct(*node, what, read);
}

std::string read_operation_name(const YamlNode& node) {
    std::vector<std::string_view> names;
    for (const Operation& operation : operations()) {
        names.push_back(operation.name);
    }
    return std::string{names[at(read_choice(node, "operation", names))]};
}

std::string read_element_name(const YamlNode& node) {
    return std::string{name_of(read_element(node))};
}

// ---- Memories, devices, links. --------------------------------------------------------------

Memory read_memory(const YamlNode& node, const Platform& platform) {
    expect(node,
           "a memory",
           {keys::name},
           {keys::capacity_kib, keys::capacity_mib, keys::synchronise_us});
    Memory memory{.name = new_name(node, "memories", platform.memories)};
    const YamlNode* const kib = find(node, keys::capacity_kib);
    const YamlNode* const mib = find(node, keys::capacity_mib);
    if (kib != nullptr && mib != nullptr) {
        throw input_error(position_of_key(*mib),
                          "a memory has either capacity_kib or capacity_mib, not both");
    }
    if (kib != nullptr) {
        memory.capacity_kib = read_integer(*kib, 1, kMostKib);
    }
    if (mib != nullptr) {
        memory.capacity_kib = 1024 * read_integer(*mib, 1, kMostKib / 1024);
    }
    if (const YamlNode* const time = find(node, keys::synchronise_us)) {
        memory.synchronise = read_time_us(*time);
    }
    return memory;
}

SupportRule read_support(const YamlNode& node) {
    expect(node,
           "a rule of supports",
           {},
           {keys::operations,
            keys::kernels,
            keys::strides,
            keys::groups,
            keys::weights,
            keys::activations,
            keys::in_channels_multiple,
            keys::out_channels_multiple,
            keys::when});
    const auto up_to = [](std::int64_t most) {
        return
            [most](const YamlNode& item) { return static_cast<int>(read_integer(item, 1, most)); };
    };
    const auto multiple = [&](std::string_view key) {
        const YamlNode* const value = find(node, key);
        return value == nullptr ? 1 : up_to(kLargestSize)(*value);
    };
    return {
        .operations = read_distinct_if(node, keys::operations, "operation", read_operation_name),
        .kernels = read_distinct_if(node, keys::kernels, "size", up_to(kLargestWindow)),
        .strides = read_distinct_if(node, keys::strides, "stride", up_to(kLargestWindow)),
        .groups = read_distinct_if(node, keys::groups, "number of groups", up_to(kLargestSize)),
        .weights = read_distinct_if(node, keys::weights, "element", read_element_name),
        .activations = read_distinct_if(node, keys::activations, "element", read_element_name),
        .in_channels_multiple = multiple(keys::in_channels_multiple),
        .out_channels_multiple = multiple(keys::out_channels_multiple),
        .when = read_expression(node, keys::when),
        .where = position_of(node),
    };
}

std::vector<ResourceBudget> read_budgets(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::map || node.children.empty()) {
        throw unexpected(node, "a map of names to limits");
    }
    std::vector<ResourceBudget> budgets;
    for (const YamlNode& child : node.children) {
        if (!is_name(child.key) || child.key.find('.') != std::string::npos) {
            throw input_error(
                position_of_key(child),
                fmt::format(
                    "{}: expected a name without '.', got '{}'", node.key, printable(child.key)));
        }
        budgets.push_back({.name = child.key, .limit = read_integer(child, 0, kLargestBudget)});
    }
    return budgets;
}

// Of devices that are all known by now: others that slow this one down.
std::vector<std::pair<std::string, double>> read_contention(const YamlNode& node,
                                                            const Platform& platform,
                                                            const Device& device) {
    if (node.kind != YamlNode::Kind::map || node.children.empty()) {
        throw unexpected(node, "a map of other devices to factors");
    }
    std::vector<std::pair<std::string, double>> factors;
    for (const YamlNode& child : node.children) {
        const auto refuse = [&](const std::string& why) {
            throw input_error(position_of_key(child), fmt::format("{}: {}", node.key, why));
        };
        const auto other = std::ranges::find(platform.devices, child.key, &Device::name);
        if (other == platform.devices.end()) {
            refuse(fmt::format(
                "no device '{}'; there are: {}", child.key, list_of(names_of(platform.devices))));
        }
        if (other->name == device.name) {
            refuse(fmt::format("'{}' is the device itself", device.name));
        }
        if (other->memory != device.memory) {
            refuse(fmt::format("'{}' and '{}' do not share a memory", device.name, other->name));
        }
        const double factor = read_number(child);
        if (factor < kLeastContention || factor > kMostContention) {
            throw unexpected(
                child,
                fmt::format("a factor from {} to {:.0f}", kLeastContention, kMostContention));
        }
        factors.emplace_back(child.key, factor);
    }
    return factors;
}

// The same by operation.
std::vector<std::pair<std::string, std::vector<std::pair<std::string, double>>>> read_contention_of(
    const YamlNode& node, const Platform& platform, const Device& device) {
    if (node.kind != YamlNode::Kind::map || node.children.empty()) {
        throw unexpected(node, "a map of operations to maps of other devices to factors");
    }
    std::vector<std::pair<std::string, std::vector<std::pair<std::string, double>>>> all;
    for (const YamlNode& child : node.children) {
        if (find_operation(child.key) == nullptr) {
            throw input_error(
                position_of_key(child),
                fmt::format("{}: unknown operation '{}'", node.key, printable(child.key)));
        }
        all.emplace_back(child.key, read_contention(child, platform, device));
    }
    return all;
}

Conversion read_conversion(const YamlNode& node) {
    Keys keys = kTransferKeys;
    keys.push_back(keys::elements);
    expect(node, "a conversion", {keys::from, keys::to}, keys);
    Conversion conversion{
        .from = read_name(at(node, keys::from)),
        .to = read_name(at(node, keys::to)),
        .time = read_transfer(node),
        .elements = read_distinct_if(node, keys::elements, "element", read_element_name)};
    if (conversion.from == conversion.to) {
        throw unexpected(at(node, keys::to), "another layout than 'from'");
    }
    return conversion;
}

const Keys kAsynchronousKeys = {keys::submit_us, keys::per_task_us, keys::completion_us};

// What only an asynchronous device has.
void read_dispatch(const YamlNode& node, Device& device) {
    for (const std::string_view key : kAsynchronousKeys) {
        const YamlNode* const value = find(node, key);
        if (device.asynchronous && value == nullptr) {
            throw input_error(position_of(node),
                              fmt::format("an asynchronous device needs the key '{}'", key));
        }
        if (!device.asynchronous && value != nullptr) {
            throw input_error(position_of_key(*value),
                              fmt::format("{}: only an asynchronous device has it", key));
        }
    }
    if (device.asynchronous) {
        device.submit = read_time_us(at(node, keys::submit_us));
        device.per_task = read_time_us(at(node, keys::per_task_us));
        device.completion = read_time_us(at(node, keys::completion_us));
    }
    if (const YamlNode* const in = find(node, keys::in_networks)) {
        if (!device.asynchronous) {
            throw input_error(position_of_key(*in),
                              "in_networks: only an asynchronous device has it");
        }
        expect(*in, keys::in_networks, {keys::work, keys::task_us}, {});
        device.in_networks = {.work = read_positive(at(*in, keys::work)),
                              .task = read_difference_us(at(*in, keys::task_us))};
    }
    if (const YamlNode* const time = find(node, keys::reconfiguration_us)) {
        if (!device.asynchronous) {
            throw input_error(position_of_key(*time),
                              "reconfiguration_us: only an asynchronous device has it");
        }
        device.reconfiguration = read_time_us(*time);
        if (*device.reconfiguration == Time{}) {
            throw unexpected(*time, "a time above zero (0.000001 where it takes none)");
        }
    }
}

void read_powers(const YamlNode& node, Device& device) {
    const YamlNode* const active = find(node, keys::active_power_w);
    const YamlNode* const idle = find(node, keys::idle_power_w);
    if (active != nullptr) {
        device.active_power_w = read_number(*active);
    }
    if (idle != nullptr) {
        device.idle_power_w = read_number(*idle);
    }
    if (active != nullptr && idle != nullptr && *device.active_power_w < *device.idle_power_w) {
        throw unexpected(*active,
                         fmt::format("at least the {} W that it draws while it waits ({})",
                                     *device.idle_power_w,
                                     keys::idle_power_w));
    }
}

std::vector<Conversion> read_conversions(const YamlNode& device) {
    std::vector<Conversion> conversions;
    for (const YamlNode& item : items_of(device, keys::conversions)) {
        Conversion next = read_conversion(item);
        for (const Conversion& other : conversions) {
            const bool overlap =
                other.elements.empty() || next.elements.empty() ||
                std::ranges::any_of(next.elements, [&](const std::string& element) {
                    return std::ranges::find(other.elements, element) != other.elements.end();
                });
            if (other.from == next.from && other.to == next.to && overlap) {
                throw input_error(
                    position_of(item),
                    fmt::format("there are two conversions from '{}' to '{}'", next.from, next.to));
            }
        }
        conversions.push_back(std::move(next));
    }
    return conversions;
}

std::vector<Handover> read_handovers(const YamlNode& device) {
    std::vector<Handover> handovers;
    for (const YamlNode& item : items_of(device, keys::handovers)) {
        expect(item, "a handover", {keys::from, keys::to}, kTransferKeys);
        const auto threads = [&](std::string_view key) {
            return static_cast<int>(read_integer(at(item, key), 1, kMostThreads));
        };
        Handover next{
            .from = threads(keys::from), .to = threads(keys::to), .time = read_transfer(item)};
        for (const Handover& other : handovers) {
            if (other.from == next.from && other.to == next.to) {
                throw input_error(
                    position_of(item),
                    fmt::format(
                        "there are two handovers from {} to {} threads", next.from, next.to));
            }
        }
        handovers.push_back(std::move(next));
    }
    return handovers;
}

constexpr double kLeastSpeed = 0.001;

Device read_device(const YamlNode& node, const Platform& platform) {
    Keys optional = kAsynchronousKeys;
    for (const std::string_view key : {keys::conversions,
                                       keys::active_power_w,
                                       keys::idle_power_w,
                                       keys::speed,
                                       keys::supports,
                                       keys::resources,
                                       keys::longest_stream,
                                       keys::reconfiguration_us,
                                       keys::contention,
                                       keys::contention_of,
                                       keys::handovers,
                                       keys::in_networks}) {
        optional.push_back(key);
    }
    expect(node, "a device", {keys::name, keys::kind, keys::memory, keys::asynchronous}, optional);
    Device device{
        .name = new_name(node, "devices", platform.devices),
        .kind = read_name(at(node, keys::kind)),
        .memory = read_choice(at(node, keys::memory), "memory", names_of(platform.memories)),
        .asynchronous = read_bool(at(node, keys::asynchronous)),
        .conversions = {},
    };
    if (device.name.find('/') != std::string::npos) {
        throw unexpected(at(node, keys::name), "a name without '/'");
    }
    read_dispatch(node, device);
    read_powers(node, device);
    device.conversions = read_conversions(node);
    device.handovers = read_handovers(node);
    if (!platform.devices.empty() && !device.handovers.empty()) {
        throw input_error(position_of_key(*find(node, keys::handovers)),
                          "handovers: only the host, the first device, has them");
    }
    if (const YamlNode* const speed = find(node, keys::speed)) {
        device.speed = read_positive(*speed);
        if (device.speed < kLeastSpeed || device.speed > 1 / kLeastSpeed) {
            throw unexpected(*speed,
                             fmt::format("a factor from {} to {}", kLeastSpeed, 1 / kLeastSpeed));
        }
    }
    for (const YamlNode& item : items_of(node, keys::supports)) {
        device.supports.push_back(read_support(item));
    }
    if (const YamlNode* const resources = find(node, keys::resources)) {
        device.resources = read_budgets(*resources);
    }
    if (const YamlNode* const longest = find(node, keys::longest_stream)) {
        device.longest_stream = static_cast<int>(read_integer(*longest, 2, kLongestStream));
    }
    return device;
}

Link read_link(const YamlNode& node, const Platform& platform) {
    expect(node,
           "a link",
           {keys::name, keys::from, keys::to, keys::modes},
           {keys::engine, keys::energy_pj_per_byte, keys::element_bits});
    const std::vector<std::string_view> memories = names_of(platform.memories);
    Link link{
        .name = new_name(node, "links", platform.links),
        .from = read_choice(at(node, keys::from), "memory", memories),
        .to = read_choice(at(node, keys::to), "memory", memories),
        .engine = text_or(node, keys::engine, ""),
        .modes = {},
    };
    if (link.from == link.to) {
        throw unexpected(at(node, keys::to), "another memory than 'from'");
    }
    const auto same = std::ranges::find_if(platform.links, [&](const Link& other) {
        return other.from == link.from && other.to == link.to;
    });
    if (same != platform.links.end()) {
        throw input_error(position_of(node),
                          fmt::format("link '{}' joins the same memories as '{}'; write its modes "
                                      "into one link",
                                      link.name,
                                      same->name));
    }
    const YamlNode& modes = at(node, keys::modes);
    for (const YamlNode& item : read_list(modes)) {
        expect(item, "a mode", {keys::name}, kTransferKeys);
        link.modes.push_back(
            {.name = new_name(item, "modes", link.modes), .time = read_transfer(item)});
    }
    if (link.modes.empty()) {
        throw unexpected(modes, "at least one mode");
    }
    if (const YamlNode* const energy = find(node, keys::energy_pj_per_byte)) {
        link.energy_pj_per_byte = read_number(*energy);
    }
    if (const YamlNode* const bits = find(node, keys::element_bits)) {
        link.element_bits = static_cast<int>(read_integer(*bits, 1, kMostBits));
    }
    return link;
}

Layout read_layout_row(const YamlNode& node, const Platform& platform) {
    expect(node, "a layout", {keys::name}, {keys::element, keys::channels_multiple});
    Layout layout{.name = new_name(node, "layouts", platform.layouts)};
    if (const YamlNode* const element = find(node, keys::element)) {
        layout.element = read_element(*element);
    }
    if (const YamlNode* const multiple = find(node, keys::channels_multiple)) {
        layout.channels_multiple = static_cast<int>(read_integer(*multiple, 1, kMostPadding));
    }
    if (layout.name == kPackedLayout || layout.name == kPlainLayout) {
        throw unexpected(
            at(node, keys::name),
            fmt::format(
                "another layout than '{}' and '{}', which are known", kPackedLayout, kPlainLayout));
    }
    return layout;
}

Bus read_bus(const YamlNode& node, const Platform& platform) {
    expect(node, "a bus", {keys::name, keys::links, keys::bandwidth_gb_per_s});
    Bus bus{.name = new_name(node, "buses", platform.buses),
            .links = read_distinct(at(node, keys::links),
                                   "link",
                                   [&](const YamlNode& item) {
                                       return read_choice(item, "link", names_of(platform.links));
                                   }),
            .bandwidth = read_bandwidth(at(node, keys::bandwidth_gb_per_s))};
    const std::vector<YamlNode>& items = read_list(at(node, keys::links));
    for (std::size_t i = 0; i < items.size(); ++i) {
        for (const Bus& other : platform.buses) {
            if (std::ranges::find(other.links, bus.links[i]) != other.links.end()) {
                throw input_error(
                    position_of(items[i]),
                    fmt::format("links: '{}' is in bus '{}' already", items[i].text, other.name));
            }
        }
    }
    return bus;
}

// ---- Costs. ---------------------------------------------------------------------------------

// "conv2d u8 28x28x1 64 k3x3 s1 p1 v0|threshold" and the like: one space on each side of a bar,
// so that hand-written files match.
std::string tidy(const std::string& layers) {
    std::string result;
    for (const char c : layers) {
        const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (space && (result.empty() || result.back() == ' ')) {
            continue;
        }
        if (c == '|' && !result.empty() && result.back() != ' ') {
            result += ' ';
        }
        if (!space && c != '|' && !result.empty() && result.back() == '|') {
            result += ' ';
        }
        result += space ? ' ' : c;
    }
    while (!result.empty() && result.back() == ' ') {
        result.pop_back();
    }
    return result;
}

std::string read_layers(const YamlNode& node) {
    std::string layers = tidy(read_text(node));
    if (layers.empty()) {
        throw unexpected(node, "layers such as \"conv2d binary 14x14x64 64 k3x3 s1 p1 v0\"");
    }
    return layers;
}

std::string read_part(const YamlNode& map, std::string_view key) {
    const YamlNode& node = at(map, key);
    const std::string& name = read_name(node);
    if (name.find('/') != std::string::npos) {
        throw unexpected(node, "a name without '/'");
    }
    return name;
}

// Positions in `layers` of the layers whose results it gives, ascending; empty if it is the last
// alone.
std::vector<int> read_results(const YamlNode& map, const std::string& layers) {
    const YamlNode* const node = find(map, keys::results);
    if (node == nullptr) {
        return {};
    }
    const auto last = static_cast<int>(std::ranges::count(layers, '|'));
    std::vector<int> results = read_distinct(*node, "layer's position", [&](const YamlNode& item) {
        return static_cast<int>(read_integer(item, 0, last));
    });
    std::ranges::sort(results);
    if (results.back() != last) {
        throw unexpected(*node, fmt::format("positions with {}, the last layer's", last));
    }
    return results.size() == 1 ? std::vector<int>{} : results;
}

// One of a cost's layout keys; the packed layout unless the file says otherwise.
std::string read_layout(const YamlNode& map, std::string_view key) {
    return text_or(map, key, kPackedLayout);
}

MeasuredCost read_measured(const YamlNode& node, std::span<const std::string_view> devices) {
    static const Keys kRequired = {keys::batch, keys::device, keys::variant, keys::configuration};
    static const Keys kOptional = with_measurement({keys::layers,
                                                    keys::layer_names,
                                                    keys::in_layout,
                                                    keys::out_layout,
                                                    keys::results,
                                                    keys::time_us});
    expect(node, "a cost", kRequired, kOptional);
    const YamlNode* const names = find(node, keys::layer_names);
    if ((find(node, keys::layers) != nullptr) == (names != nullptr)) {
        throw input_error(position_of(node),
                          "a cost needs either the key 'layers' or 'layer_names'");
    }
    if (const YamlNode* const results = find(node, keys::results); results && names) {
        throw input_error(position_of_key(*results),
                          "results: layers named by layer_names give all that is read outside");
    }
    const YamlNode* const time = find(node, keys::time_us);
    const auto missing = std::ranges::find_if(kMeasurementKeys,
                                              [&](auto key) { return find(node, key) == nullptr; });
    const bool measured = missing == kMeasurementKeys.end();
    const bool any =
        std::ranges::any_of(kMeasurementKeys, [&](auto key) { return find(node, key) != nullptr; });
    if ((time != nullptr) == measured || (time != nullptr && any)) {
        throw input_error(position_of(node),
                          "a cost needs either time_us or samples, p05_us, p50_us and p95_us");
    }
    MeasuredCost cost;
    if (names == nullptr) {
        cost.layers = read_layers(at(node, keys::layers));
        cost.results = read_results(node, cost.layers);
    } else {
        cost.layer_names = read_distinct(
            *names, "layer", [](const YamlNode& item) { return std::string{read_name(item)}; });
    }
    cost.batch = static_cast<int>(read_integer(at(node, keys::batch), 1, kLargestBatch));
    cost.device = read_choice(at(node, keys::device), "device", devices);
    cost.variant = read_part(node, keys::variant);
    cost.configuration = read_part(node, keys::configuration);
    cost.in_layout = read_layout(node, keys::in_layout);
    cost.out_layout = read_layout(node, keys::out_layout);
    cost.time = measured ? read_measurement(node) : stated(read_time_us(*time));
    cost.where = position_of(node);
    return cost;
}

std::vector<FittedCost::Absence> read_absences(const YamlNode& fit) {
    std::vector<FittedCost::Absence> absent;
    for (const YamlNode& item : items_of(fit, keys::absent)) {
        expect(item, "an absence", {keys::layers, keys::batches});
        const std::vector<YamlNode>& range = read_list(at(item, keys::batches));
        if (range.size() != 2) {
            throw unexpected(at(item, keys::batches), "two batches, the first and the last");
        }
        const auto from = static_cast<int>(read_integer(range[0], 1, kMostSamples));
        const auto to = static_cast<int>(read_integer(range[1], from, kMostSamples));
        absent.push_back({.layers = read_layers(at(item, keys::layers)), .from = from, .to = to});
    }
    return absent;
}

Trials read_trials(const YamlNode& node) {
    expect(node,
           "trials",
           {keys::model, keys::batch, keys::samples, keys::p05, keys::p50, keys::p95},
           {keys::host_alone});
    const YamlNode* const alone = find(node, keys::host_alone);
    Trials trials{
        .model = read_name(at(node, keys::model)),
        .batch = static_cast<int>(read_integer(at(node, keys::batch), 1, kLargestBatch)),
        .host_alone = alone != nullptr && read_bool(*alone),
        .samples = static_cast<int>(read_integer(at(node, keys::samples), 1, kMostSamples)),
        .p05 = read_positive(at(node, keys::p05)),
        .p50 = read_positive(at(node, keys::p50)),
        .p95 = read_positive(at(node, keys::p95)),
        .where = position_of(node)};
    if (trials.p05 > trials.p50 || trials.p50 > trials.p95) {
        throw input_error(position_of(node), "expected p05 <= p50 <= p95");
    }
    return trials;
}

FittedCost read_fitted(const YamlNode& node, std::span<const std::string_view> devices) {
    static const Keys kRequired = {keys::pattern,
                                   keys::device,
                                   keys::variant,
                                   keys::configuration,
                                   keys::constant_us,
                                   keys::us_per_million_macs,
                                   keys::us_per_kib_read,
                                   keys::us_per_kib_written,
                                   keys::us_per_thousand_tiles,
                                   keys::samples,
                                   keys::median_error_percent,
                                   keys::p90_error_percent};
    static const Keys kOptional = {keys::in_layout,
                                   keys::out_layout,
                                   keys::results,
                                   keys::smallest_batch,
                                   keys::smallest_height,
                                   keys::smallest_channels,
                                   keys::largest_batch,
                                   keys::absent};
    expect(node, "a fit", kRequired, kOptional);
    const auto smallest = [&](std::string_view key) {
        const YamlNode* const value = find(node, key);
        return value == nullptr ? 1 : static_cast<int>(read_integer(*value, 1, kMostSamples));
    };
    const auto number = [&](std::string_view key) {
        const double value = read_number(at(node, key));
        if (value > kMostOfAFit) {
            throw unexpected(at(node, key), fmt::format("a number of at most {:.0f}", kMostOfAFit));
        }
        return value;
    };
    const std::string pattern = read_layers(at(node, keys::pattern));
    const YamlNode* const largest = find(node, keys::largest_batch);
    return {
        .pattern = pattern,
        .device = read_choice(at(node, keys::device), "device", devices),
        .variant = read_part(node, keys::variant),
        .configuration = read_part(node, keys::configuration),
        .in_layout = read_layout(node, keys::in_layout),
        .out_layout = read_layout(node, keys::out_layout),
        .results = read_results(node, pattern),
        .constant_us = number(keys::constant_us),
        .us_per_million_macs = number(keys::us_per_million_macs),
        .us_per_kib_read = number(keys::us_per_kib_read),
        .us_per_kib_written = number(keys::us_per_kib_written),
        .us_per_thousand_tiles = number(keys::us_per_thousand_tiles),
        .smallest_batch = smallest(keys::smallest_batch),
        .smallest_height = smallest(keys::smallest_height),
        .smallest_channels = smallest(keys::smallest_channels),
        .largest_batch =
            largest == nullptr ? 0 : static_cast<int>(read_integer(*largest, 1, kMostSamples)),
        .absent = read_absences(node),
        .samples = static_cast<int>(read_integer(at(node, keys::samples), 1, kMostSamples)),
        .median_error_percent = number(keys::median_error_percent),
        .p90_error_percent = number(keys::p90_error_percent),
        .where = position_of(node),
    };
}

// ---- Formulas and splits. -------------------------------------------------------------------

// One of two keys; which of them is there says the unit.
void expect_one(const YamlNode& node,
                std::string_view what,
                std::string_view first,
                std::string_view second,
                bool required) {
    const bool has_first = find(node, first) != nullptr;
    const bool has_second = find(node, second) != nullptr;
    if ((has_first && has_second) || (required && !has_first && !has_second)) {
        throw input_error(
            position_of(node),
            fmt::format(
                "{} needs {} {} or {}", what, required ? "either" : "only one of", first, second));
    }
}

// Names for parts of the expressions, each of which may use those before; returns them.
std::vector<std::string> read_let(const YamlNode& node, bool has_clock, FormulaCost& cost) {
    std::vector<std::string> names;
    if (const YamlNode* const let = find(node, keys::let)) {
        if (let->kind != YamlNode::Kind::map) {
            throw unexpected(*let, "a map of names to expressions");
        }
        for (const YamlNode& child : let->children) {
            expect_formula_name(child.key, position_of_key(child));
            cost.let.emplace_back(child.key, read_expression(*let, child.key, names, has_clock));
            names.push_back(child.key);
        }
    }
    return names;
}

// What it uses of the device's resources.
void read_uses(const YamlNode& node,
               const Device& device,
               std::span<const std::string> names,
               bool has_clock,
               FormulaCost& cost) {
    if (const YamlNode* const resources = find(node, keys::resources)) {
        if (resources->kind != YamlNode::Kind::map) {
            throw unexpected(*resources, "a map of names to expressions");
        }
        for (const YamlNode& child : resources->children) {
            if (std::ranges::find(device.resources, child.key, &ResourceBudget::name) ==
                device.resources.end()) {
                throw input_error(position_of_key(child),
                                  fmt::format("resources: device '{}' has no '{}'; there are: {}",
                                              device.name,
                                              child.key,
                                              list_of(names_of(device.resources))));
            }
            cost.resources.emplace_back(child.key,
                                        read_expression(*resources, child.key, names, has_clock));
        }
    }
}

FormulaCost read_formula(const YamlNode& node, const Platform& platform) {
    expect(node,
           "a formula",
           {keys::device, keys::operations, keys::variant, keys::configuration},
           {keys::in_layout,
            keys::out_layout,
            keys::precision,
            keys::when,
            keys::let,
            keys::time_us,
            keys::cycles,
            keys::clock_mhz,
            keys::energy_uj,
            keys::fill_us,
            keys::fill_cycles,
            keys::resources,
            keys::shares});
    FormulaCost cost;
    cost.device = read_choice(at(node, keys::device), "device", names_of(platform.devices));
    cost.operations = read_distinct(at(node, keys::operations), "operation", read_operation_name);
    cost.variant = read_part(node, keys::variant);
    cost.configuration = read_part(node, keys::configuration);
    cost.in_layout = read_layout(node, keys::in_layout);
    cost.out_layout = read_layout(node, keys::out_layout);
    cost.precision = text_or(node, keys::precision, "");
    cost.where = position_of(node);
    const Device& device = platform.devices[at(cost.device)];
    const YamlNode* const clock = find(node, keys::clock_mhz);
    if (clock != nullptr) {
        cost.clock_mhz = read_positive(*clock);
    }
    const bool has_clock = clock != nullptr;
    cost.when = read_expression(node, keys::when, {}, has_clock);
    if (const YamlNode* const shares = find(node, keys::shares)) {
        cost.shares = read_bool(*shares);
    }

    const std::vector<std::string> names = read_let(node, has_clock, cost);
    expect_one(node, "a formula", keys::time_us, keys::cycles, true);
    expect_one(node, "a formula", keys::fill_us, keys::fill_cycles, false);
    const auto expression = [&](std::string_view key) {
        return read_expression(node, key, names, has_clock);
    };
    cost.time_us = expression(keys::time_us);
    cost.cycles = expression(keys::cycles);
    cost.energy_uj = expression(keys::energy_uj);
    cost.fill_us = expression(keys::fill_us);
    cost.fill_cycles = expression(keys::fill_cycles);
    if (!has_clock && (cost.cycles || cost.fill_cycles)) {
        throw input_error(position_of(node), "cycles need the key 'clock_mhz'");
    }
    if (device.longest_stream == 0 && (cost.fill_us || cost.fill_cycles)) {
        throw input_error(
            (cost.fill_us ? cost.fill_us : cost.fill_cycles).where,
            fmt::format("layers do not stream through device '{}': it has no longest_stream",
                        device.name));
    }
    read_uses(node, device, names, has_clock, cost);
    return cost;
}

// Whether a layer of this operation sums over all its input channels, so that partial sums of some
// of them can be added.
bool sums_over_inputs(std::string_view operation) {
    const std::vector<std::string_view>& keys = find_operation(operation)->attributes;
    return std::ranges::find(keys, "weights") != keys.end() &&
           std::ranges::find(keys, "out_channels") != keys.end();
}

// How the parts' times make the layer's.
void read_join(const YamlNode& join,
               const YamlNode& node,
               const Platform& platform,
               SplitRule& rule) {
    if (read_text(join) == keys::kMax || join.text == keys::kSum) {
        rule.join = {.text = join.text, .where = position_of(join)};
    } else {
        std::vector<std::string> names;
        for (const int device : rule.devices) {
            names.push_back(platform.devices[at(device)].name);
        }
        rule.join = read_expression(node, keys::join, names);
    }
}

// Adding partial sums.
void read_reduction(const YamlNode& node, SplitRule& rule) {
    const YamlNode* const reduction = find(node, keys::reduction_us);
    const bool by_inputs = rule.by == SplitRule::By::input_channels;
    if (by_inputs && reduction == nullptr) {
        throw input_error(rule.where, "a split by input_channels needs the key 'reduction_us'");
    }
    if (!by_inputs && reduction != nullptr) {
        throw input_error(position_of_key(*reduction),
                          "reduction_us: only a split by input_channels has it");
    }
    rule.reduction_us = read_expression(node, keys::reduction_us);
}

// Every device must know what shares of every operation cost.
void expect_divisible(const YamlNode& operations_node,
                      const Platform& platform,
                      const SplitRule& rule) {
    const bool by_inputs = rule.by == SplitRule::By::input_channels;
    for (std::size_t i = 0; i < rule.operations.size(); ++i) {
        const YamlNode& item = operations_node.children[i];
        if (by_inputs && !sums_over_inputs(rule.operations[i])) {
            throw input_error(
                position_of(item),
                fmt::format("operations: {} does not sum over its input channels", item.text));
        }
        for (const int device : rule.devices) {
            const bool has_shares = std::ranges::any_of(platform.formulas, [&](const auto& f) {
                return f.device == device && f.shares &&
                       std::ranges::find(f.operations, rule.operations[i]) != f.operations.end();
            });
            if (!has_shares) {
                throw input_error(
                    position_of(item),
                    fmt::format("operations: device '{}' has no formula for shares of {}",
                                platform.devices[at(device)].name,
                                item.text));
            }
        }
    }
}

SplitRule read_split(const YamlNode& node, const Platform& platform) {
    expect(node,
           "a split",
           {keys::devices, keys::operations, keys::by, keys::join},
           {keys::step, keys::reduction_us});
    const YamlNode& devices = at(node, keys::devices);
    const YamlNode& operations_node = at(node, keys::operations);
    SplitRule rule;
    rule.devices = read_distinct(devices, "device", [&](const YamlNode& item) {
        return read_choice(item, "device", names_of(platform.devices));
    });
    rule.operations = read_distinct(operations_node, "operation", read_operation_name);
    rule.by = static_cast<SplitRule::By>(read_choice(at(node, keys::by), "way", keys::kBy));
    if (const YamlNode* const step = find(node, keys::step)) {
        rule.step = static_cast<int>(read_integer(*step, 1, kLargestSize));
    }
    rule.where = position_of(node);
    if (rule.devices.size() < 2) {
        throw unexpected(devices, "at least two devices");
    }

    read_join(at(node, keys::join), node, platform, rule);
    read_reduction(node, rule);
    expect_divisible(operations_node, platform, rule);
    return rule;
}

// Two formulas of one implementation may have an operation in common only if `when` keeps them
// apart; two splits, none.
template <class Rule, class Key>
void expect_no_overlap(const std::vector<Rule>& rules, std::string_view what, Key key) {
    std::map<std::pair<decltype(key(rules.front())), std::string>, const Rule*> seen;
    for (const Rule& rule : rules) {
        for (const std::string& operation : rule.operations) {
            const auto [first, is_new] = seen.emplace(std::pair{key(rule), operation}, &rule);
            if (!is_new) {
                throw input_error(rule.where,
                                  fmt::format("the same {} for {} is in line {}",
                                              what,
                                              operation,
                                              first->second->where.line));
            }
        }
    }
}

// Two costs for one thing: which holds?
template <class Cost, class Key>
void expect_distinct(const std::vector<Cost>& costs, std::string_view what, Key key) {
    std::map<decltype(key(costs.front())), const Cost*> seen;
    for (const Cost& cost : costs) {
        const auto [first, is_new] = seen.emplace(key(cost), &cost);
        if (!is_new) {
            throw input_error(
                cost.where,
                fmt::format("the same {} is in line {}", what, first->second->where.line));
        }
    }
}

// A profile that says how long its lists are cannot lose its tail unnoticed.
void expect_complete(const YamlNode& root, const Platform& platform) {
    const YamlNode* const counts = find(root, keys::counts);
    if (counts == nullptr) {
        return;
    }
    expect(*counts, keys::counts, {keys::costs, keys::fits}, {keys::formulas, keys::splits});
    const auto expect_count = [&](std::string_view key, std::size_t count) {
        if (find(*counts, key) == nullptr) {
            return;
        }
        const YamlNode& node = at(*counts, key);
        const std::int64_t stated_count = read_integer(node, 0, kMostSamples);
        if (stated_count != static_cast<std::int64_t>(count)) {
            throw input_error(
                position_of(node),
                fmt::format("{}: the profile says {}, but there are {}: is the file cut "
                            "off?",
                            key,
                            stated_count,
                            count));
        }
    };
    expect_count(keys::costs, platform.measured.size());
    expect_count(keys::fits, platform.fitted.size());
    expect_count(keys::formulas, platform.formulas.size());
    expect_count(keys::splits, platform.splits.size());
}

void read_provenance(const YamlNode& root, Platform& platform) {
    if (const YamlNode* const provenance = find(root, keys::provenance)) {
        if (provenance->kind != YamlNode::Kind::map) {
            throw unexpected(*provenance, "a map of texts");
        }
        for (const YamlNode& child : provenance->children) {
            platform.provenance.emplace_back(child.key, read_text(child));
        }
    }
    for (const YamlNode& item : items_of(root, keys::warnings)) {
        platform.warnings.push_back(read_text(item));
    }
}

// `count`: how many there are before `item`.
void expect_few(const YamlNode& item, std::string_view what, std::size_t count) {
    if (count >= at(kMostOfAKind)) {
        throw input_error(
            position_of(item),
            fmt::format(
                "more than {} {}; at most {} are supported", kMostOfAKind, what, kMostOfAKind));
    }
}

void read_memories_and_devices(const YamlNode& root, Platform& platform) {
    const YamlNode& memories = at(root, keys::memories);
    for (const YamlNode& item : read_list(memories)) {
        expect_few(item, "memories", platform.memories.size());
        platform.memories.push_back(read_memory(item, platform));
    }
    if (platform.memories.empty()) {
        throw unexpected(memories, "at least the host's memory");
    }
    const YamlNode& devices = at(root, keys::devices);
    for (const YamlNode& item : read_list(devices)) {
        expect_few(item, "devices", platform.devices.size());
        platform.devices.push_back(read_device(item, platform));
        if (platform.devices.size() == 1 &&
            (platform.devices[0].asynchronous || platform.devices[0].memory != 0)) {
            throw input_error(position_of(item),
                              fmt::format("the first device is the host: synchronous, and in the "
                                          "first memory ('{}')",
                                          platform.memories[0].name));
        }
    }
    if (platform.devices.empty()) {
        throw unexpected(devices, "at least the host");
    }
    for (std::size_t i = 0; i < platform.devices.size(); ++i) {
        if (const YamlNode* const contention = find(devices.children[i], keys::contention)) {
            Device& device = platform.devices[i];
            device.contention = read_contention(*contention, platform, device);
        }
        if (const YamlNode* const by_operation = find(devices.children[i], keys::contention_of)) {
            Device& device = platform.devices[i];
            device.contention_of = read_contention_of(*by_operation, platform, device);
        }
    }
}

void read_links_and_buses(const YamlNode& root, Platform& platform) {
    std::size_t engines = 0;
    for (const YamlNode& item : items_of(root, keys::links)) {
        Link link = read_link(item, platform);
        if (link.engine.empty() ||
            std::ranges::find(platform.links, link.engine, &Link::engine) == platform.links.end()) {
            expect_few(item, "copy engines", engines++);
        }
        platform.links.push_back(std::move(link));
    }
    for (const YamlNode& item : items_of(root, keys::buses)) {
        platform.buses.push_back(read_bus(item, platform));
    }
    for (const YamlNode& item : items_of(root, keys::layouts)) {
        platform.layouts.push_back(read_layout_row(item, platform));
    }
}

void read_machine(const YamlNode& root, Platform& platform) {
    read_memories_and_devices(root, platform);
    read_links_and_buses(root, platform);
    if (const YamlNode* const power = find(root, keys::base_power_w)) {
        platform.base_power_w = read_number(*power);
    }
    if (const YamlNode* const copy = find(root, keys::host_copy)) {
        expect(*copy, keys::host_copy, {}, kTransferKeys);
        platform.host_copy = read_transfer(*copy);
    }
    for (const YamlNode& item : items_of(root, keys::measurements)) {
        expect(item, "a measurement", with_measurement({keys::name}));
        platform.measurements.emplace_back(read_name(at(item, keys::name)), read_measurement(item));
    }
    for (const YamlNode& item : items_of(root, keys::trials)) {
        platform.trials.push_back(read_trials(item));
    }
    expect_distinct(platform.trials, "trials (model, batch, host_alone)", [](const Trials& trials) {
        return std::tie(trials.model, trials.batch, trials.host_alone);
    });
}

void read_costs(const YamlNode& root, Platform& platform) {
    const std::vector<std::string_view> names = names_of(platform.devices);
    for (const YamlNode& item : items_of(root, keys::costs)) {
        platform.measured.push_back(read_measured(item, names));
    }
    for (const YamlNode& item : items_of(root, keys::fits)) {
        platform.fitted.push_back(read_fitted(item, names));
    }
    expect_distinct(
        platform.measured,
        "cost (layers, batch, device, variant, configuration)",
        [](const MeasuredCost& c) {
            return std::tie(
                c.layers, c.layer_names, c.results, c.batch, c.device, c.variant, c.configuration);
        });
    expect_distinct(
        platform.fitted, "fit (pattern, device, variant, configuration)", [](const FittedCost& f) {
            return std::tie(f.pattern, f.results, f.device, f.variant, f.configuration);
        });
    for (const YamlNode& item : items_of(root, keys::formulas)) {
        platform.formulas.push_back(read_formula(item, platform));
    }
    for (const YamlNode& item : items_of(root, keys::splits)) {
        platform.splits.push_back(read_split(item, platform));
    }
    expect_no_overlap(platform.formulas,
                      "formula (device, variant, configuration, when)",
                      [](const FormulaCost& f) {
                          return std::tuple{f.device, f.variant, f.configuration, f.when.text};
                      });
    expect_no_overlap(platform.splits, "split (devices, by)", [](const SplitRule& r) {
        return std::pair{r.devices, r.by};
    });
}

void expect_few_layouts(const YamlNode& root, const Platform& platform) {
    std::set<std::string_view> layouts{kPackedLayout};
    const auto add = [&](const auto& costs, std::string_view key) {
        for (std::size_t i = 0; i < costs.size(); ++i) {
            layouts.insert(costs[i].in_layout);
            layouts.insert(costs[i].out_layout);
            expect_few(at(root, key).children[i], "layouts", layouts.size() - 1);
        }
    };
    add(platform.measured, keys::costs);
    add(platform.fitted, keys::fits);
    add(platform.formulas, keys::formulas);
}

Platform read_platform(const YamlNode& root) {
    expect(root,
           "a platform",
           {keys::hetmap, keys::name, keys::memories, keys::devices},
           {keys::provenance,
            keys::warnings,
            keys::links,
            keys::buses,
            keys::layouts,
            keys::base_power_w,
            keys::host_copy,
            keys::measurements,
            keys::trials,
            keys::costs,
            keys::fits,
            keys::formulas,
            keys::splits,
            keys::counts});
    Platform platform;
    platform.name = read_name(at(root, keys::name));

    read_provenance(root, platform);
    read_machine(root, platform);
    read_costs(root, platform);
    expect_few_layouts(root, platform);
    expect_complete(root, platform);
    return platform;
}

// Where numbers that were set and the file's do not go together, the error stands at the file's.
Platform read_with(const YamlFile& file, std::span<const std::string> set) {
    try {
        return read_platform(file.root);
    } catch (const InputError& error) {
        const std::string_view what = error.what();
        if (set.empty() || what.starts_with("--set ")) {
            throw;
        }
        throw InputError{fmt::format("{} (with --set {})", what, fmt::join(set, " --set "))};
    }
}

Platform read_changed(YamlFile file,
                      const std::filesystem::path& path,
                      std::span<const std::string> set) {
    for (const std::string& assignment : set) {
        set_number(file, assignment);
    }
    Platform platform = read_with(file, set);
    platform.path = path;
    platform.set.assign(set.begin(), set.end());
    return platform;
}

// ---- Finding. -------------------------------------------------------------------------------

// Every profile under a folder, in alphabetical order.
std::vector<std::filesystem::path> profiles_under(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    constexpr auto kOptions = std::filesystem::directory_options::skip_permission_denied;
    std::error_code end, ignored;
    for (auto entry = std::filesystem::recursive_directory_iterator{folder, kOptions, end};
         !end && entry != std::filesystem::recursive_directory_iterator{};
         entry.increment(end)) {
        if (entry->path().extension() == ".yaml" && entry->is_regular_file(ignored)) {
            files.push_back(entry->path());
        }
    }
    expect_gone_through(folder, end);
    std::ranges::sort(files);
    return files;
}

std::filesystem::path find_platform(const std::string& name_or_path,
                                    std::span<const std::filesystem::path> search_path) {
    std::filesystem::path given{name_or_path};
    std::error_code ignored;
    const bool is_folder = std::filesystem::is_directory(given, ignored);
    if (!is_folder && std::filesystem::exists(given, ignored)) {
        return given;
    }
    const bool is_name = given.has_filename() && !given.has_parent_path();
    std::string folders;
    std::vector<std::string> names;
    for (const std::filesystem::path& folder : search_path) {
        std::vector<std::filesystem::path> found;
        for (const std::filesystem::path& file : profiles_under(folder)) {
            names.push_back(file.stem().string());
            if (is_name && (file.stem() == given || file.filename() == given)) {
                found.push_back(file);
            }
        }
        if (found.size() > 1) {
            throw InputError{fmt::format("platform '{}' is two files, name one of them: {} or {}",
                                         name_or_path,
                                         found[0].string(),
                                         found[1].string())};
        }
        if (!found.empty()) {
            return found.front();
        }
        folders += fmt::format("{}{}", folders.empty() ? "" : ", ", folder.string());
    }
    if (is_folder) {
        throw InputError{
            fmt::format("{}: expected a platform's file, this is a folder", name_or_path)};
    }
    if (!is_name || given.extension() == ".yaml") {
        throw InputError{fmt::format("{}: no such file", name_or_path)};
    }
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    const std::vector<std::string_view> views(names.begin(), names.end());
    throw InputError{fmt::format("no platform '{}' in {}; there are: {}",
                                 name_or_path,
                                 folders.empty() ? "the search path" : folders,
                                 list_of(views, 40))};
}

}  // namespace

Platform load_platform(const std::string& name_or_path,
                       std::span<const std::filesystem::path> search_path,
                       std::span<const std::string> set) {
    return PlatformFile{name_or_path, search_path}.with(set);
}

PlatformFile::PlatformFile(const std::string& name_or_path,
                           std::span<const std::filesystem::path> search_path)
    : path_{find_platform(name_or_path, search_path)},
      file_{std::make_shared<const YamlFile>(load_yaml(path_, keys::kFormat))} {}

Platform PlatformFile::with(std::span<const std::string> set) const {
    return read_changed(*file_, path_, set);
}

std::vector<std::string> platform_names(std::span<const std::filesystem::path> search_path) {
    std::set<std::string> names;
    for (const std::filesystem::path& folder : search_path) {
        for (const std::filesystem::path& file : profiles_under(folder)) {
            names.insert(file.stem().string());
        }
    }
    return {names.begin(), names.end()};
}

Platform parse_platform(const std::string& text,
                        const std::filesystem::path& path,
                        std::span<const std::string> set) {
    return read_changed(parse_yaml(text, path, keys::kFormat), path, set);
}

}  // namespace sim
