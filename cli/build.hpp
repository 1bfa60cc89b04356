#pragma once

// What this program was built from and with. cmake/build_info.cmake writes the values into one
// generated file, whenever the commit changes.

#include <string>

namespace cli {

extern const char* const kVersion;            // "0.1.0"
extern const char* const kRevision;           // "d19f2eb", "d19f2eb-dirty", or "unknown"
extern const char* const kRevisionDate;       // "2026-11-30", or "" where it is unknown
extern const char* const kCudaArchitectures;  // "75 80 90" (or "90-virtual"); "" without CUDA
extern const char* const kCudaVersion;        // of the toolkit: "13.0.48", or ""
extern const bool kHasOpenCl, kHasOnnx;

// "hetmap 0.1.0 (d19f2eb of 2026-11-30)", and in a line each what it can use, here and now.
std::string version_text();

}  // namespace cli
