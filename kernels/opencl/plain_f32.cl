// Layers on f32, one after the other or with what follows them number by number: sums, factors,
// batch norms, activations. Sums are over rows and columns of the kernel and input channels, in
// this order, in f32.

// What is done to a number, as Does of plain_f32.cpp.
enum {
    SCALES = 0,
    ADDS = 1,
    MULTIPLIES = 2,
    MULTIPLIES_BY_PIXEL = 3,
    RELU = 4,
    CLIP = 5,
    SIGMOID = 6,
    TANH = 7,
    HARD_SIGMOID = 8,
    HARD_SWISH = 9
};

// The same, field by field, as struct Followers of plain_f32.cpp. `at`: where scales lie in
// `numbers`, biases behind them.
typedef struct {
    int count;
    int does[8], at[8];
    float first[8], second[8];
} Followers;

// Element `at` of the output, of channel c.
float finished(float x,
               int image,
               int c,
               int at,
               global const float* second,
               global const float* numbers,
               Layer s,
               Followers f) {
    for (int i = 0; i < f.count; ++i) {
        switch (f.does[i]) {
            case SCALES:
                x = numbers[f.at[i] + c] * x + numbers[f.at[i] + s.out_channels + c];
                break;
            case ADDS:
                x += second[at];
                break;
            case MULTIPLIES:
                x *= second[at];
                break;
            case MULTIPLIES_BY_PIXEL:
                x *= second[image * s.out_channels + c];
                break;
            case RELU:
                x = fmax(x, 0.0f);
                break;
            case CLIP:
                x = fmin(fmax(x, f.first[i]), f.second[i]);
                break;
            case SIGMOID:
                x = 1.0f / (1.0f + exp(-x));
                break;
            case TANH:
                x = tanh(x);
                break;
            case HARD_SIGMOID:
                x = fmin(fmax(f.first[i] * x + f.second[i], 0.0f), 1.0f);
                break;
            case HARD_SWISH:
                x = x * fmin(fmax(x / 6.0f + 0.5f, 0.0f), 1.0f);
                break;
        }
    }
    return x;
}

// ---- Products ---------------------------------------------------------------------------------

float element_of(global const uchar* input, int pixel, int c, Layer s) {
    if (s.element == F32)
        return ((global const float*)input)[pixel * s.channels + c];
    if (s.element == U8)
        return (float)input[pixel * s.channels + c];
    return ((global const ulong*)input)[pixel * s.words + c / 64] >> (c % 64) & 1 ? 1.0f : -1.0f;
}

// Up to four channels from `first` on.
void write_four(float4 sums,
                Place p,
                int first,
                int count,
                global const float* second,
                global float* output,
                global const float* numbers,
                Layer s,
                Followers f) {
    const float values[4] = {sums.x, sums.y, sums.z, sums.w};
    const int pixel = (p.image * s.out_height + p.y) * s.out_width + p.x;
    for (int i = 0; i < count; ++i) {
        const int at = pixel * s.out_channels + first + i;
        output[at] = finished(values[i], p.image, first + i, at, second, numbers, s, f);
    }
}

kernel void product(global const uchar* input,
                    global const float* second,
                    global float* output,
                    global const float4* weights,
                    global const float* numbers,
                    const Layer s,
                    const Followers f) {
    if ((int)get_global_id(0) >= s.total)
        return;
    const Place p = place_of(get_global_id(0), s);
    const int group = p.piece / s.fours, four = p.piece % s.fours;
    global const float4* tap =
        weights + group * s.kernel_height * s.kernel_width * s.inputs * s.fours + four;
    float4 sums = 0.0f;
    for (int ky = 0; ky < s.kernel_height; ++ky)
        for (int kx = 0; kx < s.kernel_width; ++kx, tap += s.inputs * s.fours) {
            const int pixel = pixel_of(p, ky, kx, s);
            if (pixel >= 0)
                for (int c = 0; c < s.inputs; ++c)
                    sums += tap[c * s.fours] * element_of(input, pixel, group * s.inputs + c, s);
            else if (s.pad_value != 0)
                for (int c = 0; c < s.inputs; ++c)
                    sums += tap[c * s.fours] * (float)s.pad_value;
        }
    write_four(sums,
               p,
               group * s.outputs + 4 * four,
               min(4, s.outputs - 4 * four),
               second,
               output,
               numbers,
               s,
               f);
}

// Each output channel reads one channel of the input.
kernel void depthwise(global const uchar* input,
                      global const float* second,
                      global float* output,
                      global const float4* weights,
                      global const float* numbers,
                      const Layer s,
                      const Followers f) {
    if ((int)get_global_id(0) >= s.total)
        return;
    const Place p = place_of(get_global_id(0), s);
    const int first = 4 * p.piece, last = s.out_channels - 1;
    const int4 from = min(first + (int4)(0, 1, 2, 3), last) / s.per_input;
    float4 sums = 0.0f;
    for (int ky = 0; ky < s.kernel_height; ++ky)
        for (int kx = 0; kx < s.kernel_width; ++kx) {
            const int pixel = pixel_of(p, ky, kx, s);
            const float4 weight = weights[(ky * s.kernel_width + kx) * s.fours + p.piece];
            if (pixel >= 0)
                sums += weight * (float4)(element_of(input, pixel, from.x, s),
                                          element_of(input, pixel, from.y, s),
                                          element_of(input, pixel, from.z, s),
                                          element_of(input, pixel, from.w, s));
            else
                sums += weight * (float)s.pad_value;
        }
    write_four(sums, p, first, min(4, s.out_channels - first), second, output, numbers, s, f);
}

