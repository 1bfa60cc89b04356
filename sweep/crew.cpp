#include "sweep/crew.hpp"

#include "cluster/ranks.hpp"
#include "sim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <deque>
#include <mutex>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace sweep {
namespace {

// ---- texts over sockets: their length, then their bytes ----------------------------------------

bool write_all(int socket, const char* bytes, std::size_t count) {
    while (count > 0) {
        const ssize_t written = ::send(socket, bytes, count, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        bytes += written;
        count -= static_cast<std::size_t>(written);
    }
    return true;
}

bool read_all(int socket, char* bytes, std::size_t count) {
    while (count > 0) {
        const ssize_t got = ::recv(socket, bytes, count, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        bytes += got;
        count -= static_cast<std::size_t>(got);
    }
    return true;
}

bool write_text(int socket, std::string_view text) {
    const std::uint64_t length = text.size();
    std::string message(sizeof length, '\0');
    std::memcpy(message.data(), &length, sizeof length);
    message += text;
    return write_all(socket, message.data(), message.size());
}

std::optional<std::string> read_text(int socket) {
    std::uint64_t length = 0;
    if (!read_all(socket, reinterpret_cast<char*>(&length), sizeof length)) {
        return std::nullopt;
    }
    std::string text(length, '\0');
    return read_all(socket, text.data(), text.size()) ? std::optional{std::move(text)}
                                                      : std::nullopt;
}

// ---- processes --------------------------------------------------------------------------------

std::string end_of(pid_t process) {
    int status = 0;
    while (waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) {
            return "it is gone";
        }
    }
    if (WIFSIGNALED(status)) {
        const int signal = WTERMSIG(status);
        return fmt::format("signal {} ({})", signal, strsignal(signal));
    }
    return fmt::format("exit code {}", WEXITSTATUS(status));
}

class Processes {
public:
    Processes(std::size_t count, Work work) : work_{std::move(work)}, workers_(count) {
        for (std::size_t i = 0; i < count; ++i) {
            start(i);
        }
    }
    ~Processes() {
        for (const Worker& worker : workers_) {
            if (worker.process > 0) {
                kill(worker.process, SIGKILL);
                end_of(worker.process);
            }
            if (worker.socket >= 0) {
                close(worker.socket);
            }
        }
    }
    Processes(const Processes&) = delete;
    Processes& operator=(const Processes&) = delete;

    void send(std::size_t worker, const std::string& text) {
        // One that cannot take it is dead, which its socket will say.
        write_text(workers_[worker].socket, text);
    }

    std::optional<News> receive(double seconds) {
        std::vector<pollfd> sockets;
        for (const Worker& worker : workers_) {
            sockets.push_back({.fd = worker.socket, .events = POLLIN, .revents = 0});
        }
        const auto patience = static_cast<int>(std::clamp(seconds, 0.0, 1e6) * 1000);
        if (poll(sockets.data(), sockets.size(), patience) <= 0) {
            return std::nullopt;
        }
        // In turn, so that none waits while others are quick.
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            const std::size_t worker = (next_ + i) % workers_.size();
            if (sockets[worker].revents == 0) {
                continue;
            }
            next_ = worker + 1;
            News news{.worker = worker, .text = read_text(workers_[worker].socket), .why = {}};
            if (!news.text) {
                close(std::exchange(workers_[worker].socket, -1));
                news.why = end_of(std::exchange(workers_[worker].process, -1));
                start(worker);
            }
            return news;
        }
        return std::nullopt;
    }

private:
    struct Worker {
        pid_t process = -1;
        int socket = -1;
    };

    void start(std::size_t worker) {
        std::array<int, 2> ends{};
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            throw sim::MachineError{
                fmt::format("no socket for a process: {}", std::generic_category().message(errno))};
        }
        const pid_t parent = getpid();
        const pid_t process = fork();
        if (process < 0) {
            const std::string why = std::generic_category().message(errno);
            close(ends[0]);
            close(ends[1]);
            throw sim::MachineError{fmt::format("no process can be started: {}", why)};
        }
        if (process == 0) {
            close(ends[0]);
            serve(ends[1], parent);
        }
        close(ends[1]);
        workers_[worker] = {.process = process, .socket = ends[0]};
    }

    // In the new process, which never comes back: nothing of the old one's is flushed or freed.
    [[noreturn]] void serve(int socket, pid_t parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);  // it died meanwhile
        }
        // Ctrl-C is for the one who hands out.
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
            std::signal(signal, SIG_IGN);
        }
        // Its brothers' sockets are the parent's alone, so that their ends are seen.
        for (const Worker& other : workers_) {
            if (other.socket >= 0) {
                close(other.socket);
            }
        }
        try {
            while (const std::optional<std::string> text = read_text(socket)) {
                if (!write_text(socket, work_(*text))) {
                    break;
                }
            }
        } catch (...) {
            _exit(1);  // nothing of the parent's is to be unwound here
        }
        _exit(0);
    }

    Work work_;
    std::vector<Worker> workers_;
    std::size_t next_ = 0;
};

