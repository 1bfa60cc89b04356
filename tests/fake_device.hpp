#pragma once

// A machine that is not there: devices that record what they are asked for and run it
// symbolically. What a buffer holds is the name of a value (a hash of the layers that made it) and
// a layout, so that a test can tell whether the right thing was read, and the machine keeps, for
// everything that runs, what is known to be over before it starts: an access that is not ordered
// behind the one it depends on is an error, whatever the timing.
//
// Start at `Machine`: make devices with `add`, hand them to an Executor, and read `done`.

#include "calibrate/device.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace fake {

using calibrate::Address;

// What a buffer holds.
struct Content {
    std::uint64_t value = 0;
    kernels::Layout layout = kernels::Layout::nhwc;
    friend bool operator==(const Content&, const Content&) = default;
};

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    a ^= b + 0x9e3779b97f4a7c15 + (a << 6) + (a >> 2);
    a *= 0xff51afd7ed558ccd;
    return a ^ a >> 33;
}

// The value of a step's result. Addends have no order.
inline std::uint64_t value_of(kernels::StepKind kind,
                              const void* weights,
                              const void* thresholds,
                              std::vector<std::uint64_t> inputs) {
    std::ranges::sort(inputs);
    std::uint64_t value =
        mix(static_cast<std::uint64_t>(kind) + 1, reinterpret_cast<std::uintptr_t>(weights));
    value = mix(value, reinterpret_cast<std::uintptr_t>(thresholds));
    for (const std::uint64_t input : inputs) {
        value = mix(value, input);
    }
    return value;
}

// Something that ran: a stage of a segment, or a copy.
struct Done {
    enum class Kind { kernel, conversion, copy };
    Kind kind = Kind::kernel;
    int device = 0;
    int command = 0;  // handle of the segment or copy
    Content result;
    std::string variant;   // kernel
    std::set<int> waited;  // what it waited for by events, as indices of `done`
    std::set<int> before;  // all that is known to be over when it starts
    std::optional<calibrate::Direction> direction = {};  // copy
};

class Device;

class Machine {
public:
    // `can_follow`: its commands can wait for other devices' events.
    std::unique_ptr<calibrate::Device> add(calibrate::DeviceInfo info, bool can_follow);

    // Forgets what was done, and what every buffer holds.
    void begin_run();
    void hold(const std::byte* address, Content content) { contents_[address] = {content, -1}; }
    Content content_of(const std::byte* address) const { return contents_.at(address).first; }

    std::vector<Done> done;
    std::set<int> seen;        // what the host knows to be over
    std::vector<int> awaited;  // by the host: indices of `done`, in order
    int races = 0;             // accesses that nothing keeps in order
    // Whether what is asked for has not happened yet, each time.
    std::function<bool()> late = [] { return false; };

private:
    friend class Device;

    // -1 as the second: there from the start.
    std::map<const std::byte*, std::pair<Content, int>> contents_;
    std::map<const std::byte*, int> owners_;  // device, or -1: the host's memory
    std::vector<Device*> devices_;

    const Content& read(const std::byte* address, const std::set<int>& before) {
        const auto found = contents_.find(address);
        REQUIRE_MESSAGE(found != contents_.end(), "a buffer is read that nothing has written");
        const int writer = found->second.second;
        races += writer >= 0 && !before.contains(writer);
        return found->second.first;
    }
};

class Device final : public calibrate::Device {
public:
    Device(Machine& machine, int index, calibrate::DeviceInfo info, bool can_follow)
        : machine_{machine}, index_{index}, info_{std::move(info)}, can_follow_{can_follow} {}

    const calibrate::DeviceInfo& info() const override { return info_; }

    Address allocate(std::size_t bytes) override {
        return new_memory(bytes, info_.host_memory ? -1 : index_);
    }
    std::byte* allocate_host(std::size_t bytes, std::string_view mode) override {
        REQUIRE(mode == "pinned");
        return new_memory(bytes, -1);
    }
    Address address_of(std::byte* host) override {
        REQUIRE(info_.host_memory);
        REQUIRE(machine_.owners_.at(host) == -1);
        return host;
    }

