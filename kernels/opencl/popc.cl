// conv2d and linear with everything that follows, in one launch. A work item makes eight output
// channels, a block, at POSITIONS positions of the dot product's output: each weight that it loads
// is used POSITIONS times, each word of the input eight times. A place to start reading is `popc`.
//
// BYTES: the input is u8, and weights are int8 of (block, ky, kx, input channel, 8 channels); else
// it is packed, and weights are words of (block, ky, kx, word, 8 channels). Either way an element
// is what one weight is for.
//
// ADDERS: bits that differ are added up in full adders, four words at a time, before they are
// counted: a third of the counting, and some logic instead. It pays where counting is slow.
//
// Every position has a border class. For each there is where the elements of the window lie, from
// the window's beginning, or -1 outside the image, and what sums begin with: padding is read as
// what the packed input can hold, and where that is wrong (a true 0 between -1 and +1), the
// beginning puts it right.

#if BYTES
typedef uchar Element;
typedef int8 Factors, Sum;
typedef char8 Weights;
#define SCALE 1
#define FACTORS(weights) convert_int8(weights)
#define ACCUMULATE(sum, value, factors) sum += (Factors)(value) * factors
#else
typedef ulong Element;
typedef ulong8 Factors, Weights;
#define SCALE -2
#define FACTORS(weights) (weights)
#define ACCUMULATE(sum, value, factors) sum += COUNT((Factors)(value) ^ factors)
// A GPU adds 32 bits at a time; a CPU that has just counted 64 would have to convert.
#if NARROW
typedef uint8 Sum;
#define COUNT(bits) convert_uint8(popcount(bits))
#else
typedef ulong8 Sum;
#define COUNT(bits) popcount(bits)
#endif
#endif

#define EACH_POSITION(i) _Pragma("unroll") for (int i = 0; i < POSITIONS; ++i)
#define INLINE static inline __attribute__((always_inline))

// What lies outside the image. PAD_ONES: padding is +1.
INLINE Element outside(int element, Sizes s) {
#if !PAD_ONES
    return 0;
#elif BYTES
    return 1;
#else
    return ~(ulong)0 >> (64 - min(64, s.channels - 64 * (element % s.words)));
#endif
}

// Reads something in any case, so that there is nothing to branch for.
INLINE Element
value_at(int inside, global const Element* input, int from, int tap, int element, Sizes s) {
    if (inside)
        return input[from + tap];
    const Element value = input[tap < 0 ? 0 : from + tap];
    return tap < 0 ? outside(element, s) : value;
}

// A position of the dot product's output: where its window begins in the input (perhaps outside),
// and its border class.
typedef struct {
    int from, border;
} Position;

INLINE Position position_of(int image, int position, global const int* class_of, Sizes s) {
    const int y = position / s.dot_width * s.stride - s.padding;
    const int x = position % s.dot_width * s.stride - s.padding;
    Position result = {((image * s.height + y) * s.width + x) * s.words, class_of[position]};
    return result;
}

#if ADDERS
INLINE void full_add(Factors* sum, Factors* carry, Factors a, Factors b) {
    const Factors differ = *sum ^ a;
    *carry = (*sum & a) | (differ & b);
    *sum = differ ^ b;
}
#endif

// `inside` is the same for all calls of a place, so that the compiler makes two loops.
INLINE void dots_where(int inside,
                       global const Element* input,
                       global const Weights* weights,
                       global const int* taps,
                       const Position* positions,
                       Sum* sums,
                       Sizes s) {
#define VALUE(i, element) \
    value_at(inside, input, positions[i].from, taps[first[i] + (element)], element, s)
    const int elements = s.kernel_height * s.kernel_width * s.words;
    int first[POSITIONS];
    EACH_POSITION(i) {
        first[i] = (inside ? s.interior : positions[i].border) * elements;
        sums[i] = (Sum)(0);
    }
    int element = 0;
#if ADDERS
    Factors ones[POSITIONS], twos[POSITIONS];
    EACH_POSITION(i)
        ones[i] = twos[i] = (Factors)(0);
    for (; element + 4 <= elements; element += 4) {
        const Factors weights0 = FACTORS(weights[element]);
        const Factors weights1 = FACTORS(weights[element + 1]);
        const Factors weights2 = FACTORS(weights[element + 2]);
        const Factors weights3 = FACTORS(weights[element + 3]);
        EACH_POSITION(i) {
            Factors two0, two1, four;
            full_add(&ones[i],
                     &two0,
                     (Factors)(VALUE(i, element)) ^ weights0,
                     (Factors)(VALUE(i, element + 1)) ^ weights1);
            full_add(&ones[i],
                     &two1,
                     (Factors)(VALUE(i, element + 2)) ^ weights2,
                     (Factors)(VALUE(i, element + 3)) ^ weights3);
            full_add(&twos[i], &four, two0, two1);
            sums[i] += COUNT(four);
        }
    }
    EACH_POSITION(i)
        sums[i] = 4 * sums[i] + 2 * COUNT(twos[i]) + COUNT(ones[i]);
#endif
    for (; element < elements; ++element) {
        const Factors factors = FACTORS(weights[element]);
        EACH_POSITION(i)
            ACCUMULATE(sums[i], VALUE(i, element), factors);
    }
#undef VALUE
}

INLINE void dots(global const Element* input,
                 global const Weights* weights,
                 global const int* taps,
                 const Position* positions,
                 Sum* sums,
                 Sizes s) {
    int inside = 1;
    EACH_POSITION(i)
        inside &= positions[i].border == s.interior;
    if (inside)
        dots_where(1, input, weights, taps, positions, sums, s);
    else
        dots_where(0, input, weights, taps, positions, sums, s);
}

