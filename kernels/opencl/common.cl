// What every program begins with: the sizes of a chain, and how a layer ends. OpenCL C 1.2.
//
// A piece is what one work item writes at a time: of binary tensors one byte, the bits of eight
// channels, so that no two work items share a word and nothing has to be atomic; of int32 and u8
// tensors one channel or several. Devices are little endian (the backend sees to that): byte b of
// a pixel's words holds the channels 8 b to 8 b + 7.

// The same, field by field, as struct Sizes of plan.hpp.
typedef struct {
    int batch;
    int height, width, channels, words;  // input; words: 64-bit words of a pixel, bytes if u8
    int kernel_height, kernel_width, stride, padding, pad_value;
    int dot_height, dot_width, dot_channels;  // output of conv2d or linear
    int interior;  // the border class of positions that see no padding, or -1
    int pool_height, pool_width, pool_stride, pool_padding;
    int out_height, out_width;
    int pieces;            // that a pixel of the output has
    int element, result;   // of the input, of the output
    int adds, thresholds;  // is there such a step?
} Sizes;

enum { BINARY = 0, U8 = 1, INT8 = 2, INT32 = 3, F32 = 4 };  // as kernels::Element

// Where a pooling window begins and ends along one axis, cut at the border.
int window_begin(int out, int stride, int padding) { return max(out * stride - padding, 0); }
int window_end(int out, int stride, int padding, int kernel_size, int size) {
    return min(out * stride - padding + kernel_size, size);
}

// Sums wrap around, as the reference's do.
int add_wrapped(int a, int b) { return as_int(as_uint(a) + as_uint(b)); }

// x >= t, or x <= t for a channel whose flip is all ones: complement turns the order round. The
// limit has been complemented already.
int passes(int x, int limit, int flip) { return (x ^ flip) >= limit; }
