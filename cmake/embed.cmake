# A text file as a C++ constant: INPUT, OUTPUT, NAME. The file that uses it declares it.
file(READ ${INPUT} text)
set(content "#include <string_view>

namespace kernels::opencl {
extern const std::string_view ${NAME};
const std::string_view ${NAME} = R\"hetmap_text(${text})hetmap_text\";
}  // namespace kernels::opencl
")
file(WRITE ${OUTPUT} "${content}")
