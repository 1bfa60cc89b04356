// Compiles what the tensor-core kernels are given.

#include "kernels/cuda/tensor_core_plan.cpp"
