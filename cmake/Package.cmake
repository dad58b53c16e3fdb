# Debian packages: `ninja -C build packages` puts them into build/packages. libnginx-mod-http-npcchat has the module, laid
# out as Debian's own nginx modules are; npcchat-sidecar has the service.

set(packaging "${PROJECT_SOURCE_DIR}/packaging")

# ---- What is installed; `cmake --install build --prefix /` does the same without packages ----

set(in_module COMPONENT module)
install(TARGETS ngx_http_npcchat_module LIBRARY DESTINATION usr/lib/nginx/modules ${in_module})
install(FILES "${packaging}/module/mod-http-npcchat.conf" DESTINATION usr/share/nginx/modules-available ${in_module})
install(FILES "${PROJECT_SOURCE_DIR}/conf/npcchat-http.conf" "${PROJECT_SOURCE_DIR}/conf/npcchat-server.conf"
        DESTINATION etc/nginx/snippets ${in_module})
install(FILES "${packaging}/module/logrotate" DESTINATION etc/logrotate.d RENAME npcchat ${in_module})
install(DIRECTORY DESTINATION var/log/npcchat ${in_module})
install(FILES "${PROJECT_SOURCE_DIR}/conf/nginx.conf"
        DESTINATION usr/share/doc/libnginx-mod-http-npcchat/examples ${in_module})
install(FILES "${packaging}/copyright" DESTINATION usr/share/doc/libnginx-mod-http-npcchat ${in_module})

set(in_sidecar COMPONENT sidecar)
install(TARGETS npcchat-sidecar RUNTIME DESTINATION usr/bin ${in_sidecar})
install(FILES "${packaging}/sidecar/npcchat-sidecar.service" DESTINATION lib/systemd/system ${in_sidecar})
install(FILES "${packaging}/sidecar/npcchat.sysusers" DESTINATION usr/lib/sysusers.d RENAME npcchat.conf ${in_sidecar})
install(FILES "${packaging}/sidecar/sidecar.env" DESTINATION etc/npcchat PERMISSIONS OWNER_READ OWNER_WRITE
        ${in_sidecar})
install(FILES "${PROJECT_SOURCE_DIR}/README.md" DESTINATION usr/share/doc/npcchat-sidecar ${in_sidecar})
install(FILES "${packaging}/copyright" DESTINATION usr/share/doc/npcchat-sidecar ${in_sidecar})

# ---- Which nginx the module is for ----

# Debian says with a virtual package what layout its nginx has; nginx.org's packages have their version alone.
set(abi_file "${NGINX_SOURCE_DIR}/debian/libnginx-mod.abisubstvars")
if(EXISTS "${abi_file}")
    file(STRINGS "${abi_file}" nginx_abi REGEX "^nginx:abi=")
    string(REPLACE "nginx:abi=" "" nginx_depends "${nginx_abi}")
else()
    file(STRINGS "${NGINX_SOURCE_DIR}/src/core/nginx.h" nginx_version REGEX "define NGINX_VERSION ")
    string(REGEX REPLACE ".*\"(.*)\".*" "\\1" nginx_version "${nginx_version}")
    set(nginx_depends "nginx (>= ${nginx_version}), nginx (<< ${nginx_version}.)")
endif()

# ---- The packages ----

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME npcchat)
set(CPACK_PACKAGE_CONTACT "npcchat <npcchat@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /)
set(CPACK_OUTPUT_FILE_PREFIX "${CMAKE_BINARY_DIR}/packages")
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL module sidecar)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION httpd)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_MODULE_PACKAGE_NAME libnginx-mod-http-npcchat)
set(CPACK_DEBIAN_MODULE_PACKAGE_DEPENDS "${nginx_depends}")
set(CPACK_DEBIAN_MODULE_PACKAGE_RECOMMENDS npcchat-sidecar)
set(CPACK_DEBIAN_MODULE_DESCRIPTION "The nginx module: API keys, plans, limits, logs and metrics. Keys are looked up at npcchat's sidecar and cached in
shared memory; requests are limited by user and plan, in the arithmetic of limit_req.")
set(CPACK_DEBIAN_SIDECAR_PACKAGE_NAME npcchat-sidecar)
set(CPACK_DEBIAN_SIDECAR_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers, init-system-helpers")
set(CPACK_DEBIAN_SIDECAR_PACKAGE_RECOMMENDS libnginx-mod-http-npcchat)
set(CPACK_DEBIAN_SIDECAR_DESCRIPTION "The service behind nginx and libnginx-mod-http-npcchat: it keeps users, NPCs and chats, builds the prompts and calls
the models.")
foreach(component module sidecar)
    string(TOUPPER "${component}" name)
    set(scripts "${packaging}/${component}")
    set(CPACK_DEBIAN_${name}_PACKAGE_CONTROL_EXTRA
        "${scripts}/conffiles;${scripts}/postinst;${scripts}/prerm;${scripts}/postrm")
endforeach()
include(CPack)

add_custom_target(packages
    COMMAND "${CMAKE_CPACK_COMMAND}" --config "${CMAKE_BINARY_DIR}/CPackConfig.cmake"
    DEPENDS ngx_http_npcchat_module npcchat-sidecar
    WORKING_DIRECTORY "${CMAKE_BINARY_DIR}"
    COMMENT "Debian packages in ${CMAKE_BINARY_DIR}/packages"
    VERBATIM)
