// Compiles the kernel for the emulation.

#include "kernels/cuda/popc.cu"

#include "kernels/cuda/popc.cpp"
