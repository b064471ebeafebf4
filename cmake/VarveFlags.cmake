# SPDX-License-Identifier: Apache-2.0
# Compiler flags: warnings are errors, hardening as SECURITY.md lists it, sanitizers on request.
#
#   varve_flags     of everything
#   varve_warnings  of it, what holds without sanitizers too: of what is loaded in front of a program
add_library(varve_warnings INTERFACE)
target_compile_options(varve_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
  -Wmissing-prototypes -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wundef -Wvla
  -Wformat=2 -Wimplicit-fallthrough -Wswitch-enum -Wdouble-promotion -Wnull-dereference -Werror
  -fno-strict-aliasing -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -g)
# Each compiler's guesses that the other one, or the static analyser, makes better.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # A result behind an OK status looks unset to gcc; `tools/test --only analyse` follows the calls.
  target_compile_options(varve_warnings INTERFACE -Wno-maybe-uninitialized)
else()
  # NAN is a float constant (gcc looks at values); functions that only debug assertions call; a
  # literal plus an offset is a pointer.
  target_compile_options(varve_warnings INTERFACE -Wno-double-promotion -Wno-unneeded-internal-declaration
    -Wno-string-plus-int)
endif()

add_library(varve_flags INTERFACE)
target_link_libraries(varve_flags INTERFACE varve_warnings)
target_compile_options(varve_flags INTERFACE -fvisibility=hidden -ffunction-sections -fdata-sections)
target_include_directories(varve_flags INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)

if(VARVE_SANITIZE)
  target_compile_options(varve_flags INTERFACE -fsanitize=${VARVE_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(varve_flags INTERFACE -fsanitize=${VARVE_SANITIZE})
  # gcc warns about its own instrumentation; warnings are judged in the plain builds.
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(varve_flags INTERFACE -w)
  endif()
else()
  target_compile_options(varve_flags INTERFACE -fstack-protector-strong -fstack-clash-protection
    -fcf-protection -ftrivial-auto-var-init=zero)
  # Before version 16 clang wants to be asked twice.
  if(CMAKE_C_COMPILER_ID STREQUAL "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 16)
    target_compile_options(varve_flags INTERFACE -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
  endif()
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    target_compile_options(varve_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  endif()
  target_link_options(varve_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--gc-sections)
endif()
