// How fast the packed kernels are, and how close to what the machine can do.
//
//   kernel_speed_benchmark [FILE.csv] [ROUNDS]
//
// One thread. Every sample lasts long enough for the clock, is measured in processor time of the
// thread (a neighbour's time slice is not ours), and all variants take turns with each other and
// with the register-only loops, so that a change of clock frequency hits all alike. Medians.
//
// The ceilings are loops that touch no memory: xor + popcount + add on independent registers,
// and the chained form with half the popcounts (kernels/cpu/conv_avx512.cpp explains it). A share
// is the layer's products per second over those of the xor + popcount + add loop, so the chained
// form may exceed 100 %.
//
// The peer is oneDNN's int8 convolution on the same shapes (s8 input, s8 weights, s8 output: no
// threshold, no packing), where libdnnl is found at run time.

#include "kernels/registry.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>
#if __has_include(<dnnl.h>)
#include <dnnl.h>
#define HAVE_DNNL_HEADER 1
#else
#define HAVE_DNNL_HEADER 0
#endif

using namespace kernels;

namespace {

// ---- Timing ----------------------------------------------------------------------------------

double thread_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Contestant {
    std::string name;
    std::function<void()> run;
    int repeats = 1;
    std::vector<double> samples = {};  // seconds of one run

    double median() const {
        std::vector<double> sorted = samples;
        std::nth_element(
            sorted.begin(), sorted.begin() + static_cast<long>(sorted.size() / 2), sorted.end());
        return sorted[sorted.size() / 2];
    }
};

// All take turns, `rounds` times; a sample lasts 60 us or more.
void race(std::deque<Contestant>& contestants, int rounds) {
    for (Contestant& contestant : contestants) {
        contestant.run();
        const double begin = thread_seconds();
        contestant.run();
        const double seconds = std::max(thread_seconds() - begin, 1e-8);
        contestant.repeats = std::max(1, static_cast<int>(std::ceil(60e-6 / seconds)));
    }
    for (int round = 0; round < rounds; ++round) {
        for (Contestant& contestant : contestants) {
            contestant.run();
            const double begin = thread_seconds();
            for (int i = 0; i < contestant.repeats; ++i) {
                contestant.run();
            }
            contestant.samples.push_back((thread_seconds() - begin) / contestant.repeats);
        }
    }
}

// ---- Ceilings: 512-bit loops on registers only -------------------------------------------------

#if defined(__x86_64__)

constexpr int kCeilingSteps = 1000;

// clang-format off

// Each loop ends with vzeroupper: what is left in the upper parts of registers slows down code
// with 128-bit instructions of the old encoding, such as the scalar variant.
#define CLOBBERED "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
                  "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

// 16 independent sums; 16 x 512 products in a step.
#define TRIPLE(sum, input, weight)                        \
    "vpxorq %%zmm" #input ", %%zmm" #weight ", %%zmm30\n" \
    "vpopcntq %%zmm30, %%zmm31\n"                         \
    "vpaddq %%zmm31, %%zmm" #sum ", %%zmm" #sum "\n"

void triple_loop() {
    for (int i = 0; i < kCeilingSteps; ++i) {
        asm volatile(
            TRIPLE(0, 20, 24) TRIPLE(1, 20, 25) TRIPLE(2, 20, 26) TRIPLE(3, 20, 27)
            TRIPLE(4, 21, 24) TRIPLE(5, 21, 25) TRIPLE(6, 21, 26) TRIPLE(7, 21, 27)
            TRIPLE(8, 22, 24) TRIPLE(9, 22, 25) TRIPLE(10, 22, 26) TRIPLE(11, 22, 27)
            TRIPLE(12, 23, 24) TRIPLE(13, 23, 25) TRIPLE(14, 23, 26) TRIPLE(15, 23, 27)
            ::: CLOBBERED);
    }
    asm volatile("vzeroupper" ::: CLOBBERED);
}

// 8 independent sums; the last q of each moves from register to register (8..15 and 16), forth
// and back; 16 x 1024 products in a step.
#define PAIR(sum, from, to)                                     \
    "vpxorq %%zmm20, %%zmm21, %%zmm" #to "\n"                   \
    "vpxorq %%zmm22, %%zmm23, %%zmm31\n"                        \
    "vpternlogq $0x5c, %%zmm" #to ", %%zmm" #from ", %%zmm31\n" \
    "vpopcntq %%zmm31, %%zmm31\n"                               \
    "vpaddq %%zmm31, %%zmm" #sum ", %%zmm" #sum "\n"

void pair_loop() {
    for (int i = 0; i < kCeilingSteps; ++i) {
        asm volatile(
            PAIR(0, 8, 16) PAIR(1, 9, 8) PAIR(2, 10, 9) PAIR(3, 11, 10)
            PAIR(4, 12, 11) PAIR(5, 13, 12) PAIR(6, 14, 13) PAIR(7, 15, 14)
            PAIR(7, 14, 15) PAIR(6, 13, 14) PAIR(5, 12, 13) PAIR(4, 11, 12)
            PAIR(3, 10, 11) PAIR(2, 9, 10) PAIR(1, 8, 9) PAIR(0, 16, 8)
            ::: CLOBBERED);
    }
    asm volatile("vzeroupper" ::: CLOBBERED);
}

// clang-format on

constexpr double kTripleProducts = 16.0 * 512 * kCeilingSteps;
constexpr double kPairProducts = 16.0 * 1024 * kCeilingSteps;

bool has_ceilings() {
    const Variant* avx512 = find_variant("avx512");
    return avx512 != nullptr && avx512->supported();
}

#else

void triple_loop() {}
void pair_loop() {}
constexpr double kTripleProducts = 0, kPairProducts = 0;
bool has_ceilings() { return false; }

#endif

// ---- Layers and their data ---------------------------------------------------------------------

struct Memory {
    struct Free {
        void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{64}); }
    };
    explicit Memory(std::size_t size)
        : data(static_cast<std::byte*>(::operator new (size, std::align_val_t{64}))) {
        std::memset(data.get(), 0, size);
    }
    std::unique_ptr<std::byte, Free> data;
};