// ---- a thread ---------------------------------------------------------------------------------

class OneThread {
public:
    explicit OneThread(Work work) : work_{std::move(work)}, thread_{[this] { run(); }} {}
    ~OneThread() {
        {
            const std::lock_guard lock{mutex_};
            is_over_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    OneThread(const OneThread&) = delete;
    OneThread& operator=(const OneThread&) = delete;

    void send(std::string text) {
        {
            const std::lock_guard lock{mutex_};
            given_.push_back(std::move(text));
        }
        changed_.notify_all();
    }
    std::optional<News> receive(double seconds) {
        std::unique_lock lock{mutex_};
        const std::chrono::duration<double> patience{seconds};
        if (!changed_.wait_for(lock, patience, [this] { return !made_.empty(); })) {
            return std::nullopt;
        }
        News news{.worker = 0, .text = std::move(made_.front()), .why = {}};
        made_.pop_front();
        return news;
    }

private:
    void run() {
        std::unique_lock lock{mutex_};
        while (true) {
            changed_.wait(lock, [this] { return is_over_ || !given_.empty(); });
            if (is_over_) {
                return;
            }
            const std::string text = std::move(given_.front());
            given_.pop_front();
            lock.unlock();
            std::string made = work_(text);
            lock.lock();
            made_.push_back(std::move(made));
            changed_.notify_all();
        }
    }

    Work work_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_over_ = false;
    std::deque<std::string> given_, made_;
    std::thread thread_;  // the last: it uses the others
};

// ---- ranks --------------------------------------------------------------------------------------

constexpr double kPatience = 3600;

// They are told that it is over, and say that they heard it: no message is left.
void let_go(cluster::Ranks* ranks) {
    for (int to = 1; to < ranks->count(); ++to) {
        ranks->send(to, {});
    }
    for (int left = ranks->count() - 1; left > 0;) {
        const std::optional<cluster::Message> last = ranks->receive(kPatience);
        left -= last && last->bytes.empty() ? 1 : 0;
    }
}

}  // namespace

Crew forked(std::size_t count, const Work& work) {
    const auto processes = std::make_shared<Processes>(count, work);
    Crew crew;
    for (std::size_t i = 0; i < count; ++i) {
        crew.names.push_back(fmt::format("process {}", i + 1));
    }
    crew.send = [processes](std::size_t worker, const std::string& text) {
        processes->send(worker, text);
    };
    crew.receive = [processes](double seconds) { return processes->receive(seconds); };
    return crew;
}

Crew thread_of(const std::string& name, const Work& work) {
    const auto thread = std::make_shared<OneThread>(work);
    return {.names = {name},
            .send = [thread](std::size_t, std::string text) { thread->send(std::move(text)); },
            .receive = [thread](double seconds) { return thread->receive(seconds); }};
}

Crew others_of(cluster::Ranks& ranks) {
    const std::shared_ptr<cluster::Ranks> others{&ranks, let_go};
    Crew crew;
    for (int rank = 1; rank < ranks.count(); ++rank) {
        crew.names.push_back(fmt::format("rank {}", rank));
    }
    crew.send = [others](std::size_t worker, const std::string& text) {
        others->send(static_cast<int>(worker) + 1, text);
    };
    crew.receive = [others](double seconds) -> std::optional<News> {
        std::optional<cluster::Message> message = others->receive(seconds);
        if (!message) {
            return std::nullopt;
        }
        return News{.worker = static_cast<std::size_t>(message->from) - 1,
                    .text = std::move(message->bytes),
                    .why = {}};
    };
    return crew;
}

void serve(cluster::Ranks& ranks, const Work& work) {
    while (true) {
        const std::optional<cluster::Message> message = ranks.receive(kPatience);
        if (message && message->bytes.empty()) {
            ranks.send(message->from, {});
            return;
        }
        if (message) {
            ranks.send(message->from, work(message->bytes));
        }
    }
}

Crew joined(Crew first, Crew second) {
    const std::size_t count = first.names.size();
    std::vector<std::string> names = first.names;
    names.insert(names.end(), second.names.begin(), second.names.end());
    const auto one = std::make_shared<Crew>(std::move(first));
    const auto two = std::make_shared<Crew>(std::move(second));
    const auto send = [=](std::size_t worker, std::string text) {
        worker < count ? one->send(worker, std::move(text))
                       : two->send(worker - count, std::move(text));
    };
    const auto receive = [=](double seconds) -> std::optional<News> {
        constexpr double kLook = 0.001;  // workers have a cell in hand meanwhile
        for (double waited = 0;; waited += kLook) {
            if (std::optional<News> news = two->receive(0)) {
                news->worker += count;
                return news;
            }
            if (waited >= seconds) {
                return one->receive(0);
            }
            if (std::optional<News> news = one->receive(kLook)) {
                return news;
            }
        }
    };
    return {.names = std::move(names), .send = send, .receive = receive};
}

}  // namespace sweep
