// Some of the host's cores as a device of their own: a worker beside the dispatcher, which runs the
// CPU's kernels on a thread and a pool of its own. It works on the host's memory, so nothing is
// copied, and takes segments in order. "cores2" has two cores; the dispatcher and the CPU's pool
// keep off them while the device is open, where the machine has enough. Where cores are of several
// kinds, "big" and "little" have all of a kind (board.hpp).
//
// Events count how often they have happened. Who submits knows how often that has to be by then, so
// nothing is reset between runs. A place to start reading is CoresDevice::work.

#include "calibrate/board.hpp"
#include "calibrate/clock.hpp"
#include "calibrate/host_device.hpp"
#include "calibrate/machine.hpp"
#include "kernels/thread_pool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <sched.h>
#include <thread>
#include <utility>

namespace calibrate {
namespace {

// ---- Cores --------------------------------------------------------------------------------------

cpu_set_t allowed_cores() {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    (void)sched_getaffinity(0, sizeof cores, &cores);
    return cores;
}

// These cores, or else the last so many, of those that the calling thread may use, which are taken
// from it while this lives. None where that would leave it without any.
class TakenCores {
public:
    explicit TakenCores(const DeviceInfo& info) : from_{pthread_self()} {
        CPU_ZERO(&taken_);
        cpu_set_t rest = allowed_cores();
        if (CPU_COUNT(&rest) <= info.cores) {
            return;
        }
        const int dispatcher = dispatcher_core().value_or(-1);
        for (int core = CPU_SETSIZE; core-- > 0 && CPU_COUNT(&taken_) < info.cores;) {
            const bool wanted = info.these_cores.empty() ||
                                std::ranges::find(info.these_cores, core) != info.these_cores.end();
            if (wanted && core != dispatcher && CPU_ISSET(core, &rest)) {
                CPU_CLR(core, &rest);
                CPU_SET(core, &taken_);
            }
        }
        (void)pthread_setaffinity_np(from_, sizeof rest, &rest);
    }
    ~TakenCores() {
        cpu_set_t all;
        if (any() && pthread_equal(from_, pthread_self()) != 0) {
            all = allowed_cores();
            CPU_OR(&all, &all, &taken_);
            (void)pthread_setaffinity_np(from_, sizeof all, &all);
        }
    }
    TakenCores(const TakenCores&) = delete;
    TakenCores& operator=(const TakenCores&) = delete;

    bool any() const { return CPU_COUNT(&taken_) > 0; }
    // The calling thread, and those that it makes, stay on them.
    void use() const {
        if (any()) {
            (void)pthread_setaffinity_np(pthread_self(), sizeof taken_, &taken_);
        }
    }

private:
    pthread_t from_;
    cpu_set_t taken_{};
};

void pause_briefly() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Spins for about as long as a short layer takes, then lets others run in between.
template <class Ready>
void wait_until(const Ready& ready) {
    constexpr int kSpins = 20'000;
    for (int spins = 0; !ready(); ++spins) {
        if (spins > kSpins) {
            std::this_thread::yield();
        }
        pause_briefly();
    }
}

// ---- The device ---------------------------------------------------------------------------------

// Outlives the device where another one still has to tell that something has happened.
struct Happened {
    std::atomic<std::uint64_t> times{0};
    std::mutex mutex;
    std::vector<std::function<void()>> then;  // once each, when it happens next

    void happen() {
        std::vector<std::function<void()>> calls;
        {
            const std::lock_guard lock{mutex};
            times.fetch_add(1, std::memory_order_release);
            calls.swap(then);
        }
        for (const std::function<void()>& call : calls) {
            call();
        }
    }
    bool is(std::uint64_t count) const { return times.load(std::memory_order_acquire) >= count; }
};

class CoresDevice final : public HostDevice {
public:
    explicit CoresDevice(const DeviceInfo& given) : HostDevice{given, given.cores}, cores_{given} {
        const int count = given.cores;
        // The pool belongs to the worker: it is made there, and keeps it on its core.
        std::promise<void> started;
        std::future<void> start = started.get_future();
        worker_ = std::thread{[this, count, &started] {
            cores_.use();
            std::optional<kernels::ThreadPool> pool;
            try {
                pool.emplace(count);
            } catch (...) {
                started.set_exception(std::current_exception());
                return;
            }
            pool_ = &*pool;
            started.set_value();
            work(*pool);
        }};
        try {
            start.get();
        } catch (...) {
            worker_.join();
            throw;
        }
    }
    ~CoresDevice() override {
        {
            const std::lock_guard lock{mutex_};
            stop_ = true;
            awake_.store(false);
        }
        wake_.notify_one();
        worker_.join();
    }
    CoresDevice(const CoresDevice&) = delete;
    CoresDevice& operator=(const CoresDevice&) = delete;

