#include "tests/cuda_emulation/emulation.hpp"

#include "tests/cuda_emulation/guarded_memory.hpp"

#include <boost/context/fiber.hpp>
#include <boost/context/preallocated.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HETMAP_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HETMAP_ADDRESS_SANITIZER
#endif
#ifdef HETMAP_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim{}, gridDim{};

namespace cuda_emulation {
namespace {

// ---- Fibers -------------------------------------------------------------------------------------

// The address sanitizer must hear of every change to another stack, before and after it; Debian's
// Boost is not built to tell. Without that sanitizer these do nothing.
#ifdef HETMAP_ADDRESS_SANITIZER
constexpr std::size_t kStack = std::size_t{1024} * 1024;  // its frames are larger
void before_switch(void** own, const void* bottom, std::size_t size) {
    __sanitizer_start_switch_fiber(own, bottom, size);
}
void after_switch(void* own, const void** other_bottom, std::size_t* other_size) {
    __sanitizer_finish_switch_fiber(own, other_bottom, other_size);
}
void forget_stack(const void* bottom, std::size_t size) {
    __asan_unpoison_memory_region(bottom, size);
}
#else
constexpr std::size_t kStack = std::size_t{128} * 1024;
void before_switch(void**, const void*, std::size_t) {}
void after_switch(void*, const void**, std::size_t*) {}
void forget_stack(const void*, std::size_t) {}
#endif

// Stacks that end at a page which must not be touched.
struct Stacks {
    boost::context::protected_fixedsize_stack pages{kStack};

    boost::context::stack_context allocate() { return pages.allocate(); }
    void deallocate(boost::context::stack_context& stack) {
        forget_stack(bottom_of(stack), stack.size);
        pages.deallocate(stack);
    }
    static const void* bottom_of(const boost::context::stack_context& stack) {
        return static_cast<const std::byte*>(stack.sp) - stack.size;
    }
};

// Calls `work` again and again on a stack of its own, which is kept from one block to the next.
class Fiber {
public:
    // Ends `work` where it is; thrown by suspend().
    struct Abandoned {};

    explicit Fiber(void (*work)()) : work_(work), stack_(Stacks{}.allocate()) {
        own_ = boost::context::fiber(
            std::allocator_arg,
            boost::context::preallocated(stack_.sp, stack_.size, stack_),
            Stacks{},
            [this](boost::context::fiber&& host) { return run(std::move(host)); });
    }
    ~Fiber() {  // not in the middle of `work`
        is_ending_ = true;
        resume();  // to the end of run(), which gives the stack back
    }
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // Runs until suspend() or the end of `work`.
    void resume() {
        void* fake_stack = nullptr;
        before_switch(&fake_stack, Stacks::bottom_of(stack_), stack_.size);
        own_ = std::move(own_).resume();
        after_switch(fake_stack, nullptr, nullptr);
    }

    // Back to where resume() was called; returns at the next one.
    void suspend() {
        return_to_host();
        if (is_abandoned_) {
            throw Abandoned{};
        }
    }

    // If in the middle of `work`, unwinds to its end.
    void abandon() {
        if (is_working_) {
            is_abandoned_ = true;
            resume();
            is_abandoned_ = false;
        }
    }

private:
    boost::context::fiber run(boost::context::fiber&& host) {
        host_ = std::move(host);
        after_switch(nullptr, &host_bottom_, &host_size_);
        while (!is_ending_) {
            is_working_ = true;
            work_();
            is_working_ = false;
            return_to_host();
        }
        before_switch(nullptr, host_bottom_, host_size_);  // for good
        return std::move(host_);
    }

    void return_to_host() {
        void* fake_stack = nullptr;
        before_switch(&fake_stack, host_bottom_, host_size_);
        host_ = std::move(host_).resume();
        after_switch(fake_stack, &host_bottom_, &host_size_);
    }

