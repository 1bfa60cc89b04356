#include "cli/terminal.hpp"

#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace cli {
namespace {

int g_output_error = 0;  // the first one
bool g_silent = false;

void write_to(std::FILE* file, std::string_view text) {
    if (g_silent) {
        return;
    }
    errno = 0;
    if (std::fwrite(text.data(), 1, text.size(), file) < text.size() && file == stdout &&
        g_output_error == 0) {
        g_output_error = errno;
    }
}

}  // namespace

void prepare_streams() {
    // Of stdout a descriptor that cannot be written to, so that it is an error to do so.
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF) {
            ::open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
    std::signal(SIGPIPE, SIG_IGN);
}

void print(const std::string& text) { write_to(stdout, sim::printable(text, "\n\t")); }

void say(const std::string& text) { write_to(stderr, sim::printable(text, "\n\t")); }

void silence(bool is_silent) { g_silent = is_silent; }

bool finish_output() {
    errno = 0;
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && g_output_error == 0) {
        return true;
    }
    if (g_output_error == 0) {
        g_output_error = errno;
    }
    if (g_output_error == EPIPE) {
        std::signal(SIGPIPE, SIG_DFL);
        std::raise(SIGPIPE);
    }
    say(fmt::format("hetmap: cannot write to stdout: {}\n",
                    std::error_code{g_output_error, std::generic_category()}.message()));
    return false;
}

ProgressBar::ProgressBar(bool quiet) : on_{!quiet && isatty(STDERR_FILENO) != 0} {}

ProgressBar::~ProgressBar() {
    if (shown_) {
        write_to(stderr, "\r\x1b[K");
    }
}

void ProgressBar::show(const std::string& what, double share_done, double seconds_left) {
    if (!on_) {
        return;
    }
    constexpr int kWidth = 30;
    const int full = static_cast<int>(kWidth * std::clamp(share_done, 0.0, 1.0));
    write_to(stderr,
             fmt::format("\r[{:=<{}}{: <{}}] at most {:.0f} s left  {}\x1b[K",
                         "",
                         full,
                         "",
                         kWidth - full,
                         std::max(0.0, seconds_left),
                         sim::printable(what)));
    std::fflush(stderr);
    shown_ = true;
}

}  // namespace cli
