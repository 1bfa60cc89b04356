# For `./dev build --target aarch64`: 64-bit ARM with the distribution's cross compiler. HETMAP_TARGET_ROOT
# is a folder with the target's libraries and their headers as they are installed there, but for the
# C and C++ libraries' headers, which the compiler has. Programs run under qemu's user emulation.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES HETMAP_TARGET_ROOT)

set(CMAKE_FIND_ROOT_PATH ${HETMAP_TARGET_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
foreach(kind IN ITEMS LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
set(libraries ${HETMAP_TARGET_ROOT}/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE})
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${HETMAP_TARGET_ROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${libraries}/pkgconfig:${HETMAP_TARGET_ROOT}/usr/share/pkgconfig)
foreach(kind IN ITEMS EXE SHARED MODULE)
  set(CMAKE_${kind}_LINKER_FLAGS_INIT "-L${libraries} -Wl,-rpath-link,${libraries}")
endforeach()

# Libraries that are not in the folder, such as what a test loads when it runs, are not found there either.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${HETMAP_TARGET_ROOT})
