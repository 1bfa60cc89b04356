// conv2d and linear, alone or with what follows them in a chain, band by band.
//
// A band is some rows of the convolution's output (or several whole images, where they are
// small), so few that their input stays in the first-level cache while all output channels are
// computed from it.

#include "kernels/cpu/bodies.hpp"
#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/dot_plan.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace kernels::cpu {
namespace {

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

template <typename T>
const T* as(const std::byte* tensor) {
    return reinterpret_cast<const T*>(tensor);
}

// The input of a band at most, so that a block of weights has room beside it in the cache.
constexpr std::int64_t kBandBytes = 20 * 1024;
// Positions that make it worthwhile to load a block of weights.
constexpr int kFewPositions = 32;
// Windows that are copied one after the other: so many bytes at a time, and a multiple of so
// many positions.
constexpr int kWindowBytes = 12 * 1024;
constexpr int kWindowPositions = 20;

class DotBody {
public:
    DotBody(const Chain& chain, const Pattern& pattern, const Loops& loops, int slices)
        : loops_(loops),
          geometry_(geometry_of(*pattern.dot, chain.input)),
          output_(output_of(chain)),
          borders_(borders_of(geometry_)),
          has_second_(pattern.add != nullptr) {
        // 1. What becomes of the dot products.
        Folded folded;
        const Folded* limits = nullptr;
        if (pattern.gives_sums) {
            result_ = Result::both;
            thresholds_ = flip_thresholds(*pattern.threshold);
        } else if (pattern.add != nullptr) {
            result_ = pattern.threshold != nullptr ? Result::sum_bits : Result::sum;
            if (pattern.threshold != nullptr) {
                thresholds_ = flip_thresholds(*pattern.threshold);
            }
        } else if (pattern.threshold != nullptr) {
            result_ = Result::bits;
            folded = fold(*pattern.threshold);
            limits = &folded;
        }
        if (pattern.pool != nullptr) {
            pool_ = *pattern.pool;
            pooling_ = can_pool_sums() ? Pooling::sums : Pooling::bits;
        }
        rows_ = pooling_ == Pooling::sums ? output_.height : geometry_.height;
        row_outputs_ = pooling_ == Pooling::sums ? output_.width : geometry_.width;
        output_positions_ = pooling_ == Pooling::sums ? 4 : 1;

        // 2. Weights, windows, bands, memory.
        if (is_binary()) {
            plan_binary(*pattern.dot, limits, chain.batch);
        } else {
            plan_bytes(*pattern.dot, limits);
        }
        for (int i = 0; i < slices; ++i) {
            scratch_.push_back(make_scratch());
        }
    }

    void run(const Tensors& tensors, const Slice& slice) {
        Scratch& scratch = scratch_[size(slice.index)];
        Rows rows{slice.row_begin, slice.row_end};
        if (pooling_ == Pooling::bits) {
            rows = rows_under(pool_, dot_shape(), rows);
        }
        const bool whole = rows.begin == 0 && rows.end == rows_;
        const int together = whole ? images_together_ : 1;
        for (int image = slice.image_begin; image < slice.image_end; image += together) {
            const int images = std::min(together, slice.image_end - image);
            for (Rows band{rows.begin, rows.begin}; band.begin < rows.end; band.begin = band.end) {
                band.end = std::min(band.begin + band_rows_, rows.end);
                run_band(tensors, slice, scratch, {image, images, band}, rows.begin);
            }
            if (pooling_ == Pooling::bits) {
                run_pool(tensors, slice, scratch, image, images, rows.begin);
            }
        }
    }

private:
    enum class Pooling { none, bits, sums };

    struct Scratch {
        Buffer<std::uint64_t> words;  // padded or chained rows of the input
        Buffer<std::uint64_t> windows;
        Buffer<std::uint8_t> bytes, patches;
        Buffer<std::uint64_t> bits;  // before pooling
    };

    // Rows of one image, or all rows of several.
    struct Band {
        int image, images;
        Rows rows;
    };

    bool is_binary() const { return geometry_.input.element == Element::binary; }
    bool makes_bits() const { return result_ != Result::int32 && result_ != Result::sum; }
    Shape dot_shape() const {
        return {geometry_.height, geometry_.width, geometry_.channels, Element::binary};
    }

