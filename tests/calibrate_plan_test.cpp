// The executor does what the plan says, and nothing else: on random networks, machines and mappings
// what fake devices are asked for equals the plan, and run symbolically it gives the right values
// without a single access that nothing keeps in order.

#include "calibrate/executor.hpp"
#include "calibrate/stream.hpp"
#include "calibrate_small_model.hpp"
#include "fake_device.hpp"
#include "sim/describe/fused_sets.hpp"
#include "sim/run/plan.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace {

using calibrate::Executor;
using generate::Random;
using sim::at;

// ---- Random networks and machines
// ----------------------------------------------------------------

// Convolutions, thresholds and additions on tensors of one size, so that any fits any.
std::string random_model(Random& random) {
    std::string text =
        "hetmap: model/1\nname: random\ndescription: for a test\nsource: made up\n"
        "input: {name: image, height: 2, width: 2, channels: 64, type: u8}\n"
        "parameters: {seed: 1}\nlayers:\n";
    std::vector<std::string> sums, bits;
    const auto add = [&](const std::string& operation, const std::string& inputs, bool is_bits) {
        const std::string name = fmt::format("l{}", sums.size() + bits.size());
        text += fmt::format("  - {{name: {}, operation: {}, inputs: [{}]{}}}\n",
                            name,
                            operation,
                            inputs,
                            operation == "conv2d" ? ", weights: binary, out_channels: 64, kernel: "
                                                    "1, stride: 1, padding: 0, pad_value: 0"
                                                  : "");
        (is_bits ? bits : sums).push_back(name);
    };
    // The last ones are read more often: networks are deep rather than wide.
    std::map<std::string, int> readers;
    const auto read = [&](const std::vector<std::string>& names) {
        const std::size_t from = names.size() > 3 && !random.one_in(4) ? names.size() - 3 : 0;
        const std::string name = names[from + at(random.index(names.size() - from))];
        ++readers[name];
        return name;
    };
    add("conv2d", "image", false);
    for (auto count = random.integer(3, 7); count-- > 0;) {
        const auto what = random.integer(0, 2);
        if (what == 0 && !bits.empty()) {
            add("conv2d", read(bits), false);
        } else if (what == 1 && sums.size() > 1) {
            const std::string a = read(sums), b = read(sums);
            if (a != b) {
                add("add", a + ", " + b, false);
            } else {
                add("threshold", a, true);
            }
        } else {
            add("threshold", read(sums), true);
        }
    }
    // Everything that is made is read: bits by a convolution, sums by an addition.
    for (std::size_t i = 0; i < bits.size(); ++i) {
        if (readers[bits[i]] == 0) {
            readers[bits[i]] = 1;
            add("conv2d", bits[i], false);
        }
    }
    std::vector<std::string> ends;
    for (const std::string& name : sums) {
        if (readers[name] == 0) {
            ends.push_back(name);
        }
    }
    while (ends.size() > 1) {
        add("add", ends[0] + ", " + ends[1], false);
        ends.erase(ends.begin(), ends.begin() + 2);
        ends.push_back(sums.back());
    }
    return text + "output: " + ends.front() + "\n";
}

struct Setup {
    sim::Model model;
    calibrate::Parameters parameters;
    sim::Platform platform;
    sim::Problem problem;
    std::vector<calibrate::DeviceInfo> infos;
};

sim::TransferTable takes(std::int64_t ps) {
    const sim::Time time{ps};
    return {
        .points = {{.size = {0}, .time = {.p05 = time, .p50 = time, .p95 = time, .samples = 1}}},
        .bandwidth = {1e12}};
}

