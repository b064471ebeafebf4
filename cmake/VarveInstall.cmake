# SPDX-License-Identifier: Apache-2.0
# What `make install` puts under the prefix.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(NOT TARGET varve_shared)
  return()
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Varve)
install(FILES ${CMAKE_SOURCE_DIR}/include/varve.h TYPE INCLUDE)
install(TARGETS varve_shared EXPORT VarveTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS varve_static EXPORT VarveStaticTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET varve)
  install(TARGETS varve)
  # Paths inside are those of CMAKE_INSTALL_PREFIX, whatever prefix is installed to.
  configure_file(packaging/systemd/varve.service.in varve.service @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/varve.service DESTINATION lib/systemd/system)
endif()
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE TYPE DOC)

file(RELATIVE_PATH VARVE_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" VARVE_PC_PREFIX ${VARVE_PC_PREFIX})
configure_file(packaging/varve.pc.in varve.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/varve.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

configure_package_config_file(packaging/VarveConfig.cmake.in ${CMAKE_BINARY_DIR}/VarveConfig.cmake
  INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/VarveConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/VarveConfig.cmake ${CMAKE_BINARY_DIR}/VarveConfigVersion.cmake
  DESTINATION ${package_dir})
install(EXPORT VarveTargets NAMESPACE Varve:: DESTINATION ${package_dir})
install(EXPORT VarveStaticTargets NAMESPACE Varve:: DESTINATION ${package_dir})

# Scripts of completion, where the shells look for them.
if(TARGET varve)
  set(completions)
  foreach(shell bash zsh fish)
    set(script ${CMAKE_BINARY_DIR}/completions/varve.${shell})
    add_custom_command(OUTPUT ${script} DEPENDS varve VERBATIM
      COMMAND sh -c "mkdir -p '${CMAKE_BINARY_DIR}/completions' && '$<TARGET_FILE:varve>' completion ${shell} > '${script}'")
    list(APPEND completions ${script})
  endforeach()
  add_custom_target(completions ALL DEPENDS ${completions})
  install(FILES ${CMAKE_BINARY_DIR}/completions/varve.bash RENAME varve
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${CMAKE_BINARY_DIR}/completions/varve.zsh RENAME _varve
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${CMAKE_BINARY_DIR}/completions/varve.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

# Manual pages, where scdoc is installed.
find_program(SCDOC scdoc)
if(SCDOC AND TARGET varve)
  file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.scd)
  set(manuals)
  foreach(page IN LISTS pages)
    get_filename_component(name ${page} NAME_WLE)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/man/${name} DEPENDS ${page} VERBATIM
      COMMAND sh -c "mkdir -p '${CMAKE_BINARY_DIR}/man' && '${SCDOC}' < '${page}' > '${CMAKE_BINARY_DIR}/man/${name}'")
    list(APPEND manuals ${CMAKE_BINARY_DIR}/man/${name})
    string(REGEX MATCH "[0-9]$" section ${name})
    install(FILES ${CMAKE_BINARY_DIR}/man/${name} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endforeach()
  add_custom_target(manuals ALL DEPENDS ${manuals})
endif()
