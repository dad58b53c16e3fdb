# npcchat_embed(TARGET NAME FILE [NAME FILE]...): puts files into the program, to be found by name through
# sidecar/base/assets.hpp. The files may be made by the build.

function(npcchat_embed target)
    set(pairs ${ARGN})
    set(sorted_names)
    while(pairs)
        list(POP_FRONT pairs name file)
        list(APPEND sorted_names "${name}")
        set("file_of_${name}" "${file}")
    endwhile()
    list(SORT sorted_names COMPARE STRING)

    set(assembly "    .section .rodata\n")
    set(declarations "")
    set(entries "")
    set(files)
    set(index 0)
    foreach(name IN LISTS sorted_names)
        set(file "${file_of_${name}}")
        list(APPEND files "${file}")
        string(APPEND assembly "    .global npcchat_asset_${index}\nnpcchat_asset_${index}:\n    .incbin \"${file}\"\n"
                               "    .global npcchat_asset_${index}_end\nnpcchat_asset_${index}_end:\n    .byte 0\n")
        string(APPEND declarations
               "extern \"C\" const char npcchat_asset_${index}[], npcchat_asset_${index}_end[];\n")
        string(APPEND entries "        Asset{\"${name}\", {npcchat_asset_${index}, npcchat_asset_${index}_end}},\n")
        math(EXPR index "${index} + 1")
    endforeach()
    string(APPEND assembly "    .section .note.GNU-stack,\"\",@progbits\n")

    set(stem "${CMAKE_CURRENT_BINARY_DIR}/${target}-assets")
    file(CONFIGURE OUTPUT "${stem}.S" CONTENT "${assembly}" @ONLY)
    file(CONFIGURE OUTPUT "${stem}.cpp" CONTENT
         "#include \"base/assets.hpp\"\n\n#include <array>\n\n${declarations}\nnamespace npcchat {\n\nstd::span<const Asset> assets() {\n    static const std::array all = {\n${entries}    };\n    return all;\n}\n\n} // namespace npcchat\n"
         @ONLY)
    set_source_files_properties("${stem}.S" PROPERTIES OBJECT_DEPENDS "${files}")
    target_sources(${target} PRIVATE "${stem}.S" "${stem}.cpp")
endfunction()