// The host and one to five devices, some on the host's memory; links between the host and each
// other memory alone, so that what goes from device to device takes two hops.
sim::Platform random_platform(Random& random,
                              const sim::Model& model,
                              std::vector<calibrate::DeviceInfo>& infos) {
    sim::Platform p;
    p.name = "random";
    p.memories = {{.name = "host", .synchronise = sim::Time{random.integer(0, 5)}}};
    const auto device_count = static_cast<int>(random.integer(2, 6));
    for (int d = 0; d < device_count; ++d) {
        const std::string name = d == 0 ? "cpu" : fmt::format("dev{}", d);
        const bool on_host = d == 0 || random.one_in(3);
        const bool converts = d == 0 || (on_host && !random.one_in(3));
        calibrate::DeviceInfo info;
        info.name = name;
        info.kind = "fake";
        info.asynchronous = d != 0;
        info.host_memory = on_host;
        info.converts = converts;
        infos.push_back(info);
        int memory = 0;
        if (!on_host) {
            memory = static_cast<int>(p.memories.size());
            p.memories.push_back({.name = name});
            const std::string engine = random.one_in(4) ? "shared" : "";
            p.links.push_back({.name = name + "_up",
                               .from = 0,
                               .to = memory,
                               .engine = engine,
                               .modes = {{.name = "pinned", .time = takes(random.integer(1, 9))}}});
            p.links.push_back({.name = name + "_down",
                               .from = memory,
                               .to = 0,
                               .engine = random.one_in(4) ? engine : "",
                               .modes = {{.name = "pinned", .time = takes(random.integer(1, 9))}}});
        }
        sim::Device device;
        device.name = name;
        device.kind = "fake";
        device.memory = memory;
        device.asynchronous = d != 0;
        if (d != 0) {
            device.submit = sim::Time{random.integer(0, 9)};
            device.per_task = sim::Time{random.integer(0, 3)};
            device.completion = sim::Time{random.integer(0, 5)};
        }
        if (converts) {
            device.conversions = {{.from = "nhwc", .to = "plain", .time = takes(2)},
                                  {.from = "plain", .to = "nhwc", .time = takes(2)}};
        }
        p.devices.push_back(device);
    }
    std::set<std::tuple<std::string, std::vector<int>, int>> known;
    for (int first = 1; first < static_cast<int>(model.layers.size()); ++first) {
        std::vector<std::vector<int>> chains = sim::chains_from(model, first, 3);
        std::ranges::copy(sim::chains_of_two_results(model, first, 3), std::back_inserter(chains));
        for (const std::vector<int>& layers : chains) {
            const std::string signature = sim::signature(model, layers);
            std::vector<int> results;  // positions
            for (const int layer : sim::read_outside(model, layers)) {
                results.push_back(
                    static_cast<int>(std::ranges::find(layers, layer) - layers.begin()));
            }
            if (results.size() == 1) {
                results.clear();
            }
            for (int d = 0; d < device_count; ++d) {
                const bool must = d == 0 && layers.size() == 1;
                if ((!must && random.one_in(2)) || !known.emplace(signature, results, d).second) {
                    continue;
                }
                // What a device makes, others may not be able to convert.
                const auto layout = [&] {
                    const bool plain = random.one_in(infos[at(d)].converts ? 2 : 12);
                    return plain ? "plain" : "nhwc";
                };
                const std::string in = layout(), out = layout();
                const sim::Time time{random.integer(1, 30)};
                p.measured.push_back({.layers = signature,
                                      .batch = 1,
                                      .device = d,
                                      .variant = fmt::format("v:{}>{}", in, out),
                                      .configuration = "1",
                                      .in_layout = in,
                                      .out_layout = out,
                                      .results = results,
                                      .time = {.p05 = time, .p50 = time, .p95 = time, .samples = 1},
                                      .where = {}});
            }
        }
    }
    return p;
}

Setup random_setup(std::uint64_t seed) {
    Random random(seed);
    Setup s;
    s.model = small_model(random_model(random));
    s.parameters = calibrate::load_parameters(s.model);
    s.platform = random_platform(random, s.model, s.infos);
    s.problem = sim::compile(s.model, s.platform, {.batch = 1, .only = {}});
    return s;
}

// What each layer of the problem makes of images.
std::vector<std::uint64_t> values_of(const Setup& s, std::uint64_t images = 12345) {
    std::vector<std::uint64_t> values(at(s.problem.layers()), images);
    for (int l = 1; l + 1 < s.problem.layers(); ++l) {
        const int model_layer = s.problem.model_layer[at(l)];
        const calibrate::LayerParameters& p = s.parameters[at(model_layer)];
        const std::string_view name = s.model.layers[at(model_layer)].operation->name;
        std::vector<std::uint64_t> inputs;
        for (const int input : s.problem.inputs[at(l)]) {
            inputs.push_back(values[at(input)]);
        }
        const auto kind = name == "conv2d"      ? kernels::StepKind::conv2d
                          : name == "threshold" ? kernels::StepKind::threshold
                                                : kernels::StepKind::add;
        values[at(l)] = fake::value_of(kind, p.weights.data(), p.thresholds.data(), inputs);
    }
    return values;
}