    using calibrate::Device::prepare;
    int prepare(const kernels::Chain& chain,
                const std::string& variant,
                const std::string& /*configuration*/) override {
        kernels_.push_back({chain, variant});
        return static_cast<int>(kernels_.size()) - 1;
    }
    int new_event() override {
        events_.emplace_back();
        return static_cast<int>(events_.size()) - 1;
    }
    std::optional<int> follow(calibrate::Device& other, int event) override {
        if (!can_follow_) {
            return std::nullopt;
        }
        const int mine = new_event();
        events_.back().other = &dynamic_cast<Device&>(other);
        events_.back().event = event;
        return mine;
    }
    int record(std::span<const calibrate::Stage> stages, bool /*timed*/) override {
        REQUIRE(!stages.empty());
        commands_.push_back({.stages = {stages.begin(), stages.end()}});
        return static_cast<int>(commands_.size()) - 1;
    }
    std::vector<std::string_view> modes(calibrate::Direction) const override {
        return info_.host_memory ? std::vector<std::string_view>{}
                                 : std::vector<std::string_view>{"pinned"};
    }
    int record(const calibrate::Copy& copy) override {
        REQUIRE(machine_.owners_.at(copy.device) == index_);
        REQUIRE(machine_.owners_.at(copy.host) == -1);
        commands_.push_back({.stages = {}, .copy = copy});
        return static_cast<int>(commands_.size()) - 1;
    }

    void submit(int handle) override {
        const Command& command = commands_.at(static_cast<std::size_t>(handle));
        if (command.copy) {
            submit(*command.copy, handle);
            return;
        }
        for (const calibrate::Stage& stage : command.stages) {
            submit(stage, handle);
        }
    }
    void wait(int event) override {
        const int what = happened(event);
        machine_.awaited.push_back(what);
        learn(machine_.seen, what);
    }
    bool has_happened(int event) override {
        (void)happened(event);  // it has been submitted
        return !machine_.late();
    }
    std::vector<double> stage_ns(int) override { return {}; }

private:
    friend class Machine;

    struct Command {
        std::vector<calibrate::Stage> stages;
        std::optional<calibrate::Copy> copy = {};
    };
    struct Event {
        int done = -1;  // in this run
        Device* other = nullptr;
        int event = -1;
    };
    struct Kernel {
        kernels::Chain chain;
        std::string variant;
    };

    std::byte* new_memory(std::size_t bytes, int owner) {
        memory_.push_back(std::make_unique<std::byte[]>(bytes));
        machine_.owners_[memory_.back().get()] = owner;
        return memory_.back().get();
    }
    // Kernels reach their device's memory, and the host's where they work on that.
    void check_reach(const std::byte* address) {
        REQUIRE(machine_.owners_.at(address) == (info_.host_memory ? -1 : index_));
    }

    int happened(int event) {
        const Event& one = events_.at(static_cast<std::size_t>(event));
        const int what = one.other != nullptr ? one.other->happened(one.event) : one.done;
        REQUIRE_MESSAGE(what >= 0, "something waits for what is not submitted yet");
        return what;
    }

    void learn(std::set<int>& known, int what) {
        const std::set<int>& before = machine_.done[static_cast<std::size_t>(what)].before;
        known.insert(before.begin(), before.end());
        known.insert(what);
    }

    void forget_run() {
        std::ranges::fill(last_, -1);
        for (Event& event : events_) {
            event.done = -1;
        }
    }

    // Begins something on a queue: 0 kernels, 1 copies up, 2 copies down.
    Done begin(Done::Kind kind, int queue, int handle, const std::vector<int>& waits) {
        Done one{.kind = kind,
                 .device = index_,
                 .command = handle,
                 .result = {},
                 .variant = {},
                 .waited = {},
                 .before = machine_.seen};
        if (last_[queue] >= 0) {
            learn(one.before, last_[queue]);
        }
        for (const int event : waits) {
            const int what = happened(event);
            one.waited.insert(what);
            learn(one.before, what);
        }
        return one;
    }
    void end(Done one, int queue, const std::byte* output, int signal) {
        const int index = static_cast<int>(machine_.done.size());
        machine_.contents_[output] = {one.result, index};
        machine_.done.push_back(std::move(one));
        last_[queue] = index;
        if (signal >= 0) {
            events_.at(static_cast<std::size_t>(signal)).done = index;
        }
        if (!info_.asynchronous) {
            learn(machine_.seen, index);
        }
    }

