# shellcheck shell=bash
# Turns the configuration in conf/, which is that of an installed npcchat, into that of one run. After common.sh.

# render FILE TARGET LITERAL VALUE…: copies FILE with each LITERAL replaced by its VALUE. Every LITERAL must occur: a
# file in conf/ that was changed is noticed here. Values are put in at once, so that one never changes another.
render() {
    local file=$1 target=$2 text number=0 literal
    local values=()
    shift 2
    text=$(<"$file")
    while (($#)); do
        literal=$1
        [[ $text == *"$literal"* ]] || die "$file does not have '$literal' any more: scripts/run has to follow it"
        text=${text//"$literal"/$'\x01'"$number"$'\x02'}
        values[number]=$2
        number=$((number + 1))
        shift 2
    done
    for number in "${!values[@]}"; do
        text=${text//$'\x01'"$number"$'\x02'/"${values[number]}"}
    done
    printf '%s\n' "$text" >"$target"
}

# Descriptors for all that is started: up to 65536, if the machine lets it have them.
raise_descriptor_limit() {
    descriptors=$(ulimit -Hn)
    if [[ $descriptors == unlimited ]] || ((descriptors > 65536)); then descriptors=65536; fi
    ulimit -Sn "$descriptors" 2>/dev/null || descriptors=$(ulimit -Sn)
}

write_nginx_conf() {
    local conf=$NPC_ROOT/conf target=$STATE_DIR/run process='daemon off;' burst=0 workers_want allow='' address
    local readers=${METRICS_ALLOW:-} proxies=${TRUSTED_PROXIES:-} behind='' documents=16777216
    # As root, the workers stay root: STATE_DIR may be where no other user can go.
    if ((EUID == 0)); then process+=$'\nuser root;'; fi
    # The sidecar has checked them: it starts first.
    for address in ${readers//,/ }; do allow+="allow $address; "; done
    for address in ${proxies//,/ }; do
        [[ $address =~ ^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$ ]] ||
            die "TRUSTED_PROXIES must be addresses or networks, such as 10.0.0.0/8, not '$address'"
        behind+=$'\n'"        set_real_ip_from $address;"
    done
    if [[ -n $behind ]]; then behind+=$'\n        real_ip_header X-Forwarded-For;\n        real_ip_recursive on;'; fi
    if ((${MAX_BODY:-0} > documents)); then documents=$MAX_BODY; fi
    if ((RATE_LIMIT > 0)); then burst=$((RATE_LIMIT - 1)); fi
    workers_want=$(sed -n 's/^worker_rlimit_nofile \([0-9]*\);$/\1/p' "$conf/nginx.conf")
    if ((descriptors > workers_want)); then descriptors=$workers_want; fi
    render "$conf/nginx.conf" "$target/nginx.conf" \
        'load_module modules/ngx_http_npcchat_module.so;' "load_module $build_dir/ngx_http_npcchat_module.so;" \
        'user www-data;' "$process" \
        "worker_rlimit_nofile $workers_want;" "worker_rlimit_nofile $descriptors;" \
        'worker_processes auto;' "worker_processes ${EDGE_WORKERS:-auto};" \
        'listen 127.0.0.1:8001;' "listen $BIND:$PORT;$behind" \
        /run/npcchat "$sockets" /var/lib/npcchat "$plain_state" /var/log/npcchat "$plain_state/log"
    render "$conf/npcchat-http.conf" "$target/npcchat-http.conf" \
        'server unix:/run/npcchat/sidecar.sock;' "server $SIDECAR_LISTEN;" \
        'server unix:/run/npcchat/sidecar.sock.keys;' "server $SIDECAR_KEYS_LISTEN;" \
        'npcchat_secret_file /var/lib/npcchat/edge.secret;' "npcchat_secret_file $secret_file;" \
        rate=5r/m "rate=${RATE_LIMIT}r/m"
    render "$conf/npcchat-server.conf" "$target/npcchat-server.conf" \
        burst=4 "burst=$burst" 'client_max_body_size 1m;' "client_max_body_size ${MAX_BODY:-1m};" \
        'client_max_body_size 16m;' "client_max_body_size $documents;" \
        'deny all;' "${allow}deny all;" /var/log/npcchat "$plain_state/log"
}

# Prints the sanitizers' library where the module was built with them: nginx itself was not.
sanitizer_library() {
    if grep -qs '^NPCCHAT_SANITIZE:BOOL=ON' "$build_dir/CMakeCache.txt"; then
        clang++-19 -print-file-name=libclang_rt.asan-x86_64.so
    fi
}

# Hardly anything of the environment: it has the models' keys.
# What is to stand before a server's command: the scheduler's policy in which processes that wake each other under load
# do not interrupt each other, as the sidecar sets it for itself. Nothing where the system refuses it.
batch_policy() {
    if chrt --batch 0 true 2>/dev/null; then echo chrt --batch 0; fi
}

start_nginx() {
    local environment=(PATH="$PATH") policy library
    read -ra policy <<<"$(batch_policy)"
    library=$(sanitizer_library)
    if [[ -n $library ]]; then
        environment+=(LD_PRELOAD="$library" ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
            UBSAN_OPTIONS="${UBSAN_OPTIONS:-}")
    fi
    write_nginx_conf
    start_child nginx QUIT "$logs/nginx.log" env -i "${environment[@]}" \
        "${policy[@]}" "$nginx" -p "$plain_state" -c "$plain_state/run/nginx.conf" -e "$plain_state/log/error.log"
    CHILD_LOG[nginx]=$logs/error.log
}
