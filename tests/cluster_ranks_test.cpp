#include "tests/ranks_in_threads.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// doctest counts, and does not care which thread checks; but lines of its output would mix.
std::mutex g_checking;

template <class Value>
void check_equal(const Value& is, const Value& should_be) {
    const std::lock_guard lock(g_checking);
    CHECK(is == should_be);
}

}  // namespace

TEST_CASE("what ranks put together is the same on each") {
    for (const int count : {1, 2, 3, 8}) {
        CAPTURE(count);
        cluster::run_in_threads(count, [&](cluster::Ranks& ranks) {
            check_equal(ranks.count(), count);
            for (int round = 0; round < 50; ++round) {
                check_equal(ranks.least(ranks.rank() + round), std::int64_t{round});
                check_equal(ranks.most(ranks.rank() + round), std::int64_t{count - 1 + round});
                check_equal(ranks.sum(1), std::int64_t{count});
                const int from = round % count;
                const std::string text(static_cast<std::size_t>(round), 'x');
                check_equal(ranks.broadcast(ranks.rank() == from ? text : "", from), text);
            }
        });
    }
}

TEST_CASE("an exchange brings to each what each has for it") {
    cluster::run_in_threads(5, [&](cluster::Ranks& ranks) {
        for (int round = 0; round < 20; ++round) {
            const auto text = [&](int from, int to) {
                return (from + to + round) % 3 == 0 ? std::string()
                                                    : std::string(static_cast<std::size_t>(from),
                                                                  static_cast<char>('a' + to));
            };
            std::vector<std::string> sent;
            for (int to = 0; to < ranks.count(); ++to) {
                sent.push_back(text(ranks.rank(), to));
            }
            const std::vector<std::string> received = ranks.exchange(std::move(sent));
            for (int from = 0; from < ranks.count(); ++from) {
                check_equal(received[static_cast<std::size_t>(from)], text(from, ranks.rank()));
            }
        }
    });
}

TEST_CASE("messages from one rank arrive in their order, and come from whom they say") {
    cluster::run_in_threads(4, [&](cluster::Ranks& ranks) {
        if (ranks.rank() != 0) {
            for (int i = 0; i < 100; ++i) {
                ranks.send(0, std::to_string(i));
            }
            const auto answer = ranks.receive(10);
            check_equal(answer.has_value(), true);
            check_equal(answer->bytes, std::string("done"));
            return;
        }
        std::vector<int> next(static_cast<std::size_t>(ranks.count()), 0);
        for (int i = 0; i < 300; ++i) {
            const auto message = ranks.receive(10);
            check_equal(message.has_value(), true);
            check_equal(message->bytes,
                        std::to_string(next[static_cast<std::size_t>(message->from)]++));
        }
        check_equal(ranks.receive(0.01).has_value(), false);
        for (int to = 1; to < ranks.count(); ++to) {
            ranks.send(to, "done");
        }
    });
}

TEST_CASE("each learns how the others ended") {
    cluster::run_in_threads(3, [](cluster::Ranks& ranks) {
        check_equal(ranks.end(ranks.rank() == 1 ? 2 : 0), std::vector<int>{0, 2, 0});
    });
}

TEST_CASE("where one rank throws nobody waits for it") {
    CHECK_THROWS_WITH(cluster::run_in_threads(3,
                                              [](cluster::Ranks& ranks) {
                                                  if (ranks.rank() == 1) {
                                                      throw std::runtime_error("no more");
                                                  }
                                                  ranks.wait_for_all();
                                              }),
                      "no more");
}
