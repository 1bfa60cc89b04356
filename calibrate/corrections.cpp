#include "calibrate/corrections.hpp"

#include "calibrate/statistics.hpp"
#include "sim/index.hpp"
#include "sim/run/simulate.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <tuple>
#include <utility>

namespace calibrate {
namespace {

using sim::at;

constexpr double kLeast = 0.1;  // of what was measured: no correction leaves less

// ---- What is done to a time, microseconds ------------------------------------------------------

double in_network(double us, double work, double task) {
    return std::max(us * work + task, kLeast * us);
}

double kernel_us(double us, const DeviceCorrection& device, bool is_alone, double factor) {
    return factor * (is_alone ? in_network(us, device.work, device.task) : us);
}

sim::Time more(sim::Time time, double us) {
    return sim::from_microseconds(std::max(sim::microseconds(time) + us, 0.0));
}

sim::Measurement scaled(const sim::Measurement& time, double factor) {
    const auto by = [&](sim::Time t) {
        return sim::from_microseconds(sim::microseconds(t) * factor);
    };
    return {.p05 = by(time.p05), .p50 = by(time.p50), .p95 = by(time.p95), .samples = time.samples};
}

double factor_of(const Corrections& corrections, const CostKey& key) {
    const auto found = corrections.kernels.find(key);
    return found == corrections.kernels.end() ? 1 : found->second;
}

// ---- The parameters of the fit -----------------------------------------------------------------

// One number of a DeviceCorrection. `expected`: how large it is thought to be; of times in
// submissions of the device, of factors in their logarithm.
struct Parameter {
    double DeviceCorrection::*value;
    bool is_factor;
    double expected;
};

constexpr Parameter kParameters[] = {
    {.value = &DeviceCorrection::submit, .is_factor = false, .expected = 0.5},
    {.value = &DeviceCorrection::completion, .is_factor = false, .expected = 0.5},
    {.value = &DeviceCorrection::task, .is_factor = false, .expected = 0.1},
    {.value = &DeviceCorrection::up, .is_factor = true, .expected = 0.3},
    {.value = &DeviceCorrection::down, .is_factor = true, .expected = 0.3},
    {.value = &DeviceCorrection::work, .is_factor = true, .expected = 0.2},
};
constexpr double kExpectedOfKernel = 0.1;  // in its logarithm
constexpr double kNoise = 0.03;            // of one trial, likewise

class Fit {
public:
    Fit(std::span<const TriedNetwork> networks, const std::set<CostKey>& alone);

    Corrections run();

private:
    struct OneTrial {
        std::size_t network = 0;
        sim::Mapping mapping;
        double us = 0;
    };
    // What a parameter changes in the logarithm of a prediction, where it does.
    using Row = std::vector<std::pair<std::size_t, double>>;

    std::vector<sim::Problem> problems() const;
    double predicted(const std::vector<sim::Problem>& problems, const OneTrial& trial) const;
    void set(std::size_t parameter, double value);
    Row sensitivities_of_kernels(std::vector<sim::Problem>& problems,
                                 const OneTrial& trial,
                                 double us) const;
    void iterate();

