#include "calibrate/executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <set>

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

}  // namespace

Buffer::Buffer(std::size_t bytes) : size_{(bytes + 63) / 64 * 64} {
    // Whole pages for large tensors: they then behave alike from run to run.
    const std::size_t alignment = size_ >= 4096 ? 4096 : 64;
    void* const memory =
        std::aligned_alloc(alignment, (size_ + alignment - 1) / alignment * alignment);
    if (memory == nullptr) {
        throw std::bad_alloc{};
    }
    std::memset(memory, 0, size_);
    data_.reset(static_cast<std::byte*>(memory));
}

void Buffer::Free::operator()(std::byte* p) const { std::free(p); }

std::int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

std::vector<int> model_layers(const sim::Problem& problem, const sim::Task& task) {
    std::vector<int> layers{problem.model_layer[static_cast<std::size_t>(task.first)]};
    for (const int layer : task.rest) {
        layers.push_back(problem.model_layer[static_cast<std::size_t>(layer)]);
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

Executor::Executor(const sim::Model& model,
                   const Parameters& parameters,
                   const sim::Problem& problem,
                   int threads)
    : model_{model}, parameters_{parameters}, problem_{problem}, pool_{threads} {
    for (const std::string& name : problem.layout_names) {
        layouts_.push_back(layout_named(name));
    }
}

std::byte* Executor::buffer(int tensor, int layout) {
    const auto found = buffers_.find({tensor, layout});
    if (found != buffers_.end()) {
        return found->second.data();
    }
    const int layer = problem_.model_layer[static_cast<std::size_t>(tensor)];
    const kernels::Shape shape =
        kernel_shape(model_.layers[static_cast<std::size_t>(layer)].output);
    const std::size_t bytes =
        kernels::tensor_bytes(shape, layouts_[static_cast<std::size_t>(layout)], problem_.batch);
    return buffers_.emplace(std::pair{tensor, layout}, Buffer{bytes}).first->second.data();
}

const kernels::Kernel& Executor::kernel(int index) {
    const auto found = kernels_.find(index);
    if (found != kernels_.end()) {
        return found->second;
    }
    const sim::Task& task = problem_.tasks[static_cast<std::size_t>(index)];
    const std::string& layer = problem_.layer_names[static_cast<std::size_t>(task.first)];
    const kernels::Variant* const variant = kernels::find_variant(task.variant);
    if (variant == nullptr || !variant->supported()) {
        throw sim::InputError{
            fmt::format("layer '{}': this machine cannot run variant '{}'", layer, task.variant)};
    }
    const kernels::Configuration configuration = parse_configuration(task.configuration);
    if (configuration.threads > pool_.threads()) {
        throw sim::InputError{
            fmt::format("layer '{}': configuration '{}' needs {} threads, this machine has {}",
                        layer,
                        task.configuration,
                        configuration.threads,
                        pool_.threads())};
    }
    const kernels::Chain chain =
        chain_of(model_, parameters_, model_layers(problem_, task), problem_.batch);
    if (!variant->accepts(chain)) {
        throw sim::InputError{fmt::format(
            "layer '{}': variant '{}' does not do this chain of layers", layer, task.variant)};
    }
    return kernels_.emplace(index, kernels::Kernel{*variant, chain, configuration}).first->second;
}

Executor::Plan Executor::prepare(const sim::Mapping& mapping) {
    Plan plan;
    std::set<std::pair<int, int>> there{{0, 0}};  // tensor, layout
    std::vector<int> made_in(static_cast<std::size_t>(problem_.layers()), 0);

    const auto convert_if_needed = [&](int index, const sim::TaskInput& input) {
        if (!there.insert({input.tensor, input.layout}).second) {
            return;
        }
        const int from = made_in[static_cast<std::size_t>(input.tensor)];
        const int layer = problem_.model_layer[static_cast<std::size_t>(input.tensor)];
        plan.stages.push_back({
            .task = index,
            .kernel = nullptr,
            .tensors = {.input = buffer(input.tensor, from),
                        .second_input = nullptr,
                        .output = buffer(input.tensor, input.layout)},
            .shape = kernel_shape(model_.layers[static_cast<std::size_t>(layer)].output),
            .from = layouts_[static_cast<std::size_t>(from)],
            .to = layouts_[static_cast<std::size_t>(input.layout)],
        });
    };

    for (const int index : mapping) {
        const sim::Task& task = problem_.tasks[static_cast<std::size_t>(index)];
        for (const sim::TaskInput& input : task.inputs) {
            convert_if_needed(index, input);
        }
        if (does_nothing(problem_, task)) {
            continue;
        }
        const ChainInputs wanted = inputs_of(model_, model_layers(problem_, task));
        const auto pointer = [&](int model_layer) -> const std::byte* {
            for (const sim::TaskInput& input : task.inputs) {
                if (problem_.model_layer[static_cast<std::size_t>(input.tensor)] == model_layer) {
                    return buffer(input.tensor, input.layout);
                }
            }
            assert(false);
            return nullptr;
        };
        plan.stages.push_back({
            .task = index,
            .kernel = &kernel(index),
            .tensors = {.input = pointer(wanted.main),
                        .second_input = wanted.second >= 0 ? pointer(wanted.second) : nullptr,
                        .output = buffer(task.last, task.out_layout)},
            .shape = {},
        });
        there.insert({task.last, task.out_layout});
        made_in[static_cast<std::size_t>(task.last)] = task.out_layout;
    }
    const int answer = problem_.inputs.back().front();
    plan.output = buffer(answer, 0);
    return plan;
}

std::span<std::byte> Executor::input() {
    buffer(0, 0);
    const Buffer& memory = buffers_.at({0, 0});
    return {memory.data(), memory.size()};
}

std::size_t Executor::output_bytes() const {
    const sim::Layer& layer = model_.layers[static_cast<std::size_t>(model_.output)];
    return kernels::tensor_bytes(kernel_shape(layer.output), kernels::Layout::nhwc, problem_.batch);
}

void Executor::run(const Plan& plan, std::span<std::int64_t> stamps) {
    assert(stamps.empty() || stamps.size() == plan.stages.size() + 1);
    pool_.keep_awake(true);
    std::size_t next = 0;
    if (!stamps.empty()) {
        stamps[next++] = now_ns();
    }
    for (const Stage& stage : plan.stages) {
        if (stage.kernel != nullptr) {
            stage.kernel->run(stage.tensors, pool_);
        } else {
            kernels::convert(stage.shape,
                             problem_.batch,
                             stage.from,
                             stage.to,
                             stage.tensors.input,
                             stage.tensors.output);
        }
        if (!stamps.empty()) {
            stamps[next++] = now_ns();
        }
    }
    pool_.keep_awake(false);
}

}  // namespace calibrate
