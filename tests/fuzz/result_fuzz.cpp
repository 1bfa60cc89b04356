// `hetmap show result`.

#include "fuzz.hpp"
#include "sim/report/result_file.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::MemoryFile file;
    file.write(fuzz::text_of(data, size));
    for (const bool as_json : {false, true}) {
        fuzz::tolerate([&] { sim::result_text(file.path(), as_json); });
    }
    return 0;
}
