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
#include <pthread.h>
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

// Keeps threads on cores of their own while it lives, the calling one on the core where it is or
// on one that was asked for.
// Schedulers that see two threads take turns are content to leave both on one core: then they
// wait for each other, and a round trip takes tens of times longer, until by chance they part.
class CorePins {
public:
    // Does nothing where there are fewer cores than threads, or the system has no such thing.
    CorePins(int threads, int core_of_caller) {
#if defined(__linux__)
        if (threads < 2 && core_of_caller < 0) {
            return;
        }
        // A thread may have several pools: the first pins it, and the last lets it go.
        if (caller.pools == 0 &&
            pthread_getaffinity_np(pthread_self(), sizeof caller.before, &caller.before) != 0) {
            return;
        }
        if (CPU_COUNT(&caller.before) < threads) {
            return;
        }
        if (caller.pools == 0) {
            caller.core = core_of_caller >= 0 ? core_of_caller : sched_getcpu();
        }
        cores_.push_back(caller.core);
        for (int core = 0; core < CPU_SETSIZE && static_cast<int>(cores_.size()) < threads;
             ++core) {
            if (CPU_ISSET(core, &caller.before) && core != caller.core) {
                cores_.push_back(core);
            }
        }
        if (caller.pools++ == 0) {
            pin(caller_, 0);
        }
#else
        (void)threads, (void)core_of_caller;
#endif
    }
    ~CorePins() {
#if defined(__linux__)
        if (active() && pthread_equal(caller_, pthread_self()) != 0 && --caller.pools == 0) {
            pthread_setaffinity_np(caller_, sizeof caller.before, &caller.before);
        }
#endif
    }
    CorePins(const CorePins&) = delete;
    CorePins& operator=(const CorePins&) = delete;

    bool active() const { return !cores_.empty(); }

    // index: 0 is the caller.
    void pin(std::thread::native_handle_type thread, std::size_t index) {
#if defined(__linux__)
        if (active()) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cores_[index], &one);
            pthread_setaffinity_np(thread, sizeof one, &one);  // a wish: without it, only slower
        }
#else
        (void)thread, (void)index;
#endif
    }

private:
    std::vector<int> cores_;
#if defined(__linux__)
    struct Caller {
        int pools = 0;
        int core = 0;
        cpu_set_t before{};
    };
    static thread_local Caller caller;
    pthread_t caller_ = pthread_self();
#endif
};

#if defined(__linux__)
thread_local CorePins::Caller CorePins::caller;
#endif

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

    // For the time when no thread waits.
    void set(std::uint64_t value) { value_.store(value); }

    // Returns the value as soon as `ready` says yes to it. Does not sleep while `awake`.
    template <typename Ready>
    std::uint64_t wait(std::chrono::microseconds spin,
                       const std::atomic<bool>& awake,
                       Ready ready) {
        std::uint64_t value = value_.load();
        if (ready(value)) {
            return value;
        }

        // 1. Spin. The clock is read once in a while only.
        const auto start = Clock::now();
        for (auto waited = Clock::duration::zero(); waited < spin || awake.load();
             waited = Clock::now() - start) {
            for (int i = 0; i < 16; ++i) {
                pause_briefly();
                value = value_.load();
                if (ready(value)) {
                    return value;
                }
            }
        }

        // 2. Sleep.
        std::unique_lock lock(mutex_);
        asleep_.store(true);
        while (!ready(value = value_.load())) {
            wake_.wait(lock);
        }
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
        Signal run;  // number of the last run it should have done, or kStop
        std::exception_ptr error;
        std::thread thread;
    };

    CorePins pins;
    std::chrono::microseconds spin{0};
    std::atomic<bool> awake{false};
    std::vector<std::unique_ptr<Worker>> workers;  // worker i does job(i + 1)
    Signal unfinished;                             // workers still busy in this run
    const std::function<void(int)>* job = nullptr;
    std::uint64_t runs = 0;

    State(int threads, int core) : pins(threads, core) {}

    void work(Worker& worker, int index) {
        std::uint64_t done = 0;
        for (;;) {
            const std::uint64_t wanted =
                worker.run.wait(spin, awake, [done](std::uint64_t value) { return value != done; });
            if (wanted == kStop) {
                return;
            }
            done = wanted;
            try {
                (*job)(index);
            } catch (...) {
                worker.error = std::current_exception();
            }
            unfinished.lower();
        }
    }

    void stop() {
        awake.store(false);
        for (auto& worker : workers) {
            worker->run.raise(kStop);
        }
        for (auto& worker : workers) {
            if (worker->thread.joinable()) {
                worker->thread.join();
            }
        }
    }
};

ThreadPool::ThreadPool(int threads, std::chrono::microseconds spin, int core)
    : state_(std::make_unique<State>(threads, core)) {
    if (threads < 1) {
        throw std::invalid_argument("thread pool: expected at least one thread, got " +
                                    std::to_string(threads));
    }
    // With more threads than cores, a thread that spins has the core that another one needs.
    state_->spin = state_->pins.active() ? spin : std::chrono::microseconds{0};
    State& state = *state_;
    try {
        for (int index = 1; index < threads; ++index) {
            state.workers.push_back(std::make_unique<State::Worker>());
            State::Worker& worker = *state.workers.back();
            worker.thread = std::thread([&state, &worker, index] { state.work(worker, index); });
            state.pins.pin(worker.thread.native_handle(), static_cast<std::size_t>(index));
        }
    } catch (...) {  // the system has no more threads: the started ones must end before we do
        state.stop();
        throw;
    }
}

ThreadPool::~ThreadPool() { state_->stop(); }

void ThreadPool::keep_awake(bool awake) { state_->awake.store(awake && state_->pins.active()); }

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(int count, const std::function<void(int)>& job) {
    if (count > threads()) {
        throw std::invalid_argument("thread pool: " + std::to_string(count) + " jobs for " +
                                    std::to_string(threads()) + " threads");
    }
    if (count <= 0) {
        return;
    }
    if (count == 1) {
        job(0);
        return;
    }

    // 1. Hand out. Raising a worker's signal publishes `job` and `unfinished` to it.
    State& state = *state_;
    const auto others = static_cast<std::size_t>(count - 1);
    state.job = &job;
    state.unfinished.set(others);
    ++state.runs;
    for (std::size_t i = 0; i < others; ++i) {
        state.workers[i]->run.raise(state.runs);
    }

    // 2. Do our own part. An exception has to wait: the others still use `job`.
    std::exception_ptr error;
    try {
        job(0);
    } catch (...) {
        error = std::current_exception();
    }

    // 3. Wait for the others; rethrow the exception of the lowest job.
    state.unfinished.wait(state.spin, state.awake, [](std::uint64_t value) { return value == 0; });
    for (std::size_t i = 0; i < others; ++i) {
        std::exception_ptr theirs = std::exchange(state.workers[i]->error, nullptr);
        if (!error) {
            error = theirs;
        }
    }
    if (error) {
        std::rethrow_exception(error);
    }
}

}  // namespace kernels
