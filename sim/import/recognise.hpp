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
// of binary tensors is binary. Products of whole numbers that only thresholds read are int32.
void recognise(Inferred& inferred);

}  // namespace sim::onnx
