// Tests on OpenCL devices: a program of its own, which returns 77 where there are none, so that
// ctest says "skipped". With --discover it says what the backend finds, for a test that has to ask
// in a process of its own.

#define DOCTEST_CONFIG_IMPLEMENT
#include "calibrate/device.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
    const calibrate::Discovery discovery = calibrate::backend("opencl").discover();
    if (argc == 2 && std::string_view{argv[1]} == "--discover") {
        for (const calibrate::DeviceInfo& info : discovery.devices) {
            std::printf("%s\n", info.name.c_str());
        }
        for (const std::string& note : discovery.notes) {
            std::printf("%s\n", note.c_str());
        }
        return 0;
    }
    if (discovery.devices.empty()) {
        for (const std::string& note : discovery.notes) {
            std::printf("skipped: %s\n", note.c_str());
        }
        return 77;
    }
    return doctest::Context{argc, argv}.run();
}
