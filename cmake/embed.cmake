# A text file as a C++ constant: INPUT, OUTPUT, NAMESPACE, NAME. The file that uses it declares it.
# The language promises literals of 65,536 characters; both compilers take a library of 258,112.
file(READ ${INPUT} text)
set(content "#include <string_view>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \"-Woverlength-strings\"
namespace ${NAMESPACE} {
extern const std::string_view ${NAME};
const std::string_view ${NAME} = R\"hetmap_text(${text})hetmap_text\";
}  // namespace ${NAMESPACE}
#pragma GCC diagnostic pop
")
file(WRITE ${OUTPUT} "${content}")
