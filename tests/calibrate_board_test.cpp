// What a board tells, read from a made-up root folder: a big.LITTLE phone, a Raspberry Pi that is
// too hot, a server whose cores are alike, and one that tells nothing.

#include "calibrate/board.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream{path} << text;
}

struct MadeUpCore {
    int capacity;
    const char* part;  // of Arm's
    const char* governor;
    int mhz, limit_mhz, most_mhz;
};

void write_cores(const fs::path& root, const std::vector<MadeUpCore>& cores) {
    std::string cpuinfo;
    for (std::size_t i = 0; i < cores.size(); ++i) {
        const MadeUpCore& core = cores[i];
        const std::string number = std::to_string(i);
        const fs::path folder = root / ("sys/devices/system/cpu/cpu" + number);
        write(folder / "cpu_capacity", std::to_string(core.capacity) + "\n");
        write(folder / "cpufreq/scaling_governor", std::string{core.governor} + "\n");
        write(folder / "cpufreq/scaling_cur_freq", std::to_string(core.mhz) + "000\n");
        write(folder / "cpufreq/scaling_max_freq", std::to_string(core.limit_mhz) + "000\n");
        write(folder / "cpufreq/cpuinfo_max_freq", std::to_string(core.most_mhz) + "000\n");
        cpuinfo += "processor\t: " + number + "\nBogoMIPS\t: 48.00\nCPU implementer\t: 0x41\n" +
                   "CPU part\t: " + core.part + "\nCPU revision\t: 1\n\n";
    }
    write(root / "proc/cpuinfo", cpuinfo);
    write(root / "sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "no core\n");
}

const MadeUpCore kA55{414, "0xd05", "schedutil", 1000, 1800, 1800},
    kA76{1024, "0xd0b", "performance", 2400, 1200, 2400};

std::vector<int> first(int count) {
    std::vector<int> cores(static_cast<std::size_t>(count));
    std::iota(cores.begin(), cores.end(), 0);
    return cores;
}

}  // namespace

TEST_CASE("cores of two kinds are two clusters, the slower first, and two devices") {
    const TemporaryFolder root;
    write_cores(root.file(""), {kA76, kA55, kA55, kA55, kA76, kA55});
    const auto clusters = calibrate::read_clusters(root.file(""));
    REQUIRE(clusters.size() == 2);
    CHECK(clusters[0].name == "little");
    CHECK(clusters[0].model == "Cortex-A55");
    CHECK(clusters[0].cores == std::vector<int>{1, 2, 3, 5});
    CHECK(clusters[0].governor == "schedutil");
    CHECK(clusters[1].name == "big");
    CHECK(clusters[1].capacity == 1024);
    CHECK(clusters[1].mhz == 2400);
    CHECK(clusters[1].limit_mhz == 1200);
    CHECK(clusters[1].most_mhz == 2400);

    const auto devices = calibrate::cluster_devices(clusters, first(6));
    REQUIRE(devices.size() == 2);
    CHECK(devices[0].name == "little");
    CHECK(devices[0].kind == "cores");
    CHECK(devices[0].cores == 4);
    CHECK(devices[1].these_cores == std::vector<int>{0, 4});
    CHECK(devices[1].description ==
          "cores 0, 4 of the host, Cortex-A76, capacity 1024, beside the dispatcher");
}

TEST_CASE("a cluster's device has only cores that the process may use, and leaves one") {
    const TemporaryFolder root;
    write_cores(root.file(""), {kA55, kA55, kA76, kA76});
    const auto clusters = calibrate::read_clusters(root.file(""));
    const auto some = calibrate::cluster_devices(clusters, std::vector<int>{0, 3});
    REQUIRE(some.size() == 2);
    CHECK(some[1].these_cores == std::vector<int>{3});
    CHECK(calibrate::cluster_devices(clusters, std::vector<int>{2, 3}).empty());
}

