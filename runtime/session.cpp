// libhetmap's sessions, and the C functions in front of them. The contract is hetmap.h.
//
// A session holds what a run needs: the model, its parameters, the mapping made runnable, an
// executor and a recording. With options.background all of that is made, used and taken down by a
// thread of the session's own, so that devices see one thread only.

#include "calibrate/binding.hpp"
#include "calibrate/executor.hpp"
#include "calibrate/parameters.hpp"
#include "calibrate/runnable.hpp"
#include "calibrate/stage_clock.hpp"
#include "runtime/hetmap.h"
#include "sim/describe/mapping.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/twins.hpp"
#include "sim/error.hpp"
#include "sim/index.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace runtime {
namespace {

using sim::at;

// What is wrong with a call; the codes are HETMAP_BUSY and HETMAP_ARGUMENT.
struct CallError : std::runtime_error {
    CallError(hetmap_status code, const char* what) : std::runtime_error{what}, status{code} {}
    hetmap_status status;
};

CallError argument_error(const char* what) { return {HETMAP_ARGUMENT, what}; }

// ---- A network, ready to run -----------------------------------------------------------------

hetmap_tensor tensor_of(const sim::Layer& layer, int batch, const std::byte* data) {
    const kernels::Shape shape = calibrate::kernel_shape(layer.output);
    std::size_t bytes_a_pixel = at(shape.channels);
    hetmap_element element = HETMAP_U8;
    switch (shape.element) {
        case kernels::Element::u8:
            break;
        case kernels::Element::int8:
            element = HETMAP_INT8;
            break;
        case kernels::Element::int32:
            element = HETMAP_INT32;
            bytes_a_pixel *= sizeof(std::int32_t);
            break;
        case kernels::Element::f32:
            element = HETMAP_F32;
            bytes_a_pixel *= sizeof(float);
            break;
        case kernels::Element::binary:
            element = HETMAP_BINARY;
            bytes_a_pixel = at(shape.words()) * sizeof(std::uint64_t);
            break;
    }
    return {.name = layer.name.c_str(),
            .element = element,
            .batch = batch,
            .height = shape.height,
            .width = shape.width,
            .channels = shape.channels,
            // Outputs are to be read, says the header.
            .data = const_cast<std::byte*>(data),  // NOLINT(cppcoreguidelines-pro-type-const-cast)
            .bytes = at(batch) * at(shape.height) * at(shape.width) * bytes_a_pixel};
}

calibrate::Runnable runnable_of(const sim::Model& model,
                                const calibrate::Parameters& parameters,
                                const std::optional<sim::MappingFile>& mapping,
                                int batch) {
    return mapping ? calibrate::runnable(model, parameters, *mapping)
                   : calibrate::guessed(model, parameters, batch);
}

class Network {
public:
    Network(const std::string& model,
            const std::optional<std::string>& mapping,
            const hetmap_options& options)
        : Network{model,
                  mapping ? std::optional{sim::load_mapping_file(*mapping)} : std::nullopt,
                  options} {}

    // Of the model, or of that of its twins which the mapping is for.
    Network(const std::string& model,
            const std::optional<sim::MappingFile>& mapping,
            const hetmap_options& options)
        : model_{sim::twin_named(sim::load_model(model, {}), mapping ? mapping->model : "")},
          parameters_{calibrate::load_parameters(model_)},
          runnable_{runnable_of(model_, parameters_, mapping, options.batch)},
          executor_{model_, parameters_, runnable_.problem, std::move(runnable_.devices)},
          recording_{executor_.prepare(runnable_.mapping, options.timed != 0)} {
        const int batch = runnable_.problem.batch;
        for (int i = 0; i < model_.inputs(); ++i) {
            inputs_.push_back(tensor_of(model_.layers[at(i)], batch, executor_.input(i).data()));
        }
        for (std::size_t o = 0; o < model_.outputs.size(); ++o) {
            outputs_.push_back(tensor_of(
                model_.layers[at(model_.outputs[o].layer)], batch, recording_.outputs[o]));
        }
        if (options.timed != 0) {
            stamps_.resize(recording_.calls.size() + 1);
            for (const int task : runnable_.mapping) {
                name(task);
            }
        }
    }

