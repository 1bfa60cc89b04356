#include "sweep/play.hpp"

#include "sim/error.hpp"
#include "sweep/sweep.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>  // also mkdtemp, of POSIX
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <system_error>
#include <utility>

namespace sweep {
namespace {

// For the store of those who play.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "hetmap-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            throw sim::MachineError{
                fmt::format("{}: {}", name, std::generic_category().message(errno))};
        }
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::filesystem::path store() const { return path_ / "played.db"; }

private:
    std::filesystem::path path_;
};

// Workers who need as long as it was recorded, and send what was recorded.
class Actors {
public:
    Actors(const std::vector<Row>& rows, std::size_t workers) : free_(workers) {
        for (const Row& row : rows) {
            recorded_.emplace(to_json(row.cell).dump(),
                              Record{row.finished->seconds, to_json(*row.finished).dump()});
        }
    }

    void send(std::size_t worker, const std::string& text) {
        const Record& record = recorded_.at(text);
        double& free = free_[worker];
        free = std::max(free, now()) + record.seconds;
        last_ = std::max(last_, free);
        work_ += record.seconds;
        ends_.push({free, worker, &record.text});
    }

    // Whoever waits at all waits until the next has ended.
    std::optional<News> receive(double seconds) {
        if (ends_.empty() || (seconds <= 0 && ends_.top().time > now())) {
            return std::nullopt;
        }
        const End end = ends_.top();
        ends_.pop();
        ahead_ += std::max(0.0, end.time - now());
        return News{.worker = end.worker, .text = *end.text, .why = {}};
    }

    Played played() const {
        const double all = last_ * static_cast<double>(free_.size());
        return {.seconds = last_, .efficiency = all > 0 ? work_ / all : 1};
    }

private:
    struct Record {
        double seconds;
        std::string text;
    };
    struct End {
        double time;
        std::size_t worker;
        const std::string* text;

        bool operator>(const End& other) const { return time > other.time; }
    };

    // Since the first cell was handed out.
    double now() {
        const auto time = std::chrono::steady_clock::now();
        begin_ = begin_.value_or(time);
        return ahead_ + std::chrono::duration<double>(time - *begin_).count();
    }

    std::map<std::string, Record> recorded_;  // by the cell's text
    std::vector<double> free_;                // by worker: from when on
    std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
    std::optional<std::chrono::steady_clock::time_point> begin_;
    double ahead_ = 0;  // what waiting would have taken
    double last_ = 0, work_ = 0;
};

}  // namespace

Played play(const std::vector<Row>& rows, Library& library, std::size_t workers) {
    std::vector<Row> finished;
    Plan plan;
    std::vector<std::string> keys;
    for (const Row& row : rows) {
        if (row.finished) {
            finished.push_back(row);
            plan.cells.push_back(row.cell);
            keys.push_back(to_json(row.cell).dump());
        }
    }
    const Folder folder;
    Store store{folder.store()};
    const auto actors = std::make_shared<Actors>(finished, workers);
    Crew crew;
    crew.names.assign(workers, "worker");
    crew.send = [actors](std::size_t worker, const std::string& text) {
        actors->send(worker, text);
    };
    crew.receive = [actors](double seconds) { return actors->receive(seconds); };
    run(plan, keys, {}, library, store, crew, {});
    return actors->played();
}

}  // namespace sweep
