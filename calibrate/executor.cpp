#include "calibrate/executor.hpp"

#include "calibrate/clock.hpp"
#include "calibrate/memory.hpp"
#include "sim/checked.hpp"
#include "sim/run/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <optional>
#include <random>
#include <set>
#include <utility>

namespace calibrate {
namespace {

using sim::at;

kernels::Layout layout_named(const std::string& name) {
    for (const kernels::Layout layout : kernels::kLayouts) {
        if (kernels::name_of(layout) == name) {
            return layout;
        }
    }
    throw sim::InputError{fmt::format("no kernel here for the layout '{}'", name)};
}

}  // namespace

std::vector<int> model_layers(const sim::Problem& problem, const sim::Task& task) {
    std::vector<int> layers{problem.model_layer[at(task.first)]};
    for (const int layer : task.rest) {
        layers.push_back(problem.model_layer[at(layer)]);
    }
    // A chain that branches is known by the model's own order (sim::chains_from).
    int before = task.first;
    for (const int layer : task.rest) {
        const std::vector<int>& inputs = problem.inputs[at(layer)];
        if (std::ranges::find(inputs, before) == inputs.end()) {
            std::ranges::sort(layers);
            break;
        }
        before = layer;
    }
    return layers;
}

void drop_what_no_kernel_computes(const sim::Model& model, sim::Problem& problem) {
    std::erase_if(problem.tasks, [&](const sim::Task& task) {
        return !is_boundary(problem, task) && !fit_one_kernel(model, model_layers(problem, task));
    });
    sim::index(problem);
}

kernels::Configuration parse_configuration(const std::string& name) {
    kernels::Configuration configuration;
    const auto [end, error] =
        std::from_chars(name.data(), name.data() + name.size(), configuration.threads);
    configuration.axes.assign(end, name.data() + name.size());
    if (error != std::errc{} || configuration.threads < 1 || configuration.name() != name ||
        configuration.axes.find_first_not_of("xyz") != std::string::npos) {
        throw sim::InputError{fmt::format(
            "configuration '{}': expected a number of threads and the axes split, such as 1 or 2y",
            name)};
    }
    return configuration;
}

Begun::Begun(Executor& executor, std::span<const int> devices)
    : executor_{executor}, devices_{devices} {
    for (const int d : devices) {
        executor.device(d).begin_run();
    }
}

Begun::~Begun() {
    for (const int d : devices_) {
        executor_.device(d).end_run();
    }
}

// ---- Devices and their memory ------------------------------------------------------------------

OpenDevices open_devices(const sim::Problem& problem, int threads) {
    OpenDevices result;
    result.devices.resize(problem.devices.size());
    result.missing.resize(problem.devices.size());
    if (problem.devices.size() > 1) {
        const Discovery found = discover();
        for (std::size_t d = 1; d < result.devices.size(); ++d) {
            const auto info =
                std::ranges::find(found.devices, problem.device_names[d], &DeviceInfo::name);
            if (info == found.devices.end()) {
                result.missing[d] = absence_of(problem.device_names[d], found);
                continue;
            }
            try {
                result.devices[d] = open(*info, threads);
            } catch (const DeviceError& error) {
                result.missing[d] = error.what();
            }
        }
    }
    for (const std::unique_ptr<Device>& device : result.devices) {
        threads -= device != nullptr ? device->info().cores : 0;
    }
    // The CPU last: drivers' threads must not inherit the core that its pool keeps this thread on.
    result.devices.front() = open_cpu(std::max(1, threads));
    return result;
}

Executor::Executor(const sim::Model& model,
                   const Parameters& parameters,
                   const sim::Problem& problem,
                   int threads)
    : Executor{model, parameters, problem, open_devices(problem, threads)} {}

Executor::Executor(const sim::Model& model,
                   const Parameters& parameters,
                   const sim::Problem& problem,
                   OpenDevices devices)
    : model_{model},
      parameters_{parameters},
      problem_{problem},
      devices_{std::move(devices.devices)},
      missing_{std::move(devices.missing)} {
    assert(devices_.size() == problem.devices.size() && devices_.front() != nullptr);
    expect_ends_on_host(model);
    for (int layout = 0; layout < problem.layouts; ++layout) {
        layouts_.push_back(layout_named(problem.layout_names[at(problem.bits_of(layout))]));
    }
    for (int d = problem.device_count() - 1; d > 0; --d) {
        if (devices_[at(d)] != nullptr && !devices_[at(d)]->modes(Direction::up).empty()) {
            copier_ = d;
        }
    }
}

// Throws where a device is not here, or is not what the problem says. `layer`: that needs it.
void Executor::require(int device, int layer) const {
    const auto refuse = [&](const std::string& why) {
        throw sim::InputError{fmt::format("layer '{}': {}", layer_name(layer), why)};
    };
    if (devices_[at(device)] == nullptr) {
        refuse(missing_[at(device)]);
    }
    const DeviceInfo& here = devices_[at(device)]->info();
    const sim::ProblemDevice& wanted = problem_.devices[at(device)];
    if (here.asynchronous != wanted.asynchronous) {
        refuse(fmt::format("the platform says that '{}' is {}, and here it is not",
                           device_name(device),
                           wanted.asynchronous ? "asynchronous" : "synchronous"));
    }
    if (wanted.memory == 0 && !here.host_memory) {
        refuse(
            fmt::format("the platform says that '{}' works on the host's memory, and here it "
                        "does not",
                        device_name(device)));
    }
}

// The device that has a memory other than the host's for itself: it allocates there, and copies.
int Executor::owner_of(int memory, int layer) const {
    int owner = -1;
    for (int d = 1; d < problem_.device_count(); ++d) {
        if (memory_of(d) != memory) {
            continue;
        }
        if (owner >= 0) {
            throw sim::InputError{fmt::format(
                "layer '{}': '{}' and '{}' share the memory '{}'; that can be simulated, not run",
                layer_name(layer),
                device_name(owner),
                device_name(d),
                problem_.memory_names[at(memory)])};
        }
        owner = d;
    }
    if (owner < 0) {
        throw sim::InputError{
            fmt::format("layer '{}': no device works on the memory '{}'; that can be simulated, "
                        "not run",
                        layer_name(layer),
                        problem_.memory_names[at(memory)])};
    }
    require(owner, layer);
    return owner;
}

int Executor::tensor_of(int model_layer) const {
    return static_cast<int>(std::ranges::find(problem_.model_layer, model_layer) -
                            problem_.model_layer.begin());
}

kernels::Shape Executor::shape_of(int tensor) const {
    return kernel_shape(model_.layers[at(problem_.model_layer[at(tensor)])].output);
}

std::size_t Executor::bytes_of(int tensor, int layout) const {
    return kernels::tensor_bytes(shape_of(tensor), layouts_[at(layout)], problem_.batch);
}

std::byte* Executor::buffer(Place place) {
    place.layout = problem_.bits_of(place.layout);
    place.lane = lane_;
    const auto found = buffers_.find(place);
    if (found != buffers_.end()) {
        return found->second;
    }
    const std::size_t bytes = bytes_of(place.tensor, place.layout);
    std::byte* memory = nullptr;
    if (place.memory != 0) {
        memory = devices_[at(owner_of(place.memory, place.tensor))]->allocate(bytes);
    } else if (copier_ == 0) {
        memory = devices_.front()->allocate(bytes);
    } else {
        Device& copier = *devices_[at(copier_)];
        memory = copier.allocate_host(bytes, copier.modes(Direction::up).front());
    }
    return buffers_.emplace(place, memory).first->second;
}

// As the device knows it.
Address Executor::address(int device, int tensor, int layout) {
    const int memory = memory_of(device);
    std::byte* const there = buffer({tensor, layout, memory});
    return memory == 0 ? devices_[at(device)]->address_of(there) : there;
}

// ---- Kernels and events ------------------------------------------------------------------------

int Executor::kernel(int index) {
    const auto found = kernels_.find(index);
    if (found != kernels_.end()) {
        return found->second;
    }
    const sim::Task& task = problem_.tasks[at(index)];
    const kernels::Chain chain =
        chain_of(model_, parameters_, model_layers(problem_, task), problem_.batch);
    int handle = -1;
    try {
        handle = devices_[at(task.device)]->prepare(chain, task.variant, task.configuration);
    } catch (const sim::InputError& error) {
        throw sim::InputError{fmt::format("layer '{}': {}", layer_name(task.first), error.what())};
    }
    return kernels_.emplace(index, handle).first->second;
}

kernels::Tensors Executor::tensors_of(const sim::Task& task) {
    const ChainInputs wanted = inputs_of(model_, model_layers(problem_, task));
    const auto read = [&](int model_layer) -> const std::byte* {
        for (const sim::TaskInput& input : task.inputs) {
            if (problem_.model_layer[at(input.tensor)] == model_layer) {
                return address(task.device, input.tensor, input.layout);
            }
        }
        throw sim::InputError{fmt::format("layer '{}': its kernel reads '{}', its task does not",
                                          layer_name(task.first),
                                          model_.layers[at(model_layer)].name)};
    };
    std::vector<const std::byte*> more;
    std::ranges::transform(wanted.more, std::back_inserter(more), read);
    return {.input = read(wanted.main),
            .second_input = wanted.second >= 0 ? read(wanted.second) : nullptr,
            .output = address(task.device, task.last, task.out_layout),
            .more = more.empty() ? std::span<const std::byte* const>{}
                                 : *more_inputs_.insert(std::move(more)).first,
            .second_output =
                task.inner.empty()
                    ? nullptr
                    : address(task.device, task.inner.front().tensor, task.inner.front().layout)};
}

int Executor::event(const Happening& what) {
    const auto [found, fresh] = events_.try_emplace(what, 0);
    if (fresh) {
        found->second = devices_[at(what.device)]->new_event();
    }
    return found->second;
}

// The event of `device` that happens with one of another device; -1 where it cannot wait for it.
int Executor::followed(int device, int other, int event) {
    const auto [found, fresh] = followed_.try_emplace({device, other, event}, -1);
    if (fresh) {
        found->second = devices_[at(device)]->follow(*devices_[at(other)], event).value_or(-1);
    }
    return found->second;
}

// The devices that take part. Workers that spin would take the cores of a device that computes on
// them: then the host's stay as they are.
std::vector<int> Executor::begun(const std::vector<Call>& calls) const {
    std::set<int> used{0};
    for (const Call& call : calls) {
        used.insert(call.device);
    }
    const bool host_shares_cores = std::ranges::any_of(used, [&](int d) {
        const DeviceInfo& info = devices_[at(d)]->info();
        return d != 0 && info.host_cores && info.cores == 0;
    });
    if (host_shares_cores) {
        used.erase(0);
    }
    return {used.begin(), used.end()};
}

// ---- Recording ---------------------------------------------------------------------------------

// Goes through a plan as the dispatcher does and records what each device is asked for.
class Executor::Recorder {
public:
    Recorder(Executor& executor, const sim::Mapping& mapping, bool timed)
        : e_{executor},
          problem_{executor.problem_},
          timed_{timed},
          plan_{sim::plan_of(executor.problem_, mapping)},
          steps_(plan_.steps.size()),
          segments_(plan_.actions.size()),
          held_(at(problem_.engines)) {
        for (int a = 0; a < static_cast<int>(plan_.actions.size()); ++a) {
            const sim::Plan::Action& action = action_at(a);
            for (int s = action.steps_begin; s < action.steps_end; ++s) {
                steps_[at(s)].action = a;
            }
            if (action.kind == sim::EventKind::task && action.submission >= 0) {
                segments_[at(action.submission)].push_back(a);
            }
        }
    }

