#include "kernels/thread_pool.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

using kernels::ThreadPool;
using namespace std::chrono_literals;

TEST_CASE("a pool does every job once, job 0 on the calling thread") {
    for (int threads = 1; threads <= 4; ++threads) {
        ThreadPool pool(threads);
        CHECK(pool.threads() == threads);
        for (int count = 0; count <= threads; ++count) {
            std::array<std::atomic<int>, 4> done{};
            std::thread::id first;
            pool.run(count, [&](int job) {
                ++done[static_cast<std::size_t>(job)];
                if (job == 0) {
                    first = std::this_thread::get_id();
                }
            });
            for (int job = 0; job < 4; ++job) {
                CHECK(done[static_cast<std::size_t>(job)] == (job < count ? 1 : 0));
            }
            if (count > 0) {
                CHECK(first == std::this_thread::get_id());
            }
        }
    }
}

TEST_CASE("different jobs run on different threads") {
    ThreadPool pool(3);
    std::array<std::thread::id, 3> ids;
    pool.run(3, [&](int job) { ids[static_cast<std::size_t>(job)] = std::this_thread::get_id(); });
    CHECK(ids[0] != ids[1]);
    CHECK(ids[1] != ids[2]);
    CHECK(ids[0] != ids[2]);
}

TEST_CASE("what the jobs wrote is there when run returns, thousands of times in a row") {
    ThreadPool pool(3);
    std::array<long, 3> sums{};  // plain memory: the pool has to order the accesses
    for (int round = 1; round <= 3000; ++round) {
        pool.run(3, [&](int job) { sums[static_cast<std::size_t>(job)] += round; });
        REQUIRE(sums[0] == sums[1]);
        REQUIRE(sums[1] == sums[2]);
    }
    CHECK(sums[0] == 3000L * 3001 / 2);
}

TEST_CASE("runs with fewer jobs than threads leave the other threads alone") {
    ThreadPool pool(4);
    std::atomic<int> done = 0;
    for (int round = 0; round < 1000; ++round) {
        pool.run(1 + round % 4, [&](int) { ++done; });
    }
    CHECK(done == 250 * (1 + 2 + 3 + 4));
}

TEST_CASE("workers that fell asleep wake up, and so does a caller that waited too long") {
    ThreadPool sleepy(2, 0us);  // never spins
    std::atomic<int> done = 0;
    for (int round = 0; round < 200; ++round) {
        sleepy.run(2, [&](int) { ++done; });
    }
    CHECK(done == 400);

    ThreadPool pool(2, 50us);
    for (int round = 0; round < 5; ++round) {
        std::this_thread::sleep_for(2ms);  // the worker sleeps
        pool.run(2, [&](int job) {
            if (job == 1) {
                std::this_thread::sleep_for(2ms);  // the caller sleeps
            }
            ++done;
        });
    }
    CHECK(done == 410);
}

TEST_CASE("an exception in a job reaches the caller when all jobs have ended") {
    ThreadPool pool(3);
    for (int thrower = 0; thrower < 3; ++thrower) {
        std::atomic<int> ended = 0;
        const auto job = [&](int index) {
            if (index == thrower) {
                throw std::runtime_error("job " + std::to_string(index));
            }
            std::this_thread::sleep_for(1ms);
            ++ended;
        };
        CHECK_THROWS_WITH_AS(
            pool.run(3, job), ("job " + std::to_string(thrower)).c_str(), std::runtime_error);
        CHECK(ended == 2);
    }
}

TEST_CASE("of several exceptions the one of the lowest job is rethrown, and the pool goes on") {
    ThreadPool pool(3);
    CHECK_THROWS_WITH_AS(pool.run(3,
                                  [](int index) {
                                      if (index > 0)
                                          throw std::runtime_error("job " + std::to_string(index));
                                  }),
                         "job 1",
                         std::runtime_error);
    std::atomic<int> done = 0;
    pool.run(3, [&](int) { ++done; });
    CHECK(done == 3);
}

TEST_CASE("a pool refuses more jobs than it has threads, and fewer than one thread") {
    ThreadPool pool(2);
    CHECK_THROWS_AS(pool.run(3, [](int) {}), std::invalid_argument);
    CHECK_THROWS_AS(ThreadPool(0), std::invalid_argument);
}

TEST_CASE("several pools on a crowded machine get their work done") {
    std::vector<std::thread> callers;
    std::atomic<int> done = 0;
    for (int caller = 0; caller < 3; ++caller) {
        callers.emplace_back([&] {
            ThreadPool pool(4);
            for (int round = 0; round < 200; ++round) {
                pool.run(4, [&](int) { ++done; });
            }
        });
    }
    for (std::thread& caller : callers) {
        caller.join();
    }
    CHECK(done == 3 * 200 * 4);
}

#if defined(__linux__)
TEST_CASE("the threads of a pool are on cores of their own, also with several pools") {
    if (std::thread::hardware_concurrency() < 2) {
        MESSAGE("skipped: one core");
        return;
    }
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    if (CPU_COUNT(&before) >= 2) {
        kernels::ThreadPool first{2}, second{2};
        for (kernels::ThreadPool* const pool : {&first, &second}) {
            std::array<int, 2> core{-1, -1};
            pool->run(2, [&](int i) { core[static_cast<std::size_t>(i)] = sched_getcpu(); });
            CHECK(core[0] != core[1]);
        }
    }
    // Where the caller wants to be, with workers or alone.
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        for (int threads = 1; CPU_ISSET(core, &before) && threads <= 2; ++threads) {
            if (CPU_COUNT(&before) >= threads) {
                kernels::ThreadPool there{threads, 0us, core};
                std::array<int, 2> seen{-1, -1};
                there.run(threads,
                          [&](int i) { seen[static_cast<std::size_t>(i)] = sched_getcpu(); });
                CHECK(seen[0] == core);
                CHECK(seen[1] != core);
            }
        }
    }
    sched_getaffinity(0, sizeof after, &after);
    CHECK(CPU_EQUAL(&before, &after));
}
#endif
