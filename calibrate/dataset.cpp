#include "calibrate/dataset.hpp"

#include "sim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <zlib.h>

namespace calibrate {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 30;

// A whole file; gzip or not, zlib finds out by itself.
std::vector<std::uint8_t> read_all(const std::filesystem::path& path) {
    const std::unique_ptr<gzFile_s, decltype(&gzclose)> file{gzopen(path.c_str(), "rb"), &gzclose};
    if (file == nullptr) {
        throw sim::InputError{fmt::format("cannot read '{}'", path.string())};
    }
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint8_t> chunk(std::size_t{1} << 20);
    for (;;) {
        const int got = gzread(file.get(), chunk.data(), static_cast<unsigned>(chunk.size()));
        if (got < 0) {
            throw sim::InputError{fmt::format("{}: damaged gzip file", path.string())};
        }
        if (got == 0) {
            return bytes;
        }
        bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + got);
        if (bytes.size() > kMostBytes) {
            throw sim::InputError{fmt::format("{}: larger than 1 GiB", path.string())};
        }
    }
}

std::uint32_t big_endian(const std::vector<std::uint8_t>& bytes, std::size_t at) {
    return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 |
           std::uint32_t{bytes[at + 2]} << 8 | std::uint32_t{bytes[at + 3]};
}

// IDX (Y. LeCun, The MNIST Database): magic 0x00000803 images, count, rows, columns; 0x00000801
// labels, count.
constexpr std::uint32_t kIdxImages = 0x803, kIdxLabels = 0x801;

bool is_idx(const std::vector<std::uint8_t>& bytes, std::uint32_t magic, std::size_t header) {
    return bytes.size() >= header && big_endian(bytes, 0) == magic;
}

std::optional<std::filesystem::path> labels_beside(const std::filesystem::path& images) {
    std::string name = images.filename().string();
    const std::size_t at = name.find("images-idx3");
    if (at == std::string::npos) {
        return std::nullopt;
    }
    name.replace(at, 11, "labels-idx1");
    const std::filesystem::path path = images.parent_path() / name;
    return std::filesystem::exists(path) ? std::optional{path} : std::nullopt;
}

Dataset idx(const std::filesystem::path& path, std::vector<std::uint8_t> bytes) {
    const std::size_t count = big_endian(bytes, 4);
    Dataset data{.height = static_cast<int>(big_endian(bytes, 8)),
                 .width = static_cast<int>(big_endian(bytes, 12)),
                 .channels = 1,
                 .pixels = {},
                 .labels = {}};
    const std::size_t size =
        static_cast<std::size_t>(data.height) * static_cast<std::size_t>(data.width);
    if (size == 0 || bytes.size() != 16 + count * size) {
        throw sim::InputError{
            fmt::format("{}: expected {} images of {} bytes, the file has {} bytes",
                        path.string(),
                        count,
                        size,
                        bytes.size())};
    }
    data.pixels.assign(bytes.begin() + 16, bytes.end());
    if (const auto labels = labels_beside(path)) {
        const std::vector<std::uint8_t> l = read_all(*labels);
        if (!is_idx(l, kIdxLabels, 8) || l.size() != 8 + count) {
            throw sim::InputError{
                fmt::format("{}: expected {} labels in IDX format", labels->string(), count)};
        }
        data.labels.assign(l.begin() + 8, l.end());
    }
    return data;
}

// CIFAR-10 binary version (A. Krizhevsky): label, 1024 red, 1024 green, 1024 blue.
constexpr std::size_t kCifarRecord = 1 + 3 * 1024;

Dataset cifar(const std::vector<std::uint8_t>& bytes) {
    Dataset data{.height = 32, .width = 32, .channels = 3, .pixels = {}, .labels = {}};
    data.pixels.resize(bytes.size() / kCifarRecord * 3 * 1024);
    std::size_t out = 0;
    for (std::size_t record = 0; record < bytes.size(); record += kCifarRecord) {
        data.labels.push_back(bytes[record]);
        for (std::size_t pixel = 0; pixel < 1024; ++pixel) {
            for (std::size_t channel = 0; channel < 3; ++channel) {
                data.pixels[out++] = bytes[record + 1 + channel * 1024 + pixel];
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
    for (const char* name : kNames) {
        if (std::filesystem::exists(folder / name)) {
            return folder / name;
        }
    }
    throw sim::InputError{
        fmt::format("{}: no test set here (expected t10k-images-idx3-ubyte[.gz] or test_batch.bin)",
                    folder.string())};
}

}  // namespace

Dataset load_dataset(const std::filesystem::path& path, const sim::TensorShape& shape) {
    if (!std::filesystem::exists(path)) {
        throw sim::InputError{fmt::format("no file or folder '{}'", path.string())};
    }
    const std::filesystem::path file =
        std::filesystem::is_directory(path) ? test_set_in(path) : path;
    std::vector<std::uint8_t> bytes = read_all(file);
    Dataset data;
    if (is_idx(bytes, kIdxImages, 16)) {
        data = idx(file, std::move(bytes));
    } else if (!bytes.empty() && bytes.size() % kCifarRecord == 0) {
        data = cifar(bytes);
    } else {
        throw sim::InputError{fmt::format(
            "{}: neither an IDX image file nor CIFAR-10 records of 3073 bytes", file.string())};
    }
    if (data.height != shape.height || data.width != shape.width ||
        data.channels != shape.channels || shape.element != sim::Element::u8) {
        throw sim::InputError{fmt::format("{}: images of {}x{}x{} u8, but the model takes {}",
                                          file.string(),
                                          data.height,
                                          data.width,
                                          data.channels,
                                          sim::to_string(shape))};
    }
    return data;
}

}  // namespace calibrate