    Recording record() {
        recording_.timed = timed_;
        refuse_what_cannot_run();
        expect_room();
        find_signals();
        for (const int a : sim::dispatch_order(problem_, plan_)) {
            switch (action_at(a).kind) {
                case sim::EventKind::copy:
                    issue(a);
                    break;
                case sim::EventKind::submission:
                    submit(a);
                    break;
                default:
                    run_on_host(a);
                    break;
            }
        }
        for (int engine = 0; engine < problem_.engines; ++engine) {
            release(engine, -1);
        }
        for (const sim::Output& output : e_.model_.outputs) {
            const int tensor = e_.tensor_of(output.layer);
            const std::vector<sim::TaskInput>& read = task_of(plan_.actions.back()).inputs;
            const auto wanted = std::ranges::find(read, tensor, &sim::TaskInput::tensor);
            recording_.outputs.push_back(e_.buffer({tensor, wanted->layout, 0}));
        }
        recording_.begun = e_.begun(recording_.calls);
        return std::move(recording_);
    }

private:
    struct Step {
        int action = -1;
        bool signals = false;  // something else than what comes behind it in order waits for it
        bool awaited = false;  // by the dispatcher
        bool held = false;     // a copy that is not issued yet
    };

    const sim::Plan::Action& action_at(int a) const { return plan_.actions[at(a)]; }
    const sim::Task& task_of(const sim::Plan::Action& action) const {
        return problem_.tasks[at(action.task)];
    }
    const sim::Event& event_of(int step) const {
        return plan_.events[at(plan_.steps[at(step)].events_begin)];
    }

