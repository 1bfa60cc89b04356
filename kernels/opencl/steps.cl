// Layers without weights, on their own: threshold (and max pool behind it), max pool, add, flatten.
// Any grid will do: every work item walks through the images, positions and pieces in steps of the
// grid's size, which is 1 along what is looped over instead of spread.

#define FOR_EACH(image, position, piece, positions)                                            \
    for (int image = get_global_id(2); image < s.batch; image += get_global_size(2))           \
        for (int position = get_global_id(1); position < (positions);                          \
             position += get_global_size(1))                                                   \
            for (int piece = get_global_id(0); piece < s.pieces; piece += get_global_size(0))

// Eight channels for each piece.
kernel void threshold(global const int* input,
                      global const int* second,
                      global uchar* output,
                      global const int* limits,
                      global const int* flips,
                      const Sizes s) {
    FOR_EACH(image, position, piece, s.out_height * s.out_width) {
        const int out_y = position / s.out_width, out_x = position % s.out_width;
        const int y_end = window_end(out_y, s.pool_stride, s.pool_padding, s.pool_height, s.height);
        const int x_end = window_end(out_x, s.pool_stride, s.pool_padding, s.pool_width, s.width);
        const int channels = min(8, s.channels - 8 * piece);
        int bits = 0;
        for (int y = window_begin(out_y, s.pool_stride, s.pool_padding); y < y_end; ++y)
            for (int x = window_begin(out_x, s.pool_stride, s.pool_padding); x < x_end; ++x) {
                const int at = ((image * s.height + y) * s.width + x) * s.channels + 8 * piece;
                for (int c = 0; c < channels; ++c) {
                    int value = input[at + c];
                    if (s.adds)
                        value = add_wrapped(value, second[at + c]);
                    bits |= passes(value, limits[8 * piece + c], flips[8 * piece + c]) << c;
                }
            }
        output[(image * s.out_height * s.out_width + position) * s.pieces + piece] = (uchar)bits;
    }
}

// A word of a binary tensor, or one channel, for each piece. A window of one pixel copies.
kernel void max_pool2d(global const uchar* input, global uchar* output, const Sizes s) {
    FOR_EACH(image, position, piece, s.out_height * s.out_width) {
        const int out_y = position / s.out_width, out_x = position % s.out_width;
        const int y_end = window_end(out_y, s.pool_stride, s.pool_padding, s.pool_height, s.height);
        const int x_end = window_end(out_x, s.pool_stride, s.pool_padding, s.pool_width, s.width);
        ulong bits = 0;
        int largest = INT_MIN;
        for (int y = window_begin(out_y, s.pool_stride, s.pool_padding); y < y_end; ++y)
            for (int x = window_begin(out_x, s.pool_stride, s.pool_padding); x < x_end; ++x) {
                const int at = ((image * s.height + y) * s.width + x) * s.pieces + piece;
                if (s.element == BINARY)
                    bits |= ((global const ulong*)input)[at];
                else if (s.element == U8)
                    largest = max(largest, (int)input[at]);
                else
                    largest = max(largest, ((global const int*)input)[at]);
            }
        const int at = (image * s.out_height * s.out_width + position) * s.pieces + piece;
        if (s.element == BINARY)
            ((global ulong*)output)[at] = bits;
        else if (s.element == U8)
            output[at] = (uchar)largest;
        else
            ((global int*)output)[at] = largest;
    }
}

kernel void add(global const int* input,
                global const int* second,
                global int* output,
                const Sizes s) {
    FOR_EACH(image, position, piece, s.out_height * s.out_width) {
        const int at = (image * s.out_height * s.out_width + position) * s.pieces + piece;
        output[at] = add_wrapped(input[at], second[at]);
    }
}

// Bits of pixels whose last word is not full move together; a word of the output for each piece.
kernel void flatten(global const ulong* input, global ulong* output, const Sizes s) {
    const int elements = s.height * s.width * s.channels;
    FOR_EACH(image, position, piece, 1) {
        const int bits = min(64, elements - 64 * piece);
        ulong word = 0;
        for (int i = 0; i < bits; ++i) {
            const int pixel = (64 * piece + i) / s.channels, c = (64 * piece + i) % s.channels;
            const int at = (image * s.height * s.width + pixel) * s.words + c / 64;
            word |= (input[at] >> (c % 64) & 1) << i;
        }
        output[image * s.pieces + piece] = word;
    }
}
