// The module: its directives, their inheritance, and where it takes part in nginx's phases.
#include "module.hpp"

#include <cstddef>

namespace npcchat {

namespace {

ngx_conf_enum_t modes[] = {
    {ngx_string("off"), mode_off},
    {ngx_string("open"), mode_open},
    {ngx_string("optional"), mode_optional},
    {ngx_string("on"), mode_on},
    {ngx_null_string, 0},
};

ngx_conf_enum_t roles[] = {
    {ngx_string("user"), static_cast<ngx_uint_t>(Role::user)},
    {ngx_string("admin"), static_cast<ngx_uint_t>(Role::admin)},
    {ngx_null_string, 0},
};

ngx_conf_enum_t log_levels[] = {
    {ngx_string("info"), NGX_LOG_INFO},
    {ngx_string("notice"), NGX_LOG_NOTICE},
    {ngx_string("warn"), NGX_LOG_WARN},
    {ngx_string("error"), NGX_LOG_ERR},
    {ngx_null_string, 0},
};

ngx_conf_num_bounds_t refusal_statuses = {ngx_conf_check_num_bounds, 400, 599};

/// nginx's own says only that the value is invalid.
template <ngx_conf_enum_t* choices, ngx_uint_t LocationConf::* member>
char* set_choice(ngx_conf_t* cf, ngx_command_t* command, void* conf) noexcept {
    ngx_uint_t& field = static_cast<LocationConf*>(conf)->*member;
    if (field != NGX_CONF_UNSET_UINT) return const_cast<char*>("is duplicate");

    const ngx_str_t& value = static_cast<ngx_str_t*>(cf->args->elts)[1];
    u_char known[64];
    u_char* end = known;
    for (const ngx_conf_enum_t* choice = choices; choice->name.len != 0; ++choice) {
        if (view(choice->name) == view(value)) {
            field = choice->value;
            return NGX_CONF_OK;
        }
        end = ngx_slprintf(end, known + sizeof(known), end == known ? "%V" : ", %V", &choice->name);
    }
    ngx_str_t list = {static_cast<std::size_t>(end - known), known};
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid value \"%V\": \"%V\" takes one of: %V", &value,
                       &command->name, &list);
    return static_cast<char*>(NGX_CONF_ERROR);
}

constexpr ngx_uint_t anywhere = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;

ngx_command_t commands[] = {
    {ngx_string("npcchat_key_cache"), NGX_HTTP_MAIN_CONF | NGX_CONF_1MORE, set_key_cache,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("npcchat_secret_file"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, set_secret_file,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("npcchat_limit_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_1MORE, set_limit_zone,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("npcchat"), anywhere | NGX_CONF_TAKE1, set_choice<modes, &LocationConf::mode>,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("npcchat_role"), anywhere | NGX_CONF_TAKE1, set_choice<roles, &LocationConf::role>,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("npcchat_keys"), anywhere | NGX_CONF_TAKE1, set_lookup, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("npcchat_limit"), anywhere | NGX_CONF_1MORE, set_limit, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("npcchat_concurrency"), anywhere | NGX_CONF_TAKE12, set_concurrency, NGX_HTTP_LOC_CONF_OFFSET,
     0, nullptr},
    {ngx_string("npcchat_limit_status"), anywhere | NGX_CONF_TAKE1, ngx_conf_set_num_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocationConf, limit_status), &refusal_statuses},
    {ngx_string("npcchat_limit_log_level"), anywhere | NGX_CONF_TAKE1,
     set_choice<log_levels, &LocationConf::limit_log_level>, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("npcchat_limit_dry_run"), anywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocationConf, limit_dry_run), nullptr},
    {ngx_string("npcchat_edge_report"), anywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocationConf, edge_report), nullptr},
    {ngx_string("npcchat_route"), anywhere | NGX_CONF_TAKE1, set_route, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("npcchat_metrics"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set_metrics,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("npcchat_error_page"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set_error_page,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    ngx_null_command,
};

void* create_main_conf(ngx_conf_t* cf) noexcept {
    auto* conf = static_cast<MainConf*>(ngx_pcalloc(cf->pool, sizeof(MainConf)));
    if (conf != nullptr) conf->metrics = create_metrics(cf);
    return conf != nullptr && conf->metrics != nullptr ? conf : nullptr;
}

void* create_srv_conf(ngx_conf_t* cf) noexcept {
    return ngx_pcalloc(cf->pool, sizeof(ServerConf));
}

void* create_loc_conf(ngx_conf_t* cf) noexcept {
    auto* conf = static_cast<LocationConf*>(ngx_pcalloc(cf->pool, sizeof(LocationConf)));
    if (conf == nullptr) return nullptr;
    conf->mode = NGX_CONF_UNSET_UINT;
    conf->role = NGX_CONF_UNSET_UINT;
    conf->edge_report = NGX_CONF_UNSET;
    init_limits(*conf);
    return conf;
}

/// What a location that is not off cannot do without; null where nothing is missing.
const char* missing(const MainConf& mcf, const LocationConf& conf) noexcept {
    if (mcf.secret.data == nullptr) return "add \"npcchat_secret_file PATH;\" to \"http\"";
    if (conf.mode == mode_open) return nullptr;
    if (mcf.keys == nullptr) return "add \"npcchat_key_cache zone=NAME:SIZE;\" to \"http\"";
    if (conf.lookup.len == 0)
        return "add \"npcchat_keys URI;\" with the URI of the location that asks the sidecar";
    return nullptr;
}

char* check_conf(ngx_conf_t* cf, const LocationConf& conf) noexcept {
    auto* mcf = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_npcchat_module));
    auto* clcf =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));

    if (const char* advice = missing(*mcf, conf)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"npcchat\" is on in location \"%V\", but something is missing: %s", &clcf->name,
                           advice);
        return static_cast<char*>(NGX_CONF_ERROR);
    }
    return NGX_CONF_OK;
}