    // ---- who does what ----

    // The device that makes a copy. There is one at one end; the other end is the host's memory.
    int copier_of(const sim::Event& copy) const {
        if (copy.from != 0 && copy.to != 0) {
            throw sim::InputError{
                fmt::format("copy of '{}' from '{}' to '{}': a link between the memories of two "
                            "devices can be simulated, not run",
                            e_.layer_name(copy.tensor),
                            problem_.memory_names[at(copy.from)],
                            problem_.memory_names[at(copy.to)])};
        }
        return e_.owner_of(copy.from == 0 ? copy.to : copy.from, copy.tensor);
    }

    // What happens at the end of a step; nothing where the dispatcher does it itself. Whose threads
    // had a tensor makes no other event of it: a copy is recorded once for its buffers.
    std::optional<Happening> happening_of(int step) const {
        const sim::Event& event = event_of(step);
        const auto place = [&](int tensor, int layout, int memory) {
            return Place{tensor, problem_.bits_of(layout), memory, e_.lane_};
        };
        switch (event.kind) {
            case sim::EventKind::copy:
                return Happening{
                    copier_of(event),
                    place(event.tensor, plan_.makers[at(event.tensor)].layout, event.to),
                    true};
            case sim::EventKind::conversion:
                if (!problem_.devices[at(event.resource)].asynchronous) {
                    return std::nullopt;
                }
                return Happening{event.resource,
                                 place(event.tensor, event.to, e_.memory_of(event.resource))};
            default: {
                const sim::Task& task = problem_.tasks[at(event.task)];
                if (!problem_.devices[at(task.device)].asynchronous) {
                    return std::nullopt;
                }
                return Happening{task.device,
                                 place(task.last, task.out_layout, e_.memory_of(task.device))};
            }
        }
    }