    // The largest of four sums reaches a threshold if any does, so the sums can be pooled before
    // they become bits: where the four are there, and have the same threshold.
    bool can_pool_sums() const {
        return !is_binary() && result_ == Result::bits && borders_.classes.size() == 1 &&
               pool_.kernel_height == 2 && pool_.kernel_width == 2 && pool_.stride == 2 &&
               pool_.padding == 0;
    }

    // The planned rows are those of the convolution, or of the pooled sums.
    int conv_rows(int rows) const { return pooling_ == Pooling::sums ? 2 * rows : rows; }
    int input_row(int row) const { return conv_rows(row) * geometry_.stride; }
    int input_rows(int rows) const {
        return (conv_rows(rows) - 1) * geometry_.stride + geometry_.kernel_height;
    }
    int positions_in(int rows) const { return rows * row_outputs_ * output_positions_; }

    int rows_within(std::int64_t bytes_per_input_row) const {
        int rows = rows_;
        while (rows > 1 && positions_in(rows) > kFewPositions &&
               input_rows(rows) * bytes_per_input_row > kBandBytes) {
            --rows;
        }
        // Bands of equal size.
        const int bands = (rows_ + rows - 1) / rows;
        return (rows_ + bands - 1) / bands;
    }

    static int windows_within(int window_bytes) {
        return std::max(1, kWindowBytes / window_bytes / kWindowPositions) * kWindowPositions;
    }

    // ---- Plans ----

    void plan_binary(const Step& step, const Folded* limits, int batch) {
        const int positions = positions_in(rows_);
        if (positions < kFewPositions) {
            images_together_ = std::min(batch, (2 * kFewPositions + positions - 1) / positions);
        }
        taps_ = taps_of(geometry_);
        const int words = static_cast<int>(taps_.size());
        tiling_ = loops_.tiling(words, positions * images_together_, geometry_.channels);
        binary_ = pack_binary(geometry_, step, borders_, limits, tiling_);

        // A chained row begins behind a word of zeros.
        row_stride_ = std::int64_t{geometry_.padded_width()} * geometry_.input.words() +
                      (tiling_.chained ? 1 : 0);
        image_stride_ = geometry_.padded_height() * row_stride_;
        for (int image = 0; image < images_together_; ++image) {
            for (int y = 0; y < geometry_.height; ++y) {
                for (int x = 0; x < geometry_.width; ++x) {
                    add_position(y, x, image * image_stride_, row_stride_, geometry_.input.words());
                }
            }
        }
        band_rows_ = rows_;
        if (tiling_.chained) {
            window_count_ = windows_within(words * 8);
        } else if (images_together_ == 1) {
            band_rows_ = rows_within(row_stride_ * 8);
        }
    }

    void plan_bytes(const Step& step, const Folded* limits) {
        const int run = geometry_.kernel_width * geometry_.input.channels;
        const int runs = geometry_.kernel_height;
        // Windows are copied one after the other if that makes fewer groups of four.
        copied_ = runs * ((run + 3) / 4) > (geometry_.fan_in() + 3) / 4;
        bytes_ =
            pack_bytes(geometry_, step, borders_, limits, copied_ ? 1 : runs, loops_.byte_offset);
        row_stride_ = std::int64_t{geometry_.padded_width()} * geometry_.input.channels;
        for (int i = 0; i < (copied_ ? 1 : runs); ++i) {
            for (int group = 0; group < bytes_.run_groups; ++group) {
                taps_.push_back(static_cast<std::int32_t>(i * row_stride_ + group * 4));
            }
        }

        const int side = pooling_ == Pooling::sums ? 2 : 1;
        for (int y = 0; y < rows_; ++y) {
            for (int x = 0; x < row_outputs_; ++x) {
                for (int i = 0; i < output_positions_; ++i) {
                    add_position(y * side + i / 2,
                                 x * side + i % 2,
                                 0,
                                 row_stride_,
                                 geometry_.input.channels);
                }
            }
        }
        band_rows_ = rows_within(row_stride_);
        window_count_ = windows_within(bytes_.run_groups * 4);
    }

    void add_position(int y, int x, std::int64_t base, std::int64_t row_stride, int pixel_stride) {
        const std::int64_t window = base + std::int64_t{y} * geometry_.stride * row_stride +
                                    std::int64_t{x} * geometry_.stride * pixel_stride;
        positions_.push_back({.window = static_cast<std::int32_t>(window),
                              .border = borders_.of_position[size(y * geometry_.width + x)]});
    }