/// Locations that have nothing to do with us, and no name of ours, are counted together.
ngx_int_t route_of(ngx_conf_t* cf, const LocationConf& conf) noexcept {
    auto* mcf = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_npcchat_module));
    auto* clcf =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    std::string_view name = view(conf.route_name);
    if (conf.route_name.data == nullptr && conf.mode != mode_off) name = view(clcf->name);
    return add_route(*mcf->metrics, name.empty() ? std::string_view("other") : name);
}

char* merge_loc_conf(ngx_conf_t* cf, void* parent, void* child) noexcept {
    const auto* prev = static_cast<LocationConf*>(parent);
    auto* conf = static_cast<LocationConf*>(child);

    ngx_conf_merge_uint_value(conf->mode, prev->mode, mode_off);
    ngx_conf_merge_uint_value(conf->role, prev->role, static_cast<ngx_uint_t>(Role::user));
    ngx_conf_merge_str_value(conf->lookup, prev->lookup, "");
    ngx_conf_merge_value(conf->edge_report, prev->edge_report, 0);
    merge_limits(*prev, *conf);
    if (conf->route_name.data == nullptr) conf->route_name = prev->route_name;

    conf->route = route_of(cf, *conf);
    if (conf->route == NGX_ERROR) return static_cast<char*>(NGX_CONF_ERROR);
    // Also where nothing is limited yet: nginx's own word for an unknown zone is "zero size".
    if (complete_limits(cf, *conf) != NGX_CONF_OK) return static_cast<char*>(NGX_CONF_ERROR);
    if (conf->mode == mode_off) return NGX_CONF_OK;
    static_cast<ServerConf*>(ngx_http_conf_get_module_srv_conf(cf, ngx_http_npcchat_module))->used = true;
    return check_conf(cf, *conf);
}

ngx_int_t add_handler(ngx_conf_t* cf, ngx_http_phases phase, ngx_http_handler_pt handler) noexcept {
    auto* cmcf =
        static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    auto* slot = static_cast<ngx_http_handler_pt*>(ngx_array_push(&cmcf->phases[phase].handlers));
    if (slot == nullptr) return NGX_ERROR;
    *slot = handler;
    return NGX_OK;
}

ngx_int_t init_module(ngx_conf_t* cf) noexcept {
    // A configuration that does not use the module runs as if it were not loaded.
    auto* cmcf =
        static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    auto** servers = static_cast<ngx_http_core_srv_conf_t**>(cmcf->servers.elts);
    bool used = false;
    for (ngx_uint_t i = 0; i < cmcf->servers.nelts; ++i) {
        void* conf = servers[i]->ctx->srv_conf[ngx_http_npcchat_module.ctx_index];
        used = used || static_cast<ServerConf*>(conf)->used;
    }
    auto* mcf = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_npcchat_module));
    if ((used || mcf->metrics_shown) && add_metrics_zone(cf, *mcf->metrics) != NGX_OK) return NGX_ERROR;
    if (!used) return NGX_OK;

    if (add_handler(cf, NGX_HTTP_POST_READ_PHASE, post_read_handler) != NGX_OK ||
        add_handler(cf, NGX_HTTP_REWRITE_PHASE, rewrite_handler) != NGX_OK ||
        add_handler(cf, NGX_HTTP_PREACCESS_PHASE, preaccess_handler) != NGX_OK ||
        add_handler(cf, NGX_HTTP_ACCESS_PHASE, access_handler) != NGX_OK ||
        add_handler(cf, NGX_HTTP_PRECONTENT_PHASE, precontent_handler) != NGX_OK) {
        return NGX_ERROR;
    }
    return add_handler(cf, NGX_HTTP_LOG_PHASE, log_phase_handler);
}

ngx_int_t prepare(ngx_conf_t* cf) noexcept {
    if (same_layout(cf->log)) return add_variables(cf);
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "ngx_http_npcchat_module.so was built for another nginx " NGINX_VERSION
                  ", whose connections are laid out otherwise: build it with the sources of this one "
                  "(Debian's are in its package nginx-dev)");
    return NGX_ERROR;
}

ngx_http_module_t module_context = {
    .preconfiguration = prepare,
    .postconfiguration = init_module,
    .create_main_conf = create_main_conf,
    .init_main_conf = nullptr,
    .create_srv_conf = create_srv_conf,
    .merge_srv_conf = nullptr,
    .create_loc_conf = create_loc_conf,
    .merge_loc_conf = merge_loc_conf,
};

} // namespace

} // namespace npcchat

ngx_module_t ngx_http_npcchat_module = {
    NGX_MODULE_V1,
    &npcchat::module_context,
    npcchat::commands,
    NGX_HTTP_MODULE,
    nullptr, // init master
    nullptr, // init module
    nullptr, // init process
    nullptr, // init thread
    nullptr, // exit thread
    nullptr, // exit process
    nullptr, // exit master
    NGX_MODULE_V1_PADDING,
};
