#include "sim/search/workers.hpp"

#include <utility>

namespace sim::internal {
namespace {

// Jobs follow each other closely: looking this often is mostly enough, and sleeping takes longer
// than most of them.
constexpr int kLooks = 2'000;

template <class Value>
void wait_while(const std::atomic<Value>& value, Value old) {
    for (int look = 0; look < kLooks; ++look) {
        if (value.load(std::memory_order_acquire) != old) {
            return;
        }
    }
    value.wait(old, std::memory_order_acquire);
}

}  // namespace

Workers::Workers(int count) {
    for (int worker = 1; worker < count; ++worker) {
        threads_.emplace_back([this, worker] { wait(worker); });
    }
}

Workers::~Workers() {
    ended_ = true;
    ++round_;
    round_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

void Workers::share(std::size_t pieces, const std::function<void(std::size_t, int)>& function) {
    if (threads_.empty() || pieces < 2) {
        for (std::size_t piece = 0; piece < pieces; ++piece) {
            function(piece, 0);
        }
        return;
    }
    function_ = &function;
    pieces_ = pieces;
    next_ = 0;
    busy_ = static_cast<std::uint32_t>(threads_.size());
    ++round_;
    round_.notify_all();
    work(0);
    for (std::uint32_t busy = busy_; busy > 0; busy = busy_) {
        wait_while(busy_, busy);
    }
    if (failed_.test()) {
        failed_.clear();
        std::rethrow_exception(std::exchange(failure_, nullptr));
    }
}

void Workers::wait(int worker) {
    for (std::uint32_t round = 0;;) {
        wait_while(round_, round);
        round = round_;
        if (ended_) {
            return;
        }
        work(worker);
        if (--busy_ == 0) {
            busy_.notify_one();
        }
    }
}

void Workers::work(int worker) {
    try {
        for (std::size_t piece = next_++; piece < pieces_; piece = next_++) {
            (*function_)(piece, worker);
        }
    } catch (...) {
        if (!failed_.test_and_set()) {
            failure_ = std::current_exception();
        }
        next_ = pieces_;
    }
}

}  // namespace sim::internal
