#pragma once

// Waiting for another process: looks often at first, since most answers come at once; then sleeps
// in between, so that the core is free for who works. Needs nothing but the standard library.

#include <algorithm>
#include <chrono>
#include <thread>

namespace cluster {

class Patience {
public:
    using Clock = std::chrono::steady_clock;

    // Between two looks.
    void wait() {
        if (Clock::now() - begin_ < kSpin) {
            std::this_thread::yield();
            return;
        }
        std::this_thread::sleep_for(sleep_);
        sleep_ = std::min<std::chrono::microseconds>(sleep_ * 5 / 4, kLongest);
    }
    double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

private:
    static constexpr std::chrono::microseconds kSpin{100}, kFirst{20}, kLongest{250};

    Clock::time_point begin_ = Clock::now();
    std::chrono::microseconds sleep_ = kFirst;
};

}  // namespace cluster
