#pragma once

// Threads of a search: they wait, do one job together, and wait again. Private to the searches.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace sim::internal {

class Workers {
public:
    // The caller is one of them.
    explicit Workers(int count);
    ~Workers();
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    int count() const { return static_cast<int>(threads_.size()) + 1; }

    // Calls function(piece, worker) for every piece below `pieces`, each once, by whoever is free;
    // returns when all are done. Throws what one of them threw.
    void share(std::size_t pieces, const std::function<void(std::size_t, int)>& function);

private:
    void wait(int worker);
    void work(int worker);

    std::vector<std::thread> threads_;
    const std::function<void(std::size_t, int)>* function_ = nullptr;
    std::size_t pieces_ = 0;
    std::atomic<std::size_t> next_{0};
    std::atomic<std::uint32_t> round_{0};  // counts the jobs
    std::atomic<std::uint32_t> busy_{0};
    std::atomic<bool> ended_{false};
    std::atomic_flag failed_ = ATOMIC_FLAG_INIT;
    std::exception_ptr failure_;
};

}  // namespace sim::internal