    Scratch make_scratch() const {
        Scratch scratch;
        const std::int64_t rows = images_together_ > 1
                                      ? images_together_ * geometry_.padded_height()
                                      : input_rows(band_rows_);
        if (!is_binary()) {
            scratch.bytes = Buffer<std::uint8_t>(size(rows * row_stride_));
            if (copied_) {
                scratch.patches =
                    Buffer<std::uint8_t>(size(window_count_) * size(bytes_.run_groups) * 4);
            }
        } else {
            if (tiling_.chained || geometry_.padding > 0) {
                scratch.words = Buffer<std::uint64_t>(size(rows * row_stride_));
            }
            if (tiling_.chained) {
                scratch.windows = Buffer<std::uint64_t>(size(window_count_) * taps_.size());
            }
        }
        if (pooling_ == Pooling::bits) {
            scratch.bits = Buffer<std::uint64_t>(
                size(positions_in(rows_)) * size(images_together_) * size(dot_shape().words()));
        }
        return scratch;
    }

    // ---- Runs ----

    // `first_row` is the row that the bits before pooling begin with.
    void run_band(const Tensors& tensors,
                  const Slice& slice,
                  Scratch& scratch,
                  const Band& band,
                  int first_row) const {
        const int rows = band.rows.end - band.rows.begin;
        const int outputs = band.images * rows * row_outputs_;
        const std::int64_t first_output =
            (std::int64_t{band.image} * rows_ + band.rows.begin) * row_outputs_;

        DotOutput out{};
        out.result = result_;
        out.channels = geometry_.channels;
        out.table = is_binary() ? binary_.table.data() : bytes_.table.data();
        out.borders = static_cast<int>(borders_.classes.size());
        const int words = dot_shape().words();
        out.stride = makes_bits() ? words * 8 : geometry_.channels * 4;
        if (pooling_ == Pooling::bits) {
            out.output = reinterpret_cast<std::byte*>(scratch.bits.data()) +
                         (band.rows.begin - first_row) * row_outputs_ * out.stride;
        } else {
            out.output = tensors.output + first_output * out.stride;
        }
        const std::int64_t first_number = first_output * geometry_.channels;
        if (has_second_) {
            out.second = as<std::int32_t>(tensors.second_input) + first_number;
        }
        if (result_ == Result::both) {
            out.numbers = reinterpret_cast<std::int32_t*>(tensors.second_output) + first_number;
        }
        out.second_stride = geometry_.channels;
        out.thresholds = thresholds_.thresholds.data();
        out.flips = thresholds_.flips.data();

        // The loops write bytes of 8 channels each; the rest of the last word is zero.
        const int written = (geometry_.channels + 7) / 8;
        if (makes_bits() && slice.channel_end == geometry_.channels && written < words * 8) {
            for (int i = 0; i < outputs; ++i) {
                std::memset(out.output + i * out.stride + written, 0, size(words * 8 - written));
            }
        }

        const Position* positions = positions_.data() + positions_in(band.rows.begin);
        if (is_binary()) {
            run_binary(tensors, slice, scratch, band, positions, outputs, out);
        } else {
            run_bytes(tensors, slice, scratch, band, positions, outputs * output_positions_, out);
        }
    }

    void run_binary(const Tensors& tensors,
                    const Slice& slice,
                    Scratch& scratch,
                    const Band& band,
                    const Position* positions,
                    int count,
                    const DotOutput& out) const {
        BinaryDot job{};
        job.positions = positions;
        job.position_count = count;
        job.taps = taps_.data();
        job.words = static_cast<int>(taps_.size());
        job.weights = binary_.weights.data();
        job.block_vectors = tiling_.block_vectors;
        job.channel_begin = slice.channel_begin;
        job.channel_end = slice.channel_end;
        job.out = out;

        const std::int64_t image_words =
            std::int64_t{geometry_.input.height} * geometry_.input.width * geometry_.input.words();
        const std::uint64_t* images = as<std::uint64_t>(tensors.input) + band.image * image_words;
        if (!tiling_.chained && geometry_.padding == 0) {
            job.input = images;
            loops_.binary_dot(job);
            return;
        }
        for (int i = 0; i < band.images; ++i) {
            copy_rows(
                images + i * image_words, band.rows, scratch.words.data() + i * image_stride_);
        }
        job.input = scratch.words.data();
        job.first_window = positions->window;
        if (tiling_.chained) {
            run_chained(job, scratch);
        } else {
            loops_.binary_dot(job);
        }
    }

