# What a Debian package has beside what is installed elsewhere; CPack calls it (CPACK_PRE_BUILD_SCRIPTS)
# when the files of each component lie in a folder of its name. Wants SOURCE_DATE_EPOCH.

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# When it was made: as the changelog writes it.
execute_process(COMMAND date -R -u --date=@$ENV{SOURCE_DATE_EPOCH} OUTPUT_VARIABLE date
  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER ${component} upper)
  set(package ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  set(usr ${CPACK_TEMPORARY_DIRECTORY}/${component}/usr)

  # Who may do what with it, and what changed: upstream's changes, and the package's own.
  set(doc ${usr}/share/doc/${package})
  file(REMOVE_RECURSE ${usr}/share/doc)
  file(COPY ${CPACK_HETMAP_SOURCE}/packaging/copyright DESTINATION ${doc})
  file(COPY_FILE ${CPACK_HETMAP_SOURCE}/CHANGELOG.md ${doc}/changelog)
  file(WRITE ${doc}/changelog.Debian "hetmap (${CPACK_HETMAP_VERSION}) unstable; urgency=medium\n\n"
    "  * As made by ./dev deb; changelog.gz says what is in this version.\n\n"
    " -- ${CPACK_DEBIAN_PACKAGE_MAINTAINER}  ${date}\n")
  file(GLOB pages ${usr}/share/man/man*/*)
  run(gzip -9n ${doc}/changelog ${doc}/changelog.Debian ${pages})
  # Which remarks of lintian are not heeded, and why: those on every package, and its own.
  foreach(file IN ITEMS all ${component})
    if(EXISTS ${CPACK_HETMAP_SOURCE}/packaging/lintian/${file})
      file(READ ${CPACK_HETMAP_SOURCE}/packaging/lintian/${file} overrides)
      file(APPEND ${usr}/share/lintian/overrides/${package} "${overrides}")
    endif()
  endforeach()

  # Debian's place for zsh's completions, and for modules of Python; these find what hetmap-data has.
  if(EXISTS ${usr}/share/zsh/site-functions)
    file(RENAME ${usr}/share/zsh/site-functions ${usr}/share/zsh/vendor-completions)
  endif()
  if(component STREQUAL "python")
    set(modules ${usr}/lib/python3/dist-packages)
    file(MAKE_DIRECTORY ${modules})
    file(RENAME ${usr}/hetmap ${modules}/hetmap)
    foreach(folder IN ITEMS models platforms)
      file(CREATE_LINK ../../../../share/hetmap/${folder} ${modules}/hetmap/${folder} SYMBOLIC)
    endforeach()
  endif()
  # Where CUDA's toolkit lies on this machine is no other's business.
  if(EXISTS ${usr}/lib/pkgconfig/hetmap.pc)
    file(READ ${usr}/lib/pkgconfig/hetmap.pc pc)
    string(REGEX REPLACE " -L/[^ \n]*" "" pc "${pc}")
    file(WRITE ${usr}/lib/pkgconfig/hetmap.pc "${pc}")
  endif()
  file(GLOB archives ${usr}/lib/*.a)
  foreach(archive IN LISTS archives)
    run(strip --strip-debug --enable-deterministic-archives ${archive})
  endforeach()

  # The same bytes whenever they are made.
  run(chmod -R u=rwX,go=rX ${CPACK_TEMPORARY_DIRECTORY}/${component})
  run(find ${CPACK_TEMPORARY_DIRECTORY}/${component} -exec touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} {} +)
endforeach()