    const std::vector<hetmap_tensor>& inputs() const { return inputs_; }
    const std::vector<hetmap_tensor>& outputs() const { return outputs_; }

    void run() { executor_.run(recording_, stamps_); }

    // Of the last run, by the mapping's order, with its total.
    const std::vector<hetmap_task_time>& times(double& total_us) {
        if (stamps_.empty()) {
            throw argument_error("hetmap_task_times: the session was opened without options.timed");
        }
        if (stamps_.front() == 0) {
            throw argument_error("hetmap_task_times: there was no run yet");
        }
        std::map<int, double> ns;
        for (std::size_t i = 0; i < recording_.calls.size(); ++i) {
            const calibrate::Executor::Call& call = recording_.calls[i];
            if (call.action == calibrate::Executor::Action::compute) {
                ns[call.tasks.front()] = static_cast<double>(stamps_[i + 1] - stamps_[i]);
            }
        }
        for (const auto& [task, taken] : stage_clock_.times_of(executor_, recording_)) {
            ns[task] = taken;
        }
        for (std::size_t i = 0; i < times_.size(); ++i) {
            times_[i].us = ns[timed_tasks_[i]] / 1000;
        }
        total_us = static_cast<double>(stamps_.back() - stamps_.front()) / 1000;
        return times_;
    }

private:
    void name(int index) {
        const sim::Task& task = runnable_.problem.tasks[at(index)];
        if (is_boundary(runnable_.problem, task)) {
            return;
        }
        std::string layers;
        for (const int layer : calibrate::model_layers(runnable_.problem, task)) {
            layers += (layers.empty() ? "" : " + ") + model_.layers[at(layer)].name;
        }
        names_.push_back(std::make_unique<std::string>(std::move(layers)));
        timed_tasks_.push_back(index);
        times_.push_back({.layers = names_.back()->c_str(),
                          .device = runnable_.problem.device_names[at(task.device)].c_str(),
                          .variant = task.variant.c_str(),
                          .configuration = task.configuration.c_str(),
                          .us = 0});
    }

    sim::Model model_;
    calibrate::Parameters parameters_;
    calibrate::Runnable runnable_;
    calibrate::Executor executor_;
    calibrate::Executor::Recording recording_;
    std::vector<hetmap_tensor> inputs_, outputs_;

    // Where times are wanted:
    std::vector<std::int64_t> stamps_;
    calibrate::StageClock stage_clock_;
    std::vector<std::unique_ptr<std::string>> names_;
    std::vector<int> timed_tasks_;
    std::vector<hetmap_task_time> times_;
};

// ---- Errors at the edge ------------------------------------------------------------------------

thread_local std::string last_error = "no error";

hetmap_status failed(hetmap_status status, const char* what) noexcept {
    try {
        last_error = what;
    } catch (...) {  // no memory for the text: a shorter one needs none
        last_error.clear();
    }
    return status;
}

// The current exception as a status; its text is this thread's last error.
hetmap_status translated() noexcept {
    try {
        throw;
    } catch (const CallError& error) {
        return failed(error.status, error.what());
    } catch (const sim::InputError& error) {
        return failed(HETMAP_INPUT, error.what());
    } catch (const std::bad_alloc&) {
        return failed(HETMAP_MACHINE, "out of memory");
    } catch (const std::exception& error) {
        return failed(HETMAP_MACHINE, error.what());
    } catch (...) {
        return failed(HETMAP_MACHINE, "an error without a text");
    }
}

template <typename Work>
hetmap_status guarded(const Work& work) noexcept {
    try {
        work();
        return HETMAP_OK;
    } catch (...) {
        return translated();
    }
}

}  // namespace
}  // namespace runtime

// ---- Sessions
// ------------------------------------------------------------------------------------

