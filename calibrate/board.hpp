#pragma once

// What a board tells of itself in /proc and /sys: its model, its kinds of cores with their clocks,
// heat, and whether it is there at all or emulated. All of it is read below a root folder, so that
// tests can make one up; what is not told is left out. machine.hpp makes facts and warnings of it.

#include "calibrate/device.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace calibrate {

// Cores of one kind: of the same capacity (the kernel's cpu_capacity) and model.
struct Cluster {
    std::string name;  // "little", "big", with three kinds "middle"; with more "cores_of_kind0" ...
    std::string model;  // "Cortex-A72"; empty: not told
    std::vector<int> cores;
    int capacity = 0;                           // of 1024; 0: not told
    std::string governor;                       // empty: not told
    long mhz = 0, limit_mhz = 0, most_mhz = 0;  // now, allowed now, possible; 0: not told
};

// From the slowest to the fastest; one where all cores are alike.
std::vector<Cluster> read_clusters(const std::filesystem::path& root = "/");

// Clusters as devices beside the dispatcher ("big", "little"), each with the cores of it that are
// among `allowed`: where there are several, and a core is left for the dispatcher.
std::vector<DeviceInfo> cluster_devices(std::span<const Cluster> clusters,
                                        std::span<const int> allowed);

// "Raspberry Pi 5 Model B Rev 1.0"; empty: not told.
std::string read_board_model(const std::filesystem::path& root = "/");

// "cpu-thermal 48.3 C, gpu-thermal 47.0 C"; empty: not told.
std::string read_temperatures(const std::filesystem::path& root = "/");

// What holds the processor back now, a sentence each: heat, and on a Raspberry Pi its supply.
std::vector<std::string> read_throttling(const std::filesystem::path& root = "/");

// Is this program run by an emulator of its processor, such as qemu-aarch64? Such an emulator
// answers for /proc/self, where the program's file is, and not for /proc/thread-self, where its own
// is.
bool is_emulated(const std::filesystem::path& root = "/");

}  // namespace calibrate
