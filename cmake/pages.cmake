# The manual pages and completions of PROGRAM, as it prints them itself, in the folder TO as they are
# installed in share/.
#   cmake -D PROGRAM=... -D TO=... -P pages.cmake

function(write file)
  get_filename_component(folder ${TO}/${file} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  execute_process(COMMAND ${PROGRAM} ${ARGN} OUTPUT_FILE ${TO}/${file} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} ${ARGN} ended with ${result}")
  endif()
endfunction()

file(REMOVE_RECURSE ${TO})
write(man.log man --out ${TO}/man/man1)
file(REMOVE ${TO}/man.log)
write(bash-completion/completions/hetmap completion bash)
write(zsh/site-functions/_hetmap completion zsh)
write(fish/vendor_completions.d/hetmap.fish completion fish)
