# A text file as a C++ constant: INPUT, OUTPUT, NAME. kernels/opencl/programs.hpp declares them.
file(READ ${INPUT} text)
set(content "#include \"kernels/opencl/programs.hpp\"

namespace kernels::opencl {
const std::string_view ${NAME} = R\"hetmap_text(${text})hetmap_text\";
}  // namespace kernels::opencl
")
file(WRITE ${OUTPUT} "${content}")
