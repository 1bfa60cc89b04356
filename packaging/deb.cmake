# Debian packages of the components of the install rules, by CPack: `./dev deb` makes them.
#   hetmap           the program, its manual pages and completions     libhetmap<SONAME>  the library
#   libhetmap-dev    headers, archives, CMake's and pkg-config's files  python3-hetmap     the module
#   hetmap-data      models and platforms, for every architecture
# What no install rule makes (documentation as Debian wants it, Python's place) deb_files.cmake adds.

set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENTS_ALL program library development data)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/deb)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)

# As Debian's own tools name who makes a package.
set(maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
if(maintainer STREQUAL " <>")
  set(maintainer "The hetmap authors <hetmap@packages.invalid>")
endif()
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${maintainer})

set(version "${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}")
set(library libhetmap${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})  # its SONAME
set(about "hetmap decides, for every layer of a neural network, on which device and
with which kernel it runs. It measures a machine once, simulates mappings
without the machine, finds the best one and proves that it is.")

# package(COMPONENT NAME SECTION DEPENDS TEXT): the first line of TEXT is its synopsis.
macro(package component name section depends text)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}")
  set(CPACK_DEBIAN_${upper}_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${text}")
endmacro()

package(program hetmap science "${library} (= ${version}), hetmap-data (= ${version})"
"maps neural networks onto heterogeneous hardware
${about}
.
This package has the program.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "libdnnl3 | libdnnl2, pocl-opencl-icd | opencl-icd, libhetmap-dev, cmake")

package(library ${library} libs ""
"runs neural networks with their mapping (shared library)
${about}
.
This package has the library that runs a network with its mapping.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SUGGESTS "libdnnl3 | libdnnl2, opencl-icd")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/library/triggers)

# The archives want the development packages of what they are made of, as hetmap.pc says.
set(needs "libfmt-dev, libyaml-cpp-dev, libmuparser-dev, libhwloc-dev, zlib1g-dev")
if(OpenCL_FOUND)
  string(APPEND needs ", ocl-icd-opencl-dev | opencl-dev")
endif()
package(development libhetmap-dev libdevel "${library} (= ${version}), ${needs}"
"runs neural networks with their mapping (development files)
${about}
.
This package has what programs are built with: headers, archives, and files for
CMake and pkg-config, of the library and of the simulator.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)

package(data hetmap-data science ""
"maps neural networks onto heterogeneous hardware (models, platforms)
${about}
.
This package has the models and the platforms that come with it.")
set(CPACK_DEBIAN_DATA_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_DATA_PACKAGE_SHLIBDEPS OFF)

if(with_python)
  list(APPEND CPACK_COMPONENTS_ALL python)
  math(EXPR next_minor "${Python_VERSION_MINOR} + 1")
  package(python python3-hetmap python
    "python3 (>= 3.${Python_VERSION_MINOR}~), python3 (<< 3.${next_minor}), hetmap-data (= ${version})"
"maps neural networks onto heterogeneous hardware (Python module)
${about}
.
This package has the module for Python, with which networks also run.")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS "python3-numpy")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA
    "${PROJECT_SOURCE_DIR}/packaging/python/postinst;${PROJECT_SOURCE_DIR}/packaging/python/prerm")
endif()

set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/deb_files.cmake)
set(CPACK_HETMAP_SOURCE ${PROJECT_SOURCE_DIR})
set(CPACK_HETMAP_VERSION ${version})
include(CPack)
