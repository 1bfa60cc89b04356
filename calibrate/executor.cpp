#include "calibrate/executor.hpp"

#include "calibrate/clock.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <utility>

namespace calibrate {
namespace {

kernels::Layout layout_named(const std::string& name) {
    for (const kernels::Layout layout : {kernels::Layout::nhwc, kernels::Layout::plain}) {
        if (kernels::name_of(layout) == name) {
            return layout;
        }
    }
    throw sim::InputError{fmt::format("no kernel here for the layout '{}'", name)};
}

// The input and output tasks do no work.
bool does_nothing(const sim::Problem& problem, const sim::Task& task) {
    return task.first == 0 || task.first == problem.layers() - 1;
}

// Asleep again whatever happens meanwhile.
class AwakeWorkers {
public:
    explicit AwakeWorkers(Device* device) : device_{device} {
        if (device_ != nullptr) {
            device_->begin_run();
        }
    }
    ~AwakeWorkers() {
        if (device_ != nullptr) {
            device_->end_run();
        }
    }
    AwakeWorkers(const AwakeWorkers&) = delete;
    AwakeWorkers& operator=(const AwakeWorkers&) = delete;

private:
    Device* device_;
};

template <class T>
T& at(std::vector<T>& values, int index) {
    return values[static_cast<std::size_t>(index)];
}
template <class T>
const T& at(const std::vector<T>& values, int index) {
    return values[static_cast<std::size_t>(index)];
}

}  // namespace

std::vector<int> model_layers(const sim::Problem& problem, const sim::Task& task) {
    std::vector<int> layers{problem.model_layer[static_cast<std::size_t>(task.first)]};
    for (const int layer : task.rest) {
        layers.push_back(problem.model_layer[static_cast<std::size_t>(layer)]);
    }
    // A chain that branches is known by the model's own order (sim::chains_from).
    int before = task.first;
    for (const int layer : task.rest) {
        const std::vector<int>& inputs = problem.inputs[static_cast<std::size_t>(layer)];
        if (std::ranges::find(inputs, before) == inputs.end()) {
            std::ranges::sort(layers);
            break;
        }
        before = layer;
    }
    return layers;
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

// ---- Devices and their memory ------------------------------------------------------------------

Executor::Executor(const sim::Model& model,
                   const Parameters& parameters,
                   const sim::Problem& problem,
                   int threads)
    : model_{model}, parameters_{parameters}, problem_{problem} {
    for (const std::string& name : problem.layout_names) {
        layouts_.push_back(layout_named(name));
    }
    // Accelerators first: their drivers' threads must not inherit the core that the CPU's pool
    // keeps this thread on.
    devices_.resize(problem.devices.size());
    missing_.resize(problem.devices.size());
    if (problem.devices.size() > 1) {
        const Discovery found = discover();
        for (std::size_t d = 1; d < devices_.size(); ++d) {
            const auto info =
                std::ranges::find(found.devices, problem.device_names[d], &DeviceInfo::name);
            if (info != found.devices.end()) {
                try {
                    devices_[d] = open(*info, threads);
                    copier_ = copier_ == 0 ? static_cast<int>(d) : copier_;
                } catch (const DeviceError& error) {
                    missing_[d] = error.what();
                }
            } else {
                missing_[d] = fmt::format("this machine has no device '{}'{}{}",
                                          problem.device_names[d],
                                          found.notes.empty() ? "" : ": ",
                                          fmt::join(found.notes, "; "));
            }
        }
    }
    devices_.front() = open_cpu(threads);
}

bool Executor::on_host_memory(int device) const { return at(problem_.devices, device).memory == 0; }

kernels::Shape Executor::shape_of(int tensor) const {
    return kernel_shape(at(model_.layers, at(problem_.model_layer, tensor)).output);
}

std::size_t Executor::bytes_of(int tensor, int layout) const {
    return kernels::tensor_bytes(shape_of(tensor), at(layouts_, layout), problem_.batch);
}

std::byte* Executor::host_buffer(int tensor, int layout) {
    std::byte*& memory = buffers_[{tensor, layout, 0}];
    if (memory == nullptr) {
        Device& owner = *at(devices_, copier_);
        memory = copier_ == 0 ? owner.allocate(bytes_of(tensor, layout))
                              : owner.allocate_host(bytes_of(tensor, layout),
                                                    owner.modes(Direction::up).front());
    }
    return memory;
}

Address Executor::address(int device, int tensor, int layout) {
    if (on_host_memory(device)) {
        return at(devices_, device)->address_of(host_buffer(tensor, layout));
    }
    std::byte*& memory = buffers_[{tensor, layout, device}];
    if (memory == nullptr) {
        memory = at(devices_, device)->allocate(bytes_of(tensor, layout));
    }
    return memory;
}

int Executor::kernel(int index) {
    const auto found = kernels_.find(index);
    if (found != kernels_.end()) {
        return found->second;
    }
    const sim::Task& task = at(problem_.tasks, index);
    const auto refuse = [&](const std::string& why) {
        throw sim::InputError{
            fmt::format("layer '{}': {}", at(problem_.layer_names, task.first), why)};
    };
    if (!task.parts.empty()) {
        refuse("it is divided over several devices; that can be simulated, not run");
    }
    if (at(devices_, task.device) == nullptr) {
        refuse(at(missing_, task.device));
    }
    const kernels::Chain chain =
        chain_of(model_, parameters_, model_layers(problem_, task), problem_.batch);
    int handle = -1;
    try {
        handle = at(devices_, task.device)->prepare(chain, task.variant, task.configuration);
    } catch (const sim::InputError& error) {
        refuse(error.what());
    }
    return kernels_.emplace(index, handle).first->second;
}

// Purposes: 'm', a tensor was made; 'u', it came up; 'd', it came down.
int Executor::event(int device, int tensor, char purpose) {
    const auto [found, fresh] = events_.try_emplace({device, tensor, purpose}, 0);
    if (fresh) {
        found->second = at(devices_, device)->new_event();
    }
    return found->second;
}

// What the mapping says; empty if it says nothing.
std::string Executor::mode_of(int device, int tensor, int layout, Direction direction) const {
    if (problem_.copy_modes.empty() || problem_.mode_names.empty()) {
        return {};
    }
    const int memory = at(problem_.devices, device).memory;
    const int from = direction == Direction::up ? 0 : memory;
    const int to = direction == Direction::up ? memory : 0;
    const int mode = at(
        problem_.copy_modes,
        ((tensor * problem_.layouts + layout) * problem_.memories + from) * problem_.memories + to);
    return mode < 0 ? std::string{} : at(problem_.mode_names, mode);
}

int Executor::copy(int device, int tensor, int layout, Direction direction) {
    const auto [found, fresh] =
        copies_.try_emplace({device, tensor, layout, static_cast<int>(direction)}, 0);
    if (fresh) {
        Device& d = *at(devices_, device);
        const bool up = direction == Direction::up;
        // The host's buffers are of the first mode's kind.
        const std::string_view mode = d.modes(direction).front();
        if (const std::string wanted = mode_of(device, tensor, layout, direction);
            !wanted.empty() && wanted != mode) {
            copies_.erase(found);
            throw sim::InputError{fmt::format(
                "copy of '{}': mode '{}' is measured and simulated, but what runs here is '{}'",
                at(problem_.layer_names, tensor),
                wanted,
                mode)};
        }
        found->second = d.record({.mode = mode,
                                  .direction = direction,
                                  .device = address(device, tensor, layout),
                                  .host = host_buffer(tensor, layout),
                                  .bytes = bytes_of(tensor, layout),
                                  .wait = up ? -1 : event(device, tensor, 'm'),
                                  .signal = event(device, tensor, up ? 'u' : 'd')});
    }
    return found->second;
}

// ---- Plans -----------------------------------------------------------------------------------

// Walks through a mapping once and writes down what the dispatcher will do.
class Executor::Planner {
public:
    Planner(Executor& executor, const sim::Mapping& mapping, bool timed)
        : e_{executor}, problem_{executor.problem_}, timed_{timed}, tensors_(mapping_size()) {
        // Who reads a tensor where it was not made: copies are issued before their readers come.
        for (const int index : mapping) {
            const sim::Task& task = at(problem_.tasks, index);
            tensor(task.last).device = task.device;
            tensor(task.last).layout = task.out_layout;
            for (const sim::TaskInput& input : task.inputs) {
                std::vector<int>& readers = tensor(input.tensor).readers;
                if (std::ranges::find(readers, task.device) == readers.end()) {
                    readers.push_back(task.device);
                }
            }
        }
    }

    Plan plan(const sim::Mapping& mapping) {
        copy_up(0);  // the images are there at the start
        for (const int index : mapping) {
            const sim::Task& task = at(problem_.tasks, index);
            if (task.device == 0) {
                close_segment();
                host_task(index, task);
            } else {
                if (!segment_.stages.empty() && segment_.device != task.device) {
                    close_segment();
                }
                device_task(index, task);
            }
        }
        plan_.output = e_.host_buffer(problem_.inputs.back().front(), 0);
        return std::move(plan_);
    }

private:
    struct Tensor {
        int device = 0, layout = 0;  // that makes it
        std::vector<int> readers;    // devices, in the order of their first reading
        std::vector<int> layouts_on_host;
        bool awaited = false;      // the host has waited for it
        std::vector<int> came_up;  // devices whose queue has waited for it
    };
    struct Segment {
        int device = 0;
        std::vector<calibrate::Stage> stages;
        std::vector<int> tasks;
    };

    std::size_t mapping_size() const { return static_cast<std::size_t>(problem_.layers()); }
    Tensor& tensor(int index) { return at(tensors_, index); }

    void copy_up(int index) {
        for (const int reader : tensor(index).readers) {
            if (reader != 0 && !e_.on_host_memory(reader)) {
                require(reader, index);
                plan_.stages.push_back({Action::copy,
                                        reader,
                                        e_.copy(reader, index, tensor(index).layout, Direction::up),
                                        {}});
            }
        }
    }

    void require(int device, int index) {
        if (at(e_.devices_, device) == nullptr) {
            throw sim::InputError{fmt::format(
                "layer '{}': {}", at(problem_.layer_names, index), at(e_.missing_, device))};
        }
    }

    // The host has the tensor, in the layout it was made in.
    void await(int index) {
        Tensor& t = tensor(index);
        if (t.device != 0 && !t.awaited) {
            t.awaited = true;
            const char purpose = e_.on_host_memory(t.device) ? 'm' : 'd';
            plan_.stages.push_back(
                {Action::wait, t.device, e_.event(t.device, index, purpose), {}});
        }
    }

    void host_task(int index, const sim::Task& task) {
        for (const sim::TaskInput& input : task.inputs) {
            await(input.tensor);
            Tensor& t = tensor(input.tensor);
            std::vector<int>& there = t.layouts_on_host;
            if (input.layout != t.layout && std::ranges::find(there, input.layout) == there.end()) {
                there.push_back(input.layout);
                convert(index, input.tensor, t.layout, input.layout);
            }
        }
        if (does_nothing(problem_, task)) {
            return;
        }
        const calibrate::Stage stage{.kernel = e_.kernel(index), .tensors = tensors_of(task)};
        plan_.stages.push_back({Action::compute,
                                0,
                                host_command(stage, reinterpret_cast<Address>(index + 1)),
                                {index}});
        copy_up(task.last);
    }

    void convert(int index, int made, int from, int to) {
        const calibrate::Stage stage{
            .tensors = {.input = e_.host_buffer(made, from), .output = e_.host_buffer(made, to)},
            .shape = e_.shape_of(made),
            .batch = problem_.batch,
            .from = at(e_.layouts_, from),
            .to = at(e_.layouts_, to)};
        plan_.stages.push_back({Action::convert, 0, host_command(stage, nullptr), {index}});
    }

    // A segment of one stage on the host; the same one every time.
    int host_command(const calibrate::Stage& stage, Address which) {
        const auto [found, fresh] =
            e_.host_commands_.try_emplace({which,
                                           const_cast<Address>(stage.tensors.input),
                                           const_cast<Address>(stage.tensors.second_input),
                                           stage.tensors.output},
                                          0);
        if (fresh) {
            found->second = e_.devices_.front()->record({&stage, 1});
        }
        return found->second;
    }

    kernels::Tensors tensors_of(const sim::Task& task) {
        const ChainInputs wanted = inputs_of(e_.model_, model_layers(problem_, task));
        const auto pointer = [&](int model_layer) -> const std::byte* {
            for (const sim::TaskInput& input : task.inputs) {
                if (at(problem_.model_layer, input.tensor) == model_layer) {
                    return e_.address(task.device, input.tensor, input.layout);
                }
            }
            assert(false);
            return nullptr;
        };
        return {.input = pointer(wanted.main),
                .second_input = wanted.second >= 0 ? pointer(wanted.second) : nullptr,
                .output = e_.address(task.device, task.last, task.out_layout)};
    }

    void device_task(int index, const sim::Task& task) {
        require(task.device, task.first);
        segment_.device = task.device;
        std::vector<int> waits;
        for (const sim::TaskInput& input : task.inputs) {
            Tensor& t = tensor(input.tensor);
            if (input.layout != t.layout) {
                throw sim::InputError{fmt::format("layer '{}': '{}' cannot change layouts",
                                                  at(problem_.layer_names, task.first),
                                                  at(problem_.device_names, task.device))};
            }
            if (t.device != 0 && t.device != task.device) {
                if (!e_.on_host_memory(t.device) || !e_.on_host_memory(task.device)) {
                    throw sim::InputError{fmt::format("layer '{}': no link from '{}' to '{}'",
                                                      at(problem_.layer_names, task.first),
                                                      at(problem_.device_names, t.device),
                                                      at(problem_.device_names, task.device))};
                }
                await_before_segment(input.tensor);
            }
            const bool came = std::ranges::find(t.came_up, task.device) != t.came_up.end();
            if (t.device == 0 && !e_.on_host_memory(task.device) && !came) {
                t.came_up.push_back(task.device);
                waits.push_back(e_.event(task.device, input.tensor, 'u'));
            }
        }
        const std::vector<int>& readers = tensor(task.last).readers;
        const bool leaves =
            std::ranges::any_of(readers, [&](int reader) { return reader != task.device; });
        segment_.stages.push_back({.kernel = e_.kernel(index),
                                   .tensors = tensors_of(task),
                                   .waits = std::move(waits),
                                   .signal = leaves ? e_.event(task.device, task.last, 'm') : -1});
        segment_.tasks.push_back(index);
    }

    // Two devices on the host's memory: the dispatcher waits between them.
    void await_before_segment(int index) {
        if (!segment_.stages.empty()) {
            close_segment();
        }
        await(index);
    }

    void close_segment() {
        if (segment_.stages.empty()) {
            return;
        }
        const int device = segment_.device;
        plan_.stages.push_back({Action::submit,
                                device,
                                at(e_.devices_, device)->record(segment_.stages, timed_),
                                segment_.tasks});
        if (!e_.on_host_memory(device)) {
            for (const int task : segment_.tasks) {
                const int made = at(problem_.tasks, task).last;
                const std::vector<int>& readers = tensor(made).readers;
                if (std::ranges::find(readers, 0) != readers.end()) {
                    plan_.stages.push_back(
                        {Action::copy,
                         device,
                         e_.copy(device, made, tensor(made).layout, Direction::down),
                         {}});
                }
            }
        }
        segment_ = {};
    }

    Executor& e_;
    const sim::Problem& problem_;
    bool timed_;
    std::vector<Tensor> tensors_;
    Segment segment_;
    Plan plan_;
};

Executor::Plan Executor::prepare(const sim::Mapping& mapping, bool timed) {
    return Planner{*this, mapping, timed}.plan(mapping);
}

std::span<std::byte> Executor::input() {
    return {host_buffer(0, 0), (bytes_of(0, 0) + 63) / 64 * 64};
}

std::size_t Executor::output_bytes() const {
    const sim::Layer& layer = model_.layers[static_cast<std::size_t>(model_.output)];
    return kernels::tensor_bytes(kernel_shape(layer.output), kernels::Layout::nhwc, problem_.batch);
}

void Executor::run(const Plan& plan, std::span<std::int64_t> stamps) {
    assert(stamps.empty() || stamps.size() == plan.stages.size() + 1);
    // Workers that spin would take the cores of a device that computes on them.
    const bool awake = std::ranges::none_of(plan.stages, [&](const Stage& stage) {
        return stage.device != 0 && at(devices_, stage.device)->info().host_cores;
    });
    const AwakeWorkers workers{awake ? devices_.front().get() : nullptr};
    std::size_t next = 0;
    if (!stamps.empty()) {
        stamps[next++] = now_ns();
    }
    for (const Stage& stage : plan.stages) {
        Device& device = *at(devices_, stage.device);
        if (stage.action == Action::wait) {
            device.wait(stage.handle);
        } else {
            device.submit(stage.handle);
        }
        if (!stamps.empty()) {
            stamps[next++] = now_ns();
        }
    }
}

}  // namespace calibrate
