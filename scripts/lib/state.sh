# shellcheck shell=bash
# STATE_DIR of ./scripts/run: its folders, its lock, and a stand-in where its path is not suitable. After common.sh.

prepare_state() {
    logs=$STATE_DIR/log
    (umask 077 && mkdir -p "$STATE_DIR/run" "$logs") 2>/dev/null && [[ -w $STATE_DIR && -w $STATE_DIR/run && -w $logs ]] ||
        die "STATE_DIR: cannot write into $STATE_DIR (made by another user?)"
    lock_state
    choose_private_folder
}

# The processes of a run inherit the lock, so that a run that was killed holds it until the last of them has ended.
lock_state() {
    local holder
    exec {state_lock}>>"$STATE_DIR/run/lock"
    if ! flock -n "$state_lock"; then
        holder=$(<"$STATE_DIR/run/lock")
        if [[ $holder =~ ^[0-9]+$ ]] && ! kill -0 "$holder" 2>/dev/null; then
            say "waiting for what a killed run left behind in $STATE_DIR to end…"
            flock -w 12 "$state_lock" && holder=''
        fi
        [[ -z $holder ]] || die "another run (process $holder) is using STATE_DIR $STATE_DIR; stop it, or choose another STATE_DIR"
    fi
    printf '%s\n' $$ >"$STATE_DIR/run/lock"
}

# Unix sockets' paths have at most 107 bytes, and nginx's configuration has its own idea of blanks, quotes and `$`:
# where STATE_DIR is not suitable, a private folder in /tmp stands for it.
choose_private_folder() {
    local longest=$STATE_DIR/run/sidecar.sock.keys.00
    sockets=$STATE_DIR/run
    plain_state=$STATE_DIR
    if (($(printf '%s' "$longest" | wc -c) > 107)) || ! [[ $STATE_DIR =~ ^[A-Za-z0-9._/@%+=:,~-]+$ ]]; then
        private=$(mktemp -d /tmp/npcchat-run.XXXXXXXX) || die "cannot make a private folder in /tmp"
        ln -s "$STATE_DIR" "$private/state"
        sockets=$private
        plain_state=$private/state
    fi
}