    void (*work_)();
    boost::context::stack_context stack_;
    boost::context::fiber own_, host_;
    const void* host_bottom_ = nullptr;
    std::size_t host_size_ = 0;
    bool is_working_ = false, is_abandoned_ = false, is_ending_ = false;
};

// ---- Blocks -------------------------------------------------------------------------------------

enum class State : std::uint8_t { ready, at_warp, at_block, at_grid, done };

struct Thread {
    std::unique_ptr<Fiber> fiber;
    State state = State::ready;
    const char* waits_for = "";
    uint3 index{};
    bool slept = false;
};

// Where lanes of one mask meet. Each lane is at most one meeting ahead of the slowest, so that two
// sets of slots are enough.
struct Meeting {
    unsigned mask = 0, arrived = 0;
    const char* what = "";
    std::array<unsigned, 32> count{};
    std::array<Slots, 2> slots{};
};

class Grid;

struct Block {
    std::vector<Thread> threads;  // as many as the largest block so far
    std::size_t size = 0;         // of this block
    std::size_t current = 0;
    std::size_t at_barrier = 0;  // how many wait at the block's barrier
    std::vector<std::vector<std::unique_ptr<Meeting>>> meetings;  // by warp
    const std::function<void()>* body = nullptr;
    std::exception_ptr error;
    std::unique_ptr<GuardedMemory> shared;
    Grid* grid = nullptr;  // of a cooperative launch
    bool running = false;
};

// Of this thread of the host; the pointer saves asking each time whether there is one yet.
Block& block_of_thread() {
    thread_local Block block;
    return block;
}
constinit thread_local Block* current_block = nullptr;

std::string text(const uint3& at) {
    return "(" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) +
           ")";
}

// A thread's way through its block; the work of its fiber.
void run_thread() {
    try {
        (*current_block->body)();
    } catch (const Fiber::Abandoned&) {
        // another thread failed
    } catch (...) {
        current_block->error = std::current_exception();
    }
    current_block->threads[current_block->current].state = State::done;
}

void wait(State state, const char* what) {
    Thread& thread = current_block->threads[current_block->current];
    thread.state = state;
    thread.waits_for = what;
    thread.fiber->suspend();
}

bool all_threads_are(State state) {
    return std::all_of(
        current_block->threads.begin(),
        current_block->threads.begin() + static_cast<std::ptrdiff_t>(current_block->size),
        [&](const Thread& thread) { return thread.state == state; });
}

void wake(State state) {
    for (std::size_t i = 0; i < current_block->size; ++i) {
        if (current_block->threads[i].state == state) {
            current_block->threads[i].state = State::ready;
        }
    }
}

// No thread can go on: says how many wait where.
[[noreturn]] void fail_stuck() {
    std::map<std::string, int> where;
    for (std::size_t i = 0; i < current_block->size; ++i) {
        const Thread& thread = current_block->threads[i];
        ++where[thread.state == State::done ? "have left the kernel"
                                            : std::string("wait at ") + thread.waits_for];
    }
    std::string message = "threads of block " + text(blockIdx) + " diverged:";
    for (const auto& [place, count] : where) {
        message += " " + std::to_string(count) + " " + place + ";";
    }
    for (std::size_t i = 0; i < current_block->size; ++i) {
        if (current_block->threads[i].state != State::done) {
            message += " the first of those that wait is thread " +
                       text(current_block->threads[i].index) + ", at " +
                       current_block->threads[i].waits_for;
            break;
        }
    }
    throw Error(message);
}

// ---- Grids whose blocks wait for each other -----------------------------------------------------

// Each block has a thread of the host; only the one whose turn it is runs.
class Grid {
public:
    explicit Grid(std::size_t blocks) : states_(blocks, State::ready) {}

    void await_turn(std::size_t index) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return turn_ == index || error_ != nullptr; });
        if (error_ != nullptr) {
            throw Error("another block failed");
        }
    }

    // Gives the turn to the next block that can run.
    void pass(std::size_t index, State state) {
        const std::scoped_lock lock(mutex_);
        states_[index] = state;
        const auto all = [&](State wanted) {
            return std::all_of(
                states_.begin(), states_.end(), [&](State each) { return each == wanted; });
        };
        if (all(State::done)) {
            return;
        }
        if (all(State::at_grid)) {
            states_.assign(states_.size(), State::ready);
        }
        for (std::size_t step = 1; step <= states_.size(); ++step) {
            turn_ = (index + step) % states_.size();
            if (states_[turn_] == State::ready) {
                changed_.notify_all();
                return;
            }
        }
        set_error(std::make_exception_ptr(
            Error("some blocks wait at grid_barrier, others have left the kernel")));
    }

    void fail(std::exception_ptr error) {
        const std::scoped_lock lock(mutex_);
        set_error(std::move(error));
    }

    std::exception_ptr error() const { return error_; }