// At the global namespace, as the C header declares it.
struct hetmap_session {
    hetmap_session(const std::string& model,
                   const std::optional<std::string>& mapping,
                   const hetmap_options& options) {
        if (options.background == 0) {
            network_.emplace(model, mapping, options);
            return;
        }
        std::exception_ptr error;
        thread_ = std::thread{[&] { live(model, mapping, options, error); }};
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return state_ != State::opening; });
        if (state_ == State::closed) {
            lock.unlock();
            thread_.join();
            std::rethrow_exception(error);
        }
    }

    ~hetmap_session() {
        if (thread_.joinable()) {
            {
                std::unique_lock lock{mutex_};
                changed_.wait(lock, [&] { return state_ == State::idle; });
                state_ = State::closing;
            }
            changed_.notify_all();
            thread_.join();
        }
    }
    hetmap_session(const hetmap_session&) = delete;
    hetmap_session& operator=(const hetmap_session&) = delete;

    runtime::Network& network() { return *network_; }
    const runtime::Network& network() const { return *network_; }

    bool in_callback() const { return thread_.get_id() == std::this_thread::get_id(); }

    void run() {
        if (!thread_.joinable()) {
            const Turn turn{*this};
            network_->run();
            return;
        }
        if (in_callback()) {
            throw runtime::CallError{HETMAP_BUSY,
                                     "hetmap_run: not from within a callback of the session"};
        }
        run_async(nullptr, nullptr);
        wait();
    }

    void run_async(hetmap_done done, void* user) {
        if (!thread_.joinable()) {
            throw runtime::argument_error(
                "hetmap_run_async: the session was opened without options.background");
        }
        {
            const std::lock_guard lock{mutex_};
            if (state_ != State::idle && !(state_ == State::telling && in_callback())) {
                throw busy();
            }
            state_ = State::asked;
            error_ = nullptr;
            done_ = done;
            user_ = user;
        }
        changed_.notify_all();
    }

    void wait() {
        if (!thread_.joinable()) {
            return;
        }
        if (in_callback()) {
            throw runtime::CallError{HETMAP_BUSY,
                                     "hetmap_wait: not from within a callback of the session"};
        }
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return state_ == State::idle; });
        if (error_) {
            std::rethrow_exception(error_);
        }
    }

    // Throws where a run is going on.
    void expect_idle() {
        if (thread_.joinable()) {
            const std::lock_guard lock{mutex_};
            if (state_ != State::idle && !(state_ == State::telling && in_callback())) {
                throw busy();
            }
        } else {
            const Turn turn{*this};
        }
    }

private:
    // Of a session with a thread. `telling`: its callback is running.
    enum class State { opening, idle, asked, running, telling, closing, closed };

    static runtime::CallError busy() { return {HETMAP_BUSY, "a run of this session is going on"}; }

    // One caller at a time, where there is no thread.
    class Turn {
    public:
        explicit Turn(hetmap_session& session) : session_{session} {
            if (session.taken_.exchange(true, std::memory_order_acquire)) {
                throw busy();
            }
        }
        ~Turn() { session_.taken_.store(false, std::memory_order_release); }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

    private:
        hetmap_session& session_;
    };

    // The thread: opens, runs when asked, tells, closes.
    void live(const std::string& model,
              const std::optional<std::string>& mapping,
              const hetmap_options& options,
              std::exception_ptr& open_error) {
        try {
            network_.emplace(model, mapping, options);
        } catch (...) {
            open_error = std::current_exception();
        }
        std::unique_lock lock{mutex_};
        state_ = open_error ? State::closed : State::idle;
        changed_.notify_all();
        while (state_ != State::closed) {
            changed_.wait(lock, [&] { return state_ == State::asked || state_ == State::closing; });
            if (state_ == State::closing) {
                lock.unlock();
                network_.reset();
                return;
            }
            state_ = State::running;
            const hetmap_done done = done_;
            void* const user = user_;
            lock.unlock();
            const hetmap_status status = runtime::guarded([&] {
                try {
                    network_->run();
                } catch (...) {
                    const std::lock_guard again{mutex_};
                    error_ = std::current_exception();
                    throw;
                }
            });
            lock.lock();
            if (done != nullptr) {
                state_ = State::telling;
                lock.unlock();
                done(status, user);
                lock.lock();
            }
            if (state_ != State::asked) {  // the callback may have asked for the next
                state_ = State::idle;
                changed_.notify_all();
            }
        }
    }

    std::atomic<bool> taken_{false};

    std::mutex mutex_;
    std::condition_variable changed_;
    State state_ = State::opening;
    hetmap_done done_ = nullptr;
    void* user_ = nullptr;
    std::exception_ptr error_;  // of the last run

    std::optional<runtime::Network> network_;
    std::thread thread_;
};

