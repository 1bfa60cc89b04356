// Tests on NVIDIA GPUs: a program of its own, which returns 77 where there are none, so that ctest
// says "skipped". The tests take the first.

#define DOCTEST_CONFIG_IMPLEMENT
#include "calibrate/device.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <string>

int main(int argc, char** argv) {
    const calibrate::Discovery found = calibrate::backend("cuda").discover();
    for (const std::string& note : found.notes) {
        std::printf("%s%s\n", found.devices.empty() ? "skipped: " : "", note.c_str());
    }
    if (found.devices.empty()) {
        return 77;
    }
    for (const calibrate::DeviceInfo& device : found.devices) {
        std::printf("%s: %s\n", device.name.c_str(), device.description.c_str());
        for (const auto& [key, value] : device.facts) {
            std::printf("    %-16s %s\n", key.c_str(), value.c_str());
        }
        for (const std::string& warning : device.warnings) {
            std::printf("    warning: %s\n", warning.c_str());
        }
    }
    return doctest::Context{argc, argv}.run();
}