// ---- What the plan asks for
// ----------------------------------------------------------------------

// One thing that a device does, as the plan has it.
struct Wanted {
    int step = 0;
    fake::Done::Kind kind = fake::Done::Kind::kernel;
    int device = 0;
    std::uint64_t value = 0;
    std::set<int> waits;  // steps
};

struct Expectation {
    std::vector<Wanted> dispatched;  // in the dispatcher's order; segments stage by stage
    std::map<int, std::vector<std::size_t>> by_engine;  // copies: indices of `dispatched`
    std::vector<int> awaited;   // steps that the dispatcher waits for, in order
    std::set<int> others_made;  // steps that a device waits for and another one does
};

// Read off the plan, action by action in the order of dispatch.
Expectation expectation(const Setup& s, const sim::Plan& plan) {
    const sim::Problem& p = s.problem;
    const std::vector<std::uint64_t> values = values_of(s);
    const auto event_of = [&](int step) {
        return plan.events[at(plan.steps[at(step)].events_begin)];
    };
    const auto device_of = [&](const sim::Event& event) {
        if (event.kind != sim::EventKind::copy) {
            return event.resource;
        }
        const int memory = event.from == 0 ? event.to : event.from;
        int owner = 0;
        while (p.devices[at(owner)].memory != memory) {
            ++owner;
        }
        return owner;
    };
    Expectation e;
    std::set<int> awaited;
    std::set<std::pair<int, int>> ordered;  // device, step: its kernels wait for it once
    const auto add = [&](const sim::Plan::Action& action) {
        for (int step = action.steps_begin; step < action.steps_end; ++step) {
            const sim::Event event = event_of(step);
            const bool is_copy = event.kind == sim::EventKind::copy;
            const bool is_task = event.kind == sim::EventKind::task;
            if (is_task && (p.tasks[at(action.task)].first == 0 ||
                            p.tasks[at(action.task)].first == p.layers() - 1)) {
                continue;
            }
            Wanted wanted{
                .step = step,
                .kind = is_copy   ? fake::Done::Kind::copy
                        : is_task ? fake::Done::Kind::kernel
                                  : fake::Done::Kind::conversion,
                .device = device_of(event),
                .value = values[at(is_task ? p.tasks[at(action.task)].last : event.tensor)],
                .waits = {}};
            if (is_copy) {
                e.by_engine[event.resource].push_back(e.dispatched.size());
            }
            e.dispatched.push_back(wanted);
        }
    };
    const auto waits_of = [&](const sim::Plan::Action& action, std::size_t first) {
        for (const sim::Plan::Wait& wait : plan.waits_of(action)) {
            if (wait.reason == sim::Plan::Reason::submitted) {
                continue;
            }
            const sim::Event source = event_of(wait.step);
            const int maker = device_of(source);
            const bool is_copy = source.kind == sim::EventKind::copy;
            if (!is_copy && !p.devices[at(maker)].asynchronous) {
                continue;  // the dispatcher did it itself
            }
            const bool by_host = action.kind == sim::EventKind::task && action.submission < 0;
            if (by_host) {
                if (awaited.insert(wait.step).second) {
                    e.awaited.push_back(wait.step);
                }
                continue;
            }
            const Wanted& waiter = e.dispatched[first];
            if (action.kind == sim::EventKind::task &&
                ((!is_copy && maker == waiter.device) ||
                 !ordered.emplace(waiter.device, wait.step).second)) {
                continue;  // in order on one device's kernels
            }
            e.dispatched[first].waits.insert(wait.step);
            if (maker != waiter.device) {
                e.others_made.insert(wait.step);
            }
        }
    };
    for (const int a : sim::dispatch_order(p, plan)) {
        const sim::Plan::Action& action = plan.actions[at(a)];
        if (action.kind != sim::EventKind::submission) {
            const std::size_t first = e.dispatched.size();
            add(action);
            waits_of(action, first);
            continue;
        }
        for (const sim::Plan::Action& task : plan.actions) {
            if (task.kind == sim::EventKind::task && task.submission == a) {
                const std::size_t first = e.dispatched.size();
                add(task);
                waits_of(task, first);
            }
        }
    }
    return e;
}

