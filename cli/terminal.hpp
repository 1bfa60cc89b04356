#pragma once

// What the program says: results to stdout, all else to stderr. Neither a terminal that has gone
// nor a full disk behind them keeps it from its work; names from files command no terminal.

#include <string>

namespace cli {

// Before anything else: none of the three standard streams is closed, so that no file that is
// opened later takes its place, and a pipe that nobody reads any more is an error, not the end.
void prepare_streams();

// Text to stdout, or to stderr, where it is lost if nobody can read it. Control characters but
// line breaks and tabs are spelled out.
void print(const std::string& text);
void say(const std::string& text);

// From here on neither prints anything; or does again. For processes that are not the first of
// those that were started together.
void silence(bool is_silent);

// Flushes stdout; false if it could not take all of it, which is said. Where it was a pipe whose
// reader has gone the program ends as others do, by the signal.
bool finish_output();

// A bar on the last line of a terminal; nothing elsewhere. Erased when it goes.
class ProgressBar {
public:
    explicit ProgressBar(bool quiet);
    ~ProgressBar();
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;
    void show(const std::string& what, double share_done, double seconds_left);

private:
    bool shown_ = false;
    bool on_ = false;
};

}  // namespace cli