    const std::set<CostKey>& alone_;
    std::vector<TriedNetwork> networks_;  // with the tasks that trials have
    std::vector<OneTrial> trials_;
    std::vector<CostKey> kernels_;                 // whose parameters come behind the devices'
    std::map<CostKey, std::size_t> parameter_of_;  // likewise
    std::vector<double> expected_;                 // by parameter
    std::vector<double> values_;
    Corrections corrections_;  // as the values say
    // Of the last iteration, by trial: the logarithm of measured over predicted by all the others.
    std::vector<double> left_out_;
};

Fit::Fit(std::span<const TriedNetwork> networks, const std::set<CostKey>& alone) : alone_{alone} {
    std::map<int, double> devices;  // asynchronous ones in trials, and microseconds of a submission
    for (const TriedNetwork& network : networks) {
        TriedNetwork used = network;
        std::vector<char> in_trial(network.problem.tasks.size(), 0);
        for (const Trial& trial : network.trials) {
            for (const int t : trial.mapping) {
                in_trial[at(t)] = 1;
            }
        }
        const std::vector<int> kept = sim::keep_tasks(used.problem, in_trial);
        used.keys.clear();
        std::vector<int> place(network.problem.tasks.size(), -1);
        for (std::size_t i = 0; i < kept.size(); ++i) {
            place[at(kept[i])] = static_cast<int>(i);
            used.keys.push_back(network.keys[at(kept[i])]);
            const int device = used.problem.tasks[i].device;
            const sim::ProblemDevice& one = used.problem.devices[at(device)];
            if (one.asynchronous && !used.problem.tasks[i].variant.empty()) {
                devices[device] = 1 + sim::microseconds(one.submit + one.per_task + one.completion);
                if (parameter_of_.try_emplace(used.keys.back(), 0).second) {
                    kernels_.push_back(used.keys.back());
                }
            }
        }
        for (const Trial& trial : network.trials) {
            OneTrial one{
                .network = networks_.size(), .mapping = trial.mapping, .us = trial.ns / 1000};
            for (int& t : one.mapping) {
                t = place[at(t)];
            }
            trials_.push_back(std::move(one));
        }
        networks_.push_back(std::move(used));
    }
    for (const auto& [device, submission_us] : devices) {
        corrections_.devices.push_back({.device = device});
        for (const Parameter& p : kParameters) {
            expected_.push_back(p.is_factor ? p.expected : p.expected * submission_us);
        }
    }
    for (const CostKey& key : kernels_) {
        parameter_of_[key] = expected_.size();
        expected_.push_back(kExpectedOfKernel);
    }
    values_.assign(expected_.size(), 0);
}

std::vector<sim::Problem> Fit::problems() const {
    std::vector<sim::Problem> all;
    for (const TriedNetwork& network : networks_) {
        all.push_back(corrected(network, corrections_, alone_));
    }
    return all;
}

double Fit::predicted(const std::vector<sim::Problem>& problems, const OneTrial& trial) const {
    return sim::microseconds(sim::simulate(problems[trial.network], trial.mapping).makespan);
}

void Fit::set(std::size_t parameter, double value) {
    constexpr std::size_t kEach = std::size(kParameters);
    values_[parameter] = value;
    const std::size_t device = parameter / kEach;
    if (device < corrections_.devices.size()) {
        const Parameter& p = kParameters[parameter % kEach];
        corrections_.devices[device].*p.value = p.is_factor ? std::exp(value) : value;
    } else {
        const std::size_t first = corrections_.devices.size() * kEach;
        corrections_.kernels[kernels_[parameter - first]] = std::exp(value);
    }
}

Fit::Row Fit::sensitivities_of_kernels(std::vector<sim::Problem>& problems,
                                       const OneTrial& trial,
                                       double us) const {
    constexpr double kStep = 0.02;
    Row row;
    for (const int t : trial.mapping) {
        const auto found = parameter_of_.find(networks_[trial.network].keys[at(t)]);
        if (found == parameter_of_.end()) {
            continue;
        }
        sim::Time& cost = problems[trial.network].tasks[at(t)].cost;
        const sim::Time before = cost;
        cost = sim::from_microseconds(sim::microseconds(cost) * (1 + kStep));
        const double change = std::log(predicted(problems, trial) / us) / std::log(1 + kStep);
        cost = before;
        if (change != 0) {
            row.emplace_back(found->second, change);
        }
    }
    return row;
}

// One step of Gauss and Newton: with C = J S J' + R, S what is expected of the parameters and R the
// noise of the trials, the parameters are S J' C^-1 r.
void Fit::iterate() {
    constexpr double kStep = 0.05;  // of what is expected
    constexpr double kHuber = 1.5;  // in noises
    const std::size_t count = trials_.size();
    std::vector<sim::Problem> now = problems();
    std::vector<double> us(count);
    std::vector<Row> rows(count);
    for (std::size_t i = 0; i < count; ++i) {
        us[i] = predicted(now, trials_[i]);
        rows[i] = sensitivities_of_kernels(now, trials_[i], us[i]);
    }
    for (std::size_t p = 0; p < corrections_.devices.size() * std::size(kParameters); ++p) {
        const double value = values_[p], step = kStep * expected_[p];
        set(p, value + step);
        const std::vector<sim::Problem> changed = problems();
        set(p, value);
        for (std::size_t i = 0; i < count; ++i) {
            const double change = std::log(predicted(changed, trials_[i]) / us[i]) / step;
            if (change != 0) {
                rows[i].emplace_back(p, change);
            }
        }
    }

    const auto size = static_cast<Eigen::Index>(count);
    Eigen::MatrixXd c(size, size);
    Eigen::VectorXd r(size);
    std::vector<double> dense(values_.size(), 0);
    for (std::size_t i = 0; i < count; ++i) {
        const auto row = static_cast<Eigen::Index>(i);
        const double residual = std::log(trials_[i].us / us[i]);
        r(row) = residual;
        for (const auto& [p, change] : rows[i]) {
            dense[p] = change * expected_[p] * expected_[p];
            r(row) += change * values_[p];
        }
        for (std::size_t j = 0; j <= i; ++j) {
            double sum = 0;
            for (const auto& [p, change] : rows[j]) {
                sum += dense[p] * change;
            }
            const auto column = static_cast<Eigen::Index>(j);
            c(row, column) = c(column, row) = sum;
        }
        c(row, row) += kNoise * kNoise * std::max(1.0, std::abs(residual) / (kHuber * kNoise));
        for (const auto& [p, change] : rows[i]) {
            dense[p] = 0;
        }
    }
    const Eigen::MatrixXd inverse = c.llt().solve(Eigen::MatrixXd::Identity(size, size));
    const Eigen::VectorXd weights = inverse * r;

    std::vector<double> next(values_.size(), 0);
    for (std::size_t i = 0; i < count; ++i) {
        for (const auto& [p, change] : rows[i]) {
            next[p] += expected_[p] * expected_[p] * change * weights(static_cast<Eigen::Index>(i));
        }
    }
    for (std::size_t p = 0; p < next.size(); ++p) {
        set(p, next[p]);
    }
    left_out_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto row = static_cast<Eigen::Index>(i);
        left_out_[i] = weights(row) / inverse(row, row);
    }
}

double median_error_percent(std::vector<double> logarithms) {
    for (double& one : logarithms) {
        one = 100 * std::abs(std::exp(-one) - 1);
    }
    return quantile(std::move(logarithms), 0.5);
}

Corrections Fit::run() {
    constexpr int kIterations = 6;
    constexpr std::size_t kFewest = 20;
    std::vector<double> before;
    const std::vector<sim::Problem> as_measured = problems();
    for (const OneTrial& trial : trials_) {
        before.push_back(std::log(trial.us / predicted(as_measured, trial)));
    }
    if (trials_.size() >= kFewest) {
        for (int i = 0; i < kIterations; ++i) {
            iterate();
        }
        corrections_.error_before_percent = median_error_percent(before);
        corrections_.error_after_percent = median_error_percent(left_out_);
    }
    if (!(corrections_.error_after_percent < corrections_.error_before_percent)) {
        corrections_.devices.clear();
        corrections_.kernels.clear();
        corrections_.error_after_percent = corrections_.error_before_percent;
        left_out_ = before;
    }
    corrections_.ratios.resize(networks_.size());
    for (std::size_t i = 0; i < trials_.size(); ++i) {
        corrections_.ratios[trials_[i].network].push_back(std::exp(left_out_[i]));
    }
    return std::move(corrections_);
}

}  // namespace

