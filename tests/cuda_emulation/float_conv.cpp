// Compiles the kernel for the emulation.

#include "kernels/cuda/float_conv.cu"

#include "kernels/cuda/float_conv.cpp"
