# A text file as a C++ constant: INPUT, OUTPUT, NAMESPACE, NAME. The file that uses it declares it.
file(READ ${INPUT} text)
set(content "#include <string_view>

namespace ${NAMESPACE} {
extern const std::string_view ${NAME};
const std::string_view ${NAME} = R\"hetmap_text(${text})hetmap_text\";
}  // namespace ${NAMESPACE}
")
file(WRITE ${OUTPUT} "${content}")
