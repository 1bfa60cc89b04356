// Compiles the kernel for the emulation.

#include "kernels/cuda/naive.cu"

#include "kernels/cuda/naive.cpp"
