// Searches that leave Python awake, and what they found.
//
// A search runs in a thread of its own. The calling one looks up every 50 ms: signals get their
// turn, so that Ctrl-C raises KeyboardInterrupt, and the caller hears of progress. An exception of
// either kind stops the search, waits for it, and goes on.

#include "calibrate/memory.hpp"
#include "python/module.hpp"
#include "python/unlocked.hpp"
#include "sim/describe/twins.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/report/report.hpp"
#include "sim/search/mapped.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <pybind11/stl.h>
#include <thread>
#include <utility>
#include <vector>

namespace python {
namespace {

constexpr std::chrono::milliseconds kLook{50};

// ---- Work in a thread of its own -------------------------------------------------------------

struct Progress {
    sim::Time incumbent{}, lower_bound{};
    double seconds = 0;
};

class Worker {
public:
    // `work` is given this worker: whether it is to stop, and whom to tell of progress.
    explicit Worker(std::function<void(Worker&)> work)
        : thread_{[this, work = std::move(work)] {
              std::exception_ptr error;
              try {
                  work(*this);
              } catch (...) {
                  error = std::current_exception();
              }
              const std::lock_guard lock{mutex_};
              error_ = error;
              is_done_ = true;
              done_.notify_all();
          }} {}
    // Not with the interpreter's lock, which others may wait for meanwhile.
    ~Worker() {
        stop_ = true;
        thread_.join();
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // ---- for the work
    bool stopped() const { return stop_; }
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    }
    void tell(sim::Time incumbent, sim::Time lower_bound) {
        const std::lock_guard lock{mutex_};
        news_ = Progress{incumbent, lower_bound, seconds()};
    }

    // ---- for who waits
    bool wait() {
        std::unique_lock lock{mutex_};
        return done_.wait_for(lock, kLook, [this] { return is_done_; });
    }
    std::optional<Progress> news() {
        const std::lock_guard lock{mutex_};
        return std::exchange(news_, std::nullopt);
    }
    void rethrow() const {
        if (error_) {
            std::rethrow_exception(error_);
        }
    }

private:
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::condition_variable done_;
    bool is_done_ = false;
    std::optional<Progress> news_;
    std::exception_ptr error_;
    std::thread thread_;  // the last: it uses the others
};

void deliver(Worker& worker, const py::object& progress) {
    const std::optional<Progress> news = worker.news();
    if (news && !progress.is_none()) {
        const auto us = [](sim::Time time) {
            return time < sim::kNever ? sim::microseconds(time)
                                      : std::numeric_limits<double>::infinity();
        };
        progress(us(news->incumbent), us(news->lower_bound), news->seconds);
    }
}

// Called with the interpreter's lock, and returns with it.
void run_watched(std::function<void(Worker&)> work, const py::object& progress) {
    const Unlocked unlocked;
    Worker worker{std::move(work)};
    for (bool is_done = false; !is_done;) {
        is_done = worker.wait();
        const py::gil_scoped_acquire acquired;
        if (PyErr_CheckSignals() != 0) {
            throw py::error_already_set{};
        }
        if (!is_done && is_ending()) {
            throw sim::MachineError{"the interpreter is ending"};
        }
        deliver(worker, progress);
    }
    worker.rethrow();
}

// ---- Searches and their answers --------------------------------------------------------------

// What an answer points into: its network is one of them, or the model itself.
struct Asked {
    std::shared_ptr<const sim::Model> model;
    std::shared_ptr<const std::vector<sim::Model>> networks;
    std::vector<std::shared_ptr<const sim::Problem>> problems;
};

struct Answer {
    Asked asked;
    sim::Answer answer;

