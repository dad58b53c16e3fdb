// What nginx looks for in a dynamic module; all else in the file is hidden. nginx's headers are not included:
// they declare these names without visibility.

struct ngx_module_s;

#define NPCCHAT_EXPORT __attribute__((visibility("default")))

extern "C" {

extern ngx_module_s ngx_http_npcchat_module;
extern ngx_module_s ngx_http_npcchat_filter_module;

NPCCHAT_EXPORT ngx_module_s* ngx_modules[] = {&ngx_http_npcchat_module, &ngx_http_npcchat_filter_module,
                                              nullptr};

NPCCHAT_EXPORT const char* ngx_module_names[] = {"ngx_http_npcchat_module", "ngx_http_npcchat_filter_module",
                                                 nullptr};

/// The filter goes before nginx's copy filter. The other module is not listed, and so goes last.
NPCCHAT_EXPORT const char* ngx_module_order[] = {"ngx_http_npcchat_filter_module",
                                                 "ngx_http_copy_filter_module", nullptr};
}
