#include "sim/search/loads.hpp"

#include "sim/search/mixes.hpp"

#include <algorithm>
#include <cassert>

namespace sim::internal {
namespace {

std::uint64_t scrambled(int task) {
    auto h = static_cast<std::uint64_t>(task) + 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

}  // namespace

Loads::Loads(const Problem& problem)
    : problem_(problem),
      starting_(at(problem.layers()), -1),
      covering_(at(problem.layers()), -1),
      loads_(at(problem.device_count() + problem.engines), 0),
      is_there_(at(problem.memories * problem.layouts), 0),
      touched_in_(at(problem.layers()), 0) {
    for (const Task& task : problem.tasks) {
        resources_of_.push_back(resources_of(problem, task));
        layers_of_.push_back(layers_of(task));
    }
}

void Loads::assign(const Mapping& mapping) {
    std::ranges::fill(starting_, -1);
    std::ranges::fill(covering_, -1);
    std::ranges::fill(loads_, 0);
    impossible_ = 0;
    hash_ = 0;
    for (const int task : mapping) {
        put(task, true);
        add_work(task, 1);
    }
    for (const int task : mapping) {
        add_submission(task, 1);
    }
    for (int tensor = 0; tensor < problem_.layers(); ++tensor) {
        add_tensor(tensor, 1);
    }
}

Mapping Loads::mapping() const {
    Mapping mapping;
    for (const int task : starting_) {
        if (task >= 0) {
            mapping.push_back(task);
        }
    }
    return mapping;
}

int Loads::after(int layer) const {
    for (int next = layer + 1; next < problem_.layers(); ++next) {
        if (starting_[at(next)] >= 0) {
            return starting_[at(next)];
        }
    }
    return -1;
}

int Loads::before(int layer) const {
    for (int last = layer - 1; last >= 0; --last) {
        if (starting_[at(last)] >= 0) {
            return starting_[at(last)];
        }
    }
    return -1;
}

Ticks Loads::busiest() const { return *std::ranges::max_element(loads_); }

void Loads::put(int task, bool there) {
    starting_[at(problem_.tasks[at(task)].first)] = there ? task : -1;
    for (const int layer : layers_of_[at(task)]) {
        covering_[at(layer)] = there ? task : -1;
    }
    hash_ ^= scrambled(task);
}

void Loads::exchange(std::span<const int> gone, std::span<const int> come) {
    before_.loads = loads_;
    before_.impossible = impossible_;
    before_.hash = hash_;
    gone_.assign(gone.begin(), gone.end());
    come_.assign(come.begin(), come.end());

    // 1. What changes: the tensors that these tasks read and make, and the submissions at and after
    //    each place. Both sets are the same before and after, so that what goes is what comes back.
    ++exchange_;
    touched_.clear();
    successors_.clear();
    for (const std::span<const int> tasks : {gone, come}) {
        for (const int task : tasks) {
            touch(task);
            successors_.push_back(problem_.tasks[at(task)].first);
        }
    }
    const auto add_submissions = [&](Ticks sign) {
        // The tasks that stand at these places, and the next after each, once.
        std::vector<int>& tasks = submitting_;
        tasks.clear();
        for (const int layer : successors_) {
            if (starting_[at(layer)] >= 0) {
                tasks.push_back(starting_[at(layer)]);
            }
            if (const int next = after(layer); next >= 0) {
                tasks.push_back(next);
            }
        }
        std::ranges::sort(tasks);
        tasks.erase(std::unique(tasks.begin(), tasks.end()), tasks.end());
        for (const int task : tasks) {
            add_submission(task, sign);
        }
    };

    // 2. Out, and in.
    for (const int tensor : touched_) {
        add_tensor(tensor, -1);
    }
    add_submissions(-1);
    for (const int task : gone) {
        add_work(task, -1);
        put(task, false);
    }
    for (const int task : come) {
        put(task, true);
        add_work(task, 1);
    }
    add_submissions(1);
    for (const int tensor : touched_) {
        add_tensor(tensor, 1);
    }
}

void Loads::undo() {
    for (const int task : come_) {
        put(task, false);
    }
    for (const int task : gone_) {
        put(task, true);
    }
    loads_.swap(before_.loads);
    impossible_ = before_.impossible;
    hash_ = before_.hash;
}

void Loads::touch(int index) {
    const auto add = [&](int tensor) {
        if (touched_in_[at(tensor)] != exchange_) {
            touched_in_[at(tensor)] = exchange_;
            touched_.push_back(tensor);
        }
    };
    const Task& task = problem_.tasks[at(index)];
    for (const TaskInput& input : task.inputs) {
        add(input.tensor);
    }
    for_each_result(task, [&](const TaskResult& result) { add(result.tensor); });
}

void Loads::add_work(int index, Ticks sign) {
    const Task& task = problem_.tasks[at(index)];
    const Ticks work = sign * task.cost.count();
    for_each_bit(resources_of_[at(index)], [&](int r) { loads_[at(r)] += work; });
    for (const int engine : task.engines) {
        loads_[at(problem_.device_count() + engine)] += work;
    }
}

// A segment's first task is charged with submitting the segment.
void Loads::add_submission(int index, Ticks sign) {
    const Task& task = problem_.tasks[at(index)];
    const auto submit = [&](int d, bool extends) {
        const ProblemDevice& device = problem_.devices[at(d)];
        if (device.asynchronous) {
            loads_[0] += sign * (device.per_task + (extends ? Time{} : device.submit)).count();
        }
    };
    if (!task.parts.empty()) {
        for_each_bit(devices_of(task), [&](int d) { submit(d, false); });
        return;
    }
    const int last = before(task.first);
    submit(task.device,
           last >= 0 && problem_.tasks[at(last)].parts.empty() &&
               problem_.tasks[at(last)].device == task.device);
}

int Loads::layout_of(int tensor, int maker) const {
    const Task& task = problem_.tasks[at(maker)];
    if (tensor == task.last) {
        return task.out_layout;
    }
    const auto inner = std::ranges::find(task.inner, tensor, &TaskResult::tensor);
    return inner == task.inner.end() ? -1 : inner->layout;
}

// In the order in which they come, each once.
void Loads::find_readers(int tensor) {
    readers_.clear();
    const int maker = covering_[at(tensor)];
    for (const int consumer : problem_.consumers[at(tensor)]) {
        const int task = covering_[at(consumer)];
        if (task != maker && task >= 0) {
            readers_.push_back({problem_.tasks[at(task)].first, task});
        }
    }
    std::ranges::sort(readers_, {}, &Reader::first);
    const auto is_same = [](const Reader& a, const Reader& b) { return a.task == b.task; };
    readers_.erase(std::unique(readers_.begin(), readers_.end(), is_same), readers_.end());
}

// The copies and conversions of a tensor for all its readers, as the evaluator makes them.
void Loads::add_tensor(int tensor, Ticks sign) {
    const int maker = covering_[at(tensor)];
    const int made_in = layout_of(tensor, maker);
    if (made_in < 0) {
        return;  // it stays inside a fused set
    }
    find_readers(tensor);
    std::ranges::fill(is_there_, 0);
    const int home = problem_.devices[at(problem_.tasks[at(maker)].device)].memory;
    is_there_[at(home * problem_.layouts + made_in)] = 1;
    for (const Reader& reader : readers_) {
        const Task& task = problem_.tasks[at(reader.task)];
        const auto input = std::ranges::find(task.inputs, tensor, &TaskInput::tensor);
        if (input == task.inputs.end()) {
            continue;  // it reads another result of that set
        }
        const auto read = [&](int d) {
            const int memory = problem_.devices[at(d)].memory;
            char& is_there = is_there_[at(memory * problem_.layouts + input->layout)];
            if (is_there) {
                return;
            }
            bring(tensor, made_in, home, memory, sign);
            if (made_in != input->layout) {
                add_conversion(tensor, d, made_in, input->layout, sign);
                is_there = 1;
            }
        };
        read(task.device);
        for (const Part& part : task.parts) {
            if (part.device != task.device) {
                read(part.device);
            }
        }
    }
}

// The copies that bring it there, on whatever way.
void Loads::bring(int tensor, int layout, int home, int memory, Ticks sign) {
    for (int to = memory; is_there_[at(to * problem_.layouts + layout)] == 0;) {
        is_there_[at(to * problem_.layouts + layout)] = 1;
        const int from = problem_.source(tensor, layout, home, to);
        const Time copy = from < 0 ? kNever : problem_.copy(tensor, layout, from, to);
        if (copy >= kNever) {
            impossible_ += static_cast<int>(sign);
            return;
        }
        const int engine = problem_.engine[problem_.pair_place(from, to)];
        loads_[at(problem_.device_count() + engine)] += sign * copy.count();
        to = from;
    }
}

void Loads::add_conversion(int tensor, int device, int from, int to, Ticks sign) {
    const Time convert = problem_.convert(tensor, device, from, to);
    if (convert >= kNever) {
        impossible_ += static_cast<int>(sign);
        return;
    }
    loads_[at(resource_of(problem_, device))] += sign * convert.count();
}

}  // namespace sim::internal
