# Installs the build into a fresh folder, builds the project beside this file against it, runs it,
# and asks the installed program for an installed model.
#   cmake -D BUILD_DIR=... -D COMPILER=... -P check.cmake

set(prefix ${BUILD_DIR}/install-test/prefix)
set(consumer ${BUILD_DIR}/install-test/build)
file(REMOVE_RECURSE ${prefix} ${consumer})

function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${BUILD_DIR}/install-test
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nended with ${result}:\n${output}")
  endif()
endfunction()

file(MAKE_DIRECTORY ${BUILD_DIR}/install-test)
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${consumer} -D CMAKE_PREFIX_PATH=${prefix}
  -D CMAKE_CXX_COMPILER=${COMPILER})
run(${CMAKE_COMMAND} --build ${consumer})
run(${consumer}/consumer)
run(${prefix}/bin/hetmap show model vgg3-fashion)
message(STATUS "installed, found, linked, ran")
