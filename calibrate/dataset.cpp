#include "calibrate/dataset.hpp"

#include "calibrate/memory.hpp"
#include "sim/checked.hpp"
#include "sim/describe/input_file.hpp"
#include "sim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>
#include <zlib.h>

namespace calibrate {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;

// A file's bytes, one after the other; gzip or not, zlib finds out by itself. How many there are is
// found out first, without keeping any: a small gzip file can hold very much.
class Bytes {
public:
    explicit Bytes(const std::filesystem::path& path) : path_{path}, file_{open()} {
        std::vector<char> chunk(std::size_t{1} << 16);
        for (std::size_t got = 0; (got = read_some(chunk.data(), chunk.size())) > 0;) {
            size_ += static_cast<std::int64_t>(got);
            if (size_ > kMostBytes) {
                throw sim::InputError{fmt::format("{}: larger than 1 GiB", path_.string())};
            }
        }
        file_ = open();
    }

    std::int64_t size() const { return size_; }

    void read(std::span<std::uint8_t> to) {
        while (!to.empty()) {
            const std::size_t got = read_some(to.data(), to.size());
            if (got == 0) {
                throw sim::InputError{
                    fmt::format("{}: became shorter while it was read", path_.string())};
            }
            to = to.subspan(got);
        }
    }

private:
    using File = std::unique_ptr<gzFile_s, decltype(&gzclose)>;

    File open() const {
        sim::InputFile file{path_};
        const int descriptor = file.release();
        File opened{gzdopen(descriptor, "rb"), &gzclose};
        if (opened == nullptr) {
            ::close(descriptor);
            throw std::bad_alloc{};
        }
        return opened;
    }

    std::size_t read_some(void* to, std::size_t most) {
        constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;
        const int got = gzread(file_.get(), to, static_cast<unsigned>(std::min(most, kMostAtOnce)));
        int code = Z_OK;
        const char* const text = gzerror(file_.get(), &code);
        if (got < 0 && code == Z_ERRNO) {
            throw sim::MachineError{fmt::format("{}: cannot be read: {}", path_.string(), text)};
        }
        // Z_BUF_ERROR: it ends in the middle.
        if (got < 0 || (got == 0 && code == Z_BUF_ERROR)) {
            throw sim::InputError{fmt::format("{}: damaged gzip file", path_.string())};
        }
        return static_cast<std::size_t>(got);
    }

    std::filesystem::path path_;
    File file_;
    std::int64_t size_ = 0;
};

std::int64_t big_endian(std::span<const std::uint8_t> bytes) {
    return std::int64_t{bytes[0]} << 24 | std::int64_t{bytes[1]} << 16 |
           std::int64_t{bytes[2]} << 8 | std::int64_t{bytes[3]};
}

void expect_memory_for_images(std::int64_t bytes) {
    expect_free_memory({bytes}, "the images of the data set");
}

void expect_shape(const std::filesystem::path& path,
                  std::int64_t height,
                  std::int64_t width,
                  std::int64_t channels,
                  const sim::TensorShape& shape) {
    const bool is_image =
        height == shape.height() && width == shape.width() && channels == shape.channels();
    const bool is_row = shape.rank() == 1 && height * width * channels == shape.elements();
    const bool takes_bytes =
        shape.element == sim::Element::u8 || shape.element == sim::Element::f32;
    if (!(is_image || is_row) || !takes_bytes) {
        throw sim::InputError{fmt::format("{}: images of {}x{}x{} u8, but the model takes {}",
                                          path.string(),
                                          height,
                                          width,
                                          channels,
                                          sim::to_string(shape))};
    }
}

// IDX (Y. LeCun, The MNIST Database): magic 0x00000803 images, count, rows, columns; 0x00000801
// labels, count.
constexpr std::int64_t kIdxImages = 0x803, kIdxLabels = 0x801;
constexpr std::int64_t kImagesHeader = 16, kLabelsHeader = 8;

std::optional<std::filesystem::path> labels_beside(const std::filesystem::path& images) {
    std::string name = images.filename().string();
    const std::size_t at = name.find("images-idx3");
    if (at == std::string::npos) {
        return std::nullopt;
    }
    name.replace(at, 11, "labels-idx1");
    const std::filesystem::path path = images.parent_path() / name;
    std::error_code ignored;
    return std::filesystem::exists(path, ignored) ? std::optional{path} : std::nullopt;
}

std::vector<std::uint8_t> read_labels(const std::filesystem::path& path, std::int64_t count) {
    Bytes file{path};
    std::array<std::uint8_t, kLabelsHeader> header{};
    if (file.size() == kLabelsHeader + count) {
        file.read(header);
    }
    if (big_endian(header) != kIdxLabels) {
        throw sim::InputError{
            fmt::format("{}: expected {} labels in IDX format", path.string(), count)};
    }
    std::vector<std::uint8_t> labels(static_cast<std::size_t>(count));
    file.read(labels);
    return labels;
}

// `file`: after its header.
Dataset idx(const std::filesystem::path& path,
            std::span<const std::uint8_t> header,
            Bytes& file,
            const sim::TensorShape& shape) {
    const std::int64_t count = big_endian(header.subspan(4)),
                       height = big_endian(header.subspan(8)),
                       width = big_endian(header.subspan(12));
    const std::int64_t size = sim::checked_product(height, width);
    if (size == 0 || file.size() - kImagesHeader != sim::checked_product(count, size)) {
        throw sim::InputError{
            fmt::format("{}: expected {} images of {} bytes, the file has {} bytes",
                        path.string(),
                        count,
                        size,
                        file.size())};
    }
    expect_shape(path, height, width, 1, shape);
    expect_memory_for_images(file.size());
    Dataset data{.height = static_cast<int>(shape.height()),
                 .width = shape.width(),
                 .channels = 1,
                 .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(count * size)),
                 .labels = {}};
    file.read(data.pixels);
    if (const auto labels = labels_beside(path)) {
        data.labels = read_labels(*labels, count);
    }
    return data;
}

