// Compiles the host code of the CUDA variants, which a build without the toolkit lacks.

#include "kernels/cuda/variants.cpp"

#include "kernels/cuda/dot_plan.cpp"
