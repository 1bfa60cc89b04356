// `hetmap import-profile`: what other tools write, up to a platform that is written and read back.

#include "fuzz.hpp"
#include "sim/import/profile.hpp"
#include "text_mutator.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::MemoryFile file, written;
    file.write(fuzz::text_of(data, size));
    fuzz::tolerate([&] { sim::read_copies(file.path()); });
    fuzz::tolerate([&] {
        sim::ProfileRequest request;
        request.name = "imported";
        request.files = {"times"};
        request.times.push_back(sim::read_times(file.path(), "gpu"));
        request.bandwidth_gb_per_s = 1;
        const std::string text = to_yaml(sim::import_profile(request).platform);
        written.write(text);
        try {
            sim::load_platform(written.path(), {});
        } catch (const sim::InputError& error) {
            fuzz::fail(error.what());
        }
    });
    return 0;
}
