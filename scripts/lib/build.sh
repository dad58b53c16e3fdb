# shellcheck shell=bash
# Building: the API page's viewer from npm, then CMake and Ninja. Sourced after common.sh.

# Compilers that use much memory at once: one job per core, and at least 1.5 GB for each.
build_jobs() {
    local cores memory_kb jobs
    cores=$(nproc)
    memory_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    jobs=$((memory_kb / 1500000))
    ((jobs <= cores)) || jobs=$cores
    ((jobs >= 1)) || jobs=1
    printf '%s' "$jobs"
}

# Puts the viewer of docs/viewer's lock file into build/docs-viewer/node_modules, unless it is there already.
build_docs_viewer() {
    local source=$NPC_ROOT/docs/viewer target=$NPC_ROOT/build/docs-viewer stamp
    [[ -f $source/package-lock.json ]] || return 0
    stamp=$(sha256sum <"$source/package.json" && sha256sum <"$source/package-lock.json")
    if [[ -f $target/stamp && $(<"$target/stamp") == "$stamp" ]]; then return 0; fi

    say "fetching the API page's viewer (npm)…"
    rm -rf "$target" "$target.new"
    mkdir -p "$target.new"
    cp "$source/package.json" "$source/package-lock.json" "$target.new/"
    if [[ ! -w ${HOME:-/nonexistent} ]]; then export npm_config_cache=$NPC_ROOT/build/npm-cache; fi
    (cd "$target.new" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >&2) ||
        die "npm could not fetch the viewer of docs/viewer. Is the network there? Run the script again to go on."
    printf '%s\n' "$stamp" >"$target.new/stamp"
    mv -T "$target.new" "$target"
}

# configure DIR [CMAKE-ARGUMENT…]: always runs CMake; a folder that was configured for another place is made anew.
configure() {
    local dir=$1 fresh=()
    shift
    if [[ -f $dir/CMakeCache.txt ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$NPC_ROOT" "$dir/CMakeCache.txt"; then
        fresh=(--fresh)
    fi
    say "configuring ${dir#"$NPC_ROOT/"}…"
    mkdir -p "$dir"
    # nginx's own configure looks for "cc", which a machine may lack.
    CC=clang-19 CXX=clang++-19 cmake "${fresh[@]}" -S "$NPC_ROOT" -B "$dir" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 "$@" >"$dir/configure.log" 2>&1 || {
        tail -n 40 "$dir/configure.log" >&2
        die "CMake failed (all of it: $dir/configure.log)"
    }
}

is_configured() {
    [[ -f $1/build.ninja ]] && grep -qsxF "CMAKE_HOME_DIRECTORY:INTERNAL=$NPC_ROOT" "$1/CMakeCache.txt"
}

# compile DIR TARGET…: quiet where everything is up to date.
compile() {
    local dir=$1 line started='' jobs
    shift
    jobs=$(build_jobs)
    ninja -C "$dir" -j "$jobs" "$@" 2>&1 | while IFS= read -r line; do
        case $line in
        *'Entering directory'* | *'Re-checking globbed directories'* | *'no work to do'*) continue ;;
        esac
        if [[ -z $started ]]; then say "building ${dir#"$NPC_ROOT/"} with $jobs job(s); the first time takes some minutes…"; fi
        started=1
        say "$line"
    done || die "the build failed, see above"
}

# Serialises the builds of several runs that were started at once: locked until unlock_build or the end of the script.
lock_build() {
    [[ $NPC_ROOT =~ ^[A-Za-z0-9._/@%+=:,~-]+$ ]] ||
        die "cannot build in '$NPC_ROOT': nginx's configure needs a path without blanks, quotes or the like"
    mkdir -p "$NPC_ROOT/build" 2>/dev/null || die "cannot write into $NPC_ROOT"
    [[ -w $NPC_ROOT/build ]] || die "cannot write into $NPC_ROOT/build (made by another user?)"
    exec {NPC_BUILD_LOCK}>>"$NPC_ROOT/build/.lock"
    flock -n "$NPC_BUILD_LOCK" || {
        say "waiting for another build to finish…"
        flock "$NPC_BUILD_LOCK"
    }
}

unlock_build() { exec {NPC_BUILD_LOCK}>&-; }

# What ./scripts/run needs and no more: the module, the sidecar, the viewer.
build_product() {
    local dir=$NPC_ROOT/build
    lock_build
    build_docs_viewer
    is_configured "$dir" || configure "$dir" -DBUILD_TESTING=OFF
    compile "$dir" npcchat-sidecar ngx_http_npcchat_module
    unlock_build
}
