// Tests on real images: a program of its own, which returns 77 where there are none, so that
// ctest says "skipped". HETMAP_DATA names the folder that holds fashion-mnist/.

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

int main(int argc, char** argv) {
    const char* const folder = std::getenv("HETMAP_DATA");
    if (folder == nullptr ||
        !std::filesystem::exists(std::filesystem::path{folder} / "fashion-mnist")) {
        std::puts("skipped: HETMAP_DATA names no folder that holds fashion-mnist/");
        return 77;
    }
    return doctest::Context{argc, argv}.run();
}
