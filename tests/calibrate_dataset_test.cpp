#include "calibrate/dataset.hpp"
#include "sim/error.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <numeric>

namespace {

const auto kFolder = std::filesystem::temp_directory_path() / "hetmap_dataset_test";
const sim::TensorShape kTwoByThree{2, 3, 1, sim::Element::u8};
const sim::TensorShape kCifar{32, 32, 3, sim::Element::u8};

void write(const std::string& name, const std::vector<std::uint8_t>& bytes) {
    std::filesystem::create_directories(kFolder);
    std::ofstream{kFolder / name, std::ios::binary}.write(
        reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

std::vector<std::uint8_t> idx_images(int count) {
    std::vector<std::uint8_t> bytes{
        0, 0, 8, 3, 0, 0, 0, static_cast<std::uint8_t>(count), 0, 0, 0, 2, 0, 0, 0, 3};
    for (int i = 0; i < 6 * count; ++i) {
        bytes.push_back(static_cast<std::uint8_t>(i));
    }
    return bytes;
}

}  // namespace

TEST_CASE("an IDX file is read with the labels beside it") {
    write("t10k-images-idx3-ubyte", idx_images(2));
    write("t10k-labels-idx1-ubyte", {0, 0, 8, 1, 0, 0, 0, 2, 7, 9});
    const calibrate::Dataset data = calibrate::load_dataset(kFolder, kTwoByThree);
    CHECK(data.images() == 2);
    CHECK(data.pixels[6] == 6);
    CHECK(data.labels == std::vector<std::uint8_t>{7, 9});
    std::filesystem::remove_all(kFolder);
}

TEST_CASE("CIFAR-10's planes become pixels") {
    std::vector<std::uint8_t> record(3073, 0);
    record[0] = 5;
    record[1] = 10;         // red of the first pixel
    record[1 + 1024] = 20;  // green
    record[1 + 2048] = 30;  // blue
    record[2] = 11;         // red of the second
    write("test_batch.bin", record);
    const calibrate::Dataset data = calibrate::load_dataset(kFolder / "test_batch.bin", kCifar);
    CHECK(data.images() == 1);
    CHECK(data.labels == std::vector<std::uint8_t>{5});
    CHECK(std::vector<std::uint8_t>(data.pixels.begin(), data.pixels.begin() + 4) ==
          std::vector<std::uint8_t>{10, 20, 30, 11});
    std::filesystem::remove_all(kFolder);
}

TEST_CASE("a data file that is cut off, of another shape, or something else is refused") {
    auto cut = idx_images(2);
    cut.pop_back();
    write("cut-images-idx3", cut);
    write("good-images-idx3", idx_images(1));
    write("other.bin", {1, 2, 3});
    CHECK_THROWS_AS(calibrate::load_dataset(kFolder / "cut-images-idx3", kTwoByThree),
                    sim::InputError);
    CHECK_THROWS_AS(calibrate::load_dataset(kFolder / "good-images-idx3", kCifar), sim::InputError);
    CHECK_THROWS_AS(calibrate::load_dataset(kFolder / "other.bin", kCifar), sim::InputError);
    CHECK_THROWS_AS(calibrate::load_dataset(kFolder / "missing", kCifar), sim::InputError);
    CHECK_THROWS_AS(calibrate::load_dataset(kFolder, kCifar), sim::InputError);  // no test set
    std::filesystem::remove_all(kFolder);
}