    void refuse_what_cannot_run() const {
        for (const sim::Plan::Action& action : plan_.actions) {
            if (action.kind == sim::EventKind::reconfiguration) {
                throw sim::InputError{
                    fmt::format("layer '{}': '{}' is configured for each segment; that can be "
                                "simulated, not run",
                                e_.layer_name(task_of(action).first),
                                e_.device_name(action.device))};
            }
            if (action.kind != sim::EventKind::task) {
                continue;
            }
            const sim::Task& task = task_of(action);
            const auto refuse = [&](const std::string& why) {
                throw sim::InputError{
                    fmt::format("layer '{}': {}", e_.layer_name(task.first), why)};
            };
            if (!task.parts.empty()) {
                refuse("it is divided over several devices; that can be simulated, not run");
            }
            if (task.inner.size() > 1) {
                refuse(
                    "it gives more than two results, and kernels here give two at most; that can "
                    "be simulated, not run");
            }
            e_.require(task.device, task.first);
            bool converts = false;
            for (int s = action.steps_begin; s + 1 < action.steps_end; ++s) {
                converts = converts || !is_handover(s);
            }
            if (converts && !e_.devices_[at(task.device)]->info().converts) {
                refuse(fmt::format("'{}' cannot change layouts", e_.device_name(task.device)));
            }
        }
    }

