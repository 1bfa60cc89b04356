#pragma once

// Runs the program as a user does, for the tests of the command line.

#include "temporary_folder.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

inline std::string text_of(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

struct Outcome {
    int code = -1;
    std::string out, err;
};

// Waits for the child; its output is in the folder's files "out" and "err".
inline Outcome outcome_of(pid_t child, const TemporaryFolder& folder) {
    int status = 0;
    waitpid(child, &status, 0);
    Outcome outcome;
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outcome.out = text_of(folder.file("out"));
    outcome.err = text_of(folder.file("err"));
    return outcome;
}

// In a child: becomes the program.
[[noreturn]] inline void become(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
}

// The same, with its output in the folder's files "out" and "err".
[[noreturn]] inline void become(std::vector<std::string> arguments, const TemporaryFolder& folder) {
    dup2(open(folder.file("out").c_str(), O_CREAT | O_WRONLY, 0600), STDOUT_FILENO);
    dup2(open(folder.file("err").c_str(), O_CREAT | O_WRONLY, 0600), STDERR_FILENO);
    become(std::move(arguments));
}

// Runs hetmap; with `interrupt_after` sends Ctrl-C, or another signal, after that time.
inline Outcome hetmap(std::vector<std::string> arguments,
                      std::chrono::milliseconds interrupt_after = std::chrono::milliseconds{0},
                      int signal = SIGINT) {
    const TemporaryFolder folder;
    arguments.insert(arguments.begin(), HETMAP_PROGRAM);
    const pid_t child = fork();
    if (child == 0) {
        become(std::move(arguments), folder);
    }
    if (interrupt_after.count() > 0) {
        std::this_thread::sleep_for(interrupt_after);
        kill(child, signal);
    }
    return outcome_of(child, folder);
}

// Sends the signal later and later, until the program has something to end with.
inline Outcome interrupted_hetmap(const std::vector<std::string>& arguments, int signal = SIGINT) {
    Outcome outcome;
    for (std::chrono::milliseconds after{200}; outcome.code != 0 && after.count() < 60'000;
         after *= 2) {
        outcome = hetmap(arguments, after, signal);
    }
    return outcome;
}

// Runs a line of the shell, in which "$hetmap" is the program.
inline Outcome shell(const std::string& line) {
    const TemporaryFolder folder;
    const pid_t child = fork();
    if (child == 0) {
        setenv("hetmap", HETMAP_PROGRAM, 1);
        become({"/bin/sh", "-c", line}, folder);
    }
    return outcome_of(child, folder);
}
