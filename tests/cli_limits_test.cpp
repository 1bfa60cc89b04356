// The program where the machine, or a file, is not what it expects.

#include "cli_program.hpp"
#include "sanitized.hpp"

#include <doctest/doctest.h>

#include <string>
#include <sys/stat.h>
#include <zlib.h>

namespace {

// hetmap after a line of shell, such as a limit.
Outcome hetmap_after(const std::string& line, const std::string& arguments) {
    const TemporaryFolder folder;
    const std::string command = line + "; exec " HETMAP_PROGRAM " " + arguments + " >" +
                                folder.file("out") + " 2>" + folder.file("err");
    const int status = std::system(command.c_str());
    Outcome outcome;
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outcome.out = text_of(folder.file("out"));
    outcome.err = text_of(folder.file("err"));
    return outcome;
}

bool has(const std::string& text, const std::string& what) {
    return text.find(what) != std::string::npos;
}

// Sanitizers reserve terabytes of addresses.
constexpr bool kCanLimitMemory = !kIsSanitized;

const std::string kImage = std::string{HETMAP_SOURCE_DIR} + "/models/vgg3-fashion";

}  // namespace

TEST_CASE("what is no file ends in words and exit code 2, at once") {
    const TemporaryFolder folder;
    const std::string pipe = folder.file("pipe");
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    for (const std::string& command : {std::string{"show model "},
                                       std::string{"show platform "},
                                       std::string{"show mapping "},
                                       std::string{"show result "},
                                       "run --model " + kImage + " --data "}) {
        CAPTURE(command);
        const Outcome outcome = hetmap_after("true", command + pipe);
        CHECK(outcome.code == 2);
        CHECK(has(outcome.err, "pipe: expected a regular file, this is a pipe"));
    }
    const Outcome outcome = hetmap_after("true", "show result " + folder.path().string());
    CHECK(outcome.code == 2);
    CHECK(has(outcome.err, "expected a file, this is a folder"));
}

TEST_CASE("a bracket repeated nine million times takes no memory") {
    const TemporaryFolder folder;
    const std::string path =
        folder.write("m.yaml", "hetmap: model/1\nname: x\nlayers: " + std::string(9'000'000, '['));
    const Outcome outcome =
        hetmap_after(kCanLimitMemory ? "ulimit -v 300000" : "true", "show model " + path);
    CHECK(outcome.code == 2);
    CHECK(has(outcome.err, "m.yaml:3:24: nested deeper than 16 levels"));
}

TEST_CASE("a small file that gzip makes a large one takes no memory") {
    const TemporaryFolder folder;
    const std::string one = folder.file("one.gz");
    const gzFile file = gzopen(one.c_str(), "wb9");
    const std::string zeros(std::size_t{32} << 20, '\0');
    REQUIRE(gzwrite(file, zeros.data(), static_cast<unsigned>(zeros.size())) > 0);
    gzclose(file);
    std::string many;
    for (int i = 0; i < 33; ++i) {  // files of gzip, one after the other, are one
        many += text_of(one);
    }
    const std::string path = folder.write("t10k-images-idx3-ubyte.gz", many);
    const Outcome outcome = hetmap_after(kCanLimitMemory ? "ulimit -v 500000" : "true",
                                         "run --model " + kImage + " --data " + path);
    CHECK(outcome.code == 2);
    CHECK(has(outcome.err, "larger than 1 GiB"));
}

TEST_CASE("a batch that does not fit the memory is the machine's fault, and it says so") {
    if (!kCanLimitMemory) {
        return;
    }
    const TemporaryFolder folder;
    const Outcome outcome =
        hetmap_after("ulimit -v 2000000",
                     "calibrate --quick --budget 5s --device cpu --model resnet18-imagenet" +
                         std::string{" --batch 65536 --out "} + folder.file("p.yaml"));
    CHECK(outcome.code == 1);
    CHECK(has(outcome.err, "the tensors of a batch of 65536 need "));
    CHECK(has(outcome.err, " are free"));
}