std::mt19937_64& generator() {
    static std::mt19937_64 engine(1);
    return engine;
}

// Parameters that outlive the chains.
std::span<const std::uint64_t> random_words(std::size_t rows, std::size_t bits) {
    static std::deque<std::vector<std::uint64_t>> store;
    std::vector<std::uint64_t>& words = store.emplace_back();
    for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t bit = 0; bit < bits; bit += 64) {
            words.push_back(generator()() &
                            (~std::uint64_t{0} >> (64 - std::min<std::size_t>(64, bits - bit))));
        }
    }
    return words;
}

std::span<const std::int32_t> random_thresholds(int channels, int spread) {
    static std::deque<std::vector<std::int32_t>> store;
    std::vector<std::int32_t>& thresholds = store.emplace_back();
    std::uniform_int_distribution<int> distribution(-spread, spread);
    for (int c = 0; c < channels; ++c) {
        thresholds.push_back(distribution(generator()));
    }
    return thresholds;
}

Step conv(const Shape& input, int channels, int kernel = 3, int stride = 1) {
    Step step{.kind = StepKind::conv2d, .out_channels = channels};
    step.kernel_height = step.kernel_width = kernel;
    step.stride = stride;
    step.padding = kernel / 2;
    step.weights = random_words(static_cast<std::size_t>(channels),
                                static_cast<std::size_t>(kernel * kernel * input.channels));
    return step;
}

Step linear(const Shape& input, int channels) {
    Step step{.kind = StepKind::linear, .out_channels = channels};
    step.weights =
        random_words(static_cast<std::size_t>(channels),
                     static_cast<std::size_t>(input.height * input.width * input.channels));
    return step;
}

Step threshold(int channels, int fan_in, bool pixels = false) {
    Step step{.kind = StepKind::threshold};
    step.thresholds =
        random_thresholds(channels, static_cast<int>(std::sqrt(fan_in) * (pixels ? 100 : 1)) + 1);
    step.flips = random_words(1, static_cast<std::size_t>(channels));
    return step;
}

Step pool() {
    return {.kind = StepKind::max_pool2d, .kernel_height = 2, .kernel_width = 2, .stride = 2};
}

