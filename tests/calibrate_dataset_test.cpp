#include "calibrate/dataset.hpp"
#include "sim/error.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <sys/stat.h>
#include <zlib.h>

namespace {

const sim::TensorShape kTwoByThree{2, 3, 1, sim::Element::u8};
const sim::TensorShape kCifar{32, 32, 3, sim::Element::u8};

// Bytes as the text that TemporaryFolder::write takes.
std::string text(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

std::vector<std::uint8_t> idx_images(int count) {
    std::vector<std::uint8_t> bytes{
        0, 0, 8, 3, 0, 0, 0, static_cast<std::uint8_t>(count), 0, 0, 0, 2, 0, 0, 0, 3};
    for (int i = 0; i < 6 * count; ++i) {
        bytes.push_back(static_cast<std::uint8_t>(i));
    }
    return bytes;
}

std::string gzip(const std::string& bytes) {
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(deflateBound(&stream, bytes.size()), '\0');
    std::string in = bytes;
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

}  // namespace

TEST_CASE("an IDX file is read with the labels beside it") {
    const TemporaryFolder folder;
    folder.write("t10k-images-idx3-ubyte", text(idx_images(2)));
    folder.write("t10k-labels-idx1-ubyte", text({0, 0, 8, 1, 0, 0, 0, 2, 7, 9}));
    const calibrate::Dataset data = calibrate::load_dataset(folder.path(), kTwoByThree);
    CHECK(data.images() == 2);
    CHECK(data.pixels[6] == 6);
    CHECK(data.labels == std::vector<std::uint8_t>{7, 9});
}

TEST_CASE("CIFAR-10's planes become pixels") {
    const TemporaryFolder folder;
    std::vector<std::uint8_t> record(3073, 0);
    record[0] = 5;
    record[1] = 10;         // red of the first pixel
    record[1 + 1024] = 20;  // green
    record[1 + 2048] = 30;  // blue
    record[2] = 11;         // red of the second
    folder.write("test_batch.bin", text(record));
    const calibrate::Dataset data =
        calibrate::load_dataset(folder.path() / "test_batch.bin", kCifar);
    CHECK(data.images() == 1);
    CHECK(data.labels == std::vector<std::uint8_t>{5});
    CHECK(std::vector<std::uint8_t>(data.pixels.begin(), data.pixels.begin() + 4) ==
          std::vector<std::uint8_t>{10, 20, 30, 11});
}

TEST_CASE("a data file that is cut off, of another shape, or something else is refused") {
    const TemporaryFolder folder;
    auto cut = idx_images(2);
    cut.pop_back();
    folder.write("cut-images-idx3", text(cut));
    folder.write("good-images-idx3", text(idx_images(1)));
    folder.write("other.bin", text({1, 2, 3}));
    CHECK_THROWS_AS(calibrate::load_dataset(folder.path() / "cut-images-idx3", kTwoByThree),
                    sim::InputError);
    CHECK_THROWS_AS(calibrate::load_dataset(folder.path() / "good-images-idx3", kCifar),
                    sim::InputError);
    CHECK_THROWS_AS(calibrate::load_dataset(folder.path() / "other.bin", kCifar), sim::InputError);
    CHECK_THROWS_AS(calibrate::load_dataset(folder.path() / "missing", kCifar), sim::InputError);
    CHECK_THROWS_AS(calibrate::load_dataset(folder.path(), kCifar),
                    sim::InputError);  // no test set
}

TEST_CASE("what gzip packed is read as well, and refused where it is damaged") {
    const TemporaryFolder folder;
    const std::string good = gzip(text(idx_images(2)));
    folder.write("good", good);
    const auto data = calibrate::load_dataset(folder.path() / "good", kTwoByThree);
    CHECK(data.images() == 2);
    CHECK(data.pixels[11] == 11);
    folder.write("cut", good.substr(0, good.size() - 9));
    CHECK(folder.error_of([&] { calibrate::load_dataset(folder.path() / "cut", kTwoByThree); }) ==
          "cut: damaged gzip file");
}

TEST_CASE("sizes in a file's header may be anything") {
    const TemporaryFolder folder;
    const std::string huge{
        "\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
        "x",
        17};
    folder.write("huge", huge);
    CHECK(folder.error_of([&] { calibrate::load_dataset(folder.path() / "huge", kTwoByThree); })
              .starts_with("huge: expected 4294967295 images of "));
}

TEST_CASE("images are read from files, not from pipes") {
    const TemporaryFolder folder;
    const std::string pipe = folder.file("t10k-images-idx3-ubyte");
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    for (const std::string& path : {pipe, folder.path().string()}) {
        CHECK(folder.error_of([&] { calibrate::load_dataset(path, kTwoByThree); }) ==
              "t10k-images-idx3-ubyte: expected a regular file, this is a pipe");
    }
}