    // Variants are called "<any name>:<layout of inputs>><layout of the result>".
    void submit(const calibrate::Stage& stage, int handle) {
        const bool converts = stage.kernel < 0;
        Done one =
            begin(converts ? Done::Kind::conversion : Done::Kind::kernel, 0, handle, stage.waits);
        check_reach(stage.tensors.input);
        check_reach(stage.tensors.output);
        const Content input = machine_.read(stage.tensors.input, one.before);
        if (converts) {
            REQUIRE(info_.converts);
            REQUIRE(input.layout == stage.from);
            one.result = {input.value, stage.to};
        } else {
            const Kernel& kernel = kernels_.at(static_cast<std::size_t>(stage.kernel));
            const std::string layouts = kernel.variant.substr(kernel.variant.find(':') + 1);
            const auto has_layouts = [](const kernels::Shape& shape) {
                return shape.element == kernels::Element::binary;
            };
            REQUIRE((!has_layouts(kernel.chain.input) ||
                     kernels::name_of(input.layout) == layouts.substr(0, layouts.find('>'))));
            const auto layout_of = [&](const kernels::Shape& shape) {
                return has_layouts(shape) && layouts.ends_with(">plain") ? kernels::Layout::plain
                                                                         : kernels::Layout::nhwc;
            };
            std::uint64_t second = 0;  // sums: they have one layout
            if (kernels::needs_second_input(kernel.chain)) {
                check_reach(stage.tensors.second_input);
                second = machine_.read(stage.tensors.second_input, one.before).value;
            }
            one.variant = kernel.variant;
            const std::vector<std::uint64_t> values = run(kernel.chain, input.value, second);
            one.result.value = values.back();
            if (kernel.chain.second_result >= 0) {
                check_reach(stage.tensors.second_output);
                machine_.contents_[stage.tensors.second_output] = {
                    {values[static_cast<std::size_t>(kernel.chain.second_result)],
                     layout_of(kernels::second_output_of(kernel.chain))},
                    static_cast<int>(machine_.done.size())};
            }
            one.result.layout = layout_of(kernels::output_of(kernel.chain));
        }
        end(std::move(one), 0, stage.tensors.output, stage.signal);
    }

    // Of each step.
    static std::vector<std::uint64_t> run(const kernels::Chain& chain,
                                          std::uint64_t input,
                                          std::uint64_t second) {
        std::vector<std::uint64_t> values;
        const auto from = [&](int source) {
            return source == kernels::kBefore        ? (values.empty() ? input : values.back())
                   : source == kernels::kInput       ? input
                   : source == kernels::kSecondInput ? second
                                                     : values.at(static_cast<std::size_t>(source));
        };
        for (const kernels::Step& step : chain.steps) {
            std::vector<std::uint64_t> read{from(step.from)};
            if (step.kind == kernels::StepKind::add) {
                read.push_back(from(step.second_from));
            }
            values.push_back(
                value_of(step.kind, step.weights.data(), step.thresholds.data(), read));
        }
        return values;
    }

    void submit(const calibrate::Copy& copy, int handle) {
        const bool up = copy.direction == calibrate::Direction::up;
        Done one = begin(Done::Kind::copy,
                         up ? 1 : 2,
                         handle,
                         copy.wait >= 0 ? std::vector<int>{copy.wait} : std::vector<int>{});
        one.direction = copy.direction;
        one.result = machine_.read(up ? copy.host : copy.device, one.before);
        end(std::move(one), up ? 1 : 2, up ? copy.device : copy.host, copy.signal);
    }

    Machine& machine_;
    int index_;
    calibrate::DeviceInfo info_;
    bool can_follow_;
    int last_[3] = {-1, -1, -1};  // by queue
    std::vector<std::unique_ptr<std::byte[]>> memory_;
    std::vector<Kernel> kernels_;
    std::vector<Event> events_;
    std::vector<Command> commands_;
};

inline std::unique_ptr<calibrate::Device> Machine::add(calibrate::DeviceInfo info,
                                                       bool can_follow) {
    auto device = std::make_unique<Device>(
        *this, static_cast<int>(devices_.size()), std::move(info), can_follow);
    devices_.push_back(device.get());
    return device;
}

inline void Machine::begin_run() {
    done.clear();
    seen.clear();
    awaited.clear();
    contents_.clear();
    for (Device* const device : devices_) {
        device->forget_run();
    }
}

}  // namespace fake