    // The host's memory for all tensors of the mapping that are not there yet, before the first is
    // allocated.
    void expect_room() const {
        std::set<Place> places;
        for (int input = 0; input < problem_.model_inputs; ++input) {
            places.insert({input, 0, 0});
        }
        for (const sim::Plan::Action& action : plan_.actions) {
            if (action.kind == sim::EventKind::task) {
                const sim::Task& task = task_of(action);
                const int memory = e_.memory_of(task.device);
                sim::for_each_result(task, [&](const sim::TaskResult& result) {
                    if (problem_.model_layer[at(result.tensor)] >= 0) {  // the output is no tensor
                        places.insert({result.tensor, problem_.bits_of(result.layout), memory});
                    }
                });
                for (const sim::TaskInput& input : task.inputs) {
                    places.insert({input.tensor, problem_.bits_of(input.layout), memory});
                }
            }
        }
        std::int64_t need = 0;
        for (Place place : places) {
            place.lane = e_.lane_;
            if (place.memory == 0 && !e_.buffers_.contains(place)) {
                need = sim::checked_sum(
                    need, static_cast<std::int64_t>(e_.bytes_of(place.tensor, place.layout)));
            }
        }
        expect_free_memory({need}, fmt::format("the tensors of a batch of {}", problem_.batch));
    }

    // A wait needs an event, unless what it waits for is done by the dispatcher itself or comes
    // before it on the same device's queue of kernels.
    bool needs_event(const sim::Plan::Action& waiter, int step) const {
        const std::optional<Happening> what = happening_of(step);
        const bool behind = what && !what->arrived && waiter.kind == sim::EventKind::task &&
                            waiter.device == what->device;
        return what && !behind;
    }

    void find_signals() {
        for (const sim::Plan::Action& action : plan_.actions) {
            for (const sim::Plan::Wait& wait : plan_.waits_of(action)) {
                if (wait.reason == sim::Plan::Reason::submitted ||
                    !needs_event(action, wait.step)) {
                    continue;
                }
                if (is_handover(wait.step)) {
                    throw sim::InputError{
                        fmt::format("layer '{}': it waits for what '{}' need not do; that can be "
                                    "simulated, not run",
                                    e_.layer_name(task_of(action).first),
                                    e_.device_name(event_of(wait.step).resource))};
                }
                steps_[at(wait.step)].signals = true;
            }
        }
    }

    int signal_of(int step) {
        return steps_[at(step)].signals ? e_.event(*happening_of(step)) : -1;
    }

    // ---- waiting ----

    void await(int step, bool beyond_plan) {
        Step& s = steps_[at(step)];
        if (s.awaited) {
            return;
        }
        release_copy(step);
        s.awaited = true;
        const Happening what = *happening_of(step);
        recording_.calls.push_back({.action = Action::wait,
                                    .device = what.device,
                                    .handle = e_.event(what),
                                    .tasks = {},
                                    .beyond_plan = beyond_plan});
    }

    // An event of `device` that happens with the end of a step; -1 where the dispatcher has to wait
    // for it, or has.
    int event_for(int device, int step) {
        const Happening what = *happening_of(step);
        const int event = e_.event(what);
        return what.device == device ? event : e_.followed(device, what.device, event);
    }

    // ---- what the dispatcher does ----

    void run_on_host(int a) {
        const sim::Plan::Action& action = action_at(a);
        const sim::Task& task = task_of(action);
        for (const sim::Plan::Wait& wait : plan_.waits_of(action)) {
            if (needs_event(action, wait.step)) {
                await(wait.step, false);
            }
        }
        for (int s = action.steps_begin; s < action.steps_end; ++s) {
            const bool converts = event_of(s).kind == sim::EventKind::conversion;
            if (is_handover(s) || (!converts && is_boundary(problem_, task))) {
                continue;
            }
            const calibrate::Stage stage = stage_of(s);
            recording_.calls.push_back({.action = converts ? Action::convert : Action::compute,
                                        .device = action.device,
                                        .handle = command_of(action.device, stage),
                                        .tasks = {action.task}});
        }
    }

    void submit(int a) {
        const int device = action_at(a).device;
        std::vector<calibrate::Stage> stages;
        std::vector<int> tasks, kernels;
        for (const int t : segments_[at(a)]) {
            const sim::Plan::Action& action = action_at(t);
            const std::size_t first = stages.size();
            for (int s = action.steps_begin; s < action.steps_end; ++s) {
                if (!is_handover(s)) {
                    stages.push_back(stage_of(s));
                    stages.back().signal = signal_of(s);
                }
            }
            stages[first].waits = waits_of(action);
            tasks.push_back(action.task);
            kernels.push_back(static_cast<int>(stages.size()) - 1);
        }
        recording_.calls.push_back({.action = Action::submit,
                                    .device = device,
                                    .handle = e_.devices_[at(device)]->record(stages, timed_),
                                    .tasks = std::move(tasks),
                                    .stages = std::move(kernels)});
    }

