// One HTML file: sim/report/html/report.html with its places filled: the style, D3 with its
// licence, the script, and as JSON what they show. That JSON is
//
//     heading, finding     as in the other reports
//     network              layers with their operations and inputs: the graph
//     answer               `hetmap map --json` of the mapping
//     front                `hetmap map --pareto --json`, packed (see packed()), and its knees
//     validation           `hetmap validate --json`
//     sweep                `hetmap sweep --json`, its mappings by number, and colours for lines
//     platform             devices with their colours, provenance, warnings; costs of a profile
//
// each null where there is none.

#include "sim/report/html.hpp"

#include "sim/describe/platform.hpp"
#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/report/front.hpp"
#include "sim/report/json.hpp"
#include "sim/report/names.hpp"
#include "sim/report/palette.hpp"
#include "sim/report/svg.hpp"
#include "sim/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <string_view>

namespace sim {

// Embedded when hetmap is built: sim/report/html/, and D3 with its licence, or nothing of it.
extern const std::string_view k_report_html;  // NOLINT(readability-identifier-naming)
extern const std::string_view k_report_css;   // NOLINT(readability-identifier-naming)
extern const std::string_view k_report_js;    // NOLINT(readability-identifier-naming)
extern const std::string_view k_d3_min_js;    // NOLINT(readability-identifier-naming)
extern const std::string_view k_d3_licence;   // NOLINT(readability-identifier-naming)

namespace {

using nlohmann::ordered_json;

// ---- what is shown --------------------------------------------------------------------------

ordered_json network_object(const Answer& answer) {
    const Problem& problem = *answer.problem;
    ordered_json layers = ordered_json::array();
    for (int layer = 0; layer < problem.layers(); ++layer) {
        const int of_model = problem.model_layer.empty() ? -1 : problem.model_layer[at(layer)];
        const Operation* const operation = answer.model == nullptr || of_model < 0
                                               ? nullptr
                                               : answer.model->layers[at(of_model)].operation;
        layers.push_back({{"name", layer_name(problem, layer)},
                          {"operation", operation == nullptr ? "" : operation->name},
                          {"inputs", problem.inputs[at(layer)]}});
    }
    return layers;
}

ordered_json measurement_array(const Measurement& m) {
    return {exact_microseconds(m.p05), exact_microseconds(m.p50), exact_microseconds(m.p95)};
}

ordered_json platform_object(const Platform& platform, bool with_costs) {
    ordered_json devices = ordered_json::array(), provenance = ordered_json::array(),
                 links = ordered_json::array();
    for (std::size_t d = 0; d < platform.devices.size(); ++d) {
        const Device& device = platform.devices[d];
        devices.push_back({{"name", device.name},
                           {"kind", device.kind},
                           {"memory", platform.memories[at(device.memory)].name},
                           {"colour", colour_of(d).fill}});
    }
    for (const Link& link : platform.links) {
        links.push_back({{"name", link.name},
                         {"from", platform.memories[at(link.from)].name},
                         {"to", platform.memories[at(link.to)].name}});
    }
    for (const auto& [key, value] : platform.provenance) {
        provenance.push_back({key, value});
    }
    ordered_json object{{"name", platform.name},
                        {"set", platform.set},
                        {"devices", std::move(devices)},
                        {"links", std::move(links)},
                        {"provenance", std::move(provenance)},
                        {"warnings", platform.warnings}};
    if (!with_costs) {
        return object;
    }
    ordered_json measured = ordered_json::array(), fitted = ordered_json::array(),
                 trials = ordered_json::array();
    for (const MeasuredCost& cost : platform.measured) {
        std::string layers = cost.layers;
        for (const std::string& name : cost.layer_names) {
            layers += (layers.empty() ? "" : " ") + name;
        }
        measured.push_back({{"layers", layers},
                            {"batch", cost.batch},
                            {"device", platform.devices[at(cost.device)].name},
                            {"variant", cost.variant},
                            {"configuration", cost.configuration},
                            {"us", measurement_array(cost.time)},
                            {"samples", cost.time.samples}});
    }
    for (const FittedCost& cost : platform.fitted) {
        fitted.push_back({{"pattern", cost.pattern},
                          {"device", platform.devices[at(cost.device)].name},
                          {"variant", cost.variant},
                          {"configuration", cost.configuration},
                          {"samples", cost.samples},
                          {"median_error_percent", cost.median_error_percent},
                          {"p90_error_percent", cost.p90_error_percent}});
    }
    for (const Trials& trial : platform.trials) {
        trials.push_back({{"model", trial.model},
                          {"batch", trial.batch},
                          {"samples", trial.samples},
                          {"ratios", {trial.p05, trial.p50, trial.p95}}});
    }
    object["measured"] = std::move(measured);
    object["fitted"] = std::move(fitted);
    object["trials"] = std::move(trials);
    return object;
}

// Mappings of a front say the same of the same tasks over and over. `things` has it once; in the
// points stand its number and the times: [3, start_us, end_us, waited_us].
ordered_json packed(ordered_json front) {
    ordered_json things = ordered_json::array();
    std::map<std::string, std::size_t> numbers;
    for (ordered_json& point : front["points"]) {
        for (const char* const kind :
             {"layers", "copies", "conversions", "submissions", "reconfigurations"}) {
            for (ordered_json& event : point[kind]) {
                ordered_json row{0};
                for (const char* const time : {"start_us", "end_us", "waited_us"}) {
                    row.push_back(event.value(time, 0.0));
                    event.erase(time);
                }
                const auto [found, is_new] = numbers.try_emplace(event.dump(), things.size());
                if (is_new) {
                    things.push_back(std::move(event));
                }
                row[0] = found->second;
                event = std::move(row);
            }
        }
    }
    front["things"] = std::move(things);
    return front;
}

ordered_json front_object(const FrontAnswer& front) {
    ordered_json object = packed(json_of(front));
    ordered_json numbers = ordered_json::array();
    for (const std::size_t knee : knees(front)) {
        numbers.push_back(knee + 1);
    }
    object["knees"] = std::move(numbers);
    return object;
}

constexpr std::size_t kLines = 12;  // of a sweep's chart, each with a colour of its own

// Mappings, of which many cells have the same, stand once, as lines.
ordered_json sweep_object(const std::string& cells) {
    ordered_json object{{"cells", ordered_json::parse(cells)},
                        {"mappings", ordered_json::array()},
                        {"palette", ordered_json::array()}};
    std::map<std::string, std::size_t> numbers;
    for (ordered_json& cell : object["cells"]) {
        if (cell.contains("message")) {
            const std::string message = cell["message"];
            cell["message"] = message.substr(0, message.find('\n'));
        }
        if (!cell.contains("points")) {
            continue;  // it is open
        }
        for (ordered_json& point : cell["points"]) {
            const std::string mapping = point["mapping"];
            const auto [found, is_new] = numbers.try_emplace(mapping, numbers.size());
            if (is_new) {
                ordered_json& lines = object["mappings"].emplace_back(ordered_json::array());
                for (std::size_t from = 0; from < mapping.size();) {
                    const std::size_t end = std::min(mapping.find('\n', from), mapping.size());
                    lines.push_back(mapping.substr(from, end - from));
                    from = end + 1;
                }
            }
            point["mapping"] = found->second;
        }
    }
    for (std::size_t line = 0; line < kLines; ++line) {
        object["palette"].push_back(colour_of(line).fill);
    }
    return object;
}

ordered_json data_of(const HtmlContent& content) {
    ordered_json networks =
        ordered_json::object();  // by name: of twins each point may have another
    const auto add_network = [&](const Answer& answer) {
        if (!networks.contains(answer.problem->model)) {
            networks[answer.problem->model] = network_object(answer);
        }
    };
    if (content.answer != nullptr) {
        add_network(*content.answer);
    }
    if (content.front != nullptr) {
        std::for_each(content.front->points.begin(), content.front->points.end(), add_network);
    }
    const Platform* const platform = content.platform;
    ordered_json data{
        {"heading",
         platform != nullptr ? platform_text(platform->name, platform->set) : content.heading},
        {"finding", content.finding},
        {"networks", std::move(networks)},
        {"answer", nullptr},
        {"front", nullptr},
        {"validation", nullptr},
        {"sweep", nullptr},
        {"platform", nullptr}};
    if (platform != nullptr) {
        data["platform"] = platform_object(*platform, content.profile);
    }
    if (!content.sweep.empty()) {
        data["sweep"] = sweep_object(content.sweep);
    }
    if (content.answer != nullptr) {
        data["heading"] = heading(*content.answer);
        data["finding"] = finding(*content.answer);
        data["answer"] = json_of(*content.answer);
    }
    if (content.front != nullptr) {
        data["heading"] = heading(*content.front);
        data["finding"] = finding(*content.front);
        data["front"] = front_object(*content.front);
    }
    if (!content.validation.empty()) {
        data["validation"] = ordered_json::parse(content.validation);
    }
    return data;
}

// ---- the file -------------------------------------------------------------------------------

// The same with every text as people may see it: nothing in it is a command to a browser.
ordered_json shown(const ordered_json& value) {
    if (value.is_string()) {
        return printable(value.get<std::string>());
    }
    if (!value.is_structured()) {
        return value;
    }
    ordered_json out = value.is_array() ? ordered_json::array() : ordered_json::object();
    for (const auto& [key, inner] : value.items()) {
        if (value.is_array()) {
            out.push_back(shown(inner));
        } else {
            out[printable(key)] = shown(inner);
        }
    }
    return out;
}

// JSON that can stand in a script of an HTML file: nothing in it ends the script or begins a
// comment, and no line ends where only JavaScript sees one.
std::string in_script(const std::string& json) {
    std::string out;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const std::string_view rest = std::string_view{json}.substr(i);
        if (rest.starts_with('<')) {
            out += "\\u003c";
        } else if (rest.starts_with('>')) {
            out += "\\u003e";
        } else if (rest.starts_with('&')) {
            out += "\\u0026";
        } else if (rest.starts_with("\u2028") || rest.starts_with("\u2029")) {
            out += rest.starts_with("\u2028") ? "\\u2028" : "\\u2029";
            i += 2;
        } else {
            out += json[i];
        }
    }
    return out;
}

// The template with each {{name}} replaced. What is put in is not looked at again.
std::string filled(std::string_view text,
                   const std::map<std::string_view, std::string_view>& values) {
    std::string out;
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t begin = text.find("{{", from);
        const std::size_t end = begin == text.npos ? text.npos : text.find("}}", begin);
        out += text.substr(from, begin - from);
        if (end == text.npos) {
            break;
        }
        out += values.at(text.substr(begin + 2, end - begin - 2));
        from = end + 2;
    }
    return out;
}
// Escaped, line by line.
std::string escaped_lines(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        out += escaped(text.substr(0, end)) + "\n";
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

}  // namespace

void expect_html_reports() {
    if (k_d3_min_js.empty()) {
        throw InputError{
            "--report: this build has none, since D3 was missing when it was built "
            "(docs/reports.md)"};
    }
}

std::string html_report(const HtmlContent& content) {
    expect_html_reports();
    const ordered_json data = shown(data_of(content));
    const std::string title = escaped(data["heading"].get<std::string>());
    const std::string json = in_script(dumped(data, -1));
    const std::string licence = escaped_lines(k_d3_licence);
    return filled(k_report_html,
                  {{"title", title},
                   {"style", k_report_css},
                   {"library", k_d3_min_js},
                   {"licence", licence},
                   {"script", k_report_js},
                   {"data", json}});
}

}  // namespace sim