Chain conv_layer(Shape input, int channels, int batch, bool pooled = false) {
    Chain chain{.input = input, .steps = {}, .batch = batch};
    chain.steps.push_back(conv(input, channels));
    chain.steps.push_back(threshold(channels, 9 * input.channels, input.element == Element::u8));
    if (pooled) {
        chain.steps.push_back(pool());
    }
    return chain;
}

Chain linear_layer(Shape input, int channels, int batch, bool thresholded) {
    Chain chain{.input = input, .steps = {}, .batch = batch};
    if (input.height * input.width > 1) {
        chain.steps.push_back({.kind = StepKind::flatten});
    }
    chain.steps.push_back(linear(input, channels));
    if (thresholded) {
        chain.steps.push_back(threshold(channels, input.height * input.width * input.channels));
    }
    return chain;
}

double products_of(const Chain& chain) {
    Shape shape = chain.input;
    double products = 0;
    const std::vector<Shape> shapes = shapes_of(chain);
    for (std::size_t i = 0; i < chain.steps.size(); shape = shapes[i++]) {
        const Step& step = chain.steps[i];
        const double outputs = double(shapes[i].height) * shapes[i].width * shapes[i].channels;
        if (step.kind == StepKind::conv2d) {
            products += outputs * step.kernel_height * step.kernel_width * shape.channels;
        } else if (step.kind == StepKind::linear) {
            products += outputs * shape.height * shape.width * shape.channels;
        }
    }
    return products * chain.batch;
}

Memory random_tensor(const Shape& shape, int batch) {
    const std::size_t size = tensor_bytes(shape, Layout::nhwc, batch);
    Memory memory(size);
    if (shape.element == Element::binary && shape.channels % 64 != 0) {
        Memory plain(tensor_bytes(shape, Layout::plain, batch));
        const std::size_t count = tensor_bytes(shape, Layout::plain, batch);
        for (std::size_t i = 0; i < count; ++i) {
            plain.data.get()[i] = static_cast<std::byte>(generator()() & 1 ? 1 : -1);
        }
        convert(shape, batch, Layout::plain, Layout::nhwc, plain.data.get(), memory.data.get());
    } else {
        for (std::size_t i = 0; i < size; ++i) {
            memory.data.get()[i] = static_cast<std::byte>(generator()());
        }
    }
    return memory;
}

// Layers run one after the other, each with its own buffers.
class Network {
public:
    Network(const Variant& variant, const std::vector<Chain>& layers, const Memory& input)
        : input_(input.data.get()) {
        for (const Chain& chain : layers) {
            const Configuration alone{.threads = 1, .axes = ""};
            kernels_.push_back(std::make_unique<Kernel>(variant, chain, alone));
            output_bytes_ = tensor_bytes(output_of(chain), Layout::nhwc, chain.batch);
            buffers_.emplace_back(output_bytes_);
        }
    }
    void run() {
        const std::byte* input = input_;
        for (std::size_t i = 0; i < kernels_.size(); ++i) {
            kernels_[i]->run({input, nullptr, buffers_[i].data.get()}, pool_);
            input = buffers_[i].data.get();
        }
    }
    bool same_output(const Network& other) const {
        return std::memcmp(buffers_.back().data.get(),
                           other.buffers_.back().data.get(),
                           output_bytes_) == 0;
    }

private:
    const std::byte* input_;
    std::vector<std::unique_ptr<Kernel>> kernels_;
    std::vector<Memory> buffers_;
    std::size_t output_bytes_ = 0;
    ThreadPool pool_{1};
};

// ---- The peer ----------------------------------------------------------------------------------

#if HAVE_DNNL_HEADER

// oneDNN through its C interface, loaded at run time: nothing has to be linked.
class Dnnl {
public:
    Dnnl() {
        setenv("OMP_NUM_THREADS", "1", 1);  // read when the library is loaded
        library_ = dlopen("libdnnl.so.2", RTLD_NOW);
        if (library_ != nullptr &&
            (call<decltype(dnnl_engine_create)>("dnnl_engine_create")(&engine_, dnnl_cpu, 0) !=
                 dnnl_success ||
             call<decltype(dnnl_stream_create)>("dnnl_stream_create")(
                 &stream_, engine_, dnnl_stream_default_flags) != dnnl_success))
            library_ = nullptr;
    }
    bool found() const { return library_ != nullptr; }

