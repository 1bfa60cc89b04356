// A platform file, after "%%%%" lines what --set says; and that what is written of a platform is
// read back as the same.

#include "sim/describe/platform.hpp"
#include "text_mutator.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::MemoryFile file, again;
    const std::vector<std::string_view> parts = fuzz::sections(fuzz::text_of(data, size));
    file.write(parts.front());
    const std::vector<std::string> set(parts.begin() + 1, parts.end());
    std::string written;
    fuzz::tolerate([&] { written = sim::to_yaml(sim::load_platform(file.path(), {}, set)); });
    if (!written.empty()) {
        again.write(written);
        if (sim::to_yaml(sim::load_platform(again.path(), {}, {})) != written) {
            fuzz::fail("another platform than the one that was written:\n" + written);
        }
    }
    return 0;
}