// ---- The C functions -------------------------------------------------------------------------

namespace {

using runtime::argument_error;
using runtime::guarded;

void expect_pointer(const void* pointer, const char* complaint) {
    if (pointer == nullptr) {
        throw argument_error(complaint);
    }
}

hetmap_options read(const hetmap_options* given) {
    hetmap_options options = HETMAP_OPTIONS;
    if (given == nullptr) {
        return options;
    }
    // A program that was compiled with an older header has fewer of the members.
    if (given->size < sizeof given->size || given->size > sizeof options) {
        throw argument_error(
            "hetmap_open: options.size is none of a hetmap_options that this library knows; begin "
            "with HETMAP_OPTIONS");
    }
    std::memcpy(&options, given, given->size);
    if (options.batch < 1) {
        throw argument_error("hetmap_open: options.batch: expected a number from 1");
    }
    return options;
}

hetmap_status give(const hetmap_session* session,
                   int index,
                   hetmap_tensor* tensor,
                   const std::vector<hetmap_tensor>& (runtime::Network::*tensors)() const) {
    return guarded([&] {
        expect_pointer(session, "the session is a null pointer");
        expect_pointer(tensor, "the tensor is a null pointer");
        const std::vector<hetmap_tensor>& all = (session->network().*tensors)();
        if (index < 0 || sim::at(index) >= all.size()) {
            throw argument_error("the model has no input or output of that number");
        }
        *tensor = all[sim::at(index)];
    });
}

}  // namespace

extern "C" {

const char* hetmap_version(void) { return HETMAP_VERSION; }

const char* hetmap_last_error(void) { return runtime::last_error.c_str(); }

hetmap_status hetmap_open(const char* model,
                          const char* mapping,
                          const hetmap_options* options,
                          hetmap_session** session) {
    return guarded([&] {
        expect_pointer(session, "hetmap_open: there is no place for the session");
        *session = nullptr;
        expect_pointer(model, "hetmap_open: model is a null pointer");
        *session = new hetmap_session{
            model,
            mapping == nullptr ? std::nullopt : std::optional<std::string>{mapping},
            read(options)};
    });
}

void hetmap_close(hetmap_session* session) { delete session; }

int hetmap_input_count(const hetmap_session* session) {
    return session == nullptr ? 0 : static_cast<int>(session->network().inputs().size());
}

int hetmap_output_count(const hetmap_session* session) {
    return session == nullptr ? 0 : static_cast<int>(session->network().outputs().size());
}

hetmap_status hetmap_input(const hetmap_session* session, int index, hetmap_tensor* tensor) {
    return give(session, index, tensor, &runtime::Network::inputs);
}

hetmap_status hetmap_output(const hetmap_session* session, int index, hetmap_tensor* tensor) {
    return give(session, index, tensor, &runtime::Network::outputs);
}

hetmap_status hetmap_run(hetmap_session* session) {
    return guarded([&] {
        expect_pointer(session, "hetmap_run: the session is a null pointer");
        session->run();
    });
}

hetmap_status hetmap_run_async(hetmap_session* session, hetmap_done done, void* user) {
    return guarded([&] {
        expect_pointer(session, "hetmap_run_async: the session is a null pointer");
        session->run_async(done, user);
    });
}

hetmap_status hetmap_wait(hetmap_session* session) {
    return guarded([&] {
        expect_pointer(session, "hetmap_wait: the session is a null pointer");
        session->wait();
    });
}

hetmap_status hetmap_task_times(hetmap_session* session,
                                hetmap_task_time* times,
                                size_t capacity,
                                size_t* count,
                                double* total_us) {
    return guarded([&] {
        expect_pointer(session, "hetmap_task_times: the session is a null pointer");
        if (capacity > 0) {
            expect_pointer(times, "hetmap_task_times: times is a null pointer");
        }
        session->expect_idle();
        double total = 0;
        const std::vector<hetmap_task_time>& all = session->network().times(total);
        std::copy_n(all.begin(), std::min(capacity, all.size()), times);
        if (count != nullptr) {
            *count = all.size();
        }
        if (total_us != nullptr) {
            *total_us = total;
        }
    });
}

}  // extern "C"
