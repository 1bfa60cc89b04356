#include "calibrate/parameters.hpp"
#include "calibrate_small_model.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>

namespace {

const std::string kTiny = R"(hetmap: model/1
name: tiny
description: two layers
source: made up
input: {name: image, height: 1, width: 1, channels: 70, type: binary}
parameters: {file: weights.bin}
layers:
  - {name: fc, operation: linear, inputs: [image], weights: binary, out_channels: 2}
  - {name: threshold, operation: threshold, inputs: [fc]}
output: threshold
)";

// Magic, 2 rows of 2 words, 2 thresholds, 1 word of directions.
std::string file_bytes() {
    std::string bytes = "hetmap-weights/1";
    const std::uint64_t weights[] = {~0ULL, 0x3f, 1, 0x20};
    const std::int32_t thresholds[] = {-5, 6};
    const std::uint64_t flips[] = {2};
    bytes.append(reinterpret_cast<const char*>(weights), sizeof weights);
    bytes.append(reinterpret_cast<const char*>(thresholds), sizeof thresholds);
    bytes.append(reinterpret_cast<const char*>(flips), sizeof flips);
    return bytes;
}

sim::Model tiny_model(const std::string& weights) {
    const sim::Model model = small_model(kTiny);
    std::ofstream{model.path.parent_path() / "weights.bin", std::ios::binary} << weights;
    return model;
}

}  // namespace

TEST_CASE("parameters are read layer by layer") {
    const calibrate::Parameters p = calibrate::load_parameters(tiny_model(file_bytes()));
    REQUIRE(p.size() == 3);
    CHECK(p[0].weights.empty());
    CHECK(p[1].weights == std::vector<std::uint64_t>{~0ULL, 0x3f, 1, 0x20});
    CHECK(p[2].thresholds == std::vector<std::int32_t>{-5, 6});
    CHECK(p[2].flips == std::vector<std::uint64_t>{2});
}

TEST_CASE("a weights file that does not fit its model is refused") {
    std::string short_file = file_bytes();
    short_file.pop_back();
    std::string stray_bit = file_bytes();
    stray_bit[16 + 15] = 1;  // the highest byte of the first row's second word: beyond 70 bits
    for (const std::string& bad : {std::string{},
                                   std::string{"not ours at all, sorry"},
                                   short_file,
                                   file_bytes() + "x",
                                   stray_bit}) {
        CHECK_THROWS_AS(calibrate::load_parameters(tiny_model(bad)), sim::InputError);
    }
    std::filesystem::remove(tiny_model("").path.parent_path() / "weights.bin");
    CHECK_THROWS_AS(calibrate::load_parameters(small_model(kTiny)), sim::InputError);
}

TEST_CASE("made-up parameters depend on the seed alone, and mix the bits") {
    const sim::Model model = small_model();
    const calibrate::Parameters a = calibrate::load_parameters(model);
    const calibrate::Parameters b = calibrate::load_parameters(model);
    REQUIRE(a.size() == b.size());
    for (std::size_t l = 0; l < a.size(); ++l) {
        CHECK(a[l].weights == b[l].weights);
        CHECK(a[l].thresholds == b[l].thresholds);
        CHECK(a[l].flips == b[l].flips);
    }
    CHECK(a[1].weights.at(0) != 0);
    CHECK((a[1].weights.at(0) >> 27) == 0);  // 3 x 3 x 3 weights
}