// ---- The rest -----------------------------------------------------------------------------------

// Numbers where they are, or from another channel.
kernel void each(global const float* input,
                 global const float* second,
                 global float* output,
                 global const float* numbers,
                 const Layer s,
                 const Followers f) {
    const int at = get_global_id(0);
    if (at >= s.total)
        return;
    const int pixel = at / s.pieces, c = at % s.pieces;
    const int of_group = s.channels / s.groups;
    const int from = s.first_channel + c % s.groups * of_group + c / s.groups;
    output[at] = finished(input[pixel * s.channels + from],
                          pixel / (s.out_height * s.out_width),
                          c,
                          at,
                          second,
                          numbers,
                          s,
                          f);
}

kernel void max_pool(global const float* input,
                     global const float* second,
                     global float* output,
                     global const float* numbers,
                     const Layer s,
                     const Followers f) {
    const int at = get_global_id(0);
    if (at >= s.total)
        return;
    const Place p = place_of(at, s);
    float largest = -INFINITY;
    for (int ky = 0; ky < s.kernel_height; ++ky)
        for (int kx = 0; kx < s.kernel_width; ++kx) {
            const int pixel = pixel_of(p, ky, kx, s);
            if (pixel >= 0)
                largest = fmax(largest, input[pixel * s.channels + p.piece]);
        }
    output[at] = finished(largest, p.image, p.piece, at, second, numbers, s, f);
}

kernel void average_pool(global const float* input,
                         global const float* second,
                         global float* output,
                         global const float* numbers,
                         const Layer s,
                         const Followers f) {
    const int at = get_global_id(0);
    if (at >= s.total)
        return;
    const Place p = place_of(at, s);
    float sum = 0.0f;
    int count = 0;
    for (int ky = 0; ky < s.kernel_height; ++ky)
        for (int kx = 0; kx < s.kernel_width; ++kx) {
            const int pixel = pixel_of(p, ky, kx, s);
            if (pixel >= 0) {
                sum += input[pixel * s.channels + p.piece];
                ++count;
            }
        }
    if (s.counts_padding)
        count = s.kernel_height * s.kernel_width;
    output[at] = finished(sum / (float)count, p.image, p.piece, at, second, numbers, s, f);
}

// The sum of what the work items of a group have, or the largest of it. Groups are a power of two.
float of_group(local float* shared, float value, bool adds) {
    const int item = get_local_id(0);
    shared[item] = value;
    for (int half_of = get_local_size(0) / 2; half_of > 0; half_of /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < half_of)
            shared[item] = adds ? shared[item] + shared[item + half_of]
                                : fmax(shared[item], shared[item + half_of]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const float result = shared[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return result;
}

// A group for each pixel. `logarithm`: of it.
kernel void softmax(global const float* input,
                    global const float* second,
                    global float* output,
                    global const float* numbers,
                    const int logarithm,
                    const Layer s,
                    const Followers f) {
    local float shared[64];
    const int pixel = get_group_id(0);
    const int image = pixel / (s.out_height * s.out_width);
    global const float* from = input + pixel * s.channels;
    float largest = -INFINITY, sum = 0.0f;
    for (int c = get_local_id(0); c < s.channels; c += get_local_size(0))
        largest = fmax(largest, from[c]);
    largest = of_group(shared, largest, false);
    for (int c = get_local_id(0); c < s.channels; c += get_local_size(0))
        sum += exp(from[c] - largest);
    sum = of_group(shared, sum, true);
    const float log_sum = log(sum);
    for (int c = get_local_id(0); c < s.channels; c += get_local_size(0)) {
        const float value =
            logarithm ? from[c] - largest - log_sum : exp(from[c] - largest) / sum;
        const int at = pixel * s.channels + c;
        output[at] = finished(value, image, c, at, second, numbers, s, f);
    }
}

// One of the inputs: its channels become those of the output from first_channel on.
kernel void concat(global const float* input, global float* output, const Layer s) {
    const int at = get_global_id(0);
    if (at < s.total)
        output[at / s.pieces * s.out_channels + s.first_channel + at % s.pieces] = input[at];
}

// Eight channels for each piece, as the threshold of int32 does.
kernel void threshold_f32(global const float* input,
                          global uchar* output,
                          global const float* limits,
                          global const uchar* flips,
                          const Layer s) {
    const int at = get_global_id(0);
    if (at >= s.total)
        return;
    const int pixel = at / s.pieces, first = 8 * (at % s.pieces);
    int bits = 0;
    for (int c = first; c < min(first + 8, s.channels); ++c) {
        const float x = input[pixel * s.channels + c];
        const bool flipped = flips[c / 8] >> (c % 8) & 1;
        bits |= (flipped ? x <= limits[c] : x >= limits[c]) << (c % 8);
    }
    output[at] = (uchar)bits;
}
