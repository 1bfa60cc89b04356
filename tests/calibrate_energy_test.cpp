// The host's energy counters, from a folder that looks like /sys/class/powercap; and what is said
// of a GPU that is not there.

#include "calibrate/energy.hpp"
#include "calibrate/nvml.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

using namespace calibrate;

namespace {

// A machine with two packages, their parts, and one package seen a second time.
class Powercap {
public:
    Powercap() {
        domain("intel-rapl:0", "package-0", 1'000'000);
        domain("intel-rapl:1", "package-1", 5'000'000);
        domain("intel-rapl:0:0", "core", 700'000);
        domain("intel-rapl:2", "psys", 9'000'000);
        domain("intel-rapl-mmio:0", "package-0", 1'000'000);
        folder_.write("dtpm/name", "dtpm\n");
    }
    void domain(const std::string& at, const std::string& name, long microjoules) {
        folder_.write(at + "/name", name + "\n");
        folder_.write(at + "/max_energy_range_uj", "10000000\n");
        set(at, microjoules);
    }
    void set(const std::string& at, long microjoules) {
        folder_.write(at + "/energy_uj", std::to_string(microjoules) + "\n");
    }
    std::filesystem::path path() const { return folder_.path(); }

private:
    TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("the host's energy is the sum over its packages since the first look") {
    Powercap powercap;
    PackageEnergy energy{powercap.path()};
    REQUIRE(energy.joules().has_value());
    CHECK(*energy.joules() == doctest::Approx(0.0));
    powercap.set("intel-rapl:0", 2'500'000);
    powercap.set("intel-rapl:1", 5'250'000);
    powercap.set("intel-rapl:0:0", 2'000'000);
    powercap.set("intel-rapl-mmio:0", 2'500'000);
    powercap.set("intel-rapl:2", 9'900'000);
    CHECK(*energy.joules() == doctest::Approx(1.75));
    CHECK(*energy.joules() == doctest::Approx(1.75));
}

TEST_CASE("an energy counter that begins again at zero loses nothing") {
    Powercap powercap;
    PackageEnergy energy{powercap.path()};
    REQUIRE(energy.joules().has_value());
    powercap.set("intel-rapl:1", 9'900'000);
    CHECK(*energy.joules() == doctest::Approx(4.9));
    powercap.set("intel-rapl:1", 400'000);  // 0.1 J to its end, then 0.4 J
    CHECK(*energy.joules() == doctest::Approx(5.4));
    powercap.set("intel-rapl:1", 300'000);  // and once more
    CHECK(*energy.joules() == doctest::Approx(5.4 + 9.9));
}

TEST_CASE("energy that cannot be read is nothing, not zero") {
    Powercap powercap;
    SUBCASE("no powercap folder") {
        PackageEnergy energy{powercap.path() / "missing"};
        CHECK_FALSE(energy.joules().has_value());
    }
    SUBCASE("no packages in it") {
        PackageEnergy energy{powercap.path() / "dtpm"};
        CHECK_FALSE(energy.joules().has_value());
    }
    SUBCASE("one package without a counter that can be read") {
        std::filesystem::remove(powercap.path() / "intel-rapl:1" / "energy_uj");
        std::filesystem::create_directory(powercap.path() / "intel-rapl:1" / "energy_uj");
        PackageEnergy energy{powercap.path()};
        CHECK_FALSE(energy.joules().has_value());
    }
    SUBCASE("a counter that goes back and does not say where it ends") {
        PackageEnergy energy{powercap.path()};
        REQUIRE(energy.joules().has_value());
        std::filesystem::remove(powercap.path() / "intel-rapl:0" / "max_energy_range_uj");
        powercap.set("intel-rapl:0", 1);
        CHECK_FALSE(energy.joules().has_value());
    }
}

TEST_CASE("a GPU that is not there has no state, and throttling is told in words") {
    CHECK_FALSE(Nvml::find("0000:ff:1f.7").has_value());
    CHECK(throttle_reasons(0x0).empty());
    CHECK(throttle_reasons(0x1).empty());  // idle
    const std::vector<std::string> expected{"power limit", "too warm (driver)"};
    CHECK(throttle_reasons(0x24) == expected);
}
