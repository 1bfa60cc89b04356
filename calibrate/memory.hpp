#pragma once

// How much memory this machine has left, asked before much of it is taken: what does not fit is
// refused in words, before the system's last resort ends some process.

#include "sim/units.hpp"

#include <string_view>

namespace calibrate {

// The least of what the machine has available, what the control groups that the process is in leave
// it, and what `ulimit -v` does.
sim::Bytes free_memory();

// Throws sim::MachineError where there is less than that: "the tensors of a batch of 65536 need
// 14.1 GiB, and 3.2 GiB are free".
void expect_free_memory(sim::Bytes need, std::string_view what);

}  // namespace calibrate
