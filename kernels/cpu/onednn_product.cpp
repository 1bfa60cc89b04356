#include "kernels/cpu/onednn_product.hpp"

#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/onednn_library.hpp"
#include "kernels/registry.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace kernels::cpu::onednn {
namespace {

using Dims = std::array<std::int64_t, 12>;  // dnnl_dims_t

const Library& there() {
    const Library* const all = library();
    if (all == nullptr) {
        throw std::runtime_error("oneDNN: no library of version 2 or 3 was found");
    }
    return *all;
}

void check(int status, const char* what) {
    if (status != 0) {
        throw std::runtime_error(std::string{"oneDNN: "} + what + " failed (status " +
                                 std::to_string(status) + ")");
    }
}

// What has to be given back to the library.
using Handle = std::unique_ptr<void, int (*)(void*)>;

template <typename Create>
Handle made(int (*destroy)(void*), const char* what, const Create& create) {
    void* handle = nullptr;
    check(create(&handle), what);
    return {handle, destroy};
}

// Of a tensor: its size and where its elements lie.
class Descriptor {
public:
    // Elements at multiples of the strides.
    Descriptor(std::initializer_list<std::int64_t> sizes, const std::int64_t* strides) {
        Dims dims{}, steps{};
        std::copy(sizes.begin(), sizes.end(), dims.begin());
        std::copy_n(strides, sizes.size(), steps.begin());
        make([&](auto* to, const auto& functions) {
            return functions.by_strides(
                to, static_cast<int>(sizes.size()), dims.data(), kF32, steps.data());
        });
    }
    // As the library's number for a layout says; kAnyLayout: whichever it likes.
    Descriptor(std::initializer_list<std::int64_t> sizes, int tag) {
        Dims dims{};
        std::copy(sizes.begin(), sizes.end(), dims.begin());
        make([&](auto* to, const auto& functions) {
            return functions.by_tag(to, static_cast<int>(sizes.size()), dims.data(), kF32, tag);
        });
    }
    const void* get() const { return handle_ ? handle_.get() : bytes_.data(); }

private:
    template <typename Describe>
    void make(const Describe& describe) {
        const Library& lib = there();
        if (lib.major == 2) {
            check(describe(static_cast<void*>(bytes_.data()), lib.two), "describing a tensor");
            return;
        }
        void* handle = nullptr;
        check(describe(&handle, lib.three), "describing a tensor");
        handle_ = {handle, lib.three.descriptor_destroy};
    }

