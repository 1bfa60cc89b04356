# Writes OUTPUT, a source file that says which commit of SOURCE this is, and what else it is given;
# leaves it alone where it says so already, so that only a new commit compiles it again.
#   cmake -D SOURCE=... -D OUTPUT=... -D VERSION=... -D CUDA_ARCHITECTURES="75 80" -D CUDA_VERSION=...
#     -D WITH_OPENCL=true -D WITH_ONNX=true -P build_info.cmake
#
# Where there is no repository, `git archive` put the commit into revision.txt, or nobody knows it.

set(REVISION "")
set(REVISION_DATE "")
if(EXISTS ${SOURCE}/.git)  # and not a repository that happens to be further up
  execute_process(COMMAND git -C ${SOURCE} describe --always --dirty
    OUTPUT_VARIABLE REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND git -C ${SOURCE} log -1 --format=%cs
    OUTPUT_VARIABLE REVISION_DATE OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
else()
  file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/revision.txt line LIMIT_COUNT 1)
  if(line MATCHES "^([0-9a-f]+) ([-0-9]+)$")
    set(REVISION ${CMAKE_MATCH_1})
    set(REVISION_DATE ${CMAKE_MATCH_2})
  endif()
endif()
if(NOT REVISION)
  set(REVISION "unknown")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/build.cpp.in ${OUTPUT} @ONLY)
