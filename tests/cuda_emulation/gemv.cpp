// Compiles the kernel for the emulation.

#include "kernels/cuda/gemv.cu"

#include "kernels/cuda/gemv.cpp"
