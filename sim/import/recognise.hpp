#pragma once

// Patterns: what exporters spread over several nodes and a model says in one layer.
//
// A pattern's last node is replaced by one of the domain "hetmap"; the others are left for what
// still reads them, and go with the dead nodes if nothing does.

#include "sim/import/inference.hpp"

namespace sim::onnx {

// - Reshape, Transpose, Reshape of images -> ChannelShuffle (groups)
// - Sign; Greater or Less, then Where with +c and -c; BipolarQuant -> Threshold, with a
// BatchNormalization
//   before it that nothing else reads; its result is binary
// - Quant, MultiThreshold (QONNX) -> Quantized, with the element that holds as many bits
// - Pad of images, then Conv -> Conv with these paddings, and with the value that Pad has (0, +1 or
// -1)
// - DequantizeLinear, an operation, QuantizeLinear -> the operation on the quantized tensors
//
// Then what is known of elements goes on to the results of operations that only move them: a pool
// of binary tensors is binary. Bytes that only products with binary weights read stay bytes where
// the file casts them. Products of whole numbers that only thresholds read are int32, and so are
// the network's results where they are whole numbers by themselves.
//
// A Threshold's attributes say what it was: `comparison` (Sign, BipolarQuant, Greater, ...),
// `level` (the constant compared with), `plus` (1: the result is positive where the comparison
// holds), `clipped` (1: to a range around zero before that), `norm` (the result of the
// BatchNormalization, which goes with the dead nodes), `scale` (what +1 stands for).
//
// An operation on quantized tensors says how they are: `scale`, `zero` and `axis` of the result,
// `scale0` and so on of its first input, the names of the constants; `least` and `most`, where an
// activation was part of it, what it cuts off, and `is_clipped` (-1: it does not say where).
void recognise(Inferred& inferred);

}  // namespace sim::onnx
