#pragma once

// libhetmap in C++: the functions of hetmap.h, with sessions that close themselves, errors as
// exceptions and buffers as spans. C++20, and nothing but that header and the standard library.
//
//     hetmap::Session session{"vgg3-fashion", "mapping.yaml"};
//     std::ranges::copy(pixels, session.input<std::uint8_t>().begin());
//     session.run();
//     const std::span<const std::int32_t> scores = session.output<std::int32_t>();
//
// What hetmap.h says of threads and buffers holds here too.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <hetmap.h>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace hetmap {

// A call that did not end with HETMAP_OK.
class Error : public std::runtime_error {
public:
    Error(hetmap_status code, const std::string& what) : std::runtime_error{what}, code_{code} {}
    hetmap_status code() const { return code_; }

private:
    hetmap_status code_;
};

inline void check(hetmap_status status) {
    if (status != HETMAP_OK) {
        throw Error{status, hetmap_last_error()};
    }
}

struct Options {
    int batch = 1;
    bool timed = false;
    bool background = false;
};

// What one kernel of the mapping took in the last run.
struct TaskTime {
    std::string layers, device, variant, configuration;
    double us = 0;
};

struct Times {
    double total_us = 0;  // with copies, conversions and waits
    std::vector<TaskTime> tasks;
};

class Session {
public:
    // `model`: a model.yaml or its folder; `mapping`: a file of hetmap map, "" for none.
    explicit Session(const std::string& model,
                     const std::string& mapping = {},
                     const Options& options = {}) {
        hetmap_options c = HETMAP_OPTIONS;
        c.batch = options.batch;
        c.timed = options.timed ? 1 : 0;
        c.background = options.background ? 1 : 0;
        hetmap_session* opened = nullptr;
        check(hetmap_open(model.c_str(), mapping.empty() ? nullptr : mapping.c_str(), &c, &opened));
        session_.reset(opened);
    }

    int inputs() const { return hetmap_input_count(session_.get()); }
    int outputs() const { return hetmap_output_count(session_.get()); }
    hetmap_tensor input_tensor(int index = 0) const { return tensor(hetmap_input, index); }
    hetmap_tensor output_tensor(int index = 0) const { return tensor(hetmap_output, index); }

    // The elements of a whole batch. Throws Error where the tensor's elements are no T: of u8
    // std::uint8_t, of int32 std::int32_t, of f32 float, of binary std::uint64_t.
    template <typename T>
    std::span<T> input(int index = 0) const {
        return elements<T>(input_tensor(index));
    }
    template <typename T>
    std::span<const T> output(int index = 0) const {
        return elements<T>(output_tensor(index));
    }

    void run() { check(hetmap_run(session_.get())); }

    // `done` is called in the session's own thread and must not throw; `error` is empty where the
    // run did well. Only with Options::background.
    void run_async(std::function<void(const std::string& error)> done = {}) {
        // It belongs to the callback from here on.
        auto told = std::make_unique<std::function<void(const std::string&)>>(std::move(done));
        if (!*told) {
            check(hetmap_run_async(session_.get(), nullptr, nullptr));
            return;
        }
        check(hetmap_run_async(session_.get(), tell, told.get()));
        (void)told.release();
    }
    void wait() { check(hetmap_wait(session_.get())); }

    // Only with Options::timed, and after a run.
    Times times() {
        std::size_t count = 0;
        Times times;
        check(hetmap_task_times(session_.get(), nullptr, 0, &count, &times.total_us));
        std::vector<hetmap_task_time> tasks(count);
        check(hetmap_task_times(session_.get(), tasks.data(), count, nullptr, nullptr));
        for (const hetmap_task_time& task : tasks) {
            times.tasks.push_back(
                {task.layers, task.device, task.variant, task.configuration, task.us});
        }
        return times;
    }

    // For the functions of hetmap.h; still this object's.
    hetmap_session* handle() const { return session_.get(); }

private:
    struct Close {
        void operator()(hetmap_session* session) const { hetmap_close(session); }
    };

    static void tell(hetmap_status status, void* user) {
        const std::unique_ptr<std::function<void(const std::string&)>> told{
            static_cast<std::function<void(const std::string&)>*>(user)};
        (*told)(status == HETMAP_OK ? std::string{} : hetmap_last_error());
    }

    template <typename Get>
    hetmap_tensor tensor(Get get, int index) const {
        hetmap_tensor result;
        check(get(session_.get(), index, &result));
        return result;
    }

    template <typename T>
    static std::span<T> elements(const hetmap_tensor& tensor) {
        constexpr hetmap_element kElement = std::is_same_v<T, std::uint8_t>    ? HETMAP_U8
                                            : std::is_same_v<T, std::int8_t>   ? HETMAP_INT8
                                            : std::is_same_v<T, std::int32_t>  ? HETMAP_INT32
                                            : std::is_same_v<T, float>         ? HETMAP_F32
                                            : std::is_same_v<T, std::uint64_t> ? HETMAP_BINARY
                                                                               : hetmap_element{};
        static_assert(kElement != hetmap_element{},
                      "tensors hold uint8_t, int8_t, int32_t, float or uint64_t");
        if (tensor.element != kElement) {
            throw Error{HETMAP_ARGUMENT,
                        "the elements of '" + std::string{tensor.name} + "' are of another type"};
        }
        return {static_cast<T*>(tensor.data), tensor.bytes / sizeof(T)};
    }

    std::unique_ptr<hetmap_session, Close> session_;
};

}  // namespace hetmap