Corrections fit_corrections(std::span<const TriedNetwork> networks,
                            const std::set<CostKey>& alone) {
    return Fit{networks, alone}.run();
}

sim::Problem corrected(const TriedNetwork& network,
                       const Corrections& corrections,
                       const std::set<CostKey>& alone) {
    sim::Problem problem = network.problem;
    for (const DeviceCorrection& one : corrections.devices) {
        sim::ProblemDevice& device = problem.devices[at(one.device)];
        device.submit = more(device.submit, one.submit);
        device.completion = more(device.completion, one.completion);
        for (std::size_t t = 0; t < problem.tasks.size(); ++t) {
            sim::Task& task = problem.tasks[t];
            if (task.device == one.device && !task.variant.empty()) {
                const CostKey& key = network.keys[t];
                task.cost = sim::from_microseconds(kernel_us(sim::microseconds(task.cost),
                                                             one,
                                                             alone.contains(key),
                                                             factor_of(corrections, key)));
            }
        }
        const auto change = [&](int from, int to, double factor) {
            for (int tensor = 0; tensor < problem.layers(); ++tensor) {
                for (int layout = 0; layout < problem.layouts; ++layout) {
                    sim::Time& time =
                        problem.copy_times[problem.copy_place(tensor, layout, from, to)];
                    if (time < sim::kNever) {
                        time = sim::from_microseconds(sim::microseconds(time) * factor);
                    }
                }
            }
        };
        for (int other = 0; other < problem.memories; ++other) {
            if (device.memory != 0 && other != device.memory) {
                change(other, device.memory, one.up);
                change(device.memory, other, one.down);
            }
        }
    }
    return problem;
}

void correct(sim::Platform& platform,
             const Corrections& corrections,
             const std::set<CostKey>& alone) {
    for (const DeviceCorrection& one : corrections.devices) {
        sim::Device& device = platform.devices[at(one.device)];
        device.submit = more(device.submit, one.submit);
        device.completion = more(device.completion, one.completion);
        const sim::InNetworks before = device.in_networks.value_or(sim::InNetworks{});
        device.in_networks = {
            .work = one.work * before.work,
            .task = sim::from_microseconds(one.work * sim::microseconds(before.task) + one.task)};
        for (sim::MeasuredCost& cost : platform.measured) {
            if (cost.device == one.device && cost.time.p50 > sim::Time{}) {
                const CostKey key = key_of(cost);
                const double us = sim::microseconds(cost.time.p50);
                const double now =
                    kernel_us(us, one, alone.contains(key), factor_of(corrections, key));
                cost.time = scaled(cost.time, now / us);
            }
        }
        for (sim::Link& link : platform.links) {
            const bool is_up = link.to == device.memory, is_down = link.from == device.memory;
            if (device.memory == 0 || is_up == is_down || link.modes.empty()) {
                continue;
            }
            const double factor = is_up ? one.up : one.down;
            sim::TransferTable& table = link.modes.front().time;
            for (sim::TransferTable::Point& point : table.points) {
                point.time = scaled(point.time, factor);
            }
            table.bandwidth.rate /= factor;
        }
    }
}

sim::Measurement in_networks(const sim::Measurement& alone, const sim::Device& device) {
    const double us = sim::microseconds(alone.p50);
    if (!device.in_networks || us <= 0) {
        return alone;
    }
    const sim::InNetworks& known = *device.in_networks;
    return scaled(alone, in_network(us, known.work, sim::microseconds(known.task)) / us);
}

}  // namespace calibrate
