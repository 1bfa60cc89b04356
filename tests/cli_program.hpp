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

// Runs hetmap; with `interrupt_after` sends Ctrl-C after that time.
inline Outcome hetmap(std::vector<std::string> arguments,
                      std::chrono::milliseconds interrupt_after = std::chrono::milliseconds{0}) {
    const TemporaryFolder folder;
    const std::string out = folder.file("out"), err = folder.file("err");
    arguments.insert(arguments.begin(), HETMAP_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        const int o = open(out.c_str(), O_CREAT | O_WRONLY, 0600);
        const int e = open(err.c_str(), O_CREAT | O_WRONLY, 0600);
        dup2(o, STDOUT_FILENO);
        dup2(e, STDERR_FILENO);
        execv(argv[0], argv.data());
        _exit(127);
    }
    if (interrupt_after.count() > 0) {
        std::this_thread::sleep_for(interrupt_after);
        kill(child, SIGINT);
    }
    int status = 0;
    waitpid(child, &status, 0);
    Outcome outcome;
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outcome.out = text_of(out);
    outcome.err = text_of(err);
    return outcome;
}