    // A 3x3 convolution of this shape, or an empty function where oneDNN has none.
    std::function<void()> convolution(const Shape& input, int channels, int batch) {
        dnnl_memory_desc_t source, weights, destination;
        const dnnl_dims_t source_dims = {batch, input.channels, input.height, input.width};
        const dnnl_dims_t weight_dims = {channels, input.channels, 3, 3};
        const dnnl_dims_t destination_dims = {batch, channels, input.height, input.width};
        const auto describe =
            call<decltype(dnnl_memory_desc_init_by_tag)>("dnnl_memory_desc_init_by_tag");
        describe(&source, 4, source_dims, dnnl_s8, dnnl_nhwc);
        describe(&weights, 4, weight_dims, dnnl_s8, dnnl_format_tag_any);
        describe(&destination, 4, destination_dims, dnnl_s8, dnnl_nhwc);
        const dnnl_dims_t ones = {1, 1};
        dnnl_convolution_desc_t description;
        if (call<decltype(dnnl_convolution_forward_desc_init)>(
                "dnnl_convolution_forward_desc_init")(&description,
                                                      dnnl_forward_inference,
                                                      dnnl_convolution_direct,
                                                      &source,
                                                      &weights,
                                                      nullptr,
                                                      &destination,
                                                      ones,
                                                      ones,
                                                      ones) != dnnl_success)
            return {};
        dnnl_primitive_desc_t primitive_description;
        if (call<decltype(dnnl_primitive_desc_create)>("dnnl_primitive_desc_create")(
                &primitive_description, &description, nullptr, engine_, nullptr) != dnnl_success)
            return {};
        dnnl_primitive_t primitive;
        if (call<decltype(dnnl_primitive_create)>("dnnl_primitive_create")(
                &primitive, primitive_description) != dnnl_success)
            return {};
        const auto query =
            call<decltype(dnnl_primitive_desc_query_md)>("dnnl_primitive_desc_query_md");
        const auto argument = [&](int name, dnnl_query_t what) {
            const dnnl_memory_desc_t* md = query(primitive_description, what, 0);
            const std::size_t size =
                call<decltype(dnnl_memory_desc_get_size)>("dnnl_memory_desc_get_size")(md);
            memories_.emplace_back(size + 64);
            for (std::size_t i = 0; i < size; ++i)
                memories_.back().data.get()[i] = static_cast<std::byte>(generator()() & 1 ? 1 : -1);
            dnnl_memory_t memory = nullptr;
            call<decltype(dnnl_memory_create)>("dnnl_memory_create")(
                &memory, md, engine_, memories_.back().data.get());
            return dnnl_exec_arg_t{name, memory};
        };
        const std::vector<dnnl_exec_arg_t> arguments = {
            argument(DNNL_ARG_SRC, dnnl_query_src_md),
            argument(DNNL_ARG_WEIGHTS, dnnl_query_weights_md),
            argument(DNNL_ARG_DST, dnnl_query_dst_md)};
        const auto execute = call<decltype(dnnl_primitive_execute)>("dnnl_primitive_execute");
        const auto wait = call<decltype(dnnl_stream_wait)>("dnnl_stream_wait");
        return [=, this] {
            execute(primitive, stream_, static_cast<int>(arguments.size()), arguments.data());
            wait(stream_);
        };
    }

private:
    template <typename Function>
    Function* call(const char* name) const {
        return reinterpret_cast<Function*>(dlsym(library_, name));
    }

    void* library_ = nullptr;
    dnnl_engine_t engine_ = nullptr;
    dnnl_stream_t stream_ = nullptr;
    std::deque<Memory> memories_;
};

#else

class Dnnl {
public:
    bool found() const { return false; }
    std::function<void()> convolution(const Shape&, int, int) { return {}; }
};

#endif

// ---- The tables --------------------------------------------------------------------------------

struct Layer {
    std::string name;
    Shape input;
    int channels;
    bool fully_connected = false;
};

constexpr const char* kVariantNames[] = {"scalar", "avx2", "avx512"};