// CIFAR-10 binary version (A. Krizhevsky): label, 1024 red, 1024 green, 1024 blue.
constexpr std::size_t kCifarRecord = 1 + 3 * 1024;

// `begin`: what was read of the file already.
Dataset cifar(const std::filesystem::path& path,
              std::span<const std::uint8_t> begin,
              Bytes& file,
              const sim::TensorShape& shape) {
    expect_shape(path, 32, 32, 3, shape);
    expect_memory_for_images(file.size());
    Dataset data{.height = 32, .width = 32, .channels = 3, .pixels = {}, .labels = {}};
    const std::size_t count = static_cast<std::size_t>(file.size()) / kCifarRecord;
    data.pixels.resize(count * 3 * 1024);
    data.labels.reserve(count);
    std::vector<std::uint8_t> record(kCifarRecord);
    std::size_t out = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::ranges::copy(begin, record.begin());
        file.read(std::span{record}.subspan(begin.size()));
        begin = {};
        data.labels.push_back(record[0]);
        for (std::size_t pixel = 0; pixel < 1024; ++pixel) {
            for (std::size_t channel = 0; channel < 3; ++channel) {
                data.pixels[out++] = record[1 + channel * 1024 + pixel];
            }
        }
    }
    return data;
}

// The test set in a folder, under the names its publishers gave it.
std::filesystem::path test_set_in(const std::filesystem::path& folder) {
    constexpr const char* kNames[] = {"t10k-images-idx3-ubyte.gz",
                                      "t10k-images-idx3-ubyte",
                                      "t10k-images.idx3-ubyte",
                                      "test_batch.bin",
                                      "cifar-10-batches-bin/test_batch.bin"};
    std::error_code ignored;
    for (const char* name : kNames) {
        if (std::filesystem::exists(folder / name, ignored)) {
            return folder / name;
        }
    }
    throw sim::InputError{
        fmt::format("{}: no test set here (expected t10k-images-idx3-ubyte[.gz] or test_batch.bin)",
                    folder.string())};
}

}  // namespace

Dataset load_dataset(const std::filesystem::path& path, const sim::TensorShape& shape) {
    std::error_code ignored;
    const std::filesystem::file_status status = std::filesystem::status(path, ignored);
    if (!std::filesystem::exists(status)) {
        throw sim::InputError{fmt::format("no file or folder '{}'", path.string())};
    }
    const std::filesystem::path file =
        std::filesystem::is_directory(status) ? test_set_in(path) : path;
    Bytes bytes{file};
    std::array<std::uint8_t, kImagesHeader> header{};
    if (bytes.size() >= kImagesHeader) {
        bytes.read(header);
        if (big_endian(header) == kIdxImages) {
            return idx(file, header, bytes, shape);
        }
        if (bytes.size() % static_cast<std::int64_t>(kCifarRecord) == 0) {
            return cifar(file, header, bytes, shape);
        }
    }
    throw sim::InputError{fmt::format(
        "{}: neither an IDX image file nor CIFAR-10 records of 3073 bytes", file.string())};
}

}  // namespace calibrate