int queue_of(const Wanted& wanted, const sim::Plan& plan) {
    if (wanted.kind != fake::Done::Kind::copy) {
        return 0;
    }
    return plan.events[at(plan.steps[at(wanted.step)].events_begin)].from == 0 ? 1 : 2;
}

int queue_of(const fake::Done& done) {
    return !done.direction ? 0 : *done.direction == calibrate::Direction::up ? 1 : 2;
}

// By step: what was done for it. What is on one queue of a device comes in the plan's order.
std::map<int, int> paired(const sim::Plan& plan,
                          const Expectation& wanted,
                          const fake::Machine& machine) {
    REQUIRE(machine.done.size() == wanted.dispatched.size());
    std::map<std::pair<int, int>, std::vector<int>> done;
    for (int i = 0; i < static_cast<int>(machine.done.size()); ++i) {
        const fake::Done& one = machine.done[at(i)];
        done[{one.device, queue_of(one)}].push_back(i);
    }
    std::map<std::pair<int, int>, std::size_t> next;
    std::map<int, int> done_for;
    for (const Wanted& one : wanted.dispatched) {
        const std::pair queue{one.device, queue_of(one, plan)};
        const std::size_t place = next[queue]++;
        REQUIRE(place < done[queue].size());
        const int index = done[queue][place];
        REQUIRE(machine.done[at(index)].kind == one.kind);
        REQUIRE(machine.done[at(index)].result.value == one.value);
        done_for[one.step] = index;
    }
    return done_for;
}

struct Count {
    int mappings = 0, impossible = 0, refused = 0, copies = 0, hops = 0, conversions = 0, early = 0;
    int device_waits = 0, between_devices = 0, host_waits = 0, beyond_plan = 0;
    int of_two_results = 0;
};

