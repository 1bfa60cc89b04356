// Compiles the kernel for the emulation.

#include "kernels/cuda/elementwise.cu"

#include "kernels/cuda/elementwise.cpp"