    sim::MappingFile mapping() const {
        return sim::describe(*answer.problem, answer.mapping, answer.schedule.makespan);
    }
};

struct Front {
    Asked asked;
    sim::FrontAnswer front;
};

// `find` asks the search, in the worker's thread; it is given the networks and the limits.
void search(const sim::Wishes& wishes,
            Asked& asked,
            double time_limit,
            std::optional<std::int64_t> memory,
            const py::object& progress,
            const std::function<void(const std::vector<sim::Model>&, const sim::Limits&)>& find) {
    sim::expect_able(wishes);
    const auto work = [&](Worker& worker) {
        asked.networks =
            std::make_shared<const std::vector<sim::Model>>(sim::networks_of(wishes, *asked.model));
        find(*asked.networks,
             {.seconds = time_limit,
              .memory =
                  memory ? sim::Bytes{*memory} : sim::Bytes{calibrate::free_memory().count / 2},
              .clock = [&worker] { return worker.seconds(); },
              .stop = [&worker] { return worker.stopped(); },
              .progress =
                  [&worker](sim::Time incumbent, sim::Time bound, double, double) {
                      worker.tell(incumbent, bound);
                  },
              .leaves_out = {}});
    };
    run_watched(work, progress);
}

Answer map(const sim::Wishes& wishes,
           std::shared_ptr<sim::Model> model,
           const std::shared_ptr<sim::Platform>& platform,
           int batch,
           double time_limit,
           std::optional<std::int64_t> memory,
           const py::object& progress) {
    Answer found{{.model = std::move(model), .networks = nullptr, .problems = {}}, {}};
    const auto find = [&](const std::vector<sim::Model>& networks, const sim::Limits& limits) {
        sim::Mapped mapped = sim::map_best(wishes, networks, *platform, batch, limits);
        found.answer = std::move(mapped.answer);
        found.asked.problems.emplace_back(std::move(mapped.problem));
    };
    search(wishes, found.asked, time_limit, memory, progress, find);
    return found;
}

Front front(const sim::Wishes& wishes,
            std::shared_ptr<sim::Model> model,
            const std::shared_ptr<sim::Platform>& platform,
            int batch,
            double time_limit,
            std::optional<std::int64_t> memory,
            const py::object& progress) {
    Front found{{.model = std::move(model), .networks = nullptr, .problems = {}}, {}};
    const auto find = [&](const std::vector<sim::Model>& networks, const sim::Limits& limits) {
        sim::MappedFront mapped = sim::map_front(wishes, networks, *platform, batch, limits);
        found.front = std::move(mapped.front);
        for (std::unique_ptr<sim::Problem>& problem : mapped.problems) {
            found.asked.problems.emplace_back(std::move(problem));
        }
    };
    search(wishes, found.asked, time_limit, memory, progress, find);
    return found;
}

Answer simulate(std::shared_ptr<sim::Model> model,
                const std::shared_ptr<sim::Platform>& platform,
                const sim::MappingFile& file,
                int frames_in_flight) {
    Answer found{{.model = std::move(model), .networks = nullptr, .problems = {}}, {}};
    const auto work = [&](Worker&) {
        // A mapping may be a twin's.
        found.asked.networks = std::make_shared<const std::vector<sim::Model>>(
            1, sim::twin_named(*found.asked.model, file.model));
        const sim::Model& network = found.asked.networks->front();
        auto problem = std::make_shared<sim::Problem>(
            sim::compile(network,
                         *platform,
                         {.batch = file.batch, .only = {}, .transfer_modes = file.transfer_modes}));
        const sim::Mapping mapping = sim::resolve(file, *problem);
        sim::apply_transfer_modes(file, *platform, *problem);
        found.asked.problems.push_back(problem);
        found.answer = sim::answer_with(mapping, network, *problem, frames_in_flight);
    };
    run_watched(work, py::none());
    return found;
}

std::string report_of(const Answer& answer, const std::string& name) {
    std::vector<std::string_view> names;
    for (const sim::Report& report : sim::reports()) {
        if (report.name == name) {
            return report.render(answer.answer);
        }
        names.push_back(report.name);
    }
    throw sim::InputError{"report: there is no '" + name + "'; there are: " + sim::list_of(names)};
}

void add_wishes(py::module_& module) {
    using sim::Wishes;
    py::class_<Wishes>(module, "Wishes")
        .def(py::init<>())
        .def_readwrite("objective", &Wishes::objective)
        .def_readwrite("pareto", &Wishes::pareto)
        .def_readwrite("prefer", &Wishes::prefer)
        .def_readwrite("max", &Wishes::max)
        .def_readwrite("pin", &Wishes::pin)
        .def_readwrite("together", &Wishes::together)
        .def_readwrite("only", &Wishes::only)
        .def_readwrite("transfer_modes", &Wishes::transfer_modes)
        .def_readwrite("min_accuracy", &Wishes::min_accuracy)
        .def_readwrite("search", &Wishes::search)
        .def_readwrite("free_order", &Wishes::free_order)
        .def_readwrite("robust", &Wishes::robust)
        .def_readwrite("threads", &Wishes::threads)
        .def_readwrite("frames_in_flight", &Wishes::frames_in_flight)
        .def("set_fix", [](Wishes& wishes, const sim::MappingFile& mapping, std::string name) {
            wishes.fix = mapping;
            wishes.fix_name = std::move(name);
        });
}

}  // namespace

void add_searches(py::module_& module) {
    add_wishes(module);

    py::class_<Answer>(module, "Answer")
        .def("mapping", &Answer::mapping)
        .def("json", [](const Answer& answer) { return sim::json_text(answer.answer); })
        .def("text", [](const Answer& answer) { return sim::text_table(answer.answer); })
        .def("report", &report_of, py::arg("name"));

    py::class_<Front>(module, "Front")
        .def("points",
             [](const Front& front) {
                 std::vector<Answer> points;
                 for (const sim::Answer& point : front.front.points) {
                     points.push_back({front.asked, point});
                 }
                 return points;
             })
        .def("json", [](const Front& front) { return sim::front_json(front.front); })
        .def("text", [](const Front& front) { return sim::front_text(front.front, true); })
        .def("csv", [](const Front& front) { return sim::front_csv(front.front); })
        .def("svg", [](const Front& front) { return sim::front_svg(front.front); });

    const auto model = py::arg("model").none(false), platform = py::arg("platform").none(false);
    const auto define = [&](const char* name, auto* search) {
        module.def(name,
                   search,
                   py::arg("wishes"),
                   model,
                   platform,
                   py::arg("batch"),
                   py::arg("time_limit"),
                   py::arg("memory"),
                   py::arg("progress"));
    };
    define("map", &map);
    define("front", &front);
    module.def(
        "simulate", &simulate, model, platform, py::arg("mapping"), py::arg("frames_in_flight"));
    module.def("searches", [] {
        std::vector<std::string> names;
        for (const sim::Search& one : sim::searches()) {
            names.emplace_back(one.name);
        }
        return names;
    });
}

}  // namespace python