struct Row {
    std::string what;
    int batch;
    std::string contestant;
    double microseconds, tops, share;
};

std::vector<Row> layer_rows(const Layer& layer, int batch, Dnnl& dnnl, int rounds) {
    const Chain chain = layer.fully_connected
                            ? linear_layer(layer.input, layer.channels, batch, true)
                            : conv_layer(layer.input, layer.channels, batch);
    const double products = products_of(chain);
    const Memory input = random_tensor(chain.input, batch);

    std::deque<Contestant> contestants;
    std::deque<Network> networks;
    for (const char* name : kVariantNames) {
        const Variant* variant = find_variant(name);
        if (variant == nullptr || !variant->supported()) {
            continue;
        }
        networks.emplace_back(*variant, std::vector<Chain>{chain}, input);
        contestants.push_back({name, [&network = networks.back()] { network.run(); }});
    }
    if (dnnl.found() && !layer.fully_connected && layer.input.element == Element::binary) {
        if (auto run = dnnl.convolution(layer.input, layer.channels, batch)) {
            contestants.push_back({"oneDNN s8", run});
        }
    }
    if (has_ceilings()) {
        contestants.push_back({"xor+popcount+add", triple_loop});
        contestants.push_back({"chained pairs", pair_loop});
    }
    race(contestants, rounds);
    for (std::size_t i = 1; i < networks.size(); ++i) {
        if (!networks[i].same_output(networks[0])) {
            throw std::runtime_error(layer.name + ": the variants disagree");
        }
    }

    double ceiling = 0;
    for (const Contestant& contestant : contestants) {
        if (contestant.name == "xor+popcount+add") {
            ceiling = kTripleProducts / contestant.median();
        }
    }
    std::vector<Row> rows;
    for (const Contestant& contestant : contestants) {
        const double seconds = contestant.median();
        const double rate = (contestant.name == "xor+popcount+add" ? kTripleProducts
                             : contestant.name == "chained pairs"  ? kPairProducts
                                                                   : products) /
                            seconds;
        rows.push_back({layer.name,
                        batch,
                        contestant.name,
                        seconds * 1e6,
                        2e-12 * rate,
                        ceiling > 0 ? rate / ceiling : 0});
    }
    return rows;
}

std::vector<Chain> vgg3(int batch) {
    return {conv_layer({28, 28, 1, Element::u8}, 64, batch, true),
            conv_layer({14, 14, 64, Element::binary}, 64, batch, true),
            linear_layer({7, 7, 64, Element::binary}, 64, batch, true),
            linear_layer({1, 1, 64, Element::binary}, 10, batch, false)};
}

std::vector<Chain> vgg7(int batch) {
    return {conv_layer({32, 32, 3, Element::u8}, 128, batch),
            conv_layer({32, 32, 128, Element::binary}, 128, batch, true),
            conv_layer({16, 16, 128, Element::binary}, 256, batch),
            conv_layer({16, 16, 256, Element::binary}, 256, batch, true),
            conv_layer({8, 8, 256, Element::binary}, 512, batch),
            conv_layer({8, 8, 512, Element::binary}, 512, batch, true),
            linear_layer({4, 4, 512, Element::binary}, 512, batch, true),
            linear_layer({1, 1, 512, Element::binary}, 10, batch, false)};
}

std::vector<Row> network_rows(const std::string& name,
                              const std::vector<Chain>& layers,
                              int rounds) {
    const Memory input = random_tensor(layers[0].input, layers[0].batch);
    std::deque<Contestant> contestants;
    std::deque<Network> networks;
    for (const char* variant_name : kVariantNames) {
        const Variant* variant = find_variant(variant_name);
        if (variant == nullptr || !variant->supported()) {
            continue;
        }
        networks.emplace_back(*variant, layers, input);
        contestants.push_back({variant_name, [&network = networks.back()] { network.run(); }});
    }
    race(contestants, rounds);
    for (std::size_t i = 1; i < networks.size(); ++i) {
        if (!networks[i].same_output(networks[0])) {
            throw std::runtime_error(name + ": the variants disagree");
        }
    }

    double products = 0;
    for (const Chain& chain : layers) {
        products += products_of(chain);
    }
    std::vector<Row> rows;
    for (const Contestant& contestant : contestants) {
        rows.push_back({name,
                        layers[0].batch,
                        contestant.name,
                        contestant.median() * 1e6,
                        2e-12 * products / contestant.median(),
                        0});
    }
    return rows;
}