    // Of a task on a device. What it cannot wait for itself, the dispatcher waits for now.
    std::vector<int> waits_of(const sim::Plan::Action& action) {
        std::vector<int> events;
        for (const sim::Plan::Wait& wait : plan_.waits_of(action)) {
            if (wait.reason == sim::Plan::Reason::submitted || !needs_event(action, wait.step)) {
                continue;
            }
            release_copy(wait.step);
            const int event = event_for(action.device, wait.step);
            if (event < 0) {
                await(wait.step, true);
            } else if (waited_for_.emplace(action.device, wait.step).second) {
                events.push_back(event);
            }
        }
        return events;
    }

    // What the host's threads had in their caches is where it is for everybody: nothing to do.
    bool is_handover(int step) const { return sim::is_handover(problem_, event_of(step)); }

    calibrate::Stage stage_of(int step) {
        const sim::Event& event = event_of(step);
        const sim::Task& task = problem_.tasks[at(event.task)];
        if (event.kind != sim::EventKind::conversion) {
            return {.kernel = e_.kernel(event.task), .tensors = e_.tensors_of(task)};
        }
        return {.tensors = {.input = e_.address(event.resource, event.tensor, event.from),
                            .output = e_.address(event.resource, event.tensor, event.to)},
                .shape = e_.shape_of(event.tensor),
                .batch = problem_.batch,
                .from = e_.layouts_[at(event.from)],
                .to = e_.layouts_[at(event.to)]};
    }

    // A segment of one stage on the host; the same one every time.
    int command_of(int device, const calibrate::Stage& stage) {
        const auto [found, fresh] = e_.commands_.try_emplace({.device = device,
                                                              .kernel = stage.kernel,
                                                              .from = stage.tensors.input,
                                                              .second = stage.tensors.second_input,
                                                              .to = stage.tensors.output},
                                                             0);
        if (fresh) {
            found->second = e_.devices_[at(device)]->record({&stage, 1});
        }
        return found->second;
    }

    // ---- copies ----

    // Issued now, unless its device cannot wait for what it copies, or it is behind a copy of its
    // engine of which that is true.
    void issue(int a) {
        const sim::Plan::Action& action = action_at(a);
        const sim::Event& copy = event_of(action.steps_begin);
        const int source = plan_.waits_of(action).front().step;
        std::vector<int>& queue = held_[at(copy.resource)];
        const bool waits = needs_event(action, source) && !steps_[at(source)].awaited;
        if (!queue.empty() || steps_[at(source)].held ||
            (waits && event_for(copier_of(copy), source) < 0)) {
            queue.push_back(a);
            steps_[at(action.steps_end - 1)].held = true;
            return;
        }
        record_copy(a);
    }

    void record_copy(int a) {
        const sim::Plan::Action& action = action_at(a);
        const sim::Event& event = event_of(action.steps_begin);
        const int source = plan_.waits_of(action).front().step;
        const int device = copier_of(event);
        int wait = -1;
        if (needs_event(action, source)) {
            release_copy(source);
            wait = event_for(device, source);
            if (wait < 0) {
                await(source, true);
            }
        }
        steps_[at(action.steps_end - 1)].held = false;
        recording_.calls.push_back(
            {.action = Action::copy,
             .device = device,
             .handle =
                 copy_command(device, event, wait, e_.event(*happening_of(action.steps_end - 1))),
             .tasks = {}});
    }

    int copy_command(int device, const sim::Event& copy, int wait, int signal) {
        const int layout = plan_.makers[at(copy.tensor)].layout;
        const Direction direction = copy.from == 0 ? Direction::up : Direction::down;
        const std::string_view mode = mode_of(device, copy, layout, direction);
        Copy command{.mode = mode,
                     .direction = direction,
                     .device = e_.buffer({copy.tensor, layout, e_.memory_of(device)}),
                     .host = e_.buffer({copy.tensor, layout, 0}),
                     .bytes = e_.bytes_of(copy.tensor, layout),
                     .wait = wait,
                     .signal = signal};
        const bool up = direction == Direction::up;
        const auto [found, fresh] =
            e_.commands_.try_emplace({.device = device,
                                      .kernel = -2,
                                      .from = up ? command.host : command.device,
                                      .to = up ? command.device : command.host,
                                      .wait = wait},
                                     0);
        if (fresh) {
            found->second = e_.devices_[at(device)]->record(command);
        }
        return found->second;
    }

