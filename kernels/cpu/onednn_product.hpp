#pragma once

// Products on f32 as oneDNN computes them. Each runs on the thread that calls it and on no other:
// what several threads do, the variant `onednn` divides.

#include <cstddef>
#include <memory>
#include <span>

namespace kernels::cpu::onednn {

// A convolution of whole images, or of parts of them with what padding they see. Tensors are
// dense: image, row, column, channel; or blocks of channels: image, block, row, column, channel of
// the block. A linear product is one over 1x1 images.
struct Product {
    int block = 1;  // channels
    int images = 1;
    int height = 1, width = 1, channels = 1;  // of the input
    int out_height = 1, out_width = 1, out_channels = 1;
    int groups = 1;
    int kernel_height = 1, kernel_width = 1;
    int stride = 1, columns_stride = 1;
    int top = 0, left = 0, bottom = 0, right = 0;  // rows and columns of zeros
    bool linear = false;
    bool limited = false;  // results below `least` and above `most` become these
    float least = 0, most = 0;
};

// Does the library know blocks of so many channels?
bool knows_blocks(int channels);

// Weights as the library wants them for one product; several products may share them.
class Weights;

class Primitive {
public:
    // Weights: by output channel, then in (ky, kx, channel of the group) order; a bias by output
    // channel. `shared` are those of another primitive with the same numbers, or null: they are
    // used where the library wants them for both alike. Throws std::runtime_error where the
    // library refuses.
    Primitive(const Product& product,
              std::span<const float> weights,
              std::span<const float> biases,
              std::shared_ptr<const Weights> shared);
    ~Primitive();
    Primitive(Primitive&&) noexcept;
    Primitive& operator=(Primitive&&) noexcept;

    const std::shared_ptr<const Weights>& weights() const;

    // One thread at a time.
    void run(const float* input, float* output) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kernels::cpu::onednn