private:
    void set_error(std::exception_ptr error) {
        if (error_ == nullptr) {
            error_ = std::move(error);
        }
        changed_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t turn_ = 0;
    std::vector<State> states_;
    std::exception_ptr error_;
};

// ---- Running a block ----------------------------------------------------------------------------

void prepare_block(const dim3& block, std::size_t shared_bytes, const std::function<void()>& body) {
    current_block->at_barrier = 0;
    current_block->size = std::size_t{block.x} * block.y * block.z;
    if (current_block->size == 0 || current_block->size > 1024) {
        throw Error("a block of " + std::to_string(current_block->size) + " threads");
    }
    if (current_block->threads.size() < current_block->size) {
        current_block->threads.resize(current_block->size);
    }
    current_block->meetings.clear();
    current_block->meetings.resize((current_block->size + 31) / 32);
    current_block->body = &body;
    current_block->error = nullptr;
    if (current_block->shared == nullptr || current_block->shared->size() != shared_bytes) {
        current_block->shared =
            std::make_unique<GuardedMemory>(shared_bytes, GuardedMemory::Guard::behind);
    }
    std::memset(current_block->shared->data(), 0xa5, shared_bytes);
    for (std::size_t i = 0; i < current_block->size; ++i) {
        Thread& thread = current_block->threads[i];
        if (thread.fiber == nullptr) {
            thread.fiber = std::make_unique<Fiber>(run_thread);
        }
        thread.state = State::ready;
        thread.slept = false;
        const auto at = static_cast<unsigned>(i);
        thread.index = {at % block.x, at / block.x % block.y, at / block.x / block.y};
    }
}

// Runs every thread of the block to its end.
void run_threads(std::size_t block_index, Order order) {
    constexpr int kMostIdleRounds = 100'000;
    int idle_rounds = 0;
    for (;;) {
        bool ran = false, progress = false;
        for (std::size_t i = 0; i < current_block->size; ++i) {
            current_block->current = order == Order::forward ? i : current_block->size - 1 - i;
            Thread& thread = current_block->threads[current_block->current];
            if (thread.state != State::ready) {
                continue;
            }
            thread.slept = false;
            threadIdx = thread.index;
            thread.fiber->resume();
            if (current_block->error != nullptr) {
                std::rethrow_exception(current_block->error);
            }
            ran = true;
            progress = progress || !thread.slept;
        }
        if (all_threads_are(State::done)) {
            return;
        }
        if (all_threads_are(State::at_grid)) {
            current_block->grid->pass(block_index, State::at_grid);
            current_block->grid->await_turn(block_index);
            wake(State::at_grid);
            continue;
        }
        if (!ran) {
            fail_stuck();
        }
        idle_rounds = progress ? 0 : idle_rounds + 1;
        if (idle_rounds > kMostIdleRounds) {
            throw Error("threads of block " + text(blockIdx) +
                        " wait in a loop for something that never comes");
        }
        if (!progress && current_block->grid != nullptr) {
            current_block->grid->pass(block_index, State::ready);
            current_block->grid->await_turn(block_index);
        }
    }
}

void run_block(const dim3& grid,
               const dim3& block,
               std::size_t index,
               std::size_t shared_bytes,
               const std::function<void()>& body,
               Order order) {
    current_block = &block_of_thread();
    if (current_block->running) {
        throw Error("a kernel launches a kernel");
    }
    const auto at = static_cast<unsigned>(index);
    gridDim = grid;
    blockDim = block;
    blockIdx = {at % grid.x, at / grid.x % grid.y, at / grid.x / grid.y};
    prepare_block(block, shared_bytes, body);
    current_block->running = true;
    try {
        run_threads(index, order);
    } catch (...) {
        for (current_block->current = 0; current_block->current < current_block->size;
             ++current_block->current) {
            if (Fiber* const fiber = current_block->threads[current_block->current].fiber.get()) {
                fiber->abandon();
            }
        }
        current_block->running = false;
        throw;
    }
    current_block->running = false;
}

std::map<const void*, Known>& known_kernels() {
    static std::map<const void*, Known> kernels;
    return kernels;
}

}  // namespace

// ---- What threads call --------------------------------------------------------------------------

int lane() { return static_cast<int>(current_block->current % 32); }

void fail(const char* what) {
    throw Error("thread " + text(threadIdx) + " of block " + text(blockIdx) + " " + what);
}