// The dot products with what follows them, up to the threshold. `position`: in (y, x) order.
INLINE int8 finished(Sum sum,
                     int image,
                     int position,
                     int border,
                     int block,
                     global const int8* base,
                     global const int* second,
                     Sizes s) {
    const int blocks = (s.dot_channels + 7) / 8;
    int8 value = base[border * blocks + block] + SCALE * convert_int8(sum);
    if (s.adds) {
        const int at = (image * s.dot_height * s.dot_width + position) * s.dot_channels + 8 * block;
        const int channels = s.dot_channels - 8 * block;
        if (channels >= 8) {
            value = as_int8(as_uint8(value) + as_uint8(vload8(0, second + at)));
        } else {
            int addend[8] = {0, 0, 0, 0, 0, 0, 0, 0};
            for (int c = 0; c < channels; ++c)
                addend[c] = second[at + c];
            value = as_int8(as_uint8(value) + as_uint8(vload8(0, addend)));
        }
    }
    return value;
}

INLINE int bits_of(int8 value, int block, global const int8* limits, global const int8* flips) {
    const int8 passed = (value ^ flips[block]) >= limits[block];
    const int8 bits = passed & (int8)(1, 2, 4, 8, 16, 32, 64, 128);
    const int4 four = bits.lo | bits.hi;
    return four.x | four.y | four.z | four.w;
}

// Without a pool: work items are (tile of POSITIONS positions, piece); a piece is a block.
kernel void popc(global const uchar* input,
                 global const int* second,
                 global uchar* output,
                 global const Weights* weights,
                 global const int* class_of,
                 global const int* taps,
                 global const int8* base,
                 global const int8* limits,
                 global const int8* flips,
                 const Sizes s) {
    const int outputs = s.batch * s.dot_height * s.dot_width;
    const int tile = get_global_id(0) / s.pieces, block = get_global_id(0) % s.pieces;
    if (tile * POSITIONS >= outputs)
        return;
    // The last tile does its last position more than once.
    int out[POSITIONS];
    EACH_POSITION(i)
        out[i] = min(tile * POSITIONS + i, outputs - 1);
    if (8 * block >= s.dot_channels) {  // fills up a word
        for (int i = 0; i < POSITIONS; ++i)
            output[out[i] * s.pieces + block] = 0;
        return;
    }

    Position positions[POSITIONS];
    int image[POSITIONS], at[POSITIONS];
    Sum sums[POSITIONS];
    EACH_POSITION(i) {
        image[i] = out[i] / (s.dot_height * s.dot_width);
        at[i] = out[i] % (s.dot_height * s.dot_width);
        positions[i] = position_of(image[i], at[i], class_of, s);
    }
    const int fan_in = s.kernel_height * s.kernel_width * s.words;
    dots((global const Element*)input, weights + block * fan_in, taps, positions, sums, s);
    EACH_POSITION(i) {
        const int8 value =
            finished(sums[i], image[i], at[i], positions[i].border, block, base, second, s);
        if (s.thresholds) {
            output[out[i] * s.pieces + block] = (uchar)bits_of(value, block, limits, flips);
            continue;
        }
        global int* to = (global int*)output + out[i] * s.dot_channels + 8 * block;
        const int channels = s.dot_channels - 8 * block;
        if (channels >= 8) {
            vstore8(value, 0, to);
        } else {
            int values[8];
            vstore8(value, 0, values);
            for (int c = 0; c < channels; ++c)
                to[c] = values[c];
        }
    }
}

// Threshold and max pool: work items are (position of the pool's output, piece), and go through
// the pool's window POSITIONS at a time. The largest of some bits is their OR, so a position that
// is done twice, at the window's end, changes nothing.
kernel void popc_pool(global const uchar* input,
                      global const int* second,
                      global uchar* output,
                      global const Weights* weights,
                      global const int* class_of,
                      global const int* taps,
                      global const int8* base,
                      global const int8* limits,
                      global const int8* flips,
                      const Sizes s) {
    const int out = get_global_id(0) / s.pieces, block = get_global_id(0) % s.pieces;
    if (out >= s.batch * s.out_height * s.out_width)
        return;
    if (8 * block >= s.dot_channels) {
        output[out * s.pieces + block] = 0;
        return;
    }
    const int image = out / (s.out_height * s.out_width);
    const int out_y = out / s.out_width % s.out_height, out_x = out % s.out_width;
    const int y_begin = window_begin(out_y, s.pool_stride, s.pool_padding);
    const int x_begin = window_begin(out_x, s.pool_stride, s.pool_padding);
    const int y_end = window_end(out_y, s.pool_stride, s.pool_padding, s.pool_height, s.dot_height);
    const int x_end = window_end(out_x, s.pool_stride, s.pool_padding, s.pool_width, s.dot_width);
    const int width = x_end - x_begin, cells = (y_end - y_begin) * width;
    const int fan_in = s.kernel_height * s.kernel_width * s.words;

    int bits = 0;
    for (int cell = 0; cell < cells; cell += POSITIONS) {
        Position positions[POSITIONS];
        int at[POSITIONS];
        Sum sums[POSITIONS];
        EACH_POSITION(i) {
            const int here = min(cell + i, cells - 1);
            const int y = y_begin + here / width, x = x_begin + here % width;
            at[i] = y * s.dot_width + x;
            positions[i] = position_of(image, at[i], class_of, s);
        }
        dots((global const Element*)input, weights + block * fan_in, taps, positions, sums, s);
        EACH_POSITION(i)
            bits |= bits_of(
                finished(sums[i], image, at[i], positions[i].border, block, base, second, s),
                block,
                limits,
                flips);
    }
    output[out * s.pieces + block] = (uchar)bits;
}