    alignas(16) std::array<std::byte, 1024> bytes_{};  // version 2: dnnl_memory_desc_t, 696 bytes
    Handle handle_{nullptr, nullptr};
};

Descriptor dense(int images, int height, int width, int channels) {
    const std::int64_t row = std::int64_t{width} * channels;
    const std::int64_t strides[] = {height * row, 1, row, channels};
    return {{images, channels, height, width}, strides};
}

Descriptor matrix(int rows, int columns) {
    const std::int64_t strides[] = {columns, 1};
    return {{rows, columns}, strides};
}

// ---- Work outside runs ------------------------------------------------------------------------

Handle primitive_of(const Handle& description) {
    return made(there().primitive_destroy, "making a primitive", [&](void** to) {
        return there().primitive_create(to, description.get());
    });
}

Handle stream() {
    const Library& lib = there();
    return made(lib.stream_destroy, "making a stream", [&](void** to) {
        return lib.stream_create(to, lib.engine, kDefaultStream);
    });
}

// The library has one kind of memory, also for what it only reads.
float* writable(const float* data) {
    return const_cast<float*>(data);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

// Where tensors lie is said anew for each run, of those that are not `data`.
Handle memory(const void* descriptor, void* data) {
    const Library& lib = there();
    return made(lib.memory_destroy, "making a memory", [&](void** to) {
        return lib.memory_create(to, descriptor, lib.engine, data);
    });
}

// On this thread alone, as long as it lives: a primitive's work is divided when it is made.
class OneThread {
public:
    explicit OneThread(const Library& library) : library_(library) {
        if (library.omp_set_num_threads != nullptr) {
            before_ = library.omp_get_max_threads();
            library.omp_set_num_threads(1);
        }
    }
    ~OneThread() {
        if (library_.omp_set_num_threads != nullptr) {
            library_.omp_set_num_threads(before_);
        }
    }
    OneThread(const OneThread&) = delete;
    OneThread& operator=(const OneThread&) = delete;

private:
    const Library& library_;
    int before_ = 1;
};

void reorder(const void* from_descriptor, const float* from, const void* to_descriptor, float* to) {
    const Library& lib = there();
    const Handle description =
        made(lib.description_destroy, "describing a reorder", [&](void** at) {
            return lib.reorder_create(
                at, from_descriptor, lib.engine, to_descriptor, lib.engine, nullptr);
        });
    const Handle primitive = primitive_of(description), on = stream();
    const Handle source = memory(from_descriptor, writable(from)),
                 target = memory(to_descriptor, to);
    const Argument arguments[] = {{kSource, source.get()}, {kTarget, target.get()}};
    check(lib.primitive_execute(primitive.get(), on.get(), 2, arguments), "a reorder");
    check(lib.stream_wait(on.get()), "a reorder");
}

// The library's number for a layout in blocks differs between its versions, so it is found by what
// that layout does to a small tensor. 0: there is none.
int find_tag(int block) {
    constexpr int kMostTags = 1024, kImages = 2, kHeight = 2, kWidth = 3,
                  kPixels = kHeight * kWidth;
    const Library& lib = there();
    const OneThread alone{lib};
    const int channels = 2 * block;
    const auto elements = static_cast<std::size_t>(kImages * kPixels * channels);
    std::vector<float> numbers(elements), expected(elements), found(elements);
    for (std::size_t i = 0; i < elements; ++i) {
        numbers[i] = static_cast<float>(i);
    }
    convert({kHeight, kWidth, channels, Element::f32},
            kImages,
            Layout::nhwc,
            block == 8 ? Layout::nchw8c : Layout::nchw16c,
            reinterpret_cast<const std::byte*>(numbers.data()),
            reinterpret_cast<std::byte*>(expected.data()));
    const Descriptor plain = dense(kImages, kHeight, kWidth, channels);
    for (int tag = kAnyLayout + 1; tag < kMostTags; ++tag) {
        try {
            const Descriptor tried{{kImages, channels, kHeight, kWidth}, tag};
            if (lib.memory_desc_get_size(tried.get()) != elements * sizeof(float)) {
                continue;
            }
            reorder(plain.get(), numbers.data(), tried.get(), found.data());
        } catch (const std::runtime_error&) {
            continue;  // a layout of tensors of other dimensions
        }
        if (found == expected) {
            return tag;
        }
    }
    return 0;
}

int tag_of(int block) {
    if (block == 8) {
        static const int k8 = find_tag(8);
        return k8;
    }
    static const int k16 = find_tag(16);
    return k16;
}

// ---- Products ---------------------------------------------------------------------------------

Descriptor images_of(const Product& product, int count, int height, int width, int channels) {
    return product.block == 1 ? dense(count, height, width, channels)
                              : Descriptor{{count, channels, height, width}, tag_of(product.block)};
}

Handle attributes_of(const Product& product) {
    const Library& lib = there();
    Handle attributes = made(lib.attributes_destroy, "making attributes", [&](void** to) {
        return lib.attributes_create(to);
    });
    check(lib.set_scratchpad_mode(attributes.get(), kScratchpadOfTheUser),
          "setting the scratchpad");
    if (product.limited) {
        const Handle after = made(lib.post_ops_destroy, "making post-ops", [&](void** to) {
            return lib.post_ops_create(to);
        });
        const int clip = lib.eltwise_clip();
        check(lib.major == 2 ? lib.two.clamp(after.get(), 1, clip, product.least, product.most)
                             : lib.three.clamp(after.get(), clip, product.least, product.most),
              "adding limits");
        check(lib.set_post_ops(attributes.get(), after.get()), "setting post-ops");
    }
    return attributes;
}

struct Layouts {
    Descriptor source, target, bias, wanted_weights, given_weights;
};

Layouts layouts_of(const Product& product) {
    const std::int64_t one[] = {1};
    Descriptor bias{{product.out_channels}, one};
    if (product.linear) {
        return {.source = matrix(product.images, product.channels),
                .target = matrix(product.images, product.out_channels),
                .bias = std::move(bias),
                .wanted_weights = Descriptor{{product.out_channels, product.channels}, kAnyLayout},
                .given_weights = matrix(product.out_channels, product.channels)};
    }
    const std::int64_t groups = product.groups, inputs = product.channels / groups,
                       outputs = product.out_channels / groups, height = product.kernel_height,
                       width = product.kernel_width, filter = height * width * inputs;
    const std::int64_t strides[] = {outputs * filter, filter, 1, width * inputs, inputs};
    const auto weights = [&](auto... where) {
        return groups == 1 ? Descriptor{{outputs, inputs, height, width}, where...}
                           : Descriptor{{groups, outputs, inputs, height, width}, where...};
    };
    const int images = product.images;
    return {.source = images_of(product, images, product.height, product.width, product.channels),
            .target = images_of(
                product, images, product.out_height, product.out_width, product.out_channels),
            .bias = std::move(bias),
            .wanted_weights = weights(kAnyLayout),
            .given_weights = weights(groups == 1 ? strides + 1 : strides)};
}

Handle description_of(const Product& product, const Layouts& layouts) {
    const Library& lib = there();
    const Handle attributes = attributes_of(product);
    const Dims strides{product.stride, product.columns_stride}, before{product.top, product.left},
        after{product.bottom, product.right};
    const void* const source = layouts.source.get();
    const void* const weights = layouts.wanted_weights.get();
    const void* const bias = layouts.bias.get();
    const void* const target = layouts.target.get();
    return made(lib.description_destroy, "describing a product", [&](void** to) {
        if (lib.major == 2) {
            // dnnl_convolution_desc_t, the larger of the two, has 5976 bytes.
            alignas(16) std::array<std::byte, 16384> operation{};
            check(product.linear
                      ? lib.two.inner_product(
                            operation.data(), kForwardInference, source, weights, bias, target)
                      : lib.two.convolution(operation.data(),
                                            kForwardInference,
                                            kDirect,
                                            source,
                                            weights,
                                            bias,
                                            target,
                                            strides.data(),
                                            before.data(),
                                            after.data()),
                  "describing an operation");
            return lib.two.description_create(
                to, operation.data(), attributes.get(), lib.engine, nullptr);
        }
        return product.linear ? lib.three.inner_product(to,
                                                        lib.engine,
                                                        kForwardInference,
                                                        source,
                                                        weights,
                                                        bias,
                                                        target,
                                                        attributes.get())
                              : lib.three.convolution(to,
                                                      lib.engine,
                                                      kForwardInference,
                                                      kDirect,
                                                      source,
                                                      weights,
                                                      bias,
                                                      target,
                                                      strides.data(),
                                                      Dims{}.data(),
                                                      before.data(),
                                                      after.data(),
                                                      attributes.get());
    });
}

}  // namespace

bool knows_blocks(int channels) { return library() != nullptr && tag_of(channels) != 0; }

// Laid out as the primitive that `description` tells of wants them.
class Weights {
public:
    Weights(const Layouts& layouts, Handle description, std::span<const float> weights)
        : description_(std::move(description)),
          data_((there().memory_desc_get_size(wanted()) + 3) / 4) {
        reorder(layouts.given_weights.get(), weights.data(), wanted(), data_.data());
    }