    // Copies the padded rows of an image that rows of the output need. A word of padding is
    // 0 for -1, and 1 in all channels that exist for +1; a padded 0 is corrected (dot_plan.hpp).
    // Chained, each half of a word becomes the xor of all halves of the row up to it.
    void copy_rows(const std::uint64_t* image, Rows rows, std::uint64_t* to) const {
        const int words = geometry_.input.words();
        const std::size_t row_words = size(geometry_.input.width) * size(words);
        std::uint32_t chain = 0;
        const auto put = [&](std::uint64_t word) {
            if (!tiling_.chained) {
                *to++ = word;
                return;
            }
            const auto low = static_cast<std::uint32_t>(word);
            const auto high = static_cast<std::uint32_t>(word >> 32);
            *to++ = (chain ^ low) | std::uint64_t{chain ^ low ^ high} << 32;
            chain ^= low ^ high;
        };
        const auto put_padding = [&](int pixels) {
            for (int pixel = 0; pixel < pixels; ++pixel) {
                for (int word = 0; word < words; ++word) {
                    put(pad_word(word));
                }
            }
        };

        const int end = input_row(rows.begin) + input_rows(rows.end - rows.begin);
        for (int row = input_row(rows.begin); row < end; ++row) {
            if (tiling_.chained) {
                *to++ = 0;
                chain = 0;
            }
            const int y = row - geometry_.padding;
            if (y < 0 || y >= geometry_.input.height) {
                put_padding(geometry_.padded_width());
                continue;
            }
            put_padding(geometry_.padding);
            const std::uint64_t* from = image + size(y) * row_words;
            if (tiling_.chained) {
                for (std::size_t word = 0; word < row_words; ++word) {
                    put(from[word]);
                }
            } else {
                std::memcpy(to, from, row_words * 8);
                to += row_words;
            }
            put_padding(geometry_.padding);
        }
    }

    std::uint64_t pad_word(int word) const {
        if (geometry_.pad_value != 1) {
            return 0;
        }
        const int channels = std::min(64, geometry_.input.channels - 64 * word);
        return ~std::uint64_t{0} >> (64 - channels);
    }

    // Some positions at a time: chain their windows, run the loops.
    void run_chained(BinaryDot job, Scratch& scratch) const {
        const int count = job.position_count;
        ChainWindows windows{};
        windows.rows = job.input + 1;  // behind the word of zeros
        windows.positions = job.positions;
        windows.first_window = job.first_window;
        windows.runs = geometry_.kernel_height;
        windows.run_words = geometry_.kernel_width * geometry_.input.words();
        windows.run_stride = row_stride_;
        windows.output = scratch.windows.data();
        job.input = scratch.windows.data();
        job.stride = job.words;
        job.chained = true;
        for (int done = 0; done < count; done += window_count_) {
            const int some = std::min(window_count_, count - done);
            windows.position_count = job.position_count = some;
            loops_.chain_windows(windows);
            loops_.binary_dot(job);
            windows.positions += some;
            job.positions += some;
            advance(job.out, some);
        }
    }

    static void advance(DotOutput& out, int outputs) {
        out.output += outputs * out.stride;
        if (out.second != nullptr) {
            out.second += outputs * out.second_stride;
        }
        if (out.numbers != nullptr) {
            out.numbers += outputs * out.second_stride;
        }
    }

