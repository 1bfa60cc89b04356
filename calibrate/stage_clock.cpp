#include "calibrate/stage_clock.hpp"

#include "calibrate/accelerator.hpp"

#include <algorithm>

namespace calibrate {

std::vector<std::pair<int, double>> StageClock::times_of(Executor& executor,
                                                         const Executor::Recording& recording) {
    std::vector<std::pair<int, double>> times;
    if (!recording.timed) {
        return times;
    }
    for (const Executor::Call& call : recording.calls) {
        if (call.action != Executor::Action::submit) {
            continue;
        }
        Device& device = executor.device(call.device);
        const std::vector<double> ns = device.stage_ns(call.handle);
        const auto [overhead, fresh] = overheads_ns_.try_emplace(call.device, 0);
        if (fresh) {
            overhead->second = timing_overhead_ns(device);
        }
        for (std::size_t i = 0; i < call.tasks.size(); ++i) {
            const double seen = ns[sim::at(call.stages[i])];
            times.emplace_back(call.tasks[i], std::max(0.0, seen - overhead->second));
        }
    }
    return times;
}

}  // namespace calibrate