// `all_follow`: every device can wait for every other one. Else some cannot.
void check(
    const Setup& s, const sim::Mapping& mapping, bool all_follow, Random& random, Count& count) {
    // 1. A machine, what it is to do, and what the plan says.
    fake::Machine machine;
    calibrate::OpenDevices devices;
    for (const calibrate::DeviceInfo& info : s.infos) {
        devices.devices.push_back(machine.add(info, all_follow || random.one_in(2)));
    }
    devices.missing.resize(s.infos.size());
    Executor executor{s.model, s.parameters, s.problem, std::move(devices)};
    const std::optional<sim::Plan> possible = sim::possible_plan_of(s.problem, mapping);
    if (!possible) {
        CHECK_THROWS_AS(executor.prepare(mapping), sim::InputError);
        ++count.impossible;
        return;
    }
    const bool runs = std::ranges::all_of(mapping, [&](int index) {
        const sim::Task& task = s.problem.tasks[at(index)];
        return task.variant.empty() ||
               calibrate::fit_one_kernel(s.model, calibrate::model_layers(s.problem, task));
    });
    if (!runs) {  // it reads more, or gives more, than kernels do
        CHECK_THROWS_AS(executor.prepare(mapping), sim::InputError);
        ++count.refused;
        return;
    }
    const sim::Plan& plan = *possible;
    const Expectation wanted = expectation(s, plan);
    const std::vector<std::uint64_t> values = values_of(s);
    const Executor::Recording recording = executor.prepare(mapping);

    for (int run = 0; run < 2; ++run) {
        machine.begin_run();
        machine.hold(executor.input().data(), {values.front(), kernels::Layout::nhwc});
        executor.run(recording);

        // 2. Everything is done once, in order, and what it waits for is over by then.
        const std::map<int, int> done_for = paired(plan, wanted, machine);
        for (const Wanted& one : wanted.dispatched) {
            const fake::Done& done = machine.done[at(done_for.at(one.step))];
            std::set<int> waits;
            for (const int step : one.waits) {
                waits.insert(done_for.at(step));
            }
            for (const int wait : waits) {
                REQUIRE(done.before.contains(wait));
            }
            if (all_follow) {
                REQUIRE(done.waited == waits);
            } else {
                REQUIRE(std::ranges::includes(waits, done.waited));
            }
            count.device_waits += static_cast<int>(done.waited.size());
        }
        for (const auto& [engine, copies] : wanted.by_engine) {
            for (std::size_t i = 1; i < copies.size(); ++i) {
                REQUIRE(done_for.at(wanted.dispatched[copies[i - 1]].step) <
                        done_for.at(wanted.dispatched[copies[i]].step));
            }
        }

        // 3. The dispatcher waits where the plan says; for what devices cannot wait for, it waits
        //    and says so.
        std::vector<int> awaited;
        for (const int step : wanted.awaited) {
            awaited.push_back(done_for.at(step));
        }
        int beyond_plan = 0;
        for (const Executor::Call& call : recording.calls) {
            beyond_plan += call.beyond_plan;
        }
        if (all_follow) {
            REQUIRE(beyond_plan == 0);
            REQUIRE(machine.awaited == awaited);
            for (std::size_t i = 0; i < wanted.dispatched.size(); ++i) {
                REQUIRE(done_for.at(wanted.dispatched[i].step) == static_cast<int>(i));
            }
        } else {
            const std::set<int> all(machine.awaited.begin(), machine.awaited.end());
            REQUIRE(all.size() == machine.awaited.size());
            for (const int one : awaited) {
                REQUIRE(all.contains(one));
            }
        }
        count.beyond_plan += beyond_plan;

        // 4. Nothing is read before it is there, and the result is the network's.
        REQUIRE(machine.races == 0);
        REQUIRE(machine.content_of(recording.outputs.front()) ==
                fake::Content{values[at(s.problem.inputs.back().front())], kernels::Layout::nhwc});
        count.host_waits += static_cast<int>(machine.awaited.size());
    }

    // 5. Segments are the plan's.
    std::vector<std::vector<int>> segments, submitted;
    for (int a = 0; a < static_cast<int>(plan.actions.size()); ++a) {
        if (plan.actions[at(a)].kind == sim::EventKind::submission) {
            segments.emplace_back();
            for (const sim::Plan::Action& action : plan.actions) {
                if (action.kind == sim::EventKind::task && action.submission == a) {
                    segments.back().push_back(action.task);
                }
            }
        }
        if (plan.actions[at(a)].kind == sim::EventKind::copy) {
            const sim::Event& copy = plan.event_of(plan.actions[at(a)]);
            const int home = s.problem.devices[at(plan.makers[at(copy.tensor)].device)].memory;
            ++count.copies;
            count.hops += copy.from != home;
        }
    }
    for (const Executor::Call& call : recording.calls) {
        if (call.action == Executor::Action::submit) {
            submitted.push_back(call.tasks);
        }
    }
    REQUIRE(submitted == segments);
    for (const Wanted& one : wanted.dispatched) {
        count.conversions += one.kind == fake::Done::Kind::conversion;
    }
    count.between_devices += static_cast<int>(wanted.others_made.size());
    count.early += static_cast<int>(mapping.early.size());
    count.of_two_results += static_cast<int>(std::ranges::count_if(
        mapping, [&](int task) { return !s.problem.tasks[at(task)].inner.empty(); }));
    ++count.mappings;
}

Count check_random(std::uint64_t setups, std::uint64_t first, bool all_follow) {
    constexpr std::uint64_t kMappings = 10;  // of each setup
    Count count;
    for (std::uint64_t seed = first; seed < first + setups; ++seed) {
        CAPTURE(seed);
        const Setup s = random_setup(seed);
        Random random(seed);
        for (std::uint64_t m = 0; m < kMappings; ++m) {
            CAPTURE(m);
            const sim::Mapping mapping = generate::any_mapping(s.problem, seed * kMappings + m);
            REQUIRE(!mapping.empty());
            check(s, mapping, all_follow, random, count);
        }
    }
    return count;
}

}  // namespace

TEST_CASE("the executor asks devices for what the plan says: copies, waits, signals, segments") {
    const Count count = check_random(1200, 0, true);
    CHECK(count.mappings + count.impossible + count.refused == 12000);
    CHECK(count.mappings > 8000);
    CHECK(count.refused > 0);
    CHECK(count.copies > 10000);
    CHECK(count.hops > 500);
    CHECK(count.conversions > 1000);
    CHECK(count.early > 500);
    CHECK(count.of_two_results > 500);
    CHECK(count.device_waits > 10000);
    CHECK(count.between_devices > 2000);
    CHECK(count.host_waits > 10000);
    CHECK(count.beyond_plan == 0);
}

