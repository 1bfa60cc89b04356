#include "cli/build.hpp"

#include "kernels/registry.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace cli {

std::string version_text() {
    std::string commit = kRevision;
    if (*kRevisionDate != '\0') {
        commit += fmt::format(" of {}", kRevisionDate);
    }
    // The processor's kernels, and the shared libraries that some of them are from.
    std::vector<std::string> here, absent, libraries;
    for (const kernels::Variant& variant : kernels::variants()) {
        const bool is_here = variant.supported();
        (is_here ? here : absent).emplace_back(variant.name);
        if (is_here && variant.library != nullptr) {
            const std::string library = variant.library();
            if (libraries.empty() || libraries.back() != library) {
                libraries.push_back(library);
            }
        }
    }
    const std::string cuda =
        *kCudaArchitectures == '\0'
            ? "no"
            : fmt::format("for {} (CUDA {})", kCudaArchitectures, kCudaVersion);
    return fmt::format(
        "hetmap {} ({})\n\n"
        "cpu      {}{}{}\n"
        "cuda     {}\n"
        "opencl   {}\n"
        "loaded   {}\n"
        "import   {}",
        kVersion,
        commit,
        fmt::join(here, ", "),
        absent.empty() ? "" : "; not on this machine: ",
        fmt::join(absent, ", "),
        cuda,
        kHasOpenCl ? "yes" : "no",
        libraries.empty() ? "nothing; oneDNN (libdnnl) would be, for f32"
                          : fmt::format("{}", fmt::join(libraries, ", ")),
        kHasOnnx ? "ONNX" : "no ONNX");
}

}  // namespace cli