TEST_CASE("a core that is off is in no cluster, and three kinds have a middle") {
    const TemporaryFolder root;
    write_cores(root.file(""), {kA55, {900, "0xd41", "", 0, 0, 2200}, kA76, kA76});
    write(root.file("sys/devices/system/cpu/cpu3/online"), "0\n");
    const auto clusters = calibrate::read_clusters(root.file(""));
    REQUIRE(clusters.size() == 3);
    CHECK(clusters[1].name == "middle");
    CHECK(clusters[1].model == "Cortex-A78");
    CHECK(clusters[1].governor.empty());
    CHECK(clusters[2].cores == std::vector<int>{2});
}

TEST_CASE("cores that are alike are one cluster, and no device of their own") {
    const TemporaryFolder root;
    write_cores(root.file(""), {kA76, kA76, kA76, kA76});
    const auto clusters = calibrate::read_clusters(root.file(""));
    REQUIRE(clusters.size() == 1);
    CHECK(calibrate::cluster_devices(clusters, first(4)).empty());
}

TEST_CASE("heat and a weak supply are told, a fan is not") {
    const TemporaryFolder root;
    const fs::path thermal = root.file("sys/class/thermal");
    write(thermal / "thermal_zone0/type", "cpu-thermal\n");
    write(thermal / "thermal_zone0/temp", "81250\n");
    write(thermal / "thermal_zone0/trip_point_0_type", "active\n");
    write(thermal / "thermal_zone0/trip_point_0_temp", "50000\n");
    write(thermal / "thermal_zone0/trip_point_1_type", "passive\n");
    write(thermal / "thermal_zone0/trip_point_1_temp", "80000\n");
    write(thermal / "cooling_device0/type", "pwm-fan\n");
    write(thermal / "cooling_device0/cur_state", "4\n");
    write(thermal / "cooling_device1/type", "cpufreq-cpu0\n");
    write(thermal / "cooling_device1/cur_state", "2\n");
    write(thermal / "cooling_device1/max_state", "5\n");
    write(root.file("sys/devices/platform/soc/soc:firmware/get_throttled"), "50005\n");
    write(root.file("proc/device-tree/model"), std::string{"Raspberry Pi 5 Model B Rev 1.0\0", 31});
    CHECK(calibrate::read_board_model(root.file("")) == "Raspberry Pi 5 Model B Rev 1.0");
    CHECK(calibrate::read_temperatures(root.file("")) == "cpu-thermal 81.2 C");
    CHECK(calibrate::read_throttling(root.file("")) ==
          std::vector<std::string>{
              "clocks are held back against heat: cpufreq-cpu0 is at step 2 of 5",
              "cpu-thermal is at 81.2 C, and clocks are held back from 80.0 C on",
              "its supply is too weak: under-voltage now",
              "its firmware holds the clocks back now"});
    write(thermal / "thermal_zone0/temp", "48000\n");
    write(thermal / "cooling_device1/cur_state", "0\n");
    write(root.file("sys/devices/platform/soc/soc:firmware/get_throttled"), "50000\n");  // once
    CHECK(calibrate::read_throttling(root.file("")).empty());
}

TEST_CASE("a machine that tells nothing has no clusters, no heat and is not emulated") {
    const TemporaryFolder root;
    CHECK(calibrate::read_clusters(root.file("")).empty());
    CHECK(calibrate::read_throttling(root.file("")).empty());
    CHECK(calibrate::read_temperatures(root.file("")).empty());
    CHECK(calibrate::read_board_model(root.file("")).empty());
    CHECK_FALSE(calibrate::is_emulated(root.file("")));
}

TEST_CASE("a program whose file is another than the one that runs is emulated") {
    const TemporaryFolder root;
    fs::create_directories(root.file("proc/self"));
    fs::create_directories(root.file("proc/thread-self"));
    fs::create_symlink("/opt/hetmap/bin/hetmap", root.file("proc/self/exe"));
    fs::create_symlink("/usr/bin/qemu-aarch64", root.file("proc/thread-self/exe"));
    CHECK(calibrate::is_emulated(root.file("")));
    fs::remove(root.file("proc/thread-self/exe"));
    fs::create_symlink("/opt/hetmap/bin/hetmap", root.file("proc/thread-self/exe"));
    CHECK_FALSE(calibrate::is_emulated(root.file("")));
}
