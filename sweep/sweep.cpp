#include "sweep/sweep.hpp"

#include "sweep/order.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <utility>

namespace sweep {
namespace {

constexpr double kLookS = 0.2;  // how long Ctrl-C waits at most
constexpr int kMostTries = 2;
// A worker that is soon done has its next cells before it is, so that none waits for who hands out.
// Soon is when the news of all others may come first, each of which takes so long.
constexpr double kSoonS = 0.02, kNewsS = 0.0002;
constexpr std::size_t kMostInHand = 8;

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// Searches take longer where there is more to decide: about with the square of the layers.
std::map<std::string, double> sizes_of(const Plan& plan, Library& library) {
    std::map<std::string, double> sizes;
    for (const Cell& cell : plan.cells) {
        if (!sizes.contains(cell.model)) {
            const auto layers =
                static_cast<double>(library.networks(cell.model, false).front().layers.size());
            sizes[cell.model] = layers * layers;
        }
    }
    return sizes;
}

// Hands out, takes in, and puts into the store.
class Foreman {
public:
    Foreman(const Plan& plan,
            const std::vector<std::string>& keys,
            Library& library,
            Store& store,
            Crew& crew,
            const Hooks& hooks)
        : plan_{plan},
          keys_{keys},
          store_{store},
          crew_{crew},
          hooks_{hooks},
          queue_{plan.cells, sizes_of(plan, library)},
          in_hand_(crew.names.size()) {}

    Outcome run(Part part) {
        // 1. What is left to do. Cells of one key are the same question.
        std::map<std::string_view, std::size_t> asked;
        for (std::size_t cell = part.i; cell < plan_.cells.size(); cell += part.of) {
            ++outcome_.cells;
            if (!asked.emplace(keys_[cell], cell).second) {
                ++outcome_.known;
                continue;
            }
            const std::optional<Finished> known = store_.find(keys_[cell]);
            if (known) {
                queue_.took(cell, known->seconds);
            }
            if (known && is_done(*known, plan_.time_limit_s)) {
                ++outcome_.known;
            } else {
                queue_.add(cell);
            }
        }
        // 2. Cells for each worker, and more whenever one ends.
        const double begin = now();
        for (std::size_t most = 1; most <= kMostInHand; ++most) {
            for (std::size_t worker = 0; worker < in_hand_.size(); ++worker) {
                give(worker, most);
            }
        }
        while (given_ > 0) {
            if (hooks_.stop && hooks_.stop()) {
                outcome_.stopped = true;
                break;
            }
            std::optional<News> news = crew_.receive(kLookS);
            if (!news) {
                store_.commit();
                tell();
                continue;
            }
            // All that is there at once goes into one transaction, but for what never ends.
            const double first = now();
            do {
                take_in(*news);
            } while (now() - first < kLookS && (news = crew_.receive(0)));
            store_.commit();
            tell();
        }
        store_.commit();
        outcome_.seconds = now() - begin;
        return outcome_;
    }

private:
    // As many cells as keep it busy while news of the first comes and goes. Of the last ones none
    // has two while another has none.
    void give(std::size_t worker, std::size_t most = kMostInHand) {
        std::deque<std::size_t>& in_hand = in_hand_[worker];
        const std::size_t workers = in_hand_.size();
        const double soon = kSoonS + kNewsS * static_cast<double>(workers);
        double guess = 0;
        for (const std::size_t cell : in_hand) {
            guess += queue_.guess(cell);
        }
        while (in_hand.empty() || (guess < soon && in_hand.size() < most &&
                                   in_hand.size() <= queue_.left() / workers)) {
            const std::optional<std::size_t> cell = queue_.take();
            if (!cell) {
                return;
            }
            guess += queue_.guess(*cell);
            in_hand.push_back(*cell);
            ++given_;
            crew_.send(worker, to_json(plan_.cells[*cell]).dump());
        }
    }

    void take_in(const News& news) {
        std::deque<std::size_t>& in_hand = in_hand_[news.worker];
        if (in_hand.empty()) {  // it died while it had nothing to do
            ++outcome_.deaths;
            give(news.worker);
            return;
        }
        const std::size_t cell = in_hand.front();
        in_hand.pop_front();
        --given_;
        Finished finished;
        if (news.text) {
            finished = finished_of(nlohmann::ordered_json::parse(*news.text));
        } else {
            ++outcome_.deaths;
            for (const std::size_t other : std::exchange(in_hand, {})) {
                --given_;
                queue_.add(other);
            }
            if (++tries_[cell] < kMostTries) {
                queue_.add(cell);
                give(news.worker);
                return;
            }
            finished.message = fmt::format("the process that did it died: {}", news.why);
            finished.time_limit_s = plan_.time_limit_s;
        }
        queue_.took(cell, finished.seconds);
        give(news.worker);  // it works while the store takes what it made
        finished.worker = crew_.names[news.worker];
        const std::optional<Finished> before =
            finished.status == Status::failed ? store_.find(keys_[cell]) : std::nullopt;
        if (!before || before->points.empty()) {  // an answer is better than none
            store_.put(keys_[cell], plan_.cells[cell], finished);
        }
        ++outcome_.done;
        outcome_.failed += finished.status == Status::failed ? 1 : 0;
    }

    void tell() const {
        if (hooks_.progress) {
            hooks_.progress(
                {.done = outcome_.known + outcome_.done,
                 .cells = outcome_.cells,
                 .seconds_left = queue_.guess_of_all() / static_cast<double>(in_hand_.size())});
        }
    }

    const Plan& plan_;
    const std::vector<std::string>& keys_;
    Store& store_;
    Crew& crew_;
    const Hooks& hooks_;
    Queue queue_;
    std::vector<std::deque<std::size_t>> in_hand_;  // by worker: its cells
    std::size_t given_ = 0;                         // of all
    std::map<std::size_t, int> tries_;
    Outcome outcome_;
};

}  // namespace

Work cell_work(Library& library, const Conditions& conditions) {
    return [&library, conditions](std::string_view text) {
        const Finished finished = finish(cell_of(nlohmann::json::parse(text)), library, conditions);
        // Messages may hold what is no UTF-8, such as a file's name.
        return to_json(finished).dump(
            -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    };
}

Outcome run(const Plan& plan,
            const std::vector<std::string>& keys,
            Part part,
            Library& library,
            Store& store,
            Crew& crew,
            const Hooks& hooks) {
    return Foreman{plan, keys, library, store, crew, hooks}.run(part);
}

std::vector<std::string> keys_of(const Plan& plan, Library& library) {
    std::vector<std::string> keys;
    keys.reserve(plan.cells.size());
    for (const Cell& cell : plan.cells) {
        keys.push_back(key_of(cell, library));
    }
    return keys;
}

}  // namespace sweep
