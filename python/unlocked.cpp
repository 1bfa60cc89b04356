#include "python/unlocked.hpp"

#include "sim/error.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <unistd.h>

namespace python {
namespace {

namespace py = pybind11;

constexpr std::chrono::seconds kLongestWait{10};
constexpr std::chrono::milliseconds kLookAgain{5};

std::atomic<bool> g_ending{false};
std::atomic<int> g_working{0};
// A child of fork() has none of its parent's threads.
const pid_t kProcess = getpid();

void end() {
    g_ending = true;
    const py::gil_scoped_release released;
    const auto last = std::chrono::steady_clock::now() + kLongestWait;
    while (g_working > 0 && getpid() == kProcess && std::chrono::steady_clock::now() < last) {
        std::this_thread::sleep_for(kLookAgain);
    }
}

}  // namespace

bool is_ending() { return g_ending; }

Unlocked::Counted::Counted() {
    if (is_ending()) {
        throw sim::MachineError{"the interpreter is ending"};
    }
    ++g_working;
}
Unlocked::Counted::~Counted() { --g_working; }

void add_end() { py::module_::import("atexit").attr("register")(py::cpp_function(&end)); }

}  // namespace python
