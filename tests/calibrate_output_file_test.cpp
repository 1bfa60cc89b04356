#include "calibrate/output_file.hpp"
#include "sim/error.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace {

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("a file is replaced whole or not at all") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "file.yaml";
    calibrate::write_file(path, "first");
    calibrate::write_file(path, "second");
    CHECK(text_of(path) == "second");
    CHECK(std::distance(std::filesystem::directory_iterator{folder.path()}, {}) == 1);
    CHECK_THROWS_AS(calibrate::write_file(folder.path() / "nowhere" / "file", "x"),
                    sim::InputError);
}

TEST_CASE("an unwritable path is found out before the work") {
    const TemporaryFolder folder;
    CHECK_NOTHROW(calibrate::check_writable(folder.path() / "new.yaml"));
    CHECK_THROWS_AS(calibrate::check_writable(folder.path() / "nowhere" / "x.yaml"),
                    sim::InputError);
    CHECK_THROWS_AS(calibrate::check_writable(folder.path()), sim::InputError);
}
