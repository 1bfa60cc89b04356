// Layers on u8 and int8 that stand for other numbers. What every result is, to the last bit, says
// kernels/cpu/conv_reference.cpp: sums are whole numbers, every operation on f32 rounds once, and
// fma() and rint() are exact on every device.

#pragma OPENCL FP_CONTRACT OFF

// As Step::limits has them.
typedef struct {
    float at[7];
} Limits;

int byte_of(global const uchar* tensor, int at, int element) {
    return element == U8 ? (int)tensor[at] : (int)((global const char*)tensor)[at];
}

// To the nearest whole number, to even in the middle, with its zero, cut off.
uchar quantized(float value, float zero, float least, float most) {
    return (uchar)(int)fmin(fmax(rint(value) + zero, least), most);
}

// The quotient to the last bit; `reciprocal` is that of `divisor` to the last bit. Two corrections,
// each by what is left over (Markstein, IA-64 and Elementary Functions, chapter 8). What has no
// bits for them to correct, because it is cut off, stays as it is.
float divided(float value, float divisor, float reciprocal) {
    float quotient = value * reciprocal;
    if (fabs(quotient) < 1e6f) {
        quotient = fma(fma(-divisor, quotient, value), reciprocal, quotient);
        quotient = fma(fma(-divisor, quotient, value), reciprocal, quotient);
    }
    return quotient;
}

// ---- Products ---------------------------------------------------------------------------------

// Up to four channels from `first` on. numbers: scales, then biases.
void write_sums(int4 sums,
                Place p,
                int first,
                int count,
                global uchar* output,
                global const float* numbers,
                Layer s,
                Limits l) {
    const int values[4] = {sums.x, sums.y, sums.z, sums.w};
    const int pixel = (p.image * s.out_height + p.y) * s.out_width + p.x;
    for (int i = 0; i < count; ++i) {
        const int c = first + i, at = pixel * s.out_channels + c;
        if (s.result == INT32) {
            ((global int*)output)[at] = values[i];
            continue;
        }
        const float value = fma((float)values[i], numbers[c], numbers[s.out_channels + c]);
        if (s.result == F32)
            ((global float*)output)[at] = value;
        else
            output[at] = quantized(value, l.at[1], l.at[2], l.at[3]);
    }
}

kernel void product_bytes(global const uchar* input,
                          global uchar* output,
                          global const char4* weights,
                          global const float* numbers,
                          const Layer s,
                          const Limits l) {
    if ((int)get_global_id(0) >= s.total)
        return;
    const Place p = place_of(get_global_id(0), s);
    const int group = p.piece / s.fours, four = p.piece % s.fours, zero = (int)l.at[0];
    global const char4* tap =
        weights + group * s.kernel_height * s.kernel_width * s.inputs * s.fours + four;
    int4 sums = 0;
    for (int ky = 0; ky < s.kernel_height; ++ky)
        for (int kx = 0; kx < s.kernel_width; ++kx, tap += s.inputs * s.fours) {
            const int pixel = pixel_of(p, ky, kx, s);
            if (pixel < 0)
                continue;  // padding is the zero
            const int from = pixel * s.channels + group * s.inputs;
            for (int c = 0; c < s.inputs; ++c)
                sums += convert_int4(tap[c * s.fours]) * (byte_of(input, from + c, s.element) - zero);
        }
    write_sums(sums,
               p,
               group * s.outputs + 4 * four,
               min(4, s.outputs - 4 * four),
               output,
               numbers,
               s,
               l);
}

// Each output channel reads one channel of the input.
kernel void depthwise_bytes(global const uchar* input,
                            global uchar* output,
                            global const char4* weights,
                            global const float* numbers,
                            const Layer s,
                            const Limits l) {
    if ((int)get_global_id(0) >= s.total)
        return;
    const Place p = place_of(get_global_id(0), s);
    const int first = 4 * p.piece, last = s.out_channels - 1, zero = (int)l.at[0];
    const int4 from = min(first + (int4)(0, 1, 2, 3), last) / s.per_input;
    int4 sums = 0;
    for (int ky = 0; ky < s.kernel_height; ++ky)
        for (int kx = 0; kx < s.kernel_width; ++kx) {
            const int pixel = pixel_of(p, ky, kx, s);
            if (pixel < 0)
                continue;
            const int at = pixel * s.channels;
            const int4 values = (int4)(byte_of(input, at + from.x, s.element),
                                       byte_of(input, at + from.y, s.element),
                                       byte_of(input, at + from.z, s.element),
                                       byte_of(input, at + from.w, s.element));
            sums += convert_int4(weights[(ky * s.kernel_width + kx) * s.fours + p.piece]) *
                    (values - zero);
        }
    write_sums(sums, p, first, min(4, s.out_channels - first), output, numbers, s, l);
}

// ---- The rest -----------------------------------------------------------------------------------

kernel void max_pool_bytes(global const uchar* input, global uchar* output, const Layer s) {
    const int at = get_global_id(0);
    if (at >= s.total)
        return;
    const Place p = place_of(at, s);
    int largest = INT_MIN;
    for (int ky = 0; ky < s.kernel_height; ++ky)
        for (int kx = 0; kx < s.kernel_width; ++kx) {
            const int pixel = pixel_of(p, ky, kx, s);
            if (pixel >= 0)
                largest = max(largest, byte_of(input, pixel * s.channels + p.piece, s.element));
        }
    output[at] = (uchar)largest;
}

// Of a whole image.
kernel void average_bytes(global const uchar* input,
                          global uchar* output,
                          const Layer s,
                          const Limits l) {
    const int at = get_global_id(0);
    if (at >= s.total)
        return;
    const Place p = place_of(at, s);
    const int pixels = s.height * s.width, zero = (int)l.at[1];
    int sum = 0;
    for (int pixel = p.image * pixels; pixel < (p.image + 1) * pixels; ++pixel)
        sum += byte_of(input, pixel * s.channels + p.piece, s.element) - zero;
    output[at] = quantized((float)sum * l.at[0], l.at[2], l.at[3], l.at[4]);
}

kernel void add_bytes(global const uchar* input,
                      global const uchar* second,
                      global uchar* output,
                      const Layer s,
                      const Limits l) {
    const int at = get_global_id(0);
    if (at >= s.total)
        return;
    const float a = (float)byte_of(input, at, s.element) - l.at[1];
    const float b = (float)byte_of(second, at, s.element) - l.at[3];
    output[at] = quantized(fma(l.at[0], a, l.at[2] * b), l.at[4], l.at[5], l.at[6]);
}

kernel void quantize(global const float* input,
                     global uchar* output,
                     const float reciprocal,
                     const Layer s,
                     const Limits l) {
    const int at = get_global_id(0);
    if (at < s.total)
        output[at] = quantized(divided(input[at], l.at[0], reciprocal),
                               l.at[1],
                               s.result == U8 ? 0.0f : -128.0f,
                               s.result == U8 ? 255.0f : 127.0f);
}

kernel void dequantize(global const uchar* input,
                       global float* output,
                       const Layer s,
                       const Limits l) {
    const int at = get_global_id(0);
    if (at < s.total)
        output[at] = ((float)byte_of(input, at, s.element) - l.at[1]) * l.at[0];
}

// What flatten and reshape make.
kernel void copy_bytes(global const uchar* input, global uchar* output, const Layer s) {
    const int at = get_global_id(0);
    if (at < s.total)
        output[at] = input[at];
}