    // The host's buffers are of the first mode's kind.
    std::string_view mode_of(int device,
                             const sim::Event& copy,
                             int layout,
                             Direction direction) const {
        const std::string_view mode = e_.devices_[at(device)]->modes(direction).front();
        if (problem_.copy_modes.empty() || problem_.mode_names.empty()) {
            return mode;
        }
        const int wanted =
            problem_.copy_modes[problem_.copy_place(copy.tensor, layout, copy.from, copy.to)];
        if (wanted >= 0 && problem_.mode_names[at(wanted)] != mode) {
            throw sim::InputError{fmt::format(
                "copy of '{}': mode '{}' is measured and simulated, but what runs here is '{}'",
                e_.layer_name(copy.tensor),
                problem_.mode_names[at(wanted)],
                mode)};
        }
        return mode;
    }

    // Issues a copy that was held back, with those before it on its engine.
    void release_copy(int step) {
        if (steps_[at(step)].held) {
            release(event_of(step).resource, steps_[at(step)].action);
        }
    }

    // `last`: the action up to which copies are issued; -1: all of them.
    void release(int engine, int last) {
        std::vector<int>& queue = held_[at(engine)];
        while (!queue.empty()) {
            const int a = queue.front();
            queue.erase(queue.begin());
            record_copy(a);
            if (a == last) {
                return;
            }
        }
    }

    Executor& e_;
    const sim::Problem& problem_;
    bool timed_;
    sim::Plan plan_;
    std::vector<Step> steps_;
    std::vector<std::vector<int>> segments_;    // by submission: the tasks' actions
    std::vector<std::vector<int>> held_;        // by engine: copies not issued yet
    std::set<std::pair<int, int>> waited_for_;  // device, step: its kernels have
    Recording recording_;
};

Executor::Recording Executor::prepare(const sim::Mapping& mapping, bool timed, int lane) {
    lane_ = lane;
    return Recorder{*this, mapping, timed}.record();
}

std::span<std::byte> Executor::input(int index, int lane) {
    lane_ = lane;
    const int tensor = tensor_of(index);
    return {buffer({tensor, 0, 0}), (bytes_of(tensor, 0) + 63) / 64 * 64};
}

void Executor::fill_inputs(std::uint32_t seed, int lane) {
    constexpr std::size_t kBlock = std::size_t{1} << 16;  // again and again: a batch may be large
    std::mt19937 random{seed};
    std::vector<std::byte> bytes(kBlock);
    std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random()); });
    std::vector<float> reals(kBlock / sizeof(float));
    std::uniform_real_distribution<float> between{-1, 1};
    std::ranges::generate(reals, [&] { return between(random); });
    for (int i = 0; i < model_.inputs(); ++i) {
        const bool real = model_.layers[at(i)].output.element == sim::Element::f32;
        const std::span<const std::byte> block =
            real ? std::as_bytes(std::span{reals}) : std::span{bytes};
        std::span<std::byte> left = input(i, lane);
        while (!left.empty()) {
            const std::size_t now = std::min(left.size(), block.size());
            std::ranges::copy(block.first(now), left.begin());
            left = left.subspan(now);
        }
    }
}

std::size_t Executor::output_bytes(int index) const {
    const sim::Layer& layer = model_.layers[at(model_.outputs[at(index)].layer)];
    return kernels::tensor_bytes(kernel_shape(layer.output), kernels::Layout::nhwc, problem_.batch);
}

// ---- Running -----------------------------------------------------------------------------------

void Executor::run(const Recording& recording, std::span<std::int64_t> stamps) {
    assert(stamps.empty() || stamps.size() == recording.calls.size() + 1);
    const Begun begun{*this, recording.begun};
    std::size_t next = 0;
    if (!stamps.empty()) {
        stamps[next++] = now_ns();
    }
    for (const Call& call : recording.calls) {
        Device& device = *devices_[at(call.device)];
        if (call.action == Action::wait) {
            device.wait(call.handle);
        } else {
            device.submit(call.handle);
        }
        if (!stamps.empty()) {
            stamps[next++] = now_ns();
        }
    }
}

}  // namespace calibrate
