#include "calibrate/validation.hpp"

#include "calibrate/anchors.hpp"
#include "calibrate/candidates.hpp"
#include "calibrate/clock.hpp"
#include "calibrate/machine.hpp"
#include "calibrate/placement.hpp"
#include "calibrate/profile.hpp"
#include "calibrate/stage_clock.hpp"
#include "calibrate/statistics.hpp"
#include "calibrate/stream.hpp"
#include "calibrate/transfers.hpp"
#include "sim/describe/input_file.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>
#include <random>

namespace calibrate {
namespace {

// A mapping that takes turns with others.
struct Contender {
    MappingComparison result;
    Executor::Recording recording;
    std::unique_ptr<Stream> stream;  // in place of single runs
    Executor::Recording timed;       // where other devices take part: they time their kernels
    std::vector<double> totals;      // ns
    std::map<int, std::vector<double>> tasks;  // ns
};

bool uses_accelerator(const Executor::Recording& recording) {
    return std::ranges::any_of(recording.calls, [](const Executor::Call& call) {
        return call.action == Executor::Action::submit;
    });
}

// What is predicted: of a stream the time from one frame to the next.
sim::Time predicted_of(const sim::Problem& problem,
                       const sim::Mapping& mapping,
                       int frames_in_flight) {
    return frames_in_flight > 0 ? sim::simulate_stream(problem, mapping, frames_in_flight).period
                                : sim::simulate(problem, mapping).makespan;
}

Contender make_contender(Executor& executor,
                         const sim::Problem& problem,
                         const std::string& name,
                         const sim::Mapping& mapping,
                         int frames_in_flight) {
    Contender c;
    c.result.name = name;
    c.result.mapping = mapping;
    c.result.predicted = predicted_of(problem, mapping, frames_in_flight);
    if (frames_in_flight > 0) {
        c.stream = std::make_unique<Stream>(executor, mapping, frames_in_flight);
        c.recording = c.stream->recording(0);
    } else {
        c.recording = executor.prepare(mapping);
    }
    c.result.waits_beyond_plan =
        static_cast<int>(std::ranges::count_if(c.recording.calls, &Executor::Call::beyond_plan));
    if (uses_accelerator(c.recording) && c.stream == nullptr) {
        c.timed = executor.prepare(mapping, true);
    }
    return c;
}

constexpr int kRunsOfATurn = 1 + kRecordedRuns;

// Of each lane a frame that fills the stream, and two that count.
constexpr int kFramesOfALane = 3;

// One turn: a run to warm up, then two for the record, as the calibrator does; and one in which
// the accelerators time their kernels, which may slow the whole. Or a piece of a stream.
void take_turn(Executor& executor, Contender& c, StageClock& clock) {
    if (c.stream != nullptr) {
        const int lanes = c.stream->lanes();
        c.totals.push_back(period_ns(c.stream->run(lanes * kFramesOfALane, {}), lanes));
        return;
    }
    std::vector<std::int64_t> stamps(c.recording.calls.size() + 1);
    executor.run(c.recording);
    for (int run = 0; run < kRecordedRuns; ++run) {
        executor.run(c.recording, stamps);
        c.totals.push_back(static_cast<double>(stamps.back() - stamps.front()));
        for (std::size_t i = 0; i < c.recording.calls.size(); ++i) {
            const Executor::Call& call = c.recording.calls[i];
            if (call.action == Executor::Action::compute) {
                c.tasks[call.tasks.front()].push_back(
                    static_cast<double>(stamps[i + 1] - stamps[i]));
            }
        }
    }
    if (c.timed.calls.empty()) {
        return;
    }
    executor.run(c.timed);
    for (const auto& [task, ns] : clock.times_of(executor, c.timed)) {
        c.tasks[task].push_back(ns);
    }
}

double error_percent(sim::Time predicted, sim::Time measured) {
    if (measured == sim::Time{}) {
        return 0;  // too short for the device's clock
    }
    return 100 *
           (static_cast<double>(predicted.count()) / static_cast<double>(measured.count()) - 1);
}

void conclude(Contender& c, const sim::Problem& problem) {
    c.result.measured = summarize(c.totals);
    c.result.error_percent = error_percent(c.result.predicted, c.result.measured.p50);
    for (const int task : c.result.mapping) {
        const auto found = c.tasks.find(task);
        if (found == c.tasks.end()) {
            continue;
        }
        const sim::Time predicted = problem.tasks[static_cast<std::size_t>(task)].cost;
        const sim::Measurement measured = summarize(found->second);
        c.result.tasks.push_back({.task = task,
                                  .predicted = predicted,
                                  .measured = measured,
                                  .error_percent = error_percent(predicted, measured.p50)});
    }
}

// What is measured now over what the profile says, of one of its named measurements.
double ratio_to(const sim::Platform& platform, std::string_view name, sim::Measurement now) {
    const sim::Measurement* const before = find_measurement(platform, name);
    return before == nullptr || before->p50 == sim::Time{}
               ? 1
               : static_cast<double>(now.p50.count()) / static_cast<double>(before->p50.count());
}

}  // namespace

std::vector<std::vector<std::byte>> reference_outputs(
    const sim::Model& model, int batch, std::span<const std::span<const std::byte>> inputs) {
    const int threads = usable_cores();
    const Parameters parameters = load_parameters(model);
    const sim::Problem problem = sim::compile(
        model, candidates(model, batch, threads, {"reference"}), {.batch = batch, .only = {}});
    Executor executor{model, parameters, problem, threads};
    // Any mapping of reference kernels will do; the one with the most threads is done soonest.
    const auto better = [&](int a, int b) {
        const sim::Task& x = problem.tasks[static_cast<std::size_t>(a)];
        const sim::Task& y = problem.tasks[static_cast<std::size_t>(b)];
        return std::pair{x.rest.size(), y.configuration} <
               std::pair{y.rest.size(), x.configuration};
    };
    sim::Mapping mapping;
    for (const std::vector<int>& tasks : problem.starting) {
        mapping.push_back(*std::ranges::min_element(tasks, better));
    }
    const Executor::Recording recording = executor.prepare(mapping);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::span<std::byte> to = executor.input(static_cast<int>(i));
        std::ranges::copy(inputs[i].first(std::min(inputs[i].size(), to.size())), to.begin());
    }
    executor.run(recording);
    std::vector<std::vector<std::byte>> outputs;
    for (std::size_t o = 0; o < recording.outputs.size(); ++o) {
        const std::byte* const begin = recording.outputs[o];
        outputs.emplace_back(begin, begin + executor.output_bytes(static_cast<int>(o)));
    }
    return outputs;
}

