# Flags as targets, so that each room says what it takes.
#   reattach_link_flags  sanitizers: everything of ours that is compiled or linked
#   reattach_flags       the library: every warning we know to be useful, with gcc and with clang
#   reattach_test_flags  tests and examples: the same without what Criterion's macros cannot meet

add_library(reattach_link_flags INTERFACE)
if(REATTACH_SANITIZE)
    target_compile_options(reattach_link_flags INTERFACE
        -fsanitize=${REATTACH_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(reattach_link_flags INTERFACE -fsanitize=${REATTACH_SANITIZE})
endif()

set(common_warnings -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef)
if(REATTACH_WERROR)
    list(APPEND common_warnings -Werror)
endif()

add_library(reattach_test_flags INTERFACE)
target_compile_definitions(reattach_test_flags INTERFACE _GNU_SOURCE=) # empty, so that a file may define it too
target_compile_options(reattach_test_flags INTERFACE ${common_warnings})
target_link_libraries(reattach_test_flags INTERFACE reattach_link_flags)

add_library(reattach_flags INTERFACE)
target_compile_options(reattach_flags INTERFACE -Wpedantic -Wconversion
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=) # the same library from every directory, and a baseline without paths
target_link_libraries(reattach_flags INTERFACE reattach_test_flags)
