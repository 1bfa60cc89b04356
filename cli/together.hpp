#pragma once

// Commands that several processes run together, where mpirun or srun started them; and what becomes
// of errors, there and else.

#include "cluster/ranks.hpp"

#include <exception>
#include <functional>

namespace cli {

// Runs a command on each of the processes that were started together, or by itself (nullptr). Rank
// 0 alone prints. All end together: an error that all meet, such as a bad file, is said once; one
// that only some meet ends the others, whatever they are doing. Exit codes stay as they are.
void together(const std::function<void(cluster::Ranks* ranks)>& command);

// Says an error, and returns its exit code.
int tell(const std::exception_ptr& error);

// Thrown where the error was said.
struct Ended {
    int code = 0;
};

}  // namespace cli
