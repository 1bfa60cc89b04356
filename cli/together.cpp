#include "cli/together.hpp"

#include "calibrate/device.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "sim/error.hpp"

#include <fmt/format.h>

#include <memory>
#include <new>
#include <vector>

namespace cli {

int tell(const std::exception_ptr& error) try {
    std::rethrow_exception(error);
} catch (const Ended& ended) {
    return ended.code;
} catch (const BoundNotMet& miss) {
    say(fmt::format("hetmap: {}\n", miss.what));
    return 3;
} catch (const sim::InputError& input) {
    say(fmt::format("hetmap: {}\n", input.what()));
    return 2;
} catch (const sim::MachineError& machine) {
    say(fmt::format("hetmap: {}\n", machine.what()));
    return 1;
} catch (const calibrate::DeviceError& device) {
    say(fmt::format("hetmap: {}\n", device.what()));
    return 1;
} catch (const std::bad_alloc&) {
    say("hetmap: out of memory\n");
    return 1;
} catch (const std::exception& other) {
    say(fmt::format("hetmap: internal error: {}\n", other.what()));
    return 1;
}

void together(const std::function<void(cluster::Ranks* ranks)>& command) {
    const std::unique_ptr<cluster::Ranks> ranks = cluster::started_together();
    if (ranks == nullptr) {
        command(nullptr);
        return;
    }
    // 1. Rank 0 says what is wrong before the others may be ended.
    const bool is_first = ranks->rank() == 0;
    silence(!is_first);
    std::exception_ptr error;
    int code = 0;
    try {
        command(ranks.get());
    } catch (...) {
        error = std::current_exception();
        code = tell(error);
    }

    // 2. What only another rank met, it says itself.
    const std::vector<int> codes = ranks->end(code);
    silence(false);
    if (error != nullptr && !is_first && (codes.empty() || codes.front() == 0)) {
        tell(error);
    }
    if (codes.empty()) {
        ranks->abort(code);
    }
    if (code != 0) {
        throw Ended{code};
    }
}

}  // namespace cli
