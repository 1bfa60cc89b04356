#include "calibrate/output_file.hpp"
#include "sim/error.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
    std::ifstream file{path};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::ptrdiff_t entries_in(const fs::path& folder) {
    return std::distance(fs::directory_iterator{folder}, {});
}

fs::perms permissions_of(const fs::path& path) { return fs::status(path).permissions(); }

std::string refusal(const std::vector<calibrate::NamedFile>& outputs,
                    const std::vector<calibrate::NamedFile>& inputs) {
    try {
        calibrate::check_outputs(outputs, inputs);
    } catch (const sim::InputError& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("a file is replaced whole or not at all") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "file.yaml";
    calibrate::write_file(path, "first");
    calibrate::write_file(path, "second");
    CHECK(text_of(path) == "second");
    CHECK(entries_in(folder.path()) == 1);
    CHECK_THROWS_AS(calibrate::write_file(folder.path() / "nowhere" / "file", "x"),
                    sim::InputError);
}

TEST_CASE("an unwritable path is found out before the work") {
    const TemporaryFolder folder;
    const auto check = [](const fs::path& path) {
        calibrate::check_outputs(std::vector<calibrate::NamedFile>{{"--out", path}}, {});
    };
    CHECK_NOTHROW(check(folder.path() / "new.yaml"));
    CHECK_THROWS_AS(check(folder.path() / "nowhere" / "x.yaml"), sim::InputError);
    CHECK_THROWS_AS(check(folder.path()), sim::InputError);
    CHECK_THROWS_AS(check(folder.path() / std::string(300, 'x')), sim::InputError);
}

TEST_CASE("a link stays a link, and its target is replaced") {
    const TemporaryFolder folder;
    const auto target = folder.path() / "target", link = folder.path() / "link";
    folder.write("target", "old");
    fs::create_symlink("target", link);
    calibrate::write_file(link, "new");
    CHECK(fs::is_symlink(link));
    CHECK_FALSE(fs::is_symlink(target));
    CHECK(text_of(target) == "new");

    fs::create_symlink("not-yet", folder.path() / "dangling");
    calibrate::write_file(folder.path() / "dangling", "made");
    CHECK(text_of(folder.path() / "not-yet") == "made");

    fs::create_symlink("b", folder.path() / "a");
    fs::create_symlink("a", folder.path() / "b");
    CHECK_THROWS_AS(calibrate::write_file(folder.path() / "a", "x"), sim::InputError);
}

TEST_CASE("permissions and other hard links are kept") {
    const TemporaryFolder folder;
    const fs::path path = folder.write("file", "a long old text");
    const auto mode = fs::perms::owner_read | fs::perms::owner_write | fs::perms::others_read;
    fs::permissions(path, mode);
    calibrate::write_file(path, "new");
    CHECK(permissions_of(path) == mode);
    CHECK(text_of(path) == "new");

    fs::create_hard_link(path, folder.path() / "other");
    calibrate::write_file(path, "x");
    CHECK(fs::hard_link_count(path) == 2);
    CHECK(text_of(folder.path() / "other") == "x");
    CHECK(permissions_of(path) == mode);
    CHECK(entries_in(folder.path()) == 2);
}

TEST_CASE("new files have the permissions that the user's mask leaves") {
    const TemporaryFolder folder;
    const mode_t before = umask(027);
    calibrate::write_file(folder.path() / "file", "x");
    umask(before);
    CHECK(static_cast<unsigned>(permissions_of(folder.path() / "file")) == 0640U);
}

TEST_CASE("devices and pipes are written to, not replaced") {
    CHECK_NOTHROW(calibrate::write_file("/dev/null", "x"));
    CHECK(fs::is_character_file("/dev/null"));
    CHECK_THROWS_AS(calibrate::write_file("/dev/full", "x"), sim::MachineError);

    const TemporaryFolder folder;
    const auto pipe = folder.path() / "pipe";
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    CHECK_THROWS_AS(calibrate::write_file(pipe, "x"), sim::InputError);  // nobody reads
    const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
    REQUIRE(reader >= 0);
    calibrate::write_file(pipe, "through");
    char text[16] = {};
    CHECK(read(reader, text, sizeof text) == 7);
    close(reader);
    CHECK(std::string{text} == "through");
    CHECK(fs::is_fifo(pipe));
}

TEST_CASE("an open descriptor is written to where it stands") {
    const TemporaryFolder folder;
    const std::string path = folder.file("file");
    const int file = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
    REQUIRE(file >= 0);
    REQUIRE(write(file, "before ", 7) == 7);
    calibrate::write_file("/dev/fd/" + std::to_string(file), "here");
    REQUIRE(write(file, " after", 6) == 6);
    close(file);
    CHECK(text_of(path) == "before here after");
}

TEST_CASE("what is planted under a guessable temporary name is not followed") {
    const TemporaryFolder folder;
    const fs::path victim = folder.write("victim", "precious");
    for (const char* name : {".part", ".tmp", "~"}) {
        fs::create_symlink("victim", folder.path() / ("out" + std::string{name}));
        fs::create_symlink("victim", folder.path() / ("out." + std::to_string(getpid()) + name));
    }
    calibrate::write_file(folder.path() / "out", "mapping");
    CHECK(text_of(victim) == "precious");
    CHECK_FALSE(fs::is_symlink(folder.path() / "out"));
}

TEST_CASE("outputs are neither inputs nor each other, whatever they are called") {
    const TemporaryFolder folder;
    const fs::path input = folder.write("in.yaml", "x");
    fs::create_symlink("in.yaml", folder.path() / "link");
    fs::create_hard_link(input, folder.path() / "hard");
    const auto at = [&](const char* name) { return folder.path() / name; };
    CHECK(
        refusal({{"--out", at("out")}, {"--gantt", at("gantt")}}, {{"--platform", input}}).empty());
    for (const char* same : {"in.yaml", "./in.yaml", "link", "hard"}) {
        CAPTURE(same);
        CHECK(refusal({{"--out", at(same)}}, {{"--platform", input}})
                  .ends_with("would overwrite what --platform reads"));
    }
    CHECK(refusal({{"--out", at("new")}, {"--gantt", at("./new")}}, {}).starts_with("--gantt: "));
    CHECK(refusal({{"--out", "/dev/null"}, {"--gantt", "/dev/null"}}, {}).empty());
}

TEST_CASE("a folder is replaced once all of it is written, and stays where that fails") {
    const TemporaryFolder folder;
    const fs::path out = folder.path() / "a/out";
    const auto fill = [](const char* name) {
        return [name](const fs::path& part) { calibrate::write_file(part / name, name); };
    };
    const auto names = [&](const fs::path& in) {
        std::string text;
        for (const auto& entry : fs::directory_iterator{in}) {
            text += entry.path().filename().string() + " ";
        }
        return text;
    };
    calibrate::write_folder(out, fill("one"));
    CHECK(names(out) == "one ");
    calibrate::write_folder(out.string() + "/", fill("two"));
    CHECK(names(out) == "two ");
    CHECK_THROWS_AS(calibrate::write_folder(out,
                                            [&](const fs::path& part) {
                                                fill("three")(part);
                                                throw sim::InputError{"no"};
                                            }),
                    sim::InputError);
    CHECK(names(out) == "two ");
    CHECK(names(out.parent_path()) == "out ");

    fs::create_directory_symlink(out, folder.path() / "link");
    calibrate::write_folder(folder.path() / "link", fill("four"));
    CHECK(fs::is_symlink(folder.path() / "link"));
    CHECK(names(out) == "four ");
    CHECK_THROWS_AS(calibrate::write_folder(out / "four", fill("five")), sim::InputError);
}

TEST_CASE("a copied file is there with its folders, or not at all") {
    const TemporaryFolder folder;
    const fs::path from = folder.write("from", "text");
    calibrate::copy_file(from, folder.path() / "a/b/to");
    calibrate::copy_file(from, folder.path() / "a/b/to");
    CHECK(text_of(folder.path() / "a/b/to") == "text");
    CHECK_THROWS_AS(calibrate::copy_file(folder.path() / "none", folder.path() / "a/other"),
                    sim::MachineError);
    CHECK_FALSE(fs::exists(folder.path() / "a/other"));
}