std::vector<std::byte> reference_output(const sim::Model& model,
                                        int batch,
                                        std::span<const std::byte> images) {
    return reference_outputs(model, batch, {&images, 1}).front();
}

namespace {

// What the reference makes of the images in the executor's inputs: of all, or in a large batch of
// the first and the last, since the reference is slow.
struct Expected {
    struct Part {
        std::size_t output;
        std::size_t offset;
        std::vector<std::byte> bytes;
        bool is_real = false;
    };
    std::vector<Part> parts;

    bool matches(const Executor::Recording& recording) const {
        return std::ranges::all_of(parts, [&](const Part& part) {
            const std::byte* const made = recording.outputs[part.output] + part.offset;
            return part.is_real ? is_near(made, part.bytes)
                                : std::memcmp(made, part.bytes.data(), part.bytes.size()) == 0;
        });
    }

private:
    // Of f32: sums in another order round otherwise, by far less than the largest number.
    static bool is_near(const std::byte* made, std::span<const std::byte> expected) {
        constexpr float kTolerance = 1e-4F;
        std::vector<float> one(expected.size() / sizeof(float)), other(one.size());
        std::memcpy(one.data(), made, one.size() * sizeof(float));
        std::memcpy(other.data(), expected.data(), other.size() * sizeof(float));
        float largest = 1;
        for (const float value : other) {
            largest = std::max(largest, std::abs(value));
        }
        return std::ranges::equal(
            one, other, [&](float a, float b) { return std::abs(a - b) <= kTolerance * largest; });
    }
};

Expected expected_output(const sim::Model& model, int batch, Executor& executor) {
    constexpr int kMost = 32;
    const auto bytes_of = [&](int layer) {
        const sim::TensorShape& shape = model.layers[static_cast<std::size_t>(layer)].output;
        return static_cast<std::size_t>(sim::tensor_bytes(shape));
    };
    const bool in_one = batch <= kMost;
    const int images = in_one ? batch : kMost / 2;
    Expected expected;
    for (const int first : in_one ? std::vector{0} : std::vector{0, batch - images}) {
        const auto skipped = static_cast<std::size_t>(first);
        std::vector<std::span<const std::byte>> inputs;
        for (int i = 0; i < model.inputs(); ++i) {
            inputs.emplace_back(executor.input(i).subspan(skipped * bytes_of(i)));
        }
        std::vector<std::vector<std::byte>> outputs = reference_outputs(model, images, inputs);
        for (std::size_t o = 0; o < outputs.size(); ++o) {
            const std::size_t image = bytes_of(model.outputs[o].layer);
            if (!in_one) {
                outputs[o].resize(static_cast<std::size_t>(images) * image);
            }
            const sim::TensorShape& shape =
                model.layers[static_cast<std::size_t>(model.outputs[o].layer)].output;
            expected.parts.push_back(
                {o, skipped * image, std::move(outputs[o]), shape.element == sim::Element::f32});
        }
    }
    return expected;
}

// Everything that will run, prepared: the chosen mapping first, then the baselines, then the
// sample, then the anchors.
struct Field {
    std::vector<Contender> contenders;
    std::size_t first_random = 0, first_anchor = 0;
    std::vector<AnchorMapping> anchors;
    std::vector<std::string> left_out;
};

constexpr std::size_t kFewestRandom = 10;  // whatever the budget

Field make_field(Executor& executor,
                 const sim::Problem& problem,
                 const sim::Mapping& chosen,
                 std::span<const NamedMapping> baselines,
                 std::span<const sim::Mapping> sample,
                 const ValidationSettings& settings) {
    Field field;
    try {
        field.contenders.push_back(
            make_contender(executor, problem, "chosen", chosen, settings.frames_in_flight));
    } catch (const sim::InputError& error) {
        throw sim::MachineError{
            fmt::format("the chosen mapping cannot run here: {}", error.what())};
    }
    const auto add = [&](const std::string& name, const sim::Mapping& mapping) {
        try {
            field.contenders.push_back(
                make_contender(executor, problem, name, mapping, settings.frames_in_flight));
        } catch (const sim::InputError& error) {
            field.left_out.push_back(name + ": " + error.what());
        } catch (const DeviceError& error) {
            field.left_out.push_back(name + ": " + error.what());
        }
    };
    for (const NamedMapping& baseline : baselines) {
        add(baseline.name, baseline.mapping);
    }
    field.first_random = field.contenders.size();
    // As many as the time is enough for: a quarter of it to prepare them, half to run them.
    const std::int64_t begin = now_ns();
    double running = 0;
    for (std::size_t i = 0; i < sample.size(); ++i) {
        const double preparing = static_cast<double>(now_ns() - begin) * 1e-9;
        if (i >= kFewestRandom &&
            (preparing > settings.budget_s / 4 || running > settings.budget_s / 2 ||
             (settings.stop && settings.stop()))) {
            field.left_out.push_back(
                fmt::format("random {} to {}: there is no time for them", i + 1, sample.size()));
            break;
        }
        add("random " + std::to_string(i + 1), sample[i]);
        const int runs = settings.frames_in_flight > 0 ? settings.frames_in_flight * kFramesOfALane
                                                       : kRunsOfATurn;
        running += sim::microseconds(field.contenders.back().result.predicted) * 1e-6 * runs *
                   settings.fewest_rounds;
    }
    field.first_anchor = field.contenders.size();
    if (settings.frames_in_flight > 0) {
        return field;  // anchors are single runs
    }
    for (AnchorMapping& anchor : anchor_mappings(problem)) {
        const std::size_t before = field.contenders.size();
        add(anchor.name, anchor.mapping);
        if (field.contenders.size() > before) {
            field.anchors.push_back(std::move(anchor));
        }
    }
    return field;
}

// Each output against the reference's, on random images. True if all are identical.
bool compare_outputs(Executor& executor,
                     const sim::Model& model,
                     int batch,
                     std::vector<Contender>& contenders) {
    executor.fill_inputs(1);
    const Expected expected = expected_output(model, batch, executor);
    const Contender& first = contenders.front();
    for (int lane = 1; first.stream != nullptr && lane < first.stream->lanes(); ++lane) {
        executor.fill_inputs(1, lane);
    }
    bool identical = true;
    for (Contender& c : contenders) {
        executor.run(c.recording);
        c.result.output_identical = expected.matches(c.recording);
        if (c.stream != nullptr) {
            const auto compare = [&](std::int64_t, int lane) {
                c.result.output_identical &= expected.matches(c.stream->recording(lane));
            };
            c.stream->run(c.stream->lanes() * kFramesOfALane,
                          {.enter = {}, .leave = compare, .stop = {}});
        }
        identical &= c.result.output_identical;
    }
    return identical;
}

// Turns, until every median is sure or the time is up. Returns how many rounds there were. As long
// again it waits for the threads to sit as they did when their round trip was `round_trip_ns`; what
// that is at each turn goes into `round_trips`.
int take_turns(Executor& executor,
               std::vector<Contender>& contenders,
               const ValidationSettings& settings,
               double round_trip_ns,
               std::mt19937& random,
               StageClock& clock,
               std::vector<double>& round_trips) {
    double patience_s = settings.budget_s;
    const std::int64_t begin = now_ns();
    const auto elapsed = [&] {  // but for waiting
        return static_cast<double>(now_ns() - begin) * 1e-9 - (settings.budget_s - patience_s);
    };
    const auto sure = [](const Contender& c) {
        std::vector<double> sorted = c.totals;
        std::ranges::sort(sorted);
        return median_uncertainty(sorted) < 0.005;
    };
    std::vector<std::size_t> order(contenders.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    int rounds = 0;
    while (rounds < settings.most_rounds) {
        // The fewest rounds may take longer than was asked for, but not without end.
        const bool enough =
            rounds >= settings.fewest_rounds || (rounds > 0 && elapsed() > 3 * settings.budget_s);
        if ((settings.stop && settings.stop() && rounds > 0) ||
            (enough && elapsed() > settings.budget_s) ||
            (enough && std::ranges::all_of(contenders, sure))) {
            break;
        }
        std::ranges::shuffle(order, random);  // so that no mapping always follows the slowest
        for (const std::size_t i : order) {
            wait_for_placement(executor, round_trip_ns, patience_s, settings.stop);
            round_trips.push_back(executor.round_trip_ns());
            take_turn(executor, contenders[i], clock);
        }
        ++rounds;
        if (settings.progress) {
            settings.progress(std::min(1.0, elapsed() / settings.budget_s),
                              std::max(0.0, settings.budget_s - elapsed()));
        }
    }
    return rounds;
}

// What the anchors say of the machine as it is now.
std::vector<Anchor> anchors_of(const Field& field,
                               const sim::Platform& platform,
                               const sim::Problem& problem) {
    std::vector<Anchor> anchors;
    for (std::size_t i = 0; i < field.anchors.size(); ++i) {
        const Contender& c = field.contenders[field.first_anchor + i];
        std::map<int, double> now;
        for (const auto& [task, ns] : c.tasks) {
            now[task] = quantile(ns, 0.5);
        }
        Anchor anchor = anchor_of(platform, problem, field.anchors[i], now, anchors);
        if (anchor.costs > 0) {
            anchors.push_back(std::move(anchor));
        }
    }
    return anchors;
}

void summarize_field(Validation& validation,
                     Field field,
                     const sim::Platform& platform,
                     const sim::Problem& problem) {
    validation.anchors = anchors_of(field, platform, problem);
    const sim::Problem now = scaled_to(problem, validation.anchors);
    std::vector<double> errors, predicted, measured, errors_now, predicted_now;
    sim::Time best = sim::kNever;
    for (std::size_t i = 0; i < field.first_anchor; ++i) {
        Contender& c = field.contenders[i];
        conclude(c, problem);
        c.result.predicted_now = predicted_of(now, c.result.mapping, validation.frames_in_flight);
        c.result.error_now_percent = error_percent(c.result.predicted_now, c.result.measured.p50);
        if (validation.frames_in_flight == 0) {
            c.result.interval = sim::interval_of(problem, c.result.mapping);
        }
        best = std::min(best, c.result.measured.p50);
        if (i >= field.first_random) {
            errors.push_back(std::abs(c.result.error_percent));
            errors_now.push_back(std::abs(c.result.error_now_percent));
            predicted.push_back(sim::microseconds(c.result.predicted));
            predicted_now.push_back(sim::microseconds(c.result.predicted_now));
            measured.push_back(sim::microseconds(c.result.measured.p50));
            const auto is_inside = [&](const std::optional<sim::Interval>& interval) {
                const sim::Time median = c.result.measured.p50;
                return interval && interval->p05 <= median && median <= interval->p95 ? 1 : 0;
            };
            validation.inside_interval += is_inside(c.result.interval);
            if (c.result.interval) {
                validation.inside_interval_now +=
                    is_inside(sim::interval_of(now, c.result.mapping));
            }
            validation.sample.push_back(std::move(c.result));
        } else if (i > 0) {
            validation.baselines.push_back(std::move(c.result));
        } else {
            validation.chosen = std::move(c.result);
        }
    }
    if (!errors.empty()) {
        validation.median_error_percent = quantile(errors, 0.5);
        validation.p90_error_percent = quantile(errors, 0.9);
        validation.rank_correlation = kendall_tau_b(predicted, measured);
        validation.median_error_now_percent = quantile(errors_now, 0.5);
        validation.p90_error_now_percent = quantile(errors_now, 0.9);
        validation.rank_correlation_now = kendall_tau_b(predicted_now, measured);
    }
    validation.regret_percent = error_percent(validation.chosen.measured.p50, best);
    validation.left_out = std::move(field.left_out);
}

}  // namespace

Validation validate(const sim::Model& model,
                    const sim::Platform& platform,
                    const sim::Problem& problem,
                    const sim::Mapping& chosen,
                    std::span<const NamedMapping> baselines,
                    std::span<const sim::Mapping> sample,
                    const ValidationSettings& settings) {
    const int threads = settings.threads > 0 ? settings.threads : usable_cores();
    const Parameters parameters = load_parameters(model);
    Executor executor{model, parameters, problem, threads};
    Field field = make_field(executor, problem, chosen, baselines, sample, settings);

    std::mt19937 random{1};
    Validation validation;
    validation.frames_in_flight = settings.frames_in_flight;
    validation.outputs_identical =
        compare_outputs(executor, model, problem.batch, field.contenders);

    const double round_trip = round_trip_of(platform);
    StageClock clock;
    std::vector<double> round_trips;
    validation.rounds =
        take_turns(executor, field.contenders, settings, round_trip, random, clock, round_trips);
    for (const auto& [device, ns] : clock.overheads_ns()) {
        validation.timing_overheads.emplace_back(problem.device_names[sim::at(device)],
                                                 sim::from_microseconds(ns / 1000));
    }
    validation.clock_ratio = 1 / ratio_to(platform, "million_dependent_additions", measure_clock());
    if (round_trip > 0 && !round_trips.empty()) {
        validation.round_trip_ratio = quantile(round_trips, 0.5) / round_trip;
        const auto elsewhere = std::ranges::count_if(
            round_trips, [&](double now) { return !is_same_placement(now, round_trip); });
        validation.elsewhere_percent =
            100.0 * static_cast<double>(elsewhere) / static_cast<double>(round_trips.size());
    }

    summarize_field(validation, std::move(field), platform, problem);
    return validation;
}

namespace {

template <typename T>
int index_of_largest(const std::byte* scores, std::size_t count) {
    std::vector<T> all(count);
    std::memcpy(all.data(), scores, count * sizeof(T));
    return static_cast<int>(std::ranges::max_element(all) - all.begin());
}

int class_of(sim::Element element, const std::byte* scores, std::size_t count) {
    switch (element) {
        case sim::Element::f32:
            return index_of_largest<float>(scores, count);
        case sim::Element::u8:
            return index_of_largest<std::uint8_t>(scores, count);
        case sim::Element::int8:
            return index_of_largest<std::int8_t>(scores, count);
        default:
            return index_of_largest<std::int32_t>(scores, count);
    }
}

}  // namespace

Classification classify(const sim::Model& model,
                        const Parameters& parameters,
                        Runnable runnable,
                        std::span<const std::uint8_t> images,
                        const std::function<bool()>& stop,
                        float pixel_scale,
                        int frames_in_flight) {
    Executor executor{model, parameters, runnable.problem, std::move(runnable.devices)};
    Stream stream{executor, runnable.mapping, frames_in_flight};
    const auto image = static_cast<std::size_t>(model.layers.front().output.elements());
    const std::size_t count = images.size() / image;
    const auto batch = static_cast<std::size_t>(runnable.problem.batch);
    const sim::TensorShape& output =
        model.layers[static_cast<std::size_t>(model.outputs.front().layer)].output;
    const auto classes = static_cast<std::size_t>(output.elements());
    const sim::Element element = output.element;
    const std::size_t score_bytes = static_cast<std::size_t>(sim::tensor_bytes(output)) / classes;
    const bool takes_reals = model.layers.front().output.element == sim::Element::f32;

    Classification result;
    std::vector<double> times;
    result.predictions.assign(count, -1);
    const auto images_of = [&](std::int64_t frame) {  // the first, and how many
        const std::size_t first = static_cast<std::size_t>(frame) * batch;
        return std::pair{first, std::min(batch, count - first)};
    };
    std::int64_t since = now_ns();
    const auto enter = [&](std::int64_t frame, int lane) {
        const auto [first, now] = images_of(frame);
        const std::span<std::byte> input = executor.input(0, lane);
        std::ranges::fill(input, std::byte{0});
        const std::span<const std::uint8_t> pixels = images.subspan(first * image, now * image);
        if (takes_reals) {
            std::vector<float> reals(pixels.begin(), pixels.end());
            std::ranges::for_each(reals, [&](float& pixel) { pixel *= pixel_scale; });
            std::memcpy(input.data(), reals.data(), reals.size() * sizeof(float));
        } else {
            std::memcpy(input.data(), pixels.data(), pixels.size());
        }
        if (frames_in_flight == 1) {
            since = now_ns();
        }
    };
    std::size_t classified = 0;
    const auto leave = [&](std::int64_t frame, int lane) {
        const std::int64_t end = now_ns();
        times.push_back(static_cast<double>(end - since));
        since = end;
        const auto [first, now] = images_of(frame);
        classified = std::max(classified, first + now);
        for (std::size_t i = 0; i < now; ++i) {
            const std::byte* const scores =
                stream.recording(lane).outputs.front() + i * classes * score_bytes;
            result.predictions[first + i] = class_of(element, scores, classes);
        }
    };
    stream.run(static_cast<std::int64_t>((count + batch - 1) / batch),
               {.enter = enter, .leave = leave, .stop = stop});
    result.predictions.resize(classified);  // those that `stop` kept out
    if (!times.empty()) {
        result.batch_time = summarize(std::move(times));
    }
    return result;
}

constexpr std::int64_t kMostPredictions = std::int64_t{64} << 20;  // one byte an image

Accuracy accuracy_of(const Classification& classification,
                     const Dataset& data,
                     const sim::Model& model) {
    const std::vector<int>& predictions = classification.predictions;
    Accuracy accuracy{.images = static_cast<int>(predictions.size()),
                      .labelled = !data.labels.empty()};
    for (std::size_t i = 0; i < std::min(predictions.size(), data.labels.size()); ++i) {
        accuracy.right += predictions[i] == data.labels[i];
    }
    const std::filesystem::path trainers = model.path.parent_path() / "predictions.bin";
    std::string expected;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(trainers, ignored)) {
        expected = sim::read_file(trainers, kMostPredictions);
    }
    accuracy.compared = expected.size() == static_cast<std::size_t>(data.images());
    for (std::size_t i = 0; accuracy.compared && i < predictions.size(); ++i) {
        accuracy.different += predictions[i] != static_cast<std::uint8_t>(expected[i]);
    }
    return accuracy;
}

}  // namespace calibrate