void print(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        fmt::print("{:<26} {:>5}  {:<17} {:>10.2f} {:>7.3f} {:>8}\n",
                   row.what,
                   row.batch,
                   row.contestant,
                   row.microseconds,
                   row.tops,
                   row.share > 0 ? fmt::format("{:.1f}", 100 * row.share) : "-");
    }
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string file = argc > 1 ? argv[1] : "";
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 31;
    if (rounds < 1) {
        fmt::print(stderr, "usage: kernel_speed_benchmark [FILE.csv] [ROUNDS]\n");
        return 2;
    }

    const std::vector<Layer> layers = {
        {"VGG3 28x28x1 u8->64", {28, 28, 1, Element::u8}, 64},
        {"VGG3 14x14x64->64", {14, 14, 64, Element::binary}, 64},
        {"VGG3 3136->64", {7, 7, 64, Element::binary}, 64, true},
        {"VGG7 32x32x3 u8->128", {32, 32, 3, Element::u8}, 128},
        {"VGG7 32x32x128->128", {32, 32, 128, Element::binary}, 128},
        {"VGG7 16x16x128->256", {16, 16, 128, Element::binary}, 256},
        {"VGG7 16x16x256->256", {16, 16, 256, Element::binary}, 256},
        {"VGG7 8x8x256->512", {8, 8, 256, Element::binary}, 512},
        {"VGG7 8x8x512->512", {8, 8, 512, Element::binary}, 512},
        {"VGG7 8192->512", {4, 4, 512, Element::binary}, 512, true},
        {"ResNet-18 56x56x64->64", {56, 56, 64, Element::binary}, 64},
        {"ResNet-18 28x28x128->128", {28, 28, 128, Element::binary}, 128},
        {"ResNet-18 14x14x256->256", {14, 14, 256, Element::binary}, 256},
        {"ResNet-18 7x7x512->512", {7, 7, 512, Element::binary}, 512},
    };

    Dnnl dnnl;
    fmt::print("kernel speed, one thread, medians of {} interleaved samples\n", rounds);
    if (!dnnl.found()) {
        fmt::print("oneDNN was not found: no peer in this table\n");
    }
    fmt::print("\n{:<26} {:>5}  {:<17} {:>10} {:>7} {:>8}\n",
               "3x3 layer + threshold",
               "batch",
               "variant",
               "time [us]",
               "TOPS",
               "share [%]");
    std::vector<Row> all;
    const auto add = [&](const std::vector<Row>& rows) {
        print(rows);
        all.insert(all.end(), rows.begin(), rows.end());
    };
    for (const int batch : {1, 8}) {
        for (const Layer& layer : layers) {
            add(layer_rows(layer, batch, dnnl, rounds));
        }
    }

    fmt::print("\n{:<26} {:>5}  {:<17} {:>10} {:>7}\n",
               "network, fused layers",
               "batch",
               "variant",
               "time [us]",
               "TOPS");
    for (const int batch : {1, 8}) {
        add(network_rows("VGG3", vgg3(batch), rounds));
        add(network_rows("VGG7", vgg7(batch), rounds));
    }

    if (!file.empty()) {
        std::FILE* csv = std::fopen(file.c_str(), "w");
        if (csv == nullptr) {
            fmt::print(stderr, "{}: cannot be written\n", file);
            return 2;
        }
        fmt::print(csv, "what,batch,variant,time_us,tops,share_of_xor_popcount_add\n");
        for (const Row& row : all) {
            fmt::print(csv,
                       "{},{},{},{:.3f},{:.4f},{:.4f}\n",
                       row.what,
                       row.batch,
                       row.contestant,
                       row.microseconds,
                       row.tops,
                       row.share);
        }
        std::fclose(csv);
        fmt::print("\nwrote {}\n", file);
    }
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "kernel_speed_benchmark: {}\n", error.what());
    return 1;
}
