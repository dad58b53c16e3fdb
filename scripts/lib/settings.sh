# shellcheck shell=bash
# What ./scripts/run is told by the environment and .env, checked. After common.sh.

# Relative paths in the environment are the caller's, those in .env are relative to the project's root.
absolute_path() {
    local name=$1 path=$2 base=$NPC_CALLER
    if [[ -n ${NPC_FROM_DOTENV[$name]:-} ]]; then base=$NPC_ROOT; fi
    [[ $path == /* ]] || path=$base/$path
    realpath -ms -- "$path"
}

# As the sidecar does: its keys socket is beside the public one.
keys_listen_for() {
    case $1 in
    unix:*) printf '%s.keys' "$1" ;;
    *) printf '%s:%s' "${1%:*}" "$((${1##*:} + 1))" ;;
    esac
}

# check_setting NAME PATTERN WHAT: where it is set, and not empty, it must match.
check_setting() {
    local name=$1 pattern=$2 expected=$3
    [[ -z ${!name:-} || ${!name} =~ $pattern ]] || die "$name must be $expected, not '${!name}'"
}

read_settings() {
    NPC_CALLER=$PWD
    load_dotenv "$NPC_ROOT/.env"
    check_setting PORT '^[0-9]{1,5}$' "a number from 1 to 65535"
    check_setting BIND '^(\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:.]+|[A-Za-z0-9.-]+)$' "an address"
    check_setting RATE_LIMIT '^[0-9]{1,7}$' "a whole number of requests a minute (0: no limit)"
    check_setting MAX_BODY '^[1-9][0-9]{0,11}$' "a number of bytes"
    check_setting EDGE_WORKERS '^([1-9][0-9]{0,2}|auto)$' "a number of nginx's workers, or auto"
    check_setting SIGNUP '^(open|admin)$' "'open' or 'admin'"
    check_setting SIDECAR_LISTEN '^(unix:.+|.+:[0-9]{1,5})$' "unix:PATH or host:port"
    check_setting SIDECAR_KEYS_LISTEN '^(unix:.+|.+:[0-9]{1,5})$' "unix:PATH or host:port"
    PORT=$((10#${PORT:-8001}))
    ((PORT >= 1 && PORT <= 65535)) || die "PORT must be a number from 1 to 65535, not '$PORT'"
    BIND=${BIND:-127.0.0.1}
    if [[ $BIND == *:* && $BIND != \[* ]]; then BIND="[$BIND]"; fi
    export SIGNUP=${SIGNUP:-open} RATE_LIMIT=$((10#${RATE_LIMIT:-5}))
    read_paths
    # A wildcard is no address to connect to.
    case $BIND in
    0.0.0.0) connect_host=127.0.0.1 ;;
    '[::]') connect_host='[::1]' ;;
    *) connect_host=$BIND ;;
    esac
    url=http://$connect_host:$PORT
}

read_paths() {
    local name
    STATE_DIR=$(absolute_path STATE_DIR "${STATE_DIR:-$NPC_ROOT/var}")
    build_dir=$(absolute_path NPCCHAT_BUILD_DIR "${NPCCHAT_BUILD_DIR:-$NPC_ROOT/build}")
    for name in MODELS_FILE EDGE_SECRET_FILE; do
        [[ -z ${!name:-} ]] || printf -v "$name" '%s' "$(absolute_path "$name" "${!name}")"
    done
    [[ -z ${MODELS_FILE:-} || -r $MODELS_FILE ]] || die "MODELS_FILE: $MODELS_FILE cannot be read"
    for name in DATABASE_URL SIDECAR_LISTEN SIDECAR_KEYS_LISTEN; do
        if [[ ${!name:-} =~ ^(sqlite|unix):(.+)$ ]]; then
            printf -v "$name" '%s' "${BASH_REMATCH[1]}:$(absolute_path "$name" "${BASH_REMATCH[2]}")"
        fi
    done
}
