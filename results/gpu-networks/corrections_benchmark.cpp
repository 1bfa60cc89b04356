// What corrections (calibrate/corrections.hpp) make of mappings that a machine with a GPU ran: how
// far its profile's predictions were off, before and after, on mappings and on networks that the
// corrections have not seen.
//
//   build/corrections_benchmark OUT.csv PROFILE validate-*.json
//
// The logs are those of hetmap validate --sample N --json; the profile is the one they are about,
// not corrected yet. OUT.csv has a row for each mapping; the table goes to standard output.

#include "calibrate/corrections.hpp"
#include "calibrate/statistics.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/index.hpp"
#include "sim/run/simulate.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace {

using calibrate::CostKey;
using nlohmann::json;
using sim::at;

constexpr int kSkipped = 77;
constexpr double kMostly = 0.7;  // of a mapping's work that is on the GPU

// One mapping of a log, and its errors in percent of what was measured.
struct Row {
    std::string network, name;
    double measured_us = 0, predicted_us = 0;
    double gpu_share = 0;
    double before = 0, left_out = 0, other_networks = 0;
};

struct Network {
    std::string name;
    calibrate::TriedNetwork tried;
    std::vector<Row> rows;  // beside the trials
};

double error_percent(double predicted, double measured) { return 100 * (predicted / measured - 1); }

double predicted_us(const sim::Problem& problem, const sim::Mapping& mapping) {
    return sim::microseconds(sim::simulate(problem, mapping).makespan);
}

sim::MappingFile mapping_of(const json& one, const sim::Problem& problem) {
    sim::MappingFile file;
    file.model = problem.model;
    file.platform = problem.platform;
    file.batch = problem.batch;
    for (const json& layer : one.at("layers")) {
        sim::MappingEntry entry;
        const std::string names = layer.at("name");
        for (std::size_t begin = 0; begin <= names.size();) {
            const std::size_t end = std::min(names.find('+', begin), names.size());
            entry.layers.push_back(names.substr(begin, end - begin));
            begin = end + 1;
        }
        entry.device = layer.at("device");
        entry.variant = layer.at("variant");
        entry.configuration = layer.at("configuration");
        file.entries.push_back(std::move(entry));
    }
    return file;
}

double gpu_share(const sim::Problem& problem, const sim::Mapping& mapping) {
    double gpu = 0, all = 0;
    for (const int t : mapping) {
        const sim::Task& task = problem.tasks[at(t)];
        const double us = sim::microseconds(task.cost);
        all += us;
        gpu += problem.devices[at(task.device)].asynchronous ? us : 0;
    }
    return all > 0 ? gpu / all : 0;
}

// `left_out`: mappings that the profile has no costs for, counted.
Network load(const std::string& path, const sim::Platform& platform, int& left_out) {
    json log;
    std::ifstream{path} >> log;
    const sim::Model model = sim::load_model(std::string{HETMAP_SOURCE_MODELS} + "/" +
                                                 log.at("model").get<std::string>() + "/model.yaml",
                                             {});
    Network network;
    sim::Problem& problem = network.tried.problem;
    problem = sim::compile(model, platform, {.batch = log.at("batch").get<int>(), .only = {}});
    network.name = fmt::format("{} b{}", model.name, problem.batch);
    for (const sim::Task& task : problem.tasks) {
        network.tried.keys.push_back(
            task.variant.empty() ? CostKey{} : calibrate::key_of(model, problem, task));
    }
    std::vector<json> all = log.at("baselines");
    all.insert(all.end(), log.at("sample").begin(), log.at("sample").end());
    for (const json& one : all) {
        try {
            const sim::Mapping mapping = sim::resolve(mapping_of(one, problem), problem);
            const double us = one.at("measured_us").at("p50");
            Row row{.network = network.name, .name = one.at("name")};
            row.measured_us = us;
            row.predicted_us = predicted_us(problem, mapping);
            row.gpu_share = gpu_share(problem, mapping);
            row.before = error_percent(row.predicted_us, us);
            network.rows.push_back(std::move(row));
            network.tried.trials.push_back({mapping, 1000 * us});
        } catch (const sim::InputError&) {
            ++left_out;
        }
    }
    return network;
}

