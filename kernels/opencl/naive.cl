// conv2d and linear as they are defined, one output channel after the other: what a first version
// on a GPU looks like. Which loops are spread over work items is the grid's business: see
// FOR_EACH in steps.cl.
//
// Real results are scale x sum + bias.
//
// A padded element that is a true 0 is a tap that adds nothing; one of -1 or +1 adds the weight
// times that.

// Weights: bits of (channel, ky, kx, word of 64 input channels).
int dot_at(global const uchar* input,
           global const ulong* weights,
           int image,
           int y,
           int x,
           int channel,
           Sizes s) {
    const int weight_words = (s.channels + 63) / 64;
    global const ulong* tap = weights + channel * s.kernel_height * s.kernel_width * weight_words;
    int sum = 0;
    for (int ky = 0; ky < s.kernel_height; ++ky)
        for (int kx = 0; kx < s.kernel_width; ++kx, tap += weight_words) {
            const int from_y = y * s.stride + ky - s.padding;
            const int from_x = x * s.stride + kx - s.padding;
            const int pixel = (image * s.height + from_y) * s.width + from_x;
            if (from_y < 0 || from_y >= s.height || from_x < 0 || from_x >= s.width) {
                int ones = 0;
                for (int word = 0; word < weight_words; ++word)
                    ones += (int)popcount(tap[word]);
                sum += s.pad_value * (2 * ones - s.channels);
            } else if (s.element == BINARY) {
                global const ulong* bits = (global const ulong*)input + pixel * s.words;
                int different = 0;
                for (int word = 0; word < s.words; ++word)
                    different += (int)popcount(bits[word] ^ tap[word]);
                sum += s.channels - 2 * different;
            } else {
                for (int c = 0; c < s.channels; ++c) {
                    const int value = input[pixel * s.channels + c];
                    sum += (tap[c / 64] >> (c % 64) & 1) ? value : -value;
                }
            }
        }
    return sum;
}

// Eight channels for each piece where there is a threshold, else one.
kernel void naive(global const uchar* input,
                  global const int* second,
                  global uchar* output,
                  global const ulong* weights,
                  global const int* limits,
                  global const int* flips,
                  global const float* scales,
                  global const float* biases,
                  const Sizes s) {
    FOR_EACH(image, position, piece, s.out_height * s.out_width) {
        const int out_y = position / s.out_width, out_x = position % s.out_width;
        const int out = (image * s.out_height * s.out_width + position) * s.pieces + piece;
        if (s.result == F32) {
            const float sum = (float)dot_at(input, weights, image, out_y, out_x, piece, s);
            ((global float*)output)[out] = scales[piece] * sum + biases[piece];
            continue;
        }
        if (!s.thresholds) {
            int value = dot_at(input, weights, image, out_y, out_x, piece, s);
            if (s.adds)
                value = add_wrapped(value, second[out]);
            ((global int*)output)[out] = value;
            continue;
        }
        const int y_end =
            window_end(out_y, s.pool_stride, s.pool_padding, s.pool_height, s.dot_height);
        const int x_end =
            window_end(out_x, s.pool_stride, s.pool_padding, s.pool_width, s.dot_width);
        const int last = min(8 * piece + 8, s.dot_channels);
        int bits = 0;
        for (int y = window_begin(out_y, s.pool_stride, s.pool_padding); y < y_end; ++y)
            for (int x = window_begin(out_x, s.pool_stride, s.pool_padding); x < x_end; ++x)
                for (int channel = 8 * piece; channel < last; ++channel) {
                    int value = dot_at(input, weights, image, y, x, channel, s);
                    if (s.adds) {
                        const int at = (image * s.dot_height + y) * s.dot_width + x;
                        value = add_wrapped(value, second[at * s.dot_channels + channel]);
                    }
                    bits |= passes(value, limits[channel], flips[channel]) << (channel % 8);
                }
        output[out] = (uchar)bits;
    }
}
