# shellcheck shell=bash
# The processes of ./scripts/run: started apart from the terminal, watched, and stopped by their ids. After common.sh.

declare -A CHILD_PID=() CHILD_LOG=()
CHILDREN_FAILED=0

# start_child NAME SIGNAL LOG COMMAND…: in a session of its own, so that ^C reaches this script alone; the kernel sends
# SIGNAL if this script is killed. What the command prints is appended to LOG.
start_child() {
    local name=$1 signal=$2 log=$3
    shift 3
    setsid setpriv --pdeathsig "$signal" -- "$@" </dev/null >>"$log" 2>&1 &
    CHILD_PID[$name]=$!
    CHILD_LOG[$name]=$log
}

# A child that has ended but was not waited for yet counts as gone.
child_alive() {
    local stat
    [[ -n ${CHILD_PID[$1]:-} ]] || return 1
    { read -r stat <"/proc/${CHILD_PID[$1]}/stat"; } 2>/dev/null || return 1
    [[ ${stat##*) } != [ZX]* ]]
}

child_gone() { ! child_alive "$1"; }

all_alive() {
    local name
    for name in "${!CHILD_PID[@]}"; do child_alive "$name" || return 1; done
}

# Says which child ended, shows the end of its log, and ends what it left behind.
report_dead_children() {
    local name status
    for name in "${!CHILD_PID[@]}"; do
        child_gone "$name" || continue
        status=0
        wait "${CHILD_PID[$name]}" || status=$?
        kill -KILL -- "-${CHILD_PID[$name]}" 2>/dev/null || true
        unset "CHILD_PID[$name]"
        say "$name ended unexpectedly (exit status $status). The end of ${CHILD_LOG[$name]}:"
        tail -n 15 "${CHILD_LOG[$name]}" | sed 's/^/    /' >&2
    done
}

signal_child() { child_alive "$2" && kill "-$1" "${CHILD_PID[$2]}" 2>/dev/null || true; }

# stop_child NAME SECONDS SIGNAL: kills the child and what it started if it is still there after SECONDS. Says so where
# it ended badly by itself.
stop_child() {
    local status=0
    [[ -n ${CHILD_PID[$1]:-} ]] || return 0
    signal_child "$3" "$1"
    wait_until "$2" child_gone "$1" || kill -KILL -- "-${CHILD_PID[$1]}" 2>/dev/null || true
    wait "${CHILD_PID[$1]}" || status=$?
    unset "CHILD_PID[$1]"
    case $status in
    0 | 137 | 143) ;;
    *)
        say "$1 ended with status $status; see ${CHILD_LOG[$1]}"
        CHILDREN_FAILED=1
        ;;
    esac
}

# Requests in flight get 8 s; all of it takes less than 10. CHILDREN_FAILED says whether one ended badly.
stop_children() {
    CHILDREN_FAILED=0
    if child_alive nginx; then
        signal_child QUIT nginx
        wait_until 8 child_gone nginx || say "some requests took longer than 8 s; they are cut"
    fi
    stop_child nginx 0.4 TERM
    stop_child sidecar 1 TERM
    stop_child "stub model" 0.3 TERM
}
