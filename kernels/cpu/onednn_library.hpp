#pragma once

// The functions of oneDNN's C API that products need (https://oneapi-src.github.io/oneDNN). Its
// shared library is looked for when it is first asked for, so that neither building nor starting
// needs it.
//
// Versions 2 and 3 differ in how a tensor and an operation are described: in 2 by structs that the
// caller has, in 3 by handles. All else is alike, so one set of declarations serves both. Numbers
// are those of dnnl_types.h, 2.6 and 3.0; what they are of has `dnnl_` before its name.

#include <cstddef>
#include <cstdint>
#include <string>

namespace kernels::cpu::onednn {

struct Argument {  // dnnl_exec_arg_t
    int what;
    void* memory;
};

struct Version {  // dnnl_version_t
    int major, minor, patch;
    const char* hash;
    unsigned cpu_runtime, gpu_runtime;
};

// Of its enumerations and macros.
inline constexpr int kForwardInference = 96, kDirect = 1, kF32 = 3, kAnyLayout = 1, kCpu = 1,
                     kDefaultStream = 1, kScratchpadOfTheUser = 1, kWantedWeights = 131,
                     kWantedScratchpad = 136;
inline constexpr int kSource = 1, kTarget = 17, kFactors = 33, kBias = 41, kScratchpad = 80;

// Every function returns 0 where all went well, but for those that say otherwise.
struct Library {
    int major = 0;
    std::string file;
    void (*omp_set_num_threads)(int) = nullptr;  // of the OpenMP library that it came with, or null
    int (*omp_get_max_threads)() = nullptr;

    const Version* (*version)() = nullptr;
    int (*engine_create)(void** engine, int kind, std::size_t index) = nullptr;
    int (*stream_create)(void** stream, void* engine, unsigned flags) = nullptr;
    int (*stream_wait)(void* stream) = nullptr;
    int (*stream_destroy)(void*) = nullptr;
    int (*memory_create)(void** memory, const void* descriptor, void* engine, void* data) = nullptr;
    int (*memory_set_data_handle)(void* memory, void* data) = nullptr;
    int (*memory_destroy)(void*) = nullptr;
    std::size_t (*memory_desc_get_size)(const void* descriptor) = nullptr;  // bytes
    int (*memory_desc_equal)(const void*, const void*) = nullptr;           // 1 if they are
    int (*attributes_create)(void** attributes) = nullptr;
    int (*attributes_destroy)(void*) = nullptr;
    int (*set_scratchpad_mode)(void* attributes, int mode) = nullptr;
    int (*set_post_ops)(void* attributes, const void* post_ops) = nullptr;
    int (*post_ops_create)(void** post_ops) = nullptr;
    int (*post_ops_destroy)(void*) = nullptr;
    int (*primitive_create)(void** primitive, const void* description) = nullptr;
    int (*primitive_destroy)(void*) = nullptr;
    int (*primitive_execute)(const void* primitive,
                             void* stream,
                             int count,
                             const Argument* arguments) = nullptr;
    int (*description_destroy)(void*) = nullptr;
    const void* (*query_md)(const void* description, int what, int index) = nullptr;
    int (*reorder_create)(void** description,
                          const void* from,
                          void* engine,
                          const void* to,
                          void* same_engine,
                          const void* attributes) = nullptr;

    struct Two {
        int (*by_strides)(void* descriptor,
                          int count,
                          const std::int64_t* dims,
                          int type,
                          const std::int64_t* strides) = nullptr;
        int (*by_tag)(void* descriptor, int count, const std::int64_t* dims, int type, int tag) =
            nullptr;
        int (*clamp)(void* post_ops, float scale, int kind, float least, float most) = nullptr;
        int (*convolution)(void* operation,
                           int propagation,
                           int algorithm,
                           const void* source,
                           const void* weights,
                           const void* bias,
                           const void* target,
                           const std::int64_t* strides,
                           const std::int64_t* before,
                           const std::int64_t* after) = nullptr;
        int (*inner_product)(void* operation,
                             int propagation,
                             const void* source,
                             const void* weights,
                             const void* bias,
                             const void* target) = nullptr;
        int (*description_create)(void** description,
                                  const void* operation,
                                  const void* attributes,
                                  void* engine,
                                  const void* hint) = nullptr;
    } two;
    struct Three {
        int (*by_strides)(void** descriptor,
                          int count,
                          const std::int64_t* dims,
                          int type,
                          const std::int64_t* strides) = nullptr;
        int (*by_tag)(void** descriptor, int count, const std::int64_t* dims, int type, int tag) =
            nullptr;
        int (*descriptor_destroy)(void*) = nullptr;
        int (*clamp)(void* post_ops, int kind, float least, float most) = nullptr;
        int (*convolution)(void** description,
                           void* engine,
                           int propagation,
                           int algorithm,
                           const void* source,
                           const void* weights,
                           const void* bias,
                           const void* target,
                           const std::int64_t* strides,
                           const std::int64_t* dilations,
                           const std::int64_t* before,
                           const std::int64_t* after,
                           const void* attributes) = nullptr;
        int (*inner_product)(void** description,
                             void* engine,
                             int propagation,
                             const void* source,
                             const void* weights,
                             const void* bias,
                             const void* target,
                             const void* attributes) = nullptr;
    } three;

    void* engine = nullptr;  // for all; never destroyed

    int eltwise_clip() const { return major == 2 ? 0xff : 0x2e; }
};

// Null where there is no library of version 2 or 3 whose threads can be told apart: OpenMP's, or
// none. The file is HETMAP_ONEDNN where that is set (empty: none), else libdnnl.so.3 or
// libdnnl.so.2 as the loader finds them. It stays open: OpenMP's threads live as long as the
// process.
const Library* library();

}  // namespace kernels::cpu::onednn
