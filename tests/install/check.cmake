# Installs the build into a fresh folder and uses it as others do: a project with the simulator, the
# examples of examples/deploy by CMake and by pkg-config, a folder of `hetmap emit`; all run. And the
# manual pages and completions are there.
#   cmake -D BUILD_DIR=... -D COMPILER=... -D SOURCE_DIR=... -P check.cmake

set(folder ${BUILD_DIR}/install-test)
set(prefix ${folder}/prefix)
set(examples ${SOURCE_DIR}/examples/deploy)
file(REMOVE_RECURSE ${folder})
file(MAKE_DIRECTORY ${folder})

# What it printed is in `output`.
function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${folder}
    RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nended with ${result}:\n${text}")
  endif()
  set(output "${text}" PARENT_SCOPE)
endfunction()

function(build source to)
  run(${CMAKE_COMMAND} -S ${source} -B ${to} -D CMAKE_PREFIX_PATH=${prefix} -D CMAKE_CXX_COMPILER=${COMPILER}
    -D CMAKE_BUILD_TYPE=Release)
  run(${CMAKE_COMMAND} --build ${to})
endfunction()

# The image is an ankle boot, which is class 9.
function(expect_a_boot)
  run(${ARGN})
  if(NOT output MATCHES "class 9")
    message(FATAL_ERROR "${ARGN}\nexpected class 9:\n${output}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})

# ---- the simulator
build(${CMAKE_CURRENT_LIST_DIR} ${folder}/consumer)
run(${folder}/consumer/consumer)
run(${prefix}/bin/hetmap show model vgg3-fashion)
foreach(file IN ITEMS man/man1/hetmap.1 man/man1/hetmap-import-profile.1 bash-completion/completions/hetmap
    zsh/site-functions/_hetmap fish/vendor_completions.d/hetmap.fish doc/hetmap/licences.md)
  if(NOT EXISTS ${prefix}/share/${file})
    message(FATAL_ERROR "share/${file} was not installed")
  endif()
endforeach()

# ---- libhetmap
set(model ${prefix}/share/hetmap/models/vgg3-fashion)
set(mapping ${folder}/mapping.yaml)
run(${prefix}/bin/hetmap map --model vgg3-fashion --platform amd-epyc-2-cores --only cpu/scalar --out ${mapping})
build(${examples} ${folder}/deploy)
foreach(program IN ITEMS deploy_c deploy_cpp deploy_static)
  foreach(way IN ITEMS ${mapping} -)
    expect_a_boot(${folder}/deploy/${program} ${model} ${way} ${examples}/boot.pgm)
  endforeach()
endforeach()
file(GLOB_RECURSE pc ${prefix}/*/hetmap.pc)
get_filename_component(pc ${pc} DIRECTORY)
run(sh -c "PKG_CONFIG_PATH=${pc} && export PKG_CONFIG_PATH && \
  cc ${examples}/deploy.c $(pkg-config --cflags --libs hetmap) -Wl,-rpath,$(pkg-config --variable=libdir hetmap) \
  -o by_pkg_config")
expect_a_boot(${folder}/by_pkg_config ${model} ${mapping} ${examples}/boot.pgm)

# ---- a folder of its own, which the installation is not needed for
run(${prefix}/bin/hetmap emit --mapping ${mapping} --out ${folder}/emitted)
file(RENAME ${prefix} ${folder}/elsewhere)
build(${folder}/emitted ${folder}/emitted/build)
expect_a_boot(${folder}/emitted/build/network ${examples}/boot.pgm)
message(STATUS "installed, found, linked, emitted, ran")