void print(const std::string& what, const std::vector<Row>& rows) {
    const auto column = [&](double Row::*error) {
        std::vector<double> sizes, errors;
        for (const Row& row : rows) {
            errors.push_back(row.*error);
            sizes.push_back(std::abs(row.*error));
        }
        return fmt::format("{:.1f} | {:.1f} | {:+.1f}",
                           calibrate::quantile(sizes, 0.5),
                           calibrate::quantile(sizes, 0.9),
                           calibrate::quantile(errors, 0.5));
    };
    if (!rows.empty()) {
        fmt::print("| {} | {} | {} | {} | {} |\n",
                   what,
                   rows.size(),
                   column(&Row::before),
                   column(&Row::left_out),
                   column(&Row::other_networks));
    }
}

void run(const std::string& out, std::span<const std::string> inputs) {
    const sim::Platform platform = sim::load_platform(inputs.front(), {});
    int left_out = 0;
    std::vector<Network> networks;
    std::vector<calibrate::TriedNetwork> tried;
    for (const std::string& log : inputs.subspan(1)) {
        networks.push_back(load(log, platform, left_out));
        tried.push_back(networks.back().tried);
    }
    std::set<CostKey> alone;
    for (const sim::MeasuredCost& cost : platform.measured) {
        if (cost.device > 0) {
            alone.insert(calibrate::key_of(cost));
        }
    }

    const calibrate::Corrections found = calibrate::fit_corrections(tried, alone);
    for (std::size_t n = 0; n < networks.size(); ++n) {
        std::vector<calibrate::TriedNetwork> others = tried;
        others.erase(others.begin() + static_cast<std::ptrdiff_t>(n));
        const sim::Problem unseen =
            calibrate::corrected(tried[n], calibrate::fit_corrections(others, alone), alone);
        for (std::size_t i = 0; i < networks[n].rows.size(); ++i) {
            Row& row = networks[n].rows[i];
            row.left_out = 100 * (1 / found.ratios[n][i] - 1);
            row.other_networks =
                error_percent(predicted_us(unseen, tried[n].trials[i].mapping), row.measured_us);
        }
    }

    std::ofstream csv{out};
    csv << "network,mapping,gpu_share,measured_us,predicted_us,error_before_percent,"
           "error_left_out_percent,error_other_networks_percent\n";
    std::vector<Row> all, mostly;
    fmt::print(
        "| mappings | | as measured: median error [%] | p90 | bias | corrected by all other "
        "mappings: median | p90 | bias | by other networks: median | p90 | bias |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (const Network& network : networks) {
        print(network.name, network.rows);
        for (const Row& row : network.rows) {
            csv << fmt::format("{},{},{:.3f},{:.3f},{:.3f},{:.2f},{:.2f},{:.2f}\n",
                               row.network,
                               row.name,
                               row.gpu_share,
                               row.measured_us,
                               row.predicted_us,
                               row.before,
                               row.left_out,
                               row.other_networks);
            all.push_back(row);
            if (row.gpu_share > kMostly) {
                mostly.push_back(row);
            }
        }
    }
    print("all", all);
    print(fmt::format("more than {:.0f} % of the work on the GPU", 100 * kMostly), mostly);
    for (const calibrate::DeviceCorrection& one : found.devices) {
        fmt::print(
            "\n{}: submission {:+.2f} us, completion {:+.2f} us, copies x {:.2f} up and x "
            "{:.2f} down, tasks x {:.3f} {:+.2f} us.\n",
            platform.devices[at(one.device)].name,
            one.submit,
            one.completion,
            one.up,
            one.down,
            one.work,
            one.task);
    }
    if (left_out > 0) {
        fmt::print("{} mappings were left out: the profile has no costs for them.\n", left_out);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() < 3) {
        fmt::print(
            "skipped: it wants a profile and logs of a machine with a GPU: OUT.csv PROFILE "
            "validate-*.json\n");
        return kSkipped;
    }
    try {
        run(arguments.front(), std::span{arguments}.subspan(1));
    } catch (const std::exception& error) {
        fmt::print(stderr, "error: {}\n", error.what());
        return 2;
    }
    return 0;
}