    void run_bytes(const Tensors& tensors,
                   const Slice& slice,
                   Scratch& scratch,
                   const Band& band,
                   const Position* positions,
                   int count,
                   const DotOutput& out) const {
        copy_byte_rows(
            as<std::uint8_t>(tensors.input) + std::int64_t{band.image} * geometry_.input.height *
                                                  geometry_.input.width * geometry_.input.channels,
            band.rows,
            scratch.bytes.data());
        ByteDot job{};
        job.input = scratch.bytes.data();
        job.positions = positions;
        job.first_window = positions->window;
        job.taps = taps_.data();
        job.groups = static_cast<int>(taps_.size());
        job.position_count = count;
        job.pooled = pooling_ == Pooling::sums;
        job.weights = bytes_.weights.data();
        job.channel_begin = slice.channel_begin;
        job.channel_end = slice.channel_end;
        job.out = out;
        if (!copied_) {
            loops_.byte_dot(job);
            return;
        }

        // Some positions at a time: copy their windows, run the loops.
        job.input = scratch.patches.data();
        job.stride = std::ptrdiff_t{job.groups} * 4;
        for (int done = 0; done < count; done += window_count_) {
            job.position_count = std::min(window_count_, count - done);
            copy_windows(scratch, job);
            loops_.byte_dot(job);
            job.positions += job.position_count;
            advance(job.out, job.position_count / output_positions_);
        }
    }

    // A padded -1 is stored as 0 and corrected (dot_plan.hpp).
    void copy_byte_rows(const std::uint8_t* image, Rows rows, std::uint8_t* to) const {
        const int fill = geometry_.pad_value == 1 ? 1 : 0;
        const std::size_t side = size(geometry_.padding) * size(geometry_.input.channels);
        const std::size_t row_bytes = size(row_stride_) - 2 * side;
        const int end = input_row(rows.begin) + input_rows(rows.end - rows.begin);
        for (int row = input_row(rows.begin); row < end; ++row, to += row_stride_) {
            const int y = row - geometry_.padding;
            if (y < 0 || y >= geometry_.input.height) {
                std::memset(to, fill, size(row_stride_));
                continue;
            }
            std::memset(to, fill, side);
            std::memcpy(to + side, image + size(y) * row_bytes, row_bytes);
            std::memset(to + side + row_bytes, fill, side);
        }
    }

    // Sixteen bytes at a time: what is copied too much is overwritten by the next run, or is
    // multiplied by a weight of zero.
    void copy_windows(Scratch& scratch, const ByteDot& job) const {
        const int run = geometry_.kernel_width * geometry_.input.channels;
        for (int i = 0; i < job.position_count; ++i) {
            const std::uint8_t* from =
                scratch.bytes.data() + (job.positions[i].window - job.first_window);
            std::uint8_t* to = scratch.patches.data() + i * job.stride;
            for (int ky = 0; ky < geometry_.kernel_height; ++ky, from += row_stride_, to += run) {
                for (int byte = 0; byte < run; byte += 16) {
                    std::memcpy(to + byte, from + byte, 16);
                }
            }
        }
    }

    void run_pool(const Tensors& tensors,
                  const Slice& slice,
                  Scratch& scratch,
                  int image,
                  int images,
                  int first_row) const {
        Pool pool = pool_of(pool_, dot_shape(), output_, slice);
        const std::size_t words = size(dot_shape().words());
        for (int i = 0; i < images; ++i) {
            pool.input = reinterpret_cast<const std::byte*>(scratch.bits.data()) +
                         size(i) * size(positions_in(rows_)) * words * 8;
            pool.input_row = first_row;
            pool.output = tensors.output +
                          size(image + i) * size(output_.height) * size(output_.width) * words * 8;
            loops_.pool_binary(pool);
        }
    }

    const Loops& loops_;
    DotGeometry geometry_;
    Shape output_;
    Borders borders_;
    bool has_second_;
    Result result_ = Result::int32;
    FlippedThresholds thresholds_;
    Pooling pooling_ = Pooling::none;
    Step pool_;

    int rows_ = 0, row_outputs_ = 0, output_positions_ = 1;
    int images_together_ = 1, band_rows_ = 1, window_count_ = 1;
    std::vector<Position> positions_;
    std::vector<std::int32_t> taps_;
    std::int64_t row_stride_ = 0, image_stride_ = 0;  // of the copied input

    Tiling tiling_{};
    BinaryParameters binary_;
    bool copied_ = false;
    ByteParameters bytes_;
    std::vector<Scratch> scratch_;
};

}  // namespace

Body dot_body(const Chain& chain, const Pattern& pattern, const Loops& loops, int slices) {
    auto work = std::make_shared<DotBody>(chain, pattern, loops, slices);
    return [work](const Tensors& tensors, const Slice& slice) { work->run(tensors, slice); };
}

}  // namespace kernels::cpu