const Slots& exchange(unsigned mask, const void* value, std::size_t bytes, const char* what) {
    const std::size_t warp = current_block->current / 32, own = current_block->current % 32;
    if ((mask >> own & 1) == 0) {
        fail("takes part in a collective whose mask leaves it out");
    }
    std::vector<std::unique_ptr<Meeting>>& meetings = current_block->meetings[warp];
    auto found = std::find_if(
        meetings.begin(), meetings.end(), [&](const auto& each) { return each->mask == mask; });
    if (found == meetings.end()) {
        meetings.push_back(std::make_unique<Meeting>());
        found = meetings.end() - 1;
        (*found)->mask = mask;
    }
    Meeting& meeting = **found;
    if (meeting.arrived == 0) {  // the first
        meeting.what = what;
        for (std::size_t other = 0; other < 32; ++other) {
            if ((mask >> other & 1) != 0 &&
                (warp * 32 + other >= current_block->size ||
                 current_block->threads[warp * 32 + other].state == State::done)) {
                fail((std::string("waits at ") + what + " for lane " + std::to_string(other) +
                      ", which is not there or has left the kernel")
                         .c_str());
            }
        }
    } else if (meeting.what != what && std::strcmp(meeting.what, what) != 0) {
        fail((std::string("comes to ") + what + " while other lanes of its mask are at " +
              meeting.what)
                 .c_str());
    }

    Slots& slots = meeting.slots[meeting.count[own]++ % 2];
    std::memcpy(slots[own].data(), value, bytes);
    meeting.arrived |= 1u << own;
    if (meeting.arrived != mask) {
        wait(State::at_warp, what);
        return slots;
    }
    meeting.arrived = 0;
    for (std::size_t other = 0; other < 32; ++other) {
        if ((mask >> other & 1) != 0) {
            current_block->threads[warp * 32 + other].state = State::ready;
        }
    }
    return slots;
}

void block_barrier(const char* what) {
    Thread& thread = current_block->threads[current_block->current];
    thread.state = State::at_block;
    thread.waits_for = what;
    if (++current_block->at_barrier == current_block->size) {
        current_block->at_barrier = 0;
        wake(State::at_block);
    } else {
        thread.fiber->suspend();
    }
}

void grid_barrier() {
    if (current_block->grid == nullptr) {
        fail("comes to grid_barrier in a launch that is not cooperative");
    }
    wait(State::at_grid, "grid_barrier");
}

void sleep() {
    Thread& thread = current_block->threads[current_block->current];
    thread.slept = true;
    thread.fiber->suspend();
}

std::byte* dynamic_shared_memory() { return current_block->shared->data(); }

// ---- What tests call ----------------------------------------------------------------------------

void run_grid(const dim3& grid,
              const dim3& block,
              std::size_t shared_bytes,
              const std::function<void()>& thread,
              const Options& options) {
    const std::size_t blocks = std::size_t{grid.x} * grid.y * grid.z;
    if (blocks == 0 || grid.y > 65535 || grid.z > 65535 || block.z > 64) {
        throw Error("a grid or block that no device takes");
    }
    const auto number = [&](std::size_t i) {
        return options.order == Order::forward ? i : blocks - 1 - i;
    };
    if (!options.cooperative) {
        for (std::size_t i = 0; i < blocks; ++i) {
            run_block(grid, block, number(i), shared_bytes, thread, options.order);
        }
        return;
    }

    Grid together(blocks);
    std::vector<std::thread> hosts;
    for (std::size_t i = 0; i < blocks; ++i) {
        hosts.emplace_back([&, i] {
            try {
                block_of_thread().grid = &together;
                together.await_turn(i);
                run_block(grid, block, i, shared_bytes, thread, options.order);
                together.pass(i, State::done);
            } catch (...) {
                together.fail(std::current_exception());
            }
        });
    }
    for (std::thread& host : hosts) {
        host.join();
    }
    if (together.error() != nullptr) {
        std::rethrow_exception(together.error());
    }
}

void remember(const void* kernel, const Known& known) { known_kernels()[kernel] = known; }

Known find(const void* kernel) {
    const auto found = known_kernels().find(kernel);
    if (found == known_kernels().end()) {
        throw Error("a launch of a function that was not exported (kernels/cuda/device_code.cuh)");
    }
    return found->second;
}

}  // namespace cuda_emulation