    int new_event() override {
        events_.emplace_back();
        return static_cast<int>(events_.size()) - 1;
    }
    std::optional<int> follow(Device& other, int event) override {
        if (!other.info().tells) {
            return std::nullopt;
        }
        events_.push_back({.other = &other, .other_event = event});
        return static_cast<int>(events_.size()) - 1;
    }
    using HostDevice::record;
    int record(std::span<const Stage> stages, bool timed) override {
        Segment& segment = segments_.emplace_back();
        segment.timed = timed;
        for (const Stage& stage : stages) {
            segment.stages.push_back(
                {stage,
                 kernel_of(stage),
                 stage.signal < 0 ? nullptr
                                  : events_[static_cast<std::size_t>(stage.signal)].happened});
        }
        return static_cast<int>(segments_.size()) - 1;
    }

    void begin_run() override {
        {
            const std::lock_guard lock{mutex_};
            awake_.store(cores_.any());
        }
        pool_->keep_awake(true);
        wake_.notify_one();
    }
    void end_run() override {
        awake_.store(false);
        pool_->keep_awake(false);
    }

    void submit(int command) override {
        Segment& segment = segments_[static_cast<std::size_t>(command)];
        Job job{.segment = &segment, .waits = {}};
        for (std::size_t i = 0; i < segment.stages.size(); ++i) {
            const Stage& stage = segment.stages[i].stage;
            for (const int event : stage.waits) {
                job.waits.push_back({i, expected(event)});
            }
            if (stage.signal >= 0) {
                ++events_[static_cast<std::size_t>(stage.signal)].count;
            }
        }
        {
            const std::lock_guard lock{mutex_};
            jobs_.push_back(std::move(job));
        }
        submitted_.fetch_add(1);
        wake_.notify_one();
    }
    void wait(int event) override {
        const Moment moment = expected(event);
        wait_until([&] { return moment.happened->is(moment.count); });
        if (failed_.load()) {
            const std::lock_guard lock{mutex_};
            failed_.store(false);
            std::rethrow_exception(std::exchange(error_, nullptr));
        }
    }
    bool has_happened(int event) override {
        const Moment moment = expected(event);
        return moment.happened->is(moment.count);
    }
    void when(int event, std::function<void()> then) override {
        const Moment moment = expected(event);
        {
            const std::lock_guard lock{moment.happened->mutex};
            if (!moment.happened->is(moment.count)) {
                moment.happened->then.push_back(std::move(then));
                return;
            }
        }
        then();
    }
    // The segment is over, since its run is.
    std::vector<double> stage_ns(int segment) override {
        return segments_[static_cast<std::size_t>(segment)].ns;
    }

private:
    // A stage with what the worker needs of it, so that it looks at nothing that may grow.
    struct Recorded {
        Stage stage;
        const kernels::Kernel* kernel = nullptr;
        std::shared_ptr<Happened> signal;  // nullptr: none
    };
    struct Segment {
        std::vector<Recorded> stages;
        bool timed = false;
        std::vector<double> ns;
    };
    // An event at one time.
    struct Moment {
        std::shared_ptr<Happened> happened;
        std::uint64_t count = 0;
    };
    struct Event {
        std::shared_ptr<Happened> happened = std::make_shared<Happened>();
        std::uint64_t count = 0;  // how often it has been submitted
        Device* other = nullptr;  // whose event it follows
        int other_event = -1;
    };
    struct Job {
        Segment* segment = nullptr;
        std::vector<std::pair<std::size_t, Moment>> waits;  // before which stage
    };

