#pragma once

// A pool of workers that spin for a while and then sleep.
//
// A layer lasts microseconds, and waking a sleeping thread takes tens of them, so between the
// layers of a network the workers must be spinning; between networks they must not burn a core.
// They spin for `spin` after their last work, then sleep on a condition variable.
//
// While a pool lives, its threads and the one that made it stay on cores of their own. With more
// threads than cores none of them spins.

#include <chrono>
#include <functional>
#include <memory>

namespace kernels {

class ThreadPool {
public:
    static constexpr std::chrono::microseconds kUsualSpin{200};

    // `threads` includes the calling one: 1 starts no worker at all. `core`: on which that one
    // stays; -1: with one thread anywhere, with several where it is.
    explicit ThreadPool(int threads, std::chrono::microseconds spin = kUsualSpin, int core = -1);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const;

    // While a network runs: workers spin however long one layer on one thread takes, so that the
    // next layer on several finds them awake. Burns their cores; never leave it on.
    void keep_awake(bool awake);

    // Runs job(0) .. job(count - 1), job(0) on the calling thread, and returns when all are done.
    // count <= threads(). Not reentrant; one caller at a time. The first exception is rethrown.
    void run(int count, const std::function<void(int)>& job);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kernels