TEST_CASE("frames of a stream that are inside at a time keep out of each other's way") {
    constexpr std::int64_t kFrames = 9;
    int most_inside = 0, overtaken = 0, streams = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        Setup s = random_setup(seed);
        calibrate::drop_what_no_kernel_computes(s.model, s.problem);
        const sim::Mapping mapping = generate::any_mapping(s.problem, seed);
        if (!sim::possible_plan_of(s.problem, mapping)) {
            continue;
        }
        Random random(seed);
        fake::Machine machine;
        calibrate::OpenDevices devices;
        for (const calibrate::DeviceInfo& info : s.infos) {
            devices.devices.push_back(machine.add(info, random.one_in(2)));
        }
        devices.missing.resize(s.infos.size());
        Executor executor{s.model, s.parameters, s.problem, std::move(devices)};
        const int lanes = 1 + static_cast<int>(seed % 4);
        calibrate::Stream stream{executor, mapping, lanes};
        machine.late = [&] { return random.one_in(2); };
        machine.begin_run();
        const auto images_of = [](std::int64_t frame) {
            return std::uint64_t{1000} + static_cast<std::uint64_t>(frame);
        };
        int inside = 0;
        std::vector<std::int64_t> left;
        const auto enter = [&](std::int64_t frame, int lane) {
            machine.hold(executor.input(0, lane).data(), {images_of(frame), kernels::Layout::nhwc});
            most_inside = std::max(most_inside, ++inside);
        };
        const auto leave = [&](std::int64_t frame, int lane) {
            const std::uint64_t right =
                values_of(s, images_of(frame))[at(s.problem.inputs.back().front())];
            REQUIRE(machine.content_of(stream.recording(lane).outputs.front()) ==
                    fake::Content{right, kernels::Layout::nhwc});
            overtaken += !left.empty() && left.back() > frame;
            left.push_back(frame);
            --inside;
        };
        const auto ends = stream.run(kFrames, {.enter = enter, .leave = leave, .stop = {}});
        REQUIRE(ends.size() == kFrames);
        REQUIRE(std::ranges::is_sorted(ends));
        REQUIRE(std::set<std::int64_t>(left.begin(), left.end()).size() == kFrames);
        REQUIRE(inside == 0);
        REQUIRE(machine.races == 0);
        // Those that are stopped out never enter.
        machine.begin_run();
        left.clear();
        const auto stop = [&] { return left.size() >= 2; };
        const auto some = stream.run(kFrames, {.enter = enter, .leave = leave, .stop = stop});
        REQUIRE(some.size() >= 2);
        REQUIRE(some.size() <= static_cast<std::size_t>(2 + lanes));
        ++streams;
    }
    CHECK(streams > 200);
    CHECK(most_inside == 4);
    CHECK(overtaken > 0);
    const std::int64_t ends[] = {100, 250, 300, 400};
    CHECK(calibrate::period_ns(ends, 2) == 75);
    CHECK(calibrate::period_ns(ends, 4) == 0);
}

TEST_CASE("a problem without what no kernel computes has mappings that all run") {
    int dropped = 0;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        CAPTURE(seed);
        Setup s = random_setup(seed);
        const std::size_t all = s.problem.tasks.size();
        calibrate::drop_what_no_kernel_computes(s.model, s.problem);
        dropped += static_cast<int>(all - s.problem.tasks.size());
        Random random(seed);
        Count count;
        for (std::uint64_t m = 0; m < 3; ++m) {
            check(s, generate::any_mapping(s.problem, seed * 3 + m), true, random, count);
        }
        CHECK(count.refused == 0);
        CHECK(count.mappings + count.impossible == 3);
    }
    CHECK(dropped > 0);
}

TEST_CASE("where a device cannot wait for another one, the dispatcher does, and says so") {
    const Count count = check_random(800, 10000, false);
    CHECK(count.mappings + count.impossible + count.refused == 8000);
    CHECK(count.mappings > 5000);
    CHECK(count.beyond_plan > 1000);
    CHECK(count.device_waits > 5000);
}
