#include "kernels/thread_pool.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace kernels {
namespace {

using Clock = std::chrono::steady_clock;

void pause_briefly() {
#if defined(__x86_64__)
    _mm_pause();
#else
    std::this_thread::yield();
#endif
}

// The core we are on, as far as the system tells.
int current_core() {
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
}

// A value that one thread raises and one other waits for: spinning first, then asleep.
//
// Why no wake-up is lost: the waiter writes `asleep` and then reads `value`; the raiser writes
// `value` and then reads `asleep`. All four are sequentially consistent, so at least one of the
// two sees what the other wrote; and the raiser takes the mutex before it notifies, so the
// waiter is by then in `wait`, not on the way to it.
class alignas(64) Signal {
public:
    void raise(std::uint64_t value) {
        value_.store(value);
        if (asleep_.load()) {
            { std::lock_guard lock(mutex_); }
            wake_.notify_one();
        }
    }

    // Lowers by one; returns true if that made it zero and woke the waiter where needed.
    void lower() {
        if (value_.fetch_sub(1) == 1 && asleep_.load()) {
            { std::lock_guard lock(mutex_); }
            wake_.notify_one();
        }
    }

    // For the time when nobody waits.
    void set(std::uint64_t value) { value_.store(value); }

    // Returns the value as soon as `ready` says yes to it. While `pointless` says yes, it does not
    // spin.
    template <typename Ready, typename Pointless>
    std::uint64_t wait(std::chrono::microseconds spin, Ready ready, Pointless pointless) {
        std::uint64_t value = value_.load();
        if (ready(value))
            return value;

        // 1. Spin. The clock is read once in a while only. After the first tenth of the time, let
        //    others have the core if they want it: on a crowded machine the thread we wait for
        //    may need just this one.
        const auto start = Clock::now();
        for (auto waited = Clock::duration::zero(); waited < spin && !pointless();
             waited = Clock::now() - start) {
            if (waited * 10 > spin)
                std::this_thread::yield();
            for (int i = 0; i < 16; ++i) {
                pause_briefly();
                value = value_.load();
                if (ready(value))
                    return value;
            }
        }

        // 2. Sleep.
        std::unique_lock lock(mutex_);
        asleep_.store(true);
        while (!ready(value = value_.load()))
            wake_.wait(lock);
        asleep_.store(false);
        return value;
    }

private:
    std::atomic<std::uint64_t> value_{0};
    std::atomic<bool> asleep_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
};

constexpr std::uint64_t kStop = ~std::uint64_t{0};

}  // namespace

struct ThreadPool::State {
    struct Worker {
        Signal run;                 // number of the last run it should have done, or kStop
        std::atomic<int> core{-1};  // where it was last
        std::exception_ptr error;
        std::thread thread;
    };

    std::chrono::microseconds spin;
    std::vector<std::unique_ptr<Worker>> workers;  // worker i does job(i + 1)
    Signal unfinished;                             // workers still busy in this run
    const std::function<void(int)>* job = nullptr;
    std::uint64_t runs = 0;
    std::atomic<int> caller_core{-1};  // where the caller was last

    // A thread that waits for another one on the same core only keeps it from running: yielding
    // does not help, as a scheduler that is fair lets a thread that has spun for long wait
    // as long.
    bool shares_core_with_caller(Worker& worker) const {
        const int core = current_core();
        worker.core.store(core, std::memory_order_relaxed);
        return core >= 0 && core == caller_core.load(std::memory_order_relaxed);
    }
    bool shares_core_with_helper(std::size_t helpers) {
        const int core = current_core();
        caller_core.store(core, std::memory_order_relaxed);
        for (std::size_t i = 0; i < helpers; ++i)
            if (core >= 0 && core == workers[i]->core.load(std::memory_order_relaxed))
                return true;
        return false;
    }

    void work(Worker& worker, int index) {
        std::uint64_t done = 0;
        for (;;) {
            const std::uint64_t wanted = worker.run.wait(
                spin,
                [done](std::uint64_t value) { return value != done; },
                [&] { return shares_core_with_caller(worker); });
            if (wanted == kStop)
                return;
            done = wanted;
            worker.core.store(current_core(), std::memory_order_relaxed);
            try {
                (*job)(index);
            } catch (...) {
                worker.error = std::current_exception();
            }
            unfinished.lower();
        }
    }

    void stop() {
        for (auto& worker : workers)
            worker->run.raise(kStop);
        for (auto& worker : workers)
            if (worker->thread.joinable())
                worker->thread.join();
    }
};

ThreadPool::ThreadPool(int threads, std::chrono::microseconds spin)
    : state_(std::make_unique<State>()) {
    if (threads < 1)
        throw std::invalid_argument("thread pool: expected at least one thread, got " +
                                    std::to_string(threads));
    // With more threads than cores, a thread that spins has the core that another one needs.
    const auto cores = static_cast<int>(std::thread::hardware_concurrency());
    state_->spin = cores > 0 && threads > cores ? std::chrono::microseconds{0} : spin;
    State& state = *state_;
    try {
        for (int index = 1; index < threads; ++index) {
            state.workers.push_back(std::make_unique<State::Worker>());
            State::Worker& worker = *state.workers.back();
            worker.thread = std::thread([&state, &worker, index] { state.work(worker, index); });
        }
    } catch (...) {  // the system has no more threads: the started ones must end before we do
        state.stop();
        throw;
    }
}

ThreadPool::~ThreadPool() { state_->stop(); }

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(int count, const std::function<void(int)>& job) {
    if (count > threads())
        throw std::invalid_argument("thread pool: " + std::to_string(count) + " jobs for " +
                                    std::to_string(threads()) + " threads");
    if (count <= 0)
        return;
    if (count == 1) {
        job(0);
        return;
    }

    // 1. Hand out. Raising a worker's signal publishes `job` and `unfinished` to it.
    State& state = *state_;
    const auto helpers = static_cast<std::size_t>(count - 1);
    state.job = &job;
    state.unfinished.set(helpers);
    state.caller_core.store(current_core(), std::memory_order_relaxed);
    ++state.runs;
    for (std::size_t i = 0; i < helpers; ++i)
        state.workers[i]->run.raise(state.runs);

    // 2. Do our own part. An exception has to wait: the others still use `job`.
    std::exception_ptr error;
    try {
        job(0);
    } catch (...) {
        error = std::current_exception();
    }

    // 3. Wait for the others; rethrow the exception of the lowest job.
    state.unfinished.wait(
        state.spin,
        [](std::uint64_t value) { return value == 0; },
        [&] { return state.shares_core_with_helper(helpers); });
    for (std::size_t i = 0; i < helpers; ++i) {
        std::exception_ptr theirs = std::exchange(state.workers[i]->error, nullptr);
        if (!error)
            error = theirs;
    }
    if (error)
        std::rethrow_exception(error);
}

}  // namespace kernels
