# For `./dev bundle`: libraries as static ones where Debian has them, so that the program runs where
# they are not installed. Given to CMake as CMAKE_PROJECT_TOP_LEVEL_INCLUDES (3.24 or newer), it
# answers find_package before CMake's own ways do.
if(CMAKE_VERSION VERSION_LESS 3.24)
  message(FATAL_ERROR "the bundle needs CMake 3.24 or newer")
endif()

macro(bundle_find method package)
  # In the caller's scope, because languages that are enabled set this variable again.
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
  if("${package}" STREQUAL "fmt")
    # Debian's libfmt is shared only, and needs libstdc++.so; its headers can do without.
    if(NOT TARGET fmt::fmt)
      add_library(fmt::fmt INTERFACE IMPORTED GLOBAL)
      target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
    endif()
    set(fmt_FOUND TRUE)
  elseif("${package}" STREQUAL "yaml-cpp")
    if(NOT TARGET yaml-cpp)
      find_library(BUNDLE_YAML_CPP libyaml-cpp.a REQUIRED)
      add_library(yaml-cpp STATIC IMPORTED GLOBAL)
      set_target_properties(yaml-cpp PROPERTIES IMPORTED_LOCATION ${BUNDLE_YAML_CPP})
    endif()
    set(yaml-cpp_FOUND TRUE)
  else()
    # Found before, perhaps, with fewer components: CMake would take it for an answer from here.
    unset(${package}_FOUND)
  endif()
endmacro()
cmake_language(SET_DEPENDENCY_PROVIDER bundle_find SUPPORTED_METHODS FIND_PACKAGE)
