// Compiles the kernels for the emulation.

#include "kernels/cuda/tensor_core.cu"

#include "kernels/cuda/int8_tensor_core.cu"
#include "kernels/cuda/tensor_core.cpp"
