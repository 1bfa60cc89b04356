// What plain_f32.cl and plain_int8.cl begin with: a layer's sizes. OpenCL C 1.2.
//
// A work item makes one piece of the output: four channels of a product, so that what it has read
// counts four times, and one element of anything else. Pieces are in the order of the output, so
// that neighbours write, and mostly read, side by side.

// The same, field by field, as struct Layer of plain.hpp.
typedef struct {
    int height, width, channels, words;  // input; words: 64-bit words of a pixel, where it is bits
    int kernel_height, kernel_width, row_stride, column_stride, top, left, pad_value;
    // Of a product. Weights lie by group, tap, input channel of the group, and fours of the group's
    // output channels; where each output channel reads one of the input alone, by tap and fours of
    // all channels.
    int inputs, outputs, fours;  // channels of a group in and out, fours of the latter
    int per_input;               // output channels that read an input channel, where it is one
    int out_height, out_width, out_channels;
    int pieces, total;          // of a pixel, and of the whole output
    int element, result;        // of the input and the output: BINARY, U8, ...
    int counts_padding;         // average_pool2d
    int first_channel, groups;  // channels, concat; channel_shuffle
} Layer;

// Where a piece is. `at`: it begins there, in pieces.
typedef struct {
    int image, y, x, piece;
} Place;

Place place_of(int at, Layer s) {
    const int pixel = at / s.pieces, row = pixel / s.out_width;
    Place p;
    p.piece = at % s.pieces;
    p.x = pixel % s.out_width;
    p.y = row % s.out_height;
    p.image = row / s.out_height;
    return p;
}

// The pixel of the input that a tap sees; negative: it is padding.
int pixel_of(Place p, int ky, int kx, Layer s) {
    const int y = p.y * s.row_stride + ky - s.top, x = p.x * s.column_stride + kx - s.left;
    const bool inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
    return inside ? (p.image * s.height + y) * s.width + x : -1;
}
