// Compiles the kernel for the emulation.

#include "kernels/cuda/persistent.cu"

#include "kernels/cuda/persistent.cpp"
