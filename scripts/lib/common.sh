# shellcheck shell=bash
# What every script needs: messages, bounded waiting, the .env file. Sourced, never run.

NPC_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

# Messages go to stderr: stdout is for what the user asked for.
say() { printf '%s\n' "$*" >&2; }

die() {
    say "${0##*/}: $*"
    exit 1
}

# A pipe that never has data: reading it with a timeout is a pause that starts no process and that a trap can interrupt.
exec {NPC_PAUSE_FD}<> <(:)

pause() { read -rt "$1" -u "$NPC_PAUSE_FD" _ || true; }

now_us() { printf -v "$1" '%s' "${EPOCHREALTIME/[.,]/}"; }

# wait_until SECONDS COMMAND…: runs the command every 30 ms until it succeeds; 1 after SECONDS (whole or decimal).
wait_until() {
    local seconds=$1 limit_us end now
    shift
    printf -v limit_us '%.0f' "${seconds}e6"
    now_us now
    end=$((now + limit_us))
    until "$@"; do
        now_us now
        ((now < end)) || return 1
        pause 0.03
    done
}

# run_child COMMAND…: waits for the command, but lets the script's traps run meanwhile; they find it in NPC_CHILD.
NPC_CHILD=''
run_child() {
    local status=0
    "$@" &
    NPC_CHILD=$!
    wait "$NPC_CHILD" || status=$?
    NPC_CHILD=''
    return "$status"
}

# dotenv_value TEXT: prints the value that stands right of the `=`; 1 if its quotes do not match.
dotenv_value() {
    local text=$1 double='^"(([^"\\]|\\.)*)"[[:space:]]*(#.*)?$' single="^'([^']*)'[[:space:]]*(#.*)?\$"
    if [[ $text =~ $double ]]; then
        local value=${BASH_REMATCH[1]} plain='' char
        while [[ -n $value ]]; do
            char=${value:0:1}
            value=${value:1}
            if [[ $char == \\ ]]; then
                case ${value:0:1} in
                n) char=$'\n' ;;
                '"' | \\ | '$' | '`') char=${value:0:1} ;;
                *) char=\\${value:0:1} ;;
                esac
                value=${value:1}
            fi
            plain+=$char
        done
        printf '%s' "$plain"
    elif [[ $text =~ $single ]]; then
        printf '%s' "${BASH_REMATCH[1]}"
    elif [[ $text == [\"\']* ]]; then
        return 1
    else
        [[ $text == '#'* ]] && text=''
        text=${text%%[[:space:]]#*}
        printf '%s' "${text%"${text##*[![:space:]]}"}"
    fi
}

# load_dotenv FILE: exports the KEY=VALUE lines of FILE that the environment does not have yet. Nothing in the file is
# evaluated. The names that came from the file are in the array NPC_FROM_DOTENV.
load_dotenv() {
    local file=$1 line number=0 assignment='^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=[[:space:]]*(.*)$'
    declare -gA NPC_FROM_DOTENV=()
    [[ -e $file ]] || return 0
    [[ -r $file ]] || die "$file cannot be read"
    while IFS= read -r line || [[ -n $line ]]; do
        number=$((number + 1))
        line=${line%$'\r'}
        if [[ $line =~ ^[[:space:]]*(#.*)?$ ]]; then continue; fi
        [[ $line =~ $assignment ]] || die "$file, line $number: expected KEY=VALUE"
        local name=${BASH_REMATCH[2]} text=${BASH_REMATCH[3]} value
        # A trailing byte keeps the newlines that $( ) would cut.
        value=$(dotenv_value "$text" && printf x) || die "$file, line $number: the quotes around the value do not match"
        if [[ -n ${NPC_FROM_DOTENV[$name]:-} || ! -v $name ]]; then
            export "$name=${value%x}"
            NPC_FROM_DOTENV[$name]=1
        fi
    done <"$file"
}
