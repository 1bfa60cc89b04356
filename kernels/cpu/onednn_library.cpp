#include "kernels/cpu/onednn_library.hpp"

#include <cstdlib>
#include <dlfcn.h>
#include <link.h>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace kernels::cpu::onednn {
namespace {

constexpr unsigned kSequential = 1, kOpenMp = 2;  // dnnl_version_t's cpu_runtime

std::string file_of(void* handle) {
    const link_map* map = nullptr;
    return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? map->l_name : "";
}

// False if a name is missing.
bool fill(Library& library, void* handle) {
    bool all = true;
    const auto find = [&](auto*& function, const char* name) {
        function =
            reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
        all = all && function != nullptr;
    };
    find(library.version, "dnnl_version");
    if (!all) {
        return false;
    }
    library.major = library.version()->major;
    library.file = file_of(handle);
    find(library.engine_create, "dnnl_engine_create");
    find(library.stream_create, "dnnl_stream_create");
    find(library.stream_wait, "dnnl_stream_wait");
    find(library.stream_destroy, "dnnl_stream_destroy");
    find(library.memory_create, "dnnl_memory_create");
    find(library.memory_set_data_handle, "dnnl_memory_set_data_handle");
    find(library.memory_destroy, "dnnl_memory_destroy");
    find(library.memory_desc_get_size, "dnnl_memory_desc_get_size");
    find(library.memory_desc_equal, "dnnl_memory_desc_equal");
    find(library.attributes_create, "dnnl_primitive_attr_create");
    find(library.attributes_destroy, "dnnl_primitive_attr_destroy");
    find(library.set_scratchpad_mode, "dnnl_primitive_attr_set_scratchpad_mode");
    find(library.set_post_ops, "dnnl_primitive_attr_set_post_ops");
    find(library.post_ops_create, "dnnl_post_ops_create");
    find(library.post_ops_destroy, "dnnl_post_ops_destroy");
    find(library.primitive_create, "dnnl_primitive_create");
    find(library.primitive_destroy, "dnnl_primitive_destroy");
    find(library.primitive_execute, "dnnl_primitive_execute");
    find(library.description_destroy, "dnnl_primitive_desc_destroy");
    find(library.query_md, "dnnl_primitive_desc_query_md");
    find(library.reorder_create, "dnnl_reorder_primitive_desc_create");
    if (library.major == 2) {
        find(library.two.by_strides, "dnnl_memory_desc_init_by_strides");
        find(library.two.by_tag, "dnnl_memory_desc_init_by_tag");
        find(library.two.clamp, "dnnl_post_ops_append_eltwise");
        find(library.two.convolution, "dnnl_convolution_forward_desc_init");
        find(library.two.inner_product, "dnnl_inner_product_forward_desc_init");
        find(library.two.description_create, "dnnl_primitive_desc_create");
    } else {
        find(library.three.by_strides, "dnnl_memory_desc_create_with_strides");
        find(library.three.by_tag, "dnnl_memory_desc_create_with_tag");
        find(library.three.descriptor_destroy, "dnnl_memory_desc_destroy");
        find(library.three.clamp, "dnnl_post_ops_append_eltwise");
        find(library.three.convolution, "dnnl_convolution_forward_primitive_desc_create");
        find(library.three.inner_product, "dnnl_inner_product_forward_primitive_desc_create");
    }
    const bool known = library.major == 2 || library.major == 3;
    const unsigned runtime = library.version()->cpu_runtime;
    if (runtime == kOpenMp) {
        find(library.omp_set_num_threads, "omp_set_num_threads");
        find(library.omp_get_max_threads, "omp_get_max_threads");
    }
    return all && known && (runtime == kOpenMp || runtime == kSequential) &&
           library.engine_create(&library.engine, kCpu, 0) == 0;
}

}  // namespace

const Library* library() {
    // Its engine is needed as long as anything runs, so it is never given back.
    static const Library* const kLibrary = []() -> const Library* {
        std::vector<std::string> files{"libdnnl.so.3", "libdnnl.so.2"};
        if (const char* const named = std::getenv("HETMAP_ONEDNN")) {
            files = {named};
        }
        for (const std::string& file : files) {
            void* const handle =
                file.empty() ? nullptr : dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
            auto found = std::make_unique<Library>();
            if (handle != nullptr && fill(*found, handle)) {
                return found.release();
            }
        }
        return nullptr;
    }();
    return kLibrary;
}

}  // namespace kernels::cpu::onednn