    const void* wanted() const { return there().query_md(description_.get(), kWantedWeights, 0); }
    const float* data() const { return data_.data(); }

private:
    Handle description_;
    Buffer<float> data_;
};

struct Primitive::State {
    std::shared_ptr<const Weights> weights;
    Buffer<float> biases, scratchpad;
    Handle primitive, stream, source, target, weights_memory, bias_memory, scratchpad_memory;
};

Primitive::Primitive(const Product& product,
                     std::span<const float> weights,
                     std::span<const float> biases,
                     std::shared_ptr<const Weights> shared) {
    const Library& lib = there();
    const OneThread alone{lib};
    const Layouts layouts = layouts_of(product);
    Handle description = description_of(product, layouts);
    const auto asked = [&](int what) { return lib.query_md(description.get(), what, 0); };
    const void* const scratchpad = asked(kWantedScratchpad);

    Handle primitive = primitive_of(description);
    Buffer<float> room((lib.memory_desc_get_size(scratchpad) + 3) / 4), added(biases.size());
    std::copy(biases.begin(), biases.end(), added.data());
    Handle scratchpad_memory = memory(scratchpad, room.data());
    if (shared == nullptr || lib.memory_desc_equal(shared->wanted(), asked(kWantedWeights)) == 0) {
        shared = std::make_shared<const Weights>(layouts, std::move(description), weights);
    }
    Handle weights_memory = memory(shared->wanted(), writable(shared->data())),
           bias_memory = memory(layouts.bias.get(), added.data());
    state_ = std::make_unique<State>(State{.weights = std::move(shared),
                                           .biases = std::move(added),
                                           .scratchpad = std::move(room),
                                           .primitive = std::move(primitive),
                                           .stream = stream(),
                                           .source = memory(layouts.source.get(), nullptr),
                                           .target = memory(layouts.target.get(), nullptr),
                                           .weights_memory = std::move(weights_memory),
                                           .bias_memory = std::move(bias_memory),
                                           .scratchpad_memory = std::move(scratchpad_memory)});
}

Primitive::~Primitive() = default;
Primitive::Primitive(Primitive&&) noexcept = default;
Primitive& Primitive::operator=(Primitive&&) noexcept = default;

const std::shared_ptr<const Weights>& Primitive::weights() const { return state_->weights; }

void Primitive::run(const float* input, float* output) const {
    const Library& lib = there();
    const State& state = *state_;
    check(lib.memory_set_data_handle(state.source.get(), writable(input)), "setting input");
    check(lib.memory_set_data_handle(state.target.get(), output), "setting output");
    const Argument arguments[] = {{kSource, state.source.get()},
                                  {kTarget, state.target.get()},
                                  {kFactors, state.weights_memory.get()},
                                  {kBias, state.bias_memory.get()},
                                  {kScratchpad, state.scratchpad_memory.get()}};
    const OneThread alone{lib};
    check(lib.primitive_execute(state.primitive.get(), state.stream.get(), 5, arguments),
          "a product");
    check(lib.stream_wait(state.stream.get()), "a product");
}

}  // namespace kernels::cpu::onednn