    // What has been submitted last for an event. For another device's, asks that one to tell.
    Moment expected(int index) {
        Event& event = events_[static_cast<std::size_t>(index)];
        if (event.other != nullptr) {
            ++event.count;
            event.other->when(event.other_event,
                              [happened = event.happened] { happened->happen(); });
        }
        return {event.happened, event.count};
    }

    // The next segment: the worker spins for it while a run goes on, else it sleeps. Nothing when
    // the device is closed.
    std::optional<Job> next(std::uint64_t done) {
        for (;;) {
            while (awake_.load() && submitted_.load() == done) {
                pause_briefly();
            }
            std::unique_lock lock{mutex_};
            wake_.wait(lock, [&] { return stop_ || !jobs_.empty() || awake_.load(); });
            if (!jobs_.empty()) {
                Job job = std::move(jobs_.front());
                jobs_.pop_front();
                return job;
            }
            if (stop_) {
                return std::nullopt;
            }
        }
    }

    // The worker: one segment after the other. A kernel that fails fails the run: wait() says so.
    void work(kernels::ThreadPool& pool) {
        for (std::uint64_t done = 0;; ++done) {
            const std::optional<Job> job = next(done);
            if (!job) {
                return;
            }
            Segment& segment = *job->segment;
            if (segment.timed) {
                segment.ns.clear();
            }
            std::size_t next_wait = 0;
            for (std::size_t i = 0; i < segment.stages.size(); ++i) {
                for (; next_wait < job->waits.size() && job->waits[next_wait].first == i;
                     ++next_wait) {
                    const Moment& moment = job->waits[next_wait].second;
                    wait_until([&] { return moment.happened->is(moment.count); });
                }
                const Recorded& recorded = segment.stages[i];
                const std::int64_t begin = segment.timed ? now_ns() : 0;
                try {
                    run_stage(recorded.kernel, recorded.stage, pool);
                } catch (...) {
                    const std::lock_guard lock{mutex_};
                    error_ = std::current_exception();
                    failed_.store(true);
                }
                if (segment.timed) {
                    segment.ns.push_back(static_cast<double>(now_ns() - begin));
                }
                if (recorded.signal != nullptr) {
                    recorded.signal->happen();
                }
            }
        }
    }

    TakenCores cores_;
    std::deque<Segment> segments_;
    std::deque<Event> events_;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> jobs_;
    bool stop_ = false;
    std::exception_ptr error_;
    std::atomic<bool> failed_{false}, awake_{false};
    std::atomic<std::uint64_t> submitted_{0};
    kernels::ThreadPool* pool_ = nullptr;  // lives on the worker
    std::thread worker_;
};

// With 1, 2, 4, ... cores, and with all but the dispatcher's.
Discovery discover_cores() {
    const cpu_set_t allowed = allowed_cores();
    const int most = CPU_COUNT(&allowed) - 1;
    Discovery discovery;
    const auto add = [&](int count) {
        DeviceInfo info;
        info.name = fmt::format("cores{}", count);
        info.kind = "cores";
        info.description = fmt::format("{} of the host's cores beside the dispatcher", count);
        info.host_memory = info.host_cores = info.converts = info.tells = true;
        info.cores = count;
        discovery.devices.push_back(std::move(info));
    };
    for (int count = 1; count < most; count *= 2) {
        add(count);
    }
    if (most > 0) {
        add(most);
    }
    std::vector<int> numbers;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &allowed)) {
            numbers.push_back(core);
        }
    }
    const int dispatcher = dispatcher_core().value_or(-1);
    for (DeviceInfo& cluster : cluster_devices(read_clusters(), numbers)) {
        cluster.cores -= static_cast<int>(std::erase(cluster.these_cores, dispatcher));
        if (cluster.cores > 0) {
            discovery.devices.push_back(std::move(cluster));
        }
    }
    return discovery;
}

}  // namespace

Backend cores_backend() {
    return {.kind = "cores",
            .discover = discover_cores,
            .open = [](const DeviceInfo& info, int) -> std::unique_ptr<Device> {
                return std::make_unique<CoresDevice>(info);
            }};
}

}  // namespace calibrate
